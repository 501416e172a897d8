"""Convolution of an array with a voxel kernel: crop to the activity, choose an algorithm, run it."""

from __future__ import annotations

from math import ceil, inf, log2, prod
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._stamp_loops import stamp
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES
from y90voxel.dose.convolution.fft_convolution import convolve_by_fft, least_lengths
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.dose.convolution.support import keep_reachable
from y90voxel.dose.convolution.tiled import convolve_tiles
from y90voxel.dose.extent import NOTHING, Extent, read_only, scan_extent
from y90voxel.dose.threads import even_shares, resolve_threads, share_work
from y90voxel.errors import InputError
from y90voxel.volumes.box import Box

__all__ = ["Convolved", "Method", "check_method", "convolve", "convolve_cropped"]

Method = Literal["auto", "direct", "fft"]
METHODS: tuple[str, ...] = get_args(Method)

# What single precision adds to the deviation, over the maximum: tiles sum in registers; the others round at every tap.
SINGLE_PRECISION = {"stamp": 2e-5, "fold": 5e-6, "fft": 2e-5}
# CPU nanoseconds, measured by benchmarks/bench_convolution.py (docs/decisions/0003), beside those of the kernel's
# own algorithms: per point of an FFT and doubling of its length (half as much again for the transform of a kernel
# that is not symmetric), per voxel of its output, and per call; and, to find what the kernel reaches, per row of the
# source and of the kernel and 64 voxels of it.
FFT_NS, FFT_NS_PER_VOXEL, FFT_NS_PER_CALL = 0.9, 1.5, 4e5
REACH_NS = 2.2  # CPU ns per row of source and kernel and 64 voxels of it, measured as the above
TILE_NS_PER_CALL = 5e4  # CPU ns per call of tiles, measured as the above
# Less work than this [ns] is done by one thread: starting another takes 0.1 ms, its own scratch memory is to be touched
# first, and it reads from the same memory. Idle, work of 3.4 ms took 7.6 ms by one and 9.9 by two, of 5.9 ms 11.0 and 7.1.
SINGLE_THREAD_NS = 4.5e6


class Convolved(NamedTuple):
    """A convolution and how it was made.

    Parameters
    ----------
    dose : ndarray of float32, (z, y, x)
        The result, zero outside ``box``.
    box : tuple of slice, (3,)
        Box of the activity grown by half the kernel, cut at the image.
    algorithm : str
        ``"none"``, ``"stamp"``, ``"fold"`` or ``"fft"``.
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
    method : {"auto", "direct", "fft"}
        ``"auto"`` takes the one expected to be fastest; a direct sum then leaves out the outermost taps of the kernel that
        are together below 3e-5 of the central one. ``"direct"`` is exact but for single precision.

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
) -> Convolved:
    """Do the work of ``convolve`` and say where the dose is, how it was computed and how exactly."""
    check_method(method)
    threads = resolve_threads(threads)
    prepared = kernel if isinstance(kernel, PreparedKernel) else PreparedKernel(kernel)
    extent = scan_extent(activity)
    dose = np.zeros(activity.shape, np.float32)
    if extent.active == 0:
        return Convolved(dose, NOTHING.box, "none", 0.0)
    job = _Job(activity, prepared, extent)
    choice, cost = job.choose(method)
    if method == "auto" and choice == "fold":
        job = _Job(activity, prepared.trimmed, extent)
    error = job.run(choice, dose[job.box], 1 if cost < SINGLE_THREAD_NS else threads)
    return Convolved(dose, job.box, choice, error)


class _Job:
    """One convolution: the activity, the kernel, and what the algorithms need of both."""

    def __init__(self, activity: NDArray[Any], kernel: PreparedKernel, extent: Extent) -> None:
        self.activity, self.kernel, self.extent = activity, kernel, extent
        (z0, y0, x0), (z1, y1, x1), (a, b, c) = extent.start, extent.stop, kernel.half
        nz, ny, nx = activity.shape
        self.low = min(z0, a), min(y0, b), min(x0, c)
        self.high = min(nz - z1, a), min(ny - y1, b), min(nx - x1, c)
        self.box: Box = (
            slice(z0 - self.low[0], z1 + self.high[0]),
            slice(y0 - self.low[1], y1 + self.high[1]),
            slice(x0 - self.low[2], x1 + self.high[2]),
        )

    def choose(self, method: Method) -> tuple[str, float]:
        """Return the algorithm to use and what it costs."""
        costs = self.costs(method)
        choice = "fold" if costs.get("fold", inf) <= costs["stamp"] else "stamp"
        if method == "fft" or (method == "auto" and costs["fft"] < costs[choice]):
            choice = "fft"
        return choice, costs[choice]

    def costs(self, method: Method = "auto") -> dict[str, float]:
        """Return the expected CPU time [ns] of every algorithm that can do the job."""
        kernel, (nz, ny, nx) = self.kernel, (side.stop - side.start for side in self.box)
        points = prod(least_lengths(self.extent.shape, kernel.half, self.low, self.high))
        transforms = FFT_NS * points * log2(points) * (1.5 if kernel.octant is None else 1.0)
        rows, columns = prod(self.extent.shape[:2]), self.extent.shape[2] + 2 * kernel.half[2]
        reach = REACH_NS * rows * prod(kernel.taps.shape[:2]) * ceil(columns / 64)
        costs = {
            "stamp": self.extent.active * kernel.stamp_ns,
            "fft": FFT_NS_PER_CALL + transforms + FFT_NS_PER_VOXEL * nz * ny * nx + reach,
        }
        if kernel.fold_ns < inf:
            work = ceil(nz / BLOCK) * BLOCK * ny * ceil(nx / LANES) * LANES
            folded = kernel.trimmed if method == "auto" else kernel
            costs["fold"] = TILE_NS_PER_CALL + work * folded.fold_ns
        return costs

    def run(self, choice: str, out: NDArray[np.float32], threads: int) -> float:
        """Fill the box, which is zero; return the bound of the error."""
        {"stamp": self._run_stamp, "fold": self._run_tiles, "fft": self._run_fft}[choice](out, threads)
        return self.kernel.error + SINGLE_PRECISION[choice]

    def _source(self) -> NDArray[np.float32]:
        """Return the activity in its bounding box, in single precision."""
        return np.ascontiguousarray(self.activity[self.extent.box], np.float32)

    def _run_stamp(self, out: NDArray[np.float32], threads: int) -> None:
        """Scatter; each piece owns some slices of the output."""
        source, taps = self._source(), self.kernel.single
        pieces = even_shares(out.shape[0], 4 * threads if threads > 1 else 1)
        share_work(lambda: lambda piece: stamp(source, taps, *self.low, *piece, out), pieces, threads)

    def _run_fft(self, out: NDArray[np.float32], threads: int) -> None:
        """Transform, then zero what rounding left."""
        source, kernel = self._source(), self.kernel
        taps, mirrored = self._taps_in_reach()
        out[...] = convolve_by_fft(source, taps, mirrored, self.low, self.high, threads)
        keep_reachable(out, source, kernel.taps, self.low, self.extent.non_negative)

    def _taps_in_reach(self) -> tuple[NDArray[np.float64], bool]:
        """Return the kernel or its octant, and which, without planes that lead out of the image from everywhere.

        What they hold would not reach the dose, but the rounding of a transform, which goes with the largest tap.
        """
        half, kernel = self.kernel.half, self.kernel
        sides = zip(half, self.extent.shape, self.low, self.high, strict=True)
        reach = [min(h, n - 1 + max(low, high)) for h, n, low, high in sides]
        if kernel.octant is not None:
            return kernel.octant[tuple(slice(r + 1) for r in reach)], True
        return kernel.taps[tuple(slice(h - r, h + r + 1) for h, r in zip(half, reach, strict=True))], False

    def _run_tiles(self, out: NDArray[np.float32], threads: int) -> None:
        """Work from the activity in place if its memory allows, else from a copy of its box."""
        (z0, y0, x0), (z1, y1, x1), (a, b, c) = self.extent.start, self.extent.stop, self.low
        if self.activity.flags.c_contiguous and self.activity.dtype == np.float32:
            source, bounds, origin = self.activity, (z0, z1, y0, y1, x0, x1), (z0 - a, y0 - b, x0 - c)
        else:
            source, bounds, origin = self._source(), (0, z1 - z0, 0, y1 - y0, 0, x1 - x0), (-a, -b, -c)
        convolve_tiles(read_only(source), bounds, origin, self.kernel.folded, out, threads)
