"""Doses of organs outside the liver and lungs: reported beside the limits, for the table has none for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from y90voxel.regions.roles import ORGANS, Role

__all__ = ["NO_LIMIT", "organ_doses", "organ_rows"]

# EANM 2022 (doi 10.1007/s00259-021-05600-z), tables 2 to 4, limit liver and lungs only; no other source was read.
NO_LIMIT = "no limit in the table"


def organ_doses(
    doses_gy: Mapping[str, tuple[Role, float]], limited: Collection[str] = ()
) -> dict[str, tuple[Role, float]]:
    """Return the doses of organs whose dose is reported and decides nothing, by region name.

    Parameters
    ----------
    doses_gy : mapping of str to (Role, float)
        Region name to its role and mass-weighted mean dose [Gy].
    limited : collection of str
        Regions that a limit stands for: they are judged, not reported here.
    """
    return {
        name: (role, dose)
        for name, (role, dose) in doses_gy.items()
        if role in ORGANS and name not in limited
    }


def organ_rows(doses_gy: Mapping[str, tuple[Role, float]]) -> list[dict[str, Any]]:
    """Return the rows of organs for the limits in JSON, with the status ``none printed``; parameters as in `organ_doses`.

    Examples
    --------
    >>> (row,) = organ_rows({"GB": (Role.GALLBLADDER, 71.0), "Liver": (Role.LIVER, 40.0)})
    >>> row["region"], row["value_gy"], row["limit_gy"], row["status"]
    ('GB', 71.0, None, 'none printed')
    """
    return [
        {
            "name": f"{role.value}, mean dose",
            "region": name,
            "sense": None,
            "value_gy": dose,
            "limit_gy": None,
            "status": "none printed",
            "reason": NO_LIMIT,
            "source": None,
        }
        for name, (role, dose) in organ_doses(doses_gy).items()
    ]
