"""Limits and goals of a plan as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import AimResult
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.report.dose_content import MARKS
from y90voxel.report.formatting import MISSING, dose_text, number, percent
from y90voxel.report.organ_table import organ_row

__all__ = ["fraction_row", "limit_row", "missing_liver_limit", "planned_organ_rows"]


def limit_row(result: AimResult) -> dict[str, str]:
    """Return one limit or goal: found, wanted, status, source."""
    aim = result.aim
    below = aim.sense is Sense.BELOW
    return {
        "name": aim.name,
        "region": aim.region,
        "kind": "limit" if below else ("goal" if aim.required else "goal, reported"),
        "metric": str(aim.metric),
        "found": f"{number(result.achieved)} {aim.metric.unit}" if result.achieved is not None else MISSING,
        "wanted": f"{'at most' if below else 'at least'} {aim.value:g} {aim.metric.unit}",
        "status": result.status,
        "mark": MARKS[result.status],
        "css": result.status.replace(" ", "-"),
        "source": f"{result.reason}; {aim.source}"
        if result.status == "unconfirmed"
        else result.reason or aim.source,
    }


def missing_liver_limit(model: PlanModel) -> list[dict[str, str]]:
    """Return the row of the liver limit that there is not."""
    return [
        {
            "name": row["name"],
            "region": "non-tumour liver",
            "kind": row["kind"],
            "metric": row["metric"],
            "found": MISSING if row["value_gy"] is None else f"{number(row['value_gy'])} Gy",
            "wanted": MISSING,
            "status": row["status"],
            "mark": MARKS[row["status"]],
            "css": "none-printed",
            "source": row["reason"],
        }
        for row in model.as_dict()["limits"]
        if row["status"] == "none printed"
    ]


def planned_organ_rows(plan: Plan) -> list[dict[str, str]]:
    """Return the organs of a plan with the means that the dose maps give the first model's activity [Gy]."""
    rows, maps = [], plan.maps
    for name, (role, mean) in plan.organ_doses(plan.first).items():
        assert maps is not None  # organs are only in dose maps
        histogram = maps.dvh(name, plan.first.activities_gbq)
        maximum = dose_text(histogram.max_gy)
        rows.append(organ_row(name, role.value, number(histogram.volume_ml), mean, maximum))
    return rows


def fraction_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a limit on shunt or reserve."""
    wanted = "at most" if row["sense"] == Sense.BELOW.value else "at least"
    return {
        "name": row["name"],
        "region": row["quantity"],
        "kind": "condition, at any activity",
        "metric": "fraction",
        "found": percent(row["value"]),
        "wanted": f"{wanted} {percent(row['limit'])}",
        "status": row["status"],
        "mark": MARKS[row["status"]],
        "css": row["status"].replace(" ", "-"),
        "source": row["source"],
    }
