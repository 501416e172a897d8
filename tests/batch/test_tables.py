"""The tables of a cohort, written by a process of their own."""

import json
import os

import pytest
from batch_work import WORK

from y90voxel.batch import run_batch as run
from y90voxel.batch.batch_folder import batch_folder
from y90voxel.batch.batch_tables import (
    TABLES,
    compute_tables,
    forget_tables,
    note_tables,
    tables_are_current,
    write_tables,
)
from y90voxel.batch.ledger import Ledger
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


DONE = StudyOutcome("p1", "p1", StudyStatus.FAILED, "a bug", seconds=1.5)


@pytest.fixture
def written(tmp_path):
    """A folder whose tables were noted, and its ledger."""
    with batch_folder(tmp_path / "out") as folder:
        ledger = Ledger(folder.path, anonymous=False)
        for name in TABLES:
            (folder.path / name).write_text(name)
        note_tables(folder, ledger, [REFUSED], "Cohort")
        yield folder, ledger
        ledger.close()


def current(folder, ledger, outcomes=(REFUSED,), title="Cohort", read=False):
    return tables_are_current(folder, ledger, outcomes, title, read=read)


def test_tables_of_the_same_outcomes_are_current(written):
    assert current(*written)
    assert current(*written, read=True)


@pytest.mark.parametrize(
    "change",
    [
        {"outcomes": [DONE]},
        {"outcomes": [REFUSED, DONE]},
        {"title": "Other"},
    ],
)
def test_tables_of_other_outcomes_are_not(written, change):
    assert not current(*written, **change)


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_are_gone_or_damaged_are_not(written, name):
    folder, ledger = written
    file = folder.path / name
    stat = file.stat()
    file.write_text(name[::-1])
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert current(folder, ledger)  # neither size nor time tells
    assert not current(folder, ledger, read=True)
    os.utime(file, ns=(0, 0))
    assert not current(folder, ledger)
    file.unlink()
    assert not current(folder, ledger)
    note_tables(folder, ledger, [DONE], "Cohort")  # not all are there
    assert not current(folder, ledger, [DONE])


def test_tables_count_as_old_once_something_is_computed(written):
    forget_tables(written[1])
    assert not current(*written)


def test_a_finished_cohort_writes_its_tables_once(cohort, tmp_path, monkeypatch):
    """The page of thousands of studies takes a minute."""
    drawn = []

    def draw(folder, outcomes, title):
        drawn.append([o.status.value for o in outcomes])
        for name in TABLES:
            (folder.path / name).write_text(name)

    monkeypatch.setattr(run, "write_tables", draw)
    manifest = cohort({"a": "sleep 0", "b": "refuse"})
    for computed in (2, 0, 0):
        assert run.run_batch(manifest, tmp_path / "out", work=WORK).computed == computed
    assert drawn == [["done", "refused"]]
    (tmp_path / "out" / "cohort.csv").unlink()
    run.run_batch(manifest, tmp_path / "out", work=WORK)
    cohort({"a": "sleep 0"})
    run.run_batch(manifest, tmp_path / "out", work=WORK)
    assert drawn == [["done", "refused"], ["done", "refused"], ["done"]]
