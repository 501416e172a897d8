"""Doses of what each of several injections reached, where one scan follows them: territory by territory, as far as drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.quantification.arteries import ArteryShare
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

__all__ = ["TerritoryDoses", "TerritoryPart", "artery_summary", "territory_doses"]

# A region of which less lies in a territory is drawn over its edge, not fed by it.
LEAST_SHARE_IN_TERRITORY = 0.01
DIVIDED = (Role.TUMOUR, Role.NON_TUMOUR_LIVER)


@dataclass(frozen=True)
class TerritoryPart:
    """The part of a region that lies in a territory; all of it for the territory itself.

    Parameters
    ----------
    region, role : str
        Of the whole region.
    volume_ml : float
        Of the part [mL].
    mean_gy, mass_weighted_mean_gy : float
        Of the part [Gy].
    """

    region: str
    role: str
    volume_ml: float
    mean_gy: float
    mass_weighted_mean_gy: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class TerritoryDoses:
    """One injection and the doses of what it reached.

    Parameters
    ----------
    share : ArteryShare
        What it brought.
    parts : tuple of TerritoryPart
        The territory, then tumours and normal liver in it; empty without a territory.
    """

    share: ArteryShare
    parts: tuple[TerritoryPart, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {**self.share.as_dict(), "doses": [part.as_dict() for part in self.parts]}


def territory_doses(
    shares: Sequence[ArteryShare],
    regions: Regions,
    dose: DoseMap,
    density: DensityMap,
    own: Mapping[str, OwnDensity],
) -> tuple[TerritoryDoses, ...]:
    """Return the doses of every injection's territory, and of tumours and normal liver in it.

    Parameters
    ----------
    shares : sequence of ArteryShare
        Of every injection.
    regions : Regions
        On the dose grid.
    dose : DoseMap
        Absorbed dose [Gy].
    density : DensityMap
        [g/mL].
    own : mapping of str to OwnDensity
        Densities of regions' own tissue, by name.

    Raises
    ------
    RegionError
        If there is no region of the name of a territory.
    """
    territories = []
    for share in shares:
        if share.territory is None:
            territories.append(TerritoryDoses(share))
            continue
        territory = regions[share.territory]
        parts = [_part(territory, territory.mask, dose, density, own)]
        for region in regions:
            if region.role in DIVIDED and region.name != territory.name:
                parts.append(_part(region, _common(region, territory, regions), dose, density, own))
        territories.append(TerritoryDoses(share, tuple(part for part in parts if part is not None)))
    return tuple(territories)


def _common(region: Region, territory: Region, regions: Regions) -> Mask:
    """What a region and a territory share; of normal liver, what liver and territory share without the tumours in both."""
    both = np.minimum(region.mask.array, territory.mask.array)
    liver, tumours = regions.mask_of(Role.LIVER), regions.mask_of(Role.TUMOUR)
    if region.role is Role.NON_TUMOUR_LIVER and liver is not None and tumours is not None:
        hepatic = np.minimum(liver.array, territory.mask.array)
        both = np.clip(hepatic - np.minimum(tumours.array, territory.mask.array), 0.0, both)
    return region.mask.with_array(both)


def _part(
    region: Region,
    mask: Mask,
    dose: DoseMap,
    density: DensityMap,
    own: Mapping[str, OwnDensity],
) -> TerritoryPart | None:
    """The part of a region in a territory; None where next to nothing lies in it."""
    if mask.total < LEAST_SHARE_IN_TERRITORY * region.mask.total or not mask.total > 0:
        return None
    dvh = DoseVolumeHistogram.from_dose(dose, mask, own.get(region.name, density))
    return TerritoryPart(
        region.name, region.role.value, mask.volume_ml, dvh.mean_gy, dvh.mass_weighted_mean_gy
    )


def artery_summary(territories: Sequence[TerritoryDoses]) -> dict[str, Any] | None:
    """Return the entry of ``metrics.json``: activity at the reference time and every injection; None without several.

    Parameters
    ----------
    territories : sequence of TerritoryDoses
        Of every injection.
    """
    if not territories:
        return None
    shares = [one.share for one in territories]
    last = next((share.time for share in shares if share.hours_before_reference == 0.0), None)
    return {
        "reference": "the last injection",
        "reference_time": None if last is None else last.isoformat(),
        "activity_at_reference_bq": sum(share.activity_at_reference_bq for share in shares),
        "injections": [one.as_dict() for one in territories],
    }
