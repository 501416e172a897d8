"""What is asked of a plan besides the case: who it is for, limits, goals, and what may be ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from y90voxel.bounds import check_fraction, check_positive
from y90voxel.clinical.limits import ClinicalContext
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.plan_models import greatest_vial_gbq
from y90voxel.planning.treatment_day import TreatmentDay
from y90voxel.planning.vials import decay
from y90voxel.quantification.decay import seconds_between
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.reference.devices import Device
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.nuclide import nuclide
from y90voxel.short_repr import short_repr
from y90voxel.units import SECONDS_PER_HOUR

__all__ = ["OrderRequest", "PlanRequest", "check_given", "greatest_activities", "vials_on_offer"]

# Vials hold their nominal activity within this share (resin: 3.0 GBq with 10 % tolerance, manufacturer's pages).
_VIAL_TOLERANCE = 0.10


@dataclass(frozen=True)
class OrderRequest:
    """When spheres are needed, and which calibrations are on offer.

    Parameters
    ----------
    injection_time : datetime
        With a time zone.
    calibration_times : tuple of datetime
        With a time zone; they may lie after the injection.
    greatest_age_h : float or None
        Older vials are left out [h]; None for no such rule.
    model : str or None
        Planning model whose activity is ordered; None takes the one that the plan puts first.
    activity_gbq : float or None
        Net activity of all injections to order, in place of a model's [GBq].
    vial_sizes_gbq : tuple of float or None
        Sizes at calibration that can be had, in place of the device's [GBq].

    Raises
    ------
    InputError
        If a time has no zone, there is no calibration, or model and activity are both given.
    """

    injection_time: datetime
    calibration_times: tuple[datetime, ...]
    greatest_age_h: float | None = None
    model: str | None = None
    activity_gbq: float | None = None
    vial_sizes_gbq: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.calibration_times:
            raise InputError(
                "an order needs the calibration times on offer.", tag="plan.order.calibration_times"
            )
        for time in self.calibration_times:
            decay(1.0, time, self.injection_time, SECONDS_PER_HOUR)  # refuses times without a zone
        if self.activity_gbq is not None:
            check_positive(self.activity_gbq, "the activity to order", "GBq", tag="plan.order.activity")
            if self.model is not None:
                raise InputError("give the model or the activity to order, not both.", tag="plan.order")


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is asked for.

    Parameters
    ----------
    context : ClinicalContext
        Scenario, disease, liver function and earlier lung doses; bilirubin comes from the patient record and the
        hepatic reserve from the regions, where they are not stated.
    aims : tuple of DoseAim
        Limits and goals of the user; regions by name or role.
    table_limits : bool
        Whether the limits and goals of the device's table hold too.
    perfused_dose_gy : float or None
        Dose of the perfused volume for the single compartment [Gy].
    residual_fraction : float
        Share of a vial that stays in vial and lines, 0 to below 1; enters the order only.
    split : tuple of float or None, (injections,)
        How models that do not divide the activity themselves divide it.
    greatest_gbq : tuple of float or None
        Greatest net activity, of every injection or one for all [GBq]; None takes the device's greatest vial.
    objective : mapping of str to float
        Weights of the mean doses to maximise, by region; empty takes all tumours together.
    recovery : mapping of str to float
        Recovery coefficients of tumours, for their tumour-to-normal ratios.
    recovery_curve : RecoveryFit or None
        Recovery of spheres, for tumours of an MAA study that have no coefficient of their own.
    order : OrderRequest or None
        What to order for; None for no order.
    treatment : tuple of TreatmentDay
        What was measured on the day, one an injection; empty before.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    context: ClinicalContext = field(default_factory=ClinicalContext)
    aims: tuple[DoseAim, ...] = ()
    table_limits: bool = True
    perfused_dose_gy: float | None = None
    residual_fraction: float = 0.0
    split: tuple[float, ...] | None = None
    greatest_gbq: tuple[float, ...] | None = None
    objective: Mapping[str, float] = field(default_factory=dict)
    recovery: Mapping[str, float] = field(default_factory=dict)
    recovery_curve: RecoveryFit | None = None
    order: OrderRequest | None = None
    treatment: tuple[TreatmentDay, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_fraction(
            self.residual_fraction, "the residual fraction", whole=False, tag="plan.residual_fraction"
        )
        if self.perfused_dose_gy is not None:
            check_positive(
                self.perfused_dose_gy, "the dose of the perfused volume", "Gy", tag="plan.perfused_dose_gy"
            )


def greatest_activities(request: PlanRequest, device: str | None, injections: int) -> tuple[float, ...]:
    """Return the greatest net activity of every injection: as given, of the vials on offer, or of any vial [GBq].

    Raises
    ------
    InputError
        If the list has another length than there are injections, or every vial on offer is too old.
    """
    given = request.greatest_gbq
    if given is not None:
        if len(given) not in (1, injections):
            raise InputError(
                f"give one greatest activity, or one for each of {injections} injections, got {len(given)}.",
                tag="plan.greatest_activity",
            )
        return given * injections if len(given) == 1 else given
    greatest = greatest_vial_gbq(device)
    if request.order is not None and device is not None:
        greatest = max(vials_on_offer(request.order, device_record(device)).vial_sizes_gbq or (greatest,))
        greatest *= _freshest(request.order, device)
    return (greatest * (1.0 - request.residual_fraction),) * injections


def check_given(given_gbq: Sequence[float], greatest_gbq: Sequence[float], device: str | None) -> None:
    """Refuse activities as given that no vial holds.

    Parameters
    ----------
    given_gbq, greatest_gbq : sequence of float, (injections,)
        Net activities as given, and the greatest of each injection [GBq].
    device : str or None
        For the message.

    Raises
    ------
    InputError
        If one exceeds the greatest by more than a vial differs from its nominal activity.
    """
    for number, (given, greatest) in enumerate(zip(given_gbq, greatest_gbq, strict=True), 1):
        if given > greatest * (1.0 + _VIAL_TOLERANCE):
            raise InputError(
                f"the activity of injection {number}, {given:g} GBq, is beyond any {device or ''} vial on offer: the greatest "
                f"gives {greatest:.4g} GBq. Describe several vials as several injections, or give plan.greatest_activity.",
                tag="administration.activity",
            )


def vials_on_offer(order: OrderRequest, device: Device) -> Device:
    """Return the record of a device with the sizes that can be had.

    Parameters
    ----------
    order : OrderRequest
        With sizes, where they are stated.
    device : Device
        The product.

    Raises
    ------
    InputError
        If a size lies outside of what the device is sold in.
    """
    sizes = order.vial_sizes_gbq
    if sizes is None:
        return device
    least, greatest = device.order_range_gbq or (min(device.vial_sizes_gbq), max(device.vial_sizes_gbq))
    for size in sizes:
        if not least <= size <= greatest:
            raise InputError(
                f"a vial of {size:g} GBq is not sold: {device.product} comes with {least:g} to {greatest:g} GBq at calibration. "
                "Correct plan.order.vial_sizes.",
                tag="plan.order.vial_sizes",
            )
    return replace(device, vial_sizes_gbq=tuple(sorted(set(sizes))))


def _freshest(order: OrderRequest, device: str) -> float:
    """Greatest decay factor of the calibrations on offer."""
    half_life_s = nuclide(device_record(device).nuclide).half_life_s
    ages_h = [
        seconds_between(time, order.injection_time, "the age of a vial") / SECONDS_PER_HOUR
        for time in order.calibration_times
    ]
    usable = [age for age in ages_h if order.greatest_age_h is None or age <= order.greatest_age_h]
    if not usable:
        raise InputError(
            f"every calibration on offer is older than {order.greatest_age_h:g} h at the injection.",
            tag="plan.order.calibration_times",
        )
    return float(2.0 ** (-min(usable) * SECONDS_PER_HOUR / half_life_s))
