"""What maps and viewer of a comparison have in common: where they look, and the ends of their colour scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.voxel_comparison import VoxelComparison
from y90voxel.report.scene import SMALLEST
from y90voxel.volumes.volume import Index, Volume

__all__ = ["ShownDoses", "shown_doses"]

REACH_PERCENTILE = 99.5  # [%]: single voxels do not set the colours of all others
LEAST_REACH = 0.01  # of the top: equal doses still have a scale


@dataclass(frozen=True, eq=False)
class ShownDoses:
    """Where maps and viewer of a comparison look, and the ends of their scales.

    Parameters
    ----------
    inside : ndarray of bool
        Where voxels are compared; everywhere where none are.
    hottest, differing, centre : tuple of int, (3,)
        Voxels of the greatest delivered dose, of the greatest difference, and in the middle.
    top_gy, reach_gy : float
        Ends of the colour scales of dose and difference [Gy]: the greatest dose compared, and the 99.5th percentile of
        differences.
    difference : Volume
        Delivered minus predicted [Gy]; 0 where the prediction does not reach.
    """

    inside: NDArray[np.bool_]
    hottest: Index
    differing: Index
    centre: Index
    top_gy: float
    reach_gy: float
    difference: Volume


def shown_doses(voxels: VoxelComparison) -> ShownDoses:
    """Return what maps and viewer of a comparison have in common."""
    grid, inside = voxels.delivered_dose.grid, voxels.volume.array >= 0.5
    if not inside.any():
        inside = np.ones(grid.shape, bool)
    both = [dose.array.astype(np.float64) for dose in (voxels.predicted_dose, voxels.delivered_dose)]
    top = max(*(float(array[inside].max()) for array in both), SMALLEST)
    difference = np.where(voxels.covered.array >= 0.5, both[1] - both[0], 0.0)
    reach = max(float(np.percentile(np.abs(difference[inside]), REACH_PERCENTILE)), LEAST_REACH * top)
    return ShownDoses(
        inside,
        voxels.delivered_dose.greatest_at(inside),
        Volume(np.abs(difference), grid).greatest_at(inside),
        Volume(inside.astype(np.float32), grid).centre_at(),
        top,
        reach,
        Volume(difference, grid),
    )
