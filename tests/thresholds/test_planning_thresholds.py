"""Guards of a plan, one case on each side: the age of a vial, and a dose that the solver leaves above a limit."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.planning import DoseConstraint, Sense, all_vials, choose_vials, device, least_activities
from y90voxel.planning.split_problem import SplitProblem

INJECTION = datetime(2026, 3, 4, 12, tzinfo=UTC)
LIMIT = DoseConstraint("lungs, one treatment", "lungs", Sense.BELOW, 30.0, previous_gy=6.0)


def calibrated(hours_before):
    return [INJECTION - timedelta(hours=hours_before)]


@pytest.mark.parametrize("hours", [47.99, 48.0], ids=["just inside", "at the age"])
def test_a_vial_up_to_its_greatest_age_in_hours_is_on_offer(hours):
    (vial,) = choose_vials(1.0, INJECTION, calibrated(hours), device("glass"), greatest_age_h=48.0)
    assert vial.activity_at_injection_gbq >= 1.0
    assert all_vials(1.0, INJECTION, calibrated(hours), device("glass"), greatest_age_h=48.0)


def test_a_vial_just_above_its_greatest_age_in_hours_is_not_on_offer():
    with pytest.raises(InputError, match="vial on offer reaches"):
        choose_vials(1.0, INJECTION, calibrated(48.01), device("glass"), greatest_age_h=48.0)
    assert all_vials(1.0, INJECTION, calibrated(48.01), device("glass"), greatest_age_h=48.0) == ()


def test_a_vial_is_old_by_the_clock_and_not_by_its_calibration_in_the_future():
    assert all_vials(1.0, INJECTION, calibrated(-72.0), device("glass"), greatest_age_h=0.0)


@pytest.mark.parametrize("excess", [1e-9, 1e-6, 1e-2])
def test_activities_just_above_a_limit_are_scaled_onto_it(excess):
    """24 Gy are left of 30; a linear programme may end a tolerance above them."""
    problem = SplitProblem((LIMIT,), np.array([[4.0, 8.0]]), np.array([20.0, 20.0]))
    found = problem._within_limits(np.array([2.0, 2.0]) * (1.0 + excess))
    assert 4.0 * found[0] + 8.0 * found[1] == pytest.approx(24.0, rel=1e-12)
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_activities_just_below_a_limit_stay_as_they_are():
    problem = SplitProblem((LIMIT,), np.array([[4.0, 8.0]]), np.array([20.0, 20.0]))
    activities = np.array([2.0, 2.0]) * (1.0 - 1e-6)
    assert problem._within_limits(activities).tolist() == activities.tolist()


def test_activities_just_outside_zero_and_the_vials_are_clamped():
    problem = SplitProblem((), np.zeros((0, 2)), np.array([20.0, 20.0]))
    assert problem._within_limits(np.array([-1e-9, 20.0 + 1e-9])).tolist() == [0.0, 20.0]
    assert problem._within_limits(np.array([1e-9, 20.0 - 1e-9])).tolist() == [1e-9, 20.0 - 1e-9]


def test_the_strictest_of_several_limits_scales_all_injections():
    other = DoseConstraint("normal liver", "normal", Sense.BELOW, 12.0)
    problem = SplitProblem((LIMIT, other), np.array([[4.0, 8.0], [6.0, 0.0]]), np.array([20.0, 20.0]))
    found = problem._within_limits(np.array([2.2, 2.0]))  # 24.8 Gy of 24, 13.2 of 12
    assert found == pytest.approx(np.array([2.2, 2.0]) * 12.0 / 13.2)


def test_a_goal_just_at_a_limit_is_feasible_and_just_above_is_not():
    table = {"lungs": (6.0,)}
    for goal, feasible in ((23.99, True), (24.01, False)):
        goals = [LIMIT, DoseConstraint("goal", "lungs", Sense.AT_LEAST, goal)]
        assert least_activities(table, goals, greatest_activities_gbq=(20.0,)).feasible is feasible
