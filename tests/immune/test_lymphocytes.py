"""Counts of lymphocytes against the test vectors, an integrator written here, limits, pools and cohorts."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from y90voxel.errors import InputError
from y90voxel.immune.drug_cycles import dose_rate_gy_per_h, share_of_dose_left
from y90voxel.immune.lymphocyte_cohorts import TARE_COHORTS
from y90voxel.immune.lymphocyte_pools import pool_weighted_dose
from y90voxel.immune.lymphocytes import (
    effective_dose,
    lymphocyte_band,
    lymphocyte_counts,
    lymphocyte_nadir,
    lymphocyte_survival,
    recovery_rate,
    saturating_survival,
    two_pool_counts,
)

Y90_S = 64.05 * 3600.0
DAYS = [7, 14, 30, 90, 180, 365]
# dose; ratios at DAYS; nadir and its day: frontier sheet 2.4, alpha .40 /Gy, recovery .02 /d
VECTORS = [
    (1.00, [0.7387, 0.7364, 0.8025, 0.9405, 0.9902, 0.9998], 0.7290, 10.15),
    (2.48, [0.4793, 0.4889, 0.6184, 0.8850, 0.9810, 0.9995], 0.4693, 9.37),
    (3.31, [0.3799, 0.3988, 0.5517, 0.8649, 0.9777, 0.9994], 0.3723, 8.94),
    (10.0, [0.0882, 0.1540, 0.3690, 0.8097, 0.9685, 0.9992], 0.0867, 6.14),
]


@pytest.mark.parametrize(("dose", "ratios", "nadir", "day"), VECTORS)
def test_counts_and_nadir_are_the_vectors(dose, ratios, nadir, day):
    assert lymphocyte_counts(dose, DAYS, Y90_S) == pytest.approx(ratios, rel=1e-3)
    assert lymphocyte_nadir(dose, Y90_S) == pytest.approx((nadir, day), rel=1e-3)


@pytest.mark.parametrize(
    ("dose", "alpha", "recovery"), [(3.3, 0.68, 0.0015), (14.4, 0.3, 0.3), (0.2, 0.4, 2.0)]
)
def test_counts_agree_with_an_adaptive_integrator(dose, alpha, recovery):
    decay = math.log(2) / Y90_S * 86400

    def slope(t, n):
        return -alpha * dose * decay * math.exp(-decay * t) * n + recovery * (1 - n)

    days = [0.3, 2.0, 11.7, 45.0]
    known = solve_ivp(slope, (0, 45), [1.0], t_eval=days, rtol=1e-11, atol=1e-13).y[0]
    assert lymphocyte_counts(dose, days, Y90_S, alpha, recovery) == pytest.approx(known, rel=1e-8)


def test_without_recovery_counts_end_at_survival():
    ended = lymphocyte_counts(2.0, [0.0, 200.0], Y90_S, 0.4, 0.0)
    assert ended[0] == 1.0
    assert ended[1] == pytest.approx(lymphocyte_survival(2.0)[0], rel=1e-10)
    assert lymphocyte_counts(0.0, DAYS, Y90_S) == pytest.approx(np.ones(6))


def test_without_dose_the_lowest_count_is_the_first():
    assert lymphocyte_nadir(0.0, Y90_S) == (1.0, 0.0)


def test_survival_that_levels_off_is_the_vectors():
    found = saturating_survival([0.1, 0.5, 1.0, 2.48, 5.0])
    assert found == pytest.approx([0.8957, 0.6886, 0.6074, 0.5714, 0.5700], rel=1e-3)


def test_two_pools_lie_between_their_rates():
    fast, slow = (lymphocyte_counts(2.0, DAYS, Y90_S, 0.4, rate) for rate in (0.02, 0.0015))
    assert two_pool_counts(2.0, DAYS, Y90_S, 0.25) == pytest.approx(0.75 * fast + 0.25 * slow)
    assert two_pool_counts(2.0, DAYS, Y90_S, 0.0) == pytest.approx(fast)
    assert two_pool_counts(2.0, DAYS, Y90_S, 1.0) == pytest.approx(slow)


def test_the_band_holds_every_curve_of_its_ranges():
    low, high = lymphocyte_band(3.3, DAYS, Y90_S)
    for alpha in np.linspace(0.30, 0.68, 5):
        for recovery in np.linspace(0.0015, 0.02, 5):
            inside = lymphocyte_counts(3.3, DAYS, Y90_S, alpha, recovery)
            assert (low <= inside + 1e-12).all()
            assert (inside <= high + 1e-12).all()


def test_recovery_of_the_cohort_is_read_off_its_ratios():
    young = TARE_COHORTS[0]
    found = recovery_rate(young.ratios[0], young.days[0], young.ratios[3], young.days[3])
    assert found == pytest.approx(1.5e-3, rel=0.03)


def test_effective_doses_of_the_cohorts():
    assert [cohort.effective_dose_gy for cohort in TARE_COHORTS] == pytest.approx([1.41, 1.66], rel=4e-3)
    assert lymphocyte_survival(effective_dose(0.568))[0] == pytest.approx(0.568)
    assert TARE_COHORTS[0].ratios == (0.568, 0.632, 0.648, 0.736)


@pytest.mark.parametrize(
    ("blood", "lung", "liver", "whole", "without_thymus", "survival"),
    [
        (3.3123, 7.89, 24.839, 1.127, 1.264, 0.637),
        (3.4406, 1.217, 33.128, 0.874, 0.981, 0.705),
        (14.351, 28.0, 114.111, 4.618, 5.182, 0.158),
    ],
)
def test_pool_weighted_doses_of_the_three_patients(blood, lung, liver, whole, without_thymus, survival):
    doses = {"blood": blood, "lung": lung, "liver": liver}
    found = pool_weighted_dose(doses)
    assert found == pytest.approx(whole, rel=1e-3)
    assert pool_weighted_dose(doses, ("thymus",)) == pytest.approx(without_thymus, rel=1e-3)
    assert lymphocyte_survival(found)[0] == pytest.approx(survival, abs=5.1e-4)


def test_share_of_the_dose_left_and_its_rate():
    assert share_of_dose_left([7, 14, 21], Y90_S) == pytest.approx([0.162, 0.026, 0.0043], rel=0.02)
    assert share_of_dose_left(64.05 / 24, Y90_S)[0] == pytest.approx(0.5)
    hours = np.linspace(0, 60 * 24, 200_001)
    rate = dose_rate_gy_per_h(100.0, hours / 24, Y90_S)
    assert np.trapezoid(rate, hours) == pytest.approx(100.0, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: lymphocyte_survival(-1.0), "dose to lymphocytes must not be negative, got -1"),
        (lambda: lymphocyte_survival(1.0, 0.0), "alpha of lymphocytes must be positive"),
        (lambda: saturating_survival(1.0, 0.0), "rate of levelling"),
        (lambda: saturating_survival(1.0, 1.0, 1.2), "survives any dose"),
        (lambda: effective_dose(0.0), "ratio of counts must be positive"),
        (lambda: effective_dose(0.5, -1.0), "alpha of lymphocytes"),
        (lambda: recovery_rate(1.0, 1, 0.9, 2), "ratios from 0 to below 1, got 1"),
        (lambda: recovery_rate(0.5, 30, 0.6, 30), "second count must follow"),
        (lambda: lymphocyte_counts(-0.1, [1.0], Y90_S), "must not be negative"),
        (lambda: lymphocyte_counts(1.0, [2.0, 1.0], Y90_S), "must rise"),
        (lambda: lymphocyte_counts(1.0, [-1.0], Y90_S), "days after the injection"),
        (lambda: lymphocyte_counts(1.0, [1.0], 0.0), "half-life must be positive"),
        (lambda: lymphocyte_counts(1.0, [1.0], Y90_S, 0.0), "alpha of lymphocytes"),
        (lambda: lymphocyte_counts(1.0, [1.0], Y90_S, 0.4, -0.1), "recovery of lymphocytes must not"),
        (lambda: lymphocyte_nadir(1.0, Y90_S, 0.4, 0.0), "recovery of lymphocytes must be positive"),
        (lambda: two_pool_counts(1.0, [1.0], Y90_S, 1.1), "recovers slowly"),
        (lambda: lymphocyte_band(1.0, [1.0], Y90_S, (0.5, 0.4)), "range of alpha is reversed"),
        (lambda: pool_weighted_dose({"heart": 1.0}), "no lymphocyte pools heart"),
        (lambda: pool_weighted_dose({"lung": -1.0}), "must not be negative, got -1"),
        (lambda: share_of_dose_left(-1.0, Y90_S), "must not be negative, got -1"),
        (lambda: share_of_dose_left(1.0, 0.0), "half-life must be positive"),
        (lambda: dose_rate_gy_per_h(-1.0, 0.0, Y90_S), "dose must not be negative"),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
