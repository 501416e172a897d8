"""Ho-166: the product's 15.87 J/GBq beside the 15.53 J/GBq of the electrons, with the activity by each."""

from dataclasses import replace

import pytest

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.planning.product_rule import product_rule
from y90voxel.regions.roles import Role
from y90voxel.report.plan_content import plan_content
from y90voxel.report.plan_page import render_plan_page
from y90voxel.report.product_rule_rows import product_rule_line

CONTEXT = ClinicalContext(Scenario.UNILOBAR, Disease.HCC)
PHYSICS = yv.nuclide("Ho-166").dose_constant_gy_kg_per_gbq


def planned(constant=PHYSICS, device="ho166", shunt=0.0):
    reached = Territory("lobe", shunt, (TumourUptake("GTV1", 0.3, 4.0),), 1.2)
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.6)
    facts = yv.PlanFacts("p", "Ho-166" if device == "ho166" else "Y-90", device, constant)
    return yv.plan_from_masses(facts, anatomy, (reached,), PlanRequest(CONTEXT, perfused_dose_gy=60.0))


@pytest.mark.parametrize("constant", [PHYSICS, 15.87, 15.7])
def test_both_activities_stand_side_by_side_whatever_the_plan_uses(constant):
    """60 Gy in 1.5 kg: 5.671 GBq by the rule (worked vector of section 2.10), 60 * 1.5 / 15.529 by the electrons."""
    rule = planned(constant).product_rule
    assert rule.rule_gbq == pytest.approx(5.671, rel=1e-4)
    assert rule.physics_gbq == pytest.approx(60.0 * 1.5 / PHYSICS, rel=1e-9)
    assert rule.dose_gy == pytest.approx(60.0)
    assert (rule.rule_j_per_gbq, round(rule.physics_j_per_gbq, 2)) == (15.87, 15.53)


def test_the_reason_is_the_energy_beyond_the_electrons():
    rule = planned().product_rule
    # 1 GBq of 26.8 h is 1.3919e14 decays: 22.30 J for each MeV
    assert rule.beyond_electrons_mev == pytest.approx((15.87 - PHYSICS) / 22.3006, rel=1e-4)
    assert "60 Gy for 3.78 GBq/kg" in rule.why
    assert "15 keV per decay more, as if 51 % of the photons' energy stayed too" in rule.why


def test_page_json_and_terminal_say_both():
    plan = planned()
    page = render_plan_page(plan, {})
    assert ">15.87</td>" in page
    assert ">15.53</td>" in page
    assert plan.metrics["product_rule"]["activity_by_rule_bq"] == pytest.approx(5.671e9, rel=1e-4)
    line = product_rule_line(plan.product_rule)
    assert (
        "product rule 15.87 J/GBq, physics 15.53 J/GBq; for 60.0 Gy by one compartment 5.671 and 5.796 GBq"
        in line
    )
    used = [row["used"] for row in plan_content(planned(15.87))["product_rule"]["rows"]]
    assert used == [True, False]
    assert "use 15.7 J/GBq, as given" in plan_content(planned(15.7))["product_rule"]["other"]


def test_products_without_a_rule_of_their_own_have_no_row():
    plan = planned(49.77, device="glass")
    assert plan.product_rule is None
    assert plan.metrics["product_rule"] is None
    assert "two dose constants" not in render_plan_page(plan, {})


@pytest.mark.parametrize("constant", [PHYSICS, 15.7])
def test_the_entry_holds_both_activities_or_none(constant):
    rule = planned(constant).product_rule
    entry = rule.as_dict()
    assert entry["activity_by_rule_bq"] == pytest.approx(5.671e9, rel=1e-4)
    assert entry["activity_by_physics_bq"] == pytest.approx(60.0e9 * 1.5 / PHYSICS, rel=1e-9)
    absent = replace(rule, rule_gbq=None, physics_gbq=None).as_dict()
    assert (absent["activity_by_rule_bq"], absent["activity_by_physics_bq"]) == (None, None)


@pytest.mark.parametrize(
    ("names", "activity_gbq", "found"),
    [
        (("partition", "mird"), 2.0, 2.0),
        (("partition",), 2.0, None),
        (("mird",), 0.0, None),
        ((), 2.0, None),
    ],
)
def test_the_activity_that_is_compared_is_that_of_an_available_single_compartment(names, activity_gbq, found):
    table = DoseTable((RegionDoses("lobe", Role.PERFUSED, (10.0,)),))
    models = [
        PlanModel(name, "", (activity_gbq,), table)
        if name in names
        else PlanModel(name, "", (), table, reason="none")
        for name in ("partition", "mird")
    ]
    rule = product_rule("ho166", models, 15.87)
    assert rule.rule_gbq == (None if found is None else pytest.approx(found))
    assert rule.physics_gbq == (None if found is None else pytest.approx(found * 15.87 / PHYSICS))
    assert rule.dose_gy == (10.0 * activity_gbq if "mird" in names else None)
