"""The log file of a batch: plain lines, beside whatever else listens."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

from y90voxel.batch.listener import Listener
from y90voxel.batch.study_outcome import StudyOutcome
from y90voxel.io.dicom.catalogue import ArchiveWatch

__all__ = ["BatchLog", "outcome_line"]


class BatchLog(ArchiveWatch):
    """Writes what happens to a file, line by line, and passes it on.

    Parameters
    ----------
    path : Path
        The log; lines are added to those of earlier runs.
    listener : Listener
        Receives the same.
    """

    def __init__(self, path: Path, listener: Listener) -> None:
        self._stream = path.open("a", encoding="utf-8", buffering=1, errors="backslashreplace")
        self._listener = listener

    def __enter__(self) -> BatchLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._write(f"stopped: {kind.__name__ if kind else ''} {error}")
        with suppress(OSError):
            self._stream.close()

    def message(self, line: str) -> None:
        """A line for the log."""
        self._write(line)
        self._listener.message(line)

    def files_found(self, files: int) -> None:
        """So many files of the cohort have been found."""
        self._listener.files_found(files)

    def read(self, headers: int, of: int) -> None:
        """So many headers have been read."""
        self._listener.read(headers, of)

    def planned(self, total: int, to_do: int, workers: str) -> None:
        """So many studies there are, and so many of them have to be computed."""
        self._write(f"{total} studies, {to_do} to compute, {workers}")
        self._listener.planned(total, to_do, workers)

    def ended(self, outcome: StudyOutcome, share: float) -> None:
        """A study ended; the share of the work that is done."""
        self._write(f"[{100 * share:3.0f} %] {outcome_line(outcome)}")
        self._listener.ended(outcome, share)

    def _write(self, line: str) -> None:
        """One line with its time; a disk that takes no more costs the log, not the batch."""
        with suppress(OSError):
            self._stream.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}\n")


def outcome_line(outcome: StudyOutcome) -> str:
    """Return an outcome as one line."""
    spent = "" if outcome.seconds is None else f", {outcome.seconds:.1f} s"
    reason = "" if outcome.reason is None else f": {outcome.reason}"
    return f"{outcome.study_id}: {outcome.status.value}{spent}{reason}"
