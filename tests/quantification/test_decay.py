from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.quantification.decay import (
    decay_factor,
    frame_decay_factor,
    integrate_over_time,
    seconds_between,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap

HOUR = 3600.0
T_Y90 = 64.1 * HOUR


def test_one_day_leaves_the_published_fraction():
    """clinical worked vector V6: 0.7714 after 24 h at 64.1 h."""
    assert decay_factor(24 * HOUR, T_Y90) == pytest.approx(0.7714, rel=1e-4)


@given(st.floats(-200, 200), st.floats(-200, 200), st.floats(1, 300))
def test_decay_adds_up_and_turns_back(first_h, second_h, half_life_h):
    both = decay_factor(first_h, half_life_h) * decay_factor(second_h, half_life_h)
    assert decay_factor(first_h + second_h, half_life_h) == pytest.approx(both, rel=1e-9)
    assert decay_factor(first_h, half_life_h) * decay_factor(-first_h, half_life_h) == pytest.approx(
        1, rel=1e-12
    )


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("nan")])
def test_half_life_must_be_positive(half_life):
    with pytest.raises(InputError, match="half-life must be positive"):
        decay_factor(1.0, half_life)


def test_frame_factor_is_start_over_mean_by_numerical_integration():
    duration = 20 * HOUR
    times = (np.arange(200_000) + 0.5) * duration / 200_000
    mean = np.mean(2.0 ** (-times / T_Y90))
    assert frame_decay_factor(duration, T_Y90) == pytest.approx(1 / mean, rel=1e-9)
    assert frame_decay_factor(0.0, T_Y90) == 1.0


def test_decays_per_activity_are_the_mean_life():
    """V6: 3.329e14 decays per GBq at 64.1 h; 1.2 GBq at 24 h gives 5.179e14 decays."""
    grid = Grid.from_spacing((1, 1, 2), (1, 1, 1))
    at_start = 1.2e9 / decay_factor(24 * HOUR, T_Y90)
    tia = integrate_over_time(ActivityMap(np.array([[[1e9, at_start]]]), grid), T_Y90)
    assert tia.array.ravel() == pytest.approx([3.329e14, 5.179e14], rel=3e-4)


def test_integration_keeps_single_precision():
    grid = Grid.from_spacing((1, 1, 1), (1, 1, 1))
    assert (
        integrate_over_time(ActivityMap(np.ones((1, 1, 1), np.float32), grid), 1.0).array.dtype == np.float32
    )


def test_times_with_and_without_zone_are_not_compared():
    with pytest.raises(InputError, match="time zone"):
        seconds_between(datetime(2026, 3, 2, 10), datetime(2026, 3, 2, 11, tzinfo=UTC), "scan")
    assert seconds_between(datetime(2026, 3, 2, 10), datetime(2026, 3, 2, 11), "scan") == HOUR


def test_a_clock_put_forward_is_no_hour_that_passed():
    """Europe/Berlin skips the hour after 02:00 on 29 March 2026."""
    zone = ZoneInfo("Europe/Berlin")
    start, end = datetime(2026, 3, 28, 12, tzinfo=zone), datetime(2026, 3, 29, 12, tzinfo=zone)
    assert seconds_between(start, end, "scan") == 23 * HOUR
