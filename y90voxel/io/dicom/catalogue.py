"""What lies in an archive of many studies: a few facts about every series, and no header kept in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from y90voxel.errors import InputError
from y90voxel.io.dicom.archive_walk import ArchiveFolder, walk_archive
from y90voxel.io.dicom.header_readers import read_in_parallel
from y90voxel.io.dicom.series_facts import FolderFacts, SeriesFacts

__all__ = ["ArchiveWatch", "Catalogue", "HeaderMemory", "list_archive"]

# Files of one folder that a reader gets at a time.
PART_FILES = 400


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
    headers_read : int
        Files that were opened; the others were remembered.
    """

    series: tuple[SeriesFacts, ...]
    damaged: tuple[str, ...]
    zips: tuple[str, ...]
    files: int
    skipped: tuple[str, ...]
    headers_read: int = 0


class HeaderMemory(Protocol):
    """What earlier runs read of the headers of an archive."""

    def recall(self, folder: ArchiveFolder) -> Mapping[str, Any] | None:
        """Return what is known of a folder as it is now, as `keep` got it."""

    def keep(self, folder: ArchiveFolder, facts: Mapping[str, Any], moment_ns: int) -> None:
        """Remember what was read of a folder after a time [ns]."""


class ArchiveWatch:
    """Receives the progress of the listing of an archive; every method may be overridden."""

    def files_found(self, files: int) -> None:
        """So many files there are up to now."""

    def read(self, headers: int, of: int) -> None:
        """So many headers were read."""

    def arrived(self, catalogue: Callable[[], Catalogue], ahead: str | None) -> None:
        """A folder was read; what is known up to now, and the next folder (None: that was the last)."""


def list_archive(
    root: str | Path,
    *,
    leave_out: Path | None = None,
    watch: ArchiveWatch | None = None,
    memory: HeaderMemory | None = None,
    readers: int = 1,
) -> Catalogue:
    """Read the headers of all files below a folder.

    Parameters
    ----------
    root : path-like
        The folder; links to folders are followed, but no folder is looked into twice.
    leave_out : Path or None
        A folder that is not looked into: where results go.
    watch : ArchiveWatch or None
        Receives the progress.
    memory : HeaderMemory or None
        Knows what was read before.
    readers : int
        Processes that read at a time.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"there is no folder {root}.", file=root)
    watch = watch or ArchiveWatch()
    folders, skipped = walk_archive(root, leave_out, watch.files_found)
    zips = [folder.path_of(file) for folder in folders for file in folder.files if _is_zip(file.name)]
    count = sum(len(folder.files) for folder in folders)
    remembered = {} if memory is None else _remembered(folders, memory)
    unread = [folder for folder in folders if folder.name not in remembered]
    to_read = sum(len(_headers_in(folder)) for folder in unread)
    reading = _read(root, unread, memory, readers)
    folder_facts: list[FolderFacts] = []
    done = 0

    def so_far() -> Catalogue:
        damaged = tuple(name for facts in folder_facts for name in facts.damaged)
        return Catalogue(_joined(folder_facts), damaged, tuple(zips), count, tuple(skipped), done)

    for number, folder in enumerate(folders):
        if folder.name in remembered:
            folder_facts.append(remembered[folder.name])
            continue
        folder_facts.append(next(reading))
        done += len(_headers_in(folder))
        watch.read(done, to_read)
        watch.arrived(so_far, folders[number + 1].name if number + 1 < len(folders) else None)
    return so_far()


def _is_zip(name: str) -> bool:
    """Return whether a file is an archive, which is a study of its own."""
    return name.lower().endswith(".zip")


def _headers_in(folder: ArchiveFolder) -> list[tuple[str, int]]:
    """Names below the archive and sizes of the files of a folder that may have headers."""
    return [(folder.path_of(file), file.size) for file in folder.files if not _is_zip(file.name)]


def _remembered(folders: Iterable[ArchiveFolder], memory: HeaderMemory) -> dict[str, FolderFacts]:
    """What is known of folders from earlier runs, by name."""
    recalled = ((folder, memory.recall(folder)) for folder in folders)
    return {
        folder.name: FolderFacts.from_json(facts, [name for name, _ in _headers_in(folder)])
        for folder, facts in recalled
        if facts is not None
    }


def _read(
    root: Path, folders: Sequence[ArchiveFolder], memory: HeaderMemory | None, readers: int
) -> Iterator[FolderFacts]:
    """Yield what the headers of each folder say, and remember it."""
    moment = time.time_ns()
    files = [_headers_in(folder) for folder in folders]
    parts = [part[start : start + PART_FILES] for part in files for start in range(0, len(part), PART_FILES)]
    reading = read_in_parallel(root, parts, readers)
    for folder, part in zip(folders, files, strict=True):
        facts = FolderFacts()
        for _ in range(0, len(part), PART_FILES):
            facts.add(next(reading))
        if memory is not None:
            memory.keep(folder, facts.as_json([name for name, _ in part]), moment)
        yield facts


def _joined(folders: Iterable[FolderFacts]) -> tuple[SeriesFacts, ...]:
    """Join what several folders hold of one series, unless one is a copy of what another holds."""
    series: dict[tuple[object, ...], list[SeriesFacts]] = {}
    for part in (one for facts in folders for one in facts.series):
        parts = series.setdefault(part.identity, [])
        whole = next((one for one in parts if not one.objects & part.objects), None)
        if whole is None:
            # a copy: what a folder says is joined anew when more folders are known
            parts.append(replace(part, files=list(part.files), objects=set(part.objects)))
        else:
            whole.files += part.files
            whole.objects |= part.objects
    return tuple(one for parts in series.values() for one in parts)
