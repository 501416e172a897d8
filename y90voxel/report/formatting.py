"""Numbers as a reader wants them: three significant digits, never fewer than the integer part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["date_and_time", "dose_text", "flatten", "number", "percent", "shortened", "signed_dose"]

MISSING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """Return a value with ``digits`` significant digits, all digits before the point, and a dash for none.

    Examples
    --------
    >>> [number(v) for v in (1726.4, 156.36, 57.912, 6.128, 0.04321, 0.0, -2.5, None)]
    ['1726', '156', '57.9', '6.13', '0.0432', '0', '−2.50', '–']
    >>> number(3.2e-7), number(float("nan"))
    ('3.20e−7', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    # Rounding first: 9.996 has one digit before the point, its rounded value 10.0 has two.
    rounded = float(f"{value:.{digits - 1}e}") if abs(value) < 10**digits else value
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent < -4:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}".replace("-", "−")
    return f"{rounded:.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def dose_text(dose_gy: float | None) -> str:
    """Return a dose [Gy] with three significant digits, but no finer than 0.01 Gy.

    Examples
    --------
    >>> [dose_text(v) for v in (204.7, 31.44, 6.5678, 0.613, 0.0049, 0.0, -0.02, None)]
    ['205', '31.4', '6.57', '0.61', '< 0.01', '0', '−0.02', '–']
    """
    if dose_gy is None or not math.isfinite(dose_gy):
        return MISSING
    if abs(dose_gy) >= 1.0 or dose_gy == 0:
        return number(dose_gy)
    if 0 < dose_gy < 0.005:
        return "< 0.01"
    return f"{dose_gy:.2f}".replace("-", "−")


def signed_dose(value: float) -> str:
    """Return a dose difference [Gy] with its sign, no finer than 0.01 Gy.

    Examples
    --------
    >>> [signed_dose(v) for v in (3.14159, -0.42, 0.001)]
    ['+3.14', '−0.42', '0']
    """
    text = dose_text(abs(value))
    if text in ("0", "< 0.01"):
        return "0"
    return f"{'+' if value > 0 else '−'}{text}"


def percent(fraction: float | None, digits: int = 3) -> str:
    """Return a fraction in percent with its unit.

    Examples
    --------
    >>> percent(0.0623), percent(None)
    ('6.23 %', '–')
    """
    text = number(None if fraction is None else 100.0 * fraction, digits)
    return text if text == MISSING else f"{text} %"


def shortened(text: str, length: int) -> str:
    """Return a text cut to a length, with an ellipsis where something was cut.

    Examples
    --------
    >>> shortened("right posterior section", 16)
    'right posterior…'
    """
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def date_and_time(iso: str | None) -> str:
    """Return an ISO 8601 instant for people, in UTC where it has a zone; unreadable text as it is.

    Examples
    --------
    >>> date_and_time("2026-03-02T11:30:05+01:00"), date_and_time("2026-03-02T11:30:05"), date_and_time(None)
    ('2026-03-02 10:30 UTC', '2026-03-02 11:30', '–')
    """
    if not iso:
        return MISSING
    try:
        instant = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    if instant.tzinfo is None:
        return instant.strftime("%Y-%m-%d %H:%M")
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested settings as dotted keys and text."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
