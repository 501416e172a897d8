"""Body surface area from height and weight."""

from __future__ import annotations

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError

__all__ = ["bsa"]


def bsa(height_m: float, weight_kg: float) -> float:
    """Return the body surface area 0.20247 h^0.725 w^0.425 [m²].

    Parameters
    ----------
    height_m : float
        Height [m], not cm.
    weight_kg : float
        Weight [kg].

    Raises
    ------
    InputError
        If height or weight are not positive, or the height is so great that it must be in cm.

    References
    ----------
    Du Bois and Du Bois 1916, Arch Intern Med 17:863, doi 10.1001/archinte.1916.00080130010002.

    Examples
    --------
    >>> round(bsa(1.70, 70), 3)
    1.81
    """
    check_positive(height_m, "the height", "m")
    check_positive(weight_kg, "the weight", "kg")
    if height_m > 3.0:
        raise InputError(f"a height of {height_m:g} m is not possible; give metres, 1.70 for 170 cm.")
    return float(0.20247 * height_m**0.725 * weight_kg**0.425)
