"""A plan in a notebook: every model with its activity, its doses and what binds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from y90voxel.display import block, closing_notes, table
from y90voxel.errors import Notice
from y90voxel.planning.plan_model import PlanModel
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = ["plan_html"]

# Columns: what a dose table calls them, and their heading.
SHOWN = {
    Role.TUMOURS.value: "tumours, Gy",
    Role.NON_TUMOUR_LIVER.value: "non-tumour liver, Gy",
    **{row.plan_row: f"lungs {row.short_text}, Gy" for row in LUNG_CONVENTIONS},
}


class ViewedPlan(Protocol):
    """What a view needs of a plan; see `y90voxel.planning.plan_result.Plan` for each attribute."""

    @property
    def facts(self) -> Any:
        """What it is about."""

    @property
    def models(self) -> Sequence[PlanModel]:
        """All of them."""

    @property
    def lung_shunt_fraction(self) -> float:
        """Shunt of all injections together."""

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Every assumption and oddity."""

    @property
    def stop(self) -> Any:
        """What forbids any activity."""


def plan_html(plan: ViewedPlan) -> str:
    """Return what a notebook shows of a plan.

    It says nothing of the patient: no identifier, no date, no path.

    Parameters
    ----------
    plan : ViewedPlan
        The result.
    """
    rows = [_row(model) for model in plan.models if model.available]
    header = ("model", "activity", *SHOWN.values(), "binding")
    notes = [f"not available: {model.title}: {model.reason}" for model in plan.models if not model.available]
    stop = [] if plan.stop is None else [f"no treatment: {plan.stop}"]
    closing = closing_notes([notice.code for notice in plan.warnings], "plan.warnings")
    title = f"Plan: {plan.facts.nuclide}, lung shunt {100 * plan.lung_shunt_fraction:.3g} %"
    return block(title, table(header, rows) if rows else "", notes=[*stop, *notes, *closing])


def _row(model: PlanModel) -> tuple[str, ...]:
    """One model."""
    doses = model.table.doses_by_role(model.activities_gbq)
    shown = (doses.get(key) for key in SHOWN)
    activity = format_activity((model.activity_gbq or 0.0) * BQ_PER_GBQ)
    return (
        model.title, activity, *("–" if dose is None else f"{dose:.4g}" for dose in shown), model.binding_text or "–",
    )  # fmt: skip
