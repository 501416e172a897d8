"""The two sides of a check: our own calculation, and the dose of another program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from y90voxel.case.evaluation import Evaluation
from y90voxel.errors import InputError, UnitError
from y90voxel.quantification.decay import seconds_between
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.regions.regions import Region
from y90voxel.short_repr import short_repr
from y90voxel.units import SECONDS_PER_HOUR
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap

__all__ = ["OwnCalculation", "VendorDose"]

# Gy; chosen: no radioembolization stays below it everywhere, and a file of zeros or of Gy per decay does.
LEAST_GREATEST_GY = 1e-3


@dataclass(frozen=True, eq=False)
class OwnCalculation:
    """What we computed from the images, and what its variants are made of.

    Parameters
    ----------
    dose : DoseMap
        Our dose [Gy].
    activity : ActivityMap
        At administration, on the grid of the dose [Bq per voxel].
    density : DensityMap
        On the same grid [g/mL].
    regions : tuple of Region
        Drawn and derived, on the same grid.
    nuclide, engine : str
        What decays, and which engine made ``dose``.
    net_activity_bq : float
        Administered [Bq].
    calibration : str
        How counts became activity: a calibration region, else the mode.
    calibration_factors : mapping of str to float
        What other calibration regions would have made of the counts, over the one in use.
    lung_shunt_fraction : float or None
        Lung shunt fraction.
    liver_density_g_per_ml : float
        Of liver and tumour [g/mL].
    dose_constant_gy_kg_per_gbq : float or None
        Where it replaces that of the nuclide record.
    hours_to_image : float or None
        From administration to acquisition, where both are known.
    densities_by_role : bool
        Whether the density map had to be made of roles because the one of the calculation was not kept.
    """

    dose: DoseMap
    activity: ActivityMap
    density: DensityMap
    regions: tuple[Region, ...]
    nuclide: str
    engine: str
    net_activity_bq: float
    calibration: str = ""
    calibration_factors: Mapping[str, float] = field(default_factory=dict)
    lung_shunt_fraction: float | None = None
    liver_density_g_per_ml: float = LIVER_DENSITY_G_PER_ML
    dose_constant_gy_kg_per_gbq: float | None = None
    hours_to_image: float | None = None
    densities_by_role: bool = False

    __repr__ = short_repr

    @classmethod
    def of(cls, evaluation: Evaluation) -> OwnCalculation:
        """Return an evaluation as our side of a check."""
        case, spread = evaluation.case, evaluation.calibration_spread
        first = case.injections[0]
        given, taken = first.administration.time, first.emission.acquisition_start
        hours = None
        if given is not None and taken is not None and (given.tzinfo is None) == (taken.tzinfo is None):
            hours = seconds_between(given, taken, "administration and acquisition") / SECONDS_PER_HOUR
        mode = case.calibration.mode.value
        return cls(
            dose=evaluation.dose,
            activity=evaluation.activity,
            density=evaluation.density,
            regions=tuple(case.regions),
            nuclide=case.nuclide,
            engine=evaluation.engine,
            net_activity_bq=evaluation.net_activity_bq,
            calibration=case.calibration.region.value if mode == "relative" else mode,
            calibration_factors={} if spread is None else dict(spread.factors),
            lung_shunt_fraction=evaluation.lung.shunt_fraction,
            liver_density_g_per_ml=case.density.liver_g_per_ml or LIVER_DENSITY_G_PER_ML,
            dose_constant_gy_kg_per_gbq=case.dose_constant_gy_kg_per_gbq,
            hours_to_image=hours,
        )

    @property
    def half_life_s(self) -> float:
        """Half-life of the nuclide [s]."""
        return float(nuclide(self.nuclide).half_life_s)


@dataclass(frozen=True, eq=False)
class VendorDose:
    """The dose of another program.

    Parameters
    ----------
    dose : DoseMap
        Its map [Gy].
    regions : tuple of Region
        Its regions on the grid of ``dose``; empty where only the dose was given.

    Raises
    ------
    InputError
        If the map has a dose below zero or holds nothing.
    UnitError
        If no voxel reaches 1 mGy.
    """

    dose: DoseMap
    regions: tuple[Region, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        values = np.asarray(self.dose.array)
        lowest, highest = float(values.min()), float(values.max())
        if highest <= 0:
            raise InputError(
                f"the dose to check is empty: none of its {values.size} voxels is above 0 Gy. Export the dose again, for the "
                "whole treatment.",
                tag="PixelData",
            )
        if lowest < 0:
            raise InputError(
                f"the dose to check goes down to {lowest:.4g} Gy; an absorbed dose is 0 or more. Give a dose, not a difference.",
                tag="PixelData",
            )
        if highest < LEAST_GREATEST_GY:
            raise UnitError(
                f"the dose to check is at most {highest:.3g} Gy: no dose of a radioembolization in Gy. It may be a dose rate, a "
                "dose per decay or activity, or its scaling (DoseGridScaling) was lost. Export the absorbed dose in Gy.",
                tag="DoseGridScaling",
            )
