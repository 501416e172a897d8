"""PET series (and SPECT exported as PET) to an activity image."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import (
    date_and_time,
    date_time,
    items,
    number,
    shown,
    text,
    texts,
)
from y90voxel.io.dicom.ct import plan_stack, read_frames
from y90voxel.io.dicom.findings import Finding, warn
from y90voxel.io.dicom.frames import functional_group
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.pet_values import check_units, check_values, gate_of
from y90voxel.io.dicom.radionuclide import Radiopharmaceutical, check_half_life, radiopharmaceutical_of
from y90voxel.io.dicom.regularise import regularise, settle
from y90voxel.io.dicom.slice_times import CLOCK_TOLERANCE_S, SliceTimes, slice_times
from y90voxel.quantification.decay import seconds_between
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.volumes.volume import ActivityMap

__all__ = ["administration_time_of", "pet_header", "read_pet"]

# Decay factors are written with four digits or so; an uncorrected hour of Y-90 is 1.1 %.
DECAY_FACTOR_TOLERANCE = 0.005
# Between the start of the scan and a later bed position's own start.
LONGEST_SCAN_S = 3600.0
# No series starts earlier before its first acquisition.
LONGEST_WAIT_H = 12.0


def read_pet(series: SeriesRecord) -> tuple[EmissionImage, tuple[Finding, ...]]:
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
    header, findings = pet_header(series)
    concentration = read_frames(stack.frames).astype(np.float32, copy=False)
    if stack.tilted or stack.uneven:
        concentration = regularise(concentration, stack, fill=0.0)
    concentration = settle(concentration, stack)
    values: NDArray[Any] = concentration * np.float32(stack.grid.voxel_volume_ml)
    activity = ActivityMap(values, stack.grid, header.pop("reference_time")).check_finite()
    return EmissionImage(volume=activity, modality="PT", **header), (*notes, *findings)


def pet_header(series: SeriesRecord) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Return what the headers of a PET series say about time, decay and nuclide, as EmissionImage fields.

    ``reference_time`` is the instant the values refer to, None for NONE or when it is not known.

    Raises
    ------
    DicomError
        If units are not Bq/mL, the image is not corrected for attenuation, the decay reference is unknown, or the
        half-life that decay was corrected with is that of no nuclide.
    """
    first = series.first
    check_units(series)
    findings: list[Finding] = check_values(series)
    drug = radiopharmaceutical_of(first)
    frames = plan_stack(series)[0].frames
    times = slice_times(frames, _stated_reference(first), drug.half_life_s)
    findings += times.findings
    acquired = times.earliest
    started = _series_start(first, acquired, findings)
    administered = administration_time_of(first, drug, started or acquired, findings)
    reference = _decay_reference(first, acquired, administered)
    if reference is DecayReference.START and first.is_multiframe_enhanced:
        started = date_time(first.header, "DecayCorrectionDateTime", first.source) or started
    if reference is not DecayReference.NONE:
        check_half_life(drug, first)
        _check_start(first, reference, started, acquired)
    findings += _several_acquisitions(first, times, reference, drug)
    duration = number(_frame_content(first), "ActualFrameDuration", first.source)
    findings += [*drug.findings, *_contradictions(series, reference, acquired, administered, drug)]
    findings += _derived(series)
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
        "administration_day_assumed": any(f.code == "administration-day-assumed" for f in findings),
        "slice_delays_s": times.delays_s,
        "slice_durations_s": times.durations_s,
        "gate": gate_of(first),
        "reference_time": instants.get(reference),
    }, tuple(findings)


def _stated_reference(first: Instance) -> DecayReference | None:
    """Return what a classic header says that values refer to; None where it does not, or an enhanced one."""
    stated = first.text("DecayCorrection").upper()
    return DecayReference(stated) if stated in DecayReference.__members__ else None


def _series_start(first: Instance, acquired: datetime | None, findings: list[Finding]) -> datetime | None:
    """Return the start of the series; its earliest acquisition where it says a later one."""
    started = date_and_time(first.header, "SeriesDate", "SeriesTime", first.source)
    if acquired is None or started is None:
        return started
    if (started.tzinfo is None) != (acquired.tzinfo is None):  # one header, one clock
        started = started.replace(tzinfo=acquired.tzinfo)
    if started <= acquired:
        return started
    findings.append(
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


def administration_time_of(
    instance: Instance, drug: Radiopharmaceutical, near: datetime | None, findings: list[Finding]
) -> datetime | None:
    """Return when the header says the radiopharmaceutical was given, None where it does not.

    A start time without a date is taken on the day of the series, or the day before when it would lie
    after it. A date without a time is no instant.

    Parameters
    ----------
    instance : Instance
        Any object of the series.
    drug : Radiopharmaceutical
        What was injected.
    near : datetime or None
        Start of the series.
    findings : list of Finding
        Gets a warning where the day was assumed.
    """
    file = instance.source
    if drug.given_at is not None:
        return drug.given_at
    stated: datetime | None = date_time(
        drug.item, "RadiopharmaceuticalStartDateTime", file, zone_from=instance.header
    )
    written = text(drug.item, "RadiopharmaceuticalStartDateTime", file)
    if stated is not None:
        findings += _administration_contradictions(instance, drug, stated, near)
    if stated is not None or near is None:
        return stated
    if not text(drug.item, "RadiopharmaceuticalStartTime", file):
        if written:
            findings.append(
                warn(
                    "administration-hour-missing",
                    f"RadiopharmaceuticalStartDateTime {written} has a date and no time: the administration is not known. "
                    "Give --time.",
                    file=file.name,
                    tag="RadiopharmaceuticalStartDateTime",
                    value=written,
                )
            )
        return None
    same_day = Dataset()
    same_day.SeriesDate = written or f"{near:%Y%m%d}"
    same_day.RadiopharmaceuticalStartTime = text(drug.item, "RadiopharmaceuticalStartTime", file)
    moment = date_and_time(same_day, "SeriesDate", "RadiopharmaceuticalStartTime", file)
    assert moment is not None  # both attributes were just set
    moment = moment.replace(tzinfo=near.tzinfo)
    if written:
        return moment
    day = "the day of the series"
    if moment > near:
        moment, day = moment - timedelta(days=1), "the day before the series, as it would lie after it else"
    findings.append(
        warn(
            "administration-day-assumed",
            f"RadiopharmaceuticalStartTime {moment:%H:%M:%S} has no date; {day} is taken. Give --time if the "
            "administration was earlier.",
            file=file.name,
            tag="RadiopharmaceuticalStartTime",
            value=f"{moment:%H:%M:%S}",
        )
    )
    return moment


def _administration_contradictions(
    instance: Instance, drug: Radiopharmaceutical, stated: datetime, near: datetime | None
) -> list[Finding]:
    """Return warnings where the administration is stated twice and differently."""
    file, clock = instance.source, text(drug.item, "RadiopharmaceuticalStartTime", instance.source)
    notes = []
    if clock:
        day = Dataset()
        day.SeriesDate, day.RadiopharmaceuticalStartTime = f"{stated:%Y%m%d}", clock
        other = date_and_time(day, "SeriesDate", "RadiopharmaceuticalStartTime", file)
        apart_s = 0.0 if other is None else abs((stated.replace(tzinfo=None) - other).total_seconds())
        if apart_s > CLOCK_TOLERANCE_S:
            message = (
                f"RadiopharmaceuticalStartDateTime is {stated}, but RadiopharmaceuticalStartTime {shown(clock)}: the former "
                "counts. Give --time to state when it was."
            )
            tag = "RadiopharmaceuticalStartTime"
            notes.append(warn("administration-stated-twice", message, file=file.name, tag=tag, value=clock))
    if (
        near is not None
        and stated.utcoffset() is not None
        and near.utcoffset() not in (None, stated.utcoffset())
    ):
        message = (
            f"the administration is stated at {stated.isoformat()} and the acquisition at {near.isoformat()}, in different time "
            "zones; both are taken as written."
        )
        notes.append(warn("zones-differ", message, file=file.name, tag="TimezoneOffsetFromUTC"))
    return notes


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


def _decay_reference(
    first: Instance, acquired: datetime | None, administered: datetime | None
) -> DecayReference:
    """Return what the values refer to."""
    stated = first.text("DecayCorrection").upper()
    if first.is_multiframe_enhanced and not stated:
        return _enhanced_reference(first, acquired, administered)
    try:
        return DecayReference(stated)
    except ValueError:
        raise DicomError(
            f"DecayCorrection is {shown(stated) or 'missing'}; ADMIN, START or NONE are defined. Without it the "
            "instant that the activity refers to is not known. Export the series with it.",
            file=first.source.name,
            tag="DecayCorrection",
        ) from None


def _check_start(
    first: Instance, reference: DecayReference, started: datetime | None, acquired: datetime | None
) -> None:
    """Raise if values are corrected to a series start that cannot be that of the acquisition."""
    if reference is not DecayReference.START or started is None or acquired is None:
        return
    if (started.tzinfo is None) != (acquired.tzinfo is None):
        return
    hours = (acquired - started).total_seconds() / 3600.0
    if hours > LONGEST_WAIT_H:
        raise DicomError(
            f"values are corrected for decay to the start of the series, {started}, but the acquisition began at {acquired}, "
            f"{hours:.1f} h later. One of both is wrong: export the series again.",
            file=first.source.name,
            tag="SeriesDate",
        )


def _enhanced_reference(
    first: Instance, acquired: datetime | None, administered: datetime | None
) -> DecayReference:
    """Return what the values of an enhanced object refer to: it gives the instant itself (PS3.3 C.8.22.2)."""
    file, corrected = first.source, first.text("DecayCorrected").upper()
    if corrected == "NO":
        return DecayReference.NONE
    moment = date_time(first.header, "DecayCorrectionDateTime", file)
    if corrected != "YES" or moment is None:
        raise DicomError(
            f"DecayCorrected is {shown(corrected) or 'missing'} and DecayCorrectionDateTime {moment or 'missing'}, and "
            "there is no DecayCorrection: the instant that the activity refers to is not known. Export the series with it.",
            file=file.name,
            tag="DecayCorrectionDateTime",
        )
    for reference, instant, before_s in (
        (DecayReference.ADMIN, administered, CLOCK_TOLERANCE_S),
        (DecayReference.START, acquired, LONGEST_SCAN_S),
    ):
        if instant is None or (instant.tzinfo is None) != (moment.tzinfo is None):
            continue
        if -CLOCK_TOLERANCE_S <= (instant - moment).total_seconds() <= before_s:
            return reference
    raise DicomError(
        f"DecayCorrectionDateTime is {moment}, which is neither the acquisition ({acquired or 'not stated'}) nor the "
        f"administration ({administered or 'not stated'}). Export the series corrected to one of them.",
        file=file.name,
        tag="DecayCorrectionDateTime",
    )


def _contradictions(
    series: SeriesRecord,
    reference: DecayReference,
    acquired: datetime | None,
    administered: datetime | None,
    drug: Radiopharmaceutical,
) -> list[Finding]:
    """Return a warning where decay tags say different things."""
    first = series.first
    factor = number(first.header, "DecayFactor", first.source)
    corrected = "DECY" in texts(first.header, "CorrectedImage", first.source)
    found = ""
    if reference is DecayReference.ADMIN:
        hours, expected = _decay_before(acquired, administered, drug.half_life_s)
        if factor is not None and factor < expected * (1 - DECAY_FACTOR_TOLERANCE):
            found = (
                f"DecayCorrection is ADMIN, but DecayFactor is {factor:g}; decay from administration to "
                f"acquisition ({hours:.2f} h) would make it {expected:.4f}"
            )
        elif _lacks_decay(first):
            found = "DecayCorrection is ADMIN, but CorrectedImage does not list DECY"
    elif reference is DecayReference.START and _lacks_decay(first):
        found = "DecayCorrection is START, but CorrectedImage does not list DECY"
    elif reference is DecayReference.NONE and (corrected or (factor is not None and factor != 1.0)):
        found = (
            f"DecayCorrection is NONE, but "
            f"{'CorrectedImage lists DECY' if corrected else f'DecayFactor is {factor:g}'}"
        )
    if not found:
        return []
    return [
        warn(
            "contradictory-decay",
            f"{found}. DecayCorrection is believed; check the activity against the administered one.",
            file=first.source.name,
            tag="DecayFactor",
            value=factor,
        )
    ]


def _lacks_decay(first: Instance) -> bool:
    """Return whether the header lists corrections, and decay is not among them."""
    listed = texts(first.header, "CorrectedImage", first.source)
    return any(listed) and "DECY" not in listed


def _several_acquisitions(
    first: Instance, times: SliceTimes, reference: DecayReference, drug: Radiopharmaceutical
) -> list[Finding]:
    """Return a warning where slices were acquired at different times and that changes their activity."""
    if times.delays_s is None or times.earliest is None:
        return []
    spread_s = max(times.delays_s)
    span = f"slices were acquired over {spread_s / 60:.1f} min, from {times.earliest:%H:%M:%S} on"
    if reference is DecayReference.NONE:
        message = (
            f"values are not corrected for decay, and {span}; each slice is decayed from its own acquisition."
        )
    elif drug.half_life_s is not None and not drug.is_therapy:
        message = (
            f"{span} (several bed positions), and corrected for decay with a half-life of {drug.half_life_s:g} s; that is undone "
            "for each slice over its own delay."
        )
    else:
        return []
    return [
        warn(
            "several-acquisition-times",
            message,
            file=first.source.name,
            tag="AcquisitionTime",
            value=f"{times.earliest + timedelta(seconds=spread_s):%H:%M:%S}",
        )
    ]


def _decay_before(
    acquired: datetime | None, administered: datetime | None, half_life_s: float | None
) -> tuple[float, float]:
    """Return hours from administration to acquisition and the decay factor over them; 0 and 1 if unknown."""
    if acquired is None or administered is None or half_life_s is None:
        return 0.0, 1.0
    if (acquired.tzinfo is None) != (administered.tzinfo is None):
        return 0.0, 1.0
    elapsed_s = seconds_between(administered, acquired, "acquisition after administration")
    return elapsed_s / 3600.0, 2.0 ** min(elapsed_s / half_life_s, 1000.0)


def _derived(series: SeriesRecord) -> list[Finding]:
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
