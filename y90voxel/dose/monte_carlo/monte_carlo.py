"""Monte Carlo transport of electrons and photons through the voxels of the patient."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.engine import BaseEngine
from y90voxel.dose.monte_carlo._transport_loops import Geometry, Tables, run_histories
from y90voxel.dose.monte_carlo.decay_source import SourcePart, emission, source_parts
from y90voxel.dose.monte_carlo.lookup_tables import TransportSettings, transport_tables
from y90voxel.dose.monte_carlo.simulation import BatchSums, StopRule, run_batches
from y90voxel.dose.monte_carlo.transport_geometry import inner, voxel_geometry
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError, Notice
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.tissue import DENSITY_FLOOR_G_PER_ML
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["MonteCarlo", "MonteCarloResult"]

Array = NDArray[np.float64]

# Decays; chosen: under a minute a core in liver (270,000 histories a second, decision 0006).
DEFAULT_HISTORIES = 10_000_000
BATCHES = 50  # that the spread is estimated from: to 1/√(2·49) = 10 % of itself
# Without a number of histories, batches are this large, or a tenth of the voxels where that is more.
OPEN_BATCH = 20_000


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
class MonteCarlo(BaseEngine):
    """Absorbed dose by condensed-history transport of every electron and bremsstrahlung photon.

    Parameters
    ----------
    nuclide : str or Nuclide
        Betas by their spectrum, and every conversion and Auger electron, x and gamma ray.
    histories : int or None
        Decays to simulate at most. None: until the target or the time limit; 10 million if there is neither.
    seed : int
        Same seed, same bits, on any number of threads (a time limit stops where it stops, though).
    target_uncertainty : float or None
        Stop when the root mean square of the relative uncertainties of the voxels is no larger.
    target_mask : Mask or None
        The voxels of the target, where at least half occupied. None: those with over half of the largest dose
        (Rogers and Mohan 2000; AAPM TG-105, doi:10.1118/1.2795842).
    time_limit_s : float or None
        Stop after this wall-clock time; a target that is missed then is warned.
    electron_cutoff_mev : float
        Electrons below are absorbed where they are, and delta rays below are not made (0.05 MeV: 0.04 mm).
    photon_cutoff_mev : float
        Photons below are absorbed where they are, and bremsstrahlung below is not made.
    scattering_per_step, loss_per_step : float
        Longest step, over the transport mean free path and as part of the energy.
    threads : int or None
        None: every core that this process may run on. Nothing global is changed.
    progress : callable or None
        Called with a sentence (histories, seconds left) and the finished fraction.

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

    nuclide: str | Nuclide
    histories: int | None = None
    seed: int = 0
    target_uncertainty: float | None = None
    target_mask: Mask | None = None
    time_limit_s: float | None = None
    electron_cutoff_mev: float = 0.05
    photon_cutoff_mev: float = 0.005
    scattering_per_step: float = 0.15
    loss_per_step: float = 0.1
    threads: int | None = None
    progress: Callable[[str, float], None] | None = field(default=None, repr=False)

    name: ClassVar[str] = "monte-carlo"
    wants_comparison: ClassVar[bool] = True
    draws_histories: ClassVar[bool] = True

    __repr__ = short_repr

    def __post_init__(self) -> None:
        nuclide(self.nuclide)
        resolve_threads(self.threads)
        limits: tuple[tuple[str, float | None, float, float, str], ...] = (
            ("histories", self.histories, 100, math.inf, ""),
            ("seed", self.seed, 0, 2**63 - 1, ""),
            ("target_uncertainty", self.target_uncertainty, 1e-5, 0.5, ""),
            ("time_limit_s", self.time_limit_s, 0.1, math.inf, " s"),
            ("electron_cutoff_mev", self.electron_cutoff_mev, 0.01, 0.2, " MeV"),
            ("photon_cutoff_mev", self.photon_cutoff_mev, 0.001, 0.05, " MeV"),
            ("scattering_per_step", self.scattering_per_step, 0.02, 0.5, ""),
            ("loss_per_step", self.loss_per_step, 0.02, 0.3, ""),
        )
        for name, value, low, high, unit in limits:
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"{name} must lie between {low:g} and {high:g}{unit}, got {value}{unit}.",
                    tag=f"monte_carlo.{name}",
                )

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy] on the grid of the activity, with its uncertainty in every voxel.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel]; negative values, as reconstruction noise gives, are taken as they are.
        density : DensityMap or None
            Mass density [g/mL] on the same grid; materials follow from it. None: water everywhere.

        Raises
        ------
        GridMismatchError
            If density or target lie on another grid.
        InputError
            If an activity is not finite, there is no activity, or the target has no voxel.

        Warns
        -----
        Notice
            If the target uncertainty was not reached.
        """
        result = self.simulate(tia, density)
        for notice in result.notices:
            warnings.warn(notice, stacklevel=2)
        return result.dose

    def complete_dose(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        record: Nuclide,
        regions: Mapping[str, Mask],
    ) -> MonteCarloResult:
        """Return the simulated dose with uncertainties; parameters as of `BaseEngine`."""
        return self.simulate(tia, density, regions)

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
        tia.check_finite()
        for name, volume in (
            ("density", density),
            ("target_mask", self.target_mask),
            *(regions or {}).items(),
        ):
            if volume is not None:
                volume.check_on(tia.grid, name)
        geometry, names = voxel_geometry(tia.grid, None if density is None else density.array)
        emitted = emission(nuclide(self.nuclide), self.electron_cutoff_mev, self.photon_cutoff_mev)
        tables = transport_tables(names, self._settings())
        size = self._batch_size(tia.grid)
        parts = source_parts(tia, emitted, size)
        sums = BatchSums(geometry.density.shape, _region_weights(regions))
        rule = StopRule(*self._limits(tia.grid), self._judge(geometry))
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

    def _batch_size(self, grid: Grid) -> int:
        """Histories in one batch."""
        histories = self._most_histories()
        if histories is not None and self.target_uncertainty is None and self.time_limit_s is None:
            return math.ceil(histories / BATCHES)
        size = max(OPEN_BATCH, grid.size // 10)
        return size if histories is None else min(size, math.ceil(histories / BATCHES))

    def _most_histories(self) -> int | None:
        """Histories at most."""
        if self.histories is None and self.target_uncertainty is None and self.time_limit_s is None:
            return DEFAULT_HISTORIES
        return self.histories

    def _limits(self, grid: Grid) -> tuple[int | None, float | None, float | None]:
        """Batches at most, target and time limit."""
        histories = self._most_histories()
        batches = None if histories is None else math.ceil(histories / self._batch_size(grid))
        return batches, self.target_uncertainty, self.time_limit_s

    def _judge(self, geometry: Geometry) -> Callable[[BatchSums], float]:
        """The relative uncertainty that the target is about."""
        chosen = None if self.target_mask is None else np.asarray(self.target_mask.array) >= 0.5
        if chosen is not None and not chosen.any():
            raise InputError(
                "no voxel of target_mask is at least half occupied, so that no uncertainty can be reached in it.",
                tag="monte_carlo.target_uncertainty",
            )
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
            float(sums.tally[1]) / histories, self._notices(reached, histories, seconds),
        )  # fmt: skip

    def _notices(self, reached: float, histories: int, seconds: float) -> tuple[Notice, ...]:
        """Say that the target was missed, and what it would take."""
        if self.target_uncertainty is None or reached <= self.target_uncertainty:
            return ()
        more = (reached / self.target_uncertainty) ** 2
        return (
            Notice(
                "monte-carlo-uncertainty",
                f"Monte Carlo stopped at {100 * reached:.2g} % relative uncertainty after {histories:,} histories and "
                f"{seconds:.0f} s; the target of {100 * self.target_uncertainty:.2g} % needs about "
                f"{histories * more:,.0f} histories, {seconds * more:.0f} s here.",
            ),
        )


def _region_weights(regions: Mapping[str, Mask] | None) -> dict[str, Array]:
    """Occupancies with the margin of the geometry around them; energy over mass is the mass-weighted mean dose."""
    return {
        name: np.pad(np.asarray(mask.array, dtype=np.float64), 1) for name, mask in (regions or {}).items()
    }


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
