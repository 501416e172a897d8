"""The output folder of a batch: one batch at a time, results moved in when they are complete."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from y90voxel.batch.ledger import LEDGER
from y90voxel.errors import InputError
from y90voxel.io.atomic import check_output_folder, put_in_place

__all__ = ["BatchFolder", "batch_folder"]

LOCK = ".lock"
STAGING = ".staging"
LOGS = "logs"
# Processes of a batch that was just killed end within this time [s].
PATIENCE_S = 5.0


class BatchFolder:
    """Where a batch writes; made by `batch_folder`, which holds its lock.

    Parameters
    ----------
    path : Path
        The folder.
    lock : int
        File descriptor of the lock. Processes that inherit it keep the folder locked.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self.lock = path, lock
        self.staging = path / STAGING
        self.logs = path / LOGS

    def prepare(self) -> None:
        """Clear away what a killed batch left behind, and make the folders."""
        shutil.rmtree(self.staging, ignore_errors=True)
        for folder in (self.staging, self.logs):
            folder.mkdir(exist_ok=True)

    def accept(self, staged: Path, study_id: str) -> Path:
        """Move finished results to their place."""
        put_in_place(staged, self.path / study_id)
        return self.path / study_id

    def discard(self, study_id: str) -> None:
        """Remove results that no longer are what their study gives; what somebody added to them stays, all of it."""
        with suppress(InputError):
            check_output_folder(self.path / study_id)
            shutil.rmtree(self.path / study_id, ignore_errors=True)

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
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}. Choose another place.", file=folder
        ) from error
    try:
        _take(lock, folder)
        yield BatchFolder(folder, lock)
    finally:
        os.close(lock)


def _check(folder: Path) -> None:
    """Raise if a folder holds something that is not a batch's."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; a batch needs a folder. Choose another name.", file=folder)
    names = {entry.name for entry in folder.iterdir()}
    if names - {LOCK} and LEDGER not in names:
        raise InputError(
            f"{folder} exists and holds no batch of y90voxel (found {', '.join(sorted(names)[:3])}). Nothing was "
            "written; choose another folder.",
            file=folder,
        )


def _take(lock: int, folder: Path) -> None:
    """Lock a folder; a batch that was just killed gets a moment to end."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(lock, 200, 0).decode(errors="replace").strip() or "unknown"
                raise InputError(
                    f"another batch is writing to {folder} ({holder}). Wait for it, or choose another folder.",
                    file=folder,
                ) from None
            time.sleep(0.1)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return
