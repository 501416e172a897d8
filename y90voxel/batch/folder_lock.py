"""One batch at a time in an output folder: by `flock`, or by a file with a heartbeat where a share has no locks.

`flock` ends with the last process that holds it, whatever happens to the batch. Where the file system does not know it
(Lustre without the option, some NFS), a file that only one process can make stands for it: it names host and process and
is touched again and again; when its process is gone, or it was not touched for minutes, the next batch takes it over.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from y90voxel.errors import InputError, OutputError
from y90voxel.io.leftovers import is_free, new_token

try:
    import fcntl

    HAS_FLOCK = True
except ImportError:
    HAS_FLOCK = False  # Windows

__all__ = ["LOCK", "OWNER", "FolderLock", "locked"]

LOCK, OWNER = ".lock", ".owner"
# Processes of a batch that was just killed end within this time [s].
PATIENCE_S = 5.0
HEARTBEAT_S, SILENCE_S = 10.0, 120.0  # [s]; chosen: a holder counts as dead after twelve missed beats
# What a file system says that has no locks.
WITHOUT = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.EPROTONOSUPPORT}


class FolderLock:
    """A lock that this process holds.

    Parameters
    ----------
    descriptor : int or None
        Of the locked file; processes that inherit it keep the folder locked. None without `flock`.
    """

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor

    @property
    def inherited(self) -> tuple[int, ...]:
        """What processes of the batch inherit."""
        return () if self.descriptor is None else (self.descriptor,)


@contextmanager
def locked(folder: Path, patience_s: float | None = None) -> Iterator[FolderLock]:
    """Hold the lock of a folder.

    Parameters
    ----------
    folder : Path
        It exists.
    patience_s : float or None
        How long a batch that was just killed gets to end [s].

    Raises
    ------
    InputError
        If another batch holds it.
    OutputError
        If the folder can neither be locked nor take a file that stands for a lock.
    """
    patience_s = PATIENCE_S if patience_s is None else patience_s
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _flock(descriptor, folder, patience_s):
            yield FolderLock(descriptor)
        else:
            with _owned(folder, patience_s):
                yield FolderLock(None)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, folder: Path, patience_s: float) -> bool:
    """Lock a file; False where the system or the file system has no locks."""
    if not HAS_FLOCK:
        return False
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "unknown"
                raise _taken(folder, holder) from None
            time.sleep(0.1)
        except OSError as error:
            if error.errno in WITHOUT:
                return False
            raise _unlockable(folder, error) from error
        else:
            with suppress(OSError):  # only for whoever wants to know
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return True


@contextmanager
def _owned(folder: Path, patience_s: float) -> Iterator[None]:
    """Hold a file that only one process can make, and keep it alive."""
    path, token = folder / OWNER, new_token()
    deadline = time.monotonic() + patience_s
    while not _made(path, token):
        holder = _holder(path)
        if holder is None:
            continue  # it went meanwhile
        if _is_dead(path, holder["token"]):
            with suppress(FileNotFoundError):
                path.unlink()
        elif time.monotonic() > deadline:
            raise _taken(folder, holder["who"])
        else:
            time.sleep(0.1)
    ended = threading.Event()
    threading.Thread(target=_beat, args=(path, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        with suppress(OSError):
            path.unlink()


def _made(path: Path, token: str) -> bool:
    """Make the file of an owner; False when there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unlockable(path.parent, error) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({"token": token, "who": f"process {os.getpid()} on {socket.gethostname()}"}, stream)
    return True


def _holder(path: Path) -> dict[str, str] | None:
    """Who made the file of an owner; None when it is gone."""
    try:
        return {"token": "", "who": "unknown", **json.loads(path.read_text(encoding="utf-8"))}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return {"token": "", "who": "unknown"}


def _is_dead(path: Path, token: str) -> bool:
    """Return whether an owner's process is gone, or has been silent for long by the clock of the file system."""
    probe = path.with_name(f"{OWNER}.{new_token()}")
    try:
        if token and is_free(path, token, SILENCE_S):
            return True
        probe.touch()
        return os.stat(probe).st_mtime - os.stat(path).st_mtime > SILENCE_S
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.unlink()


def _beat(path: Path, ended: threading.Event) -> None:
    """Touch the file of an owner until the batch ends."""
    while not ended.wait(HEARTBEAT_S):
        with suppress(OSError):
            os.utime(path)


def _taken(folder: Path, holder: str) -> InputError:
    """Return the error of a folder that another batch is using."""
    return InputError(
        f"another batch is writing to {folder} ({holder}). Wait for it, or choose another folder.",
        file=folder,
    )


def _unlockable(folder: Path, error: OSError) -> OutputError:
    """Return the error of a folder that cannot be locked in any way."""
    return OutputError(
        f"{folder} cannot be locked ({error.strerror}), so that two batches could write to it at once. Choose an OUT on a local "
        "disk, or on a share with locks (NFS 4, Lustre mounted with -o flock).",
        file=folder,
    )
