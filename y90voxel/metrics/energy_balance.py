"""Whether doses, masses and activity can belong together: energy, and spheres of stated diameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError, PhysicsError
from y90voxel.reference.nuclide import nuclide as nuclide_record

__all__ = [
    "ENERGY_TOLERANCE",
    "available_energy_j",
    "check_dose_constant",
    "check_energy_balance",
    "energy_balance",
    "sphere_volume_ml",
]

# Room for rounding of published doses and for the choice of dose constant.
ENERGY_TOLERANCE = 1.02


def available_energy_j(
    activity_gbq: float, lung_shunt_fraction: float = 0.0, *, dose_constant_gy_kg_per_gbq: float
) -> float:
    """Return the energy that stays in the liver, E = K A (1 − L) [J]; no region can get more than E / m.

    Parameters
    ----------
    activity_gbq : float
        Net activity at administration [GBq].
    lung_shunt_fraction : float
        L, 0 to 1.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq = J/GBq].

    Raises
    ------
    InputError
        If an input is out of range.
    """
    check_not_negative(activity_gbq, "the activity", "GBq")
    check_fraction(lung_shunt_fraction, "the lung shunt fraction")
    check_positive(dose_constant_gy_kg_per_gbq, "the dose constant", "Gy kg/GBq")
    return dose_constant_gy_kg_per_gbq * activity_gbq * (1.0 - lung_shunt_fraction)


def energy_balance(
    doses_gy: Sequence[float],
    masses_kg: Sequence[float],
    activity_gbq: float,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return Σ D m over K A: at most one, for regions that do not overlap.

    Parameters
    ----------
    doses_gy, masses_kg : sequence of float, (regions,)
        Mean dose [Gy] and mass [kg] of regions that do not overlap, lungs included if wanted.
    activity_gbq : float
        Net activity at administration [GBq].
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        If the lists differ in length, a mass is not positive, a dose negative, or there is no activity.
    """
    if len(doses_gy) != len(masses_kg):
        raise InputError(f"there are {len(doses_gy)} doses, but {len(masses_kg)} masses.")
    for dose, mass in zip(doses_gy, masses_kg, strict=True):
        check_not_negative(dose, "a mean dose", "Gy")
        check_positive(mass, "a mass", "kg")
    check_positive(activity_gbq, "the activity", "GBq")
    energy = available_energy_j(activity_gbq, dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq)
    return sum(d * m for d, m in zip(doses_gy, masses_kg, strict=True)) / energy


def check_energy_balance(
    doses_gy: Sequence[float],
    masses_kg: Sequence[float],
    activity_gbq: float,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> None:
    """Refuse mean doses that need more energy than the activity emits; parameters as in `energy_balance`.

    Raises
    ------
    PhysicsError
        If Σ D m exceeds 1.02 K A.
    """
    ratio = energy_balance(
        doses_gy, masses_kg, activity_gbq, dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq
    )
    if ratio > ENERGY_TOLERANCE:
        raise PhysicsError(
            f"these doses need {100 * ratio:.0f} % of the energy of {activity_gbq:g} GBq: they cannot all be mean "
            "doses of the whole regions. Check masses, activity, and what the doses refer to (perfused parts?)."
        )


def sphere_volume_ml(diameter_mm: float) -> float:
    """Return the volume of a sphere, π d³ / 6 [mL]; a diameter is not a volume, so for sanity checks only.

    Raises
    ------
    InputError
        If the diameter is not positive.

    Examples
    --------
    >>> round(sphere_volume_ml(100), 1)
    523.6
    """
    check_positive(diameter_mm, "the diameter", "mm")
    return math.pi * diameter_mm**3 / 6000.0


def check_dose_constant(dose_constant_gy_kg_per_gbq: float, nuclide: str) -> None:
    """Refuse a dose constant that cannot be the nuclide's, which a wrong unit or another nuclide gives.

    Parameters
    ----------
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].
    nuclide : str
        Therapy nuclide.

    Raises
    ------
    InputError
        If it is more than a factor of two from the nuclide's.
    """
    tabulated = nuclide_record(nuclide).dose_constant_gy_kg_per_gbq
    if not tabulated / 2 < dose_constant_gy_kg_per_gbq < tabulated * 2:
        raise InputError(
            f"the dose constant {dose_constant_gy_kg_per_gbq:g} Gy·kg/GBq is far from that of {nuclide}, {tabulated:.2f}; "
            "check its unit (J/GBq, equal to Gy·kg/GBq).",
            tag="dose.dose_constant_gy_kg_per_gbq",
        )
