"""Plain twins of deterministic pieces of transport; nothing here imports what it judges."""

import numpy as np


def energy_along(start, direction, mass_length, density, spacing):
    """Share of a straight way [g/cm²] spent in each voxel, by ten thousand small steps of equal mass length."""
    share = np.zeros(density.shape)
    at = np.array(start, float)
    steps = 10_000
    for _ in range(steps):
        index = tuple(np.floor(at / spacing).astype(int))
        if min(index) < 0 or any(i >= n for i, n in zip(index, density.shape, strict=True)):
            break
        share[index] += 1.0 / steps
        at += np.array(direction) * mass_length * 10.0 / density[index] / steps
    return share, at


def turned(direction, polar, azimuth):
    """A direction turned by Rodrigues' formula: by the polar angle about an axis across, then about itself."""
    helper = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    across = np.cross(direction, helper)
    across /= np.linalg.norm(across)
    bent = rodrigues(np.array(direction), across, polar)
    return rodrigues(bent, np.array(direction), azimuth)


def rodrigues(vector, axis, angle):
    """A vector turned about a unit axis."""
    return (
        vector * np.cos(angle)
        + np.cross(axis, vector) * np.sin(angle)
        + axis * (axis @ vector) * (1 - np.cos(angle))
    )
