"""PET series (and SPECT exported as PET) to an activity image."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.activity.decay import seconds_between
from y90voxel.activity.emission import DecayReference, EmissionImage
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
from y90voxel.io.dicom.geometry import regularise, settle
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.radionuclide import Radiopharmaceutical, radiopharmaceutical_of
from y90voxel.io.dicom.times import acquisition_start
from y90voxel.volumes.volume import ActivityMap

__all__ = ["administration_time_of", "pet_header", "read_pet"]

# Decay factors are written with four digits or so; an uncorrected hour of Y-90 is 1.1 %.
DECAY_FACTOR_TOLERANCE = 0.005
WHY_NOT_UNITS = {
    "CNTS": "counts without a calibration",
    "PROPCNTS": "counts without a calibration",
    "PROPCPS": "count rates without a calibration",
    "CPS": "count rates without a calibration",
    "GML": "a standardised uptake value",
    "CM2ML": "a standardised uptake value",
    "": "no unit at all",
}


def read_pet(series: SeriesRecord) -> tuple[EmissionImage, tuple[Finding, ...]]:
    """Return the activity image of a PET series, and what was noticed.

    Stored values are rescaled slice by slice in float64 and multiplied by the voxel volume: Bq per voxel at
    the decay reference of the file.

    Raises
    ------
    DicomError
        If units are not Bq/mL, the decay reference is not stated, or the series is not one regular volume.
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
        If units are not Bq/mL or the decay reference is unknown.
    """
    first = series.first
    _check_units(series)
    findings: list[Finding] = []
    drug = radiopharmaceutical_of(first)
    reference = _decay_reference(first)
    acquired = min((t for t in map(acquisition_start, series.instances) if t is not None), default=None)
    started = date_and_time(first.header, "SeriesDate", "SeriesTime", first.source)
    if acquired is not None and started is not None and started > acquired:
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
        started = acquired
    administered = administration_time_of(first, drug, started or acquired, findings)
    duration = number(_frame_content(first), "ActualFrameDuration", first.source)
    findings += [*drug.findings, *_contradictions(series, reference, acquired, administered, drug)]
    findings += _derived(series)
    times = {DecayReference.ADMIN: administered, DecayReference.START: started}
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
        "reference_time": times.get(reference),
    }, tuple(findings)


def administration_time_of(
    instance: Instance, drug: Radiopharmaceutical, near: datetime | None, findings: list[Finding]
) -> datetime | None:
    """Return when the header says the radiopharmaceutical was given, None where it does not.

    A start time without a date is taken on the day of the series, or the day before when it would lie
    after it.

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
    stated: datetime | None = date_time(
        drug.item, "RadiopharmaceuticalStartDateTime", file, zone_from=instance.header
    )
    if stated is not None or near is None or not text(drug.item, "RadiopharmaceuticalStartTime", file):
        return stated
    same_day = Dataset()
    same_day.SeriesDate = f"{near:%Y%m%d}"
    same_day.RadiopharmaceuticalStartTime = text(drug.item, "RadiopharmaceuticalStartTime", file)
    moment = date_and_time(same_day, "SeriesDate", "RadiopharmaceuticalStartTime", file)
    assert moment is not None  # both attributes were just set
    moment = moment.replace(tzinfo=near.tzinfo)
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


def _check_units(series: SeriesRecord) -> None:
    """Raise unless every slice is in Bq/mL."""
    for instance in series.instances:
        units = instance.text("Units").upper()
        if instance.is_multiframe_enhanced and not units:
            units = _mapped_units(instance)
        if units != "BQML":
            why = WHY_NOT_UNITS.get(units, "not an activity concentration")
            raise DicomError(
                f"the PET image is in {shown(units) or 'unstated units'} ({why}), needed is BQML (Bq/mL). Export the "
                "attenuation-corrected series in Bq/mL.",
                file=instance.source.name,
                tag="Units",
            )


def _mapped_units(instance: Instance) -> str:
    """Return BQML when the first frame of an enhanced object is mapped to Bq/mL, else its unit code."""
    file = instance.source
    per_frame = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    mapping = functional_group(
        instance, per_frame[0] if per_frame else Dataset(), "RealWorldValueMappingSequence"
    )
    codes = items(mapping, "MeasurementUnitsCodeSequence", file)
    unit = text(codes[0], "CodeValue", file) if codes else ""
    return "BQML" if unit.lower() == "bq/ml" else unit.upper()


def _decay_reference(first: Instance) -> DecayReference:
    """Return what the values refer to."""
    stated = first.text("DecayCorrection").upper()
    if first.is_multiframe_enhanced and not stated:
        corrected = first.text("DecayCorrected").upper()
        stated = "NONE" if corrected == "NO" else stated
    try:
        return DecayReference(stated)
    except ValueError:
        raise DicomError(
            f"DecayCorrection is {shown(stated) or 'missing'}; ADMIN, START or NONE are defined. Without it the "
            "instant that the activity refers to is not known. Export the series with it.",
            file=first.source.name,
            tag="DecayCorrection",
        ) from None


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
