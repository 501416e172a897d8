"""Faults of a second sample of mutants (docs/mutants.md), each held by a test on either side."""

from datetime import UTC, datetime

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.case.accumulation_settings import TreatmentFacts
from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.io.dicom.ct import _fits_int16
from y90voxel.io.dicom.headers import lenient_reading, read_header
from y90voxel.io.dicom.seg_frames import _contradicts
from y90voxel.io.dicom.several_drugs import _narrow_window_about, decay_equivalent_time
from y90voxel.io.dicom.sources import list_files
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.liver_limits import UNBOUNDED_GBQ, _bounds
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


def nm_header(folder, **attributes):
    path = factory.save(factory.header("1.2.840.10008.5.1.4.1.1.20", "NM", "s", "0", **attributes), folder)[0]
    with lenient_reading():
        return read_header(list_files(path)[0])


@pytest.mark.parametrize(("second", "one"), [("080100", True), ("080101", False)])
def test_administrations_within_a_minute_are_one(tmp_path, second, one):
    given = [
        factory.item(RadiopharmaceuticalStartDateTime=f"20240312{time}", RadionuclideTotalDose="1e9")
        for time in ("080000", second)
    ]
    assert (decay_equivalent_time(nm_header(tmp_path), given, 230_000.0, []) is None) is one


@pytest.mark.parametrize(("high_kev", "narrow"), [(163.0, True), (163.1, False), (140.4, False)])
def test_a_narrow_window_about_the_photopeak_is_45_kev_wide_at_most(tmp_path, high_kev, narrow):
    windows = Sequence([factory.energy_window(118.0, high_kev)])
    header = nm_header(tmp_path, EnergyWindowInformationSequence=windows)
    assert _narrow_window_about(header, 140.5) is narrow


@pytest.mark.parametrize(("gy_per_gbq", "bounds"), [(1.0, True), (0.999, False), (0.0, False)])
def test_a_limit_that_no_activity_reaches_bounds_none(gy_per_gbq, bounds):
    limit = DoseAim("a", "liver", Sense.BELOW, UNBOUNDED_GBQ)
    assert _bounds(limit, gy_per_gbq) is bounds
