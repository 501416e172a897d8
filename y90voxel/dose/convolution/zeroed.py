"""Zeros for a dose map: memory is used only where dose is written, and used again once the map is gone.

A page of fresh memory costs 2 to 3 µs on a virtual machine, which for a liver is a third to a half of the whole
convolution. The C library keeps what small arrays leave behind for the next one; here the same is done for the one
large array of the convolution. Nothing but zeros is ever handed on.
"""

from __future__ import annotations

import mmap
from collections import deque
from math import ceil, prod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._vector_loops import BLOCK, LANES
from y90voxel.volumes.box import Box

__all__ = ["Zeros", "fresh_zeros", "lend", "release", "reused_zeros"]

# Share of the slices up to which the output may be held in huge pages.
HUGE_PAGE_SHARE = 0.25
# Share of the image that lies in huge pages when not all of it may, and their size [bytes].
MIDDLE_SHARE, HUGE_PAGE = 0.15, 1 << 21
# Smallest image whose memory is kept for the next map, and most memory that is [bytes]: the C library keeps less by
# itself; more is not ours to keep.
LEAST_KEPT, MOST_KEPT = 1 << 18, 1 << 27


class Zeros(NamedTuple):
    """An array to put a dose into.

    Parameters
    ----------
    array : ndarray of float32, (z, y, x)
        Zero, but for what is in use.
    box : tuple of slice, (3,)
        Where the dose is to be.
    used : ndarray of bool, (z / BLOCK, y, x / LANES) of the box, rounded up
        Which of its blocks of BLOCK slices, one row and LANES columns may hold something. To be kept up to date.
    """

    array: NDArray[np.float32]
    box: Box
    used: NDArray[np.bool_]


def fresh_zeros(shape: tuple[int, ...], box: Box) -> Zeros:
    """Return zeros whose pages cost memory only where they are written, which is to be in ``box``.

    numpy asks for pages of 2 MB, which are fast, but drag in every slice that the box touches. When that is much
    of the image and the box itself is not, only the middle of the box, where an organ is widest, gets such pages.
    """
    size, span = prod(shape), box[0].stop - box[0].start
    rows = span * (box[1].stop - box[1].start)
    small_pages = span > HUGE_PAGE_SHARE * shape[0] and rows < 0.6 * span * shape[1]
    if not small_pages or size < 1 << 20 or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return _unused(np.zeros(shape, np.float32), box)
    memory = mmap.mmap(-1, 4 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    length = int(MIDDLE_SHARE * 4 * size) // HUGE_PAGE * HUGE_PAGE
    if length:
        middle = (box[0].start + box[0].stop) * shape[1] * shape[2] * 2  # bytes: half of the sum, four each
        first = min(max(round((middle - length / 2) / HUGE_PAGE), 0) * HUGE_PAGE, 4 * size - length)
        memory.madvise(mmap.MADV_HUGEPAGE, first // HUGE_PAGE * HUGE_PAGE, length)
    return _unused(np.frombuffer(memory, np.float32).reshape(shape), box)


def _unused(array: NDArray[np.float32], box: Box) -> Zeros:
    nz, ny, nx = (side.stop - side.start for side in box)
    return Zeros(array, box, np.zeros((ceil(nz / BLOCK), ny, ceil(nx / LANES)), np.bool_))


def reused_zeros(shape: tuple[int, ...], box: Box) -> Zeros:
    """Return the memory of an earlier map of this shape, in use at most in ``box``; else fresh zeros."""
    try:
        zeros = _Loan.idle.pop()
    except IndexError:
        return fresh_zeros(shape, box)
    array, written, _ = zeros
    array.flags.writeable = True  # nobody else holds it any more
    # Boxes that wander through a large image would touch ever more of it.
    if array.shape != shape or (written != box and array.nbytes > MOST_KEPT):
        del array, zeros  # freed before the next is asked for
        return fresh_zeros(shape, box)
    if written == box:  # whoever writes the box zeroes what was used and is not any more, in one go
        return zeros
    array[written] = 0
    return _unused(array, box)


def lend(zeros: Zeros) -> NDArray[np.float32]:
    """Return a read-only array on the same memory, which is used again when no view of it is left.

    Parameters
    ----------
    zeros : Zeros
        With the dose, in a C-contiguous array. The caller must neither keep nor write it afterwards.
    """
    array, box, _ = zeros
    touched = (box[0].stop - box[0].start) * (box[1].stop - box[1].start) * array.shape[2] * array.itemsize
    if array.nbytes < LEAST_KEPT or touched > MOST_KEPT:
        array.flags.writeable = False
        return array
    return np.asarray(_Loan(zeros))


def release() -> None:
    """Give back the memory that is kept for the next map."""
    _Loan.idle.clear()


class _Loan:
    """What arrays on lent memory refer to; numpy cannot make them writable, so that zeros stay zeros."""

    idle: ClassVar[deque[Zeros]] = deque(maxlen=1)

    def __init__(self, zeros: Zeros) -> None:
        self._lent = zeros  # first: __del__ needs it even if the rest is interrupted
        zeros.array.flags.writeable = False
        self.__array_struct__ = zeros.array.__array_struct__

    def __del__(self) -> None:
        self.idle.append(self._lent)
