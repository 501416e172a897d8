"""Our own dose by every model that another program may have used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.errors import PhysicsError
from y90voxel.quantification.decay import integrate_over_time
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.tissue import DENSITY_FLOOR_G_PER_ML
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.vendor_check.check_inputs import OwnCalculation
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap, TimeIntegratedActivityMap, Volume

__all__ = ["MODELS", "OWN", "Model", "model_doses", "own_model"]

# Name of our own map among the variants, where its engine is none of the table (Monte Carlo).
OWN = "own"


@dataclass(frozen=True)
class Model:
    """A way from decays to dose.

    Parameters
    ----------
    label : str
        In a sentence, after "by".
    scaled : bool
        Whether dose is energy over the local density; else over the density of one medium.
    kernel : bool
        Whether energy leaves the voxel of its decay.
    """

    label: str
    scaled: bool
    kernel: bool


WITHOUT_PHOTONS = "-without-photons"
# The model without density of a kernel.
UNSCALED = {"convolution": "liver-kernel-unscaled", "water-kernel": "water-kernel-unscaled"}
_PLAIN = {
    "local": Model("local deposition", True, False),
    "local-water": Model("local deposition in 1 g/mL everywhere", False, False),
    "convolution": Model("a liver kernel scaled by density", True, True),
    "water-kernel": Model("a water kernel scaled by density", True, True),
    "liver-kernel-unscaled": Model("a liver kernel without density", False, True),
    "water-kernel-unscaled": Model("a water kernel without density", False, True),
    "density": Model("density-aware superposition", True, True),
}
# The plain ones first: of variants that cannot be told apart the first is named.
MODELS: dict[str, Model] = _PLAIN | {
    f"{name}{WITHOUT_PHOTONS}": Model(f"{model.label}, without distant photons", model.scaled, True)
    for name, model in _PLAIN.items()
    if model.kernel
}


def own_model(engine: str) -> str:
    """Return the name of the variant that an engine of the table computes; `OWN` for any other."""
    return engine if engine in ("local", "convolution", "density") else OWN


def model_doses(
    own: OwnCalculation, grid: Grid | None = None, *, interpolated: bool = False
) -> dict[str, DoseMap]:
    """Return the dose of every model [Gy], our own calculation first.

    Parameters
    ----------
    own : OwnCalculation
        Activity and densities.
    grid : Grid or None
        Where they are computed: activity and density are moved there first. None takes our own grid, and our own dose as
        it is.
    interpolated : bool
        Whether activity per volume is read between voxel centres on that grid, as many programs do; else each voxel hands
        on its shares, and the sum is kept.
    """
    activity, density = own.activity, own.density
    first: dict[str, DoseMap] = {own_model(own.engine): own.dose}
    if grid is not None:
        activity = _interpolated(activity, grid) if interpolated else resample(activity, grid)
        density = DensityMap(resample(Volume(density.array, density.grid), grid, fill=1.0).array, grid)
        first = {}
    tia = integrate_over_time(activity, own.half_life_s)
    made = _in_place(own, tia, density) | _by_kernel(own, tia, density)
    by_model = {name: made[name] for name in MODELS if name in made}
    return first | {name: dose for name, dose in by_model.items() if name not in first}


def _interpolated(activity: ActivityMap, grid: Grid) -> ActivityMap:
    """Activity with its concentration read at voxel centres of a grid."""
    per_voxel = resample(DoseMap(activity.array, activity.grid), grid).array  # as doses are: linear
    return ActivityMap(per_voxel * (grid.voxel_volume_ml / activity.grid.voxel_volume_ml), grid)


def _in_place(own: OwnCalculation, tia: TimeIntegratedActivityMap, density: DensityMap) -> dict[str, DoseMap]:
    """The models that keep all energy in the voxel of the decay."""
    local = LocalDeposition(own.nuclide, dose_constant_gy_kg_per_gbq=own.dose_constant_gy_kg_per_gbq)
    return {"local": local.dose(tia, density), "local-water": local.dose(tia)}


def _by_kernel(
    own: OwnCalculation, tia: TimeIntegratedActivityMap, density: DensityMap
) -> dict[str, DoseMap]:
    """The models that carry energy by a kernel, with and without distant photons; none where the nuclide has no kernel."""
    record, spacing = nuclide(own.nuclide), tia.grid.spacing_mm
    try:
        kernels = {
            "convolution": voxel_kernel(
                own.nuclide, spacing, "liver", density_g_per_ml=own.liver_density_g_per_ml
            ),
            "water-kernel": voxel_kernel(own.nuclide, spacing),
        }
        superposition = DensitySuperposition(own.nuclide, photon_tail=False)
    except PhysicsError:
        return {}
    local = np.maximum(density.array, DENSITY_FLOOR_G_PER_ML)
    electrons: dict[str, NDArray[np.floating[Any]]] = {"density": superposition.dose(tia, density).array}
    tails: dict[str, NDArray[np.floating[Any]]] = {}
    for name, kernel in kernels.items():
        plain = KernelConvolution(kernel).dose(tia).array
        unscaled = UNSCALED[name]
        electrons |= {name: plain * (kernel.density_g_per_ml / local), unscaled: plain}
        tail = PhotonTail(record, kernel.medium, density_g_per_ml=kernel.density_g_per_ml).dose(tia).array
        tails |= {name: tail, unscaled: tail}
    tails["density"] = tails["water-kernel"]
    doses = {f"{name}{WITHOUT_PHOTONS}": dose for name, dose in electrons.items()}
    doses |= {name: dose + tails[name] for name, dose in electrons.items()}
    return {name: DoseMap(dose, tia.grid) for name, dose in doses.items()}
