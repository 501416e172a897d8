"""How much activity one microsphere holds when it is injected: as stated, or from the record of the device."""

from __future__ import annotations

from dataclasses import dataclass

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.quantification.decay import decay_factor
from y90voxel.reference.devices import Device, device
from y90voxel.reference.nuclide import nuclide
from y90voxel.units import BQ_PER_GBQ, SECONDS_PER_HOUR, format_activity

__all__ = ["SphereActivity", "sphere_activity"]

SECONDS_PER_DAY = 24.0 * SECONDS_PER_HOUR  # exact
STATE_IT = (
    "State it with --sphere-activity, such as '340 Bq' (activity of the vial at injection over its spheres)"
)


@dataclass(frozen=True)
class SphereActivity:
    """The activity of one sphere.

    Parameters
    ----------
    activity_bq : float
        At injection [Bq]; all spheres are taken as equal.
    source : str
        Where it comes from, in words.
    """

    activity_bq: float
    source: str


def sphere_activity(
    name: str | Device | None,
    days_since_calibration: float | None = None,
    stated_bq: float | None = None,
) -> SphereActivity:
    """Return the activity of one sphere at injection, A_cal / spheres · 2^(-days / T½), or as stated.

    Parameters
    ----------
    name : str, Device or None
        The device; None where it is not known.
    days_since_calibration : float or None
        Days from the calibration of the vial to the injection; negative before calibration.
    stated_bq : float or None
        Activity of one sphere at injection as somebody states it [Bq].

    Raises
    ------
    InputError
        If neither or both ways are given, the stated activity is not positive, the device is unknown, or its spheres do not
        grow with activity, so that its record does not tell.

    Examples
    --------
    >>> round(sphere_activity("glass", 8.0).activity_bq)
    314
    """
    tag = "microscale.activity_per_sphere"
    if stated_bq is not None and days_since_calibration is not None:
        raise InputError(
            f"the activity per sphere is given twice: {format_activity(stated_bq)}, and {days_since_calibration:g} days since "
            "calibration. Leave one of them out.",
            tag=tag,
        )
    if stated_bq is not None:
        check_positive(stated_bq, "the activity per sphere", "Bq", tag=tag)
        return SphereActivity(stated_bq, "as stated")
    record = None if name is None else device(name)
    if record is None:
        raise InputError(
            f"the activity per sphere is not known without a device. {STATE_IT}, or give --device and "
            "--days-since-calibration.",
            tag=tag,
        )
    if record.spheres_per_gbq is None:
        raise InputError(
            f"the spheres of {record.name} are {record.spheres_per_vial:g} in a vial of any activity: its record does not tell "
            f"the activity per sphere. {STATE_IT}.",
            tag=tag,
        )
    at_calibration = BQ_PER_GBQ / record.spheres_per_gbq
    if days_since_calibration is None:
        raise InputError(
            f"a sphere of {record.name} holds {format_activity(at_calibration)} at calibration, and what is left at injection "
            "is not known. Give --days-since-calibration (0 on the day, negative before), or --sphere-activity.",
            tag="microscale.days_since_calibration",
        )
    factor = decay_factor(days_since_calibration * SECONDS_PER_DAY, nuclide(record.nuclide).half_life_s)
    source = (
        f"{format_activity(at_calibration)} at calibration by the record of {record.name}, "
        f"{days_since_calibration:g} days later"
    )
    return SphereActivity(at_calibration * factor, source)
