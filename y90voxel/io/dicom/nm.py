"""Nuclear medicine volumes (RECON TOMO): one file, one volume, geometry of its own kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.administration_time import administration_time_of
from y90voxel.io.dicom.attributes import (
    items,
    number,
    shown,
    text,
    whole_number,
)
from y90voxel.io.dicom.ct import lossy, raise_refusals
from y90voxel.io.dicom.frames import frames_of
from y90voxel.io.dicom.geometry import stack_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.nm_geometry import volume_affine
from y90voxel.io.dicom.pixels import check_pixel_bytes, stored_values
from y90voxel.io.dicom.radionuclide import radiopharmaceutical_of
from y90voxel.io.dicom.real_world import MappedRange, check_ranges, mapped_values, range_of
from y90voxel.io.dicom.reconstruction import reconstruction_of
from y90voxel.io.dicom.times import acquisition_start, series_start
from y90voxel.io.dicom.uniform import one_slice
from y90voxel.io.notices import accept, warn
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap

__all__ = ["NmPlan", "nm_header", "plan_nm", "read_nm"]


@dataclass(frozen=True, eq=False)
class NmPlan:
    """Where an NM volume lies and how its stored values become real ones.

    Parameters
    ----------
    grid : Grid
        Slices along the signed spacing of the file.
    order : ndarray of int
        Frame of each slice.
    ranges : tuple of MappedRange
        From stored to real values; each value by its range.
    is_activity : bool
        Whether real values are Bq/mL.
    notices : tuple of Notice
        What was noticed.
    """

    grid: Grid
    order: NDArray[np.int64]
    ranges: tuple[MappedRange, ...]
    is_activity: bool
    notices: tuple[Notice, ...]


def read_nm(series: SeriesRecord) -> tuple[EmissionImage, tuple[Notice, ...]]:
    """Return the emission image of a nuclear medicine volume, and what was noticed.

    Counts per voxel, or activity per voxel where the file maps its values to Bq/mL.

    Raises
    ------
    DicomError
        If the series is not one volume with a known geometry, or its pixels cannot be read.
    """
    plan = plan_nm(series)
    header, notices = nm_header(series)
    stored = stored_values(series.first)[plan.order]
    values = mapped_values(stored, plan.ranges, series.first.source.name)
    notes = [*plan.notices, *notices, *_negative_counts(values, series)]
    if plan.is_activity:
        reference = header.get("decay_reference")
        times = {
            DecayReference.ADMIN: header["administration_time"],
            DecayReference.START: header["series_start"],
        }
        volume: CountMap | ActivityMap = ActivityMap(
            values * np.float32(plan.grid.voxel_volume_ml),
            plan.grid,
            None if reference is None else times.get(reference),
        )
    else:
        volume = CountMap(values, plan.grid)
    return EmissionImage(volume=volume.check_finite(), modality="NM", **header), tuple(notes)


def plan_nm(series: SeriesRecord) -> NmPlan:
    """Return geometry and scaling of a nuclear medicine volume from its header alone.

    Position and orientation come from the first detector's item, else from the top level. Slices step along
    row direction × column direction by the signed Spacing Between Slices.

    Raises
    ------
    DicomError
        If there are several volumes, geometry is missing, or frames are not one volume's slices.
    """
    raise_refusals(series)
    if len(series.instances) > 1:
        names = ", ".join(i.source.name for i in series.instances[:5])
        raise DicomError(
            f"the series holds {len(series.instances)} volumes ({names}). Keep the one to use: export it as a "
            "series of its own.",
            file=series.first.source.name,
            tag="SeriesInstanceUID",
        )
    first = series.first
    notices = [*series.notices, *lossy(series)]
    frames, rows, columns = first.matrix_size()
    check_pixel_bytes(first)
    if frames == 1:
        raise one_slice(first)
    if first.is_multiframe_enhanced:
        return _plan_enhanced(series, notices)
    order = _slice_order(first, frames, notices)
    affine = volume_affine(first, notices)
    ranges, is_activity = _scaling(first, notices)
    grid = Grid((frames, rows, columns), affine, first.text("FrameOfReferenceUID") or None)
    return NmPlan(grid, order, ranges, is_activity, tuple(notices))


def _plan_enhanced(series: SeriesRecord, notices: list[Notice]) -> NmPlan:
    """Return the plan of a volume whose slices lie where functional groups say, as in enhanced CT and PET."""
    first = series.first
    name = first.source.name
    stack = stack_of(frames_of([first]))
    if stack.tilted or stack.uneven:
        raise DicomError(
            f"the frames of {name} do not lie on one regular perpendicular grid. Export the reconstructed volume.",
            file=name,
            tag="ImagePositionPatient",
        )
    scales = {(f.slope, f.intercept) for f in stack.frames if f.rescaled}
    ranges, is_activity = _scaling(first, notices)
    if scales and (len(scales) > 1 or not all(f.rescaled for f in stack.frames) or min(scales)[0] <= 0):
        raise DicomError(
            f"frames of {name} are rescaled differently, or not with a positive slope. Export the volume with one "
            "RescaleSlope.",
            file=name,
            tag="RescaleSlope",
        )
    if scales and not is_activity:
        ranges = (MappedRange(*next(iter(scales))),)
    order = np.array([frame.index for frame in stack.frames], dtype=np.int64)
    return NmPlan(stack.grid, order, ranges, is_activity, (*notices, *stack.notices))


def nm_header(series: SeriesRecord) -> tuple[dict[str, Any], tuple[Notice, ...]]:
    """Return what the header of an NM volume says about time and nuclide, as EmissionImage fields.

    Raises
    ------
    DicomError
        If a date, time or number is malformed.
    """
    first = series.first
    notices: list[Notice] = []
    drug = radiopharmaceutical_of(first)
    acquired = acquisition_start(first)
    started = series_start(first, acquired)
    if acquired is not None and (started is None or started > acquired):
        started = acquired
    assumed: list[Notice] = []
    administered = administration_time_of(first, drug, acquired or started, assumed)
    if not drug.is_surrogate:  # of a surrogate, the time is not used
        notices += assumed
    stated = first.text("DecayCorrection").upper()
    reference = DecayReference(stated) if stated in DecayReference.__members__ else None
    return {
        "imaged_nuclide": drug.nuclide,
        "predicted": drug.is_surrogate,
        "decay_reference": reference,
        "acquisition_start": acquired or started,
        "series_start": started,
        "administration_time": administered,
        "frame_duration_s": _acquisition_duration_s(first),
        "header_half_life_s": drug.half_life_s,
        "header_positron_fraction": drug.positron_fraction,
        "agent": drug.agent,
        "administration_event_uid": drug.event_uid,
        "reconstruction": reconstruction_of(first),
        "administration_day_assumed": any(f.code == "administration-day-assumed" for f in assumed),
    }, (*drug.notices, *notices)


def _slice_order(instance: Instance, frames: int, notices: list[Notice]) -> NDArray[np.int64]:
    """Return the frame of each slice, by SliceVector; raise when frames are not the slices of one volume."""
    name = instance.source.name
    for keyword in (
        "EnergyWindowVector",
        "DetectorVector",
        "RRIntervalVector",
        "TimeSlotVector",
        "PhaseVector",
    ):
        values = set(instance.numbers(keyword) or ())
        if len(values) > 1:
            raise DicomError(
                f"{name} holds several volumes in one file ({keyword} runs over {len(values)} values). Export the "
                "volume of the photopeak on its own.",
                file=name,
                tag=keyword,
            )
    slices = whole_number(instance.header, "NumberOfSlices", instance.source)
    if slices not in (None, frames):
        raise DicomError(
            f"{name} has {frames} frames but NumberOfSlices {slices}. Export it again.",
            file=name,
            tag="NumberOfSlices",
        )
    vector = instance.numbers("SliceVector")
    if vector is None:
        return np.arange(frames)
    if len(vector) != frames or sorted(vector) != list(range(1, frames + 1)):
        raise DicomError(
            f"SliceVector of {name} should hold each of 1 to {frames} once, but holds {len(vector)} values "
            f"({shown(list(vector))}). The frames are not the slices of one volume.",
            file=name,
            tag="SliceVector",
        )
    order = np.argsort(np.array(vector), kind="stable")
    if not np.array_equal(order, np.arange(frames)):
        notices.append(
            warn(
                "frames-reordered",
                "frames are not stored in order of their slice number; they are sorted by SliceVector, and "
                "ImagePositionPatient is taken as that of slice 1.",
                file=name,
                tag="SliceVector",
            )
        )
    return np.asarray(order, dtype=np.int64)


def _scaling(instance: Instance, notices: list[Notice]) -> tuple[tuple[MappedRange, ...], bool]:
    """Return the lines from stored to real values, and whether those are Bq/mL."""
    file = instance.source
    by_factor: dict[float | None, list[MappedRange]] = {}
    for mapping in items(instance.header, "RealWorldValueMappingSequence", file):
        codes = items(mapping, "MeasurementUnitsCodeSequence", file)
        unit = text(codes[0], "CodeValue", file) if codes else ""
        factor = {"bq/ml": 1.0, "kbq/ml": 1e3, "mbq/ml": 1e6}.get(unit.lower())
        line = range_of(mapping, factor or 1.0, file)
        if line is not None and (factor is not None or unit.strip("{}").lower() in ("counts", "cnts", "1")):
            by_factor.setdefault(factor, []).append(line)
            continue
        notices.append(
            warn(
                "mapping-ignored",
                f"RealWorldValueMappingSequence maps to {shown(unit) or 'no unit'!r}, which is neither counts nor Bq/mL;"
                " the values are taken as counts.",
                file=file.name,
                tag="RealWorldValueMappingSequence",
                value=unit,
            )
        )
    for factor, lines in by_factor.items():  # the first unit that is understood
        check_ranges(lines, file.name)
        return tuple(lines), factor is not None
    slopes = instance.numbers("RescaleSlope", 1) or (1.0,)
    intercepts = instance.numbers("RescaleIntercept", 1) or (0.0,)
    if slopes[0] <= 0:
        raise DicomError(
            f"RescaleSlope of {file.name} is {slopes[0]:g}; it must be positive. Export it again.",
            file=file.name,
            tag="RescaleSlope",
        )
    return (MappedRange(slopes[0], intercepts[0]),), instance.text("Units").upper() == "BQML"


def _acquisition_duration_s(instance: Instance) -> float | None:
    """Return the time that all projections took together [s], None where the header does not say."""
    file = instance.source
    total = 0.0
    for rotation in items(instance.header, "RotationInformationSequence", file):
        duration = number(rotation, "ActualFrameDuration", file)
        count = number(rotation, "NumberOfFramesInRotation", file)
        if duration is None or count is None:
            return None
        total += duration * count / 1000.0
    if total:
        return total
    duration = number(instance.header, "ActualFrameDuration", file)
    return None if duration is None else duration / 1000.0


def _negative_counts(values: NDArray[np.float32], series: SeriesRecord) -> list[Notice]:
    """Return a note on negative values, which reconstruction filters leave behind."""
    negative = values[values < 0]
    if negative.size == 0:
        return []
    total = float(values.sum(dtype=np.float64))
    part = -float(negative.sum(dtype=np.float64)) / total * 100 if total > 0 else float("inf")
    return [
        accept(
            "negative-counts",
            f"{negative.size} voxels are negative, down to {negative.min():g} ({part:.2g} % of the total in all); they "
            "are kept.",
            file=series.first.source.name,
            tag="PixelData",
        )
    ]
