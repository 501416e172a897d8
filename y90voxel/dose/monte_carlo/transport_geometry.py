"""Where particles move: voxels of the dose grid with a margin around them, or shells around a point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo._transport_loops import Geometry
from y90voxel.reference.materials import MATERIALS_BY_DENSITY, material_by_density
from y90voxel.volumes.grid import Grid

__all__ = ["MARGIN_MM", "inner", "shell_geometry", "voxel_geometry"]

# Around the grid its outermost voxels go on for this far: particles that would scatter back do so.
MARGIN_MM = 100.0


def voxel_geometry(
    grid: Grid, density_g_per_ml: NDArray[np.floating] | None
) -> tuple[Geometry, tuple[str, ...]]:
    """Return the voxels of a grid inside a margin, and the names of the materials that they are of.

    Parameters
    ----------
    grid : Grid
        The dose grid.
    density_g_per_ml : ndarray, (slices, rows, columns), or None
        Mass density; None is water everywhere.
    """
    faces = np.zeros((3, max(grid.shape) + 3))
    for axis, (count, spacing) in enumerate(zip(grid.shape, grid.spacing_mm, strict=True)):
        inside = np.arange(count + 1) * spacing
        faces[axis, : count + 3] = np.concatenate([[-MARGIN_MM], inside, [inside[-1] + MARGIN_MM]])
    if density_g_per_ml is None:
        padded = tuple(n + 2 for n in grid.shape)
        return Geometry(0, faces, np.ones(padded, np.float32), np.zeros(padded, np.uint8), 0.0), ("water",)
    density = np.pad(np.asarray(density_g_per_ml, dtype=np.float32), 1, mode="edge")
    index = material_by_density(density)
    present = np.unique(index)
    compact = np.zeros(len(MATERIALS_BY_DENSITY), np.uint8)
    compact[present] = np.arange(present.size)
    names = tuple(MATERIALS_BY_DENSITY[i][1] for i in present)
    return Geometry(0, faces, density, compact[index], 0.0), names


def inner(padded: NDArray[Any]) -> NDArray[Any]:
    """Return the part of a padded array that is the grid, without its margin."""
    return padded[1:-1, 1:-1, 1:-1]


def shell_geometry(radii_mm: NDArray[np.float64], density_g_per_ml: float) -> Geometry:
    """Return spherical shells in an infinite medium; photons are given up at 150 g/cm².

    Parameters
    ----------
    radii_mm : ndarray, (n + 1,)
        Radii of the shells, the first one 0 [mm]; beyond the last there is one more shell.
    density_g_per_ml : float
        Mass density of the medium [g/mL].
    """
    density = np.full((1, 1, 1), density_g_per_ml, np.float32)
    radii = np.ascontiguousarray(radii_mm, dtype=np.float64)[None, :]
    return Geometry(1, radii, density, np.zeros((1, 1, 1), np.uint8), 1500.0 / density_g_per_ml)
