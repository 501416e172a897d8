"""The product's own dose constant beside that of the physics, as rows of text."""

from __future__ import annotations

from typing import Any

from y90voxel.planning.product_rule import ProductRule
from y90voxel.report.formatting import dose_text

__all__ = ["product_rule_content", "product_rule_line"]


def product_rule_content(rule: ProductRule | None) -> dict[str, Any] | None:
    """Return both constants and activities for the page of a plan; None where the product has no rule of its own."""
    if rule is None:
        return None
    rows = [
        ("the product's rule", rule.rule_j_per_gbq, rule.rule_gbq),
        ("physics: electrons of the nuclide", rule.physics_j_per_gbq, rule.physics_gbq),
    ]
    used = [_same(constant, rule) for _, constant, _ in rows]
    return {
        "title": f"{rule.product}, {rule.nuclide}: two dose constants",
        "dose": None if rule.dose_gy is None else dose_text(rule.dose_gy),
        "rows": [
            {
                "name": name,
                "constant": f"{constant:.2f}",
                "activity": "–" if activity is None else f"{activity:.4g}",
                "used": is_used,
            }
            for (name, constant, activity), is_used in zip(rows, used, strict=True)
        ],
        "why": rule.why,
        "other": ""
        if any(used)
        else f"The formulas of this plan use {rule.used_j_per_gbq:.4g} J/GBq, as given.",
    }


def product_rule_line(rule: ProductRule) -> str:
    """Return the same in one line for the terminal."""
    activities = (
        ""
        if rule.rule_gbq is None or rule.physics_gbq is None or rule.dose_gy is None
        else f"; for {dose_text(rule.dose_gy)} Gy by one compartment {rule.rule_gbq:.4g} and {rule.physics_gbq:.4g} GBq"
    )
    return (
        f"{rule.product}: product rule {rule.rule_j_per_gbq:.2f} J/GBq, physics {rule.physics_j_per_gbq:.2f} J/GBq"
        f"{activities} (used here: {rule.used_j_per_gbq:.2f}). Why: {rule.why}."
    )


def _same(constant: float, rule: ProductRule) -> bool:
    """Whether it is the one that the plan uses, to the digits that are shown."""
    return f"{constant:.2f}" == f"{rule.used_j_per_gbq:.2f}"
