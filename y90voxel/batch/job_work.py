"""What a worker does with one study under each job."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from y90voxel.batch.patient_pairs import DELIVERED_FILES, PREDICTED_FILES
from y90voxel.batch.study_units import COMPARE, COURSE, DOSE, PLAN
from y90voxel.case.course_settings import read_course
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.json_files import read_json
from y90voxel.io.result_marks import MANIFEST
from y90voxel.study.run_compare import run_compare
from y90voxel.study.run_course import COURSE_FILE, run_course
from y90voxel.study.run_dose import StudyFiles, run_study
from y90voxel.study.run_plan import run_plan

__all__ = ["do_job"]


def do_job(request: Mapping[str, Any], files: StudyFiles) -> int:
    """Do the job of a request into its staging folder; return how many warnings there were.

    Parameters
    ----------
    request : mapping
        As `y90voxel.batch.study_work.compute_study` takes it.
    files : mapping
        The files that it names.

    Raises
    ------
    InputError
        If the input cannot be used.
    """
    return _WORK[request.get("job", DOSE)](request, files, Path(request["staging"]))


def _dose(request: Mapping[str, Any], files: StudyFiles, staging: Path) -> int:
    """The dose of a study."""
    evaluation = run_study(
        request["path"],
        staging,
        load_settings(None, request["settings"]),
        files=files,
        only=request["only"],
        earlier=None if request["earlier"] is None else Path(request["earlier"]),
        optional_roles=request.get("optional_roles", ()),
    )
    return len(evaluation.notices)


def _plan(request: Mapping[str, Any], files: StudyFiles, staging: Path) -> int:
    """The plan of a study."""
    planned = run_plan(
        request["path"],
        staging,
        load_settings(None, request["settings"]),
        files=files,
        only=request["only"],
        optional_roles=request.get("optional_roles", ()),
    )
    return len(planned.notices)


def _compare(request: Mapping[str, Any], files: StudyFiles, staging: Path) -> int:
    """Predicted against delivered."""
    predicted, delivered = (_folder(files[role]) for role in (PREDICTED_FILES, DELIVERED_FILES))
    document = run_compare(
        predicted,
        delivered,
        staging,
        pairs=request.get("pairs", ()),
        plan_model=_some_model(predicted),
        report=_with_report(request),
    )
    return len(document["warnings"])


def _folder(files: Any) -> Path:
    """The folder of results that files lie in."""
    first = files if isinstance(files, Path) else files[0]
    return Path(first).parent


def _some_model(folder: Path) -> str | None:
    """A model of a plan that has an activity, where the one it would take has none; doses are scaled to what was delivered."""
    if not (folder / "plan.json").is_file():
        return None
    plan = read_json(folder / "plan.json")
    available = [model["name"] for model in plan["models"] if model["available"]]
    usual = "given" if "given" in available else plan["first_model"]
    return None if usual in available or not available else str(available[0])


def _course(request: Mapping[str, Any], files: StudyFiles, staging: Path) -> int:
    """The sessions of a patient; those of earlier results that are as they were stay.

    Raises
    ------
    InputError
        If a session fails; a course is done when all of it is.
    """
    (file,) = (path for path in files.values() if isinstance(path, Path))
    earlier = Path(request["earlier"]) if request["earlier"] is not None else None
    if earlier is not None and (earlier / COURSE_FILE).is_file():
        shutil.copytree(earlier, staging)
        with suppress(FileNotFoundError):
            (staging / MANIFEST).unlink()  # it lists the results of the earlier run
    document = run_course(read_course(file), staging, report=_with_report(request))
    entries = [*document["sessions"], *document["comparisons"], document["accumulate"] or {}]
    wrong = [f"{one['name']}: {one['error']}" for one in entries if one.get("status") == "failed"]
    if wrong:
        raise InputError(f"{len(wrong)} of its {len(entries)} steps failed: {' '.join(wrong)}")
    return 0


def _with_report(request: Mapping[str, Any]) -> bool:
    """Whether pages are wanted."""
    return bool(load_settings(None, request["settings"]).output.report)


_WORK: dict[str, Callable[[Mapping[str, Any], StudyFiles, Path], int]] = {
    DOSE: _dose,
    PLAN: _plan,
    COMPARE: _compare,
    COURSE: _course,
}
