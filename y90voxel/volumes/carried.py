"""A dose of one anatomy on the grid of another: two rules for two questions, and what each keeps.

*Material point*: the dose that the tissue now at a point received where it lay then (weeks apart, tissue moved as a whole).
*Energy over mass*: what voxels give is gathered where they come to lie, energy and mass apart (breathing and positioning
while the dose is given), so that energy is kept (Siebers and Zhong 2008, Med Phys 35:4096, doi 10.1118/1.2968215).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import Transform, sampled
from y90voxel.volumes.volume import DensityMap, DoseMap

__all__ = ["energy_over_mass", "pulled_back"]

# Points along each edge of a voxel from which its energy is handed on: 3 puts them a third of a voxel apart.
_SAMPLES = 3
# Voxels that are handed on at a time: their places take 24 bytes each, several times.
_MOST_VOXELS = 1_000_000


def pulled_back(dose: DoseMap, grid: Grid, pull: Transform) -> tuple[DoseMap, NDArray[np.bool_]]:
    """Return the dose of the material points of a grid, and the voxels for which there is one.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose where the tissue lay [Gy].
    grid : Grid
        Where it lies now.
    pull : Transform
        From points of the grid's frame to points of the dose's.
    """
    moved = sampled(dose.array, dose.grid, grid, pull, fill=np.nan)
    reached = np.isfinite(moved)
    return DoseMap(np.where(reached, moved, 0.0), grid), reached


def energy_over_mass(
    dose: DoseMap, grid: Grid, push: Transform, density: DensityMap | None = None
) -> tuple[DoseMap, NDArray[np.float64]]:
    """Return Σ energy / Σ mass of what comes to lie in each voxel [Gy], and that mass [g].

    Where the grid covers all that is handed on, Σ dose × mass is that of the dose that was given, to rounding.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose where the tissue lay [Gy].
    grid : Grid
        Where it comes to lie.
    push : Transform
        From points of the dose's frame to points of the grid's.
    density : DensityMap or None
        Mass density [g/mL] on the grid of the dose; None takes 1 g/mL everywhere.

    Raises
    ------
    GridMismatchError
        If the density lies on another grid than the dose.
    InputError
        If nothing comes to lie within the grid.
    """
    if density is not None:
        density.check_on(dose.grid, "density")
    energy, mass = np.zeros(grid.shape), np.zeros(grid.shape)
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    share = dose.grid.voxel_volume_ml / len(offsets)
    rows = max(1, _MOST_VOXELS // dose.array[0].size)
    for first in range(0, len(dose.array), rows):
        slab = slice(first, first + rows)
        doses = dose.array[slab].ravel()
        index = np.moveaxis(np.indices(dose.array[slab].shape), 0, -1).reshape(-1, 3)
        index[:, 0] += first
        grams = share * (
            np.ones(doses.size) if density is None else np.asarray(density.array[slab], float).ravel()
        )
        for offset in offsets:
            places = grid.lps_to_index(push.points(dose.grid.index_to_lps(index + offset)))
            _hand_out(places, (grams, grams * doses), (mass, energy))
    if not mass.any():
        raise InputError(
            f"nothing of the dose on {dose.grid} comes to lie within {grid}: check the registration."
        )
    return DoseMap(np.divide(energy, mass, out=np.zeros(grid.shape), where=mass > 0), grid), mass


def _hand_out(
    places: NDArray[np.floating],
    values: tuple[NDArray[np.floating], ...],
    outs: tuple[NDArray[np.float64], ...],
) -> None:
    """Add values to the eight voxels around each place, in the shares of linear interpolation."""
    low = np.floor(places)
    part = places - low
    shape = outs[0].shape
    for corner in np.ndindex(2, 2, 2):
        at = low + corner
        inside = ((at >= 0) & (at < shape)).all(axis=1)  # False too where the place is not defined
        weight = np.where(corner, part[inside], 1.0 - part[inside]).prod(axis=1)
        flat = np.ravel_multi_index(at[inside].astype(int).T, shape)
        for value, out in zip(values, outs, strict=True):
            out += np.bincount(flat, weight * value[inside], out.size).reshape(shape)
