"""Series of an archive of many studies, paired by study, frame of reference, patient and time."""

from datetime import datetime, timedelta

import pytest
from study_factory import write_study

from y90voxel.errors import InputError
from y90voxel.io.dicom.catalogue import ArchiveWatch, list_archive
from y90voxel.io.dicom.index import SeriesRole, index_study
from y90voxel.io.dicom.pairing import pair_series
from y90voxel.io.dicom.series_facts import SeriesFacts
from y90voxel.io.dicom.sources import list_files

E, CT, RS, PLANAR, OTHER = (
    SeriesRole.EMISSION,
    SeriesRole.CT,
    SeriesRole.REGIONS,
    SeriesRole.PLANAR,
    SeriesRole.OTHER,
)
NOON = datetime(2026, 3, 2, 12)


def facts(uid, study, role, frame="F", hours=0.0, patient="P", folder=""):
    name = f"{folder}/{uid}" if folder else uid
    return SeriesFacts(uid, study, role, frame, NOON + timedelta(hours=hours), patient, [name], {hash(uid)})


def paired(*series):
    studies, left_over = pair_series(series)
    return [sorted(s.uid for s in study.series) for study in studies], [
        sorted(s.uid for s in study.series) for study in left_over
    ]


def test_a_study_is_one_emission_with_what_shares_its_study_or_frame():
    found = paired(
        facts("spect", "S1", E),
        facts("ct", "S1", CT),
        facts("planar", "S1", PLANAR, frame=None),
        facts("rois", "planning", RS),  # drawn elsewhere, under a study of its own
        facts("old ct", "S0", CT, frame="G"),
    )
    assert found == ([["ct", "planar", "rois", "spect"]], [["old ct"]])


def test_several_studies_in_one_folder_are_several():
    found = paired(
        facts("maa", "S1", E, frame="A"),
        facts("maa ct", "S1", CT, frame="A"),
        facts("pet", "S2", E, frame="B", hours=240),
        facts("pet ct", "S2", CT, frame="B", hours=240),
        facts("rois on pet ct", "S3", RS, frame="B", hours=300),
    )
    assert found == ([["maa", "maa ct"], ["pet", "pet ct", "rois on pet ct"]], [])


def test_two_positions_of_one_study_are_told_apart_by_frame_and_then_by_time():
    found = paired(
        facts("morning", "S", E, frame="A"),
        facts("evening", "S", E, frame="B", hours=8),
        facts("ct evening", "S", CT, frame="B", hours=8),
        facts("planar", "S", PLANAR, frame=None, hours=7.5),
    )
    assert found == ([["morning"], ["ct evening", "evening", "planar"]], [])


@pytest.mark.parametrize(
    ("study", "frame", "with_a"),
    [
        ("S1", "A", True),  # study and frame count more than the time
        ("S1", "C", False),  # the study alone: the nearest in time
        ("S1", None, False),
        ("S2", "A", True),  # the frame alone
        ("S3", "B", False),
    ],
)
def test_a_series_goes_with_its_study_and_frame_before_the_nearest_in_time(study, frame, with_a):
    images = facts("a", "S1", E, frame="A"), facts("b", "S1", E, frame="B", hours=1)
    expected = [["a", "ct"], ["b"]] if with_a else [["a"], ["b", "ct"]]
    assert paired(*images, facts("ct", study, CT, frame=frame, hours=1)) == (expected, [])


def test_reconstructions_of_one_acquisition_stay_together():
    assert paired(facts("ac", "S", E), facts("nac", "S", E)) == ([["ac", "nac"]], [])


def test_a_frame_that_two_patients_share_pairs_nobody():
    found = paired(
        facts("spect", "S1", E, patient="P1"),
        facts("ct", "S2", CT, patient="P2"),
        facts("rois", "S1", RS, patient="P3"),  # same study, other patient: the run refuses that by name
    )
    assert found == ([["rois", "spect"]], [["ct"]])


def test_copies_of_a_study_are_studies_of_their_own():
    found = paired(
        *(facts("spect", "S", E, folder=f"p{n}/nm") for n in (1, 2, 4)),
        *(facts("ct", "S", CT, folder=f"p{n}/ct") for n in (1, 2, 3, 4)),
        facts("scout", "S", OTHER),
    )
    assert found == ([["ct", "spect"]] * 3, [["ct"]])


def test_without_an_emission_image_a_study_is_one_wherever_its_series_lie_and_copies_are_two():
    """Copies of a series tell the folders of copies of a study apart; other folders are those of its series."""
    ct, drawn = facts("ct", "S1", CT, folder="a"), facts("rois", "S1", RS, folder="b")
    assert paired(ct, drawn) == ([], [["ct", "rois"]])
    copies = [
        facts(uid, "S1", role, folder=folder) for folder in "ab" for uid, role in (("ct", CT), ("rois", RS))
    ]
    assert paired(*copies) == ([], [["ct", "rois"], ["ct", "rois"]])


def test_localizers_stay_with_their_series():
    study = pair_series([facts("spect", "S", E), facts("ct", "S", CT), facts("ct", "S", OTHER, folder="x")])[
        0
    ][0]
    assert [s.role for s in study.companions] == [CT, OTHER]


def test_without_times_the_first_takes_it():
    first, second = facts("a", "S1", E), facts("b", "S2", E)
    loose = facts("ct", "S3", CT)
    loose.taken = None
    assert paired(first, second, loose) == ([["a", "ct"], ["b"]], [])


def test_an_archive_is_listed_in_an_order_of_its_own(tmp_path):
    write_study(tmp_path / "b", StudyInstanceUID="1.2.2", PatientID="B")
    write_study(tmp_path / "a", StudyInstanceUID="1.2.1", PatientID="A")
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "a" / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff")
    (tmp_path / "c.zip").write_bytes(b"")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / ".y90voxel.json").write_text(
        '{"command": "dose", "files": [".y90voxel.json", "metrics.json"]}'
    )
    (tmp_path / "out").mkdir()
    seen, read = [], []

    class Watch(ArchiveWatch):
        def files_found(self, files):
            seen.append(files)

        def read(self, headers, of):
            read.append((headers, of))

    found = list_archive(tmp_path, leave_out=tmp_path / "out", watch=Watch())
    assert [(s.study_uid, s.role.value, len(s.files)) for s in found.series] == [
        ("1.2.1", "ct", 40), ("1.2.1", "emission", 1), ("1.2.1", "regions", 1),
        ("1.2.2", "ct", 40), ("1.2.2", "emission", 1), ("1.2.2", "regions", 1),
    ]  # fmt: skip
    assert found.damaged == ("a/broken",)
    assert found.zips == ("c.zip",)
    assert found.skipped == ("done", "out")
    assert seen[0] == 2
    assert found.files == seen[-1] == 87
    assert read[-1] == (86, 86)
    assert len({s.patient for s in found.series}) == 2


def test_a_series_in_two_folders_is_one_and_a_copy_is_two(tmp_path):
    write_study(tmp_path / "a", with_regions=False)
    (tmp_path / "a2").mkdir()
    for number in range(20):
        (tmp_path / "a" / f"ct{number:04d}").rename(tmp_path / "a2" / f"x{number}")
    found = list_archive(tmp_path)
    assert [(s.role.value, len(s.files)) for s in found.series] == [("ct", 40), ("emission", 1)]
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "nm").write_bytes((tmp_path / "a" / "nm0000").read_bytes())
    assert [s.role.value for s in list_archive(tmp_path).series] == ["ct", "emission", "emission"]


def test_a_malformed_date_counts_as_none(tmp_path):
    write_study(tmp_path / "s", AcquisitionDate="20261399", AcquisitionTime="999999", SeriesDate="x")
    assert {s.taken for s in list_archive(tmp_path).series} == {None}


def test_no_archive_is_an_error(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        list_archive(tmp_path / "nowhere")


def test_only_named_files_make_a_study(tmp_path):
    write_study(tmp_path / "s")
    names = [f.name for f in list_files(tmp_path / "s") if f.name != "rs0000"]
    index = index_study(tmp_path / "s", only=names)
    assert [s.role.value for s in index.series] == ["emission", "ct"]
    with pytest.raises(InputError, match="gone was there when the study was listed"):
        index_study(tmp_path / "s", only=["gone"])
