"""How noisy the voxels of an emission image are, and images that are as noisy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_not_negative, check_positive

__all__ = ["ImageNoise", "correlation_volume_ml"]

_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def correlation_volume_ml(fwhm_mm: float) -> float:
    """Return the volume that noise of one place fills, ∫ρ dV = (4πσ²)^(3/2) of white noise behind a Gaussian filter [mL].

    A region of n such volumes knows its mean to 1/√n of what a voxel varies by.

    Parameters
    ----------
    fwhm_mm : float
        Of the filter [mm].

    Examples
    --------
    >>> round(correlation_volume_ml(10.0), 3)
    3.411
    """
    sigma = fwhm_mm / _FWHM_PER_SIGMA
    return float((4.0 * math.pi * sigma**2) ** 1.5 / 1000.0)


@dataclass(frozen=True)
class ImageNoise:
    """Noise whose variance grows with the value of the voxel, as that of counts does.

    Parameters
    ----------
    variance_per_value : float
        Variance of a voxel over its value; 1 for voxels that hold counts, in the unit of the image.
    fwhm_mm : float
        How far noise of neighbours goes together, as a Gaussian filter of white noise would make it [mm].

    Raises
    ------
    InputError
        If the variance is not positive, or the length negative.
    """

    variance_per_value: float
    fwhm_mm: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self.variance_per_value, "the variance of the noise over the value", "")
        check_not_negative(self.fwhm_mm, "the correlation length of the noise", "mm")

    def draw(
        self, values: NDArray[Any], spacing_mm: Sequence[float], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return one realisation of the noise alone, in the unit of ``values``, same shape.

        Parameters
        ----------
        values : ndarray, (slices, rows, columns)
            The image; voxels that are not positive have no noise.
        spacing_mm : sequence of float, (3,)
            Its voxel size [mm].
        rng : numpy Generator
            Source of chance.
        """
        white = rng.standard_normal(values.shape, dtype=np.float32)
        return np.asarray(self.correlated(white, spacing_mm) * self._deviation(values), np.float32)

    def uncertainty_of_sum(
        self, values: NDArray[Any], weights: NDArray[Any], spacing_mm: Sequence[float]
    ) -> float:
        """Return the standard uncertainty of Σ weight × value, in the unit of ``values``."""
        # With e = σ (g ⋆ z), the variance of Σ w e is the sum of squares of g ⋆ (w σ), for g is symmetric.
        spread = self.correlated(weights * self._deviation(values), spacing_mm)
        return math.sqrt(float((spread * spread).sum(dtype=np.float64)))

    def _deviation(self, values: NDArray[Any]) -> NDArray[Any]:
        """Standard deviation of each voxel."""
        return np.asarray(np.sqrt(np.maximum(values, 0.0) * self.variance_per_value))

    def correlated(self, white: NDArray[Any], spacing_mm: Sequence[float]) -> NDArray[Any]:
        """Return white noise filtered by a Gaussian that leaves its variance as it is, same shape."""
        if self.fwhm_mm == 0.0:
            return white
        # deferred: 0.2 s
        from scipy.ndimage import gaussian_filter, gaussian_filter1d

        sigmas = [self.fwhm_mm / _FWHM_PER_SIGMA / s for s in spacing_mm]
        gain = 1.0
        for sigma in sigmas:
            impulse = np.zeros(2 * math.ceil(4 * sigma) + 3)
            impulse[impulse.size // 2] = 1.0
            gain *= math.sqrt(float((gaussian_filter1d(impulse, sigma, mode="constant") ** 2).sum()))
        return np.asarray(gaussian_filter(white, sigmas, mode="constant") / gain)
