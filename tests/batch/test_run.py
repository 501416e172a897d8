"""Batches of studies that crash, hang, eat memory, change, or are killed with their batch."""

import contextlib
import errno
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas
import psutil
import pytest
from batch_work import WORK

from y90voxel.batch import batch_folder, folder_lock, ledger
from y90voxel.batch import run_batch as run
from y90voxel.batch.cohort_results import write_cohort
from y90voxel.batch.discovery import Cohort
from y90voxel.batch.ledger import LEDGER, Ledger
from y90voxel.batch.listener import Listener
from y90voxel.batch.run_batch import Handling, Resources, run_batch
from y90voxel.batch.study_outcome import StudyStatus
from y90voxel.batch.study_units import Unit
from y90voxel.errors import InputError, OutputError
from y90voxel.io import leftovers
from y90voxel.io.result_marks import MANIFEST, checksum, read_mark

SPENT = ["seconds", "peak_memory_bytes"]
WHEN = {*SPENT, "work_seconds", "input_digest"}
FAULTS = {
    "a-good": "sleep 0",
    "b-crash": "crash",
    "c-exit": "exit",
    "d-killed": "kill",
    "e-refused": "refuse",
    "f-physics": "physics",
    "g-bug": "bug",
    "h-good": "sleep 0",
}

MIXED = {"one": "flat", "two": "flat", "three": "alone"}


def batch(cohort, out, **options):
    options.setdefault("resources", Resources(workers=2))
    return run_batch(cohort, out, work=WORK, **options)


def reasons(result):
    return {o.study_id.removeprefix("studies-"): (o.status.value, o.reason) for o in result.outcomes}


def tables(out):
    """Everything that a batch leaves behind, but what tells times: these are left out of the tables."""
    left = {}
    for path in sorted(out.rglob("*")):
        if (
            path.is_file()
            and path.name not in (LEDGER, ".lock", "cohort.html")
            and path.parent.name != "logs"
        ):
            left[path.relative_to(out).as_posix()] = path.read_bytes()
    for name in [name for name in left if name.endswith(MANIFEST)]:
        mark = json.loads(left[name])
        left[name] = {**mark, "batch": {k: v for k, v in mark.get("batch", {}).items() if k not in WHEN}}
    left["cohort.csv"] = pandas.read_csv(out / "cohort.csv").drop(columns=SPENT).to_dict()
    left["cohort.parquet"] = pandas.read_parquet(out / "cohort.parquet").drop(columns=SPENT).to_dict()
    left["status.json"] = {k: v for k, v in json.loads(left["status.json"]).items() if k != "computed"}
    return {name: str(content) for name, content in left.items()}


def ledger_rows(out):
    with sqlite3.connect(out / LEDGER) as db:
        return db.execute("SELECT study_id, state, reason, attempts FROM study ORDER BY study_id").fetchall()


def test_studies_that_crash_exit_or_raise_are_recorded_and_the_others_go_on(cohort, tmp_path):
    result = batch(cohort(FAULTS), tmp_path / "out")
    found = reasons(result)
    assert {name: status for name, (status, _) in found.items()} == {
        "a-good": "done",
        "b-crash": "failed",
        "c-exit": "failed",
        "d-killed": "failed",
        "e-refused": "refused",
        "f-physics": "failed",
        "g-bug": "failed",
        "h-good": "done",
    }
    assert "SIGSEGV, a crash of the interpreter" in found["b-crash"][1]
    assert "ended by itself with exit code 3" in found["c-exit"][1]
    assert "SIGKILL" in found["d-killed"][1]
    assert found["e-refused"][1] == "the study has no liver. [regions]"
    assert found["f-physics"][1] == "energy is not conserved"
    assert found["g-bug"][1] == "KeyError: 'a bug'"
    logs = tmp_path / "out" / "logs"
    assert "Segmentation fault" in (logs / "studies-b-crash.log").read_text()
    assert "Traceback" in (logs / "studies-g-bug.log").read_text()
    assert {row[0]: row[1] for row in ledger_rows(tmp_path / "out")} == {
        o.study_id: o.status.value for o in result.outcomes
    }
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["counts"] == {"done": 2, "failed": 5, "refused": 1, "skipped": 0, "stale": 0}
    assert {"schema_version", "kind"} <= status.keys()
    assert [row["reason"] for row in status["refused"]] == ["the study has no liver. [regions]"]
    assert not (tmp_path / "out" / ".staging").exists()


def test_a_study_that_hangs_is_ended_in_time(cohort, tmp_path):
    started = time.monotonic()
    found = reasons(
        batch(cohort({"a": "hang", "b": "sleep 0"}), tmp_path / "out", resources=Resources(timeout_s=1.0))
    )
    assert found["a"] == ("failed", "it ran longer than the 1 s of --timeout and was ended.")
    assert found["b"][0] == "done"
    assert time.monotonic() - started < 30


@pytest.mark.skipif(sys.platform != "linux", reason="the memory bound is the kernel's")
def test_a_study_that_needs_too_much_memory_fails_alone(cohort, tmp_path):
    resources = Resources(workers=1, memory_gb=1.0)
    found = reasons(
        batch(cohort({"a": "allocate 1.5", "b": "allocate 0.2"}), tmp_path / "out", resources=resources)
    )
    assert found["a"] == ("failed", "it needed more than the 1 GiB of --memory-gb.")
    assert found["b"][0] == "done"


def test_a_killed_worker_costs_its_study_only(cohort, tmp_path):
    deeds = {"a": "kill-supervisor", "b": "sleep 0", "c": "sleep 0"}
    found = reasons(batch(cohort(deeds), tmp_path / "out", resources=Resources(workers=1)))
    assert found["a"][0] == "failed"
    assert "SIGKILL" in found["a"][1]
    assert {found["b"][0], found["c"][0]} == {"done"}


def test_cores_are_shared_out_among_workers(cohort, tmp_path):
    batch(cohort({"a": "threads"}), tmp_path / "out", resources=Resources(workers=1))
    said = (tmp_path / "out" / "logs" / "studies-a.log").read_text()
    cores = len(os.sched_getaffinity(0))
    assert f"Y90VOXEL_THREADS={cores}" in said
    assert f"OPENBLAS_NUM_THREADS={cores}" in said


def test_only_what_is_new_changed_or_failed_is_computed_again(cohort, tmp_path):
    out, deeds = tmp_path / "out", {"a": "sleep 0", "b": "bug", "c": "refuse"}
    assert batch(cohort(deeds), out).computed == 3
    assert batch(cohort(deeds), out).computed == 1  # the failed one
    assert batch(cohort(deeds), out, retry="none").computed == 0
    assert batch(cohort(deeds), out, retry="refused").computed == 2
    assert batch(cohort(deeds), out, retry="all").computed == 3
    deeds["d"] = "sleep 0"
    assert batch(cohort(deeds), out, retry="none").computed == 1


def test_one_kind_alone_is_tried_again(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0", "b": "bug", "c": "refuse", "d": "crash"})
    batch(manifest, out)
    for kind, name in (("regions", "c"), ("crash", "d")):
        before = {path.name: path.read_text() for path in (out / "logs").glob("*.starts")}
        assert batch(manifest, out, retry=kind).computed == 1
        again = [
            path.name for path in (out / "logs").glob("*.starts") if path.read_text() != before[path.name]
        ]
        assert again == [f"studies-{name}.log.starts"]


def test_results_of_studies_that_left_the_cohort_are_kept_and_stale(cohort, tmp_path):
    assert batch(cohort({"a": "sleep 0", "b": "sleep 0"}), tmp_path / "out").remarks == ()
    smaller = batch(cohort({"a": "sleep 0"}), tmp_path / "out")
    assert [(o.study_id, o.status.value) for o in smaller.outcomes] == [
        ("studies-a", "done"),
        ("studies-b", "stale"),
    ]
    (remark,) = smaller.remarks
    assert remark.startswith("not in the cohort any more")
    assert remark.endswith(": studies-b")
    assert (tmp_path / "out" / "studies-b" / "metrics.json").is_file()
    assert smaller.needs_attention()
    assert not smaller.needs_attention(["stale"])
    back = batch(cohort({"a": "sleep 0", "b": "sleep 0"}), tmp_path / "out")
    assert back.computed == 0
    assert not back.needs_attention()


def test_a_changed_byte_is_seen_even_when_the_time_is_set_back(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0", "b": "sleep 0"})
    batch(manifest, out)
    data = tmp_path / "studies" / "a" / "data"
    stat = data.stat()
    data.write_text("x")
    os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    before = (out / "studies-a" / "dvh.csv").read_text()
    assert batch(manifest, out).computed == 1
    assert (out / "studies-a" / "dvh.csv").read_text() != before


def test_touched_files_are_read_and_known_again(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    os.utime(tmp_path / "studies" / "a" / "data")
    assert batch(manifest, out).computed == 0


def test_changed_settings_versions_and_missing_results_are_computed_again(cohort, tmp_path, monkeypatch):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    assert batch(manifest, out, options={"dose": {"engine": "local"}}).computed == 1
    assert '"engine": "local"' in (out / "studies-a" / "dvh.csv").read_text()
    shutil.rmtree(out / "studies-a")
    assert batch(manifest, out, options={"dose": {"engine": "local"}}).computed == 1
    with sqlite3.connect(out / LEDGER) as db:
        db.execute("UPDATE study SET version = '0.0.1', result = json_set(result, '$.version', '0.0.1')")
    assert batch(manifest, out, options={"dose": {"engine": "local"}}).computed == 1


def started(out):
    """How the study was started each time: ``x``, or ``r`` with the dose of its earlier results."""
    return (out / "logs" / "studies-a.log.starts").read_text()


def test_a_study_of_which_only_the_report_changes_keeps_its_dose(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    assert batch(manifest, out, options={"output": {"pdf": True}}).computed == 1
    assert started(out) == "xr"
    log = (out / "logs" / "batch.log").read_text()
    assert "studies-a: only settings of its report changed; its dose is kept" in log
    assert batch(manifest, out, options={"output": {"pdf": True}}).computed == 0
    assert batch(manifest, out, options={"output": {"report": False, "label": "P1"}}).computed == 1
    assert batch(manifest, out, options={"output": {"uncertainty": True}}).computed == 1
    assert batch(manifest, out, options={"dose": {"engine": "local"}}).computed == 1
    assert started(out) == "xrrxx"


@pytest.mark.parametrize("change", ["damage", "input", "version", "older ledger"])
def test_a_dose_that_may_not_be_the_studys_is_computed_again(cohort, tmp_path, change):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    with sqlite3.connect(out / LEDGER) as db:
        if change == "damage":
            (out / "studies-a" / "dvh.csv").write_text("")
        elif change == "input":
            (tmp_path / "studies" / "a" / "data").write_text("other")
        elif change == "version":
            db.execute("UPDATE study SET result = json_set(result, '$.version', '0.0.1')")
        else:
            db.execute("UPDATE study SET result = json_remove(result, '$.dose_sha256')")
    assert batch(manifest, out, options={"output": {"pdf": True}}).computed == 1
    assert started(out) == "xx"


def test_a_rebuilt_ledger_knows_which_doses_can_be_kept(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    (out / LEDGER).unlink()
    batch(manifest, out, options={"output": {"pdf": True}})
    assert started(out) == "xr"


@pytest.mark.parametrize("deed", ["bug", "refuse", "crash"])
def test_results_of_a_study_that_cannot_be_computed_now_stay_and_are_marked(cohort, tmp_path, deed):
    out = tmp_path / "out"
    batch(cohort({"a": "sleep 0"}), out)
    before = results_in(out / "studies-a")
    found = reasons(batch(cohort({"a": deed}), out))
    status, reason = found["a"]
    assert status == "stale"
    assert reason.endswith("The results of an earlier run are kept.")
    assert reason in (out / "studies-a" / "STALE.txt").read_text()
    assert results_in(out / "studies-a") == before
    back = batch(cohort({"a": "sleep 0"}), out)  # the input is what it was
    assert back.computed == 0
    assert reasons(back)["a"] == ("done", None)
    assert not (out / "studies-a" / "STALE.txt").exists()


def results_in(folder):
    """Results and their times."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir() if p.name != "STALE.txt"}


def test_a_share_that_is_gone_or_a_mistake_in_a_row_costs_no_results(cohort, tmp_path):
    out, deeds = tmp_path / "out", {"a": "sleep 0", "b": "sleep 0"}
    batch(cohort(deeds), out)
    before = results_in(out / "studies-a")
    (tmp_path / "studies" / "a").rename(tmp_path / "unmounted")
    manifest = cohort({"b": "sleep 0"})
    manifest.write_text("study\nstudies/a\nstudies/b\n")
    status, reason = reasons(batch(manifest, out))["a"]
    assert (status, "there is no file or folder" in reason) == ("stale", True)
    (tmp_path / "unmounted").rename(tmp_path / "studies" / "a")
    manifest.write_text("study,engine\nstudies/a,magic\nstudies/b,\n")
    assert reasons(batch(manifest, out))["a"][0] == "stale"
    assert results_in(out / "studies-a") == before
    manifest.write_text("study\nstudies/a\nstudies/b\n")
    result = batch(manifest, out)
    assert result.computed == 0
    assert not result.needs_attention()
    assert results_in(out / "studies-a") == before


DAMAGE = {
    "is missing": lambda folder: (folder / "dvh.csv").unlink(),
    "has 0 bytes": lambda folder: (folder / "metrics.json").write_text(""),
    "is not what was written": lambda folder: swap_bytes(folder / "dvh.csv"),
}


def swap_bytes(path):
    """Damage a file in its place, its size as it was."""
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_results_are_noticed_computed_again_and_told(cohort, tmp_path, damage):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0", "b": "sleep 0"})
    batch(manifest, out)
    good = (out / "studies-a" / "dvh.csv").read_bytes()
    DAMAGE[damage](out / "studies-a")
    assert batch(manifest, out).computed == 1
    assert (out / "studies-a" / "dvh.csv").read_bytes() == good
    log = (out / "logs" / "batch.log").read_text()
    assert f"{damage}" in log
    assert batch(manifest, out).computed == 0


def test_damage_that_leaves_size_and_time_is_found_by_verify_alone(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    path = out / "studies-a" / "dvh.csv"
    stat = path.stat()
    swap_bytes(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert batch(manifest, out).computed == 0
    assert batch(manifest, out, handling=Handling(verify=True)).computed == 1


def test_results_that_were_copied_elsewhere_with_new_times_are_taken_as_they_are(cohort, tmp_path):
    manifest = cohort({"a": "sleep 0"})
    batch(manifest, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    assert batch(manifest, tmp_path / "copy").computed == 0


LOST = {
    "deleted": lambda path: path.unlink(),
    "garbage": lambda path: path.write_bytes(b"no database at all" * 99),
    "empty": lambda path: path.write_bytes(b""),
    "a page of it": lambda path: path.write_bytes(
        path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096)
    ),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5000]),
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_ledger_is_rebuilt_from_the_results_and_the_old_one_kept(cohort, tmp_path, how):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0", "b": "sleep 0", "c": "refuse"})
    batch(manifest, out)
    LOST[how](out / LEDGER)
    result = batch(manifest, out, retry="none")
    assert result.computed == 1  # the refused one: nothing is left of it
    assert {row[0]: row[1] for row in ledger_rows(out)} == {
        "studies-a": "done",
        "studies-b": "done",
        "studies-c": "refused",
    }
    assert any("rebuilt from the records of 2 results" in remark for remark in result.remarks)
    assert len(list(out.glob("ledger.damaged-*"))) == (how not in ("deleted", "empty"))
    assert batch(manifest, out).computed == 0


def test_a_ledger_that_somebody_locks_is_set_aside(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "_WAIT_S", 0.1)
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    with sqlite3.connect(out / LEDGER, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = batch(manifest, out)
        other.execute("ROLLBACK")
    assert result.computed == 0
    assert any("database is locked" in remark for remark in result.remarks)


def test_a_ledger_of_the_first_schema_is_brought_up_to_date(cohort, tmp_path):
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    batch(manifest, out)
    with sqlite3.connect(out / LEDGER) as db:
        db.executescript(
            """CREATE TABLE old AS SELECT key, study_id, state, reason, input_digest, content_sha256, files, bytes,
            settings_sha256, settings, version, attempts, finished, seconds, work_seconds, peak_memory_bytes FROM study;
            DROP TABLE study; DROP TABLE memory; ALTER TABLE old RENAME TO study; PRAGMA user_version = 1;"""
        )
    assert batch(manifest, out).computed == 0
    with sqlite3.connect(out / LEDGER) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_share_without_locks_has_another_lock(cohort, tmp_path, monkeypatch):
    def unknown(descriptor, operation):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(folder_lock.fcntl, "flock", unknown)
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 0.2)
    out, manifest = tmp_path / "out", cohort({"a": "sleep 0"})
    assert batch(manifest, out).computed == 1
    assert not (out / ".owner").exists()
    with (
        batch_folder.batch_folder(out),
        pytest.raises(InputError, match=f"another batch is writing .*process {os.getpid()} on"),
    ):
        batch(manifest, out)
    # its process is gone; another host's was silent for long
    gone = {"token": f"{leftovers._host()}-999999999-1-0a1b2c3d", "who": "x"}
    (out / ".owner").write_text(json.dumps(gone))
    assert batch(manifest, out).computed == 0
    (out / ".owner").write_text(json.dumps({"token": "0a1b2c3d-1-1-0a1b2c3d", "who": "x"}))
    with pytest.raises(InputError, match="another batch is writing"):
        batch(manifest, out)
    os.utime(out / ".owner", (time.time() - 500,) * 2)
    assert batch(manifest, out).computed == 0


def test_a_folder_that_cannot_be_locked_is_refused_with_where_to_write(tmp_path, monkeypatch):
    def broken(descriptor, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(folder_lock.fcntl, "flock", broken)
    with (
        pytest.raises(OutputError, match=r"cannot be locked .*Choose an OUT on a local disk"),
        batch_folder.batch_folder(tmp_path / "out"),
    ):
        pytest.fail("the block must not run")


def test_an_error_while_results_are_put_in_place_is_the_studys_and_the_others_go_on(cohort, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    long = "\u809d" * 79  # 237 bytes
    manifest = cohort({"a": "sleep 0", "b": "sleep 0", long: "sleep 0"})
    (out / "studies-a").symlink_to(tmp_path / "nowhere")
    (out / ".y90voxel.json").write_text(json.dumps({"command": "batch"}))
    result = batch(manifest, out)
    found = reasons(result)
    assert found["a"][0] == "failed"
    assert "Not a directory" in found["a"][1]
    assert found["b"][0] == "done"
    assert [o.status.value for o in result.outcomes].count("done") == 2


def test_a_name_that_is_not_utf8_is_computed_and_escaped(tmp_path):
    name = os.fsdecode(b"M\xfcller")
    folder = tmp_path / "studies" / name
    folder.mkdir(parents=True)
    (folder / "act").write_text("sleep 0")
    manifest = tmp_path / "cohort.csv"
    manifest.write_text("study\nstudies\n")
    unit = manifest_unit(manifest, folder)
    result = batch_of([unit], tmp_path)
    assert [o.status.value for o in result.outcomes] == ["done"]
    assert result.outcomes[0].label == r"studies/M\xfcller"


def manifest_unit(manifest, folder):
    """The unit of a folder whose name a manifest in UTF-8 cannot hold."""
    from y90voxel.batch.study_units import printable

    return Unit(printable(folder.as_posix()), printable(f"studies/{folder.name}"), folder)


def batch_of(units, tmp_path):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "find_cohort", lambda *_, **__: Cohort(tuple(units)))
        return batch(tmp_path / "cohort.csv", tmp_path / "out")


def test_a_copy_that_is_added_leaves_the_old_study_its_name_and_results(cohort, tmp_path):
    def unit(name, deed="sleep 0"):
        folder = cohort({name: deed}).parent / "studies" / name
        return Unit(f"1.2.3|{name}", name, folder, what="1.2.3")

    assert batch_of([unit("p1")], tmp_path).computed == 1
    both = batch_of([unit("a-copy"), unit("p1")], tmp_path)
    assert both.computed == 1
    assert [o.study_id for o in both.outcomes] == ["a-copy", "p1"]
    assert not both.needs_attention()
    moved = batch_of([unit("a-copy"), unit("elsewhere")], tmp_path)
    assert [o.study_id for o in moved.outcomes] == ["a-copy", "p1"]


def test_files_that_somebody_added_to_results_are_not_lost(cohort, tmp_path):
    out = tmp_path / "out"
    batch(cohort({"a": "sleep 0"}), out)
    (out / "studies-a" / ".y90voxel.json").write_text(json.dumps({"files": ["metrics.json", "dvh.csv"]}))
    (out / "studies-a" / "notes.txt").write_text("mine")
    found = reasons(batch(cohort({"a": "sleep 0.01"}), out))
    assert found["a"][0] == "stale"
    assert "notes.txt" in found["a"][1]
    assert (out / "studies-a" / "notes.txt").read_text() == "mine"


def start(manifest, out):
    code = (
        "import sys; from batch_work import WORK\n"
        "from y90voxel.batch.run_batch import Resources, run_batch\n"
        "run_batch(sys.argv[1], sys.argv[2], work=WORK, resources=Resources(workers=2))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(manifest), str(out)], stderr=subprocess.PIPE, text=True
    )


def test_a_batch_killed_at_random_instants_ends_like_an_undisturbed_one(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "write_tables", lambda place, found, title: write_cohort(place.path, found))
    deeds = {f"s{i:02d}": f"sleep {0.01 * i}" for i in range(24)} | {"x": "refuse", "y": "exit", "z": "bug"}
    manifest = cohort(deeds)
    batch(manifest, tmp_path / "calm")
    moments = random.Random(7)
    for _ in range(5):
        process = start(manifest, tmp_path / "killed")
        while process.poll() is None and not any((tmp_path / "killed").glob(".staging/*")):
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        process.communicate()
        for folder in (tmp_path / "killed").glob("studies-*"):
            assert (folder / "metrics.json").is_file(), "half-written results"
    assert [state for _, state, _, _ in ledger_rows(tmp_path / "killed")].count("planned") > 0, (
        "killed too late"
    )
    result = batch(manifest, tmp_path / "killed")
    assert len(result.outcomes) == len(deeds)
    assert tables(tmp_path / "calm") == tables(tmp_path / "killed")


@pytest.mark.slow
def test_fifty_kills_of_supervisor_worker_and_both_end_byte_by_byte_like_an_undisturbed_run(
    cohort, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "write_tables", lambda place, found, title: write_cohort(place.path, found))
    deeds = {f"s{i:03d}": f"sleep {0.02 * (i % 10)}" for i in range(150)} | {"x": "refuse"}
    manifest, out = cohort(deeds), tmp_path / "killed"
    batch(manifest, tmp_path / "calm")
    moments = random.Random(18)
    for number in range(50):
        process = start(manifest, out)
        while process.poll() is None and not any(out.glob(".staging/*")):
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.15))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        if number % 3 != 0:
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        if number % 3 != 1:
            process.kill()
        process.communicate()
        for folder in out.glob("studies-*"):
            assert is_whole(folder), folder
    result = batch(manifest, out)
    assert len(result.outcomes) == len(deeds)
    assert tables(tmp_path / "calm") == tables(out)


def is_whole(folder):
    """Whether a folder holds all that its mark lists, byte by byte."""
    checksums = read_mark(folder)["checksums"]
    return all(checksum(folder / name) == digest for name, (_, digest) in checksums.items())


def test_two_batches_on_one_folder_are_refused(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 0.2)
    manifest = cohort({"a": "sleep 0"})
    with (
        batch_folder.batch_folder(tmp_path / "out"),
        pytest.raises(InputError, match=f"another batch is writing .* \\(process {os.getpid()} on"),
    ):
        batch(manifest, tmp_path / "out")


def test_a_full_disk_stops_the_batch_and_loses_nothing(cohort, tmp_path):
    deeds = {"a": "sleep 0", "b": "full", "c": "sleep 0", "d": "sleep 0"}
    manifest = cohort(deeds)
    (tmp_path / "studies" / "a" / "data").write_text("the largest is first")
    (tmp_path / "studies" / "b" / "data").write_text("then this")
    out = tmp_path / "out"
    with pytest.raises(
        InputError, match=r"no space left in .*: 1 studies were computed .* 3 were not\. Free space"
    ):
        batch(manifest, out, resources=Resources(workers=1))
    assert {row[0]: row[1] for row in ledger_rows(out)}["studies-b"] == "planned"
    (tmp_path / "studies" / "b" / "act").write_text("sleep 0")
    result = batch(manifest, out)
    assert result.computed == 3
    assert len(result.with_status(StudyStatus.DONE)) == 4


def test_a_ledger_that_cannot_be_written_says_so(cohort, tmp_path, monkeypatch):
    def full(self, *arguments, **facts):
        with self._explained():
            raise sqlite3.OperationalError("database or disk is full")

    manifest = cohort({"a": "sleep 0"})
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "record", full)
        with pytest.raises(
            InputError, match=r"the ledger .* cannot be used: database or disk is full.*run the same"
        ):
            batch(manifest, tmp_path / "out")
    assert batch(manifest, tmp_path / "out").computed == 1


def test_a_disk_that_fills_while_results_are_put_in_place_stops_the_batch(cohort, tmp_path, monkeypatch):
    def full(self, staged, study_id, facts):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch_folder.BatchFolder, "accept", full)
    with pytest.raises(InputError, match="no space left"):
        batch(cohort({"a": "sleep 0"}), tmp_path / "out")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: out.write_text("x"), "is a file; a batch needs a folder"),
        (lambda out: (out.mkdir(), (out / "thesis.doc").write_text("x")), "holds no batch .*thesis.doc"),
        (
            lambda out: (out.mkdir(), sqlite3.connect(out / LEDGER).execute("CREATE TABLE x (y)")),
            "is no ledger",
        ),
    ],
)
def test_an_output_folder_that_is_not_a_batchs_is_refused(cohort, tmp_path, make, message):
    make(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        batch(cohort({"a": "sleep 0"}), tmp_path / "out")


@pytest.mark.parametrize(
    "name", [".lock", ".owner", ".y90voxel.json.new", "ledger.sqlite-journal", ".staging/x", "logs/batch.log"]
)
def test_a_folder_in_which_a_batch_ended_before_it_had_a_ledger_is_used_again(cohort, tmp_path, name):
    """Killed, or on a disk that was full for a moment."""
    file = tmp_path / "out" / name
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert batch(cohort({"a": "sleep 0"}), tmp_path / "out").computed == 1


def test_a_folder_with_somebodys_logs_is_not(cohort, tmp_path):
    (tmp_path / "out" / "logs").mkdir(parents=True)
    (tmp_path / "out" / "logs" / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds no batch .*logs"):
        batch(cohort({"a": "sleep 0"}), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["logs"]


def test_an_output_folder_that_cannot_be_made_is_refused(cohort, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"cannot write to .*Not a directory"):
        batch(cohort({"a": "sleep 0"}), tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry": "some"}, "--retry 'some' is none of none, failed, refused, all"),
        ({"case": "nowhere.toml"}, "the case file nowhere.toml cannot be read"),
        ({"options": {"dose": {"engine": "magic"}}}, "dose.engine = 'magic'"),
    ],
)
def test_wrong_options_stop_before_anything_is_written(cohort, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        batch(cohort({"a": "sleep 0"}), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout_s": 0.0}, "--timeout 0 must be above zero"),
        ({"memory_gb": -1.0}, "--memory-gb -1 must be above zero"),
        ({"scheduler": "tcp://x", "slurm": True}, "--scheduler or --slurm, not both"),
    ],
)
def test_wrong_resources_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Resources(**given)


def test_no_worker_is_refused(cohort, tmp_path):
    with pytest.raises(InputError, match="at least one worker is needed, got 0"):
        batch(cohort({"a": "sleep 0"}), tmp_path / "out", resources=Resources(workers=0))


def test_an_anonymous_batch_names_nobody(cohort, tmp_path):
    out = tmp_path / "out"
    options = {"output": {"anonymise": True}}
    deeds = {"Doe_John": "sleep 0", "Roe_Jane": "bug", "Poe_Jim": "refuse", "Moe": "sleep 0"}
    manifest = cohort(
        deeds,
        activity={"Moe": "2 Gy/Doe"},
        patient_name=dict.fromkeys(deeds, "Doe"),
        response=dict.fromkeys(deeds, "PR"),
        label={"Roe_Jane": "Jane", "Poe_Jim": "Jim"},
    )
    result = batch(manifest, out, options=options)
    assert [o.status.value for o in result.outcomes] == ["done", "failed", "refused", "refused"]
    assert result.outcomes[0].columns == {"response": "PR"}
    written = b"".join(p.read_bytes() + p.name.encode() for p in out.rglob("*") if p.is_file())
    for name in (b"Doe", b"John", b"Roe", b"Jane", b"Poe", b"Moe"):
        assert name not in written
    with pytest.raises(InputError, match="computed without identities, this run is to be with them"):
        batch(manifest, out)


def test_studies_of_one_folder_are_told_apart_by_their_labels(cohort, tmp_path, monkeypatch):
    units = [
        Unit(key, name, cohort({key: "sleep 0"}).parent / "studies" / key) for key, name in MIXED.items()
    ]
    monkeypatch.setattr(run, "find_cohort", lambda *_, **__: Cohort(tuple(units)))
    result = batch(tmp_path / "cohort.csv", tmp_path / "out")
    labels = {outcome.label: outcome.study_id for outcome in result.outcomes}
    assert len(labels) == 3
    assert labels.pop("alone") == "alone"
    assert all(label == study_id and label.startswith("flat-") for label, study_id in labels.items())


def test_the_listener_hears_everything(cohort, tmp_path):
    heard = []

    class Ear(Listener):
        def planned(self, total, to_do, workers):
            heard.append((total, to_do))

        def ended(self, outcome, share):
            heard.append((outcome.study_id, round(share, 2)))

    batch(cohort({"a": "sleep 0", "b": "sleep 0.3"}), tmp_path / "out", listener=Ear())
    assert heard[0] == (2, 2)
    assert heard[-1][1] == 1.0
    assert "2 studies, 2 to compute" in Path(tmp_path / "out" / "logs" / "batch.log").read_text()
