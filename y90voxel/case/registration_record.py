"""What outputs say of the registration that brought the regions of a case to its images."""

from __future__ import annotations

from typing import Any

import numpy as np

from y90voxel.case.case import Case
from y90voxel.regions.roles import Role
from y90voxel.volumes.deformable_registration import DeformableAlignment

__all__ = ["registration_record"]


def registration_record(case: Case) -> dict[str, Any] | None:
    """Return matrix, quality and how far tumours were deformed, for JSON; None where nothing was registered.

    Parameters
    ----------
    case : Case
        With the regions on its grid.
    """
    alignment = case.alignment
    if alignment is None:
        return None
    entry = alignment.as_dict()
    if not isinstance(alignment, DeformableAlignment):
        return entry
    entry["tumours"] = [
        {
            "name": region.name,
            "displacement_mm": _displacement_mm(alignment, region.mask.core, region.mask.grid),
        }
        for region in case.regions
        if region.role is Role.TUMOUR
    ]
    return entry


def _displacement_mm(alignment: DeformableAlignment, core: Any, grid: Any) -> float | None:
    """Mean displacement of a region beyond the rigid motion [mm]; None where the deformation does not reach it."""
    moved = alignment.beyond_rigid_mm(grid.index_to_lps(np.argwhere(core).astype(float)))
    return float(moved.mean()) if moved.size and np.isfinite(moved).all() else None
