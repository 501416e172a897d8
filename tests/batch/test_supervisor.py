"""Studies in processes of their own, forked and fresh, and what is left of them when a batch is gone."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from batch_work import WORK

from y90voxel.batch.worker import Request, StudyWorker


@pytest.fixture
def request_for(tmp_path):
    """Make a request for a study that does something."""

    def make(deed, **options):
        folder = tmp_path / deed.replace(" ", "-")
        folder.mkdir()
        (folder / "act").write_text(deed)
        arguments = {"path": str(folder), "settings": {}, "staging": str(tmp_path / f"{folder.name}-out")}
        return Request(deed, WORK, arguments, str(tmp_path / f"{folder.name}.log"), **options)

    return make


@pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
def test_forked_and_fresh_processes_give_the_same(request_for, fresh):
    with StudyWorker(threads=1, fresh=fresh) as worker:
        said = [worker.run(request_for(deed)) for deed in ("sleep 0", "crash", "exit", "refuse")]
        slow = worker.run(request_for("hang", timeout_s=3.0))
    assert [s["status"] for s in said] == ["done", "failed", "failed", "refused"]
    assert "SIGSEGV" in said[1]["reason"]
    assert said[2]["reason"] == "its process ended by itself with exit code 3. See logs/exit.log."
    assert slow["reason"] == "it ran longer than the 3 s of --timeout and was ended."
    assert said[0]["peak_memory_bytes"] > 5e6
    assert 3.0 <= slow["seconds"] < 10.0


def test_work_that_cannot_be_imported_fails_the_study(request_for):
    with StudyWorker() as worker:
        request = request_for("sleep 0")
        said = worker.run(Request(request.key, "no_such_module:compute", request.arguments, request.log))
    assert said["reason"].startswith("the worker that computed it ended by itself with exit code 1")


def test_unknown_signals_have_a_number():
    from y90voxel.batch.worker import _ending

    assert _ending(-250) == "was ended by signal 250"


@pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
def test_nothing_outlives_whoever_started_the_worker(request_for, tmp_path, fresh):
    request = request_for("hang")
    code = (
        "import json, sys\nfrom y90voxel.batch.worker import Request, StudyWorker\n"
        "StudyWorker(fresh=sys.argv[2] == 'True').run(Request(**json.loads(sys.argv[1])))"
    )
    spoken = json.dumps({"key": "x", "work": WORK, "arguments": dict(request.arguments), "log": request.log})
    batch = subprocess.Popen([sys.executable, "-c", code, spoken, str(fresh)])
    family = wait_for(lambda: family_of(batch.pid, 2 + fresh * 0), 20)
    batch.kill()
    batch.wait()
    gone, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert len(gone) >= 2


def family_of(pid, least):
    """The descendants of a process, once the study is among them."""
    family = psutil.Process(pid).children(recursive=True)
    return family if len(family) >= least else None


def wait_for(condition, seconds):
    """Wait until something is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_what_was_printed_before_a_crash_is_in_the_log(request_for, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with StudyWorker() as worker:
        worker.run(request_for("say-and-crash"))
    assert (tmp_path / "say-and-crash.log").read_text().startswith("said before\n")


def test_prints_of_a_study_go_to_its_log(request_for, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with StudyWorker(threads=3) as worker:
        worker.run(request_for("threads"))
    said = (tmp_path / "threads.log").read_text()
    assert "Y90VOXEL_THREADS=3" in said
    assert os.environ.get("Y90VOXEL_THREADS") is None
