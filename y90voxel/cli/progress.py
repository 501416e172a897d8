"""Progress on stderr: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from y90voxel.cli.command_log import LOGGER, is_verbose
from y90voxel.compiling import clock

__all__ = ["progress"]

COMPILING = "compiling once, about a minute"
WORTH_SAYING_S = 1.0  # compiling that took less [s]; chosen: nobody waits for it


@contextmanager
def progress(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Yield a function that takes what is being done and the finished fraction.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """
    with _shown(quiet or is_verbose()) as show, _compiling(show, quiet):
        last = ""

        def report(what: str, done: float) -> None:
            nonlocal last
            if what != last:
                LOGGER.info("%s", what)
            last = what
            show(what, done)

        yield report


@contextmanager
def _compiling(show: Callable[[str, float], None], quiet: bool) -> Iterator[None]:
    """Say that functions are being compiled when that begins, and in the end what share of the time it took."""
    started, before = time.perf_counter(), clock.seconds

    def tell() -> None:
        LOGGER.info("%s", COMPILING)
        show(COMPILING, 0.0)

    with clock.telling(tell):
        yield
    spent, total = clock.seconds - before, time.perf_counter() - started
    if spent >= WORTH_SAYING_S:
        said = (
            f"compiling took {spent:.0f} of {total:.0f} s ({100 * spent / total:.0f} %). It is kept: the next run does without, "
            "and y90voxel warm-up does it beforehand"
        )
        LOGGER.info("%s", said)
        if not quiet:
            sys.stderr.write(f"{said}\n")


@contextmanager
def _shown(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Yield what shows progress; the log shows it where nothing else does."""
    if quiet:
        yield lambda what, done: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda what, done: bar.update(task, description=what, completed=done)
    else:
        started = time.perf_counter()
        last = ""

        def write_line(what: str, done: float) -> None:
            nonlocal last
            if what == last:
                return
            last = what
            sys.stderr.write(f"[{time.perf_counter() - started:6.2f} s] {what}\n")
            sys.stderr.flush()

        yield write_line
