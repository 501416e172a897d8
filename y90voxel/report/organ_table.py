"""Rows of the organs outside liver and lungs: their doses, and that no limit is in the table for them."""

from __future__ import annotations

from y90voxel.case.evaluation import Evaluation
from y90voxel.clinical.organ_doses import NO_LIMIT
from y90voxel.report.formatting import dose_text, number

__all__ = ["organ_dose_rows", "organ_row"]


def organ_dose_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return the organs of a dose: name, role, size, mean by mass and maximum [Gy], and the missing limit."""
    by_name = {metrics.name: metrics for metrics in evaluation.regions}
    return [
        organ_row(
            name,
            role.value,
            number(by_name[name].volume_ml),
            mean,
            dose_text(by_name[name].max_gy),
        )
        for name, (role, mean) in evaluation.organs.items()
    ]


def organ_row(name: str, organ: str, volume: str, mean_gy: float, maximum: str) -> dict[str, str]:
    """Return one organ as text, with its mean by mass [Gy]."""
    return {
        "name": name,
        "organ": organ,
        "volume": volume,
        "mean": dose_text(mean_gy),
        "maximum": maximum,
        "limit": NO_LIMIT,
    }
