"""When the header says that the radiopharmaceutical was given."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from y90voxel.errors import Notice
from y90voxel.io.dicom.attributes import date_and_time, date_time, shown, text
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.radionuclide import Radiopharmaceutical
from y90voxel.io.dicom.slice_times import CLOCK_TOLERANCE_S
from y90voxel.io.notices import warn

__all__ = ["administration_time_of"]


def administration_time_of(
    instance: Instance, drug: Radiopharmaceutical, near: datetime | None, notices: list[Notice]
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
    notices : list of Notice
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
        notices += _administration_contradictions(instance, drug, stated, near)
    if stated is not None or near is None:
        return stated
    if not text(drug.item, "RadiopharmaceuticalStartTime", file):
        if written:
            notices.append(
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
    notices.append(
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
) -> list[Notice]:
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
