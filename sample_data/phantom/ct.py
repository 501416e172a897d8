"""The CT image: Hounsfield units painted organ by organ, then blurred, textured and made noisy.

A contrast-enhanced scan in the portal venous phase, patient supine with raised arms, on a couch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from . import bones
from .anatomy import Anatomy
from .settings import Settings
from .shapes import (
    Array,
    Points,
    Segment,
    ellipsoid,
    elliptic_cylinder,
    grow_tree,
    half_space,
    occupancy,
    rounded_box,
)

AIR, FAT, MUSCLE, SKIN, WATER = -1000.0, -98.0, 58.0, 8.0, 6.0
LIVER, SPLEEN, KIDNEY, VEIN, ARTERY, HEART = 104.0, 116.0, 178.0, 152.0, 146.0, 132.0
TUMOUR, TUMOUR_RIM, NECROSIS = 68.0, 86.0, 24.0
LUNG, SPONGY_BONE, HARD_BONE, CARTILAGE, DISC = -848.0, 215.0, 640.0, 118.0, 78.0

SLAB = 12
# Where the vessels of a lung set out to from its root [mm]; x outwards.
LUNG_BRANCHES = (
    (44, -22, 34),
    (36, 18, 46),
    (52, 6, -4),
    (30, 36, -40),
    (44, -32, -22),
    (30, 4, -54),
    (30, -34, 14),
    (40, 38, 4),
)

Distance = Callable[[Points], Array]


class Canvas:
    """Hounsfield units on a grid of points; later strokes cover earlier ones.

    Parameters
    ----------
    axes : sequence of ndarray
        Positions along z, y and x in the frame of the anatomy [mm].
    edge_mm : float
        Width over which a surface fades.
    """

    def __init__(self, axes: Sequence[Array], edge_mm: float):
        self.axes = [np.asarray(a, float) for a in axes]
        self.edge_mm = edge_mm
        self.hu = np.full([a.size for a in self.axes], AIR)

    def points(self, window: tuple[slice, ...] = (slice(None),) * 3) -> Points:
        """Return the positions of a part of the grid."""
        z, y, x = (a[w] for a, w in zip(self.axes, window, strict=True))
        return Points(x[None, None, :], y[None, :, None], z[:, None, None])

    def window(self, lower: Sequence[float], upper: Sequence[float]) -> tuple[slice, ...]:
        """Return the part of the grid between two corners, given as x, y, z."""
        return tuple(
            slice(int(np.searchsorted(a, lo)), int(np.searchsorted(a, hi)))
            for a, lo, hi in zip(self.axes, lower[::-1], upper[::-1], strict=True)
        )

    def paint(
        self,
        distance: Array,
        hu: float | Array,
        window: tuple[slice, ...] = (slice(None),) * 3,
        edge_mm: float | None = None,
    ) -> None:
        """Cover the inside of a shape."""
        inside = occupancy(distance, self.edge_mm if edge_mm is None else edge_mm)
        part = self.hu[window]
        part += inside * (hu - part)

    def paint_box(
        self, shape: Distance, hu: float | Array, lower: Sequence[float], upper: Sequence[float]
    ) -> None:
        """Cover the inside of a shape that is known to lie within a box."""
        window = self.window(lower, upper)
        if all(w.stop > w.start for w in window):
            self.paint(shape(self.points(window)), hu, window)

    def paint_tree(self, tree: Sequence[Segment], hu: float, within: Array | None = None) -> None:
        """Cover vessels, only where ``within`` (a distance on the whole grid) is negative."""
        for piece in tree:
            window = self.window(*piece.bounds(self.edge_mm))
            if any(w.stop <= w.start for w in window):
                continue
            distance = piece.distance(self.points(window))
            thin = max(0.0, self.edge_mm - 2.0 * piece.end_radius)
            if within is not None:
                distance = np.maximum(distance, within[window])
            self.paint(distance + 0.25 * thin, hu, window)


def paint_wall(canvas: Canvas, anatomy: Anatomy, cavity: Array) -> None:
    """Paint skin, fat and the muscles of the trunk, and fat inside the cavity."""
    p = canvas.points()
    trunk = anatomy.trunk(p)
    depth = anatomy.fat_depth(p)
    canvas.paint(trunk, SKIN)
    canvas.paint(trunk + 2.2, FAT)
    canvas.paint(trunk + depth, MUSCLE)
    paint_armpits(canvas, trunk + depth, cavity)
    # A thin layer of fat parts the outer muscles from those of the chest wall.
    layer = np.abs(cavity - 14.5) - 0.9
    canvas.paint(np.maximum(layer, np.maximum(trunk + depth + 5.0, p.y - 78.0)), FAT + 50.0)
    canvas.paint(cavity, MUSCLE - 5.0)
    canvas.paint(cavity + 2.5, FAT)


def paint_armpits(canvas: Canvas, under_fat: Array, cavity: Array) -> None:
    """Paint the fat between chest wall and shoulder girdle, and the muscles that cross it."""
    p = canvas.points()
    mirrored = p._replace(x=np.abs(p.x))
    space = np.maximum(under_fat + 3.0, 20.0 - cavity)
    space = np.maximum(space, 40.0 - p.z - 0.25 * np.abs(p.x))
    canvas.paint(space, FAT + 6.0)
    for centre, semi, turn in (
        ((62.0, -74.0, 110.0), (66.0, 13.0, 62.0), 24.0),
        ((72.0, -60.0, 122.0), (34.0, 8.0, 44.0), 24.0),
        ((112.0, 58.0, 96.0), (40.0, 17.0, 74.0), -34.0),
        ((92.0, 72.0, 112.0), (44.0, 11.0, 60.0), -18.0),
        ((52.0, 88.0, 100.0), (62.0, 12.0, 80.0), -8.0),
        ((140.0, 14.0, 118.0), (15.0, 24.0, 40.0), 0.0),
    ):
        muscle = ellipsoid(mirrored, centre, semi, turn)
        canvas.paint(np.maximum(np.maximum(muscle, under_fat), 12.0 - cavity), MUSCLE)
    vessels = ellipsoid(mirrored, (118.0, -14.0, 120.0), (5.0, 5.0, 60.0))
    canvas.paint(np.maximum(vessels, under_fat), ARTERY - 20.0)


def paint_bones(canvas: Canvas, anatomy: Anatomy) -> None:
    """Paint the skeleton: hard shells with spongy bone inside."""
    p = canvas.points()
    arches = bones.vertebral_arches(p)
    column = bones.vertebral_bodies(p)
    rib, cartilage = bones.ribs(p, anatomy)
    canvas.paint(cartilage, CARTILAGE)
    for shape, shell in ((arches, 1.6), (rib, 1.5), (bones.breastbone(p, anatomy), 1.4)):
        canvas.paint(shape, HARD_BONE)
        canvas.paint(shape + shell, SPONGY_BONE - 60.0)
    canvas.paint(bones.shoulder_blades(p), HARD_BONE)
    canvas.paint(column, HARD_BONE - 100.0)
    canvas.paint(column + 1.5, SPONGY_BONE)
    canvas.paint(np.maximum(column, bones.discs(p) - 1.3), HARD_BONE - 200.0)
    canvas.paint(np.maximum(column - 0.8, bones.discs(p)), DISC)
    canvas.paint(bones.spinal_canal(p), 22.0)
    canvas.paint(elliptic_cylinder(p, (0.0, 79.0), (5.0, 4.2)), 42.0)


def paint_bowel(canvas: Canvas, anatomy: Anatomy, cavity: Array, rng: np.random.RandomState) -> None:
    """Paint loops of bowel low in the cavity, some of them with gas."""
    p = canvas.points()
    room = np.maximum(cavity + 7.0, anatomy.liver(p) * -1.0 + 7.0)
    room = np.maximum(room, 7.0 - anatomy.stomach(p))
    room = np.maximum(room, p.z + 92.0 - 0.35 * np.maximum(p.x, 0.0))
    for _ in range(46):
        centre = rng.uniform((-100, -78, -165), (112, 30, -100))
        semi = rng.uniform(10, 19, 3)
        gas = rng.uniform() < 0.3
        window = canvas.window(centre - 22, centre + 22)
        if any(w.stop <= w.start for w in window):
            continue
        q = canvas.points(window)
        loop = np.maximum(ellipsoid(q, centre, semi), room[window])
        canvas.paint(loop, 48.0, window)
        canvas.paint(loop + 2.2, 18.0, window)
        if gas:
            top = half_space(q, centre - np.array([0.0, 1.0, 0.0]), (0.0, 1.0, 0.0))
            canvas.paint(np.maximum(loop + 2.4, top), AIR + 30, window)


def paint_belly(canvas: Canvas, anatomy: Anatomy, cavity: Array, rng: np.random.RandomState) -> None:
    """Paint the organs below the diaphragm other than the liver."""
    p = canvas.points()
    paint_bowel(canvas, anatomy, cavity, rng)
    crura = np.minimum(
        ellipsoid(p, (-10.0, 24.0, -60.0), (6.0, 16.0, 70.0)),
        ellipsoid(p, (24.0, 24.0, -60.0), (6.0, 18.0, 70.0)),
    )
    canvas.paint(np.maximum(crura, cavity), MUSCLE)
    psoas = ellipsoid(p._replace(x=np.abs(p.x)), (33.0, 52.0, -182.0), (15.0, 18.0, 92.0))
    canvas.paint(psoas, MUSCLE + 4.0)
    for side in (-1, 1):
        kidney = np.maximum(anatomy.kidney(p, side), cavity)
        canvas.paint(kidney, KIDNEY)
        canvas.paint(kidney + 11.0, KIDNEY - 45.0)
        canvas.paint_box(
            lambda q, s=side: rounded_box(q, (s * 38.0, 26.0, -84.0), (3.0, 12.0, 11.0), 3.0),
            62.0,
            (-60, 0, -110),
            (60, 60, -60),
        )
    canvas.paint(anatomy.spleen(p), SPLEEN)
    stomach = anatomy.stomach(p)
    canvas.paint(stomach, 62.0)
    canvas.paint(stomach + 4.0, 14.0)
    canvas.paint(np.maximum(stomach + 4.0, half_space(p, (0.0, -38.0, 0.0), (0.0, 1.0, 0.0))), AIR + 12)
    pancreas = ellipsoid(p, (22.0, -2.0, -112.0), (52.0, 10.0, 13.0), turn_deg=-24.0)
    canvas.paint(np.maximum(pancreas, 3.0 - stomach), 82.0)


def paint_liver(canvas: Canvas, anatomy: Anatomy, rng: np.random.RandomState) -> None:
    """Paint the liver with its vessels and tumours, and the gallbladder."""
    p = canvas.points()
    liver = anatomy.liver(p)
    canvas.paint(liver, LIVER)
    inside = liver + 4.0
    v = np.array
    portal = [
        Segment(v([-12.0, 14.0, -96.0]), v([-24.0, 6.0, -80.0]), 7.0, 6.5),
        *grow_tree(rng, Segment(v([-24.0, 6.0, -80.0]), v([-52.0, 6.0, -72.0]), 6.0, 5.2), 5),
        *grow_tree(rng, Segment(v([-24.0, 6.0, -80.0]), v([-14.0, -28.0, -58.0]), 5.0, 4.0), 4),
    ]
    hepatic = []
    for target, levels in (((-78, 24, -34), 4), ((-48, -30, -34), 4), ((12, -26, -30), 3)):
        hepatic += grow_tree(
            rng, Segment(v([-21.0, 26.0, -16.0]), v(target) * 0.62 + v([-8, 10, -6]), 5.5, 4.5), levels
        )
    canvas.paint_tree(portal[:1], VEIN)
    canvas.paint_tree(portal[1:], VEIN, inside)
    canvas.paint_tree(hepatic, VEIN + 6.0, inside)
    for tumour in anatomy.tumours:
        distance = tumour.distance(p)
        canvas.paint(distance, TUMOUR_RIM, edge_mm=3.0)
        canvas.paint(distance + 3.5, TUMOUR, edge_mm=4.0)
        if tumour.core_fraction > 0:
            canvas.paint(tumour.core_distance(p), NECROSIS, edge_mm=3.5)
    canvas.paint(anatomy.gallbladder(p), 40.0)
    canvas.paint(anatomy.gallbladder(p) + 1.8, 10.0)


def paint_lungs(canvas: Canvas, anatomy: Anatomy, rng: np.random.RandomState) -> None:
    """Paint the lungs, denser towards the back, with their vessels and the large airways."""
    p = canvas.points()
    v = np.array
    for side in (-1, 1):
        lung = anatomy.lung(p, side)
        canvas.paint(lung, LUNG + 0.55 * (p.y + 60.0) - 0.10 * (p.z + 40.0))
        hilum = v([side * 32.0, 6.0, 52.0])
        tree: list[Segment] = []
        for direction in LUNG_BRANCHES:
            end = hilum + 0.5 * v(direction, float) * v([side, 1, 1])
            tree += grow_tree(rng, Segment(hilum, end, 6.0, 4.4), 6, shrink=0.86, spread_deg=36.0)
        canvas.paint_tree(tree, 30.0, lung + 2.0)
        main_bronchus = [
            Segment(v([-2.0, 14.0, 74.0]), hilum + v([side * 4.0, 2, 4]), 7.0, 5.0),
            Segment(hilum + v([side * 4.0, 2, 4]), hilum + v([side * 16.0, 14, -26]), 4.6, 3.0),
        ]
        canvas.paint_tree(main_bronchus, AIR + 40)


def paint_mediastinum(canvas: Canvas, anatomy: Anatomy) -> None:
    """Paint heart, great vessels, gullet and windpipe."""
    p = canvas.points()
    heart = np.maximum(anatomy.heart(p), 4.0 - anatomy.liver_before_cuts(p))
    canvas.paint(heart, FAT + 20)
    canvas.paint(heart + 2.5, HEART - 26.0)
    for centre, semi, turn in (
        ((42.0, -30.0, 24.0), (31.0, 17.0, 26.0), 40.0),
        ((6.0, -46.0, 22.0), (24.0, 13.0, 28.0), 30.0),
        ((-18.0, -22.0, 36.0), (19.0, 22.0, 28.0), 0.0),
        ((10.0, 2.0, 50.0), (28.0, 16.0, 20.0), 0.0),
    ):
        canvas.paint(np.maximum(ellipsoid(p, centre, semi, turn), heart + 6.0), HEART + 14.0)
    v = np.array
    arch = [
        Segment(v([2.0, -20.0, 50.0]), v([-10.0, -30.0, 80.0]), 14.0, 14.0),
        Segment(v([-10.0, -30.0, 80.0]), v([4.0, -12.0, 100.0]), 14.0, 13.0),
        Segment(v([4.0, -12.0, 100.0]), v([17.0, 24.0, 94.0]), 13.0, 12.0),
        Segment(v([10.0, -34.0, 46.0]), v([14.0, -24.0, 76.0]), 13.0, 12.0),
        Segment(v([14.0, -24.0, 74.0]), v([34.0, 4.0, 62.0]), 11.0, 8.0),
        Segment(v([14.0, -22.0, 74.0]), v([-32.0, 2.0, 60.0]), 10.0, 8.0),
        Segment(v([-24.0, -18.0, 50.0]), v([-26.0, -20.0, 130.0]), 9.0, 8.0),
        Segment(v([-4.0, -22.0, 100.0]), v([-14.0, -14.0, 130.0]), 6.0, 5.0),
        Segment(v([10.0, -8.0, 104.0]), v([18.0, -2.0, 130.0]), 5.0, 5.0),
    ]
    canvas.paint_tree(arch, ARTERY)
    canvas.paint(np.maximum(anatomy.aorta(p), p.z - 96.0), ARTERY)
    canvas.paint(np.maximum(anatomy.vena_cava(p), p.z - 16.0), VEIN)
    gullet = elliptic_cylinder(p, (2.0, 26.0), (8.0, 6.0))
    canvas.paint(np.maximum(gullet - 0.0, -12.0 - p.z) + 0.0 * p.y, 52.0)
    canvas.paint(np.maximum(elliptic_cylinder(p, (2.0, 25.0), (3.0, 1.6)), 8.0 - p.z), -300.0)
    canvas.paint(np.maximum(elliptic_cylinder(p, (-2.0, 10.0), (10.5, 10.0)), 74.0 - p.z), 60.0)
    canvas.paint(np.maximum(elliptic_cylinder(p, (-2.0, 10.0), (8.8, 8.2)), 74.0 - p.z), AIR + 10)


def paint_couch(canvas: Canvas, anatomy: Anatomy) -> None:
    """Paint the couch: a thin curved shell under the back, never over the patient."""
    p = canvas.points()
    top = 116.0 + (anatomy.fat_mm - 13.0) - 0.00042 * p.x**2
    shell = np.maximum(np.abs(p.x) - 178.0, np.abs(p.y - top) - 1.6)
    foam = np.maximum(np.abs(p.x) - 176.0, np.abs(p.y - top - 9.0) - 8.0)
    bottom = np.maximum(np.abs(p.x) - 170.0, np.abs(p.y - top - 18.0) - 1.4)
    outside = 1.0 - anatomy.trunk(p)
    canvas.paint(np.maximum(foam, outside), -930.0)
    canvas.paint(np.maximum(shell, outside), -180.0)
    canvas.paint(np.maximum(bottom, outside), -260.0)


def ideal_hu(anatomy: Anatomy, axes: Sequence[Array], edge_mm: float, settings: Settings) -> Array:
    """Return the noiseless CT [HU] on a grid in the anatomy's frame, (slices, rows, columns).

    Some slices at a time: arrays that fit in the processor's cache are worked on twice as fast.
    """
    z, y, x = (np.asarray(a) / s for a, s in zip(axes, anatomy.scale[::-1], strict=True))
    parts = np.array_split(z, max(1, z.size // SLAB))
    return np.concatenate([paint_patient(anatomy, [part, y, x], edge_mm, settings) for part in parts])


def paint_patient(anatomy: Anatomy, axes: Sequence[Array], edge_mm: float, settings: Settings) -> Array:
    """Return the noiseless CT [HU] on a grid in the unstretched frame; its random shapes come from the seed."""
    rng = settings.random("vessels")
    canvas = Canvas(axes, edge_mm)
    cavity = np.asarray(anatomy.cavity(canvas.points()))
    paint_couch(canvas, anatomy)
    paint_wall(canvas, anatomy, cavity)
    paint_belly(canvas, anatomy, cavity, rng)
    paint_liver(canvas, anatomy, rng)
    paint_lungs(canvas, anatomy, rng)
    paint_mediastinum(canvas, anatomy)
    paint_bones(canvas, anatomy)
    return canvas.hu


def add_scanner(hu: Array, pixel_mm: float, noise_hu: float, rng: np.random.RandomState) -> Array:
    """Return one slice as a scanner shows it: blurred a little, with noise that has grain."""
    blurred = ndimage.gaussian_filter(hu, 0.55 / pixel_mm * 1.6, mode="nearest") if noise_hu else hu
    if not noise_hu:
        return blurred
    grain = ndimage.gaussian_filter(rng.standard_normal(hu.shape), 1.1 / pixel_mm, mode="wrap")
    coarse = ndimage.gaussian_filter(rng.standard_normal(hu.shape), 4.5 / pixel_mm, mode="wrap")
    noise = grain / grain.std() + 0.35 * coarse / coarse.std()
    return blurred + noise_hu * noise
