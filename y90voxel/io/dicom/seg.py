"""DICOM segmentations to drawn regions: binary, fractional or label map, empty frames omitted or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import given_name, items, shown, text, whole_number
from y90voxel.io.dicom.frames import Frame, frames_of, functional_group
from y90voxel.io.dicom.geometry import DRIFT_TOLERANCE_MM, axes_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.pixels import decoded_values, native_pixels
from y90voxel.io.dicom.roi_types import DeclaredRegion, declared_notices, is_tumour_segment
from y90voxel.io.dicom.seg_frames import STEP_TOLERANCE, SegmentFrames, slice_step_mm
from y90voxel.io.dicom.slice_positions import check_position, check_spacing
from y90voxel.io.notices import warn
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.volumes.grid import Grid

__all__ = ["PROPERTY_TYPE", "declared_segments", "read_seg"]

Floats = NDArray[np.floating[Any]]

PROPERTY_TYPE = "SegmentedPropertyTypeCodeSequence"
# Orientations of frames that differ by less are one, written with few digits [direction cosine].
SAME_DIRECTION = 1e-4
KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


@dataclass(frozen=True)
class _Segment:
    """What a segmentation says about one segment."""

    number: int
    name: str
    automatic: bool
    declared: DeclaredRegion

    @property
    def role(self) -> Role | None:
        """What the file states that it is, None where its name decides."""
        return self.declared.role


def declared_segments(instance: Instance) -> list[DeclaredRegion]:
    """Return the segments and what the object says that they are, in order of the file.

    Raises
    ------
    DicomError
        If the file is damaged.
    """
    return [segment.declared for segment in _segments(instance)]


def read_seg(series: SeriesRecord) -> tuple[list[DrawnRegion], tuple[Notice, ...]]:
    """Return the segments of all objects of a series as masks, and what was noticed.

    Every segment is laid on the regular grid that its frames belong to, cut to what it occupies; frames that
    the file omits are empty.

    Raises
    ------
    DicomError
        If frames do not lie on one regular grid, or the object is damaged.
    """
    regions: list[DrawnRegion] = []
    notices = list(series.notices)
    for instance in series.instances:
        regions += _read_object(instance, series.uid, notices)
    return regions, tuple(notices)


def _segments(instance: Instance) -> list[_Segment]:
    """Return number and label of each segment, and whether a program made it."""
    file = instance.source
    segments = []
    for item in items(instance.header, "SegmentSequence", file):
        value = whole_number(item, "SegmentNumber", file)
        if value is None:
            raise DicomError(
                f"a segment of {file.name} has no SegmentNumber. Export it again.",
                file=file.name,
                tag="SegmentNumber",
            )
        name = given_name(item, "SegmentLabel", file) or given_name(item, "SegmentDescription", file)
        automatic = text(item, "SegmentAlgorithmType", file).upper() == "AUTOMATIC"
        name = name or f"segment {value}"
        segments.append(_Segment(value, name, automatic, DeclaredRegion(name, is_tumour_segment(item, file))))
    numbers_ = [segment.number for segment in segments]
    if len(set(numbers_)) != len(numbers_):
        raise DicomError(
            f"two segments of {file.name} share one SegmentNumber, so frames cannot be told apart. Export it again.",
            file=file.name,
            tag="SegmentNumber",
        )
    return segments


def _read_object(instance: Instance, series_uid: str, notices: list[Notice]) -> list[DrawnRegion]:
    """Return the segments of one object."""
    file = instance.source
    segments = _segments(instance)
    notices += declared_notices([segment.declared for segment in segments], file, PROPERTY_TYPE)
    frames = frames_of([instance])
    kind = _kind(instance)
    grid, slices, noticed = _grid(instance, frames)
    notices += noticed
    numbers_ = None if kind == "LABELMAP" else _segment_numbers(instance, len(frames))
    boxes: dict[int, SegmentFrames] = {s.number: SegmentFrames() for s in segments}
    maximum = _maximum(instance, kind)
    notices += _probability(instance, kind)
    planes: Iterable[NDArray[Any]] = _planes(instance, kind)
    if kind == "FRACTIONAL":
        planes = list(planes)
        maximum, noticed = _binary_maximum(planes, maximum, file.name)
        notices += noticed
    filled: set[tuple[int, int]] = set()
    for index, plane in enumerate(planes):
        for value, occupancy in _occupancies(plane, kind, maximum, numbers_, index, file.name):
            if value not in boxes:
                raise DicomError(
                    f"frame {index + 1} of {file.name} belongs to segment {value}, which has no entry in "
                    "SegmentSequence: it is not known what it is. The file is damaged: export it again.",
                    file=file.name,
                    tag="ReferencedSegmentNumber",
                )
            if (value, int(slices[index])) in filled:
                raise DicomError(
                    f"{file.name} has two frames of segment {value} at one position ({index + 1} is the second). The file "
                    "is damaged: export it again.",
                    file=file.name,
                    tag="ReferencedSegmentNumber",
                )
            filled.add((value, int(slices[index])))
            boxes[value].add(int(slices[index]), occupancy)
    if kind == "LABELMAP":  # a frame holds all segments
        for own in boxes.values():
            own.stored.update(slices.tolist())
    regions = []
    for segment in segments:
        notices += boxes[segment.number].fill_missing(segment.name, file.name)
        mask = boxes[segment.number].mask(grid)
        if mask is None and (segment.role or role_of_name(segment.name)) is not Role.OTHER:
            empty = Contours(
                (), grid.frame_of_reference_uid
            )  # whether it may be empty is decided with its role
            regions.append(DrawnRegion(segment.name, empty, series_uid, segment.automatic, segment.role))
            continue
        if mask is None:
            notices.append(
                warn(
                    "empty-segment",
                    f"segment {shown(segment.name)!r} is empty and is left out.",
                    file=file.name,
                    tag="SegmentSequence",
                )
            )
            continue
        regions.append(DrawnRegion(segment.name, mask, series_uid, segment.automatic, segment.role))
    return regions


def _kind(instance: Instance) -> str:
    """Return BINARY, FRACTIONAL or LABELMAP; raise where the type is none of them or contradicts the bits."""
    kind = instance.text("SegmentationType").upper()
    bits = whole_number(instance.header, "BitsAllocated", instance.source)
    if kind not in KINDS or (kind == "BINARY") != (bits == 1):
        raise DicomError(
            f"SegmentationType of {instance.source.name} is {shown(kind) or 'missing'} with {bits} bits a pixel; "
            "BINARY has 1, FRACTIONAL 8, LABELMAP 8 or 16. The file is damaged: export it again.",
            file=instance.source.name,
            tag="SegmentationType",
        )
    return kind


def _maximum(instance: Instance, kind: str) -> float:
    """Return the stored value that stands for full occupancy."""
    if kind != "FRACTIONAL":
        return 1.0
    file = instance.source
    maximum = whole_number(instance.header, "MaximumFractionalValue", file)
    if maximum is None or not 1 <= maximum <= 255:
        raise DicomError(
            f"MaximumFractionalValue of {file.name} is {maximum}; a fractional segmentation needs 1 to 255. Export it "
            "again.",
            file=file.name,
            tag="MaximumFractionalValue",
        )
    return float(maximum)


def _binary_maximum(planes: Sequence[NDArray[Any]], maximum: float, file: str) -> tuple[float, list[Notice]]:
    """Return what stands for full occupancy, and that a file of fractions without a value above 1 holds none."""
    highest = max((int(plane.max(initial=0)) for plane in planes), default=0)
    if highest != 1 or maximum == 1.0:
        return maximum, []
    return 1.0, [
        warn(
            "segment-fractions-binary",
            f"{file} is FRACTIONAL with MaximumFractionalValue {maximum:g}, but no value is above 1: it is read as binary, "
            "1 for a full voxel.",
            file=file,
            tag="MaximumFractionalValue",
            value=maximum,
        )
    ]


def _probability(instance: Instance, kind: str) -> list[Notice]:
    """Return a warning when fractions are probabilities, which are no occupancies."""
    if kind != "FRACTIONAL" or instance.text("SegmentationFractionalType").upper() != "PROBABILITY":
        return []
    return [
        warn(
            "segment-probability",
            "the segmentation holds probabilities (SegmentationFractionalType PROBABILITY); they are taken as the fraction "
            "of each voxel inside. Threshold them where they were made, if a sharp region is meant.",
            file=instance.source.name,
            tag="SegmentationFractionalType",
            value="PROBABILITY",
        )
    ]


def _segment_numbers(instance: Instance, count: int) -> list[int]:
    """Return the segment that each frame belongs to."""
    file = instance.source
    segment_numbers = []
    for index, groups in enumerate(items(instance.header, "PerFrameFunctionalGroupsSequence", file)):
        group = functional_group(instance, groups, "SegmentIdentificationSequence")
        value = whole_number(group, "ReferencedSegmentNumber", file)
        if value is None:
            raise DicomError(
                f"frame {index + 1} of {file.name} names no segment. The file is damaged: export it again.",
                file=file.name,
                tag="ReferencedSegmentNumber",
            )
        segment_numbers.append(value)
    assert len(segment_numbers) == count  # frames_of compared it with NumberOfFrames
    return segment_numbers


def _occupancies(
    plane: NDArray[Any], kind: str, maximum: float, segments: Sequence[int] | None, index: int, file: str
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield segment number and occupancy of what one frame holds."""
    if segments is None:
        for value in np.unique(plane):
            if value:
                yield int(value), (plane == value).astype(np.float32)
    elif kind == "FRACTIONAL":
        if plane.max() > maximum:
            raise DicomError(
                f"frame {index + 1} of {file} holds {int(plane.max())}, more than MaximumFractionalValue {maximum:g}. "
                "The segmentation is damaged: export it again.",
                file=file,
                tag="MaximumFractionalValue",
            )
        yield segments[index], plane.astype(np.float32) / np.float32(maximum)
    else:
        yield segments[index], (plane != 0).astype(np.float32)


def _planes(instance: Instance, kind: str) -> Iterator[NDArray[Any]]:
    """Yield the stored frames; bits are unpacked frame by frame."""
    frames, rows, columns = instance.matrix_size()
    bits = whole_number(instance.header, "BitsAllocated", instance.source)
    if bits != 1 or instance.pixel_offset is None:
        yield from decoded_values(instance, (frames, rows, columns))
        return
    size = rows * columns
    data = np.frombuffer(native_pixels(instance, (frames * size + 7) // 8), np.uint8)
    for frame in range(frames):
        first, last = frame * size, (frame + 1) * size
        unpacked = np.unpackbits(data[first // 8 : (last + 7) // 8], bitorder="little")
        yield unpacked[first % 8 : first % 8 + size].reshape(rows, columns)


def _grid(instance: Instance, frames: Sequence[Frame]) -> tuple[Grid, NDArray[np.int64], list[Notice]]:
    """Return the regular grid of all frames, the slice of it that each frame is, and what was noticed."""
    file = instance.source
    first = frames[0]
    row, column, normal = axes_of(first.orientation, file.name)
    if any(
        np.abs(np.subtract(f.orientation, first.orientation)).max() > SAME_DIRECTION
        or f.spacing_mm != first.spacing_mm
        for f in frames
    ):
        raise DicomError(
            f"frames of {file.name} differ in orientation or spacing; a segmentation must lie on one grid.",
            file=file.name,
            tag="ImageOrientationPatient",
        )
    check_spacing(first.spacing_mm, file.name)
    for frame in frames:
        check_position(frame.position_mm, file.name)
    positions = np.array([f.position_mm for f in frames])
    heights = positions @ normal
    aside = positions - positions[0] - np.outer(heights - heights[0], normal)
    step, notices = slice_step_mm(instance, np.unique(np.round(heights, 4)))
    check_spacing([step], file.name, "SpacingBetweenSlices")
    place = (heights - heights.min()) / step
    slices = np.rint(place).astype(np.int64)
    if np.abs(place - slices).max() > STEP_TOLERANCE or np.abs(aside).max() > DRIFT_TOLERANCE_MM:
        raise DicomError(
            f"frames of {file.name} do not lie on one regular grid (step {step:g} mm; up to "
            f"{np.abs(place - slices).max() * step:.3f} mm off along the normal, {np.abs(aside).max():.3f} mm "
            "sideways). Export the segmentation on the grid of its image.",
            file=file.name,
            tag="ImagePositionPatient",
        )
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * step, column * first.spacing_mm[0], row * first.spacing_mm[1]])
    affine[:3, 3] = positions[int(heights.argmin())]
    _, rows, columns = instance.matrix_size()
    shape = (int(slices.max()) + 1, rows, columns)
    return Grid(shape, affine, instance.text("FrameOfReferenceUID") or None), slices, notices
