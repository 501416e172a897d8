"""The histograms of a result, and which dose they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.regions import Region, Regions
from y90voxel.short_repr import short_repr
from y90voxel.volumes.volume import DensityMap, DoseMap

__all__ = ["RegionHistograms"]


@dataclass(frozen=True, eq=False)
class RegionHistograms(Mapping[str, DoseVolumeHistogram]):
    """Histograms by region name.

    Parameters
    ----------
    dose : DoseMap
        What they are of.
    density : DensityMap
        What their masses are of.
    regions : Regions
        Where they are of.
    by_name : mapping of str to DoseVolumeHistogram
        The histograms of these regions in that dose.
    """

    dose: DoseMap
    density: DensityMap
    regions: Regions
    by_name: Mapping[str, DoseVolumeHistogram] = field(repr=False)

    __repr__ = short_repr

    def __getitem__(self, name: str) -> DoseVolumeHistogram:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def of(self, dose: DoseMap, density: DensityMap, region: Region) -> DoseVolumeHistogram | None:
        """Return the histogram of a region in a dose, None where those at hand are of another dose, density or mask."""
        if dose is not self.dose or density is not self.density or region.name not in self.by_name:
            return None
        return self.by_name[region.name] if self.regions[region.name].mask is region.mask else None
