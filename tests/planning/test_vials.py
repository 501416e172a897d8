from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.planning import (
    activity_per_sphere_bq,
    choose_vials,
    decay,
    device,
    residual_fraction_by_survey,
    spheres_per_ml,
    within_delivery_tolerance,
)
from y90voxel.planning.vials import all_vials

T_Y90 = 64.1 * 3600
SUNDAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
offsets = st.floats(-400, 400).map(lambda h: timedelta(hours=h))
zones = st.integers(-12, 14).map(lambda h: timezone(timedelta(hours=h)))


@given(st.floats(0.01, 20), offsets, zones, zones)
def test_decay_forth_and_back_is_the_start(activity, offset, here, there):
    start, end = SUNDAY.astimezone(here), (SUNDAY + offset).astimezone(there)
    assert decay(decay(activity, start, end, T_Y90), end, start, T_Y90) == pytest.approx(activity, rel=1e-12)
    assert decay(activity, start, end, T_Y90) == pytest.approx(
        activity * 2 ** (-offset.total_seconds() / T_Y90), rel=1e-9
    )


@pytest.mark.parametrize(("day", "hours"), [((3, 28), 23.0), ((10, 24), 25.0), ((6, 1), 24.0)])
def test_the_night_when_clocks_change_is_an_hour_shorter_or_longer(day, hours):
    """Noon to noon in one zone: datetime subtracts clock readings there, decay does not."""
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, *day, 12, tzinfo=zone)
    end = start + timedelta(days=1)  # noon again
    assert decay(3.0, start, end, T_Y90) == pytest.approx(3.0 * 2 ** (-hours / 64.1), rel=1e-12)
    assert decay(3.0, end, start, T_Y90) == pytest.approx(3.0 * 2 ** (hours / 64.1), rel=1e-12)
    (vial,) = choose_vials(1.0, end, [start], device("glass"))
    assert vial.activity_at_injection_gbq == pytest.approx(3.0 * 2 ** (-hours / 64.1), rel=1e-12)


def test_zones_count():
    """Noon in Ottawa is 18 h in Berlin: six hours less decay than the clocks say."""
    ottawa = datetime(2026, 2, 1, 12, tzinfo=ZoneInfo("America/Toronto"))
    berlin = datetime(2026, 2, 2, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert decay(1.0, ottawa, berlin, T_Y90) == pytest.approx(2 ** (-18 / 64.1))


def test_an_activity_may_be_used_before_its_calibration():
    assert decay(3.0, SUNDAY, SUNDAY - timedelta(hours=72), T_Y90) == pytest.approx(3.0 * 2.178, rel=1e-3)


@pytest.mark.parametrize("naive_first", [True, False])
def test_times_without_zone_are_refused(naive_first):
    times = [SUNDAY.replace(tzinfo=None), SUNDAY]
    with pytest.raises(InputError, match="2026-03-01T12:00:00 has no time zone"):
        decay(1.0, *(times if naive_first else times[::-1]), T_Y90)
    with pytest.raises(InputError, match="no time zone"):
        choose_vials(1.0, times[0], [SUNDAY], device("glass"))


def test_bad_decays_are_refused():
    with pytest.raises(InputError, match="must not be negative"):
        decay(-1.0, SUNDAY, SUNDAY, T_Y90)
    with pytest.raises(InputError, match="half-life"):
        decay(1.0, SUNDAY, SUNDAY, 0.0)


@given(st.floats(1, 100), st.floats(0, 1), st.floats(0, 5), st.floats(0, 48))
def test_the_residual_fraction_is_found_again(vial, fraction, background, hours):
    elapsed = hours * 3600
    waste = vial * fraction * 2 ** (-elapsed / T_Y90)
    found = residual_fraction_by_survey(
        vial + background, waste * (1 - 1e-9) + background, background, elapsed_s=elapsed, half_life_s=T_Y90
    )
    assert found == pytest.approx(fraction, abs=1e-6)


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        ((0.1, 0.05, 0.1), "must be positive"),
        ((0.1, 0.1, 0.1), "must be positive"),
        ((42, 0.05, 0.1), "not negative"),
        ((42, 43, 0.1), "reads more than the vial"),
        ((float("nan"), 1, 0.1), "must be positive"),
    ],
)
def test_bad_survey_readings_are_refused(readings, message):
    with pytest.raises(InputError, match=message):
        residual_fraction_by_survey(*readings)


def test_a_vial_of_which_nothing_was_given_is_all_residual():
    assert residual_fraction_by_survey(42.0, 42.0) == 1.0
    assert residual_fraction_by_survey(42.0, 0.5, 0.5) == 0.0


def test_time_between_readings_needs_a_half_life():
    with pytest.raises(InputError, match="give the half-life"):
        residual_fraction_by_survey(42, 0.9, elapsed_s=3600.0)


def test_the_smallest_glass_vial_of_each_week_and_its_spheres():
    """1.1 GBq on Wednesday: a fresh 3 GBq vial, or a 15 GBq vial ten days old with more and weaker spheres."""
    wednesday = SUNDAY + timedelta(hours=72)
    last_week = SUNDAY - timedelta(days=7)
    old, fresh = choose_vials(1.1, wednesday, [SUNDAY, last_week], device("glass"))
    assert (old.size_gbq, old.calibration_time) == (15.0, last_week)
    assert (fresh.size_gbq, fresh.calibration_time) == (3.0, SUNDAY)
    assert fresh.activity_at_injection_gbq == pytest.approx(3 * 2 ** (-72 / 64.1))
    assert fresh.surplus_gbq == pytest.approx(fresh.activity_at_injection_gbq - 1.1)
    assert (fresh.spheres, old.spheres) == (pytest.approx(1.2e6), pytest.approx(6.0e6))
    assert old.activity_per_sphere_bq == pytest.approx(2500 * 2 ** (-240 / 64.1))


def test_resin_is_drawn_from_the_vial_and_may_come_before_its_calibration():
    early = SUNDAY - timedelta(hours=72)
    (vial,) = choose_vials(2.0, early, [SUNDAY], device("resin"))
    assert vial.activity_at_injection_gbq == pytest.approx(6.534, rel=1e-3)
    assert vial.activity_per_sphere_bq == pytest.approx(148.5, rel=1e-3)
    assert vial.spheres * vial.activity_per_sphere_bq == pytest.approx(2.0e9)


def test_holmium_is_made_to_order_with_its_own_half_life():
    after = SUNDAY + timedelta(hours=26.8)
    (vial,) = choose_vials(5.0, after, [SUNDAY], device("ho166"))
    assert (vial.size_gbq, vial.activity_at_injection_gbq) == (pytest.approx(10.0), pytest.approx(5.0))
    (small,) = choose_vials(1.0, after, [SUNDAY], device("ho166"))
    assert small.size_gbq == 6.0
    with pytest.raises(InputError, match=r"no ho166 vial on offer reaches 6.5 GBq .* holds 6 GBq"):
        choose_vials(6.5, after, [SUNDAY], device("ho166"))


def test_an_exact_order_is_reached():
    (vial,) = choose_vials(3.0 * 2 ** (-24 / 64.1), SUNDAY + timedelta(hours=24), [SUNDAY], device("glass"))
    assert vial.size_gbq == 3.0


def test_an_activity_beyond_any_vial_is_refused():
    with pytest.raises(
        InputError, match=r"no glass vial on offer reaches 25 GBq .* 1 calibrations holds 20 GBq"
    ):
        choose_vials(25.0, SUNDAY, [SUNDAY], device("glass"))
    with pytest.raises(InputError, match="no glass vial"):
        choose_vials(1.0, SUNDAY, [], device("glass"))
    with pytest.raises(InputError, match="ordered activity must be positive"):
        choose_vials(0.0, SUNDAY, [SUNDAY], device("glass"))


def test_old_vials_are_left_out_when_a_window_is_given():
    late = SUNDAY + timedelta(days=13)
    assert choose_vials(0.1, late, [SUNDAY], device("glass"))[0].size_gbq == 3.0
    with pytest.raises(InputError, match="no glass vial"):
        choose_vials(0.1, late, [SUNDAY], device("glass"), greatest_age_h=12 * 24)


def test_delivery_is_held_against_the_prescription():
    for delivered, prescribed in ((1.1, 1.0), (2.2, 2.0), (0.9, 1.0), (11.0, 10.0), (0.99, 1.1)):
        assert within_delivery_tolerance(delivered, prescribed)
    assert within_delivery_tolerance(1.0 + 0.1 * (1.0 + 0.95e-9), 1.0)
    assert not within_delivery_tolerance(1.0 + 0.1 * (1.0 + 1.05e-9), 1.0)
    assert not within_delivery_tolerance(0.899, 1.0)
    assert within_delivery_tolerance(0.81, 1.0, 0.20)
    for values in ((1.0, 0.0), (-1.0, 1.0)):
        with pytest.raises(InputError):
            within_delivery_tolerance(*values)


@pytest.mark.parametrize("values", [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)])
def test_bad_spheres_are_refused(values):
    with pytest.raises(InputError):
        activity_per_sphere_bq(*values)


@pytest.mark.parametrize("values", [(-1.0, 50.0), (1.0, 0.0)])
def test_bad_sphere_densities_are_refused(values):
    with pytest.raises(InputError):
        spheres_per_ml(*values)


@pytest.mark.parametrize(("mbq_per_ml", "bq", "spheres"), [(2.0, 50.0, 40_000.0), (0.0, 50.0, 0.0)])
def test_a_concentration_is_that_of_so_many_spheres(mbq_per_ml, bq, spheres):
    assert spheres_per_ml(mbq_per_ml, bq) == pytest.approx(spheres, rel=1e-12)


def test_every_vial_of_a_device_is_listed_and_none_of_one_that_is_made_to_order():
    glass = device("glass")
    listed = all_vials(1.0, SUNDAY, [SUNDAY], glass)
    assert [vial.size_gbq for vial in listed] == list(glass.vial_sizes_gbq)
    with pytest.raises(InputError, match=r"made to order .* no vial sizes to list\. Use choose_vials"):
        all_vials(1.0, SUNDAY, [SUNDAY], device("ho166"))
