"""Resolution given back to a whole image: iterative deconvolution with the camera's point spread function."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.volumes.volume import ActivityMap, CountMap

__all__ = ["DEFAULT_ITERATIONS", "richardson_lucy"]

# Few, because every iteration amplifies noise and edges ring: a choice, said with the results.
DEFAULT_ITERATIONS = 10
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))

V = TypeVar("V", bound=CountMap | ActivityMap)


def richardson_lucy(image: V, fwhm_mm: float, iterations: int = DEFAULT_ITERATIONS) -> V:
    """Return the image deconvolved from a Gaussian, c ← c · h ⋆ (m / (h ⋆ c)) / (h ⋆ 1).

    Counts stay counts: the sum is kept (up to what lies at the edge), none becomes negative. Negative voxels of the
    measured image count as zero. Noise grows with every iteration and sharp edges overshoot.

    Parameters
    ----------
    image : CountMap or ActivityMap
        Measured m.
    fwhm_mm : float
        Full width at half maximum of the point spread function h, the same everywhere [mm].
    iterations : int
        How many.

    Raises
    ------
    InputError
        If width or iterations are not positive.

    References
    ----------
    Richardson 1972, J Opt Soc Am 62:55, doi 10.1364/JOSA.62.000055; Lucy 1974, Astron J 79:745, doi 10.1086/111605.
    """
    check_positive(fwhm_mm, "the width of the point spread function", "mm", tag="partial_volume.fwhm_mm")
    if iterations < 1:
        raise InputError(
            f"Richardson-Lucy deconvolution needs one iteration or more, got {iterations}.",
            tag="partial_volume.iterations",
        )
    sigmas = [fwhm_mm / _FWHM_PER_SIGMA / s for s in image.grid.spacing_mm]
    measured = np.maximum(np.asarray(image.array, np.float64), 0.0)
    seen = _blurred(np.ones(measured.shape), sigmas)
    estimate = measured.copy()
    for _ in range(iterations):
        expected = _blurred(estimate, sigmas)
        ratio = np.divide(measured, expected, out=np.zeros_like(measured), where=expected > 0)
        estimate *= _blurred(ratio, sigmas) / seen
    return replace(image, array=estimate)


def _blurred(values: NDArray[np.float64], sigmas: list[float]) -> NDArray[np.float64]:
    """Gaussian blur in voxels, nothing beyond the edge."""
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, sigmas, mode="constant", truncate=4.0))
