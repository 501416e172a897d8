"""What engines that simulate histories share: how many, until when, what a target refers to, and what is said."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.engine import BaseEngine, SimulatedDose
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError, Notice
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.short_repr import short_repr
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask, TimeIntegratedActivityMap

__all__ = ["FieldLimit", "HistoryEngine", "region_weights"]

BATCHES = 50  # that the spread is estimated from: to 1/√(2·49) = 10 % of itself
# Without a number of histories, batches are this large, or a tenth of the voxels where that is more.
OPEN_BATCH = 20_000

FieldLimit = tuple[str, float, float, str]  # name of a number, least, greatest, unit


@dataclass(frozen=True, eq=False)
class HistoryEngine(BaseEngine):
    """Base of engines that simulate histories until a number, a target or a time.

    Parameters
    ----------
    nuclide : str or Nuclide
        Betas by their spectrum, and every conversion and Auger electron, x and gamma ray.
    histories : int or None
        Histories at most. None: until the target or the time limit, or the engine's own number if there is neither.
    seed : int
        Same seed, same bits, on any number of threads (a time limit stops where it stops, though).
    target_uncertainty : float or None
        Stop when the root mean square of the relative uncertainties of the voxels is no larger.
    target_mask : Mask or None
        The voxels of the target, where at least half occupied. None: those with over half of the largest dose
        (Rogers and Mohan 2000; AAPM TG-105, doi:10.1118/1.2795842).
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
    """

    nuclide: str | Nuclide
    histories: int | None = None
    seed: int = 0
    target_uncertainty: float | None = None
    target_mask: Mask | None = None
    time_limit_s: float | None = None
    threads: int | None = None
    progress: Callable[[str, float], None] | None = field(default=None, repr=False)

    wants_comparison: ClassVar[bool] = True
    draws_histories: ClassVar[bool] = True
    default_histories: ClassVar[int]
    title: ClassVar[str]  # in sentences
    field_limits: ClassVar[tuple[FieldLimit, ...]]
    not_warned: ClassVar[frozenset[str]] = frozenset()  # codes of notices that are no warnings

    __repr__ = short_repr

    def __post_init__(self) -> None:
        nuclide(self.nuclide)
        resolve_threads(self.threads)
        for name, low, high, unit in (
            ("seed", 0, 2**63 - 1, ""),
            ("time_limit_s", 0.1, math.inf, " s"),
            *self.field_limits,
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"{name} must lie between {low:g} and {high:g}{unit}, got {value}{unit}.",
                    tag=f"monte_carlo.{name}",
                )

    @abstractmethod
    def simulate(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None = None,
        regions: Mapping[str, Mask] | None = None,
    ) -> SimulatedDose:
        """Return dose and uncertainties; as :meth:`dose`, but notices are returned, not warned."""

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
            If a kernel contradicts the transport (exact engine).

        Warns
        -----
        Notice
            If the target uncertainty was not reached.
        """
        result = self.simulate(tia, density)
        for notice in result.notices:
            if notice.code not in self.not_warned:
                warnings.warn(notice, stacklevel=2)
        return result.dose

    def complete_dose(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap,
        record: Nuclide,
        regions: Mapping[str, Mask],
    ) -> SimulatedDose:
        """Return the simulated dose with uncertainties; parameters as of `BaseEngine`."""
        return self.simulate(tia, density, regions)

    def _check_grids(
        self,
        tia: TimeIntegratedActivityMap,
        density: DensityMap | None,
        regions: Mapping[str, Mask] | None,
    ) -> None:
        """Raise unless everything is finite and lies on one grid."""
        tia.check_finite()
        for name, volume in (
            ("density", density),
            ("target_mask", self.target_mask),
            *(regions or {}).items(),
        ):
            if volume is not None:
                volume.check_on(tia.grid, name)

    def _most_histories(self) -> int | None:
        """Histories at most."""
        if self.histories is None and self.target_uncertainty is None and self.time_limit_s is None:
            return self.default_histories
        return self.histories

    def _batch_size(self, grid: Grid) -> int:
        """Histories in one batch."""
        histories = self._most_histories()
        if histories is not None and self.target_uncertainty is None and self.time_limit_s is None:
            return math.ceil(histories / BATCHES)
        size = max(OPEN_BATCH, grid.size // 10)
        return size if histories is None else min(size, math.ceil(histories / BATCHES))

    def _most_batches(self, size: int) -> int | None:
        """Batches of so many histories at most."""
        histories = self._most_histories()
        return None if histories is None else math.ceil(histories / size)

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

    def _missed(self, reached: float, histories: int, seconds: float) -> tuple[Notice, ...]:
        """Say that the target was missed, and what it would take."""
        if self.target_uncertainty is None or reached <= self.target_uncertainty:
            return ()
        more = (reached / self.target_uncertainty) ** 2
        return (
            Notice(
                f"{self.name}-uncertainty",
                f"{self.title} stopped at {100 * reached:.2g} % relative uncertainty after {histories:,} histories and "
                f"{seconds:.0f} s; the target of {100 * self.target_uncertainty:.2g} % needs about "
                f"{histories * more:,.0f} histories, {seconds * more:.0f} s here.",
            ),
        )


def region_weights(regions: Mapping[str, Mask] | None) -> dict[str, NDArray[np.float64]]:
    """Return occupancies with the margin of the geometry around them; energy over mass is the mass-weighted mean dose."""
    return {
        name: np.pad(np.asarray(mask.array, dtype=np.float64), 1) for name, mask in (regions or {}).items()
    }
