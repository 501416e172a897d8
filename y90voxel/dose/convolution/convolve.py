"""Convolution of an array with a voxel kernel: crop to the activity, choose an algorithm, run it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, log2, prod
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._stamp_loops import stamp
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES
from y90voxel.dose.convolution.fft_convolution import convolve_by_fft, least_lengths
from y90voxel.dose.convolution.prepared import PreparedKernel
from y90voxel.dose.convolution.support import keep_reachable
from y90voxel.dose.convolution.tiled import TileKernel, convolve_tiles
from y90voxel.dose.convolution.zeroed import Zeros, fresh_zeros
from y90voxel.dose.extent import NOTHING, Extent, SampledScan, can_be_sampled, read_only, scan_extent
from y90voxel.dose.threads import Crew, Share, even_shares, resolve_threads, share_work
from y90voxel.errors import InputError
from y90voxel.volumes.box import Box

__all__ = ["Convolved", "Method", "check_method", "convolve", "convolve_cropped"]

Method = Literal["auto", "direct", "separable", "fft"]
METHODS: tuple[str, ...] = get_args(Method)
# From the shape of the image and the box of the dose.
MakeOutput = Callable[[tuple[int, ...], Box], Zeros]

# What single precision adds to the deviation, over the maximum: tiles sum in registers; the others round at every tap.
SINGLE_PRECISION = {"stamp": 2e-5, "fold": 5e-6, "separable": 5e-6, "fft": 2e-5}
TILED = {"fold", "separable"}  # can share their work with a scan
# CPU nanoseconds, measured by benchmarks/bench_convolution.py (docs/decisions/0003), beside those of the kernel's
# own algorithms: per point of an FFT and doubling of its length (half as much again for the transform of a kernel
# that is not symmetric), per voxel of its output, and per call.
FFT_NS, FFT_NS_PER_VOXEL, FFT_NS_PER_CALL = 0.9, 1.5, 4e5
TILE_NS_PER_CALL = 5e4
# Low-rank sums skip blocks of 8 slices × 8 rows, the direct sum those of 8 × 1: by what share of its time more they
# take where most of the bounding box is empty.
RAGGED = 0.2
# A low-rank fit pays when one call saves at least this share of it: kernels are used more than once.
FIT_SHARE = 0.05
# Less work than this [ns] is done by one thread: waking another takes 0.06 ms, and it reads from the same memory.
SINGLE_THREAD_NS = 1.5e6


class Convolved(NamedTuple):
    """A convolution and how it was made.

    Parameters
    ----------
    output : Zeros
        The result, zero outside a box that contains that of the activity grown by half the kernel, cut at the image.
    algorithm : str
        ``"none"``, ``"stamp"``, ``"fold"``, ``"separable"`` or ``"fft"``.
    error : float
        Bound of the deviation over the maximum.
    """

    output: Zeros
    algorithm: str
    error: float

    @property
    def dose(self) -> NDArray[np.float32]:
        """The result, (z, y, x)."""
        return self.output.array

    @property
    def box(self) -> Box:
        """What it is zero outside of."""
        return self.output.box


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
        ``"auto"`` takes the one expected to be fastest; a direct sum then leaves out taps at the kernel's rim that
        are together below 3e-5 of the central one. ``"direct"`` is exact but for single precision. ``"separable"``
        falls back to ``"direct"`` when the kernel cannot be separated within the error.

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
    make_output: MakeOutput = fresh_zeros,
) -> Convolved:
    """Do the work of ``convolve`` and say where the dose is, how it was computed and how exactly.

    ``make_output`` makes what the dose is written into.
    """
    check_method(method)
    threads = resolve_threads(threads)
    prepared = kernel if isinstance(kernel, PreparedKernel) else PreparedKernel(kernel)
    if can_be_sampled(activity):
        found, extent = _convolve_while_reading(activity, prepared, method, threads, make_output)
        if found is not None:
            return found
    else:
        extent = scan_extent(activity, threads)
    if extent.active == 0:
        return Convolved(fresh_zeros(activity.shape, NOTHING.box), "none", 0.0)
    found = _convolve_within(activity, prepared, extent, method, threads, make_output)
    assert found is not None
    return found


def _convolve_while_reading(
    activity: NDArray[Any], kernel: PreparedKernel, method: Method, threads: int, make_output: MakeOutput
) -> tuple[Convolved | None, Extent]:
    """Convolve what a sample lets expect while all is read, as computing and reading go well together.

    Returns the convolution, or None if its algorithm has no place for that or the extent is not as expected, and the extent.
    """
    scan, found = SampledScan(activity), None
    with Crew(threads, scan.jobs()) as crew:
        expected = scan.sample()
        if expected is not None:
            found = _convolve_within(activity, kernel, expected, method, threads, make_output, crew.share)
        if found is None:
            crew.finish()
    try:
        extent = scan.extent()
    except InputError:
        del found  # the error holds on to this frame
        raise
    return (found if expected is not None and expected.covers(extent) else None), extent


def _convolve_within(
    activity: NDArray[Any],
    kernel: PreparedKernel,
    extent: Extent,
    method: Method,
    threads: int,
    make_output: MakeOutput,
    share: Share | None = None,
) -> Convolved | None:
    """Convolve what lies in an extent; None if ``share`` is given and the algorithm is not one that can use it."""
    job = _Job(activity, kernel, extent)
    choice, cost = job.choose(method)
    if share is not None and choice not in TILED:
        return None
    if method == "auto" and choice == "fold":
        job = _Job(activity, kernel.trimmed, extent)
    if cost < SINGLE_THREAD_NS:
        threads = 1
    zeros = make_output(activity.shape, job.box)
    error = job.run(choice, zeros, threads, share)
    return Convolved(zeros, choice, error)


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

    @property
    def emptiness(self) -> float:
        """Share of the bounding box of the activity that is not active."""
        return 1.0 - self.extent.active / prod(self.extent.shape)

    def choose(self, method: Method) -> tuple[str, float]:
        """Return the algorithm to use and what it costs; by itself low rank only if what it saves is worth its fit."""
        costs = self.costs(method)
        direct = "fold" if costs.get("fold", inf) <= costs["stamp"] else "stamp"
        choice, separable = direct, method == "separable"
        if method == "auto":
            choice = direct if costs[direct] <= costs["fft"] else "fft"
            separable = costs.get("separable", inf) + FIT_SHARE * self.kernel.fit_ns < costs[choice]
        elif method == "fft":
            choice = method
        if separable and self.kernel.separated is not None:
            choice = "separable"
        return choice, costs[choice]

    def costs(self, method: Method = "auto") -> dict[str, float]:
        """Return the expected CPU time [ns] of every algorithm that can do the job."""
        kernel, (nz, ny, nx) = self.kernel, (side.stop - side.start for side in self.box)
        voxels = nz * ny * nx
        points = prod(least_lengths(self.extent.shape, kernel.taps.shape, self.low, self.high))
        transforms = FFT_NS * points * log2(points) * (1.5 if kernel.octant is None else 1.0)
        work = -(-nz // BLOCK) * BLOCK * ny * -(-nx // LANES) * LANES
        costs = {
            "stamp": self.extent.active * kernel.stamp_ns,
            "fft": FFT_NS_PER_CALL + transforms + FFT_NS_PER_VOXEL * voxels,
        }
        if kernel.fold_ns < inf:
            costs["fold"] = TILE_NS_PER_CALL + work * (kernel.trimmed if method == "auto" else kernel).fold_ns
        if kernel.separable_ns < inf:
            costs["separable"] = TILE_NS_PER_CALL + work * kernel.separable_ns * (1 + RAGGED * self.emptiness)
        return costs

    def run(self, choice: str, zeros: Zeros, threads: int, share: Share | None = None) -> float:
        """Fill the box; return the bound of the error. Algorithms that are TILED share their work by ``share``, if given."""
        kernel = self.kernel
        if choice == "stamp":
            self._run_stamp(zeros, threads)
        elif choice == "fft":
            self._run_fft(zeros, threads)
        elif choice == "fold":
            self._run_tiles(kernel.folded, zeros, threads, share)
        else:
            assert kernel.separated is not None
            self._run_tiles(kernel.separated, zeros, threads, share)
            return kernel.separated.error + SINGLE_PRECISION[choice]
        return kernel.error + SINGLE_PRECISION[choice]

    def _source(self) -> NDArray[np.float32]:
        """Return the activity in its bounding box, in single precision."""
        return np.ascontiguousarray(self.activity[self.extent.box], np.float32)

    def _run_stamp(self, zeros: Zeros, threads: int) -> None:
        """Scatter; each piece owns some slices of the output."""
        source, taps, out = self._source(), self.kernel.single, zeros.array[zeros.box]
        if zeros.used.any():
            out[...] = 0
        zeros.used[...] = True
        pieces = even_shares(out.shape[0], 4 * threads if threads > 1 else 1)
        share_work(lambda: lambda piece: stamp(source, taps, *self.low, *piece, out), pieces, threads)

    def _run_fft(self, zeros: Zeros, threads: int) -> None:
        """Transform, then clean up what rounding left."""
        source, kernel, out = self._source(), self.kernel, zeros.array[zeros.box]
        zeros.used[...] = True
        taps, octant = self._taps_in_reach()
        out[...] = convolve_by_fft(source, taps, octant, self.low, self.high, threads)
        if kernel.support is not None:
            self._run_tiles(kernel.support, zeros, threads)
        else:
            keep_reachable(out, source, kernel.taps, self.low, self.extent.non_negative)

    def _taps_in_reach(self) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return the kernel and its octant without planes that lead out of the image from everywhere.

        What they hold would not reach the dose, but the rounding of a transform, which goes with the largest tap.
        """
        half, kernel = self.kernel.half, self.kernel
        sides = zip(half, self.extent.shape, self.low, self.high, strict=True)
        reach = [min(h, n - 1 + max(low, high)) for h, n, low, high in sides]
        taps = kernel.taps[tuple(slice(h - r, h + r + 1) for h, r in zip(half, reach, strict=True))]
        return taps, None if kernel.octant is None else kernel.octant[tuple(slice(r + 1) for r in reach)]

    def _run_tiles(self, kernel: TileKernel, zeros: Zeros, threads: int, share: Share | None = None) -> None:
        """Work from the activity in place if its memory allows, else from a copy of its box."""
        (z0, y0, x0), (z1, y1, x1), (a, b, c) = self.extent.start, self.extent.stop, self.low
        if self.activity.flags.c_contiguous and self.activity.dtype in (np.float32, np.float64):
            source, bounds, origin = self.activity, (z0, z1, y0, y1, x0, x1), (z0 - a, y0 - b, x0 - c)
        else:
            source, bounds, origin = self._source(), (0, z1 - z0, 0, y1 - y0, 0, x1 - x0), (-a, -b, -c)
        share = share or partial(share_work, threads=threads)
        out, non_negative = zeros.array[zeros.box], self.extent.non_negative
        convolve_tiles(read_only(source), bounds, origin, kernel, non_negative, out, zeros.used, share)
