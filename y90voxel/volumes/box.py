"""The part of an array that holds anything: regions fill a small part of their grid, and work stays inside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "occupied_box", "shared_box"]

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
    found = [slice(0, 0)] * 3
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        used = np.flatnonzero(values.max(axis=others) > 0)
        if not used.size:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        found[axis] = slice(int(used[0]), int(used[-1]) + 1)
        values = values[(slice(None),) * axis + (found[axis],)]  # the next axis has less to look at
    return found[0], found[1], found[2]


def shared_box(one: Box, other: Box) -> Box:
    """Return the part that two boxes have in common; empty where they have none.

    Examples
    --------
    >>> shared_box((slice(0, 5),) * 3, (slice(3, 9),) * 3)[0]
    slice(3, 5, None)
    """
    z, y, x = (_shared(a, b) for a, b in zip(one, other, strict=True))
    return z, y, x


def _shared(one: slice, other: slice) -> slice:
    """The common range of two slices."""
    first = max(one.start, other.start)
    return slice(first, max(first, min(one.stop, other.stop)))
