"""A configured engine from its name."""

from __future__ import annotations

from collections.abc import Callable

from y90voxel.case.case import Case
from y90voxel.case.engine_request import engine_request
from y90voxel.case.settings import MonteCarloSettings
from y90voxel.dose.engine import DoseEngine
from y90voxel.dose.engines import engine_row
from y90voxel.regions.roles import Role

__all__ = ["build_engine"]


def build_engine(
    name: str,
    case: Case,
    threads: int | None = None,
    monte_carlo: MonteCarloSettings | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> DoseEngine:
    """Return the engine of that name for a case.

    The convolution kernel is the liver's at the liver density of the case; where the liver takes the CT's density, the
    usual liver density is used.

    Parameters
    ----------
    name : str
        One of `y90voxel.dose.engines.engine_names`.
    case : Case
        Gives nuclide, voxel size, liver density and dose constant.
    threads : int or None
        Threads; None takes every core that the process may use.
    monte_carlo : MonteCarloSettings or None
        How long the Monte Carlo runs; its target uncertainty is that of the tumours' voxels, where there are any.
    progress : callable or None
        Called by the Monte Carlo with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    limits = monte_carlo or MonteCarloSettings()
    request = engine_request(
        case,
        threads=threads,
        histories=limits.histories,
        seed=limits.seed,
        target_uncertainty=limits.target_uncertainty,
        target_mask=lambda: case.regions.mask_of(Role.TUMOUR),
        time_limit_s=limits.time_limit_s,
        progress=progress,
    )
    return engine_row(name).make(request)
