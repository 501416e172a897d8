"""Forty real little studies, six of them broken, undisturbed and killed at ten random instants."""

import random
import sqlite3
import subprocess
import sys
import time

import pandas
import pytest
from archive_factory import BROKEN, write_cohort_tree

from y90voxel.batch.ledger import LEDGER

LIMITS = ("--timeout", "60", "--memory-gb", "0.5", "--no-report")
TIMES = ["seconds", "peak_memory_bytes"]
SETTLED = "SELECT study_id, state, reason, content_sha256 FROM study ORDER BY study_id"


def start(cohort, out):
    command = [sys.executable, "-m", "y90voxel", "batch", str(cohort), "-o", str(out), *LIMITS]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def table(out):
    return pandas.read_csv(out / "cohort.csv").drop(columns=TIMES)


@pytest.mark.slow
def test_forty_studies_with_six_broken_end_alike_undisturbed_and_killed_ten_times(tmp_path):
    cohort = tmp_path / "cohort"
    broken = write_cohort_tree(cohort)

    calm = start(cohort, tmp_path / "calm")
    printed, _ = calm.communicate()
    assert calm.returncode == 2
    studies = table(tmp_path / "calm").drop_duplicates("study_id").set_index("study_id")
    assert len(studies) == 40
    with sqlite3.connect(tmp_path / "calm" / LEDGER) as db:
        settled = db.execute(SETTLED).fetchall()
    for study, state, reason, _ in settled:
        expected, says = BROKEN[broken[study]] if study in broken else ("done", None)
        assert state == studies.status[study] == expected, (study, reason)
        assert says is None or (says in reason and says in studies.reason[study]), reason
    # the wrong unit is found before anything is computed
    assert printed.startswith("34 done, 2 failed, 4 refused; 39 computed now")

    moments = random.Random(40)
    for _ in range(10):
        process = start(cohort, tmp_path / "killed")
        time.sleep(moments.uniform(2.0, 12.0))
        process.kill()
        process.communicate()
        for folder in (tmp_path / "killed").glob("site*"):
            assert (folder / ".y90voxel.json").is_file(), "half-written results"
    last = start(cohort, tmp_path / "killed")
    last.communicate()
    assert last.returncode == 2
    pandas.testing.assert_frame_equal(table(tmp_path / "calm"), table(tmp_path / "killed"))
    with sqlite3.connect(tmp_path / "killed" / LEDGER) as db:
        assert db.execute(SETTLED).fetchall() == settled
    for result in (tmp_path / "calm").glob("site*/*.nii.gz"):
        twin = tmp_path / "killed" / result.relative_to(tmp_path / "calm")
        assert twin.read_bytes() == result.read_bytes()
    assert not list((tmp_path / "killed").glob(".*.tmp"))
