"""A cluster over TLS, set up by the very commands and files of `docs/cluster.md`."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_work import WORK

from y90voxel.batch.cluster import dask_cluster
from y90voxel.batch.run_batch import run_batch
from y90voxel.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[2]
BATCH = (
    "import sys; from batch_work import WORK\n"
    "from y90voxel.batch.run_batch import Resources, run_batch\n"
    "from y90voxel.errors import InputError\n"
    "try:\n"
    "    run_batch(sys.argv[1], sys.argv[2], work=WORK, resources=Resources(scheduler=sys.argv[3]))\n"
    "except InputError as error:\n"
    "    sys.exit(error.message)\n"
)


def documented(folder):
    """Follow the document, with another folder in place of /secure; returns the words of its console commands."""
    text = (CHECKOUT / "docs" / "cluster.md").read_text(encoding="utf-8")
    section = text.partition("### Over TLS")[2].partition("\n## ")[0].replace("/secure", str(folder))
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL))
    assert blocks.keys() == {"sh", "yaml", "console"}
    subprocess.run(["sh", "-ec", blocks["sh"]], check=True, capture_output=True)
    (folder / "dask.yaml").write_text(blocks["yaml"])
    return [line.removesuffix(" &").split() for line in blocks["console"].splitlines()]


class TlsCluster:
    """A scheduler and two workers as documented, on a free port."""

    def __init__(self, folder):
        export, scheduler, worker, batch = documented(folder)
        name, _, config = export[1].partition("=")
        self.environment = os.environ | {name: config}
        self.processes, self._file = [], folder / "scheduler.json"
        self.scheduler = self._start([*scheduler, "--no-dashboard", "--scheduler-file", str(self._file)])
        deadline = time.monotonic() + 60
        while not self._file.exists():
            assert time.monotonic() < deadline
            assert self.scheduler.poll() is None, self.scheduler.stderr.read()
            time.sleep(0.05)
        self.address = re.search(r"tls://[\d.:]+", self._file.read_text()).group()
        assert batch[-1].startswith("tls://")
        for _ in range(2):
            self._start([*worker, "--no-dashboard"])

    def _start(self, words):
        assert words[0] == "dask"
        words = ["0" if word == "8786" else word for word in words[1:]]
        words = [self.address if word.startswith("tls://") else word for word in words]
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self.processes.append(process)
        return process

    def batch(self, manifest, out, **environment):
        """Start a batch on it."""
        return subprocess.Popen(
            [sys.executable, "-c", BATCH, str(manifest), str(out), self.address],
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | environment,
        )

    def close(self):
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def cluster(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    (tmp_path / "secure").mkdir()
    cluster = TlsCluster(tmp_path / "secure")
    yield cluster
    cluster.close()


def results(out):
    files = [p for p in sorted(out.glob("studies-*/*")) if p.name != ".y90voxel.json"]
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def started(out):
    return len(list((out / "logs").glob("*.starts")))


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_batch_over_tls_survives_a_lost_worker_and_then_says_that_the_scheduler_is_lost(
    cluster, cohort, tmp_path
):
    out = tmp_path / "out"
    manifest = cohort({"a": "sleep 2", "b": "sleep 2", "c": "sleep 0", "d": "refuse"})
    process = cluster.batch(manifest, out)
    wait_until(lambda: started(out) >= 2)
    cluster.processes[1].kill()  # a worker
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    run_batch(manifest, tmp_path / "calm", work=WORK)
    assert results(out) == results(tmp_path / "calm")
    manifest = cohort({"a": "sleep 2", "b": "sleep 2", "c": "sleep 0", "d": "refuse", "e": "sleep 60"})
    process = cluster.batch(manifest, out)
    wait_until(lambda: started(out) == 5)
    cluster.scheduler.kill()
    _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert (
        "the connection to the scheduler was lost. What is done is kept: run the same command again." in told
    )
    cohort({"e": "sleep 0"})
    manifest.write_text("study\n" + "".join(f"studies/{name}\n" for name in "abcde"))
    assert run_batch(manifest, out, work=WORK).computed == 1


def test_whoever_has_no_key_or_another_gets_no_connection(cluster, cohort, tmp_path):
    (tmp_path / "other").mkdir()
    documented(tmp_path / "other")
    manifest = cohort({"a": "sleep 0"})
    for config in (tmp_path / "other" / "dask.yaml", tmp_path / "none.yaml"):
        process = cluster.batch(manifest, tmp_path / "out", DASK_CONFIG=str(config))
        _, told = process.communicate(timeout=120)
        assert process.returncode == 1
        assert f"no Dask scheduler answers at {cluster.address}" in told
        assert "Traceback" not in told
        assert "nothing was computed" in told
    assert started(tmp_path / "out") == 0
    process = cluster.batch(manifest, tmp_path / "out", DASK_DISTRIBUTED__COMM__TLS__CA_FILE="/nowhere")
    _, told = process.communicate(timeout=120)
    assert "no Dask scheduler answers" in told
    plain = cluster.address.replace("tls://", "tcp://")
    with (
        pytest.raises(InputError, match=f"no Dask scheduler answers at {plain}"),
        dask_cluster(plain, print),
    ):
        pytest.fail("the block must not run")


def test_the_key_is_its_owners_alone(tmp_path):
    documented(tmp_path)
    assert (tmp_path / "tls.key").stat().st_mode & 0o077 == 0
