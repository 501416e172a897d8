"""Convolution with a mirror-symmetric kernel, tile by tile: exact direct sum, or low rank plus exact core."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._strip_loops import load_strip
from y90voxel.dose.convolution._tile_loops import clear_strip
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES
from y90voxel.dose.convolution.tile_kernels import FoldedKernel, Memory, SeparatedKernel, SupportMask
from y90voxel.dose.threads import Share, even_shares, take_idle

__all__ = ["TileKernel", "convolve_tiles"]

TileKernel = FoldedKernel | SeparatedKernel | SupportMask

# Half lengths beyond this take the second size of strips.
LONG_REACH = 7
MOST_COLUMNS = 256
CACHE_LINE = 64  # bytes
FEW_STRIPS = 32  # up to which those in the middle come first
MOST_STRIPS = 64  # kinds of strips whose scratch memory is known


def convolve_tiles(
    activity: NDArray[Any],
    bounds: tuple[int, int, int, int, int, int],
    origin: tuple[int, int, int],
    kernel: TileKernel,
    non_negative: bool,
    box: NDArray[np.float32],
    used: NDArray[np.bool_],
    share: Share,
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
    box : ndarray of float32, (z, y, x)
        Output, may be a view.
    used : ndarray of bool, (z / BLOCK, y, x / LANES), rounded up
        Which blocks of the output may hold something, kept up to date. Pages that hold nothing and that no activity
        reaches are never touched.
    share : callable
        Does the work in strips, as ``share_work`` with some number of threads.
    """
    (hz, hy, hx), (z0, y0, x0) = kernel.half, origin
    floor = 0.0 if non_negative else -np.inf
    scratches: list[_Scratch] = []

    def worker() -> Callable[[tuple[int, ...]], None]:
        scratch = take_idle(_IDLE, _Scratch)
        scratches.append(scratch)

        def work(piece: tuple[int, ...]) -> None:
            z, slices, y, rows, x, columns = piece
            memory = scratch.of_strip(kernel, slices, rows, columns)
            corner = z0 + z - hz, y0 + y - hy, x0 + x - hx
            source = memory["strip"], memory["bits"], memory["active"]
            some = load_strip(activity, bounds, *corner, slices + 2 * hz, *source)
            out = box[z : z + slices, y : y + rows, x : x + columns]
            block = z // BLOCK, y, x // LANES
            if some or isinstance(kernel, SupportMask):
                kernel.fill(memory, slices, floor, (used, block), out)
            else:
                clear_strip(used, block, out)

        return work

    most_slices, most_rows = kernel.strip_sizes[max(hz, hy) > LONG_REACH]
    share(worker, _strips(box.shape, most_slices, most_rows, kernel.row_step))
    _IDLE.extend(scratches)


@lru_cache(maxsize=64)
def _strips(shape: tuple[int, ...], most_slices: int, most_rows: int, row_step: int) -> list[tuple[int, ...]]:
    """Return (z, slices, y, rows, x, columns) of every strip of an output."""
    slices = _shares(shape[0], most_slices, BLOCK)
    rows = _shares(shape[1], most_rows, row_step)
    columns = _shares(shape[2], MOST_COLUMNS, LANES)
    strips: list[tuple[int, ...]] = [(*z, *y, *x) for z in slices for y in rows for x in columns]
    if len(strips) > FEW_STRIPS:
        return strips  # neighbours share what they read
    # The middle, which holds most of an organ, comes first: the last piece is then small, and nobody waits for it.
    return sorted(strips, key=lambda strip: sum(map(_off_centre, strip[::2], strip[1::2], shape)))


def _off_centre(start: int, size: int, length: int) -> float:
    """Return how far the middle of a part is from that of the whole, below 1."""
    return abs(2 * start + size - length) / length


class _Scratch:
    """Memory of one thread, kept from strip to strip and from call to call: fresh pages cost more than arithmetic."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}
        self._known: dict[tuple[TileKernel, int, int, int], Memory] = {}

    def of_strip(self, kernel: TileKernel, slices: int, rows: int, columns: int) -> Memory:
        """Return the arrays that the kernel wants for a strip of output, with arbitrary content."""
        memory = self._known.get((kernel, slices, rows, columns))
        if memory is None:
            sizes = kernel.sizes(slices, rows, columns)
            grown = [self._grow(name, prod(shape), dtype) for name, (shape, dtype) in sizes.items()]
            if any(grown) or len(self._known) >= MOST_STRIPS:
                self._known.clear()  # which holds on to what was replaced
            memory = {
                name: self._held[name][: prod(shape)].reshape(shape) for name, (shape, _) in sizes.items()
            }
            self._known[kernel, slices, rows, columns] = memory
        return memory

    def _grow(self, name: str, size: int, dtype: Any) -> bool:
        """Hold at least so many values under a name, from the start of a line of the cache; return whether they are new.

        Vectors as long as a line that begin elsewhere lie in two of them, and take up to half as long again to load.
        """
        if name in self._held and self._held[name].size >= size:
            return False
        raw = np.empty(size * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
        start = -raw.ctypes.data % CACHE_LINE
        self._held[name] = raw[start : len(raw) - CACHE_LINE + start].view(dtype)
        return True


_IDLE: deque[_Scratch] = deque(maxlen=8)


def _shares(length: int, at_most: int, step: int) -> list[tuple[int, int]]:
    """Return (start, size) of about even shares that cover ``length``, sizes multiples of ``step``."""
    steps = ceil(length / step)
    shares = even_shares(steps, ceil(steps * step / at_most))
    return [(start * step, (stop - start) * step) for start, stop in shares]
