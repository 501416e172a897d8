"""Partition model: tumours, perfused normal liver and lungs share the activity (Ho et al. 1996)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError, RegionError
from y90voxel.quantification.lung_measures import MIRD_LUNG_MASS_KG, mean_lung_dose
from y90voxel.short_repr import short_repr

__all__ = [
    "MultiTumourDoses",
    "PartitionDoses",
    "multi_tumour_partition_activity",
    "multi_tumour_partition_doses",
    "partition_activity",
    "partition_doses",
    "tumour_to_normal_ratio",
    "whole_normal_liver_dose",
]


@dataclass(frozen=True)
class PartitionDoses:
    """Mean doses of the three compartments.

    Parameters
    ----------
    tumour_gy, normal_gy, lung_gy : float
        Tumour, *perfused* normal liver, and lungs [Gy].
    tumour_activity_fraction : float
        Share of the hepatic activity that lies in the tumour, 0 to 1.
    """

    tumour_gy: float
    normal_gy: float
    lung_gy: float
    tumour_activity_fraction: float

    __repr__ = short_repr


@dataclass(frozen=True)
class MultiTumourDoses:
    """Mean doses with one ratio per tumour.

    Parameters
    ----------
    tumours_gy : tuple of float
        Each tumour, in the order given [Gy].
    normal_gy, lung_gy : float
        *Perfused* normal liver and lungs [Gy].
    tumour_activity_fractions : tuple of float
        Share of the hepatic activity in each tumour.
    """

    tumours_gy: tuple[float, ...]
    normal_gy: float
    lung_gy: float
    tumour_activity_fractions: tuple[float, ...]

    __repr__ = short_repr


def tumour_to_normal_ratio(
    tumour_activity: float, tumour_mass_kg: float, normal_activity: float, normal_mass_kg: float
) -> float:
    """Return r = (A_T / M_T) / (A_N / M_N), the ratio of concentrations per mass.

    Parameters
    ----------
    tumour_activity, normal_activity : float
        Counts or activity in tumour and perfused normal liver, in one unit.
    tumour_mass_kg, normal_mass_kg : float
        Their masses [kg].

    Raises
    ------
    RegionError
        If the normal liver holds no activity: there is no ratio.
    InputError
        If a mass is not positive or an activity negative.

    Examples
    --------
    >>> tumour_to_normal_ratio(50.0, 0.3, 50.0, 1.2)
    4.0
    """
    check_positive(tumour_mass_kg, "the tumour mass", "kg")
    check_positive(normal_mass_kg, "the normal liver mass", "kg")
    check_not_negative(tumour_activity, "the tumour activity", "(image units)")
    check_not_negative(normal_activity, "the normal liver activity", "(image units)")
    if normal_activity == 0:
        raise RegionError("the normal liver holds no activity: the tumour-to-normal ratio is infinite.")
    return (tumour_activity / normal_activity) * (normal_mass_kg / tumour_mass_kg)


def multi_tumour_partition_doses(
    activity_gbq: float,
    tumour_masses_kg: Sequence[float],
    ratios: Sequence[float],
    normal_mass_kg: float,
    lung_shunt_fraction: float = 0.0,
    lung_mass_kg: float = MIRD_LUNG_MASS_KG,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> MultiTumourDoses:
    """Return the doses D_N = K A (1 − L) / (Σ r_i M_i + M_N), D_i = r_i D_N, and D_L = K A L / M_L.

    Agrees better with voxel results than one pooled tumour (Moran et al. 2020, PMC7721939).

    Parameters
    ----------
    activity_gbq : float
        Net activity at administration [GBq].
    tumour_masses_kg, ratios : sequence of float, (tumours,)
        Perfused (viable) mass [kg] and tumour-to-normal ratio of each tumour.
    normal_mass_kg : float
        Perfused normal liver [kg]; 0 when only tumour is perfused.
    lung_shunt_fraction : float
        L, 0 to 1.
    lung_mass_kg : float
        Lungs [kg].
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        If the lists differ in length, or a mass, ratio, activity or fraction is out of range.
    RegionError
        If there is neither tumour nor normal liver.
    """
    check_not_negative(activity_gbq, "the activity", "GBq")
    uptake = _uptake_kg(tumour_masses_kg, ratios, normal_mass_kg)
    check_fraction(lung_shunt_fraction, "the lung shunt fraction")
    check_positive(dose_constant_gy_kg_per_gbq, "the dose constant", "Gy kg/GBq")
    normal = dose_constant_gy_kg_per_gbq * activity_gbq * (1.0 - lung_shunt_fraction) / uptake
    lung = mean_lung_dose(
        activity_gbq,
        lung_shunt_fraction,
        lung_mass_kg,
        dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq,
    )
    shares = tuple(r * m / uptake for r, m in zip(ratios, tumour_masses_kg, strict=True))
    return MultiTumourDoses(tuple(r * normal for r in ratios), normal, lung, shares)


def multi_tumour_partition_activity(
    normal_dose_gy: float,
    tumour_masses_kg: Sequence[float],
    ratios: Sequence[float],
    normal_mass_kg: float,
    lung_shunt_fraction: float = 0.0,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return the net activity A = D_N (Σ r_i M_i + M_N) / (K (1 − L)) [GBq].

    Parameters
    ----------
    normal_dose_gy : float
        Mean dose of the perfused normal liver [Gy]; a goal D for tumour i is D / r_i here.
    tumour_masses_kg, ratios, normal_mass_kg, lung_shunt_fraction, dose_constant_gy_kg_per_gbq
        As in `multi_tumour_partition_doses`; the shunt below 1.

    Raises
    ------
    InputError
        If an input is out of range.
    RegionError
        If there is neither tumour nor normal liver.
    """
    check_not_negative(normal_dose_gy, "the normal liver dose", "Gy")
    check_fraction(lung_shunt_fraction, "the lung shunt fraction", whole=False)
    check_positive(dose_constant_gy_kg_per_gbq, "the dose constant", "Gy kg/GBq")
    uptake = _uptake_kg(tumour_masses_kg, ratios, normal_mass_kg)
    return normal_dose_gy * uptake / (dose_constant_gy_kg_per_gbq * (1.0 - lung_shunt_fraction))


def partition_doses(
    activity_gbq: float,
    tumour_mass_kg: float,
    normal_mass_kg: float,
    tumour_to_normal_ratio: float,
    lung_shunt_fraction: float = 0.0,
    lung_mass_kg: float = MIRD_LUNG_MASS_KG,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> PartitionDoses:
    """Return the doses D_N = K A (1 − L) / (r M_T + M_N), D_T = r D_N, and D_L = K A L / M_L.

    Energy is conserved: D_T M_T + D_N M_N + D_L M_L = K A.

    Parameters
    ----------
    activity_gbq : float
        Net activity at administration A [GBq].
    tumour_mass_kg : float
        Perfused (viable) tumour mass M_T [kg]: without a necrotic core.
    normal_mass_kg : float
        *Perfused* normal liver M_N [kg]; for the whole liver see `whole_normal_liver_dose`.
    tumour_to_normal_ratio : float
        r, concentration per mass in tumour over that in normal liver.
    lung_shunt_fraction : float
        L, 0 to 1.
    lung_mass_kg : float
        M_L [kg]: 1.0 by convention, or from CT.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        If a mass, ratio, activity or fraction is out of range.
    RegionError
        If there is neither tumour nor normal liver.

    References
    ----------
    Ho et al. 1996, Eur J Nucl Med 23:947, doi 10.1007/BF01084369; van Roekel, PhD thesis, Utrecht 2021, p. 30.

    Examples
    --------
    >>> doses = partition_doses(2.056, 0.3, 1.2, 4, 0.06, dose_constant_gy_kg_per_gbq=49.67)
    >>> round(doses.tumour_gy), round(doses.normal_gy), round(doses.lung_gy, 2)
    (160, 40, 6.13)
    """
    doses = multi_tumour_partition_doses(
        activity_gbq,
        (tumour_mass_kg,),
        (tumour_to_normal_ratio,),
        normal_mass_kg,
        lung_shunt_fraction,
        lung_mass_kg,
        dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq,
    )
    return PartitionDoses(
        doses.tumours_gy[0], doses.normal_gy, doses.lung_gy, doses.tumour_activity_fractions[0]
    )


def partition_activity(
    tumour_mass_kg: float,
    normal_mass_kg: float,
    tumour_to_normal_ratio: float,
    lung_shunt_fraction: float = 0.0,
    *,
    normal_dose_gy: float | None = None,
    tumour_dose_gy: float | None = None,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return the net activity A = D_N (r M_T + M_N) / (K (1 − L)) for one dose [GBq].

    Parameters
    ----------
    tumour_mass_kg, normal_mass_kg, tumour_to_normal_ratio, lung_shunt_fraction, dose_constant_gy_kg_per_gbq
        As in `partition_doses`; the shunt below 1.
    normal_dose_gy, tumour_dose_gy : float or None
        Exactly one of them: mean dose of the perfused normal liver, or of the tumour [Gy].

    Raises
    ------
    InputError
        If not exactly one dose is given, or an input is out of range.
    RegionError
        If the dose is for a compartment without mass.

    Examples
    --------
    >>> round(partition_activity(0.3, 1.2, 4, 0.06, normal_dose_gy=40, dose_constant_gy_kg_per_gbq=49.67), 3)
    2.056
    """
    if (normal_dose_gy is None) == (tumour_dose_gy is None):
        raise InputError(
            f"give exactly one of normal_dose_gy and tumour_dose_gy, got {normal_dose_gy} and {tumour_dose_gy}."
        )
    goal, mass = ("tumour", tumour_mass_kg) if normal_dose_gy is None else ("normal liver", normal_mass_kg)
    if mass == 0:
        raise RegionError(f"there is a dose goal for the {goal}, but its mass is 0 kg.")
    if tumour_dose_gy is not None:
        check_positive(tumour_to_normal_ratio, "the tumour-to-normal ratio", "")
        normal_dose_gy = tumour_dose_gy / tumour_to_normal_ratio
    assert normal_dose_gy is not None
    return multi_tumour_partition_activity(
        normal_dose_gy,
        (tumour_mass_kg,),
        (tumour_to_normal_ratio,),
        normal_mass_kg,
        lung_shunt_fraction,
        dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq,
    )


def whole_normal_liver_dose(perfused_dose_gy: float, perfused_mass_kg: float, whole_mass_kg: float) -> float:
    """Return the mean dose of the whole normal liver, D_perfused M_perfused / M_whole [Gy].

    Limits refer to the one or the other; the rest of the liver gets nothing.

    Parameters
    ----------
    perfused_dose_gy : float
        Mean dose of the perfused normal liver [Gy].
    perfused_mass_kg, whole_mass_kg : float
        Perfused and whole normal liver, both without tumours [kg].

    Raises
    ------
    RegionError
        If the perfused part is larger than the whole.
    InputError
        If a mass is not positive or the dose negative.

    Examples
    --------
    >>> round(whole_normal_liver_dose(88, 0.9, 1.5), 1)
    52.8
    """
    check_not_negative(perfused_dose_gy, "the perfused dose", "Gy")
    check_not_negative(perfused_mass_kg, "the perfused normal liver mass", "kg")
    check_positive(whole_mass_kg, "the whole normal liver mass", "kg")
    if perfused_mass_kg > whole_mass_kg:
        raise RegionError(
            f"the perfused normal liver ({perfused_mass_kg:g} kg) is larger than the whole ({whole_mass_kg:g} kg)."
        )
    return perfused_dose_gy * perfused_mass_kg / whole_mass_kg


def _uptake_kg(masses_kg: Sequence[float], ratios: Sequence[float], normal_mass_kg: float) -> float:
    """Σ r M + M_N, the mass that would hold the activity at the concentration of normal liver."""
    if len(masses_kg) != len(ratios):
        raise InputError(
            f"there are {len(masses_kg)} tumour masses, but {len(ratios)} tumour-to-normal ratios."
        )
    check_not_negative(normal_mass_kg, "the normal liver mass", "kg")
    for mass, ratio in zip(masses_kg, ratios, strict=True):
        check_not_negative(mass, "the tumour mass", "kg")
        check_positive(ratio, "the tumour-to-normal ratio", "")
    uptake = sum(r * m for r, m in zip(ratios, masses_kg, strict=True)) + normal_mass_kg
    if uptake == 0:
        raise RegionError("neither tumour nor normal liver has mass: nothing holds the activity.")
    return float(uptake)
