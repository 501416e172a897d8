"""Recovery over the volume as a table of spheres shows it: one Gaussian blur where that fits them, else a two-parameter curve.

No curve 1 − 1/(1 + (V/b1)^b2) follows the recovery of spheres in a Gaussian blur: fitted to the NEMA spheres at 8 mm FWHM it is
3 % too low at a recovery of 0.4 and 3 % too high at 0.75.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.quantification.partial_volume import RecoveryFit, fit_recovery

__all__ = ["LEAST_PROBABILITY", "GaussianRecovery", "blurred_sphere_recovery", "recovery_of_spheres"]

# Below this probability of as great a χ² a curve does not fit (the usual 5 %).
LEAST_PROBABILITY = 0.05
# Fewer spheres than this leave nothing to judge a curve of two parameters by.
LEAST_SPHERES = 3
# Where the search for a width begins [mm]: between a PET and a SPECT camera.
START_MM = 10.0
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
# Least distance of a recovery from one, and least slope: the curve that touches it has to have parameters.
_LEAST_LOSS = 1e-6
# Step of numerical slopes, relative: a tenth of a thousandth, where rounding and curvature are below 1e-6.
_STEP = 1e-4


def blurred_sphere_recovery(diameter_mm: float, fwhm_mm: float) -> float:
    """Return the recovery of a uniform sphere in a Gaussian blur, the mean inside it without background.

    ∫₀^{2r} (1 − 3s/4r + s³/16r³) 4πs² (2πσ²)^{−3/2} exp(−s²/2σ²) ds: how much of what a point of the sphere sends to a distance
    s stays in it.

    Parameters
    ----------
    diameter_mm : float
        Diameter 2r [mm].
    fwhm_mm : float
        Resolution, σ times 2.355 [mm].

    Raises
    ------
    InputError
        If a length is not positive.

    Examples
    --------
    >>> round(blurred_sphere_recovery(37.0, 10.0), 4)
    0.7301
    """
    check_positive(diameter_mm, "the diameter", "mm")
    check_positive(fwhm_mm, "the resolution", "mm")
    r, sigma = 0.5 * diameter_mm, fwhm_mm / _FWHM_PER_SIGMA
    s = np.linspace(0.0, min(2.0 * r, 9.0 * sigma), 2001)
    stays = 1.0 - 0.75 * s / r + (s / r) ** 3 / 16.0
    sent = 4.0 * math.pi * s**2 * (2.0 * math.pi * sigma**2) ** -1.5 * np.exp(-0.5 * (s / sigma) ** 2)
    return float(min(np.trapezoid(stays * sent, s), 1.0))


@dataclass(frozen=True, eq=False)
class GaussianRecovery(RecoveryFit):
    """Recovery of spheres in one Gaussian blur, with a scale; the other fields are those of the two-parameter curve.

    Parameters
    ----------
    fwhm_mm : float
        Full width at half maximum, what voxels and regions add included [mm].
    scale : float
        Of all coefficients.
    blur_covariance : ndarray, (2, 2)
        Of (fwhm, scale) [mm², mm, 1].
    """

    fwhm_mm: float = START_MM
    scale: float = 1.0
    blur_covariance: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))

    @property
    def form(self) -> str:
        """What the curve is."""
        return "gaussian"

    def coefficient(self, volume_ml: float) -> float:
        """Return R at a volume [mL]; one at most."""
        return min(self.scale * blurred_sphere_recovery(_diameter_mm(volume_ml), self.fwhm_mm), 1.0)

    def uncertainty(self, volume_ml: float) -> float:
        """Return the standard uncertainty of R from the fit, √(gᵀ V g) with g = ∂R/∂(fwhm, scale)."""
        d = _diameter_mm(volume_ml)
        up, down = (blurred_sphere_recovery(d, self.fwhm_mm * (1.0 + sign * _STEP)) for sign in (1.0, -1.0))
        slope = self.scale * (up - down) / (2.0 * _STEP * self.fwhm_mm)
        gradient = np.array([slope, blurred_sphere_recovery(d, self.fwhm_mm)])
        return float(np.sqrt(gradient @ self.blur_covariance @ gradient))

    def touching(self, volume_ml: float) -> tuple[float, float]:
        """Return b1 [mL] and b2 of the two-parameter curve with the same recovery and the same slope at a volume [mL]."""
        here = min(self.coefficient(volume_ml), 1.0 - _LEAST_LOSS)
        up, down = (math.log(self.coefficient(volume_ml * math.exp(sign * _STEP))) for sign in (1.0, -1.0))
        b2 = max((up - down) / (2.0 * _STEP), _LEAST_LOSS) / (1.0 - here)
        return volume_ml * ((1.0 - here) / here) ** (1.0 / b2), b2


def recovery_of_spheres(
    volumes_ml: Sequence[float], coefficients: Sequence[float], relative_uncertainty: float | Sequence[float]
) -> RecoveryFit:
    """Return recovery over the volume as spheres of a phantom show it.

    One Gaussian with a scale where it fits the spheres (χ² with a probability of 5 % or more) and better than the two-parameter
    curve; else that curve. Where neither fits, the covariance of the curve grows by χ² over the degrees of freedom, so that
    its uncertainty holds what it misses.

    Parameters
    ----------
    volumes_ml, coefficients, relative_uncertainty
        As of `fit_recovery`.

    Raises
    ------
    InputError
        As of `fit_recovery`.
    PhysicsError
        As of `fit_recovery`.
    """
    curve = fit_recovery(volumes_ml, coefficients, relative_uncertainty)
    volumes, recovery = np.asarray(volumes_ml, float), np.asarray(coefficients, float)
    spread = np.asarray(relative_uncertainty, float) * recovery
    degrees = volumes.size - 2
    if volumes.size < LEAST_SPHERES:
        return curve

    def chi2(of: Callable[[float], float]) -> float:
        return float((((recovery - [of(v) for v in volumes]) / spread) ** 2).sum())

    gaussian, by_curve = _gaussian(curve, volumes, recovery, spread), chi2(curve.coefficient)
    if gaussian is not None:
        by_gaussian = chi2(gaussian.coefficient)
        if _probability(by_gaussian, degrees) >= LEAST_PROBABILITY and by_gaussian < by_curve:
            return gaussian
    missed = by_curve / degrees if _probability(by_curve, degrees) < LEAST_PROBABILITY else 1.0
    return RecoveryFit(curve.b1_ml, curve.b2, missed * curve.covariance)


def _gaussian(
    curve: RecoveryFit,
    volumes: NDArray[np.float64],
    recovery: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> GaussianRecovery | None:
    """Width and scale of the Gaussian that recovers the spheres most alike; None where the search for them has no end."""
    # deferred: 0.3 s
    from scipy.optimize import curve_fit

    diameters = [_diameter_mm(v) for v in volumes]

    def model(_: object, log_fwhm: float, scale: float) -> NDArray[np.float64]:
        return scale * np.array([blurred_sphere_recovery(d, math.exp(log_fwhm)) for d in diameters])

    try:
        best, covariance = curve_fit(
            model, volumes, recovery, p0=(math.log(START_MM), 1.0), sigma=spread, absolute_sigma=True
        )
        fwhm = math.exp(best[0])
    except (
        RuntimeError,
        OverflowError,
        InputError,
    ):  # ever wider and higher, or narrower: spheres of no blur
        return None
    if not (best[1] > 0 and np.isfinite(covariance).all()):
        return None
    to_mm = np.diag([fwhm, 1.0])
    return GaussianRecovery(
        curve.b1_ml, curve.b2, curve.covariance, fwhm, float(best[1]), to_mm @ covariance @ to_mm
    )


def _probability(chi2: float, degrees: int) -> float:
    """Probability of a χ² as great."""
    # deferred: 0.2 s
    from scipy.special import gammaincc

    return float(gammaincc(0.5 * degrees, 0.5 * chi2))


def _diameter_mm(volume_ml: float) -> float:
    return float((6000.0 * volume_ml / math.pi) ** (1.0 / 3.0))
