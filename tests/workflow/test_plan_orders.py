"""Vials of an order: what each gives, which limits it breaks, and which comes first."""

from datetime import UTC, datetime, timedelta

import pytest

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.planning.vials import all_vials
from y90voxel.reference.devices import device
from y90voxel.report.plan_content import plan_content
from y90voxel.report.plan_page import render_plan_page
from y90voxel.report.treatment_page import render_treatment_page

K = 49.77
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
UNI, SEG = Scenario.UNILOBAR, Scenario.SEGMENTECTOMY


def ages(*hours, **changes):
    return OrderRequest(NOON, tuple(NOON - timedelta(hours=h) for h in hours), **changes)


def plan(
    order, *aims, scenario=UNI, name="glass", nuclide="Y-90", residual=0.0, whole=0.81056, greatest=None,
    perfused_dose_gy=None,
):  # fmt: skip
    """0.7 kg of normal liver around 0.3 kg with four times its uptake: 75 Gy to the whole are 3.527 GBq."""
    reached = Territory("lobe", 0.06, (TumourUptake("GTV1", 0.3, 4.0),), 0.7)
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=0.7, whole_normal_kg=whole)
    facts = yv.PlanFacts("p", nuclide, name, K if nuclide == "Y-90" else 15.87)
    context = ClinicalContext(scenario, Disease.HCC, bilirubin_umol_per_l=12.0, hepatic_reserve=0.5)
    request = PlanRequest(
        context, aims=aims, order=order, residual_fraction=residual, greatest_gbq=greatest,
        perfused_dose_gy=perfused_dose_gy,
    )  # fmt: skip
    return yv.plan_from_masses(facts, anatomy, [reached], request)


def vials(found):
    (order,) = found.metrics["orders"]
    return order["vials"]


def test_the_vial_of_a_limit_is_the_largest_that_keeps_it_not_the_smallest_that_reaches_the_order():
    """3.527 GBq: 10 GBq hold 5.005 after 64 h (106 Gy, limit 75); 7 GBq hold 3.504 (-0.65 %)."""
    found = plan(ages(64.0))
    assert found.first.activity_gbq == pytest.approx(3.527, rel=1e-3)
    rows = vials(found)
    assert rows[0]["size_bq"] == 7e9
    assert rows[0]["deviation_percent"] == pytest.approx(-0.65, abs=0.05)
    assert rows[0]["offered"]
    ten = next(row for row in rows if row["size_bq"] == 10e9)
    assert (ten["offered"], "whole non-tumour liver, HCC, lobar treatment" in ten["breaks"]) == (False, True)
    assert ten["activity_at_injection_bq"] == pytest.approx(5.005e9, rel=1e-3)
    assert ten["doses_gy"]["non_tumour_liver"] == pytest.approx(106.4, rel=1e-3)
    assert ten["deviation_percent"] == pytest.approx(41.9, abs=0.1)
    assert {row["size_bq"] for row in rows} == {3e9, 5e9, 7e9, 10e9, 15e9, 20e9}
    assert [row["offered"] for row in rows] == sorted((row["offered"] for row in rows), reverse=True)
    # the doses are those of the net activity
    normal = K * rows[0]["net_activity_bq"] / 1e9 * 0.94 / (4 * 0.3 + 0.7)
    assert rows[0]["doses_gy"]["perfused_non_tumour_liver"] == pytest.approx(normal, rel=1e-9)
    assert rows[0]["doses_gy"]["tumours"] == pytest.approx(4 * normal, rel=1e-9)
    assert {"lungs", "perfused"} < set(rows[0]["doses_gy"])


def test_the_vial_of_a_goal_is_the_smallest_that_reaches_it():
    """400 Gy to 1 kg: 8.55 GBq; 20 GBq hold 10.0 after 64 h, 15 GBq hold 7.51 and are nearer by nothing that counts."""
    found = plan(ages(64.0), scenario=SEG)
    assert found.first.goal_only
    rows = vials(found)
    assert (rows[0]["size_bq"], rows[0]["offered"]) == (20e9, True)
    assert rows[0]["deviation_percent"] > 15.0
    assert [row["size_bq"] for row in rows[1:]] == [15e9, 10e9, 7e9, 5e9, 3e9]
    assert found.metrics["orders"][0]["decided_by"] == "goal"


def test_a_goal_whose_next_vial_breaks_a_limit_takes_the_one_below_and_says_so():
    """20 GBq would give the lungs 30 Gy; a limit of 28 leaves the 15."""
    limit = DoseAim("lungs, one treatment", "lungs", Sense.BELOW, 28.0)
    found = plan(ages(64.0), limit, scenario=SEG)
    rows = vials(found)
    assert (rows[0]["size_bq"], rows[-1]["size_bq"], rows[-1]["breaks"]) == (
        15e9,
        20e9,
        ["lungs, one treatment"],
    )
    (said,) = [n.message for n in found.notices if n.code == "vial-below-order"]
    assert "the first gives -12." in said


def test_none_can_be_offered_is_a_notice_with_the_nearest_and_no_crash():
    """75 Gy of whole liver in 0.0811 kg of normal: 0.35 GBq; the smallest vial holds 3."""
    limit = DoseAim("liver", "non-tumour liver", Sense.BELOW, 7.5)
    found = plan(ages(0.0), limit)
    assert found.orders[0].best is None
    (said,) = [n.message for n in found.notices if n.code == "no-vial-within-limits"]
    assert "The nearest, 3 GBq calibrated 0 h before, gives 3 GBq net" in said
    assert "exceeds liver" in said
    page = render_plan_page(found, {})
    assert "none can be offered" in page
    assert page.count('class="struck"') == 6
    assert plan_content(found)["orders"][0]["why_none"] == said


def test_an_order_beyond_every_vial_is_a_notice_unless_it_was_stated():
    """MIRD for 900 Gy to 1 kg, as the user states, is beyond resin's 3 GBq."""
    found = plan(ages(0.0, model="mird"), name="resin", greatest=(30.0,), perfused_dose_gy=900.0)
    assert found.orders[0].offers == ()
    assert "is beyond every vial on offer" in next(n.message for n in found.notices if n.code == "no-vial")
    with pytest.raises(InputError, match="no resin vial on offer reaches 9 GBq"):
        plan(ages(0.0, activity_gbq=9.0), name="resin")


def test_the_residual_is_taken_off_every_vial():
    (order,) = plan(ages(64.0), residual=0.02).orders
    for offer in order.offers:
        assert offer.net_gbq == pytest.approx(offer.vial.activity_at_injection_gbq * 0.98, rel=1e-12)
    assert order.vial_gbq == pytest.approx(order.net_gbq / 0.98)


@pytest.mark.parametrize(("name", "nuclide"), [("resin", "Y-90"), ("ho166", "Ho-166")])
def test_what_is_drawn_gives_the_doses_of_the_order(name, nuclide):
    found = plan(ages(0.0, 12.0), name=name, nuclide=nuclide)
    doses = found.first.table.doses_by_role(found.first.activities_gbq)
    for row in vials(found):
        assert row["doses_gy"] == pytest.approx(doses)
        assert (row["offered"], row["deviation_percent"], row["breaks"]) == (True, pytest.approx(0.0), [])
        assert row["surplus_bq"] >= -1.0  # rounding


def test_a_stated_activity_that_exceeds_a_limit_gets_no_vial_beyond_it():
    found = plan(ages(64.0, activity_gbq=4.0))
    rows = vials(found)
    assert max(row["net_activity_bq"] for row in rows if row["offered"]) <= 4e9
    assert not next(row for row in rows if row["size_bq"] == 10e9)["offered"]


def two_arteries(hours, *aims, split=None):
    reached = (
        Territory("left", 0.03, (TumourUptake("A", 0.1, 4.0),), 0.4),
        Territory("right", 0.03, (TumourUptake("B", 0.1, 4.0),), 0.4),
    )
    anatomy = Anatomy({"A": 0.1, "B": 0.1}, perfused_normal_kg=0.8, whole_normal_kg=1.4, perfused_kg=1.0)
    request = PlanRequest(ClinicalContext(SEG, Disease.HCC), aims=aims, order=ages(*hours), split=split)
    return yv.plan_from_masses(yv.PlanFacts("p", "Y-90", "glass", K), anatomy, reached, request)


def test_each_injection_has_its_own_vial_beside_the_orders_of_the_others():
    found = two_arteries((64.0,))
    left, right = found.orders
    table, order = found.first.table, found.first.activities_gbq
    for offer in left.offers:
        assert offer.doses_gy == pytest.approx(table.doses_by_role((offer.net_gbq, order[1])))
    assert {o.injection for o in (left, right)} == {"left", "right"}


def test_vials_that_exceed_a_limit_together_are_told():
    """Either vial beside the order of the other keeps the lungs below the limit, both do not."""
    alone = two_arteries((64.0,))
    best = [order.best.net_gbq for order in alone.orders]
    orders = alone.first.activities_gbq
    lungs = alone.first.table.per_gbq["lungs"]
    one = max(best[0] * lungs[0] + orders[1] * lungs[1], orders[0] * lungs[0] + best[1] * lungs[1])
    both = best[0] * lungs[0] + best[1] * lungs[1]
    assert both > one
    limit = DoseAim("lungs, one treatment", "lungs", Sense.BELOW, 0.5 * (one + both))
    found = two_arteries((64.0,), limit)
    (said,) = [n.message for n in found.notices if n.code == "vials-exceed-together"]
    assert "together they exceed lungs, one treatment" in said
    assert "vials-exceed-together" not in {n.code for n in alone.notices}


def test_all_vials_lists_what_choose_vials_leaves_out():
    times = (NOON - timedelta(hours=64), NOON - timedelta(hours=300))
    found = all_vials(3.5, NOON, times, device("glass"), greatest_age_h=288.0)
    assert [vial.size_gbq for vial in found] == [3.0, 5.0, 7.0, 10.0, 15.0, 20.0]
    assert found[0].surplus_gbq < 0
    with pytest.raises(InputError, match="ho166 is made to order"):
        all_vials(6.0, NOON, times, device("ho166"))
    with pytest.raises(InputError, match="ordered activity must be positive"):
        all_vials(0.0, NOON, times, device("glass"))


def test_the_sheet_of_the_day_says_what_the_vial_holds_then():
    """3.527 GBq are intended, and the vial of 7 GBq holds 3.504 after 64 h."""
    found = plan(ages(64.0))
    page = render_treatment_page(found)
    net, deviation = vials(found)[0]["net_activity_bq"] / 1e9, vials(found)[0]["deviation_percent"]
    assert deviation == pytest.approx(-0.65, abs=0.05)
    assert f"({deviation:+.1f} %)" in page
    assert f"{net:.4g} GBq" in page
    assert "Net activity of that vial then" not in render_treatment_page(plan(None))
