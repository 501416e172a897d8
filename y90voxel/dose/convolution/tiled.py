"""Exact direct sum with a mirror-symmetric kernel, strip by strip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._strip_loops import load_strip
from y90voxel.dose.convolution._tile_loops import fold_strip
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES
from y90voxel.dose.threads import even_shares, share_work

__all__ = ["FoldedKernel", "convolve_tiles"]

# Most slices and rows of a strip of output: large enough that the halo is not most of it, small enough for the caches;
# the second pair for half lengths beyond LONG_REACH voxels. Measured by benchmarks/bench_convolution.py.
STRIP_SIZES, LONG_REACH = ((40, 24), (64, 32)), 7
MOST_COLUMNS = 256  # of a strip, for the same reason
WORD = 64  # columns whose marks share one word
# Pair sums [bytes] that one block of output reads again and again should fit the first cache (32 kB and more).
PAIRS_BYTES = 28_000
CACHE_LINE = 64  # bytes

# Shape and type of an array by its name.
Sizes = dict[str, tuple[tuple[int, ...], Any]]


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

    def sizes(self, slices: int, rows: int, columns: int) -> Sizes:
        """Return the scratch memory that a strip of output takes."""
        hz, hy, hx = self.half
        height, depth = rows + 2 * hy, _spaced(slices + 2 * hz)
        width = ceil((columns + 2 * hx) / LANES) * LANES
        window = (BLOCK + 2 * hz) * (2 * hy + 1) * LANES * 4
        slots = min(max(1, PAIRS_BYTES // window), len(self.reach))
        return {
            "strip": ((height, depth, width), np.float32),
            "bits": ((height, depth, ceil(width / WORD) * WORD // 16), np.uint16),
            "active": ((height, width // 8), np.uint64),
            "wide": ((height,), np.uint64),
            "filters": ((4 * self.reach.size,), np.int64),
            "number": ((len(self.reach) + 1,), np.int64),
            "near": ((rows,), np.uint64),
            "pairs": ((slots, height, depth, LANES), np.float32),
            "sums": ((rows, slices, LANES), np.float32),
        }


def convolve_tiles(
    activity: NDArray[np.float32],
    bounds: tuple[int, int, int, int, int, int],
    origin: tuple[int, int, int],
    kernel: FoldedKernel,
    box: NDArray[np.float32],
    threads: int,
) -> None:
    """Fill ``box`` with the convolution.

    Parameters
    ----------
    activity : ndarray of float32, C-contiguous, read-only, (z, y, x)
        Only what lies in ``bounds`` counts.
    bounds : tuple of int, (6,)
        First and last (exclusive) slice, row and column of ``activity`` that are not zero.
    origin : tuple of int, (3,)
        The voxel of ``activity`` that voxel (0, 0, 0) of ``box`` lies on; may be negative.
    kernel : FoldedKernel
        The kernel.
    box : ndarray of float32, (z, y, x)
        Output, zeros, may be a view. What no activity reaches is not touched.
    threads : int
        Most threads to use.
    """
    (hz, hy, hx), (z0, y0, x0) = kernel.half, origin
    most_slices, most_rows = STRIP_SIZES[max(hz, hy) > LONG_REACH]
    slices = _shares(box.shape[0], most_slices, BLOCK)
    rows = _shares(box.shape[1], most_rows, 1)
    columns = _shares(box.shape[2], MOST_COLUMNS, LANES)
    strips = [(*z, *y, *x) for z in slices for y in rows for x in columns]

    def worker() -> Callable[[tuple[int, ...]], None]:
        scratch = _Scratch(kernel, *(max(size for _, size in sizes) for sizes in (slices, rows, columns)))

        def work(strip: tuple[int, ...]) -> None:
            z, slices, y, rows, x, columns = strip
            m, depth = scratch.of_strip(slices, rows, columns), slices + 2 * hz
            corner = z0 + z - hz, y0 + y - hy, x0 + x - hx
            if load_strip(activity, bounds, *corner, depth, m["strip"], m["bits"], m["active"]):
                fold_strip(
                    m["strip"], m["active"], depth, kernel.half, kernel.reach, kernel.taps, m["filters"], m["number"],
                    m["wide"], m["near"], m["pairs"], m["sums"], box[z : z + slices, y : y + rows, x : x + columns],
                )  # fmt: skip

        return work

    share_work(worker, strips, threads)


class _Scratch:
    """Memory of one thread for its strips, enough for the largest."""

    def __init__(self, kernel: FoldedKernel, slices: int, rows: int, columns: int) -> None:
        self._kernel = kernel
        sizes = kernel.sizes(slices, rows, columns)
        self._memory = {name: _aligned(prod(shape), dtype) for name, (shape, dtype) in sizes.items()}

    def of_strip(self, slices: int, rows: int, columns: int) -> dict[str, NDArray[Any]]:
        """Return the arrays for a strip of output, with arbitrary content."""
        sizes = self._kernel.sizes(slices, rows, columns)
        return {name: self._memory[name][: prod(shape)].reshape(shape) for name, (shape, _) in sizes.items()}


def _aligned(size: int, dtype: Any) -> NDArray[Any]:
    """Return an array that begins with a line of the cache.

    Vectors as long as a line that begin elsewhere lie in two of them, and take up to half as long again to load.
    """
    raw = np.empty(size * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : len(raw) - CACHE_LINE + start].view(dtype)


def _spaced(slices: int) -> int:
    """Return by how many slices the rows of a strip lie apart: a multiple of 4 whose lines share the cache evenly."""
    return slices + (-slices) % 4 + (4 if (slices + (-slices) % 4) % 16 == 0 else 0)


def _shares(length: int, at_most: int, step: int) -> list[tuple[int, int]]:
    """Return (start, size) of about even shares that cover ``length``, sizes multiples of ``step``."""
    steps = ceil(length / step)
    shares = even_shares(steps, ceil(steps * step / at_most))
    return [(start * step, (stop - start) * step) for start, stop in shares]
