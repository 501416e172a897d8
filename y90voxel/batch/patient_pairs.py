"""What is compared in a cohort: of each patient the dose that was predicted and the one that was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from y90voxel.batch.study_units import COMPARE, DOSE, PLAN, Unit, job_key
from y90voxel.batch.work_plan import Task
from y90voxel.io.json_files import read_json

__all__ = ["DELIVERED_FILES", "PREDICTED_FILES", "comparisons"]

# Under which roles a unit that compares names its files; the first of each lies in the folder of results.
PREDICTED_FILES, DELIVERED_FILES = "predicted", "delivered"
# What a comparison is made of, as far as it is there; the document first.
_MADE_OF = {
    DOSE: ("metrics.json", "dose.nii.gz", "regions.nii.gz"),
    PLAN: ("plan.json", "dose_per_gbq.nii.gz", "regions.nii.gz"),
}


@dataclass(frozen=True)
class _Side:
    """Results of a study that can be compared."""

    task: Task
    folder: Path
    predicted: bool

    @property
    def unit(self) -> Unit:
        """The study."""
        return self.task.unit


def comparisons(tasks: Sequence[Task], folder: Path, done: Mapping[str, str]) -> tuple[list[Unit], list[str]]:
    """Return the units of work that compare, and what is said of treatments that have no prediction.

    A treatment is compared with the prediction of its patient, of its own variant or of none. Where a patient has several of
    either, the column ``predicted_by`` of a manifest says what belongs together; without it they are refused.

    Parameters
    ----------
    tasks : sequence of Task
        The studies that were computed.
    folder : Path
        Where their results lie.
    done : mapping of str to str
        Output folder of each study that is done, by key.
    """
    sides = [
        side for task in tasks if task.unit.key in done for side in _side(task, folder / done[task.unit.key])
    ]
    units, alone = [], []
    for treatment in (side for side in sides if not side.predicted):
        before = _predictions(treatment, sides)
        if not before and not treatment.unit.predicted_by:
            alone.append(treatment.task.study_id)
            continue
        units.append(_unit(treatment, before, sides))
    remarks = []
    if alone:
        remarks.append(
            f"not compared, because no prediction of the same patient is done: {', '.join(sorted(alone))}. Whose a study is "
            "stands in its headers, or in a column 'patient' of the manifest"
        )
    return units, remarks


def _side(task: Task, folder: Path) -> Iterator[_Side]:
    """The results of a study, if they are a dose or a plan with maps."""
    if task.unit.job == PLAN and (folder / _MADE_OF[PLAN][1]).is_file():
        yield _Side(task, folder, predicted=True)
    elif task.unit.job == DOSE:
        metrics: dict[str, Any] = read_json(folder / "metrics.json")
        if "predicted" in metrics:
            yield _Side(task, folder, predicted=bool(metrics["predicted"]))


def _predictions(treatment: _Side, sides: Sequence[_Side]) -> list[_Side]:
    """What may predict a treatment: one a study, its dose before its plan."""
    unit = treatment.unit
    stated = unit.predicted_by
    found: dict[str, _Side] = {}
    for side in sorted(sides, key=lambda one: one.unit.job != DOSE):
        same = (
            side.unit.study == stated if stated else bool(unit.patient) and side.unit.patient == unit.patient
        )
        if side.predicted and same and side.unit.variant in ("", unit.variant):
            found.setdefault(side.unit.study or side.unit.key, side)
    own = [side for side in found.values() if side.unit.variant == unit.variant]
    return own or list(found.values())


def _unit(treatment: _Side, before: Sequence[_Side], sides: Sequence[_Side]) -> Unit:
    """The unit of a comparison; what is not clear becomes its problem."""
    unit = treatment.unit
    others = [
        side
        for side in sides
        if not side.predicted
        and side.unit.patient == unit.patient
        and side.unit.variant == unit.variant
        and not side.unit.predicted_by
    ]
    problem = None
    if not before:
        problem = "the study that predicts it (predicted_by) is not among those of the cohort that are predicted and done."
    elif not unit.predicted_by and (len(before) > 1 or len(others) > 1):
        listed = [", ".join(sorted(one.task.study_id for one in some)) for some in (before, others)]
        problem = (
            f"its patient has several predictions ({listed[0]}) or treatments ({listed[1]}): which belong together is not clear. "
            "Say it in a column 'predicted_by' of a manifest, the 'study' of the row that predicts."
        )
    files = {DELIVERED_FILES: _files(treatment)}
    if len(before) == 1:
        files[PREDICTED_FILES] = _files(before[0])
    return Unit(
        key=job_key(unit.key, COMPARE),
        name=unit.name,
        path=None,
        files=files,
        columns=unit.columns,
        problem=problem,
        patient=unit.patient,
        variant=unit.variant,
        study=unit.study or unit.key,
        job=COMPARE,
    )


def _files(side: _Side) -> tuple[Path, ...]:
    """The files of results that a comparison is made of."""
    paths = [side.folder / name for name in _MADE_OF[side.unit.job]]
    if side.unit.job == PLAN:
        paths += sorted(side.folder.glob("dose_per_gbq_injection_*.nii.gz"))
    return tuple(path for path in paths if path.is_file())
