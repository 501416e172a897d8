"""docs/radiobiology.md: its case file is accepted, and its numbers follow from the functions."""

import re
import tomllib
from pathlib import Path

import pytest

from y90voxel import radiobiology as rb
from y90voxel.case.settings import StudySettings
from y90voxel.regions.roles import Role

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "radiobiology.md").read_text(encoding="utf-8")


def test_the_case_file_of_the_page_is_accepted():
    (case,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    given = StudySettings(**tomllib.loads(case)).radiobiology
    assert given.keys() == {Role.TUMOUR, Role.NON_TUMOUR_LIVER}
    assert given[Role.TUMOUR].source == "protocol 4 of our clinic"
    assert given[Role.NON_TUMOUR_LIVER].source is None


@pytest.mark.parametrize("alpha_beta", [2.5, 8.0])
def test_the_example_of_two_ratios_is_computed(alpha_beta):
    bed = float(rb.bed(75.0, alpha_beta, 2.5 * 3600, 64.1 * 3600))
    assert f"{bed:.1f}" in PAGE
