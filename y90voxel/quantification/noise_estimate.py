"""How noisy an emission image is where nothing states it: read off liver that should be uniform, an upper bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.quantification.lung_measures import exclude_margin
from y90voxel.quantification.noise import ImageNoise, correlation_volume_ml
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.box import occupied_box, widened_box
from y90voxel.volumes.volume import Mask, Volume

__all__ = ["NoiseEstimate", "correlation_fwhm_mm", "estimate_noise"]

# Liver closer to a tumour than this shows what blur carries out of it [mm]; as of the background of recovery.
TUMOUR_MARGIN_MM = 15.0
# Liver that took up less than this share of what took up most, smoothed over so many FWHM, is another lobe and no part of
# uniform liver [1]: noise of 60 % a voxel stays four standard deviations away from it.
LEAST_UPTAKE, SMOOTHING_FWHM = 0.5, 3.0
# A standard deviation of fewer independent places than this is known to worse than a quarter of itself (1/√(2 n)).
LEAST_PLACES = 10.0
# Spread below this is rounding: an image without visible noise has an unknown one, not none.
LEAST_CV = 1e-4
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True)
class NoiseEstimate:
    """What uniform liver shows of the noise of its image; what truly differs in it counts as noise too.

    Parameters
    ----------
    cv : float
        Standard deviation of a voxel over the mean.
    mean : float
        Mean of the voxels, in the unit of the image.
    fwhm_mm : float
        Correlation length, as a Gaussian filter of white noise would make it [mm].
    volume_ml : float
        Liver that it was read off [mL].
    """

    cv: float
    mean: float
    fwhm_mm: float
    volume_ml: float

    @property
    def noise(self) -> ImageNoise:
        """The noise of the image, its variance growing with the value as that of counts does."""
        return ImageNoise(self.cv**2 * self.mean, self.fwhm_mm)

    def relative_uncertainty(self, region_ml: float) -> float:
        """Return cv × √(correlation volume / region volume), that of the mean of a region like the liver.

        Parameters
        ----------
        region_ml : float
            Volume of the region [mL].
        """
        return self.cv * math.sqrt(min(1.0, correlation_volume_ml(self.fwhm_mm) / region_ml))


def estimate_noise(
    image: Volume, regions: Regions, fwhm_mm: float, noise_fwhm_mm: float | None = None
) -> NoiseEstimate | None:
    """Return the noise of an image as uniform liver shows it; None where too little of it is there or none is seen.

    Uniform liver is the perfused non-tumour liver, or without a perfused volume all non-tumour liver, further than 15 mm
    from tumours and one FWHM from its surface, without what took up less than half of the rest.

    Parameters
    ----------
    image : Volume
        The emission image.
    regions : Regions
        On its grid.
    fwhm_mm : float
        Resolution of the image; noise is not correlated further, for the same filter made it [mm].
    noise_fwhm_mm : float or None
        Correlation length where it is known [mm]; None reads it off neighbours.
    """
    uniform = _uniform_liver(image, regions, fwhm_mm)
    if uniform is None:
        return None
    box = occupied_box(uniform)
    values, uniform = np.asarray(image.array[box], np.float64), uniform[box]
    inside = values[uniform]
    mean = float(inside.mean())
    if not mean > 0:
        return None
    cv = float(inside.std()) / mean
    spacing = image.grid.spacing_mm
    length = noise_fwhm_mm
    if length is None:
        length = correlation_fwhm_mm(values - mean, uniform, spacing, fwhm_mm)
    volume_ml = inside.size * image.grid.voxel_volume_ml
    place_ml = max(correlation_volume_ml(length), image.grid.voxel_volume_ml)
    if cv < LEAST_CV or volume_ml < LEAST_PLACES * place_ml:
        return None
    return NoiseEstimate(cv, mean, length, volume_ml)


def correlation_fwhm_mm(
    residuals: NDArray[np.float64],
    inside: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    most_mm: float = math.inf,
) -> float:
    """Return how far residuals of neighbours go together, as the FWHM of the filter that would make it [mm].

    White noise through a Gaussian of σ is correlated by exp(−d²/4σ²): each axis gives a σ from voxels one step apart, and
    the greatest counts.

    Parameters
    ----------
    residuals : ndarray, (slices, rows, columns)
        Values less their mean.
    inside : ndarray of bool
        Voxels that count.
    spacing_mm : sequence of float, (3,)
        Voxel size [mm].
    most_mm : float
        Not more than this [mm].
    """
    variance = float((residuals[inside] ** 2).mean())
    fwhm_mm = 0.0
    for axis, step in enumerate(spacing_mm):
        one, next_one = _neighbours(axis)
        both = inside[one] & inside[next_one]
        if not both.any() or variance == 0.0:
            continue
        share = float((residuals[one][both] * residuals[next_one][both]).mean()) / variance
        # A correlation that chance alone makes of white noise counts as none.
        if share > 2.0 / math.sqrt(float(both.sum())):
            sigma = step / (2.0 * math.sqrt(-math.log(share))) if share < 1.0 else math.inf
            fwhm_mm = max(fwhm_mm, sigma * _FWHM_PER_SIGMA)
    return min(fwhm_mm, most_mm)


def _neighbours(axis: int) -> tuple[Any, Any]:
    """Slices that put each voxel beside the next one along an axis."""
    one, next_one = [slice(None)] * 3, [slice(None)] * 3
    one[axis], next_one[axis] = slice(None, -1), slice(1, None)
    return tuple(one), tuple(next_one)


def _uniform_liver(image: Volume, regions: Regions, fwhm_mm: float) -> NDArray[np.bool_] | None:
    """Voxels of liver that should be alike, None where there are none."""
    liver = next(
        (
            region.mask
            for role in (Role.PERFUSED_NON_TUMOUR_LIVER, Role.NON_TUMOUR_LIVER)
            for region in regions.with_role(role)
        ),
        None,
    )
    if liver is None:
        return None
    tumours = regions.mask_of(Role.TUMOUR)
    uniform = liver if tumours is None else exclude_margin(liver, tumours, TUMOUR_MARGIN_MM)
    whole = regions.mask_of(Role.LIVER, Role.TUMOUR)
    surface = liver if whole is None else whole
    uniform = exclude_margin(uniform, Mask(1.0 - np.asarray(surface.array), image.grid), fwhm_mm)
    inside = np.asarray(uniform.array) > 0.999
    if not inside.any():
        return None
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    reach_mm = SMOOTHING_FWHM * fwhm_mm / _FWHM_PER_SIGMA
    box = widened_box(uniform.box, image.grid, 4.0 * reach_mm)
    values = np.asarray(image.array[box], np.float64)
    smooth = gaussian_filter(values, [reach_mm / step for step in image.grid.spacing_mm])
    part = inside[box]
    seen = smooth[part]
    most = seen[seen >= min(seen.mean(), seen.max())].mean()  # of equal values the mean may be rounded up
    part &= smooth > LEAST_UPTAKE * float(most)
    return inside if part.any() else None
