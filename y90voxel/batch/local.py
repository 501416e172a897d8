"""Compute the studies of a batch on this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from y90voxel.batch.worker import Request, StudyWorker
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError

__all__ = ["Executor", "LocalWorkers", "Reply"]

Reply = tuple[Request, dict[str, Any]]


class Executor(Protocol):
    """What computes the studies of a batch."""

    def compute(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield every request with what came of it, as they end; closing the iterator ends what is running."""

    def stop(self) -> None:
        """Start no more studies; those that are running end."""


class LocalWorkers:
    """Workers on this machine, one study each at a time.

    Parameters
    ----------
    workers : int or None
        How many; None is one a core. The cores are shared out among them.
    keep_open : tuple of int
        File descriptors that every process of a study inherits.

    Raises
    ------
    InputError
        If the number is not at least one.
    """

    def __init__(self, workers: int | None = None, keep_open: tuple[int, ...] = ()) -> None:
        cores = resolve_threads(None)
        if workers is not None and workers < 1:
            raise InputError(f"at least one worker is needed, got {workers}.", tag="--workers")
        self.workers = workers or cores
        self.threads = max(1, cores // self.workers)
        self.keep_open = keep_open
        self._waiting: deque[Request] = deque()

    def compute(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield every request with what came of it, as they end; closing the iterator ends what is running."""
        self._waiting = deque(requests)
        ended: SimpleQueue[Reply | None] = SimpleQueue()
        crew = [
            StudyWorker(self.threads, self.keep_open) for _ in range(min(self.workers, len(self._waiting)))
        ]
        for worker in crew:
            Thread(target=self._serve, args=(worker, ended), daemon=True).start()
        try:
            working = len(crew)
            while working:
                reply = ended.get()
                if reply is None:
                    working -= 1
                else:
                    yield reply
        finally:
            self.stop()
            for worker in crew:
                worker.stop()

    def stop(self) -> None:
        """Start no more studies; those that are running end."""
        self._waiting.clear()

    def _serve(self, worker: StudyWorker, ended: SimpleQueue[Reply | None]) -> None:
        """Compute one study after another."""
        with worker:
            while self._waiting:
                try:
                    request = self._waiting.popleft()
                except IndexError:  # another worker took the last one
                    break
                ended.put((request, worker.run(request)))
        ended.put(None)
