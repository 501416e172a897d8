"""Compiled search of the gamma index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit, prange


@njit(parallel=True, cache=True)
def search(
    voxels: NDArray[np.int64],
    reference: NDArray[np.float64],
    evaluated: NDArray[np.float64],
    tolerance_gy: NDArray[np.float64],
    bases: NDArray[np.int64],
    fractions: NDArray[np.float64],
    distances: NDArray[np.float64],
    cap: float,
    gamma: NDArray[np.float64],
) -> None:
    """Fill gamma[v] with the least √(distance + (ΔD / tolerance)²) over all offsets, at most √cap.

    Offset o moves by ``bases[o]`` voxels plus ``fractions[o]`` of one along each axis, in order of rising squared
    distance in units of the distance criterion; the evaluated dose is interpolated linearly there. Once the distance
    alone exceeds the best found, no later offset can be better.
    """
    nz, ny, nx = evaluated.shape
    for v in prange(voxels.shape[0]):
        z, y, x = voxels[v, 0], voxels[v, 1], voxels[v, 2]
        wanted = reference[z, y, x]
        scale = 1.0 / tolerance_gy[v]
        best = cap
        for o in range(distances.shape[0]):
            if distances[o] >= best:
                break
            z0, y0, x0 = z + bases[o, 0], y + bases[o, 1], x + bases[o, 2]
            fz, fy, fx = fractions[o, 0], fractions[o, 1], fractions[o, 2]
            # A fraction of zero needs no neighbour, so the last plane of the image can be reached.
            z1 = z0 + 1 if fz > 0.0 else z0
            y1 = y0 + 1 if fy > 0.0 else y0
            x1 = x0 + 1 if fx > 0.0 else x0
            if z0 < 0 or y0 < 0 or x0 < 0 or z1 >= nz or y1 >= ny or x1 >= nx:
                continue
            low = (evaluated[z0, y0, x0] * (1.0 - fx) + evaluated[z0, y0, x1] * fx) * (1.0 - fy) + (
                evaluated[z0, y1, x0] * (1.0 - fx) + evaluated[z0, y1, x1] * fx
            ) * fy
            high = (evaluated[z1, y0, x0] * (1.0 - fx) + evaluated[z1, y0, x1] * fx) * (1.0 - fy) + (
                evaluated[z1, y1, x0] * (1.0 - fx) + evaluated[z1, y1, x1] * fx
            ) * fy
            difference = (low * (1.0 - fz) + high * fz - wanted) * scale
            gamma_squared = distances[o] + difference * difference
            if gamma_squared < best:
                best = gamma_squared
        gamma[v] = best**0.5
