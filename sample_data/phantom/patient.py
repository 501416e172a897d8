"""Which patient a study shows: the sample's, or one drawn from the seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .anatomy import Anatomy, Tumour, nominal_anatomy
from .settings import Settings
from .shapes import Points, draw_waves


def point(position: np.ndarray) -> Points:
    """Return positions, (n, 3), as points."""
    return Points(*np.asarray(position, float).T)


def draw_tumours(rng: np.random.RandomState, anatomy: Anatomy) -> tuple[Tumour, ...]:
    """Place one to four lesions well inside the treated lobe, apart from each other."""
    tumours: list[Tumour] = []
    wanted = rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1])
    radius = rng.uniform(19.0, 31.0)
    directions = rng.standard_normal((300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # Lumps stick out of the ellipsoid by up to a sixth; the lobe has notches that may reach into it.
    ball = np.concatenate([f * directions for f in (0.0, 0.4, 0.7, 0.9, 1.03, 1.17)])
    for attempt in range(4000):
        if len(tumours) == wanted:
            break
        if attempt % 250 == 249:
            radius *= 0.9
        centre = rng.uniform((-125.0, -70.0, -125.0), (-35.0, 70.0, -20.0))
        semi = radius * rng.uniform(0.88, 1.12, 3)
        if (anatomy.perfused(point(centre + semi * ball)) > -2.0).any():
            continue
        if any(np.linalg.norm(centre - t.centre) < 1.2 * (max(semi) + max(t.semi_axes)) + 4 for t in tumours):
            continue
        core = rng.uniform(0.3, 0.5) if radius > 22.0 and rng.uniform() < 0.5 else 0.0
        waves = draw_waves(rng, 5, 0.9 * radius, 1.7 * radius)
        tumours.append(Tumour(tuple(centre.tolist()), tuple(semi.tolist()), core, waves))
        radius *= rng.uniform(0.55, 0.85)
        radius = max(radius, 11.0)
    return tuple(tumours)


def make_patient(settings: Settings) -> tuple[Anatomy, Settings]:
    """Return the anatomy, and the settings with what was drawn for this patient."""
    rng = settings.random("patient")
    anatomy = nominal_anatomy(Settings().random("sample patient"))
    if not settings.vary:
        return anatomy, settings
    anatomy = replace(
        anatomy,
        scale=tuple(rng.uniform((0.92, 0.90, 0.90), (1.06, 1.06, 1.02)).tolist()),
        fat_mm=float(rng.uniform(9.0, 17.0)),
        liver_waves=draw_waves(rng, 8, 45.0, 110.0),
        tumours=(),
    )
    anatomy = replace(anatomy, tumours=draw_tumours(rng, anatomy))
    drawn = replace(
        settings,
        lung_shunt_fraction=round(float(rng.uniform(0.02, 0.12)), 3),
        tumour_to_normal_ratio=round(float(rng.uniform(2.0, 7.0)), 2),
        activity_gbq=round(float(rng.uniform(1.2, 3.2)), 2),
        spect_counts=float(round(rng.uniform(3.0e6, 9.0e6), -5)),
    )
    return anatomy, drawn
