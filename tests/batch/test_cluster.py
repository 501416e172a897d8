"""Batches on a Dask cluster: the same results as here, whatever happens to its workers."""

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import distributed.utils
import pytest
from batch_work import WORK
from distributed import Client

import y90voxel.batch.cluster
from y90voxel.batch.cluster import ClusterWorkers, _result
from y90voxel.batch.listener import Listener
from y90voxel.batch.run_batch import Resources, run_batch
from y90voxel.batch.study_outcome import StudyStatus
from y90voxel.errors import InputError

DASK = [sys.executable, "-m", "dask"]


class Cluster:
    """A scheduler and workers as `docs/cluster.md` starts them."""

    def __init__(self, folder):
        self.workers, self._file = [], folder / "scheduler.json"
        self._scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard")
        deadline = time.monotonic() + 30
        while not self._file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address = re.search(r"tcp://[\d.:]+", self._file.read_text()).group()

    def add_worker(self):
        """One more worker, one study at a time."""
        self.workers.append(self._start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"))
        return self.workers[-1]

    def close(self):
        """End everything."""
        for process in [*self.workers, self._scheduler]:
            process.kill()
            process.wait()

    def _start(self, *words):
        words = [*DASK, *words, "--scheduler-file", str(self._file)]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def _workers_find_the_work_too():
    """Workers of the module's cluster import `batch_work`."""
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(sys.modules["batch_work"].__file__), before])
    yield
    os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, _workers_find_the_work_too):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.add_worker()
    cluster.add_worker()
    yield cluster
    cluster.close()


def results(out):
    """Bytes of all results; their marks hold times."""
    files = [p for p in sorted(out.glob("studies-*/*")) if p.is_file() and p.name != ".y90voxel.json"]
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def starts(out):
    """How often each study that was started was started."""
    return [len(path.read_text()) for path in (out / "logs").glob("*.starts")]


def statuses(result):
    return [(o.study_id, o.status, o.reason) for o in result.outcomes]


def test_a_cluster_gives_what_this_machine_gives(cluster, cohort, tmp_path):
    manifest = cohort({"a": "sleep 0", "b": "refuse", "c": "crash", "d": "sleep 0.1", "e": "bug"})
    here = run_batch(manifest, tmp_path / "here", work=WORK)
    there = run_batch(manifest, tmp_path / "there", work=WORK, resources=Resources(scheduler=cluster.address))
    assert statuses(here) == statuses(there)
    assert results(tmp_path / "here") == results(tmp_path / "there")
    log = (tmp_path / "there" / "logs" / "batch.log").read_text()
    assert f"the Dask cluster at {cluster.address}" in log


@pytest.mark.slow
def test_a_study_whose_worker_is_killed_is_computed_by_another(cluster, cohort, tmp_path):
    manifest = cohort(dict.fromkeys("abcd", "sleep 3"))
    victim, heard = cluster.add_worker(), []
    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(3, timeout=60)
    done = {}

    def run():
        class Ear(Listener):
            def ended(self, outcome, share):
                heard.append(outcome)

        done["result"] = run_batch(
            manifest,
            tmp_path / "out",
            work=WORK,
            resources=Resources(scheduler=cluster.address),
            listener=Ear(),
        )

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while len(starts(tmp_path / "out")) < 3:  # each worker has one
        assert time.monotonic() < deadline
        time.sleep(0.05)
    victim.kill()
    victim.wait()
    thread.join(60)
    assert {o.status for o in done["result"].outcomes} == {StudyStatus.DONE}
    assert len(heard) == 4
    assert sum(starts(tmp_path / "out")) == 5, "one study was started twice"
    calm = run_batch(manifest, tmp_path / "calm", work=WORK)
    assert statuses(calm) == statuses(done["result"])
    assert results(tmp_path / "calm") == results(tmp_path / "out")


def test_a_scheduler_that_cannot_be_reached_is_said_within_seconds(cohort, tmp_path):
    started = time.monotonic()
    with pytest.raises(
        InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 .*nothing was computed"
    ):
        run_batch(
            cohort({"a": "sleep 0"}),
            tmp_path / "out",
            work=WORK,
            resources=Resources(scheduler="tcp://127.0.0.1:9"),
        )
    assert time.monotonic() - started < 15
    assert run_batch(tmp_path / "cohort.csv", tmp_path / "out", work=WORK).computed == 1


def test_an_address_that_is_none_is_said(cohort, tmp_path):
    with pytest.raises(InputError, match="no Dask scheduler answers at nonsense"):
        run_batch(
            cohort({"a": "sleep 0"}),
            tmp_path / "out",
            work=WORK,
            resources=Resources(scheduler="nonsense://x"),
        )


@pytest.mark.usefixtures("_workers_find_the_work_too")
def test_while_there_are_no_workers_it_says_that_it_waits(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(y90voxel.batch.cluster, "LOOK_S", 0.2)
    cluster = Cluster(tmp_path)

    class Ear(Listener):
        def message(self, line):
            if line == "workers at the scheduler: 0; waiting":
                cluster.add_worker()

    resources = Resources(scheduler=cluster.address)
    found = run_batch(
        cohort({"a": "sleep 0.5"}), tmp_path / "out", work=WORK, resources=resources, listener=Ear()
    )
    cluster.close()
    assert found.computed == 1
    log = (tmp_path / "out" / "logs" / "batch.log").read_text()
    assert "workers at the scheduler: 1\n" in log


@pytest.mark.usefixtures("_workers_find_the_work_too")
def test_a_scheduler_that_dies_loses_nothing(cohort, tmp_path):
    cluster = Cluster(tmp_path)
    cluster.add_worker()
    manifest = cohort({"a": "sleep 0", "b": "sleep 30"})
    (tmp_path / "studies" / "a" / "data").write_text("the larger first")

    class Ear(Listener):
        def ended(self, outcome, share):
            cluster.close()

    with pytest.raises(InputError, match=r"connection to the scheduler was lost. What is done is kept"):
        run_batch(
            manifest,
            tmp_path / "out",
            work=WORK,
            resources=Resources(scheduler=cluster.address),
            listener=Ear(),
        )
    (tmp_path / "studies" / "b" / "act").write_text("sleep 0")
    assert run_batch(manifest, tmp_path / "out", work=WORK).computed == 1


def test_a_missing_library_is_named(cohort, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'pip install "dask-jobqueue>=0\.9" "distributed>='):
        run_batch(
            cohort({"a": "sleep 0"}), tmp_path / "out", work=WORK, resources=Resources(scheduler="tcp://x:1")
        )


def test_ctrl_c_still_interrupts_once_the_slurm_library_is_loaded():
    code = (
        # A process in the background (nohup, CI) inherits that SIGINT is ignored: this one starts as a terminal's does.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from y90voxel.batch.cluster import _module\n"
        "_module('dask_jobqueue')\nsignal.raise_signal(signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert "KeyboardInterrupt" in done.stderr
    assert done.returncode != 0


def test_a_study_that_the_cluster_gives_up_has_failed():
    class Future:
        status = "error"

        def exception(self):
            return RuntimeError("Attempted to run it 4 times\nand more")

    assert _result(Future())["reason"] == "the cluster gave it up: Attempted to run it 4 times"


def test_results_that_are_there_count_although_all_jobs_have_ended(monkeypatch):
    """The last jobs end as soon as they have handed over what they computed."""

    class Ended(list):
        def __init__(self, futures, loop):
            super().__init__(futures)

        def is_empty(self):
            return not self

        def next_batch(self, block):
            return [self.pop()]

    class Dask:
        status, loop = "running", None

        def submit(self, function, request, pure):
            return Future(request)

        def nthreads(self):
            return {}

        def cancel(self, futures):
            pass

    class Future:
        status = "finished"

        def __init__(self, request):
            self.key = request

        def result(self):
            return {"status": "done"}

    monkeypatch.setattr(y90voxel.batch.cluster, "_module", lambda name: SimpleNamespace(as_completed=Ended))
    workers = ClusterWorkers(Dask(), lambda line: None, "{} jobs", lambda: True)
    assert sorted(workers.compute(["a", "b"])) == [("a", {"status": "done"}), ("b", {"status": "done"})]


# The script is read before the command returns, as Slurm does: whoever called it deletes the file then.
SBATCH = """#!/bin/sh
script=$(cat "$1")
bash -c "$script" > "$1.out" 2>&1 &
echo $! >> {jobs}
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill "$@"
"""
# Jobs that ended at once: Slurm lists them for some minutes, but only when it is asked for all states.
SQUEUE = """#!/bin/sh
case "$*" in *--states=all*) sed 's/$/ FAILED/' {jobs};; esac
"""


def write_command(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Slurm's commands, which run jobs on this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        write_command(folder / name, text.format(jobs=tmp_path / "jobs"))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "jobs"


@pytest.mark.slow
def test_slurm_jobs_compute_the_same(cohort, tmp_path, slurm):
    manifest = cohort({"a": "sleep 0", "b": "refuse", "c": "crash"})
    here = run_batch(manifest, tmp_path / "here", work=WORK)
    there = run_batch(manifest, tmp_path / "there", work=WORK, resources=Resources(workers=2, slurm=True))
    assert statuses(here) == statuses(there)
    assert results(tmp_path / "here") == results(tmp_path / "there")
    assert len(slurm.read_text().split()) == 2
    assert "of 2 Slurm jobs are running" in (tmp_path / "there" / "logs" / "batch.log").read_text()


@pytest.fixture
def _no_loop_yet():
    """The loop that serves dask for the whole process is started anew."""
    y90voxel.batch.cluster._event_loop.cache_clear()
    yield
    y90voxel.batch.cluster._event_loop.cache_clear()


@pytest.fixture
def _dask_starts_no_loop(monkeypatch):
    """Dask's own waits 10 s for its thread, which a busy machine may not give it."""

    def fail(*_arguments, **_options):
        raise AssertionError("dask's own event loop")

    monkeypatch.setattr(distributed.utils, "_CollectErrorThread", fail)


@pytest.mark.usefixtures("_no_loop_yet")
def test_an_event_loop_that_does_not_start_is_said(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(y90voxel.batch.cluster, "LOOP_START_S", 0.1)
    monkeypatch.setattr(y90voxel.batch.cluster.asyncio, "run", lambda serving: serving.close())
    with pytest.raises(InputError, match=r"event loop of dask did not start within 0\.1 s"):
        run_batch(
            cohort({"a": "sleep 0"}), tmp_path / "out", work=WORK, resources=Resources(scheduler="tcp://x:1")
        )


@pytest.mark.usefixtures("_no_loop_yet", "_dask_starts_no_loop")
def test_a_cluster_is_served_by_a_loop_that_may_start_late(cluster, cohort, tmp_path, monkeypatch):
    serve = y90voxel.batch.cluster.asyncio.run

    def late(serving):
        time.sleep(1.0)
        return serve(serving)

    monkeypatch.setattr(y90voxel.batch.cluster.asyncio, "run", late)
    resources = Resources(scheduler=cluster.address)
    assert run_batch(cohort({"a": "sleep 0"}), tmp_path / "out", work=WORK, resources=resources).computed == 1


@pytest.mark.usefixtures("_dask_starts_no_loop")
def test_slurm_jobs_that_end_before_the_studies_end_the_batch(cohort, tmp_path, slurm, monkeypatch):
    """Their walltime is over, or they cannot start a worker: nobody starts them again."""
    monkeypatch.setattr(y90voxel.batch.cluster, "LOOK_S", 0.2)
    write_command(
        slurm.parent / "bin" / "sbatch", SBATCH.replace('bash -c "$script"', "true").format(jobs=slurm)
    )
    write_command(slurm.parent / "bin" / "squeue", SQUEUE.format(jobs=slurm))
    manifest = cohort({"a": "sleep 0", "b": "sleep 0"})
    with pytest.raises(InputError, match=r"all Slurm jobs have ended, but 2 studies .* run the same command"):
        run_batch(manifest, tmp_path / "out", work=WORK, resources=Resources(workers=2, slurm=True))
    assert run_batch(manifest, tmp_path / "out", work=WORK).computed == 2


@pytest.fixture
def has_lost(tmp_path, monkeypatch):
    """Ask a queue of one job, 7, whether it is lost while `squeue` does as told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    cluster = SimpleNamespace(workers={0: SimpleNamespace(job_id="7")})
    queue = y90voxel.batch.cluster._SlurmQueue(cluster)

    def ask(squeue):
        if squeue is not None:
            write_command(tmp_path / "squeue", f"#!/bin/sh\n{squeue}\n")
        return queue.has_lost_them()

    return ask


@pytest.mark.parametrize("squeue", ["echo 8 FAILED", "true", "exit 1", None])
def test_while_slurm_does_not_tell_of_its_jobs_they_are_waited_for(has_lost, squeue):
    """They may not be listed yet, or belong to another cluster of a federation."""
    assert not any(has_lost(squeue) for _ in range(3))


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED", "REQUEUE_HOLD", "NOT_KNOWN_YET", ""])
def test_jobs_that_may_still_run_are_waited_for(has_lost, state):
    assert not any(has_lost(f"echo 7 {state}; echo 8 FAILED") for _ in range(3))


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY"])
def test_jobs_that_ended_before_they_were_looked_for_are_lost(has_lost, state):
    assert [has_lost(f"echo 7 {state}; echo 8 RUNNING") for _ in range(3)][-1]


def test_jobs_that_slurm_has_forgotten_are_lost(has_lost):
    assert [has_lost(squeue) for squeue in ("echo 7 RUNNING", "true", "true")][-1]


@pytest.mark.parametrize("between", ["echo 7 PENDING", "exit 1"])
def test_one_empty_answer_of_slurm_ends_nothing(has_lost, between):
    """While it restarts, or hands over to its second controller."""
    assert not any(has_lost(squeue) for squeue in ("echo 7 PENDING", "true", between, "true"))


@pytest.mark.parametrize("submitted", ["7", None])
def test_jobs_may_come_while_they_are_looked_at(tmp_path, monkeypatch, submitted):
    """A thread of dask's adds and removes them."""

    class Job:
        @property
        def job_id(self):
            workers[len(workers)] = Job()
            return submitted

    workers = {0: Job(), 1: Job()}
    cluster = SimpleNamespace(workers=workers, job_script=lambda: "#SBATCH")
    write_command(tmp_path / "squeue", "#!/bin/sh\necho 7 RUNNING\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not y90voxel.batch.cluster._SlurmQueue(cluster).has_lost_them()
    with nullcontext() if submitted else pytest.raises(InputError, match="no job could be started"):
        y90voxel.batch.cluster._check_submitted(cluster, 1)


def test_without_slurm_it_says_so(cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no job could be started through Slurm(?s:.*)#SBATCH"):
        run_batch(
            cohort({"a": "sleep 0"}), tmp_path / "out", work=WORK, resources=Resources(slurm=True, workers=1)
        )
