"""Convolution of an array with a voxel kernel: crop to the activity, choose an algorithm, run it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._stamp_loops import stamp
from y90voxel.dose._tile_loops import MAX_REACH
from y90voxel.dose._vector_loops import BLOCK, LANES
from y90voxel.dose.extent import Extent, scan_extent
from y90voxel.dose.fft_convolution import convolve_by_fft, transform_size
from y90voxel.dose.low_rank import expected_operations, expected_seconds, separate
from y90voxel.dose.support import keep_reachable
from y90voxel.dose.threads import even_shares, resolve_threads, share_work
from y90voxel.dose.tiled import FoldedKernel, SupportMask, convolve_tiles, reach_in_row
from y90voxel.errors import InputError

__all__ = ["Convolved", "Method", "check_method", "convolve", "convolve_cropped"]

Method = Literal["auto", "direct", "separable", "fft"]
METHODS: tuple[str, ...] = get_args(Method)
Box = tuple[slice, slice, slice]

# CPU nanoseconds, measured by benchmarks/bench_convolution.py (docs/decisions/0003): per output voxel of a tile
# and per operation on it, per active voxel and tap, and per FFT point and doubling of the length. An FFT is
# charged a little extra: loading it in a fresh process takes longer than small jobs.
FOLD_NS, FOLD_NS_PER_OPERATION = 2.0, 0.032
SEPARATE_NS, SEPARATE_NS_PER_OPERATION = 2.5, 0.040
STAMP_NS_PER_TAP, STAMP_NS_PER_ROW = 0.3, 4.0
FFT_NS, FFT_NS_PER_VOXEL, FFT_NS_PER_CALL = 1.5, 2.0, 3e5
# A low-rank fit pays when one call saves at least this share of it: kernels are used more than once.
FIT_SHARE = 0.1
# Share of the slices up to which the output may be held in huge pages.
HUGE_PAGE_SHARE = 0.25
# Less work than this [ns] is done by one thread: starting another costs 0.1 ms.
SINGLE_THREAD_NS = 1.5e6


@dataclass(frozen=True, eq=False)
class Convolved:
    """A convolution and how it was made.

    Parameters
    ----------
    dose : ndarray of float32, (z, y, x)
        The result, zero outside ``box``.
    box : tuple of slice, (3,)
        Bounding box of the activity grown by half the kernel, cut at the image.
    algorithm : str
        ``"none"``, ``"stamp"``, ``"fold"``, ``"separable"`` or ``"fft"``.
    error : float
        Bound of the deviation over the maximum.
    """

    dose: NDArray[np.float32]
    box: Box
    algorithm: str
    error: float


def check_method(method: str) -> None:
    """Raise InputError unless ``method`` is one of the known ones."""
    if method not in METHODS:
        raise InputError(
            f"unknown convolution method {method!r}; there are {', '.join(METHODS)}.",
            tag="dose.method",
        )


def convolve(
    activity: NDArray[Any],
    kernel: NDArray[np.float64],
    *,
    threads: int | None = None,
    method: Method = "auto",
) -> NDArray[np.float32]:
    """Return ``out[t] = sum over s of activity[s] * kernel[centre + t - s]``.

    Parameters
    ----------
    activity : ndarray, (z, y, x)
        Any real type, any memory order; zero beyond its edges.
    kernel : ndarray, three odd lengths
        Not negative; may be larger than the activity and need not be symmetric.
    threads : int or None
        None means every core that this process may run on. Little work is done by one thread.
    method : {"auto", "direct", "separable", "fft"}
        ``"auto"`` takes the one expected to be fastest. ``"direct"`` is exact but for single precision.
        ``"separable"`` falls back to ``"direct"`` when the kernel cannot be separated within the error.

    Returns
    -------
    ndarray of float32, (z, y, x)
        Within 1e-4 of its own maximum (of that of the absolute activity, where activity is negative); exactly
        zero where the kernel reaches nothing; never negative for non-negative activity.

    Raises
    ------
    InputError
        If a voxel is not finite, or the method or the number of threads is not usable.
    """
    return convolve_cropped(activity, kernel, threads=threads, method=method).dose


def convolve_cropped(
    activity: NDArray[Any],
    kernel: NDArray[np.float64],
    *,
    threads: int | None = None,
    method: Method = "auto",
) -> Convolved:
    """Do the work of ``convolve`` and say where the dose is, how it was computed and how exactly."""
    check_method(method)
    threads = resolve_threads(threads)
    extent = scan_extent(activity, threads)
    if extent.active == 0:
        empty = slice(0, 0)
        return Convolved(np.zeros(activity.shape, np.float32), (empty, empty, empty), "none", 0.0)
    job = _Job(activity, kernel, extent)
    dose = _zeros(activity.shape, job.box)
    algorithm, error = job.run(dose[job.box], method, threads)
    return Convolved(dose, job.box, algorithm, error)


class _Job:
    """One convolution: the activity, the kernel, and what the algorithms need of both."""

    def __init__(self, activity: NDArray[Any], kernel: NDArray[np.float64], extent: Extent) -> None:
        self.activity, self.kernel, self.extent = activity, kernel, extent
        self.low = _margin(extent.start, kernel.shape)
        room = [n - b for n, b in zip(activity.shape, extent.stop, strict=True)]
        self.high = _margin(room, kernel.shape)
        z, y, x = (
            slice(a - m, b + n)
            for a, b, m, n in zip(extent.start, extent.stop, self.low, self.high, strict=True)
        )
        self.box: Box = (z, y, x)
        self.octant = _octant(kernel)

    def run(self, out: NDArray[np.float32], method: Method, threads: int) -> tuple[str, float]:
        """Fill ``out``; return the algorithm and the bound of its error."""
        costs = self._costs()
        direct = min((name for name in ("stamp", "fold") if name in costs), key=costs.__getitem__)
        asked = {"auto": self._cheapest(costs), "direct": direct, "separable": "separable", "fft": "fft"}
        choice = asked[method]
        separated = separate(self.kernel) if choice == "separable" and "separable" in costs else None
        if choice == "separable" and separated is None:
            rest = {name: cost for name, cost in costs.items() if name != "separable"}
            choice = direct if method == "separable" else min(rest, key=rest.__getitem__)
        threads = 1 if costs[choice] < SINGLE_THREAD_NS else threads
        if separated is not None:
            self._run_tiles(separated, out, threads)
            return choice, separated.error + SINGLE_PRECISION
        getattr(self, f"_run_{choice}")(out, threads)
        return choice, SINGLE_PRECISION

    def _costs(self) -> dict[str, float]:
        """Return the expected CPU time [ns] of every algorithm that can do the job."""
        shape = [s.stop - s.start for s in self.box]
        kernel_rows = self.kernel.shape[0] * self.kernel.shape[1]
        points = transform_size(self.extent.shape, self.kernel.shape, self.low, self.high)
        costs = {
            "stamp": self.extent.active
            * (STAMP_NS_PER_TAP * self.kernel.size + STAMP_NS_PER_ROW * kernel_rows),
            "fft": FFT_NS_PER_CALL + FFT_NS * points * log2(points) + FFT_NS_PER_VOXEL * prod(shape),
        }
        if self.octant is not None and self.octant.shape[0] - 1 <= MAX_REACH:
            work = prod(ceil(n / step) * step for n, step in zip(shape, (BLOCK, BLOCK, LANES), strict=True))
            folded = FOLD_NS + FOLD_NS_PER_OPERATION * 2 * np.count_nonzero(self.octant)
            costs["fold"] = float(work * folded)
            if self.octant.shape[1] - 1 <= MAX_REACH:
                separable = SEPARATE_NS + SEPARATE_NS_PER_OPERATION * expected_operations(self.octant.shape)
                costs["separable"] = work * separable
        return costs

    def _cheapest(self, costs: dict[str, float]) -> str:
        """Return the cheapest algorithm; low rank only if what it saves is worth its fit."""
        assert self.octant is not None or "separable" not in costs
        rest = {name: cost for name, cost in costs.items() if name != "separable"}
        best = min(rest, key=rest.__getitem__)
        if "separable" in costs and self.octant is not None:
            worth = FIT_SHARE * 1e9 * expected_seconds(self.octant.shape)
            if costs["separable"] + worth < costs[best]:
                return "separable"
        return best

    def _source(self) -> NDArray[np.float32]:
        """Return the activity in its bounding box, in single precision."""
        return np.ascontiguousarray(self.activity[self.extent.slices], np.float32)

    def _run_stamp(self, out: NDArray[np.float32], threads: int) -> None:
        """Scatter; each piece owns some slices of the output."""
        source, taps = self._source(), np.ascontiguousarray(self.kernel, np.float32)
        pieces = even_shares(out.shape[0], 4 * threads if threads > 1 else 1)
        share_work(lambda: lambda piece: stamp(source, taps, *self.low, *piece, out), pieces, threads)

    def _run_fft(self, out: NDArray[np.float32], threads: int) -> None:
        """Transform, then clean up what rounding left."""
        source = self._source()
        out[...] = convolve_by_fft(source, self.kernel, self.low, self.high, threads)
        in_row = None if self.octant is None else reach_in_row(self.octant)
        hz, hy, hx = (n // 2 for n in self.kernel.shape)
        if in_row is not None and hx < 64:
            self._run_tiles(SupportMask((hz, hy, hx), in_row), out, threads)
        else:
            keep_reachable(out, source, self.kernel, self.low, self.extent.non_negative)

    def _run_fold(self, out: NDArray[np.float32], threads: int) -> None:
        """Direct sum over mirror images."""
        assert self.octant is not None
        self._run_tiles(FoldedKernel.from_octant(self.octant), out, threads)

    def _run_tiles(self, kernel: Any, out: NDArray[np.float32], threads: int) -> None:
        """Work from the activity in place if its memory allows, else from a copy of its box."""
        z, y, x = (s.start for s in self.box)
        if self.activity.flags.c_contiguous and self.activity.dtype in (np.float32, np.float64):
            source, origin = self.activity.view(), (z, y, x)
        else:
            a, b, c = self.low
            source, origin = self._source(), (-a, -b, -c)
        source.flags.writeable = False  # one compiled variant for writable and read-only arrays
        convolve_tiles(source, origin, kernel, self.extent.non_negative, out, threads)


# What single precision adds to the deviation, over the maximum; tests hold it to this.
SINGLE_PRECISION = 5e-6


def _margin(room: Sequence[int], kernel_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return how far dose reaches beyond the activity, within the ``room`` that the image has."""
    z, y, x = (min(int(r), n // 2) for r, n in zip(room, kernel_shape, strict=True))
    return z, y, x


def _octant(kernel: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return one octant of the kernel, source voxel first; None unless it is exactly mirror symmetric."""
    for flipped in (kernel[::-1], kernel[:, ::-1], kernel[:, :, ::-1]):
        if not (kernel == flipped).all():
            return None
    a, b, c = (n // 2 for n in kernel.shape)
    return kernel[a:, b:, c:]


def _zeros(shape: tuple[int, ...], box: Box) -> NDArray[np.float32]:
    """Return zeros whose pages cost memory only where they are written.

    numpy asks for pages of 2 MB, which are fast, but drag in every slice that the box touches. When that is much
    of the image and the box itself is not, small pages are asked for instead.
    """
    size, span = prod(shape), box[0].stop - box[0].start
    rows = span * (box[1].stop - box[1].start)
    small_pages = span > HUGE_PAGE_SHARE * shape[0] and rows < 0.6 * span * shape[1]
    if not small_pages or size < 1 << 20 or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(shape, np.float32)
    memory = mmap.mmap(-1, 4 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.float32).reshape(shape)
