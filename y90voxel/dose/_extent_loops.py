"""Compiled scan of an activity array: where it is non-zero, and whether it is finite and non-negative."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["join_extents", "scan_slices"]

# Rows looked at together first; while one may hold something they stay in the fastest cache.
ROWS_AT_ONCE = 16


@njit(cache=True, nogil=True)
def scan_slices(
    activity: NDArray[Any], masks: NDArray[Any], first: int, last: int, extent: NDArray[Any]
) -> None:
    """Scan slices ``first`` to ``last`` of floating-point numbers by their bits.

    Bits of magnitudes are ordered as the magnitudes are, with infinity and NaN above the largest number: the
    maximum of a column tells whether it is empty and whether it is finite, at the speed of memory. ``masks`` has the
    type of the bits and holds what is left of them without the sign, and those of the largest number.

    ``found[0:6] = z0, z1, y0, y1, x0, x1`` bounds the non-zero voxels, half open (none: z1 = 0);
    ``found[6:9]`` counts non-zero, negative and non-finite voxels.
    """
    bits, magnitude, largest = activity.view(masks.dtype), masks[0], masks[1]
    ny, nx = bits.shape[1], bits.shape[2]
    none = magnitude & ~magnitude
    z0, z1, y0, y1 = bits.shape[0], 0, ny, 0
    negative, broken = 0, 0
    # The largest magnitude of every column and how many of it are not zero: nothing is searched or added up along a row.
    largest_in, active_in = np.zeros(nx, bits.dtype), np.zeros(nx, bits.dtype)
    for z in range(first, last):
        for y in range(ny):
            if y % ROWS_AT_ONCE == 0:
                few, anything = bits[z, y : y + ROWS_AT_ONCE].reshape(-1), none
                for i in range(few.size):
                    anything |= few[i]
            if anything & magnitude == 0:
                continue
            row, together = bits[z, y], none
            for x in range(nx):
                together |= row[x]
                largest_in[x] = max(largest_in[x], row[x] & magnitude)
                active_in[x] += (row[x] & magnitude) != 0
            if together & magnitude == 0:
                continue
            z0, z1, y0, y1 = min(z0, z), z + 1, min(y0, y), max(y1, y + 1)
            if together > magnitude:
                for x in range(nx):
                    negative += row[x] > magnitude and (row[x] & magnitude) != 0
    x0, x1, nonzero, finite = nx, 0, 0, True
    for x in range(nx):
        if largest_in[x] != 0:
            x0, x1 = min(x0, x), x + 1
            nonzero += active_in[x]
            finite &= largest_in[x] <= largest
    if not finite:
        for z in range(first, last):
            some = bits[z].reshape(-1)
            for i in range(some.size):
                broken += (some[i] & magnitude) > largest
    extent[0], extent[1], extent[2], extent[3], extent[4], extent[5] = z0, z1, y0, y1, x0, x1
    extent[6], extent[7], extent[8] = nonzero, negative, broken


@njit(cache=True, nogil=True)
def join_extents(extents: NDArray[Any]) -> tuple[int, ...]:
    """Return what ``scan_slices`` has found in several parts (part, 9) as of the whole."""
    z0, z1, y0, y1, x0, x1, nonzero, negative, broken = extents[0]
    for part in range(1, extents.shape[0]):
        z0, z1 = min(z0, extents[part, 0]), max(z1, extents[part, 1])
        y0, y1 = min(y0, extents[part, 2]), max(y1, extents[part, 3])
        x0, x1 = min(x0, extents[part, 4]), max(x1, extents[part, 5])
        nonzero, negative, broken = (
            nonzero + extents[part, 6],
            negative + extents[part, 7],
            broken + extents[part, 8],
        )
    return z0, z1, y0, y1, x0, x1, nonzero, negative, broken
