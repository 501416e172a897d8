"""The table of dose engines: everything that is said about one, and how it is made.

It is read where commands print their help, so it imports no engine: a factory imports the one it makes when it is called.
This is the only place of the package where an import is put off to choose among implementations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from y90voxel.errors import InputError

if TYPE_CHECKING:
    from y90voxel.dose.engine import DoseEngine
    from y90voxel.volumes.volume import Mask

__all__ = [
    "AUTO_ENGINE",
    "DEFAULT_ENGINE",
    "Beside",
    "EngineRequest",
    "EngineRow",
    "engine_choices",
    "engine_label",
    "engine_names",
    "engine_row",
    "engine_rows",
    "register_engine",
]

# A choice of the setting and no engine: `y90voxel.study.engine_choice` makes one of the table of it, case by case.
AUTO_ENGINE = "auto"
DEFAULT_ENGINE = AUTO_ENGINE


class Beside(StrEnum):
    """When an engine's lung dose stands beside that of another engine that ran."""

    ALWAYS = "always"
    ASKED = "asked"
    NEVER = "never"


@dataclass(frozen=True, eq=False)
class EngineRequest:
    """What an engine can be made of; each takes what it needs.

    Parameters
    ----------
    nuclide : str
        Which nuclide decays.
    spacing_mm : tuple of float, (3,)
        Voxels of the dose grid [mm].
    liver_density_g_per_ml : float or None
        Density of the liver [g/mL]; None where it comes from CT.
    dose_constant_gy_kg_per_gbq : float or None
        Replaces that of the nuclide record [Gy·kg/GBq].
    threads : int or None
        Threads; None takes every core that the process may use.
    histories, seed, target_uncertainty, time_limit_s
        When a simulation stops, as of `y90voxel.dose.monte_carlo.monte_carlo.MonteCarlo`.
    target_mask : callable or None
        Called by a simulation for the voxels that the target uncertainty is about.
    progress : callable or None
        Called with what is being done and the finished fraction.
    """

    nuclide: str
    spacing_mm: tuple[float, float, float]
    liver_density_g_per_ml: float | None = None
    dose_constant_gy_kg_per_gbq: float | None = None
    threads: int | None = None
    histories: int | None = None
    seed: int = 0
    target_uncertainty: float | None = None
    target_mask: Callable[[], Mask | None] | None = None
    time_limit_s: float | None = None
    progress: Callable[[str, float], None] | None = None


@dataclass(frozen=True)
class EngineRow:
    """An engine of the table.

    Parameters
    ----------
    name : str
        As settings and results call it.
    label : str
        As reports call it.
    help : str
        What it computes, in one sentence.
    needs : tuple of str
        What it needs besides nuclide and activity.
    make : callable
        Makes the engine of a request.
    beside : Beside
        When its lung dose stands beside another engine's.
    in_place : bool
        Whether it deposits all energy in the voxel of the decay.
    simulates : bool
        Whether it draws histories until it is told to stop.
    """

    name: str
    label: str
    help: str
    needs: tuple[str, ...]
    make: Callable[[EngineRequest], DoseEngine]
    beside: Beside = Beside.NEVER
    in_place: bool = False
    simulates: bool = False


def _local(request: EngineRequest) -> DoseEngine:
    # deferred: for this engine alone
    from y90voxel.dose.local_deposition import LocalDeposition

    return LocalDeposition(request.nuclide, dose_constant_gy_kg_per_gbq=request.dose_constant_gy_kg_per_gbq)


def _convolution(request: EngineRequest) -> DoseEngine:
    """The kernel is the liver's at the liver's density, so that it needs no scaling where most of the activity lies."""
    # deferred: for this engine alone
    from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
    from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
    from y90voxel.reference.voxel_kernel import voxel_kernel

    density = request.liver_density_g_per_ml or LIVER_DENSITY_G_PER_ML
    kernel = voxel_kernel(request.nuclide, request.spacing_mm, "liver", density_g_per_ml=density)
    return KernelConvolution(kernel, threads=request.threads)


def _density(request: EngineRequest) -> DoseEngine:
    # deferred: for this engine alone
    from y90voxel.dose.density.superposition import DensitySuperposition

    return DensitySuperposition(request.nuclide, threads=request.threads)


def _monte_carlo(request: EngineRequest) -> DoseEngine:
    # deferred: for this engine alone
    from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo

    return MonteCarlo(
        request.nuclide,
        histories=request.histories,
        seed=request.seed,
        target_uncertainty=request.target_uncertainty,
        target_mask=None if request.target_mask is None else request.target_mask(),
        time_limit_s=request.time_limit_s,
        threads=request.threads,
        progress=request.progress,
    )


# From the simplest to the best: the order in which lung doses stand side by side.
_ROWS = [
    EngineRow(
        "local", "local deposition", "every electron stays in the voxel of its decay", ("density map",),
        _local, Beside.ALWAYS, in_place=True,
    ),
    EngineRow(
        "convolution", "convolution with voxel S values",
        "activity convolved with a voxel kernel of liver, scaled by local density; photons added",
        ("radial kernel", "density map"), _convolution, Beside.ASKED,
    ),
    EngineRow(
        "density", "density-aware superposition",
        "the radial kernel of water along the true mass depth between source and target",
        ("radial kernel", "density map"), _density, Beside.ASKED,
    ),
    EngineRow(
        "monte-carlo", "Monte Carlo", "transport of every electron and photon, with statistical uncertainty",
        ("emission spectra", "density map"), _monte_carlo, simulates=True,
    ),
]  # fmt: skip


def engine_rows() -> tuple[EngineRow, ...]:
    """Return all engines, from the simplest to the best."""
    return tuple(_ROWS)


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines."""
    return tuple(row.name for row in _ROWS)


def engine_choices() -> tuple[str, ...]:
    """Return what the setting may say: the automatic choice, or an engine."""
    return (AUTO_ENGINE, *engine_names())


def engine_row(name: str) -> EngineRow:
    """Return the engine of that name.

    Raises
    ------
    InputError
        If there is none; the message lists the names.
    """
    for row in _ROWS:
        if row.name == name:
            return row
    raise InputError(
        f"unknown engine {name!r}. The engines are {', '.join(engine_names())}.", tag="dose.engine"
    )


def engine_label(name: str) -> str:
    """Return what people call an engine: its name where it is not in the table."""
    return next((row.label for row in _ROWS if row.name == name), name)


def register_engine(row: EngineRow) -> None:
    """Add an engine at the end of the table, as one from another package.

    Raises
    ------
    InputError
        If there is one of that name.
    """
    if row.name in engine_names():
        raise InputError(f"there is an engine {row.name!r} already.", tag="dose.engine")
    _ROWS.append(row)
