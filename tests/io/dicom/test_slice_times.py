"""PET of several bed positions: each slice decays from its own acquisition, whichever attribute tells when that was."""

from datetime import datetime, timedelta

import dicom_factory as dicom
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.quantification.calibration import (
    calibrate_absolute,
    decay_to_administration,
    slices_acquired_together,
)

F18_S, Y90_S, F18_BRANCHING, Y90_BRANCHING = 6586.2, 230760.0, 0.967, 31.86e-6
FRAME_S, BED_S, SERIES = 1200.0, 1200.0, datetime(2024, 3, 12, 10)
TRUE_BQ_PER_ML = 1e6  # at 8:00


def in_frame(half_life_s, seconds=FRAME_S):
    x = np.log(2) * seconds / half_life_s
    return x / -np.expm1(-x)


def beds(reference="START", says=("AcquisitionTime", "DecayFactor"), count=2, each=4, edit=None):
    """Slices of several beds that hold one Y-90 concentration, as a scanner set to F-18 stores them."""
    made = []
    for index in range(count * each):
        delay = (index // each) * BED_S
        start = SERIES + timedelta(seconds=delay)
        mean = TRUE_BQ_PER_ML * 2.0 ** (-(7200 + delay) / Y90_S) / in_frame(Y90_S)
        corrected_s = delay + (7200 if reference == "ADMIN" else 0)
        factor = 1.0 if reference == "NONE" else 2.0 ** (corrected_s / F18_S) * in_frame(F18_S)
        value = mean * Y90_BRANCHING / F18_BRANCHING * factor
        facts = {"AcquisitionTime": "100000", "ActualFrameDuration": str(int(FRAME_S * 1000))}
        if "AcquisitionTime" in says:
            facts["AcquisitionTime"] = start.strftime("%H%M%S")
        if "DecayFactor" in says:
            facts["DecayFactor"] = f"{factor:.6f}"
        if "FrameReferenceTime" in says:
            facts["FrameReferenceTime"] = f"{(delay + 590) * 1000:.0f}"
        made.append((value, facts))
    drug = dicom.radiopharmaceutical(
        "77004003", "^18^Fluorine", RadionuclideHalfLife=str(F18_S), RadionuclidePositronFraction="0.967"
    )
    corrected = ["ATTN", "SCAT"] if reference == "NONE" else ["DECY", "ATTN", "SCAT"]
    slices = dicom.pet(
        np.full((len(made), 3, 3), 1000, np.uint16), slopes=[value / 1000 for value, _ in made],
        DecayCorrection=reference, CorrectedImage=corrected, RadiopharmaceuticalInformationSequence=drug,
    )  # fmt: skip
    for index, (ds, (_, facts)) in enumerate(zip(slices, made, strict=True)):
        dicom.change(ds, **facts)
        if edit is not None:
            edit(index, ds)
    return slices


def read(folder, slices):
    for index, ds in enumerate(slices):
        ds.save_as(folder / f"{index}.dcm", enforce_file_format=True)
    study = DicomStudy.open(folder)
    return study, study.emission()


def concentration(image):
    """Y-90 at the administration, slice by slice [Bq/mL]."""
    image = slices_acquired_together(image, Y90_S)
    correction = decay_to_administration(image, datetime(2024, 3, 12, 8), Y90_S, Y90_BRANCHING)
    activity = calibrate_absolute(image, correction)
    return activity.array.mean(axis=(1, 2)) / image.grid.voxel_volume_ml


@pytest.mark.parametrize("reference", ["START", "ADMIN", "NONE"])
@pytest.mark.parametrize(
    "says",
    [
        ("AcquisitionTime", "DecayFactor"),
        ("AcquisitionTime",),
        ("DecayFactor",),
        ("FrameReferenceTime",),
        ("AcquisitionTime", "FrameReferenceTime", "DecayFactor"),
    ],
)
def test_every_bed_gets_its_own_decay(tmp_path, reference, says):
    if reference == "NONE" and says == ("DecayFactor",):
        return  # without correction there is no factor to tell the time by
    study, image = read(tmp_path, beds(reference, says))
    np.testing.assert_allclose(concentration(image), TRUE_BQ_PER_ML, rtol=2e-4)
    assert "several-acquisition-times" in {notice.code for notice in study.warnings}


def test_nine_beds_are_one_concentration(tmp_path):
    _, image = read(tmp_path, beds(count=9, each=3))
    np.testing.assert_allclose(concentration(image), TRUE_BQ_PER_ML, rtol=2e-4)


def test_frames_of_different_lengths_keep_one_concentration(tmp_path):
    long = 3000.0

    def edit(index, ds):
        if index >= 4:
            ds.ActualFrameDuration = str(int(long * 1000))
            scale = in_frame(F18_S, long) / in_frame(F18_S) * in_frame(Y90_S) / in_frame(Y90_S, long)
            ds.RescaleSlope = f"{float(ds.RescaleSlope) * scale:.9g}"

    _, image = read(tmp_path, beds(says=("AcquisitionTime",), edit=edit))
    np.testing.assert_allclose(concentration(image), TRUE_BQ_PER_ML, rtol=2e-4)


def test_a_decay_factor_that_contradicts_the_acquisition_time_is_refused(tmp_path):
    def edit(index, ds):
        ds.DecayFactor = "1"

    with pytest.raises(DicomError, match=r"AcquisitionTime of .* 20\.0 min .*, DecayFactor 0\.0 min"):
        read(tmp_path, beds(edit=edit))


def test_a_decay_factor_that_rises_by_hours_without_any_time_is_refused(tmp_path):
    def edit(index, ds):
        ds.DecayFactor = f"{1 + 0.3 * index:.3f}"
        ds.RadiopharmaceuticalInformationSequence = dicom.radiopharmaceutical()

    with pytest.raises(DicomError, match=r"DecayFactor of .* means that it was acquired"):
        read(tmp_path, beds(says=(), edit=edit))


def test_one_slice_that_claims_another_time_than_its_bed_is_refused(tmp_path):
    def edit(index, ds):
        if index == 2:
            ds.AcquisitionTime = "104500"

    with pytest.raises(DicomError, match=r"45\.0 min from the slices on both sides"):
        read(tmp_path, beds(says=("AcquisitionTime",), edit=edit))


def over_midnight(advanced, hour=0):
    def edit(index, ds):
        ds.SeriesTime = "235000"
        ds.AcquisitionTime = "235000" if index < 4 else f"{hour:02d}0500"
        ds.AcquisitionDate = "20240313" if advanced and index >= 4 else "20240312"
        ds.DecayFactor = "1"
        ds.RadiopharmaceuticalInformationSequence = dicom.radiopharmaceutical()

    return edit


@pytest.mark.parametrize("advanced", [True, False])
def test_a_scan_over_midnight_begins_in_the_evening(tmp_path, advanced):
    study, image = read(tmp_path, beds(says=(), edit=over_midnight(advanced)))
    assert image.acquisition_start == image.series_start == datetime(2024, 3, 12, 23, 50)
    assert max(image.slice_delays_s) == 900.0
    codes = {notice.code for notice in study.warnings}
    assert ("acquisition-over-midnight" in codes) is not advanced
    assert "series-later-than-acquisition" not in codes


def test_a_scan_dated_to_the_morning_before_its_study_began_is_moved_behind_midnight(tmp_path):
    def edit(index, ds):
        ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime = "234000", "235500", "000500"

    study, image = read(tmp_path, beds(says=(), edit=edit))
    assert image.acquisition_start == datetime(2024, 3, 13, 0, 5)
    assert image.series_start == datetime(2024, 3, 12, 23, 55)
    assert "acquisition-over-midnight" in {notice.code for notice in study.warnings}


@pytest.mark.parametrize(
    ("begun", "second", "over_midnight"), [("100000", "215900", False), ("220000", "220100", True)]
)
def test_slices_more_than_12_hours_apart_on_one_day_are_a_scan_over_midnight(
    tmp_path, begun, second, over_midnight
):
    def edit(index, ds):
        ds.SeriesTime = begun
        ds.AcquisitionTime = "100000" if index < 4 else second
        ds.RadiopharmaceuticalInformationSequence = dicom.radiopharmaceutical()

    study, image = read(tmp_path, beds(says=(), edit=edit))
    assert ("acquisition-over-midnight" in {notice.code for notice in study.warnings}) is over_midnight
    assert max(image.slice_delays_s) == 12 * 3600 - 60  # from either side


def test_slices_half_a_day_apart_are_refused(tmp_path):
    def edit(index, ds):
        ds.AcquisitionDate = "20240312" if index < 4 else "20240315"
        ds.RadiopharmaceuticalInformationSequence = dicom.radiopharmaceutical()

    with pytest.raises(DicomError, match=r"72\.0 h apart"):
        read(tmp_path, beds(says=(), edit=edit))


def test_a_zone_in_one_of_two_times_of_a_header_is_that_of_both(tmp_path):
    def edit(index, ds):
        ds.AcquisitionDateTime = "20240312100000+0100"

    _, image = read(tmp_path, beds(says=(), edit=edit))
    assert image.series_start == image.acquisition_start
