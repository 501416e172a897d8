"""Convolution of a box by real FFTs."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._spectrum_loops import multiply_spectrum
from y90voxel.dose.threads import even_shares, share_work

__all__ = ["convolve_by_fft", "least_lengths"]

# Values of a plane that multiply_spectrum takes at a time, so that they stay in the caches.
VALUES_AT_ONCE = 2048
# Points up to which numpy transforms, on one thread: to load scipy's transforms (0.2 s) takes longer than these.
NUMPY_POINTS = 1 << 20


def convolve_by_fft(
    source: NDArray[np.floating[Any]],
    kernel: NDArray[np.float64],
    mirrored: bool,
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    threads: int,
) -> NDArray[np.float32]:
    """Return the convolution on the source's box grown by ``low`` and ``high`` voxels.

    Parameters
    ----------
    source : ndarray, (z, y, x)
        Activity on its bounding box.
    kernel : ndarray
        Taps, an odd number along each axis, the source voxel at the centre; or one octant of them, source voxel first.
    mirrored : bool
        Whether ``kernel`` is an octant of a mirror-symmetric kernel: its transform is real and a product of three small
        matrices, so that two transforms do instead of three.
    low, high : tuple of int, (3,)
        Growth on the low and the high sides, at most half the kernel.
    threads : int
        Threads of the transforms.

    Notes
    -----
    Single precision; the error is about 1e-7 of the maximum, of either sign, everywhere in the box. A periodic
    length of n + h + max(low, high) keeps what wraps around out of the part that is returned.
    """
    half = [n - 1 if mirrored else n // 2 for n in kernel.shape]
    lengths = [_fast_length(n) for n in least_lengths(source.shape, half, low, high)]
    # Symmetric: the kernel's centre lies at the origin and the source at ``low``. Else the kernel's corner and the
    # source both lie there, which moves the result by half the kernel.
    place = low if mirrored else (0, 0, 0)
    padded = np.zeros(lengths, np.float32)
    padded[tuple(slice(a, a + n) for a, n in zip(place, source.shape, strict=True))] = source
    spectrum = _forward(padded, lengths, threads)
    del padded
    if mirrored:
        _multiply(spectrum, kernel, lengths, threads)
    else:
        spectrum *= _forward(kernel.astype(np.float32), lengths, threads)
    wrapped = _backward(spectrum, lengths, threads)
    start = [0] * 3 if mirrored else [h - a for h, a in zip(half, low, strict=True)]
    grown = zip(start, source.shape, low, high, strict=True)
    return np.asarray(wrapped[tuple(slice(s, s + n + a + b) for s, n, a, b in grown)], np.float32)


def _forward(values: NDArray[np.float32], lengths: list[int], threads: int) -> NDArray[np.complex64]:
    """Return the transform of values that are filled up with zeros."""
    if prod(lengths) <= NUMPY_POINTS:
        return np.ascontiguousarray(np.fft.rfftn(values, lengths, axes=(0, 1, 2)), np.complex64)
    # deferred: 0.2 s
    from scipy import fft

    return np.ascontiguousarray(fft.rfftn(values, lengths, workers=threads), np.complex64)


def _backward(spectrum: NDArray[np.complex64], lengths: list[int], threads: int) -> NDArray[np.float32]:
    """Return what has this transform, which may be overwritten."""
    if prod(lengths) <= NUMPY_POINTS:
        return np.asarray(np.fft.irfftn(spectrum, lengths, axes=(0, 1, 2)), np.float32)
    # deferred: 0.2 s
    from scipy import fft

    return np.asarray(fft.irfftn(spectrum, lengths, workers=threads, overwrite_x=True), np.float32)


def _multiply(
    spectrum: NDArray[np.complex64], octant: NDArray[np.float64], lengths: list[int], threads: int
) -> None:
    """Multiply, in place, by the transform of a mirror-symmetric kernel, K(f) = Σ_d K[d] Π cos(2π f d / n)."""
    waves = []
    for n, taps in zip(lengths, octant.shape, strict=True):
        # The tap at d = 0 counts once, all others stand for two.
        wave = np.cos((2 * np.pi / n) * np.outer(np.arange(n), np.arange(taps)))
        wave[:, 1:] *= 2
        waves.append(wave)
    z, y, x = waves
    x = np.repeat(x[: lengths[2] // 2 + 1], 2, axis=0)
    in_plane = np.ascontiguousarray((y @ (octant @ x.T)).reshape(len(octant), -1), np.float32)
    parts = spectrum.view(np.float32).reshape(lengths[0], -1)
    along_z = z.astype(np.float32)
    pieces = even_shares(parts.shape[1], -(-parts.shape[1] // VALUES_AT_ONCE))
    share_work(lambda: lambda piece: multiply_spectrum(along_z, in_plane, *piece, parts), pieces, threads)


def least_lengths(
    source_shape: tuple[int, ...],
    half: tuple[int, int, int] | list[int],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
) -> list[int]:
    """Return the shortest periods that keep what wraps around out of the result; ``half``: of the kernel."""
    return [
        max(n + h + max(a, b), 2 * h + 1) for n, h, a, b in zip(source_shape, half, low, high, strict=True)
    ]


def _fast_length(least: int) -> int:
    """Return the smallest length from ``least`` on without a prime factor above 5."""
    length = least
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
