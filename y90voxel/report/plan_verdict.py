"""What a plan says of its limits and goals together: met, missed, unconfirmed, or no liver limit at all."""

from __future__ import annotations

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, MetricKind
from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.report.formatting import number

__all__ = [
    "card",
    "missed_aims",
    "number_judged",
    "prescription_card",
    "prescription_sentence",
    "short_aim",
    "unconfirmed_aims",
    "verdict",
    "vial_sentences",
    "without_liver_limit",
]


def card(label: str, value: str, note: str, status: str = "") -> dict[str, str]:
    """Return a tile: what, the number, a note below it, and its status for the style."""
    return {"label": label, "value": value, "note": note, "status": status}


def short_aim(aim: DoseAim) -> str:
    """Return a limit or goal in few words: region, metric unless it is the mean, and value."""
    metric = "" if aim.metric.kind is MetricKind.MEAN else f" {aim.metric}"
    sign = "≤" if aim.sense is Sense.BELOW else "≥"
    earlier = f", {aim.previous:g} before" if aim.previous else ""
    return f"{aim.region}{metric} {sign} {aim.value:g} {aim.metric.unit}{earlier}"


def without_liver_limit(model: PlanModel) -> str:
    """Return what stands in the place of "every limit is met" where there is no limit on liver."""
    if model.goal_bound:
        return f"Goal reached; {NO_LIVER_LIMIT}."
    if model.limit_bound:
        return f"Goal not reached; {NO_LIVER_LIMIT}."
    return f"{NO_LIVER_LIMIT[0].upper()}{NO_LIVER_LIMIT[1:]}."


def unconfirmed_aims(plan: Plan) -> list[str]:
    """Return limits that the first model keeps and that hold only because something is not stated."""
    rows = (r.aim for r in plan.first.results if r.status == "unconfirmed" and r.aim.sense is Sense.BELOW)
    return list(dict.fromkeys(short_aim(aim) for aim in rows))


def missed_aims(plan: Plan) -> list[str]:
    """Return limits and goals that the first model misses, in few words."""
    fractions = [row["name"] for row in plan.metrics["fraction_limits"] if row["status"] == "not met"]
    missed = (short_aim(result.aim) for result in plan.first.results if result.status == "not met")
    return [*dict.fromkeys(missed), *fractions]


def number_judged(plan: Plan) -> int:
    """Return the number of limits and goals that apply; rows that only might, and exclude each other, do not count."""
    fractions = [row for row in plan.metrics["fraction_limits"] if row["status"] != "not applicable"]
    return sum(result.status in ("met", "not met") for result in plan.first.results) + len(fractions)


def verdict(plan: Plan) -> list[dict[str, str]]:
    """Return the tile of limits and goals; it never says met of a limit that there is not."""
    first = plan.first
    judged, unsure = number_judged(plan), sum(r.status == "unconfirmed" for r in first.results)
    missed = sum(r.status == "not met" for r in first.results)
    missed += sum(row["status"] == "not met" for row in plan.metrics["fraction_limits"])
    if first.goal_only:
        value = "goal reached" if first.goal_bound else "not known"
        return [
            card(
                "Limits and goals",
                "goal not reached" if first.limit_bound else value,
                NO_LIVER_LIMIT,
                "not-met",
            )
        ]
    if not judged and not unsure:
        return []
    note = f"{unsure} more might apply: not everything is stated" if unsure else "at this activity"
    status = "not-met" if missed else ("" if unsure else "met")
    return [card("Limits and goals", f"{judged - missed} of {judged} met", note, status)]


def prescription_card(model: PlanModel) -> list[dict[str, str]]:
    """Return the tile of what is prescribed: from the goal to the limit, or by how much limits fail the goal."""
    prescription = model.prescription
    if prescription is None or prescription.decisive is None or prescription.end is None or model.goal_only:
        return []
    goal, end = number(prescription.decisive.activity_gbq), number(prescription.end.activity_gbq)
    unsure = ", unconfirmed" if prescription.end.unconfirmed else ""
    note = f"from {prescription.decisive.name} to {prescription.end.name}{unsure}"
    if prescription.feasible:
        return [card("Prescribe", f"{goal} to {end} GBq", note)]
    short = f"{100 * prescription.shortfall:.3g} % short of {prescription.decisive.name} ({goal} GBq)"
    return [card("Goal out of reach", f"{end} GBq", f"{short}: {prescription.end.name}{unsure}", "not-met")]


def prescription_sentence(model: PlanModel) -> list[str]:
    """Return the interval between goal and limits in words; nothing where there is no goal or no limit."""
    prescription = model.prescription
    if prescription is None or prescription.decisive is None or prescription.end is None or model.goal_only:
        return []
    goal = f"{prescription.decisive.name} is reached at {number(prescription.decisive.activity_gbq)} GBq"
    end = f"{prescription.end.name} ends it at {number(prescription.end.activity_gbq)} GBq"
    unsure = " (unconfirmed)" if prescription.end.unconfirmed else ""
    if prescription.feasible:
        return [f"Goal and limits can both be met: {goal}, {end}{unsure}. Prescribe between the two."]
    return [
        f"Goal and limits cannot both be met: {goal}, {end}{unsure}, {100 * prescription.shortfall:.3g} % short of the goal."
    ]


def vial_sentences(plan: Plan) -> list[str]:
    """Return the vial of every injection in words, with the residual that it is chosen for."""
    residual = plan.request.residual_fraction
    lines = []
    for order in plan.orders:
        best = order.best
        if best is None:
            lines.append(f"{order.injection}: no vial that keeps the limits is on offer.")
            continue
        lines.append(
            f"{order.injection}: {best.vial.size_gbq:g} GBq calibrated {number(order.age_h(best.vial))} h before give "
            f"{number(best.net_gbq, 4)} GBq net with {100 * residual:.3g} % residual, {100 * best.deviation:+.2f} % of the order."
        )
    return lines
