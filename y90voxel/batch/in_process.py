"""Studies computed one after another in the process of the batch, where the system cannot give each a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from y90voxel.batch.handling import Resources
from y90voxel.batch.local import Executor, Reply
from y90voxel.batch.worker import Request, StudyWorker
from y90voxel.errors import InputError

__all__ = ["InProcess", "can_isolate", "check_resources", "run_apart"]

# What a study in a process of its own needs of the system (`y90voxel.batch.supervisor`, `y90voxel.batch.folder_lock`).
NEEDED = ("fork", "killpg", "wait4", "setpgid")
INSTEAD = (
    "This system has no POSIX processes (Windows): use WSL or a container, or leave it out and studies are computed one after "
    "another in this process."
)


def can_isolate() -> bool:
    """Return whether a study can have a process of its own here."""
    for module in ("fcntl", "resource"):
        try:
            importlib.import_module(module)
        except ImportError:
            return False
    return all(hasattr(os, name) for name in NEEDED)


def check_resources(resources: Resources) -> None:
    """Refuse what needs processes where there are none.

    Raises
    ------
    InputError
        If several workers, a time or memory limit, or a cluster is asked for.
    """
    if can_isolate():
        return
    asked = {
        "--workers": (resources.workers or 1) > 1,
        "--timeout": resources.timeout_s is not None,
        "--memory-gb": resources.memory_gb is not None,
        "--scheduler": resources.scheduler is not None,
        "--slurm": resources.slurm,
    }
    for option, given in asked.items():
        if given:
            raise InputError(f"{option} needs a process for each study. {INSTEAD}", tag=option)


def run_apart(request: Request, keep_open: tuple[int, ...]) -> dict[str, Any]:
    """Do one piece of work in a process of its own where there are any, else here; return its outcome."""
    if not can_isolate():
        return run_here(request)
    with StudyWorker(threads=1, keep_open=keep_open) as worker:
        return worker.run(request)


class InProcess(Executor):
    """Computes one study after another in this process."""

    workers, threads = 1, 1

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Request] = SimpleQueue()

    def compute(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield every request with its outcome, as they end."""
        for request in requests:
            self._waiting.put(request)
        with suppress(Empty):
            while True:
                request = self._waiting.get_nowait()
                yield request, run_here(request)

    def stop(self) -> None:
        """Start no more studies."""
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()


def run_here(request: Request) -> dict[str, Any]:
    """Do the work of a request in this process; what it prints goes to its log."""
    started = time.monotonic()
    module, _, function = request.work.partition(":")
    with _printing_to(request.log):
        try:
            work = getattr(importlib.import_module(module), function)
            said = dict(work(json.loads(request.line())))
        except Exception as error:
            os.write(2, traceback.format_exc().encode())
            said = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"seconds": time.monotonic() - started, "peak_memory_bytes": None, **said}


@contextmanager
def _printing_to(log: str) -> Iterator[None]:
    """Let file descriptors 1 and 2 go to a file meanwhile; workers point them elsewhere themselves."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        yield
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(file)
