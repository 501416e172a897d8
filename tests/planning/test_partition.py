import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError, RegionError
from y90voxel.planning import (
    energy_balance,
    mird_dose,
    multi_tumour_partition_activity,
    multi_tumour_partition_doses,
    partition_activity,
    partition_doses,
    tumour_to_normal_ratio,
    whole_normal_liver_dose,
)

K = {"dose_constant_gy_kg_per_gbq": 49.67}
masses, ratios = st.floats(0.01, 3), st.floats(0.1, 50)
shunts, activities = st.floats(0, 1), st.floats(0.01, 20)
tumours = st.lists(st.tuples(masses, ratios), min_size=1, max_size=5)


@given(activities, masses, masses, ratios, shunts, st.floats(0.3, 2))
def test_energy_is_conserved(activity, tumour, normal, ratio, shunt, lung):
    """D_T M_T + D_N M_N + D_L M_L = K A."""
    doses = partition_doses(activity, tumour, normal, ratio, shunt, lung, **K)
    given_off = energy_balance(
        (doses.tumour_gy, doses.normal_gy, doses.lung_gy), (tumour, normal, lung), activity, **K
    )
    assert given_off == pytest.approx(1.0, rel=1e-12)


@given(activities, tumours, masses, shunts)
def test_energy_is_conserved_with_several_tumours(activity, found, normal, shunt):
    each, r = zip(*found, strict=True)
    doses = multi_tumour_partition_doses(activity, each, r, normal, shunt, **K)
    total = energy_balance(
        (*doses.tumours_gy, doses.normal_gy, doses.lung_gy), (*each, normal, 1.0), activity, **K
    )
    assert total == pytest.approx(1.0, rel=1e-12)
    assert doses.tumours_gy == pytest.approx([x * doses.normal_gy for x in r])


@given(activities, st.floats(0, 10), masses, masses, ratios, shunts)
def test_doses_are_linear_in_activity(activity, factor, tumour, normal, ratio, shunt):
    once = partition_doses(activity, tumour, normal, ratio, shunt, **K)
    more = partition_doses(factor * activity, tumour, normal, ratio, shunt, **K)
    assert more.tumour_gy == pytest.approx(factor * once.tumour_gy, rel=1e-12)
    assert more.lung_gy == pytest.approx(factor * once.lung_gy, rel=1e-12)


@given(activities, masses, masses, st.floats(0, 0.9))
def test_ratio_one_is_the_single_compartment(activity, tumour, normal, shunt):
    doses = partition_doses(activity, tumour, normal, 1.0, shunt, **K)
    assert doses.tumour_gy == pytest.approx(mird_dose(activity, tumour + normal, shunt, **K), rel=1e-12)


@given(st.floats(1, 500), masses, masses, ratios, st.floats(0, 0.9))
def test_activity_for_a_dose_gives_that_dose(dose, tumour, normal, ratio, shunt):
    for compartment in ("normal", "tumour"):
        activity = partition_activity(tumour, normal, ratio, shunt, **{f"{compartment}_dose_gy": dose}, **K)
        doses = partition_doses(activity, tumour, normal, ratio, shunt, **K)
        assert getattr(doses, f"{compartment}_gy") == pytest.approx(dose, rel=1e-12)


@given(st.floats(1, 500), tumours, masses, st.floats(0, 0.9))
def test_several_tumours_turn_back_too(dose, found, normal, shunt):
    each, r = zip(*found, strict=True)
    activity = multi_tumour_partition_activity(dose, each, r, normal, shunt, **K)
    assert multi_tumour_partition_doses(activity, each, r, normal, shunt, **K).normal_gy == pytest.approx(
        dose
    )


@given(activities, masses, masses, ratios, st.floats(0.05, 0.95))
def test_a_tumour_cut_in_two_with_one_ratio_changes_nothing(activity, tumour, normal, ratio, cut):
    whole = partition_doses(activity, tumour, normal, ratio, **K)
    parts = (cut * tumour, (1 - cut) * tumour)
    both = multi_tumour_partition_doses(activity, parts, (ratio, ratio), normal, **K)
    assert both.tumours_gy == pytest.approx((whole.tumour_gy,) * 2, rel=1e-9)
    assert sum(both.tumour_activity_fractions) == pytest.approx(whole.tumour_activity_fraction, rel=1e-9)


def test_only_tumour_perfused():
    doses = partition_doses(1.0, 0.5, 0.0, 3.0, **K)
    assert doses.tumour_gy == pytest.approx(49.67 / 0.5)
    assert doses.tumour_activity_fraction == 1.0


def test_ratio_is_per_mass():
    assert tumour_to_normal_ratio(80, 0.5, 20, 1.5) == pytest.approx((80 / 0.5) / (20 / 1.5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, 0.3, 1.2, 4), InputError, "activity must not be negative"),
        ((1, -0.3, 1.2, 4), InputError, "tumour mass must not be negative"),
        ((1, 0.3, -1.2, 4), InputError, "normal liver mass must not be negative"),
        ((1, 0.3, 1.2, 0), InputError, "ratio must be positive"),
        ((1, 0.3, 1.2, 4, 1.2), InputError, "lung shunt fraction"),
        ((1, 0.3, 1.2, 4, 0.1, 0.0), InputError, "lung mass must be positive"),
        ((1, 0.0, 0.0, 4), RegionError, "neither tumour nor normal liver"),
    ],
)
def test_bad_inputs_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        partition_doses(*arguments, **K)


def test_masses_and_ratios_belong_together():
    with pytest.raises(InputError, match="2 tumour masses, but 1"):
        multi_tumour_partition_doses(1.0, (0.1, 0.2), (4.0,), 1.0, **K)


def test_a_constant_must_be_positive():
    with pytest.raises(InputError, match="dose constant"):
        partition_doses(1, 0.3, 1.2, 4, dose_constant_gy_kg_per_gbq=-1)
    with pytest.raises(InputError, match="dose constant"):
        partition_activity(0.3, 1.2, 4, normal_dose_gy=40, dose_constant_gy_kg_per_gbq=0)


def test_goals_for_absent_compartments_are_refused():
    with pytest.raises(RegionError, match="dose goal for the tumour, but its mass is 0"):
        partition_activity(0.0, 1.2, 4, tumour_dose_gy=205, **K)
    with pytest.raises(RegionError, match="dose goal for the normal liver"):
        partition_activity(0.3, 0.0, 4, normal_dose_gy=40, **K)


@pytest.mark.parametrize("doses", [{}, {"normal_dose_gy": 40.0, "tumour_dose_gy": 205.0}])
def test_exactly_one_dose_is_wanted(doses):
    with pytest.raises(InputError, match="exactly one"):
        partition_activity(0.3, 1.2, 4, **doses, **K)


def test_bad_goals_are_refused():
    with pytest.raises(InputError, match="normal liver dose must not be negative"):
        partition_activity(0.3, 1.2, 4, normal_dose_gy=-1.0, **K)
    with pytest.raises(InputError, match="ratio must be positive"):
        partition_activity(0.3, 1.2, 0, tumour_dose_gy=205, **K)
    with pytest.raises(InputError, match="below 1"):
        partition_activity(0.3, 1.2, 4, 1.0, normal_dose_gy=40, **K)


def test_the_perfused_liver_cannot_be_larger_than_the_whole():
    with pytest.raises(
        RegionError, match=r"perfused normal liver \(1.6 kg\) is larger than the whole \(1.5 kg\)"
    ):
        whole_normal_liver_dose(88, 1.6, 1.5)
    assert whole_normal_liver_dose(88, 1.5, 1.5) == 88
    for arguments in ((-1, 0.9, 1.5), (88, -0.1, 1.5), (88, 0.9, 0.0)):
        with pytest.raises(InputError):
            whole_normal_liver_dose(*arguments)


def test_a_ratio_needs_activity_and_masses():
    with pytest.raises(RegionError, match="ratio is infinite"):
        tumour_to_normal_ratio(1, 1, 0, 1)
    for arguments in ((1, 0, 1, 1), (1, 1, 1, 0), (-1, 1, 1, 1), (1, 1, -1, 1)):
        with pytest.raises(InputError):
            tumour_to_normal_ratio(*arguments)
