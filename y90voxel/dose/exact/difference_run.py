"""What a run of differences needs: the known expectation, where histories start, and the work of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution.convolve import Method, convolve
from y90voxel.dose.exact._difference_loops import Starts, run_differences
from y90voxel.dose.exact._photon_share_loops import run_photons
from y90voxel.dose.exact.difference_pilot import importances, pilot
from y90voxel.dose.exact.expectation_check import check_expectation
from y90voxel.dose.exact.reference_kernel import ReferenceKernel, reference_kernel
from y90voxel.dose.exact.reference_media import (
    STRONG,
    WEAK,
    SourceGroup,
    electron_energies,
    make_starts,
    source_groups,
    target_kinds,
)
from y90voxel.dose.monte_carlo._transport_loops import Geometry, Tables
from y90voxel.dose.monte_carlo.decay_source import SourcePart, emission, source_parts
from y90voxel.dose.monte_carlo.lookup_tables import TransportSettings, transport_tables, with_more_photons
from y90voxel.dose.monte_carlo.transport_geometry import inner, voxel_geometry
from y90voxel.reference.nuclide import Nuclide
from y90voxel.reference.tissue import DENSITY_FLOOR_G_PER_ML
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

__all__ = ["SETTINGS", "Expectation", "Job", "prepare"]

Array = NDArray[np.float64]

# Those of the Monte Carlo engine (cut-offs and thresholds in MeV): its accuracy is judged with them (decision 0006).
SETTINGS = TransportSettings(
    electron_cutoff_mev=0.05,
    photon_cutoff_mev=0.005,
    delta_threshold_mev=0.05,
    photon_threshold_mev=0.005,
    scattering_per_step=0.15,
    loss_per_step=0.1,
)
# Part of the histories that are whole decays for their photons, and how many times as many photons these make; chosen: a
# sixth of the time. Emission is cheap: 20 times takes 1.4 times the time for equal uncertainty (decision 0022).
PHOTON_SHARE, PHOTON_FACTOR = 0.1, 40.0
# Where squares are weighed by dose, it counts as at least this part of its mean over decays: nobody asks for a
# per cent of next to nothing.
LEAST_DOSE = 0.1
# Of a kernel that is summed directly; chosen: 15³, liver at 1.6 mm. Lung has 21³ at 4.4 mm.
MOST_TAPS = 3375
# Mixed into the seed, so that pilot and self-test share no history with the run.
PILOT_SEED, TEST_SEED = 0x5DEECE66D, 0x2545F4914F6CDD1D


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is known without simulating.

    Parameters
    ----------
    energy_mev, sigma_mev : ndarray, (slices, rows, columns)
        Energy in each voxel and its uncertainty, that of the kernels [MeV].
    regions : mapping of str to tuple of float
        The same of each region.
    """

    energy_mev: Array
    sigma_mev: Array
    regions: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Job:
    """All that a batch needs.

    Parameters
    ----------
    seed : int
        Of the histories.
    size : int
        Histories of a batch.
    true : Geometry
        The patient.
    tables, photon_tables : Tables
        Of its materials; those of the decays that are simulated for their photons.
    groups : tuple of (SourceGroup, Starts, int, ndarray)
        Sources, where they start, histories in a batch, and β by kind of target.
    photons : tuple of SourcePart
        Decays that are simulated for their photons.
    decays : float
        Sum of the absolute decays.
    mass_kg : ndarray, (slices, rows, columns)
        Of each voxel.
    expectation : Expectation
        What is known.
    betas : mapping of str to tuple of float
        By medium, in voxels that differ little and much.
    """

    seed: int
    size: int
    true: Geometry
    tables: Tables
    photon_tables: Tables
    groups: tuple[tuple[SourceGroup, Starts, int, Array], ...]
    photons: tuple[SourcePart, ...]
    decays: float
    mass_kg: Array
    expectation: Expectation
    betas: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a score, with the margin."""
        return tuple(self.true.density.shape)

    def run_batch(self, number: int, score: Array, tally: Array) -> None:
        """Add the energy of one batch, all decays [MeV], to a score."""
        first = number * self.size
        counted = np.zeros(2)
        for group, starts, count, betas in self.groups:
            y = np.zeros(self.shape if group.medium is not None else (1, 1, 1))
            run_differences(
                self.seed, first, count, starts, self.true, group.even, group.clearance_mm, self.tables, score, y, counted
            )  # fmt: skip
            if group.medium is not None:
                y *= betas[group.kinds]
                score -= y
            first += count
        per_history = self.decays / sum(part.histories for part in self.photons)
        for part in self.photons:
            weighted = self.true._replace(weight=part.weight * per_history)
            run_photons(self.seed, first, part.histories, part.source, weighted, self.photon_tables, score)
            first += part.histories


def prepare(
    record: Nuclide,
    tia: TimeIntegratedActivityMap,
    density: DensityMap | None,
    size: int,
    seed: int,
    threads: int | None,
    regions: Mapping[str, Array],
) -> Job:
    """Compute the expectation, test it, and decide where histories start.

    Parameters
    ----------
    record : Nuclide
        What decays.
    tia : TimeIntegratedActivityMap
        Decays.
    density : DensityMap or None
        Mass density [g/mL]; None is water.
    size : int
        Histories of a batch.
    seed : int
        Of the run.
    threads : int or None
        For convolutions.
    regions : mapping of str to ndarray
        Weight of each voxel of each region, with the margin.

    Raises
    ------
    InputError
        If there is no activity.
    PhysicsError
        If a kernel contradicts the transport.
    """
    true, names = voxel_geometry(tia.grid, None if density is None else density.array)
    tables = transport_tables(names, SETTINGS)
    emitted = emission(record, SETTINGS.electron_cutoff_mev, SETTINGS.photon_cutoff_mev)
    photons = source_parts(tia, emitted, max(round(size * PHOTON_SHARE), 2))
    energies, per_decay = electron_energies(emitted)
    decays = np.asarray(tia.array, dtype=np.float64)
    groups = source_groups(decays, true, names, tables, energies, SETTINGS)
    mass = np.maximum(inner(true.density), DENSITY_FLOOR_G_PER_ML).astype(np.float64)
    mass *= tia.grid.voxel_volume_ml * 1e-3
    kernels: list[ReferenceKernel | None] = []
    for group in groups:
        if group.medium is None:
            kernels.append(None)
            continue
        kernel = reference_kernel(
            record, group.medium, group.density_g_per_ml, tia.grid.spacing_mm, SETTINGS, threads
        )
        check_expectation(kernel, emitted, energies, per_decay, group.even, tables, seed ^ TEST_SEED)
        kernels.append(kernel)
    weights = np.pad(1.0 / (mass * _rough_dose(decays, mass)) ** 2, 1)
    targets = target_kinds(groups, true, names)
    pilots = [pilot(group, true, tables, energies, weights, targets, seed ^ PILOT_SEED) for group in groups]
    left = size - sum(part.histories for part in photons)
    found = importances(groups, pilots)
    shares = np.array([float(group.sampled @ one) for group, one in zip(groups, found, strict=True)])
    chosen = []
    for group, one, importance, share in zip(groups, pilots, found, shares, strict=True):
        if share > 0.0:
            count = max(round(left * share / shares.sum()), 1)
            starts = make_starts(group, importance, count, energies, per_decay)
            chosen.append((group, starts, count, one.betas))
    betas = [one.betas for one in pilots]
    expected = _expectation(decays, groups, kernels, betas, emitted.local_mev, regions, threads)
    return Job(
        seed, sum(c for _, _, c, _ in chosen) + sum(p.histories for p in photons), true, tables,
        with_more_photons(tables, PHOTON_FACTOR), tuple(chosen), photons, float(np.abs(decays).sum()), mass, expected,
        {g.medium: (float(b[WEAK]), float(b[STRONG])) for g, b in zip(groups, betas, strict=True) if g.medium},
    )  # fmt: skip


def _rough_dose(decays: Array, mass_kg: Array) -> Array:
    """Decays per mass, spread over the neighbours and with a floor: what squares are weighed by."""
    # deferred: 0.2 s
    from scipy.ndimage import uniform_filter

    rough = uniform_filter(np.abs(decays), 3, mode="constant") / mass_kg
    return np.asarray(np.maximum(rough, LEAST_DOSE * float(np.average(rough, weights=np.abs(decays)))))


def _expectation(
    decays: Array,
    groups: list[SourceGroup],
    kernels: list[ReferenceKernel | None],
    betas: list[Array],
    local_mev: float,
    regions: Mapping[str, Array],
    threads: int | None,
) -> Expectation:
    """Sum β times the convolutions; what stays at a decay is known where nothing else is."""
    energy, variance = np.zeros(decays.shape), np.zeros(decays.shape)
    region_energy = dict.fromkeys(regions, 0.0)
    region_variance = dict.fromkeys(regions, 0.0)
    inside = {name: inner(weight) for name, weight in regions.items()}
    compared = np.zeros(decays.shape, bool)
    for group, kernel, beta in zip(groups, kernels, betas, strict=True):
        if kernel is None:
            continue
        compared |= group.own
        source = np.where(group.own, decays, 0.0)
        factor = beta[group.kinds[1:-1, 1:-1, 1:-1]]
        # a direct sum of the many taps of lung takes seconds, and a transform is as good: 2e-5 of the largest
        how: Method = "direct" if kernel.energy_mev.size <= MOST_TAPS else "fft"
        mean = factor * convolve(source, kernel.energy_mev, threads=threads, method=how)
        runs = len(kernel.replicas_mev)
        squares = np.zeros(decays.shape)
        sums: dict[str, list[float]] = {name: [] for name in regions}
        for replica in kernel.replicas_mev:
            one = factor * convolve(source, replica, threads=threads, method=how)
            squares += (one - mean) ** 2
            for name, weight in inside.items():
                sums[name].append(float(np.einsum("ijk,ijk->", weight, one)))
        energy += mean
        variance += squares / (runs * (runs - 1))
        for name, weight in inside.items():
            region_energy[name] += float(np.einsum("ijk,ijk->", weight, mean))
            region_variance[name] += float(np.var(sums[name], ddof=1)) / runs
    rest = np.where(compared, 0.0, decays) * local_mev
    energy += rest
    for name, weight in inside.items():
        region_energy[name] += float(np.einsum("ijk,ijk->", weight, rest))
    return Expectation(
        energy,
        np.sqrt(variance),
        {n: (region_energy[n], float(np.sqrt(region_variance[n]))) for n in regions},
    )
