"""A configured engine from its name."""

from __future__ import annotations

from collections.abc import Callable

from y90voxel.case.case import Case
from y90voxel.case.settings import MonteCarloSettings
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.engine import DoseEngine
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.roles import Role

__all__ = ["ENGINES", "build_engine"]

ENGINES = ("local", "convolution", "density", "monte-carlo")


def build_engine(
    name: str,
    case: Case,
    threads: int | None = None,
    monte_carlo: MonteCarloSettings | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> DoseEngine:
    """Return the engine of that name for a case.

    The convolution kernel is the liver's at the liver density of the case, so that it needs no scaling
    where most of the activity lies; where the liver takes the CT's density, the usual liver density is used.

    Parameters
    ----------
    name : str
        ``local``, ``convolution``, ``density`` or ``monte-carlo``.
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
    if name == "local":
        return LocalDeposition(case.nuclide, dose_constant_gy_kg_per_gbq=case.dose_constant_gy_kg_per_gbq)
    if name == "convolution":
        density = case.density.liver_g_per_ml or LIVER_DENSITY_G_PER_ML
        kernel = voxel_kernel(case.nuclide, case.grid.spacing_mm, "liver", density_g_per_ml=density)
        return KernelConvolution(kernel, threads=threads)
    if name == "density":
        return DensitySuperposition(case.nuclide, threads=threads)
    if name == "monte-carlo":
        # deferred: 0.1 s, for this engine alone
        from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo

        limits = monte_carlo or MonteCarloSettings()
        return MonteCarlo(
            case.nuclide,
            histories=limits.histories,
            seed=limits.seed,
            target_uncertainty=limits.target_uncertainty,
            target_mask=case.regions.mask_of(Role.TUMOUR),
            time_limit_s=limits.time_limit_s,
            threads=threads,
            progress=progress,
        )
    raise InputError(f"unknown engine {name!r}. The engines are {', '.join(ENGINES)}.", tag="dose.engine")
