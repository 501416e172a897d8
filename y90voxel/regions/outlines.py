"""Outlines of one region that lie on each other: the same twice, crossing in one plane, or one lesion from plane to plane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.regions.plane_coverage import covered_areas_mm2, in_plane_axes, join

__all__ = ["OverlapOfOutlines", "lesions_of_planes", "overlaps_in_planes"]

Floats = NDArray[np.floating[Any]]

# Two outlines that lie so close to each other on average are one outline, stored twice [mm]: a quarter of the finest
# pixel that livers are drawn on (0.5 mm pixels, 1 mm walls of cysts and vessels stay two outlines).
SAME_OUTLINE_MM = 0.25
# Outlines share an area from this fraction of the smaller one on; up to 1 less that, one is not within the other.
LEAST_SHARED = 0.02


@dataclass(frozen=True)
class OverlapOfOutlines:
    """Two outlines of one plane that share an area.

    Parameters
    ----------
    plane, first, second : int
        The plane, and which of its polygons.
    shared_mm2 : float
        The area they share [mm2].
    same : bool
        Whether they are one outline, stored twice.
    crosses : bool
        Whether neither lies within the other.
    """

    plane: int
    first: int
    second: int
    shared_mm2: float
    same: bool
    crosses: bool


def overlaps_in_planes(planes: Sequence[Sequence[Floats]], normal: Floats) -> list[OverlapOfOutlines]:
    """Return the pairs of outlines of one plane that share an area: the same, crossing or one within the other.

    Parameters
    ----------
    planes : sequence of sequence of ndarray, (points, 3)
        The polygons of each plane [mm].
    normal : ndarray, (3,)
        Unit normal of the planes.
    """
    boxes = _boxes(planes, normal)
    pairs = [
        (plane, i, j)
        for plane, own in enumerate(boxes)
        for i in range(len(own))
        for j in range(i + 1, len(own))
        if _boxes_meet(own[i], own[j])
    ]
    if not pairs:
        return []
    couples = [(planes[p][i], planes[p][j]) for p, i, j in pairs]
    areas, shared = _shared_mm2(couples, normal)
    overlaps = []
    for (plane, i, j), couple, (one, other), both in zip(pairs, couples, areas, shared, strict=True):
        if both <= LEAST_SHARED * min(one, other):
            continue
        apart_mm = (one + other - 2 * both) / max(map(_length_mm, couple))
        same = bool(apart_mm <= SAME_OUTLINE_MM and both >= 0.5 * max(one, other))
        crosses = bool(not same and both < (1 - LEAST_SHARED) * min(one, other))
        overlaps.append(OverlapOfOutlines(plane, i, j, float(both), same, crosses))
    return overlaps


def lesions_of_planes(
    planes: Sequence[Sequence[Floats]], positions: Floats, normal: Floats
) -> list[list[list[int]]]:
    """Return the lesions of a region: outlines that lie on each other in one plane, or in the next where one does.

    Parameters
    ----------
    planes : sequence of sequence of ndarray, (points, 3)
        The polygons of each plane [mm].
    positions : ndarray, (planes,)
        Where the planes lie, rising [mm].
    normal : ndarray, (3,)
        Unit normal of the planes.

    Returns
    -------
    list of list of list of int
        For each lesion, the indices of its polygons in every plane of the region, in the order of the first ones.
    """
    gaps = np.diff(positions)
    whole = [list(range(len(polygons))) for polygons in planes]
    if all(len(polygons) == 1 for polygons in planes) and (not len(gaps) or np.ptp(gaps) <= 0.1 * gaps.min()):
        return [whole]  # one after the other at one distance: what belongs together changes no volume
    boxes = _boxes(planes, normal)
    group = {(p, i): (p, i) for p, own in enumerate(whole) for i in own}
    _link(
        group,
        planes,
        [(p, p, i, j) for p, own in enumerate(whole) for i in own for j in own if i < j],
        boxes,
        normal,
    )
    waiting = set(group)
    for reach in range(1, len(planes)):
        waiting = {(p, i) for p, i in waiting if p + reach < len(planes)}
        if not waiting:
            break
        candidates = [(p, p + reach, i, j) for p, i in sorted(waiting) for j in whole[p + reach]]
        waiting -= _link(group, planes, candidates, boxes, normal)
    members: dict[tuple[int, int], list[list[int]]] = defaultdict(lambda: [[] for _ in planes])
    for plane, own in enumerate(whole):
        for i in own:
            members[_root(group, (plane, i))][plane].append(i)
    return list(members.values())


def _link(
    group: dict[tuple[int, int], tuple[int, int]],
    planes: Sequence[Sequence[Floats]],
    candidates: Sequence[tuple[int, int, int, int]],
    boxes: Sequence[Sequence[_Box]],
    normal: Floats,
) -> set[tuple[int, int]]:
    """Join the groups of the candidates (plane, other plane, polygon, other polygon) that share an area; return the first."""
    near = [(p, q, i, j) for p, q, i, j in candidates if _boxes_meet(boxes[p][i], boxes[q][j])]
    unclear = [(p, q, i, j) for p, q, i, j in near if not _must_share(boxes[p][i], boxes[q][j])]
    joined = set(near).difference(unclear)
    if unclear:
        areas, shared = _shared_mm2([(planes[p][i], planes[q][j]) for p, q, i, j in unclear], normal)
        enough = shared > LEAST_SHARED * areas.min(axis=1)
        joined.update(candidate for candidate, both in zip(unclear, enough, strict=True) if both)
    for p, q, i, j in near:
        if (p, q, i, j) in joined:
            group[_root(group, (q, j))] = _root(group, (p, i))
    return {(p, i) for p, _, i, _ in joined}


def _root(group: dict[tuple[int, int], tuple[int, int]], member: tuple[int, int]) -> tuple[int, int]:
    """Return the member that stands for a group."""
    while group[member] != member:
        group[member] = group[group[member]]
        member = group[member]
    return member


def _boxes(planes: Sequence[Sequence[Floats]], normal: Floats) -> list[list[_Box]]:
    """Return the box of each polygon in its plane."""
    starts, stops, begin = join([p for polygons in planes for p in polygons])
    across = in_plane_axes(normal)
    one, other = starts @ across, stops @ across
    twice = np.add.reduceat(one[:, 0] * other[:, 1] - other[:, 0] * one[:, 1], begin)
    low, high = np.minimum.reduceat(one, begin), np.maximum.reduceat(one, begin)
    boxes = (_Box(*row) for row in np.column_stack([low, high, np.abs(twice) / 2.0]).tolist())
    return [[next(boxes) for _ in polygons] for polygons in planes]


@dataclass(frozen=True)
class _Box:
    """Where a polygon lies in its plane [mm], and its area by the shoelace formula [mm2].

    That is the area it covers where the outline neither crosses nor repeats itself.
    """

    left: float
    top: float
    right: float
    bottom: float
    enclosed_mm2: float


def _boxes_meet(one: _Box, other: _Box) -> bool:
    """Whether two boxes have an area in common."""
    return min(one.right, other.right) > max(one.left, other.left) and min(one.bottom, other.bottom) > max(
        one.top, other.top
    )


def _must_share(one: _Box, other: _Box) -> bool:
    """Whether two polygons have no room beside each other: what both enclose is more than the box around both."""
    width = max(one.right, other.right) - min(one.left, other.left)
    height = max(one.bottom, other.bottom) - min(one.top, other.top)
    areas = one.enclosed_mm2, other.enclosed_mm2
    return sum(areas) - width * height > LEAST_SHARED * min(areas)


def _shared_mm2(couples: Sequence[tuple[Floats, Floats]], normal: Floats) -> tuple[Floats, Floats]:
    """Return the areas of both polygons of each couple, (couples, 2), and the area that they share [mm2]."""
    singles = [[p] for couple in couples for p in couple]
    areas = covered_areas_mm2(singles, normal).reshape(-1, 2)
    together = covered_areas_mm2(couples, normal, [(0, 1)] * len(couples))
    return areas, np.maximum(areas.sum(axis=1) - together, 0.0)


def _length_mm(polygon: Floats) -> float:
    """Return how long the outline of a polygon is [mm]."""
    return float(np.linalg.norm(polygon - np.roll(polygon, -1, axis=0), axis=1).sum())
