"""What a plan says of its limits and goals together: met, missed, unconfirmed, or no liver limit at all."""

from __future__ import annotations

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, MetricKind
from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan

__all__ = [
    "card",
    "missed_aims",
    "number_judged",
    "short_aim",
    "unconfirmed_aims",
    "verdict",
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
    """Return limits and goals that the first model keeps and that hold only because something is not stated."""
    return [short_aim(result.aim) for result in plan.first.results if result.status == "unconfirmed"]


def missed_aims(plan: Plan) -> list[str]:
    """Return limits and goals that the first model misses, in few words."""
    fractions = [row["name"] for row in plan.metrics["fraction_limits"] if row["status"] == "not met"]
    return [short_aim(result.aim) for result in plan.first.results if result.status == "not met"] + fractions


def number_judged(plan: Plan) -> int:
    """Return the number of limits and goals that apply."""
    fractions = [row for row in plan.metrics["fraction_limits"] if row["status"] != "not applicable"]
    return sum(result.status != "not applicable" for result in plan.first.results) + len(fractions)


def verdict(plan: Plan) -> list[dict[str, str]]:
    """Return the tile of limits and goals; it never says met of a limit that there is not."""
    first = plan.first
    judged, missed, unsure = number_judged(plan), len(missed_aims(plan)), len(unconfirmed_aims(plan))
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
    if not judged:
        return []
    note = f"{unsure} unconfirmed: not everything is stated" if unsure else "at this activity"
    status = "not-met" if missed else ("" if unsure else "met")
    return [card("Limits and goals", f"{judged - missed - unsure} of {judged} met", note, status)]
