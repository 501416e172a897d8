"""Completeness of a report: items of standard reports, grouped by who asks for them."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.case.reporting_items import reporting_items

__all__ = ["reporting_content"]

MARKS = {"present": "✓", "derived": "✓", "missing": "✕", "not asked": "–"}
# Styles of the limits, by what they mean to a reader.
STYLES = {"present": "met", "derived": "met", "missing": "unconfirmed", "not asked": "not-applicable"}


def reporting_content(evaluation: Evaluation) -> dict[str, Any]:
    """Return the items with their status by source, and the numbers of each status in words."""
    items = reporting_items(evaluation)
    counts = {status: sum(item.status == status for item in items) for status in MARKS}
    rows = [
        {
            "item": item.item,
            "status": item.status,
            "mark": MARKS[item.status],
            "css": STYLES[item.status],
            "where": item.where,
            "source": item.source,
        }
        for item in items
    ]
    return {
        "reporting_summary": ", ".join(f"{count} {status}" for status, count in counts.items()),
        "reporting": [
            {"source": source, "rows": list(group)}
            for source, group in groupby(rows, key=lambda row: row["source"])
        ],
    }
