"""Absorbed dose of the truth: its activity convolved with a Y-90 kernel on its own fine voxels.

The kernel is integrated over source and target voxel by letting quanta of energy fly: starting evenly
spread within the source voxel (which is what sharing each quantum linearly among its eight neighbours
amounts to), as far as the radial kernel says, in quasi-random directions. y90voxel integrates another way.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from scipy import fft

from .emission import bin_down, spread_up
from .shapes import Array

KERNEL_FILE = "y90_water_penelope.csv"
# Y-90: ICRP Publication 107 (0.9331 MeV of electrons per decay, 64.1 h).
ENERGY_PER_ACTIVITY_J_PER_GBQ = 49.77
LIVER_DENSITY_G_PER_ML = 1.05
# Betas end before this [mm]; beyond it only bremsstrahlung is left, and that is done on coarse voxels.
BETA_END_MM = 12.0
PHOTON_VOXEL_MM = 4.4
QUANTA = 600_000


def read_kernel(folder: Path) -> tuple[Array, Array, Array]:
    """Return inner radius, outer radius [mm] and fraction of the energy of each shell."""
    lines = [s for s in (folder / KERNEL_FILE).read_text().splitlines() if s and not s.startswith("#")]
    names = lines[0].split(",")
    table = np.array([[float(v) for v in s.split(",")] for s in lines[1:]])
    column = {name: table[:, i] for i, name in enumerate(names)}
    return column["r_lo_mm"], column["r_hi_mm"], column["electron_fraction"] + column["photon_fraction"]


def quasi_random(count: int, dimensions: int) -> Array:
    """Return evenly spread points in the unit cube, (count, dimensions).

    Additive recurrence with the powers of the generalised golden ratio, the root of x^(d+1) = x + 1.
    """
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    steps = root ** -np.arange(1.0, dimensions + 1)
    return (0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0


def voxel_kernel(shells: tuple[Array, Array, Array], voxel_mm: float) -> Array:
    """Return the fraction of a voxel's energy that ends in each voxel around it, cubic voxels."""
    inner, outer, fraction = shells
    cumulative = np.concatenate([[0.0], np.cumsum(fraction)])
    u = quasi_random(QUANTA, 3)
    level = u[:, 0] * cumulative[-1]
    shell = np.clip(np.searchsorted(cumulative, level, side="right") - 1, 0, fraction.size - 1)
    within = (level - cumulative[shell]) / np.maximum(fraction[shell], 1e-300)
    radius = inner[shell] + np.clip(within, 0.0, 1.0) * (outer - inner)[shell]
    cosine, angle = 2.0 * u[:, 1] - 1.0, 2.0 * np.pi * u[:, 2]
    sine = np.sqrt(1.0 - cosine**2)
    flight = np.stack([cosine, sine * np.cos(angle), sine * np.sin(angle)]) * (radius / voxel_mm)
    half = int(np.ceil(outer[-1] / voxel_mm)) + 1
    size = 2 * half + 1
    base = np.floor(flight).astype(np.intp)
    rest = flight - base
    kernel = np.zeros(size**3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod([r if c else 1.0 - r for r, c in zip(rest, corner, strict=True)], axis=0)
        index = [b + c + half for b, c in zip(base, corner, strict=True)]
        kernel += np.bincount((index[0] * size + index[1]) * size + index[2], weight, size**3)
    kernel = kernel.reshape(size, size, size) * (cumulative[-1] / QUANTA)
    # The 48 symmetries of the cube take out what is left of the sampling.
    for axis in range(3):
        kernel = (kernel + np.flip(kernel, axis)) / 2
    turned = [
        kernel.transpose(order)
        for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    ]
    return sum(turned) / 6.0


def convolve(source: Array, kernel: Array) -> Array:
    """Return the linear convolution, cut to the shape of the source."""
    shape = [n + k - 1 for n, k in zip(source.shape, kernel.shape, strict=True)]
    fast = [fft.next_fast_len(n, real=True) for n in shape]
    product = fft.rfftn(source, fast) * fft.rfftn(kernel, fast)
    full = fft.irfftn(product, fast)
    return full[tuple(slice(k // 2, k // 2 + n) for n, k in zip(source.shape, kernel.shape, strict=True))]


@cache
def kernels_for(folder: Path, voxel_mm: float, coarse_mm: float) -> tuple[Array, Array]:
    """Return the kernel of the betas on fine voxels and that of the bremsstrahlung beyond on coarse ones."""
    inner, outer, fraction = read_kernel(folder)
    near = outer <= BETA_END_MM + 1e-9
    fine = voxel_kernel((inner[near], outer[near], fraction[near]), voxel_mm)
    return fine, voxel_kernel((inner[~near], outer[~near], fraction[~near]), coarse_mm)


class DoseOfActivity:
    """Absorbed dose of an activity on the fine voxels, everything having the liver's density.

    Parameters
    ----------
    kernels : Path
        Folder of the radial kernels.
    voxel_mm : float
        Edge of the fine voxels [mm].
    """

    def __init__(self, kernels: Path, voxel_mm: float):
        self.voxel_mm, self.bins = voxel_mm, max(1, round(PHOTON_VOXEL_MM / voxel_mm))
        self.near, self.far = kernels_for(kernels, voxel_mm, voxel_mm * self.bins)

    def __call__(self, activity_gbq: Array) -> Array:
        """Return the dose [Gy] of an activity per voxel [GBq] that decays away where it is."""
        energy = convolve(activity_gbq, self.near)
        padded = np.pad(activity_gbq, [(0, -n % self.bins) for n in activity_gbq.shape])
        photons = spread_up(convolve(bin_down(padded, self.bins), self.far), self.bins)
        energy += photons[tuple(slice(n) for n in activity_gbq.shape)]
        mass_kg = LIVER_DENSITY_G_PER_ML * self.voxel_mm**3 * 1e-6
        return energy * (ENERGY_PER_ACTIVITY_J_PER_GBQ / mass_kg)
