"""What single values of a case file may look like, on both sides of each bound."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field

from y90voxel.case.setting_types import (
    Activity,
    Fraction,
    Group,
    NotNegative,
    OneOf,
    Positive,
    Setting,
    Time,
    enough_histories,
    parse_shunt,
    positive,
)


class Values(Group):
    """One value of each type."""

    activity: Activity | None = None
    fraction: Fraction | None = None
    not_negative: NotNegative | None = None
    positive: Positive | None = None
    time: Time | None = None
    word: Annotated[str, OneOf(lambda: ("one", "two")), Setting("Words: {choices}.")] = "one"
    words: Annotated[list[Literal["a", "b"]], Setting("Letters: {choices}.")] = Field(default_factory=list)
    only: Annotated[Literal["x"], Setting("Only {choices}.")] = "x"
    maybe: Annotated[Literal["p", "q"] | None, Setting("{choices} or nothing.")] = None
    plain: Annotated[float, Setting("A number; {choices}none.")] = 0.0


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("positive", 1e-9, 1e-9),
        ("positive", 0.5, 0.5),
        ("positive", 0.0, "must be above zero"),
        ("positive", -0.5, "must be above zero"),
        ("not_negative", 0.0, 0.0),
        ("not_negative", 0.5, 0.5),
        ("not_negative", -1e-9, "must not be negative"),
        ("activity", "2.4 GBq", 2.4e9),
        ("activity", 2.4, "2.4 has no unit; write it as text, such as '2.4 GBq'"),
        ("fraction", "6 %", 0.06),
        ("fraction", 0.06, 0.06),
        ("fraction", 6, "outside 0 to 1"),
        ("word", "two", "two"),
        ("word", "three", "Input should be 'one' or 'two'"),
        ("time", datetime(2026, 3, 2, 10, 30), datetime(2026, 3, 2, 10, 30)),
        ("time", "2026-03-02T10:30", datetime(2026, 3, 2, 10, 30)),
        ("time", "20260302T1030", datetime(2026, 3, 2, 10, 30)),
        ("time", "2026-03-02 10:30", datetime(2026, 3, 2, 10, 30)),
        ("time", "2026-03-02T10:30Z", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
        ("time", " 2026-03-02T10:30+01:00 ", datetime(2026, 3, 2, 10, 30, tzinfo=timezone(timedelta(hours=1)))),
        ("time", "2026-03-02", "'2026-03-02' has no time of day; write it like 2026-03-02T10:30"),
        ("time", datetime(2026, 3, 2).date(), "has no time of day"),
        ("time", "at 10:30", "not a time; write it like"),
        ("time", None, None),
    ],
)  # fmt: skip
def test_a_value_is_read_or_refused_with_what_to_write(field, value, found):
    if isinstance(found, str) and found != value:
        with pytest.raises(ValueError, match=found):
            Values.model_validate({field: value})
    else:
        assert getattr(Values.model_validate({field: value}), field) == found


def test_a_time_of_python_keeps_its_zone():
    summer = datetime(2026, 7, 2, 10, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert Values.model_validate({"time": summer}).time is summer


@pytest.mark.parametrize(("value", "refused"), [(4999, True), (5000, False), (10_000, False), (None, False)])
def test_the_exact_engine_takes_a_hundred_histories_a_batch(value, refused):
    if refused:
        with pytest.raises(
            ValueError, match="4999 histories are too few; the exact engine takes 5000 or more"
        ):
            enough_histories(value)
    else:
        assert enough_histories(value) == value


@pytest.mark.parametrize(
    ("value", "found"),
    [("spect", "spect"), (" Planar ", "planar"), ("planar-left", "planar-left"), (0.06, 0.06), ("6 %", 0.06)],
)
def test_a_shunt_is_a_fraction_or_a_measurement(value, found):
    assert parse_shunt(value) == found


def test_a_shunt_is_no_other_word():
    with pytest.raises(ValueError, match="lung shunt fraction"):
        parse_shunt("left")


def test_counts_are_above_zero():
    assert positive(1) == 1
    with pytest.raises(ValueError, match="0 must be above zero"):
        positive(0)


def test_the_schema_says_what_a_setting_means_and_its_values():
    described = {
        name: one.get("description") for name, one in Values.model_json_schema()["properties"].items()
    }
    assert described["word"] == "Words: one or two."
    assert described["words"] == "Letters: a or b."
    assert described["only"] == "Only x."
    assert described["maybe"] == "p or q or nothing."
    assert described["plain"] == "A number; none."
    assert described["activity"] is None


def test_a_description_that_a_type_has_stays():
    class Inner(Group):
        """A table with a help of its own."""

    class Outer(Group):
        """Of tables."""

        one: Annotated[Inner, Setting("Another help.")] = Inner()

    schema = Outer.model_json_schema()
    assert schema["$defs"]["Inner"]["description"] == "A table with a help of its own."
    assert "description" not in schema["properties"]["one"]
