"""PET series (and SPECT exported as PET) to an activity image."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.administration_time import administration_time_of
from y90voxel.io.dicom.attributes import (
    date_time,
    items,
    number,
)
from y90voxel.io.dicom.ct import plan_stack, read_frames
from y90voxel.io.dicom.frames import functional_group
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.pet_decay import (
    check_start,
    decay_contradictions,
    decay_reference,
    several_acquisitions,
)
from y90voxel.io.dicom.pet_values import check_units, check_values, gate_of
from y90voxel.io.dicom.radionuclide import check_half_life, radiopharmaceutical_of
from y90voxel.io.dicom.reconstruction import reconstruction_of
from y90voxel.io.dicom.regularise import regularise, shift_to_even_positions
from y90voxel.io.dicom.slice_times import SliceTimes, slice_times
from y90voxel.io.dicom.times import series_start
from y90voxel.io.notices import warn
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.volumes.volume import ActivityMap

__all__ = ["pet_header", "read_pet"]


def read_pet(series: SeriesRecord) -> tuple[EmissionImage, tuple[Notice, ...]]:
    """Return the activity image of a PET series, and what was noticed.

    Stored values are rescaled slice by slice in float64 and multiplied by the voxel volume: Bq per voxel at
    the decay reference of the file.

    Raises
    ------
    DicomError
        If units are not Bq/mL, two rescalings contradict each other, the decay reference is not stated, or the series
        is not one regular volume.
    """
    stack, notes = plan_stack(series)
    header, notices = pet_header(series)
    concentration = read_frames(stack.frames).astype(np.float32, copy=False)
    if stack.tilted or stack.uneven:
        concentration = regularise(concentration, stack, fill=0.0)
    concentration = shift_to_even_positions(concentration, stack)
    values: NDArray[Any] = concentration * np.float32(stack.grid.voxel_volume_ml)
    activity = ActivityMap(values, stack.grid, header.pop("reference_time")).check_finite()
    return EmissionImage(volume=activity, modality="PT", **header), (*notes, *notices)


def pet_header(series: SeriesRecord) -> tuple[dict[str, Any], tuple[Notice, ...]]:
    """Return what the headers of a PET series say about time, decay and nuclide, as EmissionImage fields.

    ``reference_time`` is the instant the values refer to, None for NONE or when it is not known.

    Raises
    ------
    DicomError
        If units are not Bq/mL, the image is not corrected for attenuation, the decay reference is unknown, or the
        half-life that decay was corrected with is that of no nuclide, or a frame duration is negative.
    """
    first = series.first
    check_units(series)
    notices: list[Notice] = check_values(series)
    drug = radiopharmaceutical_of(first)
    frames = plan_stack(series)[0].frames
    times = slice_times(frames, _stated_reference(first), drug.half_life_s)
    notices += times.notices
    acquired = times.earliest
    started = _series_start(first, acquired, notices)
    administered = administration_time_of(first, drug, started or acquired, notices)
    reference = decay_reference(first, acquired, administered)
    if reference is DecayReference.START and first.is_multiframe_enhanced:
        started = date_time(first.header, "DecayCorrectionDateTime", first.source) or started
    if reference is not DecayReference.NONE:
        check_half_life(drug, first)
        check_start(first, reference, started, acquired)
    notices += several_acquisitions(first, times, reference, drug)
    duration = number(_frame_content(first), "ActualFrameDuration", first.source)
    _check_durations(first, duration or 0.0, times)
    notices += [*drug.notices, *decay_contradictions(series, reference, acquired, administered, drug)]
    notices += _derived(series)
    instants = {DecayReference.ADMIN: administered, DecayReference.START: started}
    return {
        "imaged_nuclide": drug.nuclide,
        "predicted": drug.is_surrogate,
        "decay_reference": reference,
        "acquisition_start": acquired,
        "series_start": started or acquired,
        "administration_time": administered,
        "frame_duration_s": None if duration is None else duration / 1000.0,
        "header_half_life_s": drug.half_life_s,
        "header_positron_fraction": drug.positron_fraction,
        "agent": drug.agent,
        "administration_event_uid": drug.event_uid,
        "reconstruction": reconstruction_of(first),
        "administration_day_assumed": any(f.code == "administration-day-assumed" for f in notices),
        "slice_delays_s": times.delays_s,
        "slice_durations_s": times.durations_s,
        "gate": gate_of(first),
        "reference_time": instants.get(reference),
    }, tuple(notices)


def _stated_reference(first: Instance) -> DecayReference | None:
    """Return what a classic header says that values refer to; None where it does not, or an enhanced one."""
    stated = first.text("DecayCorrection").upper()
    return DecayReference(stated) if stated in DecayReference.__members__ else None


def _series_start(first: Instance, acquired: datetime | None, notices: list[Notice]) -> datetime | None:
    """Return the start of the series; its earliest acquisition where it says a later one."""
    started = series_start(first, acquired)
    if acquired is None or started is None or started <= acquired:
        return started
    notices.append(
        warn(
            "series-later-than-acquisition",
            f"SeriesTime {started:%H:%M:%S} is later than the earliest acquisition {acquired:%H:%M:%S}: the "
            "series was derived afterwards, so the acquisition counts as its start.",
            file=first.source.name,
            tag="SeriesTime",
            value=started,
        )
    )
    return acquired


def _check_durations(first: Instance, first_ms: float, times: SliceTimes) -> None:
    """Raise if a frame is said to have lasted less than no time: decay within it would be corrected the wrong way."""
    least_ms = min(first_ms, *(1000.0 * duration for duration in times.durations_s or (0.0,)))
    if least_ms < 0.0:
        raise DicomError(
            f"ActualFrameDuration of the PET series is {least_ms:g} ms; no frame is shorter than 0. Export the series "
            "again.",
            file=first.source.name,
            tag="ActualFrameDuration",
        )


def _frame_content(instance: Instance) -> Dataset:
    """Return the data set that holds duration and decay factor: the header, or the first frame's."""
    if not instance.is_multiframe_enhanced:
        return instance.header
    per_frame = items(instance.header, "PerFrameFunctionalGroupsSequence", instance.source)
    content = functional_group(instance, per_frame[0] if per_frame else Dataset(), "FrameContentSequence")
    merged = Dataset()
    duration = number(content, "FrameAcquisitionDuration", instance.source)
    if duration is not None:
        merged.ActualFrameDuration = str(round(duration))
    return merged


def _derived(series: SeriesRecord) -> list[Notice]:
    """Return a warning when the image was computed from other images."""
    if "DERIVED" not in series.first.image_type[:1]:
        return []
    return [
        warn(
            "derived-emission",
            f"the emission image is DERIVED ({'/'.join(series.first.image_type)}): what was done to its values is "
            "not known.",
            file=series.first.source.name,
            tag="ImageType",
            value="\\".join(series.first.image_type),
        )
    ]
