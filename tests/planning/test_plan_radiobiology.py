"""BED, EQD2 and EUD of a plan: those of a dose run with the planned activity, and nothing unless parameters are given."""

import json

import pytest
from study_factory import write_study

from y90voxel.planning.plan_radiobiology import planned_model_doses

CASE = """
[radiobiology.tumour]
alpha_beta_gy = 10
repair_half_time_h = 1.5
alpha_per_gy = 0.01
source = "chosen for this test"
[radiobiology.non_tumour_liver]
alpha_beta_gy = 2.5
repair_half_time_h = 2.5
"""
GIVEN = ("--lung-shunt", "0.05", "--engine", "local")
CONTEXT = ("--device", "glass", "--disease", "HCC", "--scenario", "bilobar", "--bilirubin", "12")
KEYS = ("bed_mean_gy", "eqd2_mean_gy", "eud_gy")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("case") / "case.toml"
    path.write_text(CASE, encoding="utf-8")
    return path


def test_a_plan_has_the_model_values_of_a_dose_run_with_its_activity(run_cli, study, case_file, tmp_path):
    done = run_cli("plan", study, *GIVEN, *CONTEXT, "--case", case_file, "-o", tmp_path / "plan")
    assert done.code == 0, done.err
    plan = json.loads((tmp_path / "plan" / "plan.json").read_text())
    models = {model["name"]: model for model in plan["models"] if model["available"]}
    model = models[plan["first_model"]]
    rows = {row["region"]: row for row in model["radiobiology"]}
    assert set(rows) == {"GTV1", "non-tumour liver"}
    assert rows["GTV1"]["parameters"]["source"] == "chosen for this test"
    activity = f"{model['activity_bq']!r} Bq"
    run_cli("dose", study, *GIVEN, "--case", case_file, "--activity", activity, "-o", tmp_path / "dose")
    dose = json.loads((tmp_path / "dose" / "metrics.json").read_text())
    for region in dose["regions"]:
        for key in KEYS:
            if region["name"] in rows and region[key] is not None:
                assert rows[region["name"]][key] == pytest.approx(region[key], rel=1e-5), (
                    region["name"],
                    key,
                )
            elif region["name"] not in rows:
                assert region[key] is None
    assert rows["non-tumour liver"]["eud_gy"] is None
    page = (tmp_path / "plan" / "plan.html").read_text(encoding="utf-8")
    assert "BED, EQD2 and EUD at" in page
    assert "source: chosen for this test" in page
    assert "source: not stated" in page


def test_no_parameters_no_model_values(run_cli, study, tmp_path):
    run_cli("plan", study, *GIVEN, *CONTEXT, "-o", tmp_path / "plan")
    plan = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert all(model["radiobiology"] == [] for model in plan["models"])
    assert "EQD2" not in (tmp_path / "plan" / "plan.html").read_text(encoding="utf-8")


def test_parameters_without_images_are_listed_as_unused(run_cli, tmp_path):
    case = tmp_path / "masses.toml"
    masses = "[plan.anatomy]\nperfused_normal_mass_kg = 1.1\nwhole_normal_mass_kg = 1.5\n"
    case.write_text(CASE + masses + 'tumour = [{ name = "A", mass_kg = 0.3, ratio = 4 }]\n', encoding="utf-8")
    done = run_cli("plan", "--case", case, "--lung-shunt", "0.05", *CONTEXT, "--json")
    codes = {notice["code"]: notice["message"] for notice in json.loads(done.out)["warnings"]}
    assert "radiobiology.tumour, radiobiology.non_tumour_liver" in codes["radiobiology-unused"]


@pytest.mark.parametrize("activities", [(), (0.0,), (0.0, 0.0)])
def test_neither_maps_nor_activity_no_model_values(activities):
    assert planned_model_doses(None, (1.0,)) == []
    assert planned_model_doses(object(), activities) == []
