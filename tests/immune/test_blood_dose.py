"""Dose to circulating blood against the test vectors, a random walk that is written here, and limits that must hold."""

import math

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.immune.blood_dose import (
    BloodDose,
    blood_dose_growth,
    blood_dose_quantiles,
    blood_dose_window,
    circulating_blood_dose,
    fraction_of_blood_seen,
    free_activity_dose,
    mean_blood_dose,
    renewal_cv,
)
from y90voxel.immune.blood_walk import walk_blood_cells
from y90voxel.immune.circulation import reference_circulation

MALE, FEMALE = reference_circulation("male"), reference_circulation("female")
Y90_S = 64.05 * 3600.0
LIVER = {"liver": 1.0}
# Hepatic energy [J] and lung dose [Gy] of the three published patients; 1.8 kg of liver and tumour are the vectors' assumption.
PATIENTS = [(44.71, 7.89, 3.3123, 0.0541), (59.63, 1.217, 3.4406, 0.0714), (205.4, 28.0, 14.3510, 0.2475)]


def walk(body, doses, half_life, duration, cells, erlang, seed):
    """Doses of cells by a walk of its own: visits are sums of ``erlang`` exponentials; in compartment order, not time order."""
    rng = np.random.default_rng(seed)
    decay = math.log(2) / half_life
    rate, total = body.flows_l_per_s, np.zeros(cells)
    place = np.searchsorted(np.cumsum(body.fractions), rng.random(cells))
    # stages left of a visit that is under way are uniform over 1..erlang
    stages, clock = rng.integers(1, erlang + 1, cells), np.zeros(cells)
    alive = np.arange(cells)
    while alive.size:
        following = np.empty(alive.size, int)
        stay = np.empty(alive.size)
        for c in np.unique(place[alive]):
            here = place[alive] == c
            mean = body.volumes_l[c] / rate[c].sum()
            stay[here] = rng.gamma(stages[alive[here]]) * mean / erlang
            exits = np.flatnonzero(rate[c])
            following[here] = exits[
                0 if exits.size == 1 else rng.choice(exits.size, here.sum(), p=rate[c, exits] / rate[c].sum())
            ]
        end = np.minimum(clock[alive] + stay, duration)
        total[alive] += doses[place[alive]] * (np.exp(-decay * clock[alive]) - np.exp(-decay * end))
        clock[alive] += stay
        place[alive], stages[alive] = following, erlang
        alive = alive[clock[alive] < duration]
    return total


def test_mean_is_the_sum_of_fractions_times_doses():
    assert mean_blood_dose(MALE, LIVER) == pytest.approx(0.1, rel=1e-12)
    doses = dict(zip(MALE.names, np.linspace(1, 7, 28), strict=True))
    by_hand = sum(volume * dose for volume, dose in zip(MALE.volumes_l, doses.values(), strict=True)) / 5.3
    for residence in ("exponential", "weibull-2"):
        assert circulating_blood_dose(MALE, doses, Y90_S, residence).mean_gy == pytest.approx(
            by_hand, rel=1e-12
        )


def test_full_decay_spread_is_the_vector():
    assert circulating_blood_dose(MALE, LIVER, Y90_S).cv == pytest.approx(0.021544, rel=1e-4)


@pytest.mark.parametrize(
    ("seconds", "cv"), [(1, 2.9713), (60, 1.9034), (600, 0.70501), (3600, 0.29205), (86400, 0.059779)]
)
def test_spread_in_a_window_is_the_vector(seconds, cv):
    window = blood_dose_window(MALE, LIVER, seconds)
    assert window.cv == pytest.approx(cv, rel=1e-4)
    assert window.mean_gy == pytest.approx(0.1, rel=1e-12)


def test_fractions_of_blood_seen_are_the_vectors():
    seen = fraction_of_blood_seen(MALE, ["liver"], [1, 10, 60, 120, 300, 600, 1200])
    assert seen == pytest.approx([0.1052, 0.1520, 0.3742, 0.5589, 0.8419, 0.9711, 0.9990], rel=1e-3)
    assert fraction_of_blood_seen(MALE, ["liver"], 0.0) == pytest.approx([0.1])
    assert fraction_of_blood_seen(MALE, ["brain"], [120.0]) > 0.2


@pytest.mark.parametrize(("energy", "lung", "mean", "sd"), PATIENTS)
def test_the_three_patients_are_the_vectors(energy, lung, mean, sd):
    found = circulating_blood_dose(MALE, {"liver": energy / 1.8, "lung": lung}, Y90_S)
    assert (found.mean_gy, found.sd_gy) == pytest.approx((mean, sd), rel=1e-3)


def test_a_heavier_liver_lowers_the_dose_of_the_third_patient():
    assert mean_blood_dose(MALE, {"liver": 205.4 / 4.5, "lung": 28.0}) == pytest.approx(7.50, rel=1e-3)


@pytest.mark.parametrize(
    "body", [MALE, FEMALE, MALE.with_tumour(0.3, 1.5, 2.5)], ids=["man", "woman", "tumour"]
)
def test_spread_agrees_with_a_random_walk_of_1e5_cells(body):
    doses = {"liver": 1.0, "lung": 0.3} | ({"tumour": 4.0} if "tumour" in body.names else {})
    half_life = 60.0
    walked = walk(body, body.doses_by_compartment(doses), half_life, 10 * half_life, 100_000, 1, seed=1)
    exact = circulating_blood_dose(body, doses, half_life)
    assert walked.mean() == pytest.approx(exact.mean_gy, rel=0.01)
    assert walked.var() == pytest.approx(exact.sd_gy**2, rel=0.02)


def test_spread_of_a_semi_markov_circulation_agrees_with_a_walk(monkeypatch):
    """Residence of four exponential stages, whose transform is one line: the formula holds for any law."""
    monkeypatch.setattr(
        "y90voxel.immune.blood_dose.residence_law",
        lambda name: lambda rate, mean: (1 + rate * mean / 4) ** -4,
    )
    doses, half_life = {"liver": 1.0, "lung": 0.3}, 60.0
    walked = walk(MALE, MALE.doses_by_compartment(doses), half_life, 10 * half_life, 100_000, 4, seed=2)
    exact = circulating_blood_dose(MALE, doses, half_life, "four stages")
    assert walked.var() == pytest.approx(exact.sd_gy**2, rel=0.02)
    assert exact.sd_gy < 0.9 * circulating_blood_dose(MALE, doses, half_life).sd_gy


def test_weibull_spread_agrees_with_its_walk_and_the_published_simulation():
    walked = walk_blood_cells(MALE, LIVER, 60.0, 600.0, cells=100_000, shape=2.0, seed=3)
    exact = circulating_blood_dose(MALE, LIVER, 60.0, "weibull-2")
    assert walked.var() == pytest.approx(exact.sd_gy**2, rel=0.02)
    # frontier sheet 2.3: a renewal simulation gave .0168 with exponential times elsewhere, the closed form .0172
    assert circulating_blood_dose(MALE, LIVER, Y90_S, "weibull-2").cv == pytest.approx(0.0168, rel=0.03)


def test_the_closed_approximation_is_near():
    assert renewal_cv(MALE, "liver", Y90_S) == pytest.approx(0.0216, rel=2e-3)
    assert renewal_cv(MALE, "liver", Y90_S, 0.2732) == pytest.approx(0.0172, rel=5e-3)
    assert renewal_cv(MALE, "liver", Y90_S) == pytest.approx(
        circulating_blood_dose(MALE, LIVER, Y90_S).cv, rel=0.01
    )


def test_growth_begins_as_a_window_and_ends_with_full_decay():
    means, spreads = blood_dose_growth(MALE, LIVER, Y90_S, [0.0, 60.0, 3600.0, 60 * 86400.0])
    assert (means[0], spreads[0]) == (0.0, 0.0)
    assert spreads[1] / means[1] == pytest.approx(blood_dose_window(MALE, LIVER, 60.0).cv, rel=1e-4)
    full = circulating_blood_dose(MALE, LIVER, Y90_S)
    assert means[3] == pytest.approx(full.mean_gy, rel=1e-6)
    assert spreads[3] == pytest.approx(full.sd_gy, rel=1e-5)


def test_growth_agrees_with_a_walk_in_between():
    walked = walk_blood_cells(MALE, LIVER, 300.0, 400.0, cells=100_000, seed=4)
    means, spreads = blood_dose_growth(MALE, LIVER, 300.0, [400.0])
    assert walked.mean() == pytest.approx(means[0], rel=0.01)
    assert walked.var() == pytest.approx(spreads[0] ** 2, rel=0.02)


def test_walked_cells_that_saw_the_liver_are_the_fraction_seen():
    walked = walk_blood_cells(MALE, LIVER, Y90_S, 120.0, cells=100_000, seed=5)
    assert (walked > 0).mean() == pytest.approx(0.5589, abs=0.005)
    # frontier sheet 2.3, Weibull of shape 2: .5715
    walked = walk_blood_cells(MALE, LIVER, Y90_S, 120.0, cells=100_000, shape=2.0, seed=6)
    assert (walked > 0).mean() == pytest.approx(0.5715, abs=0.005)


def test_quantiles_of_cells_agree_with_a_walk():
    doses = {"liver": 1.0, "lung": 0.5}
    walked = walk_blood_cells(MALE, doses, 3600.0, 8 * 3600.0, cells=2000, seed=7)
    quantiles = blood_dose_quantiles(circulating_blood_dose(MALE, doses, 3600.0), [5, 50, 95])
    assert quantiles == pytest.approx(np.percentile(walked, [5, 50, 95]), rel=0.03)
    assert blood_dose_quantiles(BloodDose(2.0, 0.0), [10, 90]).tolist() == [2.0, 2.0]


def test_spread_is_linear_in_dose_and_equal_doses_have_none():
    one, three = (circulating_blood_dose(MALE, {"liver": dose}, Y90_S) for dose in (1.0, 3.0))
    assert three.sd_gy == pytest.approx(3 * one.sd_gy, rel=1e-9)
    everywhere = circulating_blood_dose(MALE, dict.fromkeys(MALE.names, 2.0), Y90_S)
    assert (everywhere.mean_gy, everywhere.cv) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-4))
    assert circulating_blood_dose(MALE, {}, Y90_S).cv == 0.0


def test_a_split_liver_of_equal_doses_changes_nothing():
    split = MALE.in_parallel("liver", ("a", "b"), (0.3, 0.7), (0.3, 0.7))
    found = circulating_blood_dose(split, {"a": 1.0, "b": 1.0}, Y90_S)
    assert found.sd_gy == pytest.approx(circulating_blood_dose(MALE, LIVER, Y90_S).sd_gy, rel=1e-6)


def test_free_activity_is_the_published_worst_case():
    assert free_activity_dose(1e9, 0.005, 49.77e-9, 5.3) == pytest.approx(0.044, rel=0.01)
    assert free_activity_dose(1e9, 0.0, 49.77e-9, 5.3) == 0.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: circulating_blood_dose(MALE, LIVER, 0.0), "half-life must be positive"),
        (lambda: circulating_blood_dose(MALE, LIVER, 1.0, "gaussian"), "residence time must be one of"),
        (lambda: blood_dose_growth(MALE, LIVER, -1.0, [1.0]), "half-life must be positive"),
        (lambda: blood_dose_growth(MALE, LIVER, 1.0, [-1.0]), "times must not be negative, got -1 s"),
        (lambda: blood_dose_window(MALE, LIVER, 0.0), "window must be positive"),
        (lambda: blood_dose_quantiles(BloodDose(1.0, 0.1), [101.0]), "share of the cells"),
        (lambda: renewal_cv(MALE, "liver", 0.0), "half-life must be positive"),
        (lambda: renewal_cv(MALE, "liver", 1.0, -0.1), "squared coefficient"),
        (lambda: free_activity_dose(-1.0, 0.1, 1.0, 5.0), "activity must not be negative"),
        (lambda: free_activity_dose(1.0, 1.1, 1.0, 5.0), "free share"),
        (lambda: free_activity_dose(1.0, 0.1, -1.0, 5.0), "energy per activity must not"),
        (lambda: free_activity_dose(1.0, 0.1, 1.0, 0.0), "blood volume must be positive"),
        (lambda: walk_blood_cells(MALE, LIVER, 0.0, 1.0), "half-life must be positive"),
        (lambda: walk_blood_cells(MALE, LIVER, 1.0, 0.0), "duration must be positive"),
        (lambda: walk_blood_cells(MALE, LIVER, 1.0, 1.0, shape=0.0), "shape of the residence"),
        (lambda: walk_blood_cells(MALE, LIVER, 1.0, 1.0, cells=0), "at least one cell"),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
