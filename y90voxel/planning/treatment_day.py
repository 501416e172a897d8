"""The day of the treatment: what was assayed, what stayed behind, what was given, and the doses that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.vials import decay, residual_fraction_by_survey, within_delivery_tolerance
from y90voxel.units import BQ_PER_GBQ, SECONDS_PER_HOUR

__all__ = ["Delivery", "SurveyReadings", "TreatmentDay", "deliver", "doses_delivered"]


@dataclass(frozen=True)
class SurveyReadings:
    """Readings of a survey meter before and after, in one geometry and one unit.

    Parameters
    ----------
    before, after, background : float
        Of the vial, of vial and lines afterwards, and of neither.
    hours_apart : float
        Time between the readings [h].
    """

    before: float
    after: float
    background: float = 0.0
    hours_apart: float = 0.0


@dataclass(frozen=True)
class TreatmentDay:
    """What was measured of one injection; everything is optional until it has been done.

    Parameters
    ----------
    assay_gbq : float or None
        Vial as assayed [GBq].
    assay_time, injection_time, residual_time : datetime or None
        With a time zone.
    residual_gbq : float or None
        Vial and lines afterwards [GBq].
    readings : SurveyReadings or None
        In place of a residual activity.

    Raises
    ------
    InputError
        If an activity is out of range, an activity has no time, or the residual is given twice.
    """

    assay_gbq: float | None = None
    assay_time: datetime | None = None
    injection_time: datetime | None = None
    residual_gbq: float | None = None
    residual_time: datetime | None = None
    readings: SurveyReadings | None = None

    def __post_init__(self) -> None:
        tag = "plan.treatment"
        if self.assay_gbq is not None:
            check_positive(self.assay_gbq, "the assayed activity", "GBq", tag=tag)
            if self.assay_time is None or self.injection_time is None:
                raise InputError(
                    f"the assay of {self.assay_gbq:g} GBq needs its time and that of the injection, each with a zone: give "
                    "assay_time and time in [[plan.treatment]].",
                    tag=f"{tag}.assay_time",
                )
        if self.residual_gbq is not None and self.readings is not None:
            raise InputError(
                f"the residual is given twice: {self.residual_gbq:g} GBq, and survey readings of {self.readings.before:g} and "
                f"{self.readings.after:g}. Leave one of them out.",
                tag=f"{tag}.residual",
            )
        if self.residual_gbq is not None:
            check_not_negative(self.residual_gbq, "the residual", "GBq", tag=tag)


@dataclass(frozen=True)
class Delivery:
    """What was given in one injection.

    Parameters
    ----------
    intended_gbq : float
        Net activity that was planned [GBq].
    vial_gbq : float
        Vial at injection [GBq].
    residual_gbq : float or None
        Vial and lines, at injection [GBq]; None until it is measured.
    net_gbq : float or None
        What was given [GBq]; None until the residual is known.
    """

    intended_gbq: float
    vial_gbq: float
    residual_gbq: float | None
    net_gbq: float | None

    @property
    def deviation(self) -> float | None:
        """Given against intended, (net − intended) / intended."""
        return None if self.net_gbq is None else self.net_gbq / self.intended_gbq - 1.0

    @property
    def within_tolerance(self) -> bool | None:
        """Whether it lies within 10 % of what was intended (EANM, level 1)."""
        return None if self.net_gbq is None else within_delivery_tolerance(self.net_gbq, self.intended_gbq)

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``plan.json``."""
        return {
            "intended_activity_bq": self.intended_gbq * BQ_PER_GBQ,
            "vial_activity_at_injection_bq": self.vial_gbq * BQ_PER_GBQ,
            "residual_at_injection_bq": None if self.residual_gbq is None else self.residual_gbq * BQ_PER_GBQ,
            "net_activity_bq": None if self.net_gbq is None else self.net_gbq * BQ_PER_GBQ,
            "deviation_percent": None if self.deviation is None else 100.0 * self.deviation,
            "within_delivery_tolerance": self.within_tolerance,
        }


def deliver(day: TreatmentDay, intended_gbq: float, half_life_s: float) -> Delivery | None:
    """Return what was given in one injection; None until the vial is assayed.

    Parameters
    ----------
    day : TreatmentDay
        What was measured.
    intended_gbq : float
        Net activity that was planned [GBq].
    half_life_s : float
        Of the nuclide [s].

    Raises
    ------
    InputError
        If a time has no zone, or more stayed behind than there was.
    """
    if day.assay_gbq is None or day.assay_time is None or day.injection_time is None:
        return None
    vial = decay(day.assay_gbq, day.assay_time, day.injection_time, half_life_s)
    residual = None
    if day.readings is not None:
        seen = day.readings
        residual = vial * residual_fraction_by_survey(
            seen.before,
            seen.after,
            seen.background,
            elapsed_s=seen.hours_apart * SECONDS_PER_HOUR,
            half_life_s=half_life_s,
        )
    elif day.residual_gbq is not None:
        measured = day.residual_time or day.injection_time
        residual = decay(day.residual_gbq, measured, day.injection_time, half_life_s)
    if residual is not None and residual > vial:
        raise InputError(
            f"the residual of {residual:.4g} GBq exceeds the vial of {vial:.4g} GBq, both at injection. Check units and times.",
            tag="plan.treatment.residual",
        )
    return Delivery(intended_gbq, vial, residual, None if residual is None else vial - residual)


def doses_delivered(model: PlanModel, deliveries: Sequence[Delivery | None]) -> Mapping[str, float]:
    """Return the doses that follow from what was given, by region role [Gy]; empty until all of it is known.

    Parameters
    ----------
    model : PlanModel
        Doses per activity.
    deliveries : sequence of Delivery or None, (injections,)
        What was given.
    """
    nets = [None if one is None else one.net_gbq for one in deliveries]
    net_activities = [net for net in nets if net is not None]
    if not net_activities or len(net_activities) < len(nets) or not model.available:
        return {}
    return model.table.doses_by_role(net_activities)
