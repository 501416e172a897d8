"""The biologically effective dose of every voxel whose region has linear-quadratic parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.radiobiology import bed
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import ORGANS, Role
from y90voxel.volumes.volume import DoseMap

__all__ = ["BedMap", "bed_map"]

# Where regions overlap the first of these that has parameters counts: a tumour is not liver.
PRECEDENCE = (
    Role.TUMOUR,
    Role.TUMOURS,
    Role.PERFUSED_NON_TUMOUR_LIVER,
    Role.NON_TUMOUR_LIVER,
    Role.UNPERFUSED_LIVER,
    Role.PERFUSED,
    Role.LIVER,
    Role.LUNG,
    Role.LUNGS,
    *ORGANS,
    Role.OTHER,
    Role.BODY,
)
HALF = 0.5  # occupancy: a boundary voxel belongs to the region that fills at least half of it


@dataclass(frozen=True, eq=False)
class BedMap:
    """BED by voxel, and what it was computed with.

    Parameters
    ----------
    dose : DoseMap
        BED [Gy]; 0 where no region with parameters fills half of the voxel.
    comment : str
        The α/β of each role, short enough for a DoseComment.
    """

    dose: DoseMap
    comment: str


def bed_map(evaluation: Evaluation) -> BedMap | None:
    """Return the BED map of an evaluation, None where no region has parameters.

    BED = D (1 + G D / (α/β)), voxel by voxel, each with the parameters of the region that fills at least half of it.

    Parameters
    ----------
    evaluation : Evaluation
        Dose, regions and parameters.
    """
    case = evaluation.case
    given = [role for role in PRECEDENCE if role in case.radiobiology and case.regions.with_role(role)]
    if not given:
        return None
    half_life_s = nuclide(case.nuclide).half_life_s
    dose = np.maximum(evaluation.dose.array, 0.0)
    result = np.zeros(dose.shape)
    for role in reversed(given):
        parameters = case.radiobiology[role]
        for region in case.regions.with_role(role):
            inside = region.mask.array >= HALF
            result[inside] = bed(
                dose[inside], parameters.alpha_beta_gy, parameters.repair_half_time_s, half_life_s
            )
    ratios = ", ".join(
        f"{role.value.replace('_', ' ')} {case.radiobiology[role].alpha_beta_gy:g}" for role in given
    )
    return BedMap(DoseMap(result, evaluation.dose.grid), f"BED, a/b [Gy]: {ratios}; 0 elsewhere")
