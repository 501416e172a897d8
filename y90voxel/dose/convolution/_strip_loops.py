"""Compiled copy of a part of an image with its halo, and the marks of what is active in it.

Compiled code is cached by the date of this file: after an edit of ``_vector_loops.py``, touch this one too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit
from y90voxel.dose.convolution._vector_loops import SLICES_AT_ONCE, copy_row

__all__ = ["load_strip"]


@njit(cache=True, nogil=True)
def load_strip(
    activity: NDArray[Any], bounds: tuple[int, int, int, int, int, int], z0: int, y0: int, x0: int, depth: int,
    strip: NDArray[Any], bits: NDArray[Any], active: NDArray[Any],
) -> bool:  # fmt: skip
    """Copy the part of ``activity`` that begins at (z0, y0, x0); zeros beyond ``bounds`` and from slice ``depth`` on.

    ``bounds`` are the first and last (exclusive) slice, row and column that are looked at. ``strip[y, z]`` is a row of
    columns, a multiple of 16. Bit i of ``bits[y, z, x]`` (uint16; rows may be longer) is set where column 16 x + i is
    not zero; bit z of ``active[y, x]`` (uint64) where any of the 8 columns from 8 x on is (the same for slices 2 z and
    2 z + 1 of a strip deeper than 64). Returns whether anything is.

    Slices of a row before the SLICES_AT_ONCE that hold its first active one are left as they are: nobody reads them.
    """
    first_z, last_z, first_y, last_y, first_x, last_x = bounds
    ny, nx = activity.shape[1], activity.shape[2]
    sy, sz, sx = strip.shape
    groups, words, some = sx // 16, bits.shape[2], False
    flat, flat_strip, flat_bits, octets = (
        activity.reshape(-1), strip.reshape(-1), bits.reshape(-1), bits.view(np.uint8),
    )  # fmt: skip
    active[:] = 0
    bits[:] = 0
    begun = np.zeros(sy, np.bool_)
    for z in range(sz):
        inside = z < depth and first_z <= z0 + z < last_z
        for y in range(sy):
            if inside and first_y <= y0 + y < last_y:
                at, line = ((z0 + z) * ny + y0 + y) * nx + x0, y * sz + z
                copy_row(
                    flat, at, first_x - x0, last_x - x0, flat_strip, line * sx, flat_bits, line * words, groups,
                )  # fmt: skip
            elif begun[y]:
                strip[y, z] = 0
        if not inside:
            continue
        # Apart from the loop above: reading a mark just written would wait for the whole row to reach the cache.
        bit = np.uint64(z if depth <= 64 else z // 2)
        for y in range(sy):
            marks, together = bits[y, z], np.uint16(0)
            for x in range(groups):
                together |= marks[x]
            if together == 0:
                continue
            if not begun[y]:
                begun[y] = some = True
                strip[y, z // SLICES_AT_ONCE * SLICES_AT_ONCE : z] = 0
            near, of_row = active[y], octets[y, z]
            for x in range(near.size):
                near[x] |= np.uint64(of_row[x] != 0) << bit
    return some
