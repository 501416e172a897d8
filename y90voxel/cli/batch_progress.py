"""How a batch goes: a bar with the time left and a table of outcomes on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from y90voxel.batch.batch_log import outcome_line
from y90voxel.batch.listener import Listener
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus

__all__ = ["PlainLines", "RunningTable", "batch_progress"]

SHOWN_OUTCOMES = 12  # lines of the table; chosen: with the bar it fits a terminal of 24 lines
# Interval at which files and headers are logged [s].
SAID_EVERY_S = 5.0
COLOURS = {
    StudyStatus.DONE: "green",
    StudyStatus.FAILED: "red",
    StudyStatus.REFUSED: "yellow",
    StudyStatus.SKIPPED: "cyan",
    StudyStatus.STALE: "magenta",
}


@contextmanager
def batch_progress(quiet: bool = False) -> Iterator[Listener]:
    """Yield what shows the progress of a batch on stderr.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """
    if quiet:
        yield Listener()
    elif sys.stderr.isatty():
        table = RunningTable()
        with Live(console=Console(stderr=True), get_renderable=table.show, refresh_per_second=4):
            yield table
    else:
        yield PlainLines()


class PlainLines(Listener):
    """Progress as lines with the time since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._ended = 0
        self._next_s = 0.0

    def message(self, line: str) -> None:
        """Write a line."""
        sys.stderr.write(f"[{time.monotonic() - self._started:7.1f} s] {line}\n")
        sys.stderr.flush()

    def files_found(self, files: int) -> None:
        """Say now and then how many files were found."""
        self._log_at_intervals(f"looking for studies: {files} files")

    def read(self, headers: int, of: int) -> None:
        """Say now and then how many headers were read."""
        self._log_at_intervals(f"reading headers: {headers} of {of}", last=headers == of)

    def _log_at_intervals(self, line: str, *, last: bool = False) -> None:
        """Write a line at once, then every few seconds."""
        elapsed = time.monotonic() - self._started
        if last or elapsed >= self._next_s:
            self._next_s = elapsed + SAID_EVERY_S
            self.message(line)

    def planned(self, total: int, to_do: int, workers: str) -> None:
        """Say how much there is to do."""
        self._to_do, self._begun, self._ended = to_do, time.monotonic(), 0
        self.message(f"{total} studies, {to_do} to compute, {workers}")

    def ended(self, outcome: StudyOutcome, share: float) -> None:
        """Say how a study ended, and how long the others will take."""
        self._ended += 1
        left = time_left(time.monotonic() - self._begun, share)
        self.message(f"{self._ended}/{self._to_do} {outcome_line(outcome)} ({left} left)")


class RunningTable(Listener):
    """Progress as a bar with counts, and the last outcomes below it."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._task = self._bar.add_task("looking for studies", total=None, left="")
        self._last: deque[StudyOutcome] = deque(maxlen=SHOWN_OUTCOMES)
        self._counts: Counter[StudyStatus] = Counter()
        self._before = 0
        self._said = ""

    def show(self) -> Group:
        """What is on the screen."""
        table = Table("study", "outcome", "s", "", box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.columns[3].overflow = "ellipsis"
        table.columns[3].no_wrap = True
        for outcome in self._last:
            seconds = "" if outcome.seconds is None else f"{outcome.seconds:.1f}"
            colour = COLOURS[outcome.status]
            table.add_row(
                escape(outcome.study_id),
                f"[{colour}]{outcome.status.value}",
                seconds,
                escape(outcome.reason or ""),
            )
        counts = "  ".join(f"[{COLOURS[s]}]{self._counts[s]} {s.value}" for s in StudyStatus)
        return Group(self._bar, table, counts, f"[dim]{escape(self._said)}")

    def message(self, line: str) -> None:
        """Show the last line that the log got."""
        self._said = line

    def files_found(self, files: int) -> None:
        """Show how many files were found."""
        self._bar.update(self._task, description=f"looking for studies: {files} files")

    def read(self, headers: int, of: int) -> None:
        """Move the bar with the headers."""
        self._bar.update(
            self._task, total=of, completed=headers, description=f"reading headers: {headers} of {of}"
        )

    def planned(self, total: int, to_do: int, workers: str) -> None:
        """Start the bar."""
        self._said = ""  # why each study is computed fills the log, not the screen
        self._to_do, self._begun = to_do, time.monotonic()
        self._before = sum(self._counts.values())  # of studies whose results are worked on now
        self._bar.reset(self._task, total=1.0, description=f"0 of {to_do} studies, {workers}", left="")

    def ended(self, outcome: StudyOutcome, share: float) -> None:
        """Move the bar, count the outcome, show it below."""
        self._last.append(outcome)
        self._counts[outcome.status] += 1
        left = time_left(time.monotonic() - self._begun, share)
        self._bar.update(
            self._task,
            completed=share,
            description=f"{sum(self._counts.values()) - self._before} of {self._to_do} studies",
            left=f"{left} left",
        )


def time_left(elapsed_s: float, share: float) -> str:
    """Return how long the rest of the work takes when it goes on as before.

    Examples
    --------
    >>> time_left(60.0, 0.5), time_left(3600.0, 0.25)
    ('1:00', '3:00:00')
    """
    seconds = round(elapsed_s * (1.0 - share) / share) if share > 0 else 0
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
