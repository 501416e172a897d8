"""Blood of the reference adults of ICRP Publication 89: where it is, and how it flows.

Volumes are percent of the total blood volume, flows percent of the cardiac output. Read from the table of the open blood-flow
model HEDOS (github.com/mghro/hedos, ``input/phantom/ICRP89_compartment_model.xlsx``, sheets ``male`` and ``female``), which takes
them from ICRP Publication 89 (2002), Ann ICRP 32(3-4). The publication itself was not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = [
    "BLOOD_DENSITY_G_PER_ML",
    "REFERENCE_BLOOD",
    "ReferenceBlood",
    "Sex",
    "blood_volume_l",
    "reference_blood",
]

Sex = Literal["male", "female"]
# ICRP Publication 89: 1.06 g/mL, whole blood.
BLOOD_DENSITY_G_PER_ML = 1.06
# Organs whose outflow goes through the liver.
PORTAL = ("pancreas", "spleen", "stomach and oesophagus", "small intestine", "large intestine")


@dataclass(frozen=True)
class ReferenceBlood:
    """The blood of a reference adult.

    Parameters
    ----------
    sex : str
        male or female.
    total_volume_l : float
        Total blood volume [L].
    cardiac_output_l_per_min : float
        Cardiac output [L/min].
    liver_mass_g : float
        Mass of the reference liver, that the liver's share of the blood belongs to [g].
    volume_percent : mapping of str to float
        Share of the blood by compartment [%].
    flow_percent : mapping of str to float
        Arterial inflow of every organ [% of the cardiac output]; of the liver, the hepatic artery alone.
    """

    sex: Sex
    total_volume_l: float
    cardiac_output_l_per_min: float
    liver_mass_g: float
    volume_percent: Mapping[str, float] = field(repr=False)
    flow_percent: Mapping[str, float] = field(repr=False)

    __repr__ = short_repr


_MALE_VOLUMES = {
    "brain": 1.2, "thyroid": 0.06, "lymph nodes": 0.2, "large veins": 18.0, "other": 1.92, "fat": 5.0, "muscle": 14.0,
    "adrenals": 0.06, "skin": 3.0, "red marrow": 4.0, "spongy bone": 1.2, "compact bone": 0.8, "other skeleton": 1.0,
    "bronchial": 2.0, "lung": 10.5, "right heart": 4.5, "left heart": 4.5, "coronary": 1.0, "liver": 10.0, "kidneys": 2.0,
    "bladder": 0.02, "gonads": 0.04, "aorta and large arteries": 6.0, "pancreas": 0.6, "spleen": 1.4,
    "stomach and oesophagus": 1.0, "small intestine": 3.8, "large intestine": 2.2,
}  # fmt: skip
_MALE_FLOWS = {
    "brain": 12.0, "thyroid": 1.5, "lymph nodes": 1.7, "other": 1.39, "fat": 5.0, "muscle": 17.0, "adrenals": 0.3, "skin": 5.0,
    "red marrow": 3.0, "spongy bone": 0.9, "compact bone": 0.6, "other skeleton": 0.5, "bronchial": 2.5, "coronary": 4.0,
    "liver": 6.5, "kidneys": 19.0, "bladder": 0.06, "gonads": 0.05, "pancreas": 1.0, "spleen": 3.0,
    "stomach and oesophagus": 1.0, "small intestine": 10.0, "large intestine": 4.0,
}  # fmt: skip
_FEMALE_VOLUMES = {"fat": 8.5, "muscle": 10.5, "gonads": 0.02}
_FEMALE_FLOWS = {
    "other": 1.92, "fat": 8.5, "muscle": 12.0, "coronary": 5.0, "kidneys": 17.0, "gonads": 0.02, "small intestine": 11.0,
    "large intestine": 5.0,
}  # fmt: skip
# Masses of the reference livers: ICRP Publication 89, 1,800 and 1,400 g, as two secondary tables print them.
REFERENCE_BLOOD: Mapping[str, ReferenceBlood] = MappingProxyType(
    {
        "male": ReferenceBlood("male", 5.3, 6.5, 1800.0, _MALE_VOLUMES, _MALE_FLOWS),
        "female": ReferenceBlood(
            "female", 3.9, 5.9, 1400.0, _MALE_VOLUMES | _FEMALE_VOLUMES, _MALE_FLOWS | _FEMALE_FLOWS
        ),
    }
)


def reference_blood(sex: str) -> ReferenceBlood:
    """Return the blood of the reference adult.

    Parameters
    ----------
    sex : str
        male or female.

    Raises
    ------
    InputError
        If it is another word.

    References
    ----------
    ICRP Publication 89 (2002), Ann ICRP 32(3-4), by way of github.com/mghro/hedos.

    Examples
    --------
    >>> reference_blood("male").total_volume_l
    5.3
    """
    if sex not in REFERENCE_BLOOD:
        raise InputError(
            f"the sex must be male or female, got {sex!r}: ICRP 89 has a reference adult of either.",
            tag="patient.sex",
        )
    return REFERENCE_BLOOD[sex]


def blood_volume_l(sex: str, height_m: float, weight_kg: float) -> float:
    """Return the total blood volume by Nadler's formula [L].

    Men 0.3669 h³ + 0.03219 w + 0.6041, women 0.3561 h³ + 0.03308 w + 0.1833.

    Parameters
    ----------
    sex : str
        male or female.
    height_m : float
        Height [m].
    weight_kg : float
        Weight [kg].

    Raises
    ------
    InputError
        If the sex is another word, or height or weight are not positive.

    References
    ----------
    Nadler, Hidalgo and Bloch 1962, Surgery 51:224; the coefficients were checked in secondary sources only.

    Examples
    --------
    >>> round(blood_volume_l("male", 1.76, 73.0), 2)
    4.95
    """
    reference_blood(sex)
    check_positive(height_m, "the height", "m", tag="patient.height_m")
    check_positive(weight_kg, "the weight", "kg", tag="patient.weight_kg")
    if sex == "male":
        return 0.3669 * height_m**3 + 0.03219 * weight_kg + 0.6041
    return 0.3561 * height_m**3 + 0.03308 * weight_kg + 0.1833
