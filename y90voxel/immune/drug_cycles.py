"""How much of the dose is still to come, and at what rate, when a drug is given."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError

__all__ = ["dose_rate_gy_per_h", "share_of_dose_left"]

Array = NDArray[np.float64]
SECONDS_PER_DAY, SECONDS_PER_HOUR = 86_400.0, 3_600.0  # exact


def share_of_dose_left(days: ArrayLike, half_life_s: float) -> Array:
    """Return the share of the dose that is still to come, 2^(−t / T½), (k,).

    Parameters
    ----------
    days : array_like, (k,)
        Days since the injection.
    half_life_s : float
        Physical half-life T½ [s]; microspheres stay where they lodge.

    Raises
    ------
    InputError
        If a day is negative or the half-life not positive.

    Examples
    --------
    >>> [round(float(share), 4) for share in share_of_dose_left([7, 14, 21], 64.05 * 3600)]
    [0.1623, 0.0264, 0.0043]
    """
    check_positive(half_life_s, "the half-life", "s")
    asked = np.atleast_1d(np.asarray(days, float))
    if not (np.isfinite(asked).all() and asked.min() >= 0):
        raise InputError(f"days after the injection must not be negative, got {asked.min():g}.")
    return np.asarray(np.exp2(-asked * SECONDS_PER_DAY / half_life_s))


def dose_rate_gy_per_h(dose_gy: float, days: ArrayLike, half_life_s: float) -> Array:
    """Return the dose rate D λ 2^(−t / T½) of a dose that full decay gives, (k,) [Gy/h].

    Parameters
    ----------
    dose_gy : float
        Dose after full decay D [Gy].
    days : array_like, (k,)
        Days since the injection.
    half_life_s : float
        Physical half-life T½ [s].

    Raises
    ------
    InputError
        If a dose or day is negative or the half-life not positive.

    Examples
    --------
    >>> round(float(dose_rate_gy_per_h(100.0, 0.0, 64.05 * 3600)[0]), 3)
    1.082
    """
    if not dose_gy >= 0:
        raise InputError(f"the dose must not be negative, got {dose_gy} Gy.")
    left = share_of_dose_left(days, half_life_s)
    return np.asarray(dose_gy * math.log(2.0) / half_life_s * SECONDS_PER_HOUR * left)
