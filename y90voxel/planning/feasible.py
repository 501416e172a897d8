"""The greatest activity that every limit allows, and the limit that binds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from y90voxel.bounds import check_fraction, check_not_negative, check_positive, exceeds
from y90voxel.clinical.limits_table import LUNGS_ALL_TREATMENTS_GY, LUNGS_ONE_TREATMENT_GY
from y90voxel.errors import InputError
from y90voxel.quantification.lung_measures import MIRD_LUNG_MASS_KG, mean_lung_dose
from y90voxel.short_repr import short_repr

__all__ = [
    "LEGACY_SHUNTED_GBQ",
    "LUNG_LIMIT_CUMULATIVE_GY",
    "LUNG_LIMIT_PER_TREATMENT_GY",
    "ActivityConstraint",
    "FeasibleActivity",
    "LegacyShuntRule",
    "feasible_activity",
    "legacy_shunt_rule",
    "lung_constraint",
]

# Lungs by MIRD with 1 kg, as the table of limits has them.
LUNG_LIMIT_PER_TREATMENT_GY = LUNGS_ONE_TREATMENT_GY
LUNG_LIMIT_CUMULATIVE_GY = LUNGS_ALL_TREATMENTS_GY
# 16.5 mCi: the shunted activity of the historical glass label (from memory; shown for comparison only).
LEGACY_SHUNTED_GBQ = 0.61


@dataclass(frozen=True)
class ActivityConstraint:
    """An upper limit on a quantity that grows in proportion to activity.

    Parameters
    ----------
    name : str
        What is limited and where, such as ``"lungs, one treatment"``.
    dose_per_activity_gy_per_gbq : float
        Mean dose of the region per net activity [Gy/GBq].
    limit_gy : float
        Limit of the dose, earlier treatments included [Gy].
    previous_gy : float
        Dose of earlier treatments [Gy].
    source : str
        Where the limit comes from.

    Raises
    ------
    InputError
        If a value is negative or not finite.
    """

    name: str
    dose_per_activity_gy_per_gbq: float
    limit_gy: float
    previous_gy: float = 0.0
    source: str = ""

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_not_negative(self.dose_per_activity_gy_per_gbq, f"{self.name}: dose per activity", "Gy/GBq")
        check_not_negative(self.limit_gy, f"{self.name}: the limit", "Gy")
        check_not_negative(self.previous_gy, f"{self.name}: the earlier dose", "Gy")

    @property
    def greatest_activity_gbq(self) -> float:
        """Activity at the limit [GBq]: infinite when the region gets no dose, 0 when nothing is left."""
        if self.dose_per_activity_gy_per_gbq == 0:
            return math.inf
        return max(self.limit_gy - self.previous_gy, 0.0) / self.dose_per_activity_gy_per_gbq

    def dose_gy(self, activity_gbq: float) -> float:
        """Return the dose at an activity, earlier treatments included [Gy]."""
        return self.previous_gy + activity_gbq * self.dose_per_activity_gy_per_gbq


@dataclass(frozen=True)
class FeasibleActivity:
    """The greatest activity within all limits.

    Parameters
    ----------
    activity_gbq : float
        Net activity at administration [GBq].
    binding_constraint : str
        Name of the limit that is reached first.
    constraints : tuple of ActivityConstraint
        All that were asked, the one that binds first.
    """

    activity_gbq: float
    binding_constraint: str
    constraints: tuple[ActivityConstraint, ...]

    __repr__ = short_repr


def lung_constraint(
    lung_shunt_fraction: float,
    *,
    limit_gy: float = LUNG_LIMIT_PER_TREATMENT_GY,
    lung_mass_kg: float = MIRD_LUNG_MASS_KG,
    previous_gy: float = 0.0,
    dose_constant_gy_kg_per_gbq: float,
    name: str = "lungs, one treatment",
) -> ActivityConstraint:
    """Return the lung limit as a constraint on activity, K L / M per GBq.

    Parameters
    ----------
    lung_shunt_fraction : float
        L, 0 to 1.
    limit_gy : float
        30 Gy for one treatment; 50 Gy over all, with ``previous_gy``.
    lung_mass_kg : float
        Of the convention that the limit belongs to [kg].
    previous_gy : float
        Lung doses of earlier treatments [Gy]; only for the limit over all treatments.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].
    name : str
        Name of the constraint.
    """
    per_gbq = mean_lung_dose(
        1.0, lung_shunt_fraction, lung_mass_kg, dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq
    )
    return ActivityConstraint(name, per_gbq, limit_gy, previous_gy)


def feasible_activity(constraints: Sequence[ActivityConstraint]) -> FeasibleActivity:
    """Return the greatest activity within every constraint, and which one binds.

    Parameters
    ----------
    constraints : sequence of ActivityConstraint
        Lungs, normal liver (perfused or whole: the dose per activity says which), and so on.

    Raises
    ------
    InputError
        If there is no constraint, or none of them limits the activity.

    Examples
    --------
    >>> lungs = lung_constraint(0.12, dose_constant_gy_kg_per_gbq=49.67)
    >>> liver = ActivityConstraint("whole non-tumour liver", 8.0, 90.0)
    >>> found = feasible_activity([liver, lungs])
    >>> round(found.activity_gbq, 3), found.binding_constraint
    (5.033, 'lungs, one treatment')
    """
    ordered = tuple(sorted(constraints, key=lambda c: c.greatest_activity_gbq))
    if not ordered or math.isinf(ordered[0].greatest_activity_gbq):
        names = ", ".join(c.name for c in ordered) or "none given"
        raise InputError(
            f"no constraint limits the activity ({names}). Give a limit for a region that receives dose."
        )
    return FeasibleActivity(ordered[0].greatest_activity_gbq, ordered[0].name, ordered)


@dataclass(frozen=True)
class LegacyShuntRule:
    """The historical glass rule on shunted activity, as the lung dose it stands for.

    Parameters
    ----------
    shunted_gbq, limit_gbq : float
        Activity that reaches the lungs, and its limit [GBq].
    equivalent_lung_dose_gy : float
        Lung dose of the limit with 1 kg [Gy]: 30.3 at K = 49.67, so this is the 30 Gy rule again.
    met : bool
        Whether the shunted activity stays within the limit.
    """

    shunted_gbq: float
    limit_gbq: float
    equivalent_lung_dose_gy: float
    met: bool

    __repr__ = short_repr


def legacy_shunt_rule(
    activity_gbq: float,
    lung_shunt_fraction: float,
    residual_fraction: float = 0.0,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> LegacyShuntRule:
    """Return the 610 MBq rule, L A (1 − R) ≤ 0.61 GBq; never applied on top of the lung dose limit.

    Parameters
    ----------
    activity_gbq : float
        Vial activity at injection [GBq].
    lung_shunt_fraction, residual_fraction : float
        L and R, 0 to 1.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        If an input is out of range.
    """
    check_not_negative(activity_gbq, "the activity", "GBq")
    check_fraction(lung_shunt_fraction, "the lung shunt fraction")
    check_fraction(residual_fraction, "the residual fraction")
    check_positive(dose_constant_gy_kg_per_gbq, "the dose constant", "Gy kg/GBq")
    shunted = lung_shunt_fraction * activity_gbq * (1.0 - residual_fraction)
    equivalent = dose_constant_gy_kg_per_gbq * LEGACY_SHUNTED_GBQ / MIRD_LUNG_MASS_KG
    return LegacyShuntRule(shunted, LEGACY_SHUNTED_GBQ, equivalent, not exceeds(shunted, LEGACY_SHUNTED_GBQ))
