"""Faults of a second sample of mutants (docs/mutants.md), each held by a test on either side."""

from datetime import UTC, datetime

import numpy as np
import pytest

from y90voxel.case.accumulation_settings import TreatmentFacts
from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.io.dicom.ct import _fits_int16
from y90voxel.io.dicom.seg_frames import _contradicts
from y90voxel.planning.split_problem import DoseConstraint, SplitProblem
from y90voxel.planning.vials import residual_fraction_by_survey
from y90voxel.study.read_treatments import _fraction_dates


@pytest.mark.parametrize(
    ("stored", "intercept", "fits"),
    [
        ((-100, 100), -32668, True),
        ((-101, 100), -32668, False),  # -32769 HU
        ((-100, 100), 32667, True),
        ((-100, 101), 32667, False),  # 32768 HU
        ((0, 32767), 0, True),
        ((0, 32768), 0, False),
        ((0, 32768), -1, False),  # its sum fits, it does not
    ],
)
def test_what_fits_in_16_bits(stored, intercept, fits):
    assert _fits_int16(np.array(stored, np.int32), intercept) is fits


@pytest.mark.parametrize(("previous_gy", "used_up"), [(29.9, False), (30.0, False), (30.1, True)])
def test_a_limit_that_is_reached_to_the_last_is_not_yet_exceeded(previous_gy, used_up):
    limit = DoseConstraint("lungs", "lungs", Sense.BELOW, 30.0, previous_gy=previous_gy)
    problem = SplitProblem((limit,), np.array([[10.0]]), np.array([3.0]))
    assert (problem.exhausted() is not None) is used_up


def test_all_of_a_vial_may_be_left_in_the_waste_but_not_more():
    assert residual_fraction_by_survey(42.0, 42.0, 0.1) == 1.0
    with pytest.raises(InputError, match="more than the vial did"):
        residual_fraction_by_survey(42.0, 42.01, 0.1)


@pytest.mark.parametrize(("own", "contradicts"), [(1.9, True), (2.0, False), (2.1, False)])
def test_two_planes_closer_than_stated_contradict_it(own, contradicts):
    assert _contradicts(np.array([0.0, own]), own, 2.0, None) is contradicts


@pytest.mark.parametrize(("number", "assumed"), [(1, False), (2, True)])
def test_the_day_of_a_single_fraction_is_not_assumed(number, assumed):
    start = datetime(2026, 1, 5, tzinfo=UTC)
    days, notices = _fraction_dates(TreatmentFacts(path="a"), start, number)
    assert days[0] == start
    assert len(days) == number
    assert bool(notices) is assumed
