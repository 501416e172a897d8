"""Notice and grouping DICOM objects: any names and depth, zip, copies, other files among them."""

import random
import shutil
import time
import zipfile
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pydicom
import pytest

from y90voxel.errors import InputError, Severity
from y90voxel.io.atomic import output_folder
from y90voxel.io.dicom import sources
from y90voxel.io.dicom.directory import incomplete_media
from y90voxel.io.dicom.index import SeriesRole, index_study
from y90voxel.io.result_marks import MANIFEST

STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)


def codes(notices):
    return {f.code for f in notices}


@pytest.fixture
def study(tmp_path):
    factory.save(factory.ct(STORED), tmp_path / "study" / "b" / "deep", prefix="IM")
    factory.save(factory.nm(STORED), tmp_path / "study", prefix="zz")
    factory.save(factory.planar(STORED[0], STORED[1]), tmp_path / "study" / "a.dir")
    factory.save(factory.seg({"Liver": STORED > 1000}), tmp_path / "study" / "c")
    factory.save(factory.rtstruct({"GTV": [factory.square(5, (0, 0), 104)]}), tmp_path / "study" / "d")
    (tmp_path / "study" / "notes.txt").write_text(
        "Liver, tumour and other words, long enough to be a header " * 9
    )
    (tmp_path / "study" / "empty.dcm").write_bytes(b"")
    (tmp_path / "study" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(400))
    return tmp_path / "study"


def test_every_series_is_found_with_its_role(study):
    index = index_study(study)
    roles = sorted((s.role.value, len(s.instances)) for s in index.series)
    assert roles == [("ct", 5), ("emission", 1), ("planar", 1), ("regions", 1), ("regions", 1)]
    assert (index.files, index.ignored, index.notices) == (5 + 1 + 1 + 1 + 1 + 3, 3, ())


def test_the_order_does_not_depend_on_names_or_on_the_disk(study, tmp_path):
    files = [p for p in study.rglob("*") if p.is_file()]
    random.Random(4).shuffle(files)
    for number, file in enumerate(files):
        target = tmp_path / "other" / str(number % 3) / f"{number}.x"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    one, other = index_study(study), index_study(tmp_path / "other")
    assert [(s.uid, s.role) for s in one.series] == [(s.uid, s.role) for s in other.series]
    assert [s.sha256() for s in one.series] == [s.sha256() for s in other.series]


def test_a_zip_is_read_as_its_folder_without_unpacking(study, tmp_path, monkeypatch):
    archive = tmp_path / "x" / "y" / "study.zip"
    archive.parent.mkdir(parents=True)
    monkeypatch.chdir(archive.parent)  # the members point two folders up
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(study.rglob("*")):
            packed.write(file, "../../" + file.relative_to(study).as_posix())
    before = set(tmp_path.rglob("*"))
    found = index_study(archive)
    assert [s.uid for s in found.series] == [s.uid for s in index_study(study).series]
    assert [s.sha256() for s in found.series] == [s.sha256() for s in index_study(study).series]
    assert set(tmp_path.rglob("*")) == before


def test_a_single_file_is_a_study(study):
    file = next(study.glob("zz*"))
    assert [s.role for s in index_study(file).series] == [SeriesRole.EMISSION]


def test_progress_counts_all_files(study):
    seen = []
    index_study(study, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 12) for n in range(1, 13)]


@pytest.mark.parametrize("strip", ["preamble", "meta"])
def test_files_without_preamble_or_meta_header_are_read(tmp_path, strip):
    path = factory.save(factory.nm(STORED), tmp_path)[0]
    if strip == "preamble":
        path.write_bytes(path.read_bytes()[132:])
    else:
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
    index = index_study(tmp_path)
    assert [s.role for s in index.series] == [SeriesRole.EMISSION]


def test_long_headers_in_a_zip_are_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "HEADER_BYTES", 300)
    folder = tmp_path / "study"
    factory.save(factory.ct(STORED), folder)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as packed:
        for file in folder.iterdir():
            packed.write(file, file.name)
    assert len(index_study(tmp_path / "s.zip").series[0].instances) == 5


def test_copies_of_a_file_count_once_and_are_reported(study):
    shutil.copy(study / "b" / "deep" / "IM0002", study / "copy")
    record = index_study(study).with_role(SeriesRole.CT)[0]
    assert len(record.instances) == 5
    assert codes(record.notices) == {"duplicate-files"}


def test_two_objects_under_one_uid_are_refused(study):
    dataset = pydicom.dcmread(study / "b" / "deep" / "IM0002")
    factory.set_pixels(dataset, STORED[0])
    dataset.save_as(study / "other")
    record = index_study(study).with_role(SeriesRole.CT)[0]
    assert "conflicting-copies" in codes(record.notices)
    assert Severity.REFUSE in {f.severity for f in record.notices}


def test_localizers_and_screenshots_inside_a_ct_series_are_left_out(tmp_path):
    datasets = factory.ct(STORED)
    scout = factory.ct(STORED[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SOPInstanceUID="1.2.3.4")
    shot = factory.ct(
        STORED[:1], ImageType=["DERIVED", "SECONDARY"], SOPInstanceUID="1.2.3.5", ImagePositionPatient=None
    )
    factory.save([*datasets, *scout, *shot], tmp_path)
    (record,) = index_study(tmp_path).series
    assert len(record.instances) == 5
    assert codes(record.notices) == {"left-out"}
    assert "LOCALIZER" in record.notices[0].message


@pytest.mark.parametrize(
    ("image_type", "role"),
    [
        (["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"], SeriesRole.EMISSION),
        (["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"], SeriesRole.OTHER),
        (["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"], SeriesRole.OTHER),
        (["DERIVED", "PRIMARY", "RECON TOMO", "TRANSMISSION"], SeriesRole.OTHER),
        (["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"], SeriesRole.OTHER),
        (["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"], SeriesRole.PLANAR),
        (["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], SeriesRole.PLANAR),
    ],
)
def test_the_role_of_nm_objects_follows_image_type(tmp_path, image_type, role):
    factory.save(factory.nm(STORED, ImageType=image_type), tmp_path)
    assert [s.role for s in index_study(tmp_path).series] == [role]


def test_modality_ot_with_a_reconstructed_volume_is_emission(tmp_path):
    factory.save(factory.nm(STORED, Modality="OT", SOPClassUID="1.2.840.10008.5.1.4.1.1.7.2"), tmp_path)
    assert [s.role for s in index_study(tmp_path).series] == [SeriesRole.EMISSION]


@pytest.mark.parametrize(
    ("sop_class", "role"),
    [
        ("1.2.840.10008.5.1.4.1.1.481.2", SeriesRole.DOSE),
        ("1.2.840.10008.5.1.4.1.1.66.1", SeriesRole.REGISTRATION),
        ("1.2.840.10008.5.1.4.1.1.4", SeriesRole.OTHER),
    ],
)
def test_the_role_of_other_objects_follows_sop_class(tmp_path, sop_class, role):
    factory.save(factory.header(sop_class, "XX", "s", "0"), tmp_path)
    assert [s.role for s in index_study(tmp_path).series] == [role]


def test_mip_of_a_pet_is_not_an_emission_image(tmp_path):
    factory.save(factory.pet(STORED, ImageType=["DERIVED", "SECONDARY", "MIP"]), tmp_path)
    assert [s.role for s in index_study(tmp_path).series] == [SeriesRole.OTHER]


def test_damaged_dicom_is_reported_and_the_rest_is_read(study):
    (study / "bad1").write_bytes(bytes(128) + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff" + bytes(9))
    (study / "bad2").write_bytes(bytes(128) + b"DICM")
    (study / "bad3").write_bytes(bytes(128) + b"DICM" + b"\x08\x00\x05\x00ZZ\x04\x00ABCD")
    meta = bytearray((study / "zz0000").read_bytes())
    place = meta.index(b"\x02\x00\x02\x00UI")
    meta[place + 4 : place + 6] = b"\x55\x05"
    (study / "bad4").write_bytes(meta)
    index = index_study(study)
    assert {s.role for s in index.series} >= {SeriesRole.EMISSION, SeriesRole.CT}
    assert {f.file for f in index.notices} == {"bad1", "bad2", "bad3", "bad4"}
    assert any("cannot be read" in f.message for f in index.notices)
    assert {(f.code, f.severity) for f in index.notices} == {("unreadable-file", Severity.REFUSE)}


def test_an_unmarked_file_that_only_begins_like_dicom_is_ignored(tmp_path):
    (tmp_path / "x").write_bytes(b"\x08\x00\x05\x00" + bytes(range(200)))
    (tmp_path / "y").write_bytes(b"\x08\x00\x05\x00CS\x04\x00ABCD" + b"\x08\x00\x16\x00UI\xff\xff" * 3)
    (tmp_path / "z").write_bytes(b"\x08\x00\x05\x00ZZ\x04\x00ABCD" * 9)
    index = index_study(tmp_path)
    assert (index.ignored, index.series, index.notices) == (3, (), ())


def test_a_dicomdir_is_ignored(tmp_path):
    directory = pydicom.Dataset()
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    directory.FileSetID = "X"
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    index = index_study(tmp_path)
    assert (index.ignored, index.series, index.notices) == (1, (), ())


def medium(root, listed, present, name="DICOMDIR", suffix=""):
    """A CD with a directory that lists files, of which some are there."""
    directory = pydicom.Dataset()
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    records = [factory.item(DirectoryRecordType="PATIENT")]
    records += [
        factory.item(DirectoryRecordType="IMAGE", ReferencedFileID=["A", f"I{n}"]) for n in range(listed)
    ]
    directory.DirectoryRecordSequence = records
    (root / "A").mkdir(parents=True)
    directory.save_as(root / name, enforce_file_format=True)
    for number, dataset in enumerate(factory.ct(np.zeros((listed, 4, 5), np.int16))[:present]):
        dataset.save_as(root / "A" / f"I{number}{suffix}", enforce_file_format=True)
    return index_study(root)


@pytest.mark.parametrize(("size", "codes"), [(256 << 20, ["medium-incomplete"]), ((256 << 20) + 1, [])])
def test_a_directory_of_more_than_256_mb_is_not_read(tmp_path, size, codes):
    medium(tmp_path, 3, 2)
    directory = SimpleNamespace(name="DICOMDIR", size=size, read=(tmp_path / "DICOMDIR").read_bytes)
    images = [SimpleNamespace(name=f"A/I{number}", size=1) for number in range(2)]
    assert [finding.code for finding in incomplete_media([directory, *images])] == codes


@pytest.mark.parametrize(
    ("present", "name", "suffix", "gone"),
    [
        (6, "DICOMDIR", "", 0),
        (4, "DICOMDIR", "", 2),
        (4, "dicomdir.;1", ".;1", 2),
        (6, "DICOMDIR", ";1", 0),
        (6, "DICOMDIR", ".dcm", 0),
    ],
)
def test_files_of_a_medium_that_were_not_copied_are_said(tmp_path, present, name, suffix, gone):
    index = medium(tmp_path, 6, present, name, suffix)
    assert len(index.series[0].instances) == present
    if gone:
        (notice,) = index.notices
        assert notice.code == "medium-incomplete"
        assert f"lists 6 files, {gone} of which are not there (A/I4 first)" in notice.message
    else:
        assert index.notices == ()


def test_a_damaged_directory_of_a_medium_says_nothing(tmp_path):
    medium(tmp_path, 6, 4)
    whole = (tmp_path / "DICOMDIR").read_bytes()
    (tmp_path / "DICOMDIR").write_bytes(whole[:200])
    assert "medium-incomplete" not in {f.code for f in index_study(tmp_path).notices}


def test_broken_links_are_passed_over(study):
    (study / "link").symlink_to(study / "gone")
    assert index_study(study).files == 12


def test_a_file_that_cannot_be_opened_is_reported(study, monkeypatch):
    real = sources.SourceFile.open_header

    def broken(self):
        if self.name.startswith("zz"):
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(sources.SourceFile, "open_header", broken)
    (notice,) = index_study(study).notices
    assert "cannot be opened (Permission denied)" in notice.message


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file or folder"):
        index_study(tmp_path / "nowhere")


def test_too_many_files_are_refused(study, monkeypatch):
    monkeypatch.setattr(sources, "MOST_FILES", 4)
    with pytest.raises(InputError, match="more than 4 files"):
        index_study(study)


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / "s.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(InputError, match="not a readable zip archive"):
        index_study(tmp_path / "s.zip")


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGE_MEMBER_BYTES", 1000)
    monkeypatch.setattr(sources, "LARGEST_RATIO", 100.0)
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb", bytes(10**6))
    with pytest.raises(InputError, match=r"would unpack to 1000000 bytes \(\d+ times"):
        index_study(tmp_path / "s.zip")


def test_a_damaged_member_is_reported(tmp_path):
    path = factory.save(factory.nm(STORED), tmp_path / "s")[0]
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(path, "image")
    data = bytearray((tmp_path / "s.zip").read_bytes())
    data[60:80] = b"\xff" * 20
    (tmp_path / "s.zip").write_bytes(bytes(data))
    index = index_study(tmp_path / "s.zip")
    assert index.series == ()
    assert "cannot be unpacked" in index.notices[0].message


@pytest.mark.slow
def test_two_thousand_files_are_indexed_within_five_seconds(tmp_path):
    stored = np.zeros((2000, 8, 8), np.uint16)
    factory.save(factory.ct(stored), tmp_path)
    start = time.process_time()
    index = index_study(tmp_path)
    assert time.process_time() - start < 5.0
    assert len(index.series[0].instances) == 2000


def test_one_series_with_two_names_under_one_identifier_is_refused(tmp_path):
    datasets = factory.ct(np.zeros((4, 3, 3), np.int16))
    datasets[2].PatientName = "Another^Person"
    factory.save(datasets, tmp_path)
    (series,) = index_study(tmp_path).series
    assert [(f.severity, f.code, f.tag) for f in series.notices] == [
        (Severity.REFUSE, "several-patients", "PatientName")
    ]
    assert "Another" not in series.notices[0].message


def test_spellings_of_one_name_are_one_patient(tmp_path):
    datasets = factory.ct(np.zeros((4, 3, 3), np.int16))
    datasets[2].PatientName = "FACTORY^TEST^^"
    factory.save(datasets, tmp_path)
    (series,) = index_study(tmp_path).series
    assert series.notices == ()


@pytest.mark.parametrize("name", ["more.7z", "more.zip"])
def test_an_archive_among_the_files_is_said_not_taken_for_damaged_dicom(study, name):
    first = next(p for p in sorted(study.rglob("*")) if p.is_file())
    (study / name).write_bytes(b"PK\3\4 damaged" + first.read_bytes())  # its DICM lies near the beginning
    index = index_study(study)
    assert codes(index.notices) == {"archive-not-opened"}
    assert name in index.notices[0].message


def packed(folder, path, names=None):
    """A zip of the files below a folder, under numbers for names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
            archive.write(file, str(number) if names is None else file.name)
    return path


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_archives_in_one_another_are_read_like_their_folder(study, tmp_path, depth):
    expected = [s.uid for s in index_study(study).series]
    inner = packed(study, tmp_path / "0.zip")
    for level in range(1, depth):
        outer = tmp_path / f"{level}.zip"
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(inner, "CD/inner.zip")
        inner = outer
    disc = tmp_path / "disc"
    disc.mkdir()
    (disc / "study.zip").write_bytes(inner.read_bytes())
    for place in (disc, disc / "study.zip"):
        index = index_study(place)
        opened = depth <= 3
        assert [s.uid for s in index.series] == (expected if opened else [])
        assert codes(index.notices) == (set() if opened else {"archive-not-opened"})


def test_a_study_beside_its_own_archive_counts_once(study, tmp_path):
    expected = [(s.uid, len(s.instances)) for s in index_study(study).series]
    packed(study, tmp_path / "copy.zip")
    (tmp_path / "copy.zip").rename(study / "copy.zip")
    assert [(s.uid, len(s.instances)) for s in index_study(study).series] == expected


def test_results_of_ours_in_a_study_are_none_of_its_files(tmp_path):
    """What the mark of a folder of results lists is left out; what somebody put beside it is not."""
    factory.save(factory.ct(STORED), tmp_path / "study")
    with output_folder(tmp_path / "study" / "out") as out:
        factory.save(factory.rtstruct({}), out)
    (tmp_path / "study" / "out" / "own.dcm").write_bytes((tmp_path / "study" / "file0000").read_bytes())
    names = {file.name for file in sources.list_files(tmp_path / "study")}
    assert names - {f"out/{MANIFEST}"} == {*(f"file{n:04d}" for n in range(5)), "out/own.dcm"}


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"], SeriesRole.EMISSION),
        (["ORIGINAL", "PRIMARY", "RECON TOMO", "TRANSMISSION"], SeriesRole.OTHER),
        (["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION", "TRANSMISSION"], SeriesRole.EMISSION),
        (["ORIGINAL", "PRIMARY", "RECON TOMO"], SeriesRole.EMISSION),
    ],
)
def test_the_fourth_value_of_the_image_type_tells_a_transmission(tmp_path, kind, role):
    """PS3.3 C.8.4.9.1.1.4; further values are the maker's own."""
    factory.save(factory.nm(STORED, ImageType=kind), tmp_path)
    (series,) = index_study(tmp_path).series
    assert series.role is role
