"""A dose of another program against our own calculation from the same images."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.comparison.voxel_agreement import GammaCriteria
from y90voxel.errors import InputError, Notice, UnitError
from y90voxel.metrics.gamma import gamma_index
from y90voxel.reference.nuclide import nuclide
from y90voxel.short_repr import short_repr
from y90voxel.units import BQ_PER_GBQ
from y90voxel.vendor_check.check_causes import (
    NAMED_OUTSIDE,
    Cause,
    find_causes,
    is_other_engine,
    model_label,
    verdict_of,
)
from y90voxel.vendor_check.check_inputs import OwnCalculation, VendorDose
from y90voxel.vendor_check.explanation import Explanation, explain
from y90voxel.vendor_check.geometry_search import Lying, sampled
from y90voxel.vendor_check.region_check import RegionCheck, check_regions
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap, Volume

__all__ = ["CHECK_GAMMA", "GammaPass", "VendorCheck", "check_vendor_dose"]

SCHEMA_VERSION = 1  # of ``check.json``; goes up when a key changes its meaning
# The criteria of issue 24: MIM's paper, and ARCHER's (frontier sheet, section 5.4).
CHECK_GAMMA = (GammaCriteria(0.05, 4.0), GammaCriteria(0.01, 2.0))
GREATEST_GAMMA = 1.1  # beyond 1 a voxel fails, by how much is not asked
# A factor beyond this is no calibration: units, dose rates or dose per activity.
FARTHEST_FACTOR = 20.0
# Residual above which the maps have nothing in common; chosen: other engines stay below 0.3, other livers above 0.6.
UNLIKE = 0.5
MAPS_UNLIKE = "maps-unlike"


@dataclass(frozen=True)
class GammaPass:
    """How many voxels pass a gamma criterion, ours as the reference.

    Parameters
    ----------
    criteria : GammaCriteria
        Distance, dose and cut-off.
    as_they_are : float or None
        Share that passes, 0 to 1; None where nothing could be compared.
    explained : float or None
        The same against the variant that explains their map.
    """

    criteria: GammaCriteria
    as_they_are: float | None
    explained: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return criteria and pass rates for JSON."""
        return self.criteria.as_dict() | {
            "reference": "ours",
            "pass_percent": _percent(self.as_they_are),
            "pass_percent_explained": _percent(self.explained),
        }


@dataclass(frozen=True, eq=False)
class VendorCheck:
    """What a check found.

    Parameters
    ----------
    own, vendor : OwnCalculation and VendorDose
        Both sides.
    explanation : Explanation
        What their map is in terms of ours.
    regions : tuple of RegionCheck
        Regions of both.
    gamma : tuple of GammaPass
        By criterion.
    causes : tuple of Cause
        What makes the doses differ.
    verdict : str
        One sentence.
    their_activity_bq : float
        Activity whose energy their map holds [Bq].
    energy_outside : float
        Share of our energy that lies outside their grid.
    notices : tuple of Notice
        What must be known.
    """

    own: OwnCalculation
    vendor: VendorDose
    explanation: Explanation
    regions: tuple[RegionCheck, ...]
    gamma: tuple[GammaPass, ...]
    causes: tuple[Cause, ...]
    verdict: str
    their_activity_bq: float
    energy_outside: float
    notices: tuple[Notice, ...]

    __repr__ = short_repr

    @property
    def single_cause(self) -> str | None:
        """The name of the only cause; None for none or several."""
        return self.causes[0].name if len(self.causes) == 1 else None

    def cause(self, name: str) -> Cause | None:
        """Return the cause of that name, None where there is none."""
        return next((cause for cause in self.causes if cause.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but maps for JSON."""
        found, own = self.explanation, self.own
        chosen = found.chosen
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "check",
            "verdict": self.verdict,
            "single_cause": self.single_cause,
            "causes": [cause.as_dict() for cause in self.causes],
            "explanation": {
                "model": chosen.model,
                "factor": chosen.fit.factor,
                "factor_error": chosen.fit.error,
                "shift_mm": list(chosen.lying.shift_mm),
                "mirrored_axes": list(chosen.lying.mirrored_axes),
                "sampling": chosen.lying.sampling.value,
                "cut_gy": chosen.fit.cut_gy,
                "difference_percent": _percent(found.difference),
                "residual_percent": 100.0 * found.residual,
                "noise_percent": _percent(found.noise),
                "correlation": chosen.fit.correlation,
                "voxels": chosen.fit.count,
                "other_engine": is_other_engine(found),
            },
            "models": [
                {
                    "name": one.model,
                    "label": model_label(one.model, own.engine),
                    "factor": one.fit.factor,
                    "residual_percent": 100.0 * one.fit.residual,
                    "fits_as_well": one.model in (*found.as_well, chosen.model),
                }
                for one in found.models
            ],
            "regions": [region.as_dict() for region in self.regions],
            "gamma": [one.as_dict() for one in self.gamma],
            "activity": {
                "net_bq": own.net_activity_bq,
                "our_map_bq": own.activity.total,
                "their_map_bq_by_energy": self.their_activity_bq,
                "our_energy_outside_their_grid_percent": 100.0 * self.energy_outside,
            },
            "own": {
                "engine": own.engine,
                "nuclide": own.nuclide,
                "calibration": own.calibration,
                "liver_density_g_per_ml": own.liver_density_g_per_ml,
                "lung_shunt_fraction": own.lung_shunt_fraction,
                "densities_by_role": own.densities_by_role,
                "grid": own.dose.grid.as_dict(),
            },
            "vendor": {
                "grid": self.vendor.dose.grid.as_dict(),
                "max_gy": float(self.vendor.dose.array.max()),
                "regions": [region.name for region in self.vendor.regions],
            },
            "warnings": [{"code": notice.code, "message": notice.message} for notice in self.notices],
        }


def check_vendor_dose(
    own: OwnCalculation, vendor: VendorDose, *, accept: Collection[str] = ()
) -> VendorCheck:
    """Return what a dose of another program is in terms of our own calculation, region by region and as maps.

    Both lie in one frame of reference.

    Parameters
    ----------
    own : OwnCalculation
        From the same images.
    vendor : VendorDose
        The dose to check.
    accept : collection of str
        ``maps-unlike`` goes on although the maps have nothing in common.

    Raises
    ------
    InputError
        If the maps do not meet, or have nothing in common.
    UnitError
        If theirs is more than twenty times ours, or less than a twentieth.
    """
    if not float(own.dose.array.max()) > 0:
        raise InputError("our own dose is 0 everywhere: there is nothing to check against. Check the study.")
    found = explain(own, vendor.dose)
    if found is None:
        raise InputError(
            f"the two maps share no dosed voxel: theirs is {vendor.dose.grid}, ours {own.dose.grid}. Give a dose of this "
            "treatment.",
            tag="VENDOR",
        )
    notices = _check_alike(found, own, vendor, accept)
    _check_units(found, vendor)
    regions, more = check_regions(own, vendor, found.explained)
    notices += more
    outside = _energy_outside(own, vendor.dose.grid, found.chosen.lying)
    causes = find_causes(own, found, regions, vendor.regions, vendor.dose.grid, outside)
    notices += _notices(own, vendor, outside)
    return VendorCheck(
        own=own,
        vendor=vendor,
        explanation=found,
        regions=regions,
        gamma=tuple(_gamma(own, found, criteria) for criteria in CHECK_GAMMA),
        causes=causes,
        verdict=verdict_of(own, found, causes),
        their_activity_bq=_activity_by_energy(own, vendor),
        energy_outside=outside,
        notices=tuple(notices),
    )


def _percent(fraction: float | None) -> float | None:
    """A fraction in per cent."""
    return None if fraction is None else 100.0 * fraction


def _check_units(found: Explanation, vendor: VendorDose) -> None:
    """Refuse a factor that no calibration makes."""
    factor = found.chosen.fit.factor
    if 1.0 / FARTHEST_FACTOR <= factor <= FARTHEST_FACTOR:
        return
    top = float(vendor.dose.array.max())
    ours = float(found.explained.array.max()) / factor
    raise UnitError(
        f"their dose is {factor:.4g} times ours (greatest {top:.4g} Gy, ours {ours:.4g} Gy): no calibration makes that. A "
        "file in cGy that says Gy is 100 times too high, one in mGy 1000 times; a dose rate or a dose per decay is far too low. "
        "Export the absorbed dose in Gy.",
        tag="DoseUnits",
    )


def _check_alike(
    found: Explanation, own: OwnCalculation, vendor: VendorDose, accept: Collection[str]
) -> list[Notice]:
    """Refuse maps that have nothing in common."""
    if found.residual <= UNLIKE:
        return []
    message = (
        f"the two maps have little in common: wherever ours is moved and however it is scaled, {100 * found.residual:.0f} % of "
        f"theirs is left (root mean square; correlation {found.chosen.fit.correlation:.2f}; greatest dose "
        f"{float(vendor.dose.array.max()):.4g} Gy, ours {float(own.dose.array.max()):.4g} Gy). Theirs is probably of another "
        "patient, treatment or image."
    )
    if MAPS_UNLIKE in accept:
        return [Notice(MAPS_UNLIKE, f"{message} Overridden as asked.")]
    raise InputError(f"{message} --override {MAPS_UNLIKE} checks all the same.", tag="VENDOR")


def _gamma(own: OwnCalculation, found: Explanation, criteria: GammaCriteria) -> GammaPass:
    """The pass rates, theirs as it is against ours as it is, and against what explains it."""
    part = found.theirs
    plain, _ = sampled(own.dose, part.grid, Lying())
    as_is = part.array if not found.chosen.lying.mirror else np.flip(part.array, found.chosen.lying.mirror)
    return GammaPass(
        criteria,
        _passed(plain, as_is, part, criteria),
        _passed(found.explained.array, part.array, part, criteria),
    )


def _passed(reference: Any, evaluated: Any, part: DoseMap, criteria: GammaCriteria) -> float | None:
    """The share that passes; None where the reference holds nothing."""
    if not np.maximum(reference, 0.0).max() > 0:
        return None
    return gamma_index(
        np.maximum(reference, 0.0),
        evaluated,
        part.grid.spacing_mm,
        dose_fraction=criteria.dose_fraction,
        distance_mm=criteria.distance_mm,
        normalisation=criteria.normalisation,
        cutoff_fraction=criteria.cutoff_fraction,
        greatest_gamma=GREATEST_GAMMA,
    ).pass_fraction


def _activity_by_energy(own: OwnCalculation, vendor: VendorDose) -> float:
    """The activity whose electrons leave what their map holds, by our densities [Bq]."""
    grid = vendor.dose.grid
    density = resample(Volume(own.density.array, own.density.grid), grid, fill=1.0).array
    energy_j = float((vendor.dose.array * density).sum(dtype=np.float64)) * grid.voxel_volume_ml * 1e-3
    return energy_j / nuclide(own.nuclide).dose_constant_gy_kg_per_gbq * BQ_PER_GBQ


def _energy_outside(own: OwnCalculation, theirs: Grid, lying: Lying) -> float:
    """Share of our energy outside their grid, where that lies once our map is moved onto theirs."""
    affine = np.array(theirs.affine)
    affine[:3, 3] -= lying.shift_mm
    energy = own.dose.array.astype(np.float64) * own.density.array
    # as an extensive quantity: what each voxel holds
    held = own.activity.with_array(energy)
    inside = resample(held, Grid(theirs.shape, affine, theirs.frame_of_reference_uid)).array
    return max(0.0, 1.0 - float(inside.sum(dtype=np.float64)) / float(energy.sum()))


def _notices(own: OwnCalculation, vendor: VendorDose, outside: float) -> list[Notice]:
    """What must be known of the comparison itself."""
    notices = []
    if not vendor.dose.grid.is_aligned_with(own.dose.grid):
        message = "the axes of their grid are turned against ours: ours is interpolated there, and no rotation is looked for."
        notices.append(Notice("grids-turned", message))
    if outside > NAMED_OUTSIDE:
        message = f"their grid leaves out {100 * outside:.1f} % of our energy; nothing is compared there."
        notices.append(Notice("their-grid-small", message))
    if own.densities_by_role:
        message = (
            "the densities of our results are not kept in their folder: variants of other models use densities by region. Give "
            "the study in place of its results for those of the CT."
        )
        notices.append(Notice("densities-by-role", message))
    return notices
