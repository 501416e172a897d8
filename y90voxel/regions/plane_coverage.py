"""Area that polygons cover in the planes they lie in, exact, for many planes in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.regions import _rasterise_loops as loops

__all__ = ["JoinedPlanes", "cover_planes", "covered_areas_mm2", "extents", "in_plane_axes", "join"]

Floats = NDArray[np.floating[Any]]

# Strips in which edges cross are halved down to this fraction of a row.
FINEST_STRIP = 1.0 / 256.0


@dataclass(frozen=True, eq=False)
class JoinedPlanes:
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
    def of(cls, planes: Sequence[Sequence[Floats]], owners: Sequence[Sequence[int]] = ()) -> JoinedPlanes:
        """Return it for polygons by plane, and the regions that they are of where there are several."""
        counts = np.array([sum(map(len, polygons)) for polygons in planes])
        lengths = np.array([len(p) for polygons in planes for p in polygons])
        of_polygon = np.array([one for plane in owners for one in plane] or [0] * len(lengths))
        plane = np.repeat(np.arange(len(counts)), counts)
        return cls(
            following_vertex(lengths), plane, np.cumsum(counts) - counts, np.repeat(of_polygon, lengths)
        )

    def bounds(self, vertices: Floats) -> tuple[Floats, Floats]:
        """Return the lowest and highest coordinates in each plane, (planes, 2) each."""
        return np.minimum.reduceat(vertices, self.begin), np.maximum.reduceat(vertices, self.begin)


def cover_planes(joined: JoinedPlanes, cells: Floats, slabs: Floats, out: Floats) -> Floats:
    """Add the area that each plane covers, even-odd by region, to the slices of ``out`` that its slab meets, in one call.

    Parameters
    ----------
    joined : JoinedPlanes
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
    falling = edges[:, 0] > edges[:, 2]
    edges[falling] = edges[falling][:, [2, 3, 0, 1]]
    rising = edges[:, 0] < edges[:, 2]
    edges, of_plane = edges[rising], joined.plane[rising]
    order = np.lexsort((edges[:, 0], of_plane))
    planes = np.arange(len(low))
    areas = np.empty(len(low))
    loops.cover_planes(
        edges[order],
        joined.owner[rising][order],
        np.searchsorted(of_plane, planes, side="right"),
        np.concatenate([low, high - low], axis=1),
        slabs,
        FINEST_STRIP,
        out,
        areas,
    )
    return areas


def covered_areas_mm2(
    planes: Sequence[Sequence[Floats]], normal: Floats, owners: Sequence[Sequence[int]] = ()
) -> Floats:
    """Return the area that each plane covers, even-odd by owner, whatever of several owners once [mm2], (planes,)."""
    vertices = np.concatenate([p for polygons in planes for p in polygons])
    flat = vertices @ in_plane_axes(normal)
    joined = JoinedPlanes.of(planes, owners)
    low, high = joined.bounds(flat)
    size = np.maximum(high - low, 1e-9)
    whole = (flat - low[joined.plane]) / size[joined.plane]  # the box of each plane is one cell
    slabs = np.tile([0.0, 1.0], (len(low), 1))
    areas = cover_planes(joined, whole, slabs, np.zeros((1, 1, 1), np.float32))
    return np.asarray(areas * size.prod(axis=1))


def join(polygons: Sequence[Floats]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return all vertices, the vertex that follows each in its polygon, and where every polygon begins."""
    starts = np.concatenate(polygons)
    lengths = np.array([len(p) for p in polygons])
    return starts, starts[following_vertex(lengths)], np.cumsum(lengths) - lengths


def following_vertex(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the next vertex of the same polygon, for polygons of so many vertices one after the other."""
    ends = np.cumsum(lengths)
    following = np.arange(1, ends[-1] + 1)
    following[ends - 1] = ends - lengths
    return following


def extents(polygons: Sequence[Floats], direction: Floats) -> tuple[Floats, Floats]:
    """Return how far every polygon reaches along a direction, low and high."""
    starts, _, begin = join(polygons)
    along = starts @ direction
    return np.minimum.reduceat(along, begin), np.maximum.reduceat(along, begin)


def in_plane_axes(normal: Floats) -> Floats:
    """Return two unit vectors perpendicular to the normal, as columns, (3, 2)."""
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)], axis=1)
