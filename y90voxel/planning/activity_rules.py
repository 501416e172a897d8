"""Activity rules of resin microspheres: by body surface area, by empirical classes, and their shunt reduction."""

from __future__ import annotations

from dataclasses import dataclass

from y90voxel.bounds import ROUNDING, check_fraction, check_not_negative, check_positive, exceeds
from y90voxel.errors import InputError, RegionError
from y90voxel.short_repr import short_repr

__all__ = [
    "RESIN_SHUNT_REDUCTION",
    "EmpiricalActivity",
    "LungShuntReduction",
    "bsa_activity",
    "bsa_activity_lobar",
    "empirical_activity",
]

_THESIS = "van Roekel, PhD thesis, Utrecht 2021, p. 41"


@dataclass(frozen=True)
class LungShuntReduction:
    """Classes of lung shunt and the factor on the activity in each.

    Parameters
    ----------
    bounds : tuple of float, (n,)
        Rising shunt fractions between the classes.
    factors : tuple of float, (n + 1,)
        Factor of each class; 0 means no treatment.
    boundary_in_lower_class : bool
        True: a class begins above its bound ("exceeds 10 %"). Labels print overlapping ranges, so it is a choice.
    source : str
        Where the table comes from.

    Raises
    ------
    InputError
        If bounds do not rise within 0 to 1, or there is not one factor more than bounds.
    """

    bounds: tuple[float, ...]
    factors: tuple[float, ...]
    boundary_in_lower_class: bool = True
    source: str = ""

    __repr__ = short_repr

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.bounds), (*self.bounds, 1.0), strict=True))
        if not rising or len(self.factors) != len(self.bounds) + 1:
            raise InputError(
                f"shunt classes need rising bounds between 0 and 1 and one factor more: bounds {self.bounds}, "
                f"factors {self.factors}."
            )
        for factor in self.factors:
            check_fraction(factor, "a factor of the shunt reduction")

    def factor(self, lung_shunt_fraction: float) -> float:
        """Return the factor on the activity, 0 for no treatment.

        Raises
        ------
        InputError
            If the shunt lies outside 0 to 1.
        """
        check_fraction(lung_shunt_fraction, "the lung shunt fraction")
        edge = ROUNDING if self.boundary_in_lower_class else -ROUNDING
        return self.factors[sum(lung_shunt_fraction > bound + edge for bound in self.bounds)]


RESIN_SHUNT_REDUCTION = LungShuntReduction((0.10, 0.15, 0.20), (1.0, 0.8, 0.6, 0.0), True, _THESIS)


def bsa_activity(
    bsa_m2: float,
    tumour_volume_ml: float,
    liver_volume_ml: float,
    lung_shunt_fraction: float = 0.0,
    *,
    reduction: LungShuntReduction = RESIN_SHUNT_REDUCTION,
) -> float:
    """Return the whole-liver activity (BSA − 0.2) + V_T / V_liver, reduced for the shunt [GBq]; 0: no treatment.

    An activity rule: it ignores how well the tumour is targeted, so report the partition doses beside it.

    Parameters
    ----------
    bsa_m2 : float
        Body surface area [m²], see `y90voxel.planning.bsa`.
    tumour_volume_ml, liver_volume_ml : float
        All tumours, and the whole liver with the tumours in it [mL].
    lung_shunt_fraction : float
        0 to 1; 0 leaves the activity unreduced.
    reduction : LungShuntReduction
        Shunt classes.

    Raises
    ------
    RegionError
        If the tumours are larger than the liver.
    InputError
        If a volume or the area is out of range.

    References
    ----------
    van Roekel, PhD thesis, Utrecht 2021, p. 41; Kao et al. 2011, Ann Nucl Med 25:455.

    Examples
    --------
    >>> from y90voxel.clinical.body_surface import bsa
    >>> round(bsa_activity(bsa(1.70, 70), 250, 1000, 0.12), 3)
    1.488
    """
    return _rule(bsa_m2, tumour_volume_ml, liver_volume_ml, "liver") * reduction.factor(lung_shunt_fraction)


def bsa_activity_lobar(
    bsa_m2: float,
    tumour_volume_in_lobe_ml: float,
    lobe_volume_ml: float,
    liver_volume_ml: float,
    lung_shunt_fraction: float = 0.0,
    *,
    reduction: LungShuntReduction = RESIN_SHUNT_REDUCTION,
) -> float:
    """Return the lobar activity [(BSA − 0.2) + V_T,lobe / V_lobe] V_lobe / V_liver, reduced [GBq]; 0: no treatment.

    From the label by memory: the current label text was not seen.

    Parameters
    ----------
    bsa_m2 : float
        Body surface area [m²].
    tumour_volume_in_lobe_ml, lobe_volume_ml, liver_volume_ml : float
        Tumours in the treated lobe, that lobe, and the whole liver, tumours included in both [mL].
    lung_shunt_fraction : float
        0 to 1.
    reduction : LungShuntReduction
        Shunt classes.

    Raises
    ------
    RegionError
        If the tumours are larger than the lobe, or the lobe than the liver.
    InputError
        If a volume or the area is out of range.

    Examples
    --------
    >>> from y90voxel.clinical.body_surface import bsa
    >>> round(bsa_activity_lobar(bsa(1.70, 70), 162.5, 650, 1000, 0.12), 3)
    0.967
    """
    whole = _rule(bsa_m2, tumour_volume_in_lobe_ml, lobe_volume_ml, "lobe")
    check_positive(liver_volume_ml, "the liver volume", "mL")
    if exceeds(lobe_volume_ml, liver_volume_ml):
        raise RegionError(
            f"the lobe ({lobe_volume_ml:g} mL) is larger than the liver ({liver_volume_ml:g} mL)."
        )
    return whole * lobe_volume_ml / liver_volume_ml * reduction.factor(lung_shunt_fraction)


@dataclass(frozen=True)
class EmpiricalActivity:
    """An activity by classes of tumour involvement; historical, and not recommended.

    Parameters
    ----------
    activity_gbq : float
        Activity after the shunt reduction [GBq]; 0: no treatment.
    recommended : bool
        Always False: the rule was the more toxic one and ignores the patient's size.
    source : str
        Where the classes come from.
    """

    activity_gbq: float
    recommended: bool = False
    source: str = "historical resin label, from memory, unverified"

    __repr__ = short_repr


def empirical_activity(
    tumour_involvement: float,
    lung_shunt_fraction: float = 0.0,
    *,
    reduction: LungShuntReduction = RESIN_SHUNT_REDUCTION,
) -> EmpiricalActivity:
    """Return the empirical activity: 2.0 GBq up to 25 % involvement, 2.5 up to 50 %, 3.0 above; not recommended.

    Parameters
    ----------
    tumour_involvement : float
        Tumour volume over liver volume, 0 to 1.
    lung_shunt_fraction : float
        0 to 1.
    reduction : LungShuntReduction
        Shunt classes.

    Raises
    ------
    InputError
        If a fraction lies outside 0 to 1.

    Examples
    --------
    >>> empirical_activity(0.30, 0.12).activity_gbq
    2.0
    """
    check_fraction(tumour_involvement, "the tumour involvement")
    activity = 2.0 + 0.5 * ((tumour_involvement > 0.25) + (tumour_involvement > 0.50))
    return EmpiricalActivity(activity * reduction.factor(lung_shunt_fraction))


def _rule(bsa_m2: float, tumour_ml: float, whole_ml: float, of: str) -> float:
    """BSA rule before any scaling, with its checks."""
    check_positive(bsa_m2, "the body surface area", "m2")
    check_not_negative(tumour_ml, "the tumour volume", "mL")
    check_positive(whole_ml, f"the {of} volume", "mL")
    if exceeds(tumour_ml, whole_ml):
        raise RegionError(f"the tumours ({tumour_ml:g} mL) are larger than the {of} ({whole_ml:g} mL).")
    if bsa_m2 <= 0.2:
        raise InputError(f"the BSA rule needs a body surface area above 0.2 m2, got {bsa_m2:g} m2.")
    return (bsa_m2 - 0.2) + tumour_ml / whole_ml
