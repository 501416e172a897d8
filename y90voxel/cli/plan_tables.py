"""Vials of a plan on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from y90voxel.cli.terminal_tables import format_table

if TYPE_CHECKING:
    from y90voxel.planning.plan_orders import Order
    from y90voxel.planning.plan_result import Plan

__all__ = ["print_orders"]

_COLUMNS = (
    ("tumours", "tumours Gy"),
    ("perfused", "perfused Gy"),
    ("perfused_non_tumour_liver", "perf. NTL Gy"),
    ("non_tumour_liver", "whole NTL Gy"),
    ("lungs", "lungs 1 kg"),
)


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
    header = ("vial GBq", "age h", "net GBq", "of order", *(title for _, title in keys), "breaks")
    rows = [
        (
            f"{offer.vial.size_gbq:g}",
            f"{order.age_h(offer.vial):g}",
            f"{offer.net_gbq:.4g}",
            f"{100 * offer.deviation:+.2f} %",
            *(f"{offer.doses_gy[key]:.4g}" if key in offer.doses_gy else "–" for key, _ in keys),
            ("" if offer.offered else "NOT OFFERED: ") + (", ".join(offer.breaks) or "–"),
        )
        for offer in order.offers
    ]
    return format_table(header, rows)
