import re

import pytest

from y90voxel.errors import UnitError
from y90voxel.units import format_activity, parse_activity, parse_fraction


@pytest.mark.parametrize(
    ("text", "bq"),
    [
        ("2.4 GBq", 2.4e9),
        ("60MBq", 6e7),
        ("1e3 kBq", 1e6),
        ("5 Bq", 5.0),
        ("10 mCi", 3.7e8),
        (" .5 TBq ", 5e11),
    ],
)
def test_activities_are_parsed_with_their_unit(text, bq):
    assert parse_activity(text) == pytest.approx(bq, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["2.4", "GBq", "2,4 GBq", "2.4 Gy", "", "nan GBq", "1e400 Bq", "-1 GBq", "2.4 GBq extra"]
)
def test_what_is_not_an_activity_is_refused(text):
    with pytest.raises(UnitError, match="activity"):
        parse_activity(text)


@pytest.mark.parametrize("text", ["2.4 mBq", "2.4 mbq", "2.4 MBQ", "3 MCi"])
def test_milli_and_mega_are_never_guessed(text):
    with pytest.raises(UnitError, match="cannot read"):
        parse_activity(text)


@pytest.mark.parametrize(
    ("parse", "text", "advice"),
    [
        (parse_activity, "1,8 GBq", "Give a number with a decimal point and a unit (Bq, kBq"),
        (parse_activity, "1.8", "Give a number and a unit (Bq, kBq"),
        (parse_fraction, "0,05", "Give a number with a decimal point, such as '0.06'"),
    ],
)
def test_the_advice_fits_what_was_written(parse, text, advice):
    with pytest.raises(UnitError, match=re.escape(advice)):
        parse(text)


def test_fractions_are_parsed_from_numbers_and_percent():
    assert parse_fraction("0.06") == parse_fraction("6 %") == pytest.approx(0.06)


@pytest.mark.parametrize("text", ["1.2", "-0.1", "120 %", "six"])
def test_what_is_not_a_fraction_is_refused(text):
    with pytest.raises(UnitError, match="fraction"):
        parse_fraction(text)


@pytest.mark.parametrize(
    ("bq", "text"), [(2.4e9, "2.4 GBq"), (6e7, "60 MBq"), (1500, "1.5 kBq"), (3, "3 Bq")]
)
def test_activities_are_written_with_their_prefix(bq, text):
    assert format_activity(bq) == text
