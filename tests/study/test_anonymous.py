"""What has to go from settings and names: each kind of field that tells when, where or who, by the declaration."""

import json
import types
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Union, get_args, get_origin

import pytest

from y90voxel.case.plan_settings import PlanSettings
from y90voxel.case.setting_types import Group
from y90voxel.case.settings import RadiobiologySettings, StudySettings, load_settings
from y90voxel.clinical.limits_table import TABLE
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.roles import Role
from y90voxel.study.anonymous import (
    anonymous_aims,
    anonymous_masses,
    anonymous_names,
    anonymous_settings,
    without_free_text,
)
from y90voxel.study.run_plan import run_plan

MARK = "Zqx"


def leaves(kind, path):
    """Every value of the declaration: the keys that lead to it, and its types."""
    if isinstance(kind, type) and issubclass(kind, Group):
        for name, field in kind.model_fields.items():
            yield from leaves(field.annotation, (*path, field.alias or name))
    elif get_origin(kind) is Annotated:
        yield from leaves(get_args(kind)[0], path)
    elif get_origin(kind) is dict:
        yield from leaves(get_args(kind)[1], path)
    elif get_origin(kind) in (Union, types.UnionType, list, tuple):
        for part in get_args(kind):
            yield from leaves(part, path)
    else:
        yield path, kind


TELLING = sorted({path for path, kind in leaves(StudySettings, ()) if kind in (date, datetime, Path)})


def test_the_declaration_has_times_and_files():
    assert {("scanner",), ("plan", "treatment", "assay_time"), ("administration", "time")} < set(TELLING)
    assert len(TELLING) > 15


@pytest.mark.parametrize("path", [*TELLING, ("plan", "previous"), ("output", "label")], ids=".".join)
def test_no_time_and_no_file_of_the_settings_is_shown(path):
    """A scanner file, folders of earlier treatments and the time of an assay were."""
    tables = MARK
    for key in reversed(path):
        tables = {key: tables, "kept": 1}
    shown = json.dumps(anonymous_settings(tables))
    assert MARK not in shown
    assert "kept" in shown


def test_what_tells_nothing_stays_in_tables_and_lists():
    given = {
        "dose": {"grid": 4.0},
        "plan": {"split": [0.4, 0.6], "goal": [{"region": "liver", "source": MARK}]},
    }
    assert anonymous_settings(given) == {
        "dose": {"grid": 4.0},
        "plan": {"split": [0.4, 0.6], "goal": [{"region": "liver"}]},
    }


def drawn(*names):
    return [types.SimpleNamespace(name=name) for name in names]


def test_regions_that_could_name_a_person_are_numbered():
    who = StudyIdentity(patient_name="Lobe^Anna", patient_id="7")
    names = anonymous_names(drawn("Liver", "GTV 2", f"{MARK} tumour", "Right lobe", "GTV 123"), who)
    assert names == {f"{MARK} tumour": "region 3", "Right lobe": "region 4", "GTV 123": "region 5"}


def test_sources_of_parameters_are_not_shown_where_there_are_some():
    given = RadiobiologySettings(alpha_beta_gy=10.0, repair_half_time_h=1.5)
    told = given.model_copy(update={"source": MARK})
    shown = without_free_text({Role.TUMOUR: told, Role.LIVER: given})
    assert [one.source for one in shown.values()] == ["left out, anonymised", None]


def test_aims_are_those_of_the_regions_as_they_are_called_now():
    row = TABLE[0].name
    plan = PlanSettings.model_validate(
        {
            "goal": [{"region": MARK, "value": 200, "name": MARK, "source": MARK}],
            "limit": [{"region": "liver", "value": 60, "name": row}],
            "objective": {MARK: 1.0, "liver": 2.0},
            "recovery": {MARK: 0.8},
        }
    )
    found = anonymous_aims(plan, {MARK: "region 1"})
    (goal,), (limit,) = found.goal, found.limit
    assert (goal.region, goal.name, goal.source) == ("region 1", None, "left out, anonymised")
    assert (limit.region, limit.name, limit.source) == ("liver", row, "given")
    assert (found.objective, found.recovery) == ({"region 1": 1.0, "liver": 2.0}, {"region 1": 0.8})
    assert found.anatomy is None


TIME, BEFORE = "1911-03-02T10:30+01:00", "1911-03-01T10:30+01:00"
TUMOURS = [{"name": MARK, "mass_kg": 0.1, "ratio": 4.0}, {"name": "tumour 1", "mass_kg": 0.05, "ratio": 3.0}]
MASSES = {
    "administration": {"device": "glass", "activity": "2 GBq", "time": TIME},
    "plan": {
        "scenario": "lobectomy", "disease": "HCC",
        "treatment": [{"assay": "3 GBq", "assay_time": BEFORE, "time": TIME, "residual": "0.1 GBq", "residual_time": TIME}],
        "order": {"injection_time": TIME, "calibration_times": [BEFORE], "activity": "2 GBq"},
        "anatomy": {
            "perfused_normal_mass_kg": 0.8, "whole_normal_mass_kg": 1.2, "tumour": TUMOURS[:1],
            "territory": [{"name": f"{MARK} left", "lung_shunt_fraction": 0.06, "normal_mass_kg": 0.8, "tumour": TUMOURS}],
        },
        "goal": [{"region": MARK, "value": 300, "name": f"{MARK} wish", "source": f"{MARK} letter"}],
        "limit": [{"region": "lungs", "value": 25, "source": MARK}],
    },
    "radiobiology": {"tumour": {"alpha_beta_gy": 10, "repair_half_time_h": 1, "source": MARK}},
    "output": {"label": MARK, "anonymise": True},
}  # fmt: skip


def test_tumours_and_injections_of_a_plan_without_images_are_numbered():
    found = anonymous_masses(load_settings(None, MASSES)).plan
    assert [one.name for one in found.anatomy.tumour] == ["tumour 2"]  # another is tumour 1
    (injection,) = found.anatomy.territory
    assert (injection.name, [one.name for one in injection.tumour]) == (
        "injection 1",
        ["tumour 2", "tumour 1"],
    )
    assert found.goal[0].region == "tumour 2"
    assert [one.ratio for one in injection.tumour] == [4.0, 3.0]


def test_a_plan_without_images_tells_neither_who_nor_when():
    """Its label, names and sources stood in every file."""
    written = json.dumps(run_plan(None, None, load_settings(None, MASSES)).metrics)
    assert not [word for word in (MARK, "1911") if word in written]
    named = run_plan(None, None, load_settings(None, MASSES | {"output": {"label": MARK}}))
    assert all(word in json.dumps(named.metrics) for word in (MARK, "1911"))
