"""What every dose engine promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

from y90voxel.errors import Notice
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["DoseEngine", "SimulatedDose", "SimulatingEngine"]


class DoseEngine(Protocol):
    """Time-integrated activity to absorbed dose: frozen settings and one method."""

    name: ClassVar[str]

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy] on the grid of the activity.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel].
        density : DensityMap or None
            Mass density [g/mL] on the same grid; None means the engine's own medium.
        """
        ...


class SimulatedDose(Protocol):
    """What a simulation gives: the dose, how well each region's mean is known, and what has to be said."""

    @property
    def dose(self) -> DoseMap:
        """Absorbed dose with the relative uncertainty of each voxel."""

    @property
    def region_uncertainty(self) -> Mapping[str, float]:
        """Relative standard uncertainty of the mean dose by region name."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the user must know."""


@runtime_checkable
class SimulatingEngine(Protocol):
    """An engine with statistical uncertainty."""

    def simulate(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None = None,
        regions: Mapping[str, Mask] | None = None,
    ) -> SimulatedDose:
        """Return dose, uncertainties of the means of ``regions``, and notices."""
