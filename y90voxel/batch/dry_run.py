"""What a batch would do, without doing it: pairings, series, what would be computed and what refused."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from y90voxel.batch.batch_folder import BatchFolder
from y90voxel.batch.batch_result import BatchResult
from y90voxel.batch.columns import outcome_remarks
from y90voxel.batch.discovery import find_cohort
from y90voxel.batch.folder_lock import FolderLock
from y90voxel.batch.header_memory import remembered_headers
from y90voxel.batch.jobs import ALL, units_of_job
from y90voxel.batch.keyed_labels import check_labels_are_keyed, owners_secret
from y90voxel.batch.ledger import LEDGER, Ledger
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.study_units import COMPARE, COURSE, DOSE, PLAN, Unit
from y90voxel.batch.work_plan import Choices, Task, make_plan
from y90voxel.case.settings import StudySettings, load_settings
from y90voxel.errors import InputError
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.calibration_region import check_facts_are_stated
from y90voxel.study.anonymous_text import without_identity

__all__ = ["plan_only"]


def plan_only(cohort: Path, out: Path, choices: Choices, anonymous: bool) -> BatchResult:
    """Return what a batch would do; nothing is written to its output folder.

    Parameters
    ----------
    cohort, out : Path
        As of the batch.
    choices : Choices
        As of the batch.
    anonymous : bool
        Whether nothing may tell of patients.

    Returns
    -------
    BatchResult
        The outcomes of studies that would not be computed; ``computed`` is how many would, ``remarks`` say which, why and
        from which series.

    Raises
    ------
    InputError
        If the cohort cannot be used.
    """
    out = out.resolve()
    with tempfile.TemporaryDirectory(prefix="y90voxel-dry-run-") as place:
        folder = BatchFolder(out, FolderLock(None))
        if (out / LEDGER).is_file():
            shutil.copyfile(out / LEDGER, Path(place) / LEDGER)
        records = folder.records() if out.is_dir() else ()
        with closing(Ledger(Path(place), anonymous=anonymous, records=records)) as ledger:
            with remembered_headers(ledger, anonymous) as memory:
                wants_courses = choices.job in (COURSE, ALL)
                archive = find_cohort(cohort, leave_out=out, memory=memory, courses=wants_courses)
            units, idle = units_of_job(archive.units, choices.job, choices.given)
            if choices.job in (COMPARE, ALL):
                idle.append("what is compared is known when the doses are there")
            if anonymous:
                check_labels_are_keyed(ledger)
                key = choices.handling.key_file or out.with_name(f"{out.name}.key")
                secret = owners_secret(out, key, ledger) if key.exists() else secrets.token_bytes(32)
                choices = replace(choices, secret=secret)
            tasks = make_plan(units, ledger, folder, choices)
            remarks = [*idle, *outcome_remarks(archive.units, anonymous=anonymous)]
            return _preview(out, tasks, folder, [*remarks, *([] if anonymous else archive.remarks)], choices)


def _preview(
    out: Path, tasks: list[Task], folder: BatchFolder, remarks: list[str], choices: Choices
) -> BatchResult:
    """The outcome that each task would have."""
    outcomes, computed = [], 0
    for task in tasks:
        problem, series = task.unit.problem, ""
        if problem is None and task.why is not None:
            try:
                series = ", ".join(_series(task.unit, task))
            except InputError as error:
                problem = without_identity(error.message) if choices.secret else error.message
        if problem is None and task.why is not None:
            computed += 1
            series_text = f": {series}" if series and choices.secret is None else ""
            remarks.append(f"{task.study_id}: would be computed ({task.why}){series_text}")
            continue
        outcomes.append(_outcome(task, problem, folder))
    return BatchResult(out, tuple(outcomes), computed, tuple(remarks))


def _outcome(task: Task, problem: str | None, folder: BatchFolder) -> StudyOutcome:
    """What a study that would not be computed would end as."""
    if problem is None and task.entry is not None:
        status = StudyStatus.DONE if task.revived else StudyStatus(task.entry.state)
        problem = None if status is StudyStatus.DONE else task.entry.reason
    elif folder.has_results(task.study_id):
        status = StudyStatus.STALE
    else:
        status = StudyStatus.SKIPPED if task.unit.passed_over else StudyStatus.REFUSED
    place = Path(task.study_id) if status in (StudyStatus.DONE, StudyStatus.STALE) else None
    return StudyOutcome(task.study_id, task.unit.name, status, problem, place)


def _series(unit: Unit, task: Task) -> Iterator[str]:
    """Say which series and files a study would be computed from.

    Raises
    ------
    InputError
        If it would be refused for what its headers say.
    """
    # deferred: 0.1 s and its memory, for dry runs alone
    from y90voxel.io.dicom.dicom_study import DicomStudy
    from y90voxel.io.dicom.selection import is_nm

    settings = load_settings(None, task.settings)
    if unit.job == PLAN:
        yield "plan"
    if unit.path is not None:
        study = DicomStudy.open(
            unit.path,
            emission_series=settings.series.emission,
            ct_series=settings.series.ct,
            regions_series=settings.series.regions,
            trust_frames=settings.dose.register_ == "trust",
            register=settings.dose.registration,
            needs_emission="emission" not in unit.files and not settings.injection,
            only=unit.only,
        )
        chosen = study.selection
        is_counts = chosen.emission is not None and is_nm(chosen.emission) and "emission" not in unit.files
        if unit.job == DOSE:
            _check_stated(settings, is_counts=is_counts)
        for series in (chosen.emission, chosen.ct, chosen.regions, chosen.planar):
            if series is not None and series.role.value not in unit.files:
                described = f" {series.description!r}" if series.description else ""
                yield (
                    f"{series.role.value.upper()} {series.modality}{described} ({len(series.instances)} files, {series.uid})"
                )
    elif unit.job == DOSE:
        _check_stated(settings, is_counts=False)
    for role, paths in unit.named_files(resolved=False).items():
        yield f"{role} {paths if isinstance(paths, str) else ' and '.join(paths)}"


def _check_stated(settings: StudySettings, *, is_counts: bool) -> None:
    """Refuse a dose by relative calibration that lacks its activity or shunt, as the calibration itself would.

    What a PET or an image file holds, and so its calibration where none is given, is known when it is read.

    Raises
    ------
    InputError
        If a fact is missing.
    """
    mode = settings.dose.calibration or (CalibrationMode.RELATIVE if is_counts else None)
    if mode != CalibrationMode.RELATIVE:
        return
    for one in settings.injections:
        check_facts_are_stated(
            CalibrationRegion(settings.dose.calibration_region),
            activity=one.activity is not None or one.net_activity is not None,
            shunt=one.lung_shunt_fraction is not None,
        )
