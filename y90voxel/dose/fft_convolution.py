"""Convolution of a box by real FFTs."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolve_by_fft", "transform_size"]


def convolve_by_fft(
    source: NDArray[np.floating[Any]],
    kernel: NDArray[np.float64],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    threads: int,
) -> NDArray[np.float32]:
    """Return the convolution on the source's box grown by ``low`` and ``high`` voxels.

    Parameters
    ----------
    source : ndarray, (z, y, x)
        Activity on its bounding box.
    kernel : ndarray, odd shape
        Taps, the source voxel at the centre.
    low, high : tuple of int, (3,)
        Growth on the low and the high sides, at most half the kernel.
    threads : int
        Threads of the transforms.

    Notes
    -----
    Single precision; the error is about 1e-7 of the maximum, of either sign, everywhere in the box. A periodic
    length of n + h + max(low, high) keeps what wraps around out of the part that is returned.
    """
    from scipy import fft

    half = [n // 2 for n in kernel.shape]
    lengths = [fft.next_fast_len(n, real=True) for n in _least_lengths(source.shape, kernel.shape, low, high)]
    spectrum = fft.rfftn(source.astype(np.float32, copy=False), lengths, workers=threads)
    spectrum *= fft.rfftn(kernel.astype(np.float32), lengths, workers=threads)
    wrapped = fft.irfftn(spectrum, lengths, workers=threads, overwrite_x=True)
    # Voxel i of the source's box is voxel i + half of the full convolution.
    box = tuple(slice(h - a, h + n + b) for n, h, a, b in zip(source.shape, half, low, high, strict=True))
    return np.asarray(wrapped[box], np.float32)


def transform_size(
    source_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
) -> int:
    """Return the number of points of the transform, before rounding up to fast lengths."""
    return prod(_least_lengths(source_shape, kernel_shape, low, high))


def _least_lengths(
    source_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
) -> list[int]:
    """Return the shortest periods that keep what wraps around out of the result."""
    return [
        max(n + k // 2 + max(a, b), k)
        for n, k, a, b in zip(source_shape, kernel_shape, low, high, strict=True)
    ]
