"""What a global factor between two doses may come from: from the dose alone they cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from y90voxel.quantification.calibration import CalibrationRegion
from y90voxel.quantification.decay import decay_factor
from y90voxel.quantification.scaling import sum_within
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.regions import Region, union
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ, SECONDS_PER_HOUR
from y90voxel.vendor_check.check_inputs import OwnCalculation
from y90voxel.vendor_check.model_variants import MODELS
from y90voxel.volumes.resample import resample

__all__ = ["Candidate", "factor_candidates"]

# A cause whose factor lies within this of the one found is listed (issue 24, criterion 4).
LISTED_WITHIN = 0.01
# [h]; images are taken 1 to 96 h after administration (contract, administration.time).
LONGEST_DECAY_H = 96.0
# [g/mL]: water, soft tissue (ICRU 44 gives 1.03 to 1.06 for soft organs), liver; each is in use as the density of a liver.
DENSITIES_G_PER_ML = (1.0, 1.03, 1.04, 1.05, 1.06)
# [Gy·kg/GBq]: dose constants that papers and products print for Y-90 (docs/formulas.md).
DOSE_CONSTANTS = (49.38, 49.67, 49.77, 49.98, 50.0)
HEPATIC = (Role.LIVER, Role.TUMOUR, Role.PERFUSED)


@dataclass(frozen=True)
class Candidate:
    """A cause that makes a global factor.

    Parameters
    ----------
    name : str
        Stable, for programs.
    label : str
        What it is.
    factor : float
        Theirs over ours that it would make.
    """

    name: str
    label: str
    factor: float

    def as_dict(self) -> dict[str, Any]:
        """Return the candidate for JSON."""
        return {"name": self.name, "label": self.label, "factor": self.factor}


def factor_candidates(
    own: OwnCalculation, factor: float, model: str, their_regions: Sequence[Region] = ()
) -> list[Candidate]:
    """Return every cause whose factor lies within 1 % of the one found, nearest first; a decay time and a constant always.

    Parameters
    ----------
    own : OwnCalculation
        Our side.
    factor : float
        Theirs over ours.
    model : str
        The variant that the factor belongs to.
    their_regions : sequence of Region
        Where their program had regions of its own.
    """
    known = [*_calibrations(own, their_regions), *_activities(own), *_conventions(own, model)]
    listed = [one for one in known if abs(one.factor / factor - 1.0) <= LISTED_WITHIN]
    listed.sort(key=lambda one: abs(math.log(one.factor / factor)))
    hours = -math.log2(factor) * own.half_life_s / SECONDS_PER_HOUR
    if abs(hours) <= LONGEST_DECAY_H:
        way = "later" if hours > 0 else "earlier"
        listed.append(Candidate("decay", f"decay to an instant {abs(hours):.1f} h {way} than ours", factor))
    return [*listed, Candidate("constant", f"a constant of {factor:.4g}", factor)]


def _calibrations(own: OwnCalculation, their_regions: Sequence[Region]) -> list[Candidate]:
    """Other regions whose counts stand for the activity."""
    factors = dict(own.calibration_factors)
    for name, value in _from_map(own).items():
        factors.setdefault(name, value)
    factors.pop(own.calibration, None)
    rows = [
        Candidate(f"calibration:{name}", f"calibration over {_words(name)}", value)
        for name, value in factors.items()
    ]
    shunt = own.lung_shunt_fraction
    liver = [region.mask for region in their_regions if region.role is Role.LIVER]
    if liver and shunt is not None:
        inside = sum_within(own.activity.array, resample(union(liver), own.activity.grid).array)
        if inside > 0:
            value = own.net_activity_bq * (1.0 - shunt) / inside
            rows.append(Candidate("calibration:their-liver", "calibration over their liver", value))
    return rows


def _words(name: str) -> str:
    """A calibration region in a sentence."""
    known = {
        "liver": "the liver",
        "liver+lungs": "liver and lungs",
        "body": "the body",
        "fov": "the whole image",
        "liver+margin": "the liver with a margin",
    }
    return known.get(name, name)


def _from_map(own: OwnCalculation) -> dict[str, float]:
    """Activity that regions should hold over what they hold in our map."""
    net, shunt = own.net_activity_bq, own.lung_shunt_fraction
    factors: dict[str, float] = {}

    def add(region: CalibrationRegion, held_bq: float, *roles: Role) -> None:
        masks = [r.mask for r in own.regions if r.role in roles]
        inside = sum_within(own.activity.array, union(masks, same_kind=True).array) if masks else 0.0
        if inside > 0:
            factors[region.value] = held_bq / inside

    has = {region.role for region in own.regions}
    if Role.LIVER in has:
        if shunt is not None:
            add(CalibrationRegion.LIVER, net * (1.0 - shunt), *HEPATIC)
        if Role.LUNG in has:
            add(CalibrationRegion.LIVER_AND_LUNGS, net, *HEPATIC, Role.LUNG)
    add(CalibrationRegion.BODY, net, Role.BODY)
    if own.activity.total > 0:
        factors[CalibrationRegion.FIELD_OF_VIEW.value] = net / own.activity.total
    return factors


def _activities(own: OwnCalculation) -> list[Candidate]:
    """Slips with shunt, time and activity."""
    rows = [Candidate("per-gbq", "dose per GBq in place of dose", BQ_PER_GBQ / own.net_activity_bq)]
    shunt = own.lung_shunt_fraction
    if shunt:
        rows.append(
            Candidate(
                "shunt-left-in", "the lung shunt not taken off the liver's activity", 1.0 / (1.0 - shunt)
            )
        )
        rows.append(Candidate("shunt-twice", "the lung shunt taken off twice", 1.0 - shunt))
    if own.hours_to_image:
        left = decay_factor(own.hours_to_image * SECONDS_PER_HOUR, own.half_life_s)
        way = f"the {own.hours_to_image:.1f} h from administration to acquisition"
        rows.append(Candidate("decay-left-out", f"decay over {way} not undone", left))
        rows.append(Candidate("decay-twice", f"decay over {way} undone twice", 1.0 / left))
    return rows


def _conventions(own: OwnCalculation, model: str) -> list[Candidate]:
    """Densities of the liver, and dose constants."""
    known = MODELS.get(model)
    scaled = known is None or known.scaled
    in_use = own.liver_density_g_per_ml if scaled else 1.0
    if model.startswith("liver-kernel-unscaled"):
        in_use = own.liver_density_g_per_ml
    rows = [
        Candidate(f"density:{rho:g}", f"mass by {rho:g} g/mL in place of {in_use:g}", in_use / rho)
        for rho in DENSITIES_G_PER_ML
        if rho != in_use
    ]
    record = nuclide(own.nuclide)
    if record.name == "Y-90":
        constant = own.dose_constant_gy_kg_per_gbq or record.dose_constant_gy_kg_per_gbq
        rows += [
            Candidate(f"dose-constant:{k:g}", f"a dose constant of {k:g} J/GBq in place of {constant:.2f}", k / constant)
            for k in DOSE_CONSTANTS
            if abs(k - constant) > 5e-3
        ]  # fmt: skip
    return rows
