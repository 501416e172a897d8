"""Closed polygons around a region, plane by plane."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from contourpy import contour_generator

from .shapes import Array

# A polygon may leave the surface by this much [mm], so that the file stays small: less in small regions.
TOLERANCE_MM, SMALL_TOLERANCE_MM, SMALL_MM2 = 0.12, 0.02, 4000.0
# Specks below this area are not drawn.
LEAST_AREA_MM2 = 4.0


def thin_out(polygon: Array, tolerance: float) -> Array:
    """Return a closed polygon (first point not repeated) with fewer points (Douglas and Peucker 1973)."""
    n = len(polygon)
    keep = np.zeros(n + 1, bool)
    ring = np.vstack([polygon, polygon[:1]])
    far = int(np.argmax(((polygon - polygon[0]) ** 2).sum(axis=1)))
    keep[[0, far, n]] = True
    work = [(0, far), (far, n)]
    while work:
        first, last = work.pop()
        if last - first < 2:
            continue
        chord = ring[last] - ring[first]
        rel = ring[first + 1 : last] - ring[first]
        # Twice the triangle's area; not divided by the chord, so that equal gaps stay equal to the bit.
        gap = np.abs(chord[0] * rel[:, 1] - chord[1] * rel[:, 0])
        worst = int(np.argmax(gap))
        if gap[worst] > tolerance * np.hypot(*chord):
            middle = first + 1 + worst
            keep[middle] = True
            work += [(first, middle), (middle, last)]
    return ring[:-1][keep[:-1]]


def cut_keyhole(ring: Array, hole: Array) -> Array:
    """Return one polygon for a ring with a hole: a channel of no width leads from one to the other.

    The way PS3.3 C.8.8.6.3 shows to draw a region with a hole as a closed planar contour.
    """
    gaps = ((ring[:, None] - hole[None]) ** 2).sum(axis=2)
    i, j = np.unravel_index(int(gaps.argmin()), gaps.shape)
    return np.vstack([ring[: i + 1], hole[j:], hole[: j + 1], ring[i:]])


def outline(distance: Array, x: Array, y: Array) -> list[Array]:
    """Return the polygons, each (n, 2) in x and y, around where a distance on a plane is negative."""
    if not (distance < 0).any():
        return []
    generator = contour_generator(x=x, y=y, z=distance, fill_type="OuterOffset")
    polygons = []
    for points, offsets in zip(*generator.filled(-1e6, 0.0), strict=True):
        # Rounded before points are chosen, or the last bit of a processor would choose among equals.
        rings = [np.round(points[a : b - 1], 3) for a, b in pairwise(offsets)]
        tolerance = TOLERANCE_MM if polygon_area(rings[0]) > SMALL_MM2 else SMALL_TOLERANCE_MM
        rings = [thin_out(r, tolerance) for r in rings]
        rings = [np.round(r, 2) for r in rings if len(r) > 2 and polygon_area(r) > LEAST_AREA_MM2]
        if rings:
            polygon = rings[0]
            for hole in rings[1:]:
                polygon = cut_keyhole(polygon, hole)
            polygons.append(polygon)
    return polygons


def polygon_area(polygon: Array) -> float:
    """Return the area of a polygon, by the shoelace formula."""
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
