"""The main job over a cohort: find the studies, compute what is new or changed, record every outcome."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from y90voxel.batch.batch_log import BatchLog
from y90voxel.batch.batch_tables import write_tables
from y90voxel.batch.cluster import dask_cluster, slurm_cluster
from y90voxel.batch.discovery import find_cohort
from y90voxel.batch.ending import NO_SPACE
from y90voxel.batch.fingerprint import fingerprint, input_files
from y90voxel.batch.ledger import Ledger
from y90voxel.batch.listener import Listener
from y90voxel.batch.local import Executor, LocalWorkers
from y90voxel.batch.place import BatchFolder, batch_folder
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.work_plan import RETRY, Task, make_plan
from y90voxel.batch.worker import GIB, Request
from y90voxel.case.settings import load_settings, merge, read_case_file
from y90voxel.errors import InputError
from y90voxel.io.atomic import atomic_file
from y90voxel.io.result_tables import write_json
from y90voxel.version import __version__

__all__ = ["BatchResult", "Resources", "run_batch"]

WORK = "y90voxel.batch.study_work:compute_study"


@dataclass(frozen=True)
class Resources:
    """What computes a batch, and how much a study may take.

    Parameters
    ----------
    workers : int or None
        Studies at a time; None is one a core (8 jobs with Slurm).
    timeout_s : float or None
        Longest time of a study [s].
    memory_gb : float or None
        Most memory that a study may allocate [GiB].
    scheduler : str or None
        Address of a Dask scheduler.
    slurm : bool
        Start workers as Slurm jobs.
    """

    workers: int | None = None
    timeout_s: float | None = None
    memory_gb: float | None = None
    scheduler: str | None = None
    slurm: bool = False

    def __post_init__(self) -> None:
        for option, value in (("--timeout", self.timeout_s), ("--memory-gb", self.memory_gb)):
            if value is not None and not value > 0:
                raise InputError(f"{option} {value:g} must be above zero.", tag=option)
        if self.scheduler and self.slurm:
            raise InputError("give --scheduler or --slurm, not both.", tag="--scheduler")


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
        What was left out.
    """

    out: Path
    outcomes: tuple[StudyOutcome, ...]
    computed: int
    remarks: tuple[str, ...] = field(default=())

    def with_status(self, status: StudyStatus) -> list[StudyOutcome]:
        """Return the studies that ended so."""
        return [outcome for outcome in self.outcomes if outcome.status is status]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``status.json``."""
        return {
            "schema_version": 1,
            "kind": "batch",
            "version": __version__,
            "counts": {status.value: len(self.with_status(status)) for status in StudyStatus},
            "computed": self.computed,
            "done": [outcome.study_id for outcome in self.with_status(StudyStatus.DONE)],
            "failed": [
                {"study": o.study_id, "label": o.label, "error": o.reason}
                for o in self.with_status(StudyStatus.FAILED)
            ],
            "refused": [
                {"study": o.study_id, "label": o.label, "reason": o.reason}
                for o in self.with_status(StudyStatus.REFUSED)
            ],
            "remarks": list(self.remarks),
        }


def run_batch(
    cohort: str | Path,
    out: str | Path,
    *,
    case: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    resources: Resources | None = None,
    retry: str = "failed",
    listener: Listener | None = None,
    work: str = WORK,
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
    retry : str
        What is tried again though nothing changed: ``none``, ``failed`` (default), ``refused`` (and failed), ``all``.
    listener : Listener or None
        Hears how it goes.
    work : str
        What a worker does with a study, as ``package.module:function``.

    Raises
    ------
    InputError
        If cohort, settings, output folder or cluster cannot be used; what is done already is kept.
    """
    resources, options = resources or Resources(), options or {}
    if retry not in RETRY:
        raise InputError(f"--retry {retry!r} is none of {', '.join(RETRY)}.", tag="--retry")
    common = {} if case is None else read_case_file(case)
    anonymous = load_settings(None, merge(common, options)).output.anonymise
    out = Path(out)
    with batch_folder(out) as folder, closing(Ledger(folder.path, anonymous=anonymous)) as ledger:
        folder.prepare()
        with BatchLog(folder.logs / "batch.log", listener or Listener()) as log:
            log.say(f"y90voxel {__version__}: {'a cohort' if anonymous else Path(cohort).resolve()}")
            found = find_cohort(cohort, leave_out=folder.path, progress=log.found)
            tasks = make_plan(
                found.units, ledger, folder, case=common, options=options, retry=retry, anonymous=anonymous
            )
            remarks = (*found.remarks, *_gone(ledger, tasks))
            for remark in remarks:
                log.say(remark)
            batch = _Batch(folder, ledger, tasks, resources, work, log, anonymous)
            computed = batch.run()
            result = BatchResult(out, tuple(batch.outcomes()), computed, remarks)
            log.say("writing the tables of the cohort")
            write_tables(folder, result.outcomes, "Cohort" if anonymous else Path(cohort).resolve().stem)
            with atomic_file(folder.path / "status.json") as temporary:
                write_json(result.as_dict(), temporary)
            folder.tidy()
            return result


def _gone(ledger: Ledger, tasks: Sequence[Task]) -> Iterator[str]:
    """Yield what is said of studies that an earlier run settled and that the cohort does not have any more."""
    here = {task.unit.key for task in tasks}
    gone = sorted(entry.study_id for key, entry in ledger.entries().items() if key not in here)
    if gone:
        yield (
            f"not in the cohort any more, so not in its tables; what was computed of them stays: {', '.join(gone)}"
        )


@dataclass
class _Batch:
    """A batch while it runs."""

    folder: BatchFolder
    ledger: Ledger
    tasks: Sequence[Task]
    resources: Resources
    work: str
    log: BatchLog
    anonymous: bool

    def __post_init__(self) -> None:
        self._names = Counter(task.unit.name for task in self.tasks)

    def run(self) -> int:
        """Compute what has to be computed; return how many studies that were."""
        for task in self.tasks:
            if task.unit.problem is not None:
                self.folder.discard(task.study_id)
                self._record(task, {"status": "refused", "reason": task.unit.problem})
        # the largest first: no worker is left alone with one at the end
        to_do = sorted((t for t in self.tasks if t.unit.problem is None and t.why), key=lambda t: -t.bytes)
        by_key = {task.unit.key: task for task in to_do}
        for task in to_do:
            self.log.say(f"{task.study_id}: {task.why}")
        if not to_do:
            self.log.planned(len(self.tasks), 0, "no workers")
            return 0
        total, done, ended = sum(1 + t.bytes for t in to_do), 0, 0
        full = False
        with self._workers() as (workers, what):
            self.log.planned(len(self.tasks), len(to_do), what)
            with closing(workers.compute(self._request(task) for task in to_do)) as replies:  # type: ignore[type-var]
                for request, reply in replies:
                    task = by_key[request.key]
                    if full or reply.get("code") == NO_SPACE or not self._settle(task, request, reply):
                        full = True
                        workers.stop()
                        continue
                    ended, done = ended + 1, done + 1 + task.bytes
                    self.log.ended(self._outcome(task, reply), done / total)
        if full:
            raise InputError(
                f"no space left in {self.folder.path}: {ended} studies were computed now and are kept, {len(to_do) - ended} "
                "were not. Free space and run the same command again.",
                file=self.folder.path,
            )
        return ended

    def outcomes(self) -> Iterator[StudyOutcome]:
        """How every study of the cohort ended, now or before."""
        entries = self.ledger.entries()
        for task in self.tasks:
            entry = entries[task.unit.key]
            yield self._outcome(
                task,
                {
                    "status": entry.state,
                    "reason": entry.reason,
                    "seconds": entry.seconds,
                    "peak_memory_bytes": entry.peak_memory_bytes,
                },
            )

    def _settle(self, task: Task, request: Request, reply: Mapping[str, Any]) -> bool:
        """Move results into place and record the outcome: in this order, so that a kill in between loses nothing.

        False when there was no room.
        """
        try:
            if reply["status"] == "done":
                self.folder.accept(Path(request.arguments["staging"]), task.study_id)
            else:
                self.folder.discard(task.study_id)
        except (InputError, OSError):
            return False
        if reply.get("content_sha256") is None:
            reply = {**reply, **self._inputs(task)}  # its process ended without a word
        self._record(task, reply)
        return True

    def _inputs(self, task: Task) -> dict[str, Any]:
        """What the files of a study are now."""
        try:
            return fingerprint(input_files(task.unit))
        except (InputError, OSError):
            return {}

    def _record(self, task: Task, reply: Mapping[str, Any]) -> None:
        """Write an outcome to the ledger."""
        self.ledger.record(
            task.unit.key,
            reply["status"],
            settings=None if self.anonymous else task.settings,
            settings_sha256=task.settings_sha256,
            **{name: reply.get(name) for name in REPLY_COLUMNS},
        )

    def _outcome(self, task: Task, reply: Mapping[str, Any]) -> StudyOutcome:
        """What became of a study."""
        done = reply["status"] == "done"
        return StudyOutcome(
            task.study_id,
            self._label(task),
            StudyStatus(reply["status"]),
            reply["reason"],
            Path(task.study_id) if done else None,
            task.unit.columns,
            reply["seconds"],
            reply["peak_memory_bytes"],
        )

    def _label(self, task: Task) -> str:
        """The study for people: its own label, else its folder, else what no other study is called."""
        label = None if self.anonymous else task.settings.get("output", {}).get("label")
        return label or (task.unit.name if self._names[task.unit.name] == 1 else task.study_id)

    def _request(self, task: Task) -> Request:
        """The study as a worker gets it."""
        unit, memory = task.unit, self.resources.memory_gb
        return Request(
            unit.key,
            self.work,
            {
                "version": __version__,
                "path": None if unit.path is None else str(unit.path.resolve()),
                "only": unit.only,
                "files": unit.named_files(resolved=True),
                "settings": task.settings,
                "staging": str(self.folder.staging / uuid.uuid4().hex),
            },
            str(self.folder.logs / f"{task.study_id}.log"),
            self.resources.timeout_s,
            None if memory is None else int(memory * GIB),
        )

    @contextmanager
    def _workers(self) -> Iterator[tuple[Executor, str]]:
        """What computes the studies, and what it is called."""
        given = self.resources
        if given.scheduler is not None:
            with dask_cluster(given.scheduler, self.log.say) as cluster:
                yield cluster, f"the Dask cluster at {given.scheduler}"
        elif given.slurm:
            with slurm_cluster(given.workers, given.memory_gb, self.log.say) as cluster:
                yield cluster, "Slurm jobs"
        else:
            local = LocalWorkers(given.workers, (self.folder.lock,))
            yield local, f"{local.workers} workers with {local.threads} threads each"


REPLY_COLUMNS = (
    "reason",
    "seconds",
    "work_seconds",
    "peak_memory_bytes",
    "input_digest",
    "content_sha256",
    "files",
    "bytes",
)
