"""The output folder of a batch: one batch at a time, results moved in when they are complete, nothing finished deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from y90voxel.batch.folder_lock import LOCK, OWNER, FolderLock, locked
from y90voxel.batch.ledger import LEDGER
from y90voxel.errors import InputError, OutputError
from y90voxel.io.atomic import put_in_place
from y90voxel.io.leftovers import clear_leftovers, is_leftover
from y90voxel.io.result_marks import MANIFEST, STALE_NOTE, checksum, holds_results, read_mark, write_mark

__all__ = ["BatchFolder", "Outputs", "batch_folder"]

STAGING = ".staging"
LOGS = "logs"
# What a batch makes before its ledger.
BEGINNING = {LOCK, OWNER, MANIFEST, f"{MANIFEST}.new", STAGING, LOGS, f"{LEDGER}-journal"}
# Files of a study's results: size, time of modification [ns] (None where it proves nothing), SHA-256.
Outputs = dict[str, tuple[int, int | None, str]]


class BatchFolder:
    """Where a batch writes; made by `batch_folder`, which holds its lock.

    Parameters
    ----------
    path : Path
        The folder.
    lock : FolderLock
        The lock that this process holds.
    """

    def __init__(self, path: Path, lock: FolderLock) -> None:
        self.path, self.lock = path, lock
        self.staging = path / STAGING
        self.logs = path / LOGS

    def prepare(self) -> list[str]:
        """Clear away what a killed batch left behind, put back what it had moved aside, make the folders."""
        shutil.rmtree(self.staging, ignore_errors=True)
        try:
            for folder in (self.staging, self.logs):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot write to {self.path}: {error.strerror}. What was computed before is still there.",
                file=self.path,
            ) from error
        return clear_leftovers(self.path)

    def mark(self) -> None:
        """Mark the folder as a batch's, so that it is recognised without its ledger."""
        if read_mark(self.path).get("command") != "batch":
            write_mark(self.path, "batch", ())

    def accept(self, staged: Path, study_id: str, facts: Mapping[str, Any]) -> Outputs:
        """Move finished results to their place, with the facts that a lost ledger is rebuilt from.

        Raises
        ------
        OutputError
            If they cannot be moved; what was there before still is.
        """
        mark = read_mark(staged)
        command = mark.get("command", facts.get("job", "dose"))
        checksums = mark.get("checksums") or write_mark(staged, command)["checksums"]
        write_mark(staged, command, checksums, checksums=checksums, batch=dict(facts))
        outputs: Outputs = {
            name: (size, (staged / name).stat().st_mtime_ns, digest)
            for name, (size, digest) in checksums.items()
        }
        put_in_place(staged, self.path / study_id)
        return outputs

    def has_results(self, study_id: str) -> bool:
        """Return whether results of a study lie there, of whatever run."""
        return holds_results(self.path / study_id)

    def damage(self, study_id: str, outputs: Mapping[str, Any] | None, *, read: bool) -> str | None:
        """Return what is wrong with the results of a study, None when they are as they were written.

        Parameters
        ----------
        study_id : str
            The study.
        outputs : mapping or None
            As `accept` gave them; None where only their presence can be asked for.
        read : bool
            Read every file; else only those of another time than when they were written.
        """
        if not (self.path / study_id).is_dir():
            return "its results are missing"
        return self.changed(study_id, outputs or {"metrics.json": (None, 0, None)}, read=read)

    def changed(self, below: str, outputs: Mapping[str, Any], *, read: bool) -> str | None:
        """Return what is wrong with files, None when they are as they were written; parameters as of `damage`."""
        for name, (size, moment, digest) in outputs.items():
            file = self.path / below / name
            try:
                status = file.stat()
                if size is not None and status.st_size != size:
                    return f"its results are damaged: {name} has {status.st_size} bytes, {size} were written"
                if (read or status.st_mtime_ns != moment) and digest and checksum(file) != digest:
                    return f"its results are damaged: the content of {name} is not what was written"
            except FileNotFoundError:
                return f"its results are damaged: {name} is missing"
            except OSError as error:
                return f"its results cannot be read: {name}: {error.strerror}"
        return None

    def state_of(self, below: str, names: Iterable[str]) -> Outputs:
        """Return sizes, times and checksums of files, as `changed` takes them."""
        files = {name: self.path / below / name for name in names}
        return {
            name: ((stat := file.stat()).st_size, stat.st_mtime_ns, checksum(file))
            for name, file in files.items()
        }

    def note_stale(self, study_id: str, reason: str) -> None:
        """Say in a folder of results that they are not those of the study as it is now."""
        with suppress(OSError):
            text = f"These results are kept from an earlier run and are not those of the study as it is now.\n{reason}\n"
            (self.path / study_id / STALE_NOTE).write_text(text, encoding="utf-8", errors="backslashreplace")

    def note_fresh(self, study_id: str) -> None:
        """Take that note away."""
        with suppress(OSError):
            (self.path / study_id / STALE_NOTE).unlink(missing_ok=True)

    def records(self) -> Iterator[tuple[dict[str, Any], Outputs]]:
        """Yield what results know of themselves: facts of the batch, and files whose times prove nothing."""
        for folder in sorted(self.path.iterdir()):
            mark = read_mark(folder) if folder.is_dir() else {}
            facts, checksums = mark.get("batch"), mark.get("checksums")
            if isinstance(facts, dict) and isinstance(checksums, dict):
                yield (
                    facts | {"study_id": folder.name},
                    {name: (size, None, digest) for name, (size, digest) in checksums.items()},
                )

    def tidy(self) -> None:
        """Remove the working folder."""
        shutil.rmtree(self.staging, ignore_errors=True)


@contextmanager
def batch_folder(path: str | Path) -> Iterator[BatchFolder]:
    """Give the output folder of a batch to this process alone.

    Raises
    ------
    InputError
        If the folder holds something else, cannot be written, or another batch is using it.
    """
    folder = Path(path).resolve()
    _check(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder) as lock:
            yield BatchFolder(folder, lock)
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}. What was computed before is still there; choose another place, or "
            "free it and run the same command again.",
            file=folder,
        ) from error


def _check(folder: Path) -> None:
    """Raise if a folder holds something that is not a batch's."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; a batch needs a folder. Choose another name.", file=folder)
    names = {entry.name for entry in folder.iterdir()}
    if LEDGER not in names and not _only_begun(folder, names) and not _is_batch(folder):
        raise InputError(
            f"{folder} exists and holds no batch of y90voxel (found {', '.join(sorted(names)[:3])}). Nothing was "
            "written; choose another folder.",
            file=folder,
        )


def _only_begun(folder: Path, names: Iterable[str]) -> bool:
    """Return whether a folder holds nothing but what a batch makes before its ledger: it ended there."""
    if any(not is_leftover(name) for name in set(names) - BEGINNING):
        return False
    logs = folder / LOGS
    return not logs.is_dir() or all(entry.suffix == ".log" for entry in logs.iterdir())


def _is_batch(folder: Path) -> bool:
    """Return whether a folder without a ledger is a batch's: by its mark, its status, or the results in it."""
    if read_mark(folder).get("command") == "batch":
        return True
    with suppress(OSError, ValueError, AttributeError):
        if json.loads((folder / "status.json").read_text(encoding="utf-8")).get("kind") == "batch":
            return True
    return any(
        isinstance(read_mark(entry).get("batch"), dict) for entry in folder.iterdir() if entry.is_dir()
    )
