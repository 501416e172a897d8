"""Convolution of an array with a voxel kernel: crop to the activity, choose an algorithm, run it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._stamp_loops import stamp
from y90voxel.dose.extent import scan_extent
from y90voxel.dose.fft_convolution import convolve_by_fft
from y90voxel.dose.support import keep_reachable
from y90voxel.dose.threads import resolve_threads, share_work
from y90voxel.errors import InputError

__all__ = ["Method", "check_method", "convolve"]

Method = Literal["auto", "direct", "separable", "fft"]


def check_method(method: str) -> None:
    """Raise InputError unless ``method`` is one of the known ones."""
    if method not in get_args(Method):
        raise InputError(
            f"unknown convolution method {method!r}; there are {', '.join(get_args(Method))}.",
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
        None means every core that this process may run on.
    method : {"auto", "direct", "separable", "fft"}
        ``"auto"`` takes the one expected to be fastest.

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
    check_method(method)
    threads = resolve_threads(threads)
    extent = scan_extent(activity, threads)
    out = np.zeros(activity.shape, np.float32)  # pages that are never written cost no memory
    if extent.active == 0:
        return out
    low = _margin(extent.start, kernel.shape)
    high = _margin([n - b for n, b in zip(activity.shape, extent.stop, strict=True)], kernel.shape)
    box = out[
        tuple(slice(a - m, b + n) for a, b, m, n in zip(extent.start, extent.stop, low, high, strict=True))
    ]
    source = np.ascontiguousarray(activity[extent.slices], np.float32)
    if method == "direct" or (method == "auto" and extent.active * kernel.size < 20 * source.size):
        _stamp(source, kernel, low, box, threads)
    else:
        box[...] = convolve_by_fft(source, kernel, low, high, threads)
        keep_reachable(box, source, kernel, low, extent.non_negative)
    return out


def _margin(room: Any, kernel_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return how far dose reaches beyond the activity, within the ``room`` that the image has."""
    z, y, x = (min(int(r), n // 2) for r, n in zip(room, kernel_shape, strict=True))
    return z, y, x


def _stamp(
    source: NDArray[np.float32],
    kernel: NDArray[np.float64],
    low: tuple[int, int, int],
    box: NDArray[np.float32],
    threads: int,
) -> None:
    """Direct sum, any kernel; each piece owns some slices of the output."""
    taps = np.ascontiguousarray(kernel, np.float32)
    edges = np.linspace(0, box.shape[0], 4 * threads + 1 if threads > 1 else 2).astype(int).tolist()
    share_work(
        lambda piece: stamp(source, taps, *low, *piece, box),
        list(pairwise(edges)),
        threads,
    )
