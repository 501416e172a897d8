"""Two doses voxel by voxel: the predicted one on the delivered grid, in the delivered contours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.region_comparison import dose_entry
from y90voxel.comparison.region_pairs import RegionPair
from y90voxel.comparison.voxel_agreement import GammaCriteria, VoxelAgreement, agree, gamma_map
from y90voxel.errors import Notice, RegionError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import RegionMetrics, summarise
from y90voxel.regions.regions import union
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap, Mask

__all__ = ["RegionVoxels", "VoxelComparison", "compare_voxels"]

HEPATIC = {Role.LIVER: "liver", Role.TUMOUR: "tumours", Role.PERFUSED: "perfused volume"}
# Without hepatic regions, voxels above this fraction of the greatest dose of either map are compared.
DOSED = 0.05
# Contours that share less than this are said: the two runs then do not speak of the same tissue.
CONTOUR_DICE_WARNING = 0.9
# A region counts as reached when at most this little of it is missing.
REACHED = 0.995


@dataclass(frozen=True, eq=False)
class RegionVoxels:
    """One delivered region, with the predicted dose in the same voxels.

    Parameters
    ----------
    pair : RegionPair
        The region in both calculations.
    mask : Mask
        What is compared: the delivered region, as far as the prediction reaches.
    contour_dice : float
        Overlap of the region's two contours on the delivered grid, as far as the prediction reaches, 0 to 1.
    predicted, delivered : RegionMetrics
        Metrics of both doses in ``mask``; the predicted one normalised.
    voxels : VoxelAgreement or None
        Voxel by voxel; None where fewer than two voxels are at least half occupied.
    """

    pair: RegionPair
    mask: Mask
    contour_dice: float
    predicted: RegionMetrics
    delivered: RegionMetrics
    voxels: VoxelAgreement | None

    __repr__ = short_repr

    @property
    def name(self) -> str:
        """Name of the region in the delivered calculation."""
        return self.pair.delivered.name

    @property
    def role(self) -> Role:
        """What the region means."""
        return self.pair.delivered.role

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``compare.json``."""
        return {
            "name": self.name,
            "role": self.role.value,
            "volume_ml": self.mask.volume_ml,
            "contour_dice": self.contour_dice,
            "predicted": dose_entry(self.predicted),
            "delivered": dose_entry(self.delivered),
            "agreement": None if self.voxels is None else self.voxels.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class VoxelComparison:
    """Both doses on the delivered grid.

    Parameters
    ----------
    predicted_dose, delivered_dose : DoseMap
        On the delivered grid [Gy], the predicted one normalised.
    how : str
        How the predicted dose came onto that grid.
    regions : tuple of RegionVoxels
        In the order of the delivered calculation.
    volume : Mask
        Where voxels are compared.
    volume_name : str
        What that is.
    voxels : VoxelAgreement or None
        Voxel by voxel in ``volume``.
    gamma : ndarray or None
        Gamma of each voxel, NaN where it was not compared.
    criteria : GammaCriteria
        Of gamma.
    covered : Mask
        Where the prediction reaches; beyond it ``predicted_dose`` is 0 and says nothing.
    """

    predicted_dose: DoseMap
    delivered_dose: DoseMap
    how: str
    regions: tuple[RegionVoxels, ...]
    volume: Mask
    volume_name: str
    voxels: VoxelAgreement | None
    gamma: NDArray[np.float64] | None
    criteria: GammaCriteria
    covered: Mask

    __repr__ = short_repr

    def region(self, name: str) -> RegionVoxels:
        """Return the voxels of a region.

        Raises
        ------
        RegionError
            If no compared region has that name; the message lists the names.
        """
        for region in self.regions:
            if region.name == name:
                return region
        names = ", ".join(region.name for region in self.regions) or "none"
        raise RegionError(f"no region named {name!r} was compared voxel by voxel. The regions are: {names}.")

    def as_dict(self) -> dict[str, Any]:
        """Return the part ``voxels`` of ``compare.json``."""
        return {
            "how": self.how,
            "gamma_criteria": self.criteria.as_dict(),
            "volume": self.volume_name,
            "volume_ml": self.volume.volume_ml,
            "agreement": None if self.voxels is None else self.voxels.as_dict(),
            "regions": [region.as_dict() for region in self.regions],
        }


def compare_voxels(
    predicted: DoseMap,
    delivered: DoseMap,
    covered: NDArray[np.bool_],
    pairs: Sequence[RegionPair],
    *,
    how: str,
    criteria: GammaCriteria,
    levels_gy: Sequence[float],
) -> tuple[VoxelComparison, list[Notice]]:
    """Return how two doses agree voxel by voxel, and what was left out.

    Parameters
    ----------
    predicted, delivered : DoseMap
        On one grid, without doses below zero; the predicted one normalised [Gy].
    covered : ndarray of bool
        Where the prediction reaches.
    pairs : sequence of RegionPair
        Regions of both, those of the prediction in the delivered frame.
    how : str
        How the predicted dose came onto that grid.
    criteria : GammaCriteria
        Of gamma.
    levels_gy : sequence of float
        Isodoses [Gy].
    """
    matched, notices = _compared(pairs, delivered, covered)
    volume, name = _volume(matched, predicted, delivered, covered)
    gammas = gamma_map(predicted, delivered, volume.array >= 0.5, criteria)
    regions = tuple(
        RegionVoxels(
            pair=pair,
            mask=mask,
            contour_dice=dice,
            predicted=_metrics(pair, mask, predicted),
            delivered=_metrics(pair, mask, delivered),
            voxels=agree(predicted, delivered, mask, gammas, levels_gy),
        )
        for pair, mask, dice in matched
    )
    overall = agree(predicted, delivered, volume, gammas, levels_gy)
    reached = Mask(covered.astype(np.float32), delivered.grid)
    made = VoxelComparison(
        predicted, delivered, how, regions, volume, name, overall, gammas, criteria, reached
    )
    return made, notices


def _compared(
    pairs: Sequence[RegionPair], target: DoseMap, covered: NDArray[np.bool_]
) -> tuple[list[tuple[RegionPair, Mask, float]], list[Notice]]:
    """Regions with the mask on the delivered grid that is compared, and the overlap of their contours."""
    matched, region_notices = [], []
    for pair in pairs:
        whole = pair.delivered.mask
        if not whole.grid.is_same_as(target.grid):  # a region that only the prediction has
            whole = resample(whole, target.grid)
        mask, more = _reached(pair.delivered.name, whole, covered)
        dice = _overlap(mask, pair.predicted.mask, covered)
        region_notices += more
        if mask.array.any():
            region_notices += _contour_notices(pair, dice)
            matched.append((pair, mask, dice))
    return matched, region_notices


def _volume(
    matched: Sequence[tuple[RegionPair, Mask, float]],
    predicted: DoseMap,
    delivered: DoseMap,
    covered: NDArray[np.bool_],
) -> tuple[Mask, str]:
    """Where voxels are compared, and what that is: liver, tumours and perfused volume where there are any."""
    hepatic = [mask for pair, mask, _ in matched if pair.delivered.role in HEPATIC]
    if hepatic:
        roles = {pair.delivered.role for pair, _, _ in matched}
        return union(hepatic, same_kind=True), ", ".join(HEPATIC[role] for role in HEPATIC if role in roles)
    one, other = predicted.array, delivered.array
    dosed = ((one >= DOSED * one.max()) & (one > 0)) | ((other >= DOSED * other.max()) & (other > 0))
    mask = Mask((dosed & covered).astype(np.float32), delivered.grid)
    return mask, f"voxels above {100 * DOSED:g} % of a maximum"


def _metrics(pair: RegionPair, mask: Mask, dose: DoseMap) -> RegionMetrics:
    """Metrics of one dose in the voxels that are compared."""
    region = replace(pair.delivered, mask=mask)
    return summarise(region, DoseVolumeHistogram.from_dose(dose, mask), None, None, None)


def _overlap(one: Mask, other: Mask, covered: NDArray[np.bool_]) -> float:
    """The Dice coefficient of two occupancies where the prediction reaches, 2 Σ min / (Σ + Σ), on the grid of ``one``."""
    moved = (other if other.grid.is_same_as(one.grid) else resample(other, one.grid)).array * covered
    both = one.total + float(moved.sum(dtype=np.float64))
    shared = float(np.minimum(one.array, moved).sum(dtype=np.float64))
    return 2.0 * shared / both if both else 0.0


def _contour_notices(pair: RegionPair, dice: float) -> list[Notice]:
    """What is said where the two contours of a region differ much."""
    if dice >= CONTOUR_DICE_WARNING:
        return []
    message = (
        f"the contours of {pair.delivered.name!r} overlap by {dice:.2f} (Dice); voxel by voxel both doses are read in the "
        "delivered contour. Check the alignment of the two images."
    )
    return [Notice("contours-differ", message)]


def _reached(name: str, whole: Mask, covered: NDArray[np.bool_]) -> tuple[Mask, list[Notice]]:
    """The part of a region that the prediction reaches, and say when that is not all of it."""
    mask = whole.with_array(np.where(covered, whole.array, np.zeros((), whole.array.dtype)))
    share = mask.total / whole.total if whole.total else 0.0
    if share > REACHED:
        return mask, []
    then = "only that part is compared" if share > 0 else "it is not compared"
    message = f"the predicted dose map reaches {100 * share:.1f} % of {name!r}; voxel by voxel {then}."
    return mask, [Notice("prediction-does-not-reach", message)]
