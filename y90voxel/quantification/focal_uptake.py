"""Foci of uptake outside lungs and liver: what may be an embolised stomach, duodenum or gallbladder, or free pertechnetate.

The image is smoothed by its own resolution. A focus begins at a local maximum further than 2 FWHM from lungs and liver that
stands out of the patient's background; its core is connected and above half of it, its counts are those above a tenth. It counts
when it holds more than 1 % of all counts, or when its core has more than three times the mean of its surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.quantification.lung_measures import within_reach
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import ORGANS, Role, normalised_name
from y90voxel.volumes.box import Box, occupied_box, widened_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = ["Focus", "find_foci", "is_thyroid"]

# A focus holds more than this share of all counts, or has more than so many times the mean of what is around it.
LEAST_SHARE = 0.01
LEAST_RATIO = 3.0  # core over surroundings; chosen: above uneven uptake of one tissue
# Blur carries counts of lungs and liver so far [FWHM].
MARGIN_FWHM = 2.0
# A maximum stands out of the patient's background by so many of its standard deviations, and its core holds so much of all
# counts: noise of whole images does not (tests/quantification/test_focal_uptake.py). Of 2 GBq it is 0.4 MBq, 10 Gy in 2 mL.
LEAST_SIGMAS, LEAST_IN_CORE = 8.0, 2e-4
CORE, WHOLE = 0.5, 0.1  # of the height of the maximum; chosen: half, as FWHM means it, and the foot
# What belongs to a focus is above the background by so many deviations at least: noise hangs together through all of an image.
WHOLE_SIGMAS = 3.0
# Around the core, from and to [FWHM].
SURROUNDINGS_FWHM = (1.0, 3.0)
# A focus is in an organ that holds so much of its core.
LEAST_IN_ORGAN = 0.5
MOST_FOCI, MOST_MAXIMA = 20, 100  # chosen: a reader looks at no more; an image of more maxima is noise
SIGMA_PER_MAD = 1.4826  # of a normal distribution: one over its third quartile
BACKGROUND_SAMPLES = 400_000  # voxels; chosen: a median of so many is exact to 0.2 % of the spread
FWHM_PER_SIGMA = 2.3548  # of a Gaussian: 2 √(2 ln 2)
SMOOTHED_SIGMAS = 3.0  # reach of the smoothing; 0.3 % of a Gaussian lies beyond
THYROID = (
    "thyroid",
    "schilddruse",
    "schilddruese",
    "thyroide",
    "tiroide",
    "schildklier",
    "tarczyca",
    "skoldkortel",
)

Values = NDArray[np.float32]
Where = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Focus:
    """A focus of uptake outside lungs and liver.

    Parameters
    ----------
    core : Mask
        Where it is above half of its maximum, on the part of the image's grid around it.
    centre_mm : tuple of float, (3,)
        Its hottest voxel in patient LPS [mm].
    volume_ml : float
        Of the core [mL].
    share : float
        Its counts over all of the image.
    ratio : float or None
        Mean of the core over that of its surroundings; None where they hold nothing or there are none.
    organs : tuple of (str, str)
        Name and role of drawn regions that hold it, the thyroid as ``"thyroid"``.
    """

    core: Mask
    centre_mm: tuple[float, float, float]
    volume_ml: float
    share: float
    ratio: float | None
    organs: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {
            "centre_mm": [round(value, 1) for value in self.centre_mm],
            "volume_ml": self.volume_ml,
            "share_of_counts": self.share,
            "over_surroundings": self.ratio,
            "organs": [name for name, _ in self.organs],
        }


def find_foci(counts: CountMap | ActivityMap, regions: Regions, fwhm_mm: float) -> tuple[Focus, ...] | None:
    """Return the foci of uptake outside lungs and liver, those with the most counts first; None where no liver is drawn.

    Parameters
    ----------
    counts : CountMap or ActivityMap
        The emission image.
    regions : Regions
        On its grid.
    fwhm_mm : float
        Resolution of the image [mm].
    """
    expected = regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED, Role.LUNG)
    if expected is None or regions.mask_of(Role.LIVER) is None:
        return None
    outside = within_reach(expected, MARGIN_FWHM * fwhm_mm).array < 0.5
    body = regions.mask_of(Role.BODY)
    if body is not None:
        outside &= body.array >= 0.5
    if not outside.any() or not counts.total > 0:
        return ()
    sigmas = [fwhm_mm / FWHM_PER_SIGMA / spacing for spacing in counts.grid.spacing_mm]
    smooth = _smoothed(np.asarray(counts.array, np.float32), sigmas)
    level, noise = _background(smooth[outside])
    foci: list[Focus] = []
    free = outside.copy()
    least = LEAST_IN_CORE * counts.total
    peaks = _maxima(smooth, outside, level + LEAST_SIGMAS * noise, fwhm_mm, counts.grid.spacing_mm)
    for peak in peaks[:MOST_MAXIMA]:
        if not free[peak]:
            continue
        height = float(smooth[peak]) - level
        edge = level + max(WHOLE * height, WHOLE_SIGMAS * noise)
        seen = _Neighbourhood.around(peak, smooth, free, edge, fwhm_mm, counts.grid)
        core = seen.connected(level + CORE * height)
        if float(counts.array[seen.box][core].sum(dtype=np.float64)) >= least:
            focus = _focus(counts, seen, core, fwhm_mm)
            if focus.share > LEAST_SHARE or focus.ratio is None or focus.ratio > LEAST_RATIO:
                foci.append(_named(focus, regions, seen.box))
        free[seen.box] &= ~seen.whole
        if len(foci) == MOST_FOCI:
            break
    return tuple(sorted(foci, key=lambda focus: -focus.share))


@dataclass(frozen=True, eq=False)
class _Neighbourhood:
    """The part of an image that holds a focus with its surroundings.

    Parameters
    ----------
    box : Box
        Where in the image.
    grid : Grid
        Of the part.
    peak : tuple of int, (3,)
        Of the focus, in the part.
    smooth, free : ndarray
        Smoothed image, and what belongs to no focus yet.
    edge : float
        Smoothed value that ends a focus.
    """

    box: Box
    grid: Grid
    peak: tuple[int, int, int]
    smooth: Values
    free: Where
    edge: float

    @classmethod
    def around(
        cls,
        peak: tuple[int, int, int],
        smooth: Values,
        free: Where,
        edge: float,
        fwhm_mm: float,
        grid: Grid,
    ) -> _Neighbourhood:
        """Widen until the focus and its surroundings are inside."""
        reach_mm = 2.0 * SURROUNDINGS_FWHM[1] * fwhm_mm
        at = tuple(slice(place, place + 1) for place in peak)
        while True:
            box = widened_box((at[0], at[1], at[2]), grid, reach_mm)
            inner = tuple(place - part.start for place, part in zip(peak, box, strict=True))
            start, shape = [part.start for part in box], [part.stop - part.start for part in box]
            seen = cls(
                box, grid.crop(start, shape), (inner[0], inner[1], inner[2]), smooth[box], free[box], edge
            )
            used = occupied_box(seen.whole)
            needed = widened_box(used, seen.grid, SURROUNDINGS_FWHM[1] * fwhm_mm, voxels=1)
            cut = any(
                (want.start == 0 and part.start > 0) or (want.stop == size and part.stop < length)
                for want, part, size, length in zip(needed, box, shape, grid.shape, strict=True)
            )
            if not cut:
                return seen
            reach_mm *= 2.0

    def connected(self, least: float) -> Where:
        """The part of what is free and above a value that hangs together with the peak."""
        # deferred: 0.13 s, and most images have no maximum that stands out
        from scipy.ndimage import label

        parts, _ = label(self.free & (self.smooth >= least))
        return np.asarray(parts == parts[self.peak])

    @cached_property
    def whole(self) -> Where:
        """All of the focus."""
        return self.connected(self.edge)


def _smoothed(values: Values, sigmas: list[float]) -> Values:
    """Gaussian filter, the edge repeated outside; that of scipy.ndimage takes 0.13 s to load, a tenth of which this takes."""
    for axis, sigma in enumerate(sigmas):
        reach = int(SMOOTHED_SIGMAS * sigma + 0.5)
        taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        padded = np.pad(values, [(reach * (side == axis),) * 2 for side in range(3)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(taps), axis)
        values = windows @ (taps / taps.sum()).astype(np.float32)
    return values


def _background(values: Values) -> tuple[float, float]:
    """Median and spread of the patient's background, whatever stands out of it; of large images by evenly spread samples."""
    values = values[:: max(1, values.size // BACKGROUND_SAMPLES)]
    level = float(np.median(values))
    spread = SIGMA_PER_MAD * float(np.median(np.abs(values - level)))
    if spread == 0.0:  # more than half is empty: the rest of the lower 99 % says how noisy it is
        low = values[values <= np.quantile(values, 0.99)]
        spread = float(np.sqrt(np.mean((low - level) ** 2)))
    return level, spread


def _maxima(
    smooth: Values, outside: Where, least: float, fwhm_mm: float, spacing_mm: tuple[float, float, float]
) -> list[tuple[int, int, int]]:
    """Voxels outside lungs and liver that are the highest within half the resolution, the highest first.

    All of the image is compared: what only rises towards the liver is its own edge and no focus.
    """
    places = np.argwhere(outside & (smooth > max(least, 0.0)))
    values = smooth[tuple(places.T)]
    highest = np.ones(len(places), bool)
    reach = [max(1, round(0.5 * fwhm_mm / spacing)) for spacing in spacing_mm]
    last = np.array(smooth.shape) - 1
    for offset in np.ndindex(*(2 * n + 1 for n in reach)):
        beside = np.clip(places + np.array(offset) - reach, 0, last)
        highest &= values >= smooth[tuple(beside.T)]
    order = np.argsort(-values[highest], kind="stable")
    return [(int(z), int(y), int(x)) for z, y, x in places[highest][order]]


def _focus(counts: CountMap | ActivityMap, seen: _Neighbourhood, core: Where, fwhm_mm: float) -> Focus:
    """What a focus holds, and how it stands against what is around it outside lungs, liver and other foci."""
    values = counts.array[seen.box]
    mask = Mask(core.astype(np.float32), seen.grid)
    near, far = (within_reach(mask, reach * fwhm_mm).array > 0 for reach in SURROUNDINGS_FWHM)
    around = far & ~near & seen.free & ~seen.whole
    inside = float(values[core].mean(dtype=np.float64))
    beside = float(values[around].mean(dtype=np.float64)) if around.any() else 0.0
    x, y, z = seen.grid.index_to_lps(seen.peak).tolist()
    return Focus(
        mask,
        (x, y, z),
        mask.volume_ml,
        float(values[seen.whole].sum(dtype=np.float64)) / counts.total,
        inside / beside if beside > 0 else None,
    )


def _named(focus: Focus, regions: Regions, box: Box) -> Focus:
    """The focus with the drawn organs that hold it."""
    organs = []
    for region in regions.drawn:
        role = "thyroid" if is_thyroid(region.name) else region.role.value
        if region.role not in (*ORGANS, Role.OTHER):
            continue
        inside = float((region.mask.array[box] * focus.core.array).sum(dtype=np.float64))
        if inside >= LEAST_IN_ORGAN * focus.core.total:
            organs.append((region.name, role))
    return replace(focus, organs=tuple(organs))


def is_thyroid(name: str) -> bool:
    """Return whether a region is called thyroid, in any of the languages that regions are named in.

    Examples
    --------
    >>> is_thyroid("Thyroid"), is_thyroid("Schilddrüse"), is_thyroid("Stomach")
    (True, True, False)
    """
    words = normalised_name(name).split()
    return any(word in THYROID for word in words)
