"""Whether the files of a study are those that it was computed from: by size and times first, by content when in doubt."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from y90voxel.batch.study_units import COURSE, Unit
from y90voxel.case.course_settings import read_course
from y90voxel.io.dicom.sources import list_files

__all__ = ["InputState", "content_sha256", "fingerprint", "input_files", "look_at"]

# A file that was written this shortly before it was read may change again within one tick of the clock: its times
# then prove nothing. The coarsest clock in use is that of FAT, 2 s.
RACY_NS = 2_000_000_000
CHUNK_BYTES = 1 << 20  # read at once [B]; chosen: a megabyte stays in the cache


@dataclass(frozen=True)
class InputState:
    """How the files of a study look from outside.

    Parameters
    ----------
    digest : str
        Of names, sizes and times of modification and of change; the latter cannot be set back.
    newest_ns : int
        The latest of the times [ns].
    files, bytes : int
        How many there are, and their size.
    """

    digest: str
    newest_ns: int
    files: int
    bytes: int

    def trusted_at(self, moment_ns: int) -> bool:
        """Return whether content that was read at a time [ns] is the content that these times stand for."""
        return self.newest_ns < moment_ns - RACY_NS


def input_files(unit: Unit) -> list[Path]:
    """Return every file that a study may be read from.

    Raises
    ------
    InputError
        If one of them is not there.
    """
    named = unit.all_files if unit.job != COURSE else _files_of_course(unit)
    files = [file for place in named for file in _files_within(place)]
    if unit.path is not None:
        if unit.path.is_file():
            files.append(unit.path)  # an archive stands for its members
        else:
            files += [source.path for source in list_files(unit.path, unit.only)]
    return files


def _files_within(place: Path) -> list[Path]:
    """A file, or those of a folder: masks and RTSTRUCTs are named by either."""
    return [place] if place.is_file() else [source.path for source in list_files(place)]


def _files_of_course(unit: Unit) -> list[Path]:
    """The file of a course and every file that its sessions are read from."""
    files = unit.all_files
    for file in list(files):
        course = read_course(file)
        named = [getattr(session, key) for session in course.session for key in ("study", "case", "dose")]
        for place in dict.fromkeys([*filter(None, named), *course.accumulate.registration]):
            files += dict.fromkeys(source.path for source in list_files(place))
    return files


def look_at(files: list[Path]) -> InputState:
    """Return sizes and times of files, without reading them."""
    digest, newest, size = hashlib.sha256(), 0, 0
    for file in sorted(files):
        stat = os.stat(file)
        newest = max(newest, stat.st_mtime_ns, stat.st_ctime_ns)
        size += stat.st_size
        digest.update(os.fsencode(file))
        digest.update(f"\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\n".encode())
    return InputState(digest.hexdigest(), newest, len(files), size)


def fingerprint(files: list[Path]) -> dict[str, Any]:
    """Return what the ledger keeps of the files of a study.

    Sizes and times are taken first, contents after: a change in between shows the next time.
    """
    state, moment = look_at(files), time.time_ns()
    return {
        "input_digest": state.digest if state.trusted_at(moment) else None,
        "content_sha256": content_sha256(files),
        "files": state.files,
        "bytes": state.bytes,
    }


def content_sha256(files: list[Path]) -> str:
    """Return one digest over the contents of files, whatever their names and order."""
    digests = []
    for file in files:
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        digests.append(digest.digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
