"""Partial volume: recovery coefficients from phantom spheres, and corrected means of regions.

Recovery belongs to one reconstruction, contouring rule and noise level: coefficients of MAA SPECT do not hold for
post-therapy PET. Correct the mean of a region (and ratios), not its voxels by one scalar: D_x changes its shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError, PhysicsError

__all__ = [
    "RecoveryFit",
    "correct_in_cold_background",
    "correct_in_warm_background",
    "correct_tumour_to_normal_ratio",
    "fit_recovery",
    "recovery_coefficient",
    "recovery_log_slope",
]

# Standard uncertainty of a fitted steepness over the steepness. Above it, the search stopped anywhere: where all spheres but
# one recover fully it is 1e5 and more; spheres that recover 50 and 51 % within 5 % make it 4.
MOST_RELATIVE_ERROR = 1e3


def recovery_coefficient(volume_ml: float, b1_ml: float, b2: float) -> float:
    """Return the recovery coefficient R = 1 − 1 / (1 + (V / b1)^b2), measured over true concentration.

    Parameters
    ----------
    volume_ml : float
        Volume of the sphere or region [mL].
    b1_ml, b2 : float
        Volume of half recovery [mL], and steepness.

    Raises
    ------
    InputError
        If a number is not positive.

    References
    ----------
    The form of Gear et al. 2018, Eur J Nucl Med Mol Imaging 45:2456, doi 10.1007/s00259-018-4136-7.
    """
    check_positive(volume_ml, "the volume", "mL")
    check_positive(b1_ml, "b1", "mL")
    check_positive(b2, "b2", "")
    logit = b2 * math.log(volume_ml / b1_ml)
    odds = math.exp(-abs(logit))  # never overflows
    return 1.0 / (1.0 + odds) if logit >= 0 else odds / (1.0 + odds)


def recovery_log_slope(volume_ml: float, b1_ml: float, b2: float) -> float:
    """Return d ln R / d ln V = b2 (1 − R), how steeply recovery depends on the volume; parameters as above."""
    return b2 * (1.0 - recovery_coefficient(volume_ml, b1_ml, b2))


@dataclass(frozen=True, eq=False)
class RecoveryFit:
    """A fitted recovery curve.

    Parameters
    ----------
    b1_ml, b2 : float
        Volume of half recovery [mL], and steepness.
    covariance : ndarray, (2, 2)
        Of (b1, b2) [mL², mL, 1].
    """

    b1_ml: float
    b2: float
    covariance: NDArray[np.float64]

    @property
    def form(self) -> str:
        """What the curve is."""
        return "two parameters"

    def touching(self, volume_ml: float) -> tuple[float, float]:
        """Return b1 [mL] and b2 of the two-parameter curve with the same recovery and slope at a volume [mL]: its own."""
        del volume_ml
        return self.b1_ml, self.b2

    def coefficient(self, volume_ml: float) -> float:
        """Return R at a volume [mL]."""
        return recovery_coefficient(volume_ml, self.b1_ml, self.b2)

    def uncertainty(self, volume_ml: float) -> float:
        """Return the standard uncertainty of R from the fit, √(gᵀ V g) with g = ∂R/∂(b1, b2)."""
        r = self.coefficient(volume_ml)
        gradient = r * (1.0 - r) * np.array([-self.b2 / self.b1_ml, math.log(volume_ml / self.b1_ml)])
        return float(np.sqrt(gradient @ self.covariance @ gradient))


def fit_recovery(
    volumes_ml: Sequence[float], coefficients: Sequence[float], relative_uncertainty: float | Sequence[float]
) -> RecoveryFit:
    """Return the recovery curve through phantom spheres, by weighted least squares.

    Parameters
    ----------
    volumes_ml : sequence of float, (spheres,)
        Inner volumes [mL], at least two different ones.
    coefficients : sequence of float, (spheres,)
        Measured recovery; edge artefacts may carry it a little above one.
    relative_uncertainty : float or sequence of float, (spheres,)
        Standard uncertainty of each coefficient over the coefficient, such as 0.05.

    Raises
    ------
    InputError
        If there are fewer than two volumes, lengths differ, or a number is not positive.
    PhysicsError
        If recovery does not grow with volume, so that no curve of this form fits, or no more than one sphere tells how it grows.

    Examples
    --------
    >>> fit = fit_recovery([0.52, 26.52], [0.20, 0.86], 0.05)
    >>> round(fit.b1_ml, 3), round(fit.b2, 4)
    (2.854, 0.8143)
    """
    volumes, recovery = np.asarray(volumes_ml, float), np.asarray(coefficients, float)
    if volumes.shape != recovery.shape or np.unique(volumes).size < 2:
        raise InputError(
            f"a recovery curve needs one coefficient per sphere and two different volumes, got {volumes.size} volumes "
            f"and {recovery.size} coefficients."
        )
    if not ((volumes > 0).all() and (recovery > 0).all() and np.isfinite([volumes, recovery]).all()):
        raise InputError(
            f"volumes and recovery coefficients must be positive: {volumes_ml} mL, {coefficients}."
        )
    relative = np.asarray(relative_uncertainty, float)
    if relative.ndim and relative.shape != volumes.shape:
        raise InputError(f"{relative.size} uncertainties are given for {volumes.size} recovery coefficients.")
    for value in np.atleast_1d(relative):
        check_positive(float(value), "the relative uncertainty of recovery", "")
    # ln R/(1−R) is linear in ln V: the start of the fit, and the fit itself for two spheres.
    logits = np.log(np.clip(recovery, 1e-3, 0.99) / (1.0 - np.clip(recovery, 1e-3, 0.99)))
    slope, intercept = np.polyfit(np.log(volumes), logits, 1)
    shown = f"{volumes_ml} mL, {coefficients}"
    if not slope > 0:
        raise _does_not_grow(shown)
    best, covariance = _search(
        np.log(volumes), recovery, relative * recovery, (-intercept / slope, slope), shown
    )
    with np.errstate(over="ignore", invalid="ignore"):
        b1, b2 = float(np.exp(best[0])), float(best[1])
        to_b1 = np.diag([b1, 1.0])
        spread = to_b1 @ covariance @ to_b1
    if not (b2 > 0 and 0.0 < b1 < math.inf):
        raise _does_not_grow(shown)
    if not math.sqrt(covariance[1, 1]) <= MOST_RELATIVE_ERROR * b2:
        raise PhysicsError(
            f"recovery tells no curve ({shown}): how steep it is takes two spheres or more of different recovery below one. Add "
            "smaller spheres."
        )
    if not np.isfinite(spread).all():
        raise _does_not_grow(shown)
    return RecoveryFit(b1, b2, spread)


def _search(
    log_volumes: NDArray[np.float64],
    recovery: NDArray[np.float64],
    sigma: NDArray[np.float64],
    start: tuple[float, float],
    shown: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithm of b1 and b2 of the curve of least squares, and their covariance."""
    # deferred: 0.3 s
    from scipy.optimize import curve_fit
    from scipy.special import expit

    def model(x: NDArray[np.float64], log_b1: float, b2: float) -> NDArray[np.float64]:
        return np.asarray(expit(b2 * (x - log_b1)))

    def slopes(x: NDArray[np.float64], log_b1: float, b2: float) -> NDArray[np.float64]:
        r = model(x, log_b1, b2)
        return np.stack([-b2 * r * (1.0 - r), (x - log_b1) * r * (1.0 - r)], axis=-1)

    # Slopes by formula: numerical steps are relative to ln b1, and vanish with it where half of 1 mL is recovered.
    try:
        best, covariance = curve_fit(
            model, log_volumes, recovery, p0=start, sigma=sigma, absolute_sigma=True, jac=slopes
        )
    except RuntimeError as error:  # the search did not end
        raise PhysicsError(
            f"the search for a curve through recovery does not end ({shown}): check which sphere is which."
        ) from error
    return best, covariance


def _does_not_grow(shown: str) -> PhysicsError:
    """What is said of spheres whose recovery falls with their volume."""
    return PhysicsError(f"recovery does not grow with volume ({shown}): check which sphere is which.")


def correct_in_cold_background(measured: float, recovery: float) -> float:
    """Return the true concentration of a region without activity around it, c / R.

    Parameters
    ----------
    measured : float
        Measured mean concentration, any unit.
    recovery : float
        Recovery coefficient of its volume.

    Raises
    ------
    InputError
        If the concentration is negative or the recovery not positive.
    """
    return correct_in_warm_background(measured, 0.0, recovery)


def correct_in_warm_background(measured: float, background: float, recovery: float) -> float:
    """Return the true concentration of a region in a warm background, (c − (1 − R) c_N) / R.

    The sum of the activity is no longer that of the image; with relative calibration the total already contains what
    spilled out. Do not renormalise without saying so.

    Parameters
    ----------
    measured, background : float
        Measured mean concentration of the region and of its surroundings, one unit.
    recovery : float
        Recovery coefficient of its volume.

    Raises
    ------
    InputError
        If a concentration is negative, the recovery not positive, or the region colder than its background explains.

    Examples
    --------
    >>> round(correct_in_warm_background(3.2, 0.5, 0.7), 3)
    4.357
    """
    check_not_negative(measured, "the measured concentration", "(its unit)")
    check_not_negative(background, "the background concentration", "(its unit)")
    check_positive(recovery, "the recovery coefficient", "")
    corrected = (measured - (1.0 - recovery) * background) / recovery
    if corrected < 0:
        raise InputError(
            f"spill-in from the background ({background:g}) alone exceeds the measured {measured:g} at a recovery of "
            f"{recovery:g}: the region is colder than its surroundings, and this correction does not hold."
        )
    return corrected


def correct_tumour_to_normal_ratio(ratio: float, recovery: float) -> float:
    """Return the tumour-to-normal ratio corrected in warm background, (r − (1 − R)) / R.

    Raises
    ------
    InputError
        As `correct_in_warm_background`, of which this is the case with background one.

    Examples
    --------
    >>> round(correct_tumour_to_normal_ratio(6.4, 0.7), 3)
    8.714
    """
    return correct_in_warm_background(ratio, 1.0, recovery)
