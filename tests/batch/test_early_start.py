"""Studies that are started while headers of others are read: the same results, sooner."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from batch_work import WORK
from small_archive import write_archive

from y90voxel.batch import early_start
from y90voxel.batch import run_batch as run
from y90voxel.batch.early_start import EarlyStart
from y90voxel.batch.run_batch import Resources, run_batch
from y90voxel.errors import InputError
from y90voxel.io.dicom import catalogue
from y90voxel.io.dicom.series_facts import read_folder

PATIENCE_S = 60.0


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "cohort", 4)


def batch(cohort, out, **options):
    return run_batch(cohort, out, work=WORK, resources=Resources(workers=1), **options)


def starts(out):
    """Studies that were started, and how often."""
    found = (out / "logs").glob("*.log.starts")
    return {path.name.removesuffix(".log.starts"): len(path.read_text()) for path in found}


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "nothing was started while headers were read"
        time.sleep(0.01)


@pytest.fixture
def eager(monkeypatch):
    """Studies are looked for after every folder."""
    monkeypatch.setattr(early_start, "LOOK_S", 0.0)
    monkeypatch.setattr(early_start, "LOOK_SHARE", 1e9)


@pytest.fixture
def slow_reading(monkeypatch, tmp_path, eager):
    """The last folder is not read before a study of another was started."""

    def read(root, parts, readers):
        for number, part in enumerate(parts, start=1):
            if number == len(parts):
                wait_until(lambda: starts(tmp_path / "out"))
            yield read_folder(root, part)

    monkeypatch.setattr(catalogue, "read_in_parallel", read)


@pytest.fixture
def calm(monkeypatch, archive, tmp_path):
    """What a batch gives that starts nothing early; call it once the archive is as it should be."""

    def compute():
        with monkeypatch.context() as patched:
            patched.setattr(EarlyStart, "arrived", lambda self, known, ahead: None)
            return results(batch(archive, tmp_path / "calm"), tmp_path / "calm")

    return compute


def results(result, out):
    names = {o.study_id for o in result.outcomes}
    assert {path.name for path in out.iterdir() if path.is_dir()} - {"logs", "figures"} == names
    return {
        (o.study_id, o.status.value, o.reason): (out / o.study_id / "dvh.csv").read_text()
        for o in result.outcomes
    }


@pytest.mark.usefixtures("slow_reading")
@pytest.mark.parametrize("anonymous", [False, True])
def test_studies_are_started_before_all_headers_are_read_and_each_once(archive, tmp_path, anonymous):
    options = {"output": {"anonymise": anonymous}}
    result = batch(archive, tmp_path / "out", options=options)
    assert result.computed == 4
    assert [o.status.value for o in result.outcomes] == ["done"] * 4
    assert starts(tmp_path / "out") == {o.study_id: 1 for o in result.outcomes}
    log = (tmp_path / "out" / "logs" / "batch.log").read_text()
    assert "started while headers are read" in log
    assert batch(archive, tmp_path / "out", options=options).computed == 0


@pytest.mark.usefixtures("slow_reading")
def test_results_are_those_of_a_batch_that_starts_nothing_early(archive, tmp_path, calm):
    assert results(batch(archive, tmp_path / "out"), tmp_path / "out") == calm()


def move_ct_elsewhere(archive):
    """The CT of the first study lies where it is read last: the study is more than its folder holds."""
    (archive / "z").mkdir()
    for path in (archive / "p0000").glob("ct*"):
        path.rename(archive / "z" / path.name)


def share_a_name(archive):
    """Two studies would have one name in the output folder, and get longer ones."""
    (archive / "p0000").rename(archive / "a b")
    (archive / "p0001").rename(archive / "a-b")


def refuse_by_a_case_file(archive):
    (archive / "p0000" / "case.toml").write_text('[dose]\nengine = "magic"\n')


@pytest.mark.usefixtures("slow_reading")
@pytest.mark.parametrize("change", [move_ct_elsewhere, share_a_name])
def test_what_was_started_and_turns_out_to_be_something_else_is_computed_again(
    archive, tmp_path, calm, change
):
    change(archive)
    found = results(batch(archive, tmp_path / "out"), tmp_path / "out")
    assert found == calm()
    assert len(found) == 4
    assert sum(starts(tmp_path / "out").values()) == 5
    assert batch(archive, tmp_path / "out").computed == 0


@pytest.mark.usefixtures("slow_reading")
def test_a_study_with_wrong_settings_is_refused_as_ever(archive, tmp_path):
    refuse_by_a_case_file(archive)
    result = batch(archive, tmp_path / "out")
    assert [o.status.value for o in result.outcomes] == ["refused", "done", "done", "done"]
    assert "p0000" not in starts(tmp_path / "out")


@pytest.mark.usefixtures("eager")
def test_studies_that_earlier_runs_know_are_not_started_early(archive, tmp_path, monkeypatch):
    batch(archive, tmp_path / "out")
    before = starts(tmp_path / "out")
    shutil.move(archive / "p0001", archive / "p9999")  # moved: the same study
    assert batch(archive, tmp_path / "out").computed == 0
    assert starts(tmp_path / "out") == before


@pytest.mark.usefixtures("eager")
def test_no_more_studies_wait_than_there_are_workers(archive, tmp_path, monkeypatch):
    handed = []
    monkeypatch.setattr(
        early_start.LocalWorkers, "hand_out", lambda self, request: handed.append(request.key)
    )
    monkeypatch.setattr(early_start.LocalWorkers, "waiting", property(lambda self: len(handed)))

    def stop(*_arguments):
        raise InputError("far enough")

    monkeypatch.setattr(run, "make_plan", stop)
    with pytest.raises(InputError, match="far enough"):
        run_batch(archive, tmp_path / "out", work=WORK, resources=Resources(workers=2))
    assert len(handed) == 2


@pytest.mark.usefixtures("eager")
def test_studies_without_regions_or_in_a_folder_that_is_not_read_through_wait(archive, tmp_path, monkeypatch):
    for path in (archive / "p0000").glob("rs*"):
        path.unlink()
    shutil.move(archive / "p0002", archive / "p0001" / "inner")
    heard = []
    monkeypatch.setattr(EarlyStart, "_start", lambda self, unit: heard.append(unit.name) or True)
    run_batch(archive, tmp_path / "out", work=WORK, resources=Resources(workers=2))
    assert heard == ["p0001", "p0001/inner"]  # p0001 once its inner folder was read; p0003 is the last


@pytest.mark.usefixtures("slow_reading")
def test_nothing_outlives_a_batch_whose_archive_cannot_be_read(archive, tmp_path, monkeypatch):
    closed = []
    close = early_start.LocalWorkers.close
    monkeypatch.setattr(early_start.LocalWorkers, "close", lambda self: closed.append(close(self)))

    def fail(*_arguments):
        raise InputError("the share is gone")

    monkeypatch.setattr(run, "make_plan", fail)
    with pytest.raises(InputError, match="the share is gone"):
        batch(archive, tmp_path / "out")
    assert closed
    assert not list(Path(tmp_path / "out").glob("p*"))


@pytest.mark.parametrize(("later", "looked"), [(0.9, 1), (1.1, 2)])
def test_studies_are_looked_for_now_and_then(monkeypatch, later, looked):
    """The look costs time that readers and workers could use."""
    looks, now = [], [100.0]
    monkeypatch.setattr(early_start.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(early_start, "whole_studies", lambda *_arguments: looks.append(1) or [])
    workers = SimpleNamespace(workers=1, waiting=0)
    early = EarlyStart(Path(), workers, None, None, {}, None)
    early.arrived(lambda: None, "ahead")
    now[0] += later * early_start.LOOK_S
    early.arrived(lambda: None, "ahead")
    assert len(looks) == looked
