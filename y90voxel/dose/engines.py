"""The table of dose engines: everything that is said about one, and how it is made.

It is read where commands print their help, so it imports no engine: a factory imports the one it makes when it is called.
This is the only place of the package where an import is put off to choose among implementations. Engines of other packages
are known by the names of their entry points, and loaded when one is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from y90voxel.dose.engine import Engine
    from y90voxel.volumes.volume import Mask

__all__ = [
    "AUTO_ENGINE",
    "DEFAULT_ENGINE",
    "ENTRY_POINTS",
    "Beside",
    "EngineRequest",
    "EngineRow",
    "engine_choices",
    "engine_label",
    "engine_names",
    "engine_package",
    "engine_row",
    "engine_rows",
    "register_engine",
]

# A choice of the setting and no engine: `y90voxel.study.engine_choice` makes one of the table of it, case by case.
AUTO_ENGINE = "auto"
DEFAULT_ENGINE = AUTO_ENGINE
ENTRY_POINTS = "y90voxel.engines"  # the group in which other packages name their engines


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
        When a simulation stops, as of `y90voxel.dose.monte_carlo.monte_carlo.MonteCarlo` and `y90voxel.dose.exact.exact.Exact`.
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

    __repr__ = short_repr


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
        Whether it draws histories until it is told to stop, or may do so.
    package : str
        Name and version of the package that brings it; empty for those of this one.
    """

    name: str
    label: str
    help: str
    needs: tuple[str, ...]
    make: Callable[[EngineRequest], Engine]
    beside: Beside = Beside.NEVER
    in_place: bool = False
    simulates: bool = False
    package: str = ""


def _local(request: EngineRequest) -> Engine:
    # deferred: for this engine alone
    from y90voxel.dose.local_deposition import LocalDeposition

    return LocalDeposition(request.nuclide, dose_constant_gy_kg_per_gbq=request.dose_constant_gy_kg_per_gbq)


def _convolution(request: EngineRequest) -> Engine:
    """The kernel is the liver's at the liver's density, so that it needs no scaling where most of the activity lies."""
    # deferred: for this engine alone
    from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
    from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
    from y90voxel.reference.voxel_kernel import voxel_kernel

    density = request.liver_density_g_per_ml or LIVER_DENSITY_G_PER_ML
    kernel = voxel_kernel(request.nuclide, request.spacing_mm, "liver", density_g_per_ml=density)
    return KernelConvolution(kernel, threads=request.threads)


def _density(request: EngineRequest) -> Engine:
    # deferred: for this engine alone
    from y90voxel.dose.density.superposition import DensitySuperposition

    return DensitySuperposition(request.nuclide, threads=request.threads)


def _monte_carlo(request: EngineRequest) -> Engine:
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


def _exact(request: EngineRequest) -> Engine:
    # deferred: for this engine alone
    from y90voxel.dose.exact.exact import Exact

    return Exact(
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
    EngineRow(
        "exact", "Monte Carlo with a known expectation",
        "a convolution with the Monte Carlo's own kernel plus transport of what the patient's densities change of it",
        ("emission spectra", "density map"), _exact, simulates=True,
    ),
]  # fmt: skip


def engine_rows() -> tuple[EngineRow, ...]:
    """Return all engines, from the simplest to the best, those of other packages last."""
    return (*_ROWS, *_packaged_rows())


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines."""
    return tuple(dict.fromkeys(row.name for row in engine_rows()))


def engine_choices() -> tuple[str, ...]:
    """Return what the setting may say: the automatic choice, or an engine."""
    return (AUTO_ENGINE, *engine_names())


def engine_row(name: str) -> EngineRow:
    """Return the engine of that name.

    Raises
    ------
    InputError
        If there is none; the message lists the names. If several packages bring one of that name.
    """
    rows = [row for row in engine_rows() if row.name == name]
    if len(rows) > 1:
        packages = " and ".join(row.package or "y90voxel itself" for row in rows)
        raise InputError(
            f"there are {len(rows)} engines {name!r}, of {packages}. Uninstall the package that is not meant.",
            tag="dose.engine",
        )
    if not rows:
        raise InputError(
            f"unknown engine {name!r}. The engines are {', '.join(engine_names())}.", tag="dose.engine"
        )
    return rows[0]


def engine_label(name: str) -> str:
    """Return what people call an engine: its name where it is not in the table."""
    return next((row.label for row in engine_rows() if row.name == name), name)


def engine_package(name: str) -> str:
    """Return name and version of the package that brings an engine; empty for those of this one."""
    return engine_row(name).package


def register_engine(row: EngineRow) -> None:
    """Add an engine at the end of the table, in this process.

    Raises
    ------
    InputError
        If there is one of that name.
    """
    if row.name in engine_names():
        raise InputError(f"there is an engine {row.name!r} already.", tag="dose.engine")
    _ROWS.append(row)


@cache
def _packaged_rows() -> tuple[EngineRow, ...]:
    """The engines of other packages that are installed, by name."""
    # deferred: 0.03 s
    from importlib.metadata import entry_points

    points = sorted(point for point in entry_points(group=ENTRY_POINTS) if point.name != AUTO_ENGINE)
    return tuple(_packaged_row(point) for point in points)


def _packaged_row(point: EntryPoint) -> EngineRow:
    """An engine as an entry point names it; nothing of its package is loaded before it is made."""
    package = "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"

    def make(request: EngineRequest) -> Engine:
        try:
            factory = point.load()
        except (Exception, SystemExit) as error:  # whatever its modules do when they are loaded
            raise InputError(
                f"the engine {point.name!r} of {package} cannot be loaded from {point.value}: {type(error).__name__}: {error}. "
                "Repair or uninstall that package, or choose another engine.",
                tag="dose.engine",
            ) from error
        what = f"the engine {point.name!r} of {package} ({point.value})"
        if not callable(factory):
            raise InputError(f"{what} is no function of an EngineRequest.", tag="dose.engine")
        return _checked(factory(request), point.name, what)

    label, words = f"{point.name} ({package})", f"of the package {package}"
    # It gets the whole request: whether it draws histories is its own business.
    return EngineRow(point.name, label, words, ("its package",), make, simulates=True, package=package)


def _checked(engine: Any, name: str, what: str) -> Engine:
    """What another package made, if it is an engine.

    Raises
    ------
    InputError
        If it has another name or no ``dose(tia, density)``.
    """
    own = getattr(engine, "name", None)
    if own != name:
        raise InputError(
            f"{what} calls itself {own!r}; outputs must say {name!r}: its attribute name is that of the entry point.",
            tag="dose.engine",
        )
    dose = getattr(engine, "dose", None)
    try:
        signature(dose).bind(None, None)  # type: ignore[arg-type]  # what is no function is a TypeError
    except TypeError as error:
        raise InputError(f"{what} has no method dose(tia, density): {error}.", tag="dose.engine") from error
    made: Engine = engine
    return made
