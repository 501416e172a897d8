"""Time zones for times that were written without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from y90voxel.errors import InputError
from y90voxel.quantification.emission import EmissionImage

__all__ = ["in_zone", "localised", "time_zone_of"]

# No place has its clocks further behind or ahead of UTC (time zone database of IANA: Baker Island, Line Islands).
LEAST_OFFSET, GREATEST_OFFSET = timedelta(hours=-12), timedelta(hours=14)


def time_zone_of(name: str | None) -> tzinfo | None:
    """Return the time zone of a name or an offset, None for None.

    Raises
    ------
    InputError
        If there is no such zone, or nowhere on Earth is such an offset.
    """
    if name is None:
        return None
    try:
        if name[:1] in "+-":
            hours, colon, minutes = name[1:].partition(":")
            parts = [int(part) for part in ((hours, minutes) if colon else (hours,)) if part.isdecimal()]
            if len(parts) != 1 + len(colon) or parts[-1] >= 60:
                raise ValueError(name)
            offset = timedelta(hours=parts[0], minutes=parts[1] if colon else 0)
            offset = -offset if name[0] == "-" else offset
            if not LEAST_OFFSET <= offset <= GREATEST_OFFSET:
                raise ValueError(name)
            return timezone(offset)
        return ZoneInfo(name)
    # OSError: a part of the world such as Europe is a folder of zones.
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError) as error:
        raise InputError(
            f"unknown time zone {name!r}: give a name such as Europe/Berlin, or an offset such as +02:00 "
            "(-12:00 to +14:00).",
            tag="administration.time_zone",
        ) from error


def in_zone(time: datetime | None, zone: tzinfo | None) -> datetime | None:
    """Return the time with the zone, unless it has its own."""
    return time if time is None or zone is None or time.tzinfo is not None else time.replace(tzinfo=zone)


def localised(emission: EmissionImage, zone: tzinfo | None) -> EmissionImage:
    """Return the image with the zone given to header times without offset."""
    if zone is None:
        return emission
    return replace(
        emission,
        acquisition_start=in_zone(emission.acquisition_start, zone),
        series_start=in_zone(emission.series_start, zone),
        administration_time=in_zone(emission.administration_time, zone),
    )
