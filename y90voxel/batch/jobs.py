"""Which jobs a batch does, and with which of them a study is a unit of work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from y90voxel.batch.study_units import COMPARE, COURSE, DOSE, JOBS, PLAN, Unit, job_key, printable
from y90voxel.errors import InputError
from y90voxel.io.dicom.headers import Instance, read_header
from y90voxel.io.dicom.radionuclide import radiopharmaceutical_of
from y90voxel.io.dicom.sources import list_files
from y90voxel.io.result_marks import holds_results

__all__ = ["ALL", "CHOICES", "courses_in", "first_jobs", "parse_job", "units_of_job"]

ALL = "all"
# What `--job` takes.
CHOICES = (*JOBS, ALL)
COURSE_FILE = "course.toml"
NOTHING_TO_PLAN = (
    "its image is of the treatment and not of a surrogate: there is nothing to plan. Nothing is lost if that is right: "
    "--accept skipped says so."
)
# How settings say yes in a cell of a table, as pydantic reads a bool.
TRUE = ("true", "t", "1", "1.0", "yes", "y", "on")
# Modalities of emission images.
EMISSION = ("NM", "PT")


def parse_job(job: str) -> str:
    """Return a job.

    Raises
    ------
    InputError
        If there is no such job.
    """
    if job not in CHOICES:
        raise InputError(f"--job {job!r} is none of {', '.join(CHOICES)}.", tag="--job")
    return job


def first_jobs(job: str) -> frozenset[str]:
    """Return the jobs that need no results of others, for a choice of `--job`."""
    if job in (DOSE, PLAN, COURSE):
        return frozenset({job})
    return frozenset({DOSE, PLAN} | ({COURSE} if job == ALL else set()))


def courses_in(root: Path, leave_out: Path | None) -> Iterator[Unit]:
    """Yield the courses of a tree: files named ``course.toml`` that lie in no results."""
    for file in sorted(root.rglob(COURSE_FILE)):
        inside = leave_out is not None and leave_out in file.resolve().parents
        if (
            file.is_file()
            and not inside
            and not any(holds_results(p) for p in file.parents if p != root.parent)
        ):
            place = file.relative_to(root).parent
            yield _course(file, printable(place.as_posix()) if place.parts else printable(root.name))


def units_of_job(units: Sequence[Unit], job: str, given: Mapping[str, Any]) -> tuple[list[Unit], list[str]]:
    """Return the units of work of studies under a job, and what is said of those that have none.

    ``dose`` computes every study. ``plan`` passes over images of the treatment itself. ``compare`` and ``all`` compute
    the doses of treatments, and of surrogates where an activity is stated; ``compare`` plans surrogates without one, ``all``
    every surrogate. ``course`` and ``all`` run courses.

    Parameters
    ----------
    units : sequence of Unit
        Studies, and courses by the file ``course``.
    job : str
        One of `CHOICES`.
    given : mapping
        Settings for all studies, nested as in a case file.

    Raises
    ------
    InputError
        If no study has anything to do under the job.
    """
    of_each = [list(_of(unit, job, given)) for unit in units]
    once: dict[str, Unit] = {}  # several rows of a manifest may name one course
    for one in (one for each in of_each for one in each):
        once.setdefault(one.key, one)
    made = list(once.values())
    remarks = []
    left = sum(not each for each in of_each)
    if not made:
        what = (
            f"no course: a file {COURSE_FILE}, or a column 'course' of a manifest"
            if job == COURSE
            else "no study"
        )
        raise InputError(
            f"the cohort holds {what}. Another --job may be meant: {', '.join(CHOICES)}.", tag="--job"
        )
    if any(unit.pairs for unit in units) and job not in (COMPARE, ALL):
        remarks.append(f"the column 'pair' is not used under --job {job}: it is for {COMPARE} and {ALL}")
    if left:
        remarks.append(f"{left} of {len(units)} studies have nothing to do under --job {job}")
    return made, remarks


def _of(unit: Unit, job: str, given: Mapping[str, Any]) -> Iterator[Unit]:
    """The units of work of one study."""
    course = unit.files.get(COURSE)
    study = replace(unit, files={role: files for role, files in unit.files.items() if role != COURSE})
    if unit.job != COURSE and (course is None or unit.path is not None or "emission" in unit.files):
        yield from _of_study(study, job, given)
    if isinstance(course, Path) and job in (COURSE, ALL):
        yield (
            unit
            if unit.job == COURSE
            else replace(
                _course(course, unit.name), columns=unit.columns, patient=unit.patient, problem=unit.problem
            )
        )


def _of_study(unit: Unit, job: str, given: Mapping[str, Any]) -> Iterator[Unit]:
    """The units of work of a study with an image."""
    if job == DOSE or (job != COURSE and unit.problem is not None):
        yield unit
    elif job != COURSE:
        surrogate = _is_surrogate(unit)
        planned = replace(unit, key=job_key(unit.key, PLAN), study=unit.study or unit.key, job=PLAN)
        if job == PLAN and surrogate is False:
            yield replace(planned, problem=NOTHING_TO_PLAN, passed_over=True)
        elif job == PLAN:
            yield planned
        else:
            with_dose = not surrogate or _activity_is_stated(unit, given)
            if with_dose:
                yield unit
            if surrogate and (job == ALL or not with_dose):
                yield planned


def _course(file: Path, name: str) -> Unit:
    """The unit of a course."""
    key = job_key(printable(file.resolve().as_posix()), COURSE)
    return Unit(key, name, None, files={COURSE: file}, job=COURSE)


def _activity_is_stated(unit: Unit, given: Mapping[str, Any]) -> bool:
    """Whether the study or the batch says how much was, or is to be, given."""
    stated = [given.get("administration", {}), unit.settings.get("administration", {})]
    injections = [given.get("injection"), unit.settings.get("injection")]
    return any(one.get("activity") for one in stated) or any(injections)


def _is_surrogate(unit: Unit) -> bool | None:
    """Whether the emission image is of a surrogate, as stated or by the first header that says it; None where none does."""
    stated = unit.settings.get("accept", {}).get("surrogate")
    if stated is not None and str(stated).strip().lower() in TRUE:
        return True
    if unit.path is None or "emission" in unit.files:
        return None
    wanted = unit.settings.get("series", {}).get("emission")
    with suppress(InputError, OSError):
        # the largest first: images of emission are large, or as large as those of the CT
        for source in sorted(list_files(unit.path, unit.only), key=lambda one: -one.size):
            with suppress(InputError):
                header = read_header(source)
                if header is not None and header.modality in EMISSION and _is_wanted(header, wanted):
                    return radiopharmaceutical_of(header).is_surrogate
    return None


def _is_wanted(header: Instance, series: Any) -> bool:
    """Whether a header is of the series that is chosen, if one is."""
    return not isinstance(series, str) or header.series_uid.startswith(series)
