"""Where an activity array is not zero, found and checked in one pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._extent_loops import join_extents, scan_slices
from y90voxel.errors import InputError
from y90voxel.volumes.box import Box

__all__ = ["NOTHING", "Extent", "read_only", "scan_extent"]


class Extent(NamedTuple):
    """The bounding box of the non-zero voxels and what is in it.

    Parameters
    ----------
    start, stop : tuple of int, (3,)
        Half-open box along slice, row, column; all zero when nothing is active.
    active : int
        Non-zero voxels.
    non_negative : bool
        Whether no voxel is negative.
    """

    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    active: int
    non_negative: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the box along slice, row, column."""
        (z0, y0, x0), (z1, y1, x1) = self.start, self.stop
        return z1 - z0, y1 - y0, x1 - x0

    @property
    def box(self) -> Box:
        """The box as an index."""
        (z0, y0, x0), (z1, y1, x1) = self.start, self.stop
        return slice(z0, z1), slice(y0, y1), slice(x0, x1)


NOTHING = Extent((0, 0, 0), (0, 0, 0), 0, True)


def scan_extent(activity: NDArray[Any]) -> Extent:
    """Return the bounding box of the non-zero voxels, on one thread, which reads as fast as the memory delivers.

    Parameters
    ----------
    activity : ndarray, (z, y, x)
        Any real type, any memory order.

    Raises
    ------
    InputError
        If a voxel is NaN, infinite, or beyond the range of single precision.
    """
    if activity.size == 0:
        return NOTHING
    count = activity.shape[0]
    if _is_plain(activity):
        extents = np.empty((1, 9), np.int64)
        scan_slices(read_only(activity), _MASKS[activity.dtype], 0, count, extents[0])
    else:
        extents = np.empty((count, 9), np.int64)
        for z in range(count):  # slice by slice: no copy of the whole array
            one = read_only(np.ascontiguousarray(activity[z : z + 1], np.float64))
            scan_slices(one, _MASKS[one.dtype], 0, 1, extents[z])
            extents[z, :2] = (z, z + 1) if extents[z, 6] else (count, 0)
    return _join(extents, activity.size)


def _is_plain(activity: NDArray[Any]) -> bool:
    """Return whether the bits of the array can be read where they are."""
    return activity.flags.c_contiguous and activity.dtype in _MASKS


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: compiled loops need one variant for writable and read-only arrays."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


# By the type of the numbers, as their bits: the mask of the magnitude, and the largest of single precision.
_MASKS: dict[np.dtype[Any], NDArray[Any]] = {
    np.dtype(real): np.array(
        [np.iinfo(whole).max >> 1, np.array(np.finfo(np.float32).max, real).view(whole)], whole
    )
    for real, whole in ((np.float32, np.uint32), (np.float64, np.uint64))
}


def _join(extents: NDArray[np.int64], size: int) -> Extent:
    """Return the extent of all parts, or raise if a voxel is not finite."""
    z0, z1, y0, y1, x0, x1, active, negative, broken = join_extents(extents)
    if broken:
        raise InputError(
            f"time-integrated activity: {broken} of {size} voxels are NaN, infinite or beyond 3.4e38 Bq·s. "
            "Repair the image before it is used."
        )
    return Extent((z0, y0, x0), (z1, y1, x1), active, not negative) if active else NOTHING
