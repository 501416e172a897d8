"""Activity of one sphere at injection: stated, or by the record of the device; never assumed."""

import pytest

from y90voxel.errors import InputError
from y90voxel.microscale.sphere_activity import sphere_activity


@pytest.mark.parametrize(
    ("device", "days", "expected"),
    [("glass", 0.0, 2500.0), ("glass", 8.0, 313.6), ("resin", 0.0, 68.18), ("resin", -3.0, 148.5)],
)
def test_the_record_and_the_days(device, days, expected):
    found = sphere_activity(device, days)
    assert found.activity_bq == pytest.approx(expected, rel=1e-3)
    assert f"by the record of {device}, {days:g} days later" in found.source


@pytest.mark.parametrize("device", [None, "glass", "ho166"])
def test_what_is_stated_holds_for_any_device(device):
    found = sphere_activity(device, stated_bq=340.0)
    assert (found.activity_bq, found.source) == (340.0, "as stated")


def test_zero_or_less_is_refused():
    for bad in (0.0, -1.0):
        with pytest.raises(InputError, match="activity per sphere must be positive") as caught:
            sphere_activity("glass", stated_bq=bad)
        assert caught.value.tag == "microscale.activity_per_sphere"


def test_twice_is_refused():
    with pytest.raises(InputError, match="given twice: 340 Bq, and 4 days since calibration"):
        sphere_activity("glass", 4.0, 340.0)


def test_without_a_device_it_must_be_stated():
    with pytest.raises(InputError, match="not known without a device"):
        sphere_activity(None, 4.0)


def test_without_days_it_is_not_assumed():
    with pytest.raises(
        InputError, match=r"holds 2.5 kBq at calibration.*Give --days-since-calibration"
    ) as caught:
        sphere_activity("glass")
    assert caught.value.tag == "microscale.days_since_calibration"


def test_a_vial_of_as_many_spheres_at_any_activity_does_not_tell():
    with pytest.raises(InputError, match=r"spheres of ho166 are 3.3e\+07 in a vial of any activity"):
        sphere_activity("ho166", 0.0)


def test_an_unknown_device():
    with pytest.raises(InputError, match="unknown device 'gold'"):
        sphere_activity("gold", 0.0)
