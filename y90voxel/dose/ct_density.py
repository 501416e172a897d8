"""CT numbers to mass density on the dose grid, without a density map of the CT's own size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from y90voxel.reference.tissue import DensityCalibration
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import mean_of_table, resample
from y90voxel.volumes.volume import CtImage, DensityMap, Mask, Volume

__all__ = ["averaged_density"]

# Slices converted at a time: small enough for the allocator to hand the same memory out again.
SLAB = 16


def averaged_density(
    ct: CtImage, grid: Grid, calibration: DensityCalibration, seen: Mask, fill_g_per_ml: float
) -> NDArray[np.floating]:
    """Return the mean density [g/mL] of each voxel of ``grid``, in an array of its own; the mass of the CT is kept.

    Density is averaged, not CT numbers: their relation is not linear.

    Parameters
    ----------
    ct : CtImage
        On its own grid.
    grid : Grid
        The dose grid.
    calibration : DensityCalibration
        CT numbers to density.
    seen : Mask
        The share of each voxel that the CT covers, as `coverage` returns it.
    fill_g_per_ml : float
        Density of what the CT does not see.
    """
    if not _is_coarser(grid, ct.grid):
        native = DensityMap(calibration.density(ct.array), ct.grid)
        return np.array(resample(native, grid, fill=fill_g_per_ml).array)
    total = None if ct.array.dtype != np.int16 else mean_of_table(ct, calibration.table(), grid)
    if total is None:
        total = _by_slabs(ct, grid, calibration)
    return total + (1.0 - seen.array) * np.float32(fill_g_per_ml)


def _by_slabs(ct: CtImage, grid: Grid, calibration: DensityCalibration) -> NDArray[np.float32]:
    """Return the mean density where the CT reaches, 0 elsewhere, of any numbers; box means of slabs add up."""
    total = np.zeros(grid.shape, dtype=np.float32)
    _, rows, columns = ct.grid.shape
    for first in range(0, ct.grid.shape[0], SLAB):
        slab = calibration.density(ct.array[first : first + SLAB])
        part = Volume(slab, ct.grid.crop((first, 0, 0), (len(slab), rows, columns)))
        total += resample(part, grid, fill=0.0).array
    return total


def _is_coarser(grid: Grid, source: Grid) -> bool:
    """Whether every voxel of the grid is at least as large as the source's, along parallel axes."""
    return grid.is_aligned_with(source) and min(grid.spacing_mm) >= max(source.spacing_mm)
