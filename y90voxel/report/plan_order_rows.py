"""Vials of a plan as rows of text: what each holds, the doses it gives, and the limits it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from y90voxel.planning.plan_orders import Order, VialOffer
from y90voxel.planning.plan_result import Plan
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, number

__all__ = ["order_rows"]


def order_rows(plan: Plan, columns: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the vials for every injection.

    Parameters
    ----------
    plan : Plan
        With its orders.
    columns : sequence of (str, str)
        Keys of doses by role and their titles; those that no vial has are left out.
    """
    return [_order(plan, order, columns) for order in plan.orders]


def _order(plan: Plan, order: Order, columns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """One injection."""
    shown = [(key, title) for key, title in columns if any(key in offer.doses_gy for offer in order.offers)]
    unlike = [
        n.message
        for n in plan.notices
        if n.code.startswith("no-vial") and n.message.startswith(order.injection)
    ]
    return {
        "injection": order.injection,
        "net": number(order.net_gbq, 4),
        "vial": number(order.vial_gbq, 4),
        "when": date_and_time(order.injection_time.isoformat()) if plan.facts.dated else MISSING,
        "decided": "a goal or rule decided it: at least as much is wanted"
        if order.goal_bound
        else "a limit decided it: no more may be given",
        "offered": order.best is not None,
        "why_none": " ".join(unlike),
        "columns": [title for _, title in shown],
        "choices": [_choice(plan, order, offer, [key for key, _ in shown]) for offer in order.offers],
    }


def _clock(plan: Plan, order: Order, offer: VialOffer) -> str:
    """When the vial holds exactly the order."""
    when = order.holds_order_at(offer.vial)
    return MISSING if when is None or not plan.facts.dated else date_and_time(when.isoformat())


def _choice(plan: Plan, order: Order, offer: VialOffer, keys: Sequence[str]) -> dict[str, Any]:
    """One vial."""
    vial = offer.vial
    return {
        "size": number(vial.size_gbq),
        "calibrated": date_and_time(vial.calibration_time.isoformat()) if plan.facts.dated else MISSING,
        "age": f"{number(order.age_h(vial))} h",
        "holds": number(vial.activity_at_injection_gbq, 4),
        "net": number(offer.net_gbq, 4),
        "deviation": f"{100.0 * offer.deviation:+.2f} %"
        + ("" if offer.within_tolerance else " ✕ beyond 10 %"),
        "at_order": _clock(plan, order, offer),
        "surplus": number(vial.surplus_gbq),
        "doses": [dose_text(offer.doses_gy.get(key)) for key in keys],
        "spheres": f"{number(vial.spheres / 1e6)} million",
        "each": f"{number(vial.activity_per_sphere_bq)} Bq",
        "breaks": ", ".join(offer.breaks) or MISSING,
        "offered": offer.offered,
        "best": offer is order.best,
    }
