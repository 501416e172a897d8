"""Compute the studies of a batch on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
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
        """Yield every request with its outcome, as they end; closing the iterator ends what is running."""

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
        self._waiting: SimpleQueue[Request | None] = SimpleQueue()
        self._ended: SimpleQueue[Reply | None] = SimpleQueue()
        self._crew: list[StudyWorker] = []

    @property
    def waiting(self) -> int:
        """How many studies were handed out and not started yet."""
        return self._waiting.qsize()

    def hand_out(self, request: Request) -> None:
        """Let the next free worker compute a study; `compute` yields it among the others."""
        self._waiting.put(request)
        if len(self._crew) < self.workers:
            worker = StudyWorker(self.threads, self.keep_open)
            self._crew.append(worker)
            Thread(target=self._serve, args=(worker,), daemon=True).start()

    def compute(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield every request with its outcome, as they end; closing the iterator ends what is running."""
        try:
            for request in requests:
                self.hand_out(request)
            working = len(self._crew)
            self._end_when_done()
            while working:
                reply = self._ended.get()
                if reply is None:
                    working -= 1
                else:
                    yield reply
        finally:
            self.close()

    def stop(self) -> None:
        """Start no more studies; those that are running end."""
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        self._end_when_done()

    def close(self) -> None:
        """End everything."""
        self.stop()
        for worker in self._crew:
            worker.stop()

    def _end_when_done(self) -> None:
        """Let every worker end when it finds no study before this."""
        for _ in self._crew:
            self._waiting.put(None)

    def _serve(self, worker: StudyWorker) -> None:
        """Compute one study after another."""
        with worker:
            while (request := self._waiting.get()) is not None:
                self._ended.put((request, worker.run(request)))
        self._ended.put(None)
