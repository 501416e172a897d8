"""Roles that a cohort shares: the page is silent of those that fit somewhere and says once which fit nowhere."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from cohort_factory import metrics, simulated, write_results

from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.cohort_roles import CohortRoles
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.study.optional_roles import fitting_roles


def study(out, name, regions, roles, *, anonymise=False):
    """A study with regions of its own and the roles of all; ``roles`` are as typed, what fits stays in its settings."""
    kept, notices = fitting_roles(regions, roles, list(roles))
    document = metrics(name, **simulated(1, np.random.default_rng(1)))
    document["warnings"] = [{"code": n.code, "message": n.message} for n in notices]
    shown = {"region 1": "tumour"} if anonymise else kept
    document["provenance"]["settings"] = {"regions": {"roles": shown}, "output": {"anonymise": anonymise}}
    write_results(out / name, document)
    return StudyOutcome(name, name, StudyStatus.DONE, None, Path(name))


def page_of(out, studies):
    write_cohort(out, studies)
    return unescape(re.sub(r"<[^>]+>", " ", (out / "cohort.html").read_text()))


@pytest.mark.parametrize("anonymise", [False, True])
def test_a_role_that_fits_elsewhere_is_silent_and_one_that_fits_nowhere_is_said_once(tmp_path, anonymise):
    roles = {"HCC*": "tumour", "GTV*": "tumour", "Perfsued*": "perfused"}
    studies = [
        study(tmp_path, "a", ["HCC 1"], roles, anonymise=anonymise),
        study(tmp_path, "b", ["GTV 1"], roles, anonymise=anonymise),
    ]
    page = page_of(tmp_path, studies)
    assert "roles that fit no region of any study: 'Perfsued*'." in page
    assert page.count("role-without-region") == 1


def test_without_a_role_that_fits_nowhere_nothing_is_said(tmp_path):
    roles = {"HCC*": "tumour", "GTV*": "tumour"}
    studies = [study(tmp_path, "a", ["HCC 1"], roles), study(tmp_path, "b", ["GTV 1"], roles)]
    assert "role-without-region" not in page_of(tmp_path, studies)
    assert json.loads((tmp_path / "a" / "metrics.json").read_text())[
        "warnings"
    ]  # the study's own results say it


def test_a_role_of_one_study_that_fits_nowhere_is_said_of_it_alone(tmp_path):
    studies = [
        study(tmp_path, "a", ["HCC 1"], {"HCC*": "tumour", "Livr*": "liver"}),
        study(tmp_path, "b", ["HCC 1"], {"HCC*": "tumour"}),
    ]
    page = page_of(tmp_path, studies)
    assert re.search(
        r"role-without-region\s+roles that fit no region of any study: 'Livr\*'\.\s+1\s+a\s", page
    )


def test_names_that_are_hidden_are_not_taken_for_one():
    roles = CohortRoles()
    settings = {"provenance": {"settings": {"output": {"anonymise": True}}}}
    for name in "ab":
        _, (notice,) = fitting_roles(["Liver"], {"…": "tumour"}, ["…"])
        roles.add(name, {notice.code: notice.message}, settings)
    assert roles.fit_nowhere == []


def test_results_of_other_versions_say_nothing_of_roles():
    roles = CohortRoles()
    roles.add("a", {"role-without-region": "roles given for all studies: 'HCC*"}, {})
    assert roles.fit_nowhere == []
