"""What stands above the numbers of a plan: each warning on both sides of its threshold, and mistakes that must show there."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan_alarms import alarms, first_screen
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.report.plan_content import plan_content

K = 49.77
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SEG, LOB, UNI = Scenario.SEGMENTECTOMY, Scenario.LOBECTOMY, Scenario.UNILOBAR


def plan(*aims, name="glass", tumour=0.03, ratio=5.0, perfused=0.10, whole=1.4, shunt=0.02, given=None, order=None,
         residual=0.0, greatest=None, arteries=1, split=None, **context):  # fmt: skip
    """Masses alone: arteries with a tumour each [kg]."""
    reached = [
        Territory(f"artery {n}", shunt, (TumourUptake(f"GTV{n}", tumour, ratio),), perfused / arteries)
        for n in range(1, arteries + 1)
    ]
    tumours = {f"GTV{n}": tumour for n in range(1, arteries + 1)}
    both = perfused + tumour * arteries if arteries > 1 else None
    anatomy = Anatomy(tumours, perfused_normal_kg=perfused, whole_normal_kg=whole, perfused_kg=both)
    facts = yv.PlanFacts("patient", "Ho-166" if name == "ho166" else "Y-90", name, K, given_gbq=given)
    context = {"disease": Disease.HCC, "scenario": UNI} | context
    request = PlanRequest(
        ClinicalContext(**context),
        aims=aims,
        order=order,
        residual_fraction=residual,
        greatest_gbq=greatest,
        split=split,
    )
    return yv.plan_from_masses(facts, anatomy, reached, request)


def goal(region, value):
    return DoseAim(f"{region} goal", region, Sense.AT_LEAST, value)


def codes(found):
    return {notice.code for notice in first_screen(found.notices)}


@pytest.mark.parametrize(
    ("code", "inside", "outside"),
    [
        ("ratio-extreme", {"ratio": 30.0}, {"ratio": 30.1}),
        # (perfused + 0.03) / 1.43 of the liver
        ("perfused-share-large", {"scenario": SEG, "perfused": 0.398}, {"scenario": SEG, "perfused": 0.400}),
        ("perfused-share-large", {"scenario": UNI, "perfused": 0.400}, {"scenario": SEG, "hepatic_reserve": 0.69}),
        ("hepatic-reserve-low", {"hepatic_reserve": 0.30}, {"hepatic_reserve": 0.299}),
        ("fifty-ninety-first-treatments", {"pretreated": False}, {"pretreated": True}),
        ("fifty-ninety-first-treatments", {"pretreated": True, "name": "resin"}, {"previous_lung_doses_gy": (5.0,)}),
    ],
)  # fmt: skip
def test_facts_on_both_sides_of_their_warning(code, inside, outside):
    assert code not in codes(plan(**inside))
    found = plan(**outside)
    assert code in codes(found)
    (message,) = [notice.message for notice in found.notices if notice.code == code]
    assert message in plan_content(found)["alarms"]


@pytest.mark.parametrize(("wanted_gy", "said"), [(999.0, False), (1001.0, True)])
def test_perfused_doses_above_1000_gy_are_told(wanted_gy, said):
    found = plan(goal("perfused", wanted_gy), scenario=SEG)
    assert found.first.table.doses_by_role(found.first.activities_gbq)["perfused"] == pytest.approx(wanted_gy)
    assert ("perfused-dose-extreme" in codes(found)) is said


@pytest.mark.parametrize(("perfused_kg", "said"), [(2.32, False), (2.36, True)])
def test_an_activity_beyond_the_greatest_vial_is_told_with_what_is_wanted(perfused_kg, said):
    """400 Gy to 2.35 + 0.03 kg take 400 x 2.38 / (49.77 x 0.98) = 19.5 GBq and more; glass has 20 GBq at most."""
    mass = perfused_kg + 0.09
    liver = DoseAim("perfused limit", "perfused", Sense.BELOW, 401.0)
    found = plan(
        goal("perfused", 400.0), liver, scenario=SEG, perfused=perfused_kg, whole=3.0, tumour=0.09, shunt=0.02
    )
    takes = 400.0 * mass / (K * 0.98)
    assert (takes > 20.0) is said
    assert ("beyond-any-vial" in codes(found)) is said
    if said:
        (text,) = [n.message for n in found.notices if n.code == "beyond-any-vial"]
        assert f"{takes:.4g} GBq are wanted" in text
        assert "holds 20 GBq" in text


def test_a_single_compartment_that_the_guideline_advises_against_is_told_where_it_comes_first():
    """Without a tumour the single compartment is all there is; table 3 has "Not recommended" for a resin lobectomy."""
    facts = yv.PlanFacts("patient", "Y-90", "resin", K)

    def alone(scenario):
        reached = Territory("artery", 0.02, (), 1.0)
        request = PlanRequest(ClinicalContext(scenario, Disease.HCC), aims=(goal("perfused", 80.0),))
        return yv.plan_from_masses(
            facts, Anatomy(perfused_normal_kg=1.0, whole_normal_kg=1.5), [reached], request
        )

    assert "single-not-recommended" in {n.code for n in alarms(alone(LOB))}
    assert "single-not-recommended" not in {n.code for n in alarms(alone(UNI))}


# --- mistakes -------------------------------------------------------------------------------------------------------


def order(hours=64.0, zone=UTC, **changes):
    when = NOON.replace(tzinfo=zone)
    return OrderRequest(when, (NOON - timedelta(hours=hours),), **changes)


def screen(found):
    """The sentences, tiles and warnings that are read first."""
    content = plan_content(found)
    return content["stop"], content["alarms"], content["headline"], content["cards"]


BASE = {
    "tumour": 0.3,
    "ratio": 4.0,
    "perfused": 0.7,
    "whole": 0.81,
    "shunt": 0.06,
    "bilirubin_umol_per_l": 12.0,
}


@pytest.mark.parametrize(
    ("mistake", "change"),
    [
        ("residual twice", {"residual": 0.04}),
        ("the perfused volume for the whole liver", {"whole": 0.7, "hepatic_reserve": 0.0}),
        ("a wrong time zone", {"order": order(zone=timezone(timedelta(hours=-7)))}),
        ("net for vial", {"order": order(activity_gbq=3.527 * 0.98)}),
        ("shunt as a fraction for percent", {"shunt": 0.0006}),
        ("grams for mL of a dense tumour", {"tumour": 0.33}),
    ],
)
def test_mistakes_change_the_first_screen(mistake, change):
    base = {"order": order(), "residual": 0.02, **BASE}
    assert screen(plan(**base | change)) != screen(plan(**base)), mistake


@pytest.mark.parametrize("typed", [3527.0, 0.003527])
def test_mbq_for_gbq_in_an_order_is_refused_or_told(typed):
    """3527 GBq are beyond every vial; 3.5 MBq against vials of 3 GBq and more are a thousandfold."""
    if typed > 100:
        with pytest.raises(InputError, match="reaches 3527 GBq"):
            plan(order=order(activity_gbq=typed), **BASE)
        return
    found = plan(order=order(activity_gbq=typed), **BASE)
    assert codes(found) & {"no-vial-within-limits", "vial-outside-tolerance"}


def test_the_order_of_one_injection_on_the_vial_of_another_changes_the_first_screen():
    base = {"arteries": 2, "order": order(), "scenario": SEG, **BASE, "tumour": 0.15}
    one, other = plan(split=(0.3, 0.7), **base), plan(split=(0.7, 0.3), **base)
    assert len(one.orders) == 2
    assert screen(one) != screen(other)
