"""Slices of one series that contradict each other or their order are refused by name."""

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.ct import plan_stack
from y90voxel.io.dicom.index import index_study

STORED = np.random.default_rng(0).integers(0, 2000, (12, 6, 7)).astype(np.uint16)


def plan(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return plan_stack(series)


def drug(**changes):
    return {"RadiopharmaceuticalInformationSequence": factory.radiopharmaceutical(**changes)}


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"FrameOfReferenceUID": "1.2.3"}, "FrameOfReferenceUID"),
        ({"PixelRepresentation": 1}, "PixelRepresentation"),
        ({"DecayCorrection": "ADMIN"}, "DecayCorrection"),
        ({"Units": "CNTS"}, "Units"),
        ({"SeriesTime": "110000"}, "SeriesTime"),
        ({"CorrectedImage": ["ATTN"]}, "CorrectedImage"),
        ({"RadiopharmaceuticalInformationSequence": None}, "RadiopharmaceuticalStartDateTime"),
        (drug(RadionuclideHalfLife="6586"), "RadionuclideHalfLife"),
        (drug(nuclide_code="77004003"), "RadionuclideCodeSequence"),
    ],
)
def test_a_slice_that_contradicts_the_others_is_refused(tmp_path, changes, tag):
    slices = factory.pet(STORED)
    factory.change(slices[7], **changes)
    with pytest.raises(
        DicomError, match=f"contradict each other: {tag} is .* in file0000, .* in file0007"
    ) as caught:
        plan(slices, tmp_path)
    assert (caught.value.file, caught.value.tag) == ("file0007", tag)


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (factory.ct, {"RescaleIntercept": None}, "file0004 lacks RescaleSlope or RescaleIntercept"),
        (factory.ct, {"RescaleSlope": None}, "file0004 lacks RescaleSlope or RescaleIntercept"),
        (factory.ct, {"RescaleSlope": "0"}, "RescaleSlope of file0004 is 0; it must be other than 0"),
        (
            factory.ct,
            {"RescaleIntercept": "-1000"},
            "RescaleIntercept is -1024 in file0000, -1000 in file0004",
        ),
        (factory.pet, {"RescaleSlope": "-2"}, "RescaleSlope of file0004 is -2; it must be positive"),
        (
            factory.pet,
            {"RescaleIntercept": "5"},
            "RescaleIntercept of file0004 is 5; in PET images it is always 0",
        ),
    ],
)
def test_values_whose_meaning_is_not_stated_are_refused(tmp_path, make, changes, message):
    slices = make(STORED)
    factory.change(slices[4], **changes)
    with pytest.raises(DicomError, match=message):
        plan(slices, tmp_path)


@pytest.mark.parametrize("missing", ["RescaleSlope", "RescaleIntercept"])
def test_what_is_missing_of_a_rescaling_is_named(tmp_path, missing):
    slices = factory.ct(STORED)
    factory.change(slices[4], **{missing: None})
    with pytest.raises(DicomError) as caught:
        plan(slices, tmp_path)
    assert caught.value.tag == missing


def test_two_slices_in_each_others_place_are_refused(tmp_path):
    slices = factory.pet(STORED)
    one, other = slices[3].ImagePositionPatient, slices[8].ImagePositionPatient
    slices[3].ImagePositionPatient, slices[8].ImagePositionPatient = other, one
    with pytest.raises(
        DicomError, match=r"has InstanceNumber \d+, which contradicts its ImagePositionPatient"
    ) as caught:
        plan(slices, tmp_path)
    assert caught.value.tag == "InstanceNumber"


@pytest.mark.parametrize(
    "numbers",
    [
        range(12, 0, -1), [1] * 12, [5, 1, 9, 3, 12, 2, 8, 4, 11, 6, 10, 7], ["x"] * 12,
        [1, 2, 3, 12, 5, 6, 7, 8, 9, 10, 11, "x"],
    ],
)  # fmt: skip
def test_numbers_that_fall_or_follow_no_order_decide_nothing(tmp_path, numbers):
    slices = factory.ct(STORED)
    for dataset, number in zip(slices, numbers, strict=True):
        dataset.add_new("InstanceNumber", "LO", str(number))
    stack, notices = plan(slices, tmp_path)
    assert [f.instance.source.name for f in stack.frames] == [f"file{i:04d}" for i in range(12)]
    assert notices == ()


def test_a_single_pet_slice_is_no_volume(tmp_path):
    with pytest.raises(DicomError, match="file0000 is a single slice"):
        plan(factory.pet(STORED[:1]), tmp_path)


def test_fewer_slices_than_stated_are_said(tmp_path):
    _, notices = plan(factory.pet(STORED, NumberOfSlices=15), tmp_path)
    assert [(f.code, f.tag) for f in notices] == [("slices-missing", "NumberOfSlices")]
    assert "NumberOfSlices is 15, but there are 12 slices" in notices[0].message


@pytest.mark.parametrize("stated", [11, 12])
def test_as_many_slices_as_stated_and_more_are_not_said(tmp_path, stated):
    assert plan(factory.pet(STORED, NumberOfSlices=stated), tmp_path)[1] == ()


def test_slices_that_make_an_absurd_volume_are_refused(tmp_path, monkeypatch):
    from y90voxel.io.dicom import uniform

    monkeypatch.setattr(uniform, "MOST_VOXELS", 504)  # 12 x 6 x 7
    plan(factory.ct(STORED), tmp_path)
    monkeypatch.setattr(uniform, "MOST_VOXELS", 503)
    with pytest.raises(DicomError, match="the series claims 12 slices of 6 x 7 pixels"):
        plan(factory.ct(STORED), tmp_path)


def test_files_of_two_patients_in_one_series_are_refused(tmp_path):
    slices = factory.ct(STORED)
    slices[5].PatientID = "another"
    with pytest.raises(
        DicomError, match="file0000 and file0005 are files of one series, but name different patients"
    ):
        plan(slices, tmp_path)


def test_a_class_that_dicom_does_not_define_is_refused_where_it_may_be_needed(tmp_path):
    factory.save(factory.header("1.2.840.10008.5.1.4.1.1.2222", "CT", "ct", "0"), tmp_path / "0")
    factory.save(factory.header("1.2.840.10008.5.1.4.1.1.2222", "XX", "xx", "0"), tmp_path / "1")
    index = index_study(tmp_path)
    assert [f.tag for f in index.notices] == ["SOPClassUID"]
    assert "is not defined in DICOM" in index.notices[0].message
    assert [s.modality for s in index.series] == ["XX"]


def test_two_classes_for_one_object_are_refused(tmp_path):
    dataset = factory.ct(STORED[:1])[0]
    path = factory.save(dataset, tmp_path)[0]
    content = path.read_bytes()
    place = content.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(content[:place] + content[place:].replace(b"1.1.2\0", b"1.1.4\0", 1))
    (notice,) = index_study(tmp_path).notices
    assert "is SOP class 1.2.840.10008.5.1.4.1.1.4 by its data set, but" in notice.message
