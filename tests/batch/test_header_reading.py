"""Headers of a tree: read once, in several processes, and remembered; counted, not timed."""

import json
import os
import sqlite3
import subprocess
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from batch_work import WORK
from small_archive import write_archive
from study_factory import write_study

from y90voxel.batch import header_memory
from y90voxel.batch import run_batch as run
from y90voxel.batch.header_memory import LedgerMemory, remembered_headers
from y90voxel.batch.ledger import LEDGER, Ledger
from y90voxel.io.dicom import catalogue, header_readers
from y90voxel.io.dicom.archive_walk import ArchiveFile, ArchiveFolder, walk_archive
from y90voxel.io.dicom.catalogue import ArchiveWatch, list_archive
from y90voxel.io.dicom.series_facts import FolderFacts, read_folder

HOUR_NS = 3600 * 10**9


@pytest.fixture
def archive(tmp_path):
    """Three studies of 42 files, an hour old as far as its files can say."""
    return write_archive(tmp_path / "cohort", 3)


@pytest.fixture
def opened(monkeypatch):
    """Every file whose header is read by this process."""
    files = []
    monkeypatch.setattr(
        catalogue,
        "read_in_parallel",
        lambda root, parts, readers: iter(
            [files.extend(name for name, _ in part) or read_folder(root, part) for part in parts]
        ),
    )
    return files


@pytest.fixture
def _settled(monkeypatch):
    """Files that were just written count as old."""
    monkeypatch.setattr(header_memory, "RACY_NS", -HOUR_NS)


def batch(cohort, out, **options):
    return run.run_batch(cohort, out, work=WORK, options={"dose": {"engine": "local"}}, **options)


@pytest.mark.usefixtures("_settled")
def test_a_second_run_opens_no_file_and_a_changed_folder_alone_is_read_again(archive, tmp_path, opened):
    out = tmp_path / "out"
    assert batch(archive, out).computed == 3
    assert len(opened) == 3 * 42
    opened.clear()
    again = batch(archive, out)
    assert (again.computed, opened) == (0, [])
    assert [o.status.value for o in again.outcomes] == ["done"] * 3
    os.utime(archive / "p0001" / "ct0003")
    batch(archive, out)
    assert {name.partition("/")[0] for name in opened} == {"p0001"}
    opened.clear()
    (archive / "p0002" / "more").write_text("a file")
    (archive / "p0000" / "ct0000").unlink()
    batch(archive, out)
    assert {name.partition("/")[0] for name in opened} == {"p0000", "p0002"}


def test_files_that_were_just_written_are_read_again(archive, tmp_path, opened):
    """Within a tick of the clock they may change without a sign."""
    batch(archive, tmp_path / "out")
    opened.clear()
    batch(archive, tmp_path / "out")
    assert len(opened) == 3 * 42


def test_both_sides_of_the_time_within_which_files_may_change(tmp_path):
    now = time.time_ns()
    ledger = Ledger(tmp_path, anonymous=False)
    for name, age in (("old", header_memory.RACY_NS + 1), ("young", header_memory.RACY_NS)):
        memory = LedgerMemory(ledger)
        folder = ArchiveFolder(name, (ArchiveFile("f", 1, now - age, 0),))
        memory.keep(folder, {"series": [], "damaged": []}, now)
        memory.close()
        assert (LedgerMemory(ledger).recall(folder) is not None) == (name == "old")
    ledger.close()


@pytest.mark.usefixtures("_settled")
def test_what_another_version_of_the_facts_remembered_is_read_again(monkeypatch):
    known = {}
    ledger = SimpleNamespace(
        facts=lambda kind: dict(known), remember=lambda kind, new, old=(): known.update(new)
    )
    folder = ArchiveFolder("a", (ArchiveFile("file", 1, 0, 0),))
    memory = LedgerMemory(ledger)
    memory.keep(folder, {"series": []}, HOUR_NS)
    memory.close()
    assert LedgerMemory(ledger).recall(folder) == {"series": []}
    monkeypatch.setattr(header_memory, "FACTS_VERSION", header_memory.FACTS_VERSION + 1)
    assert LedgerMemory(ledger).recall(folder) is None


@pytest.mark.usefixtures("_settled")
def test_a_dry_run_reads_no_header_that_is_known(archive, tmp_path, opened):
    batch(archive, tmp_path / "out")
    opened.clear()
    batch(archive, tmp_path / "out", handling=run.Handling(dry_run=True))
    assert opened == []


@pytest.mark.usefixtures("_settled")
def test_what_was_read_is_kept_when_the_batch_is_stopped(archive, tmp_path, opened, monkeypatch):
    monkeypatch.setattr(header_memory, "FLUSH_S", 0.0)

    def stop(self, headers, of):
        if headers >= 80:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run.BatchLog, "read", stop)
        with pytest.raises(KeyboardInterrupt):
            batch(archive, tmp_path / "out")
    opened.clear()
    batch(archive, tmp_path / "out")
    assert {name.partition("/")[0] for name in opened} == {"p0002"}


@pytest.mark.usefixtures("_settled")
def test_an_anonymous_ledger_remembers_no_headers(archive, tmp_path):
    run.run_batch(archive, tmp_path / "out", work=WORK, options={"output": {"anonymise": True}})
    with sqlite3.connect(tmp_path / "out" / LEDGER) as db:
        assert db.execute("SELECT count(*) FROM memory").fetchone() == (0,)
    with remembered_headers(None, True) as memory:
        assert memory is None


def facts_of(found):
    return [(s.identity, s.frame_of_reference_uid, s.taken, s.files, s.objects) for s in found.series]


def test_readers_in_other_processes_find_what_this_one_finds(archive, monkeypatch):
    (archive / "p0001" / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff")
    (archive / os.fsdecode(b"p0001/M\xfcller")).write_bytes((archive / "p0001" / "ct0000").read_bytes())
    monkeypatch.setattr(catalogue, "PART_FILES", 7)
    alone = list_archive(archive)
    monkeypatch.setattr(header_readers, "FEW_FILES", 1)
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        header_readers.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )
    shared = list_archive(archive, readers=2)
    assert len(started) == 2
    assert facts_of(shared) == facts_of(alone)
    assert shared.damaged == alone.damaged == ("p0001/broken",)
    assert all(process.poll() is not None for process in started), "readers outlive the reading"


@pytest.mark.parametrize("few", [126, 127])
def test_both_sides_of_what_one_process_reads_alone(archive, monkeypatch, few):
    monkeypatch.setattr(header_readers, "FEW_FILES", few)
    crews = []
    monkeypatch.setattr(header_readers._ReaderProcesses, "start", lambda self, readers: crews.append(readers))
    monkeypatch.setattr(header_readers._ReaderProcesses, "wait_for", lambda self, number: FolderFacts())
    list_archive(archive, readers=4)
    assert crews == ([3] if few == 126 else [])


def test_a_reader_that_is_killed_costs_nothing(archive, monkeypatch):
    monkeypatch.setattr(header_readers, "FEW_FILES", 1)
    monkeypatch.setattr(header_readers.sys, "executable", "/bin/false")
    assert facts_of(list_archive(archive, readers=2)) == facts_of(list_archive(archive))


def test_facts_survive_json_without_names_of_files():
    names = ["b/2", "b/1", "b/3"]
    facts = read_folder(Path("/"), [])
    assert facts.as_json(names) == {"series": [], "damaged": []}
    assert FolderFacts.from_json({"series": [], "damaged": [2]}, names).damaged == ["b/3"]


def test_facts_in_the_ledger_name_no_file(archive, tmp_path):
    (folder,) = [f for f in walk_archive(archive)[0] if f.name == "p0001"]
    names = [folder.path_of(file) for file in folder.files]
    facts = read_folder(archive, [(name, 10**6) for name in names])
    document = json.dumps(facts.as_json(names))
    assert "ct00" not in document
    assert facts_of(FolderFacts.from_json(json.loads(document), names)) == facts_of(facts)


def test_a_folder_that_nobody_may_look_into_is_passed_over(archive, monkeypatch):
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "p0001":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert [folder.name for folder in walk_archive(archive)[0]] == ["p0000", "p0002"]


def test_a_watch_hears_of_every_folder_and_of_the_one_ahead(archive):
    heard = []

    class Watch(ArchiveWatch):
        def arrived(self, known, ahead):
            heard.append((len(known().series), ahead))

    list_archive(archive, watch=Watch())
    assert heard == [(3, "p0001"), (6, "p0002"), (9, None)]


@pytest.mark.parametrize("readers", [1, 2])
def test_values_of_damaged_headers_are_not_quoted(tmp_path, monkeypatch, capfd, readers):
    """Libraries warn with what stands there: a name, where an export has shifted its columns."""
    write_study(tmp_path / "s", AcquisitionDate="ZQXMARK", SeriesDate="ZQXMARK", AcquisitionTime="ZQXMARK")
    monkeypatch.setattr(header_readers, "FEW_FILES", 1)
    monkeypatch.setattr(catalogue, "PART_FILES", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = list_archive(tmp_path, readers=readers)
    assert {one.taken for one in found.series} == {None}
    told = capfd.readouterr()
    assert "ZQXMARK" not in told.out + told.err
