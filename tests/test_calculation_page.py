"""Numbers, keys and names of the pages on what is computed are those of the code."""

import re

import pytest
from document_blocks import ROOT
from study_factory import write_study

import y90voxel as yv
from y90voxel.case.settings import MonteCarloSettings
from y90voxel.case.uncertainty_inputs import UncertaintyInputs
from y90voxel.case.uncertainty_settings import UncertaintySettings
from y90voxel.cli.main import COMMANDS
from y90voxel.dose.engines import AUTO_ENGINE, engine_choices
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.calibration_spread import ASSUMED_FWHM_MM
from y90voxel.quantification.plausibility import ACCEPTABLE
from y90voxel.reference.nuclide_records import therapy_nuclides
from y90voxel.reference.tissue import (
    DENSITY_FLOOR_G_PER_ML,
    LIVER_DENSITY_G_PER_ML,
    LUNG_DENSITY_G_PER_ML,
    SCHNEIDER_2000,
    SOFT_TISSUE_DENSITY_G_PER_ML,
)
from y90voxel.regions.roles import DRAWN_ROLES, role_of_name


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8").replace("−", "-")


def table(page, heading):
    """Rows below the row of headings that begins with ``heading``."""
    below = text_of(page).partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in below.split("\n")[2:]]
    assert rows
    return rows


@pytest.fixture(scope="module")
def calculation():
    return "docs/calculation.md"


def test_constants_of_nuclides_are_those_of_the_records(calculation):
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in table(calculation, "nuclide")}
    assert set(rows) == set(therapy_nuclides())
    for name, (hours, electrons_mev, constant) in rows.items():
        record = yv.nuclide(name)
        assert hours == record.half_life_s / 3600
        assert electrons_mev == round(record.mean_electron_energy_mev, 4)
        assert constant == round(record.dose_constant_gy_kg_per_gbq, 2)
        assert record.source in " ".join(text_of(calculation).split())


def test_the_curve_of_densities_is_the_default(calculation):
    assert tuple(tuple(map(float, row)) for row in table(calculation, "HU")) == SCHNEIDER_2000


def test_densities_by_region_are_those_of_the_code(calculation):
    found = {row[0]: row[1] for row in table(calculation, "where")}
    assert found["liver and tumours"].startswith(f"{LIVER_DENSITY_G_PER_ML:g} g/mL")
    assert found["lungs, without a CT"] == f"{LUNG_DENSITY_G_PER_ML:g} g/mL"
    assert found["all else, without a CT"] == f"{SOFT_TISSUE_DENSITY_G_PER_ML:g} g/mL"
    assert found["air and couch outside the body"] == f"{DENSITY_FLOOR_G_PER_ML:g} g/mL"


def test_every_mode_and_region_of_calibration_is_named(calculation):
    modes = [row[0].strip("`") for row in table(calculation, "`--calibration`")]
    assert modes == [mode.value for mode in CalibrationMode]
    regions = [row[0].split()[0].strip("`") for row in table(calculation, "`--calibration-region`")]
    assert regions == [region.value for region in CalibrationRegion]


def test_what_is_assumed_of_uncertainties_is_what_the_page_says():
    said = {
        key: row[2]
        for row in table("docs/uncertainty.md", "key of `[uncertainty]`")
        for key in re.findall(r"`(\w+)`", row[0])
    }
    assert set(said) == set(UncertaintySettings.model_fields)
    assumed = UncertaintyInputs(fwhm_mm=1.0, contour_voxel_mm=1.0, contour_fwhm_mm=1.0)
    for key in ("activity", "residual", "lung_shunt", "calibration", "decay", "density", "samples", "seed"):
        assert float(said[key]) == getattr(assumed, key), key
    widths = {"SPECT": "NM", "PET": "PT", "files": "file"}
    spect, pet = (float(number) for number in re.findall(r"(\d+) mm", said["fwhm_mm"]))
    assert {ASSUMED_FWHM_MM[widths[name]] for name in ("SPECT", "files")} == {spect}
    assert ASSUMED_FWHM_MM["PT"] == pet


def test_every_command_stands_in_the_table_with_its_help():
    rows = {row[0].strip("`"): row[1] for row in table("docs/commands.md", "command")}
    assert rows == COMMANDS


def test_refusals_that_can_be_accepted_are_named():
    part = text_of("docs/commands.md").partition("## Refusals that can be overridden")[2]
    assert all(f"`--accept {code}`" in part for code in ACCEPTABLE)


def test_every_engine_has_its_use():
    rows = [row[0].strip("`") for row in table("docs/engines.md", "use")]
    assert rows[0] == AUTO_ENGINE
    assert set(engine_choices()) == set(rows)


def test_histories_and_seed_are_the_defaults():
    page = text_of("docs/engines.md")
    assert f"seed = {MonteCarloSettings().seed} " in page
    for engine in (yv.MonteCarlo, yv.Exact):
        assert f"{engine.default_histories / 1e6:.0f} million ({engine.name})" in page


def test_times_are_those_of_the_readme():
    readme = text_of("README.md").partition("## How fast it is")[2].partition("\n## ")[0]
    rows = [row for row in readme.splitlines() if row.startswith("|")]
    assert len(rows) > 5
    page = text_of("docs/performance.md").splitlines()
    assert all(row in page for row in rows)


def test_files_of_a_result_folder_are_those_of_the_table(run_cli, tmp_path):
    study, out = write_study(tmp_path / "study"), tmp_path / "out"
    given = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--uncertainty", "-o", out)
    done = run_cli("dose", study, *given)
    assert done.code == 0, done.err
    rows = table("docs/commands.md", "file")
    named = {name.strip("/"): row[2] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    written = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert written <= set(named)
    usual = ("always", "unless `--no-report`", "where there are regions", "`--uncertainty`")
    assert written == {name for name, when in named.items() if when in usual}


def test_names_of_the_page_of_regions_have_the_roles_that_it_says():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*?) \| .* \|$", text_of("docs/regions.md"), re.M)
    roles = [set(re.findall(r"`(\w+)`", row[0])) for row in rows]
    assert set().union(*roles) == {role.value for role in DRAWN_ROLES}
    for wanted, (_, names) in zip(roles, rows, strict=True):
        for name in re.findall(r"`([^`-]+)`", names):
            assert role_of_name(name).value in wanted, name
