"""What a study says of blood and lymphocytes as columns of a cohort's tables; exploratory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["immune_columns"]

# Of several counts after the injection, the one next to the first of the cohorts' counts is told [d].
TOLD_DAY = 30.0


def immune_columns(block: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns ``immune_…`` of the block ``immune`` of ``metrics.json``; empty without one.

    Parameters
    ----------
    block : mapping or None
        As `ImmuneReport.as_dict` gives it.
    """
    if not block:
        return {}
    blood, measured = block.get("blood", {}), block.get("lymphocytes", {}).get("measured") or []
    columns = {f"immune_blood_{key}": blood.get(key) for key in ("mean_gy", "sd_gy", "low_gy", "high_gy")}
    if measured:
        told = min(measured, key=lambda row: abs(row["day"] - TOLD_DAY))
        columns |= {
            "immune_count_day": told["day"],
            "immune_count_ratio": told["ratio"],
            "immune_count_low": told["low"],
            "immune_count_high": told["high"],
        }
    return {key: value for key, value in columns.items() if value is not None}
