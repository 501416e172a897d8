"""Compiled loop that weighs a region on the voxels of a CT. Arrays and scalars in, ``occupancy`` overwritten."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def _is_inner(occupancy: Array, z: int, y: int, x: int, whole: float) -> bool:
    """Whether a voxel lies wholly inside a region, and something of each neighbour in its slice too."""
    if occupancy[z, y, x] <= whole:
        return False
    if (y > 0 and occupancy[z, y - 1, x] <= 0) or (x > 0 and occupancy[z, y, x - 1] <= 0):
        return False
    return not (
        (y + 1 < occupancy.shape[1] and occupancy[z, y + 1, x] <= 0)
        or (x + 1 < occupancy.shape[2] and occupancy[z, y, x + 1] <= 0)
    )


@njit(cache=True, nogil=True)
def _inner_means(occupancy: Array, image: Array, table: Array | None, whole: float) -> Array:
    """Return the mean density of the inner voxels of each slice, of all where a slice has none; 0 without any."""
    sums, counts = np.zeros(occupancy.shape[0]), np.zeros(occupancy.shape[0])
    for z in range(occupancy.shape[0]):
        for y in range(occupancy.shape[1]):
            for x in range(occupancy.shape[2]):
                if _is_inner(occupancy, z, y, x, whole):
                    sums[z] += image[z, y, x] if table is None else table[np.uint16(image[z, y, x])]
                    counts[z] += 1.0
    total = sums.sum() / max(counts.sum(), 1.0)
    for z in range(occupancy.shape[0]):
        sums[z] = sums[z] / counts[z] if counts[z] > 0 else total
    return sums


@njit(cache=True, nogil=True)
def weigh(
    occupancy: Array,
    image: Array,
    table: Array | None,
    whole: float,
    border: float,
    uniform: bool,
) -> tuple[float, float, int, int]:
    """Multiply occupancy by density in place; return the sums of both, and how many voxels are inside and dense.

    In place, for a region on a CT is the largest array of a run but for the CT itself. What is occupied stays above zero.

    Parameters
    ----------
    occupancy : (slices, rows, columns), mass over the volume of a voxel when done.
    image : of that shape: densities, or with a table CT numbers as int16.
    table : (65536,), the density of each CT number, in the order of their bits as uint16; None without.
    whole : occupancy above which a voxel lies wholly inside.
    border : density above which such voxels are counted apart.
    uniform : whether voxels that are not inner ones get the mean density of the inner ones in their slice.
    """
    means = np.zeros(occupancy.shape[0])
    if uniform:
        means = _inner_means(occupancy, image, table, whole)
    filled, weight, within, dense = 0.0, 0.0, 0, 0
    for z in range(occupancy.shape[0]):
        for y in range(occupancy.shape[1]):
            for x in range(occupancy.shape[2]):
                share = occupancy[z, y, x]
                if share <= 0:
                    continue
                density = image[z, y, x] if table is None else table[np.uint16(image[z, y, x])]
                if share > whole:
                    within += 1
                    dense += density > border
                if means[z] > 0 and not _is_inner(occupancy, z, y, x, whole):
                    density = occupancy.dtype.type(means[z])
                occupancy[z, y, x] = share * density
                filled += share
                weight += occupancy[z, y, x]
    return filled, weight, within, dense
