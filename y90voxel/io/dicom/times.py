"""When an object was acquired."""

from __future__ import annotations

from datetime import datetime, timedelta

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import date_and_time, date_time
from y90voxel.io.dicom.headers import Instance

__all__ = ["acquisition_start", "series_start"]

# Both are written by one clock.
SAME_CLOCK = timedelta(seconds=60)


def acquisition_start(instance: Instance) -> datetime | None:
    """Return when the acquisition of an object began, None where its header does not say.

    Raises
    ------
    DicomError
        If date or time are malformed, or AcquisitionDateTime is another instant than AcquisitionDate and AcquisitionTime.
    """
    file = instance.source
    stated: datetime | None = date_time(instance.header, "AcquisitionDateTime", file)
    parts = date_and_time(instance.header, "AcquisitionDate", "AcquisitionTime", file)
    if stated is None or parts is None:
        return stated or parts
    if abs(stated.replace(tzinfo=None) - parts.replace(tzinfo=None)) > SAME_CLOCK:
        raise DicomError(
            f"AcquisitionDateTime of {file.name} is {stated}, but its AcquisitionDate and AcquisitionTime are {parts}. One of "
            "both is wrong: export the series again.",
            file=file.name,
            tag="AcquisitionDateTime",
        )
    return stated


def series_start(instance: Instance, acquired: datetime | None) -> datetime | None:
    """Return when a header says that its series began, on the clock of its acquisition; None where it does not say.

    Parameters
    ----------
    instance : Instance
        An object of the series.
    acquired : datetime or None
        When the acquisition began. Where one of both states a time zone it is that of both: one header, one clock.

    Raises
    ------
    DicomError
        If date or time are malformed.
    """
    started = date_and_time(instance.header, "SeriesDate", "SeriesTime", instance.source)
    if started is None or acquired is None or (started.tzinfo is None) == (acquired.tzinfo is None):
        return started
    return started.replace(tzinfo=acquired.tzinfo)
