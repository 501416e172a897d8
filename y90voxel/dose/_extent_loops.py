"""Compiled scan of an activity array: where it is non-zero, and whether it is finite and non-negative."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["scan_slices"]

# Rows looked at together first; while one may hold something they stay in the fastest cache.
ROWS_AT_ONCE = 16


@njit(cache=True, nogil=True)
def scan_slices(
    bits: NDArray[Any], magnitude: int, largest: int, first: int, last: int, found: NDArray[Any]
) -> None:
    """Scan slices ``first`` to ``last`` of floating-point numbers given as their bits.

    Bits of magnitudes are ordered as the magnitudes are, with infinity and NaN above ``largest``: one maximum over a
    row tells whether it is empty and whether it is finite, at the speed of memory. ``magnitude`` masks the sign.

    ``found[0:6] = z0, z1, y0, y1, x0, x1`` bounds the non-zero voxels, half open (none: z1 = 0);
    ``found[6:9]`` counts non-zero, negative and non-finite voxels.
    """
    ny, nx = bits.shape[1], bits.shape[2]
    none = magnitude & ~magnitude
    z0, z1, y0, y1, x0, x1 = bits.shape[0], 0, ny, 0, nx, 0
    nonzero, negative, broken = 0, 0, 0
    for z in range(first, last):
        for y in range(ny):
            if y % ROWS_AT_ONCE == 0:
                few, anything = bits[z, y : y + ROWS_AT_ONCE].reshape(-1), none
                for i in range(few.size):
                    anything |= few[i]
            if anything & magnitude == 0:
                continue
            row = bits[z, y]
            highest, together, in_row = none, none, 0
            for x in range(nx):
                highest = max(highest, row[x] & magnitude)
                together |= row[x]
                in_row += (row[x] & magnitude) != 0
            if in_row == 0:
                continue
            nonzero += in_row
            z0, z1, y0, y1 = min(z0, z), z + 1, min(y0, y), max(y1, y + 1)
            if together > magnitude:
                for x in range(nx):
                    negative += row[x] > magnitude and (row[x] & magnitude) != 0
            if highest > largest:
                for x in range(nx):
                    broken += (row[x] & magnitude) > largest
            x = 0
            while x < x0 and (row[x] & magnitude) == 0:
                x += 1
            x0 = min(x0, x)
            x = nx
            while x > x1 and (row[x - 1] & magnitude) == 0:
                x -= 1
            x1 = max(x1, x)
    found[0], found[1], found[2], found[3], found[4], found[5] = z0, z1, y0, y1, x0, x1
    found[6], found[7], found[8] = nonzero, negative, broken
