"""A configured engine from its name."""

from __future__ import annotations

from y90voxel.dose.convolution import KernelConvolution
from y90voxel.dose.engine import DoseEngine
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.dose.superposition import DensitySuperposition
from y90voxel.errors import InputError
from y90voxel.reference.kernel import voxel_kernel
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.workflow.case import Case

__all__ = ["ENGINES", "build_engine"]

ENGINES = ("local", "convolution", "density")


def build_engine(name: str, case: Case, threads: int | None = None) -> DoseEngine:
    """Return the engine of that name for a case.

    The convolution kernel is the liver's at the liver density of the case, so that it needs no scaling
    where most of the activity lies; where the liver takes the CT's density, the usual liver density is used.

    Parameters
    ----------
    name : str
        ``local``, ``convolution`` or ``density``.
    case : Case
        Gives nuclide, voxel size, liver density and dose constant.
    threads : int or None
        Threads; None takes every core that the process may use.

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
    raise InputError(f"unknown engine {name!r}. The engines are {', '.join(ENGINES)}.", tag="dose.engine")
