"""Compiled dilation: which voxels a kernel can reach from the active ones, as bits along a row.

A dose that an FFT or a low-rank sum leaves where no source voxel reaches is rounding noise and is set to zero.
Rows are packed into 64-bit words, so that one operation settles 64 voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["dilate", "keep_reached", "pack_rows"]


@njit(cache=True, nogil=True)
def pack_rows(values: NDArray[Any], shift: int, bits: NDArray[Any]) -> None:
    """Set bit ``x + shift`` of row (z, y) where ``values[z, y, x]`` is not zero; ``bits`` starts as zeros."""
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                if values[z, y, x] != 0:
                    at = x + shift
                    bits[z, y, at >> 6] |= np.uint64(1) << np.uint64(at & 63)


@njit(cache=True, nogil=True)
def _or_shifted(source: NDArray[Any], shift: int, out: NDArray[Any]) -> None:
    """Set ``out |= source << shift`` for one row of words; bits shifted beyond the row are dropped."""
    words, within = shift >> 6, np.uint64(shift & 63)
    back = np.uint64(64) - within
    for w in range(out.size - 1, words - 1, -1):
        moved = source[w - words] << within
        if within != 0 and w - words > 0:
            moved |= source[w - words - 1] >> back
        out[w] |= moved


@njit(cache=True, nogil=True)
def dilate(bits: NDArray[Any], runs: NDArray[Any], offsets: NDArray[Any], out: NDArray[Any]) -> None:
    """OR into ``out`` the rows of ``bits`` spread along x and moved in z and y.

    ``runs[i] = first, length, start, stop``: neighbouring non-zero taps of one row, ``first`` counted from the left
    edge of the kernel, and which rows of the kernel have that run: ``offsets[start:stop] = dz, dy``. Source row
    (z, y) then reaches output row (z + dz, y + dy). Rows outside ``out`` are skipped.
    """
    nz, ny, nw = bits.shape
    spread, step, moved = np.empty(nw, np.uint64), np.empty(nw, np.uint64), np.empty(nw, np.uint64)
    for z in range(nz):
        for y in range(ny):
            row = bits[z, y]
            some = False
            for w in range(nw):
                some |= row[w] != 0
            if not some:
                continue
            for i in range(runs.shape[0]):
                # Doubling: after k steps the row is spread over 2^k voxels.
                step[:] = row
                length = 1
                while length < runs[i, 1]:
                    by = min(length, runs[i, 1] - length)
                    spread[:] = step
                    _or_shifted(spread, by, step)
                    length += by
                moved[:] = 0
                _or_shifted(step, runs[i, 0], moved)
                for j in range(runs[i, 2], runs[i, 3]):
                    tz, ty = z + offsets[j, 0], y + offsets[j, 1]
                    if 0 <= tz < out.shape[0] and 0 <= ty < out.shape[1]:
                        target = out[tz, ty]
                        for w in range(nw):
                            target[w] |= moved[w]


@njit(cache=True, nogil=True)
def keep_reached(bits: NDArray[Any], shift: int, non_negative: bool, values: NDArray[Any]) -> None:
    """Zero ``values[z, y, x]`` where bit ``x + shift`` is not set and, if asked, where it is negative."""
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            row, words = values[z, y], bits[z, y]
            for x in range(values.shape[2]):
                at = x + shift
                reached = (words[at >> 6] >> np.uint64(at & 63)) & np.uint64(1)
                if reached == 0 or (non_negative and row[x] < 0):
                    row[x] = 0
