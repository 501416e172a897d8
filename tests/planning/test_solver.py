import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from y90voxel.clinical.limits import evaluate_limits
from y90voxel.errors import InputError, PhysicsError, RegionError
from y90voxel.planning import (
    DoseConstraint,
    Sense,
    effective_lung_shunt_fraction,
    injection_doses,
    least_activities,
    solve_injections,
)
from y90voxel.planning.split_problem import _linprog
from y90voxel.regions.roles import Role

# Two arteries: both reach the tumour, the first spares the lungs, the second the normal liver.
TABLE = {"tumour": (20.0, 25.0), "normal": (8.0, 1.0), "lungs": (49.67 * 0.10, 49.67 * 0.16)}
LUNGS = DoseConstraint("lungs, one treatment", "lungs", Sense.BELOW, 30.0)
NORMAL = DoseConstraint("perfused non-tumour liver", "normal", Sense.BELOW, 20.0)
VIALS = (20.0, 20.0)


def goal(dose):
    return DoseConstraint("tumour goal", "tumour", Sense.AT_LEAST, dose)


def solve(constraints, caps=VIALS, table=TABLE, objective=None):
    return solve_injections(
        table, constraints, objective=objective or {"tumour": 1.0}, greatest_activities_gbq=caps
    )


def brute_force(constraints, caps, table, steps=60):
    """Greatest tumour dose on a grid of activities."""
    best = -1.0
    for activities in itertools.product(*(np.linspace(0, cap, steps) for cap in caps)):
        doses = {name: np.dot(row, activities) for name, row in table.items()}
        fits = all(
            doses[c.region] + c.previous_gy <= c.value_gy
            if c.sense is Sense.BELOW
            else doses[c.region] + c.previous_gy >= c.value_gy
            for c in constraints
        )
        best = max(best, doses["tumour"] if fits else -1.0)
    return best


def test_the_best_split_is_where_both_limits_bind():
    """8 A1 + A2 = 20 and K (0.10 A1 + 0.16 A2) = 30, by Cramer's rule."""
    found = solve([LUNGS, NORMAL])
    expected = np.linalg.solve([[8.0, 1.0], [4.967, 7.9472]], [20.0, 30.0])
    assert found.feasible
    assert found.activities_gbq == pytest.approx(expected, rel=1e-6)
    assert found.binding == ("lungs, one treatment", "perfused non-tumour liver")
    assert found.objective_gy == pytest.approx(found.doses_gy["tumour"])


def test_activities_fed_back_meet_their_limits_exactly():
    found = solve([LUNGS, NORMAL])
    doses = injection_doses(TABLE, found.activities_gbq)
    assert doses == found.doses_gy
    assert doses["lungs"] <= 30.0
    assert doses["normal"] <= 20.0
    held = evaluate_limits(
        "glass", {"normal": (Role.PERFUSED_NON_TUMOUR_LIVER, doses["normal"])}, doses["lungs"]
    )
    assert next(r.status for r in held if r.region == "lungs") == "met"


positive = st.floats(0.1, 50)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(positive, positive), st.tuples(positive, positive), st.tuples(positive, positive),
    st.floats(5, 60), st.floats(5, 150), st.tuples(st.floats(0.5, 10), st.floats(0.5, 10)),
)  # fmt: skip
def test_no_grid_of_activities_finds_a_better_split(tumour, normal, lungs, lung_limit, normal_limit, caps):
    table = {"tumour": tumour, "normal": normal, "lungs": lungs}
    constraints = [
        DoseConstraint("lungs", "lungs", Sense.BELOW, lung_limit),
        DoseConstraint("normal", "normal", Sense.BELOW, normal_limit),
    ]
    found = solve(constraints, caps, table)
    assert found.doses_gy["tumour"] >= brute_force(constraints, caps, table) * (1 - 1e-9)
    for c in constraints:
        assert found.doses_gy[c.region] <= c.value_gy * (1 + 1e-12)
    assert all(0 <= a <= cap for a, cap in zip(found.activities_gbq, caps, strict=True))
    assert found.binding


def test_one_injection_is_the_feasible_activity():
    found = solve([LUNGS], (20.0,), {"tumour": (20.0,), "lungs": (49.67 * 0.12,)})
    assert found.activities_gbq[0] == pytest.approx(5.033, rel=1e-3)


def test_the_order_of_injections_does_not_matter():
    found = solve([LUNGS, NORMAL])
    mirrored = solve([NORMAL, LUNGS], table={name: row[::-1] for name, row in TABLE.items()})
    assert mirrored.activities_gbq == pytest.approx(found.activities_gbq[::-1])
    forth = injection_doses(TABLE, (3.3, 1.4))
    assert injection_doses({n: r[::-1] for n, r in TABLE.items()}, (1.4, 3.3)) == pytest.approx(forth)


def test_vials_bind_when_no_limit_does():
    found = solve([LUNGS], caps=(1.0, 1.5))
    assert found.activities_gbq == (1.0, 1.5)
    assert found.binding == ("greatest activity of injection 1", "greatest activity of injection 2")
    assert solve([], caps=(1.0, 1.5)).activities_gbq == (1.0, 1.5)


def test_earlier_treatments_count():
    before = DoseConstraint("lungs, all treatments", "lungs", Sense.BELOW, 50.0, previous_gy=40.0)
    found = solve([LUNGS, before])
    assert found.doses_gy["lungs"] == pytest.approx(10.0)
    assert found.binding == ("lungs, all treatments",)


def test_a_reachable_goal_is_met():
    found = solve([LUNGS, NORMAL, goal(90.0)])
    assert found.feasible
    assert found.doses_gy["tumour"] >= 90.0


def test_an_infeasible_goal_says_what_blocks_it_and_by_how_much():
    """At most 111.9 Gy within both limits; 205 Gy is short by the rest."""
    best = solve([LUNGS, NORMAL]).doses_gy["tumour"]
    found = solve([LUNGS, NORMAL, goal(205.0)])
    assert (found.feasible, found.activities_gbq, found.doses_gy) == (False, (), {})
    why = found.infeasibility
    assert why.shortfalls_gy == {"tumour goal": pytest.approx(205.0 - best, rel=1e-6)}
    assert why.blocking == ("lungs, one treatment", "perfused non-tumour liver")
    assert injection_doses(TABLE, why.closest_activities_gbq)["tumour"] == pytest.approx(best)


def test_the_least_excess_of_limits_for_a_goal():
    """One artery: 205 Gy at 20 Gy/GBq needs 10.25 GBq, which give 61.1 Gy to the lungs."""
    table = {"tumour": (20.0,), "lungs": (49.67 * 0.12,)}
    why = solve([LUNGS, goal(205.0)], (20.0,), table).infeasibility
    assert why.excesses_gy == {"lungs, one treatment": pytest.approx(10.25 * 49.67 * 0.12 - 30.0, rel=1e-6)}
    assert why.shortfalls_gy == {"tumour goal": pytest.approx(205 - 20 * 30 / (49.67 * 0.12), rel=1e-6)}
    assert why.extra_activities_gbq == (0.0,)


def test_a_vial_too_small_is_said_with_the_missing_activity():
    why = solve([goal(205.0)], (5.0,), {"tumour": (20.0,)}).infeasibility
    assert why.blocking == ("greatest activity of injection 1",)
    assert why.extra_activities_gbq == (pytest.approx(5.25, rel=1e-6),)
    assert why.excesses_gy == {}


def test_a_goal_that_no_injection_reaches():
    table = {"tumour": (20.0,), "second tumour": (0.0,)}
    missed = DoseConstraint("second goal", "second tumour", Sense.AT_LEAST, 100.0)
    why = solve([missed], (5.0,), table).infeasibility
    assert why.shortfalls_gy == {"second goal": pytest.approx(100.0)}
    assert why.excesses_gy == {}


def test_a_limit_used_up_by_earlier_treatments_is_the_reason():
    spent = DoseConstraint("lungs, all treatments", "lungs", Sense.BELOW, 50.0, previous_gy=52.0)
    why = solve([spent]).infeasibility
    assert (why.excesses_gy, why.blocking) == ({"lungs, all treatments": 2.0}, ("lungs, all treatments",))
    assert why.closest_activities_gbq == ()


def test_goals_for_absent_regions_are_refused():
    with pytest.raises(
        RegionError, match=r"tumour goal is about GTV9, which is not among .* tumour, normal, lungs"
    ):
        solve([DoseConstraint("tumour goal", "GTV9", Sense.AT_LEAST, 205.0)])
    with pytest.raises(RegionError, match="the objective is about GTV9"):
        solve([LUNGS], objective={"GTV9": 1.0})


def test_bad_problems_are_refused():
    with pytest.raises(InputError, match="greatest activity of an injection must be positive"):
        solve([LUNGS], caps=(20.0, 0.0))
    with pytest.raises(InputError, match="tumour has 2 doses per activity, but there are 1 injections"):
        solve([LUNGS], caps=(20.0,))
    with pytest.raises(InputError, match="tumour: dose per activity must not be negative"):
        solve([LUNGS], table=TABLE | {"tumour": (-1.0, 2.0)})
    with pytest.raises(InputError, match="rewards no injection"):
        solve([LUNGS], table=TABLE | {"tumour": (0.0, 0.0)})
    with pytest.raises(InputError, match="the dose must be positive"):
        DoseConstraint("x", "tumour", Sense.BELOW, 0.0)
    with pytest.raises(InputError, match="earlier dose must not be negative"):
        DoseConstraint("x", "tumour", Sense.BELOW, 30.0, -1.0)
    with pytest.raises(InputError, match="activity of an injection must not be negative"):
        injection_doses(TABLE, (1.0, -1.0))


def test_a_linear_programme_without_end_is_a_physics_error():
    with pytest.raises(PhysicsError, match="did not end"):
        _linprog(np.array([-1.0]), np.zeros((1, 1)), np.ones(1), [(0.0, None)])


def test_shunt_of_all_injections_together():
    """V10: (3.3 0.10 + 1.4 0.16) / 4.7."""
    assert effective_lung_shunt_fraction((3.3, 1.4), (0.10, 0.16)) == pytest.approx(0.554 / 4.7)


def test_a_limit_that_earlier_treatments_exceed_leaves_no_least_activity():
    used_up = DoseConstraint("normal liver", "normal", Sense.BELOW, 20.0, previous_gy=21.0)
    found = least_activities(TABLE, [goal(100.0), used_up], greatest_activities_gbq=VIALS)
    assert not found.feasible
    assert found.infeasibility.blocking == ("normal liver",)
    assert found.infeasibility.excesses_gy == {"normal liver": pytest.approx(1.0)}
    assert (found.infeasibility.closest_activities_gbq, found.infeasibility.shortfalls_gy) == ((), {})


@pytest.mark.parametrize("weight", [float("inf"), float("nan")])
def test_weights_of_the_objective_are_finite(weight):
    with pytest.raises(InputError, match="weights of the objective must be finite"):
        solve([LUNGS], objective={"tumour": weight})


@pytest.mark.parametrize(
    ("activities", "shunts", "found"),
    [
        ((0.2, 0.6), (0.05, 0.25), 0.2),
        ((0.0, 2.0), (0.05, 0.25), 0.25),
        ((1.0, 1.0), (0.0, 1.0), 0.5),
        ((0.0, 0.0), (0.05, 0.25), None),
        ((-0.5, 2.0), (0.05, 0.25), None),
        ((1.0, 1.0), (0.05,), None),
        ((1.0, 1.0), (-0.05, 0.25), None),
        ((1.0, 1.0), (0.05, 1.25), None),
        ((1.0, 1.0), (0.05, float("nan")), None),
        ((1.0, float("nan")), (0.05, 0.25), None),
    ],
)
def test_shunts_count_by_activity(activities, shunts, found):
    if found is None:
        with pytest.raises(InputError, match=r"shunt"):
            effective_lung_shunt_fraction(activities, shunts)
    else:
        assert effective_lung_shunt_fraction(activities, shunts) == pytest.approx(found)
