"""Where goals and limits on mean doses lie along a split, and which of them decides."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import AimResult, DoseAim, parse_metric
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.prescription import Prescription, Reach, prescribe
from y90voxel.regions.roles import Role

TABLE = DoseTable(
    (
        RegionDoses("perfused", Role.PERFUSED, (40.0, 80.0)),
        RegionDoses("GTV1", Role.TUMOUR, (100.0, 300.0)),
        RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 30.0)),
        RegionDoses("spleen", Role.OTHER, (0.0, 0.0)),
    )
)
HALVES = (0.5, 0.5)  # 60, 200, 20 and 0 Gy/GBq


def aim(sense, region, value, metric="mean", **more):
    return DoseAim(f"{region} {metric} {value:g}", region, sense, value, parse_metric(metric), **more)


def goal(*of, **more):
    return aim(Sense.AT_LEAST, *of, **more)


def limit(*of, **more):
    return aim(Sense.BELOW, *of, **more)


def test_goals_and_limits_stand_in_rising_activity_as_far_as_the_model_knows_them():
    """No metric but the mean, no region without dose, none that the table does not hold."""
    aims = (
        limit("liver", 80.0, previous=20.0),
        limit("perfused", 150.0, unconfirmed=("bilirubin",)),
        limit("spleen", 1.0),
        limit("lungs", 1.0),
        limit("liver", 1.0, "max"),
        goal("GTV1", 500.0),
        goal("perfused", 120.0),
    )
    found = prescribe(aims, TABLE, HALVES)
    assert [(one.name, one.activity_gbq, one.unconfirmed) for one in found.limits] == [
        ("perfused mean 150", pytest.approx(2.5), True),
        ("liver mean 80", pytest.approx(3.0), False),
    ]
    assert [(one.name, one.activity_gbq) for one in found.goals] == [
        ("perfused mean 120", pytest.approx(2.0)),
        ("GTV1 mean 500", pytest.approx(2.5)),
    ]
    assert found.decisive.name == "GTV1 mean 500"  # of two that are asked for, what takes most
    assert found.end.name == "perfused mean 150"
    content = found.as_dict()
    assert (content["goal"]["activity_bq"], content["limit"]["activity_bq"]) == pytest.approx((2.5e9, 2.5e9))
    assert (content["feasible"], content["goal_missed_by_percent"]) == (True, 0.0)
    assert [len(content[key]) for key in ("goals", "limits")] == [2, 2]


@pytest.mark.parametrize(
    ("aims", "feasible", "missed_percent"),
    [
        ((), None, 0.0),
        ((limit("liver", 40.0),), None, 0.0),
        ((goal("GTV1", 500.0),), True, 0.0),
        ((goal("GTV1", 500.0), limit("liver", 40.0)), False, 20.0),
        ((goal("GTV1", 500.0), limit("liver", 40.0, previous=40.0)), False, 100.0),
    ],
)
def test_a_goal_is_missed_by_the_share_that_limits_leave(aims, feasible, missed_percent):
    content = prescribe(aims, TABLE, HALVES).as_dict()
    assert content["feasible"] is feasible
    assert content["goal_missed_by_percent"] == pytest.approx(missed_percent)
    assert (content["goal"] is None) is (not any(one.sense is Sense.AT_LEAST for one in aims))
    assert (content["limit"] is None) is (not any(one.sense is Sense.BELOW for one in aims))


@pytest.mark.parametrize(
    ("takes", "feasible", "shortfall"),
    [
        (5.0, True, 0.0),
        (10.0, True, 0.0),
        (10.0 * (1.0 + 0.9e-6), True, 0.0),  # what the tolerance of the solver leaves
        (10.0 * (1.0 + 1.1e-6), False, 1.1e-6),
        (12.5, False, 0.2),
    ],
)
def test_a_goal_is_feasible_up_to_the_first_limit_and_missed_by_a_share_beyond(takes, feasible, shortfall):
    found = Prescription((), (Reach("lungs", 10.0), Reach("liver", 11.0)), Reach("goal", takes))
    assert (found.feasible, found.shortfall) == (feasible, pytest.approx(shortfall, rel=1e-3))
    assert found.as_dict()["goal_missed_by_percent"] == pytest.approx(100.0 * shortfall, rel=1e-3)


def test_without_a_goal_or_a_limit_nothing_is_missed():
    for limits, decisive, feasible in (((), Reach("goal", 5.0), True), ((Reach("lungs", 10.0),), None, None)):
        found = Prescription((), limits, decisive)
        assert (found.feasible, found.shortfall) == (feasible, 0.0)


def test_doses_below_one_gray_per_gbq_have_their_activities_too():
    table = DoseTable(
        (RegionDoses("lungs", Role.LUNGS, (0.5,)), RegionDoses("perfused", Role.PERFUSED, (0.25,)))
    )
    found = prescribe((limit("lungs", 30.0), goal("perfused", 10.0)), table, (1.0,))
    assert [one.activity_gbq for one in (*found.limits, *found.goals)] == [60.0, 40.0]
    assert found.decisive.activity_gbq == 40.0


@pytest.mark.parametrize(
    ("metric", "achieved", "previous", "binding", "end_gbq"),
    [
        ("D50", 30.0, 0.0, False, 2.0 * 40.0 / 30.0),  # 15 Gy/GBq
        ("D50", 40.0, 0.0, True, 2.0),
        ("max", 30.0, 10.0, False, 2.0 * 30.0 / 20.0),  # earlier treatments have used 10 Gy
        ("max", 45.0, 50.0, False, None),
        ("V100", 20.0, 0.0, False, None),  # in no proportion to the activity, and not what ended it
        ("V100", 40.0, 0.0, True, 2.0),
        ("D50", None, 0.0, False, None),
        ("D50", 0.0, 0.0, False, None),
    ],
)
def test_a_limit_that_is_no_mean_ends_what_can_be_prescribed(metric, achieved, previous, binding, end_gbq):
    """A plan that a limit on D50 ended at 1.5 GBq said that 2.2 GBq keep all limits."""
    measured, mean = limit("liver", 40.0, metric, previous=previous), limit("liver", 60.0)
    wanted = goal("GTV1", 500.0)  # 200 Gy/GBq: 2.5 GBq; the mean of the liver ends at 3
    results = tuple(
        AimResult(one, value, "met") for one, value in ((measured, achieved), (mean, 40.0), (wanted, 400.0))
    )
    model = PlanModel("m", "M", (1.0, 1.0), TABLE, results=results, binding=(measured.name,) * binding)
    found = model.prescription
    ends = {one.name: one.activity_gbq for one in found.limits}
    expected = {mean.name: 3.0} | ({} if end_gbq is None else {measured.name: end_gbq})
    assert ends == pytest.approx(expected)
    assert found.feasible is (min(expected.values()) >= 2.5)
