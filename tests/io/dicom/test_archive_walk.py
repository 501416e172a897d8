"""The files of an archive: what killed runs left behind is none of it."""

from y90voxel.io.dicom.archive_walk import walk_archive
from y90voxel.io.leftovers import temporary_name


def test_what_a_killed_run_left_behind_is_passed_over(tmp_path):
    for name in ("p1", temporary_name("p1", "tmp"), temporary_name("results", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ct").write_bytes(b"1")
    (tmp_path / "p1" / temporary_name("dose", "tmp")).write_bytes(b"2")
    counts = []
    folders, skipped = walk_archive(tmp_path, report_count=counts.append)
    assert [(one.name, [file.name for file in one.files]) for one in folders] == [("p1", ["ct"])]
    assert (skipped, counts) == ([], [0, 1])
