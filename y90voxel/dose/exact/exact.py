"""Dose by convolution in a uniform medium plus the Monte Carlo of what the patient changes of it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.engine import BaseEngine
from y90voxel.dose.exact.difference_run import Expectation, Job, prepare
from y90voxel.dose.monte_carlo.simulation import BatchSums, StopRule, run_batches
from y90voxel.dose.monte_carlo.transport_geometry import inner
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError, Notice
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["Exact", "ExactResult"]

Array = NDArray[np.float64]

# Chosen: below 1 % per voxel of liver and tumour at 4 mm, about 10 s of a core (decision 0022).
DEFAULT_HISTORIES = 2_000_000
BATCHES = 50  # that the spread is estimated from: to 1/√(2·49) = 10 % of itself
OPEN_BATCH = 20_000  # histories of a batch where their number is open
# Denser than cortical bone (1.92) and most teeth (2.95): metal, of which there are no cross-sections here [g/mL].
METAL_G_PER_ML = 3.0


@dataclass(frozen=True, eq=False)
class ExactResult:
    """What a run gave beside the dose.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy] with the relative standard uncertainty of each voxel, both parts.
    histories : int
        Electrons and decays that were started.
    seconds : float
        Wall-clock time of all of it.
    uncertainty : float
        Root mean square of the relative uncertainty over the voxels that a target refers to.
    region_uncertainty : mapping of str to float
        Relative standard uncertainty of the mean dose of each region that was asked for, both parts.
    statistical_gy, kernel_gy : ndarray
        The two parts of the uncertainty: of the simulated difference, and of the voxel S values.
    betas : mapping of str to tuple of float
        By uniform medium, β in voxels that differ little and that differ much.
    notices : tuple of Notice
        What the user must know.
    """

    dose: DoseMap
    histories: int
    seconds: float
    uncertainty: float
    region_uncertainty: Mapping[str, float]
    statistical_gy: NDArray[np.float32]
    kernel_gy: NDArray[np.float32]
    betas: Mapping[str, tuple[float, float]]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, eq=False)
class Exact(BaseEngine):
    """Absorbed dose D = C + (1/N) Σ (X - βY): a known expectation plus a simulated difference.

    Parameters
    ----------
    nuclide : str or Nuclide
        Betas by their spectrum, and every conversion and Auger electron, x and gamma ray.
    histories : int or None
        Histories at most. None: until the target or the time limit; 2 million if there is neither.
    seed : int
        Same seed, same bits, on any number of threads (a time limit stops where it stops, though).
    target_uncertainty : float or None
        Stop when the root mean square of the relative uncertainties of the voxels, both parts, is no larger.
    target_mask : Mask or None
        The voxels of the target, where at least half occupied. None: those with over half of the largest dose.
    time_limit_s : float or None
        Stop after this wall-clock time; a target that is missed then is warned.
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
    Transport is that of `y90voxel.dose.monte_carlo.monte_carlo.MonteCarlo` with its default cut-offs and steps; the
    dose is what it gives after so many histories as nobody waits for. docs/decisions/0022 has the expectation written
    out, what was measured and what failed.
    """

    nuclide: str | Nuclide
    histories: int | None = None
    seed: int = 0
    target_uncertainty: float | None = None
    target_mask: Mask | None = None
    time_limit_s: float | None = None
    threads: int | None = None
    progress: Callable[[str, float], None] | None = field(default=None, repr=False)

    name: ClassVar[str] = "exact"
    wants_comparison: ClassVar[bool] = True
    draws_histories: ClassVar[bool] = True

    __repr__ = short_repr

    def __post_init__(self) -> None:
        nuclide(self.nuclide)
        resolve_threads(self.threads)
        limits: tuple[tuple[str, float | None, float, float, str], ...] = (
            ("histories", self.histories, 5000, math.inf, ""),
            ("seed", self.seed, 0, 2**63 - 1, ""),
            ("target_uncertainty", self.target_uncertainty, 1e-4, 0.5, ""),
            ("time_limit_s", self.time_limit_s, 0.1, math.inf, " s"),
        )
        for name, value, low, high, unit in limits:
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"{name} must lie between {low:g} and {high:g}{unit}, got {value}{unit}.",
                    tag=f"monte_carlo.{name}",
                )

    def caveats(self, lung_or_ct: bool) -> tuple[Notice, ...]:
        """Return how far the transport itself is from PENELOPE, which no number of histories removes."""
        return (
            Notice(
                "exact-model-error",
                "besides the stated uncertainty there is that of the model: this Monte Carlo against PENELOPE is within 0.5 % in "
                "liver, 1 % beside lung (1.5 % in active lung) and 2 % at bone (docs/decisions/0006-monte-carlo.md).",
            ),
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
        PhysicsError
            If the kernel contradicts the transport.

        Warns
        -----
        Notice
            If the target uncertainty was not reached.
        """
        result = self.simulate(tia, density)
        for notice in result.notices:
            if notice.code != "exact-parts":
                warnings.warn(notice, stacklevel=2)
        return result.dose

    def complete_dose(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        record: Nuclide,
        regions: Mapping[str, Mask],
    ) -> ExactResult:
        """Return the dose with uncertainties; parameters as of `BaseEngine`."""
        return self.simulate(tia, density, regions)

    def simulate(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None = None,
        regions: Mapping[str, Mask] | None = None,
    ) -> ExactResult:
        """Return dose and both parts of its uncertainty; as :meth:`dose`, but notices are returned, not warned.

        Parameters
        ----------
        tia, density
            As for :meth:`dose`.
        regions : mapping of str to Mask, optional
            Regions whose mean dose (mass-weighted) is to have its uncertainty.
        """
        started = time.perf_counter()
        tia.check_finite()
        for name, volume in (
            ("density", density),
            ("target_mask", self.target_mask),
            *(regions or {}).items(),
        ):
            if volume is not None:
                volume.check_on(tia.grid, name)
        target = self._target()
        weights = {
            name: np.pad(np.asarray(mask.array, dtype=np.float64), 1)
            for name, mask in (regions or {}).items()
        }
        size = self._batch_size(tia.grid)
        job = prepare(nuclide(self.nuclide), tia, density, size, self.seed, self.threads, weights)
        sums = BatchSums(job.shape, weights)
        judge = _judge(job, target, tia.grid)
        limit = self.time_limit_s
        if limit is not None:
            limit = max(limit - (time.perf_counter() - started), 0.0)
        histories = self._most_histories()
        batches = None if histories is None else math.ceil(histories / size)
        rule = StopRule(batches, self.target_uncertainty, limit, judge)
        run_batches(job.run_batch, sums, rule, resolve_threads(self.threads), self.progress, size)
        return self._result(tia, density, job, sums, judge(sums), size, time.perf_counter() - started)

    def _most_histories(self) -> int | None:
        """Histories at most."""
        if self.histories is None and self.target_uncertainty is None and self.time_limit_s is None:
            return DEFAULT_HISTORIES
        return self.histories

    def _batch_size(self, grid: Grid) -> int:
        """Histories in one batch."""
        histories = self._most_histories()
        if histories is not None and self.target_uncertainty is None and self.time_limit_s is None:
            return math.ceil(histories / BATCHES)
        size = max(OPEN_BATCH, grid.size // 10)
        return size if histories is None else min(size, math.ceil(histories / BATCHES))

    def _target(self) -> NDArray[np.bool_] | None:
        """The voxels that a target is about."""
        if self.target_mask is None:
            return None
        chosen = np.asarray(self.target_mask.array) >= 0.5
        if not chosen.any():
            raise InputError(
                "no voxel of target_mask is at least half occupied, so that no uncertainty can be reached in it.",
                tag="monte_carlo.target_uncertainty",
            )
        return chosen

    def _result(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None,
        job: Job,
        sums: BatchSums,
        reached: float,
        size: int,
        seconds: float,
    ) -> ExactResult:
        """Turn energies into dose."""
        per_mev = JOULE_PER_MEV / job.mass_kg
        energy, statistical, kernel = _energies(job.expectation, sums)
        sigma = np.hypot(statistical, kernel)
        relative = np.ones(energy.shape)
        np.divide(sigma, np.abs(energy), out=relative, where=np.abs(energy) > sigma)
        dose = DoseMap((energy * per_mev).astype(np.float32), tia.grid, relative.astype(np.float32))
        return ExactResult(
            dose, size * sums.batches, seconds, reached, _region_uncertainty(job.expectation, sums),
            (statistical * per_mev).astype(np.float32), (kernel * per_mev).astype(np.float32), job.betas,
            (
                _parts(job, statistical, kernel, energy),
                *self._notices(reached, size * sums.batches, seconds, density),
            ),
        )  # fmt: skip

    def _notices(
        self, reached: float, histories: int, seconds: float, density: DensityMap | None
    ) -> tuple[Notice, ...]:
        """Say that the target was missed, and what is not modelled."""
        notices = []
        if self.target_uncertainty is not None and reached > self.target_uncertainty:
            more = (reached / self.target_uncertainty) ** 2
            notices.append(
                Notice(
                    "exact-uncertainty",
                    f"the exact engine stopped at {100 * reached:.2g} % relative uncertainty after {histories:,} histories "
                    f"and {seconds:.0f} s; the target of {100 * self.target_uncertainty:.2g} % needs about "
                    f"{histories * more:,.0f} histories, {seconds * more:.0f} s here.",
                )
            )
        dense = 0 if density is None else int((density.array > METAL_G_PER_ML).sum())
        if dense:
            notices.append(
                Notice(
                    "exact-metal",
                    f"{dense} voxels are denser than {METAL_G_PER_ML:g} g/mL, as metal is; the exact engine transports "
                    "through them as through bone of that density. Doses beside them are not to be relied upon.",
                )
            )
        return tuple(notices)


def _parts(job: Job, statistical: Array, kernel: Array, energy: Array) -> Notice:
    """Say both parts of the uncertainty, and β."""
    dose = energy / job.mass_kg
    high = dose > 0.5 * dose.max()
    parts = [float(np.sqrt(np.mean((part[high] / energy[high]) ** 2))) for part in (statistical, kernel)]
    betas = "; ".join(
        f"{medium}: β {weak:.2f} where density differs by less than 10 %, {strong:.2f} elsewhere"
        for medium, (weak, strong) in job.betas.items()
    )
    return Notice(
        "exact-parts",
        f"the exact engine's uncertainty per voxel above half of the largest dose is {100 * parts[0]:.2g} % of statistics and "
        f"{100 * parts[1]:.2g} % of its own kernel ({betas or 'no uniform medium to compare with'}).",
    )


def _energies(expectation: Expectation, sums: BatchSums) -> tuple[Array, Array, Array]:
    """Energy in each voxel of the grid, and both parts of its uncertainty [MeV]."""
    n = sums.batches
    mean = inner(sums.energy) / n
    variance = np.maximum(inner(sums.squares) / n - mean**2, 0.0) / max(n - 1, 1)
    return expectation.energy_mev + mean, np.sqrt(variance), expectation.sigma_mev


def _judge(job: Job, chosen: NDArray[np.bool_] | None, grid: Grid) -> Callable[[BatchSums], float]:
    """The relative uncertainty that a target is about."""

    def judge(sums: BatchSums) -> float:
        energy, statistical, kernel = _energies(job.expectation, sums)
        dose = energy / job.mass_kg
        voxels = dose > 0.5 * dose.max() if chosen is None else chosen
        sigma = np.hypot(statistical, kernel)[voxels]
        relative = np.minimum(sigma / np.maximum(np.abs(energy[voxels]), 1e-300), 1.0)
        return float(np.sqrt(np.mean(relative**2)))

    return judge


def _region_uncertainty(expectation: Expectation, sums: BatchSums) -> dict[str, float]:
    """Relative standard uncertainty of the mean dose of each followed region, both parts."""
    found = {}
    for name, values in sums.regions.items():
        statistical = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
        energy, kernel = expectation.regions[name]
        total = abs(energy + float(np.mean(values)))
        sigma = math.hypot(statistical, kernel)
        found[name] = sigma / total if total > sigma else 1.0
    return found
