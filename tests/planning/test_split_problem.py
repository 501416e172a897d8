"""Splits that cannot meet their goals, by numbers that can be counted: used-up limits, vials that give way, least activities."""

import numpy as np
import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.solver import least_activities, solve_injections
from y90voxel.planning.split_problem import DoseConstraint, SplitProblem


def limit(region, value, previous=0.0):
    return DoseConstraint(f"{region} limit", region, Sense.BELOW, value, previous)


def goal(region, value, previous=0.0):
    return DoseConstraint(f"{region} goal", region, Sense.AT_LEAST, value, previous)


@pytest.mark.parametrize(("earlier", "left"), [(0.0, 50.0), (49.5, 0.5), (50.0, 0.0), (50.5, None)])
def test_a_limit_is_used_up_beyond_its_value_and_leaves_nothing_at_it(earlier, left):
    """10 Gy/GBq of 50 Gy; at exactly 50 Gy before, no activity is left, and no limit is exceeded."""
    table = {"lungs": (10.0,), "T": (100.0,)}
    found = solve_injections(
        table, [limit("lungs", 50.0, earlier)], objective={"T": 1.0}, greatest_activities_gbq=(20.0,)
    )
    assert found.feasible is (left is not None)
    if left is None:
        assert found.infeasibility.excesses_gy == {"lungs limit": pytest.approx(0.5)}
        assert found.infeasibility.blocking == ("lungs limit",)
        assert found.infeasibility.extra_activities_gbq == (0.0,)
    else:
        assert found.activities_gbq == pytest.approx((left / 10.0,))
        assert found.binding == ("lungs limit",)


def test_the_greater_vial_gives_way_first_for_its_share_is_less():
    """40 Gy are missing, 4 GBq: one more of the first vial of 4 GBq, two more of the second of 2 GBq."""
    found = solve_injections(
        {"T": (10.0, 10.0)}, [goal("T", 100.0)], objective={"T": 1.0}, greatest_activities_gbq=(4.0, 2.0)
    )
    why = found.infeasibility
    assert why.extra_activities_gbq == pytest.approx((4.0, 0.0), abs=1e-6)
    assert why.shortfalls_gy == {"T goal": pytest.approx(40.0)}
    assert why.closest_activities_gbq == pytest.approx((4.0, 2.0))


def test_goals_that_cannot_be_met_take_the_least_that_comes_closest_to_each():
    """The lungs end the first artery at 6 GBq; half a gray by the second takes 0.5 of its 0.8 GBq; nothing reaches the rest."""
    table = {"lungs": (5.0, 0.0), "T": (20.0, 0.0), "E": (0.0, 1.0), "U": (0.0, 0.0)}
    constraints = [limit("lungs", 30.0), goal("T", 1000.0), goal("E", 0.5), goal("U", 5.0)]
    why = least_activities(table, constraints, greatest_activities_gbq=(20.0, 0.8)).infeasibility
    assert why.closest_activities_gbq == pytest.approx((6.0, 0.5), rel=1e-5)
    assert why.shortfalls_gy == {"T goal": pytest.approx(880.0, rel=1e-5), "U goal": pytest.approx(5.0)}


@pytest.mark.parametrize("limits", [1, 4])
def test_what_no_injection_reaches_stays_out_of_reach_however_much_is_injected(limits):
    """No excess of a limit helps, so none is told."""
    table = {"T": (10.0, 10.0), "U": (0.0, 0.0)} | {f"organ {n}": (1.0, 1.0) for n in range(limits)}
    constraints = [goal("U", 5.0), *(limit(f"organ {n}", 8.0 + n) for n in range(limits))]
    why = solve_injections(
        table, constraints, objective={"T": 1.0}, greatest_activities_gbq=(4.0, 4.0)
    ).infeasibility
    assert why.shortfalls_gy == {"U goal": 5.0}
    assert (why.excesses_gy, why.extra_activities_gbq) == ({}, (0.0, 0.0))


@pytest.mark.parametrize(("slack", "binds"), [(0.9e-6, True), (1.1e-6, False)])
def test_what_is_reached_up_to_a_millionth_binds(slack, binds):
    problem = SplitProblem((limit("lungs", 50.0),), np.array([[10.0]]), np.array([20.0]))
    assert problem.binding(np.array([5.0 * (1.0 - slack)])) == ("lungs limit",) * binds
    full = SplitProblem((), np.zeros((0, 1)), np.array([20.0]))
    assert full.binding(np.array([20.0 * (1.0 - slack)])) == ("greatest activity of injection 1",) * binds


@pytest.mark.parametrize(("reached", "least_gy"), [(49.99997, 50.000025), (49.9999, 49.9999 * (1.0 - 1e-7))])
def test_a_goal_that_is_reached_up_to_rounding_stays_reached(reached, least_gy):
    """A millionth of 50 Gy is 0.00005: within it the goal counts as met and is kept; below, what is reached is."""
    problem = SplitProblem([goal("T", 50.0)], np.array([[10.0]]), np.array([20.0]))
    found = problem._no_more_than_needed(np.array([reached / 10.0]))
    assert 10.0 * found[0] == pytest.approx(least_gy, rel=2e-8)
