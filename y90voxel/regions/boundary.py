"""Regions whose boundary lies elsewhere: moved as a whole, or drawn a little larger or smaller.

Every voxel near a region gets its distance from the surface, which is found to a fraction of a voxel from the
occupancies. Moved and pushed, the occupancy of a voxel is read off its new distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import RegionError
from y90voxel.regions import _boundary_loops as loops
from y90voxel.regions.regions import Region
from y90voxel.volumes.box import Box, is_empty, widened_box
from y90voxel.volumes.volume import Mask

__all__ = ["MovableRegion"]

# The surface is looked for on a finer grid of up to this many voxels, and up to this many parts per axis.
FINE_VOXELS, MOST_PARTS = 2_000_000, 3
# A voxel is crossed by the surface when its occupancy differs from 0 and 1 by more than rounding.
EMPTY = 1e-3
# Offsets at which the volume of a region is known beforehand.
OFFSETS = 41


@dataclass(frozen=True, eq=False)
class MovableRegion:
    """A region with the distance of every voxel near it from its surface.

    Parameters
    ----------
    region : Region
        As drawn.
    box : tuple of slice, (3,)
        The part of the grid that it can reach.
    distance_mm : ndarray, (box shape)
        Distance from the surface, positive inside [mm].
    offsets_mm, volumes_voxels : ndarray, (offsets,)
        Volume of the region when its surface is pushed out by each offset [mm], in voxels.
    """

    region: Region
    box: Box
    distance_mm: NDArray[np.float32]
    offsets_mm: NDArray[np.float64]
    volumes_voxels: NDArray[np.float64]

    @classmethod
    def of(cls, region: Region, reach_mm: float, *, exact: bool = True) -> MovableRegion:
        """Return the region ready to be moved and pushed by up to ``reach_mm`` together [mm].

        ``exact`` says that an occupancy is the share of its voxel, and no mean over voxels of another grid.

        Raises
        ------
        RegionError
            If the region is empty.
        """
        mask = region.mask
        if is_empty(mask.box):
            raise RegionError(
                f"the region {region.name!r} is empty on its grid: there is no surface to move."
            )
        spacing = np.array(mask.grid.spacing_mm)
        box = widened_box(mask.box, mask.grid, reach_mm, voxels=2)
        occupancy = np.asarray(mask.array[box], np.float64)
        distance = _distance_mm(occupancy, spacing, reach_mm + float(spacing.max()), exact).astype(np.float32)
        offsets = np.linspace(-reach_mm, reach_mm, OFFSETS)
        width = _width_mm(spacing)
        volumes = [np.clip(distance / width + (offset / width + 0.5), 0.0, 1.0).sum() for offset in offsets]
        return cls(region, box, distance, offsets, np.array(volumes, np.float64))

    def moved(
        self, shift_mm: Sequence[float] | NDArray[np.float64] = (0.0, 0.0, 0.0), offset_mm: float = 0.0
    ) -> Region:
        """Return the region moved, and its surface pushed outwards.

        Parameters
        ----------
        shift_mm : sequence of float, (3,)
            Along the array axes: slice, row, column [mm].
        offset_mm : float
            How far outwards; negative makes the region smaller [mm].
        """
        mask = self.region.mask
        spacing = np.array(mask.grid.spacing_mm)
        shift, width = np.asarray(shift_mm, np.float64) / spacing, _width_mm(spacing)
        inside = np.empty(self.distance_mm.shape, np.float32)
        loops.perturb(self.distance_mm, shift, offset_mm / width, width, inside)
        if shift.any():
            # Between voxels the distance to a curved surface is interpolated a little too small: the volume is put right.
            h = float(0.25 * width)
            below, wanted, above = np.interp(
                (offset_mm - h, offset_mm, offset_mm + h), self.offsets_mm, self.volumes_voxels
            )
            if above > below:
                missing_mm = float((wanted - inside.sum()) * 2.0 * h / (above - below))
                missing_mm = min(max(missing_mm, -h), h)
                loops.perturb(self.distance_mm, shift, (offset_mm + missing_mm) / width, width, inside)
        out = np.zeros(mask.grid.shape, np.float32)
        out[self.box] = inside
        return replace(self.region, mask=Mask(out, mask.grid))


def _width_mm(spacing_mm: NDArray[np.float64]) -> float:
    """Distance over which a voxel goes from empty to full [mm]."""
    return float(np.prod(spacing_mm) ** (1 / 3))


def _distance_mm(
    occupancy: NDArray[np.float64], spacing_mm: NDArray[np.float64], reach_mm: float, exact: bool
) -> NDArray[np.float64]:
    """Signed distance from the surface of a region, positive inside, known up to ``reach_mm`` [mm]."""
    # deferred: 0.3 s
    from scipy.spatial import cKDTree

    width = _width_mm(spacing_mm)
    surface = _surface_mm(occupancy, spacing_mm)
    centres = np.stack(np.meshgrid(*map(np.arange, occupancy.shape), indexing="ij"), axis=-1) * spacing_mm
    distance = np.full(occupancy.shape, reach_mm)
    if len(surface):
        away, _ = cKDTree(surface).query(centres.reshape(-1, 3), distance_upper_bound=reach_mm, workers=-1)
        distance = np.minimum(away, reach_mm).reshape(occupancy.shape)
    signed = np.where(occupancy >= 0.5, distance, -distance)
    # A voxel that the surface crosses tells itself where, better than points do; unless its occupancy is a mean over
    # several voxels, as after resampling: then only where both agree.
    by_occupancy = (occupancy - 0.5) * width
    partly = (occupancy > EMPTY) & (occupancy < 1.0 - EMPTY)
    crossed = partly & (exact | (np.abs(by_occupancy - signed) < width / 8.0))
    beyond = np.where(signed > 0.0, np.maximum(signed, 0.5 * width), np.minimum(signed, -0.5 * width))
    return np.where(crossed, by_occupancy, np.where(partly, signed, beyond))


def _surface_mm(occupancy: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the surface of a region [mm], (points, 3): where finer voxels pass the level that holds its volume."""
    # deferred: 0.2 s
    from scipy.ndimage import zoom

    parts = int(np.clip((FINE_VOXELS / occupancy.size) ** (1 / 3), 1, MOST_PARTS))
    # Beyond the image a region goes on as it ends there: what is cut off has no surface.
    fine = zoom(occupancy, parts, order=1, mode="nearest", grid_mode=True)
    count = int(np.clip(round(float(occupancy.sum()) * parts**3), 1, fine.size - 1))
    split = np.partition(fine.ravel(), (fine.size - count - 1, fine.size - count))
    level = 0.5 * (split[fine.size - count - 1] + split[fine.size - count])
    above = fine - max(float(level), 1e-6)
    points = []
    for axis in range(3):
        along = np.moveaxis(above, axis, 0)
        low, high = along[:-1], along[1:]
        crossed = np.nonzero((low >= 0.0) != (high >= 0.0))
        where = np.stack(crossed, axis=-1).astype(np.float64)
        where[:, 0] += low[crossed] / (low[crossed] - high[crossed])
        points.append(np.insert(where[:, 1:], axis, where[:, 0], axis=1))
    return ((np.concatenate(points) + 0.5) / parts - 0.5) * spacing_mm
