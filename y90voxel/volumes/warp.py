"""Quantities carried along by a transform: doses of material points pulled back, activities and energies pushed forward.

Three rules. A dose that has been given stays with its tissue: it is read where the tissue came from (`pulled_back`). Activity
moves with the tissue and its total stays, so that its concentration becomes A / J where volumes change by J (`pushed`). A dose
that is still being given is energy over mass: both are pushed, and divided (`energy_over_mass`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import Transform

__all__ = ["all_pulled_back", "all_pushed", "energy_over_mass", "pulled_back", "pushed"]

Floats = NDArray[np.floating[Any]]

# Points per voxel and axis at most: more cost time and change nothing that an image could show.
MOST_POINTS = 4


def pulled_back(array: Floats, grid: Grid, target: Grid, pull: Transform) -> tuple[Floats, Floats]:
    """Return an intensive quantity where the matter of each target voxel came from, and which part of the voxel is known.

    As `all_pulled_back`, for one image.
    """
    (values,), weights = all_pulled_back([array], grid, target, pull)
    return values, weights


def all_pulled_back(
    arrays: Sequence[Floats], grid: Grid, target: Grid, pull: Transform
) -> tuple[list[Floats], Floats]:
    """Return intensive quantities where the matter of each target voxel came from, and which part of the voxel is known.

    Cubic splines within the range of the image's values: linear interpolation blurs voxels of 4 to 5 mm so much that a lesion of
    18 mm loses 5 % of its mean. Averaged over points about as far apart as the voxels of the image, where those of the target
    are larger.

    Parameters
    ----------
    arrays : sequence of ndarray
        Values on ``grid``, such as dose [Gy] or occupancies.
    grid, target : Grid
        Where the values are, and where they are wanted, each in its own frame.
    pull : Transform
        From points of the target's frame to points of the images'.

    Returns
    -------
    values, known : list of ndarray, ndarray
        Means over the part that is known, 0 where none is; and that part, 0 to 1.
    """
    # deferred: 0.2 s
    from scipy.ndimage import map_coordinates

    offsets = _points_in_voxel(target, grid.spacing_mm)
    images = [_Splines.of(array) for array in arrays]
    values: list[Floats] = [np.zeros(target.shape) for _ in arrays]
    weights: Floats = np.zeros(target.shape)
    rows, columns = np.indices(target.shape[1:], dtype=float)
    last = np.array(grid.shape) - 1.0
    for plane in range(target.shape[0]):  # positions take 24 bytes a point
        for shift in offsets:
            index = np.stack(
                [np.full_like(rows, plane + shift[0]), rows + shift[1], columns + shift[2]], axis=-1
            )
            places = grid.lps_to_index(pull.points(target.index_to_lps(index)))
            inside = ((places >= -0.5) & (places <= last + 0.5)).all(axis=-1)  # NaN is outside
            weights[plane] += inside
            here = np.clip(np.where(np.isnan(places), 0.0, places), 0.0, last)
            for image, out in zip(images, values, strict=True):
                wanted = inside & ((here >= image.low) & (here <= image.high)).all(axis=-1)
                if wanted.any():
                    at = here[wanted].T
                    value = map_coordinates(image.splines, at, mode="nearest", prefilter=False)
                    out[plane][wanted] += np.clip(value, image.least, image.most)
    for out in values:
        np.divide(out, weights, out=out, where=weights > 0)
    return values, weights / len(offsets)


@dataclass(frozen=True, eq=False)
class _Splines:
    """An image as cubic splines, with the range of its values and the box outside which it is 0 [voxels]."""

    splines: Floats
    least: float
    most: float
    low: Floats
    high: Floats

    @classmethod
    def of(cls, array: Floats) -> _Splines:
        """Return the splines of an image."""
        # deferred: 0.2 s
        from scipy.ndimage import spline_filter

        occupied = [
            np.flatnonzero(array.any(axis=tuple(other for other in range(3) if other != axis)))
            for axis in range(3)
        ]
        low = np.array([places[0] - 1.0 if len(places) else 0.0 for places in occupied])
        high = np.array([places[-1] + 1.0 if len(places) else -1.0 for places in occupied])
        return cls(spline_filter(array, mode="nearest"), float(array.min()), float(array.max()), low, high)


def pushed(array: Floats, grid: Grid, target: Grid, push: Transform) -> tuple[Floats, float]:
    """Return an extensive quantity where a transform takes it, and how much of it left the target.

    Every voxel is dealt out from points that lie half a target voxel apart or less, each to the eight voxels around
    it: the sum stays, whatever the transform does with volumes. Single voxels become uneven by a few percent where
    volumes change; sums over regions are not.

    Parameters
    ----------
    array : ndarray
        Amounts per voxel on ``grid``, such as activity [Bq] or energy [J].
    grid, target : Grid
        Where they are, and where they go, each in its own frame.
    push : Transform
        From points of the image's frame to points of the target's.

    Returns
    -------
    amounts : ndarray
        Per voxel of the target.
    lost : float
        What fell outside the target or where the transform is not defined; with ``amounts`` it sums to the whole.
    """
    (amounts,), (lost,) = all_pushed([array], grid, target, push)
    return amounts, lost


def all_pushed(
    arrays: Sequence[Floats], grid: Grid, target: Grid, push: Transform
) -> tuple[list[Floats], list[float]]:
    """Return extensive quantities where a transform takes them, and how much of each left the target.

    As `pushed`, for several images on one grid: the transform is asked once.
    """
    offsets = _points_in_voxel(grid, tuple(0.4 * step for step in target.spacing_mm))
    amounts = [np.zeros(math.prod(target.shape)) for _ in arrays]
    size = np.array(target.shape)
    strides = np.array([target.shape[1] * target.shape[2], target.shape[2], 1])
    lost = [0.0 for _ in arrays]
    for plane in range(grid.shape[0]):
        occupied = np.argwhere(np.any([array[plane] != 0 for array in arrays], axis=0))
        if not len(occupied):
            continue
        parts = [array[plane][tuple(occupied.T)].astype(np.float64) / len(offsets) for array in arrays]
        for shift in offsets:
            index = np.column_stack(
                [
                    np.full(len(occupied), plane + shift[0]),
                    occupied[:, 0] + shift[1],
                    occupied[:, 1] + shift[2],
                ]
            )
            places = target.lps_to_index(push.points(grid.index_to_lps(index)))
            inside = ((places >= -0.5) & (places <= size - 0.5)).all(axis=-1)
            for number, part in enumerate(parts):
                lost[number] += float(part[~inside].sum())
            if not inside.any():
                continue
            # At the rim what would go beyond stays in the outermost voxel.
            low = np.floor(places[inside]).astype(int)
            beyond = places[inside] - low
            for corner in product((0, 1), repeat=3):
                weight = np.prod(np.where(corner, beyond, 1.0 - beyond), axis=1)
                at = np.clip(low + corner, 0, size - 1) @ strides
                first = int(at.min())
                for out, part in zip(amounts, parts, strict=True):
                    here = np.bincount(at - first, weight * part[inside])
                    out[first : first + len(here)] += here
    return [out.reshape(target.shape) for out in amounts], lost


def energy_over_mass(
    dose_gy: Floats, mass_g: Floats, grid: Grid, target: Grid, push: Transform
) -> tuple[Floats, Floats]:
    """Return the dose of energy and mass that a transform carries to another grid, Σ E / Σ m, and that mass.

    Parameters
    ----------
    dose_gy, mass_g : ndarray
        Dose [Gy] and mass [g] of each voxel of ``grid``.
    grid, target : Grid
        Where they are, and where they go.
    push : Transform
        From points of the image's frame to points of the target's.

    Returns
    -------
    dose_gy, mass_g : ndarray
        On the target; 0 Gy where no mass arrives.
    """
    mass_g = np.asarray(mass_g, np.float64)
    (energy, mass), _ = all_pushed([np.asarray(dose_gy, np.float64) * mass_g, mass_g], grid, target, push)
    dose = np.zeros(target.shape)
    np.divide(energy, mass, out=dose, where=mass > 0)
    return dose, mass


def _points_in_voxel(grid: Grid, apart_mm: tuple[float, ...]) -> list[tuple[float, ...]]:
    """Places in a voxel, in voxels from its centre, about as far apart along each axis as the smallest of some steps."""
    finest = min(apart_mm)
    counts = [min(max(1, round(step / finest)), MOST_POINTS) for step in grid.spacing_mm]
    axes = [[(n + 0.5) / count - 0.5 for n in range(count)] for count in counts]
    return list(product(*axes))
