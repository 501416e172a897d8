"""Regions of both programs: volumes, and how much of a difference of means they account for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.comparison.region_pairs import pair_regions
from y90voxel.errors import Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.vendor_check.check_inputs import OwnCalculation, VendorDose
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap, Mask

__all__ = ["DoseOfRegion", "RegionCheck", "check_regions", "margin_mm"]

HALF = 0.5  # occupancy from which a voxel belongs to a region
# Part of a region that must lie in their map for its dose there to be given.
SEEN = 0.999
# Relative: volumes of contours on two grids agree to 0.1 %, small ones to 1 %; beyond it they are other regions.
SAME_VOLUME = 0.02
# [voxel layers]: contours that are written from a grid and read back shrink by up to 0.05 (sample, 4.4 mm: GTV2 3.4 %).
SAME_RIM = 0.1


@dataclass(frozen=True)
class DoseOfRegion:
    """Mean and D70 of a map in a region [Gy].

    Parameters
    ----------
    mean_gy, d70_gy : float
        By volume.
    """

    mean_gy: float
    d70_gy: float

    @classmethod
    def of(cls, dose: DoseMap, mask: Mask) -> DoseOfRegion:
        """Return the dose in a region that is not empty."""
        histogram = DoseVolumeHistogram.from_dose(dose, mask)
        return cls(histogram.mean_gy, histogram.dose_at_volume(70))

    def as_dict(self) -> dict[str, float]:
        """Return both for JSON."""
        return {"mean_gy": self.mean_gy, "d70_gy": self.d70_gy}


@dataclass(frozen=True, eq=False)
class RegionCheck:
    """One region by both programs.

    Parameters
    ----------
    name : str
        Ours.
    role : Role
        What it is.
    volume_ml : float
        Ours [mL].
    ours : DoseOfRegion
        Our dose in our region, on our grid.
    theirs : DoseOfRegion or None
        Their dose in our region, on their grid; None where their map does not reach all of it.
    explained : DoseOfRegion or None
        The variant that explains their map, in our region on their grid.
    their_name : str or None
        Of their region, where they gave one.
    their_volume_ml : float or None
        Of that [mL].
    their_own : DoseOfRegion or None
        Their dose in their region.
    dice : float or None
        Of both regions.
    margin_mm : float or None
        By which ours would have to grow to be as large as theirs [mm].
    rim_ml : float
        One layer of their voxels around ours [mL].
    """

    name: str
    role: Role
    volume_ml: float
    ours: DoseOfRegion
    theirs: DoseOfRegion | None
    explained: DoseOfRegion | None
    their_name: str | None = None
    their_volume_ml: float | None = None
    their_own: DoseOfRegion | None = None
    dice: float | None = None
    margin_mm: float | None = None
    rim_ml: float = 0.0

    @property
    def volume_ratio(self) -> float | None:
        """Theirs over ours."""
        return None if self.their_volume_ml is None else self.their_volume_ml / self.volume_ml

    @property
    def other_region(self) -> bool:
        """Whether their region is of another size by more than contours on two grids are."""
        if self.their_volume_ml is None:
            return False
        change = abs(self.their_volume_ml - self.volume_ml)
        return change > SAME_VOLUME * self.volume_ml and change > SAME_RIM * self.rim_ml

    def as_dict(self) -> dict[str, Any]:
        """Return the region for JSON."""
        doses = {
            "ours": self.ours,
            "theirs": self.theirs,
            "explained": self.explained,
            "theirs_in_their_region": self.their_own,
        }
        return {
            "name": self.name,
            "role": self.role.value,
            "volume_ml": self.volume_ml,
            "their_name": self.their_name,
            "their_volume_ml": self.their_volume_ml,
            "volume_ratio": self.volume_ratio,
            "dice": self.dice,
            "margin_mm": self.margin_mm,
            **{key: None if dose is None else dose.as_dict() for key, dose in doses.items()},
            "difference_percent": None
            if self.theirs is None or self.ours.mean_gy == 0
            else 100.0 * (self.theirs.mean_gy / self.ours.mean_gy - 1.0),
        }  # fmt: skip


def check_regions(
    own: OwnCalculation, vendor: VendorDose, explained: DoseMap
) -> tuple[tuple[RegionCheck, ...], tuple[Notice, ...]]:
    """Return every region of ours with what both programs say of it, and what could not be paired.

    Parameters
    ----------
    own, vendor : OwnCalculation and VendorDose
        Both sides, in one frame.
    explained : DoseMap
        The variant that explains their map, on a part of their grid.
    """
    pairs, _ = pair_regions(own.regions, vendor.regions)
    partner = {id(pair.predicted): pair.delivered for pair in pairs}
    checks = tuple(
        _check(region, own, vendor, explained, partner.get(id(region)))
        for region in own.regions
        if region.mask.total > 0
    )
    notices = []
    left = [r.name for r in vendor.regions if r.name not in {pair.delivered.name for pair in pairs}]
    if left:
        message = f"their regions {', '.join(left)} have no partner of that name and role among ours; they are not compared."
        notices.append(Notice("region-unmatched", message))
    beyond = [check.name for check in checks if check.theirs is None]
    if beyond:
        message = f"their map does not reach all of {', '.join(beyond)}: no dose of theirs is given there."
        notices.append(Notice("region-outside", message))
    return checks, tuple(notices)


def _check(
    region: Region, own: OwnCalculation, vendor: VendorDose, explained: DoseMap, other: Region | None
) -> RegionCheck:
    """One region."""
    grid = vendor.dose.grid
    there = resample(region.mask, grid)
    whole = there.volume_ml > SEEN * region.mask.volume_ml
    part = resample(region.mask, explained.grid)
    seen = whole and part.volume_ml > SEEN * region.mask.volume_ml
    plain = RegionCheck(
        name=region.name,
        role=region.role,
        volume_ml=region.mask.volume_ml,
        ours=DoseOfRegion.of(own.dose, region.mask),
        theirs=DoseOfRegion.of(vendor.dose, there) if whole else None,
        explained=DoseOfRegion.of(explained, part) if seen else None,
    )
    if other is None or other.mask.total == 0:
        return plain
    shared = float(np.minimum(there.array, other.mask.array).sum(dtype=np.float64))
    return RegionCheck(
        **{name: getattr(plain, name) for name in ("name", "role", "volume_ml", "ours", "theirs", "explained")},
        their_name=other.name,
        their_volume_ml=other.mask.volume_ml,
        their_own=DoseOfRegion.of(vendor.dose, other.mask),
        dice=2.0 * shared / (there.total + other.mask.total),
        margin_mm=margin_mm(there, other.mask) if whole else None,
        rim_ml=_rim_ml(there),
    )  # fmt: skip


def _rim_ml(mask: Mask) -> float:
    """One layer of voxels around a region [mL]."""
    # deferred: 0.2 s
    from scipy.ndimage import binary_dilation

    inside = mask.core
    return float(np.count_nonzero(binary_dilation(inside) & ~inside)) * mask.grid.voxel_volume_ml


def margin_mm(ours: Mask, theirs: Mask) -> float:
    """Return by how much ours would have to grow to be as large as theirs [mm]; below zero to shrink.

    Parameters
    ----------
    ours, theirs : Mask
        On one grid; distances are between voxel centres.
    """
    # deferred: 0.2 s
    from scipy.ndimage import distance_transform_edt

    inside = ours.core
    wanted = int(np.count_nonzero(theirs.core)) - int(np.count_nonzero(inside))
    outside = ~inside if wanted > 0 else inside
    if wanted == 0 or not outside.any():
        return 0.0
    distances = distance_transform_edt(outside, sampling=ours.grid.spacing_mm)[outside]
    layers, counts = np.unique(distances, return_counts=True)
    # a layer that is filled in part counts by its part
    margin = np.interp(abs(wanted), np.cumsum([0, *counts]), [0.0, *layers])
    return float(margin if wanted > 0 else -margin)
