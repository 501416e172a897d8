"""When an object was acquired."""

from __future__ import annotations

from datetime import datetime

from y90voxel.io.dicom.attributes import date_and_time, date_time
from y90voxel.io.dicom.headers import Instance

__all__ = ["acquisition_start"]


def acquisition_start(instance: Instance) -> datetime | None:
    """Return when the acquisition of an object began, None where its header does not say.

    Raises
    ------
    DicomError
        If date or time are malformed.
    """
    stated: datetime | None = date_time(instance.header, "AcquisitionDateTime", instance.source)
    return stated or date_and_time(instance.header, "AcquisitionDate", "AcquisitionTime", instance.source)
