"""The tables of a cohort, written by a process of their own."""

import json

import pytest

from y90voxel.batch.batch_tables import compute_tables, write_tables
from y90voxel.batch.place import batch_folder
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.errors import InputError

REFUSED = StudyOutcome("p1", "p1", StudyStatus.REFUSED, "no liver", columns={"response": "PR"}, seconds=1.5)


def test_outcomes_survive_the_way_to_the_process(tmp_path):
    with batch_folder(tmp_path / "out") as folder:
        folder.prepare()
        write_tables(folder, [REFUSED], "Cohort")
    header, row = (tmp_path / "out" / "cohort.csv").read_text().splitlines()
    found = dict(zip(header.split(","), row.split(","), strict=True))
    assert (found["study_id"], found["status"], found["reason"]) == ("p1", "refused", "no liver")
    assert (found["response"], found["seconds"]) == ("PR", "1.5")


def test_tables_that_cannot_be_written_say_so(tmp_path):
    with batch_folder(tmp_path / "out") as folder:
        folder.prepare()
        with pytest.raises(InputError, match=r"could not be written: two studies .*Every study is recorded"):
            write_tables(folder, [REFUSED, REFUSED], "Cohort")


def test_the_process_says_done(tmp_path):
    said = compute_tables({"out": str(tmp_path), "title": "Cohort", "outcomes": [REFUSED.as_dict()]})
    assert json.dumps(said) == '{"status": "done", "reason": null}'
