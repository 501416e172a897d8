"""Protraction and cross terms against double integrals and the vectors of several treatments."""

import numpy as np
import pytest

from y90voxel.accumulation.time_courses import (
    DecayingSource,
    ExternalBeam,
    cross_factor,
    protraction_factor,
)
from y90voxel.errors import InputError
from y90voxel.metrics.radiobiology import bed, eqd2

HOUR, DAY = 3600.0, 86400.0
HALF_LIFE, REPAIR = 64.05 * HOUR, 2.5 * HOUR

# Dose of a radioembolization: BED and EQD2 of liver (2.5 Gy, 2.5 h) and tumour (10 Gy, 1.5 h) [Gy].
RADIOEMBOLIZATION = [
    (40, 64.04, 35.58, 43.66, 36.38),
    (50, 87.57, 48.65, 55.72, 46.43),
    (70, 143.63, 79.79, 81.21, 67.68),
    (120, 336.38, 186.88, 152.95, 127.46),
    (205, 836.48, 464.71, 301.17, 250.97),
]
# Fractions, dose per fraction: the same.
BEAMS = [
    (5, 10.0, 250.0, 138.89, 100.0, 83.33),
    (5, 8.0, 168.0, 93.33, 72.0, 60.0),
    (3, 15.0, 315.0, 175.0, 112.5, 93.75),
    (5, 6.0, 102.0, 56.67, 48.0, 40.0),
    (10, 5.5, 176.0, 97.78, 85.25, 71.04),
]


@pytest.mark.parametrize(("dose", "liver_bed", "liver_eqd2", "tumour_bed", "tumour_eqd2"), RADIOEMBOLIZATION)
def test_radioembolization_vectors(dose, liver_bed, liver_eqd2, tumour_bed, tumour_eqd2):
    for alpha_beta, repair_h, wanted in (
        (2.5, 2.5, (liver_bed, liver_eqd2)),
        (10.0, 1.5, (tumour_bed, tumour_eqd2)),
    ):
        factor = protraction_factor(DecayingSource(HALF_LIFE), repair_h * HOUR)
        found = dose * (1 + factor * dose / alpha_beta)
        assert found == pytest.approx(bed(dose, alpha_beta, repair_h * HOUR, HALF_LIFE))
        assert (found, float(eqd2(found, alpha_beta))) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("number", "each", "liver_bed", "liver_eqd2", "tumour_bed", "tumour_eqd2"), BEAMS)
def test_external_beam_vectors(number, each, liver_bed, liver_eqd2, tumour_bed, tumour_eqd2):
    factor = protraction_factor(ExternalBeam(tuple(DAY * n for n in range(number))), REPAIR)
    dose = number * each
    for alpha_beta, wanted in ((2.5, (liver_bed, liver_eqd2)), (10.0, (tumour_bed, tumour_eqd2))):
        found = dose * (1 + factor * dose / alpha_beta)
        assert (found, float(eqd2(found, alpha_beta))) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    ("gap_h", "wanted"), [(0, 0.15028), (24, 0.13544), (72, 0.11101), (168, 0.08783), (720, 0.07517)]
)
def test_two_equal_radioembolizations(gap_h, wanted):
    """BED = 2 D + D² x / (α/β) with x = 2 G + X, which falls from 4 G to 2 G."""
    first, second = DecayingSource(HALF_LIFE), DecayingSource(HALF_LIFE, gap_h * HOUR)
    found = 2 * protraction_factor(first, REPAIR) + cross_factor(first, second, REPAIR)
    assert found == pytest.approx(wanted, rel=1e-3)
    assert cross_factor(second, first, REPAIR) == pytest.approx(
        cross_factor(first, second, REPAIR), rel=1e-12
    )


def test_a_treatment_cut_in_two_is_one_treatment():
    """At the same time G of the whole is that of the parts and their cross term, in any shares."""
    one, other = DecayingSource(HALF_LIFE), DecayingSource(HALF_LIFE)
    whole, cross = protraction_factor(one, REPAIR), cross_factor(one, other, REPAIR)
    for share in (0.1, 0.5, 0.9):
        parts = (share**2 + (1 - share) ** 2) * whole + share * (1 - share) * cross
        assert parts == pytest.approx(whole, rel=1e-12)


def naive(rate, other, repair, end_s, steps):
    """∫∫ r₁(s) r₂(t) exp(−μ |t − s|) ds dt by the midpoint rule."""
    time = (np.arange(steps) + 0.5) * end_s / steps
    kernel = np.exp(-np.log(2) / repair * np.abs(time[:, None] - time[None, :]))
    return float(rate(time) @ kernel @ other(time)) * (end_s / steps) ** 2


def source(half_life, start):
    decay = np.log(2) / half_life
    return lambda t: np.where(t >= start, decay * np.exp(-decay * (t - start)), 0.0)


@pytest.mark.parametrize("half_lives_h", [(64.05, 64.05), (64.05, 26.8), (26.8, 64.05), (3.0, 2.5)])
@pytest.mark.parametrize("gap_h", [0.0, 5.0, 60.0])
def test_overlap_of_sources_is_the_double_integral(half_lives_h, gap_h):
    first, second = (h * HOUR for h in half_lives_h)
    repair = 2.5 * HOUR
    end = gap_h * HOUR + 12 * max(first, second)
    wanted = 2 * naive(source(first, 0.0), source(second, gap_h * HOUR), repair, end, 4000)
    found = cross_factor(DecayingSource(first), DecayingSource(second, gap_h * HOUR), repair)
    assert found == pytest.approx(
        wanted, rel=0.02
    )  # the step of the second source falls within a step of the sum


@pytest.mark.parametrize("at_h", [-30.0, -2.0, 0.0, 1.0, 40.0, 400.0])
def test_overlap_of_a_fraction_with_a_source(at_h):
    """One fraction meets the dose before it that is not repaired yet, and the dose after it."""
    at, decay, repair = at_h * HOUR, np.log(2) / HALF_LIFE, np.log(2) / REPAIR
    time = (np.arange(400_000) + 0.5) * 14 * HALF_LIFE / 400_000
    wanted = (
        2 * np.sum(decay * np.exp(-decay * time) * np.exp(-repair * np.abs(at - time))) * (time[1] - time[0])
    )
    beam, spheres = ExternalBeam((at,)), DecayingSource(HALF_LIFE)
    assert cross_factor(beam, spheres, REPAIR) == pytest.approx(wanted, rel=1e-4)
    assert cross_factor(spheres, beam, REPAIR) == pytest.approx(wanted, rel=1e-4)


def test_fractions_of_two_beams_meet_only_within_hours():
    one, other = ExternalBeam((0.0, DAY)), ExternalBeam((REPAIR, 50 * DAY))
    # of four pairs one lies a half-time of repair apart: 2 · ¼ · ½; the day between the others leaves 2^-8.6 and less
    wanted = 0.5 * (0.5 + 2 ** (-(DAY - REPAIR) / REPAIR))
    assert cross_factor(one, other, REPAIR) == pytest.approx(wanted, rel=1e-6)


def test_equal_rates_of_decay_and_repair_have_a_limit():
    values = [
        cross_factor(DecayingSource(REPAIR), DecayingSource(HALF_LIFE, 3 * HOUR), REPAIR * (1 + shift))
        for shift in (-1e-4, -1e-9, 0.0, 1e-9, 1e-4)
    ]
    assert np.ptp(values[1:4]) < 1e-8 * values[2]
    assert values[2] == pytest.approx(0.5 * (values[0] + values[4]), rel=1e-6)


def test_what_is_no_time_course():
    with pytest.raises(InputError, match="one fraction or more"):
        ExternalBeam(())
    with pytest.raises(InputError, match="half-life"):
        DecayingSource(0.0)
    with pytest.raises(InputError, match="repair half-time"):
        protraction_factor(ExternalBeam((0.0,)), 0.0)
    with pytest.raises(InputError, match="repair half-time"):
        cross_factor(ExternalBeam((0.0,)), DecayingSource(1.0), -1.0)
