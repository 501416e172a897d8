"""What was given to the patient: activity at one instant, and where part of it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from y90voxel.bounds import check_not_negative
from y90voxel.errors import InputError
from y90voxel.quantification.decay import decay_factor, seconds_between
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.nuclide_records import therapy_nuclides
from y90voxel.short_repr import short_repr
from y90voxel.units import format_activity

__all__ = ["THERAPY_NUCLIDES", "Administration", "net_activity", "therapy_nuclide"]

THERAPY_NUCLIDES = therapy_nuclides()


@dataclass(frozen=True)
class Administration:
    """One injection of microspheres; the residual is already taken off.

    Parameters
    ----------
    nuclide : str
        Therapy nuclide.
    activity_bq : float or None
        Net activity at administration [Bq]; None when only the image knows it.
    time : datetime or None
        Instant of administration.
    lung_shunt_fraction : float or None
        Fraction of the activity that reaches the lungs, 0 to 1.
    shunt_source : str
        ``"given"``, ``"spect"``, ``"planar"``, ``"planar-left"`` or ``"none"``.
    device : str or None
        ``"glass"``, ``"resin"`` or ``"ho166"``.
    shunt_error : float or None
        Standard uncertainty of a measured shunt, 0 to 1, where it is known.

    Raises
    ------
    InputError
        If the activity is not positive and finite, or the shunt lies outside 0 to 1.
    """

    nuclide: str = "Y-90"
    activity_bq: float | None = None
    time: datetime | None = None
    lung_shunt_fraction: float | None = None
    shunt_source: str = "none"
    device: str | None = None
    shunt_error: float | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.activity_bq is not None and not (np.isfinite(self.activity_bq) and self.activity_bq > 0):
            raise InputError(
                f"the net activity must be positive, got {self.activity_bq} Bq.",
                tag="administration.activity",
            )
        shunt = self.lung_shunt_fraction
        if shunt is not None and not 0.0 <= shunt < 1.0:
            raise InputError(
                f"the lung shunt fraction must lie between 0 and 1, got {shunt}. Give 0.06 for 6 %.",
                tag="administration.lung_shunt_fraction",
            )


def net_activity(
    vial_bq: float,
    half_life_s: float,
    *,
    vial_time: datetime | None = None,
    residual_bq: float = 0.0,
    residual_time: datetime | None = None,
    administration_time: datetime | None = None,
) -> float:
    """Return the administered activity [Bq]: vial minus residual, both decayed to administration.

    Parameters
    ----------
    vial_bq, residual_bq : float
        Measured activities [Bq].
    half_life_s : float
        Half-life of the therapy nuclide [s].
    vial_time, residual_time : datetime or None
        When each was measured; None means at administration.
    administration_time : datetime or None
        Needed as soon as one of the other times is given.

    Raises
    ------
    InputError
        If a measurement time is given without the administration time, the residual is negative, or nothing is left.
    """
    check_not_negative(residual_bq, "the residual activity", "Bq", tag="administration.residual")
    vial = _at_administration(vial_bq, vial_time, administration_time, half_life_s, "activity")
    residual = _at_administration(residual_bq, residual_time, administration_time, half_life_s, "residual")
    if not vial - residual > 0:
        raise InputError(
            f"nothing was administered: the vial held {format_activity(vial)} and the residual is "
            f"{format_activity(residual)}, both at administration. Check both activities and their times.",
            tag="administration.residual",
        )
    return vial - residual


def _at_administration(
    activity_bq: float,
    measured: datetime | None,
    administration: datetime | None,
    half_life_s: float,
    name: str,
) -> float:
    """Decay an activity from its measurement to the administration."""
    if measured is None:
        return activity_bq
    if administration is None:
        raise InputError(
            f"the {name} is given for {measured.isoformat()}, but the time of administration is not known. "
            "Give --time, or leave the activity time out when it is the activity at administration.",
            tag="administration.time",
        )
    elapsed = seconds_between(measured, administration, f"{name} time and administration")
    return activity_bq * decay_factor(elapsed, half_life_s)


def therapy_nuclide(name: str | Nuclide) -> Nuclide:
    """Return the record of a nuclide that microspheres carry.

    Raises
    ------
    InputError
        If the nuclide is unknown or not used for radioembolization.
    """
    record = nuclide(name)
    if record.name not in THERAPY_NUCLIDES:
        raise InputError(
            f"{record.name} is not a therapy nuclide of radioembolization. Use {' or '.join(THERAPY_NUCLIDES)}.",
            tag="administration.nuclide",
        )
    return record
