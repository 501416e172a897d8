"""The dose to blood by planning model, as rows of text; exploratory."""

from __future__ import annotations

from typing import Any

from y90voxel.immune.immune_report import EXPLORATORY
from y90voxel.planning.plan_blood import COUNT_DAY
from y90voxel.planning.plan_result import Plan
from y90voxel.report.formatting import dose_text, number

__all__ = ["plan_immune_section"]


def plan_immune_section(plan: Plan) -> dict[str, Any] | None:
    """Return what the page of a plan says of the blood; None where nobody asked."""
    if plan.immune is None:
        return None
    titles = {model.name: model.title for model in plan.models}
    omitted = [f"{titles[name]}: left out, {reason}." for name, reason in plan.immune.omitted.items()]
    return {
        "statement": EXPLORATORY,
        "day": f"{COUNT_DAY:g}",
        "sentences": [*plan.immune.statement, *omitted],
        "rows": [
            {
                "model": titles[row["model"]],
                "mean": dose_text(row["mean_gy"]),
                "range": f"{dose_text(row['low_gy'])} to {dose_text(row['high_gy'])}",
                "liver": dose_text(row["by_part_gy"]["liver"] + row["by_part_gy"].get("tumour", 0.0)),
                "lung": dose_text(row["by_part_gy"]["lung"]),
                "counts": f"{number(100 * row['count_low'], 2)} to {number(100 * row['count_high'], 2)}",
            }
            for row in plan.immune.rows()
        ],
    }
