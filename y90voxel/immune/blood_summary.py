"""The dose to a patient's blood from the doses of liver, tumour, lungs and organs, with the range that the literature leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.immune.blood_dose import circulating_blood_dose, mean_blood_dose
from y90voxel.immune.circulation import Circulation, reference_circulation
from y90voxel.immune.reference_blood import Sex, reference_blood
from y90voxel.metrics.dvh import DoseVolumeHistogram

__all__ = ["BloodAssumptions", "BloodSummary", "LiverPart", "summarise_blood"]

Array = NDArray[np.float64]
# Blood in the large vessels of the liver gets less than the parenchyma: doses of liver blood by one region are too high by this
# share (Correa-Alfonso et al. 2022, EJNMMI Phys, s40658-022-00456-0; seen in the abstract).
LARGE_VESSELS: Mapping[str, float] = {"male": 0.11, "female": 0.14}


# Parts of equal volume that non-tumour liver and tumours are taken in: the spread of dose within them is that of ten means.
EQUAL_PARTS = 10


@dataclass(frozen=True)
class BloodAssumptions:
    """What is assumed of the circulation.

    Parameters
    ----------
    sex : str
        male or female.
    total_volume_l, cardiac_output_l_per_min : float or None
        Of the patient [L], [L/min]; None takes the reference adult's, the output scaled with the volume.
    tumour_relative_blood, tumour_relative_perfusion : float
        Blood volume and flow per volume of tumour over the mean of liver and tumour.
    residence : str
        Law of the residence times: exponential or weibull-2.
    """

    sex: Sex = "male"
    total_volume_l: float | None = None
    cardiac_output_l_per_min: float | None = None
    tumour_relative_blood: float = 1.0
    tumour_relative_perfusion: float = 1.0
    residence: Literal["exponential", "weibull-2"] = "exponential"

    def body(self) -> Circulation:
        """Return the circulation of the reference adult, scaled to the patient."""
        body = reference_circulation(self.sex)
        if self.total_volume_l is None and self.cardiac_output_l_per_min is None:
            return body
        return body.scaled(self.total_volume_l or body.total_volume_l, self.cardiac_output_l_per_min)


@dataclass(frozen=True, eq=False)
class LiverPart:
    """Non-tumour liver or tumours: volume, and doses of parts of equal volume.

    Parameters
    ----------
    volume_ml : float
        Volume [mL].
    doses_gy : ndarray, (k,)
        Mean doses of k parts of equal volume [Gy].

    Raises
    ------
    InputError
        If the volume is not positive, or there is no dose.
    """

    volume_ml: float
    doses_gy: Array

    def __post_init__(self) -> None:
        check_positive(self.volume_ml, "the volume of a part of the liver", "mL")
        object.__setattr__(self, "doses_gy", np.atleast_1d(np.asarray(self.doses_gy, float)))
        if self.doses_gy.size == 0:
            raise InputError("a part of the liver needs a dose.")

    @classmethod
    def from_histogram(cls, dvh: DoseVolumeHistogram, parts: int = EQUAL_PARTS) -> LiverPart:
        """Return the mean doses of parts of equal volume, from the hottest to the coldest; their mean is that of the region."""
        volume = np.concatenate([[0.0], np.cumsum(dvh.volumes_ml)])
        summed = np.concatenate([[0.0], np.cumsum(dvh.volumes_ml * dvh.doses_gy)])
        at_edges = np.interp(np.linspace(0.0, volume[-1], parts + 1), volume, summed)
        return cls(float(volume[-1]), np.maximum(np.diff(at_edges), 0.0) * parts / volume[-1])


@dataclass(frozen=True, eq=False)
class BloodSummary:
    """What the blood gets after full decay.

    Parameters
    ----------
    mean_gy, sd_gy : float
        Mean, and standard deviation over cells that never leave the blood [Gy].
    low_gy, high_gy : float
        The range of the mean over what literature leaves open [Gy].
    by_part_gy : mapping of str to float
        What liver, tumour, lung and organs add to the mean [Gy].
    liver_fraction, tumour_fraction : float
        Shares of the blood.
    body : Circulation
        The compartments, liver and tumour in parts.
    doses_gy : mapping of str to float
        Dose by compartment of ``body`` [Gy].
    assumptions : BloodAssumptions
        What was assumed.
    """

    mean_gy: float
    sd_gy: float
    low_gy: float
    high_gy: float
    by_part_gy: Mapping[str, float]
    liver_fraction: float
    tumour_fraction: float
    body: Circulation = field(repr=False)
    doses_gy: Mapping[str, float] = field(repr=False)
    assumptions: BloodAssumptions = field(default_factory=BloodAssumptions)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {
            "mean_gy": self.mean_gy,
            "sd_gy": self.sd_gy,
            "low_gy": self.low_gy,
            "high_gy": self.high_gy,
            "by_part_gy": dict(self.by_part_gy),
            "liver_fraction": self.liver_fraction,
            "tumour_fraction": self.tumour_fraction,
            "blood_volume_l": self.body.total_volume_l,
            "cardiac_output_l_per_min": float(self.body.flows_l_per_s.sum(1).max() * 60.0),
            "sex": self.assumptions.sex,
            "residence": self.assumptions.residence,
            "tumour_relative_blood": self.assumptions.tumour_relative_blood,
            "tumour_relative_perfusion": self.assumptions.tumour_relative_perfusion,
        }


def summarise_blood(
    liver: LiverPart,
    tumour: LiverPart | None,
    organs_gy: Mapping[str, float],
    liver_mass_g: float,
    half_life_s: float,
    assumptions: BloodAssumptions | None = None,
) -> BloodSummary:
    """Return the dose to the blood of a patient, its spread over cells and its range.

    Liver and tumour are compartments in parallel, each again in parts of equal volume, so that the spread of dose within them
    counts; every passage is through a part drawn by its flow. The range of the mean is over (a) the liver's share of the blood as
    in the reference adult, or growing with the mass of liver and tumour over the reference liver's, and (b) liver blood with the
    dose of the parenchyma, or less by what the large vessels take.

    Parameters
    ----------
    liver, tumour : LiverPart or None
        Non-tumour liver and all tumours; None without any.
    organs_gy : mapping of str to float
        Doses of other compartments of the circulation, such as ``lung`` [Gy]; 0 where none is given.
    liver_mass_g : float
        Mass of liver and tumour [g].
    half_life_s : float
        Physical half-life [s].
    assumptions : BloodAssumptions or None
        Of the circulation; None for the reference man.

    Raises
    ------
    InputError
        If a compartment is unknown, a dose negative, or a mass, volume or share cannot be.

    References
    ----------
    ICRP Publication 89 for the blood; Correa-Alfonso et al. 2022 (EJNMMI Phys, s40658-022-00456-0) for the large vessels.

    Examples
    --------
    >>> found = summarise_blood(LiverPart(1800.0, [44.71 / 1.8]), None, {"lung": 7.89}, 1800.0, 64.05 * 3600)
    >>> round(found.mean_gy, 4), round(found.sd_gy, 4)
    (3.3123, 0.0541)
    """
    check_positive(liver_mass_g, "the mass of liver and tumour", "g")
    chosen = assumptions or BloodAssumptions()
    base = chosen.body()
    grown = base.with_volume("liver", liver_mass_g / reference_blood(chosen.sex).liver_mass_g)
    body, doses = _in_parts(base, liver, tumour, organs_gy, chosen)
    found = circulating_blood_dose(body, doses, half_life_s, chosen.residence)
    shares = dict(zip(body.names, body.fractions, strict=True))
    parts = {
        name: sum(shares[c] * doses[c] for c in doses if c == name or c.startswith(f"{name} part "))
        for name in dict.fromkeys(c.partition(" part ")[0] for c in doses)
    }
    hepatic = parts["liver"] + parts.get("tumour", 0.0)
    vessels = LARGE_VESSELS[chosen.sex]
    means = []
    for other in (base, grown):
        bigger, its_doses = _in_parts(other, liver, tumour, organs_gy, chosen)
        mean = mean_blood_dose(bigger, its_doses)
        of_liver = hepatic * other.fraction("liver") / base.fraction("liver")
        means += [mean, mean - of_liver * (1.0 - 1.0 / (1.0 + vessels))]
    return BloodSummary(
        mean_gy=found.mean_gy,
        sd_gy=found.sd_gy,
        low_gy=float(min(means)),
        high_gy=float(max(means)),
        by_part_gy={name: float(dose) for name, dose in parts.items()},
        liver_fraction=sum(float(share) for name, share in shares.items() if _is_of(name, "liver")),
        tumour_fraction=sum(float(share) for name, share in shares.items() if _is_of(name, "tumour")),
        body=body,
        doses_gy=doses,
        assumptions=chosen,
    )


def _is_of(name: str, organ: str) -> bool:
    """Whether a compartment is an organ or a part of it."""
    return name == organ or name.startswith(f"{organ} part ")


def _in_parts(
    body: Circulation,
    liver: LiverPart,
    tumour: LiverPart | None,
    organs_gy: Mapping[str, float],
    chosen: BloodAssumptions,
) -> tuple[Circulation, dict[str, float]]:
    """The circulation with liver and tumour in parts of equal volume, and the dose of every compartment."""
    doses = dict(organs_gy)
    if tumour is not None:
        share = tumour.volume_ml / (tumour.volume_ml + liver.volume_ml)
        body = body.with_tumour(share, chosen.tumour_relative_blood, chosen.tumour_relative_perfusion)
    for name, part in (("liver", liver), ("tumour", tumour)):
        if part is None:
            continue
        names = [f"{name} part {n}" for n in range(1, len(part.doses_gy) + 1)]
        equal = np.full(len(names), 1.0 / len(names))
        body = body.in_parallel(name, names, equal, equal)
        doses |= {one: float(dose) for one, dose in zip(names, part.doses_gy, strict=True)}
    return body, doses
