"""The tables of a cohort, written by a process of its own: what they need stays out of the batch's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from y90voxel.batch.ending import ended, explain
from y90voxel.batch.place import BatchFolder
from y90voxel.batch.study_outcome import StudyOutcome
from y90voxel.batch.worker import Request, StudyWorker
from y90voxel.errors import InputError

__all__ = ["write_tables"]


def write_tables(folder: BatchFolder, outcomes: Sequence[StudyOutcome], title: str) -> None:
    """Write ``cohort.csv``, ``cohort.parquet`` and ``cohort.html``.

    Raises
    ------
    InputError
        If they cannot be written.
    """
    arguments = {"out": str(folder.path), "title": title, "outcomes": [o.as_dict() for o in outcomes]}
    request = Request("tables", f"{__name__}:compute_tables", arguments, str(folder.logs / "cohort.log"))
    with StudyWorker(threads=1, keep_open=folder.lock.inherited) as worker:
        reply = worker.run(request)
    if reply["status"] != "done":
        raise InputError(
            f"the tables of the cohort could not be written: {reply['reason']} Every study is recorded: run the same "
            "command again.",
            file=folder.path,
        )


def compute_tables(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the tables; runs in a worker's process, which alone imports what draws them."""
    # deferred: only the process that writes the tables needs it
    from y90voxel.batch.cohort_results import write_cohort

    try:
        write_cohort(
            request["out"], [StudyOutcome.from_dict(o) for o in request["outcomes"]], title=request["title"]
        )
    except Exception as error:
        return explain(error, request)
    return ended("done", None)
