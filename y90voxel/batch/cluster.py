"""Compute the studies of a batch on a Dask cluster, or on one that is started through Slurm.

A task of the cluster is one study; on the worker it runs in a process of its own as on one machine. Results
are written to the batch's staging folder, which all workers must see, and moved into place by the batch: a
study that two workers computed, because one of them seemed lost, counts once.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import Any

from y90voxel.batch.local import Reply
from y90voxel.batch.worker import Request, StudyWorker
from y90voxel.errors import InputError
from y90voxel.optional import install_command

__all__ = ["ClusterWorkers", "dask_cluster", "slurm_cluster"]

# To answer a scheduler that runs [s]; chosen: a busy one needs under a second, a mistyped address should fail soon.
CONNECT_S = 5.0
# sbatch answers within this time [s], many times over.
SUBMIT_S = 60.0
# Dask gives its event loop 10 s to start, too little for a machine with more to do than it has cores; ours gets this [s].
LOOP_START_S = 120.0
# How often it is looked whether a study has ended, and whether workers have come or gone [s].
POLL_S, LOOK_S = 0.1, 30.0
# States of a Slurm job that has ended for good; any other, also one that is not known here, may still run.
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
}  # fmt: skip
_OF_THREAD = threading.local()


class ClusterWorkers:
    """The workers of a Dask cluster; they may come and go.

    Parameters
    ----------
    client : distributed.Client
        A connection to its scheduler.
    message : callable
        Takes a line for the log when workers have come or gone.
    workers_text : str
        What is said of their number: ``{} of 20 Slurm jobs are running``.
    are_gone : callable
        Tells whether there will never be workers again.
    """

    def __init__(
        self,
        client: Any,
        message: Callable[[str], None],
        workers_text: str,
        are_gone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client, self._message, self._workers_text, self._are_gone = (
            client,
            message,
            workers_text,
            are_gone,
        )
        self._waiting: dict[str, Any] = {}
        self._workers, self._looked = -1, -math.inf

    def compute(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield every request with its outcome, as they end; closing the iterator ends what is running.

        Raises
        ------
        InputError
            If the scheduler is lost, or all Slurm jobs have ended before the studies.
        """
        sent = {self._client.submit(compute_on_worker, r, pure=False): r for r in requests}
        self._waiting = {future.key: future for future in sent}
        ended = _module("distributed").as_completed(list(sent), loop=self._client.loop)
        try:
            while not ended.is_empty():
                batch = ended.next_batch(block=False)
                for future in batch:
                    self._waiting.pop(future.key, None)
                    if future.status not in ("cancelled", "lost"):
                        yield sent[future], _result(future)
                if not batch:  # with results at hand, that no worker is left would be no reason to give up
                    self._look()
                    time.sleep(POLL_S)
        finally:
            self._client.cancel(list(sent))
        if self._client.status != "running":
            raise InputError(
                "the connection to the scheduler was lost. What is done is kept: run the same command again.",
                tag="--scheduler",
            )

    def stop(self) -> None:
        """Start no more studies; those that are running end."""
        self._client.cancel(list(self._waiting.values()))

    def _look(self) -> None:
        """Say how many workers there are when their number has changed: a queue may take hours."""
        if time.monotonic() < self._looked + LOOK_S:
            return
        self._looked = time.monotonic()
        with suppress(OSError, CancelledError):  # the scheduler is lost, as the studies will tell
            before, self._workers = self._workers, len(self._client.nthreads())
            if self._workers != before:
                self._message(
                    self._workers_text.format(self._workers) + ("" if self._workers else "; waiting")
                )
        if self._are_gone() and not self._workers:  # asked every time: it has to have seen the jobs before
            raise InputError(
                f"all Slurm jobs have ended, but {len(self._waiting)} studies have not: the walltime was over, or no worker "
                "could be started (see the slurm-*.out of the jobs). What is done is kept: run the same command again.",
                tag="--slurm",
            )


def compute_on_worker(request: Request) -> dict[str, Any]:
    """Compute one study; runs in a thread of a Dask worker, which keeps its supervisor from study to study."""
    worker: StudyWorker | None = getattr(_OF_THREAD, "worker", None)
    if worker is None:
        worker = _OF_THREAD.worker = StudyWorker(threads=1)
    return worker.run(request)


@contextmanager
def dask_cluster(address: str, message: Callable[[str], None]) -> Iterator[ClusterWorkers]:
    """Connect to a running Dask scheduler; ``message`` takes lines for the log.

    Raises
    ------
    InputError
        If distributed is not installed, or there is no scheduler at the address, or it takes nobody with our key.
    """
    with _connected(address) as client:
        yield ClusterWorkers(client, message, "workers at the scheduler: {}")


def _connected(address: str) -> Any:
    """Return a client of the scheduler at an address.

    Raises
    ------
    InputError
        If there is none that takes us.
    """
    kind = _module("distributed").Client
    client = kind.__new__(kind)  # in two steps: one that fails to connect has to be closed too
    try:
        client.__init__(address, timeout=CONNECT_S, set_as_default=False, loop=_event_loop())
    except (
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:  # the middle two for keys that are missing or required
        with suppress(Exception):
            client.close()
        raise InputError(
            f"no Dask scheduler answers at {address} ({str(error).splitlines()[0]}). Start one (dask scheduler) or correct "
            "--scheduler; nothing was computed.",
            tag="--scheduler",
        ) from error
    return client


@cache
def _event_loop() -> Any:
    """Return an event loop for dask that runs in a thread for as long as this process: clients close in it when they are gone.

    Raises
    ------
    InputError
        If it does not start in two minutes.
    """
    # deferred: 0.1 s, for clusters alone
    from tornado.ioloop import IOLoop

    loops: list[Any] = []
    running = threading.Event()

    async def serve() -> None:
        loops.append(IOLoop.current())
        running.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(serve()), name="event loop of dask", daemon=True).start()
    if not running.wait(LOOP_START_S):
        raise InputError(
            f"the event loop of dask did not start within {LOOP_START_S:g} s: this machine has too much to do. Nothing was "
            "computed; run the same command again.",
            tag="--scheduler",
        )
    return loops[0]


@contextmanager
def slurm_cluster(
    workers: int | None, memory_gb: float | None, message: Callable[[str], None]
) -> Iterator[ClusterWorkers]:
    """Start workers as Slurm jobs; queue, account and walltime come from dask-jobqueue's own configuration.

    Parameters
    ----------
    workers : int or None
        Jobs, one study each at a time; None is 8.
    memory_gb : float or None
        Memory of a study [GiB]; a job asks for 1 GiB more.
    message : callable
        Takes lines for the log.

    Raises
    ------
    InputError
        If dask-jobqueue is not installed, or Slurm's commands are missing or refuse the jobs.
    """
    jobqueue, distributed = _module("dask_jobqueue"), _module("distributed")
    jobs = workers or 8
    memory = f"{1 + (memory_gb or 7):g}GiB"
    loop = _event_loop()
    cluster = jobqueue.SLURMCluster(n_workers=jobs, cores=1, processes=1, memory=memory, loop=loop)
    try:
        _check_submitted(cluster, jobs)
        with distributed.Client(cluster, set_as_default=False, loop=loop) as client:
            queue = _SlurmQueue(cluster)
            yield ClusterWorkers(
                client, message, f"{{}} of {jobs} Slurm jobs are running", queue.has_lost_them
            )
    finally:
        with suppress(AssertionError):  # dask's own, about jobs that never were submitted
            cluster.close()


class _SlurmQueue:
    """Slurm's list of jobs: dask-jobqueue starts none anew and does not know when they have ended (its issue 620)."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._seen: set[str] = set()
        self._times_lost = 0

    def has_lost_them(self) -> bool:
        """Whether jobs of the cluster were listed and all have ended; no where Slurm does not answer.

        Only what it finds twice in a row: while Slurm restarts, its list may be empty.
        """
        # Unasked, Slurm leaves out those that have ended: one that died at once would never be seen.
        command = ["squeue", "--noheader", "--states=all", "--format=%A %T", f"--user={os.getuid()}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SUBMIT_S)
        except (OSError, subprocess.SubprocessError):
            self._times_lost = 0
            return False
        listed = [line.partition(" ") for line in done.stdout.splitlines()]
        ours = {job.job_id for job in _jobs_of(self._cluster)}
        self._seen |= ours & {job for job, _, _ in listed}
        alive = {job for job, _, state in listed if state.strip() not in ENDED}
        lost = bool(self._seen) and self._seen.isdisjoint(alive)
        self._times_lost = self._times_lost + 1 if lost else 0
        return self._times_lost > 1


def _check_submitted(cluster: Any, jobs: int) -> None:
    """Raise unless Slurm took the jobs; dask-jobqueue asks for them in the background and only logs a refusal."""
    deadline = time.monotonic() + SUBMIT_S
    while len(cluster.workers) < jobs and time.monotonic() < deadline:
        time.sleep(0.05)
    if not any(getattr(job, "job_id", None) for job in _jobs_of(cluster)):
        raise InputError(
            "no job could be started through Slurm. Check that sbatch takes this script here, and queue and account in "
            f"jobqueue.yaml:\n{cluster.job_script()}",
            tag="--slurm",
        )


def _jobs_of(cluster: Any) -> list[Any]:
    """The jobs of a cluster, as they are now: a thread of dask adds and removes them meanwhile."""
    return list(cluster.workers.values())


def _result(future: Any) -> dict[str, Any]:
    """The outcome of a study; a worker that died under it again and again is a failure of the study."""
    error = future.exception() if future.status == "error" else None
    if error is None:
        outcome: dict[str, Any] = future.result()
        return outcome
    reason = f"the cluster gave it up: {str(error).splitlines()[0]}"
    return {"status": "failed", "reason": reason, "seconds": None, "peak_memory_bytes": None}


def _module(name: str) -> Any:
    """Import a library of the ``cluster`` extra; dask-jobqueue would make Ctrl-C an exit that looks like success."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name} is not installed: {install_command('cluster')}.", tag="--scheduler"
        ) from error
    finally:
        if signal.getsignal(signal.SIGINT) is not on_interrupt:
            signal.signal(signal.SIGINT, on_interrupt)
