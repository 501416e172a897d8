"""Closed polygons around a region, plane by plane."""

from __future__ import annotations

import numpy as np
from contourpy import contour_generator

from .shapes import Array

# A polygon may leave the surface by this much [mm], so that the file stays small.
TOLERANCE_MM = 0.12


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
        gap = np.abs(chord[0] * rel[:, 1] - chord[1] * rel[:, 0]) / np.hypot(*chord)
        worst = int(np.argmax(gap))
        if gap[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            work += [(first, middle), (middle, last)]
    return ring[:-1][keep[:-1]]


def outline(distance: Array, x: Array, y: Array) -> list[Array]:
    """Return the polygons, each (n, 2) in x and y, where a distance on a plane is zero."""
    if not (distance < 0).any():
        return []
    lines = contour_generator(x=x, y=y, z=distance).lines(0.0)
    polygons = [thin_out(line[:-1], TOLERANCE_MM) for line in lines if len(line) > 4]
    return [np.round(p, 2) for p in polygons if len(p) > 2]


def polygon_area(polygon: Array) -> float:
    """Return the area of a polygon, by the shoelace formula."""
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
