"""What a study says of dose between microspheres as columns of a cohort's tables; exploratory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["microscale_columns"]

_OF_STUDY = ("activity_per_sphere_bq", "clusters", "places")
_OF_REGION = ("spheres_per_ml", "empty_lobules_percent", "cv_alone", "d98_gy", "d70_gy", "d2_gy")


def microscale_columns(block: Mapping[str, Any] | None, region: str) -> dict[str, Any]:
    """Return the columns ``microscale_…`` of one region from the block ``microscale`` of ``metrics.json``; empty without one.

    Parameters
    ----------
    block : mapping or None
        As `MicroscaleReport.as_dict` gives it.
    region : str
        Name of the region.
    """
    region_row = next((row for row in (block or {}).get("regions", ()) if row.get("region") == region), None)
    if block is None or region_row is None:
        return {}
    values = {key: block.get(key) for key in _OF_STUDY} | {key: region_row.get(key) for key in _OF_REGION}
    return {f"microscale_{key}": value for key, value in values.items()}
