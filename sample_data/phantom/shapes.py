"""Signed distances of simple shapes, and ways to join them.

A signed distance is negative inside, zero on the surface, positive outside [mm]. Those of the
ellipsoids are first-order approximations: exact on the surface, good within some millimetres of it.
Everything is double precision, so that the last bit, which differs between processors, never shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Added to squares so that the very centre of an ellipsoid lies inside, not at 0 / 0.
TINY = 1e-12


class Points(NamedTuple):
    """Positions in mm as three arrays that broadcast against each other: left, posterior, superior."""

    x: Array
    y: Array
    z: Array


def ellipsoid(p: Points, centre: Sequence[float], semi_axes: Sequence[float], turn_deg: float = 0.0) -> Array:
    """Return the distance to an ellipsoid, turned about the z axis."""
    x, y, z = p.x - centre[0], p.y - centre[1], p.z - centre[2]
    if turn_deg:
        c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
        x, y = c * x + s * y, c * y - s * x
    a, b, c_axis = semi_axes
    least = min(semi_axes)
    k0 = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c_axis) ** 2 + TINY)
    k1 = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c_axis**2) ** 2 + TINY / least**2)
    return k0 * (k0 - 1.0) / k1


def elliptic_cylinder(p: Points, centre: Sequence[float], semi_axes: Sequence[float]) -> Array:
    """Return the distance to an upright cylinder of elliptic section."""
    x, y = p.x - centre[0], p.y - centre[1]
    a, b = semi_axes
    k0 = np.sqrt((x / a) ** 2 + (y / b) ** 2 + TINY)
    k1 = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + TINY / min(a, b) ** 2)
    return k0 * (k0 - 1.0) / k1


def superellipse(x: Array, y: Array, a: Array, b: Array, power: float) -> Array:
    """Return the distance to |x/a|^n + |y/b|^n = 1 in the plane; a and b may change from plane to plane."""
    u, v = np.abs(x / a), np.abs(y / b)
    total = u**power + v**power
    radius = np.maximum(total, 1e-9) ** (1.0 / power)
    slope = np.sqrt((u ** (power - 1) / a) ** 2 + (v ** (power - 1) / b) ** 2) * radius ** (1.0 - power)
    return (radius - 1.0) / np.maximum(slope, 1e-9)


def rounded_box(p: Points, centre: Sequence[float], half: Sequence[float], radius: float) -> Array:
    """Return the distance to a box with rounded edges."""
    q = [np.abs(c - c0) - h + radius for c, c0, h in zip(p, centre, half, strict=True)]
    outside = np.sqrt(sum(np.maximum(d, 0.0) ** 2 for d in q))
    return outside + np.minimum(np.maximum(q[0], np.maximum(q[1], q[2])), 0.0) - radius


def half_space(p: Points, point: Sequence[float], normal: Sequence[float]) -> Array:
    """Return the distance to a half space; the normal points out of it."""
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    return (p.x - point[0]) * n[0] + (p.y - point[1]) * n[1] + (p.z - point[2]) * n[2]


@dataclass(frozen=True)
class Segment:
    """A straight piece of a vessel, thick at its start and thinner at its end [mm]."""

    start: Array
    end: Array
    start_radius: float
    end_radius: float

    def bounds(self, margin: float) -> tuple[Array, Array]:
        """Return the lower and upper corner of the box around the piece."""
        reach = max(self.start_radius, self.end_radius) + margin
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach

    def distance(self, p: Points) -> Array:
        """Return the distance to the piece."""
        axis = self.end - self.start
        rel = (p.x - self.start[0], p.y - self.start[1], p.z - self.start[2])
        t = np.clip(sum(r * a for r, a in zip(rel, axis, strict=True)) / (axis @ axis), 0.0, 1.0)
        gap = np.sqrt(sum((r - t * a) ** 2 for r, a in zip(rel, axis, strict=True)))
        return gap - (self.start_radius + t * (self.end_radius - self.start_radius))


def join(a: Array, b: Array, blend: float = 0.0) -> Array:
    """Return the union of two shapes, with a fillet of about ``blend`` mm."""
    if not blend:
        return np.minimum(a, b)
    h = np.clip(0.5 + 0.5 * (b - a) / blend, 0.0, 1.0)
    return b + (a - b) * h - blend * h * (1.0 - h)


def common(a: Array, b: Array, blend: float = 0.0) -> Array:
    """Return what two shapes share, with edges rounded by about ``blend`` mm."""
    return -join(-a, -b, blend)


def without(a: Array, b: Array, blend: float = 0.0) -> Array:
    """Return the first shape without the second."""
    return -join(-a, b, blend)


def occupancy(distance: Array, width: float) -> Array:
    """Return the fraction of a cell of the given width [mm] that lies inside, from its centre's distance."""
    return np.clip(0.5 - distance / width, 0.0, 1.0)


def ripple(p: Points, amplitude: float, waves: Array) -> Array:
    """Return a smooth random displacement [mm]; ``waves`` rows are wave vectors (3) and a phase."""
    total = np.zeros(())
    for kx, ky, kz, phase in waves:
        # sin(a + b) from arrays of fewer dimensions: most of the time saved on a grid.
        a, b = kx * p.x + ky * p.y, kz * p.z + phase
        total = total + (np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b))
    return total * (amplitude / np.sqrt(0.5 * len(waves)))


def draw_waves(rng: np.random.RandomState, count: int, shortest_mm: float, longest_mm: float) -> Array:
    """Draw wave vectors of random direction and length, with phases, for `ripple`."""
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = rng.uniform(shortest_mm, longest_mm, (count, 1))
    return np.hstack([direction * (2 * np.pi / length), rng.uniform(0, 2 * np.pi, (count, 1))])


def grow_tree(
    rng: np.random.RandomState,
    root: Segment,
    levels: int,
    shrink: float = 0.78,
    spread_deg: float = 38.0,
) -> list[Segment]:
    """Return a vessel that forks again and again, each branch shorter and thinner than its parent."""
    tree = [root]
    if levels == 0:
        return tree
    axis = root.end - root.start
    length = float(np.linalg.norm(axis))
    axis = axis / length
    side = np.cross(axis, rng.standard_normal(3))
    side /= np.linalg.norm(side)
    for sign in (1.0, -1.0):
        angle = np.radians(spread_deg * rng.uniform(0.5, 1.2)) * sign
        direction = np.cos(angle) * axis + np.sin(angle) * side
        end = root.end + direction * length * shrink * rng.uniform(0.75, 1.2)
        child = Segment(root.end, end, root.end_radius * 0.92, root.end_radius * 0.92 * 0.84)
        tree += grow_tree(rng, child, levels - 1, shrink, spread_deg)
    return tree
