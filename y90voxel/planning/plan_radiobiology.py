"""BED, EQD2 and EUD that the dose maps give a planned activity; only for roles whose parameters were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from y90voxel.metrics.model_doses import model_doses
from y90voxel.planning.plan_maps import DoseMaps
from y90voxel.reference.nuclide import nuclide

__all__ = ["planned_model_doses"]


def planned_model_doses(maps: DoseMaps | None, activities_gbq: Sequence[float]) -> list[dict[str, Any]]:
    """Return the model values of every region that has parameters, beside these; empty without maps or activity.

    BED is not linear in the dose: the values are of the dose map at this activity, voxel by voxel, not of a mean.

    Parameters
    ----------
    maps : DoseMaps or None
        Dose of 1 GBq of every injection.
    activities_gbq : sequence of float, (injections,)
        Net activities [GBq].
    """
    if maps is None or not sum(activities_gbq) > 0:
        return []
    half_life_s = nuclide(maps.case.nuclide).half_life_s
    rows = []
    for region in maps.case.regions:
        parameters = maps.case.radiobiology.get(region.role)
        if parameters is not None:
            histogram = maps.dvh(region.name, activities_gbq)
            doses = model_doses(histogram.doses_gy, histogram.volumes_ml, parameters, half_life_s)
            rows.append(
                {
                    "region": region.name,
                    "role": region.role.value,
                    "mean_gy": histogram.mean_gy,
                    **asdict(doses),
                    "parameters": asdict(parameters) | {"source": parameters.source or None},
                }
            )
    return rows
