"""Limits and goals that do not apply to a model or are not printed, as the applicable ones stand in ``plan.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.clinical.limits import Limit, Sense
from y90voxel.clinical.organ_doses import organ_rows
from y90voxel.planning.aims import DoseAim
from y90voxel.regions.roles import Role

__all__ = ["inapplicable_row", "organ_limit_rows", "row_of_other_models"]


def inapplicable_row(limit: Limit, reason: str) -> dict[str, Any]:
    """Return a limit of the table that does not apply, with the reason.

    Parameters
    ----------
    limit : Limit
        The limit or goal.
    reason : str
        Why it does not apply.
    """
    return _row(limit.name, limit.role.value, limit.sense, limit.value_gy, reason, limit.source)


def row_of_other_models(aim: DoseAim) -> dict[str, Any]:
    """Return a limit or goal that holds for models of another approach.

    Parameters
    ----------
    aim : DoseAim
        The limit or goal.
    """
    reason = f"for models of one mean: {aim.approach}"
    return _row(aim.name, aim.region, aim.sense, aim.value, reason, aim.source)


def organ_limit_rows(doses_gy: Mapping[str, tuple[Role, float]]) -> list[dict[str, Any]]:
    """Return organs outside liver and lungs, for which no limit is in the table.

    Parameters
    ----------
    doses_gy : mapping of str to (Role, float)
        Region name to its role and mean dose [Gy].
    """
    return [
        {
            **row,
            "kind": "limit",
            "required": False,
            "metric": "mean",
            "unit": "Gy",
            "previous": 0.0,
            "missed_by": None,
            "activity_at_value_bq": None,
        }
        for row in organ_rows(doses_gy)
    ]


def _row(name: str, region: str, sense: Sense, value_gy: float, reason: str, source: str) -> dict[str, Any]:
    """One row."""
    return {
        "name": name,
        "region": region,
        "kind": "limit" if sense is Sense.BELOW else "goal",
        "required": False,
        "metric": "mean",
        "unit": "Gy",
        "sense": sense.value,
        "value_gy": None,
        "limit_gy": value_gy,
        "previous": 0.0,
        "status": "not applicable",
        "reason": reason,
        "missed_by": None,
        "activity_at_value_bq": None,
        "source": source,
    }
