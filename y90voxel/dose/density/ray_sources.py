"""Which voxels send out rays, and how many: those that see a medium other than their uniform one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.density._ray_source_loops import (
    block_deviation,
    dilate_maximum,
    pick_sources,
    weigh_sources,
)
from y90voxel.dose.density.voxel_media import LUNG_BELOW, UniformMedium
from y90voxel.dose.threads import share_work

__all__ = ["RaySources", "ray_sources"]

# Non-uniformity is looked up on blocks of at most this part of the electrons' reach.
BLOCK_OF_REACH = 0.125
# What a deviation within a part of the electrons' reach counts: about the root of the energy that crosses a plane at
# that distance, which shares the rays so that the variance behind the plane is least.
NEARNESS = ((0.15, 1.0), (0.35, 0.5), (0.6, 0.2), (1.0, 0.05))
# Rays of all sources together: this many up to a number of equally important sources, rising with its square
# root beyond.
RAYS, RAYS_FOR_SOURCES = 2.5e6, 8e3
# Rays of one source. More than the second would change nothing.
FEWEST_RAYS, MOST_RAYS = 2, 1_000_000
# Sources are taken from cubes of this many voxels a side.
SOURCE_BLOCK = 12


@dataclass(frozen=True, eq=False)
class RaySources:
    """Voxels that send out rays.

    Parameters
    ----------
    voxels : ndarray of int64, (n,)
        Flat indices.
    weights : ndarray of float64, (n,)
        Activity that each stands for.
    counts : ndarray of int64, (n,)
        Rays of each.
    references : ndarray of int64, (n,)
        The uniform medium that each starts from: 0 soft tissue, 1 lung.
    """

    voxels: NDArray[np.int64]
    weights: NDArray[np.float64]
    counts: NDArray[np.int64]
    references: NDArray[np.int64]

    @classmethod
    def empty(cls, number: int) -> RaySources:
        """Return room for a number of sources."""
        return cls(
            np.zeros(number, np.int64),
            np.zeros(number),
            np.zeros(number, np.int64),
            np.zeros(number, np.int64),
        )


def ray_sources(
    activity: NDArray[np.float32],
    medium: NDArray[np.float32],
    media: Sequence[UniformMedium | None],
    reach_mm: float,
    spacing_mm: tuple[float, float, float],
    effort: float,
    threads: int,
) -> RaySources:
    """Return the sources whose electrons may meet a medium that is not their uniform one.

    Parameters
    ----------
    activity : ndarray of float32, (z, y, x)
        C-contiguous.
    medium : ndarray of float32, (z, y, x, 2)
        From ``voxel_media``.
    media : sequence of UniformMedium or None, (2,)
        From ``uniform_media``.
    reach_mm : float
        Reach of the electrons in water [mm].
    spacing_mm : tuple of float, (3,)
        Voxel size [mm].
    effort : float
        Multiplies the number of rays.
    threads : int
        Threads to use; the result does not depend on it.
    """
    sizes, spread = [], []
    for one in media:
        size, largest = (1, 1, 1), np.zeros((0, 0, 0), np.float32)
        if one is not None:
            size, largest = _deviation_in_reach(medium, one.water_path, reach_mm, spacing_mm, threads)
        sizes.append(size)
        spread.append(largest)
    shared = (activity, medium, LUNG_BELOW, tuple(spread), np.array(sizes))
    sums = np.zeros((len(activity), 2))
    share_work(lambda: lambda z: weigh_sources(*shared, z, z + 1, sums), range(len(activity)), threads)
    total, squares = sums.sum(axis=0).tolist()
    if total == 0.0:
        return RaySources.empty(0)
    alike = total**2 / squares
    rays = effort * RAYS * max(1.0, alike / RAYS_FOR_SOURCES) ** 0.5
    limits = (rays / total, FEWEST_RAYS, MOST_RAYS, SOURCE_BLOCK)

    def pick(slab: int, first: int, into: RaySources) -> int:
        columns = into.voxels, into.weights, into.counts, into.references
        return int(pick_sources(*shared, *limits, slab, first, *columns))

    return _picked(pick, -(-len(activity) // SOURCE_BLOCK), threads)


def _picked(pick: Callable[[int, int, RaySources], int], slabs: int, threads: int) -> RaySources:
    """Count the sources of every slab, then write them one slab behind the other."""
    numbers, none = [0] * slabs, RaySources.empty(0)

    def count(slab: int) -> None:
        numbers[slab] = pick(slab, 0, none)

    share_work(lambda: count, range(slabs), threads)
    first = [0, *accumulate(numbers)]
    sources = RaySources.empty(first[-1])

    def write(slab: int) -> None:
        pick(slab, first[slab], sources)

    if first[-1]:
        share_work(lambda: write, range(slabs), threads)
    return sources


def _deviation_in_reach(
    medium: NDArray[np.float32],
    reference: float,
    reach_mm: float,
    spacing_mm: tuple[float, float, float],
    threads: int,
) -> tuple[tuple[int, int, int], NDArray[np.float32]]:
    """Return voxels per block, and of each block how far its surroundings are from a uniform medium.

    0: uniform as far as electrons get; 1: something altogether different right here.
    """
    block_mm = BLOCK_OF_REACH * reach_mm / reference
    a, b, c = (max(1, int(block_mm / s)) for s in spacing_mm)
    shape = [-(-n // size) for n, size in zip(medium.shape[:3], (a, b, c), strict=True)]
    deviation = np.empty(shape, np.float32)
    share_work(
        lambda: lambda slab: block_deviation(medium, reference, (a, b, c), slab, slab + 1, deviation),
        range(shape[0]),
        threads,
    )
    largest = np.zeros_like(deviation)
    if not deviation.any():
        return (a, b, c), largest
    done = [0, 0, 0]
    for part, share in NEARNESS:
        length = part * reach_mm / reference
        half = [math.ceil(length / (s * n)) for s, n in zip(spacing_mm, (a, b, c), strict=True)]
        deviation = _dilated(deviation, [h - d for h, d in zip(half, done, strict=True)])
        np.maximum(largest, share * deviation, out=largest)
        done = half
    return (a, b, c), largest


def _dilated(values: NDArray[np.float32], half: list[int]) -> NDArray[np.float32]:
    """Return the largest value within a box of ``half`` blocks to each side."""
    nz, ny, nx = values.shape
    one, two = np.empty_like(values), np.empty_like(values)
    dilate_maximum(values.reshape(1, nz, ny * nx), half[0], one.reshape(1, nz, ny * nx))
    dilate_maximum(one, half[1], two)
    dilate_maximum(two.reshape(nz * ny, nx, 1), half[2], one.reshape(nz * ny, nx, 1))
    return one
