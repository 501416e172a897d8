"""The files of an archive of many studies by name, size and times: nothing is opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from y90voxel.io.leftovers import is_leftover
from y90voxel.io.result_marks import own_files

__all__ = ["ArchiveFile", "ArchiveFolder", "walk_archive"]


class ArchiveFile(NamedTuple):
    """A regular file: its name in its folder, size [bytes], times of modification and of change [ns]."""

    name: str
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True)
class ArchiveFolder:
    """A folder of an archive that holds files.

    Parameters
    ----------
    name : str
        Its path below the archive; empty for the archive itself.
    files : tuple of ArchiveFile
        Sorted by name, without results of this program.
    """

    name: str
    files: tuple[ArchiveFile, ...]

    def path_of(self, file: ArchiveFile) -> str:
        """Return the path of a file below the archive."""
        return f"{self.name}/{file.name}" if self.name else file.name

    @property
    def newest_ns(self) -> int:
        """The latest time of any file [ns]."""
        return max(max(file.modified_ns, file.changed_ns) for file in self.files)

    def digest(self) -> str:
        """Return a digest of names, sizes and times: while it is the same, so are the contents."""
        digest = hashlib.sha256(os.fsencode(self.name))
        for file in self.files:
            digest.update(b"\0" + os.fsencode(file.name))
            digest.update(f"\0{file.size}\0{file.modified_ns}\0{file.changed_ns}".encode())
        return digest.hexdigest()


def walk_archive(
    root: Path, leave_out: Path | None = None, report_count: Callable[[int], None] | None = None
) -> tuple[list[ArchiveFolder], list[str]]:
    """Return the folders that hold files, and the names of those that hold results, in an order of their own.

    A folder comes before those in it, and all below it before its next sibling.

    Parameters
    ----------
    root : Path
        The archive; links to folders are followed, but no folder is looked into twice.
    leave_out : Path or None
        A folder that is not looked into.
    report_count : callable or None
        Called with the number of files seen, after each folder.
    """
    excluded = None if leave_out is None else leave_out.resolve()
    archive = root.resolve()
    seen: set[Path] = set()
    ours: set[str] = set()  # results: what else lies in their folders is looked at
    folders: list[ArchiveFolder] = []
    skipped: list[str] = []
    count, waiting = 0, [""]
    while waiting:
        name = waiting.pop()
        folder = root / name
        place = folder.resolve()
        if place in seen:
            continue
        seen.add(place)
        if place == excluded:
            skipped.append(name)
            continue
        if name and (own := own_files(folder)):
            skipped.append(name)
            ours |= {f"{name}/{file}" for file in own}
        files, below = _entries(folder, archive)
        within = f"{name}/" if name else ""
        waiting += [within + inner for inner in sorted(below, reverse=True)]
        inputs = tuple(sorted(file for file in files if within + file.name not in ours))
        if inputs:
            folders.append(ArchiveFolder(name, inputs))
            count += len(inputs)
        if report_count is not None:
            report_count(count)
    return folders, skipped


def _entries(folder: Path, archive: Path) -> tuple[list[ArchiveFile], list[str]]:
    """Return the regular files of a folder and the names of the folders in it that are looked into."""
    files: list[ArchiveFile] = []
    below: list[str] = []
    try:
        entries = list(os.scandir(folder))
    except OSError:  # nobody may look into it, or it is gone meanwhile
        return files, below
    for entry in entries:
        if is_leftover(entry.name):
            continue
        with suppress(OSError):
            if entry.is_dir():
                if not (entry.is_symlink() and _leads_back(Path(entry.path), archive)):
                    below.append(entry.name)
            elif entry.is_file():
                stat = entry.stat()
                files.append(ArchiveFile(entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return files, below


def _leads_back(link: Path, archive: Path) -> bool:
    """Return whether a link to a folder leads into the archive, or to what holds it."""
    target = link.resolve()
    return target.is_relative_to(archive) or archive.is_relative_to(target)
