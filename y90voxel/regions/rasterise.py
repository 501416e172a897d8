"""Turn drawn contours into the fraction of each voxel that they enclose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError
from y90voxel.regions.contour_planes import (
    PLANE_TOLERANCE_MM,
    ContourPlanes,
    closed_polygons,
    common_normal,
    contour_planes,
    merged_planes,
)
from y90voxel.regions.plane_coverage import (
    JoinedPlanes,
    cover_planes,
    covered_areas_mm2,
    extents,
    in_plane_axes,
)
from y90voxel.regions.region import Contours
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

__all__ = ["drawn_volume_ml", "fractions_enclosed", "rasterise", "rasterise_union"]

Floats = NDArray[np.floating[Any]]

# Oblique grids: fineness of the intermediate grid as a fraction of the finest spacing involved.
OBLIQUE_FINENESS = 0.25


def drawn_volume_ml(contours: Contours) -> float:
    """Return the volume that the contours enclose, wherever a grid ends [mL].

    Even-odd area of each plane times the thickness of its slab. A mask of the same contours that holds
    less lies partly outside its grid.

    Parameters
    ----------
    contours : Contours
        The region.

    Raises
    ------
    RegionError
        As in :func:`contour_planes`.
    """
    planes = contour_planes(contours)
    thickness = planes.slabs_mm[:, 1] - planes.slabs_mm[:, 0]
    areas = covered_areas_mm2(planes.polygons, planes.normal, planes.owners)
    return float((areas * thickness).sum()) / 1000.0


def rasterise(contours: Contours, grid: Grid) -> Mask:
    """Return the fraction of each voxel that the contours enclose.

    Within a plane a point is inside when it lies in an odd number of polygons (holes and keyholes). Area
    coverage in the plane and overlap with the slab of the plane (:func:`contour_planes`) are exact, so
    that occupancy adds up to polygon area times slab thickness on a grid of any fineness. Planes are told
    apart by position only. Where the planes are oblique to the grid, occupancy is built on a finer grid
    along the planes and resampled (volume good to 0.2 % from about 1 mL on).

    Parameters
    ----------
    contours : Contours
        Closed planar polygons in LPS.
    grid : Grid
        Where the mask lies; parts of the region outside it are cut off (compare
        :func:`drawn_volume_ml`).

    Returns
    -------
    Mask
        Occupancy, float32.

    Raises
    ------
    GeometryError
        If contours and grid belong to different frames of reference.
    RegionError
        As in :func:`contour_planes`.
    """
    return rasterise_union([contours], grid)


def rasterise_union(regions: Sequence[Contours], grid: Grid) -> Mask:
    """Return the fraction of each voxel that several regions enclose together, what they share counted once.

    As exact as :func:`rasterise` of one: the planes of all are cut into common slabs, and within each a point
    is inside when it lies in an odd number of polygons of any one region.

    Parameters
    ----------
    regions : sequence of Contours
        At least one; all in parallel planes.
    grid : Grid
        Where the mask lies.

    Raises
    ------
    GeometryError, RegionError
        As in :func:`rasterise`; also if the planes of two regions are not parallel.
    """
    return Mask(fractions_enclosed(regions, grid), grid)


def fractions_enclosed(regions: Sequence[Contours], grid: Grid) -> Floats:
    """Return the occupancy of :func:`rasterise_union` as an array that belongs to the caller, float32."""
    for contours in regions:
        _check_frame(contours, grid)
    polygons = [polygon for contours in regions for polygon in closed_polygons(contours)]
    axis = _stacking_axis(polygons, grid)
    normal = common_normal(polygons) if axis is None else grid.directions[:, axis]
    planes = merged_planes([contour_planes(contours, normal) for contours in regions])
    if axis is not None:
        return _occupancy(planes, grid, axis)
    return np.array(resample(_mask_along_planes(planes, grid), grid).array)


def _check_frame(contours: Contours, grid: Grid) -> None:
    """Refuse contours and a grid whose coordinates do not compare."""
    one, other = contours.frame_of_reference_uid, grid.frame_of_reference_uid
    if one and other and one != other:
        raise GeometryError(
            f"the contours are drawn in frame of reference {one}, the grid lies in {other}: their "
            "coordinates do not compare. Register the images, or state that the frames are common "
            "(--trust-frames).",
            tag="FrameOfReferenceUID",
        )


def _stacking_axis(polygons: list[Floats], grid: Grid) -> int | None:
    """Return the grid axis that all polygons are perpendicular to, or None if they are oblique."""
    reach = [np.subtract(*extents(polygons, direction)[::-1]).max() for direction in grid.directions.T]
    axis = int(np.argmin(reach))
    return axis if reach[axis] <= 2 * PLANE_TOLERANCE_MM else None


def _occupancy(planes: ContourPlanes, grid: Grid, axis: int) -> Floats:
    """Return the occupancy on a grid with one axis along the normal of the planes."""
    across = [a for a in range(3) if a != axis]
    vertices = np.concatenate([p for polygons in planes.polygons for p in polygons])
    cells = grid.lps_to_index(vertices)[:, across] + 0.5
    origin = float(grid.origin_mm @ planes.normal)
    slabs = (planes.slabs_mm - origin) / grid.spacing_mm[axis] + 0.5
    out = np.zeros(grid.shape, np.float32)
    cover_planes(JoinedPlanes.of(planes.polygons, planes.owners), cells, slabs, np.moveaxis(out, axis, 0))
    return out


def _mask_along_planes(planes: ContourPlanes, grid: Grid) -> Mask:
    """Return the occupancy on a fine grid whose slices are parallel to the planes."""
    across = in_plane_axes(planes.normal)
    fine = OBLIQUE_FINENESS * min(grid.spacing_mm)
    thin = planes.step_mm / np.ceil(planes.step_mm / fine)
    flat = np.concatenate([p @ across for polygons in planes.polygons for p in polygons])
    low, high = flat.min(axis=0) - fine, flat.max(axis=0) + fine
    bottom, top = planes.slabs_mm.min(), planes.slabs_mm.max()
    shape = np.ceil([(top - bottom) / thin, *((high - low) / fine)]).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([planes.normal * thin, across * fine])
    affine[:3, 3] = planes.normal * (bottom + thin / 2) + across @ (low + fine / 2)
    along = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine, grid.frame_of_reference_uid)
    return Mask(_occupancy(planes, along, 0), along)
