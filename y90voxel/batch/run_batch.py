"""The main job over a cohort: find the studies, compute what is new or changed, record every outcome."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from y90voxel.batch.batch_folder import BatchFolder, batch_folder
from y90voxel.batch.batch_log import BatchLog
from y90voxel.batch.batch_result import BatchResult
from y90voxel.batch.batch_tables import note_tables, tables_are_current, write_tables
from y90voxel.batch.columns import outcome_remarks
from y90voxel.batch.discovery import find_cohort
from y90voxel.batch.dry_run import plan_only
from y90voxel.batch.early_start import EarlyStart
from y90voxel.batch.handling import Handling, Resources
from y90voxel.batch.header_memory import remembered_headers
from y90voxel.batch.in_process import can_isolate, check_resources
from y90voxel.batch.jobs import ALL, first_jobs, parse_job, units_of_job
from y90voxel.batch.keyed_labels import owners_secret
from y90voxel.batch.ledger import Ledger
from y90voxel.batch.listener import Listener
from y90voxel.batch.local import LocalWorkers
from y90voxel.batch.patient_pairs import comparisons
from y90voxel.batch.running import RunningBatch
from y90voxel.batch.study_outcome import StudyStatus
from y90voxel.batch.study_requests import StudyRequests
from y90voxel.batch.study_units import COMPARE, COURSE, DOSE, job_of
from y90voxel.batch.work_plan import Choices, Task, make_plan
from y90voxel.case.settings import load_settings, merge, read_case_file
from y90voxel.errors import InputError
from y90voxel.io.atomic import atomic_file
from y90voxel.io.result_tables import write_json
from y90voxel.study.anonymous_text import anonymous_errors
from y90voxel.version import __version__

__all__ = ["BatchResult", "Handling", "Resources", "run_batch"]

# Names of files that are nobody's.
ORDINARY = {"", "cohort", "case", "studies", "archive", "manifest", "data", "in", "out"}
WORK = "y90voxel.batch.study_work:compute_study"


def run_batch(
    cohort: str | Path,
    out: str | Path,
    *,
    case: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    resources: Resources | None = None,
    handling: Handling | None = None,
    retry: str | None = None,
    listener: Listener | None = None,
    work: str = WORK,
    job: str = DOSE,
) -> BatchResult:
    """Compute every study of a cohort that is new, changed or failed before.

    Parameters
    ----------
    cohort : path-like
        A folder of studies in any layout, or a manifest (CSV, Parquet).
    out : path-like
        The output folder; run again on the same one to go on.
    case : path-like or None
        A case file for all studies; what a study says of itself beats it.
    options : mapping or None
        Settings that beat everything, nested as in a case file.
    resources : Resources
        Workers, cluster, and what a study may take.
    handling : Handling
        What is tried again, verified, only said, or carried through.
    retry : str or None
        In place of that of ``handling``.
    listener : Listener or None
        Receives the progress.
    work : str
        What a worker does with a study, as ``package.module:function``.
    job : str
        What is done with the studies: ``dose``, ``plan``, ``compare``, ``course``, or ``all`` that each allows.

    Raises
    ------
    InputError
        If cohort, settings, output folder or cluster cannot be used; what is done already is kept.
    """
    options = options or {}
    handling = handling or Handling()
    if retry is not None:
        handling = Handling(
            retry, handling.verify, handling.dry_run, handling.keep_columns, handling.key_file
        )
    cohort, out = Path(cohort), Path(out)
    words = tuple(
        word
        for path in (cohort, Path(case or ""))
        for word in (path.name, path.stem)
        if word.lower() not in ORDINARY
    )
    asked = bool(options.get("output", {}).get("anonymise"))
    with anonymous_errors(asked, words):
        common = {} if case is None else read_case_file(case)
    anonymous = load_settings(None, merge(common, options)).output.anonymise
    choices = Choices(common, options, handling, None, words if anonymous else (), parse_job(job))
    _check_job(choices, anonymous)
    with anonymous_errors(anonymous, words):
        if handling.dry_run:
            return plan_only(cohort, out, choices, anonymous)
        return _run(cohort, out, choices, anonymous, resources or Resources(), listener or Listener(), work)


def _run(
    cohort: Path,
    out: Path,
    choices: Choices,
    anonymous: bool,
    resources: Resources,
    listener: Listener,
    work: str,
) -> BatchResult:
    """Do what `run_batch` says."""
    check_resources(resources)
    with batch_folder(out) as folder:
        restored = folder.prepare()
        with (
            closing(_ledger(folder, anonymous)) as ledger,
            BatchLog(folder.logs / "batch.log", listener) as log,
        ):
            folder.mark()
            log.message(f"y90voxel {__version__}: {'a cohort' if anonymous else cohort.resolve()}")
            for line in (*restored, *ledger.remarks):
                log.message(line)
            requests = StudyRequests(folder.staging, folder.logs, resources, work)
            if anonymous:
                secret = owners_secret(out.resolve(), choices.handling.key_file, ledger)
                choices = replace(choices, secret=secret)
            with _early_start(cohort, ledger, choices, requests, folder, log) as early:
                with remembered_headers(ledger, anonymous) as memory:
                    archive = find_cohort(
                        cohort,
                        leave_out=folder.path,
                        watch=early or log,
                        memory=memory,
                        courses=choices.job in (COURSE, ALL),
                    )
                units, idle = units_of_job(archive.units, choices.job, choices.given)
                tasks = make_plan(units, ledger, folder, choices)
                jobs = first_jobs(choices.job)
                batch = RunningBatch(folder, ledger, tasks, requests, log, choices, early, jobs)
                remarks = [*idle, *outcome_remarks(archive.units, anonymous=anonymous)]
                remarks += [] if anonymous else archive.remarks
                remarks += _gone(ledger, tasks, jobs)
                for remark in remarks:
                    log.message(remark)
                computed = batch.run()
            outcomes = list(batch.outcomes())
            if choices.job in (COMPARE, ALL):
                second, more = _comparing(batch)
                for remark in more:
                    log.message(remark)
                computed += second.run()
                outcomes += second.outcomes()
                remarks += more
            messages = (*restored, *ledger.remarks, *remarks)
            result = BatchResult(out, tuple(outcomes), computed, messages, choices.job)
            title = "Cohort" if anonymous else _title(cohort.resolve())
            if not tables_are_current(folder, ledger, result.outcomes, title, read=choices.handling.verify):
                log.message("writing the tables of the cohort")
                write_tables(folder, result.outcomes, title)
                note_tables(folder, ledger, result.outcomes, title)
            with atomic_file(folder.path / "status.json") as temporary:
                write_json(result.as_dict(), temporary)
            folder.tidy()
            return result


def _title(cohort: Path) -> str:
    """Heading of the page: the folder's name; of a manifest, which is often called that, with its own."""
    return cohort.stem if cohort.is_dir() else ", ".join(filter(None, (cohort.parent.name, cohort.stem)))


def _check_job(choices: Choices, anonymous: bool) -> None:
    """Refuse what a course would not heed.

    Raises
    ------
    InputError
        If courses are to be anonymous, or settings are given for them.
    """
    if choices.job in (COURSE, ALL) and anonymous:
        raise InputError(
            f"--job {choices.job} runs courses, which have no --anonymise: their pages show dates and names. Leave it out, or "
            "choose another --job.",
            tag="output.anonymise",
        )
    idle = sorted(set(choices.given) - {"output"})
    if choices.job == COURSE and idle:
        raise InputError(
            f"--job course takes its settings from the case files of the sessions: {', '.join(idle)} would not be used. Leave "
            "it out.",
            tag=idle[0],
        )


def _comparing(batch: RunningBatch) -> tuple[RunningBatch, list[str]]:
    """What compares the results of a batch, and what is said of those that cannot be compared."""
    entries = batch.ledger.entries()
    done = {
        task.unit.key: task.study_id
        for task in batch.tasks
        if entries[task.unit.key].state == StudyStatus.DONE
    }
    units, remarks = comparisons(batch.tasks, batch.folder.path, done)
    tasks = make_plan(units, batch.ledger, batch.folder, batch.choices)
    jobs, known = frozenset({COMPARE}), batch.studies
    second = RunningBatch(
        batch.folder, batch.ledger, tasks, batch.requests, batch.log, batch.choices, None, jobs, known
    )
    return second, [*remarks, *_gone(batch.ledger, tasks, jobs)]


@contextmanager
def _early_start(
    cohort: Path,
    ledger: Ledger,
    choices: Choices,
    requests: StudyRequests,
    folder: BatchFolder,
    log: BatchLog,
) -> Iterator[EarlyStart | None]:
    """Start studies of a tree while it is read, where this machine computes them; nothing outlives the block."""
    resources = requests.resources
    if (
        choices.job != DOSE
        or not cohort.is_dir()
        or not can_isolate()
        or resources.scheduler is not None
        or resources.slurm
    ):
        yield None
        return
    workers = LocalWorkers(resources.workers, folder.lock.inherited)
    with closing(EarlyStart(cohort, workers, requests, choices, ledger.entries(), log)) as early:
        yield early


def _ledger(folder: BatchFolder, anonymous: bool) -> Ledger:
    """The ledger of a folder."""
    return Ledger(
        folder.path,
        anonymous=anonymous,
        without_locks=folder.lock.descriptor is None,
        records=folder.records(),
    )


def _gone(ledger: Ledger, tasks: Sequence[Task], jobs: Collection[str]) -> Iterator[str]:
    """Yield what is said of studies that an earlier run settled and that the cohort does not have any more."""
    here = {task.unit.key for task in tasks}
    entries = ledger.entries()
    gone = sorted(e.study_id for key, e in entries.items() if key not in here and job_of(key) in jobs)
    if gone:
        yield f"not in the cohort any more; what was computed of them stays: {', '.join(gone)}"
