"""What electrons cross: the medium of every voxel, and the uniform media that a dose starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.density._ray_source_loops import fill_medium
from y90voxel.dose.threads import share_work
from y90voxel.reference.nuclide import Nuclide
from y90voxel.reference.radial_kernel import radial_kernel
from y90voxel.reference.stopping import RANGE_RATIOS, range_ratio
from y90voxel.reference.tissue import DENSITY_FLOOR_G_PER_ML
from y90voxel.reference.voxel_integration import octant_energy_fractions
from y90voxel.reference.voxel_kernel import without_empty_layers
from y90voxel.units import JOULE_PER_MEV

__all__ = ["LUNG_BELOW", "WATER", "UniformMedium", "uniform_media", "voxel_media"]

# A source whose water depth per length is less than this starts from a uniform lung, others from uniform soft
# tissue: about half of both, where a voxel on their border has as much of one as of the other.
LUNG_BELOW = 0.6
# The reference of each uniform medium is looked for among at most this many active voxels.
SAMPLED_VOXELS = 100_000
# Of the table of range ratios; chosen: 0.01 g/mL, the last digit of densities by CT.
RATIO_ENTRIES_PER_G_PER_ML = 100


@dataclass(frozen=True)
class UniformMedium:
    """A medium that is everywhere the same.

    Parameters
    ----------
    density_g_per_ml : float
        Mass density [g/mL].
    water_path : float
        Depth of water per length: density over range ratio.
    """

    density_g_per_ml: float
    water_path: float

    def s_values(
        self, record: Nuclide, source: str, spacing_mm: tuple[float, float, float]
    ) -> NDArray[np.float64]:
        """Return voxel S values [Gy/(Bq·s)] of this medium, within the reach of the electrons."""
        per_mev = _dose_per_mev(record.name, source, spacing_mm, self.density_g_per_ml, self.water_path)
        return record.mean_electron_energy_mev * per_mev


WATER = UniformMedium(1.0, 1.0)


def voxel_media(density: NDArray[np.float32], threads: int) -> NDArray[np.float32]:
    """Return depth of water per length and inverse density [mL/g] of every voxel, (z, y, x, 2).

    Parameters
    ----------
    density : ndarray of float32, (z, y, x)
        Mass density [g/mL], C-contiguous.
    threads : int
        Threads to use.
    """
    steps = np.arange(round(RANGE_RATIOS[-1][0] * RATIO_ENTRIES_PER_G_PER_ML) + 1)
    ratio = range_ratio(np.maximum(steps, 1) / RATIO_ENTRIES_PER_G_PER_ML)
    medium = np.empty((*density.shape, 2), np.float32)
    edges = np.linspace(0, len(density), 4 * threads + 1).astype(int).tolist()
    share_work(
        lambda: (
            lambda piece: fill_medium(
                density, ratio, RATIO_ENTRIES_PER_G_PER_ML, *piece, medium, DENSITY_FLOOR_G_PER_ML
            )
        ),
        list(pairwise(edges)),
        threads,
    )
    return medium


def uniform_media(
    activity: NDArray[np.float32], density: NDArray[np.float32], medium: NDArray[np.float32]
) -> tuple[UniformMedium | None, UniformMedium | None]:
    """Return the uniform soft tissue and the uniform lung that sources start from, None where there is no source.

    Each is the medium of a voxel of the map, the median one by activity, so that a uniform map is met exactly.

    Parameters
    ----------
    activity, density : ndarray of float32, (z, y, x)
        Activity, and mass density [g/mL].
    medium : ndarray, (z, y, x, 2)
        From ``voxel_media``.
    """
    active = np.flatnonzero(activity)
    lung = medium.reshape(-1, 2)[active, 0] < LUNG_BELOW
    return _median_medium(active[~lung], activity, density, medium), _median_medium(
        active[lung], activity, density, medium
    )


def _median_medium(
    voxels: NDArray[np.int64],
    activity: NDArray[np.float32],
    density: NDArray[np.float32],
    medium: NDArray[np.float32],
) -> UniformMedium | None:
    """Return the medium of the voxel with the median density, weighted by activity."""
    if voxels.size == 0:
        return None
    voxels = voxels[:: -(-voxels.size // SAMPLED_VOXELS)]
    voxels = voxels[np.argsort(density.reshape(-1)[voxels], kind="stable")]
    weight = np.cumsum(np.abs(activity.reshape(-1)[voxels]), dtype=np.float64)
    middle = voxels[np.searchsorted(weight, 0.5 * weight[-1])]
    return UniformMedium(float(density.reshape(-1)[middle]), float(medium.reshape(-1, 2)[middle, 0]))


@lru_cache(maxsize=16)
def _dose_per_mev(
    name: str, source: str, spacing_mm: tuple[float, float, float], density: float, water_path: float
) -> NDArray[np.float64]:
    """Return voxel S values per MeV of mean electron energy [Gy/(Bq·s·MeV)], read-only.

    Electrons: the radial kernel of water with all radii over ``water_path``. Photons: that of water as it is, because
    energy per mass from photons hardly depends on density.
    """
    radial = radial_kernel(name, "water", source)
    near, _ = radial.split_at(radial.electron_reach_mm)
    electrons = (
        octant_energy_fractions(near.edges_mm / water_path, near.electron_fraction, spacing_mm) / density
    )
    photons = octant_energy_fractions(near.edges_mm, near.photon_fraction, spacing_mm)
    octant = np.zeros(np.maximum(electrons.shape, photons.shape))
    for part in (electrons, photons):
        octant[tuple(slice(0, n) for n in part.shape)] += part
    octant = without_empty_layers(octant)
    full = octant[np.ix_(*(np.abs(np.arange(1 - n, n)) for n in octant.shape))]
    full *= JOULE_PER_MEV / (math.prod(spacing_mm) * 1e-6)
    full.flags.writeable = False
    return np.asarray(full)
