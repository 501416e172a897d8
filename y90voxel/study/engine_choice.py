"""A configured engine from its name, and the name where the settings leave it to the case."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from y90voxel.case.case import Case
from y90voxel.case.engine_decision import EngineDecision
from y90voxel.case.engine_request import engine_request
from y90voxel.case.settings import MonteCarloSettings
from y90voxel.dose.engine import Engine
from y90voxel.dose.engines import AUTO_ENGINE, engine_package, engine_row
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import coverage

__all__ = ["build_engine", "decide_engine"]

# The CT shows the activity when this share of the counts of every emission image lies in it. Emission images are often
# larger than the CT across the patient and along it; what it misses gets densities by role, whichever engine runs.
LEAST_SHARE_IN_CT = 0.9


def decide_engine(wanted: str, case: Case) -> EngineDecision:
    """Return which engine a case gets, and why.

    Parameters
    ----------
    wanted : str
        One of `y90voxel.dose.engines.engine_choices`.
    case : Case
        Its CT and emission images decide where the choice is automatic.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    if wanted != AUTO_ENGINE:
        package = engine_package(wanted)
        return EngineDecision(
            wanted, wanted, f"asked for; of the package {package}" if package else "asked for"
        )
    if case.ct is None:
        return EngineDecision("convolution", wanted, "there is no CT to take densities from")
    share = share_in_ct(case)
    if share < LEAST_SHARE_IN_CT:
        return EngineDecision(
            "convolution",
            wanted,
            f"the CT shows only {100.0 * share:.1f} % of the counts, too few to take densities from",
        )
    return EngineDecision(
        "density", wanted, f"the CT shows {100.0 * share:.1f} % of the counts and gives densities"
    )


def share_in_ct(case: Case) -> float:
    """Return the share of positive counts that lies in the CT, of the emission image where it is least; 0 without CT."""
    if case.ct is None:
        return 0.0
    shares = []
    for injection in case.injections:
        image = injection.emission.volume
        counts = np.maximum(image.array, 0.0)
        whole = float(counts.sum(dtype=np.float64))
        inside = float((counts * coverage(case.ct.grid, image.grid).array).sum(dtype=np.float64))
        shares.append(inside / whole if whole > 0 else 0.0)
    return min(shares)


def build_engine(
    name: str,
    case: Case,
    threads: int | None = None,
    monte_carlo: MonteCarloSettings | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Engine:
    """Return the engine of that name for a case.

    The convolution kernel is the liver's at the liver density of the case; where the liver takes the CT's density, the
    usual liver density is used.

    Parameters
    ----------
    name : str
        One of `y90voxel.dose.engines.engine_choices`.
    case : Case
        Gives nuclide, voxel size, liver density and dose constant; CT and images where the choice is automatic.
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
    decision = case.engine_decision
    if decision is None or decision.requested != name:
        decision = decide_engine(name, case)
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
    return engine_row(decision.name).make(request)
