"""Compiled loops that find what lies near a region. Arrays in, ``out`` filled."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from y90voxel.compiled import njit

Array = NDArray[Any]

# Distance in columns to nothing at all: further than any reach, and no overflow when one is added.
_NOWHERE = 1 << 30


@njit(cache=True, nogil=True)
def mark_within_reach(solid: Array, reach: Array, away: Array, out: Array) -> None:
    """Set ``out`` where a solid voxel lies within reach.

    Parameters
    ----------
    solid : (slices, rows, columns) of bool.
    reach : (slices away, rows away): columns that a solid voxel may be away then, -1 where it may not be.
    away : work space of the shape of solid.
    out : (slices, rows, columns) of bool, False.
    """
    slices, rows, columns = solid.shape
    for z in range(slices):
        for y in range(rows):
            steps = _NOWHERE
            for x in range(columns):
                steps = 0 if solid[z, y, x] else steps + 1
                away[z, y, x] = steps
            steps = _NOWHERE
            for x in range(columns - 1, -1, -1):
                steps = 0 if solid[z, y, x] else steps + 1
                away[z, y, x] = min(away[z, y, x], steps)
    for z in range(slices):
        for y in range(rows):
            out_row = out[z, y]
            for other_z in range(max(z - reach.shape[0] + 1, 0), min(z + reach.shape[0], slices)):
                for other_y in range(max(y - reach.shape[1] + 1, 0), min(y + reach.shape[1], rows)):
                    columns_away = reach[abs(other_z - z), abs(other_y - y)]
                    if columns_away >= 0:
                        row = away[other_z, other_y]
                        for x in range(columns):
                            out_row[x] |= row[x] <= columns_away
