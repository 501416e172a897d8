"""The circulation of ICRP 89: balance, transit times, scaling, parallel parts, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.immune.circulation import Circulation, reference_circulation
from y90voxel.immune.reference_blood import blood_volume_l, reference_blood

MALE = reference_circulation("male")


@pytest.mark.parametrize("sex", ["male", "female"])
def test_blood_fractions_are_stationary(sex):
    body = reference_circulation(sex)
    assert np.abs(body.fractions @ body.generator).max() < 1e-15
    assert np.abs(body.generator.sum(1)).max() < 1e-15
    assert body.transition_probabilities.sum(1) == pytest.approx(np.ones(28))


def test_the_reference_man_has_his_blood_and_transit_times():
    """frontier sheet 2.1: the printed column of mean transit times."""
    printed = {
        "brain": 4.89, "thyroid": 1.96, "lymph nodes": 5.76, "large veins": 9.42, "other": 67.6, "fat": 48.9, "muscle": 40.3,
        "adrenals": 9.78, "skin": 29.4, "red marrow": 65.2, "spongy bone": 65.2, "compact bone": 65.2, "other skeleton": 97.8,
        "bronchial": 39.1, "lung": 5.27, "right heart": 2.26, "left heart": 2.20, "coronary": 12.23, "liver": 19.19,
        "kidneys": 5.15, "bladder": 16.3, "gonads": 39.1, "aorta and large arteries": 2.94, "pancreas": 29.35,
        "spleen": 22.83, "stomach and oesophagus": 48.9, "small intestine": 18.59, "large intestine": 26.9,
    }  # fmt: skip
    found = dict(zip(MALE.names, MALE.transit_times_s, strict=True))
    assert found.keys() == printed.keys()
    for name, time in printed.items():
        assert found[name] == pytest.approx(time, rel=2e-3), name
    assert MALE.total_volume_l == pytest.approx(5.3, rel=1e-12)
    assert sum(reference_blood("male").volume_percent.values()) == pytest.approx(100.0, abs=1e-12)


def test_the_reference_woman_has_her_liver_and_heart():
    body = reference_circulation("female")
    at = body.index("liver")
    assert body.transit_times_s[at] == pytest.approx(14.42, rel=1e-3)
    assert body.flows_l_per_s[at].sum() * 60 == pytest.approx(0.275 * 5.9)
    assert body.flows_l_per_s.sum(1).max() * 60 == pytest.approx(5.9)
    assert body.total_volume_l == pytest.approx(3.9, rel=3e-4)  # her table sums to 99.98 %


def test_flow_through_the_liver_is_arterial_and_portal():
    into = MALE.flows_l_per_s[:, MALE.index("liver")] / 6.5 * 60 * 100
    assert into[MALE.index("aorta and large arteries")] == pytest.approx(6.5)
    assert into.sum() - 6.5 == pytest.approx(19.0)


def test_scaling_volume_alone_keeps_fractions_and_times():
    small = MALE.scaled(4.0)
    assert small.fractions == pytest.approx(MALE.fractions)
    assert small.transit_times_s == pytest.approx(MALE.transit_times_s)
    slow = MALE.scaled(5.3, 3.25)
    assert slow.transit_times_s == pytest.approx(2 * MALE.transit_times_s)


def test_more_blood_in_the_liver_dilutes_the_rest():
    larger = MALE.with_volume("liver", 2.0)
    assert larger.fraction("liver") == pytest.approx(0.2 / 1.1)
    assert larger.fraction("lung") == pytest.approx(0.105 / 1.1)


def test_a_tumour_like_the_liver_is_a_part_of_it():
    body = MALE.with_tumour(0.3)
    assert len(body.names) == 29
    assert body.fraction("tumour") == pytest.approx(0.03)
    assert body.fraction("liver") == pytest.approx(0.07)
    times = body.transit_times_s[[body.index("liver"), body.index("tumour")]]
    assert times == pytest.approx([MALE.transit_times_s[MALE.index("liver")]] * 2)
    assert np.abs(body.fractions @ body.generator).max() < 1e-15


def test_a_hypervascular_tumour_holds_more_and_passes_faster():
    body = MALE.with_tumour(0.2, relative_blood=1.5, relative_perfusion=3.0)
    assert body.fraction("tumour") == pytest.approx(0.03)
    assert body.transit_times_s[body.index("tumour")] == pytest.approx(19.1855 / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("height", "weight", "sex", "litres"),
    [
        (1.76, 73.0, "male", 4.9543),
        (1.63, 60.0, "female", 3.7103),
    ],
)
def test_blood_volume_follows_nadler(height, weight, sex, litres):
    assert blood_volume_l(sex, height, weight) == pytest.approx(litres, abs=2e-4)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: reference_circulation("other"), "male or female, got 'other'"),
        (lambda: blood_volume_l("x", 1.7, 70), "male or female"),
        (lambda: blood_volume_l("male", 0.0, 70), "height must be positive"),
        (lambda: blood_volume_l("male", 1.7, -1), "weight must be positive"),
        (lambda: MALE.index("tail"), "no compartment 'tail'"),
        (lambda: MALE.doses_by_compartment({"liver": -1.0}), "'liver' must not be negative, got -1.0 Gy"),
        (lambda: MALE.doses_by_compartment({"liver": float("nan")}), "must not be negative, got nan"),
        (lambda: MALE.scaled(0.0), "blood volume must be positive"),
        (lambda: MALE.scaled(5.0, -6.0), "cardiac output must be positive"),
        (lambda: MALE.with_volume("liver", 0.0), "must be positive"),
        (lambda: MALE.with_tumour(0.5, 2.0), "would take 100 % of the liver's blood"),
        (lambda: MALE.with_tumour(0.5, 1.0, 2.0), "100 % of its flow"),
        (
            lambda: MALE.with_tumour(0.2, 1.0, -1.0),
            "relative perfusion of the tumour must be positive, got -1",
        ),
        (lambda: MALE.with_tumour(0.0), "tumour's share of the liver must be positive"),
        (
            lambda: MALE.in_parallel("liver", ("a", "b"), (0.5, 0.4), (0.5, 0.5)),
            "blood volume of 'liver'.*sum 0.9",
        ),
        (lambda: MALE.in_parallel("liver", ("a", "b"), (0.5, 0.5), (1.0, 0.0)), "shares of the flow"),
        (lambda: Circulation(("a", "b"), np.ones(3), np.ones((2, 2))), "2 compartments need"),
        (lambda: Circulation(("a", "a"), np.ones(2), np.eye(2)[::-1]), "different names"),
        (
            lambda: Circulation(("a", "b"), np.array([1.0, 0.0]), np.eye(2)[::-1]),
            "volume of 'b' must be positive",
        ),
        (lambda: Circulation(("a", "b"), np.ones(2), -np.eye(2)[::-1]), "flows must not be negative"),
        (lambda: Circulation(("a", "b"), np.ones(2), np.array([[0, 2.0], [1, 0]])), "flow .* balance"),
        (lambda: Circulation(("a", "b"), np.ones(2), np.zeros((2, 2))), "must be positive and balance"),
    ],
)
def test_what_no_circulation_can_be_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


@pytest.mark.parametrize(("more", "refused"), [(0.09, False), (0.11, True)])
def test_volumes_of_a_table_must_sum_to_a_hundred_percent(more, refused):
    table = reference_blood("male")
    changed = replace(table, volume_percent={**table.volume_percent, "fat": 5.0 + more})
    if refused:
        with pytest.raises(InputError, match=r"blood volumes of male sum to 100\.11 %, not to 100 %"):
            reference_circulation(changed)
    else:
        assert reference_circulation(changed).total_volume_l == pytest.approx(5.3 * 1.0009)


def test_flows_of_a_table_must_sum_to_a_hundred_percent():
    table = reference_blood("male")
    with pytest.raises(InputError, match="arterial flows of male sum to 102"):
        reference_circulation(replace(table, flow_percent={**table.flow_percent, "fat": 7.0}))


@pytest.mark.parametrize(("excess", "refused"), [(0.0009, False), (0.0011, True)])
def test_shares_of_parts_must_sum_to_one(excess, refused):
    shares = (0.5, 0.5 + excess)
    if refused:
        with pytest.raises(InputError, match=r"sum 1\.001"):
            MALE.in_parallel("liver", ("a", "b"), shares, (0.5, 0.5))
    else:
        split = MALE.in_parallel("liver", ("a", "b"), shares, (0.5, 0.5))
        assert split.fraction("a") + split.fraction("b") == pytest.approx(0.1)


@pytest.mark.parametrize(("excess", "refused"), [(0.0009, False), (0.0011, True)])
def test_flows_must_balance(excess, refused):
    flows = np.array([[0.0, 1.0 + excess], [1.0, 0.0]])
    if refused:
        with pytest.raises(InputError, match="balance in every compartment"):
            Circulation(("a", "b"), np.ones(2), flows)
    else:
        assert Circulation(("a", "b"), np.ones(2), flows).total_volume_l == 2.0


@pytest.mark.parametrize(("blood", "refused"), [(1.99, False), (2.0, True)])
def test_a_tumour_may_take_all_but_not_the_whole_blood_of_the_liver(blood, refused):
    if refused:
        with pytest.raises(InputError, match="must stay below 100 %"):
            MALE.with_tumour(0.5, blood)
    else:
        assert MALE.with_tumour(0.5, blood).fraction("tumour") == pytest.approx(0.0995)
