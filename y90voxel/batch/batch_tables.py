"""The tables of a cohort, written by a process of its own: what they need stays out of the batch's memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from y90voxel.batch.batch_folder import BatchFolder
from y90voxel.batch.ending import ended, explain
from y90voxel.batch.in_process import run_apart
from y90voxel.batch.ledger import Ledger
from y90voxel.batch.study_outcome import StudyOutcome
from y90voxel.batch.study_units import canonical, digest_of
from y90voxel.batch.worker import Request
from y90voxel.errors import InputError
from y90voxel.version import __version__

__all__ = ["forget_tables", "note_tables", "tables_are_current", "write_tables"]

TABLES = ("cohort.csv", "cohort.parquet", "patients.csv", "patients.parquet", "cohort.html")
NOTED = "tables"


def tables_are_current(
    folder: BatchFolder, ledger: Ledger, outcomes: Sequence[StudyOutcome], title: str, *, read: bool
) -> bool:
    """Return whether the tables that lie there are those of these outcomes, as they were written.

    Parameters
    ----------
    folder : BatchFolder
        Where they lie.
    ledger : Ledger
        Knows what they were made of.
    outcomes : sequence of StudyOutcome
        How the studies ended.
    title : str
        Heading of the page.
    read : bool
        Read them; else sizes and times are compared.
    """
    noted = json.loads(ledger.value(NOTED) or "{}")
    return (
        noted.get("of") == _made_of(outcomes, title) and folder.changed("", noted["files"], read=read) is None
    )


def note_tables(folder: BatchFolder, ledger: Ledger, outcomes: Sequence[StudyOutcome], title: str) -> None:
    """Remember what the tables were made of."""
    if all((folder.path / name).is_file() for name in TABLES):
        noted = {"of": _made_of(outcomes, title), "files": folder.state_of("", TABLES)}
        ledger.set_value(NOTED, json.dumps(noted))


def forget_tables(ledger: Ledger) -> None:
    """Forget it, before anything is computed."""
    ledger.set_value(NOTED, "{}")


def _made_of(outcomes: Sequence[StudyOutcome], title: str) -> str:
    """What tables are made of, besides the results that no batch has computed since."""
    return digest_of(canonical([__version__, title, [outcome.as_dict() for outcome in outcomes]]), None)


def write_tables(folder: BatchFolder, outcomes: Sequence[StudyOutcome], title: str) -> None:
    """Write the tables ``cohort`` and ``patients`` (CSV, Parquet) and ``cohort.html``.

    Raises
    ------
    InputError
        If they cannot be written.
    """
    arguments = {"out": str(folder.path), "title": title, "outcomes": [o.as_dict() for o in outcomes]}
    request = Request("tables", f"{__name__}:compute_tables", arguments, str(folder.logs / "cohort.log"))
    reply = run_apart(request, folder.lock.inherited)
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
