"""Which series of a folder are used, what is refused, and what a study gives to the rest."""

import hashlib
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import AXIAL, square

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom import dicom_study
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.index import index_study
from y90voxel.regions.region import Contours

STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)
BLOCK = [square(3, (-14, -22), z) for z in (104.0, 108.0, 112.0)]
LIVER = {"Liver": BLOCK}


def saved(folder, *groups):
    for number, group in enumerate(groups):
        factory.save(group, folder / str(number))
    return folder


def codes(study):
    return [w.code for w in study.warnings]


@pytest.fixture
def folder(tmp_path):
    """A hybrid MAA study: SPECT, CT, planar views and a structure set."""
    return saved(
        tmp_path,
        factory.nm(STORED),
        factory.ct(STORED),
        factory.planar(STORED[0], STORED[1]),
        factory.rtstruct(LIVER),
    )


def test_a_study_gives_its_images_and_regions(folder):
    study = DicomStudy.open(folder)
    np.testing.assert_array_equal(study.emission().volume.array, STORED)
    np.testing.assert_array_equal(study.ct().array, STORED.astype(int) - 1024)
    assert [r.name for r in study.regions()] == ["Liver"]
    assert study.planar().anterior.shape == (6, 7)
    assert study.warnings == ()
    frames = {study.emission().grid.frame_of_reference_uid, study.ct().grid.frame_of_reference_uid}
    assert frames == {study.frame_of_reference_uid} == {factory.FRAME}
    assert study.emission() is study.emission()  # pixels are read once


def test_identity_label_references_and_inputs(folder):
    study = DicomStudy.open(folder)
    assert (study.identity.patient_name, study.identity.patient_id) == ("Factory^Test", "F1")
    assert study.identity.study_instance_uid == factory.STUDY
    assert "Factory" not in study.label
    assert study.label == f"study {hashlib.sha256(factory.STUDY.encode()).hexdigest()[:8]}"
    references = study.source_references()
    assert [len(r.instances) for r in references] == [1, 5, 1, 1]
    assert references[0].instances == ((factory.NM_CLASS, factory.uid("nm/0")),)
    assert {r.study_instance_uid for r in references} == {factory.STUDY}
    inputs = study.inputs()
    assert [(i["series_instance_uid"], i["files"]) for i in inputs[:2]] == [
        (factory.uid("nm"), 1),
        (factory.uid("ct"), 5),
    ]
    inner = hashlib.sha256(next((folder / "0").iterdir()).read_bytes()).digest()
    assert inputs[0]["sha256"] == hashlib.sha256(inner).hexdigest()


def test_a_damaged_identity_is_refused_by_name(tmp_path):
    path = factory.save(factory.nm(STORED), tmp_path)[0]
    data = path.read_bytes()
    place = data.index(b"\x08\x00\x30\x00TM")
    path.write_bytes(data[: place + 4] + b"FD" + data[place + 6 :])
    with pytest.raises(DicomError, match="StudyTime cannot be read") as caught:
        _ = DicomStudy.open(tmp_path).identity
    assert caught.value.tag == "StudyTime"


def test_an_index_can_be_used_again(folder):
    study = DicomStudy.open(index_study(folder))
    assert study.selection.emission.uid == factory.uid("nm")


def test_progress_names_what_is_done(folder):
    seen = []
    DicomStudy.open(folder, progress=lambda what, done: seen.append((what, done)))
    assert seen[-1] == ("reading headers", 1.0)


@pytest.mark.parametrize("group", [factory.pet(STORED), factory.ct(STORED)], ids=["pet", "ct only"])
def test_other_kinds_of_study_are_read(tmp_path, group):
    study = DicomStudy.open(saved(tmp_path, group), needs_emission=False)
    if study.selection.emission is None:
        assert study.ct().grid.shape == STORED.shape
        with pytest.raises(DicomError, match="holds no emission image"):
            study.emission()
    else:
        assert study.emission().modality == "PT"
        assert study.ct() is None
    assert (study.regions(), study.planar()) == ([], None)


def test_regions_alone_keep_their_own_frame(tmp_path):
    study = DicomStudy.open(saved(tmp_path, factory.rtstruct(LIVER)), needs_emission=False)
    assert study.regions()[0].shape.frame_of_reference_uid == factory.FRAME
    assert study.frame_of_reference_uid == factory.FRAME


def test_an_empty_folder_holds_no_study(tmp_path):
    study = DicomStudy.open(tmp_path, needs_emission=False)
    assert (study.identity.patient_name, study.inputs(), study.label[:6]) == ("", (), "study ")


def test_segments_come_with_the_frame_of_the_study(tmp_path):
    study = DicomStudy.open(saved(tmp_path, factory.nm(STORED), factory.seg({"Liver": STORED > 1000})))
    (region,) = study.regions()
    assert region.shape.grid.frame_of_reference_uid == factory.FRAME


def test_a_region_in_one_plane_is_as_thick_as_a_slice_of_the_ct(tmp_path):
    groups = (factory.nm(STORED), factory.ct(STORED), factory.rtstruct({"Spot": BLOCK[:1]}))
    study = DicomStudy.open(saved(tmp_path, *groups))
    shape = study.regions()[0].shape
    assert (len(shape.polygons), shape.plane_step_mm) == (1, 4.0)
    assert codes(study) == ["thickness-assumed"]
    assert "4 mm thick" in study.warnings[0].message


def test_a_region_in_one_plane_is_as_thick_as_a_slice_of_the_ct_that_was_chosen_of_two(tmp_path):
    thin = factory.ct(STORED, AXIAL @ np.diag([0.5, 1, 1, 1]), series="thin")
    groups = (factory.nm(STORED), factory.ct(STORED), thin, factory.rtstruct({"Spot": BLOCK[:1]}))
    study = DicomStudy.open(saved(tmp_path, *groups), ct_series=factory.uid("thin"))
    assert study.regions()[0].shape.plane_step_mm == 2.0


@pytest.mark.parametrize("how", ["rigid", "deformable"])
def test_the_cts_are_registered_as_was_asked_for(monkeypatch, how):
    asked = []
    moving, ct = SimpleNamespace(uid="moving"), SimpleNamespace(uid="ct", grid=None)
    selection = SimpleNamespace(moving_ct=moving, register=how)
    study = DicomStudy(SimpleNamespace(), selection)
    study.__dict__.update(_ct=ct, _drawn=())
    monkeypatch.setattr(dicom_study, "read_ct", lambda series: (series, ()))

    def aligned(*arguments):
        asked.append(arguments[:3])
        return SimpleNamespace(notices=(), alignment="found")

    monkeypatch.setattr(dicom_study, "align_regions", aligned)
    assert study.alignment == "found"
    assert study.registered() is study.registered()  # found once
    assert asked == [(how, moving, ct)]


# --- emission -----------------------------------------------------------------------------------------


def test_no_emission_image_is_refused_with_what_is_there(tmp_path):
    projections = factory.nm(STORED, ImageType=["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"])
    with pytest.raises(InputError, match=r"no emission image .* RECON TOMO.*\[TOMO/EMISSION\]"):
        DicomStudy.open(saved(tmp_path, projections, factory.ct(STORED)))


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"no DICOM series at all \(1 files\)"):
        DicomStudy.open(tmp_path)


def test_an_unreadable_file_is_refused_by_name(tmp_path):
    folder = saved(tmp_path, factory.nm(STORED))
    for name in ("bad", "bad too"):
        (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    with pytest.raises(
        DicomError, match=r"bad: the DICOM file has no SOPClassUID .*1 more files .*take it out"
    ) as caught:
        DicomStudy.open(folder)
    assert (caught.value.file, caught.value.tag) == ("bad", "SOPClassUID")


def test_two_emission_images_are_refused_with_the_list(tmp_path):
    folder = saved(tmp_path, factory.nm(STORED, series="nm AC"), factory.nm(STORED, series="nm NAC"))
    with pytest.raises(
        InputError, match=r"2 emission images fit; choose one with --emission-series.*AC.*NAC"
    ):
        DicomStudy.open(folder)
    chosen = DicomStudy.open(folder, emission_series=factory.uid("nm NAC"))
    assert chosen.selection.emission.description == "nm NAC"


def test_an_unusable_image_beside_a_usable_one_is_left_out_and_said(tmp_path):
    study = DicomStudy.open(saved(tmp_path, factory.nm(STORED), factory.pet(STORED, Units="CNTS")))
    assert study.selection.emission.modality == "NM"
    assert [f.code for f in study.notices] == ["emission-left-out"]
    assert "CNTS" in study.notices[0].message


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (factory.pet(STORED, Units="GML"), "standardised uptake"),
        (factory.nm(STORED, DetectorInformationSequence=None), "no ImagePositionPatient"),
    ],
)
def test_an_emission_image_that_cannot_be_used_is_refused_with_its_reason(tmp_path, group, message):
    with pytest.raises(DicomError, match=message):
        DicomStudy.open(saved(tmp_path, group))
    series = (group[0] if isinstance(group, list) else group).SeriesInstanceUID
    with pytest.raises(DicomError, match=message):
        DicomStudy.open(tmp_path, emission_series=series)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("9.9.9", "no series begins with 9.9.9"),
        (factory.uid("ct"), "is no emission series but ct"),
        ("1.2.826", "2 emission series begin with 1.2.826"),
    ],
)
def test_a_wrong_choice_is_refused_with_the_list(tmp_path, prefix, message):
    folder = saved(tmp_path, factory.nm(STORED), factory.nm(STORED, series="nm2"), factory.ct(STORED))
    with pytest.raises(InputError, match=f"--emission-series: .*{message}.*There are: NM 'nm"):
        DicomStudy.open(folder, emission_series=prefix)


# --- patients and studies -----------------------------------------------------------------------------


def test_several_patients_are_never_mixed(tmp_path):
    other = factory.ct(STORED, series="ct2", PatientID="F2", StudyInstanceUID="1.2.3")
    folder = saved(tmp_path, factory.nm(STORED), other)
    with pytest.raises(InputError, match=r"holds 2 patients; they are never mixed"):
        DicomStudy.open(folder)
    study = DicomStudy.open(folder, emission_series=factory.uid("nm"))
    assert study.ct() is None
    assert [f.code for f in study.notices] == ["other-studies"]


def test_several_studies_are_refused_until_one_is_chosen(tmp_path):
    second = factory.nm(STORED, series="nm2", StudyInstanceUID="1.2.3", FrameOfReferenceUID="1.2.4")
    ct = factory.ct(STORED, series="ct2", StudyInstanceUID="1.2.3", FrameOfReferenceUID="1.2.4")
    folder = saved(tmp_path, factory.nm(STORED), factory.ct(STORED), second, ct)
    with pytest.raises(InputError, match="holds 2 studies"):
        DicomStudy.open(folder)
    study = DicomStudy.open(folder, emission_series=factory.uid("nm2"))
    assert study.selection.ct.uid == factory.uid("ct2")
    assert study.identity.study_instance_uid == "1.2.3"


# --- CT -----------------------------------------------------------------------------------------------


def test_the_ct_in_the_emissions_frame_is_taken(tmp_path):
    diagnostic = factory.ct(STORED, series="diagnostic", FrameOfReferenceUID="1.2.3")
    study = DicomStudy.open(saved(tmp_path, factory.nm(STORED), diagnostic, factory.ct(STORED)))
    assert study.selection.ct.uid == factory.uid("ct")


def test_two_cts_in_the_frame_are_refused_until_one_is_chosen(tmp_path):
    folder = saved(tmp_path, factory.nm(STORED), factory.ct(STORED), factory.ct(STORED, series="thin"))
    with pytest.raises(InputError, match="2 CT series fit; choose one with --ct-series"):
        DicomStudy.open(folder)
    assert DicomStudy.open(folder, ct_series=factory.uid("thin")).selection.ct.description == "thin"


def test_a_ct_of_another_frame_is_refused_unless_frames_are_trusted(tmp_path):
    folder = saved(tmp_path, factory.nm(STORED), factory.ct(STORED, FrameOfReferenceUID="1.2.3"))
    with pytest.raises(DicomError, match=r"no CT shares .* \(--trust-frames\)") as caught:
        DicomStudy.open(folder)
    assert caught.value.tag == "FrameOfReferenceUID"
    study = DicomStudy.open(folder, trust_frames=True)
    assert study.ct().grid.frame_of_reference_uid == factory.FRAME
    assert codes(study) == ["frames-trusted"]


SCANNER = {"FrameOfReferenceUID": None, "ManufacturerModelName": "Intevo"}


def test_a_hybrid_ct_without_common_frame_is_used_with_a_warning(tmp_path):
    groups = (factory.nm(STORED, **SCANNER), factory.ct(STORED, ManufacturerModelName="Intevo"))
    study = DicomStudy.open(saved(tmp_path, *groups))
    assert codes(study) == ["hybrid-without-frame"]
    assert study.emission().grid.frame_of_reference_uid == factory.FRAME


@pytest.mark.parametrize(
    "changes",
    [
        {"ManufacturerModelName": "Other"},
        {},
        {"ManufacturerModelName": "Intevo", "AcquisitionTime": "153000"},
        {"ManufacturerModelName": "Intevo", "AcquisitionTime": None},
        {"ManufacturerModelName": "Intevo", "TimezoneOffsetFromUTC": "+0100"},
    ],
    ids=["other scanner", "unknown scanner", "hours later", "no time", "not comparable"],
)
def test_a_ct_that_may_not_be_of_the_hybrid_camera_needs_trust(tmp_path, changes):
    folder = saved(tmp_path, factory.nm(STORED, **SCANNER), factory.ct(STORED, **changes))
    with pytest.raises(DicomError, match="no CT shares"):
        DicomStudy.open(folder)
    assert codes(DicomStudy.open(folder, trust_frames=True)) == ["frames-trusted"]


# --- regions ------------------------------------------------------------------------------------------


def test_regions_of_another_frame_are_refused_unless_frames_are_trusted(tmp_path):
    folder = saved(tmp_path, factory.nm(STORED), factory.rtstruct(LIVER, frame="1.2.3"))
    with pytest.raises(DicomError, match=r"drawn in frame of reference 1\.2\.3") as caught:
        DicomStudy.open(folder)
    assert caught.value.tag == "FrameOfReferenceUID"
    study = DicomStudy.open(folder, trust_frames=True)
    assert study.regions()[0].shape.frame_of_reference_uid == factory.FRAME
    assert codes(study) == ["frames-trusted"]


def test_one_region_of_another_frame_is_refused_too(tmp_path):
    dataset = factory.rtstruct({"Liver": BLOCK, "GTV": BLOCK})
    dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"
    folder = saved(tmp_path, factory.nm(STORED), dataset)
    with pytest.raises(DicomError, match=r"'GTV' was drawn in frame of reference 1\.2\.3"):
        DicomStudy.open(folder).regions()
    assert len(DicomStudy.open(folder, trust_frames=True).regions()) == 2


def test_regions_without_frame_count_when_they_name_the_image(tmp_path):
    anonymous = factory.rtstruct(LIVER, frame=None)
    folder = saved(tmp_path / "a", factory.nm(STORED), anonymous)
    with pytest.raises(DicomError, match="not stated"):
        DicomStudy.open(folder)
    named = factory.seg({"Liver": STORED > 1000}, FrameOfReferenceUID=None)
    named.ReferencedSeriesSequence = [factory.item(SeriesInstanceUID=factory.uid("nm"))]
    study = DicomStudy.open(saved(tmp_path / "b", factory.nm(STORED), named))
    assert study.regions()[0].shape.grid.frame_of_reference_uid == factory.FRAME


def test_regions_drawn_on_an_image_without_frame_count_when_they_name_it(tmp_path):
    regions = factory.rtstruct(LIVER, frame="1.2.3", refers_to=factory.uid("nm"))
    study = DicomStudy.open(saved(tmp_path, factory.nm(STORED, FrameOfReferenceUID=None), regions))
    assert isinstance(study.regions()[0].shape, Contours)


def test_two_region_series_are_refused_until_one_is_chosen(tmp_path):
    folder = saved(tmp_path, factory.nm(STORED), factory.rtstruct(LIVER), factory.seg({"Liver": STORED > 9}))
    with pytest.raises(InputError, match="2 region series fit; choose one with --regions-series"):
        DicomStudy.open(folder)
    chosen = DicomStudy.open(folder, regions_series=factory.uid("seg"))
    assert chosen.selection.regions.modality == "SEG"


def two_structure_sets(folder):
    """An old and a new structure set that share a series."""
    old = factory.rtstruct({**LIVER, "GTV old": LIVER["Liver"]}, StructureSetLabel="OLD")
    new = factory.rtstruct(LIVER, StructureSetLabel="NEW", SOPInstanceUID=factory.uid("new object"))
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    return saved(folder, factory.nm(STORED), old, new)


def test_two_structure_sets_of_one_series_are_refused_until_one_is_chosen(tmp_path):
    folder = two_structure_sets(tmp_path)
    with pytest.raises(InputError, match=r"2 region series fit; choose one .*'OLD'.*'NEW'|'NEW'.*'OLD'"):
        DicomStudy.open(folder)
    with pytest.raises(InputError, match="2 regions series begin with"):
        DicomStudy.open(folder, regions_series=factory.uid("rtstruct"))
    chosen = DicomStudy.open(folder, regions_series=factory.uid("new object"))
    assert [region.name for region in chosen.regions()] == ["Liver"]
    assert [item["files"] for item in chosen.inputs() if item["role"] == "regions"] == [1]


def test_one_structure_set_that_lies_there_twice_is_one(tmp_path):
    structures = factory.rtstruct(LIVER)
    folder = saved(tmp_path, factory.nm(STORED), structures)
    factory.save(structures, folder / "copy")
    assert len(DicomStudy.open(folder).regions()) == 1


# --- planar views -------------------------------------------------------------------------------------


def test_planar_views_that_cannot_be_used_are_left_out_with_the_reason(tmp_path):
    one_head = factory.planar(STORED[0], STORED[1], DetectorVector=[1, 1])
    study = DicomStudy.open(saved(tmp_path, factory.nm(STORED), one_head))
    assert study.planar() is None
    assert codes(study) == ["planar-unused"]
    assert "2 anterior and 0 posterior" in study.warnings[0].message


def test_two_planar_series_are_left_out_with_the_list(tmp_path):
    views = [factory.planar(STORED[0], STORED[1], series=f"planar {n}") for n in (1, 2)]
    study = DicomStudy.open(saved(tmp_path, factory.nm(STORED), *views))
    assert study.planar() is None
    assert "2 planar series fit" in study.warnings[0].message


def test_regions_that_refer_to_an_image_that_is_not_there_say_so(tmp_path):
    regions = factory.rtstruct(LIVER, refers_to=factory.uid("ct"))
    with_ct = DicomStudy.open(saved(tmp_path / "a", factory.nm(STORED), factory.ct(STORED), regions))
    assert "reference-missing" not in codes(with_ct)
    without = DicomStudy.open(saved(tmp_path / "b", factory.nm(STORED), regions))
    assert codes(without) == ["reference-missing"]
