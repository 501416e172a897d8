"""What voxels that an outline cuts do to the mean dose of a region: they count with the dose of the whole voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

__all__ = ["mixed_density_error", "outline_error"]


def outline_error(dose: DoseMap, mask: Mask, density: DensityMap | OwnDensity | None = None) -> float:
    """Return by how much of itself the mean dose of a region is off because voxels on its outline are counted whole.

    In a voxel of occupancy f, the centre of the region's part lies (1 − f) / 2 of a voxel from the middle, towards the inside;
    there the dose is taken on the slopes to the neighbouring voxels. Electrons smooth the dose within a voxel less than a
    straight slope does: of Y-90 in voxels of 4.4 mm, three quarters of this are found (``tests/case/test_grid_error.py``).

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy].
    mask : Mask
        Occupancies on the same grid.
    density : DensityMap or OwnDensity or None
        On the same grid, for the mean by mass; without it, the mean by volume.

    Returns
    -------
    float
        Mean as found over that with the region's parts in their place, less one; 0 where there is no dose.
    """
    box = mask.box
    around = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
    inner = tuple(
        slice(part.start - wider.start, part.stop - wider.start)
        for part, wider in zip(box, around, strict=True)
    )
    share = mask.array[around].astype(np.float64)
    weights = share[inner]
    if density is not None:
        own = density.within(box) if isinstance(density, OwnDensity) else density.array[box]
        weights = weights * own
    doses = dose.array[around].astype(np.float64)
    as_whole = float((weights * doses[inner]).sum())
    inwards = [_slope(share, axis) for axis in range(3)]
    length = np.sqrt(sum(part**2 for part in inwards))
    beyond = sum(part * _lesser_slope(doses, axis) for axis, part in enumerate(inwards))
    offset = np.divide(0.5 * (1.0 - share) * beyond, length, out=np.zeros_like(doses), where=length > 0)
    in_place = as_whole + float((weights * offset[inner]).sum())
    return as_whole / in_place - 1.0 if as_whole > 0 and in_place > 0 else 0.0


def mixed_density_error(dose: DoseMap, mask: Mask, density: DensityMap, own: OwnDensity) -> float:
    """Return by how much of itself a mean dose by volume is off at most because voxels that tissues share have one dose.

    Energy that stays where it is released gives the region's part of a voxel the dose of the voxel times its density over that of
    the part; energy from afar gives both the same. The first is the bound: of Y-90 in lungs on voxels of 4.4 mm, 0.43 of it is
    found, on finer ones less (``tests/case/test_grid_error.py``). The mean by mass is off by less.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy].
    mask : Mask
        Occupancies on the same grid.
    density : DensityMap
        Mean density of each voxel on the same grid [g/mL].
    own : OwnDensity
        That of the region's own tissue [g/mL].

    Returns
    -------
    float
        Mean as found over that with the region's parts at their bound, less one; 0 where there is no dose.
    """
    box = mask.box
    share, doses = (array[box].astype(np.float64) for array in (mask.array, dose.array))
    mixed, parts = density.array[box].astype(np.float64), own.within(box)
    ratio = np.divide(mixed, parts, out=np.ones_like(mixed), where=(share > 0) & (share < 1) & (parts > 0))
    found, bound = float((share * doses).sum()), float((share * doses * ratio).sum())
    return found / bound - 1.0 if found > 0 and bound > 0 else 0.0


def _slope(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Half the difference of both neighbours [1 per voxel]; none at the ends."""
    forward, backward = _steps(values, axis)
    return 0.5 * (forward + backward)


def _lesser_slope(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """The lesser of the steps to both neighbours, none where they point different ways [1 per voxel]."""
    forward, backward = _steps(values, axis)
    lesser = np.sign(forward) * np.minimum(np.abs(forward), np.abs(backward))
    return np.where(forward * backward > 0.0, lesser, 0.0)


def _steps(values: NDArray[Any], axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Differences to the next and from the previous voxel; 0 at the ends."""
    step, end = np.diff(values, axis=axis), np.zeros_like(np.take(values, [0], axis))
    return np.concatenate((step, end), axis), np.concatenate((end, step), axis)
