"""PET: Bq/mL only, every slice with its own slope, decay reference and its instant, contradictions."""

from datetime import UTC, datetime

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.pet import read_pet
from y90voxel.quantification.emission import DecayReference

STORED = np.random.default_rng(0).integers(0, 32000, (5, 6, 7)).astype(np.int16)


def read(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return read_pet(series)


def codes(notices):
    return [f.code for f in notices]


def test_every_slice_is_rescaled_with_its_own_slope(tmp_path):
    slopes = [1.0, 0.209, 8.358, 3.3, 0.7]  # slope 1 first: readers that take the type from it overflow
    datasets = factory.pet(STORED, slopes=slopes)
    image, notices = read(datasets[::-1], tmp_path)
    expected = STORED * np.array(slopes)[:, None, None] * image.grid.voxel_volume_ml
    np.testing.assert_allclose(image.volume.array, expected, rtol=1e-6)
    assert image.volume.total == pytest.approx(expected.sum(), rel=1e-7)
    assert (notices, image.modality) == ((), "PT")


@pytest.mark.parametrize(
    ("units", "why"),
    [
        ("CNTS", "counts without a calibration"),
        ("GML", "standardised uptake value"),
        ("CPS", "count rates"),
        (None, "unstated units"),
        ("MGML", "not an activity concentration"),
    ],
)
def test_units_other_than_bqml_are_refused_with_the_reason(tmp_path, units, why):
    with pytest.raises(DicomError, match=why) as caught:
        read(factory.pet(STORED, Units=units), tmp_path)
    assert caught.value.tag == "Units"


def test_one_slice_in_other_units_is_refused(tmp_path):
    datasets = factory.pet(STORED)
    datasets[3].Units = "CNTS"
    with pytest.raises(DicomError, match="CNTS") as caught:
        read(datasets, tmp_path)
    assert caught.value.file == "file0003"


ACQUIRED, GIVEN = datetime(2024, 3, 12, 10), datetime(2024, 3, 12, 8)


@pytest.mark.parametrize(("reference", "instant"), [("START", ACQUIRED), ("ADMIN", GIVEN), ("NONE", None)])
def test_the_decay_reference_and_its_instant_are_kept(tmp_path, reference, instant):
    changes = {"CorrectedImage": ["ATTN"]} if reference == "NONE" else {}
    image, notices = read(factory.pet(STORED, DecayCorrection=reference, **changes), tmp_path)
    assert image.decay_reference is DecayReference(reference)
    assert image.volume.reference_time == instant
    assert (image.acquisition_start, image.series_start, image.administration_time) == (
        ACQUIRED,
        ACQUIRED,
        GIVEN,
    )
    assert (image.frame_duration_s, image.header_half_life_s) == (900.0, 230760.0)
    assert image.header_positron_fraction == pytest.approx(3.19e-5)
    assert (image.imaged_nuclide, image.predicted) == ("Y-90", False)
    assert notices == ()


@pytest.mark.parametrize("stated", [None, "MAYBE"])
def test_an_unknown_decay_reference_is_refused(tmp_path, stated):
    with pytest.raises(DicomError, match="ADMIN, START or NONE are defined"):
        read(factory.pet(STORED, DecayCorrection=stated), tmp_path)


def test_the_earliest_slice_starts_the_acquisition_but_start_means_the_series(tmp_path):
    datasets = factory.pet(STORED, SeriesTime="095000")
    for index, dataset in enumerate(datasets):
        dataset.AcquisitionTime = f"10{20 - 4 * index:02d}00"
    image, _ = read(datasets, tmp_path)
    assert image.acquisition_start == datetime(2024, 3, 12, 10, 4)
    assert image.volume.reference_time == image.series_start == datetime(2024, 3, 12, 9, 50)


def test_a_derived_series_starts_with_its_earliest_acquisition(tmp_path):
    image, notices = read(factory.pet(STORED, SeriesTime="153000"), tmp_path)
    assert image.series_start == ACQUIRED
    assert codes(notices) == ["series-later-than-acquisition"]


def test_derived_values_are_reported(tmp_path):
    _, notices = read(factory.pet(STORED, ImageType=["DERIVED", "PRIMARY"]), tmp_path / "derived")
    assert codes(notices) == ["derived-emission"]
    _, notices = read(factory.pet(STORED, ImageType=["ORIGINAL", "DERIVED"]), tmp_path / "original")
    assert notices == ()


def drug(**changes):
    return factory.radiopharmaceutical(RadiopharmaceuticalStartDateTime=None, **changes)


def test_a_start_time_without_date_is_taken_on_the_day_of_the_series(tmp_path):
    items = drug(RadiopharmaceuticalStartTime="073000")
    image, notices = read(factory.pet(STORED, RadiopharmaceuticalInformationSequence=items), tmp_path)
    assert image.administration_time == datetime(2024, 3, 12, 7, 30)
    assert codes(notices) == ["administration-day-assumed"]
    assert image.administration_day_assumed


def test_a_start_time_without_date_is_taken_on_the_day_of_the_acquisition_where_the_series_has_none(tmp_path):
    items = drug(RadiopharmaceuticalStartTime="073000")
    series = factory.pet(
        STORED, SeriesDate=None, SeriesTime=None, RadiopharmaceuticalInformationSequence=items
    )
    image, _ = read(series, tmp_path)
    assert image.administration_time == datetime(2024, 3, 12, 7, 30)
    assert image.series_start == datetime(2024, 3, 12, 10)
    dated, _ = read(factory.pet(STORED), tmp_path / "dated")
    assert not dated.administration_day_assumed


def test_a_start_time_after_the_series_is_taken_on_the_day_before(tmp_path):
    items = drug(RadiopharmaceuticalStartTime="163000")
    image, notices = read(factory.pet(STORED, RadiopharmaceuticalInformationSequence=items), tmp_path)
    assert image.administration_time == datetime(2024, 3, 11, 16, 30)
    assert "day before" in notices[0].message


def test_without_any_start_time_the_administration_is_unknown(tmp_path):
    image, _ = read(factory.pet(STORED, RadiopharmaceuticalInformationSequence=drug()), tmp_path)
    assert image.administration_time is None


def test_times_are_aware_where_the_header_gives_the_offset(tmp_path):
    image, _ = read(factory.pet(STORED, TimezoneOffsetFromUTC="+0100"), tmp_path)
    assert image.acquisition_start == datetime(2024, 3, 12, 9, tzinfo=UTC)
    assert image.administration_time == datetime(2024, 3, 12, 7, tzinfo=UTC)


def test_admin_with_a_decay_factor_of_one_is_reported_as_contradictory(tmp_path):
    _, notices = read(factory.pet(STORED, DecayCorrection="ADMIN", DecayFactor="1"), tmp_path)
    assert codes(notices) == ["contradictory-decay"]
    assert f"would make it {2 ** (7200 / 230760):.4f}" in notices[0].message


def test_admin_with_the_right_decay_factor_is_accepted(tmp_path):
    factor = f"{2 ** (7200 / 230760):.6f}"
    assert read(factory.pet(STORED, DecayCorrection="ADMIN", DecayFactor=factor), tmp_path)[1] == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"AcquisitionTime": None},
        {"RadiopharmaceuticalInformationSequence": factory.radiopharmaceutical(RadionuclideHalfLife=None)},
        {
            "RadiopharmaceuticalInformationSequence": factory.radiopharmaceutical(
                RadiopharmaceuticalStartDateTime="20240312080000+0100"
            )
        },
    ],
)
def test_a_decay_factor_is_not_judged_without_the_times(tmp_path, changes):
    datasets = factory.pet(STORED, DecayCorrection="ADMIN", DecayFactor="1", **changes)
    assert codes(read(datasets, tmp_path)[1]) == []


@pytest.mark.parametrize("changes", [{}, {"CorrectedImage": ["ATTN"], "DecayFactor": "1.02"}])
def test_none_with_signs_of_correction_is_reported_as_contradictory(tmp_path, changes):
    _, notices = read(factory.pet(STORED, DecayCorrection="NONE", **changes), tmp_path)
    assert codes(notices) == ["contradictory-decay"]


def test_enhanced_multiframe_pet_is_read_like_a_classic_one(tmp_path):
    image, _ = read(factory.enhanced_pet(STORED), tmp_path)
    expected = STORED * 1.5 * image.grid.voxel_volume_ml
    np.testing.assert_allclose(image.volume.array, expected, rtol=1e-6)
    assert image.frame_duration_s == 600.0


def test_enhanced_pet_mapped_to_another_unit_is_refused(tmp_path):
    with pytest.raises(DicomError, match="G/ML"):
        read(factory.enhanced_pet(STORED, unit="g/ml"), tmp_path)


def test_enhanced_pet_that_is_not_decay_corrected_refers_to_the_frame(tmp_path):
    dataset = factory.enhanced_pet(STORED)
    del dataset.DecayCorrection
    dataset.DecayCorrected = "NO"
    assert read(dataset, tmp_path)[0].decay_reference is DecayReference.NONE


def enhanced(**attributes):
    """An enhanced PET as the standard has it: no DecayCorrection, but the instant itself."""
    stated = {"DecayCorrection": None, "DecayCorrected": "YES", "AcquisitionDateTime": "20240312100000"}
    return factory.enhanced_pet(STORED, **{**stated, **attributes})


@pytest.mark.parametrize(
    ("instant", "reference"),
    [("20240312100000", "START"), ("20240312095000", "START"), ("20240312080030", "ADMIN")],
)
def test_the_decay_instant_of_enhanced_pet_tells_its_reference(tmp_path, instant, reference):
    image, _ = read(enhanced(DecayCorrectionDateTime=instant), tmp_path)
    assert image.decay_reference is DecayReference(reference)
    started = (
        datetime(2024, 3, 12, 10) if reference == "ADMIN" else datetime.strptime(instant, "%Y%m%d%H%M%S")
    )
    assert image.series_start == started


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({}, "DecayCorrected is YES and DecayCorrectionDateTime missing"),
        ({"DecayCorrected": None, "DecayCorrectionDateTime": "20240312100000"}, "DecayCorrected is missing"),
        ({"DecayCorrectionDateTime": "20240312060000"}, "neither the acquisition .* nor the administration"),
        ({"DecayCorrectionDateTime": "20240312100000+0100"}, "neither the acquisition"),
        ({"AttenuationCorrected": "NO"}, "not corrected for attenuation .AttenuationCorrected is NO"),
    ],
)
def test_enhanced_pet_without_a_known_decay_instant_or_attenuation_is_refused(tmp_path, attributes, why):
    with pytest.raises(DicomError, match=why):
        read(enhanced(**attributes), tmp_path)


def test_an_administration_without_an_hour_is_not_taken_as_midnight(tmp_path):
    items = factory.radiopharmaceutical(RadiopharmaceuticalStartDateTime="20240311")
    image, notices = read(factory.pet(STORED, RadiopharmaceuticalInformationSequence=items), tmp_path)
    assert image.administration_time is None
    assert codes(notices) == ["administration-hour-missing"]


def test_the_date_of_one_attribute_and_the_time_of_the_other_make_an_instant(tmp_path):
    items = factory.radiopharmaceutical(
        RadiopharmaceuticalStartDateTime="20240310", RadiopharmaceuticalStartTime="163000"
    )
    image, notices = read(factory.pet(STORED, RadiopharmaceuticalInformationSequence=items), tmp_path)
    assert image.administration_time == datetime(2024, 3, 10, 16, 30)
    assert codes(notices) == []


@pytest.mark.parametrize("life", ["64.1", "3846", "2.3076e8"])
def test_a_half_life_in_another_unit_is_refused(tmp_path, life):
    items = factory.radiopharmaceutical(RadionuclideHalfLife=life)
    with pytest.raises(DicomError, match="half-life of no nuclide in use; Y-90 has 230760 s"):
        read(factory.pet(STORED, RadiopharmaceuticalInformationSequence=items), tmp_path)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"CorrectedImage": ["DECY", "SCAT"]}, "not corrected for attenuation"),
        ({"SeriesType": ["WHOLE BODY", "REPROJECTION"]}, "is a reprojection"),
    ],
)
def test_what_is_no_corrected_volume_is_refused(tmp_path, attributes, why):
    with pytest.raises(DicomError, match=why):
        read(factory.pet(STORED, **attributes), tmp_path)


@pytest.mark.parametrize("kind", ["GATED", "DYNAMIC"])
def test_one_phase_of_several_is_reported(tmp_path, kind):
    image, notices = read(factory.pet(STORED, SeriesType=[kind, "IMAGE"]), tmp_path)
    assert codes(notices) == ["one-phase"]
    assert image.gate == ("SeriesType GATED, IMAGE" if kind == "GATED" else None)


@pytest.mark.parametrize("reference", ["START", "ADMIN"])
def test_a_decay_reference_without_decay_correction_is_reported(tmp_path, reference):
    datasets = factory.pet(STORED, DecayCorrection=reference, CorrectedImage=["ATTN", "SCAT"])
    notices = read(datasets, tmp_path)[1]
    assert codes(notices) == ["contradictory-decay"]
    assert "does not list DECY" in notices[0].message


def test_uncorrected_beds_of_different_times_are_reported(tmp_path):
    datasets = factory.pet(STORED, DecayCorrection="NONE", CorrectedImage=["ATTN"])
    datasets[-1].AcquisitionTime = "102000"
    notices = read(datasets, tmp_path)[1]
    assert codes(notices) == ["several-acquisition-times"]
    assert "over 20.0 min" in notices[0].message


def mapping(slope, intercept=0.0, unit="Bq/ml"):
    codes_ = Sequence([factory.code(unit, "UCUM", unit)])
    return Sequence(
        [
            factory.item(
                RealWorldValueSlope=slope,
                RealWorldValueIntercept=intercept,
                MeasurementUnitsCodeSequence=codes_,
            )
        ]
    )


@pytest.mark.parametrize("wrong", [mapping(3.0), mapping(1.0, 5.0)])
def test_two_different_rescalings_to_activity_are_refused(tmp_path, wrong):
    with pytest.raises(DicomError, match="rescaled to Bq/mL in two ways: RescaleSlope 1 "):
        read(factory.pet(STORED, RealWorldValueMappingSequence=wrong), tmp_path)


@pytest.mark.parametrize("right", [mapping(1.0), mapping(0.001, unit="g/ml{SUVbw}")])
def test_a_mapping_that_agrees_or_has_another_unit_changes_nothing(tmp_path, right):
    image, _ = read(factory.pet(STORED, RealWorldValueMappingSequence=right), tmp_path)
    np.testing.assert_allclose(image.volume.array, STORED * image.grid.voxel_volume_ml, rtol=1e-6)


def test_two_different_rescalings_of_enhanced_frames_are_refused(tmp_path):
    dataset = factory.enhanced_pet(STORED)
    dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = mapping(4.5)
    with pytest.raises(DicomError, match=r"RescaleSlope 1\.5 .* RealWorldValueSlope 4\.5"):
        read(dataset, tmp_path)


def test_a_series_that_starts_long_before_its_acquisition_is_refused(tmp_path):
    with pytest.raises(DicomError, match=r"2023-01-01 10:00:00, but the acquisition began at 2024-03-12"):
        read(factory.pet(STORED, SeriesDate="20230101"), tmp_path)
    image, _ = read(factory.pet(STORED, SeriesDate="20230101", DecayCorrection="ADMIN"), tmp_path / "admin")
    assert image.decay_reference is DecayReference.ADMIN


@pytest.mark.parametrize(("durations", "least"), [(["-900000"] * 5, -900000), (["0"] * 4 + ["-2000"], -2000)])
def test_a_frame_of_less_than_no_time_is_refused(tmp_path, durations, least):
    datasets = factory.pet(STORED)
    for dataset, duration in zip(datasets, durations, strict=True):
        dataset.ActualFrameDuration = duration
    with pytest.raises(DicomError, match=f"PET series is {least} ms; no frame is shorter than 0") as caught:
        read(datasets, tmp_path)
    assert caught.value.tag == "ActualFrameDuration"


@pytest.mark.parametrize(("stated", "seconds"), [("0", 0.0), ("1", 0.001), ("900000", 900.0), (None, None)])
def test_a_frame_has_the_duration_of_its_header(tmp_path, stated, seconds):
    assert read(factory.pet(STORED, ActualFrameDuration=stated), tmp_path)[0].frame_duration_s == seconds
