"""What every dose engine promises."""

from __future__ import annotations

from typing import ClassVar, Protocol

from y90voxel.volumes.volume import DensityMap, DoseMap, TimeIntegratedActivityMap

__all__ = ["DoseEngine"]


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
