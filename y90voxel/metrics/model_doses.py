"""BED, EQD2 and EUD of a region from its histogram: model values, only with parameters that somebody chose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from y90voxel.metrics.radiobiology import RadiobiologyParameters, bed, eqd2, eud

__all__ = ["ModelDoses", "model_doses"]


@dataclass(frozen=True)
class ModelDoses:
    """What the linear-quadratic model makes of a dose distribution; the attributes are keys of outputs.

    Parameters
    ----------
    bed_mean_gy : float
        Mean of the voxels' BED [Gy].
    eqd2_mean_gy : float
        Mean of the voxels' EQD2 [Gy].
    eud_gy : float or None
        Uniform dose with the same mean cell survival [Gy]; None without α.
    """

    bed_mean_gy: float
    eqd2_mean_gy: float
    eud_gy: float | None


def model_doses(
    doses_gy: ArrayLike, volumes_ml: ArrayLike, parameters: RadiobiologyParameters, half_life_s: float
) -> ModelDoses:
    """Return mean BED, mean EQD2 and EUD of a region.

    Parameters
    ----------
    doses_gy, volumes_ml : array_like, (voxels,)
        Absorbed doses [Gy] and the volumes that have them [mL].
    parameters : RadiobiologyParameters
        Of the region's role.
    half_life_s : float
        Effective half-life of the dose rate [s].

    Examples
    --------
    >>> liver = RadiobiologyParameters(2.5, 2.5 * 3600)
    >>> found = model_doses([75.0], [1.0], liver, 64.1 * 3600)
    >>> round(found.bed_mean_gy, 1), round(found.eqd2_mean_gy, 2), found.eud_gy
    (159.5, 88.59, None)
    """
    times = (parameters.alpha_beta_gy, parameters.repair_half_time_s, half_life_s)
    mean = float(np.average(bed(doses_gy, *times), weights=np.asarray(volumes_ml, float)))
    alpha = parameters.alpha_per_gy
    return ModelDoses(
        mean,
        float(eqd2(mean, parameters.alpha_beta_gy)),
        None if alpha is None else eud(doses_gy, volumes_ml, alpha, *times),
    )
