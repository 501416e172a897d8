from dataclasses import replace

import pytest

from y90voxel.clinical.limits import DEVICES
from y90voxel.errors import InputError
from y90voxel.planning import ActivityBasis, device, known_devices


@pytest.mark.parametrize("name", known_devices())
def test_every_device_states_source_version_and_activity_basis(name):
    record = device(name)
    assert record.source
    assert record.version == "2026-11"
    assert record.activity_basis is ActivityBasis.VENDOR
    assert device(record) is not None


def test_limits_and_records_name_the_same_devices():
    assert set(DEVICES) == set(known_devices())


def test_fields_are_overridden_by_name():
    own = device("resin", spheres_per_gbq=20e6, source="own count")
    assert own.spheres(3.0) == 60e6
    assert device("resin").spheres(3.0) == pytest.approx(44e6)
    assert device(own).source == "own count"


def test_holmium_has_one_sphere_count_for_any_vial():
    assert device("ho166").spheres(6.0) == device("ho166").spheres(12.0) == 33e6


def test_unknown_devices_and_fields_are_refused():
    with pytest.raises(InputError, match=r"unknown device 'plastic'.*glass, resin, ho166"):
        device("plastic")
    with pytest.raises(InputError, match="a device has no colour"):
        device("glass", colour="green")
    with pytest.raises(InputError, match="vial activity at calibration must be positive"):
        device("glass").spheres(0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vial_sizes_gbq": ()}, "needs vial sizes or a range"),
        ({"spheres_per_vial": 1e6}, "one of the two"),
        ({"spheres_per_gbq": None}, "one of the two"),
        ({"vial_sizes_gbq": (3.0, -1.0)}, "a vial size must be positive"),
        ({"order_range_gbq": (0.0, 3.0)}, "a vial size must be positive"),
        ({"spheres_per_gbq": 0.0}, "sphere count must be positive"),
    ],
)
def test_records_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(device("glass"), **changes)
