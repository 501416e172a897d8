"""Mirror-symmetric kernels as the compiled loops want them, and the scratch memory that a strip of output takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution._tile_loops import fold_strip, mask_strip, separate_strip
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES

__all__ = ["FoldedKernel", "Memory", "SeparatedKernel", "Sizes", "SupportMask", "Used", "reach_in_row"]

# Low-rank sums take the rows of a strip a few at a time.
ROWS_AT_ONCE = 32
WORD = 64  # columns whose marks share one word
# Pair sums that one block of output reads again and again should fit the first cache.
PAIRS_BYTES = 28_000

# By name: shape and type, and then the arrays.
Sizes = dict[str, tuple[tuple[int, ...], Any]]
Memory = dict[str, NDArray[Any]]
Half = tuple[int, int, int]
# Which blocks of a whole output may hold something, and the first of a strip.
Used = tuple[NDArray[np.bool_], tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class FoldedKernel:
    """One octant of a mirror-symmetric kernel, arranged for the direct sum.

    Parameters
    ----------
    half : tuple of int, (3,)
        Half lengths along slice, row, column.
    taps : ndarray of float32, (dx, dy, dz)
        Octant, halved for each of dx and dy that is zero.
    reach : ndarray of int, (dx, dy)
        Half length of the filter along the slices, -1 for none.
    """

    half: Half
    taps: NDArray[np.float32]
    reach: NDArray[np.int64]

    # Output slices and rows of a strip: large enough that the halo is not most of it, small enough for the caches; the
    # second pair for long reaches. Rows come in multiples of a step.
    strip_sizes: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((40, 24), (64, 32))
    row_step: ClassVar[int] = 1

    @classmethod
    def from_octant(cls, octant: NDArray[np.float64]) -> FoldedKernel:
        """Fold the octant [dz, dy, dx] of a kernel; its slices must not exceed MAX_REACH + 1."""
        turned = octant.transpose(2, 1, 0)
        used = turned != 0
        last = turned.shape[2] - 1 - np.argmax(used[:, :, ::-1], axis=2)
        taps = turned.astype(np.float32)
        taps[0] *= 0.5
        taps[:, 0] *= 0.5
        hz, hy, hx = (n - 1 for n in octant.shape)
        reach = np.where(used.any(axis=2), last, -1).astype(np.int64)
        return cls((hz, hy, hx), np.ascontiguousarray(taps), np.ascontiguousarray(reach))

    @property
    def operations(self) -> int:
        """Additions and fused multiply-adds per output voxel, halos left out."""
        used = self.reach[self.reach >= 0]
        return int(self.taps.shape[0] + used.size + (2 * used + 1).sum())

    def sizes(self, slices: int, rows: int, columns: int) -> Sizes:
        """Return what a strip of output takes."""
        return _source_sizes(self.half, slices, rows, columns) | self.sizes_of_sum(slices, rows, self.half)

    def sizes_of_sum(self, slices: int, rows: int, halo: Half) -> Sizes:
        """Return what the direct sum takes for some rows of a strip with a halo."""
        window = (BLOCK + 2 * self.half[0]) * (2 * self.half[1] + 1) * LANES * 4
        slots = min(max(1, PAIRS_BYTES // window), len(self.reach))
        return {
            "filters": ((4 * self.reach.size,), np.int64),
            "number": ((len(self.reach) + 1,), np.int64),
            "near": ((rows,), np.uint64),
            "pairs": ((slots, rows + 2 * halo[1], _spaced(slices + 2 * halo[0]), LANES), np.float32),
            "sums": ((rows, slices, LANES), np.float32),
        }

    def fill(self, memory: Memory, slices: int, floor: float, used: Used, out: NDArray[np.float32]) -> None:
        """Fill a strip of output from the source in ``memory``."""
        m, depth = memory, slices + 2 * self.half[0]
        fold_strip(
            m["strip"], m["active"], depth, self.half, self.reach, self.taps, m["filters"], m["number"], m["wide"],
            m["near"], m["pairs"], m["sums"], *used, out,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class SeparatedKernel:
    """A mirror-symmetric kernel as a few products of filters, and what they miss of its steep core.

    Parameters
    ----------
    along_z, along_y, along_x : ndarray of float32, (4 or 6 terms, half + 1)
        Half filters of every term; those along x with the central tap halved.
    core : FoldedKernel
        Exact remainder around the source voxel.
    in_row : ndarray of int, (half_z + 1, half_y + 1)
        How far the kernel reaches along a row, -1 for not at all.
    error : float
        Rigorous bound of |found - exact| / max(exact) for any non-negative activity.
    """

    along_z: NDArray[np.float32]
    along_y: NDArray[np.float32]
    along_x: NDArray[np.float32]
    core: FoldedKernel
    in_row: NDArray[np.int64]
    error: float

    strip_sizes: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((64, 24), (64, 96))
    row_step: ClassVar[int] = BLOCK

    @cached_property
    def half(self) -> Half:
        """Half lengths along slice, row, column."""
        return self.along_z.shape[1] - 1, self.along_y.shape[1] - 1, self.along_x.shape[1] - 1

    @property
    def operations(self) -> int:
        """Additions and fused multiply-adds per output voxel, halos left out."""
        hz, hy, hx = self.half
        return self.core.operations + hx + len(self.along_z) * (hx + 1 + 2 * hy + 1 + 2 * hz + 1)

    def sizes(self, slices: int, rows: int, columns: int) -> Sizes:
        """Return what a strip of output takes."""
        terms, spaced = len(self.along_x), _spaced(slices + 2 * self.half[0])
        return {
            **_source_sizes(self.half, slices, rows, columns),
            **_sizes_of_marks(self.half, slices, rows, columns),
            **self.core.sizes_of_sum(slices, min(rows, ROWS_AT_ONCE), self.half),
            "images": ((terms, BLOCK + 2 * self.half[1], spaced, LANES), np.float32),
            "filtered": ((BLOCK, spaced, LANES), np.float32),
        }

    def fill(self, memory: Memory, slices: int, floor: float, used: Used, out: NDArray[np.float32]) -> None:
        """Fill a strip of output from the source in ``memory``."""
        m, depth = memory, slices + 2 * self.half[0]
        separate_strip(
            m["strip"], m["bits"], m["active"], depth, self.half, self.core.reach, self.core.taps, self.along_z,
            self.along_y, self.along_x, self.in_row, floor, m["filters"], m["number"], m["wide"], m["near"],
            m["pairs"], m["images"], m["filtered"], m["sums"], m["words"], m["offsets"], m["reached"], *used,
            out,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class SupportMask:
    """No convolution: zeroes what the kernel does not reach in a dose that is already there.

    Parameters
    ----------
    half : tuple of int, (3,)
        Half lengths of the kernel along slice, row, column; at most 63 columns.
    in_row : ndarray of int, (half_z + 1, half_y + 1)
        How far the kernel reaches along a row, -1 for not at all.
    """

    half: Half
    in_row: NDArray[np.int64]

    strip_sizes: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = SeparatedKernel.strip_sizes
    row_step: ClassVar[int] = BLOCK

    def sizes(self, slices: int, rows: int, columns: int) -> Sizes:
        """Return what a strip of output takes."""
        source = _source_sizes(self.half, slices, rows, columns)
        marks = _sizes_of_marks(self.half, slices, rows, columns)
        return source | marks | {"sums": ((1, slices, LANES), np.float32)}

    def fill(self, memory: Memory, slices: int, floor: float, used: Used, out: NDArray[np.float32]) -> None:
        """Clean a strip of output by the marks of the source in ``memory``."""
        m = memory
        mask_strip(
            m["bits"], self.half, self.in_row, floor, m["sums"], m["words"], m["offsets"], m["reached"], out
        )


def reach_in_row(octant: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return how far a kernel reaches along each row, -1 for not at all; None when a row has gaps.

    Parameters
    ----------
    octant : ndarray, (dz, dy, dx)
        One octant of a mirror-symmetric kernel.
    """
    used = octant != 0
    reach = used.sum(axis=2) - 1
    if not np.array_equal(used, np.arange(octant.shape[2]) <= reach[:, :, None]):
        return None
    return np.ascontiguousarray(reach, np.int64)


def _source_sizes(half: Half, slices: int, rows: int, columns: int) -> Sizes:
    """Return what the source of a strip of output takes, with its halo and its marks."""
    height, depth, width = _source_shape(half, slices, rows, columns)
    return {
        "strip": ((height, depth, width), np.float32),
        "bits": ((height, depth, ceil(width / WORD) * WORD // 16), np.uint16),
        "active": ((height, width // 8), np.uint64),
        "wide": ((height,), np.uint64),
    }


def _sizes_of_marks(half: Half, slices: int, rows: int, columns: int) -> Sizes:
    """Return what the marks of all that a strip of source reaches take."""
    height, depth, width = _source_shape(half, slices, rows, columns)
    words = ceil(width / WORD)
    return {
        "words": ((2, height, depth, words), np.uint64),
        "reached": ((rows, slices, words), np.uint64),
        "offsets": (((2 * half[0] + 1) * (2 * half[1] + 1),), np.int64),
    }


def _source_shape(half: Half, slices: int, rows: int, columns: int) -> tuple[int, int, int]:
    """Return rows, slices and columns of the source of a strip of output."""
    width = ceil((columns + 2 * half[2]) / LANES) * LANES
    return rows + 2 * half[1], _spaced(slices + 2 * half[0]), width


def _spaced(slices: int) -> int:
    """Return by how many slices the rows of a strip lie apart: a multiple of 4 whose lines share the cache evenly."""
    return slices + (-slices) % 4 + (4 if (slices + (-slices) % 4) % 16 == 0 else 0)
