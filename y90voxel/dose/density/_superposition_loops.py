"""Compiled loops of the density-aware superposition: straight rays through the voxels.

Doses are summed as 64-bit integers. Integer sums do not depend on their order, so that any number of threads
in any order gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["add_correction", "fade_dense_voxels", "trace_rays"]


@njit(cache=True, nogil=True)
def _convolution_share(path: float, reference: float) -> float:
    """Return how much of the dose by convolution a voxel keeps: 1 up to the reference, 0 from twice that on."""
    return min(max(2.0 - path / reference, 0.0), 1.0)


@njit(cache=True, nogil=True)
def fade_dense_voxels(
    medium: NDArray[Any], reference: float, first: int, last: int, dose: NDArray[Any]
) -> None:
    """Multiply slices ``first`` to ``last`` of ``dose`` by what voxels much denser than the reference keep."""
    for z in range(first, last):
        for y in range(dose.shape[1]):
            for x in range(dose.shape[2]):
                share = _convolution_share(medium[z, y, x, 0], reference)
                if share < 1.0:
                    dose[z, y, x] *= share


@njit(cache=True, nogil=True)
def add_correction(
    sums: NDArray[Any], factor: float, non_negative: bool, first: int, last: int, dose: NDArray[Any]
) -> None:
    """Add ``sums * factor`` to slices of ``dose``; if asked, what is then negative becomes zero."""
    for z in range(first, last):
        for y in range(dose.shape[1]):
            for x in range(dose.shape[2]):
                change = sums[z, y, x]
                if change != 0:
                    value = dose[z, y, x] + change * factor
                    dose[z, y, x] = max(value, 0.0) if non_negative else value


@njit(cache=True, nogil=True)
def _hashed(value: np.uint64) -> np.uint64:
    """Return 64 well mixed bits (the finaliser of splitmix64, Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def trace_rays(
    first: int, last: int, voxels: NDArray[Any], weights: NDArray[Any], counts: NDArray[Any],
    references: NDArray[Any], reference_media: NDArray[Any], shape: tuple[int, int, int], medium: NDArray[Any],
    crossing_mm: NDArray[Any], starts: NDArray[Any], table: NDArray[Any], per_mm: float, reach: float,
    dose: NDArray[Any], touched: NDArray[Any],
) -> None:  # fmt: skip
    """Add to ``dose`` what electrons along rays of sources ``first`` to ``last`` deposit in the true minus the uniform medium.

    Parameters
    ----------
    first, last : int
        Which sources.
    voxels : ndarray of int64, (n,)
        Flat indices of the source voxels.
    weights : ndarray of float64, (n,)
        What each source emits, in units of ``dose`` times density; shared by its rays.
    counts, references : ndarray of int64, (n,)
        Rays of each source, and which uniform medium its dose by convolution holds for.
    reference_media : ndarray of float32, (media, 2)
        Water depth per length and inverse density of the uniform media.
    shape : tuple of int, (3,)
        Slices, rows, columns.
    medium : ndarray of float32, (voxels, 2)
        Water depth per length and inverse density of every voxel.
    crossing_mm : ndarray of float32, (m, 3)
        Length of path from one voxel border to the next along each axis, for one direction after another; its
        sign is that of the direction.
    starts : ndarray of float32, (k, 3)
        Start points in the voxel, 0 to 1, one after another.
    table : ndarray of float64, (entries, 2)
        The energy within a water depth of d mm is ``table[k, 0] + table[k, 1] * d * per_mm`` with
        ``k = int(d * per_mm)``; constant from the last entry on.
    per_mm, reach : float
        Table entries per mm, and the depth [mm] that all energy lies within.
    dose : ndarray of int64, (voxels,)
        Added to.
    touched : ndarray of int64, (2,)
        Lowest and highest slice that was added to; widened.
    """
    nz, ny, nx = shape
    plane, top = ny * nx, table.shape[0] - 1
    for s in range(first, last):
        source = voxels[s]
        z0, y0, x0 = source // plane, (source // nx) % ny, source % nx
        weight = weights[s] / counts[s]
        w_ref, inverse_ref = reference_media[references[s], 0], reference_media[references[s], 1]
        bits = _hashed((np.uint64(source) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
        turn = np.int64(bits >> np.uint64(40)) % crossing_mm.shape[0]
        place = np.int64((bits >> np.uint64(8)) & np.uint64(0xFFFFFF)) % starts.shape[0]
        for _ in range(counts[s]):
            lz, ly, lx = float(crossing_mm[turn, 0]), float(crossing_mm[turn, 1]), float(crossing_mm[turn, 2])
            pz, py, px = float(starts[place, 0]), float(starts[place, 1]), float(starts[place, 2])
            turn = turn + 1 if turn + 1 < crossing_mm.shape[0] else 0
            place = place + 1 if place + 1 < starts.shape[0] else 0
            step_z, step_y, step_x = plane, nx, 1
            left_z, left_y, left_x = nz - 1 - z0, ny - 1 - y0, nx - 1 - x0
            if lz < 0:
                lz, pz, step_z, left_z = -lz, 1.0 - pz, -plane, z0
            if ly < 0:
                ly, py, step_y, left_y = -ly, 1.0 - py, -nx, y0
            if lx < 0:
                lx, px, step_x, left_x = -lx, 1.0 - px, -1, x0
            # Path lengths to the next border along each axis (Amanatides and Woo 1987).
            tz, ty, tx = (1.0 - pz) * lz, (1.0 - py) * ly, (1.0 - px) * lx
            here = source
            at, depth, depth_ref, deposited, deposited_ref = 0.0, 0.0, 0.0, 0.0, 0.0
            same = True
            while True:
                w = medium[here, 0]
                reached = min(tz, min(ty, tx))
                if same and w == w_ref:
                    depth += w * (reached - at)
                    if depth >= reach:
                        break
                else:
                    if same:
                        same = False
                        depth_ref = depth
                        k = min(int(depth * per_mm), top)
                        deposited = table[k, 0] + table[k, 1] * (depth * per_mm)
                        deposited_ref = deposited
                    depth += w * (reached - at)
                    k = min(int(depth * per_mm), top)
                    now = table[k, 0] + table[k, 1] * (depth * per_mm)
                    change = (now - deposited) * medium[here, 1]
                    deposited = now
                    if depth_ref < reach:
                        depth_ref += w_ref * (reached - at)
                        k = min(int(depth_ref * per_mm), top)
                        now = table[k, 0] + table[k, 1] * (depth_ref * per_mm)
                        change -= _convolution_share(w, w_ref) * (now - deposited_ref) * inverse_ref
                        deposited_ref = now
                    dose[here] += np.int64(weight * change)
                    if depth >= reach and depth_ref >= reach:
                        break
                at = reached
                if reached == tx:
                    tx, here, left_x = tx + lx, here + step_x, left_x - 1
                    if left_x < 0:
                        break
                elif reached == ty:
                    ty, here, left_y = ty + ly, here + step_y, left_y - 1
                    if left_y < 0:
                        break
                else:
                    tz, here, left_z = tz + lz, here + step_z, left_z - 1
                    if left_z < 0:
                        break
            if not same:
                end = z0 + (nz - 1 - z0 - left_z if step_z > 0 else left_z - z0)
                end = min(max(end, 0), nz - 1)
                touched[0] = min(touched[0], end, z0)
                touched[1] = max(touched[1], end, z0)
