"""Convolution of a box by real FFTs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._spectrum_loops import multiply_spectrum
from y90voxel.dose.threads import even_shares, share_work

__all__ = ["convolve_by_fft", "least_lengths"]

# Values of a plane that multiply_spectrum takes at a time, so that they stay in the caches.
VALUES_AT_ONCE = 2048


def convolve_by_fft(
    source: NDArray[np.floating[Any]],
    kernel: NDArray[np.float64],
    octant: NDArray[np.float64] | None,
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
    octant : ndarray or None
        One octant of a mirror-symmetric kernel: its transform is real and a product of three small matrices, so that
        two transforms do instead of three.
    low, high : tuple of int, (3,)
        Growth on the low and the high sides, at most half the kernel.
    threads : int
        Threads of the transforms.

    Notes
    -----
    Single precision; the error is about 1e-7 of the maximum, of either sign, everywhere in the box. A periodic
    length of n + h + max(low, high) keeps what wraps around out of the part that is returned.
    """
    # deferred: 0.2 s
    from scipy import fft

    lengths = [fft.next_fast_len(n, real=True) for n in least_lengths(source.shape, kernel.shape, low, high)]
    # Symmetric: the kernel's centre lies at the origin and the source at ``low``. Else the kernel's corner and the
    # source both lie there, which moves the result by half the kernel.
    place = (0, 0, 0) if octant is None else low
    padded = np.zeros(lengths, np.float32)
    padded[tuple(slice(a, a + n) for a, n in zip(place, source.shape, strict=True))] = source
    spectrum = fft.rfftn(padded, workers=threads, overwrite_x=True)
    del padded
    if octant is None:
        spectrum *= fft.rfftn(kernel.astype(np.float32), lengths, workers=threads)
    else:
        _multiply(spectrum, octant, lengths, threads)
    wrapped = fft.irfftn(spectrum, lengths, workers=threads, overwrite_x=True)
    start = [0] * 3 if octant is not None else [k // 2 - a for k, a in zip(kernel.shape, low, strict=True)]
    grown = zip(start, source.shape, low, high, strict=True)
    return np.asarray(wrapped[tuple(slice(s, s + n + a + b) for s, n, a, b in grown)], np.float32)


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
    kernel_shape: tuple[int, ...],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
) -> list[int]:
    """Return the shortest periods that keep what wraps around out of the result."""
    return [
        max(n + k // 2 + max(a, b), k)
        for n, k, a, b in zip(source_shape, kernel_shape, low, high, strict=True)
    ]
