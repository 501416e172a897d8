"""Lymphocytes: survival by dose, and counts over days while a source decays and pools recover.

Counts follow dN/dt = −α D λ exp(−λt) N + k (N₀ − N): cells are killed as the dose is given, and replaced toward the count before.
The rates are those of external beams and of published cohorts; none is a patient's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError

__all__ = [
    "ALPHA_PER_GY",
    "ALPHA_RANGE_PER_GY",
    "FAST_RECOVERY_PER_DAY",
    "SLOW_RECOVERY_PER_DAY",
    "effective_dose",
    "lymphocyte_band",
    "lymphocyte_counts",
    "lymphocyte_nadir",
    "lymphocyte_survival",
    "recovery_rate",
    "saturating_survival",
    "two_pool_counts",
]

Array = NDArray[np.float64]
# Jin et al. 2020, Radiother Oncol 144:105: median of 51 patients [1/Gy]; seen in its abstract.
ALPHA_PER_GY = 0.40
# From below the medians published to cells in vitro, D10 3.37 to 3.40 Gy (Nakamura et al. 1993, Radiat Res 134:316) [1/Gy].
ALPHA_RANGE_PER_GY = (0.30, 0.68)
# The rate of the extension of HEDOS (regeneration toward the count before) [1/d].
FAST_RECOVERY_PER_DAY = 0.02
# From the means of Young et al. 2022 (J Hepatocell Carcinoma 9:29) at one and twelve months, by `recovery_rate` [1/d].
SLOW_RECOVERY_PER_DAY = 1.5e-3
SECONDS_PER_DAY = 86_400.0  # exact
# Counts are integrated in steps of at most this length, by five-point Gauss-Legendre quadrature in each [d].
STEP_DAYS = 0.25
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


def lymphocyte_survival(dose_gy: ArrayLike, alpha_per_gy: float = ALPHA_PER_GY) -> Array:
    """Return the share of lymphocytes that survive a dose, exp(−α D), (k,).

    Parameters
    ----------
    dose_gy : array_like, (k,)
        Dose to the lymphocytes [Gy].
    alpha_per_gy : float
        Sensitivity [1/Gy].

    Raises
    ------
    InputError
        If a dose is negative or the sensitivity not positive.

    Examples
    --------
    >>> round(float(lymphocyte_survival(1.41)[0]), 3)
    0.569
    """
    check_positive(alpha_per_gy, "alpha of lymphocytes", "1/Gy", tag="immune.alpha_per_gy")
    return np.asarray(np.exp(-alpha_per_gy * _doses(dose_gy)))


def saturating_survival(dose_gy: ArrayLike, mu_per_gy: float = 2.18, floor: float = 0.57) -> Array:
    """Return the share of lymphocytes that survive by a model that levels off, s^(1 − exp(−µ D)), (k,).

    Parameters
    ----------
    dose_gy : array_like, (k,)
        Dose to circulating lymphocytes [Gy].
    mu_per_gy : float
        Rate of levelling [1/Gy]; 2.18 ± 0.35.
    floor : float
        Share s that survives any dose; 0.57 ± 0.05.

    Raises
    ------
    InputError
        If a dose is negative, the rate not positive, or the floor outside 0 to 1.

    References
    ----------
    The extension of HEDOS, fitted to external-beam courses; there is no fit to radioembolization.

    Examples
    --------
    >>> [round(float(share), 4) for share in saturating_survival([0.1, 1.0, 5.0])]
    [0.8957, 0.6074, 0.57]
    """
    check_positive(mu_per_gy, "the rate of levelling", "1/Gy")
    check_fraction(floor, "the share that survives any dose")
    return np.asarray(floor ** (-np.expm1(-mu_per_gy * _doses(dose_gy))))


def effective_dose(ratio: float, alpha_per_gy: float = ALPHA_PER_GY) -> float:
    """Return the dose that a ratio of counts would mean without recovery, −ln(ratio) / α [Gy].

    Parameters
    ----------
    ratio : float
        Count after over count before.
    alpha_per_gy : float
        Sensitivity [1/Gy].

    Raises
    ------
    InputError
        If ratio or sensitivity are not positive.

    Examples
    --------
    >>> round(effective_dose(0.568), 2), round(effective_dose(0.515), 2)
    (1.41, 1.66)
    """
    check_positive(ratio, "the ratio of counts", "")
    check_positive(alpha_per_gy, "alpha of lymphocytes", "1/Gy", tag="immune.alpha_per_gy")
    return -math.log(ratio) / alpha_per_gy


def recovery_rate(ratio: float, day: float, later_ratio: float, later_day: float) -> float:
    """Return the rate of recovery toward 1 between two ratios of counts, ln[(1 − r₁)/(1 − r₂)] / (t₂ − t₁) [1/d].

    Parameters
    ----------
    ratio, later_ratio : float
        Counts over that before treatment, r₁ and r₂; below 1.
    day, later_day : float
        When they were taken [d].

    Raises
    ------
    InputError
        If a ratio does not lie below 1, or the second day does not follow the first.

    Examples
    --------
    >>> round(recovery_rate(0.568, 30, 0.736, 365), 4)
    0.0015
    """
    if not (0 <= ratio < 1 and 0 <= later_ratio < 1):
        raise InputError(
            f"a recovery is read from ratios from 0 to below 1, got {ratio:g} and {later_ratio:g}."
        )
    if not later_day > day:
        raise InputError(f"the second count must follow the first, got days {day:g} and {later_day:g}.")
    return math.log((1 - ratio) / (1 - later_ratio)) / (later_day - day)


def lymphocyte_counts(
    dose_gy: float,
    days: ArrayLike,
    half_life_s: float,
    alpha_per_gy: float = ALPHA_PER_GY,
    recovery_per_day: float = FAST_RECOVERY_PER_DAY,
) -> Array:
    """Return lymphocyte counts over the count before, N(t)/N₀, (k,), of dN/dt = −α D λ exp(−λt) N + k (N₀ − N).

    Parameters
    ----------
    dose_gy : float
        Dose to the lymphocytes after full decay D [Gy].
    days : array_like, (k,)
        Days since the injection, rising.
    half_life_s : float
        Physical half-life [s].
    alpha_per_gy : float
        Sensitivity α [1/Gy].
    recovery_per_day : float
        Rate of recovery k [1/d]; 0 for none.

    Raises
    ------
    InputError
        If a number is negative, or days do not rise.

    Examples
    --------
    >>> [round(float(n), 4) for n in lymphocyte_counts(2.48, [7, 30, 365], 64.05 * 3600)]
    [0.4793, 0.6184, 0.9995]
    """
    (asked,) = np.atleast_1d(np.asarray(days, float))[None]
    _check_kinetics(dose_gy, asked, half_life_s, alpha_per_gy, recovery_per_day)
    steps = np.unique(np.concatenate([[0.0], asked, np.arange(0.0, asked.max(), STEP_DAYS)]))
    start, length = steps[:-1], np.diff(steps)
    within = 0.5 * length[:, None] * (1.0 + _NODES)
    hit = alpha_per_gy * dose_gy
    decay = math.log(2.0) / half_life_s * SECONDS_PER_DAY
    # hits that are still to come at the moments; survival from one to another is exp of minus their difference
    left_at, left_within = hit * np.exp(-decay * steps), hit * np.exp(-decay * (start[:, None] + within))
    keep = np.exp(left_at[1:] - left_at[:-1] - recovery_per_day * length)
    since = np.exp(left_at[1:, None] - left_within - recovery_per_day * (length[:, None] - within))
    gain = recovery_per_day * 0.5 * length * (since @ _WEIGHTS)
    counts = np.empty(len(steps))
    counts[0] = 1.0
    for n in range(len(length)):
        counts[n + 1] = keep[n] * counts[n] + gain[n]
    return np.asarray(counts[np.searchsorted(steps, asked)])


def lymphocyte_nadir(
    dose_gy: float,
    half_life_s: float,
    alpha_per_gy: float = ALPHA_PER_GY,
    recovery_per_day: float = FAST_RECOVERY_PER_DAY,
) -> tuple[float, float]:
    """Return the lowest count over the count before, and its day [d].

    Parameters
    ----------
    dose_gy, half_life_s, alpha_per_gy, recovery_per_day : float
        As in `lymphocyte_counts`; the recovery must be positive, without it counts only fall.

    Raises
    ------
    InputError
        If a number is negative, or the recovery not positive.

    Examples
    --------
    >>> ratio, day = lymphocyte_nadir(2.48, 64.05 * 3600)
    >>> round(ratio, 4), round(day, 2)
    (0.4693, 9.37)
    """
    check_positive(recovery_per_day, "the recovery of lymphocytes", "1/d", tag="immune.recovery_per_day")
    if dose_gy == 0:
        return 1.0, 0.0
    # 40 half-lives leave 1e-12 of the dose
    days = np.linspace(0.0, 40.0, 2001) * half_life_s / SECONDS_PER_DAY
    counts = lymphocyte_counts(dose_gy, days, half_life_s, alpha_per_gy, recovery_per_day)
    lowest = int(np.argmin(counts))
    if lowest in (0, len(days) - 1):
        return float(counts[lowest]), float(days[lowest])
    before, at, after = counts[lowest - 1 : lowest + 2]
    shift = 0.5 * (before - after) / (before - 2 * at + after)  # vertex of the parabola through the three
    return float(at - 0.25 * (before - after) * shift), float(days[lowest] + shift * (days[1] - days[0]))


def two_pool_counts(
    dose_gy: float,
    days: ArrayLike,
    half_life_s: float,
    slow_share: float,
    alpha_per_gy: float = ALPHA_PER_GY,
    recoveries_per_day: tuple[float, float] = (FAST_RECOVERY_PER_DAY, SLOW_RECOVERY_PER_DAY),
) -> Array:
    """Return counts over the count before of two pools that recover at two rates, (k,).

    Parameters
    ----------
    dose_gy, half_life_s, alpha_per_gy : float
        As in `lymphocyte_counts`, the same for both pools.
    days : array_like, (k,)
        Days since the injection, rising.
    slow_share : float
        Share of the count that recovers slowly; not known for any patient, so it has no default.
    recoveries_per_day : tuple of float, (2,)
        Rates of the fast and the slow pool [1/d].

    Raises
    ------
    InputError
        If a number is negative, the share outside 0 to 1, or days do not rise.
    """
    check_fraction(slow_share, "the share that recovers slowly", tag="immune.slow_share")
    fast, slow = (
        lymphocyte_counts(dose_gy, days, half_life_s, alpha_per_gy, rate) for rate in recoveries_per_day
    )
    return np.asarray((1 - slow_share) * fast + slow_share * slow)


def lymphocyte_band(
    dose_gy: float,
    days: ArrayLike,
    half_life_s: float,
    alphas_per_gy: tuple[float, float] = ALPHA_RANGE_PER_GY,
    recoveries_per_day: tuple[float, float] = (SLOW_RECOVERY_PER_DAY, FAST_RECOVERY_PER_DAY),
) -> tuple[Array, Array]:
    """Return the lowest and highest counts over the ranges of sensitivity and recovery, (k,) and (k,).

    Counts fall with sensitivity and rise with recovery, so the ends of the ranges bound them.

    Parameters
    ----------
    dose_gy, half_life_s : float
        As in `lymphocyte_counts`.
    days : array_like, (k,)
        Days since the injection, rising.
    alphas_per_gy, recoveries_per_day : tuple of float, (2,)
        Lowest and highest value [1/Gy], [1/d].

    Raises
    ------
    InputError
        If a number is negative, a range reversed, or days do not rise.
    """
    for (least, most), what in ((alphas_per_gy, "alpha"), (recoveries_per_day, "recovery")):
        if least > most:
            raise InputError(f"the range of {what} is reversed: {least:g} to {most:g}.")
    low = lymphocyte_counts(dose_gy, days, half_life_s, alphas_per_gy[1], recoveries_per_day[0])
    return low, lymphocyte_counts(dose_gy, days, half_life_s, alphas_per_gy[0], recoveries_per_day[1])


def _doses(dose_gy: ArrayLike) -> Array:
    """Doses as an array, refused where negative."""
    doses = np.atleast_1d(np.asarray(dose_gy, float))
    if not (np.isfinite(doses).all() and doses.min() >= 0):
        raise InputError(f"the dose to lymphocytes must not be negative, got {doses.min():g} Gy.")
    return doses


def _check_kinetics(dose: float, days: Array, half_life: float, alpha: float, recovery: float) -> None:
    """Refuse what no course of counts can have."""
    _doses(dose)
    check_positive(half_life, "the half-life", "s")
    check_positive(alpha, "alpha of lymphocytes", "1/Gy", tag="immune.alpha_per_gy")
    check_not_negative(recovery, "the recovery of lymphocytes", "1/d", tag="immune.recovery_per_day")
    if not (np.isfinite(days).all() and days.min() >= 0 and (np.diff(days) > 0).all()):
        raise InputError("days after the injection must not be negative, and must rise.")
