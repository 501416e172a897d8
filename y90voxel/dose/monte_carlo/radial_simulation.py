"""Radial kernels of our own: a point source in an infinite medium, scored in shells by the same transport."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo._transport_loops import run_histories
from y90voxel.dose.monte_carlo.decay_source import emission, point_source
from y90voxel.dose.monte_carlo.lookup_tables import TransportSettings, transport_tables
from y90voxel.dose.monte_carlo.simulation import BatchSums, StopRule, run_batches
from y90voxel.dose.monte_carlo.transport_geometry import shell_geometry
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError
from y90voxel.reference.materials import Material, material
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.radial_kernel import RadialKernel
from y90voxel.version import __version__

__all__ = ["radial_kernel_from_monte_carlo"]

Array = NDArray[np.float64]

SETTINGS = TransportSettings(
    electron_cutoff_mev=0.01,
    photon_cutoff_mev=0.001,
    delta_threshold_mev=0.02,
    photon_threshold_mev=0.001,
    scattering_per_step=0.1,
    loss_per_step=0.06,
)
BATCHES = 50  # that the spread is estimated from: to 1/√(2·49) = 10 % of itself
# Width of the shells, to beyond the reach of electrons, and the end of those for photons [mm].
FINE_MM, FINE_END_MM, COARSE_END_MM = 0.1, 12.0, 200.0


def radial_kernel_from_monte_carlo(
    name: str | Nuclide,
    medium: str = "water",
    histories: int = 1_000_000,
    seed: int = 0,
    *,
    density_g_per_ml: float | None = None,
    threads: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> RadialKernel:
    """Return the energy that one decay deposits in shells around a point source, by our own Monte Carlo.

    Shells are 0.1 mm of water thick up to 12 mm, then 1 to 10 mm up to 200 mm, divided by the density. Electrons are
    followed to 10 keV, photons to 1 keV, in steps of at most 0.1 transport mean free paths and 6 % of the energy (twice
    that below 0.25 MeV).

    Parameters
    ----------
    name : str or Nuclide
        A nuclide with a beta spectrum.
    medium : str
        ``"water"``, ``"soft tissue"`` (also called ``"liver"``), ``"lung"``, ``"adipose"``, ``"bone"`` or ``"air"``.
    histories : int
        Decays.
    seed : int
        Same seed, same bits, on any number of threads.
    density_g_per_ml : float or None
        Density of the medium [g/mL], by default that of its stopping powers.
    threads : int or None
        None: every core that this process may run on.
    progress : callable or None
        Called with a sentence and the finished fraction.

    Raises
    ------
    InputError
        If nuclide or medium are unknown, or a number is not positive.
    PhysicsError
        If the nuclide has no beta spectrum.
    """
    record, substance = nuclide(name), material(medium)
    density = substance.density_g_per_ml if density_g_per_ml is None else float(density_g_per_ml)
    if not (math.isfinite(density) and density > 0):
        raise InputError(f"a density must be positive, got {density_g_per_ml} g/mL.")
    if histories < 2 * BATCHES:
        raise InputError(f"a kernel needs at least {2 * BATCHES} histories, got {histories}.")
    emitted = emission(record, SETTINGS.electron_cutoff_mev, SETTINGS.photon_cutoff_mev)
    tables = transport_tables((substance.name,), SETTINGS)
    edges = shell_edges_mm() / density
    geometry, source = shell_geometry(edges, density), point_source(emitted)
    size = math.ceil(histories / BATCHES)

    def batch(number: int, score: Array, tally: Array) -> None:
        run_histories(seed, number * size, size, source, geometry, tables, score, tally)
        score[0, 2] = score[0, 0] + score[0, 1]  # electron and photon lineage share histories

    sums = BatchSums((1, 3, edges.size))
    rule = StopRule(BATCHES, None, None, lambda _: 0.0)
    run_batches(batch, sums, rule, resolve_threads(threads), progress, size)
    fraction = sums.energy[0] / (size * BATCHES * record.mean_electron_energy_mev)
    sigma = sums.relative_uncertainty()[0, 2] * fraction[2]
    return RadialKernel(
        record.name, medium, "y90voxel", density, edges, fraction[0, :-1], fraction[1, :-1], sigma[:-1], "",
        _provenance(record, substance, size * BATCHES, seed),
    )  # fmt: skip


def shell_edges_mm() -> Array:
    """Return the radii of the shells in a medium of 1 g/mL [mm]."""
    fine = np.linspace(0.0, FINE_END_MM, round(FINE_END_MM / FINE_MM) + 1)
    coarse = np.concatenate(
        [np.arange(13, 20), np.arange(20, 50, 2), np.arange(50, 100, 5), np.arange(100, 210, 10)]
    )
    return np.concatenate([fine, coarse.astype(np.float64)])


def _provenance(record: Nuclide, substance: Material, histories: int, seed: int) -> dict[str, str]:
    """Say how the kernel was made, in the words of the shipped ones."""
    return {
        "file": "",
        "code": f"y90voxel {__version__} Monte Carlo",
        "histories": str(histories),
        "seed": str(seed),
        "cut_offs": f"electrons {1000 * SETTINGS.electron_cutoff_mev:g} keV, photons {1000 * SETTINGS.photon_cutoff_mev:g} keV",
        "mean_excitation_energy": f"I = {substance.mean_excitation_energy_ev:g} eV",
        "source_spectrum": f"{record.name}: {record.source}",
        "how_made": "scored in shells; nothing smoothed or renormalised",
    }
