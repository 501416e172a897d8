"""A patient's course: runs what is missing of its sessions, compares, adds up, and writes one page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from y90voxel.case.accumulation_settings import AccumulationSettings
from y90voxel.case.course_settings import CourseSettings, SessionSettings, as_plain, folder_name
from y90voxel.case.settings import NAMED_FILES, load_settings
from y90voxel.errors import InputError, Y90Error
from y90voxel.io.atomic import MANIFEST, atomic_file
from y90voxel.io.json_files import read_json
from y90voxel.io.result_tables import write_json
from y90voxel.study.run_accumulate import run_accumulate
from y90voxel.study.run_compare import run_compare
from y90voxel.study.run_dose import run_study
from y90voxel.study.run_plan import run_plan
from y90voxel.version import __version__

__all__ = ["run_course"]

Progress = Callable[[str, float], None]
COURSE_FILE = "course.json"
SUM_FOLDER = "accumulate"
_DOCUMENTS = {
    "plan": "plan.json",
    "dose": "metrics.json",
    "compare": "compare.json",
    "accumulate": "accumulate.json",
}


@dataclass
class _Step:
    """One folder of a course: what makes it, and what became of it."""

    name: str
    kind: str
    folder: Path
    fingerprint: str
    status: str = "done"
    error: str | None = None
    document: dict[str, Any] | None = None


def run_course(
    course: CourseSettings,
    out: str | Path,
    *,
    report: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run every session that is missing or changed; write ``course.json`` and ``course.html``; return the first.

    A session that fails is told and the others go on. Results whose files and settings are as they were stay.

    Parameters
    ----------
    course : CourseSettings
        Sessions in order.
    out : path-like
        Folder of the course: one folder a session beside the page.
    report : bool
        Write the pages too.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    root = Path(out)
    earlier = _earlier(root)
    root.mkdir(parents=True, exist_ok=True)
    report_progress = progress or (lambda what, done: None)
    steps: list[_Step] = []
    for number, session in enumerate(course.session, 1):
        if session.kind in ("plan", "dose"):
            report_progress(f"{session.kind} {session.name}", 0.8 * (number - 1) / len(course.session))
            steps.append(
                _session(session, root / f"{number:02d}-{folder_name(session.name)}", earlier, report)
            )
    comparisons = _comparisons(course, steps, root, earlier, report)
    report_progress("adding treatments", 0.85)
    total = _sum(course, steps, root, earlier, report)
    document = {
        "schema_version": 1,
        "kind": "course",
        "title": course.title,
        "sessions": [_entry(course, session, steps) for session in course.session],
        "comparisons": [_step_entry(step) for step in comparisons],
        "accumulate": None if total is None else _step_entry(total),
        "fingerprints": {
            step.folder.name: step.fingerprint
            for step in (*steps, *comparisons, *([] if total is None else [total]))
            if step.error is None
        },
        "provenance": {
            "version": __version__,
            "settings": as_plain(course),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }
    with atomic_file(root / COURSE_FILE) as path:
        write_json(document, path)
    if report:
        report_progress("drawing the page", 0.95)
        # deferred: 0.3 s, for reports alone
        from y90voxel.report.course_page import write_course_page

        write_course_page(course, document, root)
    report_progress("done", 1.0)
    return document


def _earlier(root: Path) -> dict[str, str]:
    """Fingerprints of what an earlier run left, by folder; the folder may hold nothing else."""
    if not root.exists():
        return {}
    if not root.is_dir():
        raise InputError(f"{root} is a file; a course needs a folder. Choose another name.", file=root)
    try:
        document = read_json(root / COURSE_FILE)
        if document["kind"] == "course":
            return dict(document["fingerprints"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if all(path.is_dir() and (path / MANIFEST).is_file() for path in root.iterdir()):
        return {}  # nothing yet, or a run that was killed before its page
    raise InputError(f"{root} exists and holds no course of y90voxel. Choose another folder.", file=root)


def _session(session: SessionSettings, folder: Path, earlier: dict[str, str], report: bool) -> _Step:
    """Plan or dose of one session."""

    def work() -> None:
        settings = load_settings(None if session.case is None else Path(session.case), _report(report))
        run = run_plan if session.kind == "plan" else run_study
        run(session.study, folder, settings, optional_roles=list(settings.regions.roles))

    named = [Path(path) for path in (session.study, session.case) if path is not None]
    named += [] if session.case is None else _files_of_case(Path(session.case))
    return _run(
        session.name,
        session.kind,
        folder,
        _fingerprint(as_plain(session), named),
        earlier,
        work,
        report=report,
    )


def _files_of_case(case_file: Path) -> list[Path]:
    """Files and folders that a case file names: results rest on them as on the study."""
    try:
        settings = load_settings(case_file)
    except Y90Error:
        return []  # the session says what is wrong with it
    named = [] if settings.scanner is None else [settings.scanner]
    for table, key in NAMED_FILES:
        value = getattr(getattr(settings, table), key, None)
        named += value if isinstance(value, list) else [] if value is None else [value]
    return [Path(path) for path in named]


def _report(report: bool) -> dict[str, Any]:
    """Options that leave pages out."""
    return {} if report else {"output": {"report": False}}


def _run(
    name: str,
    kind: str,
    folder: Path,
    fingerprint: str,
    earlier: dict[str, str],
    work: Callable[[], Any],
    *,
    report: bool,
) -> _Step:
    """Do the work of a folder unless it stands there already, with its page if one is wanted; a failure is told, not raised."""
    bare = f"{fingerprint} without pages"
    step = _Step(name, kind, folder, fingerprint if report else bare)
    path, made = folder / _DOCUMENTS[kind], earlier.get(folder.name)
    if path.is_file() and made in ((fingerprint,) if report else (fingerprint, bare)):
        step.status, step.fingerprint = "kept", str(made)
    else:
        try:
            work()
        except Y90Error as error:
            step.status, step.error = "failed", error.message
            return step
    step.document = read_json(path)
    return step


def _comparisons(
    course: CourseSettings, steps: Sequence[_Step], root: Path, earlier: dict[str, str], report: bool
) -> list[_Step]:
    """Every delivered dose against what was predicted of it, by region or better."""
    made: list[_Step] = []
    by_name = {step.name: step for step in steps if step.document is not None}
    for session in course.session:
        after = by_name.get(session.name)
        if after is None or not _delivered(after):
            continue
        before = _predictor(course, session, by_name)
        if before is None:
            continue
        folder = root / f"{after.folder.name}-compared"
        fingerprint = _fingerprint([before.fingerprint, after.fingerprint], [])

        def work(before: _Step = before, after: _Step = after, folder: Path = folder) -> None:
            run_compare(before.folder, after.folder, folder, report=report)

        made.append(
            _run(
                f"{before.name} and {after.name}",
                "compare",
                folder,
                fingerprint,
                earlier,
                work,
                report=report,
            )
        )
    return made


def _delivered(step: _Step) -> bool:
    """Whether a folder holds the dose of a treatment that was given."""
    return step.kind == "dose" and step.document is not None and not step.document["predicted"]


def _predictor(course: CourseSettings, session: SessionSettings, by_name: dict[str, _Step]) -> _Step | None:
    """The session that predicts a dose: as stated, else the last one before it that has a map."""
    if session.predicted_by is not None:
        return by_name.get(session.predicted_by)  # none where it failed, as its own entry says
    names = [one.name for one in course.session]
    for name in reversed(names[: names.index(session.name)]):
        step = by_name.get(name)
        if step is None or step.document is None:
            continue
        mapped = (step.folder / "dose_per_gbq.nii.gz").is_file()
        if mapped or (step.kind == "dose" and step.document["predicted"]):
            return step
        if step.kind == "dose":
            return None  # an earlier treatment: what came before it predicted that one
    return None


def _sum(
    course: CourseSettings, steps: Sequence[_Step], root: Path, earlier: dict[str, str], report: bool
) -> _Step | None:
    """All delivered treatments together, none where a dose failed; None for fewer than two."""
    by_name = {step.name: step for step in steps}
    paths: list[Path] = []
    facts: list[dict[str, Any]] = []
    prints: list[str] = []
    for session in course.session:
        step = by_name.get(session.name)
        common: dict[str, Any] = {"name": session.name, "date": course.start(session)}
        if session.kind == "external beam":
            paths.append(Path(str(session.dose)))
            facts.append(
                common
                | {
                    "path": str(session.dose),
                    "fractions": session.fractions,
                    "fraction_dates": session.fraction_dates,
                }
            )
            prints.append(_fingerprint(as_plain(session), [paths[-1]]))
        elif step is not None and _delivered(step):
            paths.append(step.folder)
            facts.append(common | {"path": str(step.folder)})
            prints.append(step.fingerprint)
    if len(paths) < 2:
        return None
    folder = root / SUM_FOLDER
    failed = [step.name for step in steps if step.kind == "dose" and step.document is None]
    if failed:
        error = f"treatments are not added up without all of them: {', '.join(failed)} failed. Mend that and run it again."
        return _Step("all treatments", "accumulate", folder, "", "failed", error)
    asked = course.accumulate
    settings = {
        "treatment": facts,
        "limit": asked.limit,
        "registration": asked.registration,
        "reference": asked.reference,
    }
    named = [Path(path) for path in asked.registration]

    def work() -> None:
        days_alone = course.session[0].date is None  # of all sessions, or of none
        wanted = AccumulationSettings.model_validate(settings)
        run_accumulate(paths, folder, wanted, days_alone=days_alone, report=report)

    fingerprint = _fingerprint([prints, as_plain(asked)], named)
    return _run("all treatments", "accumulate", folder, fingerprint, earlier, work, report=report)


def _fingerprint(facts: Any, paths: Sequence[Path]) -> str:
    """What results depend on: settings, and the names, sizes and times of files."""
    files = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                files.append([str(file.relative_to(path.parent)), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([__version__, facts, files], default=str).encode()).hexdigest()


def _entry(course: CourseSettings, session: SessionSettings, steps: Sequence[_Step]) -> dict[str, Any]:
    """A session for JSON."""
    step = next((step for step in steps if step.name == session.name), None)
    entry: dict[str, Any] = {
        "name": session.name,
        "kind": session.kind,
        "date": None if session.date is None else session.date.isoformat(),
        "day": session.day,
    }
    return entry | ({"folder": None, "status": None, "error": None} if step is None else _step_entry(step))


def _step_entry(step: _Step) -> dict[str, Any]:
    """What became of a folder, with its first numbers."""
    entry = {"name": step.name, "folder": step.folder.name, "status": step.status, "error": step.error}
    return entry | ({} if step.document is None else {"summary": _summary(step)})


def _summary(step: _Step) -> dict[str, Any]:
    """The numbers of a folder that a course shows."""
    document = step.document or {}
    if step.kind == "plan":
        models = {model["name"]: model for model in document["models"]}
        given = models.get("given") or {}
        first = given if given.get("available") else models[document["first_model"]]
        return {
            "model": first["title"],
            "activity_bq": first["activity_bq"],
            "doses_gy": first["doses_gy"],
            "lung_shunt_fraction": document["lung"]["shunt_fraction"],
            "stop": document.get("stop"),
            "warnings": len(document["warnings"]),
        }
    if step.kind == "dose":
        means = {region["role"]: region["mass_weighted_mean_gy"] for region in document["regions"]}
        return {
            "predicted": document["predicted"],
            "nuclide": document["nuclide"],
            "activity_bq": document["activity_bq"],
            "doses_gy": {
                "tumours": means.get("tumours", means.get("tumour")),
                "non_tumour_liver": means.get("non_tumour_liver"),
                "lungs": document["lung"]["mean_mird_1kg_gy"],
            },
            "lung_shunt_fraction": document["lung"]["shunt_fraction"],
            "not_met": [limit["name"] for limit in document["limits"] if limit["status"] == "not met"],
            "warnings": len(document["warnings"]),
        }
    if step.kind == "compare":
        return {
            "regions": [
                {
                    "name": region["name"],
                    "predicted_gy": region["predicted"]["mean_gy"],
                    "delivered_gy": region["delivered"]["mean_gy"],
                }
                for region in document["regions"]
            ],
            "warnings": len(document["warnings"]),
        }
    return {
        "voxels_summed": document["voxels_summed"],
        "model_value": document["model_value"],
        "regions": [
            {key: region[key] for key in ("name", "role", "mean_gy", "effective")}
            for region in document["regions"]
        ],
        "limits": document["limits"],
        "warnings": len(document["warnings"]),
    }
