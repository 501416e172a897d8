"""The sheet of the day of the treatment: what is intended, what is measured, and fields to write in."""

from __future__ import annotations

from typing import Any

from y90voxel.planning.plan_alarms import first_screen
from y90voxel.planning.plan_orders import VialOffer
from y90voxel.planning.plan_result import Plan
from y90voxel.planning.treatment_day import Delivery, TreatmentDay, doses_delivered
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
from y90voxel.report.dose_content import DISCLAIMER
from y90voxel.report.dose_page import render_page
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, number
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = ["render_treatment_page"]

_REGIONS = (
    ("tumours", "Tumours"),
    ("perfused", "Perfused volume"),
    ("perfused_non_tumour_liver", "Perfused non-tumour liver"),
    ("non_tumour_liver", "Whole non-tumour liver"),
    *((row.plan_row, f"Lungs, {row.mass_text}") for row in LUNG_CONVENTIONS),
)


def render_treatment_page(plan: Plan) -> str:
    """Return the treatment-day sheet of a plan.

    Parameters
    ----------
    plan : Plan
        With its orders and what was measured, as far as it was.
    """
    first, facts = plan.first, plan.facts
    content = {
        "heading": "Treatment day",
        "label": facts.label,
        "subtitle": " · ".join(part for part in (facts.nuclide, facts.device, first.title) if part),
        "predicted": "",
        "disclaimer": DISCLAIMER,
        "version": str(plan.provenance.get("version", MISSING)),
        "computed": date_and_time(plan.provenance.get("started")) if facts.dated else MISSING,
        "stop": None if plan.stop is None else str(plan.stop),
        "alarms": [notice.message for notice in first_screen(plan.notices)],
        "injections": [_injection(plan, number) for number in range(len(plan.territories))]
        if first.available
        else [],
        "reason": first.reason,
        "doses": _doses(plan),
        "complete": bool(doses_delivered(first, plan.deliveries)),
    }
    return render_page("treatment.html.j2", content)


def _injection(plan: Plan, index: int) -> dict[str, Any]:
    """The rows of one injection: what is asked for, and what is written in it or left blank."""
    name, intended = plan.territories[index].name, plan.first.activities_gbq[index]
    order = next((order for order in plan.orders if order.injection == name), None)
    best = None if order is None else order.best
    days, deliveries = plan.request.treatment, plan.deliveries
    day = days[index] if index < len(days) else TreatmentDay()
    delivery = deliveries[index] if index < len(deliveries) else None
    vial = None
    if order is not None and best is not None and plan.facts.dated:
        vial = f"{best.vial.size_gbq:g} GBq, calibrated {best.vial.calibration_time.isoformat(timespec='minutes')}"
    when = (
        None if order is None or not plan.facts.dated else order.injection_time.isoformat(timespec="minutes")
    )
    rows = [
        ("Intended net activity", _gbq(intended)),
        ("Vial ordered", vial),
        ("Injection planned for", when),
        *([] if best is None else [("Net activity of that vial then", _vial_activity(best))]),
        *_measured(plan, day),
        *_delivered(delivery),
    ]
    return {"name": name, "rows": rows}


def _vial_activity(offer: VialOffer) -> str:
    """Net activity of a vial at the planned time, against what is intended."""
    return f"{_gbq(offer.net_gbq)} ({100 * offer.deviation:+.1f} %)"


def _measured(plan: Plan, day: TreatmentDay) -> list[tuple[str, str | None]]:
    """What is measured on the day; None is a field to write in."""
    seen = day.readings
    dated = plan.facts.dated

    def clock(time: Any) -> str | None:
        return None if time is None or not dated else str(time.isoformat(timespec="minutes"))

    return [
        ("Lot and vial number", None),
        ("Assay of the vial", _gbq(day.assay_gbq)),
        ("Time of the assay, with zone", clock(day.assay_time)),
        ("Time of the injection, with zone", clock(day.injection_time)),
        ("Residual by activity", _gbq(day.residual_gbq)),
        ("Time of the residual, with zone", clock(day.residual_time)),
        ("Survey reading before", None if seen is None else f"{seen.before:g}"),
        ("Survey reading after", None if seen is None else f"{seen.after:g}"),
        ("Survey background", None if seen is None else f"{seen.background:g}"),
    ]


def _delivered(delivery: Delivery | None) -> list[tuple[str, str | None]]:
    """What follows from it."""
    if delivery is None:
        return [("Net activity given", None), ("Given against intended (within ± 10 %)", None)]
    deviation, within = delivery.deviation, delivery.within_tolerance
    text = None
    if deviation is not None:
        text = f"{100 * deviation:+.1f} %, " + ("within ± 10 %" if within else "✕ BEYOND ± 10 %")
    return [
        ("Vial at injection", _gbq(delivery.vial_gbq)),
        ("Residual at injection", _gbq(delivery.residual_gbq)),
        ("Net activity given", _gbq(delivery.net_gbq)),
        ("Given against intended (within ± 10 %)", text),
    ]


def _doses(plan: Plan) -> list[tuple[str, str, str | None]]:
    """Doses as intended and as they follow."""
    first = plan.first
    if not first.available:
        return []
    intended = first.table.doses_by_role(first.activities_gbq)
    given = doses_delivered(first, plan.deliveries)
    return [
        (title, dose_text(intended[key]), dose_text(given[key]) if key in given else None)
        for key, title in _REGIONS
        if key in intended
    ]


def _gbq(activity_gbq: float | None) -> str | None:
    """An activity for people; None stays a field to write in."""
    return (
        None
        if activity_gbq is None
        else f"{number(activity_gbq, 4)} GBq"
        if activity_gbq >= 0.1
        else format_activity(activity_gbq * BQ_PER_GBQ)
    )
