from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.calibration import (
    Calibration,
    CalibrationMode,
    DecayCorrection,
    calibrate_absolute,
    calibrate_by_factor,
    calibrate_relative,
    decay_to_administration,
    elapsed_since_administration,
    slices_acquired_together,
)
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

GRID = Grid.from_spacing((2, 2, 2), (4, 4, 4))
HOUR = 3600.0
T_Y90 = 64.1 * HOUR
T_F18 = 109.77 * 60
INJECTED = datetime(2026, 3, 2, 10)
SCANNED = INJECTED + timedelta(hours=20)


def pet(value=1.0, **facts):
    volume = ActivityMap(np.full(GRID.shape, value), GRID)
    known = {
        "acquisition_start": SCANNED,
        "series_start": SCANNED,
        "administration_time": INJECTED,
        "decay_reference": DecayReference.START,
    }
    return EmissionImage(volume, "PT", **(known | facts))


def test_a_header_of_another_nuclide_must_state_its_positron_fraction():
    image = pet(header_half_life_s=T_F18)
    with pytest.raises(InputError, match="states no positron fraction"):
        decay_to_administration(image, INJECTED, T_Y90, 31.86e-6)
    assert decay_to_administration(pet(), INJECTED, T_Y90, 31.86e-6).branching == 1.0


def test_an_acquisition_before_the_administration_is_refused():
    with pytest.raises(InputError, match=r"precedes the administration .* by 10\.00 h"):
        decay_to_administration(pet(), SCANNED + timedelta(hours=10), T_Y90)


def test_values_corrected_to_a_start_after_the_scan_are_refused():
    image = pet(decay_reference=DecayReference.ADMIN, administration_time=SCANNED + timedelta(hours=4))
    with pytest.raises(InputError, match="lies after the acquisition"):
        decay_to_administration(image, INJECTED, T_Y90)


def test_a_camera_factor_needs_counts():
    with pytest.raises(InputError, match="states Bq/mL"):
        calibrate_by_factor(pet(), 10.0, 20.0, 0.0, T_Y90)


def test_relative_calibration_gives_the_region_its_activity_with_one_factor():
    counts = CountMap(np.arange(8.0).reshape(GRID.shape), GRID)
    mask = Mask(np.array([0, 0.5, 1, 0, 0, 0, 1, 0]).reshape(GRID.shape), GRID)
    activity = calibrate_relative(counts, mask, 1.7e9)
    assert (activity.array * mask.array).sum() == pytest.approx(1.7e9, rel=1e-12)
    assert np.ptp(activity.array.ravel()[1:] / counts.array.ravel()[1:]) < 1e-3
    assert calibrate_relative(counts, None, 2e9).total == pytest.approx(2e9, rel=1e-12)


def test_worked_example_of_patient_relative_calibration():
    """2 GBq, shunt 5 %, 120 of 4.0e7 counts: 5.700 kBq in the voxel (EANM SOP scheme)."""
    counts = CountMap(np.array([120.0, 4.0e7 - 120, 0, 0, 0, 0, 0, 0]).reshape(GRID.shape), GRID)
    activity = calibrate_relative(counts, None, 2.0e9 * 0.95)
    assert activity.array[0, 0, 0] == pytest.approx(5700.0, rel=1e-9)


def test_an_empty_calibration_region_is_refused():
    with pytest.raises(InputError, match="holds 0 counts"):
        calibrate_relative(CountMap(np.zeros(GRID.shape), GRID), None, 1e9)


def test_start_reference_with_other_branching():
    """Worked vector V11: 180 kBq/mL, START, 20 h after injection, header branching 32.0e-6 -> 224.4 kBq/mL."""
    image = pet(180e3, header_half_life_s=T_Y90, header_positron_fraction=32.0e-6)
    correction = decay_to_administration(image, INJECTED, T_Y90, 31.86e-6)
    assert 180e3 * correction.factor == pytest.approx(224.4e3, rel=1e-3)
    assert [notice.code for notice in correction.notices] == ["header-branching"]


@pytest.mark.parametrize("fraction", [1.5 * 31.86e-6, 3.186e-3])
def test_a_positron_fraction_of_no_nuclide_is_refused(fraction):
    image = pet(180e3, header_half_life_s=T_Y90, header_positron_fraction=fraction)
    with pytest.raises(InputError, match=r"that of no nuclide in use; the therapy nuclide's is 3.186e-05"):
        decay_to_administration(image, INJECTED, T_Y90, 31.86e-6)


@pytest.mark.parametrize("header_half_life", [T_Y90, T_F18], ids=["as Y-90", "as F-18"])
def test_admin_start_and_none_of_one_image_give_one_activity(header_half_life):
    """A scan of 15 min whose frame mean is known, stored under each decay reference by a scanner that took it
    for ``header_half_life``."""
    duration = 900.0
    times = (np.arange(100_000) + 0.5) * duration / 100_000
    truth = 5.0e5
    frame_mean = np.mean(truth * 2.0 ** (-(20 * HOUR + times) / T_Y90))
    scanner_mean = np.mean(2.0 ** (-times / header_half_life))
    at_start = frame_mean / scanner_mean
    stored = {
        DecayReference.NONE: frame_mean,
        DecayReference.START: at_start,
        DecayReference.ADMIN: at_start * 2.0 ** (20 * HOUR / header_half_life),
    }
    for reference, value in stored.items():
        image = pet(decay_reference=reference, header_half_life_s=header_half_life, frame_duration_s=duration)
        found = value * decay_to_administration(image, INJECTED, T_Y90).factor
        assert found == pytest.approx(truth, rel=1e-6), reference


def test_another_half_life_in_the_header_is_said():
    codes = [n.code for n in decay_to_administration(pet(header_half_life_s=T_F18), INJECTED, T_Y90).notices]
    assert codes == ["header-half-life"]
    assert decay_to_administration(pet(header_half_life_s=64.24 * HOUR), INJECTED, T_Y90).notices == ()


def test_a_series_time_after_the_acquisition_is_not_believed():
    late = pet(series_start=SCANNED + timedelta(hours=3), header_half_life_s=T_F18)
    factor = decay_to_administration(late, INJECTED, T_Y90).factor
    assert factor == pytest.approx(2 ** (20 / 64.1), rel=1e-9)


@pytest.mark.parametrize(
    ("facts", "tag"),
    [
        ({"decay_reference": None}, "DecayCorrection"),
        ({"acquisition_start": None}, "AcquisitionTime"),
        ({"series_start": None}, "SeriesTime"),
        (
            {"decay_reference": DecayReference.ADMIN, "administration_time": None},
            "RadiopharmaceuticalStartDateTime",
        ),
    ],
)
def test_missing_times_are_named(facts, tag):
    with pytest.raises(InputError) as caught:
        decay_to_administration(pet(**facts), INJECTED, T_Y90)
    assert caught.value.tag == tag


def test_absolute_calibration_needs_activity():
    image = EmissionImage(CountMap(np.ones(GRID.shape), GRID), "NM")
    with pytest.raises(InputError, match="holds counts"):
        calibrate_absolute(image, DecayCorrection(1, 1, 1, 1))
    assert calibrate_absolute(pet(2.0), DecayCorrection(1.5, 1, 1, 1)).total == pytest.approx(24.0)


def test_camera_factor():
    """1000 counts in 20 s at 10 cps/MBq are 5 MBq during the scan, 24 h after administration."""
    image = EmissionImage(CountMap(np.full(GRID.shape, 125.0), GRID), "NM")
    activity = calibrate_by_factor(image, 10.0, 20.0, 24 * HOUR, T_Y90)
    assert activity.total == pytest.approx(5e6 / 0.77143, rel=1e-3)


@pytest.mark.parametrize(
    ("factor", "duration"), [(0.0, 20.0), (10.0, 0.0), (-1.0, 20.0), (float("nan"), 20.0)]
)
def test_camera_factor_and_duration_must_be_positive(factor, duration):
    image = EmissionImage(CountMap(np.ones(GRID.shape), GRID), "NM")
    with pytest.raises(InputError, match="must be positive"):
        calibrate_by_factor(image, factor, duration, 0.0, T_Y90)


@pytest.mark.parametrize(
    ("hours", "taken"), [(0.5, False), (1.0, True), (20.0, True), (96.0, True), (97.0, False)]
)
def test_header_administration_time_is_plausible_between_1_and_96_hours(hours, taken):
    image = pet(administration_time=SCANNED - timedelta(hours=hours))
    assert (image.plausible_administration_time is not None) is taken


def test_header_administration_time_of_a_surrogate_is_not_the_therapys():
    assert pet(predicted=True).plausible_administration_time is None


def test_a_scan_may_begin_with_the_administration():
    assert elapsed_since_administration(SCANNED, SCANNED) == 0.0
    image = pet(decay_reference=DecayReference.ADMIN, administration_time=SCANNED, header_half_life_s=T_F18)
    assert decay_to_administration(image, SCANNED, T_Y90).decay == 1.0


@pytest.mark.parametrize("header_s", [T_F18, None])
@pytest.mark.parametrize("reference", [DecayReference.START, DecayReference.NONE])
def test_beds_of_other_times_and_frames_are_brought_to_the_first(reference, header_s):
    """Two slices of one activity, the second an hour later in a longer frame, as a scanner of another nuclide stores them."""
    truth, delays, durations = 5e5, (0.0, HOUR), (600.0, 1800.0)

    def mean(half_life_s, duration_s):
        times = (np.arange(20_000) + 0.5) * duration_s / 20_000
        return np.mean(2.0 ** (-times / half_life_s))

    scanner_s = header_s or T_Y90
    values = np.zeros(GRID.shape)
    for k, (delay, duration) in enumerate(zip(delays, durations, strict=True)):
        values[k] = truth * 2.0 ** (-delay / T_Y90) * mean(T_Y90, duration)
        if reference is DecayReference.START:
            values[k] *= 2.0 ** (delay / scanner_s) / mean(scanner_s, duration)
    image = replace(
        pet(decay_reference=reference, header_half_life_s=header_s, frame_duration_s=600.0),
        volume=ActivityMap(values, GRID), slice_delays_s=delays, slice_durations_s=durations,
    )  # fmt: skip
    found = slices_acquired_together(image, T_Y90)
    assert found.volume.array == pytest.approx(np.full(GRID.shape, values[0, 0, 0]), rel=1e-6)
    assert (found.slice_delays_s, found.slice_durations_s) == (None, None)
    whole = decay_to_administration(found, SCANNED, T_Y90)
    assert values[0, 0, 0] * whole.factor == pytest.approx(truth, rel=1e-6)


def test_slices_of_one_time_and_values_of_no_reference_stay_as_they_are():
    one, unknown = pet(), replace(pet(decay_reference=None), slice_delays_s=(0.0, HOUR))
    assert slices_acquired_together(one, T_Y90) is one
    assert slices_acquired_together(unknown, T_Y90) is unknown


def test_a_calibration_by_factor_needs_its_factor_and_no_other_does():
    with pytest.raises(InputError, match="needs the camera factor"):
        Calibration(CalibrationMode.FACTOR)
    assert Calibration(CalibrationMode.FACTOR, factor_cps_per_mbq=10.0).factor_cps_per_mbq == 10.0
    assert Calibration(CalibrationMode.ABSOLUTE).factor_cps_per_mbq is None


def test_a_camera_may_see_less_than_one_count_per_second_in_less_than_one_second():
    """8 counts in 0.5 s at 0.25 cps/MBq: 64 MBq."""
    image = EmissionImage(CountMap(np.ones(GRID.shape), GRID), "NM")
    assert calibrate_by_factor(image, 0.25, 0.5, 0.0, T_Y90).total == pytest.approx(64e6, rel=1e-5)


@pytest.mark.parametrize(("fraction", "believed"), [(0.01, True), (0.0099, False)])
def test_a_nuclide_of_pet_emits_one_positron_in_a_hundred_decays_or_more(fraction, believed):
    image = pet(header_half_life_s=T_F18, header_positron_fraction=fraction)
    if believed:
        found = decay_to_administration(image, INJECTED, T_Y90, 31.86e-6)
        assert found.branching == pytest.approx(0.01 / 31.86e-6)
        return
    with pytest.raises(InputError, match="that of no nuclide in use"):
        decay_to_administration(image, INJECTED, T_Y90, 31.86e-6)
