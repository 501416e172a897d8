"""Conversion constants, and the parsing of quantities with units at the edges."""

from __future__ import annotations

import math
import re

from y90voxel.errors import UnitError

__all__ = [
    "BQ_PER_GBQ",
    "JOULE_PER_MEV",
    "SECONDS_PER_HOUR",
    "format_activity",
    "parse_activity",
    "parse_fraction",
]

JOULE_PER_MEV = 1.602176634e-13  # exact since the SI of 2019
SECONDS_PER_HOUR = 3600.0  # exact
BQ_PER_GBQ = 1.0e9  # exact
BQ_PER_MBQ = 1.0e6  # exact
MGY_PER_GY = 1.0e3  # exact

# Spelled out, because case tells milli from mega: "mbq" could be either and is refused.
_ACTIVITY_BQ = {"Bq": 1.0, "kBq": 1e3, "MBq": 1e6, "GBq": 1e9, "TBq": 1e12, "mCi": 3.7e7, "Ci": 3.7e10}
_ACTIVITY_BQ |= {"bq": 1.0, "kbq": 1e3, "gbq": 1e9, "tbq": 1e12, "mci": 3.7e7, "ci": 3.7e10}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s.]*)\s*$")


def parse_activity(text: str, name: str = "activity") -> float:
    """Return the activity in Bq that a text such as ``"2.4 GBq"`` states.

    Parameters
    ----------
    text : str
        A number and one of Bq, kBq, MBq, GBq, TBq, mCi, Ci.
    name : str
        What the text is, for the error.

    Raises
    ------
    UnitError
        If the text is not a finite number with one of these units, or is negative.

    Examples
    --------
    >>> parse_activity("2.4 GBq")
    2400000000.0
    """
    value = _parse(text, _ACTIVITY_BQ, name, "2.4 GBq")
    if value < 0:
        raise UnitError(f"{name}: {text!r} is negative; an activity is zero or more.", tag=name)
    return value


def parse_fraction(text: str, name: str = "fraction") -> float:
    """Return the fraction that ``"0.06"`` or ``"6 %"`` states.

    Raises
    ------
    UnitError
        If the text is not a number, or the fraction lies outside 0 to 1.

    Examples
    --------
    >>> parse_fraction("6 %")
    0.06
    """
    value = _parse(text, {"": 1.0, "%": 0.01}, name, "0.06")
    if not 0.0 <= value <= 1.0:
        raise UnitError(f"{name}: {text!r} lies outside 0 to 1 (0 % to 100 %).", tag=name)
    return value


def format_activity(activity_bq: float) -> str:
    """Return an activity [Bq] in the prefix people say it in.

    Examples
    --------
    >>> format_activity(2.4e9), format_activity(6e7)
    ('2.4 GBq', '60 MBq')
    """
    for unit, size in (("GBq", 1e9), ("MBq", 1e6), ("kBq", 1e3)):
        if abs(activity_bq) >= size:
            return f"{activity_bq / size:.4g} {unit}"
    return f"{activity_bq:.4g} Bq"


def _parse(text: str, sizes: dict[str, float], name: str, example: str) -> float:
    """Return the number in ``text`` times the size of its unit."""
    match = _QUANTITY.match(str(text))
    unit = match.group(2) if match else ""
    if match is None or unit not in sizes:
        unit_names = ", ".join(u for u in sizes if u and u != u.lower())
        units = f" and a unit ({unit_names})" if unit_names else ""
        # 1,500 is one and a half to some and fifteen hundred to others
        point = " with a decimal point" if "," in str(text) else ""
        raise UnitError(
            f"{name}: cannot read {text!r}. Give a number{point}{units}, such as {example!r}.", tag=name
        )
    value = float(match.group(1)) * sizes[unit]
    if not math.isfinite(value):
        raise UnitError(f"{name}: {text!r} is not a finite number.", tag=name)
    return value
