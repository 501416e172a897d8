"""Calibration over several days of decay: linearity, and the dead time of a camera that loses counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from y90voxel.errors import InputError

__all__ = ["DeadTimeFit", "fit_dead_time"]

# More rate from less activity: past the peak of a paralysable camera. Rates may fall by this part by noise alone.
RATE_TOLERANCE = 0.01


@dataclass(frozen=True)
class DeadTimeFit:
    """A paralysable camera fitted to several acquisitions.

    Parameters
    ----------
    time_constant_s, error_s : float
        Dead time and its standard error [s].
    sensitivity : float
        Calibration without dead time [cps/MBq].
    sensitivity_error : float
        Its standard error, relative.
    deviations : tuple of float
        Of each acquisition from the fit, relative.
    """

    time_constant_s: float
    error_s: float
    sensitivity: float
    sensitivity_error: float
    deviations: tuple[float, ...]


def fit_dead_time(
    rates_cps: Sequence[float], factors: Sequence[float], relative_errors: Sequence[float]
) -> DeadTimeFit:
    """Return dead time and sensitivity from observed rates and calibration factors of several acquisitions.

    A paralysable camera shows m = n exp(−n τ), so that a factor is S exp(−n τ) with n = −W(−m τ)/τ: ln f = ln S + W(−m τ).
    Least squares in ln f, weighted by the errors.

    Parameters
    ----------
    rates_cps : sequence of float, (acquisitions,)
        Observed counts of the whole image over time [1/s], the first acquisition first.
    factors : sequence of float, (acquisitions,)
        Observed cps per MBq.
    relative_errors : sequence of float, (acquisitions,)
        Standard error of each factor as a fraction.

    Raises
    ------
    InputError
        If there are fewer than two acquisitions, or the camera shows less of more activity: no rate tells the activity there.
    """
    # deferred: 0.3 s
    from scipy.optimize import least_squares
    from scipy.special import lambertw

    rates, factor_values = np.asarray(rates_cps, float), np.asarray(factors, float)
    spread = np.maximum(np.asarray(relative_errors, float), 1e-6)
    if rates.size < 2 or rates.shape != factor_values.shape:
        raise InputError(f"a dead time needs two acquisitions or more, got {rates.size}.")
    activities = rates / factor_values
    order = np.argsort(activities)
    falling = np.diff(rates[order]) < -RATE_TOLERANCE * rates[order][1:]
    if falling.any():
        k = int(np.flatnonzero(falling)[0])
        less, more = order[k], order[k + 1]
        raise InputError(
            f"outside the linear range: the camera shows {rates[more]:.4g} counts per second of {activities[more]:.4g} MBq, "
            f"and {rates[less]:.4g} of {activities[less]:.4g} MBq. Leave the "
            "acquisitions of the highest activity out, and wait for decay.",
            tag="PixelData",
        )
    most = 0.999 * math.exp(-1.0) / rates.max()

    def missed(p: np.ndarray) -> np.ndarray:
        return np.asarray((np.log(factor_values) - p[0] - lambertw(-rates * p[1] * most).real) / spread)

    best = least_squares(missed, [math.log(factor_values.max()), 0.1], bounds=([-np.inf, 0.0], [np.inf, 1.0]))
    covariance = np.linalg.pinv(best.jac.T @ best.jac)
    if rates.size > 2:  # what the fit leaves, where it is more than the stated errors
        covariance = covariance * max(1.0, 2.0 * best.cost / (rates.size - 2))
    return DeadTimeFit(
        time_constant_s=float(best.x[1] * most),
        error_s=float(math.sqrt(covariance[1, 1]) * most),
        sensitivity=float(math.exp(best.x[0])),
        sensitivity_error=float(math.sqrt(covariance[0, 0])),
        deviations=tuple(float(x) for x in np.expm1(missed(best.x) * spread)),
    )
