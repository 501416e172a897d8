"""Shapes of masks by distance in mm: grown, shrunk, closed, filled, and their connected pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.volumes.box import occupied_box, widened_box
from y90voxel.volumes.grid import Grid

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "boxes",
    "close",
    "dilate",
    "distance_from_mm",
    "erode",
    "filled_slices",
    "labelled",
    "within",
    "without_threads",
]

Bools = NDArray[np.bool_]


def within(mask: Bools, grid: Grid, distance_mm: float, work: Callable[[Bools, Grid, float], Bools]) -> Bools:
    """Do something to a mask in the box around it that the distance needs, which is faster."""
    if not mask.any():
        return mask
    box = widened_box(occupied_box(mask), grid, distance_mm, voxels=1)
    result = np.zeros_like(mask)
    result[box] = work(mask[box], grid, distance_mm)
    return result


def without_threads(mask: Bools, grid: Grid, distance_mm: float) -> Bools:
    """The mask without thin parts that stretch away from it, such as walls of airways."""
    return mask & dilate(erode(mask, grid, distance_mm), grid, 2.0 * distance_mm)


def close(mask: Bools, grid: Grid, distance_mm: float) -> Bools:
    """The mask with gaps narrower than twice the distance closed."""
    return erode(dilate(mask, grid, distance_mm), grid, distance_mm)


def dilate(mask: Bools, grid: Grid, distance_mm: float) -> Bools:
    """Everything within a distance of the mask."""
    return distance_from_mm(mask, grid) <= distance_mm


def erode(mask: Bools, grid: Grid, distance_mm: float) -> Bools:
    """What of the mask is further than a distance from all outside it; beyond the image counts as inside."""
    return mask & (distance_from_mm(~mask, grid) > distance_mm)


def distance_from_mm(mask: Bools, grid: Grid) -> NDArray[np.float32]:
    """Distance from the mask [mm], not above 0 within it."""
    # deferred: 0.1 s
    import SimpleITK

    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    distance = SimpleITK.SignedMaurerDistanceMap(
        _image(mask, grid), insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    return np.asarray(SimpleITK.GetArrayFromImage(distance))


def _image(mask: Bools, grid: Grid) -> SimpleITK.Image:
    """A SimpleITK image with the spacing of the grid; its place does not matter here."""
    # deferred: 0.1 s
    import SimpleITK

    image = SimpleITK.GetImageFromArray(
        mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8)
    )
    image.SetSpacing(grid.spacing_mm[::-1])
    return image


def labelled(mask: Bools, grid: Grid) -> tuple[NDArray[Any], int]:
    """Connected pieces, the largest labelled 1."""
    # deferred: 0.1 s
    import SimpleITK

    labels = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(_image(mask, grid)), minimumObjectSize=8)
    array = np.asarray(SimpleITK.GetArrayFromImage(labels))
    return array, int(array.max())


def boxes(labels: NDArray[Any], count: int) -> list[tuple[int, tuple[slice, slice, slice]]]:
    """Label and bounding box of each piece."""
    # deferred: 0.2 s
    from scipy import ndimage

    slices = ndimage.find_objects(labels, count)
    return [(n, box) for n, box in enumerate(slices, start=1) if box is not None]


def filled_slices(mask: Bools) -> Bools:
    """The mask with the holes of each axial slice filled."""
    # deferred: 0.2 s
    from scipy import ndimage

    in_plane = np.zeros((3, 3, 3), int)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    labels, count = ndimage.label(~mask, structure=in_plane)
    outside = np.zeros(count + 1, bool)
    for face in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        outside[np.unique(face)] = True
    outside[0] = False
    return np.asarray(~outside[labels])
