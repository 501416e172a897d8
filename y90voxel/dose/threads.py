"""Share independent pieces of work among threads.

Compiled loops release the interpreter lock, so plain threads run them side by side. Nothing global is set, and no
thread outlives the call.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from y90voxel.errors import InputError

__all__ = ["even_shares", "resolve_threads", "share_work"]

Piece = TypeVar("Piece")


def resolve_threads(threads: int | None) -> int:
    """Return the number of threads to use; None means every core that this process may run on.

    The environment variable ``Y90VOXEL_THREADS`` lowers what None means, so that several studies share a machine.

    Raises
    ------
    InputError
        If the number is not at least one.
    """
    if threads is None:
        limit = os.environ.get("Y90VOXEL_THREADS", "")
        return min(_cores(), max(1, int(limit))) if limit.isdigit() else _cores()
    if threads < 1:
        raise InputError(f"at least one thread is needed, got {threads}.")
    return int(threads)


def _cores() -> int:
    """Return the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def even_shares(length: int, pieces: int) -> list[tuple[int, int]]:
    """Return (start, stop) of at most ``pieces`` shares of about one size; none is empty.

    Examples
    --------
    >>> even_shares(7, 3)
    [(0, 2), (2, 4), (4, 7)]
    """
    edges = [length * i // pieces for i in range(pieces + 1)]
    return [(start, stop) for start, stop in pairwise(edges) if stop > start]


def share_work(
    worker: Callable[[], Callable[[Piece], object]], pieces: Sequence[Piece], threads: int
) -> None:
    """Do every piece of work once; an idle thread takes the next piece.

    Parameters
    ----------
    worker : callable
        Called once in each thread; returns what does one piece. It may own scratch memory.
    pieces : sequence
        What is handed out.
    threads : int
        At most this many threads, the caller's among them. The first error of any is raised here.
    """
    remaining = deque(pieces)

    def work() -> None:
        try:
            do = worker()
            while remaining:
                try:
                    piece = remaining.popleft()
                except IndexError:  # another thread was quicker
                    return
                do(piece)
        finally:
            remaining.clear()  # an error ends what others do

    helpers = min(threads, len(remaining)) - 1
    if helpers < 1:
        work()
        return
    with ThreadPoolExecutor(helpers) as pool:
        begun = [pool.submit(work) for _ in range(helpers)]
        work()
        pool.shutdown(cancel_futures=True)
    for future in begun:
        if not future.cancelled():
            future.result()
