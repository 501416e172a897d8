"""The studies of a cohort: a tree of files in any layout, with case files beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from y90voxel.batch.jobs import courses_in
from y90voxel.batch.manifest import is_manifest, read_manifest
from y90voxel.batch.study_units import DIGEST, Unit, printable
from y90voxel.case.settings import merge, read_case_file
from y90voxel.dose.threads import resolve_threads
from y90voxel.errors import InputError
from y90voxel.io.dicom.catalogue import ArchiveWatch, Catalogue, HeaderMemory, list_archive
from y90voxel.io.dicom.headers import NOBODY, read_header
from y90voxel.io.dicom.index import SeriesRole
from y90voxel.io.dicom.pairing import PairedStudy, pair_series
from y90voxel.io.dicom.sources import list_files

__all__ = ["Cohort", "find_cohort", "whole_studies"]

CASE_FILE = "case.toml"
PASSED_OVER = (
    "it has no emission image and shares no frame of reference with one; its patient has other studies, which are computed. "
    "Nothing is lost if that is right: --accept skipped says so."
)


@dataclass(frozen=True)
class Cohort:
    """The studies of a cohort.

    Parameters
    ----------
    units : tuple of Unit
        In a stable order.
    remarks : tuple of str
        What was left out, for the log.
    """

    units: tuple[Unit, ...]
    remarks: tuple[str, ...] = ()


def find_cohort(
    path: str | Path,
    *,
    leave_out: Path | None = None,
    watch: ArchiveWatch | None = None,
    memory: HeaderMemory | None = None,
    courses: bool = False,
) -> Cohort:
    """Return the studies of a manifest, or of a tree.

    Parameters
    ----------
    path : path-like
        A CSV or Parquet manifest, or a folder.
    leave_out : Path or None
        A folder that is not looked into: where results go.
    watch : ArchiveWatch or None
        Receives the progress of the listing of a tree.
    memory : HeaderMemory or None
        Knows headers that were read before.
    courses : bool
        Look for the files of courses too.

    Raises
    ------
    InputError
        If there is nothing at the path, or nothing in it that could be a study.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no cohort {path}: give a folder of studies or a manifest.", file=path)
    if path.is_file() and is_manifest(path):
        cohort = _with_patients(read_manifest(path))
    elif path.is_dir():
        catalogue = list_archive(
            path, leave_out=leave_out, watch=watch, memory=memory, readers=resolve_threads(None)
        )
        cohort = _find_in_tree(path, catalogue)
        if courses:
            cohort = replace(cohort, units=(*cohort.units, *courses_in(path, leave_out)))
    else:
        raise InputError(
            f"{path} is neither a folder nor a manifest (.csv, .parquet). For one study use y90voxel dose.",
            file=path,
        )
    if not cohort.units:
        raise InputError(f"{path} holds no study: no DICOM emission image, CT or regions.", file=path)
    return cohort


def whole_studies(root: Path, catalogue: Catalogue, ahead: str, seen: set[str]) -> Iterator[Unit]:
    """Yield studies of an archive that is still being read, each once: those that look complete in a folder that is.

    Parameters
    ----------
    root : Path
        The archive.
    catalogue : Catalogue
        What was read of it.
    ahead : str
        The folder that is read next; no folder before it is read again.
    seen : set of str
        First files of studies that were yielded; they are added here.
    """
    studies, _ = pair_series(catalogue.series)
    damaged, _ = _share_out(catalogue.damaged, studies)
    place = PurePosixPath(ahead)
    for study, files in zip(studies, damaged, strict=True):
        first = study.emission[0].files[0]
        if first in seen or not any(one.role is SeriesRole.REGIONS for one in study.companions):
            continue
        folder = _common_folder([name for series in study.series for name in series.files] + files)
        if folder not in (place, *place.parents):
            seen.add(first)
            yield _unit(root, study, files)


def _find_in_tree(root: Path, catalogue: Catalogue) -> Cohort:
    """Pair the series of a tree and lay the case files beside them."""
    studies, left_over = pair_series(catalogue.series)
    treated = set().union(*(study.patients for study in studies))
    study_uids = {study.study_uid for study in studies}
    # a study without emission image is refused, unless it is about something else in a patient who has one
    orphans = [s for s in left_over if not s.patients & treated or s.study_uid in study_uids]
    studies += orphans
    taken = {id(study) for study in orphans}
    damaged, lost = _share_out(catalogue.damaged, studies)
    units = [_unit(root, study, files) for study, files in zip(studies, damaged, strict=True)]
    units += [_damaged_unit(root, folder, names) for folder, names in lost.items()]
    units += [
        Unit(
            key=printable(name),
            name=printable(name[: -len(".zip")]),
            path=root / name,
            **_case_settings(root, name),
        )
        for name in catalogue.zips
    ]
    units += [
        replace(_unit(root, study, ()), problem=PASSED_OVER, passed_over=True)
        for study in left_over
        if id(study) not in taken
    ]
    remarks = [f"{printable(folder)} is not looked into: it holds results" for folder in catalogue.skipped]
    remarks += _copies(units)
    return Cohort(tuple(sorted(units, key=lambda unit: (unit.name, unit.key))), tuple(remarks))


def _with_patients(units: Sequence[Unit]) -> Cohort:
    """The studies of a manifest with the digest of their patient where no row says whose they are, and what does not agree.

    The patient of a study is that of the first header that can be read.
    """
    digests = [_digest(unit) for unit in units]
    named: dict[str, dict[str, list[str]]] = {}
    for unit, digest in zip(units, digests, strict=True):
        if digest and unit.patient:
            named.setdefault(digest, {}).setdefault(unit.patient, []).append(unit.name)
    remarks = [
        "studies of one PatientID are those of several patients in the manifest: "
        + "; ".join(f"{patient!r}: {', '.join(sorted(names))}" for patient, names in sorted(patients.items()))
        + ". If they are one, give them one name: predictions are looked for, and patients counted, by it"
        for patients in named.values()
        if len(patients) > 1
    ]
    whose = (
        unit if unit.patient or not digest else replace(unit, patient=digest)
        for unit, digest in zip(units, digests, strict=True)
    )
    return Cohort(tuple(whose), tuple(remarks))


def _digest(unit: Unit) -> str:
    """The digest of a study's patient by its headers; empty where none can be read."""
    if unit.path is None or unit.problem is not None:
        return ""
    with suppress(InputError, OSError):
        for source in list_files(unit.path, unit.only):
            with suppress(InputError):
                if (instance := read_header(source)) is not None:
                    return _whose(instance.patient_key)
    return ""


def _whose(patient_key: str) -> str:
    """The patient of a study by its headers; of those that name nobody each may be somebody else's."""
    return "" if patient_key == NOBODY else f"{DIGEST}{patient_key}"


def _unit(root: Path, study: PairedStudy, damaged: Sequence[str]) -> Unit:
    """The unit of a study, in the deepest folder that holds all of its files."""
    names = sorted({name for series in study.series for name in series.files} | set(damaged))
    folder = _common_folder(names)
    case_facts = _case_settings(root, (folder / "any").as_posix())
    what = "|".join((study.study_uid, study.frame_of_reference_uid or "", study.series[0].patient))
    if len(study.study_uids) > 1 and len(study.emission) == 1 and "settings" in case_facts:
        # a CT or regions of another study in the same frame: say which image it is about
        case_facts["settings"] = merge(
            {"series": {"emission": study.emission[0].uid}}, case_facts["settings"]
        )
    return Unit(
        key=f"{what}|{printable(folder.as_posix())}",
        what=what,  # without the folder: a study that was moved is the same
        name=printable(folder.as_posix()),
        path=root / folder,
        only=_below(folder, names),
        patient=_whose(study.series[0].patient),
        **case_facts,
    )


def _copies(units: Sequence[Unit]) -> list[str]:
    """Say which units are copies of one study: each is computed, and counts."""
    places: dict[str, list[str]] = {}
    for unit in units:
        if unit.what and not unit.passed_over:
            places.setdefault(unit.what, []).append(unit.name)
    return [
        f"{' and '.join(sorted(names))} hold the same study: each is computed and counts; remove the copies if that is not meant"
        for names in places.values()
        if len(names) > 1
    ]


def _damaged_unit(root: Path, folder: PurePosixPath, names: Sequence[str]) -> Unit:
    """A folder in which no DICOM file can be read."""
    return Unit(
        key=printable(folder.as_posix()),
        name=printable(folder.as_posix()),
        path=root / folder,
        only=_below(folder, names),
        **_case_settings(root, (folder / "any").as_posix()),
    )


def _share_out(
    damaged: Iterable[str], studies: Sequence[PairedStudy]
) -> tuple[list[list[str]], dict[PurePosixPath, list[str]]]:
    """Give unreadable files to the studies that lie nearest; return them by study, and those of no study by folder."""
    damaged = tuple(damaged)
    if not damaged:
        return [[] for _ in studies], {}
    folders = [_common_folder([name for s in study.series for name in s.files]) for study in studies]
    beside = [{PurePosixPath(name).parent for s in study.series for name in s.files} for study in studies]
    shares: list[list[str]] = [[] for _ in studies]
    lost: dict[PurePosixPath, list[str]] = {}
    for name in damaged:
        here = PurePosixPath(name).parent
        near = [i for i, parents in enumerate(beside) if here in parents]
        around = [i for i, folder in enumerate(folders) if folder in (here, *here.parents) and folder.parts]
        deepest = max((len(folders[i].parts) for i in around), default=0)
        for index in near or [i for i in around if len(folders[i].parts) == deepest]:
            shares[index].append(name)
        if not near and not around:
            lost.setdefault(here, []).append(name)
    return shares, lost


def _common_folder(names: Iterable[str]) -> PurePosixPath:
    """Return the deepest folder that holds all files."""
    parents = {name.rpartition("/")[0] for name in names}  # a study has many files and few folders
    common = []
    for parts in zip(*(PurePosixPath(parent).parts for parent in parents), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return PurePosixPath(*common)


def _below(folder: PurePosixPath, names: Iterable[str]) -> tuple[str, ...]:
    """Return names of files in a folder as they are below it."""
    start = len(folder.as_posix()) + 1 if folder.parts else 0
    return tuple(name[start:] for name in names)


def _case_settings(root: Path, name: str) -> dict[str, Any]:
    """Return what case files say of a study, from the cohort's folder down to its own, the nearest winning."""
    place = PurePosixPath(name)
    candidates = [root / folder / CASE_FILE for folder in reversed(place.parents)]
    if place.suffix.lower() == ".zip":
        candidates.append(root / place.with_suffix(".toml"))
    settings: dict[str, Any] = {}
    try:
        for file in candidates:
            if file.is_file():
                settings = merge(settings, read_case_file(file))
    except InputError as error:
        return {"problem": error.message}
    return {"settings": settings}
