"""Doses of one region by several treatments: each alone, added, and weighted by effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.accumulation.effective_dose import summed_bed
from y90voxel.accumulation.treatment import EffectParameters, Treatment, parameters_of
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.radiobiology import eqd2
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import DoseMap

__all__ = ["Effect", "RegionSum", "region_sum"]


@dataclass(frozen=True)
class Effect:
    """Mean effective doses of a region with one set of parameters [Gy]: means over voxels, not of the mean dose.

    Parameters
    ----------
    parameters : EffectParameters
        α/β and repair.
    bed_mean_gy, eqd2_mean_gy : float
        Means over the volume [Gy].
    histogram : DoseVolumeHistogram
        Of the 2 Gy-equivalent dose.
    """

    parameters: EffectParameters
    bed_mean_gy: float
    eqd2_mean_gy: float
    histogram: DoseVolumeHistogram

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON."""
        return {
            "parameters": self.parameters.name,
            "bed_mean_gy": self.bed_mean_gy,
            "eqd2_mean_gy": self.eqd2_mean_gy,
            **{f"eqd2_d{x}_gy": self.histogram.dose_at_volume(x) for x in (98, 70, 2)},
        }


@dataclass(frozen=True, eq=False)
class RegionSum:
    """Doses of one region by all treatments.

    Parameters
    ----------
    name, role, volume_ml
        Of the region of the reference.
    means_gy : mapping of str to float or None
        Mean absorbed dose by treatment [Gy]; None where it is not known.
    histogram : DoseVolumeHistogram or None
        Of the sum of absorbed doses; None where voxels are not added.
    effects : tuple of Effect
        With every set of parameters of the role.
    """

    name: str
    role: Role
    volume_ml: float
    means_gy: Mapping[str, float | None]
    histogram: DoseVolumeHistogram | None
    effects: tuple[Effect, ...] = ()

    @property
    def mean_gy(self) -> float | None:
        """Mean of the sum of absorbed doses [Gy]; None where a treatment's is not known."""
        means = [mean for mean in self.means_gy.values() if mean is not None]
        return sum(means) if len(means) == len(self.means_gy) else None

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON."""
        histogram = self.histogram
        return {
            "name": self.name,
            "role": self.role.value,
            "volume_ml": self.volume_ml,
            "mean_gy_by_treatment": dict(self.means_gy),
            "mean_gy": self.mean_gy,
            **{f"d{x}_gy": None if histogram is None else histogram.dose_at_volume(x) for x in (98, 70, 2)},
            "effective": [effect.as_dict() for effect in self.effects],
        }


def region_sum(
    region: Region,
    treatments: Sequence[Treatment],
    doses_gy: Sequence[NDArray[Any]] | None,
    base: Treatment,
) -> RegionSum:
    """Return the doses of a region of the reference.

    Parameters
    ----------
    region : Region
        On the grid of the reference.
    treatments : sequence of Treatment
        By date.
    doses_gy : sequence of ndarray or None
        Their doses on that grid [Gy]; None where voxels are not added: then means that regions of the same name and
        role have on the grid of each treatment.
    base : Treatment
        The reference.
    """
    name, role, volume = region.name, region.role, region.mask.volume_ml
    if doses_gy is None:
        means = {treatment.name: _own_mean(region, treatment) for treatment in treatments}
        return RegionSum(name, role, volume, means, None)
    grid, box = base.dose.grid, region.mask.box
    weights = region.mask.array[box]
    inside = [np.asarray(dose[box], np.float64) for dose in doses_gy]
    totals = {
        treatment.name: float((weights * dose).sum() / weights.sum())
        for treatment, dose in zip(treatments, inside, strict=True)
    }

    def histogram(values: NDArray[np.float64]) -> DoseVolumeHistogram:
        whole = np.zeros(grid.shape)
        whole[box] = values
        return DoseVolumeHistogram.from_dose(DoseMap(whole, grid), region.mask)

    effects = []
    for parameters in parameters_of(role):
        effective = summed_bed(inside, treatments, parameters)
        equivalent = histogram(eqd2(effective, parameters.alpha_beta_gy))
        mean_bed = float((weights * effective).sum() / weights.sum())
        effects.append(Effect(parameters, mean_bed, equivalent.mean_gy, equivalent))
    return RegionSum(name, role, volume, totals, histogram(np.sum(inside, axis=0)), tuple(effects))


def _own_mean(region: Region, treatment: Treatment) -> float | None:
    """Mean dose of the region of the same name and role on a treatment's own grid [Gy]."""
    for own in treatment.regions:
        if own.name == region.name and own.role is region.role:
            stated = treatment.stated_means_gy.get(own.name)
            return (
                DoseVolumeHistogram.from_dose(treatment.dose, own.mask).mean_gy if stated is None else stated
            )
    return None
