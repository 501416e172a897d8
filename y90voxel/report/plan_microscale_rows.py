"""The dose between microspheres by planning model, as rows of text; exploratory."""

from __future__ import annotations

from typing import Any

from y90voxel.microscale.microscale_report import (
    EXPLORATORY,
    ILLUSTRATIVE_ALPHAS_PER_GY,
    SHOWN_PERCENTS,
)
from y90voxel.planning.plan_result import Plan
from y90voxel.report.formatting import dose_text, number

__all__ = ["plan_microscale_section"]


def plan_microscale_section(plan: Plan) -> dict[str, Any] | None:
    """Return what the page of a plan says of dose between microspheres; None where nobody asked."""
    if plan.microscale is None:
        return None
    titles = {model.name: model.title for model in plan.models}
    return {
        "statement": EXPLORATORY,
        "sentences": plan.microscale.statement,
        "percents": SHOWN_PERCENTS,
        "alphas": [f"{alpha:g}" for alpha in ILLUSTRATIVE_ALPHAS_PER_GY],
        "rows": [
            {
                "model": titles[row.model],
                "region": row.region,
                "mean": dose_text(row.mean_gy),
                "expected": [dose_text(gy) for gy in row.d_gy.values()],
                "cv": number(100.0 * row.cv),
                "eud": [dose_text(gy) for gy in row.eud_gy.values()],
                "spheres": number(row.spheres_per_ml),
                "empty": number(100.0 * row.empty_lobules, 2),
            }
            for row in plan.microscale.rows
        ],
    }
