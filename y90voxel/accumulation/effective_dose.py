"""Biologically effective dose of several treatments together, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.accumulation.time_courses import cross_factor, protraction_factor
from y90voxel.accumulation.treatment import EffectParameters, Treatment

__all__ = ["summed_bed"]


def summed_bed(
    doses_gy: Sequence[NDArray[Any]], treatments: Sequence[Treatment], parameters: EffectParameters
) -> NDArray[np.float64]:
    """Return the biologically effective dose of all treatments together [Gy], shape of the doses.

    Σ D + (Σ Gᵢ Dᵢ² + Σ Xᵢⱼ Dᵢ Dⱼ) / (α/β), voxel by voxel; see `y90voxel.accumulation.time_courses`. The order does not matter.

    Parameters
    ----------
    doses_gy : sequence of ndarray
        Absorbed dose of each treatment [Gy], on one grid.
    treatments : sequence of Treatment
        When each is given.
    parameters : EffectParameters
        α/β and repair.
    """
    repair = parameters.repair_half_time_s
    doses = [np.asarray(dose, np.float64) for dose in doses_gy]
    total = np.zeros(doses[0].shape)
    for dose, treatment in zip(doses, treatments, strict=True):
        total += dose * (1.0 + protraction_factor(treatment.course, repair) / parameters.alpha_beta_gy * dose)
    for (one, first), (other, second) in combinations(zip(doses, treatments, strict=True), 2):
        total += cross_factor(first.course, second.course, repair) / parameters.alpha_beta_gy * one * other
    return total
