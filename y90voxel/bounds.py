"""What a physical quantity may be: positive, not negative, a fraction, or at most another; rounding in the last bits apart."""

from __future__ import annotations

import math

from y90voxel.errors import InputError

__all__ = ["ROUNDING", "check_fraction", "check_not_negative", "check_positive", "exceeds"]

# Of a bound. What misses it by less was computed in another order: an activity solved for a limit and fed back must meet it.
ROUNDING = 1e-9


def exceeds(value: float, bound: float) -> bool:
    """Return whether a value lies above a bound by more than rounding.

    Parameters
    ----------
    value, bound : float
        In one unit; the bound is not negative.

    Returns
    -------
    bool
        False for a value that equals the bound up to 1e-9 of it.

    Examples
    --------
    >>> 1.1 - 1.0 > 0.1, exceeds(1.1 - 1.0, 0.1)
    (True, False)
    """
    return value > bound * (1.0 + ROUNDING)


def check_positive(value: float, what: str, unit: str, *, tag: str | None = None) -> None:
    """Refuse a quantity that is not positive and finite.

    Parameters
    ----------
    value : float
        The quantity, in ``unit``.
    what, unit : str
        For the message, such as ``"the tumour mass"`` and ``"kg"``.
    tag : str or None
        Settings key of the quantity.

    Raises
    ------
    InputError
        If it is zero, negative, infinite or not a number.
    """
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{what} must be positive, got {value:g} {unit}.", tag=tag)


def check_not_negative(value: float, what: str, unit: str, *, tag: str | None = None) -> None:
    """Refuse a quantity that is negative or not finite; the parameters are those of `check_positive`.

    Raises
    ------
    InputError
        If it is negative, infinite or not a number.
    """
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{what} must not be negative, got {value:g} {unit}.", tag=tag)


def check_fraction(value: float, what: str, *, whole: bool = True, tag: str | None = None) -> None:
    """Refuse a fraction outside 0 to 1.

    Parameters
    ----------
    value : float
        The fraction; 6 % is 0.06.
    what : str
        For the message.
    whole : bool
        Whether 1 is allowed: False where the rest, 1 minus the fraction, must hold something.
    tag : str or None
        Settings key of the fraction.

    Raises
    ------
    InputError
        If it lies outside 0 to 1, or is 1 and must not be.
    """
    if not 0.0 <= value <= 1.0 or (value == 1.0 and not whole):
        bounds = "between 0 and 1" if whole else "between 0 and 1, below 1"
        raise InputError(f"{what} must lie {bounds}, got {value:g}. Give 0.06 for 6 %.", tag=tag)
