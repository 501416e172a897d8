"""SPECT volumes: signed spacing, where geometry may stand, slice order, scaling, what the header tells."""

from datetime import datetime

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import oblique_affine
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.nm import read_nm
from y90voxel.quantification.emission import DecayReference
from y90voxel.volumes.volume import ActivityMap, CountMap

STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.int16)


def read(dataset, folder):
    factory.save(dataset, folder)
    (series,) = index_study(folder).series
    return read_nm(series)


def codes(notices):
    return [f.code for f in notices]


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_frames_step_along_the_signed_spacing(tmp_path, signs):
    affine = oblique_affine((4, 3, 2), (10, 20, 30), (0.1, 0.2, -0.3), signs)
    image, notices = read(factory.nm(STORED, affine), tmp_path)
    np.testing.assert_allclose(image.grid.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(image.volume.array, STORED)
    assert isinstance(image.volume, CountMap)
    assert notices == ()


def test_geometry_at_the_top_level_is_found(tmp_path):
    dataset = factory.nm(STORED)
    inner = dataset.DetectorInformationSequence[0]
    dataset.ImagePositionPatient = inner.ImagePositionPatient
    dataset.ImageOrientationPatient = inner.ImageOrientationPatient
    dataset.DetectorInformationSequence = Sequence([factory.item(CollimatorType="PARA")])
    image, _ = read(dataset, tmp_path)
    np.testing.assert_allclose(image.grid.affine, factory.AXIAL, atol=1e-9)


def test_slice_thickness_stands_in_for_missing_spacing_with_a_warning(tmp_path):
    image, notices = read(factory.nm(STORED, SpacingBetweenSlices=None, SliceThickness="4.5"), tmp_path)
    assert image.grid.affine[2, 0] == 4.5
    assert codes(notices) == ["spacing-from-thickness"]


def test_spacing_that_makes_cubes_wins_over_a_different_thickness(tmp_path):
    cubes = np.array([[0, 0, 4.0, 0], [0, 4.0, 0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]])
    image, notices = read(factory.nm(STORED, cubes, SliceThickness="9"), tmp_path)
    assert image.grid.spacing_mm[0] == pytest.approx(4.0)
    assert codes(notices) == ["thickness-differs"]


def test_frames_are_ordered_by_slice_vector(tmp_path):
    order = [2, 0, 4, 1, 3]
    dataset = factory.nm(STORED[order], SliceVector=[i + 1 for i in order])
    image, notices = read(dataset, tmp_path)
    np.testing.assert_array_equal(image.volume.array, STORED)
    assert codes(notices) == ["frames-reordered"]


def test_frames_without_slice_vector_keep_their_order(tmp_path):
    image, _ = read(factory.nm(STORED, SliceVector=None), tmp_path)
    np.testing.assert_array_equal(image.volume.array, STORED)


def test_rescaling_is_applied(tmp_path):
    image, _ = read(factory.nm(STORED, RescaleSlope="0.25", RescaleIntercept="3"), tmp_path)
    np.testing.assert_allclose(image.volume.array, STORED * 0.25 + 3)


def mapping(unit, slope=2.0, intercept=0.0):
    return Sequence(
        [
            factory.item(
                RealWorldValueSlope=slope,
                RealWorldValueIntercept=intercept,
                MeasurementUnitsCodeSequence=Sequence([factory.code(unit, "UCUM", unit)]),
            )
        ]
    )


@pytest.mark.parametrize(("unit", "factor"), [("Bq/ml", 1.0), ("kBq/ml", 1e3), ("MBq/mL", 1e6)])
def test_values_mapped_to_activity_concentration_become_activity(tmp_path, unit, factor):
    image, _ = read(factory.nm(STORED, RealWorldValueMappingSequence=mapping(unit)), tmp_path)
    assert isinstance(image.volume, ActivityMap)
    expected = STORED * 2.0 * factor * image.grid.voxel_volume_ml
    np.testing.assert_allclose(image.volume.array, expected, rtol=1e-6)


def test_units_bqml_become_activity_at_their_decay_reference(tmp_path):
    image, _ = read(factory.nm(STORED, Units="BQML", DecayCorrection="START"), tmp_path)
    assert isinstance(image.volume, ActivityMap)
    assert image.decay_reference is DecayReference.START
    assert image.volume.reference_time == datetime(2024, 3, 12, 10)


def test_values_mapped_to_counts_stay_counts(tmp_path):
    image, notices = read(factory.nm(STORED, RealWorldValueMappingSequence=mapping("{counts}")), tmp_path)
    np.testing.assert_allclose(image.volume.array, STORED * 2.0)
    assert notices == ()


def test_a_mapping_to_another_unit_is_ignored_with_a_warning(tmp_path):
    image, notices = read(factory.nm(STORED, RealWorldValueMappingSequence=mapping("g/ml")), tmp_path)
    np.testing.assert_array_equal(image.volume.array, STORED)
    assert codes(notices) == ["mapping-ignored"]


def test_negative_counts_are_kept_and_reported(tmp_path):
    stored = STORED.copy()
    stored[1, 2, 3] = -2
    image, notices = read(factory.nm(stored), tmp_path)
    assert image.volume.array[1, 2, 3] == -2
    assert codes(notices) == ["negative-counts"]
    assert "1 voxels are negative, down to -2" in notices[0].message


def test_the_header_tells_nuclide_times_and_duration(tmp_path):
    image, _ = read(factory.nm(STORED), tmp_path)
    assert (image.imaged_nuclide, image.predicted, image.modality) == ("Tc-99m", True, "NM")
    assert image.acquisition_start == image.series_start == datetime(2024, 3, 12, 10)
    assert image.frame_duration_s == pytest.approx(1200.0)


@pytest.mark.parametrize("rotation", [None, Sequence([factory.item(ActualFrameDuration="20000")])])
def test_an_unstated_duration_is_none_or_the_headers(tmp_path, rotation):
    dataset = factory.nm(STORED, RotationInformationSequence=rotation)
    image, _ = read(dataset, tmp_path)
    assert image.frame_duration_s is None


def test_the_duration_at_the_top_level_is_found(tmp_path):
    dataset = factory.nm(STORED, RotationInformationSequence=None, ActualFrameDuration="5000")
    assert read(dataset, tmp_path)[0].frame_duration_s == 5.0


def test_the_series_of_a_derived_volume_starts_with_its_acquisition(tmp_path):
    image, _ = read(factory.nm(STORED, SeriesTime="153000"), tmp_path)
    assert image.series_start == datetime(2024, 3, 12, 10)


@pytest.mark.parametrize(("agent", "expected"), [("MAA", []), ("Y-90", ["administration-day-assumed"])])
def test_an_assumed_administration_day_is_said_unless_a_surrogate_was_imaged(tmp_path, agent, expected):
    item = factory.item(Radiopharmaceutical=agent, RadiopharmaceuticalStartTime="080000")
    dataset = factory.nm(STORED, RadiopharmaceuticalInformationSequence=Sequence([item]))
    image, notices = read(factory.change(dataset, EnergyWindowInformationSequence=None), tmp_path)
    assert image.administration_time == datetime(2024, 3, 12, 8)
    assert codes(notices) == expected


def test_an_old_header_with_points_and_colons_is_read(tmp_path):
    from y90voxel.io.dicom.headers import lenient_reading

    with lenient_reading():
        dataset = factory.nm(
            STORED, AcquisitionDate="1993.05.21", AcquisitionTime="10:20:30", SeriesDate=None
        )
        image, _ = read(dataset, tmp_path)
    assert image.acquisition_start == datetime(1993, 5, 21, 10, 20, 30)


@pytest.mark.parametrize(
    ("changes", "message", "tag"),
    [
        (
            {"DetectorInformationSequence": None},
            "has no ImagePositionPatient, neither in DetectorInformationSequence nor at the top level",
            "ImagePositionPatient",
        ),
        (
            {"DetectorInformationSequence": Sequence([factory.item(ImagePositionPatient=["1", "2", "3"])])},
            "has no ImageOrientationPatient",
            "ImageOrientationPatient",
        ),
        (
            {"SpacingBetweenSlices": None, "SliceThickness": None},
            "neither SpacingBetweenSlices",
            "SpacingBetweenSlices",
        ),
        (
            {"SpacingBetweenSlices": "0", "SliceThickness": "0"},
            "neither SpacingBetweenSlices",
            "SpacingBetweenSlices",
        ),
        ({"PixelSpacing": None}, "has no PixelSpacing", "PixelSpacing"),
        ({"PixelSpacing": ["3", "-2"]}, "PixelSpacing of file0000 is 3 x -2 mm; it must be", "PixelSpacing"),
        ({"PixelSpacing": ["3", "2e6"]}, "is 3 x 2e.06 mm; it must be", "PixelSpacing"),
        ({"SpacingBetweenSlices": "-1e-9", "SliceThickness": None}, "is 1e-09 mm", "SpacingBetweenSlices"),
        (
            {"SpacingBetweenSlices": "4", "SliceThickness": "9"},
            "SpacingBetweenSlices of file0000 is 4 mm, SliceThickness 9 mm, and pixels are 3 x 2 mm",
            "SpacingBetweenSlices",
        ),
        ({"SliceVector": [1, 2, 2, 4, 5]}, "should hold each of 1 to 5 once", "SliceVector"),
        ({"SliceVector": [1, 2, 3]}, "should hold each of 1 to 5 once", "SliceVector"),
        ({"NumberOfSlices": 3}, "has 5 frames but NumberOfSlices 3", "NumberOfSlices"),
        ({"SliceVector": None, "NumberOfSlices": 3}, "has 5 frames but NumberOfSlices 3", "NumberOfSlices"),
        ({"EnergyWindowVector": [1, 1, 1, 2, 2]}, "several volumes in one file", "EnergyWindowVector"),
        ({"RescaleSlope": "0"}, "RescaleSlope of file0000 is 0", "RescaleSlope"),
        ({"RescaleSlope": "-1"}, "RescaleSlope of file0000 is -1; it must be positive", "RescaleSlope"),
        ({"AcquisitionDate": "20241399"}, "are not a date and time", "AcquisitionDate"),
    ],
)
def test_volumes_that_cannot_be_placed_are_refused(tmp_path, changes, message, tag):
    with pytest.raises(DicomError, match=message) as caught:
        read(factory.nm(STORED, **changes), tmp_path)
    assert (caught.value.file, caught.value.tag) == ("file0000", tag)


def test_an_image_out_of_reach_of_any_scanner_is_refused(tmp_path):
    affine = oblique_affine((4, 3, 2), (10, 20, 3e5))
    with pytest.raises(DicomError, match="out of reach of any scanner") as caught:
        read(factory.nm(STORED, affine), tmp_path)
    assert caught.value.tag == "ImagePositionPatient"


def test_a_single_slice_is_no_volume(tmp_path):
    with pytest.raises(DicomError, match="file0000 is a single slice"):
        read(factory.nm(STORED[:1]), tmp_path)


def test_two_volumes_under_one_series_are_refused(tmp_path):
    second = factory.nm(STORED, SOPInstanceUID="1.2.3.4")
    with pytest.raises(DicomError, match="holds 2 volumes"):
        read([factory.nm(STORED), second], tmp_path)


def test_conflicting_copies_are_refused(tmp_path):
    with pytest.raises(DicomError, match="different objects under one SOPInstanceUID"):
        read([factory.nm(STORED), factory.nm(STORED + np.int16(1))], tmp_path)


def test_lossy_compression_is_reported(tmp_path):
    _, notices = read(factory.nm(STORED, LossyImageCompression="01"), tmp_path)
    assert codes(notices) == ["lossy-compression"]


def enhanced_nm(affine=factory.AXIAL, **attributes):
    """A volume whose geometry stands in functional groups, as in enhanced CT and PET."""
    dataset = factory.enhanced_ct(STORED, affine, SOPClassUID=factory.NM_CLASS, Modality="NM")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    values = factory.item(RescaleIntercept="0", RescaleSlope="2.5", RescaleType="US")
    dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = Sequence([values])
    return factory.change(dataset, **attributes)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_an_enhanced_volume_lies_where_its_functional_groups_say(tmp_path, signs):
    affine = oblique_affine((4, 3, 2), (10, 20, 30), (0.1, 0.2, -0.3), signs)
    image, _ = read(enhanced_nm(affine), tmp_path)
    flipped = np.sign(np.linalg.det(affine[:3, :3])) != np.sign(np.linalg.det(image.grid.affine[:3, :3]))
    expected = STORED[::-1] if flipped else STORED
    np.testing.assert_allclose(image.volume.array, 2.5 * expected)
    first = (len(STORED) - 1, 0, 0) if flipped else (0, 0, 0)
    np.testing.assert_allclose(image.grid.index_to_lps(first), affine[:3, 3], atol=1e-6)


def test_enhanced_frames_of_different_scale_or_place_are_refused(tmp_path):
    dataset = enhanced_nm()
    other = factory.item(RescaleIntercept="0", RescaleSlope="3", RescaleType="US")
    dataset.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence = Sequence([other])
    with pytest.raises(DicomError, match="frames of file0000 are rescaled differently"):
        read(dataset, tmp_path / "a")
    dataset = enhanced_nm()
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        groups.PlanePositionSequence[0].ImagePositionPatient = [str(2 * index), "0", str(4 * index)]
    with pytest.raises(DicomError, match="do not lie on one regular perpendicular grid"):
        read(dataset, tmp_path / "b")


def ranged(slope, first=None, last=None, unit="Bq/ml", intercept=0.0):
    made = factory.item(
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=intercept,
        MeasurementUnitsCodeSequence=Sequence([factory.code(unit, "UCUM")]),
    )
    if first is not None:
        made.add_new("RealWorldValueFirstValueMapped", "US", first)
        made.add_new("RealWorldValueLastValueMapped", "US", last)
    return made


def test_each_value_is_mapped_by_its_own_range(tmp_path):
    ranges = Sequence([ranged(2.0, 0, 999), ranged(10.0, 1000, 65535, intercept=-8000.0)])
    image, _ = read(factory.nm(STORED, RealWorldValueMappingSequence=ranges), tmp_path)
    expected = np.where(STORED < 1000, 2.0 * STORED, 10.0 * STORED - 8000.0)
    np.testing.assert_allclose(image.volume.array, expected * image.grid.voxel_volume_ml, rtol=1e-6)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([ranged(2.0, 0, 999), ranged(10.0, 1200, 65535)], "lie in none of its 2 real-world value ranges"),
        ([ranged(2.0, 0, 1200), ranged(10.0, 1000, 65535)], "stored values 1000 to 1200 in two ways"),
        ([ranged(2.0), ranged(10.0)], "in two ways: slope 2 and 10"),
    ],
)
def test_ranges_that_overlap_or_leave_values_out_are_refused(tmp_path, ranges, message):
    with pytest.raises(DicomError, match=message):
        read(factory.nm(STORED, RealWorldValueMappingSequence=Sequence(ranges)), tmp_path)
