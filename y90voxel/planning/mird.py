"""Single-compartment planning: activity spreads evenly over the perfused mass (MIRD)."""

from __future__ import annotations

import math

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.units import JOULE_PER_MEV

__all__ = ["concentration_dose", "dose_constant", "ho166_activity", "mird_activity", "mird_dose"]


def dose_constant(mean_energy_mev: float, half_life_s: float) -> float:
    """Return K = Ē T½ / ln 2, the dose of complete decay times mass per activity [Gy·kg/GBq].

    Clinical papers print 49.38, 49.67 and 50 for Y-90: one formula with different mean energies. Never
    compare doses computed with different constants. The constant of this package comes from ICRP 107:
    ``nuclide("Y-90").dose_constant_gy_kg_per_gbq``.

    Parameters
    ----------
    mean_energy_mev : float
        Mean electron energy per decay Ē [MeV].
    half_life_s : float
        Physical half-life [s].

    Raises
    ------
    InputError
        If energy or half-life are not positive.

    Examples
    --------
    >>> round(dose_constant(0.9312, 64.1 * 3600), 2)
    49.67
    """
    check_positive(mean_energy_mev, "the mean energy per decay", "MeV")
    check_positive(half_life_s, "the half-life", "s")
    return mean_energy_mev * JOULE_PER_MEV * 1e9 * half_life_s / math.log(2.0)


def mird_activity(
    dose_gy: float,
    mass_kg: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return the vial activity at injection A = D M / (K (1 − L) (1 − R)) [GBq].

    Shunt and residual divide: what is lost to lungs and tubing has to be supplied on top. A formula in
    circulation multiplies by (1 − L), which underdoses.

    Parameters
    ----------
    dose_gy : float
        Wanted mean dose of the perfused volume D [Gy].
    mass_kg : float
        Mass of the perfused volume, tumour and perfused normal liver, M [kg].
    lung_shunt_fraction : float
        L, 0 to below 1.
    residual_fraction : float
        Share of the vial left in vial and tubing R, 0 to below 1. With 0 the result is the net activity.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        If the mass is not positive, the dose negative, or a fraction outside its range.

    References
    ----------
    van Roekel, PhD thesis, Utrecht 2021, p. 30; Salem and Thurston 2006, J Vasc Interv Radiol 17:1251,
    doi 10.1097/01.RVI.0000233785.75257.9A.

    Examples
    --------
    >>> round(mird_activity(120, 1.236, 0.05, 0.01, dose_constant_gy_kg_per_gbq=49.67), 3)
    3.175
    """
    check_not_negative(dose_gy, "the dose", "Gy")
    fraction = _fraction_in_liver(
        mass_kg, lung_shunt_fraction, residual_fraction, dose_constant_gy_kg_per_gbq
    )
    return dose_gy * mass_kg / (dose_constant_gy_kg_per_gbq * fraction)


def mird_dose(
    activity_gbq: float,
    mass_kg: float,
    lung_shunt_fraction: float = 0.0,
    residual_fraction: float = 0.0,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return the mean dose of the perfused volume D = K A (1 − L) (1 − R) / M [Gy].

    The inverse of `mird_activity`, with the same parameters. It is also the greatest mean dose that the
    activity can give to any region of that mass: more would not conserve energy.

    Raises
    ------
    InputError
        If the mass is not positive, the activity negative, or a fraction outside its range.
    """
    check_not_negative(activity_gbq, "the activity", "GBq")
    fraction = _fraction_in_liver(
        mass_kg, lung_shunt_fraction, residual_fraction, dose_constant_gy_kg_per_gbq
    )
    return dose_constant_gy_kg_per_gbq * activity_gbq * fraction / mass_kg


def ho166_activity(
    mass_kg: float,
    lung_shunt_fraction: float = 0.0,
    *,
    dose_gy: float = 60.0,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return the Ho-166 activity for the mean dose of the whole treated volume [GBq].

    60 Gy is the label's mean dose of the treated volume, 3.78 GBq/kg (van Roekel, PhD thesis, Utrecht 2021).
    That pair means K = 15.87; electron energy and half-life of ICRP 107 give 15.53 (see
    ``device("ho166").clinical_dose_constant_gy_kg_per_gbq``).

    Parameters
    ----------
    mass_kg : float
        Mass of the treated liver, tumours included [kg].
    lung_shunt_fraction : float
        0 to below 1.
    dose_gy : float
        Mean dose [Gy].
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Examples
    --------
    >>> round(ho166_activity(1.5, dose_constant_gy_kg_per_gbq=15.87), 3)
    5.671
    """
    return mird_activity(
        dose_gy, mass_kg, lung_shunt_fraction, dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq
    )


def concentration_dose(
    concentration_mbq_per_ml: float, density_g_per_ml: float, *, dose_constant_gy_kg_per_gbq: float
) -> float:
    """Return the dose of locally absorbed decays D = K c / ρ [Gy].

    Parameters
    ----------
    concentration_mbq_per_ml : float
        Activity concentration at administration c [MBq/mL].
    density_g_per_ml : float
        Mass density ρ [g/mL].
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        If the concentration is negative, or density or constant not positive.

    Examples
    --------
    >>> round(concentration_dose(1.0, 1.03, dose_constant_gy_kg_per_gbq=49.67), 2)
    48.22
    """
    check_not_negative(concentration_mbq_per_ml, "the activity concentration", "MBq/mL")
    check_positive(density_g_per_ml, "the density", "g/mL")
    check_positive(dose_constant_gy_kg_per_gbq, "the dose constant", "Gy kg/GBq")
    return dose_constant_gy_kg_per_gbq * concentration_mbq_per_ml / density_g_per_ml


def _fraction_in_liver(mass_kg: float, shunt: float, residual: float, constant: float) -> float:
    """Share of the vial that stays in the liver, after checking what both directions need."""
    check_positive(mass_kg, "the mass", "kg")
    check_positive(constant, "the dose constant", "Gy kg/GBq")
    check_fraction(shunt, "the lung shunt fraction", whole=False)
    check_fraction(residual, "the residual fraction", whole=False)
    return (1.0 - shunt) * (1.0 - residual)
