"""How far activities may be scaled, and which row a goal of lesions is held against."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.liver_limits import planning_goals
from y90voxel.planning.solved_model import _Problem, solved_model
from y90voxel.regions.roles import Role

TABLE = DoseTable(
    (RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 0.0)), RegionDoses("lungs", Role.LUNGS, (0.0, 5.0)))
)


def limit(region, value, metric="mean", **more):
    return DoseAim(f"{region} {metric}", region, Sense.BELOW, value, parse_metric(metric), **more)


@pytest.mark.parametrize(
    ("aims", "activities", "scale"),
    [
        ((), (2.0, 0.0), 4.0),  # the vial of 8 GBq
        ((), (2.0, 1.0), 3.0),  # that of 3 GBq
        ((limit("liver", 50.0),), (2.0, 0.0), 2.5),
        ((limit("liver", 50.0, previous=10.0),), (2.0, 0.0), 2.0),
        ((limit("liver", 50.0, previous=60.0),), (2.0, 0.0), 0.0),
        ((limit("liver", 400.0),), (2.0, 0.0), 4.0),
        ((limit("lungs", 1.0),), (2.0, 0.0), 4.0),  # they get nothing
        ((limit("lungs", 4.0), limit("liver", 50.0)), (2.0, 1.0), 0.8),
        ((limit("liver", 1.0, "max"), limit("spleen", 1.0)), (2.0, 0.0), 4.0),  # no mean, and no dose known
        ((DoseAim("goal", "liver", Sense.AT_LEAST, 10.0),), (2.0, 0.0), 4.0),
        ((), (0.0, 0.0), 0.0),
    ],
)
def test_activities_grow_as_far_as_vials_and_limits_on_means_let_them(aims, activities, scale):
    assert _Problem(TABLE, aims, (8.0, 3.0), None, None).greatest_scale(activities) == pytest.approx(scale)


def test_only_what_is_no_mean_is_measured_to_scale_down():
    """A mean is the linear programme's, and its row may be none of a dose map."""
    measured = []

    def measure(aim, activities):
        measured.append(aim.region)
        return 30.0 * sum(activities)

    problem = _Problem(TABLE, (limit("lungs", 1.0), limit("liver", 45.0, "max")), (8.0, 3.0), None, measure)
    activities, decided = problem.scaled((2.0, 1.0))
    assert (decided, set(measured)) == ("liver max", {"liver"})
    assert activities == pytest.approx((1.0, 0.5), rel=1e-6)
    assert problem.scaled((0.0, 0.0)) == ((0.0, 0.0), "")


LESIONS = [RegionDoses(f"GTV{n}", Role.TUMOUR, (100.0 * n,)) for n in (1, 2)]


@pytest.mark.parametrize(
    ("rows", "region"),
    [
        ((*LESIONS, RegionDoses("tumours", Role.TUMOURS, (150.0,))), "tumours"),
        ((LESIONS[0], RegionDoses("tumours", Role.TUMOURS, (100.0,))), "tumours"),
        ((LESIONS[0],), "GTV1"),
        (LESIONS, None),
        ((), None),
    ],
)
def test_a_goal_of_lesions_is_that_of_all_tumours_or_of_the_only_one(rows, region):
    aims = [
        DoseAim(f"goal {value:g}", row.name, Sense.AT_LEAST, value, required=False)
        for row in rows
        for value in (205.0, 250.0)
    ]
    goals, stated = planning_goals(aims, DoseTable(tuple(rows)), measurable=False)
    assert not stated
    assert [(goal.name, goal.region) for goal in goals] == (
        [] if region is None else [("goal 205, mean of all tumours", region)]
    )


ARTERIES = DoseTable(
    (
        RegionDoses("T", Role.TUMOUR, (20.0, 60.0)),
        RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 10.0)),
        RegionDoses("perfused", Role.PERFUSED, (30.0, 50.0)),
    )
)


def solved(*aims, table=ARTERIES, caps=(20.0, 20.0), **more):
    return solved_model("a", "A", table, aims, caps, **more)


def goal(region, value, metric="mean", **more):
    return DoseAim(f"{region} goal", region, Sense.AT_LEAST, value, parse_metric(metric), **more)


def test_without_tumours_there_is_nothing_to_maximise_within_the_limits():
    found = solved(limit("liver", 50.0))
    assert found.reason == "no dose is known for all tumours, which is to be maximised"
    assert solved(limit("liver", 50.0), objective={"T": 1.0}).available


@pytest.mark.parametrize(
    ("table", "caps", "more", "free"),
    [
        (ARTERIES, (20.0, 20.0), {}, True),
        (ARTERIES, (20.0, 20.0), {"split": (0.5, 0.5)}, False),
        (ARTERIES.collapsed((0.5, 0.5)), (20.0,), {}, False),
    ],
)
def test_a_free_split_is_said_to_give_tumours_most(table, caps, more, free):
    found = solved(limit("liver", 50.0), table=table, caps=caps, objective={"T": 1.0}, **more)
    words = " in the split that gives tumours the greatest dose" if free else ""
    assert found.basis == f"greatest activity within the limits{words}"


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("shares", [None, (0.25, 0.75)])
def test_a_goal_of_the_table_leaves_no_artery_untreated_and_one_of_the_user_may(required, shares):
    """The second artery alone reaches 100 Gy with the least, 2 GBq."""
    found = solved(goal("perfused", 100.0, required=required), shares=shares)
    if required:
        assert found.activities_gbq == pytest.approx((0.0, 2.0))
    else:
        first, second = shares or (0.5, 0.5)
        total = 100.0 / (30.0 * first + 50.0 * second)
        assert found.activities_gbq == pytest.approx((first * total, second * total))


def test_an_objective_of_the_table_that_treats_every_artery_keeps_its_least_activity():
    """Two tumours, one an artery: the goals of both decide the split, and no shares."""
    table = DoseTable(
        (RegionDoses("left", Role.PERFUSED, (50.0, 0.0)), RegionDoses("right", Role.PERFUSED, (0.0, 50.0)))
    )
    aims = (goal("left", 50.0, required=False), goal("right", 150.0, required=False))
    assert solved(*aims, table=table).activities_gbq == pytest.approx((1.0, 3.0))


def test_a_goal_that_is_no_mean_decides_where_it_can_be_measured():
    aim = goal("T", 100.0, "D70")
    found = solved(aim, measure=lambda aim, activities: 25.0 * sum(activities))
    assert found.activities_gbq == pytest.approx((2.0, 2.0))
    assert found.goal_bound
    without = solved(aim)
    assert not without.available
    assert "state" in without.reason


def test_the_goal_that_decides_stands_among_the_results_once():
    """That of lesions is held against the mean of all tumours besides its own."""
    found = solved(goal("T", 100.0, required=False))
    assert [result.aim.name for result in found.results] == ["T goal", "T goal, mean of all tumours"]
    assert found.binding == ("T goal, mean of all tumours",)
    stated = solved(goal("T", 100.0), limit("T", 500.0), goal("perfused", 90.0))
    assert [result.aim.name for result in stated.results] == ["T goal", "T mean", "perfused goal"]
    assert stated.activities_gbq == pytest.approx((0.0, 1.8), rel=1e-6)  # 108 Gy in the tumour, 90 perfused
    assert stated.binding == ("perfused goal",)


@pytest.mark.parametrize(
    ("aims", "said"),
    [
        (
            (goal("T", 2000.0, "D70"),),
            "T goal ≥ 2000 Gy is 1000 Gy at 40 GBq; the greatest activity of injection 1",
        ),
        ((goal("T", 3200.0),), "T goal ≥ 3200 Gy takes 80 GBq; the greatest activity of injection 1 and"),
        (
            (goal("T", 100.0), limit("T", 40.0, "max")),
            "T goal ≥ 100 Gy takes 1.667 GBq; T max (40 Gy) allow 1.6 GBq",
        ),
    ],
)
def test_a_goal_that_is_not_reached_says_what_it_takes_and_what_ends_before(aims, said):
    """25 Gy/GBq by what is no mean, whichever artery."""
    found = solved(*aims, measure=lambda aim, activities: 25.0 * sum(activities))
    assert (found.available, found.goal_refused) == (False, True)
    assert f"the goal cannot be reached: {said}" in found.reason


@pytest.mark.parametrize("split", [None, (0.5, 0.5)])
@pytest.mark.parametrize(("required", "wanted_gy"), [(True, 300.0), (False, 300.0), (True, 50.0)])
def test_a_model_within_its_limits_says_which_goals_they_forbid(required, wanted_gy, split):
    """50 Gy of liver allow 5 GBq: 300 Gy of tumour by the second artery, 200 by both alike."""
    aim = goal("T", wanted_gy + 1.0, required=required)
    found = solved(limit("liver", 50.0), aim, objective={"T": 1.0}, split=split)
    if wanted_gy < 100.0:
        assert found.infeasibility is None
        return
    assert found.available
    least = 301.0 - (300.0 if split is None else 200.0)
    why = found.infeasibility
    assert (why["required"], why["split"]) == (required, "free" if split is None else "fixed")
    assert why["missed_by"] == {"T goal": pytest.approx(least, abs=1e-3)}
    assert why["blocked_by"] == ["liver mean"]
    excess = (
        {"liver mean": pytest.approx(301.0 * 50.0 / (301.0 - least) - 50.0, abs=1e-3)} if required else {}
    )
    assert why["excesses_gy_if_goals_were_met"] == excess
    assert why["extra_activity_bq_if_goals_were_met"] == pytest.approx(0.0, abs=1.0)
