"""The dose to blood of planning models: by hand from their doses, where it is left out, and on the page."""

import json
from types import SimpleNamespace

import pytest

from y90voxel.case.settings import load_settings, merge
from y90voxel.errors import InputError
from y90voxel.planning import plan_immune
from y90voxel.planning.compartments import Anatomy
from y90voxel.planning.dose_table import LUNGS, DoseTable, RegionDoses
from y90voxel.planning.plan_model import PlanModel
from y90voxel.regions.roles import Role
from y90voxel.report.plan_immune_rows import plan_immune_section
from y90voxel.study.run_plan import run_plan

TABLES = {
    "administration": {"activity": "2 GBq"},
    "immune": {"report": True},
    "patient": {"sex": "female"},
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


def test_the_dose_to_blood_of_a_model_is_that_of_its_doses():
    plan = planned()
    model = plan.model("given")
    doses = model.table.doses_by_role(model.activities_gbq)
    hepatic = (0.3 * doses["tumours"] + 1.2 * doses["non_tumour_liver"]) / 1.5
    lungs = doses["lungs"]
    found = plan.immune.models["given"]
    assert found.mean_gy == pytest.approx(
        (0.1 * hepatic + 0.105 * lungs) / 0.9998, rel=1e-9
    )  # her table sums to 99.98 %
    assert found.assumptions.sex == "female"
    assert found.low_gy < found.mean_gy


def test_the_block_is_json_and_null_unless_asked():
    plan = planned()
    block = json.loads(json.dumps(plan.metrics["immune"], allow_nan=False))
    assert block["statement"][0].startswith("exploratory, no decision may rest on it")
    assert {row["model"] for row in block["models"]} == set(plan.immune.models)
    assert all(0 < row["count_low"] < row["count_high"] < 1 for row in block["models"])
    assert planned({"immune": {"report": False}}).metrics["immune"] is None


def test_models_without_the_whole_liver_are_left_out_and_said():
    bare = {**TABLES, "plan": {"anatomy": {"territory": TABLES["plan"]["anatomy"]["territory"]}}}
    plan = run_plan(None, None, load_settings(None, bare))
    assert plan.immune.models == {}
    (said,) = (n.message for n in plan.notices if n.code == "immune-omitted")
    assert "it gives no dose of the whole non-tumour liver" in said
    assert plan_immune_section(plan)["rows"] == []


def test_settings_of_the_circulation_count_and_the_others_are_listed():
    plan = planned({"immune": {"blood_volume_l": 4.4, "tumour_relative_blood": 1.5, "cycle_days": [7.0]}})
    found = plan.immune.models["given"]
    assert found.body.total_volume_l == pytest.approx(4.4)
    assert found.mean_gy > planned().immune.models["given"].mean_gy
    assert "immune.cycle_days" in next(n.message for n in plan.notices if n.code == "settings-carried")
    with pytest.raises(InputError, match="both must stay below 100 %"):
        planned({"immune": {"tumour_relative_blood": 6.0}})


def test_the_page_says_what_it_is():
    section = plan_immune_section(planned())
    assert section["statement"] == "exploratory, no decision may rest on it"
    assert "as if lymphocytes never left the blood" in section["sentences"][0]
    row = next(row for row in section["rows"] if "given" in row["model"])
    assert float(row["liver"]) + float(row["lung"]) == pytest.approx(float(row["mean"]), abs=0.02)


def test_the_plan_page_has_the_section(tmp_path):
    run_plan(None, tmp_path / "out", load_settings(None, TABLES))
    page = (tmp_path / "out" / "plan.html").read_text()
    assert "Dose to blood by model" in page
    assert "exploratory, no decision may rest on it" in page
    run_plan(None, tmp_path / "plain", load_settings(None, merge(TABLES, {"immune": {"report": False}})))
    assert "Dose to blood by model" not in (tmp_path / "plain" / "plan.html").read_text()


NORMAL = RegionDoses("non-tumour liver", Role.NON_TUMOUR_LIVER, (20.0,))
TUMOURS = RegionDoses("all tumours", Role.TUMOURS, (90.0,))
OF_LUNGS = RegionDoses(LUNGS, Role.LUNGS, (5.0,))


@pytest.mark.parametrize(
    ("rows", "whole_kg", "tumours_kg", "found"),
    [
        ((NORMAL, TUMOURS, OF_LUNGS), 1.2, {"A": 0.1, "B": 0.2}, (1.2, 0.3, 1500.0)),
        ((NORMAL, TUMOURS, OF_LUNGS), 1.2, {}, (1.2, None, 1200.0)),
        ((NORMAL, OF_LUNGS), 1.2, {"A": 0.1}, (1.2, None, 1200.0)),
        ((NORMAL, OF_LUNGS), None, {}, "no dose of the whole non-tumour liver"),
        ((OF_LUNGS,), 1.2, {}, "no dose of the whole non-tumour liver"),
        ((NORMAL, TUMOURS), 1.2, {}, "no lung dose"),
    ],
)
def test_blood_passes_what_a_model_gives_a_dose_and_the_liver_weighs(
    rows, whole_kg, tumours_kg, found, monkeypatch
):
    taken = []
    monkeypatch.setattr(plan_immune, "summarise_blood", lambda *given: taken.append(given))
    plan = SimpleNamespace(anatomy=Anatomy(tumours_kg, whole_normal_kg=whole_kg))
    said = plan_immune._blood(plan, PlanModel("m", "", (2.0,), DoseTable(rows)), 1.0, None)
    if isinstance(found, str):
        assert (taken, found in said) == ([], True)
        return
    ((liver, tumour, organs, mass_g, _, _),) = taken
    assert (liver.volume_ml, None if tumour is None else tumour.volume_ml) == pytest.approx(found[:2])
    assert mass_g == pytest.approx(found[2])
    assert (list(liver.doses_gy), organs) == ([40.0], {"lung": 10.0})
    assert tumour is None or list(tumour.doses_gy) == [180.0]


def test_models_without_activity_have_no_dose_to_blood():
    plan = planned()
    away = {model.name for model in plan.models if not model.available}
    assert away
    assert away.isdisjoint({*plan.immune.models, *plan.immune.omitted})
