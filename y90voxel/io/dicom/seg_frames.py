"""Frames of a segmentation: the planes of one segment, those missing between them, and how far planes lie apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, numbers, shown
from y90voxel.io.dicom.frames import functional_group
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.notices import warn
from y90voxel.regions.slabs import LARGEST_BRIDGED_STEP
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

__all__ = ["STEP_TOLERANCE", "SegmentFrames", "slice_step_mm"]

Floats = NDArray[np.floating[Any]]
Part = tuple[int, int, int, NDArray[np.float32]]

# Frames may lie so far off even positions, as a fraction of the step.
STEP_TOLERANCE = 0.02
# Distances that differ by less than this fraction are one.
SAME_STEP = 0.02


class SegmentFrames:
    """The planes of one segment: what each holds, kept until the box of all is known."""

    def __init__(self) -> None:
        self.parts: dict[int, Part] = {}
        self.stored: set[int] = set()

    def add(self, slice_: int, occupancy: NDArray[np.float32]) -> None:
        """Add a plane, kept as its occupied box."""
        self.stored.add(slice_)
        rows, columns = np.flatnonzero(occupancy.any(axis=1)), np.flatnonzero(occupancy.any(axis=0))
        if rows.size:
            box = occupancy[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            self.parts[slice_] = (slice_, int(rows[0]), int(columns[0]), box.copy())

    def mask(self, grid: Grid) -> Mask | None:
        """Return the mask cut to the occupied box."""
        if not self.parts:
            return None
        parts = list(self.parts.values())
        start = np.array([part[:3] for part in parts]).min(axis=0)
        stop = np.array([(s + 1, r + p.shape[0], c + p.shape[1]) for s, r, c, p in parts]).max(axis=0)
        array = np.zeros(stop - start, np.float32)
        for slice_, row, column, box in parts:
            r, c = row - start[1], column - start[2]
            place = array[slice_ - start[0], r : r + box.shape[0], c : c + box.shape[1]]
            place[...] = box
        return Mask(array, grid.crop(start.tolist(), array.shape))

    def fill_missing(self, name: str, file: str) -> list[Notice]:
        """Fill single frames that the file lacks between two that overlap, half way from each; report what is missing.

        The rule of contours: one missing plane is filled, more stay open. A frame that is stored and empty is empty.
        """
        filled, gaps = [], []
        occupied = sorted(self.parts)
        for low, high in pairwise(occupied):
            between = set(range(low + 1, high))
            if not between or between & self.stored or not _overlap(self.parts[low], self.parts[high]):
                continue
            if high - low <= LARGEST_BRIDGED_STEP:
                self.parts[low + 1] = _half_way(low + 1, self.parts[low], self.parts[high])
                filled.append(low + 1)
            else:
                gaps.append((low, high))
        notices = []
        if filled:
            message = (
                f"segment {shown(name)!r} lacks {len(filled)} single frame(s) between others (slice {filled[0] + 1} first); "
                "they are filled half way from both neighbours. Export the segmentation again if frames were lost."
            )
            notices.append(_missing("segment-frame-missing", message, file))
        if gaps:
            low, high = gaps[0]
            message = (
                f"segment {shown(name)!r} has {len(gaps)} gap(s) of more than one frame, the first between slices {low + 1} "
                f"and {high + 1}; the region counts as absent there."
            )
            notices.append(_missing("segment-gap", message, file))
        return notices


def _missing(code: str, message: str, file: str) -> Notice:
    """Return what is said about frames that a file lacks."""
    return warn(code, message, file=file, tag="PerFrameFunctionalGroupsSequence")


def _common_box(one: Part, other: Part) -> tuple[int, int, int, int]:
    """Return first row and column, and those behind the last, of what two planes fill together."""
    (_, r, c, a), (_, s, d, b) = one, other
    return (
        min(r, s),
        min(c, d),
        max(r + a.shape[0], s + b.shape[0]),
        max(c + a.shape[1], d + b.shape[1]),
    )


def _spread(part: Part, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Return a plane on a larger box."""
    _, row, column, values = part
    array = np.zeros((box[2] - box[0], box[3] - box[1]), np.float32)
    array[row - box[0] :, column - box[1] :][: values.shape[0], : values.shape[1]] = values
    return array


def _overlap(one: Part, other: Part) -> bool:
    """Whether two planes lie on each other somewhere."""
    box = _common_box(one, other)
    return bool((_spread(one, box) * _spread(other, box)).any())


def _half_way(slice_: int, below: Part, above: Part) -> Part:
    """Return the plane between two: its lower half is the one below, its upper half the one above."""
    box = _common_box(below, above)
    return slice_, box[0], box[1], (_spread(below, box) + _spread(above, box)) / np.float32(2)


def slice_step_mm(instance: Instance, heights: Floats) -> tuple[float, list[Notice]]:
    """Return the distance between slices [mm] and what was noticed: the positions of frames decide.

    SpacingBetweenSlices counts where the frames fit it and their positions do not contradict it: a segmentation may
    leave out empty frames. It does not where three frames or more follow each other at twice that distance, nor where
    the frames lie as far apart as they are thick.

    Parameters
    ----------
    instance : Instance
        The segmentation.
    heights : ndarray, (planes,)
        Where planes lie along the normal, rising, each once [mm].

    Raises
    ------
    DicomError
        If there is a single plane of unknown thickness.
    """
    file = instance.source
    shared = items(instance.header, "SharedFunctionalGroupsSequence", file)
    per_frame = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    measures = functional_group(instance, per_frame[0] if per_frame else Dataset(), "PixelMeasuresSequence")
    assert shared or per_frame  # frames_of found positions in them
    spacing = numbers(measures, "SpacingBetweenSlices", 1, file)
    thickness = numbers(measures, "SliceThickness", 1, file)
    stated = abs(spacing[0]) if spacing is not None and spacing[0] != 0 else None
    thick = thickness[0] if thickness is not None and thickness[0] > 0 else None
    if len(heights) < 2:
        if stated is None and thick is None:
            raise DicomError(
                f"{file.name} has one plane and neither SpacingBetweenSlices nor SliceThickness: its thickness is not "
                "known. Export it again.",
                file=file.name,
                tag="SliceThickness",
            )
        return stated or thick or 0.0, []
    span = float(heights[-1] - heights[0])
    own = span / round(span / float(np.diff(heights).min()))
    if stated is None or _same(stated, own):
        return (stated if stated and _fits(heights, stated) else own), []
    if not _fits(heights, own) or (_fits(heights, stated) and not _contradicts(heights, own, stated, thick)):
        return stated, []
    return own, [
        warn(
            "segmentation-spacing",
            f"SpacingBetweenSlices of {file.name} is {stated:g} mm, but its frames lie {own:g} mm apart: their positions "
            "count.",
            file=file.name,
            tag="SpacingBetweenSlices",
            value=stated,
        )
    ]


def _contradicts(heights: Floats, own: float, stated: float, thick: float | None) -> bool:
    """Whether positions that fit the stated distance speak against it: as thick, or too regular, to be every other."""
    if own < stated or (thick is not None and _same(thick, own)):
        return True
    steps = np.diff(heights)
    every_other = own <= LARGEST_BRIDGED_STEP * stated
    return bool(every_other and len(steps) > 1 and np.ptp(steps) <= SAME_STEP * own)


def _same(one: float, other: float) -> bool:
    """Whether two distances are one."""
    return abs(one - other) <= SAME_STEP * max(one, other)


def _fits(heights: Floats, step: float) -> bool:
    """Whether planes lie on whole steps."""
    place = (heights - heights[0]) / step
    return bool(np.abs(place - np.rint(place)).max() <= STEP_TOLERANCE)
