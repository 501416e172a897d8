"""Dose in the true medium minus dose in a uniform one, by straight rays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.density._superposition_loops import add_correction, trace_rays
from y90voxel.dose.density.ray_sources import RaySources
from y90voxel.dose.density.voxel_media import UniformMedium
from y90voxel.dose.threads import share_work
from y90voxel.reference.radial_kernel import RadialKernel

__all__ = ["add_ray_correction", "depth_table"]

# Of water depth; chosen: 0.01 mm, under a hundredth of a voxel, and linear between.
TABLE_ENTRIES_PER_MM = 100.0
# Directions and start points are taken in turn from two cyclic lists whose lengths have no common factor. Both
# are additive recurrences, of which any stretch covers its domain evenly: steps 1/g, 1/g², … with g the root of
# x^(d+1) = x + 1, d = 2 for directions and 3 for points (Roberts M 2018, The unreasonable effectiveness of
# quasirandom sequences, extremelearning.com.au).
DIRECTIONS, STARTS = 16384, 16381
DIRECTION_STEPS = (0.7548776662466927, 0.5698402909980532)  # 1/g, 1/g², g the root for d = 2
# 1/g, 1/g², 1/g³, g the root for d = 3.
START_STEPS = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)
SOURCES_PER_PIECE = 512  # of a thread's work at once; chosen: many pieces a thread, so that all end together
# Doses are summed as integers; their largest possible sum is this.
LARGEST_SUM = 2.0**61


@lru_cache(maxsize=8)
def depth_table(radial: RadialKernel) -> tuple[NDArray[np.float64], float]:
    """Return the electrons' energy within a depth as a piecewise linear table, see ``trace_rays``, and their reach [mm]."""
    reach = radial.electron_reach_mm
    depth = np.arange(int(np.ceil(reach * TABLE_ENTRIES_PER_MM)) + 1)
    within = radial.cumulative(np.minimum(depth / TABLE_ENTRIES_PER_MM, reach), "electrons")
    slope = np.append(np.diff(within), 0.0)
    return np.stack([within - slope * depth, slope], axis=1), reach


def add_ray_correction(
    dose: NDArray[np.float32],
    sources: RaySources,
    medium: NDArray[np.float32],
    media: Sequence[UniformMedium | None],
    radial: RadialKernel,
    spacing_mm: tuple[float, float, float],
    gy_g_per_ml: float,
    non_negative: bool,
    threads: int,
) -> None:
    """Add, in place, what the electrons deposit in the true medium minus what they deposit in the uniform ones.

    Parameters
    ----------
    dose : ndarray of float32, (z, y, x)
        Dose in the uniform media [Gy], after ``fade_dense_voxels``.
    sources : RaySources
        From ``ray_sources``.
    medium : ndarray of float32, (z, y, x, 2)
        From ``voxel_media``.
    media : sequence of UniformMedium or None, (2,)
        What the sources' references mean.
    radial : RadialKernel
        Radial kernel in water.
    spacing_mm : tuple of float, (3,)
        Voxel size [mm].
    gy_g_per_ml : float
        Energy of one decay over the volume of a voxel: dose times density of a voxel that gets all of it.
    non_negative : bool
        Whether a dose below zero is noise.
    threads : int
        Threads to use; the result does not depend on it.
    """
    shape = (dose.shape[0], dose.shape[1], dose.shape[2])
    table, reach_mm = depth_table(radial)
    path_and_volume = [(one.water_path, 1.0 / one.density_g_per_ml) if one else (1.0, 1.0) for one in media]
    reference_media = np.array(path_and_volume, np.float32)
    flat = medium.reshape(-1, 2)
    largest = float(max(flat[:, 1].max(), reference_media[:, 1].max()))
    scale = LARGEST_SUM / (2.0 * largest * float(np.abs(sources.weights).sum()))
    weights = sources.weights * scale
    crossing, starts = _crossing_lengths(spacing_mm), _start_points()
    scratch: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def worker() -> Callable[[tuple[int, int]], None]:
        sums, touched = np.zeros(dose.size, np.int64), np.array([shape[0], -1])
        scratch.append((sums, touched))

        def trace(piece: tuple[int, int]) -> None:
            trace_rays(
                *piece, sources.voxels, weights, sources.counts, sources.references, reference_media, shape, flat,
                crossing, starts, table, TABLE_ENTRIES_PER_MM, reach_mm, sums, touched,
            )  # fmt: skip

        return trace

    edges = [*range(0, len(weights), SOURCES_PER_PIECE), len(weights)]
    share_work(worker, list(pairwise(edges)), threads)
    first = min(int(touched[0]) for _, touched in scratch)
    last = max(int(touched[1]) for _, touched in scratch) + 1

    def add(z: int) -> None:
        total = scratch[0][0].reshape(shape)[z : z + 1]
        for sums, _ in scratch[1:]:
            total = total + sums.reshape(shape)[z : z + 1]
        add_correction(total, gy_g_per_ml / scale, non_negative, 0, 1, dose[z : z + 1])

    share_work(lambda: add, range(first, last), threads)


@lru_cache(maxsize=8)
def _crossing_lengths(spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return signed path lengths between borders along each axis for evenly spread directions, (m, 3)."""
    even = (0.5 + np.arange(DIRECTIONS)[:, None] * DIRECTION_STEPS) % 1.0
    cosine, azimuth = 1.0 - 2.0 * even[:, 0], 2.0 * np.pi * even[:, 1]
    sine = np.sqrt(1.0 - cosine**2)
    direction = np.stack([cosine, sine * np.sin(azimuth), sine * np.cos(azimuth)], axis=1)
    away = np.where(direction < 0, -1.0, 1.0) * np.maximum(np.abs(direction), 1e-9)
    return np.asarray(np.asarray(spacing_mm) / away, dtype=np.float32)


@lru_cache(maxsize=1)
def _start_points() -> NDArray[np.float32]:
    """Return evenly spread points of the unit cube, (k, 3)."""
    return np.asarray((0.5 + np.arange(STARTS)[:, None] * START_STEPS) % 1.0, dtype=np.float32)
