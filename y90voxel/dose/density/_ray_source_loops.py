"""Compiled loops that prepare rays: voxel media, how non-uniform the surroundings are, which voxels emit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["block_deviation", "dilate_maximum", "fill_medium", "pick_sources", "weigh_sources"]


@njit(cache=True, nogil=True)
def fill_medium(
    density: NDArray[Any],
    ratio: NDArray[Any],
    per_g_per_ml: float,
    first: int,
    last: int,
    medium: NDArray[Any],
    floor: float,
) -> None:
    """Fill slices ``first`` to ``last`` of ``medium``, (z, y, x, 2), with density / range ratio and 1 / density.

    The inverse is that of ``floor`` at most: dose is energy per mass, but electrons cross what there is.

    ``ratio[k]`` is the range ratio at density ``k / per_g_per_ml``, linear in between, constant beyond the end.
    """
    top = ratio.size - 1
    for z in range(first, last):
        for y in range(density.shape[1]):
            for x in range(density.shape[2]):
                value = density[z, y, x]
                at = value * per_g_per_ml
                k = int(min(at, float(top)))
                one = ratio[k] + (at - k) * (ratio[k + 1] - ratio[k]) if k < top else ratio[top]
                medium[z, y, x, 0] = value / one
                medium[z, y, x, 1] = 1.0 / max(value, floor)


@njit(cache=True, nogil=True)
def block_deviation(
    medium: NDArray[Any],
    reference: float,
    sizes: tuple[int, int, int],
    first: int,
    last: int,
    out: NDArray[Any],
) -> None:
    """Fill slices ``first`` to ``last`` of ``out``: the largest |path - reference| / max(path, reference).

    ``path`` is the water depth per length of the voxels in each block of ``sizes`` voxels; the result is 0 to 1.
    """
    nz, ny, nx = medium.shape[0], medium.shape[1], medium.shape[2]
    for block in range(first, last):
        out[block] = 0.0
        for z in range(block * sizes[0], min((block + 1) * sizes[0], nz)):
            for y in range(ny):
                row = out[block, y // sizes[1]]
                for x in range(nx):
                    path = medium[z, y, x, 0]
                    value = abs(path - reference) / max(path, reference)
                    if value > row[x // sizes[2]]:
                        row[x // sizes[2]] = value


@njit(cache=True, nogil=True)
def dilate_maximum(lines: NDArray[Any], half: int, out: NDArray[Any]) -> None:
    """Fill ``out[:, i]`` with the largest of ``lines[:, i - half : i + half + 1]``."""
    blocks, length, width = lines.shape
    for block in range(blocks):
        for i in range(length):
            row = out[block, i]
            row[:] = lines[block, i]
            for j in range(max(0, i - half), min(length, i + half + 1)):
                other = lines[block, j]
                for x in range(width):
                    row[x] = max(row[x], other[x])


@njit(cache=True, nogil=True)
def _importance(
    activity: float, path: float, below: float, spread: tuple[NDArray[Any], NDArray[Any]],
    sizes: NDArray[Any], z: int, y: int, x: int,
) -> tuple[float, int]:  # fmt: skip
    """Return what a source may change, per cost of a ray (one over the path), and which uniform medium it starts from."""
    which = 1 if path < below else 0
    one = spread[which][z // sizes[which, 0], y // sizes[which, 1], x // sizes[which, 2]]
    return abs(activity) * one * path, which


@njit(cache=True, nogil=True)
def weigh_sources(
    activity: NDArray[Any], medium: NDArray[Any], below: float, spread: tuple[NDArray[Any], NDArray[Any]],
    sizes: NDArray[Any], first: int, last: int, sums: NDArray[Any],
) -> None:  # fmt: skip
    """Fill rows ``first`` to ``last`` of ``sums`` with the sum of importance and of its square in each slice."""
    for z in range(first, last):
        one = two = 0.0
        for y in range(activity.shape[1]):
            for x in range(activity.shape[2]):
                if activity[z, y, x] != 0:
                    value, _ = _importance(
                        activity[z, y, x], medium[z, y, x, 0], below, spread, sizes, z, y, x
                    )
                    one += value
                    two += value * value
        sums[z, 0], sums[z, 1] = one, two


@njit(cache=True, nogil=True)
def _uniform(index: int) -> float:
    """Return a hash of a voxel index, 0 to 1 (finaliser of MurmurHash3, other bits than those of the rays)."""
    bits = (np.uint64(index) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return ((bits ^ (bits >> np.uint64(33))) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def pick_sources(
    activity: NDArray[Any], medium: NDArray[Any], below: float, spread: tuple[NDArray[Any], NDArray[Any]],
    sizes: NDArray[Any], rays: float, fewest: int, most: int, block: int, slab: int, first: int,
    voxels: NDArray[Any], weights: NDArray[Any], counts: NDArray[Any], references: NDArray[Any],
) -> int:  # fmt: skip
    """Write the sources of one slab of ``block`` slices from entry ``first`` on; return how many there are.

    A source gets ``rays`` times its importance. One that would get less than ``fewest`` is left out by chance,
    decided by its index, and stands for those left out when it is not. Empty ``voxels``: count only.
    Sources come block by block, so that what the rays of neighbours cross stays in the cache.
    """
    nz, ny, nx = activity.shape
    at = first
    for by in range(0, ny, block):
        for bx in range(0, nx, block):
            for z in range(slab * block, min((slab + 1) * block, nz)):
                for y in range(by, min(by + block, ny)):
                    for x in range(bx, min(bx + block, nx)):
                        if activity[z, y, x] == 0:
                            continue
                        importance, which = _importance(
                            activity[z, y, x], medium[z, y, x, 0], below, spread, sizes, z, y, x
                        )
                        wanted = rays * importance
                        if wanted <= 0:
                            continue
                        index = (z * ny + y) * nx + x
                        chance = min(wanted / fewest, 1.0)
                        if chance < 1.0 and _uniform(index) >= chance:
                            continue
                        if voxels.size > 0:
                            voxels[at] = index
                            weights[at] = activity[z, y, x] / chance
                            counts[at] = min(max(int(np.ceil(wanted)), fewest), most)
                            references[at] = which
                        at += 1
    return at - first
