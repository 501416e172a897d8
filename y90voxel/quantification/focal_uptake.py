"""Foci of uptake outside lungs and liver: what may be an embolised stomach, duodenum or gallbladder, or free pertechnetate.

The image is smoothed by its own resolution. A focus begins at a local maximum further than 2 FWHM from lungs and liver that
stands out of the patient's background; its core is connected and above half of it, its counts are those above a tenth. It counts
when it holds more than 1 % of all counts, or when its core has more than three times the mean of its surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.quantification.lung_measures import within_reach
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import ORGANS, Role, normalised_name
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = ["Focus", "find_foci", "is_thyroid"]

# A focus holds more than this share of all counts, or has more than so many times the mean of what is around it.
LEAST_SHARE = 0.01
LEAST_RATIO = 3.0
# Blur carries counts of lungs and liver so far [FWHM].
MARGIN_FWHM = 2.0
# A maximum stands out of the patient's background by so many of its standard deviations, and its core holds so much of all
# counts: noise of whole images does not (tests/quantification/test_focal_uptake.py). Of 2 GBq it is 0.4 MBq, 10 Gy in 2 mL.
LEAST_SIGMAS, LEAST_IN_CORE = 8.0, 2e-4
CORE, WHOLE = 0.5, 0.1
# Around the core, from and to [FWHM].
SURROUNDINGS_FWHM = (1.0, 3.0)
# A focus is in an organ that holds so much of its core.
LEAST_IN_ORGAN = 0.5
MOST_FOCI, MOST_MAXIMA = 20, 100
SIGMA_PER_MAD = 1.4826
FWHM_PER_SIGMA = 2.3548
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
        Where it is above half of its maximum, on the grid of the image.
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
    known = regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED, Role.LUNG)
    if known is None or regions.mask_of(Role.LIVER) is None:
        return None
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    outside = within_reach(known, MARGIN_FWHM * fwhm_mm).array < 0.5
    body = regions.mask_of(Role.BODY)
    if body is not None:
        outside &= body.array >= 0.5
    if not outside.any() or not counts.total > 0:
        return ()
    sigmas = [fwhm_mm / FWHM_PER_SIGMA / spacing for spacing in counts.grid.spacing_mm]
    smooth = gaussian_filter(np.asarray(counts.array, np.float32), sigmas, mode="nearest")
    level, noise = _background(smooth[outside])
    found: list[Focus] = []
    taken = np.zeros(outside.shape, bool)
    peaks = _maxima(smooth, outside, level + LEAST_SIGMAS * noise, fwhm_mm, counts.grid.spacing_mm)
    for peak in peaks[:MOST_MAXIMA]:
        if taken[peak]:
            continue
        free = outside & ~taken
        height = float(smooth[peak]) - level
        whole = _connected(smooth, free, peak, level + WHOLE * height)
        taken |= whole
        core = Mask(_connected(smooth, whole, peak, level + CORE * height).astype(np.float32), counts.grid)
        if float(counts.array[core.array > 0].sum(dtype=np.float64)) < LEAST_IN_CORE * counts.total:
            continue
        focus = _focus(counts, core, whole, _surroundings(core, free & ~whole, fwhm_mm), peak)
        if focus.share > LEAST_SHARE or focus.ratio is None or focus.ratio > LEAST_RATIO:
            found.append(_named(focus, regions))
        if len(found) == MOST_FOCI:
            break
    return tuple(sorted(found, key=lambda focus: -focus.share))


def _background(values: Values) -> tuple[float, float]:
    """Median and spread of the patient's background, whatever stands out of it."""
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
    # deferred: 0.2 s
    from scipy.ndimage import maximum_filter

    if not (smooth[outside] > least).any():
        return []
    size = [2 * max(1, round(0.5 * fwhm_mm / spacing)) + 1 for spacing in spacing_mm]
    highest = (smooth == maximum_filter(smooth, size)) & outside & (smooth > least) & (smooth > 0)
    places = np.argwhere(highest)
    order = np.argsort(-smooth[highest], kind="stable")
    return [(int(z), int(y), int(x)) for z, y, x in places[order]]


def _connected(smooth: Values, free: Where, peak: tuple[int, int, int], least: float) -> Where:
    """The part of what is free and above a level that hangs together with the peak."""
    # deferred: 0.2 s
    from scipy.ndimage import label

    parts, _ = label(free & (smooth >= least))
    return np.asarray(parts == parts[peak])


def _surroundings(core: Mask, free: Where, fwhm_mm: float) -> Where:
    """What lies around a core outside lungs, liver and other foci."""
    near, far = (within_reach(core, reach * fwhm_mm).array > 0 for reach in SURROUNDINGS_FWHM)
    return np.asarray(far & ~near & free)


def _focus(
    counts: CountMap | ActivityMap, core: Mask, whole: Where, around: Where, peak: tuple[int, int, int]
) -> Focus:
    """What a focus holds, and how it stands against its surroundings."""
    inside = float(counts.array[core.array > 0].mean(dtype=np.float64))
    beside = float(counts.array[around].mean(dtype=np.float64)) if around.any() else 0.0
    x, y, z = counts.grid.index_to_lps(peak).tolist()
    return Focus(
        core,
        (x, y, z),
        core.volume_ml,
        float(counts.array[whole].sum(dtype=np.float64)) / counts.total,
        inside / beside if beside > 0 else None,
    )


def _named(focus: Focus, regions: Regions) -> Focus:
    """The focus with the drawn organs that hold it."""
    held = []
    for region in regions.drawn:
        role = "thyroid" if is_thyroid(region.name) else region.role.value
        if region.role not in (*ORGANS, Role.OTHER):
            continue
        inside = float((region.mask.array * focus.core.array).sum(dtype=np.float64))
        if inside >= LEAST_IN_ORGAN * focus.core.total:
            held.append((region.name, role))
    return Focus(focus.core, focus.centre_mm, focus.volume_ml, focus.share, focus.ratio, tuple(held))


def is_thyroid(name: str) -> bool:
    """Return whether a region is called thyroid, in any of the languages that regions are named in.

    Examples
    --------
    >>> is_thyroid("Thyroid"), is_thyroid("Schilddrüse"), is_thyroid("Stomach")
    (True, True, False)
    """
    words = normalised_name(name).split()
    return any(word in THYROID for word in words)
