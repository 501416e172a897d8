"""Time zones by name and by offset; times keep a zone that they have."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.time_zones import in_zone, localised, time_zone_of

NOON = datetime(2026, 7, 1, 12)


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("+02:00", 2.0), ("-05:00", -5.0), ("+2", 2.0), ("-03:30", -3.5), ("+05:59", 5 + 59 / 60), ("UTC", 0.0),
        ("Europe/Berlin", 2.0), ("+00:00", 0.0), ("+14:00", 14.0), ("-12:00", -12.0), ("+12:45", 12.75),
    ],
)  # fmt: skip
def test_a_zone_is_a_name_or_an_offset(name, hours):
    zone = time_zone_of(name)
    assert zone.utcoffset(NOON) == timedelta(hours=hours)


# Parts of the world are folders of zones.
@pytest.mark.parametrize(
    "name",
    [
        "Europe", "America", "A" * 300, "", "+", "-", "+24", "+0200", "+02:60", "+02:-30", "+-2", "+02:", "+:30",
        "+02:30:15", "+2.5", "/etc", "UTC+2", "+14:01", "-12:01", "+20", "-13", "+23:59", "+" + "9" * 20,
    ],
)  # fmt: skip
def test_what_is_no_zone_is_refused(name):
    with pytest.raises(InputError, match="unknown time zone") as refused:
        time_zone_of(name)
    assert refused.value.tag == "administration.time_zone"


def test_a_zone_is_given_to_times_without_one():
    east = timezone(timedelta(hours=3))
    assert time_zone_of(None) is None
    assert in_zone(None, east) is None
    assert in_zone(NOON, None) is NOON
    assert in_zone(NOON, east) == datetime(2026, 7, 1, 9, tzinfo=UTC)
    assert in_zone(NOON.replace(tzinfo=UTC), east) == NOON.replace(tzinfo=UTC)


def test_an_image_takes_the_zone_for_all_its_times():
    image = EmissionImage(None, "PT", acquisition_start=NOON, administration_time=NOON.replace(tzinfo=UTC))
    found = localised(image, time_zone_of("+02:00"))
    assert (found.acquisition_start.utcoffset(), found.series_start) == (timedelta(hours=2), None)
    assert found.administration_time == NOON.replace(tzinfo=UTC)
    assert localised(image, None) is image
