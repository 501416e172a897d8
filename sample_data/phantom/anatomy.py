"""The patient: where each organ is, as signed distances in a frame centred on the patient.

Axes are DICOM's patient axes in millimetres: x to the patient's left, y to posterior, z to superior.
z = 0 lies at about the top of the liver, (x, y) = (0, 0) in the middle of the trunk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .shapes import (
    Array,
    Points,
    common,
    draw_waves,
    ellipsoid,
    elliptic_cylinder,
    half_space,
    join,
    ripple,
    superellipse,
    without,
)

CAVITY_CENTRE_Y = -8.0
NOMINAL_TUMOURS = (((-80.0, 17.0, -61.0), (27.5, 29.0, 28.5)), ((-94.0, -30.0, -104.0), (18.5, 19.0, 19.5)))


@dataclass(frozen=True)
class Tumour:
    """One lesion: a lumpy ellipsoid, with a dead core or without [mm]."""

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    core_fraction: float = 0.0
    waves: Array = field(default_factory=lambda: np.zeros((1, 4)))

    def distance(self, p: Points) -> Array:
        """Return the distance to the lesion's surface."""
        return ellipsoid(p, self.centre, self.semi_axes) + ripple(p, 0.05 * min(self.semi_axes), self.waves)

    def core_distance(self, p: Points) -> Array:
        """Return the distance to the surface of its dead core; positive everywhere where there is none."""
        if not self.core_fraction:
            return np.full(np.broadcast_shapes(p.x.shape, p.y.shape, p.z.shape), 1e3)
        x, y, z = self.centre
        centre = (x + 0.1 * self.semi_axes[0], y - 0.1 * self.semi_axes[1], z)
        semi = tuple(self.core_fraction * s for s in self.semi_axes)
        return ellipsoid(p, centre, semi) + ripple(p, 0.03 * min(self.semi_axes), self.waves)


@dataclass(frozen=True)
class Anatomy:
    """Shapes of one patient.

    Parameters
    ----------
    scale : tuple of float, (3,)
        Stretch of everything along x, y and z.
    fat_mm : float
        Thickness of the fat under the skin.
    tumours : tuple of Tumour
        In the unstretched frame.
    liver_waves : ndarray, (n, 4)
        Irregularity of the liver surface.
    """

    scale: tuple[float, float, float]
    fat_mm: float
    tumours: tuple[Tumour, ...]
    liver_waves: Array

    @cached_property
    def mean_scale(self) -> float:
        """Geometric mean of the stretch, by which distances grow."""
        return float(np.cbrt(np.prod(self.scale)))

    def unstretch(self, p: Points) -> Points:
        """Return the points in the frame in which the shapes below are written."""
        return Points(p.x / self.scale[0], p.y / self.scale[1], p.z / self.scale[2])

    # Trunk

    def trunk(self, p: Points) -> Array:
        """Return the distance to the skin."""
        girth = self.fat_mm - 13.0
        waist = np.exp(-(((p.z + 95.0) / 60.0) ** 2))
        shoulders = np.clip((p.z - 40.0) / 90.0, 0.0, 1.0) ** 2
        half_width = 161.0 + girth - 7.0 * waist + 8.0 * shoulders
        half_depth = 108.0 + girth - 3.0 * waist - 5.0 * shoulders
        # The back is flatter than the belly, with a furrow along the spine.
        flat = np.where(p.y > 0, 1.0 - 0.035 * np.cos(np.clip(p.x / 150.0, -1, 1) * np.pi), 1.0)
        furrow = 5.0 * np.exp(-((p.x / 13.0) ** 2)) * (p.y > 40)
        return superellipse(p.x, p.y, half_width, half_depth * flat, 2.45) + furrow

    def fat_depth(self, p: Points) -> Array:
        """Return the thickness of the fat under the skin: most on the flanks and the belly."""
        flank = np.clip(np.abs(p.x) / 150.0, 0.0, 1.0) ** 2
        low = 1.0 / (1.0 + np.exp((p.z + 40.0) / 25.0))
        front = np.clip(-p.y / 100.0, 0.0, 1.0)
        return self.fat_mm * (0.55 + 0.25 * flank + 0.5 * low * (0.4 + 0.6 * np.maximum(front, flank)))

    def cavity(self, p: Points) -> Array:
        """Return the distance to the inner surface of the rib cage and the belly wall."""
        dome = np.clip((p.z - 5.0) / 117.0, 0.0, 1.0)
        narrowing = (1.0 - dome**2.7) ** 0.5
        waist = np.exp(-(((p.z + 100.0) / 60.0) ** 2))
        a = (131.0 - 4.0 * waist) * np.maximum(narrowing, 0.03)
        b = (86.0 - 2.0 * waist) * np.maximum(0.25 + 0.75 * narrowing, 0.03)
        wall = superellipse(p.x, p.y - CAVITY_CENTRE_Y, a, b, 2.25)
        spine = elliptic_cylinder(p, (0.0, 72.0), (30.0, 36.0))
        # Gutters on both sides of the spine reach further back than the vertebral bodies.
        gutters = join(
            elliptic_cylinder(p, (-62.0, 42.0), (48.0, 44.0)),
            elliptic_cylinder(p, (62.0, 42.0), (48.0, 44.0)),
        )
        taper = np.maximum(p.z - 60.0, 0.0) * 0.9
        return without(join(wall, gutters + taper, 12.0), spine, 10.0)

    # Chest

    def heart(self, p: Points) -> Array:
        """Return the distance to the heart with its sac."""
        body = ellipsoid(p, (24.0, -30.0, 30.0), (60.0, 41.0, 44.0), turn_deg=28.0)
        atria = ellipsoid(p, (-8.0, -10.0, 48.0), (40.0, 33.0, 36.0))
        return join(body, atria, 18.0)

    def mediastinum(self, p: Points) -> Array:
        """Return the distance to everything between the lungs."""
        column = elliptic_cylinder(p, (2.0, 30.0), (27.0, 58.0))
        front = elliptic_cylinder(p, (0.0, -62.0), (13.0, 60.0))
        great_vessels = ellipsoid(p, (2.0, -8.0, 88.0), (38.0, 36.0, 46.0))
        middle = join(join(column, front, 14.0), great_vessels, 14.0)
        return join(middle, self.heart(p) - 3.0, 10.0)

    def left_dome(self, p: Points) -> Array:
        """Return the distance to what lies under the left half of the diaphragm."""
        return ellipsoid(p, (74.0, 2.0, -92.0), (72.0, 92.0, 78.0))

    def lung(self, p: Points, side: int) -> Array:
        """Return the distance to a lung; side is -1 for the right, 1 for the left."""
        inside = self.cavity(p) + 3.5
        inside = np.maximum(inside, -side * p.x)
        inside = without(inside, self.mediastinum(p), 9.0)
        inside = without(inside, self.liver_before_cuts(p) - 3.5, 3.0)
        inside = without(inside, self.left_dome(p) - 3.0, 3.0)
        # The recess between diaphragm and chest wall ends on a slope, lowest at the back.
        recess = half_space(p, (0.0, 0.0, -50.0), (0.0, -0.38, -1.0))
        return common(inside, recess, 6.0)

    # Liver

    def liver_before_cuts(self, p: Points) -> Array:
        """Return the distance to the two lobes joined, before other organs press into them."""
        right = ellipsoid(p, (-64.0, 0.0, -80.0), (72.0, 87.0, 82.0))
        left = ellipsoid(p, (6.0, -44.0, -46.0), (76.0, 40.0, 38.0), turn_deg=-9.0)
        return join(right, left, 26.0) + ripple(p, 1.2, self.liver_waves)

    def liver(self, p: Points) -> Array:
        """Return the distance to the liver."""
        body = common(self.liver_before_cuts(p), self.cavity(p) + 5.0, 6.0)
        # The lower surface rises from the right flank towards the left and the back.
        below = half_space(p, (-92.0, 0.0, -138.0), (0.52, 0.34, -0.80))
        body = common(body, below, 22.0)
        body = without(body, self.gallbladder(p) - 2.0, 6.0)
        body = without(body, ellipsoid(p, (-18.0, -62.0, -110.0), (24.0, 24.0, 30.0)), 6.0)
        body = without(body, self.vena_cava(p) - 1.5, 6.0)
        body = without(body, self.kidney(p, -1) - 6.0, 12.0)
        body = without(body, self.stomach(p) - 3.0, 8.0)
        hilum = ellipsoid(p, (-18.0, 2.0, -78.0), (24.0, 15.0, 17.0))
        body = without(body, hilum, 12.0)
        return without(body, elliptic_cylinder(p, (6.0, 64.0), (34.0, 44.0)), 10.0)

    def right_lobe_side(self, p: Points) -> Array:
        """Return the distance to the plane from gallbladder to vena cava; negative on the right."""
        return half_space(p, (-28.0, 0.0, 0.0), (1.0, -0.22, 0.05))

    def perfused(self, p: Points) -> Array:
        """Return the distance to the treated right lobe."""
        return self.perfused_part(self.liver(p), p)

    def perfused_part(self, liver: Array, p: Points) -> Array:
        """Return the distance to the treated right lobe, from the distance to the liver."""
        return np.maximum(liver, self.right_lobe_side(p))

    def gallbladder(self, p: Points) -> Array:
        """Return the distance to the gallbladder."""
        return ellipsoid(p, (-40.0, -50.0, -112.0), (15.0, 21.0, 26.0), turn_deg=20.0)

    # Other organs of the belly

    def stomach(self, p: Points) -> Array:
        """Return the distance to the stomach."""
        fundus = ellipsoid(p, (66.0, 8.0, -52.0), (36.0, 42.0, 34.0))
        body = ellipsoid(p, (52.0, -28.0, -92.0), (32.0, 34.0, 46.0))
        antrum = ellipsoid(p, (12.0, -46.0, -124.0), (42.0, 20.0, 17.0))
        return join(join(fundus, body, 18.0), antrum, 16.0)

    def spleen(self, p: Points) -> Array:
        """Return the distance to the spleen: a crescent behind the stomach."""
        body = ellipsoid(p, (94.0, 34.0, -68.0), (28.0, 48.0, 50.0), turn_deg=28.0)
        body = common(body, self.cavity(p) + 4.0, 6.0)
        return without(body, self.stomach(p) - 5.0, 8.0)

    def kidney(self, p: Points, side: int) -> Array:
        """Return the distance to a kidney; the right one lies lower."""
        z = -150.0 if side < 0 else -132.0
        body = ellipsoid(p, (side * 62.0, 48.0, z), (28.0, 25.0, 50.0), turn_deg=-side * 28.0)
        return without(body, ellipsoid(p, (side * 36.0, 36.0, z), (17.0, 12.0, 15.0)), 6.0)

    def vena_cava(self, p: Points) -> Array:
        """Return the distance to the inferior vena cava."""
        return elliptic_cylinder(p, (-21.0, 32.0), (14.0, 11.0))

    def aorta(self, p: Points) -> Array:
        """Return the distance to the descending aorta."""
        lean = 8.0 * np.clip((p.z + 20.0) / 110.0, 0.0, 1.0)
        shifted = Points(p.x - lean, p.y, p.z)
        return elliptic_cylinder(shifted, (9.0, 30.0), (11.5, 11.5))


def nominal_anatomy(rng: np.random.RandomState) -> Anatomy:
    """Return the patient of the sample study: two tumours in the right lobe, the larger with a dead core."""
    (c1, s1), (c2, s2) = NOMINAL_TUMOURS
    tumours = (
        Tumour(c1, s1, core_fraction=0.42, waves=draw_waves(rng, 5, 22.0, 45.0)),
        Tumour(c2, s2, waves=draw_waves(rng, 5, 18.0, 36.0)),
    )
    return Anatomy((1.0, 1.0, 1.0), 13.0, tumours, draw_waves(rng, 8, 45.0, 110.0))
