"""Plain twin of the gamma search: every position on a fine grid, no pruning, interpolation by scipy."""

import numpy as np
from scipy.ndimage import map_coordinates


def gamma_at(voxel, reference, evaluated, spacing_mm, tolerance_gy, distance_mm, parts, greatest):
    """Gamma of one voxel over all positions on a grid of voxels cut in ``parts`` along each axis."""
    fine = np.stack(
        np.meshgrid(
            *(np.arange((n - 1) * p + 1) / p for n, p in zip(evaluated.shape, parts, strict=True)),
            indexing="ij",
        )
    )
    doses = map_coordinates(evaluated, fine, order=1)
    step = (fine - np.array(voxel).reshape(3, 1, 1, 1)) * np.array(spacing_mm).reshape(3, 1, 1, 1)
    squares = (step**2).sum(axis=0) / distance_mm**2 + ((doses - reference[voxel]) / tolerance_gy) ** 2
    return min(float(np.sqrt(squares.min())), greatest)
