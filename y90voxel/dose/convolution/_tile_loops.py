"""Compiled convolution of one strip of output: a few slices and rows, all columns.

A strip of source reaches half a kernel beyond its output. It is worked off in tiles of LANES columns, arranged [row,
slice, column], so that a filter along the slices reads neighbouring cache lines. Direct form: for each in-row offset
dx the pair sum of columns -dx and +dx is formed once for the tile and its halo; then BLOCK slices of output at a time
stay in registers while all filters along the slices are added to them, one for each dx and row offset dy. Low-rank
form: a few symmetric filters along columns, rows and slices, plus the direct form for the steep core of the kernel.

What no activity reaches is skipped block by block: it keeps the zero that the output came with, or is set to zero
if something was there before.

Compiled code is cached by the date of this file: after an edit of ``_vector_loops.py``, ``_bit_loops.py`` or
``_fetch_loops.py``, touch this one too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit
from y90voxel.dose.convolution._bit_loops import keep_lanes, mark_reached
from y90voxel.dose.convolution._fetch_loops import fetch
from y90voxel.dose.convolution._vector_loops import (
    BLOCK,
    LANES,
    SLICES_AT_ONCE,
    VECTOR,
    filter_columns,
    pair_in_rows,
    sum_filters,
    weigh_rows,
    zero_rows,
)

__all__ = ["clear_strip", "fold_strip", "mask_strip", "separate_strip"]


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
def _pair_tile(strip, x, half, beyond, depth, first, last, wide, pairs):  # type: ignore[no-untyped-def]
    """Form the pair sums of a tile for dx from ``first`` to ``last``, which fill the slots from the first on.

    ``beyond``: rows at either end that no filter reaches.
    """
    height, spaced, width = strip.shape
    flat_strip, flat_pairs = strip.reshape(-1), pairs.reshape(-1)
    volume, row = pairs.shape[1] * spaced * LANES, spaced * LANES
    for y in range(beyond, height - beyond):
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
def _block(z, y, x, corner):  # type: ignore[no-untyped-def]
    """Return the index, in the account of a whole output, of the block at a slice, row and column of a strip."""
    return corner[0] + z // BLOCK, corner[1] + y, corner[2] + x // LANES


@njit(cache=True, nogil=True)
def _clear_block(z, y, x, out, used, corner):  # type: ignore[no-untyped-def]
    """Zero what of a block lies inside the output, if it is in use."""
    block = _block(z, y, x, corner)
    if not used[block]:
        return
    used[block] = False
    slices = min(BLOCK, out.shape[0] - z)
    if x + LANES <= out.shape[2]:
        step = out.strides[0] // 4
        zero_rows(out, z * step + y * (out.strides[1] // 4) + x, step, slices)
    else:
        out[z : z + slices, y, x:] = 0


@njit(cache=True, nogil=True)
def _clear_tile(x, out, used, corner):  # type: ignore[no-untyped-def]
    """Zero what is in use of LANES columns."""
    for z in range(0, out.shape[0], BLOCK):
        for y in range(out.shape[1]):
            _clear_block(z, y, x, out, used, corner)


@njit(cache=True, nogil=True)
def _fetch_block(out, z, y, x):  # type: ignore[no-untyped-def]
    """Bring a block of output into the caches before it is written; its rows may begin inside a cache line."""
    step = out.strides[0] // 4
    at = z * step + y * (out.strides[1] // 4) + x
    fetch(out, at, step, BLOCK)
    fetch(out, at + LANES - 1, step, BLOCK)


@njit(cache=True, nogil=True)
def _fold_tile(  # type: ignore[no-untyped-def]
    strip, x, half, depth, reach, taps, filters, number, wide, near, pairs, sums, out, used, corner, direct
):
    """Set ``sums`` to the direct sum of the tile that begins at output column x; ``direct``: put it into ``out``."""
    slots, spaced = pairs.shape[0], strip.shape[1]
    rows, slices = sums.shape[0], sums.shape[1]
    offsets, rows_reached = reach.shape[0], reach.shape[1] - 1
    flat_pairs, flat_sums, flat_taps = pairs.reshape(-1), sums.reshape(-1), taps.reshape(-1)
    zeros = np.zeros(VECTOR, np.float32)
    step_z, step_y = out.strides[0] // 4, out.strides[1] // 4
    whole = direct and x + LANES <= out.shape[2]
    for first in range(0, offsets, slots):
        last = min(first + slots, offsets)
        _pair_tile(strip, x, half, half[1] - rows_reached, depth, first, last, wide, pairs)
        start, stop = number[first // slots], number[first // slots + 1]
        for z in range(0, slices, BLOCK):
            window = _window(z, half[0], taps.shape[2] - 1, depth)
            inside = whole and last == offsets and z + BLOCK <= out.shape[0]
            for y in range(rows):
                if direct and first == 0:
                    _fetch_block(out, z, y + 2, x)
                if near[y] & window == 0:
                    if not direct and first == 0:
                        sums[y, z : z + BLOCK] = 0
                    elif first == 0:
                        _clear_block(z, y, x, out, used, corner)
                    continue
                if direct:
                    used[_block(z, y, x, corner)] = True
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
                if direct and last == offsets and not inside:
                    _put_block(sums, y, z, x, out)


@njit(cache=True, nogil=True)
def fold_strip(
    strip: NDArray[Any], active: NDArray[Any], depth: int, half: tuple[int, int, int], reach: NDArray[Any],
    taps: NDArray[Any], filters: NDArray[Any], number: NDArray[Any], wide: NDArray[Any], near: NDArray[Any],
    pairs: NDArray[Any], sums: NDArray[Any], used: NDArray[Any], corner: tuple[int, int, int], out: NDArray[Any],
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
        Halo along slice, row, column: at least the half lengths of the kernel.
    reach : ndarray of int, (dx, dy)
        Half length of the filter along the slices; -1 where all taps are zero.
    taps : ndarray of float32, (dx, dy, half_z + 1)
        Octant of the kernel, halved for each of dx and dy that is zero: such a value is added to itself.
    filters, number, wide, near : ndarray of int64 (4 dx dy,), (dx + 1,) and uint64 (rows of the strip,), (rows,)
        Scratch.
    pairs, sums : ndarray of float32, (dx at a time, rows and slices of the strip, LANES), (rows, slices, LANES)
        Scratch; slices a multiple of BLOCK.
    used, corner : ndarray of bool, (blocks along slice, row, tiles along column), and tuple of int, (3,)
        Which blocks of BLOCK slices, one row and LANES columns of a whole output may hold something, and the first of
        this strip. What is not in use and not reached keeps its zero untouched.
    out : ndarray of float32, (slices, rows, columns) at most
        Output.
    """
    volume = pairs.shape[1] * strip.shape[1] * LANES
    _list_filters(reach, taps.shape[2], half, strip.shape[1], volume, pairs.shape[0], number, filters)
    for x in range(0, out.shape[2], LANES):
        if _find_active(active, x, half, wide) != 0:
            _find_near(wide, half[1], half[1], near)
            _fold_tile(
                strip, x, half, depth, reach, taps, filters, number, wide, near, pairs, sums, out, used, corner,
                True,
            )  # fmt: skip
        else:
            _clear_tile(x, out, used, corner)


@njit(cache=True, nogil=True)
def _weigh_row(strip, y, x, half, first, last, depth, marks, along_x, images):  # type: ignore[no-untyped-def]
    """Filter row y of source along itself, for its place in the ring of ``images``; zeros where it is not active."""
    _, spaced, width = strip.shape
    terms, length = along_x.shape
    flat_images, taps = images.reshape(-1), along_x.reshape(-1)
    row, image = spaced * LANES, images.shape[1] * spaced * LANES
    start, stop = _span(marks, depth) if marks != 0 else (last, last)
    at, to = (y * spaced + start) * width + x + half[2], y % images.shape[1] * row
    for t in range(terms):
        here = t * image + to
        flat_images[here + first * LANES : here + start * LANES] = 0
        flat_images[here + stop * LANES : here + last * LANES] = 0
    lines, to = stop - start, to + start * LANES
    if terms == 4:
        weigh_rows(strip.reshape(-1), at, width, lines, taps, 0, length, flat_images, to, image, 4)
    else:
        weigh_rows(strip.reshape(-1), at, width, lines, taps, 0, length, flat_images, to, image, 6)


@njit(cache=True, nogil=True)
def _separate_rows(  # type: ignore[no-untyped-def]
    strip, x, half, depth, span, top, done, along_z, along_y, along_x, wide, near, images, filtered, sums
):
    """Add the low-rank sum of some rows of output, from ``top`` on, to ``sums``; return how far ``images`` then goes.

    ``images`` is a ring of the rows that one block of output needs, so that it stays in the caches; rows before
    ``done`` are there already. ``span`` are the slices that hold all that is active; ``filtered`` is zero elsewhere.
    """
    hz, hy, _ = half
    rows, slices = sums.shape[0], sums.shape[1]
    terms, ring, spaced, _ = images.shape
    flat_images, flat_filtered, flat_sums = images.reshape(-1), filtered.reshape(-1), sums.reshape(-1)
    taps_z, taps_y = along_z.reshape(-1), along_y.reshape(-1)
    row, image = spaced * LANES, ring * spaced * LANES
    first, last = span
    in_ring, in_slices = np.empty(ring, np.int64), np.arange(BLOCK + 2 * hz) * LANES
    for y in range(0, rows, BLOCK):
        together = np.uint64(0)
        for b in range(BLOCK):
            together |= near[y + b]
        if together == 0:
            continue
        for source in range(max(done, top + y), top + y + ring):
            _weigh_row(strip, source, x, half, first, last, depth, wide[source], along_x, images)
        done = top + y + ring
        for j in range(ring):
            in_ring[j] = (top + y + j) % ring * row
        start, stop = _span(together, depth)
        filtered[:, first:start] = 0
        filtered[:, stop:last] = 0
        for t in range(terms):
            filter_columns(
                flat_filtered, start * LANES, row, VECTOR, flat_images, t * image + start * LANES, in_ring, VECTOR,
                (stop - start) * LANES // VECTOR, taps_y, t * (hy + 1), hy, True,
            )  # fmt: skip
            for z in range(0, slices, BLOCK):
                if together & _window(z, hz, hz, depth) == 0:
                    continue
                for lane in range(0, LANES, VECTOR):
                    filter_columns(
                        flat_sums, (y * slices + z) * LANES + lane, LANES, slices * LANES, flat_filtered,
                        z * LANES + lane, in_slices, row, BLOCK, taps_z, t * (hz + 1), hz, False,
                    )  # fmt: skip
    return done


@njit(cache=True, nogil=True)
def separate_strip(
    strip: NDArray[Any], bits: NDArray[Any], active: NDArray[Any], depth: int, half: tuple[int, int, int],
    reach: NDArray[Any], taps: NDArray[Any], along_z: NDArray[Any], along_y: NDArray[Any], along_x: NDArray[Any],
    in_row: NDArray[Any], floor: float, filters: NDArray[Any], number: NDArray[Any], wide: NDArray[Any],
    near: NDArray[Any], pairs: NDArray[Any], images: NDArray[Any], filtered: NDArray[Any], sums: NDArray[Any],
    scratch: NDArray[Any], offsets: NDArray[Any], reached: NDArray[Any], used: NDArray[Any],
    corner: tuple[int, int, int], out: NDArray[Any],
) -> None:  # fmt: skip
    """Fill a strip of output with a low-rank sum plus a direct sum for the core of the kernel.

    Parameters
    ----------
    strip, active, depth, half, filters, number, wide, near, pairs, sums, used, corner, out
        As in ``fold_strip``; rows are a multiple of BLOCK, slices of the strip of 4, its columns of 64.
    bits : ndarray of uint16, (rows + 2 half_y, at least depth, columns / 16)
        As ``load_strip`` leaves it.
    reach, taps : ndarray
        The core, as in ``fold_strip``.
    along_z, along_y, along_x : ndarray of float32, (4 or 6 terms, half + 1)
        Half filters of each term; those of ``along_x`` with the central tap halved.
    in_row : ndarray of int, (half_z + 1, half_y + 1)
        How far the kernel reaches along the row, -1 for not at all.
    floor : float
        Smallest value to keep: 0 for non-negative activity, else minus infinity.
    images, filtered : ndarray of float32, (terms, rows and slices of strip, LANES), (BLOCK, slices of strip, LANES)
        Scratch.
    scratch, offsets : ndarray of uint64 (2, rows, slices, columns / 64 of strip), int64 (rows and slices of the kernel,)
        Scratch.
    reached : ndarray of uint64, (rows, slices, columns / 64 of strip)
        Scratch.
    """
    volume = pairs.shape[1] * strip.shape[1] * LANES
    _list_filters(reach, taps.shape[2], half, strip.shape[1], volume, pairs.shape[0], number, filters)
    mark_reached(bits, half, out.shape[2], in_row, scratch, offsets, reached)
    flat_sums, flat_bits = sums.reshape(-1), reached.reshape(-1).view(np.uint16)
    rows, slices, groups = reached.shape[0], sums.shape[1], 4 * reached.shape[2]
    for x in range(0, out.shape[2], LANES):
        some = _find_active(active, x, half, wide)
        if some == 0:
            _clear_tile(x, out, used, corner)
            continue
        span, done = _span(some, depth), 0
        filtered[:] = 0
        for top in range(0, rows, sums.shape[0]):
            last = min(top + sums.shape[0], rows)
            part, around, target = slice(top, last + 2 * half[1]), near[: last - top], out[:, top:last]
            total = sums[: last - top]
            _find_near(wide[part], half[1], reach.shape[1] - 1, around)
            _fold_tile(
                strip[part], x, half, depth, reach, taps, filters, number, wide[part], around, pairs, total, target,
                used, corner, False,
            )  # fmt: skip
            _find_near(wide[part], half[1], half[1], around)
            done = _separate_rows(
                strip, x, half, depth, span, top, done, along_z, along_y, along_x, wide, around, images, filtered,
                total,
            )  # fmt: skip
            for z in range(0, slices, BLOCK):
                window = _window(z, half[0], half[0], depth)
                for y in range(target.shape[1]):
                    if around[y] & window != 0:
                        line, at = y * slices + z, ((top + y) * slices + z) * groups + x // LANES
                        keep_lanes(flat_sums, line * LANES, BLOCK, flat_bits, at, groups, floor)
                        _put_block(sums, y, z, x, target)
                        used[_block(z, top + y, x, corner)] = True
                    else:
                        _clear_block(z, top + y, x, out, used, corner)


@njit(cache=True, nogil=True)
def clear_strip(used: NDArray[Any], corner: tuple[int, int, int], out: NDArray[Any]) -> None:
    """Zero what is in use of a strip of output; parameters are those of ``fold_strip``."""
    for x in range(0, out.shape[2], LANES):
        _clear_tile(x, out, used, corner)


@njit(cache=True, nogil=True)
def mask_strip(
    bits: NDArray[Any], half: tuple[int, int, int], in_row: NDArray[Any], floor: float, sums: NDArray[Any],
    scratch: NDArray[Any], offsets: NDArray[Any], reached: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Zero what no activity reaches in a strip of output, and raise the rest to ``floor``.

    Parameters are those of ``separate_strip``.
    """
    mark_reached(bits, half, out.shape[2], in_row, scratch, offsets, reached)
    flat_sums, flat_bits = sums.reshape(-1), reached.reshape(-1).view(np.uint16)
    slices, groups = sums.shape[1], 4 * reached.shape[2]
    for x in range(0, out.shape[2], LANES):
        columns = min(LANES, out.shape[2] - x)
        for y in range(out.shape[1]):
            row = out[:, y : y + 1]
            for z in range(0, slices, BLOCK):
                for b in range(min(BLOCK, out.shape[0] - z)):
                    target, source = sums[0, z + b], row[z + b, 0, x : x + columns]
                    for i in range(columns):
                        target[i] = source[i]
                at = (y * slices + z) * groups + x // LANES
                keep_lanes(flat_sums, z * LANES, BLOCK, flat_bits, at, groups, floor)
                _put_block(sums, 0, z, x, row)
