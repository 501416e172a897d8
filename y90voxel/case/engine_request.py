"""What an engine of the table is made of, from a case."""

from __future__ import annotations

from typing import Any

from y90voxel.case.case import Case
from y90voxel.dose.engines import EngineRequest

__all__ = ["engine_request"]


def engine_request(case: Case, **choices: Any) -> EngineRequest:
    """Return what any engine is made of for a case.

    Parameters
    ----------
    case : Case
        Gives nuclide, voxel size, liver density and dose constant.
    **choices
        Other fields of `EngineRequest`, or other values of these.
    """
    of_case = {
        "nuclide": case.nuclide,
        "spacing_mm": case.grid.spacing_mm,
        "liver_density_g_per_ml": case.density.liver_g_per_ml,
        "dose_constant_gy_kg_per_gbq": case.dose_constant_gy_kg_per_gbq,
    }
    return EngineRequest(**(of_case | choices))
