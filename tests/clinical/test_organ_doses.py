"""Organs outside liver and lungs: recognised by name, their doses in every output, and no limit where none was read."""

import json

import pytest
from study_factory import ROIS, write_study

from y90voxel.case.settings import load_settings
from y90voxel.clinical.organ_doses import NO_LIMIT, organ_rows
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import dose_text
from y90voxel.report.plan_limit_rows import planned_organ_rows
from y90voxel.study.run_plan import run_plan

ORGANS = {"Gallbladder": ((30.0, 10.0, 0.0), 8.0), "kidney_left": ((-44.0, 0.0, -10.0), 9.0)}
SETTINGS = {
    "administration": {"lung_shunt_fraction": 0.05, "device": "glass"},
    "dose": {"engine": "local"},
    "plan": {"disease": "HCC", "scenario": "bilobar"},
}
GIVEN = ("--lung-shunt", "0.05", "--device", "glass", "--engine", "local", "--activity", "1 GBq")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), rois=ROIS | ORGANS)


def organs_among(rows):
    return {row["region"]: row for row in rows if row["status"] == "none printed"}


def test_other_regions_have_no_row_and_organs_no_limit():
    rows = organ_rows({"a": (Role.STOMACH, 5.0), "b": (Role.OTHER, 9.0), "c": (Role.LUNG, 7.0)})
    assert [(row["region"], row["value_gy"], row["limit_gy"], row["reason"]) for row in rows] == [
        ("a", 5.0, None, "no limit in the table")
    ]


def test_an_organ_with_a_limit_is_judged_and_not_said_to_have_none(run_cli, study, tmp_path):
    given = (
        "--disease",
        "HCC",
        "--scenario",
        "bilobar",
        "--bilirubin",
        "12",
        "--limit",
        "Gallbladder mean <= 50",
    )
    done = run_cli("plan", study, *GIVEN, *given, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    models = json.loads((tmp_path / "out" / "plan.json").read_text())["models"]
    (voxel,) = [model for model in models if model["name"] == "voxel"]
    assert organs_among(voxel["limits"]).keys() == {"kidney_left"}
    (row,) = [row for row in voxel["limits"] if row["region"] == "Gallbladder"]
    assert (row["limit_gy"], row["status"]) == (50.0, "met")
    assert "gallbladder (Gallbladder)" not in done.out


def test_a_dose_reports_organs_without_calling_them_unknown(run_cli, study, tmp_path):
    done = run_cli("dose", study, *GIVEN, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    found = organs_among(metrics["limits"])
    means = {row["name"]: row["mass_weighted_mean_gy"] for row in metrics["regions"]}
    assert found.keys() == ORGANS.keys()
    assert all(found[name]["value_gy"] == means[name] for name in ORGANS)
    assert means["Gallbladder"] > 1.0
    roles = {row["name"]: row["role"] for row in metrics["regions"]}
    assert (roles["Gallbladder"], roles["kidney_left"]) == ("gallbladder", "kidney")
    assert "other-regions" not in {notice["code"] for notice in metrics["warnings"]}
    assert f"none printed: gallbladder (Gallbladder): {means['Gallbladder']:.4g} Gy, {NO_LIMIT}" in done.out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Other organs</h2>" in page
    assert page.count(f">{NO_LIMIT}</td>") == len(ORGANS)


def test_a_plan_reports_organs_at_the_activity_of_each_model(run_cli, study, tmp_path):
    given = ("--disease", "HCC", "--scenario", "bilobar", "--bilirubin", "12")
    done = run_cli("plan", study, *GIVEN, *given, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    per_gbq = {row["name"]: row["dose_per_gbq_gy"][0] for row in plan["regions"]}
    available = [model for model in plan["models"] if model["available"]]
    assert len(available) > 1
    for model in available:
        found = organs_among(row for row in model["limits"] if row["name"] != "liver")
        assert found.keys() == ORGANS.keys()
        for name in ORGANS:
            expected = per_gbq[name] * model["activity_bq"] / 1e9
            assert found[name]["value_gy"] == pytest.approx(expected, rel=1e-9)
    assert "<h2>Other organs</h2>" in (tmp_path / "out" / "plan.html").read_text(encoding="utf-8")
    first = next(model for model in available if model["name"] == plan["first_model"])
    dose = per_gbq["Gallbladder"] * first["activity_bq"] / 1e9
    assert (
        f"gallbladder (Gallbladder): {dose:.4g} Gy at the activity of {first['title']}, {NO_LIMIT}"
        in done.out
    )


def test_the_plan_page_has_the_maximum_of_a_dose_run_with_its_activity(run_cli, study, tmp_path):
    found = run_plan(study, None, load_settings(None, SETTINGS))
    (kidney,) = [row for row in planned_organ_rows(found) if row["organ"] == "kidney"]
    activity = f"{found.first.activity_gbq!r} GBq"
    done = run_cli("dose", study, *GIVEN[:6], "--activity", activity, "-o", tmp_path / "out", "--no-report")
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "out" / "metrics.json").read_text())["regions"]
    delivered = next(row for row in rows if row["name"] == "kidney_left")
    assert kidney["maximum"] == dose_text(delivered["max_gy"])
    assert delivered["max_gy"] > 1.2 * delivered["mean_gy"]
