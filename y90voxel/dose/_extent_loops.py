"""Compiled scan of an activity array: where it is non-zero, and whether it is finite and non-negative."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

__all__ = ["scan_slices"]


@njit(cache=True, nogil=True)
def scan_slices(
    values: NDArray[Any], largest: float, first: int, last: int, extents: NDArray[Any], counts: NDArray[Any]
) -> None:
    """Scan slices ``first`` to ``last`` of a C-contiguous array.

    ``extents[z] = y0, y1, x0, x1`` bounds the non-zero voxels of a slice, half open (empty: y1 = 0).
    ``counts[z]`` receives non-zero, negative and non-finite voxels.
    """
    ny, nx = values.shape[1], values.shape[2]
    for z in range(first, last):
        y0, y1, x0, x1 = ny, 0, nx, 0
        nonzero, negative, broken = 0, 0, 0
        # One cheap reduction; a slice or row is touched again only if something is there. NaN is not <= 0.
        plane = values[z].reshape(-1)
        anything = False
        for i in range(plane.size):
            anything |= not (abs(plane[i]) <= 0)
        for y in range(ny if anything else 0):
            row = values[z, y]
            here = False
            for x in range(nx):
                here |= not (abs(row[x]) <= 0)
            if not here:
                continue
            y0, y1 = min(y0, y), y + 1
            for x in range(nx):
                nonzero += row[x] != 0
                negative += row[x] < 0
                broken += not (abs(row[x]) <= largest)
            x = 0
            while x < x0 and row[x] == 0:
                x += 1
            x0 = min(x0, x)
            x = nx
            while x > x1 and row[x - 1] == 0:
                x -= 1
            x1 = max(x1, x)
        extents[z, 0], extents[z, 1], extents[z, 2], extents[z, 3] = y0, y1, x0, x1
        counts[z, 0], counts[z, 1], counts[z, 2] = nonzero, negative, broken
