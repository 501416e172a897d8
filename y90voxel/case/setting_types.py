"""What values of a case file may look like, and how a setting says what it means and what it is called elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema

from y90voxel.errors import alternatives
from y90voxel.short_repr import shortened
from y90voxel.units import format_activity, parse_activity, parse_fraction

__all__ = [
    "Activity",
    "Fraction",
    "Group",
    "NotNegative",
    "OneOf",
    "Positive",
    "Setting",
    "Time",
    "enough_histories",
    "parse_share",
    "parse_shunt",
    "positive",
]


@dataclass(frozen=True)
class Setting:
    """What a field of the settings means, and its name where it is no key of a TOML file; metadata of ``Annotated``.

    Everything that names a setting is derived from this: options and their help, columns of a manifest, arguments of
    `Study.case`, the JSON Schema. A field may carry several: switches that set one field to different values.

    Parameters
    ----------
    help : str
        What it means, with its unit; ``{choices}`` stands for the values of a field that has few.
    flag : str or None
        Option of the command line, such as ``"--activity"``; None for a key of case files only.
    commands : tuple of str
        Commands that take the option.
    metavar : str or None
        What the option's value looks like.
    parse : callable or None
        From the text of an option, or the texts of a repeatable one, to what a case file would hold.
    sets : object
        The value that the option stands for when it takes none itself.
    bare : str or None
        What an option that takes a value means where none of its values follows it.
    column : str or None
        Further name of a column of a manifest; the flag's own name is one.
    argument : str or None
        Name as an argument of `Study.case`, where it is not the field's.
    """

    help: str = ""
    flag: str | None = None
    commands: tuple[str, ...] = ("dose",)
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    sets: Any = None
    bare: str | None = None
    column: str | None = None
    argument: str | None = None

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """Put the help into the JSON Schema as its description."""
        described: dict[str, Any] = handler(schema)
        if self.help and "description" not in described and "$ref" not in described:
            parts = [described, *described.get("anyOf", ())]
            choices = [choice for part in parts for choice in _values(part)]
            described["description"] = self.help.replace(
                "{choices}", alternatives(choices) if choices else ""
            )
        return described


def _values(schema: dict[str, Any]) -> Iterable[str]:
    """The values of a schema that has few: listed, the only one, or those of the entries of a list."""
    if "const" in schema:
        return (schema["const"],)
    listed: Iterable[str] = schema.get("enum") or schema.get("items", {}).get("enum", ())
    return listed


@dataclass(frozen=True)
class OneOf:
    """The values that a text may have: the rows of a table of the package, read when a value is checked.

    Parameters
    ----------
    names : callable
        Returns the values.
    """

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse what is not in the table, in the words of a ``Literal``."""

        def check(value: Any) -> Any:
            if value not in (choices := tuple(self.names())):
                raise ValueError(f"Input should be {alternatives(repr(name) for name in choices)}")
            return value

        return core_schema.no_info_plain_validator_function(check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """List the values."""
        return {"type": "string", "enum": list(self.names())}


def _activity(value: Any) -> Any:
    """Parse an activity with its unit; a bare number has none and is refused."""
    if isinstance(value, str):
        return parse_activity(value)
    raise ValueError(f"{value!r} has no unit; write it as text, such as '2.4 GBq'")


def parse_shunt(value: Any) -> Any:
    """Accept a fraction, or the name of a measurement."""
    if isinstance(value, str) and value.strip().lower() in ("spect", "planar", "planar-left"):
        return value.strip().lower()
    return parse_fraction(str(value), "lung shunt fraction")


def parse_share(value: Any) -> Any:
    """Accept a fraction, or a percentage with its sign."""
    return parse_fraction(str(value), "fraction")


def _time(value: Any) -> Any:
    """Accept a TOML date-time or ISO 8601 text; a date alone is not midnight."""
    if isinstance(value, datetime):
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


# Histories below which the exact engine has no standard deviation worth the name: a hundred a batch.
FEWEST_HISTORIES = 5000


def enough_histories(value: int | None) -> int | None:
    """Refuse fewer histories than the exact engine takes; None is none asked for."""
    if value is not None and value < FEWEST_HISTORIES:
        raise ValueError(f"{value} histories are too few; the exact engine takes {FEWEST_HISTORIES} or more")
    return value


def _not_negative(value: float) -> float:
    """Refuse what is below zero."""
    if not value >= 0:
        raise ValueError(f"{value} must not be negative")
    return value


Activity = Annotated[
    float,
    BeforeValidator(_activity),
    PlainSerializer(format_activity, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["2.4 GBq"]}),
]
Time = Annotated[datetime, BeforeValidator(_time)]
Positive = Annotated[float, AfterValidator(positive)]
NotNegative = Annotated[float, AfterValidator(_not_negative)]
Fraction = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "examples": ["6 %"]}]}
    ),
]


def _is_a_number(annotation: Any) -> bool:
    """Whether a value of a type is a number, or holds some."""
    return annotation in (int, float) or any(_is_a_number(part) for part in get_args(annotation))


class Group(BaseModel):
    """A table of the case file; unknown keys are refused, and numbers that are not finite or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is wanted: they would count as 1 and 0."""
        stated = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        truths = [one for one in stated if isinstance(one, bool)]
        if truths and _is_a_number(cls.model_fields[str(info.field_name)].annotation):
            raise ValueError(f"{truths[0]} is not a number")
        return value

    def __repr__(self) -> str:
        """Show what was stated, for defaults fill a page."""
        stated = self.model_dump(exclude_unset=True)
        return shortened(f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in stated.items())}") + ")"

    __str__ = __repr__
