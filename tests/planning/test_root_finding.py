import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.metrics.radiobiology import bed, eud
from y90voxel.planning import greatest_activity, greatest_activity_of_linear_metric, least_activity

HOUR = 3600.0
LIVER, TUMOUR = (2.5, 2.5 * HOUR, 64.1 * HOUR), (10.0, 1.5 * HOUR, 64.1 * HOUR)
PER_GBQ = np.array([5.0, 8.0, 11.0, 20.0, 40.0])


@given(st.floats(5, 500))
def test_mean_bed_is_brought_to_its_limit_as_the_quadratic_says(limit):
    """Mean BED of a D + b A² has a closed solution."""
    found = greatest_activity(lambda a: float(bed(a * PER_GBQ, *LIVER).mean()), limit, upper_gbq=100.0)
    linear, square = PER_GBQ.mean(), (bed(PER_GBQ, *LIVER) - PER_GBQ).mean()
    exact = (-linear + math.sqrt(linear**2 + 4 * square * limit)) / (2 * square)
    assert found.activity_gbq == pytest.approx(exact, rel=1e-6)
    assert found.value <= limit
    assert not found.at_bound


def test_a_volume_limit_is_met_on_the_right_side_of_its_step():
    """V30 at most 40 %: the third voxel reaches 30 Gy at 30/11 GBq."""
    found = greatest_activity(lambda a: float((a * PER_GBQ >= 30.0).mean()), 0.4, upper_gbq=20.0)
    assert found.value == 0.4
    assert found.activity_gbq == pytest.approx(30 / 11, rel=1e-8)
    assert found.activity_gbq < 30 / 11


def test_a_goal_is_met_on_its_upper_side():
    def uniform(a):
        return eud(a * PER_GBQ, np.ones(5), 0.05, *TUMOUR)

    found = least_activity(uniform, 60.0, upper_gbq=50.0)
    assert found.value >= 60.0
    assert uniform(found.activity_gbq * (1 - 1e-6)) < 60.0


def test_what_the_interval_ends_is_said():
    assert greatest_activity(lambda a: a, 30.0, upper_gbq=20.0).at_bound
    assert greatest_activity(lambda a: a, 30.0, upper_gbq=20.0).activity_gbq == 20.0
    assert least_activity(lambda a: 5.0 + a, 4.0, upper_gbq=20.0).activity_gbq == 0.0


@pytest.mark.parametrize("upper_gbq", [0.01, 20.0])
def test_the_search_ends_where_its_interval_is_a_share_of_the_greatest_activity(upper_gbq):
    calls = []
    found = greatest_activity(
        lambda a: calls.append(a) or a, 0.4 * upper_gbq, upper_gbq=upper_gbq, tolerance=0.01
    )
    assert 0.39 * upper_gbq < found.activity_gbq <= 0.4 * upper_gbq
    assert len(calls) == 10  # both ends, seven halves of an interval, and the value that is found


def stairs(a):
    """A share of voxels: none below 1 GBq, two fifths below 2, all from there."""
    return 0.0 if a < 1.0 else 0.4 if a < 2.0 else 1.0


def test_a_value_that_is_met_exactly_is_met():
    """Shares of voxels and what earlier treatments used up are equal to a limit, not only close to it."""
    assert greatest_activity(lambda a: 5.0 + a, 5.0, upper_gbq=20.0).activity_gbq == 0.0
    ends = greatest_activity(lambda a: a, 20.0, upper_gbq=20.0)
    assert (ends.activity_gbq, ends.at_bound) == (20.0, True)
    assert greatest_activity(lambda a: 3.0, 5.0, upper_gbq=20.0).at_bound  # nothing grows, nothing falls
    assert greatest_activity(stairs, 0.4, upper_gbq=20.0).activity_gbq == pytest.approx(2.0)
    there = least_activity(lambda a: 5.0 + a, 5.0, upper_gbq=20.0)
    assert (there.activity_gbq, there.at_bound) == (0.0, True)
    assert least_activity(lambda a: a, 20.0, upper_gbq=20.0).activity_gbq == pytest.approx(20.0)
    assert least_activity(stairs, 0.4, upper_gbq=20.0).activity_gbq == pytest.approx(1.0)


def test_metrics_of_degree_one_need_no_search():
    assert greatest_activity_of_linear_metric(6.0, 30.0) == 5.0
    assert greatest_activity_of_linear_metric(6.0, 50.0, 35.0) == 2.5
    assert greatest_activity_of_linear_metric(6.0, 50.0, 60.0) == 0.0


def test_bad_searches_are_refused():
    with pytest.raises(InputError, match="must not fall"):
        greatest_activity(lambda a: -a, 1.0, upper_gbq=20.0)
    with pytest.raises(InputError, match="must not fall"):
        least_activity(lambda a: math.nan, 1.0, upper_gbq=20.0)
    with pytest.raises(InputError, match="exceeded without any activity: the metric is 5"):
        greatest_activity(lambda a: 5 + a, 4.0, upper_gbq=20.0)
    with pytest.raises(InputError, match="out of reach: 20 GBq give 20, short by 10"):
        least_activity(lambda a: a, 30.0, upper_gbq=20.0)
    for search in (greatest_activity, least_activity):
        with pytest.raises(InputError, match="greatest activity must be positive"):
            search(lambda a: a, 1.0, upper_gbq=0.0)
    for values in ((0.0, 1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, -1.0)):
        with pytest.raises(InputError):
            greatest_activity_of_linear_metric(*values)
