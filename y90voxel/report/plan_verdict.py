"""What a plan says of its limits and goals together: met, missed, unconfirmed, or no liver limit at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, MetricKind
from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.report.formatting import MISSING, number

__all__ = [
    "Judgement",
    "card",
    "judged_sentences",
    "judgement",
    "model_status",
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


@dataclass(frozen=True)
class Judgement:
    """What a model of a plan keeps and misses; headline, tile and table all say this.

    Parameters
    ----------
    exceeded, missed : tuple of str
        Limits that its doses exceed and goals that they miss, in few words.
    doses_met : int
        Limits and goals on dose that apply and are met.
    unconfirmed : int
        Those that only might apply, since not everything is stated.
    conditions : tuple of str
        Conditions on shunt or reserve that the patient does not meet, whatever the activity.
    conditions_met : int
        Those that are met.
    """

    exceeded: tuple[str, ...]
    missed: tuple[str, ...]
    doses_met: int
    unconfirmed: int
    conditions: tuple[str, ...]
    conditions_met: int

    @property
    def met(self) -> int:
        """Limits, goals and conditions that apply and are met."""
        return self.doses_met + self.conditions_met

    @property
    def judged(self) -> int:
        """All that apply; rows that only might, and exclude each other, do not count."""
        return self.met + len(self.exceeded) + len(self.missed) + len(self.conditions)


def judgement(plan: Plan, model: PlanModel) -> Judgement:
    """Return what a model of a plan keeps and misses."""
    statuses = [result.status for result in model.results]
    failed = [result.aim for result in model.results if result.status == "not met"]
    conditions = plan.metrics["fraction_limits"]
    return Judgement(
        exceeded=tuple(short_aim(aim) for aim in failed if aim.sense is Sense.BELOW),
        missed=tuple(short_aim(aim) for aim in failed if aim.sense is Sense.AT_LEAST),
        doses_met=statuses.count("met"),
        unconfirmed=statuses.count("unconfirmed"),
        conditions=tuple(row["name"] for row in conditions if row["status"] == "not met"),
        conditions_met=sum(row["status"] == "met" for row in conditions),
    )


def judged_sentences(plan: Plan) -> list[str]:
    """Return what the first model misses, doses and conditions apart, or that all that applies is met."""
    first = plan.first
    judged = judgement(plan, first)
    doses, lines = dict.fromkeys((*judged.exceeded, *judged.missed)), []
    if doses:
        lines.append(f"Not met at this activity: {'; '.join(doses)}.")
    if judged.conditions:
        lines.append(f"Not met at any activity: {'; '.join(judged.conditions)}.")
    if first.goal_only:
        lines.append(without_liver_limit(first))
    elif judged.judged and not lines:
        open_rows = unconfirmed_aims(plan)
        lines.append(
            "Every limit and goal that applies is met at this activity."
            if not open_rows
            else f"Kept, but unconfirmed, for not everything is stated: {'; '.join(open_rows)}."
        )
    return lines


def verdict(plan: Plan) -> list[dict[str, str]]:
    """Return the tile of limits and goals; it never says met of a limit that there is not."""
    first, judged = plan.first, judgement(plan, plan.first)
    notes = [f"{', '.join(judged.conditions)}: not met at any activity"] if judged.conditions else []
    if first.goal_only:
        value = "goal reached" if first.goal_bound else "not known"
        value = "goal not reached" if first.limit_bound else value
        return [card("Limits and goals", value, "; ".join([NO_LIVER_LIMIT, *notes]), "not-met")]
    unsure = judged.unconfirmed
    if not judged.judged and not unsure:
        return []
    if unsure:
        notes.append(f"{unsure} more might apply: not everything is stated")
    status = "not-met" if judged.met < judged.judged else ("" if unsure else "met")
    note = "; ".join(notes) or "at this activity"
    return [card("Limits and goals", f"{judged.met} of {judged.judged} met", note, status)]


def model_status(model: PlanModel, judged: Judgement) -> dict[str, Any]:
    """Return the cell of a model in the table: style, mark and words, and what stands below them."""
    doses = "limits met" if judged.missed else "all met"
    listed = f"{', '.join(judged.conditions)}: not met at any activity"
    if judged.exceeded:
        more = len(judged.exceeded) - 2
        css, words = "not-met", f"✕ {_counted(judged.exceeded, 'limit')}"
        notes = ["; ".join((*judged.exceeded[:2], *([f"{more} more"] if more > 0 else ())))]
    elif model.goal_only:
        css, words = "none-printed", "goal reached" if model.goal_bound else "!"
        notes = ["no liver limit is known here"]
    elif judged.conditions:
        css, words = "not-met", f"✕ {_counted(judged.conditions, 'condition')}"
        unsure = f"{judged.unconfirmed} unconfirmed"
        notes = [f"doses: {unsure if judged.unconfirmed else doses}"] if judged.doses_met else []
    elif judged.unconfirmed:
        css, words, notes = "unconfirmed", f"? {judged.unconfirmed} unconfirmed", []
    else:
        css, words, notes = ("met", f"✓ {doses}", []) if judged.judged else ("", MISSING, [])
    if judged.conditions:
        notes.append(listed)
    return {"css": css, "words": words, "notes": notes}


def _counted(names: tuple[str, ...], what: str) -> str:
    """A number of things with their name."""
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


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
        return [f"Goal and limits on dose can both be met: {goal}, {end}{unsure}. Prescribe between the two."]
    short = f"{100 * prescription.shortfall:.3g} % short of the goal"
    return [f"Goal and limits on dose cannot both be met: {goal}, {end}{unsure}, {short}."]


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
