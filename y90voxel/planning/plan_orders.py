"""Vials for the injections of a plan, each with the doses that it gives, for glass is given as whole vials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError, Notice, alternatives
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_request import OrderRequest, PlanRequest, vials_on_offer
from y90voxel.planning.vials import VialChoice, all_vials, choose_vials, within_delivery_tolerance
from y90voxel.quantification.decay import seconds_between
from y90voxel.reference.devices import Device, known_devices
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.nuclide import nuclide
from y90voxel.units import BQ_PER_GBQ, SECONDS_PER_HOUR

__all__ = ["Order", "VialOffer", "place_orders"]

# A vial this close to the order, relative to it, holds what is ordered.
_SAME = 1e-6


@dataclass(frozen=True)
class VialOffer:
    """A vial for one injection and what it does, the other injections at their orders.

    Parameters
    ----------
    vial : VialChoice
        Size, calibration and spheres.
    net_gbq : float
        What is administered of it: the vial without its residual, or the order where it is drawn [GBq].
    deviation : float
        Net activity against the order, (net − order) / order.
    doses_gy : mapping of str to float
        Mean doses by the ordered model, by region role [Gy].
    breaks : tuple of str
        Limits that these doses exceed.
    offered : bool
        False when it exceeds a limit that the order keeps, or exceeds one by more than the order does.
    within_tolerance : bool
        Whether its net activity lies within 10 % of the order (EANM, level 1).
    """

    vial: VialChoice
    net_gbq: float
    deviation: float
    doses_gy: Mapping[str, float]
    breaks: tuple[str, ...]
    offered: bool
    within_tolerance: bool = True


@dataclass(frozen=True)
class Order:
    """Vials for one injection.

    Parameters
    ----------
    injection : str
        Which injection.
    net_gbq, vial_gbq : float
        Net activity, and what the vial must hold at injection with the residual on top [GBq].
    offers : tuple of VialOffer
        The one to take first, then the others on offer, then those that are not.
    injection_time : datetime
        When it is needed.
    goal_bound : bool
        Whether at least the order is wanted; False: the order is the most that a limit allows.
    half_life_s : float
        Of the nuclide [s].
    """

    injection: str
    net_gbq: float
    vial_gbq: float
    offers: tuple[VialOffer, ...]
    injection_time: datetime
    goal_bound: bool = True
    half_life_s: float = 0.0

    @property
    def choices(self) -> tuple[VialChoice, ...]:
        """The vials of all offers, in their order."""
        return tuple(offer.vial for offer in self.offers)

    @property
    def best(self) -> VialOffer | None:
        """The vial to take; None when none can be offered."""
        return next((offer for offer in self.offers if offer.offered), None)

    def age_h(self, choice: VialChoice) -> float:
        """Return the time from the calibration of a vial to the injection [h]."""
        elapsed_s = seconds_between(choice.calibration_time, self.injection_time, "the age of a vial")
        return elapsed_s / SECONDS_PER_HOUR

    def holds_order_at(self, choice: VialChoice) -> datetime | None:
        """Return when a vial holds exactly the order, which may lie before its calibration; None for no half-life."""
        if not self.half_life_s or not self.vial_gbq > 0:
            return None
        wait_s = self.half_life_s * math.log2(choice.size_gbq / self.vial_gbq)
        return choice.calibration_time + timedelta(seconds=wait_s)

    def as_dict(self, *, dated: bool = True) -> dict[str, Any]:
        """Return the entry of ``plan.json``; without dates it tells the age of vials only."""
        return {
            "injection": self.injection,
            "injection_time": self.injection_time.isoformat() if dated else None,
            "net_activity_bq": self.net_gbq * BQ_PER_GBQ,
            "vial_activity_at_injection_bq": self.vial_gbq * BQ_PER_GBQ,
            "decided_by": "goal" if self.goal_bound else "limit",
            "vials": [
                {
                    "size_bq": offer.vial.size_gbq * BQ_PER_GBQ,
                    "calibration_time": offer.vial.calibration_time.isoformat() if dated else None,
                    "age_h": self.age_h(offer.vial),
                    "activity_at_injection_bq": offer.vial.activity_at_injection_gbq * BQ_PER_GBQ,
                    "surplus_bq": offer.vial.surplus_gbq * BQ_PER_GBQ,
                    "spheres": offer.vial.spheres,
                    "activity_per_sphere_bq": offer.vial.activity_per_sphere_bq,
                    "net_activity_bq": offer.net_gbq * BQ_PER_GBQ,
                    "deviation_percent": 100.0 * offer.deviation,
                    "within_delivery_tolerance": offer.within_tolerance,
                    "holds_order_at": _clock(self.holds_order_at(offer.vial)) if dated else None,
                    "doses_gy": dict(offer.doses_gy),
                    "breaks": list(offer.breaks),
                    "offered": offer.offered,
                }
                for offer in self.offers
            ],
        }


def _clock(time: datetime | None) -> str | None:
    """An instant to the minute, with its zone."""
    return None if time is None else time.isoformat(timespec="minutes")


def place_orders(
    request: PlanRequest, device: str | None, names: Sequence[str], model: PlanModel
) -> tuple[tuple[Order, ...], tuple[Notice, ...]]:
    """Return the vials for every injection of a model and what has to be said about them; none when no order is asked for.

    A treatment that is contraindicated gets no vials.

    Parameters
    ----------
    request : PlanRequest
        When spheres are needed, which calibrations are on offer, and the residual fraction.
    device : str or None
        Device.
    names : sequence of str, (injections,)
        What the injections are called.
    model : PlanModel
        Whose activity is ordered, with its limits.

    Raises
    ------
    InputError
        If no device is given, or an activity to order that was stated is beyond every vial on offer.
    """
    if request.order is None or model.stop is not None:
        return (), ()
    if device is None:
        raise InputError(
            f"an order needs the device: give --device {alternatives(known_devices())}.",
            tag="administration.device",
        )
    record = vials_on_offer(request.order, device_record(device))
    inputs = _OrderInputs(request.order, record, request.residual_fraction, model)
    activities = _ordered(request.order, model, len(names))
    orders, notices = [], []
    for number, (name, net) in enumerate(zip(names, activities, strict=False)):
        if net > 0:
            order = inputs.order(name, number, activities)
            orders.append(order)
            notices += _notices_of(order)
    if not orders:
        text = (
            f"no vial is ordered, for {model.title} gives no activity. Name a model that does (plan.order.model), or state what "
            "to order (plan.order.activity)."
        )
        return (), (Notice("order-not-placed", text),)
    if len(orders) > 1:
        notices += inputs.notices_of_all(orders, names, activities)
    return tuple(orders), tuple(notices)


def _ordered(order: OrderRequest, model: PlanModel, injections: int) -> tuple[float, ...]:
    """Net activity of every injection [GBq]: the model's, or the stated total in its split."""
    if order.activity_gbq is None:
        return model.activities_gbq
    total = sum(model.activities_gbq)
    shares = [a / total for a in model.activities_gbq] if total > 0 else [1.0 / injections] * injections
    return tuple(share * order.activity_gbq for share in shares)


@dataclass(frozen=True)
class _OrderInputs:
    """What an order is made from."""

    request: OrderRequest
    device: Device
    residual_fraction: float
    model: PlanModel

    @property
    def goal_bound(self) -> bool:
        """Whether at least the order is wanted: a goal, a rule or a stated activity, and no limit, decided it."""
        return self.request.activity_gbq is not None or not self.model.limit_bound

    def order(self, name: str, number: int, activities: Sequence[float]) -> Order:
        """The vials for one injection."""
        net = activities[number]
        needed = net / (1.0 - self.residual_fraction)
        when, times, age = (
            self.request.injection_time,
            self.request.calibration_times,
            self.request.greatest_age_h,
        )
        vials: tuple[VialChoice, ...] = ()
        try:
            vials = choose_vials(needed, when, times, self.device, greatest_age_h=age)
        except InputError:
            if self.request.activity_gbq is not None:
                raise  # a stated activity that no vial holds is likelier a typing error than an order
        if self.device.whole_vial:
            vials = all_vials(needed, when, times, self.device, greatest_age_h=age)
        offers = [self._offer(vial, net, number, activities) for vial in vials]
        ranked = tuple(sorted(offers, key=self._rank))
        half_life_s = nuclide(self.device.nuclide).half_life_s
        return Order(name, net, needed, ranked, when, self.goal_bound, half_life_s)

    def _offer(
        self, vial: VialChoice, order_gbq: float, number: int, activities: Sequence[float]
    ) -> VialOffer:
        """One vial in the place of an order; what is drawn for it holds the order."""
        whole = vial.activity_at_injection_gbq * (1.0 - self.residual_fraction)
        net_gbq = whole if self.device.whole_vial else order_gbq
        given = tuple(net_gbq if j == number else a for j, a in enumerate(activities))
        deviation = net_gbq / order_gbq - 1.0
        tolerable = within_delivery_tolerance(net_gbq, order_gbq)
        broken = self.broken(given)  # no limit, and no dose, of a model that gives no activity
        # What the order exceeds is on record with it; a vial may not exceed it further.
        tolerated = self.broken(activities) if deviation <= _SAME else ()
        offered = all(name in tolerated for name in broken)
        doses = self.model.table.doses_by_role(given)
        return VialOffer(vial, net_gbq, deviation, doses, broken, offered, tolerable)

    def broken(self, activities: Sequence[float]) -> tuple[str, ...]:
        """Limits that activities exceed."""
        return tuple(
            r.aim.name
            for r in self.model.results_at(activities)
            if r.aim.sense is Sense.BELOW and r.status == "not met"
        )

    def _rank(self, offer: VialOffer) -> tuple[bool, bool, float, float]:
        """Offered ones first; the nearest on the right side of the order; fewer spheres among equals."""
        reaches, stays = offer.deviation >= -_SAME, offer.deviation <= _SAME
        right = reaches if self.goal_bound else stays
        return (not offer.offered, not right, abs(offer.deviation), offer.vial.spheres)

    def notices_of_all(
        self, orders: Sequence[Order], names: Sequence[str], activities: Sequence[float]
    ) -> list[Notice]:
        """Say when vials that each keep the limits exceed one together."""
        best = {order.injection: order.best for order in orders}
        if None in best.values():
            return []
        nets = {name: offer.net_gbq for name, offer in best.items() if offer is not None}
        given = [nets.get(name, a) for name, a in zip(names, activities, strict=True)]
        extra = [name for name in self.broken(given) if name not in self.broken(activities)]
        if not extra:
            return []
        text = (
            f"the first vial of every injection keeps the limits beside the orders of the others, but together they exceed "
            f"{', '.join(extra)}: take a smaller vial, or another calibration, for one of them."
        )
        return [Notice("vials-exceed-together", text)]


def _notices_of(order: Order) -> list[Notice]:
    """Say when no vial can be offered, and when none lies on the side of the order that was wanted."""
    best = order.best
    wanted = f"{order.injection}: the order of {order.net_gbq:.4g} GBq net"
    if not order.offers:
        text = f"{wanted} is beyond every vial on offer, or all of them are too old. Take another calibration, or several vials."
        return [Notice("no-vial", text)]
    if best is None:
        nearest = min(order.offers, key=lambda offer: abs(offer.deviation))
        text = (
            f"{wanted} is met by no vial that keeps the limits. The nearest, {nearest.vial.size_gbq:g} GBq calibrated "
            f"{order.age_h(nearest.vial):g} h before, gives {nearest.net_gbq:.4g} GBq net ({100 * nearest.deviation:+.1f} %) and "
            f"exceeds {', '.join(nearest.breaks)}. Take another calibration or another day."
        )
        return [Notice("no-vial-within-limits", text)]
    outside = []
    if not best.within_tolerance:
        text = (
            f"{wanted}: the first vial gives {100 * best.deviation:+.1f} %, beyond 10 % of the order (EANM level 1). Take "
            "another calibration, or another day."
        )
        outside.append(Notice("vial-outside-tolerance", text))
    if order.goal_bound and best.deviation < -_SAME:
        text = (
            f"{wanted} is reached by no vial that keeps the limits: the first gives {100 * best.deviation:+.1f} %. Take another "
            "calibration or another day."
        )
        return [*outside, Notice("vial-below-order", text)]
    return outside
