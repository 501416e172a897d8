"""The table of uncertainties: one row a region, as text."""

from __future__ import annotations

from y90voxel.report.formatting import MISSING, dose_text, percent
from y90voxel.workflow.evaluation import Evaluation

__all__ = ["uncertainty_rows"]


def uncertainty_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return mean, interval and the parts of its uncertainty by region; nothing where they were not asked for."""
    rows: list[dict[str, str]] = []
    if evaluation.uncertainty is None:
        return rows
    curve = evaluation.uncertainty.inputs["recovery"]
    for metrics in evaluation.regions:
        found = metrics.uncertainty
        if found is None:
            continue
        budget = found.budget
        rows.append(
            {
                "name": metrics.name,
                "mean": dose_text(metrics.mean_gy),
                "budget": _between(found.low_gy, found.high_gy),
                "whole": percent(metrics.relative_uncertainty, 2),
                "activity": percent(budget.activity, 2),
                "volume": percent(abs(budget.volume_factor) * budget.volume, 2),
                "recovery": MISSING if curve is None else percent(budget.recovery_fit, 2),
                "statistics": percent((budget.statistics**2 + found.simulation**2) ** 0.5, 2),
                "sampled": _between(found.sampled_low_gy, found.sampled_high_gy),
            }
        )
    return rows


def _between(low_gy: float | None, high_gy: float | None) -> str:
    """An interval of doses."""
    return MISSING if low_gy is None or high_gy is None else f"{dose_text(low_gy)} to {dose_text(high_gy)}"
