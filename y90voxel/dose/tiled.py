"""Convolution with a mirror-symmetric kernel, tile by tile: exact direct sum, or low rank plus exact core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._tile_loops import fold_strip, load_strip, mask_strip, separate_strip
from y90voxel.dose._vector_loops import BLOCK, LANES, MAX_TERMS
from y90voxel.dose.threads import even_shares, share_work

__all__ = ["FoldedKernel", "SeparatedKernel", "SupportMask", "convolve_tiles", "reach_in_row"]

# Output slices and rows of a tile: large enough that the halo is not most of it, small enough for the caches;
# the second pair for half lengths beyond LONG_REACH.
SHORT_TILE, LONG_TILE, LONG_REACH = (32, 24), (64, 32), 7
WORD = 64  # columns whose marks share one word


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
    along_z, along_y, along_x : ndarray of float32, (terms, half + 1)
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
    origin: tuple[int, int, int],
    kernel: FoldedKernel | SeparatedKernel | SupportMask,
    non_negative: bool,
    box: NDArray[np.float32],
    threads: int,
) -> None:
    """Fill ``box`` with the convolution; it holds zeros before, or with a SupportMask the dose to be cleaned.

    Parameters
    ----------
    activity : ndarray of float32 or float64, C-contiguous, read-only, (z, y, x)
        Zero beyond its edges.
    origin : tuple of int, (3,)
        The voxel of ``activity`` that voxel (0, 0, 0) of ``box`` lies on; may be negative.
    kernel : FoldedKernel, SeparatedKernel or SupportMask
        The kernel.
    non_negative : bool
        Whether no activity is negative; rounding of a low-rank sum then never falls below zero.
    box : ndarray of float32, (z, y, x)
        Output, may be a view.
    threads : int
        Threads to use.
    """
    hz, hy, hx = kernel.half
    most_slices, most_rows = LONG_TILE if max(hz, hy) > LONG_REACH else SHORT_TILE
    slices = _shares(box.shape[0], most_slices, BLOCK)
    rows = _shares(box.shape[1], most_rows, 1 if isinstance(kernel, FoldedKernel) else BLOCK)
    columns = ceil((ceil(box.shape[2] / LANES) * LANES + 2 * hx) / WORD) * WORD
    floor = 0.0 if non_negative else -np.inf

    def worker() -> Callable[[tuple[int, int, int, int]], None]:
        scratch = _Scratch()

        def work(piece: tuple[int, int, int, int]) -> None:
            z, depth, y, height = piece
            strip = scratch.take("strip", (depth + 2 * hz, height + 2 * hy, columns))
            active = scratch.take("active", (columns,))
            load_strip(activity, origin[0] + z - hz, origin[1] + y - hy, origin[2] - hx, strip, active)
            out = box[z : z + depth, y : y + height]
            _convolve_strip(kernel, floor, strip, active, depth, height, scratch, out)

        return work

    share_work(worker, [(*z, *y) for z in slices for y in rows], threads)


class _Scratch:
    """Memory of one thread, kept from strip to strip: fresh pages cost more than the arithmetic."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
        """Return an array with arbitrary content."""
        held = self._held.get(name)
        if held is None or held.size < prod(shape):
            held = self._held[name] = np.empty(prod(shape), dtype)
        return held[: prod(shape)].reshape(shape)


def _convolve_strip(
    kernel: FoldedKernel | SeparatedKernel | SupportMask,
    floor: float,
    strip: NDArray[np.float32],
    active: NDArray[np.float32],
    slices: int,
    rows: int,
    scratch: _Scratch,
    out: NDArray[np.float32],
) -> None:
    """Fill one strip of output from its source."""
    depth, height, columns = strip.shape
    sums = scratch.take("sums", (slices, rows, LANES))
    # An odd number of rows: slices a power of two apart would compete for the same lines of the cache.
    pairs = scratch.take("pairs", (depth, height | 1, LANES))
    if isinstance(kernel, FoldedKernel):
        fold_strip(strip, active, kernel.half, kernel.reach, kernel.taps, pairs, sums, out)
        return
    words = scratch.take("words", (2, depth, height, columns // WORD), np.uint64)
    reached = scratch.take("reached", (slices, rows, columns // WORD), np.uint64)
    offsets = scratch.take("offsets", ((depth - slices + 1) * (height - rows + 1),), np.int64)
    if isinstance(kernel, SupportMask):
        mask_strip(strip, kernel.half, kernel.in_row, floor, sums, words, offsets, reached, out)
        return
    images = scratch.take("images", (min(MAX_TERMS, len(kernel.along_x)), depth, height, LANES))
    filtered = scratch.take("filtered", (depth, rows | 1, LANES))
    separate_strip(
        strip, active, kernel.half, kernel.core.reach, kernel.core.taps, kernel.along_z, kernel.along_y,
        kernel.along_x, kernel.in_row, floor, pairs, images, filtered, sums, words, offsets, reached, out,
    )  # fmt: skip


def _shares(length: int, at_most: int, step: int) -> list[tuple[int, int]]:
    """Return (start, size) of about even shares that cover ``length``, sizes multiples of ``step``."""
    steps = ceil(length / step)
    shares = even_shares(steps, ceil(steps * step / at_most))
    return [(start * step, (stop - start) * step) for start, stop in shares]
