"""The union of regions from their shapes as drawn, where occupancies alone cannot tell it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from y90voxel.errors import RegionError
from y90voxel.regions.rasterise import rasterise_union
from y90voxel.regions.region import Contours
from y90voxel.regions.regions import union
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

__all__ = ["on_one_lattice", "union_of_shapes"]

# Two grids are parts of one lattice when their voxels coincide within this [voxels].
SAME_LATTICE = 1e-3


def union_of_shapes(shapes: Sequence[Contours | Mask], placed: Sequence[Mask], grid: Grid) -> Mask:
    """Return the occupancy of several regions together, what they share counted once.

    Two regions that fill half of a voxel each may together fill half of it or all. Their shapes decide: contours
    are rasterised together, masks on one lattice are joined there. Between contours and masks, and between masks
    on different lattices, it is the rule of `y90voxel.regions.regions.union`. A voxel is never less full than
    by the fullest of them, nor fuller than by all of them side by side.

    Parameters
    ----------
    shapes : sequence of Contours or Mask
        The regions as drawn, at least one.
    placed : sequence of Mask
        Each of them on the grid.
    grid : Grid
        The dose grid.
    """
    lower = np.array(placed[0].array, dtype=np.result_type(np.float32, *(mask.array for mask in placed)))
    upper = lower.copy()
    for mask in placed[1:]:
        upper[mask.box] += mask.array[mask.box]
        np.maximum(lower[mask.box], mask.array[mask.box], out=lower[mask.box])
    np.clip(upper, lower, 1.0, out=upper)
    if np.array_equal(upper, lower):
        return Mask(upper, grid)  # no voxel is shared, but for those that one region fills
    contours: list[tuple[Contours, Mask]] = []
    lattices: list[list[tuple[Mask, Mask]]] = []
    for shape, mask in zip(shapes, placed, strict=True):
        if isinstance(shape, Contours):
            contours.append((shape, mask))
            continue
        same = next((one for one in lattices if on_one_lattice(one[0][0].grid, shape.grid)), None)
        if same is None:
            lattices.append([(shape, mask)])
        else:
            same.append((shape, mask))
    parts = [_joined_contours(contours, grid)] if contours else []
    parts += [_joined_masks(group, grid) for group in lattices]
    return Mask(np.clip(union(parts, same_kind=True).array, lower, upper), grid)


def _joined_contours(pairs: Sequence[tuple[Contours, Mask]], grid: Grid) -> Mask:
    """Contours rasterised together; those that were drawn on planes in different directions, as occupancies."""
    if len(pairs) == 1:
        return pairs[0][1]
    try:
        return rasterise_union([contours for contours, _ in pairs], grid)
    except RegionError:
        return union([mask for _, mask in pairs], same_kind=True)


def _joined_masks(pairs: Sequence[tuple[Mask, Mask]], grid: Grid) -> Mask:
    """Masks of one lattice joined on it, then brought to the grid."""
    if len(pairs) == 1:
        return pairs[0][1]
    lattice = pairs[0][0].grid
    starts = [np.round(lattice.lps_to_index(shape.grid.origin_mm)).astype(int) for shape, _ in pairs]
    stops = [start + shape.grid.shape for start, (shape, _) in zip(starts, pairs, strict=True)]
    low, high = np.min(starts, axis=0), np.max(stops, axis=0)
    common = lattice.crop(low.tolist(), (high - low).tolist())  # may reach beyond the grid
    padded = []
    for start, (shape, _) in zip(starts - low, pairs, strict=True):
        array = np.zeros(common.shape, np.float32)
        array[tuple(slice(a, a + n) for a, n in zip(start, shape.grid.shape, strict=True))] = shape.array
        padded.append(Mask(array, common))
    joined = union(padded, same_kind=True)
    return Mask(joined.array, grid) if common.is_same_as(grid) else resample(joined, grid)


def on_one_lattice(one: Grid, other: Grid) -> bool:
    """Whether two grids are parts of one lattice: same axes and spacing, a whole number of voxels apart."""
    offset = one.lps_to_index(other.origin_mm)
    parallel = np.abs((one.affine - other.affine)[:3, :3]).max() * max(other.shape) < SAME_LATTICE * min(
        one.spacing_mm
    )
    return bool(parallel and np.abs(offset - np.round(offset)).max() < SAME_LATTICE)
