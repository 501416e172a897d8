"""Convolution of an array with a voxel kernel: crop to the activity, choose an algorithm, run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log2
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._stamp_loops import stamp
from y90voxel.dose._vector_loops import BLOCK, LANES
from y90voxel.dose.extent import Extent, scan_extent
from y90voxel.dose.fft_convolution import convolve_by_fft, transform_size
from y90voxel.dose.prepared import PreparedKernel
from y90voxel.dose.support import keep_reachable
from y90voxel.dose.threads import even_shares, resolve_threads, share_work
from y90voxel.dose.tiled import FoldedKernel, SeparatedKernel, SupportMask, convolve_tiles
from y90voxel.dose.zeroed import Box, fresh_zeros
from y90voxel.errors import InputError

__all__ = ["Convolved", "Method", "check_method", "convolve", "convolve_cropped"]

Method = Literal["auto", "direct", "separable", "fft"]
METHODS: tuple[str, ...] = get_args(Method)

# CPU nanoseconds, measured by benchmarks/bench_convolution.py (docs/decisions/0003), beside those of the kernel's
# own algorithms: per point of an FFT and doubling of its length (half as much again for the transform of a kernel
# that is not symmetric), per voxel of its output, and per call.
FFT_NS, FFT_NS_PER_VOXEL, FFT_NS_PER_CALL = 0.9, 1.5, 4e5
TILE_NS_PER_CALL = 5e4
# A low-rank fit pays when one call saves at least this share of it: kernels are used more than once.
FIT_SHARE = 0.05
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
    kernel: NDArray[np.float64] | PreparedKernel,
    *,
    threads: int | None = None,
    method: Method = "auto",
    memory: Callable[[tuple[int, ...], Box], tuple[NDArray[np.float32], bool]] = fresh_zeros,
) -> Convolved:
    """Do the work of ``convolve`` and say where the dose is, how it was computed and how exactly.

    ``memory`` makes what the dose is written into: zeros of a shape, but that the box that will be written may hold
    anything if it says so.
    """
    check_method(method)
    threads = resolve_threads(threads)
    extent = scan_extent(activity, threads)
    if extent.active == 0:
        empty = slice(0, 0)
        return Convolved(np.zeros(activity.shape, np.float32), (empty, empty, empty), "none", 0.0)
    prepared = kernel if isinstance(kernel, PreparedKernel) else PreparedKernel(kernel)
    job = _Job(activity, prepared, extent)
    dose, job.stale = memory(activity.shape, job.box)
    algorithm, error = job.run(dose[job.box], method, threads)
    return Convolved(dose, job.box, algorithm, error)


class _Job:
    """One convolution: the activity, the kernel, and what the algorithms need of both."""

    def __init__(self, activity: NDArray[Any], kernel: PreparedKernel, extent: Extent) -> None:
        self.activity, self.kernel, self.extent, self.stale = activity, kernel, extent, False
        (z0, y0, x0), (z1, y1, x1), (a, b, c) = extent.start, extent.stop, kernel.half
        nz, ny, nx = activity.shape
        self.low = min(z0, a), min(y0, b), min(x0, c)
        self.high = min(nz - z1, a), min(ny - y1, b), min(nx - x1, c)
        self.box: Box = (
            slice(z0 - self.low[0], z1 + self.high[0]),
            slice(y0 - self.low[1], y1 + self.high[1]),
            slice(x0 - self.low[2], x1 + self.high[2]),
        )

    def run(self, out: NDArray[np.float32], method: Method, threads: int) -> tuple[str, float]:
        """Fill ``out``; return the algorithm and the bound of its error."""
        costs = self.costs()
        direct = "stamp" if costs["stamp"] < costs.get("fold", inf) else "fold"
        asked = {"auto": self._cheapest(costs), "direct": direct, "separable": "separable", "fft": "fft"}
        choice = asked[method]
        separated = self.kernel.separated if choice == "separable" else None
        if choice == "separable" and separated is None:
            rest = {name: cost for name, cost in costs.items() if name != "separable"}
            choice = direct if method == "separable" else min(rest, key=rest.__getitem__)
        threads = 1 if costs[choice] < SINGLE_THREAD_NS else threads
        if separated is not None:
            self._run_tiles(separated, out, threads)
            return choice, separated.error + SINGLE_PRECISION
        getattr(self, f"_run_{choice}")(out, threads)
        return choice, SINGLE_PRECISION

    def costs(self) -> dict[str, float]:
        """Return the expected CPU time [ns] of every algorithm that can do the job."""
        nz, ny, nx = (s.stop - s.start for s in self.box)
        kernel = self.kernel
        points = transform_size(self.extent.shape, kernel.taps.shape, self.low, self.high)
        transforms = FFT_NS * points * log2(points) * (1.5 if kernel.octant is None else 1.0)
        work = -(-nz // BLOCK) * BLOCK * ny * -(-nx // LANES) * LANES
        costs = {
            "stamp": self.extent.active * kernel.stamp_ns,
            "fft": FFT_NS_PER_CALL + transforms + FFT_NS_PER_VOXEL * nz * ny * nx,
            "fold": TILE_NS_PER_CALL + work * kernel.fold_ns,
            "separable": TILE_NS_PER_CALL + work * kernel.separable_ns,
        }
        return {name: cost for name, cost in costs.items() if cost < inf}

    def _cheapest(self, costs: dict[str, float]) -> str:
        """Return the cheapest algorithm; low rank only if what it saves is worth its fit."""
        with_fit = costs | {"separable": costs.get("separable", inf) + FIT_SHARE * self.kernel.fit_ns}
        return min(with_fit, key=with_fit.__getitem__)

    def _source(self) -> NDArray[np.float32]:
        """Return the activity in its bounding box, in single precision."""
        return np.ascontiguousarray(self.activity[self.extent.slices], np.float32)

    def _run_stamp(self, out: NDArray[np.float32], threads: int) -> None:
        """Scatter; each piece owns some slices of the output."""
        source, taps = self._source(), self.kernel.single
        if self.stale:
            out[...] = 0
        pieces = even_shares(out.shape[0], 4 * threads if threads > 1 else 1)
        share_work(lambda: lambda piece: stamp(source, taps, *self.low, *piece, out), pieces, threads)

    def _run_fft(self, out: NDArray[np.float32], threads: int) -> None:
        """Transform, then clean up what rounding left."""
        source, kernel = self._source(), self.kernel
        out[...] = convolve_by_fft(source, kernel.taps, kernel.octant, self.low, self.high, threads)
        if kernel.support is not None:
            self._run_tiles(kernel.support, out, threads)
        else:
            keep_reachable(out, source, kernel.taps, self.low, self.extent.non_negative)

    def _run_fold(self, out: NDArray[np.float32], threads: int) -> None:
        """Direct sum over mirror images."""
        self._run_tiles(self.kernel.folded, out, threads)

    def _run_tiles(
        self, kernel: FoldedKernel | SeparatedKernel | SupportMask, out: NDArray[np.float32], threads: int
    ) -> None:
        """Work from the activity in place if its memory allows, else from a copy of its box."""
        (z0, y0, x0), (z1, y1, x1), (a, b, c) = self.extent.start, self.extent.stop, self.low
        if self.activity.flags.c_contiguous and self.activity.dtype in (np.float32, np.float64):
            source, bounds, origin = self.activity.view(), (z0, z1, y0, y1, x0, x1), (z0 - a, y0 - b, x0 - c)
        else:
            source, bounds, origin = self._source(), (0, z1 - z0, 0, y1 - y0, 0, x1 - x0), (-a, -b, -c)
        source.flags.writeable = False  # one compiled variant for writable and read-only arrays
        convolve_tiles(source, bounds, origin, kernel, self.extent.non_negative, self.stale, out, threads)


# What single precision adds to the deviation, over the maximum; tests hold it to this.
SINGLE_PRECISION = 5e-6
