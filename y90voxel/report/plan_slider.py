"""What the slider of a plan's page needs: doses per activity of the model shown first, its limits and goals."""

from __future__ import annotations

from typing import Any

from y90voxel.planning.plan_result import Plan
from y90voxel.quantification.lung_conventions import plan_row_label
from y90voxel.report.plan_verdict import short_aim

__all__ = ["slider_data"]

# The sliders end at this multiple of the greatest activity of any model.
_BEYOND = 1.5


def slider_data(plan: Plan) -> dict[str, Any] | None:
    """Return doses per activity, limits and activities for the page's script; None where no model gives an activity.

    Parameters
    ----------
    plan : Plan
        With its models.
    """
    first = plan.first
    if not first.available:
        return None
    models = [model for model in plan.models if model.available]
    greatest = max(max(model.activities_gbq) for model in models)
    names = [territory.name for territory in plan.territories]
    return {
        "injections": [
            {"name": name, "planned": activity, "greatest": _BEYOND * greatest}
            for name, activity in zip(names, first.activities_gbq, strict=True)
        ],
        "regions": [
            {"name": row.name, "label": plan_row_label(row.name), "perGbq": list(row.gy_per_gbq)}
            for row in first.table.rows
        ],
        "aims": [
            {
                "text": short_aim(result.aim),
                "region": result.aim.region,
                "below": result.aim.sense.value == "below",
                "value": result.aim.value,
                "previous": result.aim.previous,
                "open": bool(result.aim.unconfirmed),
                "condition": result.aim.condition,
            }
            for result in first.results
            if result.aim.linear and result.aim.region in first.table.roles
        ],
    }
