import pytest

from y90voxel.errors import InputError
from y90voxel.planning.limits import DEVICES, evaluate_limits, limits_of
from y90voxel.regions.roles import Role


def status(results, region):
    return {(r.limit.name, r.limit.value_gy): r.status for r in results if r.region == region}


def test_lungs_are_limited_for_every_device_with_its_source():
    for device in DEVICES:
        lungs = [limit for limit in limits_of(device) if limit.role is Role.LUNGS]
        assert [limit.value_gy for limit in lungs] == [30.0]
        assert all(limit.source for limit in limits_of(device))


def test_limits_are_met_up_to_the_value_and_goals_from_it():
    doses = {"GTV1": (Role.TUMOUR, 205.0), "GTV2": (Role.TUMOUR, 204.9), "ntl": (Role.NON_TUMOUR_LIVER, 75.0)}
    results = evaluate_limits("glass", doses, 30.1)
    assert status(results, "GTV1") == {("tumour, HCC", 205.0): "met"}
    assert status(results, "GTV2") == {("tumour, HCC", 205.0): "not met"}
    assert sorted(status(results, "ntl").values()) == ["met", "met", "not met"]
    assert list(status(results, "lungs").values()) == ["not met"]


def test_a_limit_without_its_region_is_not_applicable_and_never_moved_to_another():
    results = evaluate_limits("resin", {"Liver": (Role.LIVER, 500.0)}, None)
    assert {r.status for r in results} == {"not applicable"}
    assert all(r.value_gy is None for r in results)


def test_without_device_there_are_no_limits():
    assert evaluate_limits(None, {"GTV1": (Role.TUMOUR, 1.0)}, 99.0) == []


def test_pneumonitis_means_are_never_limits():
    """41 and 21 Gy are mean lung doses of patients with pneumonitis, not thresholds."""
    values = {limit.value_gy for device in DEVICES for limit in limits_of(device) if limit.role is Role.LUNGS}
    assert values.isdisjoint({41.0, 41.4, 21.0, 21.5})


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match=r"'plastic'.*glass, resin, ho166"):
        limits_of("plastic")
