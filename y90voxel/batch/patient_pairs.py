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
# Studies that a message names one by one.
MOST_NAMED = 20
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
    units, alone, paired = [], [], []
    used: set[str] = set()
    for treatment in (side for side in sides if not side.predicted):
        before = _predictions(treatment, sides)
        used |= {side.unit.study or side.unit.key for side in before}
        if not before and not treatment.unit.predicted_by:
            alone.append(treatment)
            continue
        units.append(unit := _unit(treatment, before, sides))
        if unit.problem is None:
            paired.append(f"{treatment.task.study_id} with {before[0].task.study_id}")
    left = [side for side in sides if side.predicted and (side.unit.study or side.unit.key) not in used]
    idle = [side for side in sides if side.unit.pairs and (side.predicted or side in alone)]
    return units, [*_paired(paired), *_alone(alone), *_left(left), *_idle(idle)]


def _paired(pairs: Sequence[str]) -> Iterator[str]:
    """Say what is compared with what."""
    if pairs:
        yield f"compared, treatment with prediction: {_listed(pairs)}"


def _alone(treatments: Sequence[_Side]) -> Iterator[str]:
    """Say which treatments nothing predicts, and what a prediction is known by."""
    nameless = [side.task.study_id for side in treatments if not side.unit.patient]
    named = [side.task.study_id for side in treatments if side.unit.patient]
    if named:
        yield (
            f"not compared, because no prediction of the same patient is done: {_listed(named)}. A prediction is a study of a "
            "surrogate by its headers (Tc-99m), or one with true in the column accept.surrogate; whose it is stands in the "
            "headers, or in a column 'patient' of the manifest"
        )
    if nameless:
        yield (
            f"not compared, because nothing says whose they are: {_listed(nameless)}. Give the manifest a column 'patient', or "
            "'predicted_by' with the study that predicts"
        )


def _left(predictions: Sequence[_Side]) -> Iterator[str]:
    """Say which predictions no treatment was compared with; the dose and the plan of a study are one."""
    studies = dict.fromkeys(side.unit.study or side.unit.key for side in predictions)
    names = [
        next(side.task.study_id for side in predictions if (side.unit.study or side.unit.key) == study)
        for study in studies
    ]
    if names:
        yield f"predicted, and no treatment of the same patient is done to compare with: {_listed(names)}"


def _idle(sides: Sequence[_Side]) -> Iterator[str]:
    """Say of which rows the column ``pair`` is not used."""
    if sides:
        names = list(dict.fromkeys(side.task.study_id for side in sides))
        yield (
            f"the column 'pair' is not used of {_listed(names)}: it belongs on the row of a treatment that is compared with a "
            "prediction"
        )


def _listed(names: Sequence[str]) -> str:
    """Names for a message, not more than a line holds."""
    shown = ", ".join(sorted(names)[:MOST_NAMED])
    return shown + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


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
        if any(side.unit.study == unit.predicted_by for side in sides):
            problem = (
                "the study that predicts it (predicted_by) was computed as a treatment: nothing says it is of a surrogate. "
                "Give its row a column 'accept.surrogate' with true."
            )
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
        pairs=unit.pairs,
        job=COMPARE,
    )


def _files(side: _Side) -> tuple[Path, ...]:
    """The files of results that a comparison is made of."""
    paths = [side.folder / name for name in _MADE_OF[side.unit.job]]
    if side.unit.job == PLAN:
        paths += sorted(side.folder.glob("dose_per_gbq_injection_*.nii.gz"))
    return tuple(path for path in paths if path.is_file())
