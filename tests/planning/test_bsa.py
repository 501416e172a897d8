import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError, RegionError
from y90voxel.planning import (
    RESIN_SHUNT_REDUCTION,
    LungShuntReduction,
    bsa,
    bsa_activity,
    bsa_activity_lobar,
    empirical_activity,
)


@pytest.mark.parametrize(
    ("shunt", "factor"),
    [
        (0.0, 1.0),
        (0.10, 1.0),
        (0.1001, 0.8),
        (0.15, 0.8),
        (0.1501, 0.6),
        (0.20, 0.6),
        (0.2001, 0.0),
        (1.0, 0.0),
    ],
)
def test_shunt_classes_exceed_their_bounds(shunt, factor):
    assert RESIN_SHUNT_REDUCTION.factor(shunt) == factor


def test_a_boundary_missed_by_rounding_is_the_boundary():
    assert 0.1 + 0.05 > 0.15
    assert RESIN_SHUNT_REDUCTION.factor(0.1 + 0.05) == 0.8


@pytest.mark.parametrize(("shunt", "factor"), [(0.0999, 1.0), (0.10, 0.8), (0.15, 0.6), (0.20, 0.0)])
def test_the_boundary_may_belong_to_the_upper_class(shunt, factor):
    inclusive = LungShuntReduction((0.10, 0.15, 0.20), (1.0, 0.8, 0.6, 0.0), boundary_in_lower_class=False)
    assert inclusive.factor(shunt) == factor
    assert inclusive.factor(0.3 - 0.2) == 0.8  # 0.0999...98


@given(st.floats(1.3, 2.1), st.floats(35, 160), st.floats(0, 1), st.floats(500, 4000))
def test_lobar_treatment_of_the_whole_liver_is_the_whole_liver_activity(height, weight, share, liver):
    area = bsa(height, weight)
    whole = bsa_activity(area, share * liver, liver)
    assert bsa_activity_lobar(area, share * liver, liver, liver) == pytest.approx(whole, rel=1e-12)
    assert whole == pytest.approx(area - 0.2 + share, rel=1e-9)


def test_no_treatment_above_twenty_percent_shunt():
    assert bsa_activity(1.81, 250, 1000, 0.21) == 0.0
    assert empirical_activity(0.3, 0.21).activity_gbq == 0.0


@pytest.mark.parametrize(
    ("share", "activity"), [(0.0, 2.0), (0.25, 2.0), (0.26, 2.5), (0.5, 2.5), (0.51, 3.0), (1, 3.0)]
)
def test_empirical_classes_and_their_flag(share, activity):
    found = empirical_activity(share)
    assert (found.activity_gbq, found.recommended) == (activity, False)
    assert "unverified" in found.source


@pytest.mark.parametrize("arguments", [(0.0, 70), (1.7, -1), (170, 70)])
def test_bad_body_measures_are_refused(arguments):
    with pytest.raises(InputError):
        bsa(*arguments)


def test_a_tumour_or_lobe_that_is_the_whole_up_to_rounding_is_the_whole():
    """Parts and whole are summed in another order: what differs in the last bits is alike."""
    part = 0.1 + 0.2
    assert part > 0.3
    assert bsa_activity(1.8, 1000 * part, 300.0) == pytest.approx(1.6 + 1.0)
    assert bsa_activity_lobar(1.8, 30.0, 1000 * part, 300.0) == pytest.approx(1.6 + 0.1)


def test_the_smallest_body_gets_what_its_area_leaves_above_a_fifth_of_a_square_metre():
    assert bsa_activity(0.3, 50, 1000) == pytest.approx(0.1 + 0.05)
    assert bsa_activity_lobar(0.3, 50, 500, 1000) == pytest.approx((0.1 + 0.1) / 2)


def test_bad_volumes_are_refused():
    with pytest.raises(RegionError, match=r"tumours \(1200 mL\) are larger than the liver \(1000 mL\)"):
        bsa_activity(1.8, 1200, 1000)
    with pytest.raises(RegionError, match="larger than the lobe"):
        bsa_activity_lobar(1.8, 700, 600, 1000)
    with pytest.raises(RegionError, match=r"lobe .* is larger than the liver"):
        bsa_activity_lobar(1.8, 100, 1200, 1000)
    with pytest.raises(InputError, match="tumour volume must not be negative"):
        bsa_activity(1.8, -1, 1000)
    with pytest.raises(InputError, match="liver volume must be positive"):
        bsa_activity(1.8, 0, 0)
    with pytest.raises(InputError, match="liver volume must be positive"):
        bsa_activity_lobar(1.8, 100, 600, 0)
    with pytest.raises(InputError, match=r"above 0.2 m2"):
        bsa_activity(0.2, 100, 1000)
    with pytest.raises(InputError, match="involvement"):
        empirical_activity(1.2)


@pytest.mark.parametrize("shunt", [-0.01, 1.01, float("nan")])
def test_a_shunt_outside_zero_to_one_is_refused(shunt):
    with pytest.raises(InputError, match="lung shunt fraction"):
        bsa_activity(1.8, 100, 1000, shunt)


@pytest.mark.parametrize(
    ("bounds", "factors"),
    [((0.2, 0.1), (1, 0.5, 0)), ((0.1,), (1.0,)), ((0.1, 1.0), (1, 0.5, 0)), ((0.1,), (1.0, 1.5))],
)
def test_bad_shunt_classes_are_refused(bounds, factors):
    with pytest.raises(InputError):
        LungShuntReduction(bounds, factors)
