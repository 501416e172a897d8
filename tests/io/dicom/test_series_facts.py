"""What an archive is paired by: facts of series from the headers of their files, one by one."""

from datetime import datetime

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.io.dicom.series_facts import FolderFacts, SeriesFacts, read_folder

STORED = np.ones((2, 3, 4), np.uint16)


def facts_of(folder, datasets, **others):
    files = [(path.name, path.stat().st_size) for path in factory.save(datasets, folder)]
    return read_folder(folder, [*files, *others.items()])


@pytest.mark.filterwarnings("ignore:Invalid value for VR TM")
@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"AcquisitionDate": "20260302", "AcquisitionTime": "101500"}, datetime(2026, 3, 2, 10, 15)),
        ({"AcquisitionDate": None, "AcquisitionTime": None}, datetime(2026, 3, 3, 9)),
        ({"AcquisitionDate": "20260302", "AcquisitionTime": "x"}, None),
    ],
)
def test_a_series_was_taken_when_it_was_acquired_or_else_made(tmp_path, changes, taken):
    stated = {"SeriesDate": "20260303", "SeriesTime": "090000", "TimezoneOffsetFromUTC": "+0100"}
    (series,) = facts_of(tmp_path, factory.ct(STORED, **(stated | changes))).series
    assert series.taken == taken


def test_files_of_one_series_are_one_and_damaged_or_other_files_are_none(tmp_path):
    (tmp_path / "notes.txt").write_text("no DICOM")
    found = facts_of(tmp_path, factory.ct(STORED), **{"notes.txt": 8})
    (series,) = found.series
    assert (series.files, len(series.objects), found.damaged) == (["file0000", "file0001"], 2, [])
    assert series.identity == (series.study_uid, series.uid, series.role, series.patient)


def test_facts_of_further_files_are_joined_and_read_back(tmp_path):
    (tmp_path / "one").mkdir()
    one = facts_of(tmp_path / "one", factory.ct(STORED)).series[0]
    again = SeriesFacts(**{**vars(one), "files": ["file0009"], "objects": {5}})
    other = SeriesFacts(**{**vars(one), "uid": "1.2.3", "files": ["file0010"], "objects": {7}})
    folder = FolderFacts(
        [SeriesFacts(**{**vars(one), "files": list(one.files), "objects": set(one.objects)})]
    )
    folder.add(FolderFacts([again, other], ["file0011"]))
    assert [series.files for series in folder.series] == [["file0000", "file0001", "file0009"], ["file0010"]]
    assert (folder.series[0].objects, folder.damaged) == (one.objects | {5}, ["file0011"])
    names = ["file0000", "file0001", "file0009", "file0010", "file0011"]
    assert folder.as_json(names)["damaged"] == [4]
    assert FolderFacts.from_json(folder.as_json(names), names) == folder
