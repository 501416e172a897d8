"""Files of a study: a folder of any depth, a zip archive, or one file. Nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from y90voxel.errors import InputError
from y90voxel.io.leftovers import is_leftover
from y90voxel.io.result_marks import own_files

__all__ = ["SourceFile", "list_files"]

MOST_FILES = 200_000  # chosen: a hundred series of 2,000 slices; more is an archive and no study
# One file of a study: an enhanced CT of 2,000 slices has 1 GB.
LARGEST_FILE_BYTES = 4 * 1024**3
# A member that unpacks to more than this must not shrink by more than the ratio below (zip bombs).
LARGE_MEMBER_BYTES = 64 * 1024**2
LARGEST_RATIO = 1100.0  # unpacked over packed; deflate reaches 1032 at most
# The same for an archive as a whole; a CT compresses to a half, label maps to a hundredth.
LARGE_ARCHIVE_BYTES = 1024**3
LARGEST_ARCHIVE_RATIO = 200.0  # unpacked over packed; chosen: twice that of label maps
LONGEST_NAME = 200  # characters of a name in messages; chosen: two lines of a terminal
# Archives in one another: a CD, its studies, and what an archive of a hospital packs again.
DEEPEST_ARCHIVE = 3
# Headers end far below this; a longer one makes the whole member be unpacked.
HEADER_BYTES = 512 * 1024


@dataclass(frozen=True)
class SourceFile:
    """A file on disk or a member of an archive.

    Parameters
    ----------
    path : Path
        The file, or the archive that holds it.
    name : str
        Path below the study, for messages.
    size : int
        Bytes.
    archive : ZipFile or None
        The open archive when the file is a member of it.
    entry : ZipInfo or None
        The member: two may have the same name.
    """

    path: Path
    name: str
    size: int
    archive: zipfile.ZipFile | None = field(default=None, compare=False, repr=False)
    entry: zipfile.ZipInfo | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """Return a binary stream of the whole file."""
        if self.archive is None:
            return self.path.open("rb")
        return io.BytesIO(self._member(self.size))

    def open_header(self) -> tuple[BinaryIO, bool]:
        """Return a stream that holds the header, and whether it may have been cut short."""
        if self.archive is None:
            return self.path.open("rb"), False
        return io.BytesIO(self._member(HEADER_BYTES)), self.size > HEADER_BYTES

    def read(self) -> bytes:
        """Return the whole content."""
        with self.open() as stream:
            return stream.read(self.size)

    def read_to_use(self) -> bytes:
        """Return the whole content, its digest taken in passing: of what was read, not of what lies there later."""
        data = self.read()
        self._digest[:] = [hashlib.sha256(data).digest()]
        return data

    def sha256(self) -> bytes:
        """Return the digest of the content that was used, else of the file, read in parts."""
        if not self._digest:
            digest = hashlib.sha256()
            with self.open() as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
            self._digest.append(digest.digest())
        return self._digest[0]

    @cached_property
    def _digest(self) -> list[bytes]:
        """The digest once it is taken: none or one."""
        return []

    def _member(self, limit: int) -> bytes:
        """Return up to ``limit`` bytes of the member; never more than it declared."""
        assert self.archive is not None
        try:
            with self.archive.open(self.entry or self.name) as member:
                return member.read(min(limit, self.size))
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
            raise InputError(
                f"member {self.name!r} of the archive cannot be unpacked ({error}). Unpack the archive and "
                "give the folder.",
                file=self.path,
            ) from error


def list_files(path: str | Path, only: Iterable[str] | None = None) -> list[SourceFile]:
    """Return all regular files of a study, sorted by name.

    Parameters
    ----------
    path : path-like
        A folder, searched to any depth (links to folders are not followed), a ``.zip`` archive, or one
        file.
    only : iterable of str or None
        Names of the files that make the study, below a folder that holds others too; nothing else is looked at.

    Raises
    ------
    InputError
        If the path or one of the named files does not exist, the archive is damaged or unpacks to an absurd
        size, or there are more than 200,000 files.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file or folder {path}.", file=path)
    if only is not None:
        files = [_named(path, name) for name in only]
    elif path.is_dir():
        files = [inner for file in _walk(path) for inner in _opened(file, 1)]
    elif not path.is_file():
        raise InputError(
            f"{path} is neither a folder nor a file, but a pipe or device. Give a folder.", file=path
        )
    elif path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        files = list(_members(path, depth=2))
    else:
        files = [SourceFile(path, path.name, path.stat().st_size)]
    return sorted(files, key=lambda f: f.name)


def _named(folder: Path, name: str) -> SourceFile:
    """Return one file of a study by its name."""
    try:
        return SourceFile(folder / name, name, (folder / name).stat().st_size)
    except OSError as error:
        raise InputError(
            f"{name} was there when the study was listed and cannot be opened now ({error.strerror}).",
            file=folder / name,
        ) from error


def _check_count(count: int, path: Path) -> None:
    """Raise when a study has too many files to be one."""
    if count > MOST_FILES:
        raise InputError(
            f"{path} holds more than {MOST_FILES} files. Give the folder of one study.", file=path
        )


def _walk(folder: Path) -> Iterator[SourceFile]:
    """Yield the regular files below a folder; results of this program that lie below it are none of the study."""
    count = 0
    ours: set[Path] = set()
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_leftover(name)]
        if Path(root) != folder:
            ours |= {Path(root, name) for name in own_files(Path(root))}
        for name in names:
            file = Path(root, name)
            if (
                file in ours or is_leftover(name) or not file.is_file()
            ):  # broken links, pipes, devices, sockets
                continue
            count += 1
            _check_count(count, folder)
            yield SourceFile(file, file.relative_to(folder).as_posix(), file.stat().st_size)


def _opened(file: SourceFile, depth: int) -> Iterator[SourceFile]:
    """Yield a file, or what lies in it where it is a zip archive: as burnt on CDs, up to three in one another.

    An archive that cannot be opened, or holds no files, stays one file: it is said that nobody looked into it.
    """
    if not file.name.lower().endswith(".zip") or depth > DEEPEST_ARCHIVE or file.size > LARGE_ARCHIVE_BYTES:
        yield file
        return
    try:
        opened = list(_members(file.path, file if file.archive is not None else None, depth + 1))
    except InputError as error:
        if isinstance(error.__cause__, zipfile.BadZipFile):
            yield file
            return
        raise
    yield from (replace(inner, name=f"{file.name}/{inner.name}") for inner in opened)


def _members(path: Path, outer: SourceFile | None = None, depth: int = 2) -> Iterator[SourceFile]:
    """Yield the members of a zip archive, or of one that is a member of another."""
    try:
        packed = path if outer is None else io.BytesIO(outer.read())
        archive = zipfile.ZipFile(packed)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is not a readable zip archive ({error}).", file=path) from error
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check_count(len(entries), path)
    _check_total(entries, path, path.stat().st_size if outer is None else outer.size)
    for entry in entries:
        ratio = entry.file_size / max(entry.compress_size, 1)
        if entry.file_size > LARGEST_FILE_BYTES or (
            entry.file_size > LARGE_MEMBER_BYTES and ratio > LARGEST_RATIO
        ):
            raise InputError(
                f"member {entry.filename!r} of the archive would unpack to {entry.file_size} bytes "
                f"({ratio:.0f} times its packed size). This is not an image; the archive is refused.",
                file=path,
            )
        yield from _opened(
            SourceFile(path, _shown_name(entry.filename), entry.file_size, archive, entry), depth
        )


def _shown_name(name: str) -> str:
    """Return the name of a member for messages: nothing is ever unpacked under it."""
    words = "".join(c if c.isprintable() else "?" for c in name)
    return words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1]}…"


def _check_total(entries: list[zipfile.ZipInfo], path: Path, size: int) -> None:
    """Raise for an archive whose members share their bytes, or unpack to absurd sizes together."""
    packed, unpacked = sum(e.compress_size for e in entries), sum(e.file_size for e in entries)
    if packed > size:
        raise InputError(
            f"the members of {path} claim {packed} packed bytes, but the archive has {size}: they overlap. The archive is "
            "refused.",
            file=path,
        )
    if unpacked > LARGE_ARCHIVE_BYTES and unpacked > LARGEST_ARCHIVE_RATIO * size:
        raise InputError(
            f"{path} would unpack to {unpacked} bytes, {unpacked / max(size, 1):.0f} times its size. No study compresses so "
            "well; the archive is refused.",
            file=path,
        )
