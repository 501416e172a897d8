"""The part of an array that holds anything: regions fill a small part of their grid, and work stays inside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.volumes.grid import Grid

__all__ = ["Box", "is_empty", "occupied_box", "shared_box", "widened_box"]

Box = tuple[slice, slice, slice]


def occupied_box(values: NDArray[Any]) -> Box:
    """Return the smallest box of array indices outside of which nothing is above zero; empty where nothing is.

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        Any numbers, or truth values.

    Examples
    --------
    >>> occupied_box(np.eye(3)[None] > 0)
    (slice(0, 1, None), slice(0, 3, None), slice(0, 3, None))
    """
    box = [slice(0, 0)] * 3
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        used = np.flatnonzero(values.max(axis=others) > 0)
        if not used.size:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        box[axis] = slice(int(used[0]), int(used[-1]) + 1)
        values = values[(slice(None),) * axis + (box[axis],)]  # the next axis has less to look at
    return box[0], box[1], box[2]


def is_empty(box: Box) -> bool:
    """Return whether a box holds no voxel.

    Examples
    --------
    >>> is_empty((slice(0, 5), slice(2, 2), slice(0, 5)))
    True
    """
    return any(part.start >= part.stop for part in box)


def shared_box(one: Box, other: Box) -> Box:
    """Return the part that two boxes have in common; empty where they have none.

    Examples
    --------
    >>> shared_box((slice(0, 5),) * 3, (slice(3, 9),) * 3)[0]
    slice(3, 5, None)
    """
    z, y, x = (_shared(a, b) for a, b in zip(one, other, strict=True))
    return z, y, x


def widened_box(box: Box, grid: Grid, margin_mm: float, voxels: int = 0) -> Box:
    """Return a box with a margin [mm] and further voxels, in whole voxels of its grid and cut at the grid.

    Around nothing there is no margin: an empty box stays as it is.

    Examples
    --------
    >>> widened_box((slice(1, 3),) * 3, Grid.from_spacing((9, 9, 3), (2.0, 3.0, 1.0)), 5.0)
    (slice(0, 6, None), slice(0, 5, None), slice(0, 3, None))
    """
    if is_empty(box):
        return box
    parts = []
    for part, spacing, length in zip(box, grid.spacing_mm, grid.shape, strict=True):
        reach = int(np.ceil(margin_mm / spacing)) + voxels
        parts.append(slice(max(part.start - reach, 0), min(part.stop + reach, length)))
    return parts[0], parts[1], parts[2]


def _shared(one: slice, other: slice) -> slice:
    """The common range of two slices."""
    first = max(one.start, other.start)
    return slice(first, max(first, min(one.stop, other.stop)))
