"""Compiled direct sum of one strip of output: a few slices and rows, all columns.

A strip of source reaches half a kernel beyond its output. It is worked off in tiles of LANES columns, arranged [row,
slice, column], so that a filter along the slices reads neighbouring cache lines. For each in-row offset dx the pair sum
of columns -dx and +dx is formed once for the tile and its halo; then BLOCK slices of output at a time stay in registers
while all filters along the slices are added to them, one for each dx and row offset dy. What no activity reaches is
skipped block by block and keeps the zero that the output came with.

Compiled code is cached by the date of this file: after an edit of ``_vector_loops.py``, touch this one too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit
from y90voxel.dose.convolution._vector_loops import (
    BLOCK,
    LANES,
    SLICES_AT_ONCE,
    VECTOR,
    pair_in_rows,
    sum_filters,
)

__all__ = ["fold_strip"]


@njit(cache=True, nogil=True)
def _span(marks, depth):  # type: ignore[no-untyped-def]
    """Return the first and last (exclusive) slice, multiples of SLICES_AT_ONCE, that hold all marks; there are some."""
    first, last = 0, (depth + SLICES_AT_ONCE - 1) // SLICES_AT_ONCE * SLICES_AT_ONCE
    while marks & _slices(first, first + SLICES_AT_ONCE, depth) == 0:
        first += SLICES_AT_ONCE
    while marks & _slices(last - SLICES_AT_ONCE, last, depth) == 0:
        last -= SLICES_AT_ONCE
    return first, last


@njit(cache=True, nogil=True)
def _find_active(active, x, half, wide):  # type: ignore[no-untyped-def]
    """Mark in ``wide[y]`` the slices of row y of source that matter to a tile at output column x; return all of them."""
    first, last = x // 8, (x + LANES + 2 * half[2] + 7) // 8
    some = np.uint64(0)
    for y in range(wide.size):
        mask = np.uint64(0)
        for octet in range(first, last):
            mask |= active[y, octet]
        wide[y] = mask
        some |= mask
    return some


@njit(cache=True, nogil=True)
def _find_near(wide, half_y, reach, near):  # type: ignore[no-untyped-def]
    """Mark in ``near[y]`` the slices of all rows of source within ``reach`` of row y of output."""
    for y in range(near.size):
        mask = np.uint64(0)
        for other in range(y + half_y - reach, y + half_y + reach + 1):
            mask |= wide[other]
        near[y] = mask


@njit(cache=True, nogil=True)
def _slices(first, last, depth):  # type: ignore[no-untyped-def]
    """Return the bits of slices ``first`` to ``last`` of a strip; those beyond it mean nothing."""
    coarse, one = np.uint64(depth > 64), np.uint64(1)
    low, high = np.uint64(first) >> coarse, np.uint64(last - 1) >> coarse
    return ((one << (high - low + one)) - one) << low


@njit(cache=True, nogil=True)
def _window(z, half_z, reach, depth):  # type: ignore[no-untyped-def]
    """Return the bits of the slices of source within ``reach`` of BLOCK slices of output from z on."""
    return _slices(z + half_z - reach, z + half_z + reach + BLOCK, depth)


@njit(cache=True, nogil=True)
def _list_filters(reach, length, half, spaced, volume, slots, number, filters):  # type: ignore[no-untyped-def]
    """List what ``sum_filters`` needs of every (dx, dy); group g of ``slots`` dx has ``number[g]`` to ``number[g + 1]``."""
    entry = 0
    row = spaced * LANES
    for first in range(0, reach.shape[0], slots):
        number[first // slots] = entry
        last = min(first + slots, reach.shape[0])
        # Ordered by reach: the jump to the variant for each is then foreseen by the processor.
        for longest in range(reach[first:last].max(), -1, -1):
            for dx in range(first, last):
                for dy in range(reach.shape[1]):
                    if reach[dx, dy] == longest:
                        base = (dx - first) * volume + half[1] * row + (half[0] - longest) * LANES
                        filters[4 * entry] = base - dy * row
                        filters[4 * entry + 1] = base + dy * row
                        filters[4 * entry + 2] = longest
                        filters[4 * entry + 3] = (dx * reach.shape[1] + dy) * length
                        entry += 1
    number[(reach.shape[0] + slots - 1) // slots] = entry


@njit(cache=True, nogil=True)
def _pair_tile(strip, x, half, depth, first, last, wide, pairs):  # type: ignore[no-untyped-def]
    """Form the pair sums of a tile for dx from ``first`` to ``last``, which fill the slots from the first on."""
    height, spaced, width = strip.shape
    flat_strip, flat_pairs = strip.reshape(-1), pairs.reshape(-1)
    volume, row = pairs.shape[1] * spaced * LANES, spaced * LANES
    for y in range(height):
        for dx in range(first, last):
            at = (dx - first) * volume + y * row
            start, stop = _span(wide[y], depth) if wide[y] != 0 else (depth, depth)
            if first == 0:  # stays zero for what follows in its slot
                flat_pairs[at : at + start * LANES] = 0
                flat_pairs[at + stop * LANES : at + depth * LANES] = 0
            if stop > start:
                centre = (y * spaced + start) * width + x + half[2]
                lines, to = stop - start, at + start * LANES
                pair_in_rows(flat_strip, centre - dx, centre + dx, width, lines, flat_pairs, to)


@njit(cache=True, nogil=True)
def _put_block(sums, y, z, x, out):  # type: ignore[no-untyped-def]
    """Copy what of a block lies inside the output."""
    columns = min(LANES, out.shape[2] - x)
    for b in range(min(BLOCK, out.shape[0] - z)):
        target, source = out[z + b, y, x : x + columns], sums[y, z + b]
        for i in range(columns):
            target[i] = source[i]


@njit(cache=True, nogil=True)
def _fold_tile(  # type: ignore[no-untyped-def]
    strip, x, half, depth, reach, taps, filters, number, wide, near, pairs, sums, out
):
    """Put the direct sum of the tile that begins at output column x into ``out``."""
    slots, spaced = pairs.shape[0], strip.shape[1]
    rows, slices, offsets = sums.shape[0], sums.shape[1], reach.shape[0]
    flat_pairs, flat_sums, flat_taps = pairs.reshape(-1), sums.reshape(-1), taps.reshape(-1)
    zeros = np.zeros(VECTOR, np.float32)
    step_z, step_y = out.strides[0] // 4, out.strides[1] // 4
    whole = x + LANES <= out.shape[2]
    for first in range(0, offsets, slots):
        last = min(first + slots, offsets)
        _pair_tile(strip, x, half, depth, first, last, wide, pairs)
        start, stop = number[first // slots], number[first // slots + 1]
        for z in range(0, slices, BLOCK):
            window = _window(z, half[0], half[0], depth)
            inside = whole and last == offsets and z + BLOCK <= out.shape[0]
            for y in range(rows):
                if near[y] & window == 0:
                    continue
                for lane in range(0, LANES, VECTOR):
                    at = (y * spaced + z) * LANES + lane
                    place = (y * slices + z) * LANES + lane
                    before, begin, stride = (zeros, 0, 0) if first == 0 else (flat_sums, place, LANES)
                    if inside:
                        into = z * step_z + y * step_y + x + lane
                        sum_filters(
                            before, begin, stride, out, into, step_z, flat_pairs, at, filters, start, stop, flat_taps,
                        )  # fmt: skip
                    else:
                        sum_filters(
                            before, begin, stride, flat_sums, place, LANES, flat_pairs, at, filters, start, stop,
                            flat_taps,
                        )  # fmt: skip
                if last == offsets and not inside:
                    _put_block(sums, y, z, x, out)


@njit(cache=True, nogil=True)
def fold_strip(
    strip: NDArray[Any], active: NDArray[Any], depth: int, half: tuple[int, int, int], reach: NDArray[Any],
    taps: NDArray[Any], filters: NDArray[Any], number: NDArray[Any], wide: NDArray[Any], near: NDArray[Any],
    pairs: NDArray[Any], sums: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Fill a strip of output with the direct sum.

    Parameters
    ----------
    strip : ndarray of float32, (rows + 2 half_y, at least depth, at least columns + 2 half_x)
        Source with its halo.
    active : ndarray of uint64, (rows + 2 half_y, columns / 8)
        As ``load_strip`` leaves it.
    depth : int
        Slices of the strip: slices + 2 half_z.
    half : tuple of int, (3,)
        Half lengths of the kernel along slice, row, column.
    reach : ndarray of int, (dx, dy)
        Half length of the filter along the slices; -1 where all taps are zero.
    taps : ndarray of float32, (dx, dy, half_z + 1)
        Octant of the kernel, halved for each of dx and dy that is zero: such a value is added to itself.
    filters, number, wide, near : ndarray of int64 (4 dx dy,), (dx + 1,) and uint64 (rows of the strip,), (rows,)
        Scratch.
    pairs, sums : ndarray of float32, (dx at a time, rows and slices of the strip, LANES), (rows, slices, LANES)
        Scratch; slices a multiple of BLOCK.
    out : ndarray of float32, (slices, rows, columns) at most
        Output, zeros; what is not reached is not touched.
    """
    volume = pairs.shape[1] * strip.shape[1] * LANES
    _list_filters(reach, taps.shape[2], half, strip.shape[1], volume, pairs.shape[0], number, filters)
    for x in range(0, out.shape[2], LANES):
        if _find_active(active, x, half, wide) != 0:
            _find_near(wide, half[1], half[1], near)
            _fold_tile(strip, x, half, depth, reach, taps, filters, number, wide, near, pairs, sums, out)
