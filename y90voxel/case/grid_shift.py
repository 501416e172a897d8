"""What a dose grid of other voxels than the image's does to the activity of small regions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from y90voxel.case.case import Case
from y90voxel.errors import Notice
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Volume

__all__ = ["GREATEST_SHIFT", "activity_shifts", "grid_shift_notices"]

# Share of a region's activity that may cross its outline where the image is brought onto the dose grid: the accuracy that
# means of liver and tumours are held to (tests/case/test_grid_shift.py).
GREATEST_SHIFT = 0.01
_ROLES = frozenset((Role.TUMOUR, Role.LIVER, Role.NON_TUMOUR_LIVER, Role.TUMOURS))


def activity_shifts(case: Case, activity: Volume) -> Mapping[str, float]:
    """Return by how much of itself the activity of a region changed on its way from the image to the dose grid.

    Coarser voxels average over outlines. For local deposition the mean dose changes by exactly as much; electrons that leave
    their voxel make it less.

    Parameters
    ----------
    case : Case
        With the regions on the grid of each image.
    activity : Volume
        Activity on the dose grid [Bq per voxel].

    Returns
    -------
    mapping of str to float
        Change of the activity of tumours and liver by name, as a share; empty where image and dose share a grid, and where
        several images add up.
    """
    if len(case.injections) != 1:
        return {}
    (injection,) = case.injections
    image, drawn = injection.emission.volume, injection.regions
    if drawn is None or image.grid.is_same_as(activity.grid):
        return {}
    before, after = _shares(image, drawn), _shares(activity, case.regions)
    return {name: after[name] / share - 1.0 for name, share in before.items() if share > 0 and name in after}


def grid_shift_notices(case: Case, activity: Volume) -> list[Notice]:
    """Return what has to be said of regions whose activity the dose grid changes by more than `GREATEST_SHIFT`.

    Parameters
    ----------
    case, activity
        As in `activity_shifts`.
    """
    shifts = {n: s for n, s in activity_shifts(case, activity).items() if abs(s) > GREATEST_SHIFT}
    if not shifts:
        return []
    listed = ", ".join(f"{name} {100 * share:+.1f} %" for name, share in shifts.items())
    sizes = [
        " × ".join(f"{mm:.3g}" for mm in grid.spacing_mm)
        for grid in (case.injections[0].emission.volume.grid, activity.grid)
    ]
    text = (
        f"the image has voxels of {sizes[0]} mm, the dose grid of {sizes[1]} mm: averaging over outlines changes the activity of "
        f"{listed}, and mean doses by about as much. A grid as fine as the image (grid = 'emission') or finer changes less."
    )
    return [Notice("grid-moves-activity", text)]


def _shares(volume: Volume, regions: Regions) -> dict[str, float]:
    """The share of a map that lies in each tumour and in the liver."""
    total = float(volume.array.sum(dtype=np.float64))
    return {
        region.name: float(np.vdot(region.mask.array.astype(np.float64), volume.array)) / total
        for region in regions
        if region.role in _ROLES and total > 0
    }
