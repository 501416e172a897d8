"""Monte Carlo transport of electrons and photons through the voxels of the patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.monte_carlo._transport_loops import Geometry, Tables, run_histories
from y90voxel.dose.monte_carlo.decay_source import SourcePart, emission, source_parts
from y90voxel.dose.monte_carlo.history_engine import FieldLimit, HistoryEngine, region_weights
from y90voxel.dose.monte_carlo.lookup_tables import TransportSettings, transport_tables
from y90voxel.dose.monte_carlo.simulation import BatchSums, StopRule, run_batches
from y90voxel.dose.monte_carlo.transport_geometry import inner, voxel_geometry
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import Notice
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.tissue import DENSITY_FLOOR_G_PER_ML
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["MonteCarlo", "MonteCarloResult"]

Array = NDArray[np.float64]

# Decays; chosen: under a minute a core in liver (270,000 histories a second, decision 0006).
DEFAULT_HISTORIES = 10_000_000


@dataclass(frozen=True, eq=False)
class MonteCarloResult:
    """What a run gave beside the dose.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy] with the relative standard uncertainty of each voxel.
    histories : int
        Decays that were simulated.
    seconds : float
        Wall-clock time of transport.
    uncertainty : float
        Root mean square of the relative uncertainty over the voxels that a target refers to.
    region_uncertainty : mapping of str to float
        Relative standard uncertainty of the mean dose of each region that was asked for.
    emitted_mev, in_grid_mev, around_mev, escaped_mev : float
        Energy per decay: emitted, deposited in the grid, deposited in the margin around it, and lost beyond it.
    notices : tuple of Notice
        What the user must know.
    """

    dose: DoseMap
    histories: int
    seconds: float
    uncertainty: float
    region_uncertainty: Mapping[str, float]
    emitted_mev: float
    in_grid_mev: float
    around_mev: float
    escaped_mev: float
    notices: tuple[Notice, ...]

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class MonteCarlo(HistoryEngine):
    """Absorbed dose by condensed-history transport of every electron and bremsstrahlung photon.

    Parameters
    ----------
    nuclide, histories, seed, target_uncertainty, target_mask, time_limit_s, threads, progress
        As of `HistoryEngine`; 10 million decays where nothing is asked for.
    electron_cutoff_mev : float
        Electrons below are absorbed where they are, and delta rays below are not made (0.05 MeV: 0.04 mm).
    photon_cutoff_mev : float
        Photons below are absorbed where they are, and bremsstrahlung below is not made.
    scattering_per_step, loss_per_step : float
        Longest step, over the transport mean free path and as part of the energy, at 1 MeV and above; below, both grow
        with 1/√E up to twice at 0.25 MeV.

    Raises
    ------
    InputError
        If a number is out of its range.

    Notes
    -----
    Multiple scattering is sampled from the exact Goudsmit-Saunderson distribution of each step, in first Born
    approximation with atomic form factors and the Mott factor, placed by a random hinge; delta rays and
    bremsstrahlung above the cut-offs are explicit. docs/decisions/0006-monte-carlo.md has models, sources and
    the comparison with PENELOPE and EGSnrc.
    """

    electron_cutoff_mev: float = 0.05
    photon_cutoff_mev: float = 0.005
    scattering_per_step: float = 0.15
    loss_per_step: float = 0.1

    name: ClassVar[str] = "monte-carlo"
    title: ClassVar[str] = "Monte Carlo"
    default_histories: ClassVar[int] = DEFAULT_HISTORIES
    field_limits: ClassVar[tuple[FieldLimit, ...]] = (
        ("histories", 100, float("inf"), ""),
        ("target_uncertainty", 1e-5, 0.5, ""),
        ("electron_cutoff_mev", 0.01, 0.2, " MeV"),
        ("photon_cutoff_mev", 0.001, 0.05, " MeV"),
        ("scattering_per_step", 0.02, 0.5, ""),
        ("loss_per_step", 0.02, 0.3, ""),
    )

    __repr__ = short_repr

    def simulate(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None = None,
        regions: Mapping[str, Mask] | None = None,
    ) -> MonteCarloResult:
        """Return dose, uncertainties and energy balance; as :meth:`dose`, but notices are returned, not warned.

        Parameters
        ----------
        tia, density
            As for :meth:`dose`.
        regions : mapping of str to Mask, optional
            Regions whose mean dose (mass-weighted) is to have its uncertainty: neighbouring voxels share histories,
            so that it does not follow from those of the voxels.
        """
        self._check_grids(tia, density, regions)
        geometry, names = voxel_geometry(tia.grid, None if density is None else density.array)
        emitted = emission(nuclide(self.nuclide), self.electron_cutoff_mev, self.photon_cutoff_mev)
        tables = transport_tables(names, self._settings())
        size = self._batch_size(tia.grid)
        parts = source_parts(tia, emitted, size)
        sums = BatchSums(geometry.density.shape, region_weights(regions))
        rule = StopRule(
            self._most_batches(size), self.target_uncertainty, self.time_limit_s, self._judge(geometry)
        )
        _load(parts, geometry, tables)
        work = _batch(self.seed, size, parts, geometry, tables)
        seconds = run_batches(work, sums, rule, resolve_threads(self.threads), self.progress, size)
        return self._result(tia, geometry, sums, rule, size, seconds)

    def _settings(self) -> TransportSettings:
        """Cut-offs and steps as the tables need them."""
        return TransportSettings(
            electron_cutoff_mev=self.electron_cutoff_mev,
            photon_cutoff_mev=self.photon_cutoff_mev,
            delta_threshold_mev=self.electron_cutoff_mev,
            photon_threshold_mev=self.photon_cutoff_mev,
            scattering_per_step=self.scattering_per_step,
            loss_per_step=self.loss_per_step,
        )

    def _judge(self, geometry: Geometry) -> Callable[[BatchSums], float]:
        """The relative uncertainty that the target is about."""
        chosen = self._target()
        mass = np.maximum(inner(geometry.density), DENSITY_FLOOR_G_PER_ML)

        def judge(sums: BatchSums) -> float:
            dose = inner(sums.energy) / mass
            voxels = dose > 0.5 * dose.max() if chosen is None else chosen
            return float(np.sqrt(np.mean(inner(sums.relative_uncertainty())[voxels] ** 2)))

        return judge

    def _result(
        self,
        tia: TimeIntegratedActivityMap,
        geometry: Geometry,
        sums: BatchSums,
        rule: StopRule,
        size: int,
        seconds: float,
    ) -> MonteCarloResult:
        """Turn sums of energy into dose."""
        histories = size * sums.batches
        joule_per_mev = JOULE_PER_MEV * float(np.abs(tia.array, dtype=np.float64).sum()) / histories
        density = np.maximum(inner(geometry.density), DENSITY_FLOOR_G_PER_ML)
        mass_kg = density.astype(np.float64) * (tia.grid.voxel_volume_ml * 1e-3)
        dose = inner(sums.energy) * joule_per_mev / mass_kg
        relative = inner(sums.relative_uncertainty())
        in_grid = float(inner(sums.energy).sum()) / histories
        reached = rule.judge(sums)
        return MonteCarloResult(
            DoseMap(dose.astype(np.float32), tia.grid, relative.astype(np.float32)),
            histories, seconds, reached, sums.region_uncertainty(),
            float(sums.tally[0]) / histories, in_grid, float(sums.energy.sum()) / histories - in_grid,
            float(sums.tally[1]) / histories, self._missed(reached, histories, seconds),
        )  # fmt: skip


def _load(parts: Sequence[SourcePart], geometry: Geometry, tables: Tables) -> None:
    """Have the loops compiled or loaded before the clock starts."""
    run_histories(0, 0, 0, parts[0].source, geometry, tables, np.zeros((1, 1, 1)), np.zeros(2))


def _batch(
    seed: int, size: int, parts: Sequence[SourcePart], geometry: Geometry, tables: Tables
) -> Callable[[int, Array, Array], None]:
    """Return the work of one batch: every part of the source into the score, with its weight."""

    def run(number: int, score: Array, tally: Array) -> None:
        first = number * size
        for part in parts:
            own, counted = (
                (score, tally) if part.weight == 1.0 else (np.zeros_like(score), np.zeros_like(tally))
            )
            run_histories(seed, first, part.histories, part.source, geometry, tables, own, counted)
            if own is not score:
                score += part.weight * own
                tally += part.weight * counted
            first += part.histories

    return run
