"""Dose by convolution in a uniform medium plus the Monte Carlo of what the patient changes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.exact.difference_run import Expectation, Job, prepare
from y90voxel.dose.monte_carlo.history_engine import FieldLimit, HistoryEngine, region_weights
from y90voxel.dose.monte_carlo.simulation import BatchSums, StopRule, run_batches
from y90voxel.dose.monte_carlo.transport_geometry import inner
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import Notice
from y90voxel.reference.nuclide import nuclide
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["Exact", "ExactResult"]

Array = NDArray[np.float64]

# Chosen: below 1 % in 97 % of the voxels of liver and tumour at 4.4 mm that electrons reach, 20 s of a busy core (decision 0022).
DEFAULT_HISTORIES = 3_000_000
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
class Exact(HistoryEngine):
    """Absorbed dose D = C + (1/N) Σ (X - βY): a known expectation plus a simulated difference.

    Parameters
    ----------
    nuclide, histories, seed, target_uncertainty, target_mask, time_limit_s, threads, progress
        As of `HistoryEngine`; 3 million histories where nothing is asked for, and the target is of both parts of the uncertainty.

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

    name: ClassVar[str] = "exact"
    title: ClassVar[str] = "the exact engine"
    default_histories: ClassVar[int] = DEFAULT_HISTORIES
    field_limits: ClassVar[tuple[FieldLimit, ...]] = (
        ("histories", 5000, math.inf, ""),
        ("target_uncertainty", 1e-4, 0.5, ""),
    )
    not_warned: ClassVar[frozenset[str]] = frozenset({"exact-parts"})

    __repr__ = short_repr

    def caveats(self, lung_or_ct: bool) -> tuple[Notice, ...]:
        """Return how far the transport itself is from PENELOPE, which no number of histories removes."""
        return (
            Notice(
                "exact-model-error",
                "besides the stated uncertainty there is that of the model: this Monte Carlo against PENELOPE is within 0.5 % in "
                "liver, 1 % beside lung (1.5 % in active lung) and 2 % at bone (docs/decisions/0006-monte-carlo.md).",
            ),
        )

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
        self._check_grids(tia, density, regions)
        target = self._target()
        weights = region_weights(regions)
        size = self._batch_size(tia.grid)
        job = prepare(nuclide(self.nuclide), tia, density, size, self.seed, self.threads, weights)
        sums = BatchSums(job.shape, weights)
        judge = _judge(job, target, tia.grid)
        limit = self.time_limit_s
        if limit is not None:
            limit = max(limit - (time.perf_counter() - started), 0.0)
        rule = StopRule(self._most_batches(size), self.target_uncertainty, limit, judge)
        run_batches(job.run_batch, sums, rule, resolve_threads(self.threads), self.progress, size)
        return self._result(tia, density, job, sums, judge(sums), size, time.perf_counter() - started)

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
        notices = [*self._missed(reached, histories, seconds)]
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
        f"{medium}: β {weak:.2f} where little differs (fat, water or soft tissue, 15 % in density), {strong:.2f} elsewhere"
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
