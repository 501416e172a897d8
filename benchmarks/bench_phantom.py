"""A digital thorax of any voxel size: the patient of the benchmarks of transport.

An ellipsoidal liver of 1.9 L (1.05 g/mL, two hot tumours, 0.35 noise), two lungs of 3.4 L over and behind it (0.26 g/mL,
30 % noise in density), ribs (1.45), fat (0.93), noise of 3 % in soft tissue, air around. 6 % of the activity is in
the lungs. "full" adds a thousandth of the liver's concentration to every voxel, as reconstructions have.
"""

from __future__ import annotations

import numpy as np

from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

FIELD_MM = (360.0, 300.0, 400.0)
LIVER_CENTRE, LIVER_AXES = (-40.0, -5.0, -50.0), (75.0, 70.0, 86.0)
DECAYS_PER_GBQ = 3.329e14
Masks = dict[str, np.ndarray]


def ellipsoid(axes: list[np.ndarray], centre: tuple[float, ...], half: tuple[float, ...]) -> np.ndarray:
    """Return where a point lies inside an ellipsoid [mm]."""
    return sum(((a - c) / h) ** 2 for a, c, h in zip(axes, centre, half, strict=True)) < 1


def anatomy(spacing_mm: float) -> tuple[Grid, Masks]:
    """Return grid and regions."""
    shape = tuple(round(n / spacing_mm) for n in FIELD_MM)
    axes = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * spacing_mm for n in shape], indexing="ij", sparse=True
    )
    z, y, x = axes
    everywhere = z > -1e9
    body = everywhere & ((y / 115) ** 2 + (x / 165) ** 2 < 1)
    inner = everywhere & ((y / 95) ** 2 + (x / 145) ** 2 < 1)
    liver = ellipsoid(axes, LIVER_CENTRE, LIVER_AXES)
    around = ellipsoid(axes, LIVER_CENTRE, tuple(a + 6 for a in LIVER_AXES))
    chest = (z > -60) & (z < 120) & ((y / 80) ** 2 + ((np.abs(x) - 85) / 52) ** 2 < 1)
    shell = body & ~inner & ((y / 100) ** 2 + (x / 150) ** 2 < 1)
    tumours = ellipsoid(axes, (20.0, -5.0, -50.0), (14.0,) * 3) | ellipsoid(
        axes, (-40.0, 10.0, -80.0), (20.0,) * 3
    )
    return Grid.from_spacing(shape, (spacing_mm,) * 3), {
        "body": body, "liver": liver, "tumours": tumours & liver, "lungs": inner & chest & ~around,
        "ribs": shell & (np.mod(z, 28) < 10), "fat": body & ~inner & ((y / 105) ** 2 + (x / 155) ** 2 >= 1),
    }  # fmt: skip


def phantom(
    spacing_mm: float, full: bool = False, uniform: bool = False
) -> tuple[TimeIntegratedActivityMap, DensityMap, Masks]:
    """Return decays of 2 GBq, densities and regions."""
    grid, masks = anatomy(spacing_mm)
    rng = np.random.default_rng(1)
    density = np.full(grid.shape, 0.05, np.float32)
    for name, value in (("body", 1.04), ("fat", 0.93), ("lungs", 0.26), ("ribs", 1.45)):
        density[masks[name]] = value
    noise = np.where(masks["lungs"], 0.3, 0.03) * rng.normal(size=grid.shape) * masks["body"]
    density = np.clip(density * (1 + noise), 0.05, None)
    density[masks["liver"]] = 1.05
    if uniform:
        density[:] = 1.05
    decays = np.where(masks["tumours"], 5.0, 1.0) * masks["liver"] * rng.gamma(8.0, 1 / 8, grid.shape)
    if full:
        decays += 1e-3
    decays *= 0.94 / decays.sum()
    lungs = masks["lungs"] * rng.gamma(4.0, 1 / 4, grid.shape)
    decays += 0.06 * lungs / lungs.sum()
    return (
        TimeIntegratedActivityMap((2 * DECAYS_PER_GBQ * decays).astype(np.float32), grid),
        DensityMap(density.astype(np.float32), grid),
        masks,
    )
