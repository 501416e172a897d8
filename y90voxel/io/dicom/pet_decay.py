"""What decay the values of a PET series are corrected to, and where its decay tags contradict each other."""

from __future__ import annotations

from datetime import datetime, timedelta

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import date_time, number, shown, texts
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.radionuclide import Radiopharmaceutical
from y90voxel.io.dicom.slice_times import CLOCK_TOLERANCE_S, SliceTimes
from y90voxel.io.notices import warn
from y90voxel.quantification.decay import seconds_between
from y90voxel.quantification.emission import DecayReference

__all__ = ["check_start", "decay_contradictions", "decay_reference", "several_acquisitions"]

# Decay factors are written with four digits or so; an uncorrected hour of Y-90 is 1.1 %.
DECAY_FACTOR_TOLERANCE = 0.005
# Between the start of the scan and a later bed position's own start.
LONGEST_SCAN_S = 3600.0
# No series starts earlier before its first acquisition.
LONGEST_WAIT_H = 12.0


def decay_reference(
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


def check_start(
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


def decay_contradictions(
    series: SeriesRecord,
    reference: DecayReference,
    acquired: datetime | None,
    administered: datetime | None,
    drug: Radiopharmaceutical,
) -> list[Notice]:
    """Return a warning where decay tags say different things."""
    first = series.first
    factor = number(first.header, "DecayFactor", first.source)
    corrected = "DECY" in texts(first.header, "CorrectedImage", first.source)
    contradiction = ""
    if reference is DecayReference.ADMIN:
        hours, expected = _decay_before(acquired, administered, drug.half_life_s)
        if factor is not None and factor < expected * (1 - DECAY_FACTOR_TOLERANCE):
            contradiction = (
                f"DecayCorrection is ADMIN, but DecayFactor is {factor:g}; decay from administration to "
                f"acquisition ({hours:.2f} h) would make it {expected:.4f}"
            )
        elif _lacks_decay(first):
            contradiction = "DecayCorrection is ADMIN, but CorrectedImage does not list DECY"
    elif reference is DecayReference.START and _lacks_decay(first):
        contradiction = "DecayCorrection is START, but CorrectedImage does not list DECY"
    elif reference is DecayReference.NONE and (corrected or (factor is not None and factor != 1.0)):
        contradiction = (
            f"DecayCorrection is NONE, but "
            f"{'CorrectedImage lists DECY' if corrected else f'DecayFactor is {factor:g}'}"
        )
    if not contradiction:
        return []
    return [
        warn(
            "contradictory-decay",
            f"{contradiction}. DecayCorrection is believed; check the activity against the administered one.",
            file=first.source.name,
            tag="DecayFactor",
            value=factor,
        )
    ]


def _lacks_decay(first: Instance) -> bool:
    """Return whether the header lists corrections, and decay is not among them."""
    listed = texts(first.header, "CorrectedImage", first.source)
    return any(listed) and "DECY" not in listed


def several_acquisitions(
    first: Instance, times: SliceTimes, reference: DecayReference, drug: Radiopharmaceutical
) -> list[Notice]:
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
