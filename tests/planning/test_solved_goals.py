"""Activities brought to goals exactly, goals that lie at a limit, and what is said of those that are out of reach."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import AimResult, DoseAim, parse_metric
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.solved_model import _at_its_value, _needs, _Problem, _reached, _what_ends, solved_model
from y90voxel.regions.roles import Role

ARTERIES = DoseTable(
    (
        RegionDoses("T", Role.TUMOUR, (20.0, 60.0)),
        RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 10.0)),
        RegionDoses("spleen", Role.OTHER, (0.0, 0.0)),
    )
)


def limit(region, value, metric="mean", **more):
    return DoseAim(f"{region} limit", region, Sense.BELOW, value, parse_metric(metric), **more)


def goal(region, value, metric="mean", **more):
    return DoseAim(f"{region} goal", region, Sense.AT_LEAST, value, parse_metric(metric), **more)


def solved(*aims, table=ARTERIES, caps=(20.0, 20.0), **more):
    return solved_model("a", "A", table, aims, caps, objective={"T": 1.0}, **more)


@pytest.mark.parametrize(
    ("split", "activity", "table"),
    [((0.25, 0.75), 4.0, (50.0,)), ((1.0, 0.0), 8.0, (20.0,)), ((0.8, 0.2), 10.0, (28.0,))],
)
def test_a_fixed_split_is_one_activity_that_ends_at_the_first_vial(split, activity, table):
    doses, caps = _Problem(ARTERIES, (), (8.0, 3.0), split, None).along
    assert caps == pytest.approx([activity])
    assert doses.per_gbq["T"] == pytest.approx(table)
    assert _Problem(ARTERIES, (), (8.0, 3.0), None, None).along == (ARTERIES, [8.0, 3.0])


def test_what_earlier_treatments_used_counts_in_a_limit_that_is_no_mean():
    problem = _Problem(ARTERIES, (limit("liver", 45.0, "max", previous=15.0),), (8.0, 3.0), None,
                       lambda aim, activities: 20.0 * sum(activities))  # fmt: skip
    activities, decided = problem.scaled((2.0, 1.0))
    assert activities == pytest.approx((1.0, 0.5), rel=1e-6)
    assert decided == "liver limit"


@pytest.mark.parametrize(("previous", "gbq"), [(44.0, 0.05), (45.0, 0.0), (46.0, 0.0)])
def test_a_limit_that_is_no_mean_and_is_used_up_leaves_nothing(previous, gbq):
    """As one on a mean does: the plan says what is missed, and does not end in an error."""
    used_up = DoseAim("liver max", "liver", Sense.BELOW, 45.0, parse_metric("max"), previous)
    found = solved(limit("liver", 50.0), used_up, table=ARTERIES.collapsed((1.0, 0.0)), caps=(8.0,),
                   measure=lambda aim, activities: 20.0 * sum(activities))  # fmt: skip
    assert (found.available, found.binding) == (True, ("liver max",))
    assert found.activity_gbq == pytest.approx(gbq, rel=1e-6)
    missed = {} if found.infeasibility is None else found.infeasibility["missed_by"]
    assert missed == ({"liver max": 1.0} if previous > 45.0 else {})


def test_doses_below_one_gray_end_activities_too():
    assert (
        _Problem(ARTERIES, (limit("liver", 50.0),), (8.0, 3.0), None, None).greatest_scale((0.01, 0.0))
        == 500.0
    )


@pytest.mark.parametrize(("cap", "available"), [(1e4, False), (9950.0, False), (9800.0, True)])
def test_an_activity_that_nothing_ends_is_none(cap, available):
    """A volume that never gets its dose ends nothing, and 10 000 GBq stand for no vial."""
    table = DoseTable(
        (RegionDoses("T", Role.TUMOUR, (20.0,)), RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0,)))
    )
    found = solved(limit("liver", 50.0, "V70"), table=table, caps=(cap,), measure=lambda aim, activities: 0.0)
    assert found.available is available
    if not available:
        assert found.reason.startswith("no limit applies to a region that gets dose")


@pytest.mark.parametrize("previous", [0.0, 40.0])
@pytest.mark.parametrize("dose", [100.0, 0.1])
@pytest.mark.parametrize(
    ("reached", "brought"),
    [(1.0 - 5e-7, 1.0), (1.0 - 2e-6, 1.0 - 2e-6), (1.0 + 5e-7, 1.0 + 5e-7)],
)
def test_what_the_tolerance_of_the_solver_leaves_is_brought_to_the_goal(reached, brought, dose, previous):
    table = DoseTable(
        (RegionDoses("T", Role.TUMOUR, (dose / 5.0,)), RegionDoses("spleen", Role.OTHER, (0.0,)))
    )
    goals = (goal("T", dose + previous, previous=previous), goal("spleen", 10.0))
    problem = _Problem(table, goals, (20.0,), None, None)
    assert _reached(problem, goals, (5.0 * reached,), (1.0,)) == pytest.approx((5.0 * brought,), rel=1e-10)


@pytest.mark.parametrize("split", [None, (0.5, 0.5)])
@pytest.mark.parametrize("liver", [(), (limit("liver", 50.0),)])
@pytest.mark.parametrize(("dose", "previous"), [(100.0, 0.0), (100.0, 20.0), (0.5, 0.0)])
def test_a_goal_that_is_the_limit_is_met_with_it(liver, split, dose, previous):
    """At least and at most 100 Gy: 80 or 100 Gy are left, and no rounding takes them below the goal or beyond the limit."""
    both = (goal("T", dose, previous=previous), limit("T", dose, previous=previous))
    found = solved(*both, *liver, split=split)
    assert (found.available, found.infeasibility) == (True, None)
    assert {result.status for result in found.results} == {"met"}
    per_gbq = 60.0 if split is None else 40.0
    assert found.activity_gbq == pytest.approx((dose - previous) / per_gbq, rel=1e-9)


def test_a_goal_just_beyond_its_limit_is_not_met():
    found = solved(goal("T", 100.001), limit("T", 100.0), limit("liver", 50.0))
    assert found.infeasibility["missed_by"] == {"T goal": pytest.approx(1.01e-3, abs=2e-5)}
    assert [result.status for result in found.results] == ["not met", "met", "met"]
    assert not solved(goal("T", 100.001), limit("T", 100.0)).available


@pytest.mark.parametrize(
    ("aims", "scale"),
    [
        ((limit("liver", 50.0),), 1.0 - 1e-7),
        ((goal("T", 300.0), limit("liver", 50.0)), 1.0),
        ((goal("T", 300.0, required=False), limit("liver", 50.0)), 1.0 - 1e-7),
        ((goal("T", 299.0), limit("liver", 50.0)), 1.0 - 1e-7),
        ((goal("T", 300.0 * (1.0 - 5e-8)), limit("liver", 50.0)), 1.0 - 5e-8),
        ((goal("T", 300.0 * (1.0 + 5e-7)), limit("liver", 50.0)), 1.0),  # the limit ends it
        ((goal("T", 300.0 * (1.0 + 5e-7)),), 1.0 + 5e-7),
        ((goal("T", 300.0 * (1.0 + 2e-6)),), 1.0 - 1e-7),
        ((goal("T", 320.0, previous=20.0),), 1.0),
        ((goal("spleen", 10.0),), 1.0 - 1e-7),
    ],
)
@pytest.mark.parametrize("measured", [True, False])
def test_activities_are_rounded_down_as_far_as_required_goals_let(aims, scale, measured):
    """5 GBq by the second artery: 300 Gy of tumour and 50 Gy of liver."""
    (first, second) = _Problem(ARTERIES, aims, (20.0, 20.0), None, None).rounded_down(
        (0.0, 5.0), measured=measured
    )
    assert first == 0.0
    assert second / 5.0 == pytest.approx(min(scale, 1.0) if measured else scale, rel=1e-10)


@pytest.mark.parametrize(("cap", "gbq"), [(0.4, 0.2), (5.0, 0.2)])
def test_small_vials_reach_small_goals(cap, gbq):
    found = solved(goal("T", 5.0, "D70"), table=ARTERIES.collapsed((1.0, 0.0)), caps=(cap,),
                   measure=lambda aim, activities: 25.0 * sum(activities))  # fmt: skip
    assert found.activity_gbq == pytest.approx(gbq)


def test_a_share_of_the_tumour_that_is_all_there_is_takes_the_least_activity_for_it():
    """From 1 GBq on 90 % of the tumour get the dose, and never more."""
    found = solved(goal("T", 90.0, "V100"), table=ARTERIES.collapsed((1.0, 0.0)), caps=(20.0,),
                   measure=lambda aim, activities: 90.0 * (sum(activities) >= 1.0))  # fmt: skip
    assert found.activity_gbq == pytest.approx(1.0)


def test_a_limit_that_is_used_up_leaves_a_goal_out_of_reach():
    found = solved(goal("T", 5.0, "D70"), limit("T", 50.0, previous=50.0),
                   measure=lambda aim, activities: 25.0 * sum(activities))  # fmt: skip
    assert (found.available, found.goal_refused) == (False, True)
    assert "T goal ≥ 5 Gy is 0 Gy at 0 GBq; T limit (50 Gy) allow 0 GBq" in found.reason


def test_a_goal_that_earlier_treatments_reached_takes_nothing():
    found = solved(goal("T", 5.0, "D70", previous=10.0), limit("T", 50.0, previous=50.0),
                   measure=lambda aim, activities: 25.0 * sum(activities))  # fmt: skip
    assert (found.available, found.activity_gbq) == (True, 0.0)


@pytest.mark.parametrize("value", [50.0, 0.5])
@pytest.mark.parametrize(("off", "at"), [(-0.9e-6, True), (0.9e-6, True), (-1.1e-6, False), (1.1e-6, False)])
def test_a_dose_is_at_its_value_up_to_a_millionth(value, off, at):
    assert _at_its_value(AimResult(limit("liver", value), value * (1.0 + off), "met")) is at
    assert not _at_its_value(AimResult(limit("liver", value), None, "not applicable"))


def test_what_ends_an_activity_are_limits_at_their_value_and_the_one_that_scaled_it_down():
    aims = {name: DoseAim(name, "liver", Sense.BELOW, 50.0) for name in ("at", "scaled", "far")}
    results = [AimResult(aims["at"], 50.0, "met"), AimResult(aims["scaled"], 30.0, "met"),
               AimResult(aims["far"], 20.0, "met"), AimResult(goal("T", 100.0), 100.0, "met")]  # fmt: skip
    problem = _Problem(ARTERIES, (), (20.0, 3.0), None, None)
    assert _what_ends(problem, (5.0, 3.0), results, "scaled") == [
        ("at", "at (50 Gy)"),
        ("scaled", "scaled (50 Gy)"),
        ("injection 2", "the greatest activity of injection 2"),
    ]


@pytest.mark.parametrize(
    ("achieved", "said"),
    [(200.0, "takes 45 GBq"), (100.5, "takes 9000 GBq"), (100.0, "gets nothing"), (None, "gets nothing")],
)
def test_what_a_goal_takes_is_what_earlier_treatments_have_not_given(achieved, said):
    """1000 Gy, 100 of them from before: 900 are left."""
    assert _needs(AimResult(goal("T", 1000.0, previous=100.0), achieved, "not met"), 5.0) == said


def test_activity_beyond_the_vials_that_goals_would_take_is_told():
    """1600 Gy at most; 1400 more take 23.3 GBq of the second artery, whose vial is as large as the first."""
    why = solved(goal("T", 3000.0), limit("liver", 1000.0)).infeasibility
    assert why["extra_activity_bq_if_goals_were_met"] == pytest.approx(1400.0 / 60.0 * 1e9, rel=1e-6)


@pytest.mark.parametrize("previous", [0.0, 5.0])
def test_what_the_tolerance_leaves_of_a_goal_is_given_beside_earlier_treatments(previous):
    problem = _Problem(ARTERIES, (limit("liver", 1000.0),), (80.0, 80.0), None, None)
    just_missed = 1.0 - 5e-7  # 20 Gy/GBq
    found = _reached(problem, [goal("T", 20.0 + previous, previous=previous)], (just_missed, 0.0), (0.5, 0.5))
    assert found == pytest.approx((1.0, 0.0), rel=1e-12)


def test_a_goal_of_a_region_that_nothing_reaches_is_missed_and_ends_no_plan():
    found = solved(limit("liver", 45.0), goal("spleen", 10.0))
    assert found.infeasibility["missed_by"]["spleen goal"] == pytest.approx(10.0)
