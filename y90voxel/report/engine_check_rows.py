"""Rows of what the exact engine would change of the mean doses."""

from __future__ import annotations

from y90voxel.case.checked_engine import EngineCheck
from y90voxel.report.formatting import MISSING, dose_text

__all__ = ["engine_check_note", "engine_check_rows"]


def engine_check_rows(check: EngineCheck | None) -> list[dict[str, str]]:
    """Return region, mean by mass of both engines [Gy] and the change with one standard deviation; empty where nobody asked."""
    if check is None:
        return []
    return [
        {
            "region": row.name,
            "before": dose_text(row.mass_weighted_mean_gy),
            "after": f"{dose_text(row.verified_gy)} ± {row.sigma_gy:.2g}",
            "change": MISSING
            if row.change is None or row.change_sigma is None
            else f"{100 * row.change:+.2f} ± {100 * row.change_sigma:.2f} %",
        }
        for row in check.regions
    ]


def engine_check_note(check: EngineCheck | None) -> str:
    """Return how the change was found; empty where nobody asked."""
    if check is None:
        return ""
    return (
        f"{check.histories:,} histories of the exact engine, seed {check.seed}; ± is one standard deviation, statistics and "
        "kernel. All other doses of this page are those of the engine that ran."
    )
