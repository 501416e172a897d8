"""A batch where the system has no processes of its own for studies."""

import json

import pytest

from y90voxel.batch import in_process
from y90voxel.batch import run_batch as run
from y90voxel.batch.in_process import check_resources, run_here
from y90voxel.batch.run_batch import Resources, run_batch
from y90voxel.batch.worker import Request
from y90voxel.errors import InputError

WORK = "batch_work:compute"


@pytest.fixture
def without_processes(monkeypatch):
    """Windows."""
    for module in (in_process, run, __import__("y90voxel.batch.running", fromlist=["running"])):
        monkeypatch.setattr(module, "can_isolate", lambda: False)


@pytest.mark.usefixtures("without_processes")
def test_studies_are_computed_one_after_another_and_kept(cohort, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = cohort({"a": "sleep 0", "b": "refuse", "c": "bug", "d": "sleep 0"})
    ended = {o.study_id[-1]: o.status.value for o in run_batch(path, tmp_path / "out", work=WORK).outcomes}
    assert ended == {"a": "done", "b": "refused", "c": "failed", "d": "done"}
    again = run_batch(path, tmp_path / "out", work=WORK)
    assert again.computed == 1  # what failed is tried again
    assert "KeyError" in (tmp_path / "out" / "logs" / "studies-c.log").read_text()


@pytest.mark.usefixtures("without_processes")
@pytest.mark.parametrize(
    ("option", "asked"),
    [
        ("--workers", {"workers": 2}),
        ("--timeout", {"timeout_s": 1.0}),
        ("--memory-gb", {"memory_gb": 1.0}),
        ("--scheduler", {"scheduler": "tcp://a:1"}),
        ("--slurm", {"slurm": True}),
    ],
)
def test_what_needs_processes_is_refused_in_one_line(option, asked):
    with pytest.raises(InputError, match=f"^{option} needs a process for each study") as error:
        check_resources(Resources(**asked))
    assert "\n" not in error.value.message
    check_resources(Resources(workers=1))


def test_with_processes_all_of_it_is_taken():
    check_resources(Resources(workers=2, timeout_s=1.0, memory_gb=1.0))


def test_work_that_raises_is_a_failure_and_its_log_says_where(tmp_path, capfd):
    said = run_here(Request("a", "json:no_such_function", {}, str(tmp_path / "log")))
    assert said["status"] == "failed"
    assert "no_such_function" in said["reason"]
    assert "Traceback" in (tmp_path / "log").read_text()
    assert run_here(Request("a", "json:loads", {}, str(tmp_path / "log")))["status"] == "failed"
    assert capfd.readouterr().err == ""
    assert json.dumps(said)
