"""Absorbed dose when every electron stays in its voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from y90voxel.dose.engine import BaseEngine, Engine
from y90voxel.errors import InputError
from y90voxel.reference.nuclide import Nuclide, nuclide
from y90voxel.reference.tissue import DENSITY_FLOOR_G_PER_ML
from y90voxel.short_repr import short_repr
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.volume import DensityMap, DoseMap, TimeIntegratedActivityMap

__all__ = ["LocalDeposition"]

WATER_DENSITY_G_PER_ML = 1.0  # [g/mL], where no density map is given


@dataclass(frozen=True)
class LocalDeposition(BaseEngine):
    """Dose of each voxel from the electrons that are emitted in it: D = Ã · E / m.

    With E the mean electron energy per decay and m the mass of the voxel. The method for images whose blur is
    about as wide as the electrons' range, which then already has been applied once by the camera.

    Parameters
    ----------
    nuclide : str or Nuclide
        Which nuclide decays.
    dose_constant_gy_kg_per_gbq : float or None
        Dose of complete decay times mass per activity [Gy·kg/GBq]; replaces that of the nuclide record.

    Raises
    ------
    InputError
        If the nuclide is unknown or the dose constant is not positive.
    """

    nuclide: str | Nuclide
    dose_constant_gy_kg_per_gbq: float | None = None

    name: ClassVar[str] = "local"

    __repr__ = short_repr

    def __post_init__(self) -> None:
        nuclide(self.nuclide)
        constant = self.dose_constant_gy_kg_per_gbq
        if constant is not None and not (np.isfinite(constant) and constant > 0):
            raise InputError(
                f"the dose constant must be positive, got {constant} Gy·kg/GBq.",
                tag="dose.dose_constant_gy_kg_per_gbq",
            )

    @property
    def energy_j_per_decay(self) -> float:
        """Energy that one decay deposits in its voxel [J]."""
        record = nuclide(self.nuclide)
        if self.dose_constant_gy_kg_per_gbq is None:
            return record.mean_electron_energy_mev * JOULE_PER_MEV
        return self.dose_constant_gy_kg_per_gbq * 1e-9 * record.decay_constant_per_s

    def energy_per_activity_j_per_gbq(self, record: Nuclide) -> float:
        """Return its dose constant, or the record's energy [J/GBq]."""
        return float(self.dose_constant_gy_kg_per_gbq or super().energy_per_activity_j_per_gbq(record))

    def emitted_j_per_gbq(self, record: Nuclide) -> float:
        """Return what it deposits [J/GBq]: no photon deposits anything."""
        return self.energy_per_activity_j_per_gbq(record)

    def electrons_only(self) -> Engine:
        """Return itself, for it deposits nothing else."""
        return self

    def dose(self, tia: TimeIntegratedActivityMap, density: DensityMap | None = None) -> DoseMap:
        """Return the absorbed dose [Gy] on the grid of the activity.

        Parameters
        ----------
        tia : TimeIntegratedActivityMap
            Decays [Bq·s per voxel].
        density : DensityMap or None
            Mass density [g/mL] on the same grid, no less than 0.05 g/mL in the division; None means water, 1 g/mL.

        Raises
        ------
        GridMismatchError
            If the density lies on another grid.
        InputError
            If an activity is not finite.
        """
        tia.check_finite()
        # Gy = J/kg; a voxel of v mL at d g/mL weighs v d / 1000 kg.
        factor = np.float64(self.energy_j_per_decay * 1000.0 / tia.grid.voxel_volume_ml)
        if density is None:
            densities = np.broadcast_to(WATER_DENSITY_G_PER_ML, tia.grid.shape)
        else:
            densities = density.check_on(tia.grid, "density").array
        dose = np.empty(tia.grid.shape, np.float32)
        for dose_plane, decays, local in zip(
            dose, tia.array, densities, strict=True
        ):  # no map in double precision
            dose_plane[...] = decays * factor / np.maximum(local, DENSITY_FLOOR_G_PER_ML)
        return DoseMap(dose, tia.grid)
