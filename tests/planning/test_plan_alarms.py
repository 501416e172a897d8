"""Alarms of a plan, each with and without what it is about; thresholds stand in tests/thresholds/test_plan_constants.py."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.focal_doses import FocalDose
from y90voxel.clinical.limits import ClinicalContext, Scenario, Sense
from y90voxel.errors import Notice
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_alarms import (
    _doses,
    _fifty_ninety,
    _foci,
    _not_recommended,
    _ratios,
    _refused,
    _reserve,
    _share,
    _vials,
    first_screen,
)
from y90voxel.planning.plan_model import PlanModel
from y90voxel.quantification.focal_uptake import Focus
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((3, 3, 3), (4.0, 4.0, 4.0))


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize(
    ("by_1_kg", "by_ct", "said"),
    [(29.0, 29.9, False), (29.0, 30.0, False), (29.0, 30.1, True), (45.0, 29.9, False)],
)
def test_lungs_beyond_their_limit_by_the_mass_of_ct_alone_are_told(by_1_kg, by_ct, said):
    rows = (
        RegionDoses("lungs", Role.LUNGS, (by_1_kg / 2.0,)),
        RegionDoses("lungs_ct", Role.OTHER, (by_ct / 2.0,)),
    )
    found = _doses(None, SimpleNamespace(table=DoseTable(rows), activities_gbq=(2.0,)))
    assert codes(found) == ["lungs-other-convention"] * said
    if said:
        assert "the lungs get 30.1 Gy with the CT mass, beyond 30 Gy" in found[0].message
        assert "held with 1 kg (29 Gy)" in found[0].message


def test_the_dose_of_the_perfused_volume_is_told_before_that_of_its_normal_liver_and_once():
    rows = (
        RegionDoses("normal", Role.PERFUSED_NON_TUMOUR_LIVER, (1200.0,)),
        RegionDoses("perfused", Role.PERFUSED, (1300.0,)),
    )
    (found,) = _doses(None, SimpleNamespace(table=DoseTable(rows), activities_gbq=(1.0,)))
    assert found.message.startswith("the perfused volume gets 1300 Gy")


@pytest.mark.parametrize(
    ("device", "context", "points", "who"),
    [
        ("glass", {}, None, None),
        ("glass", {"pretreated": True}, None, "a retreatment:"),
        ("glass", {"previous_lung_doses_gy": (5.0,)}, None, "a retreatment:"),
        ("glass", {"previous_lung_doses_gy": ()}, None, None),
        ("glass", {}, 5, "cirrhosis:"),
        ("glass", {"pretreated": True}, 7, "a retreatment and cirrhosis:"),
        ("resin", {"pretreated": True}, 7, None),
        (None, {"pretreated": True}, 7, None),
    ],
)
@pytest.mark.parametrize("described", [True, False])
def test_the_50_90_rule_of_glass_is_from_first_treatments_without_cirrhosis(
    device, context, points, who, described
):
    patient = SimpleNamespace(child_pugh_points=points) if described else None
    plan = SimpleNamespace(
        context=ClinicalContext(**context), facts=SimpleNamespace(device=device, patient=patient)
    )
    found = _fifty_ninety(plan)
    if not described and who is not None:
        who = "a retreatment:" if "retreatment" in who else None
    assert codes(found) == ["fifty-ninety-first-treatments"] * (who is not None)
    assert who is None or found[0].message.startswith(who)


@pytest.mark.parametrize(
    ("name", "flag", "said"),
    [
        ("mird", "single compartment not recommended", True),
        ("mird", "", False),
        ("empirical", "not recommended", False),
    ],
)
def test_a_single_compartment_that_is_not_recommended_is_told_where_it_stands_first(name, flag, said):
    first = SimpleNamespace(name=name, flag=flag, title="one compartment")
    assert codes(_not_recommended(first)) == ["single-not-recommended"] * said


@pytest.mark.parametrize("refused", [True, False])
def test_a_goal_that_is_refused_is_told_with_its_reason(refused):
    first = SimpleNamespace(goal_refused=refused, title="partition", reason="the lungs end it")
    assert codes(_refused(first)) == ["goal-refused"] * refused


def focal_dose(share):
    core = np.zeros(GRID.shape)
    core[1, 1, 1] = 1.0
    return FocalDose(Focus(Mask(core, GRID), (0.0, 0.0, 0.0), 1.0, share, None), 3.0)


@pytest.mark.parametrize("available", [True, False])
def test_foci_come_with_the_dose_of_the_first_model_or_of_1_gbq(available):
    """The one with most counts first, whichever injection brought it."""
    evaluations = [SimpleNamespace(foci=(focal_dose(share),)) for share in (0.02, 0.05)]
    maps = SimpleNamespace(
        evaluations=evaluations,
        dose=lambda activities: DoseMap(np.full(GRID.shape, 10.0 * sum(activities)), GRID),
    )
    plan = SimpleNamespace(maps=maps, context=ClinicalContext())
    first, second = _foci(plan, SimpleNamespace(available=available, activities_gbq=(1.0, 1.5)))
    assert ("5 %" in first.message, "2 %" in second.message) == (True, True)
    said = "25 Gy at the 2.5 GBq of the first model" if available else "3 Gy per GBq"
    assert said in first.message


@pytest.mark.parametrize("maps", [None, SimpleNamespace(evaluations=[SimpleNamespace(foci=())])])
def test_without_images_or_foci_nothing_is_told_of_them(maps):
    plan = SimpleNamespace(maps=maps, context=ClinicalContext())
    assert _foci(plan, SimpleNamespace(available=True, activities_gbq=(1.0,))) == []


@pytest.mark.parametrize(
    ("device", "activities", "supply", "residual", "wanted"),
    [
        ("glass", (19.9,), (), 0.0, None),
        ("glass", (20.0,), (), 0.0, None),
        ("glass", (20.1,), (), 0.0, "20.1 GBq"),
        ("glass", (19.5,), (), 0.02, None),
        ("glass", (19.7,), (), 0.02, "19.7 GBq"),  # 20.1 GBq in the vial
        ("glass", (19.0, 19.0), (), 0.0, None),  # of each injection
        ("glass", (20.0,), ("injection 1",), 0.0, "25 GBq"),  # the goal takes more
        ("glass", (20.0, 5.0), ("injection 1",), 0.0, "at least 20 GBq"),
        ("glass", (20.0 * (1.0 - 0.9e-6), 5.0), ("injection 1",), 0.0, "at least 20 GBq"),
        ("glass", (20.0 * (1.0 - 1.1e-6), 5.0), ("injection 1",), 0.0, None),
        ("glass", (19.6, 5.0), ("injection 1",), 0.02, "at least 19.6 GBq"),
        ("glass", (1.0, 1.0), ("injection 1",), 0.0, None),  # a stated greatest activity, or an old vial
        ("glass", (1.0,), ("injection 1",), 0.0, "25 GBq"),
        ("resin", (3.5,), (), 0.0, "3.5 GBq"),
        (None, (90.0,), (), 0.0, None),
    ],
)
def test_an_activity_that_no_vial_holds_is_told_with_what_is_wanted(
    device, activities, supply, residual, wanted
):
    model = PlanModel(
        "a",
        "a",
        activities,
        DoseTable((RegionDoses("T", Role.TUMOUR, (50.0,) * len(activities)),)),
        results=tuple(goal_result() for _ in supply),
        limited_by_supply=supply,
    )
    plan = SimpleNamespace(
        facts=SimpleNamespace(device=device), request=SimpleNamespace(residual_fraction=residual)
    )
    found = _vials(plan, model)
    assert codes(found) == ["beyond-any-vial"] * (wanted is not None)
    if wanted is not None:
        assert found[0].message.startswith(f"{wanted} are wanted")
        assert (", 19.6 GBq of them net" in found[0].message) is (residual == 0.02)
        assert (" net:" in found[0].message) is (residual == 0.02)


def goal_result():
    """A goal of 1250 Gy, which takes 25 GBq."""
    return SimpleNamespace(achieved=None, aim=DoseAim("goal", "T", Sense.AT_LEAST, 1250.0))


@pytest.mark.parametrize(("gy", "said"), [(1000.0, False), (1000.5, True)])
def test_a_perfused_dose_above_1000_gy_asks_for_a_check(gy, said):
    rows = (RegionDoses("perfused", Role.PERFUSED, (gy,)),)
    found = _doses(None, SimpleNamespace(table=DoseTable(rows), activities_gbq=(1.0,)))
    assert codes(found) == ["perfused-dose-extreme"] * said


@pytest.mark.parametrize(("ratio", "said"), [(None, False), (30.0, False), (30.5, True)])
def test_a_ratio_above_thirty_asks_for_a_check(ratio, said):
    territory = SimpleNamespace(tumours=(SimpleNamespace(name="GTV1", ratio=ratio),))
    found = _ratios(SimpleNamespace(territories=(territory,)))
    assert codes(found) == ["ratio-extreme"] * said


@pytest.mark.parametrize(
    ("perfused_kg", "whole_kg", "reserve", "scenario", "said"),
    [
        (0.4, 1.0, None, Scenario.SEGMENTECTOMY, True),  # 0.6 of 1.2 kg
        (0.1, 1.0, None, Scenario.SEGMENTECTOMY, False),  # 0.3 of 1.2 kg
        (0.4, 1.0, None, Scenario.UNILOBAR, False),
        (0.4, None, None, Scenario.SEGMENTECTOMY, False),
        (None, 1.0, None, Scenario.SEGMENTECTOMY, False),
        (0.4, 1.0, 0.7, Scenario.SEGMENTECTOMY, False),
        (0.1, 1.0, 0.69, Scenario.SEGMENTECTOMY, True),
        (0.1, None, 0.69, Scenario.SEGMENTECTOMY, True),
    ],
)
def test_a_segment_of_more_than_30_percent_is_doubted(perfused_kg, whole_kg, reserve, scenario, said):
    anatomy = SimpleNamespace(
        tumour_masses_kg={"A": 0.15, "B": 0.05}, perfused_normal_kg=perfused_kg, whole_normal_kg=whole_kg
    )
    context = SimpleNamespace(hepatic_reserve=reserve, scenario=scenario)
    found = _share(SimpleNamespace(anatomy=anatomy, context=context))
    assert codes(found) == ["perfused-share-large"] * said


@pytest.mark.parametrize(("reserve", "said"), [(None, False), (0.31, False), (0.30, False), (0.29, True)])
def test_a_reserve_below_30_percent_is_told(reserve, said):
    found = _reserve(SimpleNamespace(context=SimpleNamespace(hepatic_reserve=reserve)))
    assert codes(found) == ["hepatic-reserve-low"] * said


def test_alarms_stand_above_the_numbers_and_other_notices_do_not():
    notices = [Notice("ratio-extreme", "a"), Notice("split-equal", "b"), Notice("contraindicated", "c")]
    assert codes(first_screen(notices)) == ["ratio-extreme", "contraindicated"]
