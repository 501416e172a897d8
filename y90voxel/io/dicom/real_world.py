"""Real-world value mappings: lines from stored values to values with a unit, each for its own range (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import number

__all__ = ["MappedRange", "check_ranges", "mapped_values", "range_of"]


@dataclass(frozen=True)
class MappedRange:
    """One line of a mapping.

    Parameters
    ----------
    slope, intercept : float
        Real value = slope × stored value + intercept.
    first, last : float
        Stored values that it holds for, both included.
    """

    slope: float
    intercept: float
    first: float = -np.inf
    last: float = np.inf


def range_of(mapping: Dataset, factor: float, file: object) -> MappedRange | None:
    """Return the line of an item of the sequence, times a factor between units; None where it has no slope."""
    slope = number(mapping, "RealWorldValueSlope", file)
    if slope is None:
        return None
    intercept = number(mapping, "RealWorldValueIntercept", file) or 0.0
    ends = []
    for end, absent in (("First", -np.inf), ("Last", np.inf)):
        stated = [
            number(mapping, f"{kind}RealWorldValue{end}ValueMapped", file) for kind in ("", "DoubleFloat")
        ]
        ends.append(next((value for value in stated if value is not None), absent))
    return MappedRange(slope * factor, intercept * factor, *ends)


def check_ranges(ranges: Sequence[MappedRange], file: str) -> None:
    """Raise if two different lines claim the same stored values.

    Raises
    ------
    DicomError
        Naming both.
    """
    ordered = sorted(ranges, key=lambda line: line.first)
    for index, other in enumerate(ordered[1:], start=1):
        one = max(ordered[:index], key=lambda line: line.last)
        if other.first <= one.last and (one.slope, one.intercept) != (other.slope, other.intercept):
            raise DicomError(
                f"{file} maps stored values {other.first:g} to {min(one.last, other.last):g} in two ways: slope {one.slope:g} "
                f"and {other.slope:g}, intercept {one.intercept:g} and {other.intercept:g}. Export the image again.",
                file=file,
                tag="RealWorldValueMappingSequence",
            )


def mapped_values(stored: NDArray[Any], ranges: Sequence[MappedRange], file: str) -> NDArray[np.float32]:
    """Return real values, each by the line of its range.

    Raises
    ------
    DicomError
        If a stored value lies outside all of several ranges.
    """
    if len(ranges) == 1:
        return (stored * ranges[0].slope + ranges[0].intercept).astype(np.float32)
    values = np.full(stored.shape, np.nan, np.float32)
    for one in ranges:
        inside = (stored >= one.first) & (stored <= one.last)
        values[inside] = stored[inside] * one.slope + one.intercept
    outside = int(np.isnan(values).sum())
    if outside:
        raise DicomError(
            f"{outside} stored values of {file} lie in none of its {len(ranges)} real-world value ranges, such as "
            f"{float(stored[np.isnan(values)][0]):g}. Export the image again.",
            file=file,
            tag="RealWorldValueMappingSequence",
        )
    return values
