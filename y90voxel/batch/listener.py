"""Callbacks for the progress of a batch."""

from __future__ import annotations

from y90voxel.batch.study_outcome import StudyOutcome

__all__ = ["Listener"]


class Listener:
    """Receives the progress of a batch; every method may be overridden."""

    def message(self, line: str) -> None:
        """A line for the log."""

    def files_found(self, files: int) -> None:
        """So many files of the cohort have been found."""

    def read(self, headers: int, of: int) -> None:
        """So many headers have been read."""

    def planned(self, total: int, to_do: int, workers: str) -> None:
        """So many studies there are, and so many of them have to be computed."""

    def ended(self, outcome: StudyOutcome, share: float) -> None:
        """A study ended; the share of the work that is done, by size of files."""
