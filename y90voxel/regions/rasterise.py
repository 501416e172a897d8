"""Turn drawn contours into the fraction of each voxel that they enclose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, RegionError
from y90voxel.regions import _rasterise_loops as loops
from y90voxel.regions.region import Contours
from y90voxel.regions.slabs import LARGEST_BRIDGED_STEP, common_slabs, nominal_step, slabs_of_planes
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

__all__ = ["ContourPlanes", "contour_planes", "drawn_volume_ml", "rasterise", "rasterise_union"]

Floats = NDArray[np.floating[Any]]

# Vertices of one plane may lie this far off it, and contours this close together share a plane [mm].
PLANE_TOLERANCE_MM = 0.1
# Strips in which edges cross are halved down to this fraction of a row.
FINEST_STRIP = 1.0 / 256.0
# Oblique grids: fineness of the intermediate grid as a fraction of the finest spacing involved.
OBLIQUE_FINENESS = 0.25


@dataclass(frozen=True, eq=False)
class ContourPlanes:
    """The parallel planes that contours lie in, and the slab of the patient that each plane stands for.

    Parameters
    ----------
    normal : ndarray, (3,)
        Unit normal of the planes in LPS.
    positions_mm : ndarray, (planes,)
        Distance of each plane from the LPS origin along the normal, rising [mm].
    slabs_mm : ndarray, (planes, 2)
        Where the slab of each plane begins and ends along the normal [mm].
    step_mm : float
        Nominal distance between planes: the lower median of the distances found [mm].
    polygons : tuple of tuple of ndarray
        The polygons of each plane, LPS [mm].
    owners : tuple of tuple of int
        Of which of several regions each polygon is; empty for one region.
    """

    normal: Floats
    positions_mm: Floats
    slabs_mm: Floats
    step_mm: float
    polygons: tuple[tuple[Floats, ...], ...]
    owners: tuple[tuple[int, ...], ...] = ()

    @property
    def bridged_gaps_mm(self) -> tuple[tuple[float, float], ...]:
        """Pairs of plane positions with one plane missing between them, filled half way from each [mm]."""
        return self._gaps(1.5, LARGEST_BRIDGED_STEP)

    @property
    def open_gaps_mm(self) -> tuple[tuple[float, float], ...]:
        """Pairs of plane positions so far apart that the region counts as absent between them [mm]."""
        return self._gaps(LARGEST_BRIDGED_STEP, np.inf)

    def _gaps(self, more_than: float, up_to: float) -> tuple[tuple[float, float], ...]:
        """Return neighbours that lie between so many nominal steps apart."""
        steps = np.diff(self.positions_mm) / self.step_mm
        return tuple(
            (float(self.positions_mm[i]), float(self.positions_mm[i + 1]))
            for i in np.flatnonzero((steps > more_than) & (steps <= up_to))
        )


def contour_planes(contours: Contours) -> ContourPlanes:
    """Return the planes of the contours and the slab that each stands for.

    Each plane owns the slab half way to its neighbours. At the ends of the region, and beside a gap, it
    owns half a nominal step. A gap of one missing plane is filled from both sides (a slice that was
    skipped while drawing); a wider one is left open (separate parts of one region).

    Parameters
    ----------
    contours : Contours
        Closed planar polygons; those with fewer than three vertices are left out. Without a
        ``plane_step_mm`` the nominal step is the lower median of the distances found.

    Raises
    ------
    RegionError
        If there is no polygon, if polygons are not flat and parallel, or if there is only one plane and
        no ``plane_step_mm``.
    """
    polygons = _closed_polygons(contours)
    return _planes_along(_common_normal(polygons), polygons, contours.plane_step_mm)


def _closed_polygons(contours: Contours) -> list[Floats]:
    """Return the polygons that enclose an area."""
    polygons = [np.asarray(p, float) for p in contours.polygons if len(p) >= 3]
    if not polygons:
        raise RegionError("a region without any closed contour of three points or more has no volume.")
    return polygons


def _planes_along(normal: Floats, polygons: list[Floats], plane_step_mm: float | None) -> ContourPlanes:
    """Return the polygons sorted into planes perpendicular to the normal."""
    low, high = _extents(polygons, normal)
    worst = int(np.argmax(high - low))
    if high[worst] - low[worst] > 2 * PLANE_TOLERANCE_MM:
        raise RegionError(
            f"contours must be flat and parallel, but one near {np.round(polygons[worst][0], 1).tolist()} mm "
            f"leaves its plane by {high[worst] - low[worst]:.2f} mm (tolerance {2 * PLANE_TOLERANCE_MM} mm). "
            "Export the region as parallel closed planar contours."
        )
    centres = 0.5 * (low + high)
    order = np.argsort(centres, kind="stable")
    breaks = np.flatnonzero(np.diff(centres[order]) > PLANE_TOLERANCE_MM) + 1
    members = np.split(order, breaks)
    positions = np.array([centres[m].mean() for m in members])
    step = plane_step_mm if plane_step_mm is not None else nominal_step(positions)
    planes = tuple(tuple(polygons[i] for i in sorted(m)) for m in members)
    return ContourPlanes(normal, positions, slabs_of_planes(positions, step), step, planes)


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
    vertices = np.concatenate([p for polygons in planes.polygons for p in polygons])
    flat = vertices @ _in_plane_axes(planes.normal)
    joined = _JoinedPlanes.of(planes.polygons)
    low, high = joined.bounds(flat)
    size = np.maximum(high - low, 1e-9)
    whole = (flat - low[joined.plane]) / size[joined.plane]  # the box of each plane is one cell
    slabs = np.tile([0.0, 1.0], (len(low), 1))
    areas = _cover_planes(joined, whole, slabs, np.zeros((1, 1, 1), np.float32))
    thickness = planes.slabs_mm[:, 1] - planes.slabs_mm[:, 0]
    return float((areas * size.prod(axis=1) * thickness).sum()) / 1000.0


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
    for contours in regions:
        _check_frame(contours, grid)
    each = [_closed_polygons(contours) for contours in regions]
    polygons = [polygon for of_region in each for polygon in of_region]
    axis = _stacking_axis(polygons, grid)
    normal = _common_normal(polygons) if axis is None else grid.directions[:, axis]
    planes = _merged([_planes_along(normal, p, c.plane_step_mm) for p, c in zip(each, regions, strict=True)])
    if axis is not None:
        return Mask(_occupancy(planes, grid, axis), grid)
    return resample(_mask_along_planes(planes, grid), grid)


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


def _merged(regions: Sequence[ContourPlanes]) -> ContourPlanes:
    """Return the planes of several regions in slabs that they have in common."""
    first = regions[0]
    if len(regions) == 1:
        return first
    slabs, members = common_slabs([planes.slabs_mm for planes in regions])
    polygons = tuple(tuple(p for r, i in here for p in regions[r].polygons[i]) for here in members)
    owners = tuple(tuple(r for r, i in here for _ in regions[r].polygons[i]) for here in members)
    step = min(planes.step_mm for planes in regions)
    return ContourPlanes(first.normal, slabs.mean(axis=1), slabs, step, polygons, owners)


def _common_normal(polygons: list[Floats]) -> Floats:
    """Return the unit normal shared by the polygons, weighted by area; its largest component positive."""
    starts, stops, begin = _join(polygons)
    origin = np.repeat(starts[begin], [len(p) for p in polygons], axis=0)
    area_vectors = 0.5 * np.add.reduceat(np.cross(starts - origin, stops - origin), begin)
    _, vectors = np.linalg.eigh(area_vectors.T @ area_vectors)
    normal = vectors[:, -1]
    along_axis = np.eye(3)[np.abs(normal).argmax()]
    low, high = _extents(polygons, along_axis)
    if (high - low).max() <= PLANE_TOLERANCE_MM:
        return np.asarray(along_axis)  # rounding of the file, not a tilt
    return np.asarray(normal * np.sign(normal[np.abs(normal).argmax()]))


def _join(polygons: Sequence[Floats]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return all vertices, the vertex that follows each in its polygon, and where every polygon begins."""
    starts = np.concatenate(polygons)
    lengths = np.array([len(p) for p in polygons])
    return starts, starts[_following(lengths)], np.cumsum(lengths) - lengths


def _following(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the next vertex of the same polygon, for polygons of so many vertices one after the other."""
    ends = np.cumsum(lengths)
    following = np.arange(1, ends[-1] + 1)
    following[ends - 1] = ends - lengths
    return following


def _extents(polygons: Sequence[Floats], direction: Floats) -> tuple[Floats, Floats]:
    """Return how far every polygon reaches along a direction, low and high."""
    starts, _, begin = _join(polygons)
    along = starts @ direction
    return np.minimum.reduceat(along, begin), np.maximum.reduceat(along, begin)


def _in_plane_axes(normal: Floats) -> Floats:
    """Return two unit vectors perpendicular to the normal, as columns, (3, 2)."""
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)], axis=1)


def _stacking_axis(polygons: list[Floats], grid: Grid) -> int | None:
    """Return the grid axis that all polygons are perpendicular to, or None if they are oblique."""
    largest = max(polygons, key=lambda p: float(np.ptp(p, axis=0).max()))
    axis = int(np.ptp(largest @ grid.directions, axis=0).argmin())
    low, high = _extents(polygons, grid.directions[:, axis])
    return axis if (high - low).max() <= 2 * PLANE_TOLERANCE_MM else None


@dataclass(frozen=True, eq=False)
class _JoinedPlanes:
    """Which of all vertices, joined plane by plane and polygon by polygon, belong together.

    Parameters
    ----------
    following : ndarray of int, (vertices,)
        The next vertex of the same polygon.
    plane : ndarray of int, (vertices,)
        Index of the plane.
    begin : ndarray of int, (planes,)
        First vertex of each plane.
    owner : ndarray of int, (vertices,)
        Region of the polygon.
    """

    following: NDArray[np.int64]
    plane: NDArray[np.int64]
    begin: NDArray[np.int64]
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, planes: Sequence[Sequence[Floats]], owners: Sequence[Sequence[int]] = ()) -> _JoinedPlanes:
        """Return it for polygons by plane, and the regions that they are of where there are several."""
        counts = np.array([sum(map(len, polygons)) for polygons in planes])
        lengths = np.array([len(p) for polygons in planes for p in polygons])
        of_polygon = np.array([one for plane in owners for one in plane] or [0] * len(lengths))
        plane = np.repeat(np.arange(len(counts)), counts)
        return cls(_following(lengths), plane, np.cumsum(counts) - counts, np.repeat(of_polygon, lengths))

    def bounds(self, vertices: Floats) -> tuple[Floats, Floats]:
        """Return the lowest and highest coordinates in each plane, (planes, 2) each."""
        return np.minimum.reduceat(vertices, self.begin), np.maximum.reduceat(vertices, self.begin)


def _cover_planes(joined: _JoinedPlanes, cells: Floats, slabs: Floats, out: Floats) -> Floats:
    """Add the area that each plane covers, even-odd by region, to the slices of ``out`` that its slab meets, in one call.

    Parameters
    ----------
    joined : _JoinedPlanes
        What the vertices belong to.
    cells : ndarray, (vertices, 2)
        Vertices in rows and columns of ``out``; cell i reaches from i to i + 1.
    slabs : ndarray, (planes, 2)
        Where the slab of each plane begins and ends, in slices of ``out`` likewise.
    out : ndarray, (slices, rows, columns)
        Added to; at most 1.

    Returns
    -------
    ndarray, (planes,)
        Area that each plane covers within ``out`` [cells].
    """
    low, high = joined.bounds(cells)
    low = np.clip(np.floor(low).astype(np.int64), 0, out.shape[1:])
    high = np.clip(np.ceil(high).astype(np.int64), 0, out.shape[1:])
    cells = cells - low[joined.plane]
    edges = np.concatenate([cells, cells[joined.following]], axis=1)
    edges = np.where(edges[:, :1] > edges[:, 2:3], edges[:, [2, 3, 0, 1]], edges)
    rising = edges[:, 0] < edges[:, 2]
    edges, of_plane = edges[rising], joined.plane[rising]
    order = np.lexsort((edges[:, 0], of_plane))
    planes = np.arange(len(low))
    areas = np.empty(len(low))
    loops.cover_planes(
        np.ascontiguousarray(edges[order]),
        joined.owner[rising][order],
        np.searchsorted(of_plane, planes, side="right"),
        cells[np.lexsort((cells[:, 0], joined.plane)), 0],
        np.append(joined.begin[1:], len(cells)),
        np.concatenate([low, high - low], axis=1),
        slabs,
        FINEST_STRIP,
        out,
        areas,
    )
    return areas


def _occupancy(planes: ContourPlanes, grid: Grid, axis: int) -> Floats:
    """Return the occupancy on a grid with one axis along the normal of the planes."""
    across = [a for a in range(3) if a != axis]
    vertices = np.concatenate([p for polygons in planes.polygons for p in polygons])
    cells = grid.lps_to_index(vertices)[:, across] + 0.5
    origin = float(grid.origin_mm @ planes.normal)
    slabs = (planes.slabs_mm - origin) / grid.spacing_mm[axis] + 0.5
    out = np.zeros(grid.shape, np.float32)
    _cover_planes(_JoinedPlanes.of(planes.polygons, planes.owners), cells, slabs, np.moveaxis(out, axis, 0))
    return out


def _mask_along_planes(planes: ContourPlanes, grid: Grid) -> Mask:
    """Return the occupancy on a fine grid whose slices are parallel to the planes."""
    across = _in_plane_axes(planes.normal)
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
