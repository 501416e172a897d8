"""The density of a region's own tissue in every voxel that it reaches, without its neighbours' share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.short_repr import short_repr
from y90voxel.volumes.box import Box, is_empty
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, Mask

__all__ = ["OwnDensity", "occupied_mass_g"]


@dataclass(frozen=True, eq=False)
class OwnDensity:
    """Density of one region's tissue by voxel.

    A voxel that lung shares with liver has one dose, one mean density, and two own densities.

    Parameters
    ----------
    grid : Grid
        The dose grid.
    box : Box
        The part of it that the region reaches.
    g_per_ml : ndarray or float, (shape of the box)
        Mass density of the region's own tissue [g/mL].
    """

    grid: Grid
    box: Box
    g_per_ml: NDArray[Any] | float

    __repr__ = short_repr

    def within(self, box: Box) -> NDArray[Any]:
        """Return the densities [g/mL] in a box that lies in that of the region."""
        shape = tuple(part.stop - part.start for part in box)
        if isinstance(self.g_per_ml, float):
            return np.broadcast_to(np.float64(self.g_per_ml), shape)
        moved = tuple(
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip(box, self.box, strict=True)
        )
        return np.asarray(self.g_per_ml[moved])


def occupied_mass_g(mask: Mask, density: OwnDensity | DensityMap) -> float:
    """Return Σ occupancy × density × voxel volume [g].

    Parameters
    ----------
    mask : Mask
        Occupancies.
    density : OwnDensity or DensityMap
        On the same grid; with a map, neighbours in shared voxels count with the region.
    """
    if is_empty(mask.box):
        return 0.0
    values = density.within(mask.box) if isinstance(density, OwnDensity) else density.array[mask.box]
    return float((mask.array[mask.box] * values).sum(dtype=np.float64)) * mask.grid.voxel_volume_ml
