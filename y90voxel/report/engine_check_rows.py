"""Rows of what the exact engine would change of the mean doses."""

from __future__ import annotations

import math

from y90voxel.case.checked_engine import EngineCheck
from y90voxel.report.formatting import MISSING, dose_text

__all__ = ["engine_check_note", "engine_check_rows"]

MOST_DECIMALS = 4  # of a dose in Gy; chosen: 0.1 mGy, and no σ of a mean is asked for below


def engine_check_rows(check: EngineCheck | None) -> list[dict[str, str]]:
    """Return region, mean by mass of both engines [Gy] and the change with one standard deviation; empty where nobody asked."""
    if check is None:
        return []
    return [
        {
            "region": row.name,
            "before": _to_sigma(row.mass_weighted_mean_gy, row.sigma_gy),
            "after": f"{_to_sigma(row.verified_gy, row.sigma_gy)} ± {_to_sigma(row.sigma_gy, row.sigma_gy)}",
            "change": MISSING
            if row.change is None or row.change_sigma is None
            else f"{100 * row.change:+.2f} ± {100 * row.change_sigma:.2f} %",
        }
        for row in check.regions
    ]


def _to_sigma(value: float, sigma: float) -> str:
    """A dose to the second digit of the uncertainty, and as any other where there is none."""
    if not (math.isfinite(sigma) and sigma > 0.0):
        return dose_text(value)
    return f"{value:.{min(max(1 - math.floor(math.log10(sigma)), 0), MOST_DECIMALS)}f}"


def engine_check_note(check: EngineCheck | None) -> str:
    """Return how the change was found; empty where nobody asked."""
    if check is None:
        return ""
    return (
        f"{check.histories:,} histories of the exact engine, seed {check.seed}; ± is one standard deviation, statistics and "
        "kernel. All other doses of this page are those of the engine that ran."
    )
