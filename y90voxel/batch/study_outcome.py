"""The outcome of one study of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from y90voxel.batch.study_units import DOSE
from y90voxel.errors import InputError

__all__ = ["StudyOutcome", "StudyStatus"]


class StudyStatus(StrEnum):
    """How a study ended.

    Results; an error while it ran; input that cannot be used; passed over, nobody would compute it; or results of an
    earlier run that are kept though they are not those of the study as it is now.
    """

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    STALE = "stale"


@dataclass(frozen=True)
class StudyOutcome:
    """One study of a cohort: how it ended and where its results lie.

    Parameters
    ----------
    study_id : str
        Unique in the cohort, and stable between runs.
    label : str
        The study, for people.
    status : StudyStatus
        How it ended.
    reason : str or None
        Why it is not done; None when it is.
    folder : Path or None
        The folder that `dose` wrote; None when nothing was written. Relative folders are relative to the cohort's
        output folder.
    columns : mapping of str to text, number, bool or None
        Columns of the manifest that are carried through.
    seconds : float or None
        Wall-clock time of the study [s].
    peak_memory_bytes : int or None
        Greatest resident memory of the study's process [bytes].
    study : str
        The same for all variants of a study; empty for its ``study_id``.
    variant : str
        Which of several rows of one study: a reader, an engine.
    patient : str
        Whose it is; empty where that is not known.
    job : str
        What was done with it.

    Raises
    ------
    InputError
        If a done study has no folder, or another one no reason.
    """

    study_id: str
    label: str
    status: StudyStatus
    reason: str | None = None
    folder: Path | None = None
    columns: Mapping[str, str | float | int | bool | None] = field(default_factory=dict)
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    study: str = ""
    variant: str = ""
    patient: str = ""
    job: str = DOSE

    def __post_init__(self) -> None:
        if self.status is StudyStatus.DONE and self.folder is None:
            raise InputError(f"study {self.study_id} is done, but the folder of its results is missing.")
        if self.status is not StudyStatus.DONE and not self.reason:
            raise InputError(f"study {self.study_id} is {self.status.value}, but no reason is given.")

    def as_dict(self) -> dict[str, Any]:
        """Return the record for JSON; `from_dict` reads it back."""
        return {
            "study_id": self.study_id,
            "label": self.label,
            "status": self.status.value,
            "reason": self.reason,
            "folder": None if self.folder is None else self.folder.as_posix(),
            "columns": dict(self.columns),
            "seconds": self.seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "study": self.study,
            "variant": self.variant,
            "patient": self.patient,
            "job": self.job,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> StudyOutcome:
        """Return the outcome that `as_dict` wrote.

        Raises
        ------
        InputError
            If a key is missing or unknown, or the status is none of `StudyStatus`.
        """
        try:
            status = StudyStatus(record["status"])
            folder = None if record["folder"] is None else Path(record["folder"])
            return cls(**{**record, "status": status, "folder": folder})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is not the record of a study: {error}.") from error
