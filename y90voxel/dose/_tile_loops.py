"""Compiled convolution of one strip of output: a few slices and rows, all columns.

A strip of source reaches half a kernel beyond its output. It is worked off in tiles of LANES columns. Direct form: for
each in-row offset dx the pair sum of columns -dx and +dx is formed once for the tile and its halo; for each row
offset dy the rows at -dy and +dy are added as they are loaded, and a symmetric filter runs along the slices. Low-rank
form: a few symmetric filters along rows, then along columns, then along slices, plus the direct form for the
steep core of the kernel.

Compiled code is cached by the date of this file: after an edit of ``_vector_loops.py``, touch this one too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from y90voxel.dose._vector_loops import (
    BLOCK,
    LANES,
    MAX_TERMS,
    VECTOR,
    add_columns,
    join_words,
    keep_lanes,
    mark_active,
    pair_in_rows,
    weigh_rows,
)

__all__ = ["MAX_REACH", "fold_strip", "load_strip", "mask_strip", "separate_strip"]

# Longest half filter along slices (and, low rank, along columns) with a compiled variant.
MAX_REACH = 12


@njit(cache=True, nogil=True)
def load_strip(
    activity: NDArray[Any], z0: int, y0: int, x0: int, strip: NDArray[Any], active: NDArray[Any]
) -> None:
    """Copy the part of ``activity`` that begins at (z0, y0, x0) into ``strip``; zeros beyond the image.

    ``active[x]`` becomes non-zero where a column of the strip holds activity.
    """
    nz, ny, nx = activity.shape
    sz, sy, sx = strip.shape
    left = max(0, -x0)
    right = max(left, min(sx, nx - x0))
    active[:] = 0
    for z in range(sz):
        for y in range(sy):
            row = strip[z, y]
            if not (0 <= z0 + z < nz and 0 <= y0 + y < ny):
                row[:] = 0
                continue
            row[:left] = 0
            row[right:] = 0
            inner, marks = row[left:right], active[left:right]
            line = activity[z0 + z, y0 + y, x0 + left : x0 + right]
            for x in range(inner.size):
                inner[x] = line[x]
            for x in range(inner.size):
                marks[x] = max(marks[x], abs(inner[x]))


@njit(cache=True, nogil=True)
def _add_paired(out, at, gap, source, up, down, stride, count, taps, tap, reach):  # type: ignore[no-untyped-def]
    """Choose the variant of ``add_columns`` for this reach: two rows added, tiles contiguous."""
    v = VECTOR
    if reach == 0:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 0, True)
    elif reach == 1:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 1, True)
    elif reach == 2:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 2, True)
    elif reach == 3:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 3, True)
    elif reach == 4:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 4, True)
    elif reach == 5:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 5, True)
    elif reach == 6:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 6, True)
    elif reach == 7:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 7, True)
    elif reach == 8:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 8, True)
    elif reach == 9:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 9, True)
    elif reach == 10:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 10, True)
    elif reach == 11:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 11, True)
    elif reach == 12:
        add_columns(out, at, gap, v, source, up, down, stride, v, count, taps, tap, 12, True)


@njit(cache=True, nogil=True)
def _add_single(out, at, gap, step_out, source, up, stride, step, count, taps, tap, reach):  # type: ignore[no-untyped-def]
    """Choose the variant of ``add_columns`` for this reach: one row, any step."""
    o = step_out
    if reach == 0:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 0, False)
    elif reach == 1:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 1, False)
    elif reach == 2:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 2, False)
    elif reach == 3:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 3, False)
    elif reach == 4:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 4, False)
    elif reach == 5:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 5, False)
    elif reach == 6:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 6, False)
    elif reach == 7:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 7, False)
    elif reach == 8:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 8, False)
    elif reach == 9:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 9, False)
    elif reach == 10:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 10, False)
    elif reach == 11:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 11, False)
    elif reach == 12:
        add_columns(out, at, gap, o, source, up, up, stride, step, count, taps, tap, 12, False)


@njit(cache=True, nogil=True)
def _fold_tile(strip, x, half, reach, taps, pairs, sums):  # type: ignore[no-untyped-def]
    """Add the direct sum of the tile that begins at output column x to ``sums``."""
    hz, hy, hx = half
    slices, rows = sums.shape[0], sums.shape[1]
    depth, height, width = strip.shape
    flat_strip, flat_pairs = strip.reshape(-1), pairs.reshape(-1)
    flat_sums, flat_taps = sums.reshape(-1), taps.reshape(-1)
    plane, area = pairs.shape[1] * LANES, rows * LANES
    top, needed = hy + 1 - reach.shape[1], rows + 2 * (reach.shape[1] - 1)
    for dx in range(reach.shape[0]):
        longest = reach[dx].max()
        if longest < 0:
            continue
        for z in range(hz - longest, depth - hz + longest):
            centre = (z * height + top) * width + x + hx
            at = z * plane + top * LANES
            pair_in_rows(flat_strip, centre - dx, centre + dx, width, needed, flat_pairs, at)
        for z in range(0, slices, BLOCK):
            for dy in range(reach.shape[1]):
                if reach[dx, dy] >= 0:
                    base = (z + hz - reach[dx, dy]) * plane + hy * LANES
                    tap = (dx * taps.shape[1] + dy) * taps.shape[2]
                    _add_paired(
                        flat_sums, z * area, area, flat_pairs, base - dy * LANES, base + dy * LANES, plane,
                        area // VECTOR, flat_taps, tap, reach[dx, dy],
                    )  # fmt: skip


@njit(cache=True, nogil=True)
def _separate_tile(strip, x, half, along_z, along_y, along_x, images, filtered, sums):  # type: ignore[no-untyped-def]
    """Add the low-rank sum of the tile that begins at output column x to ``sums``."""
    hz, hy, hx = half
    slices, rows = sums.shape[0], sums.shape[1]
    depth, height, width = strip.shape
    flat_strip, flat_images = strip.reshape(-1), images.reshape(-1)
    flat_filtered, flat_sums = filtered.reshape(-1), sums.reshape(-1)
    taps_z, taps_y, taps_x = along_z.reshape(-1), along_y.reshape(-1), along_x.reshape(-1)
    lines, plane, area = depth * height, height * LANES, rows * LANES
    spaced = filtered.shape[1] * LANES
    image, length = lines * LANES, hx + 1
    for first in range(0, along_x.shape[0], MAX_TERMS):
        terms = min(MAX_TERMS, along_x.shape[0] - first)
        at, tap = x + hx, first * length
        if terms == 1:
            weigh_rows(flat_strip, at, width, lines, taps_x, tap, length, flat_images, 0, image, 1)
        elif terms == 2:
            weigh_rows(flat_strip, at, width, lines, taps_x, tap, length, flat_images, 0, image, 2)
        elif terms == 3:
            weigh_rows(flat_strip, at, width, lines, taps_x, tap, length, flat_images, 0, image, 3)
        else:
            weigh_rows(flat_strip, at, width, lines, taps_x, tap, length, flat_images, 0, image, 4)
        for t in range(terms):
            flat_filtered[:] = 0
            for y in range(0, rows, BLOCK):
                for lane in range(0, LANES, VECTOR):
                    source = t * image + y * LANES + lane
                    _add_single(
                        flat_filtered, y * LANES + lane, LANES, spaced, flat_images, source, LANES, plane, depth,
                        taps_y, (first + t) * (hy + 1), hy,
                    )  # fmt: skip
            for z in range(0, slices, BLOCK):
                _add_single(
                    flat_sums, z * area, area, VECTOR, flat_filtered, z * spaced, spaced, VECTOR, area // VECTOR,
                    taps_z, (first + t) * (hz + 1), hz,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def _spread_by_one(bits, spread):  # type: ignore[no-untyped-def]
    """Widen every run of set bits by one on both sides; what leaves a row of words enters the next."""
    n = bits.size
    one, top = np.uint64(1), np.uint64(63)
    inner, before, after, wider = bits[1 : n - 1], bits[: n - 2], bits[2:], spread[1 : n - 1]
    for i in range(n - 2):
        word = inner[i]
        wider[i] = word | (word << one) | (word >> one) | (before[i] >> top) | (after[i] << top)
    first, last = bits[0], bits[n - 1]
    spread[0] = first | (first << one) | (first >> one) | (bits[1] << top)
    spread[n - 1] = last | (last << one) | (last >> one) | (bits[n - 2] >> top)
    bits[:] = spread


@njit(cache=True, nogil=True)
def _is_full(strip, half, columns):  # type: ignore[no-untyped-def]
    """Return whether every voxel under the output is active, so that all of it is reached."""
    hz, hy, hx = half
    for z in range(hz, strip.shape[0] - hz):
        for y in range(hy, strip.shape[1] - hy):
            row = strip[z, y, hx : hx + columns]
            zeros = 0
            for x in range(row.size):
                zeros += row[x] == 0
            if zeros:
                return False
    return True


@njit(cache=True, nogil=True)
def _mark_reached(strip, half, columns, in_row, scratch, offsets, reached):  # type: ignore[no-untyped-def]
    """Mark, one bit a column, which output columns of the strip activity reaches.

    ``in_row[dz, dy]`` is how far the kernel reaches along the row, -1 for not at all. Bits that spill from one row
    of words into the next stay within the halo of half_x columns.
    """
    hz, hy, hx = half
    height = strip.shape[1]
    slices, rows, words = reached.shape
    bits, plane = scratch[0].reshape(-1), height * words
    flat = reached.reshape(-1)
    if _is_full(strip, half, columns):
        flat[:] = ~np.uint64(0)
        return
    flat[:] = 0
    mark_active(strip.reshape(-1), bits.view(np.uint16), strip.size // 16)
    for reach in range(in_row.max() + 1):
        number = 0
        for dz in range(-hz, hz + 1):
            for dy in range(-hy, hy + 1):
                if in_row[abs(dz), abs(dy)] == reach:
                    offsets[number] = (hz + dz) * plane + (hy + dy) * words
                    number += 1
        for z in range(slices):
            join_words(bits[z * plane :], offsets, number, flat, z * rows * words, rows * words // BLOCK)
        if reach < in_row.max():
            _spread_by_one(bits, scratch[1].reshape(-1))
    if hx > 0:  # output column x is strip column x + hx
        by, rest = np.uint64(hx), np.uint64(64 - hx)
        for i in range(flat.size - 1):
            flat[i] = (flat[i] >> by) | (flat[i + 1] << rest)
        flat[flat.size - 1] >>= by


@njit(cache=True, nogil=True)
def _is_used(active, x, halo):  # type: ignore[no-untyped-def]
    """Return whether a tile with its halo holds any activity."""
    return active[x : x + LANES + 2 * halo].max() > 0


@njit(cache=True, nogil=True)
def _put(sums, x, out):  # type: ignore[no-untyped-def]
    """Copy what of a tile lies inside the output."""
    columns = min(LANES, out.shape[2] - x)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            target, source = out[z, y, x : x + columns], sums[z, y]
            for i in range(columns):
                target[i] = source[i]


@njit(cache=True, nogil=True)
def fold_strip(
    strip: NDArray[Any], active: NDArray[Any], half: tuple[int, int, int], reach: NDArray[Any],
    taps: NDArray[Any], pairs: NDArray[Any], sums: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Fill a strip of output with the direct sum; voxels that no activity reaches keep their zero.

    Parameters
    ----------
    strip : ndarray of float32, (slices + 2 half_z, rows + 2 half_y, at least columns + 2 half_x)
        Source with its halo; slices a multiple of BLOCK, columns of LANES.
    active : ndarray of float32, (columns of the strip,)
        Not zero where the column holds activity.
    half : tuple of int, (3,)
        Halo along slice, row, column: at least the half lengths of the kernel.
    reach : ndarray of int, (dx, dy)
        Half length of the filter along the slices; -1 where all taps are zero.
    taps : ndarray of float32, (dx, dy, dz)
        Octant of the kernel, halved for each of dx, dy that is zero: such a value is added to itself.
    pairs, sums : ndarray of float32, (slices, at least rows of strip, LANES), (slices, rows, LANES)
        Scratch.
    out : ndarray of float32, (slices, rows, columns) at most
        Output.
    """
    for x in range(0, out.shape[2], LANES):
        if _is_used(active, x, half[2]):
            sums[:] = 0
            _fold_tile(strip, x, half, reach, taps, pairs, sums)
            _put(sums, x, out)


@njit(cache=True, nogil=True)
def separate_strip(
    strip: NDArray[Any], active: NDArray[Any], half: tuple[int, int, int], reach: NDArray[Any],
    taps: NDArray[Any], along_z: NDArray[Any], along_y: NDArray[Any], along_x: NDArray[Any],
    in_row: NDArray[Any], floor: float, pairs: NDArray[Any], images: NDArray[Any], filtered: NDArray[Any],
    sums: NDArray[Any], scratch: NDArray[Any], offsets: NDArray[Any],
    reached: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Fill a strip of output with a low-rank sum plus a direct sum for the core of the kernel.

    Parameters
    ----------
    strip, active, half, pairs, sums, out
        As in ``fold_strip``; rows are a multiple of BLOCK, and the strip's columns of 64.
    reach, taps : ndarray
        The core, as in ``fold_strip``.
    along_z, along_y, along_x : ndarray of float32, (terms, half + 1)
        Half filters of each term; those of ``along_x`` with the central tap halved.
    in_row : ndarray of int, (half_z + 1, half_y + 1)
        How far the kernel reaches along the row, -1 for not at all.
    floor : float
        Smallest value to keep: 0 for non-negative activity, else minus infinity.
    images, filtered : ndarray of float32, (MAX_TERMS, slices and rows of strip, LANES), (slices of strip, at least rows,
    LANES)
        Scratch.
    scratch : ndarray of uint64, (2, slices, rows, columns / 64 of strip)
        Scratch.
    offsets : ndarray of int64, (slices and rows of the kernel,)
        Scratch.
    reached : ndarray of uint64, (slices, rows, columns / 64 of strip)
        Scratch.
    """
    _mark_reached(strip, half, out.shape[2], in_row, scratch, offsets, reached)
    bits = reached.reshape(-1).view(np.uint16)
    flat_sums, rows = sums.reshape(-1), sums.shape[0] * sums.shape[1]
    for x in range(0, out.shape[2], LANES):
        if _is_used(active, x, half[2]):
            sums[:] = 0
            _fold_tile(strip, x, half, reach, taps, pairs, sums)
            _separate_tile(strip, x, half, along_z, along_y, along_x, images, filtered, sums)
            keep_lanes(flat_sums, rows, bits, x // LANES, strip.shape[2] // 16, floor)
            _put(sums, x, out)


@njit(cache=True, nogil=True)
def mask_strip(
    strip: NDArray[Any], half: tuple[int, int, int], in_row: NDArray[Any], floor: float, sums: NDArray[Any],
    scratch: NDArray[Any], offsets: NDArray[Any], reached: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Zero what no activity reaches in a strip of output, and raise the rest to ``floor``.

    Parameters are those of ``separate_strip``.
    """
    _mark_reached(strip, half, out.shape[2], in_row, scratch, offsets, reached)
    bits = reached.reshape(-1).view(np.uint16)
    flat_sums, rows = sums.reshape(-1), sums.shape[0] * sums.shape[1]
    for x in range(0, out.shape[2], LANES):
        columns = min(LANES, out.shape[2] - x)
        for z in range(out.shape[0]):
            for y in range(out.shape[1]):
                target, source = sums[z, y], out[z, y, x : x + columns]
                for i in range(columns):
                    target[i] = source[i]
        keep_lanes(flat_sums, rows, bits, x // LANES, strip.shape[2] // 16, floor)
        _put(sums, x, out)
