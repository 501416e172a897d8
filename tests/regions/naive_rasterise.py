"""Plain twin of the rasteriser: point sampling by ray crossing, importing nothing from the package."""

import numpy as np


def inside_even_odd(points, polygons):
    """Whether (y, x) points lie in an odd number of polygons with vertices (y, x)."""
    inside = np.zeros(len(points), bool)
    for polygon in polygons:
        for (y0, x0), (y1, x1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            spans = (points[:, 0] >= min(y0, y1)) & (points[:, 0] < max(y0, y1))
            inside ^= spans & (x0 + (points[:, 0] - y0) * (x1 - x0) / (y1 - y0) > points[:, 1])
    return inside


def cover(polygons, shape, samples=40):
    """Fraction of sample points of each unit cell that lies inside."""
    offsets = (np.arange(samples) + 0.5) / samples
    rows = (np.arange(shape[0])[:, None] + offsets).ravel()
    columns = (np.arange(shape[1])[:, None] + offsets).ravel()
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    hits = inside_even_odd(points, polygons).reshape(shape[0], samples, shape[1], samples)
    return hits.mean(axis=(1, 3))
