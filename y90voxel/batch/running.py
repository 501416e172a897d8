"""A batch while it runs: hand out studies, put results in place, record the outcome of each."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from y90voxel.batch.batch_folder import BatchFolder, Outputs
from y90voxel.batch.batch_log import BatchLog
from y90voxel.batch.batch_tables import forget_tables
from y90voxel.batch.cluster import dask_cluster, slurm_cluster
from y90voxel.batch.columns import VARIANT
from y90voxel.batch.early_start import EarlyStart
from y90voxel.batch.ending import NO_SPACE
from y90voxel.batch.fingerprint import fingerprint, input_files
from y90voxel.batch.in_process import InProcess, can_isolate
from y90voxel.batch.keyed_labels import CHECK, carried_columns, marks_of
from y90voxel.batch.ledger import MADE_OF, Entry, Ledger
from y90voxel.batch.local import Executor, LocalWorkers
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.study_requests import StudyRequests
from y90voxel.batch.study_units import COURSE, DOSE, digest_of, job_of, patient_name
from y90voxel.batch.work_plan import Choices, Task, optional_roles
from y90voxel.batch.worker import Request
from y90voxel.errors import InputError, OutputError
from y90voxel.io.storage_errors import NO_ROOM, storage_error
from y90voxel.study.anonymous_text import without_identity
from y90voxel.version import __version__

__all__ = ["RunningBatch"]

GONE = "it is not in the cohort any more; the results of an earlier run are kept."


@dataclass
class RunningBatch:
    """A batch while it runs.

    Parameters
    ----------
    folder : BatchFolder
        Where results go.
    ledger : Ledger
        What is recorded.
    tasks : sequence of Task
        The studies.
    requests : StudyRequests
        Makes what workers get, and knows what computes them.
    log : BatchLog
        Receives the progress.
    choices : Choices
        What holds for all studies.
    early : EarlyStart or None
        Studies that were started already.
    jobs : frozenset of str
        What this run does; of other jobs nothing is known to be missing.
    studies : mapping of str to str
        What studies are called whose results are worked on.
    """

    folder: BatchFolder
    ledger: Ledger
    tasks: Sequence[Task]
    requests: StudyRequests
    log: BatchLog
    choices: Choices
    early: EarlyStart | None = None
    jobs: frozenset[str] = frozenset({DOSE})
    studies: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = Counter(task.unit.name for task in self.tasks)
        first = dict(self.studies)
        for task in self.tasks:
            first.setdefault(task.unit.study or task.unit.key, task.study_id)
        self.studies = first
        self._full: str | None = None

    def run(self) -> int:
        """Compute what has to be computed; return how many studies that were."""
        self._settle_without_work()
        # the largest first: no worker is left alone with one at the end
        to_do = sorted((t for t in self.tasks if t.unit.problem is None and t.why), key=lambda t: -t.bytes)
        for task in to_do:
            self.log.message(f"{task.study_id}: {task.why}")
        if not to_do:
            self.log.planned(len(self.tasks), 0, "no workers")
            return 0
        forget_tables(self.ledger)
        ended = self._compute(to_do)
        if self._full is not None:
            raise OutputError(
                f"no space left in {self.folder.path} ({self._full}): {ended} studies were computed now and are kept, "
                f"{len(to_do) - ended} were not. Free space and run the same command again.",
                file=self.folder.path,
            )
        return ended

    def outcomes(self) -> Iterator[StudyOutcome]:
        """How every study of the cohort ended, now or before, and those that left it with results."""
        entries = self.ledger.entries()
        for task in self.tasks:
            yield self._outcome(task, entries[task.unit.key])
        here = {task.unit.key for task in self.tasks}
        for key, entry in sorted(entries.items(), key=lambda item: item[1].study_id):
            if key not in here and job_of(key) in self.jobs and entry.state == StudyStatus.STALE:
                yield StudyOutcome(
                    entry.study_id, entry.study_id, StudyStatus.STALE, entry.reason, Path(entry.study_id)
                )

    def _compute(self, to_do: Sequence[Task]) -> int:
        """Compute studies; return how many ended and are recorded."""
        tasks = {(request := self._request(task)).arguments["staging"]: (task, request) for task in to_do}
        total, done, ended = sum(1 + t.bytes for t in to_do), 0, 0
        with self._workers() as (workers, what):
            self.log.planned(len(self.tasks), len(to_do), what)
            new = [request for _, request in tasks.values() if not self._is_started(request)]
            with closing(workers.compute(new)) as replies:  # type: ignore[type-var]
                for request, reply in replies:
                    if (
                        request.arguments["staging"] not in tasks
                    ):  # started early, and not what is to be computed
                        shutil.rmtree(request.arguments["staging"], ignore_errors=True)
                        continue
                    task, _ = tasks[request.arguments["staging"]]
                    if self._full is None and reply.get("code") == NO_SPACE:
                        self._full = str(reply["reason"])
                    if self._full is not None or not self._settle(task, request, reply):
                        workers.stop()
                        continue
                    ended, done = ended + 1, done + 1 + task.bytes
                    self.log.ended(self._outcome(task, self.ledger.entry(task.unit.key)), done / total)
        return ended

    def _settle_without_work(self) -> None:
        """Record studies that cannot be computed, are passed over, or left the cohort; no results are touched."""
        settled = []
        for task in self.tasks:
            if task.unit.problem is None:
                if task.revived:
                    self.folder.note_fresh(task.study_id)
                continue
            refused = "skipped" if task.unit.passed_over else "refused"
            if self.folder.has_results(task.study_id):
                settled.append((task.unit.key, "stale", task.unit.problem, "refused"))
                self.folder.note_stale(task.study_id, task.unit.problem)
            else:
                self._record(task, {"status": refused, "reason": task.unit.problem}, None)
        here = {task.unit.key for task in self.tasks}
        for key, entry in self.ledger.entries().items():
            if key not in here and job_of(key) in self.jobs and self.folder.has_results(entry.study_id):
                settled.append((key, "stale", GONE, "missing"))
        self.ledger.settle(settled)

    def _settle(self, task: Task, request: Request, reply: Mapping[str, Any]) -> bool:
        """Move results into place and record the outcome: in this order, so that a kill in between loses nothing.

        False when there was no room.
        """
        if reply.get("content_sha256") is None:
            reply = {**reply, **self._inputs(task)}  # its process ended without a word
        outputs: Outputs | None = None
        if reply["status"] == "done":
            try:
                outputs = self.folder.accept(
                    Path(request.arguments["staging"]), task.study_id, self._facts(task, reply)
                )
            except (InputError, OSError) as error:
                cause = storage_error(error)
                if cause is not None and cause.errno in NO_ROOM:
                    self._full = cause.strerror
                    return False
                reason = (
                    error.message
                    if isinstance(error, InputError)
                    else f"its results cannot be moved: {error}"
                )
                if self.choices.secret is not None:
                    reason = without_identity(reason)
                reply = {**reply, "status": "failed", "reason": reason}
        self._record(task, reply, outputs)
        return True

    def _record(self, task: Task, reply: Mapping[str, Any], outputs: Outputs | None) -> None:
        """Write an outcome to the ledger; results of an earlier run that are kept make it stale."""
        status, reason, facts = reply["status"], reply.get("reason"), self._facts(task, reply)
        if status == "done":
            made_of = {name: facts[name] for name in MADE_OF}
            self.ledger.record(
                task.unit.key, status, **self._columns(facts), result={**made_of, "outputs": outputs}
            )
            return
        cause = None
        if self.folder.has_results(task.study_id):
            status, cause = "stale", status
            reason = f"{cause} now: {reason} The results of an earlier run are kept."
            self.folder.note_stale(task.study_id, reason)
        self.ledger.record(task.unit.key, status, **self._columns(facts), reason=reason, cause=cause)

    def _columns(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts that are columns of the ledger."""
        return {name: facts[name] for name in (*REPLY_COLUMNS, "settings", "settings_sha256", "marks")}

    def _facts(self, task: Task, reply: Mapping[str, Any]) -> dict[str, Any]:
        """What ledger and results keep of how a study was computed."""
        secret, tokens = self.choices.secret, reply.get("identity")
        return {
            "key": task.unit.key,
            "identity": task.unit.identity,
            "job": task.unit.job,
            "anonymous": secret is not None,
            "key_check": None if secret is None else self.ledger.value(CHECK),
            "version": __version__,
            "settings": None if secret is not None else task.settings,
            "settings_sha256": task.settings_sha256,
            "dose_sha256": task.dose_sha256,
            "marks": None if secret is None or tokens is None else marks_of(tokens, secret),
            **{name: reply.get(name) for name in REPLY_COLUMNS},
        }

    def _inputs(self, task: Task) -> dict[str, Any]:
        """What the files of a study are now."""
        try:
            return fingerprint(input_files(task.unit))
        except (InputError, OSError):
            return {}

    def _outcome(self, task: Task, entry: Entry) -> StudyOutcome:
        """The outcome of a study."""
        status = StudyStatus(entry.state)
        with_results = status in (StudyStatus.DONE, StudyStatus.STALE)
        columns = task.unit.columns
        if self.choices.secret is not None:
            columns = carried_columns(
                columns, entry.marks, self.choices.secret, self.choices.handling.keep_columns
            )
        return StudyOutcome(
            task.study_id,
            self._label(task),
            status,
            entry.reason,
            Path(task.study_id) if with_results else None,
            columns,
            entry.seconds,
            entry.peak_memory_bytes,
            self.studies[task.unit.study or task.unit.key],
            self._variant(task),
            patient_name(task.unit.patient, self.choices.secret),
            task.unit.job,
        )

    def _label(self, task: Task) -> str:
        """The study for people: its own label, else its folder, else what no other study is called."""
        label = None if self.choices.secret is not None else task.settings.get("output", {}).get("label")
        if label:
            job = "" if task.unit.job == DOSE else task.unit.job
            return ", ".join(filter(None, (label, self._variant(task), job)))
        alone = self._names[task.unit.name] == 1 and task.unit.job in (DOSE, COURSE)
        return task.unit.name if alone else task.study_id

    def _variant(self, task: Task) -> str:
        """What the variant is called; where nothing may tell of patients a keyed digest, unless the column is kept."""
        secret, variant = self.choices.secret, task.unit.variant
        kept = {name.strip().casefold() for name in self.choices.handling.keep_columns}
        if not variant or secret is None or VARIANT in kept:
            return variant
        return f"variant-{digest_of(variant, secret)[:6]}"

    def _request(self, task: Task) -> Request:
        """The study as a worker gets it."""
        kept = task.report_only or (task.unit.job == COURSE and self.folder.has_results(task.study_id))
        earlier = self.folder.path / task.study_id if kept else None
        request = self.requests.of(
            task.unit, task.study_id, task.settings, earlier, optional_roles(task.unit, self.choices)
        )
        return request if self.early is None else self.early.claim(request)

    def _is_started(self, request: Request) -> bool:
        """Whether a study was started while headers were read."""
        return self.early is not None and self.early.has_started(request)

    @contextmanager
    def _workers(self) -> Iterator[tuple[Executor, str]]:
        """What computes the studies, and what it is called."""
        given = self.requests.resources
        if given.scheduler is not None:
            with dask_cluster(given.scheduler, self.log.message) as cluster:
                yield cluster, f"the Dask cluster at {given.scheduler}"
        elif given.slurm:
            with slurm_cluster(given.workers, given.memory_gb, self.log.message) as cluster:
                yield cluster, "Slurm jobs"
        else:
            if self.early is None and not can_isolate():
                yield InProcess(), "one after another in this process: several need WSL or a container"
                return
            local = (
                self.early.workers if self.early else LocalWorkers(given.workers, self.folder.lock.inherited)
            )
            yield local, f"{local.workers} workers with {local.threads} threads each"


REPLY_COLUMNS = (
    "seconds",
    "work_seconds",
    "peak_memory_bytes",
    "input_digest",
    "content_sha256",
    "files",
    "bytes",
)
