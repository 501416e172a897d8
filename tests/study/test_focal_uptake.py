"""Focal uptake through the command line: first on the terminal and the page of `dose` and `plan`; a confirmed focus stops."""

import json

import numpy as np
import pytest
from dicom_factory import nm
from study_factory import ROIS, SPECT_AFFINE, distances, spect_counts, write_study

from y90voxel.case.focal_doses import FocalDose, focal_notices, mean_in_focus
from y90voxel.quantification.focal_uptake import Focus
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

STOMACH, KIDNEY = (60.0, -52.0, 52.0), (-60.0, 52.0, 52.0)
ORGANS = {"Stomach": (STOMACH, 22.0), "Kidney_R": (KIDNEY, 22.0)}


def study_with(tmp_path, *foci, rois=ORGANS):
    counts = spect_counts()
    for centre in foci:
        counts[distances(counts.shape, SPECT_AFFINE, centre) < 12] = 300
    return write_study(tmp_path / "study", rois=dict(ROIS) | rois, nm=[nm(counts, SPECT_AFFINE)])


def run_dose(run_cli, study, out, *more):
    facts = ["--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local"]
    return run_cli("dose", study, "-o", out, *facts, *more)


def run_plan(run_cli, study, out, *more):
    facts = ["--lung-shunt", "0.05", "--device", "resin", "--disease", "HCC", "--scenario", "unilobar"]
    return run_cli("plan", study, "-o", out, *facts, "--engine", "local", *more)


def test_a_focus_stands_first_with_volume_share_and_dose(run_cli, tmp_path):
    ran = run_dose(run_cli, study_with(tmp_path, STOMACH), tmp_path / "out")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("! focal uptake outside lungs and liver, in 'Stomach'")
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    (focus,) = found["focal_uptake"]
    assert focus["organs"] == ["Stomach"]
    counts = spect_counts()
    at_focus = distances(counts.shape, SPECT_AFFINE, STOMACH) < 12
    added = 300.0 * at_focus.sum()
    assert focus["share_of_counts"] == pytest.approx(added / (added + counts.sum()), rel=0.02)
    stomach = next(region for region in found["regions"] if region["name"] == "Stomach")
    assert focus["mean_gy"] > stomach["mean_gy"]
    assert found["warnings"][0]["code"] == "focal-uptake"
    assert f"{focus['mean_gy']:.3g} Gy" in ran.out.splitlines()[0]
    assert f"{focus['volume_ml']:.3g} mL" in ran.out.splitlines()[0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index('class="alarm"') < page.index('class="card')


def test_no_focus_no_word(run_cli, tmp_path):
    ran = run_dose(run_cli, study_with(tmp_path), tmp_path / "out")
    assert ran.code == 0, ran.err
    assert not ran.out.startswith("!")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["focal_uptake"] == []
    assert 'class="alarm"' not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("foci", "said"), [((STOMACH,), False), ((KIDNEY,), False), ((STOMACH, KIDNEY), True)]
)
def test_stomach_and_kidneys_together_look_like_free_pertechnetate(foci, said, run_cli, tmp_path):
    ran = run_dose(run_cli, study_with(tmp_path, *foci), tmp_path / "out", "--no-report")
    assert ran.code == 0, ran.err
    assert ("! free pertechnetate? 'Stomach' and 'Kidney_R' light up together" in ran.out) is said


def test_stomach_and_thyroid_together_look_like_free_pertechnetate(run_cli, tmp_path):
    rois = {"Stomach": ORGANS["Stomach"], "Thyroid": ORGANS["Kidney_R"]}
    ran = run_dose(run_cli, study_with(tmp_path, STOMACH, KIDNEY, rois=rois), tmp_path / "out", "--no-report")
    assert "free pertechnetate? 'Stomach' and 'Thyroid'" in ran.out


def test_a_plan_says_the_dose_of_its_own_activity_and_goes_on(run_cli, tmp_path):
    ran = run_plan(run_cli, study_with(tmp_path, STOMACH), tmp_path / "out")
    assert ran.code == 0, ran.err
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    first = next(model for model in plan["models"] if model["name"] == plan["first_model"])
    (focus,) = plan["focal_uptake"]
    gbq = first["activity_bq"] / 1e9
    said = [warning["message"] for warning in plan["warnings"] if warning["code"] == "focal-uptake"]
    assert len(said) == 1
    assert f"{focus['gy_per_gbq'] * gbq:.3g} Gy at the {gbq:.4g} GBq of the first model" in said[0]
    assert any(line.startswith("! focal uptake") for line in ran.out.splitlines())
    page = (tmp_path / "out" / "plan.html").read_text()
    assert "focal uptake outside lungs and liver" in page[: page.index('class="card')]
    assert plan["stop"] is None


def test_a_focus_confirmed_as_gastrointestinal_stops_the_plan(run_cli, tmp_path):
    study = study_with(tmp_path, STOMACH)
    ran = run_plan(run_cli, study, tmp_path / "out", "--gastrointestinal-focus")
    assert ran.code == 0, ran.err
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert "confirmed as gastrointestinal" in plan["stop"]
    assert all(model["activity_bq"] is None for model in plan["models"])
    assert ran.out.startswith("STOP: a focus of uptake is confirmed as gastrointestinal")
    (said,) = [warning["message"] for warning in plan["warnings"] if warning["code"] == "focal-uptake"]
    assert "Gy per GBq" in said
    assert said.endswith("A focus is confirmed as gastrointestinal.")


def found_focus(number, share=0.02):
    grid = Grid.from_spacing((3, 3, 3), (4.0, 4.0, 4.0))
    core = np.zeros(grid.shape)
    core[1, 1, 1] = 1.0
    return Focus(Mask(core, grid), (float(number), 0.0, 0.0), 1.0, share, None)


@pytest.mark.parametrize(("count", "lines"), [(5, 5), (6, 6)])
def test_of_many_foci_five_are_described_and_the_rest_is_counted(count, lines):
    said = focal_notices([FocalDose(found_focus(n), 10.0) for n in range(count)])
    assert len(said) == lines
    assert ("1 more foci" in said[-1].message) is (count > 5)
    assert "no counts around it" in said[0].message


def test_a_focus_outside_the_dose_grid_has_no_dose():
    away = Grid.from_spacing((3, 3, 3), (4.0, 4.0, 4.0), (500.0, 0.0, 0.0))
    focus = found_focus(0)
    assert mean_in_focus(focus, DoseMap(np.full(away.shape, 7.0), away)) is None
    here = focus.core.grid
    assert mean_in_focus(focus, DoseMap(np.full(here.shape, 7.0), here)) == pytest.approx(7.0)
    fine = here.with_spacing(2.0)
    assert mean_in_focus(focus, DoseMap(np.full(fine.shape, 7.0), fine)) == pytest.approx(7.0)
    assert "outside the dose grid" in focal_notices([FocalDose(focus, None)])[0].message
