"""Several arteries and one scan: the sum at the reference time, and each voxel back at its own injection."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from y90voxel.errors import InputError, RegionError
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.arteries import (
    Artery,
    artery_notices,
    artery_shares,
    at_own_injections,
    combined_administration,
)
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, Mask

T_HALF_S = 64.1 * 3600.0
FIRST = datetime(2026, 3, 2, 10, 0)
GRID = Grid.from_spacing((2, 3, 4), (5.0, 5.0, 5.0))


def artery(number, gbq, hours, shunt=0.1, territory=None, source="given"):
    when = None if hours is None else FIRST + timedelta(hours=hours)
    given = Administration("Y-90", None if gbq is None else gbq * 1e9, when, shunt, source, "glass")
    return Artery(f"injection {number}", given, territory)


def left_and_right():
    """Two territories of half the grid each; the last column belongs to neither."""
    left, right = np.zeros(GRID.shape), np.zeros(GRID.shape)
    left[:, :, :2], right[:, :, 2] = 1.0, 1.0
    drawn = [Region(n, Role.PERFUSED, Mask(a, GRID)) for n, a in (("left", left), ("right", right))]
    return Regions(GRID, tuple(drawn))


def test_the_activity_at_the_last_injection_is_the_sum_of_the_decayed_injections():
    arteries = [artery(1, 2.0, 24.0, shunt=0.02), artery(2, 1.0, 0.0, shunt=0.10), artery(3, 0.5, 30.0, 0.0)]
    whole = combined_administration(arteries, T_HALF_S)
    parts = [2.0 * 2 ** (-6 / 64.1), 1.0 * 2 ** (-30 / 64.1), 0.5]
    assert whole.activity_bq == pytest.approx(1e9 * sum(parts), rel=1e-12)
    assert whole.time == FIRST + timedelta(hours=30)
    assert whole.lung_shunt_fraction == pytest.approx((0.02 * parts[0] + 0.10 * parts[1]) / sum(parts))
    assert whole.device == "glass"


def test_the_order_of_the_injections_changes_nothing():
    arteries = [artery(1, 2.0, 24.0), artery(2, 1.0, 0.0)]
    assert combined_administration(arteries, T_HALF_S) == combined_administration(arteries[::-1], T_HALF_S)


@pytest.mark.parametrize(
    ("second", "message", "tag"),
    [
        (artery(2, 1.0, None), "injection 2 states no time", "injection.time"),
        (artery(2, None, 1.0), "injection 2 states no activity", "injection.activity"),
        (
            artery(2, 1.0, 1.0, None, source="planar"),
            "0.1, injection 2: planar",
            "injection.lung_shunt_fraction",
        ),
        (artery(2, 1.0, 1.0, None, source="none"), "injection 2: none", "injection.lung_shunt_fraction"),
    ],
)
def test_an_injection_that_lacks_a_fact_is_refused(second, message, tag):
    with pytest.raises(InputError, match=message) as refused:
        combined_administration([artery(1, 1.0, 0.0), second], T_HALF_S)
    assert refused.value.tag == tag


def test_times_of_which_one_has_a_zone_are_refused():
    plain = artery(2, 1.0, 0.0)
    zoned = replace(plain, administration=replace(plain.administration, time=FIRST.replace(tzinfo=UTC)))
    with pytest.raises(InputError, match="only one has a time zone"):
        combined_administration([artery(1, 1.0, 0.0), zoned], T_HALF_S)


def test_a_shunt_that_is_measured_is_that_of_all():
    arteries = [artery(n, 1.0, n, None, source="planar") for n in (1, 2)]
    whole = combined_administration(arteries, T_HALF_S)
    assert (whole.lung_shunt_fraction, whole.shunt_source) == (None, "planar")


def shared_out(arteries, values=None):
    whole = combined_administration(arteries, T_HALF_S)
    activity = ActivityMap(np.ones(GRID.shape) if values is None else values, GRID)
    shares = artery_shares(arteries, activity, left_and_right(), whole, T_HALF_S)
    return (*at_own_injections(activity, shares, left_and_right(), whole), shares)


def test_each_voxel_goes_back_to_the_injection_of_its_territory():
    own, whole, shares = shared_out(
        [artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 48.0, 0.3, "right")]
    )
    earlier = 2 ** (48 / 64.1)
    assert np.allclose(own.array[:, :, :2], earlier, rtol=1e-12)
    assert np.allclose(own.array[:, :, 2], 1.0, rtol=1e-12)
    mean = (2.0 * 0.9 + 0.7) / (
        2.0 * 0.9 / earlier + 0.7
    )  # neither: the mean of what all brought to the liver
    assert np.allclose(own.array[:, :, 3], mean, rtol=1e-12)
    assert whole.activity_bq == pytest.approx(3e9)
    assert whole.lung_shunt_fraction == pytest.approx((2 * 0.1 + 0.3) / 3)
    assert [share.image_at_reference_bq for share in shares] == [12.0, 6.0]


def test_what_lies_in_no_territory_takes_the_mean_of_injections_that_have_none():
    own, _, _ = shared_out([artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 48.0)])
    assert np.allclose(own.array[:, :, 2:], 1.0, rtol=1e-12)


def test_without_territories_all_decays_together_are_those_of_all_injections():
    own, whole, shares = shared_out([artery(1, 2.0, 0.0), artery(2, 1.0, 48.0)])
    at_reference = 2e9 * 2 ** (-48 / 64.1) + 1e9
    assert np.allclose(own.array, whole.activity_bq / at_reference, rtol=1e-12)
    (said,) = artery_notices(shares, FIRST)
    assert "No territory is given for injection 1, injection 2" in said.message
    assert "1 to 1.68 times" in said.message


def test_injections_at_one_time_leave_the_map_alone():
    arteries = [artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 0.0)]
    own, _, shares = shared_out(arteries)
    assert np.array_equal(own.array, np.ones(GRID.shape))
    assert "No territory" not in artery_notices(shares, None)[0].message


@pytest.mark.parametrize(("hours", "said"), [(0.0, False), (0.5, True), (5.0, True)])
def test_what_lies_in_no_territory_is_said_where_injections_lie_apart(hours, said):
    arteries = [artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, hours)]
    notices = artery_notices(shared_out(arteries)[-1], None)
    assert ("No territory is given for injection 2" in notices[0].message) is said


def test_a_map_at_the_time_of_all_injections_is_that_map():
    arteries = [artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 0.0)]
    whole = combined_administration(arteries, T_HALF_S)
    activity = ActivityMap(np.ones(GRID.shape), GRID)
    shares = artery_shares(arteries, activity, left_and_right(), whole, T_HALF_S)
    assert at_own_injections(activity, shares, left_and_right(), whole)[0] is activity


def test_a_voxel_of_two_territories_takes_their_mean():
    arteries = [artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 48.0, territory="left")]
    own, _, _ = shared_out(arteries)
    assert np.allclose(own.array[:, :, :2], (2 ** (48 / 64.1) + 1) / 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("ratio", "code"),
    [(0.79, "-outside"), (0.81, ""), (1.19, ""), (1.21, "-outside")],
)
def test_a_territory_whose_image_contradicts_its_injection_is_said(ratio, code):
    stated = 2e9 * 0.9
    values = np.zeros(GRID.shape)
    values[:, :, :2] = ratio * stated / 12
    _, _, shares = shared_out([artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 0.0)], values)
    assert shares[0].image_over_stated == pytest.approx(ratio)
    codes = [notice.code for notice in artery_notices(shares, None)]
    assert codes == ["one-scan-several-injections", "territory-activity" + code]


def test_an_unknown_territory_is_refused_with_the_names():
    with pytest.raises(RegionError, match="left"):
        shared_out([artery(1, 2.0, 0.0, territory="middle"), artery(2, 1.0, 0.0)])


def test_shares_are_written_with_their_times():
    arteries = [artery(1, 2.0, 0.0, territory="left"), artery(2, 1.0, 30.0)]
    one, two = (share.as_dict() for share in shared_out(arteries)[-1])
    assert (one["hours_before_reference"], two["hours_before_reference"]) == (30.0, 0.0)
    assert (one["time"], two["time"]) == ("2026-03-02T10:00:00", "2026-03-03T16:00:00")
    assert (one["territory"], two["image_over_stated"]) == ("left", None)
    nameless = replace(shared_out(arteries)[-1][0], time=None)
    assert nameless.as_dict()["time"] is None
