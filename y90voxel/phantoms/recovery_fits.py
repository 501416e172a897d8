"""The resolution that recovery of spheres stands for: a Gaussian with free scale, and whether one Gaussian fits at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError

__all__ = ["GaussianFit", "fit_gaussian"]

# Widths that are tried [mm], and how many are computed; between them recovery is interpolated, to 1e-4.
FWHM_RANGE_MM, WIDTHS = (2.0, 30.0), 16
# Below this probability of as great a χ² one Gaussian does not fit (the usual 5 %).
LEAST_PROBABILITY = 0.05
# A scale further from one than this, in standard errors, is not one.
MOST_DEVIATIONS = 3.0


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """Recovery of spheres as one Gaussian blur and one scale.

    Parameters
    ----------
    fwhm_mm : float
        Full width at half maximum, without the voxels' own size [mm].
    scale : float
        Of all coefficients; one where the calibration is right.
    covariance : ndarray, (2, 2)
        Of (fwhm, scale) [mm², mm, 1].
    chi2 : float
        Sum of squared deviations over their standard uncertainties.
    degrees : int
        Spheres minus two.
    """

    fwhm_mm: float
    scale: float
    covariance: NDArray[np.float64]
    chi2: float
    degrees: int

    @property
    def probability(self) -> float | None:
        """Probability of a χ² as great if one Gaussian is right; None where nothing is left to judge by."""
        # deferred: 0.2 s
        from scipy.special import gammaincc

        return None if self.degrees < 1 else float(gammaincc(0.5 * self.degrees, 0.5 * self.chi2))

    @property
    def scale_is_one(self) -> bool:
        """Whether the scale is one within three standard errors: else the calibration is wrong, or the blur is no Gaussian."""
        return bool(abs(self.scale - 1.0) <= MOST_DEVIATIONS * math.sqrt(self.covariance[1, 1]))

    @property
    def fits(self) -> bool | None:
        """Whether one Gaussian fits the spheres; None where nothing is left to judge by."""
        return None if self.probability is None else self.probability >= LEAST_PROBABILITY


def fit_gaussian(
    recovery: Sequence[float],
    relative_uncertainty: Sequence[float],
    shape: Callable[[float], NDArray[np.float64]],
) -> GaussianFit:
    """Return width and scale of the Gaussian that recovers spheres most alike, by weighted least squares.

    Parameters
    ----------
    recovery, relative_uncertainty : sequence of float, (spheres,)
        Background-corrected mean over true concentration, and its standard uncertainty as a fraction.
    shape : callable
        Recovery of the same spheres at a width [mm], in the same regions of the same voxels.

    Raises
    ------
    InputError
        If there are fewer than two spheres, lengths differ, or a number is not positive.
    """
    # deferred: 0.3 s
    from scipy.interpolate import CubicSpline
    from scipy.optimize import minimize_scalar

    recoveries, relative = np.asarray(recovery, float), np.asarray(relative_uncertainty, float)
    if recoveries.size < 2 or recoveries.shape != relative.shape:
        raise InputError(
            f"a width needs recovery and uncertainty of two spheres or more, got {recoveries.size} and {relative.size}."
        )
    spread = recoveries * relative
    if not ((spread > 0).all() and np.isfinite(spread).all()):
        raise InputError(
            f"recovery and its uncertainties must be positive: {list(recovery)}, {list(relative_uncertainty)}."
        )
    widths = np.geomspace(*FWHM_RANGE_MM, WIDTHS)
    table = CubicSpline(np.log(widths), np.array([shape(w) for w in widths]))

    def scale_of(model: NDArray[np.float64]) -> float:
        return float((model * recoveries / spread**2).sum() / (model**2 / spread**2).sum())

    def chi2(log_fwhm: float) -> float:
        model = table(log_fwhm)
        return float((((recoveries - scale_of(model) * model) / spread) ** 2).sum())

    coarse = np.linspace(math.log(FWHM_RANGE_MM[0]), math.log(FWHM_RANGE_MM[1]), 20 * WIDTHS)
    start = int(np.argmin([chi2(x) for x in coarse]))
    ends = coarse[max(start - 1, 0)], coarse[min(start + 1, len(coarse) - 1)]
    best = float(minimize_scalar(chi2, bounds=ends, method="bounded", options={"xatol": 1e-5}).x)
    model, fwhm = table(best), math.exp(best)
    scale = scale_of(model)
    jacobian = np.column_stack([scale * table(best, 1) / fwhm, model]) / spread[:, None]
    return GaussianFit(fwhm, scale, np.linalg.inv(jacobian.T @ jacobian), chi2(best), recoveries.size - 2)
