"""Vials of a plan on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from y90voxel.cli.terminal_tables import format_table
from y90voxel.quantification.lung_conventions import limiting_convention

if TYPE_CHECKING:
    from y90voxel.planning.plan_model import PlanModel
    from y90voxel.planning.plan_orders import Order, VialOffer
    from y90voxel.planning.plan_result import Plan

__all__ = ["limits_text", "print_first_screen", "print_orders"]

_LUNGS = limiting_convention()
_COLUMNS = (
    ("tumours", "tumours Gy"),
    ("perfused", "perfused Gy"),
    ("perfused_non_tumour_liver", "perf. NTL Gy"),
    ("non_tumour_liver", "whole NTL Gy"),
    (_LUNGS.plan_row, f"lungs {_LUNGS.short_text}"),
)


def print_first_screen(plan: Plan) -> None:
    """Print what stands above the numbers: what stops the treatment, and what is likelier an error than a plan."""
    from y90voxel.planning.plan_alarms import first_screen

    if plan.stop is not None:
        typer.echo(f"STOP: {plan.stop}")
    for notice in first_screen(plan.notices):
        if notice.code != "contraindicated":
            typer.echo(f"! {notice.message}")


def limits_text(model: PlanModel) -> str:
    """Return what a model says of its limits in few words: those it breaks, those that might apply, or that all hold."""
    from y90voxel.clinical.limits import Sense
    from y90voxel.report.plan_verdict import short_aim

    limits = [result for result in model.results if result.aim.sense is Sense.BELOW]
    broken = list(dict.fromkeys(short_aim(r.aim) for r in limits if r.status == "not met"))
    if broken:
        return "BREAKS " + "; ".join(broken[:2]) + (f"; {len(broken) - 2} more" if len(broken) > 2 else "")
    unsure = sum(result.status == "unconfirmed" for result in limits)
    if unsure:
        return f"{unsure} unconfirmed"
    if model.goal_only:
        return "no liver limit"
    return f"{sum(r.status == 'met' for r in limits)} kept" if limits else "–"


def print_orders(plan: Plan) -> None:
    """Print the vial to take for every injection, and every vial on offer with the doses it gives."""
    for order in plan.orders:
        best = order.best
        nearest = min(order.offers, key=lambda offer: abs(offer.deviation), default=None)
        shown = best or nearest
        line = f"\n{order.injection}: {order.vial_gbq:.4g} GBq in the vial at injection: "
        if shown is None:
            typer.echo(f"{line}no vial is on offer")
            continue
        vial = shown.vial
        line += "" if best is not None else "NO VIAL CAN BE OFFERED; the nearest is "
        typer.echo(
            f"{line}{vial.size_gbq:g} GBq calibrated {order.age_h(vial):g} h before, {vial.spheres / 1e6:.3g} million spheres of "
            f"{vial.activity_per_sphere_bq:.4g} Bq"
        )
        typer.echo(_table(order))


def _table(order: Order) -> str:
    """Every vial with its doses; those that are not offered say which limits they break."""
    keys = [(key, title) for key, title in _COLUMNS if any(key in offer.doses_gy for offer in order.offers)]
    header = (
        "vial GBq",
        "age h",
        "net GBq",
        "of order",
        "holds it at",
        *(title for _, title in keys),
        "breaks",
    )
    rows = [
        (
            f"{offer.vial.size_gbq:g}",
            f"{order.age_h(offer.vial):g}",
            f"{offer.net_gbq:.4g}",
            f"{100 * offer.deviation:+.2f} %" + ("" if offer.within_tolerance else " >10 %"),
            _clock(order, offer),
            *(f"{offer.doses_gy[key]:.4g}" if key in offer.doses_gy else "–" for key, _ in keys),
            ("" if offer.offered else "NOT OFFERED: ") + (", ".join(offer.breaks) or "–"),
        )
        for offer in order.offers
    ]
    return format_table(header, rows)


def _clock(order: Order, offer: VialOffer) -> str:
    """When a vial holds exactly the order."""
    when = order.holds_order_at(offer.vial)
    return "–" if when is None else f"{when:%d %b %H:%M %z}"
