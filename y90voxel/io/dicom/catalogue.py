"""What lies in an archive of many studies: a few facts about every series, and no header kept in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.attributes import date_and_time, lenient_reading
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, read_instance, role_of
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.dicom.times import acquisition_start
from y90voxel.io.leavings import is_leaving
from y90voxel.io.result_marks import own_files

__all__ = ["Catalogue", "SeriesFacts", "list_archive"]

Progress = Callable[[int], None]


@dataclass
class SeriesFacts:
    """What pairing needs to know of one series.

    Parameters
    ----------
    uid, study_uid : str
        Series and study instance UID.
    role : SeriesRole
        What it can serve for.
    frame_of_reference_uid : str or None
        Its frame, or the one that regions were drawn in.
    taken : datetime or None
        When it was acquired or made, without zone.
    patient : str
        A digest that tells patients apart.
    files : list of str
        Names of its files below the archive.
    objects : set of int
        Hashes of its SOP instance UIDs, which tell a copy from a series that lies in several folders.
    """

    uid: str
    study_uid: str
    role: SeriesRole
    frame_of_reference_uid: str | None
    taken: datetime | None
    patient: str
    files: list[str] = field(default_factory=list)
    objects: set[int] = field(default_factory=set, repr=False)


@dataclass(frozen=True)
class Catalogue:
    """What an archive holds.

    Parameters
    ----------
    series : tuple of SeriesFacts
        In the order of their first files; a copy in another folder is a series of its own.
    damaged : tuple of str
        Names of DICOM files that cannot be read.
    zips : tuple of str
        Names of ``.zip`` files; each is taken as one study.
    files : int
        Files seen, DICOM or not.
    skipped : tuple of str
        Names of folders that hold results of this program.
    """

    series: tuple[SeriesFacts, ...]
    damaged: tuple[str, ...]
    zips: tuple[str, ...]
    files: int
    skipped: tuple[str, ...]


def list_archive(
    root: str | Path, *, leave_out: Path | None = None, progress: Progress | None = None
) -> Catalogue:
    """Read the headers of all files below a folder, one after another.

    Parameters
    ----------
    root : path-like
        The folder; links to folders are followed, but no folder is looked into twice.
    leave_out : Path or None
        A folder that is not looked into: where results go.
    progress : callable or None
        Called with the number of files seen.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"there is no folder {root}.", file=root)
    found: dict[tuple[str, ...], SeriesFacts] = {}
    damaged: list[str] = []
    zips: list[str] = []
    skipped: list[str] = []
    count = 0
    with lenient_reading():
        for file in _walk(root, leave_out, skipped):
            count += 1
            if progress is not None:
                progress(count)
            if file.name.lower().endswith(".zip"):
                zips.append(file.name)
                continue
            try:
                instance = read_instance(file)
            except DicomError:
                damaged.append(file.name)
                continue
            if instance is not None:
                role = role_of(instance)
                folder = file.name.rpartition("/")[0]
                key = (instance.study_uid, instance.series_uid, role, instance.patient_key, folder)
                if key not in found:
                    found[key] = _facts(instance, role)
                found[key].files.append(file.name)
                found[key].objects.add(hash(instance.sop_instance_uid))
    return Catalogue(_joined(found), tuple(damaged), tuple(zips), count, tuple(skipped))


def _joined(found: Mapping[tuple[str, ...], SeriesFacts]) -> tuple[SeriesFacts, ...]:
    """Join what several folders hold of one series, unless one is a copy of what another holds."""
    series: dict[tuple[str, ...], list[SeriesFacts]] = {}
    for (*what, _folder), part in found.items():
        kept = series.setdefault(tuple(what), [])
        whole = next((one for one in kept if not one.objects & part.objects), None)
        if whole is None:
            kept.append(part)
        else:
            whole.files += part.files
            whole.objects |= part.objects
    return tuple(one for kept in series.values() for one in kept)


def _walk(root: Path, leave_out: Path | None, skipped: list[str]) -> Iterator[SourceFile]:
    """Yield the regular files below a folder in an order that does not depend on the disk."""
    barred = None if leave_out is None else leave_out.resolve()
    seen: set[Path] = set()
    ours: set[Path] = set()  # results: what else lies in their folders is looked at
    for here, folders, names in os.walk(root, followlinks=True):
        folder = Path(here)
        place = folder.resolve()
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        if place == barred:
            skipped.append(folder.relative_to(root).as_posix())
            folders.clear()
            continue
        if folder != root and (own := own_files(folder)):
            skipped.append(folder.relative_to(root).as_posix())
            ours |= {folder / name for name in own}
        folders[:] = [
            name for name in sorted(folders) if not (is_leaving(name) or _leads_back(folder / name, root))
        ]
        for name in sorted(names):
            file = folder / name
            if file not in ours and not is_leaving(name) and file.is_file():
                yield SourceFile(file, file.relative_to(root).as_posix(), file.stat().st_size)


def _leads_back(folder: Path, root: Path) -> bool:
    """Return whether a folder is a link into the archive, or to what holds it."""
    target, archive = folder.resolve(), root.resolve()
    return folder.is_symlink() and (target.is_relative_to(archive) or archive.is_relative_to(target))


def _facts(instance: Instance, role: SeriesRole) -> SeriesFacts:
    """The facts of a series, from its first object."""
    record = SeriesRecord(instance.series_uid, instance.study_uid, role, (instance,))
    return SeriesFacts(
        instance.series_uid,
        instance.study_uid,
        role,
        record.frame_of_reference_uid,
        _taken(instance),
        instance.patient_key,
    )


def _taken(instance: Instance) -> datetime | None:
    """When a series was acquired or made; damaged dates count as none, the study itself will say so."""
    try:
        moment = acquisition_start(instance) or date_and_time(
            instance.header, "SeriesDate", "SeriesTime", instance.source
        )
    except DicomError:
        return None
    return None if moment is None else moment.replace(tzinfo=None)
