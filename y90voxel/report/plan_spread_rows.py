"""How well activities and doses of a plan are known, as text beside them; empty where it was not asked for."""

from __future__ import annotations

from collections.abc import Sequence

from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.planning.plan_spread import INTERVAL_PERCENT, ModelSpread
from y90voxel.report.formatting import number, percent

__all__ = [
    "activity_interval",
    "dose_uncertainties",
    "greatest_interval",
    "interval_sentence",
    "with_interval",
]

PERCENT = f"{INTERVAL_PERCENT:g} %"


def activity_interval(plan: Plan, model: PlanModel) -> str:
    """Return the interval of a model's activity, in GBq; empty for an activity as given."""
    spread = _spread(plan, model)
    return "" if spread is None or model.name == "given" else _between(spread.activity_gbq)


def greatest_interval(plan: Plan, model: PlanModel) -> str:
    """Return the interval of the greatest activity within the limits, in GBq."""
    spread = _spread(plan, model)
    return "" if spread is None or spread.greatest_gbq is None else _between(spread.greatest_gbq)


def dose_uncertainties(plan: Plan, model: PlanModel) -> dict[str, str]:
    """Return the relative standard uncertainty of the doses by role; single tumours stand under their names."""
    spread = _spread(plan, model)
    if spread is None:
        return {}
    uncertainties = {row.key: percent(spread.doses[row.name].relative, 2) for row in model.table.rows}
    return uncertainties | (
        {}
        if "tumours" in uncertainties or "tumour" not in uncertainties
        else {"tumours": uncertainties["tumour"]}
    )


def with_interval(note: str, interval: str) -> str:
    """Return the note of a card with the interval of its activity."""
    return f"{PERCENT}: {interval} GBq" if interval else note


def interval_sentence(plan: Plan) -> list[str]:
    """Return what the board reads of it: the interval of the first model, what is in it, and what is not."""
    first = plan.first
    spread = _spread(plan, first)
    if spread is None:
        return []
    interval, what = activity_interval(plan, first), "that activity lies"
    if not interval:
        interval, what = greatest_interval(plan, first), "the greatest activity within the limits lies"
    if not interval:
        return []
    low, high = interval.split(" to ")
    often = ", ".join(f"{name} in {percent(share, 2)} of draws" for name, share in _often(spread))
    return [
        f"With {PERCENT} probability {what} between {low} and {high} GBq, as far as lung shunt, volumes, densities, counts "
        "and the measured activity are known; how far MAA foretells the treatment is not in it."
        + (f" What is reached first is not certain: {often}." if often else "")
    ]


def _often(spread: ModelSpread) -> Sequence[tuple[str, float]]:
    """What is reached first, where draws differ."""
    return list(spread.binding.items()) if len(spread.binding) > 1 else []


def _spread(plan: Plan, model: PlanModel) -> ModelSpread | None:
    return None if plan.uncertainty is None else plan.uncertainty.models.get(model.name)


def _between(ends_gbq: tuple[float, float]) -> str:
    return " to ".join(number(end) for end in ends_gbq)
