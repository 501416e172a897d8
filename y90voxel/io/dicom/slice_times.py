"""When each slice of a PET series was acquired: by every attribute that tells, compared with each other.

A scan of several bed positions takes an hour; the facts of one slice are not those of all. Three attributes tell when a
slice was acquired (DICOM PS3.3 C.7.6.1.1.1 and C.8.9.4): its AcquisitionDate and AcquisitionTime, its FrameReferenceTime,
and its DecayFactor with the half-life of the header.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import date_and_time, date_time, items, number
from y90voxel.io.dicom.frames import Frame, functional_group
from y90voxel.io.dicom.times import acquisition_start
from y90voxel.io.notices import warn
from y90voxel.quantification.emission import DecayReference

__all__ = ["CLOCK_TOLERANCE_S", "SliceTimes", "slice_times"]

Floats = NDArray[np.float64]

# Clocks of one system agree so well; decay of Y-90 over it is 0.02 %.
CLOCK_TOLERANCE_S = 60.0
# A static series is scanned within this time; instants farther apart mean that the date was not advanced at midnight.
LONGEST_SERIES_S = 12 * 3600.0
# Bed positions told by DecayFactor alone: a rise that means a longer scan is no delay.
LONGEST_BY_FACTOR_S = 4 * 3600.0
# Two attributes may differ by so much of the activity.
LARGEST_CONTRADICTION = 0.02
DAY = timedelta(days=1)
Y90_HALF_LIFE_S = 230760.0  # 64.1 h, as headers state it [s]; taken where one states none


@dataclass(frozen=True, eq=False)
class SliceTimes:
    """When the slices of a series were acquired.

    Parameters
    ----------
    earliest : datetime or None
        Start of the first acquisition.
    delays_s : tuple of float or None
        From there to the acquisition of each slice, in the order of the slices [s]; None where all are alike.
    durations_s : tuple of float or None
        Frame duration of each slice [s]; None where all are alike or not stated.
    notices : tuple of Notice
        What was noticed.
    """

    earliest: datetime | None
    delays_s: tuple[float, ...] | None = None
    durations_s: tuple[float, ...] | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class _Facts:
    """What one slice says: start, FrameReferenceTime [s], DecayFactor, duration [s]."""

    start: datetime | None
    reference_s: float | None
    factor: float | None
    duration_s: float | None


def slice_times(
    frames: Sequence[Frame], reference: DecayReference | None, half_life_s: float | None
) -> SliceTimes:
    """Return when each slice was acquired.

    Parameters
    ----------
    frames : sequence of Frame
        The slices in order.
    reference : DecayReference or None
        What the values refer to; None when that is not known yet.
    half_life_s : float or None
        Half-life that the scanner corrected decay with [s].

    Raises
    ------
    DicomError
        If attributes contradict each other by more than 2 % of the activity, or slices of one series were acquired
        more than 12 h apart.
    """
    facts = [_facts_of(frame) for frame in frames]
    starts, notices = _advanced(frames, [one.start for one in facts])
    stated = [start for start in starts if start is not None]
    earliest = min(stated, default=None)
    durations = _all_of([one.duration_s for one in facts])
    delays_by_attribute = {
        "AcquisitionTime": _delays(starts),
        "FrameReferenceTime": _offsets(_all_of([one.reference_s for one in facts])),
        "DecayFactor": None
        if reference in (None, DecayReference.NONE)
        else _delays_by_factor(_all_of([one.factor for one in facts]), half_life_s),
    }
    delays, more = _agreed(frames, delays_by_attribute, half_life_s or Y90_HALF_LIFE_S)
    alike = durations is None or float(np.ptp(durations)) <= 1.0
    return SliceTimes(
        earliest,
        None if delays is None else tuple(delays.tolist()),
        None if alike or durations is None else tuple(durations.tolist()),
        (*notices, *more),
    )


def _facts_of(frame: Frame) -> _Facts:
    """Return what a slice says, from its file or its functional groups."""
    instance, file = frame.instance, frame.instance.source
    if not instance.is_multiframe_enhanced:
        header = instance.header
        return _Facts(
            acquisition_start(instance),
            _seconds(number(header, "FrameReferenceTime", file)),
            number(header, "DecayFactor", file),
            _seconds(number(header, "ActualFrameDuration", file)),
        )
    groups = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    own = groups[frame.index] if frame.index < len(groups) else Dataset()
    content = functional_group(instance, own, "FrameContentSequence")
    corrections = functional_group(instance, own, "PETFrameCorrectionFactorsSequence")
    start = date_time(content, "FrameAcquisitionDateTime", file, zone_from=instance.header)
    return _Facts(
        start or acquisition_start(instance),
        None,
        number(corrections, "DecayFactor", file),
        _seconds(number(content, "FrameAcquisitionDuration", file)),
    )


def _seconds(milliseconds: float | None) -> float | None:
    """Return seconds, None for None."""
    return None if milliseconds is None else milliseconds / 1000.0


def _all_of(values: Sequence[float | None]) -> Floats | None:
    """Return the values of all slices, None where one of them states none."""
    stated = [value for value in values if value is not None]
    return np.array(stated, float) if values and len(stated) == len(values) else None


def _advanced(
    frames: Sequence[Frame], starts: Sequence[datetime | None]
) -> tuple[list[datetime | None], list[Notice]]:
    """Return the starts with the date advanced where a scan ran over midnight and its date did not.

    Raises
    ------
    DicomError
        If they lie farther apart than any scan takes, or only some have a time zone.
    """
    stated = sorted({start for start in starts if start is not None and start.tzinfo is None})
    aware = sorted({start for start in starts if start is not None and start.tzinfo is not None})
    first = frames[0].instance
    if stated and aware:
        raise DicomError(
            f"slices of one series state their acquisition with and without a time zone ({stated[0]} and {aware[0]}). "
            "Export the series again.",
            file=first.source.name,
            tag="TimezoneOffsetFromUTC",
        )
    instants = stated or aware
    if not instants:
        return list(starts), []
    begun = date_and_time(first.header, "StudyDate", "StudyTime", first.source)
    last_before = _last_before_midnight(instants, begun)
    if last_before is None:
        return list(starts), []
    moved = [start + DAY if start is not None and start <= last_before else start for start in starts]
    message = (
        f"slices were acquired at {instants[0]:%Y-%m-%d %H:%M:%S} and {instants[-1]:%H:%M:%S}: the scan ran over midnight and "
        f"its AcquisitionDate did not. Acquisitions up to {last_before:%H:%M:%S} are taken a day later."
    )
    notice = warn(
        "acquisition-over-midnight",
        message,
        file=first.source.name,
        tag="AcquisitionDate",
        value=f"{instants[0]:%Y%m%d}",
    )
    spread = _spread_s([start for start in moved if start is not None])
    if spread > LONGEST_SERIES_S:
        raise DicomError(
            f"slices of one series were acquired {(instants[-1] - instants[0]).total_seconds() / 3600:.1f} h apart "
            f"({instants[0]} and {instants[-1]}). One of both is wrong: export the series again.",
            file=first.source.name,
            tag="AcquisitionTime",
        )
    return moved, [notice]


def _last_before_midnight(instants: Sequence[datetime], begun: datetime | None) -> datetime | None:
    """Return the last of the sorted instants that belong to the next day; None where no date has to be advanced."""
    if _spread_s(instants) > LONGEST_SERIES_S:
        gaps = [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(instants)]
        return instants[int(np.argmax(gaps))]
    if begun is None or (begun.tzinfo is None) != (instants[0].tzinfo is None):
        return None
    early_s = (begun - instants[0]).total_seconds()
    # the study began in the evening, and all slices are dated to the early morning of the same day
    if early_s > LONGEST_SERIES_S and begun.date() == instants[0].date():
        return instants[-1]
    return None


def _spread_s(instants: Sequence[datetime]) -> float:
    """Return the time between the first and the last of the instants [s]."""
    return (max(instants) - min(instants)).total_seconds() if instants else 0.0


def _delays(starts: Sequence[datetime | None]) -> Floats | None:
    """Return seconds after the earliest start, None where a slice states none."""
    stated = [start for start in starts if start is not None]
    if not stated or len(stated) < len(starts):
        return None
    earliest = min(stated)
    return np.array([(start - earliest).total_seconds() for start in stated])


def _offsets(values: Floats | None) -> Floats | None:
    """Return values above the smallest."""
    return None if values is None else values - values.min()


def _delays_by_factor(factors: Floats | None, half_life_s: float | None) -> Floats | None:
    """Return the delays that decay factors mean, after that of the smallest [s]."""
    if factors is None or half_life_s is None or factors.min() <= 0:
        return None
    return np.asarray(half_life_s * np.log2(factors / factors.min()), float)


def _agreed(
    frames: Sequence[Frame], delays_by_attribute: dict[str, Floats | None], half_life_s: float
) -> tuple[Floats | None, list[Notice]]:
    """Return the delays that the attributes agree on; None where all slices are alike.

    Raises
    ------
    DicomError
        If two attributes contradict each other, naming both and the slice.
    """
    varying = {
        name: delays
        for name, delays in delays_by_attribute.items()
        if delays is not None and float(np.ptp(delays)) > CLOCK_TOLERANCE_S
    }
    if not varying:
        return None, []
    name, delays = next(iter(varying.items()))
    if name == "DecayFactor" and float(delays.max()) > LONGEST_BY_FACTOR_S:
        _raise_contradiction(frames, int(delays.argmax()), (name, delays), ("AcquisitionTime", 0 * delays))
    _check_isolated(frames, name, delays, half_life_s)
    for other, others in delays_by_attribute.items():
        # one FrameReferenceTime or AcquisitionTime for all slices is that of the series; a DecayFactor is what was done
        if others is None or other == name or (other not in varying and other != "DecayFactor"):
            continue
        apart = np.abs(others - delays)
        worst = int(apart.argmax())
        if 2.0 ** min(float(apart[worst]) / half_life_s, 100.0) - 1.0 > LARGEST_CONTRADICTION:
            _raise_contradiction(frames, worst, (name, delays), (other, others))
    if name == "AcquisitionTime":
        return delays, []
    message = (
        f"the slices state one AcquisitionTime, but their {name} means that they were acquired over "
        f"{float(delays.max()) / 60:.1f} min; it is taken for each of them."
    )
    return delays, [warn("bed-times", message, file=frames[0].instance.source.name, tag=name)]


def _check_isolated(frames: Sequence[Frame], name: str, delays: Floats, half_life_s: float) -> None:
    """Raise if one slice between two of one bed position claims another time."""
    for index in range(1, len(delays) - 1):
        before, own, after = delays[index - 1 : index + 2]
        if before == after and abs(own - before) > CLOCK_TOLERANCE_S:
            apart = 2.0 ** min(abs(own - before) / half_life_s, 100.0) - 1.0
            if apart > LARGEST_CONTRADICTION / 10:
                raise DicomError(
                    f"{name} of {frames[index].instance.source.name} means that it was acquired {(own - before) / 60:.1f} min "
                    "from the slices on both sides of it, which were acquired together. Export the series again.",
                    file=frames[index].instance.source.name,
                    tag=name,
                )


def _raise_contradiction(
    frames: Sequence[Frame], index: int, one: tuple[str, Floats], other: tuple[str, Floats]
) -> None:
    """Raise for two attributes that place the acquisition of a slice at different times."""
    file = frames[index].instance.source.name
    raise DicomError(
        f"{one[0]} of {file} means that it was acquired {one[1][index] / 60:.1f} min after the first slices, {other[0]} "
        f"{other[1][index] / 60:.1f} min: its decay cannot be undone, one of both is wrong. Export the series again.",
        file=file,
        tag=one[0],
    )
