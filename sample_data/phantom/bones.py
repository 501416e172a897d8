"""Spine, ribs, breastbone and shoulder blades, as signed distances [mm] in the frame of `anatomy`."""

from __future__ import annotations

import numpy as np

from .anatomy import CAVITY_CENTRE_Y, Anatomy
from .shapes import Array, Points, ellipsoid, elliptic_cylinder, join, rounded_box, without

VERTEBRA_MM = 25.0
RIB_COUNT = 11
RIB_TOP_MM = 116.0
# How far round the trunk each rib is bone, from the back (0) to the front (1), top rib first.
RIB_BONE_END = np.array([0.80, 0.80, 0.80, 0.80, 0.79, 0.77, 0.74, 0.70, 0.64, 0.52, 0.38])
RIB_CARTILAGE_END = np.array([0.93, 0.93, 0.93, 0.93, 0.93, 0.90, 0.86, 0.80, 0.70, 0.52, 0.38])


def level(z: Array) -> Array:
    """Return the height above the middle of the nearest vertebral body, -0.5 to 0.5 vertebrae."""
    return z / VERTEBRA_MM - np.round(z / VERTEBRA_MM)


def vertebral_bodies(p: Points) -> Array:
    """Return the distance to the vertebral bodies, wasted in the middle, as one column."""
    waist = 2.2 * np.cos(np.pi * level(p.z)) ** 2
    column = elliptic_cylinder(p, (0.0, 58.0), (20.5, 16.5)) + waist
    return without(column, elliptic_cylinder(p, (0.0, 79.0), (9.5, 8.0)), 2.0)


def discs(p: Points) -> Array:
    """Return the distance to the discs: the slabs between the bodies, as an infinite stack."""
    return (0.5 - np.abs(level(p.z))) * VERTEBRA_MM - 3.0


def spinal_canal(p: Points) -> Array:
    """Return the distance to the spinal canal."""
    return elliptic_cylinder(p, (0.0, 79.0), (9.0, 7.5))


def vertebral_arches(p: Points) -> Array:
    """Return the distance to laminae, spinous and transverse processes."""
    height = np.abs(level(p.z)) * VERTEBRA_MM
    ring = without(
        elliptic_cylinder(p, (0.0, 79.0), (14.0, 12.5)), elliptic_cylinder(p, (0.0, 79.0), (9.5, 8.0))
    )
    ring = np.maximum(ring, height - 9.0)
    spinous = rounded_box(p._replace(z=level(p.z) * VERTEBRA_MM), (0.0, 94.0, 0.0), (2.8, 10.5, 7.0), 2.0)
    x = np.abs(p.x)
    lean = p._replace(x=x, y=p.y - 0.35 * (x - 20.0), z=level(p.z) * VERTEBRA_MM)
    transverse = rounded_box(lean, (22.0, 80.0, 0.0), (12.0, 4.0, 4.5), 3.5)
    return join(join(ring, spinous, 2.0), transverse, 2.0)


def ribs(p: Points, anatomy: Anatomy) -> tuple[Array, Array]:
    """Return the distances to the ribs and to their cartilages.

    A rib is a flat tube on the outer side of the chest cavity that falls from the spine to the front.
    """
    depth = anatomy.cavity(p) - 6.0
    around = np.abs(np.arctan2(p.x / 131.0, (p.y - CAVITY_CENTRE_Y) / 86.0)) / np.pi
    fall = 62.0 * (1.0 - np.cos(np.pi * np.minimum(around, 0.8))) / 2.0
    # The cartilages climb back to the breastbone.
    rise = 55.0 * np.maximum(around - 0.8, 0.0) / 0.2 * np.clip((20.0 - p.z) / 60.0, 0.0, 1.0)
    height = RIB_TOP_MM - (p.z + fall - rise)
    index = np.clip(np.round(height / VERTEBRA_MM), 0, RIB_COUNT - 1)
    off = height - index * VERTEBRA_MM
    tube = np.sqrt((depth / 3.6) ** 2 + (off / 6.2) ** 2)
    tube = (tube - 1.0) * 4.2
    number = index.astype(np.intp)
    girth = 190.0 * np.pi
    bone = np.maximum(tube, (around - RIB_BONE_END[number]) * girth / 2)
    bone = np.maximum(bone, (0.085 - around) * girth / 2)
    cartilage = np.maximum(tube, (around - RIB_CARTILAGE_END[number]) * girth / 2)
    return bone, np.maximum(cartilage, (RIB_BONE_END[number] - around) * girth / 2)


def breastbone(p: Points, anatomy: Anatomy) -> Array:
    """Return the distance to the breastbone."""
    depth = anatomy.cavity(p._replace(x=np.zeros_like(p.x))) - 7.0
    width = 15.0 + 6.0 * np.clip((p.z - 60.0) / 40.0, 0.0, 1.0) - 6.0 * np.clip((-5.0 - p.z) / 20.0, 0.0, 1.0)
    plate = np.sqrt((p.x / width) ** 2 + (depth / 5.2) ** 2)
    plate = (plate - 1.0) * 5.0
    ends = np.maximum(p.z - 92.0, -22.0 - p.z)
    return np.maximum(np.maximum(plate, ends), p.y)


def shoulder_blades(p: Points) -> Array:
    """Return the distance to the lower parts of the shoulder blades."""
    mirrored = p._replace(x=np.abs(p.x) - 88.0, y=p.y - 84.0 + 0.30 * (np.abs(p.x) - 88.0), z=p.z - 108.0)
    return ellipsoid(mirrored, (0.0, 0.0, 0.0), (34.0, 3.4, 62.0))
