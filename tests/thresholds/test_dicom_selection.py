"""Which series of a folder are used and which are said to be left out, one case on each side."""

from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, StudyIndex, role_of
from y90voxel.io.dicom.selection import (
    _check_one_study,
    _kind,
    _of_same_patient,
    is_nm,
    raise_unreadable,
    select_series,
)
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.notices import accept, refusal, warn

ZEROS = np.zeros((2, 3, 4), np.uint16)
BLOCK = [factory.square(3, (-14, -22), z) for z in (100.0, 104.0)]
OTHER = "1.2.9"


def series(datasets, study=factory.STUDY, patient="F1"):
    """A series of objects that are in no file."""
    datasets = datasets if isinstance(datasets, list) else [datasets]
    for dataset in datasets:
        dataset.StudyInstanceUID, dataset.PatientID = study, patient
        if "PixelData" in dataset:
            del dataset.PixelData
    file = SourceFile(Path("x.dcm"), "x.dcm", 1)
    instances = tuple(Instance(file, dataset) for dataset in datasets)
    return SeriesRecord(instances[0].series_uid, study, role_of(instances[0]), instances)


def index(*records, notices=()):
    return StudyIndex(Path("study"), records, len(records), 0, tuple(notices))


def codes(selection):
    return [notice.code for notice in selection.notices]


def test_what_is_warned_of_a_folder_is_said_of_its_study():
    said = [accept("a", "x"), warn("b", "x"), refusal("c", DicomError("x"))]
    assert codes(select_series(index(series(factory.nm(ZEROS)), notices=said))) == ["b"]


@pytest.mark.parametrize(("refused", "more"), [(0, None), (1, ""), (2, r" \(1 more files cannot be read")])
def test_a_file_that_cannot_be_read_is_refused_with_the_count_of_others(refused, more):
    said = [accept("a", "x"), warn("b", "x")]
    said += [refusal("unreadable-file", DicomError("cut short", file=f"{n}.dcm")) for n in range(refused)]
    if more is None:
        raise_unreadable(index(notices=said))
    else:
        with pytest.raises(DicomError, match=f"^0.dcm: cut short{more}.* If it is no part"):
            raise_unreadable(index(notices=said))


def test_a_file_that_the_message_names_is_not_named_twice():
    said = refusal("unreadable-file", DicomError("0.dcm is cut short.", file="0.dcm"))
    with pytest.raises(DicomError, match=r"^0\.dcm is cut short\. If it is no part"):
        raise_unreadable(index(notices=[said]))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, None),
        ({"study": "1.7"}, "holds 2 studies"),
        ({"patient": "F2"}, "holds 2 patients"),
        ({"study": "1.7", "patient": "F2"}, "holds 2 patients"),
    ],
)
def test_images_of_one_patient_and_study_are_taken(other, said):
    records = index(series(factory.nm(ZEROS)), series(factory.ct(ZEROS), **other))
    if said is None:
        _check_one_study(records)
    else:
        with pytest.raises(InputError, match=said):
            _check_one_study(records)


def test_regions_may_be_of_another_study():
    _check_one_study(
        index(series(factory.nm(ZEROS)), series(factory.rtstruct({"Liver": BLOCK}), study="1.7"))
    )


@pytest.mark.parametrize(
    ("make", "study", "frame", "patient", "registered", "belongs"),
    [
        (factory.ct, factory.STUDY, OTHER, "F1", False, True),
        (factory.ct, "1.7", factory.FRAME, "F1", False, True),
        (factory.ct, "1.7", OTHER, "F1", False, False),
        (factory.ct, "1.7", OTHER, "F1", True, True),
        (factory.pet, "1.7", OTHER, "F1", True, False),
        (factory.ct, factory.STUDY, factory.FRAME, "F2", True, False),
        (lambda _, **more: factory.rtstruct({"Liver": BLOCK}), "1.7", OTHER, "F1", False, True),
        (lambda _, **more: factory.rtstruct({"Liver": BLOCK}), "1.7", OTHER, "F2", False, False),
    ],
)
def test_series_of_the_patient_belong_by_study_frame_or_registration(
    make, study, frame, patient, registered, belongs
):
    anchor = series(factory.nm(ZEROS))
    other = series(make(ZEROS, FrameOfReferenceUID=frame), study, patient)
    path = SimpleNamespace(path=lambda source, targets: object() if registered else None)
    notices = []
    found = _of_same_patient([anchor, other], anchor, path, notices)
    assert found == ((anchor, other) if belongs else (anchor,))
    assert [notice.code for notice in notices] == ([] if belongs else ["other-studies"])


def test_without_a_frame_of_reference_nothing_belongs_by_it():
    anchor = series(factory.nm(ZEROS, FrameOfReferenceUID=None))
    other = series(factory.ct(ZEROS, FrameOfReferenceUID=None), "1.7")
    path = SimpleNamespace(path=lambda source, targets: None)
    assert _of_same_patient([anchor, other], anchor, path, []) == (anchor,)


@pytest.mark.parametrize(
    ("dataset", "nuclear"),
    [
        (factory.nm(ZEROS), True),
        (factory.nm(ZEROS, SliceVector=None), True),
        (factory.nm(ZEROS, SliceVector=None, Modality="OT"), True),
        (factory.nm(ZEROS, Modality="PT"), True),  # by its slices
        (factory.pet(ZEROS), False),
    ],
)
def test_a_nuclear_medicine_volume_is_told_by_its_slices_or_its_modality(dataset, nuclear):
    assert is_nm(series(dataset)) == nuclear


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        (factory.nm(ZEROS), "RECON TOMO/EMISSION"),
        (factory.pet(ZEROS), "no third value of ImageType"),
        (factory.rtstruct({"Liver": BLOCK}), "regions"),
    ],
)
def test_a_series_is_described_by_its_image_type_or_what_it_serves_for(dataset, kind):
    assert _kind(series(dataset)) == kind


@pytest.mark.parametrize("trust", [True, False])
def test_regions_of_another_frame_are_trusted_or_refused_and_not_aligned_unasked(trust):
    records = index(
        series(factory.nm(ZEROS)),
        series(factory.ct(ZEROS)),
        series(factory.rtstruct({"Liver": BLOCK}, frame=OTHER)),
    )
    if not trust:
        with pytest.raises(DicomError, match="their coordinates do not compare"):
            select_series(records)
        return
    found = select_series(records, trust_frames=True)
    assert (found.moving_ct, found.frame_of_reference_uid) == (None, factory.FRAME)
    assert codes(found) == ["frames-trusted"]


@pytest.mark.parametrize(
    ("moving_frame", "regions_frame", "moving"), [(OTHER, OTHER, True), (OTHER, factory.FRAME, False)]
)
def test_the_ct_of_regions_is_aligned_where_they_lie_in_another_frame(moving_frame, regions_frame, moving):
    other = series(factory.ct(ZEROS, series="other ct", FrameOfReferenceUID=moving_frame))
    records = index(
        series(factory.nm(ZEROS)),
        series(factory.ct(ZEROS)),
        other,
        series(factory.rtstruct({"Liver": BLOCK}, frame=regions_frame)),
    )
    found = select_series(records, register="rigid")
    assert found.moving_ct is (other if moving else None)
    assert found.ct.uid == factory.uid("ct")


@pytest.mark.parametrize(
    ("emissions", "needed", "chosen"),
    [
        (["a"], True, "a"),
        (["a"], False, "a"),
        (["a", "b"], True, "2 emission images fit"),
        (["a", "b"], False, None),
        ([], True, "no emission image in study"),
        ([], False, None),
        (["a", "damaged"], True, "a"),
        (["damaged"], True, "PixelSpacing"),
        (["damaged"], False, None),
    ],
)
def test_the_only_emission_image_that_can_be_used_is_taken(emissions, needed, chosen):
    spacing = {"damaged": {"PixelSpacing": None}}
    records = index(*(series(factory.nm(ZEROS, series=name, **spacing.get(name, {}))) for name in emissions))
    if chosen is not None and len(chosen) > 1:
        with pytest.raises(InputError, match=chosen):
            select_series(records, needs_emission=needed)
        return
    found = select_series(records, needs_emission=needed)
    assert (None if found.emission is None else found.emission.description) == chosen
    assert codes(found) == (["emission-left-out"] if chosen and "damaged" in emissions else [])


@pytest.mark.parametrize(
    ("planar_studies", "used", "said"),
    [
        ([factory.STUDY], True, []),
        ([], False, []),
        ([factory.STUDY, factory.STUDY], False, ["planar-unused"]),
    ],
)
def test_planar_views_are_used_where_there_is_one_series_of_them(planar_studies, used, said):
    views = [
        series(factory.planar(ZEROS[0], ZEROS[1], series=f"planar {number}"), study)
        for number, study in enumerate(planar_studies)
    ]
    found = select_series(index(series(factory.nm(ZEROS)), *views))
    assert (found.planar is not None, codes(found)) == (used, said)


def test_planar_views_of_another_study_are_none_of_the_emission_image():
    anchor = series(factory.nm(ZEROS))
    views = series(factory.planar(ZEROS[0], ZEROS[1]), "1.7")
    found = select_series(index(anchor, views), emission_series=anchor.uid)
    assert (found.planar, found.emission) == (None, anchor)
    assert SeriesRole.PLANAR is views.role


@pytest.mark.parametrize(
    ("emission", "ct", "frame"),
    [
        ("1.5", "1.5", "1.5"),
        (None, "1.5", "1.5"),  # a hybrid camera
        ("1.5", "no ct", "1.5"),
        ("no emission", "1.5", "1.5"),
        (None, None, None),
    ],
)
def test_a_study_lies_in_the_frame_of_its_emission_image_else_of_its_ct(emission, ct, frame):
    made = []
    if emission != "no emission":
        made.append(series(factory.nm(ZEROS, FrameOfReferenceUID=emission, StationName="A")))
    if ct != "no ct":
        made.append(series(factory.ct(ZEROS, FrameOfReferenceUID=ct, StationName="A")))
    assert select_series(index(*made), needs_emission=False).frame_of_reference_uid == frame


def test_regions_alone_give_their_frame_and_beside_a_ct_they_do_not():
    regions = series(factory.rtstruct({"Liver": BLOCK}, frame=OTHER))
    assert select_series(index(regions), needs_emission=False).frame_of_reference_uid == OTHER
    found = select_series(index(series(factory.ct(ZEROS)), regions), needs_emission=False, trust_frames=True)
    assert found.frame_of_reference_uid == factory.FRAME


def test_an_archive_that_nobody_looked_into_is_named_where_there_is_no_image():
    said = [warn("archive-not-opened", "1 archive."), warn("medium-incomplete", "3 files are gone.")]
    with pytest.raises(InputError, match=r"no DICOM series at all \(0 files\)\. 1 archive\.$"):
        select_series(index(notices=said))


def test_one_slice_of_an_emission_image_is_refused():
    with pytest.raises(InputError, match="slice") as caught:
        select_series(index(series(factory.pet(ZEROS[:1]))))
    assert "single" in str(caught.value) or "one slice" in str(caught.value)
    select_series(index(series(factory.pet(ZEROS))))
