"""What a plan divides, corrects and says around its models, by the functions that do it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan import (
    _bounds,
    _empty_injections,
    _shunt_notices,
    _split,
    _unknown,
    _unused_treatment,
    _widest,
    _with_recovery,
    plan_from_masses,
)
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.planning.plan_result import PlanFacts
from y90voxel.planning.plan_shunt import ShuntMethod
from y90voxel.planning.treatment_day import TreatmentDay
from y90voxel.regions.roles import Role


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize(
    ("asked", "given", "injections", "split", "said"),
    [
        (None, None, 1, (1.0,), []),
        (None, (2.0,), 1, (1.0,), []),
        (None, None, 2, (0.5, 0.5), ["split-equal"]),
        (None, (1.0, 3.0), 2, (0.25, 0.75), []),
        ((1.0, 4.0), (1.0, 3.0), 2, (0.2, 0.8), []),
        ((1.0, 4.0), None, 2, (0.2, 0.8), []),
    ],
)
def test_activity_is_divided_as_asked_as_given_or_equally(asked, given, injections, split, said):
    found, notices = _split(PlanRequest(split=asked), given, injections)
    assert found == pytest.approx(split)
    assert codes(notices) == said


KNOWN = {
    "disease": Disease.HCC, "scenario": Scenario.UNILOBAR, "bilirubin_umol_per_l": 12.0, "hepatic_reserve": 0.4,
    "liver_function": "Child-Pugh A", "pretreated": False,
}  # fmt: skip
WORDS = {
    "disease": "the disease", "scenario": "the scenario", "bilirubin_umol_per_l": "the bilirubin",
    "hepatic_reserve": "the hepatic reserve", "liver_function": "the liver function", "pretreated": "pretreatment",
}  # fmt: skip


@pytest.mark.parametrize("device", ["glass", "resin"])
@pytest.mark.parametrize("unknown", WORDS)
def test_a_fact_that_would_decide_which_limits_apply_is_said_to_be_unknown(device, unknown):
    """Bilirubin decides for glass; liver function and pretreatment for resin."""
    asked = {"glass": {"bilirubin_umol_per_l"}, "resin": {"liver_function", "pretreated"}}[device]
    context = SimpleNamespace(**KNOWN | {unknown: None})
    notices = _unknown(device, context)
    said = unknown in asked | {"disease", "scenario", "hepatic_reserve"}
    assert codes(notices) == ["limits-context-unknown"] * said
    if said:
        assert notices[0].message.startswith(WORDS[unknown])
        assert " is not known" in notices[0].message
    assert _unknown(device, SimpleNamespace(**KNOWN)) == []


def test_several_unknown_facts_are_one_notice_and_no_device_another():
    (notice,) = _unknown("glass", ClinicalContext())
    assert " are not known" in notice.message
    assert codes(_unknown(None, ClinicalContext())) == ["no-device"]


def first(**facts):
    usual = {
        "stop": None, "available": True, "goal_only": False, "binding": (), "limit_bound": False,
        "limited_by_supply": (), "title": "partition",
    }  # fmt: skip
    return SimpleNamespace(**usual | facts)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, []),
        ({"stop": "ascites (a label)", "goal_only": True}, ["contraindicated"]),
        ({"goal_only": True}, ["no-liver-limit"]),
        ({"goal_only": True, "available": False}, []),
        ({"limited_by_supply": ("injection 1",)}, ["limited-by-supply"]),
        ({"goal_only": True, "limited_by_supply": ("injection 1",)}, ["no-liver-limit", "limited-by-supply"]),
    ],
)
def test_what_bounds_the_first_model_besides_limits_is_said(facts, said):
    assert codes(_bounds(first(**facts))) == said


@pytest.mark.parametrize("available", [True, False])
@pytest.mark.parametrize("treatment", [(), (TreatmentDay(),)])
def test_what_was_measured_on_the_day_is_used_or_said_not_to_be(treatment, available):
    found = _unused_treatment(PlanRequest(treatment=treatment), first(available=available))
    assert codes(found) == ["treatment-not-used"] * (bool(treatment) and not available)


@pytest.mark.parametrize("limit_bound", [True, False])
@pytest.mark.parametrize("binding", [(), ("lungs",)])
def test_a_limit_that_decides_without_a_liver_limit_is_named(binding, limit_bound):
    (notice,) = _bounds(first(goal_only=True, binding=binding, limit_bound=limit_bound))
    assert (", and lungs decides" in notice.message) is (bool(binding) and limit_bound)


@pytest.mark.parametrize(
    ("activities", "named"),
    [
        ((1.0, 2.0), None),
        ((0.0, 2.0), "gives left nothing"),
        ((2.0, 0.0), "gives right nothing"),
        ((0.0, 0.0), None),  # no activity at all
        ((), None),
    ],
)
def test_an_injection_that_the_best_split_leaves_empty_is_named(activities, named):
    found = _empty_injections(("left", "right"), activities)
    assert codes(found) == ["injection-without-activity"] * (named is not None)
    assert named is None or named in found[0].message


@pytest.mark.parametrize(("normal_kg", "by_partition"), [(1.2, True), (None, False)])
def test_limits_are_sought_in_the_table_that_knows_most_regions(normal_kg, by_partition):
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.6, perfused_kg=1.5)
    territory = Territory("lobe", 0.1, (TumourUptake("GTV1", 0.3, 4.0),), normal_kg)
    doses = _widest(anatomy, (territory,), 50.0).doses((1.0,))
    assert (doses.get("GTV1", 0.0) > 1.5 * doses.get("perfused volume", 100.0)) is by_partition


@pytest.mark.parametrize(
    ("ratio", "given", "coefficients", "said"),
    [
        (4.0, {}, {"GTV1": 0.75}, ["ratios-corrected"]),
        (0.26, {}, {"GTV1": 0.75}, ["ratios-corrected"]),
        (0.25, {}, {}, ["ratios-corrected", "partial-volume-not-corrected"]),  # 0.25 spill in
        (0.24, {}, {}, ["ratios-corrected", "partial-volume-not-corrected"]),
        (None, {}, {"GTV1": 0.75}, ["ratios-corrected"]),
        (0.24, {"GTV1": 0.9}, {"GTV1": 0.9}, ["ratios-corrected"]),  # as stated
    ],
)
def test_a_ratio_is_corrected_by_the_curve_unless_stated_or_below_what_spills_in(
    ratio, given, coefficients, said
):
    tumour = SimpleNamespace(name="GTV1", mask=SimpleNamespace(volume_ml=20.0))
    regions = SimpleNamespace(with_role=lambda role: [tumour] if role is Role.TUMOUR else [])
    territory = Territory(
        "lobe", 0.1, (TumourUptake("GTV1", 0.02, ratio), TumourUptake("GTV2", 0.02, 0.01)), 1.0
    )
    maps = SimpleNamespace(case=SimpleNamespace(regions=regions), territories=lambda recovery: (territory,))
    curve = SimpleNamespace(coefficient=lambda volume_ml: 0.75)
    found, notices = _with_recovery(PlanRequest(recovery=given, recovery_curve=curve), maps)
    assert (found.recovery, codes(notices)) == (coefficients, said)
    plain = PlanRequest(recovery=given)
    assert _with_recovery(plain, maps) == (plain, [])


@pytest.mark.parametrize("given", [None, (0.2, 1.8)])
def test_a_contraindicated_plan_states_the_shunt_that_forbids_it(given):
    """The split that gives tumours most has a shunt of 20.4 %, the mean of both is 16.5 %: one number throughout."""
    reached = [
        Territory("a", 0.05, (TumourUptake("GTV1", 0.02, 4.0),), 0.1),
        Territory("b", 0.28, (TumourUptake("GTV2", 0.3, 12.0),), 0.9),
    ]
    anatomy = Anatomy(
        {"GTV1": 0.02, "GTV2": 0.3}, perfused_normal_kg=1.0, whole_normal_kg=1.4, perfused_kg=1.32
    )
    facts = PlanFacts("p", "Y-90", "resin", 49.77, given_gbq=given)
    context = ClinicalContext(scenario=Scenario.UNILOBAR, disease=Disease.HCC)
    found = plan_from_masses(facts, anatomy, reached, PlanRequest(context))
    assert f"the lung shunt of {100 * found.lung_shunt_fraction:.4g} % exceeds 20 %" in str(found.stop)
    metrics = found.metrics
    assert metrics["lung"]["shunt_fraction"] == found.lung_shunt_fraction > 0.2
    (row,) = [row for row in metrics["fraction_limits"] if row["name"] == "lung shunt"]
    assert (row["value"], row["status"]) == (found.lung_shunt_fraction, "not met")


@pytest.mark.parametrize(("given", "stops"), [((0.2, 1.8), True), ((1.0, 1.0), False)])
def test_a_model_whose_own_split_is_contraindicated_gives_no_activity_and_others_do(given, stops):
    """The best split has a shunt of 19.3 %; 0.2 and 1.8 GBq as given one of 23 %."""
    reached = [
        Territory("a", 0.05, (TumourUptake("GTV1", 0.02, 4.0),), 0.1),
        Territory("b", 0.25, (TumourUptake("GTV2", 0.3, 12.0),), 0.9),
    ]
    anatomy = Anatomy(
        {"GTV1": 0.02, "GTV2": 0.3}, perfused_normal_kg=1.0, whole_normal_kg=1.4, perfused_kg=1.32
    )
    context = ClinicalContext(scenario=Scenario.UNILOBAR, disease=Disease.HCC)
    facts = PlanFacts("p", "Y-90", "resin", 49.77, given_gbq=given)
    found = plan_from_masses(facts, anatomy, reached, PlanRequest(context))
    assert (found.stop, found.first.name) == (None, "multi-artery")
    assert found.lung_shunt_fraction == pytest.approx(0.193, abs=1e-3)
    model = found.model("given")
    assert model.available is not stops
    said = [notice.message for notice in found.notices if notice.code == "contraindicated"]
    assert len(said) == stops
    if stops:
        assert model.reason.startswith("the lung shunt of 23 % exceeds 20 %")
        assert "activity as given" in said[0]
    glass = plan_from_masses(replace(facts, device="glass"), anatomy, reached, PlanRequest(context))
    assert glass.model("given").available


@pytest.mark.parametrize(
    ("used", "other", "said"),
    [
        ({"fraction": 0.10}, {"fraction": 0.20}, True),
        ({"fraction": 0.10}, {"fraction": 0.20, "dome_margin_mm": 20.0}, True),
        ({"fraction": 0.10}, {"fraction": 0.20, "injection": "right"}, False),
        ({"fraction": 0.10}, {"fraction": 0.20, "used": True}, False),
        ({"fraction": 0.10}, {"fraction": None}, False),
        ({"fraction": 0.25}, {"fraction": 0.375}, False),  # by one half, and no more
        ({"fraction": 0.25}, {"fraction": 0.376}, True),
        ({"fraction": 0.0}, {"fraction": 0.051}, True),
        ({"fraction": 0.0}, {"fraction": 0.049}, False),
        ({"fraction": None}, {"fraction": 0.20}, False),
    ],
)
def test_a_shunt_is_compared_with_others_of_its_injection_that_are_known_and_not_used(used, other, said):
    usual = {"injection": "left", "method": "planar", "dome_margin_mm": None, "caveat": "scatter"}
    shunts = [ShuntMethod(**usual | {"used": True} | used), ShuntMethod(**usual | {"used": False} | other)]
    found = _shunt_notices(shunts)
    assert codes(found) == ["lung-shunts-differ"] * said
    if said:
        assert (", margin 20 mm" in found[0].message) is ("dome_margin_mm" in other)
