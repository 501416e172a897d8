"""Which studies of a cohort have to be computed, and why."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from y90voxel.batch.fingerprint import content_sha256, input_files, look_at
from y90voxel.batch.ledger import Entry, Ledger
from y90voxel.batch.place import BatchFolder
from y90voxel.batch.study_outcome import StudyStatus
from y90voxel.batch.study_units import Unit, canonical, study_ids
from y90voxel.case.settings import load_settings, merge
from y90voxel.errors import InputError
from y90voxel.io.atomic import check_output_folder
from y90voxel.study.anonymous import without_identity
from y90voxel.version import __version__

__all__ = ["RETRY", "Task", "make_plan"]

# What `--retry` takes, and which outcomes of an earlier run are then tried again though nothing changed.
RETRY = {
    "none": (),
    "failed": ("failed",),
    "refused": ("failed", "refused"),
    "all": ("failed", "refused", "done"),
}


# Columns of a manifest with one of these words in their names are not carried through when nothing may be told.
TELLING_WORDS = {
    "name", "names", "surname", "forename", "id", "pid", "mrn", "ssn", "nhs", "accession", "initials",
    "birth", "birthdate", "birthday", "dob", "date", "address", "phone", "email",
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A study of the cohort and what is to be done about it.

    Parameters
    ----------
    unit : Unit
        The study.
    study_id : str
        Name of its output folder.
    settings : mapping
        Everything that is said about it, nested as in a case file; JSON.
    settings_sha256 : str
        Of the settings and the files that complete the study.
    why : str or None
        Why it has to be computed; None when an earlier run settled it.
    bytes : int
        Size of its files.
    """

    unit: Unit
    study_id: str
    settings: Mapping[str, Any]
    settings_sha256: str
    why: str | None
    bytes: int = 0


def make_plan(
    units: Sequence[Unit],
    ledger: Ledger,
    folder: BatchFolder,
    *,
    case: Mapping[str, Any],
    options: Mapping[str, Any],
    retry: str,
    anonymous: bool,
) -> list[Task]:
    """Return what to do about every study, and record new ones.

    Parameters
    ----------
    units : sequence of Unit
        The cohort.
    ledger : Ledger
        What earlier runs settled.
    folder : BatchFolder
        Where results lie.
    case, options : mapping
        Settings of all studies: what a study says of itself beats the first and is beaten by the second.
    retry : str
        One of `RETRY`.
    anonymous : bool
        Whether keys and identifiers must tell nothing.
    """
    if anonymous:
        units = [_without_name(unit) for unit in units]
    known = ledger.entries()
    ids = study_ids(list(units), {key: entry.study_id for key, entry in known.items()}, anonymous=anonymous)
    ledger.plan({unit.key: ids[unit.key] for unit in units})
    return [
        _task(unit, ids[unit.key], known.get(unit.key), ledger, folder, case, options, retry)
        for unit in units
    ]


def _task(
    unit: Unit,
    study_id: str,
    entry: Entry | None,
    ledger: Ledger,
    folder: BatchFolder,
    case: Mapping[str, Any],
    options: Mapping[str, Any],
    retry: str,
) -> Task:
    """What to do about one study; what is wrong with it already becomes its problem."""
    # times of a TOML file become text, as a worker gets them
    settings = json.loads(json.dumps(merge(merge(case, unit.settings), options), default=str))
    said = canonical([settings, unit.named_files(resolved=False)])
    digest = hashlib.sha256(said.encode()).hexdigest()
    size, why = 0, None
    try:
        if unit.problem is None:
            load_settings(None, settings)
            files = input_files(unit)
            state = look_at(files)
            size = state.bytes
            why = _why_by_record(entry, study_id, digest, folder, retry)
            if why is None and entry is not None and entry.input_digest != state.digest:
                moment = time.time_ns()
                if content_sha256(files) == entry.content_sha256:
                    ledger.keep_inputs(unit.key, state.digest if state.trusted_at(moment) else None)
                else:
                    why = "its files changed"
            if why is not None:
                check_output_folder(folder.path / study_id)
    except InputError as error:
        told = error.message
        anonymous = settings.get("output", {}).get("anonymise")
        unit = replace(unit, problem=without_identity(told) if anonymous else told)
    except OSError as error:
        unit = replace(unit, problem=f"its files cannot be read: {error}.")
    return Task(unit, study_id, settings, digest, why, size)


def _why_by_record(
    entry: Entry | None, study_id: str, settings_sha256: str, folder: BatchFolder, retry: str
) -> str | None:
    """Why a study has to be computed, as far as the ledger tells without a look at its files."""
    if entry is None or entry.state == "planned":
        return "new"
    if entry.version != __version__:
        return f"computed by version {entry.version}"
    if entry.settings_sha256 != settings_sha256:
        return "its settings changed"
    if entry.content_sha256 is None:
        return "new"  # it never came so far that its files were read
    if entry.state in RETRY[retry]:
        return f"{entry.state} before"
    if entry.state == StudyStatus.DONE and not (folder.path / study_id / "metrics.json").is_file():
        return "its results are missing"
    return None


def _without_name(unit: Unit) -> Unit:
    """A unit whose key, name and problem tell nothing of its patient."""
    digest = hashlib.sha256(unit.key.encode()).hexdigest()
    columns = {name: cell for name, cell in unit.columns.items() if not _names_a_patient(name)}
    problem = None if unit.problem is None else without_identity(unit.problem, [unit.name])
    return replace(unit, key=digest, name=f"study {digest[:8]}", columns=columns, problem=problem)


def _names_a_patient(column: str) -> bool:
    """Return whether a column of a manifest says who somebody is, by its name.

    Examples
    --------
    >>> _names_a_patient("Patient Name"), _names_a_patient("patient"), _names_a_patient("age")
    (True, True, False)
    """
    words = set(re.split(r"[\W_]+", column.lower()))
    return bool(words & TELLING_WORDS) or words == {"patient"}
