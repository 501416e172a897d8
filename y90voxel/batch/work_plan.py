"""Which studies of a cohort have to be computed, and why."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from y90voxel.batch.batch_folder import BatchFolder
from y90voxel.batch.fingerprint import InputState, content_sha256, input_files, look_at
from y90voxel.batch.handling import RETRY, Handling
from y90voxel.batch.ledger import Entry, Ledger
from y90voxel.batch.matching import match_units
from y90voxel.batch.reasons import kind_of
from y90voxel.batch.study_outcome import StudyStatus
from y90voxel.batch.study_units import (
    COMPARE,
    COURSE,
    DOSE,
    Unit,
    canonical,
    digest_of,
    job_key,
    study_ids,
)
from y90voxel.case.settings import load_settings, merge
from y90voxel.errors import InputError
from y90voxel.io.atomic import check_output_folder
from y90voxel.study.anonymous_text import without_identity
from y90voxel.version import __version__

__all__ = [
    "Choices",
    "Task",
    "make_plan",
    "optional_roles",
    "settings_of",
    "without_name",
    "without_report",
]

# Settings of the table "output" that change the report and not the dose.
OF_REPORT = {"report", "pdf", "pdf_dicom", "sr", "label"}
REPORT_CHANGED = "only settings of its report changed; its dose is kept"


@dataclass(frozen=True)
class Choices:
    """What holds for all studies of a batch.

    Parameters
    ----------
    case, options : mapping
        Settings of all studies: what a study says of itself beats the first and is beaten by the second.
    handling : Handling
        What is tried again, and how results are verified.
    secret : bytes or None
        Makes keys and identifiers that tell nothing; None where they may tell.
    words : tuple of str
        What must not stand in any message either: the name of the manifest.
    job : str
        What is done with the studies, as ``--job`` takes it.
    """

    case: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    handling: Handling = field(default_factory=Handling)
    secret: bytes | None = None
    words: tuple[str, ...] = ()
    job: str = DOSE

    @property
    def given(self) -> dict[str, Any]:
        """Settings of all studies."""
        return merge(self.case, self.options)


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
    dose_sha256 : str
        The same without settings of the report.
    why : str or None
        Why it has to be computed; None when an earlier run settled it.
    bytes : int
        Size of its files.
    entry : Entry or None
        What earlier runs know of it.
    revived : bool
        Whether results that were stale are those of the study again.
    """

    unit: Unit
    study_id: str
    settings: Mapping[str, Any]
    settings_sha256: str
    dose_sha256: str
    why: str | None
    bytes: int = 0
    entry: Entry | None = None
    revived: bool = False

    @property
    def report_only(self) -> bool:
        """Whether the dose of its earlier results can be used."""
        return self.why == REPORT_CHANGED


def make_plan(units: Sequence[Unit], ledger: Ledger, folder: BatchFolder, choices: Choices) -> list[Task]:
    """Return what to do about every study, and record new ones.

    Parameters
    ----------
    units : sequence of Unit
        The cohort.
    ledger : Ledger
        What earlier runs settled.
    folder : BatchFolder
        Where results lie.
    choices : Choices
        What holds for all studies.
    """
    secret = choices.secret
    if secret is not None:
        # what is compared is made of studies that are nameless already
        units = [unit if unit.job == COMPARE else without_name(unit, secret, choices.words) for unit in units]
    entries = ledger.entries()
    before = match_units(units, entries)
    ids = study_ids(
        list(units),
        {now: entries[old].study_id for now, old in before.items()}
        | {key: entry.study_id for key, entry in entries.items() if key not in before.values()},
        anonymous=secret is not None,
        secret=secret,
    )
    ledger.plan(
        [(unit.key, unit.identity, ids[unit.key]) for unit in units if unit.key not in before],
        {old: now for now, old in before.items() if old != now},
    )
    tasks = []
    for unit in units:
        entry = entries.get(before.get(unit.key, ""))
        tasks.append(_task(unit, ids[unit.key], entry, ledger, folder, choices))
    ledger.settle([(task.unit.key, "done", None, None) for task in tasks if task.revived])
    return tasks


def settings_of(unit: Unit, choices: Choices) -> dict[str, Any]:
    """Return everything that is said about a study, nested as in a case file and as a worker gets it: times are text."""
    merged = merge(merge(choices.case, unit.settings), choices.options)
    settings: dict[str, Any] = json.loads(json.dumps(merged, default=str))
    if unit.job in (COMPARE, COURSE):  # made of results, and of sessions with case files of their own
        return {"output": settings["output"]} if "output" in settings else {}
    return settings


def optional_roles(unit: Unit, choices: Choices) -> list[str]:
    """Return names and patterns of roles that may fit nothing: of case files and of all studies, not of a row of the manifest."""
    given = [
        one.get("regions", {}).get("roles", {}) for one in (choices.case, choices.options, unit.settings)
    ]
    return sorted({text for roles in given for text in roles} - set(unit.row_roles))


def _task(
    unit: Unit, study_id: str, entry: Entry | None, ledger: Ledger, folder: BatchFolder, choices: Choices
) -> Task:
    """What to do about one study; what is wrong with it already becomes its problem."""
    settings = settings_of(unit, choices)
    made_of: list[Any] = [unit.named_files(resolved=False)]
    made_of += filter(None, [optional_roles(unit, choices), None if unit.job == DOSE else unit.job])
    made_of += [unit.pairs] if unit.job == COMPARE and unit.pairs else []
    whole, dose = (
        digest_of(canonical([stated, *made_of]), choices.secret)
        for stated in (settings, without_report(settings) if unit.job == DOSE else settings)
    )
    task = Task(unit, study_id, settings, whole, dose, None, 0, entry)
    try:
        if unit.problem is None:
            load_settings(None, settings)
            inputs = input_files(unit)
            state = look_at(inputs)
            content = cache(lambda: _content(unit, entry, inputs, state, ledger))
            why, revived = _why(task, content, folder, choices.handling)
            if why is not None:
                check_output_folder(folder.path / study_id)
            task = replace(task, why=why, bytes=state.bytes, revived=revived)
    except InputError as error:
        problem = error.message if choices.secret is None else without_identity(error.message, choices.words)
        task = replace(task, unit=replace(unit, problem=problem))
    except OSError as error:
        problem = f"its files cannot be read: {error.strerror if choices.secret is not None else error}."
        task = replace(task, unit=replace(unit, problem=problem))
    return task


def _content(
    unit: Unit, entry: Entry | None, files: list[Path], state: InputState, ledger: Ledger
) -> str | None:
    """The digest of the contents of a study; files that look as they did when they were read are not read again."""
    if entry is not None and entry.input_digest == state.digest:
        return entry.content_sha256
    moment = time.time_ns()
    digest = content_sha256(files)
    if entry is not None and digest == entry.content_sha256:
        ledger.keep_inputs(unit.key, state.digest if state.trusted_at(moment) else None)
    return digest


def _why(
    task: Task, content: Callable[[], str | None], folder: BatchFolder, handling: Handling
) -> tuple[str | None, bool]:
    """Why a study has to be computed, and whether results that were stale are its own again."""
    entry, again = task.entry, RETRY.get(handling.retry)
    if entry is None or entry.state == "planned":
        return "new", False
    if again is not None and StudyStatus.DONE in again:
        return f"{entry.state} before", False
    if entry.result is not None:
        made_of = (entry.result["version"], entry.result["settings_sha256"])
        if made_of == (__version__, task.settings_sha256) and entry.result["content_sha256"] == content():
            damage = folder.damage(task.study_id, entry.result["outputs"], read=handling.verify)
            return damage, damage is None and entry.state != StudyStatus.DONE
        if _only_report_changed(task, entry.result) and entry.result["content_sha256"] == content():
            damage = folder.damage(task.study_id, entry.result["outputs"], read=handling.verify)
            return damage or REPORT_CHANGED, False
    if entry.version != __version__:
        return f"computed by version {entry.version}", False
    if entry.settings_sha256 != task.settings_sha256:
        return "its settings changed", False
    if entry.content_sha256 is None:
        return "new", False  # it never came so far that its files were read
    ended = entry.cause if entry.state == StudyStatus.STALE else entry.state
    if ended in again if again is not None else kind_of(entry.reason).name == handling.retry:
        return f"{ended} before", False
    return ("its files changed" if content() != entry.content_sha256 else None), False


def without_report(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that change the report and not the dose."""
    output = {name: value for name, value in settings.get("output", {}).items() if name not in OF_REPORT}
    return {**settings, "output": output}


def _only_report_changed(task: Task, result: Mapping[str, Any]) -> bool:
    """Whether results were made by the settings of a study but those of the report."""
    made_of = (result["version"], result.get("dose_sha256"))
    return made_of == (__version__, task.dose_sha256) and result["settings_sha256"] != task.settings_sha256


def without_name(unit: Unit, secret: bytes, words: Sequence[str]) -> Unit:
    """Return a unit whose key, name and problem tell nothing of its patient; its columns are chosen when it was read."""
    digest = digest_of(unit.key, secret)
    key = job_key(digest, unit.job)
    problem = None if unit.problem is None else without_identity(unit.problem, [unit.name, *words])
    return replace(
        unit,
        key=key,
        what=digest_of(unit.identity, secret),
        name=f"study {digest[:8]}",
        problem=problem,
        study=digest_of(unit.study or unit.key, secret),
        predicted_by=digest_of(unit.predicted_by, secret) if unit.predicted_by else "",
    )
