"""Dose between microspheres of planning models: at the mean of each region, and on the page."""

import json

import pytest

from y90voxel.case.settings import load_settings, merge
from y90voxel.errors import InputError
from y90voxel.microscale.campbell import cv
from y90voxel.microscale.laplace import eud
from y90voxel.microscale.sphere_kernel import scoring_kernel
from y90voxel.report.plan_microscale_rows import plan_microscale_section
from y90voxel.study.run_plan import run_plan

TABLES = {
    "administration": {"activity": "2 GBq", "device": "glass"},
    "microscale": {"report": True, "days_since_calibration": 4.0},
    "plan": {
        "anatomy": {
            "whole_normal_mass_kg": 1.2,
            "territory": [{"lung_shunt_fraction": 0.06, "normal_mass_kg": 0.8, "tumour": [{"mass_kg": 0.3, "ratio": 4.0}]}],
        }
    },
}  # fmt: skip


def planned(*tables):
    chosen = TABLES
    for table in tables:
        chosen = merge(chosen, table)
    return run_plan(None, None, load_settings(None, chosen))


def test_every_region_of_liver_and_tumour_of_a_model_has_a_row():
    plan, kernel = planned(), scoring_kernel("Y-90", "liver")
    model = plan.model("given")
    doses = model.table.doses(model.activities_gbq)
    rows = [row for row in plan.microscale.rows if row.model == "given"]
    assert {row.region for row in rows} < set(doses)
    assert not any("lung" in row.region for row in rows)
    bq = 2500.0 * 2.0 ** (-96.0 / 64.1)
    for row in rows:
        assert row.mean_gy == doses[row.region]
        assert row.cv == pytest.approx(cv(row.mean_gy, bq, kernel), rel=1e-3)
        assert row.eud_gy[0.2] == pytest.approx(eud(row.mean_gy, 0.2, bq, kernel))
        assert row.d_gy[98] < row.d_gy[70] < row.mean_gy


def test_the_block_is_json_and_null_unless_asked():
    block = json.loads(json.dumps(planned().metrics["microscale"], allow_nan=False))
    assert block["statement"][0].startswith("exploratory, no decision may rest on it")
    assert block["regions"][0]["eud_gy"].keys() == {"0.05", "0.1", "0.2", "0.35"}
    assert planned({"microscale": {"report": False}}).metrics["microscale"] is None


def test_clusters_are_assumed_and_said_unless_stated():
    assert "microscale-clusters" in {notice.code for notice in planned().notices}
    many = planned({"microscale": {"clusters": "geometric-5"}})
    assert "microscale-clusters" not in {notice.code for notice in many.notices}
    assert many.microscale.rows[0].cv == pytest.approx(3.0 * planned().microscale.rows[0].cv, rel=1e-6)


def test_a_plan_without_doses_of_liver_and_tumour_says_so():
    bare = {
        "administration": {"activity": "2 GBq", "lung_shunt_fraction": 0.06, "device": "glass"},
        "microscale": {"report": True, "days_since_calibration": 4.0},
        "plan": {"anatomy": {"territory": [{"lung_shunt_fraction": 0.06}]}},
    }
    plan = run_plan(None, None, load_settings(None, bare))
    assert plan.microscale.rows == ()
    assert "microscale-omitted" in {notice.code for notice in plan.notices}


def test_spheres_that_are_not_known_are_refused():
    unknown = {**TABLES, "microscale": {"report": True}}
    with pytest.raises(InputError, match="Give --days-since-calibration"):
        run_plan(None, None, load_settings(None, unknown))


def test_the_plan_page_has_the_section(tmp_path):
    run_plan(None, tmp_path / "out", load_settings(None, TABLES))
    page = (tmp_path / "out" / "plan.html").read_text()
    assert "Between microspheres, by model" in page
    assert "exploratory, no decision may rest on it" in page
    section = plan_microscale_section(planned())
    assert all(cell in page for row in section["rows"] for cell in row["eud"])
    run_plan(None, tmp_path / "plain", load_settings(None, merge(TABLES, {"microscale": {"report": False}})))
    assert "Between microspheres" not in (tmp_path / "plain" / "plan.html").read_text()
