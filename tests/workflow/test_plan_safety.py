"""No number without what makes it safe: activities need a liver limit or a goal, and resin stops above 20 % of shunt."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, LiverFunction, Scenario, Sense
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
from y90voxel.planning.plan_alarms import first_screen
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.quantification.administration import Administration
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report.plan_content import plan_content
from y90voxel.report.plan_page import render_plan_page

K = 49.77
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SEG, LOB, UNI, BI = Scenario.SEGMENTECTOMY, Scenario.LOBECTOMY, Scenario.UNILOBAR, Scenario.BILOBAR
HCC, ICC, MCRC = Disease.HCC, Disease.ICC, Disease.MCRC
GOOD, POOR = LiverFunction.GOOD, LiverFunction.POOR


def limit(region, value, metric="mean", **parameters):
    return DoseAim(f"{region} {metric}", region, Sense.BELOW, value, parse_metric(metric, parameters))


def goal(region, value, metric="mean"):
    return DoseAim(f"{region} {metric} goal", region, Sense.AT_LEAST, value, parse_metric(metric))


def masses(*aims, device="glass", tumour=0.03, ratio=5.0, perfused=0.10, whole=1.4, shunt=0.02,
           perfused_dose_gy=None, **context):  # fmt: skip
    """A plan of one artery and one tumour without images [kg]."""
    context = {"disease": HCC} | context
    reached = Territory("artery", shunt, (TumourUptake("GTV1", tumour, ratio),), perfused)
    anatomy = Anatomy({"GTV1": tumour}, perfused_normal_kg=perfused, whole_normal_kg=whole)
    facts = yv.PlanFacts(
        "patient", "Ho-166" if device == "ho166" else "Y-90", device, K if device != "ho166" else 15.87
    )
    request = PlanRequest(ClinicalContext(**context), perfused_dose_gy=perfused_dose_gy, aims=aims)
    return yv.plan_from_masses(facts, anatomy, [reached], request)


def images(*aims, **context):
    """A phantom with a perfused volume, glass."""
    context = {"disease": HCC} | context
    given = Administration(activity_bq=1e9, lung_shunt_fraction=0.05, shunt_source="given", device="glass")
    case = liver_case(administration=given)
    perfused = ellipsoid(case.grid, (10, 0, -25), (40, 40, 35))
    inside = perfused.with_array(np.minimum(perfused.array, case.regions["Liver"].mask.array))
    regions = Regions(case.grid, (*case.regions.drawn, Region("Perfused volume", Role.PERFUSED, inside)))
    return yv.plan(
        replace(case, regions=regions),
        LocalDeposition("Y-90"),
        PlanRequest(ClinicalContext(**context), aims=aims),
    )


def rows(plan, name):
    return next(model for model in plan.metrics["models"] if model["name"] == name)


# --- no liver limit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["partition", "mird"])
def test_a_segmentectomy_takes_the_activity_of_its_goal(model):
    """400 Gy to 130 g at 2 % shunt: 400 x 0.13 / (49.77 x 0.98) = 1.066 GBq, not a vial of 20 GBq and 15 403 Gy."""
    found = rows(masses(scenario=SEG), model)
    assert found["activity_bq"] == pytest.approx(1e9 * 400 * 0.13 / (K * 0.98), rel=1e-6)
    assert found["activity_bq"] == pytest.approx(1.066e9, rel=1e-3)
    assert found["goal_only"] is True
    (liver,) = [row for row in found["limits"] if row["status"] == "none printed"]
    assert (liver["kind"], liver["limit_gy"], liver["reason"]) == ("limit", None, NO_LIVER_LIMIT)


def test_terminal_sentence_and_tile_never_call_a_missing_limit_met():
    plan = masses(scenario=SEG)
    content = plan_content(plan)
    assert content["headline"][-1] == f"Goal reached; {NO_LIVER_LIMIT}."
    assert content["cards"][-1]["value"] == "goal reached"
    assert content["cards"][-1]["note"] == NO_LIVER_LIMIT
    page = render_plan_page(plan, {})
    for wrong in ("Every limit and goal", "all met", "limits met"):
        assert wrong not in page
    assert "! none printed" in page
    assert "no-liver-limit" in {notice.code for notice in plan.notices}


@pytest.mark.parametrize(
    ("bilirubin", "scenario", "limit_gy"),
    [(None, None, 50), (18.8, None, 75), (18.81, None, 50), (27.0, BI, 50), (10.0, LOB, 75), (10.0, UNI, 75)],
)  # fmt: skip
@pytest.mark.parametrize("disease", [HCC, ICC, MCRC])
def test_glass_keeps_whole_normal_liver_of_every_disease(disease, bilirubin, scenario, limit_gy):
    """They had no liver limit: 20 GBq, 452 Gy in whole normal liver."""
    plan = masses(
        tumour=0.2, ratio=3.0, perfused=1.0, whole=1.2, disease=disease, bilirubin_umol_per_l=bilirubin,
        scenario=scenario, hepatic_reserve=0.4,
    )  # fmt: skip
    found = rows(plan, "partition")
    assert found["doses_gy"]["non_tumour_liver"] == pytest.approx(limit_gy, rel=1e-6)
    assert found["goal_only"] is False
    assert str(disease) in found["binding_constraint"]
    unstated = [f for f, value in (("scenario", scenario), ("bilirubin", bilirubin)) if value is None]
    assert set(found["binding_unconfirmed"]) <= set(unstated)
    if bilirubin is None:
        assert "bilirubin" in found["binding_unconfirmed"]
        assert "unconfirmed: " in plan_content(plan)["headline"][1]
    # rows that exclude each other are never both met
    classes = [r["status"] for r in found["limits"] if "bilirubin" in r["name"] and str(disease) in r["name"]]
    assert sorted(classes).count("met") == (0 if None in (bilirubin, scenario) else 1)


def test_images_without_a_liver_limit_take_the_goal_of_the_perfused_volume():
    plan = images(scenario=SEG, disease=MCRC)
    voxel = rows(plan, "voxel")
    assert voxel["goal_only"]
    assert voxel["doses_gy"]["perfused"] == pytest.approx(400.0, rel=1e-6)
    assert voxel["binding_constraint"] == "perfused volume, mCRC, segmentectomy"
    assert rows(plan, "partition")["doses_gy"]["perfused"] == pytest.approx(400.0, rel=1e-6)


def test_a_lesion_that_takes_up_little_does_not_push_the_activity_up():
    reached = Territory("a", 0.02, (TumourUptake("hot", 0.2, 8.0), TumourUptake("cold", 0.01, 0.2)), 0.5)
    anatomy = Anatomy({"hot": 0.2, "cold": 0.01}, perfused_normal_kg=0.5, whole_normal_kg=1.4)
    context = ClinicalContext(scenario=LOB, disease=ICC)
    plan = yv.plan_from_masses(
        yv.PlanFacts("p", "Y-90", "resin", K), anatomy, [reached], PlanRequest(context)
    )
    doses = rows(plan, "multi-tumour-partition")["doses_by_region_gy"]
    assert (doses["all tumours"], doses["cold"] < 10.0) == (pytest.approx(100.0), True)


def test_required_goals_of_the_user_come_first():
    plan = masses(goal("GTV1", 250.0), scenario=SEG)
    assert rows(plan, "partition")["doses_gy"]["tumour"] == pytest.approx(250.0, rel=1e-9)
    by_map = images(goal("GTV1", 120.0, "D70"), goal("GTV1", 60.0), scenario=SEG)
    voxel = by_map.model("voxel")
    assert by_map.maps.measure(by_map.request.aims[0], voxel.activities_gbq) == pytest.approx(120.0, rel=1e-6)
    assert (voxel.goal_only, voxel.goal_bound, voxel.binding) == (True, True, ("GTV1 D70 goal",))


@pytest.mark.parametrize(("wanted_gy", "refused"), [(538.0, False), (539.0, True), (900.0, True)])
@pytest.mark.parametrize("typed", ["goal", "perfused dose"])
def test_what_the_user_wants_and_the_lungs_forbid_gives_no_activity(wanted_gy, refused, typed):
    """30 Gy to the lungs at 30 % shunt: 30 / (49.77 x 0.3) = 2.009 GBq, 538.5 Gy to 130 g; no liver limit."""
    asked = {"perfused_dose_gy": wanted_gy} if typed == "perfused dose" else {}
    plan = masses(*([] if asked else [goal("perfused", wanted_gy)]), scenario=SEG, shunt=0.30, **asked)
    for name in ("mird",) if asked else ("mird", "partition"):
        found = rows(plan, name)
        assert found["available"] is not refused
        assert found["goal_only"] is True
        if refused:
            assert f"takes {wanted_gy * 0.13 / (K * 0.7):.4g} GBq" in found["reason"]
            assert "allow 2.009 GBq" in found["reason"]
        else:
            assert found["activity_bq"] == pytest.approx(1e9 * wanted_gy * 0.13 / (K * 0.7), rel=1e-6)
    if refused and not asked:
        assert plan_content(plan)["headline"][0].startswith("Partition proposes no activity")
        assert rows(plan, "partition")["infeasibility"]["blocked_by"] == ["lungs, one treatment"]


def test_a_limit_on_a_maximum_that_ends_the_goal_of_a_tumour_gives_no_activity():
    refused = images(goal("GTV1", 5000.0, "D70"), limit("GTV1", 300.0, "max"), scenario=SEG).model("voxel")
    assert (refused.available, refused.goal_refused) == (False, True)
    assert refused.infeasibility["blocked_by"] == ["GTV1 max"]
    assert "GTV1 D70 goal ≥ 5000 Gy is " in refused.reason


def test_a_goal_of_one_compartment_ends_at_the_liver_limit():
    """The user's goal for the perfused volume of a unilobar treatment, where whole normal liver is limited to 50 Gy."""
    plan = masses(goal("perfused", 900.0), scenario=UNI, perfused=0.8, whole=1.2)
    model = plan.model("mird")
    assert (model.limit_bound, model.goal_only) == (True, False)
    assert not [r for r in model.results if r.status == "not met" and r.aim.sense is Sense.BELOW]


@pytest.mark.parametrize("shunt", [0.395, 0.41])
def test_a_goal_of_the_table_that_the_lungs_forbid_gives_no_activity(shunt):
    """130 g: 400 Gy take 0.4 x 130 / (49.77 (1 - L)) GBq; the lungs allow 30 / (49.77 L), less from L = 0.366 on."""
    plan = masses(scenario=SEG, shunt=shunt)
    takes, allowed = 400.0 * 0.130 / (K * (1.0 - shunt)), 30.0 / (K * shunt)
    assert takes > allowed
    for name in ("mird", "partition"):
        found = rows(plan, name)
        assert (found["available"], found["activity_bq"]) == (False, None)
        assert f"takes {takes:.4g} GBq" in found["reason"]
        assert (
            f"lungs, one treatment{'' if name == 'mird' else ' (30 Gy)'} allow {allowed:.4g} GBq"
            in found["reason"]
        )
    assert plan.first.name == "partition"
    headline = plan_content(plan)["headline"]
    assert headline[0].startswith("Partition proposes no activity: the goal cannot be reached")
    assert first_screen(plan.notices)[0].code == "goal-refused"


@pytest.mark.parametrize(("shunt", "available"), [(0.365, True), (0.367, False)])
def test_the_goal_alone_decides_up_to_the_limit_of_the_lungs(shunt, available):
    """400 x 0.130 / (1 - L) = 30 / L at L = 30 / 82 = 0.36585."""
    plan = masses(scenario=SEG, shunt=shunt)
    for name in ("mird", "partition"):
        assert rows(plan, name)["available"] is available
    if available:
        assert plan.model("mird").binding == ("perfused volume, HCC, segmentectomy",)
        assert plan.model("mird").greatest_gbq is None


def test_no_coarser_model_hides_a_goal_that_is_forbidden():
    """A rule of resin would give an activity below the model that refuses its goal."""
    reached = Territory("artery", 0.19, (TumourUptake("GTV1", 0.3, 1.1),), 1.2)
    anatomy = Anatomy(
        {"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.6, liver_volume_ml=1800, tumour_volume_ml=300
    )
    facts = yv.PlanFacts("p", "Y-90", "resin", K, patient=PatientRecord(height_m=1.7, weight_kg=70.0))
    plan = yv.plan_from_masses(
        facts, anatomy, [reached], PlanRequest(ClinicalContext(scenario=SEG, disease=HCC))
    )
    assert plan.model("bsa").available
    assert (plan.first.name, plan.first.available) == ("partition", False)
    assert plan.orders == ()


def test_a_vial_that_ends_a_goal_gives_no_activity():
    """Nothing fills a vial because more cannot be had."""
    plan = masses(goal("perfused", 900.0), scenario=SEG, perfused=2.0, whole=2.0, shunt=0.0)
    found = rows(plan, "partition")
    assert (found["available"], found["binding_constraint"]) == (False, None)
    assert "the greatest activity of injection 1 allow 20 GBq" in found["reason"]
    assert "proposes no activity" in " ".join(plan_content(plan)["headline"])


def test_without_limit_and_goal_there_is_no_activity():
    plan = masses(device="resin", disease=None, scenario=SEG)
    found = rows(plan, "partition")
    assert (found["available"], found["activity_bq"]) == (False, None)
    assert "no limit applies to the liver here, and no goal says what is wanted" in found["reason"]


@pytest.mark.parametrize(
    ("aims", "solved"),
    [
        ((limit("liver", 80.0, "V100"),), False),  # partition knows no V100
        ((limit("perfused", 80.0),), True),
        ((limit("perfused non-tumour liver", 80.0),), True),
        ((limit("GTV1", 300.0), limit("lungs", 25.0)), False),
        ((replace(limit("non-tumour liver", 80.0), required=False),), False),
    ],
)
def test_what_counts_as_a_liver_limit(aims, solved):
    used = tuple(aim if aim.region != "liver" else replace(aim, region="non-tumour liver") for aim in aims)
    found = rows(masses(*used, scenario=SEG), "partition")
    assert found["goal_only"] is not solved


def two(*aims, greatest=None, order=None, **context):
    """Two arteries with a tumour each; only the first has a perfused mass of its own in the table."""
    context = {"disease": HCC} | context
    reached = (
        Territory("left", 0.04, (TumourUptake("A", 0.05, 3.0),), 0.3),
        Territory("right", 0.10, (TumourUptake("B", 0.10, 6.0),), 0.5),
    )
    anatomy = Anatomy({"A": 0.05, "B": 0.10}, perfused_normal_kg=0.8, whole_normal_kg=1.3, perfused_kg=0.95)
    request = PlanRequest(ClinicalContext(**context), aims=aims, greatest_gbq=greatest, order=order)
    return yv.plan_from_masses(yv.PlanFacts("p", "Y-90", "glass", K), anatomy, reached, request)


def test_a_goal_of_the_table_leaves_no_artery_empty_and_gives_none_all():
    found = two(scenario=SEG).model("multi-artery")
    assert found.activities_gbq[0] == pytest.approx(found.activities_gbq[1])  # the split of the plan
    assert found.table.doses(found.activities_gbq)["perfused volume"] == pytest.approx(400.0)
    stated = two(goal("A", 200.0), goal("B", 300.0), scenario=SEG).model("multi-artery")
    doses = stated.table.doses(stated.activities_gbq)
    assert (doses["A"], doses["B"]) == (pytest.approx(200.0), pytest.approx(300.0))


def test_a_goal_that_nothing_reaches_does_not_fill_the_vials():
    reached = (Territory("left", 0.04, (TumourUptake("A", 0.05, 3.0),), 0.3),)
    anatomy = Anatomy({"A": 0.05, "B": 0.10}, perfused_normal_kg=0.3, whole_normal_kg=1.3)
    aims = (goal("A", 200.0), goal("B", 300.0))
    request = PlanRequest(ClinicalContext(scenario=SEG, disease=HCC), aims=aims)
    found = yv.plan_from_masses(yv.PlanFacts("p", "Y-90", "glass", K), anatomy, reached, request).model(
        "multi-tumour-partition"
    )
    assert (found.available, found.goal_refused) == (False, True)
    assert "B ≥ 300 Gy gets nothing" in found.reason.replace(" mean goal", "")
    assert found.infeasibility["missed_by"]["B mean goal"] == pytest.approx(300.0)


# --- stop -----------------------------------------------------------------------------------------------------------


def resin(shunt, territories=None, device="resin", given=(1.0,), model=None, **asked):
    """Resin with an activity as given, height and weight, and an order."""
    reached = territories or (Territory("lobe", shunt, (TumourUptake("GTV1", 0.3, 4.0),), 1.2),)
    anatomy = Anatomy(
        {"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.6, liver_volume_ml=1800, tumour_volume_ml=300,
        perfused_volume_ml=1500, tumour_volume_in_perfused_ml=300,
    )  # fmt: skip
    patient = PatientRecord(height_m=1.7, weight_kg=70.0)
    facts = yv.PlanFacts("p", "Y-90", device, K, given_gbq=given, patient=patient)
    order = OrderRequest(NOON, (NOON,), model=model)
    return yv.plan_from_masses(
        facts, anatomy, reached, PlanRequest(perfused_dose_gy=60.0, order=order, **asked)
    )


@pytest.mark.parametrize(("shunt", "stops"), [(0.25, True), (0.2001, True), (0.20, False), (0.1999, False)])
def test_resin_stops_in_every_model_above_20_percent_of_shunt(shunt, stops):
    plan = resin(shunt)
    assert (plan.stop is not None) is stops
    assert (plan.metrics["stop"] is not None) is stops
    assert bool(plan.orders) is not stops
    if not stops:
        assert {m["name"] for m in plan.metrics["models"] if m["available"]} >= {
            "given",
            "bsa",
            "mird",
            "partition",
        }
        return
    for model in plan.metrics["models"]:
        assert (model["available"], model["activity_bq"], model["greatest_activity_bq"]) == (
            False,
            None,
            None,
        )
        assert model["stop"] == model["reason"]
        assert "exceeds 20 %: no treatment with resin (van Roekel" in model["stop"]
    (fraction,) = [row for row in plan.metrics["fraction_limits"] if row["name"] == "lung shunt"]
    assert (fraction["status"], fraction["value"]) == ("not met", pytest.approx(shunt))
    page = render_plan_page(plan, {})
    assert page.index("STOP") < page.index("PREDICTED")
    assert "contraindicated" in {notice.code for notice in plan.notices}


def test_glass_does_not_stop_for_its_shunt():
    assert resin(0.25, device="glass").stop is None
    assert yv.planning.stop_of(None, 0.9) is None
    with pytest.raises(InputError, match="lung shunt fraction must lie between 0 and 1"):
        yv.planning.stop_of("resin", 1.2)


@pytest.mark.parametrize(("given", "stops"), [((0.5, 1.5), False), ((1.0, 1.0), False), ((1.01, 0.99), True)])
def test_several_injections_stop_by_their_shunt_together(given, stops):
    """30 and 10 %: half and half are 20 % together, which is allowed."""
    uptake = (TumourUptake("GTV1", 0.15, 4.0),)
    reached = (Territory("one", 0.30, uptake, 0.6), Territory("two", 0.10, uptake, 0.6))
    found = resin(0.0, reached, given=given, model="given")
    assert (found.stop is not None) is stops
    assert found.lung_shunt_fraction == pytest.approx((given[0] * 0.30 + given[1] * 0.10) / 2.0)


def test_the_single_compartment_of_a_resin_lobectomy_is_not_recommended():
    reason = rows(masses(device="resin", scenario=LOB), "mird")["reason"]
    assert reason.startswith("single compartment not recommended for a lobectomy with resin (EANM table 3)")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"ascites": True, "scenario": UNI}, "ascites"), ({"ascites": True, "scenario": SEG}, None),
        ({"bilirubin_umol_per_l": 34.3, "scenario": BI}, "exceeds 2 mg/dL"),
        ({"bilirubin_umol_per_l": 34.3, "scenario": BI, "bilirubin_reversible": True}, None),
        ({"bilirubin_umol_per_l": 34.2, "scenario": BI}, None), ({"bilirubin_umol_per_l": 40.0, "scenario": SEG}, None),
        ({"gastrointestinal_focus": True, "scenario": SEG}, "gastrointestinal"),
        ({"previous_lung_doses_gy": (30.0, 20.0), "scenario": UNI}, "nothing is left of 50 Gy"),
        ({"previous_lung_doses_gy": (30.0, 19.0), "scenario": UNI}, None),
    ],
)  # fmt: skip
def test_contraindications_of_the_patient_stop_every_model(facts, words):
    plan = masses(**facts)
    assert (plan.stop is None) is (words is None)
    if words is not None:
        assert words in str(plan.stop)
        assert not any(model.available for model in plan.models)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"ratio": 31.0, "scenario": UNI}, "ratio-extreme"), ({"scenario": SEG, "perfused": 0.9}, "perfused-share-large"),
        ({"hepatic_reserve": 0.265, "scenario": UNI}, "hepatic-reserve-low"),
        ({"pretreated": True, "scenario": UNI}, "fifty-ninety-first-treatments"),
    ],
)  # fmt: skip
def test_what_is_likelier_an_error_stands_above_the_numbers(given, code):
    plan = masses(**given)
    (message,) = [notice.message for notice in plan.notices if notice.code == code]
    assert message in plan_content(plan)["alarms"]
    ordinary = {"scenario": UNI, "hepatic_reserve": 0.5, "pretreated": False}
    assert code not in {notice.code for notice in masses(**ordinary).notices}
