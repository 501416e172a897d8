"""What values of a case file may look like: activities with units, times, fractions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from y90voxel.units import format_activity, parse_activity, parse_fraction

__all__ = ["Activity", "Fraction", "Group", "Positive", "Time", "parse_share", "parse_shunt", "positive"]


def _activity(value: Any) -> Any:
    """Parse an activity with its unit; a bare number has none and is refused."""
    if isinstance(value, str):
        return parse_activity(value)
    raise ValueError(f"{value!r} has no unit; write it as text, such as '2.4 GBq'")


def parse_shunt(value: Any) -> Any:
    """Accept a fraction, or the name of a measurement."""
    if isinstance(value, str) and value.strip().lower() in ("spect", "planar"):
        return value.strip().lower()
    return parse_fraction(str(value), "lung shunt fraction")


def parse_share(value: Any) -> Any:
    """Accept a fraction, or a percentage with its sign."""
    return parse_fraction(str(value), "fraction")


def _time(value: Any) -> Any:
    """Accept a TOML date-time or ISO 8601 text; a date alone is not midnight."""
    if value is None or isinstance(value, datetime):
        return value
    text = str(value).strip()
    if ":" not in text and "T" not in text:
        raise ValueError(f"{text!r} has no time of day; write it like 2026-03-02T10:30")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            "not a time; write it like 2026-03-02T10:30, with +01:00 where a zone is needed"
        ) from error


def positive(value: float) -> float:
    """Refuse what is not above zero."""
    if not value > 0:
        raise ValueError(f"{value} must be above zero")
    return value


Activity = Annotated[
    float, BeforeValidator(_activity), PlainSerializer(format_activity, return_type=str, when_used="json")
]
Time = Annotated[datetime, BeforeValidator(_time)]
Positive = Annotated[float, AfterValidator(positive)]
Fraction = Annotated[float, BeforeValidator(parse_share)]


class Group(BaseModel):
    """A table of the case file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
