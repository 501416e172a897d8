import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.quantification.dead_time import DeadTime, DeadTimeCurve, true_count_rate


@given(st.floats(1.0, 4e5), st.floats(1e-8, 2e-6))
def test_what_the_closed_form_loses_is_given_back(true, dead_time):
    observed = true * math.exp(-true * dead_time)
    assert true_count_rate(observed, dead_time) == pytest.approx(true, rel=1e-6)


def test_a_fifth_is_lost_where_n_tau_is_its_logarithm():
    """m / n = 0.8 at n τ = −ln 0.8, whatever the rate."""
    n = -math.log(0.8) / 5e-6
    assert DeadTime(5e-6).factor(0.8 * n) == pytest.approx(1.25, rel=1e-9)


def test_no_dead_time_changes_nothing():
    assert DeadTime(0.0).factor(1e6) == 1.0


def test_a_curve_is_interpolated_and_what_is_lost_below_it_vanishes_with_the_rate():
    curve = DeadTimeCurve((100.0, 180.0, 240.0), (110.0, 220.0, 330.0))
    assert curve.true_rate(210.0) == pytest.approx(275.0)
    assert curve.true_rate(100.0) == pytest.approx(110.0)
    assert DeadTime(curve=curve).factor(50.0) == pytest.approx(1.05)  # 1.1 at 100 1/s
    assert DeadTime(curve=curve).factor(1.0) == pytest.approx(1.001)
    assert DeadTime(curve=curve).factor(180.0) == pytest.approx(220 / 180)
    assert DeadTimeCurve((0.0, 100.0), (0.0, 120.0)).true_rate(50.0) == pytest.approx(60.0)


def test_below_a_curve_that_begins_late_a_camera_is_followed_to_second_order():
    """Paralysable: true over observed is 1 + x + 3/2 x^2 + … with x = m tau; 10 % less is seen where the curve begins."""
    true = np.linspace(1e4, 2e4, 30)
    curve = DeadTimeCurve(tuple(true * np.exp(-true * 1e-5)), tuple(true))
    for rate in (10.0, 1e3, 5e3, 9e3):
        assert DeadTime(curve=curve).factor(rate) == pytest.approx(DeadTime(1e-5).factor(rate), abs=5e-3)
    assert DeadTime(curve=curve).factor(10.0) == pytest.approx(1.0, abs=2e-4)


def test_a_finely_measured_curve_is_the_closed_form():
    true = np.linspace(0, 1.5e5, 400)
    curve = DeadTimeCurve(tuple(true * np.exp(-true * 2e-6)), tuple(true))
    assert curve.true_rate(8e4) == pytest.approx(true_count_rate(8e4, 2e-6), rel=1e-5)


@pytest.mark.parametrize(
    ("observed", "true", "message"),
    [
        ((1.0,), (1.0,), "two points"),
        ((1.0, 2.0), (1.0,), "two points"),
        ((2.0, 1.0), (2.0, 3.0), "must rise"),
        ((2.0, 2.0), (2.0, 3.0), "must rise"),
        ((1.0, 2.0), (3.0, 3.0), "must rise"),
        ((-1.0, 2.0), (1.0, 3.0), "must rise"),
        ((1.0, math.nan), (1.0, 3.0), "must rise"),
        ((1.0, 2.0), (1.0, math.inf), "must rise"),
        ((1.0, math.inf), (1.0, math.inf), "must rise"),
        ((2.0, 4.0), (1.0, 3.0), "columns exchanged"),
        ((0.0, 100.0), (0.1, 160.0), "no observed rate for a true one of 0.1 1/s"),
    ],
)
def test_curves_that_cannot_be_are_refused(observed, true, message):
    with pytest.raises(InputError, match=message):
        DeadTimeCurve(observed, true)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: true_count_rate(0.0, 1e-6), "observed count rate must be positive"),
        (lambda: true_count_rate(1.0, 0.0), "dead time must be positive"),
        (lambda: true_count_rate(1e6, 1e-6), "shows at most 3.679e"),
        (lambda: DeadTime(), "either a time constant"),
        (lambda: DeadTime(1e-6, DeadTimeCurve((1.0, 2.0), (1.0, 2.0))), "either a time constant"),
        (lambda: DeadTime(-1e-6), "must not be negative"),
        (lambda: DeadTime(1e-6, observed_cps=0.0), "observed count rate must be positive"),
        (lambda: DeadTimeCurve((1.0, 2.0), (1.0, 2.0)).true_rate(3.0), "ends at 2 observed"),
        (lambda: DeadTimeCurve((1.0, 2.0), (1.0, 2.0)).true_rate(-3.0), "must be positive"),
    ],
)
def test_dead_times_that_cannot_be_are_refused(compute, message):
    with pytest.raises(InputError, match=message):
        compute()
