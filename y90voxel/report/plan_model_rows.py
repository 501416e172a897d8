"""BED, EQD2 and EUD on the page of a plan."""

from __future__ import annotations

from typing import Any

from y90voxel.planning.plan_result import Plan
from y90voxel.reference.nuclide import nuclide
from y90voxel.report.model_parameters import model_content
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = ["planned_model_content"]


def planned_model_content(plan: Plan) -> dict[str, Any]:
    """Return what the page of a plan shows of model values at the activity of the first model; no rows without parameters."""
    first = plan.first
    rows = next(entry["radiobiology"] for entry in plan.metrics["models"] if entry["name"] == first.name)
    case = None if plan.maps is None else plan.maps.case
    named = (
        [] if case is None else [(region.name, case.radiobiology.get(region.role)) for region in case.regions]
    )
    activity = format_activity(float(first.activity_gbq or 0.0) * BQ_PER_GBQ)
    return model_content(rows, named, nuclide(plan.facts.nuclide).half_life_s, activity)
