"""Where an activity array is not zero, found and checked in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose._extent_loops import scan_slices
from y90voxel.dose.threads import even_shares, share_work
from y90voxel.errors import InputError

__all__ = ["Extent", "scan_extent"]

# Below this many bytes a second thread costs more than it saves.
SHARED_SCAN_BYTES = 32e6


@dataclass(frozen=True)
class Extent:
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
        nz, ny, nx = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return nz, ny, nx

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x


def scan_extent(activity: NDArray[Any], threads: int = 1) -> Extent:
    """Return the bounding box of the non-zero voxels.

    Parameters
    ----------
    activity : ndarray, (z, y, x)
        Any real type, any memory order.
    threads : int
        Threads for large arrays.

    Raises
    ------
    InputError
        If a voxel is NaN, infinite, or beyond the range of single precision.
    """
    count = activity.shape[0]
    extents, counts = np.empty((count, 4), np.int64), np.empty((count, 3), np.int64)
    if activity.flags.c_contiguous and activity.dtype in (np.float32, np.float64):
        share = threads if activity.nbytes > SHARED_SCAN_BYTES else 1
        largest = activity.dtype.type(np.finfo(np.float32).max)
        pieces = even_shares(count, 2 * share if share > 1 else 1)

        def scan(piece: tuple[int, int]) -> None:
            scan_slices(activity, largest, *piece, extents, counts)

        share_work(lambda: scan, pieces, share)
    else:
        largest = np.float64(np.finfo(np.float32).max)
        for z in range(count):  # slice by slice: no copy of the whole array
            one = np.ascontiguousarray(activity[z : z + 1], np.float64)
            scan_slices(one, largest, 0, 1, extents[z : z + 1], counts[z : z + 1])
    return _combine(extents, counts, activity.size)


def _combine(extents: NDArray[np.int64], counts: NDArray[np.int64], size: int) -> Extent:
    """Join the extents of all slices, or raise if a voxel is not finite."""
    active, negative, broken = counts.sum(axis=0).tolist()
    if broken:
        raise InputError(
            f"time-integrated activity: {broken} of {size} voxels are NaN, infinite or beyond 3.4e38 Bq·s. "
            "Repair the image before it is used."
        )
    used = np.flatnonzero(counts[:, 0])
    if used.size == 0:
        return Extent((0, 0, 0), (0, 0, 0), 0, True)
    first, last = int(used[0]), int(used[-1]) + 1
    # Slices without activity hold bounds that change neither minimum nor maximum.
    y0, _, x0, _ = extents.min(axis=0).tolist()
    _, y1, _, x1 = extents.max(axis=0).tolist()
    return Extent((first, y0, x0), (last, y1, x1), active, negative == 0)
