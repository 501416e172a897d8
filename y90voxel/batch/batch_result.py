"""How a cohort ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from y90voxel.batch.reasons import grouped
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.study_units import DOSE
from y90voxel.version import __version__

__all__ = ["BatchResult"]


@dataclass(frozen=True)
class BatchResult:
    """How a cohort ended.

    Parameters
    ----------
    out : Path
        The output folder.
    outcomes : tuple of StudyOutcome
        One a study, in the cohort's order.
    computed : int
        Studies that this run computed; the others were settled before.
    remarks : tuple of str
        What was left out, restored or noticed.
    job : str
        What was done with the studies.
    """

    out: Path
    outcomes: tuple[StudyOutcome, ...]
    computed: int
    remarks: tuple[str, ...] = field(default=())
    job: str = DOSE

    def with_status(self, status: StudyStatus) -> list[StudyOutcome]:
        """Return the studies that ended so."""
        return [outcome for outcome in self.outcomes if outcome.status is status]

    def needs_attention(self, accepted: Collection[str] = ()) -> bool:
        """Return whether a study ended otherwise than done, in a way that was not accepted beforehand."""
        fine = {StudyStatus.DONE.value, *accepted}
        return any(outcome.status.value not in fine for outcome in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``status.json``."""

        def entries(status: StudyStatus, word: str = "reason") -> list[dict[str, Any]]:
            return [{"study": o.study_id, "label": o.label, word: o.reason} for o in self.with_status(status)]

        return {
            "schema_version": 1,
            "kind": "batch",
            "version": __version__,
            "job": self.job,
            "counts": {status.value: len(self.with_status(status)) for status in StudyStatus},
            "computed": self.computed,
            "done": [outcome.study_id for outcome in self.with_status(StudyStatus.DONE)],
            "failed": entries(StudyStatus.FAILED, "error"),
            "refused": entries(StudyStatus.REFUSED),
            "skipped": entries(StudyStatus.SKIPPED),
            "stale": entries(StudyStatus.STALE),
            "groups": grouped(self.outcomes),
            "remarks": list(self.remarks),
        }
