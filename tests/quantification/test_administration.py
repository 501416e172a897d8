from datetime import datetime, timedelta

import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.administration import Administration, net_activity, therapy_nuclide

T_Y90 = 64.1 * 3600
NOON = datetime(2026, 3, 2, 12)


def test_vial_and_residual_decay_to_administration_before_they_are_subtracted():
    net = net_activity(
        4e9,
        T_Y90,
        vial_time=NOON - timedelta(hours=64.1),
        residual_bq=5e7,
        residual_time=NOON + timedelta(hours=64.1),
        administration_time=NOON,
    )
    assert net == pytest.approx(2e9 - 1e8, rel=1e-12)


def test_resin_may_be_injected_before_its_calibration_time():
    net = net_activity(3e9, T_Y90, vial_time=NOON + timedelta(hours=72), administration_time=NOON)
    assert net == pytest.approx(3e9 * 2 ** (72 / 64.1), rel=1e-12)


def test_without_times_the_activities_are_those_at_administration():
    assert net_activity(2e9, T_Y90, residual_bq=1e8) == pytest.approx(1.9e9)


def test_a_measurement_time_needs_the_administration_time():
    with pytest.raises(InputError, match="time of administration is not known"):
        net_activity(2e9, T_Y90, vial_time=NOON)


def test_a_residual_above_the_vial_is_refused():
    with pytest.raises(InputError, match="nothing was administered"):
        net_activity(1e9, T_Y90, residual_bq=1e9)


@pytest.mark.parametrize("activity", [0.0, -1.0, float("nan"), float("inf")])
def test_net_activity_must_be_positive(activity):
    with pytest.raises(InputError, match="net activity must be positive"):
        Administration(activity_bq=activity)


@pytest.mark.parametrize("shunt", [-0.01, 1.0, 6.0, float("nan")])
def test_lung_shunt_must_be_a_fraction(shunt):
    with pytest.raises(InputError, match=r"0\.06 for 6 %"):
        Administration(lung_shunt_fraction=shunt)


def test_an_administration_may_know_neither_activity_nor_shunt():
    assert Administration().lung_shunt_fraction is None
    assert Administration(activity_bq=1.0, lung_shunt_fraction=0.0).lung_shunt_fraction == 0.0


def test_only_nuclides_of_microspheres_are_therapy_nuclides():
    assert therapy_nuclide("Ho166").name == "Ho-166"
    with pytest.raises(InputError, match="not a therapy nuclide"):
        therapy_nuclide("Tc-99m")
    with pytest.raises(InputError, match="Xx-1"):
        therapy_nuclide("Xx-1")


def test_the_least_that_is_left_of_a_vial_is_given():
    assert net_activity(1.5, T_Y90, residual_bq=1.0) == 0.5


def test_a_residual_below_nothing_is_refused():
    assert net_activity(1e9, T_Y90, residual_bq=0.0) == 1e9
    with pytest.raises(InputError, match="the residual activity must not be negative"):
        net_activity(1e9, T_Y90, residual_bq=-1.0)
