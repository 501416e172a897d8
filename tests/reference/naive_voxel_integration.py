"""Voxel S values by another road: points on spheres, shared out to the eight voxel centres around each.

A uniform source voxel and a uniform target voxel make a product of triangles, and triangles are what linear
sharing between neighbouring centres does. So a point source's energy is spread over points on spheres, and
each point gives its energy to the centres around it. Energy is conserved whatever the points; only where it
goes depends on how many there are. Nothing is imported from the package.
"""

import numpy as np


def directions(count):
    """Directions of one octant, (3, count²), and their weights, which add up to one."""
    point, weight = np.polynomial.legendre.leggauss(count)
    point, weight = (point + 1) / 2, weight / 2
    cosine, azimuth = (array.ravel() for array in np.meshgrid(point, point * np.pi / 2, indexing="ij"))
    sine = np.sqrt(1 - cosine**2)
    return np.stack([cosine, sine * np.cos(azimuth), sine * np.sin(azimuth)]), np.outer(
        weight, weight
    ).ravel()


def octant_by_spheres(edges_mm, fraction, spacing_mm, angles=100, radii=3):
    """Energy fraction by offset 0, 1, 2, …, energy uniform in radius within each shell."""
    spacing = np.asarray(spacing_mm, float)
    shape = np.ceil(edges_mm[-1] / spacing).astype(int) + 2
    out = np.zeros(shape)
    omega, share = directions(angles)
    point, weight = np.polynomial.legendre.leggauss(radii)
    for low, high, energy in zip(edges_mm[:-1], edges_mm[1:], fraction, strict=True):
        for p, w in zip((point + 1) / 2, weight / 2, strict=True):
            if energy == 0:
                continue
            position = (low + (high - low) * p) * omega / spacing[:, None]
            lower = position.astype(int)
            upper = position - lower
            for corner in np.ndindex(2, 2, 2):
                hat = np.prod([upper[k] if corner[k] else 1 - upper[k] for k in range(3)], axis=0)
                index = np.ravel_multi_index(tuple(lower + np.array(corner)[:, None]), shape)
                out += np.bincount(index, hat * share * (energy * w), out.size).reshape(shape)
    for axis in range(3):  # the octant holds all energy; offsets i > 0 share it with -i
        out[tuple(slice(1, None) if k == axis else slice(None) for k in range(3))] /= 2
    return out
