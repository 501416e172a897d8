"""Regions of two dose calculations that mean the same, and how their doses differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.voxel_agreement import VoxelAgreement
from y90voxel.errors import Notice
from y90voxel.metrics.agreement import DvhDifference, dvh_difference
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.region_columns import D_PERCENT, V_GY, region_entry
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role, normalised_name
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

__all__ = ["RegionComparison", "RegionPair", "compared_mask", "contour_notices", "overlap", "pair_regions"]

# Contours that share less than this are said: the two runs then do not speak of the same tissue.
CONTOUR_DICE_WARNING = 0.9
# The only one left may be the other of the two, or another part.
SEVERAL_OF_A_KIND = frozenset({Role.OTHER, Role.KIDNEY, Role.BOWEL, Role.HEART})
# A region counts as reached when at most this little of it is missing.
REACHED = 0.995


@dataclass(frozen=True, eq=False)
class RegionPair:
    """The same region in both calculations.

    Parameters
    ----------
    predicted, delivered : Region
        As each calculation has it, on its own grid.
    matched_by : str
        ``name`` or ``role``.
    """

    predicted: Region
    delivered: Region
    matched_by: str


@dataclass(frozen=True, eq=False)
class RegionComparison:
    """One region of the delivered dose, with the predicted dose in the same voxels.

    Parameters
    ----------
    pair : RegionPair
        The region in both calculations.
    mask : Mask
        What is compared: the delivered region, as far as the prediction reaches.
    contour_dice : float
        Overlap of the region's two contours on the delivered grid, 0 to 1.
    predicted, delivered : RegionMetrics
        Metrics of both doses in ``mask``; the predicted one normalised.
    predicted_dvh, delivered_dvh : DoseVolumeHistogram
        Their histograms.
    raw_predicted_mean_gy : float
        Predicted mean before normalisation [Gy].
    stated_predicted_mean_gy, stated_delivered_mean_gy : float or None
        Mass-weighted means that the calculations themselves state, in their own contours and before any
        normalisation [Gy]; None where unknown.
    voxels : VoxelAgreement or None
        Voxel by voxel; None where fewer than two voxels are at least half occupied.
    """

    pair: RegionPair
    mask: Mask
    contour_dice: float
    predicted: RegionMetrics
    delivered: RegionMetrics
    predicted_dvh: DoseVolumeHistogram
    delivered_dvh: DoseVolumeHistogram
    raw_predicted_mean_gy: float
    stated_predicted_mean_gy: float | None
    stated_delivered_mean_gy: float | None
    voxels: VoxelAgreement | None

    @property
    def name(self) -> str:
        """Name of the region in the delivered calculation."""
        return self.pair.delivered.name

    @property
    def role(self) -> Role:
        """What the region means."""
        return self.pair.delivered.role

    @property
    def difference(self) -> dict[str, Any]:
        """Delivered minus predicted, by the names of the metrics [Gy; percentage points for V_d]."""
        one, other = _doses(self.predicted), _doses(self.delivered)
        volumes = {key: other["v_percent"][key] - one["v_percent"][key] for key in one["v_percent"]}
        doses = {key: other[key] - one[key] for key in one if key != "v_percent"}
        return {**doses, "v_percent": volumes}

    @property
    def difference_percent(self) -> dict[str, float | None]:
        """The same in percent of the predicted dose; None where nothing was predicted."""
        one, change = _doses(self.predicted), self.difference
        return {
            key: 100.0 * change[key] / one[key] if one[key] > 0 else None for key in one if key != "v_percent"
        }

    @cached_property
    def histograms(self) -> DvhDifference:
        """Area between the histograms and their overlap."""
        percents = tuple(float(percent) for percent in D_PERCENT)
        return dvh_difference(self.predicted_dvh, self.delivered_dvh, percents, tuple(float(d) for d in V_GY))

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``compare.json``."""
        return {
            "name": self.name,
            "role": self.role.value,
            "predicted_name": self.pair.predicted.name,
            "matched_by": self.pair.matched_by,
            "volume_ml": self.mask.volume_ml,
            "contour_dice": self.contour_dice,
            "predicted": {
                **_doses(self.predicted),
                "raw_mean_gy": self.raw_predicted_mean_gy,
                "stated_mass_weighted_mean_gy": self.stated_predicted_mean_gy,
            },
            "delivered": {
                **_doses(self.delivered),
                "stated_mass_weighted_mean_gy": self.stated_delivered_mean_gy,
            },
            "difference": self.difference,
            "difference_percent": self.difference_percent,
            "dvh": {"area_gy": self.histograms.area_gy, "overlap": self.histograms.overlap},
            "voxels": None if self.voxels is None else self.voxels.as_dict(),
        }


def pair_regions(
    predicted: Sequence[Region], delivered: Sequence[Region]
) -> tuple[tuple[RegionPair, ...], tuple[Notice, ...]]:
    """Return the regions that both calculations have, in the order of the delivered one, and what was left over.

    Regions match by name and role; what is left over matches by role where each calculation has one region of it. A
    calculation without any region takes those of the other.

    Parameters
    ----------
    predicted, delivered : sequence of Region
        Each on the grid of its calculation.
    """
    if not predicted or not delivered:
        only = tuple(predicted or delivered)
        pairs = tuple(RegionPair(region, region, "name") for region in only)
        which = "delivered" if delivered else "predicted"
        notice = Notice(
            "regions-of-one-side", f"only the {which} dose has regions; both doses are read in those."
        )
        return pairs, (notice,) if pairs else ()
    pair_at: dict[int, RegionPair] = {}
    free = list(predicted)
    for place, region in enumerate(delivered):
        same = [p for p in free if p.role is region.role and _same_name(p.name, region.name)]
        if same:
            pair_at[place] = RegionPair(same[0], region, "name")
            free.remove(same[0])
    left = [place for place in range(len(delivered)) if place not in pair_at]
    notices: list[Notice] = []
    for place in left:
        region = delivered[place]
        here = [p for p in left if delivered[p].role is region.role]
        there = [p for p in free if p.role is region.role]
        if len(here) == len(there) == 1 and region.role not in SEVERAL_OF_A_KIND:
            pair_at[place] = RegionPair(there[0], region, "role")
            free.remove(there[0])
            message = (
                f"{there[0].name!r} (predicted) and {region.name!r} (delivered) are taken as one: each is the only "
                f"{region.role.value} left."
            )
            notices.append(Notice("region-matched-by-role", message))
    alone = [delivered[place].name for place in left if place not in pair_at]
    for names, has, lacks in (
        (alone, "delivered", "predicted"),
        ([p.name for p in free], "predicted", "delivered"),
    ):
        if names:
            message = (
                f"only the {has} dose has the regions {', '.join(names)}; the {lacks} one has nothing of that name and "
                "role. They are not compared."
            )
            notices.append(Notice("region-unmatched", message))
    return tuple(pair_at[place] for place in sorted(pair_at)), tuple(notices)


def overlap(one: Mask, other: Mask) -> float:
    """Return the Dice coefficient of two occupancies, 2 Σ min / (Σ + Σ), on the grid of ``one``."""
    moved = other if other.grid.is_same_as(one.grid) else resample(other, one.grid)
    both = one.total + moved.total
    shared = float(np.minimum(one.array, moved.array).sum(dtype=np.float64))
    return 2.0 * shared / both if both else 0.0


def contour_notices(pair: RegionPair, dice: float) -> list[Notice]:
    """Return what is said where the two contours of a region differ much."""
    if dice >= CONTOUR_DICE_WARNING:
        return []
    message = (
        f"the contours of {pair.delivered.name!r} overlap by {dice:.2f} (Dice); both doses are read in the delivered "
        "contour. Check the alignment of the two images."
    )
    return [Notice("contours-differ", message)]


def compared_mask(name: str, whole: Mask, covered: NDArray[np.bool_]) -> tuple[Mask, list[Notice]]:
    """Return the part of a region that the prediction reaches, and say when that is not all of it."""
    mask = whole.with_array(np.where(covered, whole.array, np.zeros((), whole.array.dtype)))
    share = mask.total / whole.total if whole.total else 0.0
    if share > REACHED:
        return mask, []
    then = "only that part is compared" if share > 0 else "it is not compared"
    message = f"the predicted dose map reaches {100 * share:.1f} % of {name!r}; {then}."
    return mask, [Notice("prediction-does-not-reach", message)]


def _same_name(one: str, other: str) -> bool:
    return normalised_name(one) == normalised_name(other)


def _doses(metrics: RegionMetrics) -> dict[str, Any]:
    """The dose metrics of a region, without what is the same for both doses."""
    return region_entry(metrics, compared=True)
