"""Roles of a case file at one study: what fits nothing goes, and what follows a renaming."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.region import DrawnRegion
from y90voxel.study.optional_roles import (
    fitting_roles,
    renamed_roles,
    texts_without_region,
    with_optional_roles,
)
from y90voxel.study.study import Study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))


def study(*names):
    drawn = tuple(DrawnRegion(name, Mask(np.ones((2, 2, 2)), GRID)) for name in names)
    return Study("S", (SimpleNamespace(),), drawn, None, None, StudyIdentity(), (), (), ())


@pytest.mark.parametrize(
    ("roles", "optional", "kept", "absent"),
    [
        ({"GTV*": "tumour"}, ["GTV*"], {"GTV*": "tumour"}, None),
        ({"HCC*": "tumour"}, ["HCC*"], {}, ["HCC*"]),
        ({"HCC*": "tumour"}, [], {"HCC*": "tumour"}, None),
        ({"GTV*": "tumour", "HCC*": "tumour"}, ["GTV*", "HCC*"], {"GTV*": "tumour"}, ["HCC*"]),
        ({"Body (automatic)": "ignore"}, ["Body (automatic)"], {"Body (automatic)": "ignore"}, None),
        ({"tumour (40 % isocontour)": "ignore"}, ["tumour (40 % isocontour)"], None, None),
    ],
)
def test_roles_that_fit_no_region_of_a_study_go_with_a_notice(roles, optional, kept, absent):
    tables = {"roles": roles, "isocontour": {"tumour": "40 %"}}
    settings, given = load_settings(None, {"regions": tables}), study("Liver", "GTV 1")
    found, left = with_optional_roles(given, settings, optional)
    assert left.regions.roles == (roles if kept is None else kept)
    if absent is None:
        assert (found, left) == (given, settings)
    else:
        assert texts_without_region(found.notices[0].message) == absent


@pytest.mark.parametrize(
    ("name", "near"), [("GTV", "GTW"), ("GT", None), ("Liver", "Livr"), ("HCC 10", None), ("HCC 1", "HCV 1")]
)
def test_a_slip_is_a_letter_of_three_or_more_and_of_no_number(name, near):
    text = near or {"GT": "GV", "HCC 10": "HCC 11"}[name]
    _, notices = fitting_roles([name], {text: "tumour"}, [text])
    assert ["nearly the region" in notice.message for notice in notices] == [False] + [True] * (
        near is not None
    )


def test_roles_follow_a_renaming_and_patterns_become_names():
    roles = {"HCC*": "tumour", "Leber": "liver", "Spleen*": "ignore"}
    found = renamed_roles(study("HCC a", "HCC b", "Leber"), roles, {"HCC a": "region 1", "Leber": "region 3"})
    assert found == {"Spleen*": "ignore", "region 1": "tumour", "HCC b": "tumour", "region 3": "liver"}
    with pytest.raises(InputError):
        renamed_roles(study("HCC a"), {"HCC*": "nonsense"}, {})


@pytest.mark.parametrize("message", ["of another version", "roles of a case file: 'a.", "1 + x"])
def test_a_notice_of_another_version_lists_nothing(message):
    assert texts_without_region(message) == []
