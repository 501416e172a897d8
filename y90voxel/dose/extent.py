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
# Threads that read close to each other get more from the memory than threads far apart: pieces of so many bytes.
SCANNED_AT_ONCE = 1 << 23


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
    if activity.flags.c_contiguous and activity.dtype in _BITS:
        share = threads if activity.nbytes > SHARED_SCAN_BYTES else 1
        pieces = even_shares(count, -(-activity.nbytes // SCANNED_AT_ONCE) if share > 1 else 1)
        found = np.empty((len(pieces), 9), np.int64)
        bits, magnitude, largest = _as_bits(activity)

        def scan(piece: int) -> None:
            scan_slices(bits, magnitude, largest, *pieces[piece], found[piece])

        share_work(lambda: scan, range(len(pieces)), share)
    else:
        found = np.empty((count, 9), np.int64)
        for z in range(count):  # slice by slice: no copy of the whole array
            scan_slices(*_as_bits(np.ascontiguousarray(activity[z : z + 1], np.float64)), 0, 1, found[z])
            found[z, :2] += z * (found[z, 1] > 0)
    return _combine(found.tolist(), activity.size)


# By the type of the numbers: that of their bits, the mask of the magnitude, and the largest of single precision.
_BITS: dict[np.dtype[Any], tuple[Any, Any, Any]] = {
    np.dtype(real): (
        whole,
        whole(np.iinfo(whole).max >> 1),
        np.array(np.finfo(np.float32).max, real).view(whole)[()],
    )
    for real, whole in ((np.float32, np.uint32), (np.float64, np.uint64))
}


def _as_bits(values: NDArray[Any]) -> tuple[NDArray[Any], Any, Any]:
    """Return numbers as unsigned integers, the mask of their magnitude, and the largest that single precision holds."""
    whole, magnitude, largest = _BITS[values.dtype]
    bits = values.view(whole)
    bits.flags.writeable = False  # one compiled variant for writable and read-only arrays
    return bits, magnitude, largest


def _combine(found: list[list[int]], size: int) -> Extent:
    """Join the extents of all pieces, or raise if a voxel is not finite."""
    broken = sum(piece[8] for piece in found)
    if broken:
        raise InputError(
            f"time-integrated activity: {broken} of {size} voxels are NaN, infinite or beyond 3.4e38 Bq·s. "
            "Repair the image before it is used."
        )
    found = [piece for piece in found if piece[6]]
    if not found:
        return Extent((0, 0, 0), (0, 0, 0), 0, True)
    z0, y0, x0 = (min(piece[i] for piece in found) for i in (0, 2, 4))
    z1, y1, x1 = (max(piece[i] for piece in found) for i in (1, 3, 5))
    active, negative = (sum(piece[i] for piece in found) for i in (6, 7))
    return Extent((z0, y0, x0), (z1, y1, x1), active, negative == 0)
