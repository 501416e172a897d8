"""Convolution with a mirror-symmetric kernel, tile by tile: exact direct sum, or low rank plus exact core."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._strip_loops import load_strip
from y90voxel.dose._tile_loops import fold_strip, mask_strip, separate_strip
from y90voxel.dose._vector_loops import BLOCK, LANES
from y90voxel.dose.threads import even_shares, share_work

__all__ = ["FoldedKernel", "SeparatedKernel", "SupportMask", "convolve_tiles", "reach_in_row"]

# Output slices and rows of a strip: large enough that the halo is not most of it, small enough for the caches; the
# second pair for half lengths beyond LONG_REACH. Low-rank sums take the rows of a strip a few at a time.
LONG_REACH = 7
FOLDED_STRIP, SEPARATED_STRIP, ROWS_AT_ONCE = ((48, 24), (64, 32)), ((48, 48), (64, 96)), 32
MOST_COLUMNS = 256
CACHE_LINE = 64  # bytes
WORD = 64  # columns whose marks share one word
# Pair sums that one block of output reads again and again should fit the first cache.
PAIRS_BYTES = 28_000


@dataclass(frozen=True, eq=False)
class FoldedKernel:
    """One octant of a mirror-symmetric kernel, arranged for the direct sum.

    Parameters
    ----------
    half : tuple of int, (3,)
        Half lengths along slice, row, column.
    taps : ndarray of float32, (dx, dy, dz)
        Octant, halved for each of dx and dy that is zero.
    reach : ndarray of int, (dx, dy)
        Half length of the filter along the slices, -1 for none.
    """

    half: tuple[int, int, int]
    taps: NDArray[np.float32]
    reach: NDArray[np.int64]

    @classmethod
    def from_octant(cls, octant: NDArray[np.float64]) -> FoldedKernel:
        """Fold the octant [dz, dy, dx] of a kernel; its slices must not exceed MAX_REACH + 1."""
        turned = octant.transpose(2, 1, 0)
        used = turned != 0
        last = turned.shape[2] - 1 - np.argmax(used[:, :, ::-1], axis=2)
        taps = turned.astype(np.float32)
        taps[0] *= 0.5
        taps[:, 0] *= 0.5
        hz, hy, hx = (n - 1 for n in octant.shape)
        reach = np.where(used.any(axis=2), last, -1).astype(np.int64)
        return cls((hz, hy, hx), np.ascontiguousarray(taps), np.ascontiguousarray(reach))

    @property
    def operations(self) -> int:
        """Additions and fused multiply-adds per output voxel, halos left out."""
        used = self.reach[self.reach >= 0]
        return int(self.taps.shape[0] + used.size + (2 * used + 1).sum())


@dataclass(frozen=True, eq=False)
class SeparatedKernel:
    """A mirror-symmetric kernel as a few products of filters, and what they miss of its steep core.

    Parameters
    ----------
    along_z, along_y, along_x : ndarray of float32, (4 or 6 terms, half + 1)
        Half filters of every term; those along x with the central tap halved.
    core : FoldedKernel
        Exact remainder around the source voxel.
    in_row : ndarray of int, (half_z + 1, half_y + 1)
        How far the kernel reaches along a row, -1 for not at all.
    error : float
        Rigorous bound of |found - exact| / max(exact) for any non-negative activity.
    """

    along_z: NDArray[np.float32]
    along_y: NDArray[np.float32]
    along_x: NDArray[np.float32]
    core: FoldedKernel
    in_row: NDArray[np.int64]
    error: float

    @property
    def half(self) -> tuple[int, int, int]:
        """Half lengths along slice, row, column."""
        return self.along_z.shape[1] - 1, self.along_y.shape[1] - 1, self.along_x.shape[1] - 1

    @property
    def operations(self) -> int:
        """Additions and fused multiply-adds per output voxel, halos left out."""
        hz, hy, hx = self.half
        return self.core.operations + hx + len(self.along_z) * (hx + 1 + 2 * hy + 1 + 2 * hz + 1)


@dataclass(frozen=True, eq=False)
class SupportMask:
    """No convolution: zeroes what the kernel does not reach in a dose that is already there.

    Parameters
    ----------
    half : tuple of int, (3,)
        Half lengths of the kernel along slice, row, column; at most 63 columns.
    in_row : ndarray of int, (half_z + 1, half_y + 1)
        How far the kernel reaches along a row, -1 for not at all.
    """

    half: tuple[int, int, int]
    in_row: NDArray[np.int64]


def reach_in_row(octant: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return how far a kernel reaches along each row, -1 for not at all; None when a row has gaps.

    Parameters
    ----------
    octant : ndarray, (dz, dy, dx)
        One octant of a mirror-symmetric kernel.
    """
    used = octant != 0
    reach = used.sum(axis=2) - 1
    if not np.array_equal(used, np.arange(octant.shape[2]) <= reach[:, :, None]):
        return None
    return np.ascontiguousarray(reach, np.int64)


def convolve_tiles(
    activity: NDArray[Any],
    bounds: tuple[int, int, int, int, int, int],
    origin: tuple[int, int, int],
    kernel: FoldedKernel | SeparatedKernel | SupportMask,
    non_negative: bool,
    stale: bool,
    box: NDArray[np.float32],
    threads: int,
) -> None:
    """Fill ``box`` with the convolution, or clean the dose that it holds if the kernel is a SupportMask.

    Parameters
    ----------
    activity : ndarray of float32 or float64, C-contiguous, read-only, (z, y, x)
        Only what lies in ``bounds`` counts.
    bounds : tuple of int, (6,)
        First and last (exclusive) slice, row and column of ``activity`` that are not zero.
    origin : tuple of int, (3,)
        The voxel of ``activity`` that voxel (0, 0, 0) of ``box`` lies on; may be negative.
    kernel : FoldedKernel, SeparatedKernel or SupportMask
        The kernel.
    non_negative : bool
        Whether no activity is negative; rounding of a low-rank sum then never falls below zero.
    stale : bool
        Whether ``box`` may hold something before. If not, the pages that no activity reaches are never touched.
    box : ndarray of float32, (z, y, x)
        Output, may be a view.
    threads : int
        Threads to use.
    """
    hz, hy, hx = kernel.half
    sizes = FOLDED_STRIP if isinstance(kernel, FoldedKernel) else SEPARATED_STRIP
    most_slices, most_rows = sizes[max(hz, hy) > LONG_REACH]
    slices = _shares(box.shape[0], most_slices, BLOCK)
    rows = _shares(box.shape[1], most_rows, 1 if isinstance(kernel, FoldedKernel) else BLOCK)
    columns = _shares(box.shape[2], MOST_COLUMNS, LANES)
    floor = 0.0 if non_negative else -np.inf
    used: list[_Scratch] = []

    def worker() -> Callable[[tuple[int, int, int, int, int, int]], None]:
        scratch = _IDLE.pop() if _IDLE else _Scratch()
        used.append(scratch)

        def work(piece: tuple[int, int, int, int, int, int]) -> None:
            z, depth, y, height, x, width = piece
            padded = ceil((width + 2 * hx) / LANES) * LANES
            strip = scratch.take("strip", (height + 2 * hy, _spaced(depth + 2 * hz), padded))
            bits = scratch.take("bits", (*strip.shape[:2], ceil(padded / WORD) * WORD // 16), np.uint16)
            active = scratch.take("active", (len(strip), padded // 8), np.uint64)
            corner = origin[0] + z - hz, origin[1] + y - hy, origin[2] + x - hx
            some = load_strip(activity, bounds, *corner, depth + 2 * hz, strip, bits, active)
            out = box[z : z + depth, y : y + height, x : x + width]
            if some or isinstance(kernel, SupportMask):
                _convolve_strip(kernel, floor, strip, bits, active, depth, height, scratch, stale, out)
            elif stale:
                out[...] = 0

        return work

    share_work(worker, [(*z, *y, *x) for z in slices for y in rows for x in columns], threads)
    _IDLE.extend(used)


class _Scratch:
    """Memory of one thread, kept from strip to strip and from call to call: fresh pages cost more than arithmetic."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
        """Return an array with arbitrary content that begins with a line of the cache.

        Vectors as long as a line that begin elsewhere lie in two of them, and take up to half as long again to load.
        """
        held = self._held.get(name)
        if held is None or held.size < prod(shape):
            size = prod(shape) * np.dtype(dtype).itemsize
            raw = np.empty(size + CACHE_LINE, np.uint8)
            start = -raw.ctypes.data % CACHE_LINE
            held = self._held[name] = raw[start : start + size].view(dtype)
        return held[: prod(shape)].reshape(shape)


_IDLE: deque[_Scratch] = deque(maxlen=8)


def _convolve_strip(
    kernel: FoldedKernel | SeparatedKernel | SupportMask,
    floor: float,
    strip: NDArray[np.float32],
    bits: NDArray[np.uint16],
    active: NDArray[np.uint64],
    slices: int,
    rows: int,
    scratch: _Scratch,
    stale: bool,
    out: NDArray[np.float32],
) -> None:
    """Fill one strip of output from its source."""
    height, spaced, _ = strip.shape
    words_in_row = bits.shape[2] * 16 // WORD
    depth = slices + 2 * kernel.half[0]
    at_once = rows if isinstance(kernel, FoldedKernel) else min(rows, ROWS_AT_ONCE)
    sums = scratch.take("sums", (at_once, slices, LANES))
    if isinstance(kernel, SupportMask):
        words = scratch.take("words", (2, height, spaced, words_in_row), np.uint64)
        reached = scratch.take("reached", (rows, slices, words_in_row), np.uint64)
        offsets = scratch.take("offsets", ((depth - slices + 1) * (height - rows + 1),), np.int64)
        mask_strip(bits, kernel.half, kernel.in_row, floor, sums, words, offsets, reached, out)
        return
    direct = kernel if isinstance(kernel, FoldedKernel) else kernel.core
    size = direct.reach.size
    filters = scratch.take("filters", (4 * size,), np.int64)
    number = scratch.take("number", (len(direct.reach) + 1,), np.int64)
    wide = scratch.take("wide", (height,), np.uint64)
    near = scratch.take("near", (at_once,), np.uint64)
    window = (BLOCK + 2 * direct.half[0]) * (2 * direct.half[1] + 1) * LANES * 4
    slots = min(max(1, PAIRS_BYTES // window), len(direct.reach))
    pairs = scratch.take("pairs", (slots, at_once + 2 * kernel.half[1], spaced, LANES))
    if isinstance(kernel, FoldedKernel):
        fold_strip(
            strip, active, depth, kernel.half, kernel.reach, kernel.taps, filters, number, wide, near, pairs, sums,
            stale, out,
        )  # fmt: skip
        return
    words = scratch.take("words", (2, height, spaced, words_in_row), np.uint64)
    reached = scratch.take("reached", (rows, slices, words_in_row), np.uint64)
    offsets = scratch.take("offsets", ((depth - slices + 1) * (height - rows + 1),), np.int64)
    images = scratch.take("images", (len(kernel.along_x), BLOCK + 2 * kernel.half[1], spaced, LANES))
    filtered = scratch.take("filtered", (BLOCK, spaced, LANES))
    separate_strip(
        strip, bits, active, depth, kernel.half, kernel.core.reach, kernel.core.taps, kernel.along_z, kernel.along_y,
        kernel.along_x, kernel.in_row, floor, filters, number, wide, near, pairs, images, filtered, sums, words,
        offsets, reached, stale, out,
    )  # fmt: skip


def _spaced(slices: int) -> int:
    """Return by how many slices the rows of a strip lie apart: a multiple of 4 whose lines share the cache evenly."""
    return slices + (-slices) % 4 + (4 if (slices + (-slices) % 4) % 16 == 0 else 0)


def _shares(length: int, at_most: int, step: int) -> list[tuple[int, int]]:
    """Return (start, size) of about even shares that cover ``length``, sizes multiples of ``step``."""
    steps = ceil(length / step)
    shares = even_shares(steps, ceil(steps * step / at_most))
    return [(start * step, (stop - start) * step) for start, stop in shares]
