"""The parallel planes that contours lie in, lesion by lesion, and the slab of the patient that each plane stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import RegionError
from y90voxel.regions.outlines import lesions_of_planes, overlaps_in_planes
from y90voxel.regions.plane_coverage import covered_areas_mm2, extents, join
from y90voxel.regions.region import Contours
from y90voxel.regions.slabs import PlaneSteps, common_slabs, nominal_step, plane_steps, slabs_of_planes

__all__ = [
    "ContourPlanes",
    "Outlines",
    "closed_polygons",
    "common_normal",
    "contour_planes",
    "distinct_outlines",
    "lesion_planes",
    "merged_planes",
]

Floats = NDArray[np.floating[Any]]
Gaps = tuple[tuple[float, float], ...]

# Vertices of one plane may lie this far off it, and contours this close together share a plane [mm].
PLANE_TOLERANCE_MM = 0.1
# Planes further apart than this many of their own steps have one missing between them.
MISSING_FROM_STEP = 1.5
# From so many planes on, the distances between them tell the step of a lesion.
PLANES_OF_A_STEP = 3


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
        Of which of several regions or lesions each polygon is; empty for one.
    bridged_gaps_mm : tuple of (float, float)
        Pairs of plane positions with one plane missing between them, filled half way from each [mm].
    open_gaps_mm : tuple of (float, float)
        Pairs of plane positions so far apart that the region counts as absent between them [mm].
    """

    normal: Floats
    positions_mm: Floats
    slabs_mm: Floats
    step_mm: float
    polygons: tuple[tuple[Floats, ...], ...]
    owners: tuple[tuple[int, ...], ...] = ()
    bridged_gaps_mm: Gaps = ()
    open_gaps_mm: Gaps = ()


# Planes of the lesions of contours, by the normal that was asked for; None for their own. They last as long as the contours:
# a region is put on several grids, each of which asks for them.
_PLANES: WeakKeyDictionary[Contours, dict[tuple[float, ...] | None, list[ContourPlanes]]] = (
    WeakKeyDictionary()
)


def contour_planes(contours: Contours, normal: Floats | None = None) -> ContourPlanes:
    """Return the planes of the contours and the slab that each stands for.

    Each plane owns the slab half way to its neighbours. At the ends of the region, and beside a gap, it
    owns half a nominal step. A gap of one missing plane is filled from both sides (a slice that was
    skipped while drawing); a wider one is left open (separate parts of one region). Outlines that lie on
    each other from plane to plane make a lesion; lesions of different heights or distances keep their own.

    Parameters
    ----------
    contours : Contours
        Closed planar polygons; those with fewer than three vertices are left out. Without a
        ``plane_step_mm`` the nominal step of each lesion is the lower median of the distances found.
    normal : ndarray or None, (3,)
        Unit normal of the planes; None for the one that the polygons share.

    Raises
    ------
    RegionError
        If there is no polygon, if polygons are not flat and parallel, or if there is only one plane and
        no ``plane_step_mm``.
    """
    return merged_planes(lesion_planes(contours, normal))


def lesion_planes(contours: Contours, normal: Floats | None = None) -> list[ContourPlanes]:
    """Return the planes of each lesion; parameters and errors as in :func:`contour_planes`."""
    known = _PLANES.setdefault(contours, {})
    asked = None if normal is None else tuple(normal.tolist())
    if asked not in known:
        polygons = closed_polygons(contours)
        normal = common_normal(polygons) if normal is None else normal
        own = tuple(normal.tolist())
        known[asked] = known.get(own) or planes_along(normal, polygons, contours.plane_step_mm)
        known[own] = known[asked]
    return known[asked]


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outlines of a region, each once, and those of them that cross.

    Parameters
    ----------
    polygons : tuple of ndarray
        Each outline once, in the order they came, LPS [mm].
    repeated : int
        How many more lay on one of these.
    crossing : int
        Pairs of one plane that share a part, neither within the other.
    even_odd_ml, union_ml : float
        Volume without and with what crossing outlines share [mL]; 0 where none cross.
    """

    polygons: tuple[Floats, ...]
    repeated: int = 0
    crossing: int = 0
    even_odd_ml: float = 0.0
    union_ml: float = 0.0


def distinct_outlines(polygons: Sequence[Floats]) -> Outlines:
    """Return the outlines of a region once each; of those that lie on each other in a plane the first stays.

    Parameters
    ----------
    polygons : sequence of ndarray, (points, 3)
        Closed planar polygons [mm].

    Raises
    ------
    RegionError
        If polygons are not flat and parallel.
    """
    drawn = [np.array(p, float) for p in polygons if len(p) >= 3]  # told apart by identity below
    if len(drawn) < 2:
        return Outlines(tuple(drawn))
    normal = common_normal(drawn)
    _, planes = _sorted_planes(normal, drawn)
    pairs = overlaps_in_planes(planes, normal)
    again = {(pair.plane, pair.second) for pair in pairs if pair.same}
    place = {id(p): (plane, i) for plane, own in enumerate(planes) for i, p in enumerate(own)}
    once = tuple(p for p in drawn if place[id(p)] not in again)
    crossing = [
        pair
        for pair in pairs
        if pair.crosses and not {(pair.plane, pair.first), (pair.plane, pair.second)} & again
    ]
    if not crossing:
        return Outlines(once, len(again))
    even_odd, union = _volumes_ml(once, normal, [(planes[c.plane][c.first], c.shared_mm2) for c in crossing])
    return Outlines(once, len(again), len(crossing), even_odd, union)


def _volumes_ml(
    polygons: Sequence[Floats], normal: Floats, shared: Sequence[tuple[Floats, float]]
) -> tuple[float, float]:
    """Return the even-odd volume and that of all that any of two crossing outlines encloses [mL]."""
    try:
        planes = merged_planes(planes_along(normal, list(polygons), None))
    except RegionError:  # one plane, whose thickness is not known here: as if it were 1 mm
        planes = merged_planes(planes_along(normal, list(polygons), 1.0))
    thickness = planes.slabs_mm[:, 1] - planes.slabs_mm[:, 0]
    areas = covered_areas_mm2(planes.polygons, normal, planes.owners)
    even_odd = float((areas * thickness).sum()) / 1000.0
    of_polygon: dict[int, float] = {}
    for own, thick in zip(planes.polygons, thickness, strict=True):
        for polygon in own:
            of_polygon[id(polygon)] = of_polygon.get(id(polygon), 0.0) + float(thick)
    return even_odd, even_odd + sum(area * of_polygon[id(polygon)] for polygon, area in shared) / 1000.0


def closed_polygons(contours: Contours) -> list[Floats]:
    """Return the polygons that enclose an area."""
    polygons = [np.asarray(p, float) for p in contours.polygons if len(p) >= 3]
    if not polygons:
        raise RegionError("a region without any closed contour of three points or more has no volume.")
    return polygons


def planes_along(normal: Floats, polygons: list[Floats], plane_step_mm: float | None) -> list[ContourPlanes]:
    """Return the polygons of each lesion sorted into planes perpendicular to the normal."""
    positions, planes = _sorted_planes(normal, polygons)
    lesions = lesions_of_planes(planes, positions, normal)
    return [_of_lesion(normal, lesion, positions, planes, plane_step_mm, lesions) for lesion in lesions]


def _sorted_planes(normal: Floats, polygons: list[Floats]) -> tuple[Floats, list[list[Floats]]]:
    """Return the positions of the planes, rising [mm], and the polygons in each."""
    low, high = extents(polygons, normal)
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
    return positions, [[polygons[i] for i in sorted(m)] for m in members]


def _of_lesion(
    normal: Floats,
    lesion: Sequence[Sequence[int]],
    positions: Floats,
    planes: Sequence[Sequence[Floats]],
    most_mm: float | None,
    lesions: Sequence[Sequence[Sequence[int]]],
) -> ContourPlanes:
    """Return the planes of one lesion: the indices of its polygons in each plane of the region."""
    own = [i for i, members in enumerate(lesion) if members]
    heights = positions[own]
    if most_mm is None and len(own) < PLANES_OF_A_STEP:
        most_mm = _step_elsewhere(positions, lesions)
    steps = plane_steps(heights, most_mm)
    polygons = tuple(tuple(planes[i][k] for k in lesion[i]) for i in own)
    bridged, open_ = _gaps(heights, steps)
    slabs = slabs_of_planes(heights, steps)
    return ContourPlanes(normal, heights, slabs, steps.nominal_mm, polygons, (), bridged, open_)


def _step_elsewhere(positions: Floats, lesions: Sequence[Sequence[Sequence[int]]]) -> float:
    """Return the step of the lesion with the most planes, of all planes where each lesion has one [mm]."""
    there = [[i for i, members in enumerate(lesion) if members] for lesion in lesions]
    most = max(there, key=len)
    return nominal_step(positions[most] if len(most) > 1 else positions)


def _gaps(positions: Floats, steps: PlaneSteps) -> tuple[Gaps, Gaps]:
    """Return the neighbours with one plane missing between them, and those with nothing between them."""
    local = np.maximum(steps.of_plane_mm[:-1], steps.of_plane_mm[1:])
    pairs = list(zip(positions[:-1].tolist(), positions[1:].tolist(), strict=True))
    missing = steps.joined & (np.diff(positions) > MISSING_FROM_STEP * local)
    return (
        tuple(pair for pair, one in zip(pairs, missing, strict=True) if one),
        tuple(pair for pair, one in zip(pairs, steps.joined, strict=True) if not one),
    )


def merged_planes(regions: Sequence[ContourPlanes]) -> ContourPlanes:
    """Return the planes of several regions or lesions in slabs that they have in common."""
    first = regions[0]
    if len(regions) == 1:
        return first
    slabs, members = common_slabs([planes.slabs_mm for planes in regions])
    owner_of, count = [], 0
    for planes in regions:
        own = planes.owners or tuple((0,) * len(polygons) for polygons in planes.polygons)
        owner_of.append([[count + one for one in here] for here in own])
        count += 1 + max(one for here in own for one in here)
    polygons = tuple(tuple(p for r, i in here for p in regions[r].polygons[i]) for here in members)
    owners = tuple(tuple(one for r, i in here for one in owner_of[r][i]) for here in members)
    return ContourPlanes(
        first.normal,
        slabs.mean(axis=1),
        slabs,
        min(planes.step_mm for planes in regions),
        polygons,
        owners,
        tuple(gap for planes in regions for gap in planes.bridged_gaps_mm),
        tuple(gap for planes in regions for gap in planes.open_gaps_mm),
    )


def common_normal(polygons: list[Floats]) -> Floats:
    """Return the unit normal shared by the polygons, weighted by area; its largest component positive."""
    starts, stops, begin = join(polygons)
    origin = np.repeat(starts[begin], [len(p) for p in polygons], axis=0)
    area_vectors = 0.5 * np.add.reduceat(np.cross(starts - origin, stops - origin), begin)
    _, vectors = np.linalg.eigh(area_vectors.T @ area_vectors)
    normal = vectors[:, -1]
    along_axis = np.eye(3)[np.abs(normal).argmax()]
    low, high = extents(polygons, along_axis)
    if (high - low).max() <= PLANE_TOLERANCE_MM:
        return np.asarray(along_axis)  # rounding of the file, not a tilt
    return np.asarray(normal * np.sign(normal[np.abs(normal).argmax()]))
