"""An abdomen of ellipsoids and ribs as a function of position, seen by any CT. Imports nothing from the package."""

from __future__ import annotations

import numpy as np

# Centre [mm], half axes [mm], CT number [HU]; later ones lie over earlier ones.
PARTS = (
    ((0, 0, 0), (150, 100, 900), 0),
    ((-65, -50, 0), (50, 60, 900), -60),
    ((-40, -5, 10), (75, 60, 62), 60),
    ((25, -38, 35), (45, 40, 40), 45),
    ((55, 15, 95), (50, 58, 70), -700),
    ((-55, 8, 112), (55, 62, 70), -700),
    ((0, 70, 0), (20, 20, 900), 250),
    ((70, 28, -10), (25, 22, 42), 50),
    ((40, 42, -52), (26, 24, 48), 35),
    ((-42, 42, -58), (26, 24, 48), 35),
)
LIVER_CENTRE, LIVER_AXES = np.array((-40.0, -5.0, 10.0)), np.array((75.0, 60.0, 62.0))


def hounsfield(points):
    """CT numbers at points, (..., 3)."""
    found = np.full(points.shape[:-1], -1000.0)
    for centre, axes, value in PARTS:
        found[(((points - centre) / axes) ** 2).sum(axis=-1) < 1] = value
    for rib in range(-7, 11):
        x, y, z = np.moveaxis(points - (0, 0, rib * 26.0), -1, 0)
        ring = np.abs(np.hypot(x / 132, y / 85) - 1) < 0.05
        found[ring & (np.abs(z - 0.2 * y) < 5)] = 300
    return found


def seen(affine, shape, noise=20.0, seed=0, pose=None):
    """Stored values (HU + 1024) of a CT on a grid; ``pose`` takes points of the scanner to points of the body."""
    points = np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    if pose is not None:
        points = points @ pose[:3, :3].T + pose[:3, 3]
    values = hounsfield(points) + np.random.default_rng(seed).normal(0, noise, shape)
    return np.rint(np.clip(values, -1024, 3000) + 1024).astype(np.int16)


def liver_contours(step_mm=4.0):
    """The liver as it would be drawn in the frame of the body."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    flat = np.column_stack([np.cos(angles), np.sin(angles)]) * LIVER_AXES[:2] + LIVER_CENTRE[:2]
    heights = np.arange(-LIVER_AXES[2] + step_mm / 2, LIVER_AXES[2], step_mm)
    made = []
    for height in heights:
        size = np.sqrt(1 - (height / LIVER_AXES[2]) ** 2)
        ring = (flat - LIVER_CENTRE[:2]) * size + LIVER_CENTRE[:2]
        made.append(np.column_stack([ring, np.full(len(ring), height + LIVER_CENTRE[2])]))
    return made


def liver_surface():
    """Points on the surface of the liver."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, 10), np.linspace(0, 2 * np.pi, 16))
    ball = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    return ball.reshape(-1, 3) * LIVER_AXES + LIVER_CENTRE
