"""The voxel S values of this Monte Carlo's electrons in a uniform medium, with their statistical spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo._transport_loops import run_histories
from y90voxel.dose.monte_carlo.decay_source import emission, point_source
from y90voxel.dose.monte_carlo.lookup_tables import (
    FULL_STEPS_MEV,
    MOST_GROWTH,
    TransportSettings,
    transport_tables,
)
from y90voxel.dose.monte_carlo.simulation import ordered
from y90voxel.dose.monte_carlo.transport_geometry import shell_geometry
from y90voxel.dose.threads import resolve_threads
from y90voxel.reference.nuclide import Nuclide
from y90voxel.reference.transport_tables import transport_rows
from y90voxel.reference.voxel_integration import octant_energy_fractions

__all__ = ["REPLICAS", "TABLE", "ReferenceKernel", "fingerprint", "reference_kernel", "simulated_shells"]

Array = NDArray[np.float64]

# Independent runs that the spread is estimated from: to 1/√(2·7) = 27 % of itself, and it is a small part.
REPLICAS = 8
TABLE = "electron_shells.csv"
# Decays of a kernel that is not shipped: 5 to 10 s of a core, 0.1 % of the central voxel at 4 mm.
HISTORIES = 1_000_000
# Width of the shells and end of them [g/cm²·10]: as thin as those of the shipped radial kernels, to beyond the
# range of 3 MeV (1.8 g/cm²).
SHELL_MM, END_MM = 0.1, 18.0


@dataclass(frozen=True, eq=False)
class ReferenceKernel:
    """Energy that the electrons of one decay leave in voxels around a uniformly active one.

    Parameters
    ----------
    energy_mev : ndarray, (2a + 1, 2b + 1, 2c + 1)
        Mean energy per decay [MeV].
    replicas_mev : ndarray, (runs, 2a + 1, 2b + 1, 2c + 1)
        The same of each independent run; their spread is the uncertainty.
    histories : int
        Decays of all runs together.
    """

    energy_mev: Array
    replicas_mev: Array
    histories: int


def simulated_shells(
    record: Nuclide, medium: str, settings: TransportSettings, histories: int, seed: int, threads: int | None
) -> Array:
    """Return the electrons' energy in shells of 0.1 mm·(g/mL) around a point, of each of `REPLICAS` runs [MeV].

    Parameters
    ----------
    record : Nuclide
        What decays.
    medium : str
        Name of the material.
    settings : TransportSettings
        Those of the transport that the kernel is the expectation of.
    histories : int
        Decays of all runs together.
    seed : int
        Same seed, same bits.
    threads : int or None
        None: every core that this process may run on.
    """
    edges = np.linspace(0.0, END_MM, round(END_MM / SHELL_MM) + 1)
    tables = transport_tables((medium,), settings)
    emitted = emission(record, settings.electron_cutoff_mev, settings.photon_cutoff_mev)
    # Photons are given up at their first step: every place is beyond far_mm.
    geometry = shell_geometry(edges, 1.0)._replace(far_mm=0.0)
    source = point_source(emitted)
    size = math.ceil(histories / REPLICAS)

    def run(number: int) -> tuple[Array, Array]:
        score, tally = np.zeros((1, 2, edges.size)), np.zeros(2)
        run_histories(seed, number * size, size, source, geometry, tables, score, tally)
        return score[0, 0, :-1] / size, tally

    return np.array([shells for shells, _ in ordered(run, REPLICAS, resolve_threads(threads))])


def reference_kernel(
    record: Nuclide,
    medium: str,
    density_g_per_ml: float,
    spacing_mm: tuple[float, float, float],
    settings: TransportSettings,
    threads: int | None = None,
) -> ReferenceKernel:
    """Return the voxel S values of the electrons, from the shipped long run or else simulated now.

    Parameters
    ----------
    record : Nuclide
        What decays.
    medium : str
        Name of the material.
    density_g_per_ml : float
        Its density; energies at equal mass depths are equal [g/mL].
    spacing_mm : tuple of float, (3,)
        Voxel size along slice, row, column [mm].
    settings : TransportSettings
        Of the transport that this is the expectation of; a shipped run with others is not used.
    threads : int or None
        For a run.

    Raises
    ------
    InputError
        If the shipped table does not match its checksum.
    """
    shells, histories = _shells(record, medium, settings, threads)
    edges = np.linspace(0.0, END_MM, shells.shape[1] + 1) / density_g_per_ml
    octants = np.array([octant_energy_fractions(edges, one, spacing_mm) for one in _cut(shells)])
    half = [np.abs(np.arange(1 - n, n)) for n in octants.shape[1:]]
    full = octants[np.ix_(np.arange(len(octants)), *half)]
    return ReferenceKernel(full.mean(axis=0), full, histories)


def _cut(shells: Array) -> Array:
    """The same reach for every run, so that their voxels are the same."""
    last = int(np.flatnonzero(shells.sum(axis=0) > 0.0)[-1])
    shells = np.array(shells)
    # A run whose last electrons stopped short gets a trace there: 1e-12 MeV.
    shells[:, last] = np.maximum(shells[:, last], 1e-12)
    return shells


@lru_cache(maxsize=8)
def _shells(
    record: Nuclide, medium: str, settings: TransportSettings, threads: int | None
) -> tuple[Array, int]:
    """Energy in shells [MeV] of each run, and decays of all."""
    for row in transport_rows(TABLE):
        if row[:3] == (record.name, medium, fingerprint(record, settings)):
            return np.array([float(value) for value in row[4:]]).reshape(REPLICAS, -1), int(row[3])
    return simulated_shells(record, medium, settings, HISTORIES, 0, threads), HISTORIES


def fingerprint(record: Nuclide, settings: TransportSettings) -> str:
    """Return what a shipped run must agree in: mean electron energy, cut-offs, steps and their growth."""
    return (
        f"{record.mean_electron_energy_mev:.6g}/{settings.electron_cutoff_mev:g}/{settings.photon_cutoff_mev:g}/"
        f"{settings.scattering_per_step:g}/{settings.loss_per_step:g}/{FULL_STEPS_MEV:g}/{MOST_GROWTH:g}"
    )
