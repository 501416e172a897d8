from dataclasses import replace

import numpy as np
import pytest
from phantoms import changed, liver_case

from y90voxel.errors import InputError
from y90voxel.quantification.calibration import Calibration, CalibrationMode
from y90voxel.quantification.dead_time import DeadTime, DeadTimeCurve
from y90voxel.quantification.dead_time_correction import dead_time_factor
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.quantify import quantify
from y90voxel.volumes.volume import ActivityMap, CountMap

FACTOR = Calibration(CalibrationMode.FACTOR, factor_cps_per_mbq=10.0, acquisition_duration_s=100.0)


def by_factor(dead_time, **changes):
    case = liver_case(lungs=False)
    image = EmissionImage(CountMap(case.injections[0].emission.volume.array, case.grid), "file", "Y-90")
    injection = replace(case.injections[0], emission=image)
    return changed(case, injections=(injection,), calibration=FACTOR, dead_time=dead_time, **changes)


def test_counts_that_a_paralysable_camera_lost_are_given_back():
    """What was seen is n exp(−n τ); the activity comes out as if all n had been."""
    case = by_factor(None)
    seen_cps = case.injections[0].emission.volume.total / 100.0
    # Choose τ so that n τ = 0.2231 = −ln 0.8: a fifth is lost.
    tau = 0.22314355 / (seen_cps / 0.8)
    found = quantify(replace(case, dead_time=DeadTime(tau)))
    assert found.map_activity_bq == pytest.approx(quantify(case).map_activity_bq / 0.8, rel=1e-6)
    message = {n.code: n.message for n in found.notices}["dead-time"]
    assert "multiplied by 1.2500" in message
    assert "counts of the image over its duration" in message


def test_a_given_rate_and_a_curve_are_used():
    curve = DeadTimeCurve((1e3, 2e4), (1.1e3, 3e4), "ours.csv")
    found = quantify(by_factor(DeadTime(curve=curve, observed_cps=2e4)))
    assert found.map_activity_bq == pytest.approx(1.5 * quantify(by_factor(None)).map_activity_bq)
    assert "measured curve ours.csv" in {n.code: n.message for n in found.notices}["dead-time"]


def test_absolute_images_take_a_given_rate_and_ask_for_it():
    case = liver_case(lungs=False)
    image = EmissionImage(ActivityMap(case.injections[0].emission.volume.array * 1e4, case.grid), "file")
    case = changed(
        case,
        injections=(replace(case.injections[0], emission=image),),
        calibration=Calibration(CalibrationMode.ABSOLUTE),
    )
    curve = DeadTimeCurve((1e3, 2e4), (1.1e3, 3e4))
    found = quantify(replace(case, dead_time=DeadTime(curve=curve, observed_cps=2e4)))
    assert found.map_activity_bq == pytest.approx(1.5 * quantify(case).map_activity_bq)
    with pytest.raises(InputError, match=r"Give dead_time\.observed_rate_cps"):
        quantify(replace(case, dead_time=DeadTime(curve=curve)))


@pytest.mark.parametrize(
    ("kind", "duration_s"),
    [(ActivityMap, 100.0), (CountMap, None), (ActivityMap, None), (CountMap, 0.0), (CountMap, -5.0)],
)
def test_a_rate_takes_counts_and_a_duration(kind, duration_s):
    case = by_factor(DeadTime(1e-6))
    volume = case.injections[0].emission.volume
    emission = EmissionImage(kind(volume.array, volume.grid), "NM", frame_duration_s=duration_s)
    case = changed(case, calibration=Calibration(CalibrationMode.ABSOLUTE))
    with pytest.raises(InputError, match="needs the observed count rate"):
        dead_time_factor(case, emission)
    counted = EmissionImage(CountMap(volume.array, volume.grid), "NM", frame_duration_s=volume.total / 1e4)
    factor, _ = dead_time_factor(case, counted)
    assert factor == pytest.approx(DeadTime(1e-6).factor(1e4))


def test_relative_calibration_needs_no_correction_and_says_so():
    case = liver_case()
    plain, found = quantify(case), quantify(replace(case, dead_time=DeadTime(1e-6, observed_cps=1e5)))
    np.testing.assert_array_equal(found.activity.array, plain.activity.array)
    assert "dead-time-cancels" in {n.code for n in found.notices}


def test_pet_and_one_rate_for_two_images_are_refused():
    case = by_factor(DeadTime(1e-6, observed_cps=1e4))
    pet = replace(case.injections[0], emission=replace(case.injections[0].emission, modality="PT"))
    with pytest.raises(InputError, match="corrects its images for dead time itself"):
        quantify(replace(case, injections=(pet,)))
    second = replace(case.injections[0], emission=replace(case.injections[0].emission))
    with pytest.raises(InputError, match="is given once"):
        quantify(replace(case, injections=(case.injections[0], second)))


def test_a_rate_is_known_of_half_a_second():
    case = changed(by_factor(DeadTime(1e-8)), calibration=Calibration(CalibrationMode.ABSOLUTE))
    volume = CountMap(np.full((1, 1, 2), 100.0), case.grid.crop((0, 0, 0), (1, 1, 2)))
    factor, _ = dead_time_factor(case, EmissionImage(volume, "NM", frame_duration_s=0.5))
    assert factor == pytest.approx(1.0 + 400.0 * 1e-8, abs=1e-9)
