"""How long this process has compiled, and who wants to know when it begins; nothing of numba is loaded for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["CompileClock", "clock"]


class CompileClock:
    """Wall-clock time in which at least one function is being compiled; what is loaded from a cache takes none.

    Parameters
    ----------
    now : callable
        The time [s].
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._lock = now, threading.Lock()
        self._depth, self._since, self._seconds = 0, 0.0, 0.0
        self._tell: Callable[[], None] | None = None

    @property
    def seconds(self) -> float:
        """Time spent up to now [s]."""
        return self._seconds

    def begin(self) -> None:
        """A function begins to be compiled, perhaps inside another or in another thread."""
        with self._lock:
            self._depth += 1
            if self._depth > 1:
                return
            self._since, tell, self._tell = self._now(), self._tell, None
        if tell is not None:
            tell()

    def end(self) -> None:
        """It is compiled."""
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._seconds += self._now() - self._since

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call a function once when something begins to be compiled inside the block."""
        self._tell = tell
        try:
            yield
        finally:
            self._tell = None


clock = CompileClock()
