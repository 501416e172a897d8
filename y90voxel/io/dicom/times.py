"""When an object was acquired."""

from __future__ import annotations

from datetime import datetime, timedelta

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import date_and_time, date_time
from y90voxel.io.dicom.headers import Instance

__all__ = ["acquisition_start"]

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
