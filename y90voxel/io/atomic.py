"""Output that is there in full or not at all.

Results are written to a temporary sibling and put in place in one step. An existing folder is replaced only when
it holds results of this program and nothing else, so that a mistyped ``-o`` never costs anybody a file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from y90voxel.errors import InputError, OutputError
from y90voxel.io.exchange import exchange
from y90voxel.io.leftovers import clear_leftovers, cut_by_bytes, new_token, temporary_name
from y90voxel.io.result_marks import MANIFEST, files_in, holds_results, own_files, write_mark
from y90voxel.io.storage_errors import storage_error

__all__ = ["MANIFEST", "atomic_file", "check_output_folder", "output_folder", "put_in_place"]

MOST_KEPT = 99  # finished results that may wait beside their place; chosen: nobody keeps more
# Of a name [B]: file systems take 255, the token of the temporary name needs up to 55.
LONGEST_FILE_BYTES = 200


def check_output_folder(path: str | Path) -> None:
    """Raise unless results can go to ``path``: it does not exist, is empty, or holds only our results.

    What killed runs left there is cleared away first, and results that they had moved aside come back.

    Raises
    ------
    InputError
        If ``path`` is a file, holds something else, or holds files that were added to our results.
    """
    folder = Path(path)
    clear_leftovers(folder.parent, folder.name)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; results need a folder. Choose another name.", file=folder)
    names = files_in(folder)
    if not names:
        return
    if not holds_results(folder):
        raise InputError(
            f"{folder} exists and holds no results of y90voxel (found {_listed(names)}). "
            "Nothing was written; choose another folder.",
            file=folder,
        )
    foreign = names - own_files(folder)
    if foreign:
        raise InputError(
            f"{folder} holds results of y90voxel, but also {_listed(foreign)}, which would be lost. "
            "Nothing was written; move it away or choose another folder.",
            file=folder,
        )


@contextmanager
def output_folder(path: str | Path, command: str | None = "results") -> Iterator[Path]:
    """Give a temporary folder to write to; it becomes ``path`` when the block ends without an error.

    On an error everything that was written is removed and what was at ``path`` before is still there.

    Parameters
    ----------
    path : path-like
        The folder to make. Missing parents are made; results of an earlier run are replaced.
    command : str or None
        What writes it, for the mark that makes it results; None for what is none, such as a study that is fetched.

    Raises
    ------
    InputError
        If ``path`` is a file or holds something that is not ours (see :func:`check_output_folder`).
    OutputError
        If the folder cannot be made or filled there: no space, no rights, a broken disk.
    """
    check_output_folder(path)
    target = Path(path).resolve()
    temporary = target.with_name(temporary_name(target.name, "tmp"))
    made = _missing_parents(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if command is not None:
            write_mark(temporary, command)
        put_in_place(temporary, target)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            for parent in made:
                parent.rmdir()  # only while it is empty
        cause = storage_error(error, temporary) if isinstance(error, Exception) else None
        if cause is None or isinstance(error, OutputError):
            raise
        raise _unwritable(target, cause) from error


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path with the same endings; it becomes ``path`` when the block ends without an error.

    Raises
    ------
    InputError
        If ``path`` is a folder.
    OutputError
        If the file cannot be made or filled there.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} is a folder; a file name is needed.", file=target)
    ending = "".join(target.suffixes)[-40:]
    stem = cut_by_bytes(target.name.removesuffix(ending), LONGEST_FILE_BYTES - len(ending))
    temporary = target.with_name(f".{new_token()}.{stem}{ending}")
    try:
        temporary.touch()
        yield temporary
        _synchronise(temporary)
        try:
            os.replace(temporary, target)
        except PermissionError as error:
            raise _kept_beside(temporary, target, error) from error
    except Exception as error:
        cause = storage_error(error, target.parent)
        if cause is None or isinstance(error, OutputError):
            raise
        raise _unwritable(target, cause) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, target: Path) -> None:
    """Move a finished folder to ``target``; whatever was there goes only once the new one stands.

    Raises
    ------
    OutputError
        If the folder cannot be moved there; what was there is still there.
    """
    try:
        if os.path.lexists(target) and _has_entries(target) and exchange(temporary, target):
            shutil.rmtree(temporary, ignore_errors=True)
            return
        _move_in_two_steps(temporary, target)
    except PermissionError as error:
        raise _kept_beside(temporary, target, error) from error
    except OSError as error:
        raise _unwritable(target, error) from error


def _kept_beside(finished: Path, target: Path, error: OSError) -> OutputError:
    """Keep what is finished and cannot take its place, which another program holds open; return the error that says where.

    Windows lets nobody rename a folder in which a file is open, nor replace such a file.
    """
    ending = "" if finished.is_dir() else "".join(target.suffixes)
    stem = target.name.removesuffix(ending)
    for number in range(1, MOST_KEPT + 1):
        place = target.with_name(f"{stem}.new{'' if number == 1 else f'-{number}'}{ending}")
        if os.path.lexists(place):
            continue
        try:
            os.rename(finished, place)
        except OSError:
            break
        return OutputError(
            f"{target} cannot be replaced ({error.strerror or error}): another program, such as Excel or a viewer, holds it or a "
            f"file in it open, or it may not be changed. The finished results are in {place}: close the other program and rename "
            "them, or run again.",
            file=target,
        )
    return _unwritable(target, error)


def _move_in_two_steps(temporary: Path, target: Path) -> None:
    """Move what is there aside, the new folder in; a kill in between is put right by the next run."""
    if not (target.is_dir() and _has_entries(target)):
        temporary.rename(target)  # to a free place, or over an empty folder
        return
    old = target.with_name(temporary_name(target.name, "old"))
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _has_entries(folder: Path) -> bool:
    """Return whether a folder is one that holds something."""
    return folder.is_dir() and any(folder.iterdir())


def _synchronise(path: Path) -> None:
    """Wait until a file is on the disk: a full or broken one says so here."""
    with path.open("r+b") as stream:  # Windows synchronises only what may be written
        os.fsync(stream.fileno())


def _listed(names: set[str]) -> str:
    """Return up to three names as text."""
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _missing_parents(target: Path) -> list[Path]:
    """Return the parents that do not exist yet, innermost first."""
    return [parent for parent in target.parents if not parent.exists()]


def _unwritable(target: Path, error: OSError) -> OutputError:
    """Return the error for a place that cannot be written to."""
    return OutputError(
        f"cannot write {target}: {error.strerror or error}. Nothing was left there, and what was there before still is: "
        "free space or repair the disk and run again, or choose another place.",
        file=target,
    )
