"""Output that is there in full or not at all.

Results are written to a temporary sibling and renamed into place. An existing folder is replaced only when
it holds results of this program and nothing else, so that a mistyped ``-o`` never costs anybody a file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from y90voxel.errors import InputError

__all__ = ["MANIFEST", "atomic_file", "check_output_folder", "output_folder", "put_in_place"]

# A result folder is recognised by one of these, holding both "schema_version" and "kind".
MARKERS = ("metrics.json", "plan.json", "compare.json", "status.json")
# Names of what a finished folder was given, so that files added by somebody later are noticed.
MANIFEST = ".y90voxel.json"
# What results are called, for folders whose manifest was lost.
OUR_NAMES = re.compile(
    r"(dose|report)\.(dcm|html|pdf)|(dose|dose_uncertainty|activity|regions|dose_per_gbq(_injection_\d+)?)\.nii\.gz|regions\.(seg\.dcm|rtstruct\.dcm|json)"
    r"|(bed|registration)\.dcm|bed\.nii\.gz"
    r"|(dvh|metrics|cohort)\.(csv|json|parquet|html)|(plan|compare|status)\.(json|html)|figures/[a-z_]+\.png"
)
# Left behind by file browsers; neither ours nor anybody's work.
BROWSER_FILES = {".DS_Store", "Thumbs.db", "desktop.ini", MANIFEST}


def check_output_folder(path: str | Path) -> None:
    """Raise unless results can go to ``path``: it does not exist, is empty, or holds only our results.

    Raises
    ------
    InputError
        If ``path`` is a file, holds something else, or holds files that were added to our results.
    """
    folder = Path(path)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; results need a folder. Choose another name.", file=folder)
    names = _files_in(folder)
    if not names:
        return
    if not _is_ours(folder):
        raise InputError(
            f"{folder} exists and holds no results of y90voxel (found {_listed(names)}). "
            "Nothing was written; choose another folder.",
            file=folder,
        )
    foreign = names - _known_files(folder, names)
    if foreign:
        raise InputError(
            f"{folder} holds results of y90voxel, but also {_listed(foreign)}, which would be lost. "
            "Nothing was written; move it away or choose another folder.",
            file=folder,
        )


@contextmanager
def output_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder to write to; it becomes ``path`` when the block ends without an error.

    On an error everything that was written is removed and what was at ``path`` before is still there.

    Parameters
    ----------
    path : path-like
        The folder to make. Missing parents are made; results of an earlier run are replaced.

    Raises
    ------
    InputError
        If ``path`` is a file or holds something that is not ours (see :func:`check_output_folder`), or
        the folder cannot be made there.
    """
    check_output_folder(path)
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.tmp")
    made = _missing_parents(target)
    try:
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise _unwritable(target, error) from error
        yield temporary
        (temporary / MANIFEST).write_text(
            json.dumps({"files": sorted(_files_in(temporary))}), encoding="utf-8"
        )
        put_in_place(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path with the same endings; it becomes ``path`` when the block ends without an error.

    Raises
    ------
    InputError
        If ``path`` is a folder, or a file cannot be made there.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} is a folder; a file name is needed.", file=target)
    temporary = target.with_name(f".{uuid.uuid4().hex[:12]}.{target.name}")
    try:
        try:
            temporary.touch()
        except OSError as error:
            raise _unwritable(target, error) from error
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    """Return whether a marker file in the folder is one of our results."""
    for name in MARKERS:
        try:
            document = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and {"schema_version", "kind"} <= document.keys():
            return True
    return False


def _files_in(folder: Path) -> set[str]:
    """Return everything in a folder, at any depth, that is not left behind by file browsers."""
    found = (entry for entry in folder.rglob("*") if entry.name not in BROWSER_FILES)
    return {entry.relative_to(folder).as_posix() for entry in found if not entry.is_dir()}


def _known_files(folder: Path, names: set[str]) -> set[str]:
    """Return the files that we wrote: by the manifest, or by their names when it was lost in copying."""
    try:
        return set(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {name for name in names if OUR_NAMES.fullmatch(name)}


def _listed(names: set[str]) -> str:
    """Return up to three names as text."""
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _missing_parents(target: Path) -> list[Path]:
    """Return the parents that do not exist yet, innermost first."""
    return [parent for parent in target.parents if not parent.exists()]


def _unwritable(target: Path, error: OSError) -> InputError:
    """Return the error for a place that cannot be written to."""
    reason = error.strerror or str(error)
    return InputError(f"cannot write {target}: {reason}. Choose another place.", file=target)


def put_in_place(temporary: Path, target: Path) -> None:
    """Move a finished folder to ``target``; whatever was there goes only once the new one stands.

    Raises
    ------
    InputError
        If the folder cannot be moved there.
    """
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.old")
    try:
        if target.exists():
            target.rename(old)
        try:
            temporary.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise _unwritable(target, error) from error
    shutil.rmtree(old, ignore_errors=True)
