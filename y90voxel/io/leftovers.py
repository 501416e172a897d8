"""Temporary names that tell whose they are, so that what a killed run left behind can be cleared away and restored.

A temporary folder or file carries a token: the host (with its namespace of processes), the process, when that
started, and a random part. Where the process is gone the thing is nobody's. Of another host nothing is known but
age: half results are cleared after a day without a change, results that were moved aside come back after a minute.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = [
    "clear_leftovers",
    "clear_leftovers_below",
    "cut_by_bytes",
    "is_free",
    "is_leftover",
    "new_token",
    "temporary_name",
]

_TOKEN = r"(?P<token>[0-9a-f]{8}-\d+-\d+-[0-9a-f]{8}|[0-9a-f]{12})"
_FOLDER = re.compile(rf"\.(?P<name>.+)\.{_TOKEN}\.(?P<kind>tmp|old)", re.DOTALL)
_FILE = re.compile(r"\.(?P<token>[0-9a-f]{8}-\d+-\d+-[0-9a-f]{8})\.(?P<name>.+)(?P<kind>)", re.DOTALL)
DAY_S, MINUTE_S = 86400.0, 60.0  # exact [s]
# File systems take 255 bytes; the token and the endings need 60.
LONGEST_NAME_BYTES = 190


def new_token() -> str:
    """Return what tells this process from all others, with a random part."""
    return f"{_host()}-{os.getpid()}-{_started(os.getpid())}-{uuid.uuid4().hex[:8]}"


def temporary_name(name: str, kind: str) -> str:
    """Return a name beside ``name`` for half results (``tmp``) or results moved aside (``old``)."""
    return f".{cut_by_bytes(name, LONGEST_NAME_BYTES)}.{new_token()}.{kind}"


def cut_by_bytes(text: str, most: int) -> str:
    """Return the beginning of a text that has at most so many bytes on disk, never half a letter.

    Examples
    --------
    >>> cut_by_bytes("肝臓", 4), cut_by_bytes("liver", 9)
    ('肝', 'liver')
    """
    raw = os.fsencode(text)
    return text if len(raw) <= most else raw[:most].decode("utf-8", "ignore")


def is_leftover(name: str) -> bool:
    """Return whether a name is one that this program gives to what is not finished."""
    return bool(_FOLDER.fullmatch(name) or _FILE.fullmatch(name))


def clear_leftovers(folder: Path, name: str | None = None) -> list[str]:
    """Clear away what killed runs left in a folder, put back results that they had moved aside, and say so.

    Parameters
    ----------
    folder : Path
        Where results go.
    name : str or None
        Only what belongs to results of this name; None takes all.
    """
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return []
    done = []
    for entry in entries:
        match = _FOLDER.fullmatch(entry) or _FILE.fullmatch(entry)
        wanted = None if name is None else cut_by_bytes(name, LONGEST_NAME_BYTES)
        if match is None or (wanted is not None and match["name"] != wanted):
            continue
        target = folder / (name or match["name"])
        with suppress(OSError):
            done += _clear(folder / entry, target, match["kind"], match["token"])
    return done


def clear_leftovers_below(folder: Path) -> list[str]:
    """Do what `clear_leftovers` does in a folder, in all folders below it and in the one that holds it.

    In the latter only for results of the folder's own name: of a study, those that were to be written there.
    """
    done = clear_leftovers(folder.parent, folder.name)
    for here, folders, _ in os.walk(folder):
        done += clear_leftovers(Path(here))
        folders[:] = [name for name in folders if not is_leftover(name)]
    return done


def _clear(leftover: Path, target: Path, kind: str, token: str) -> list[str]:
    """Restore or remove one leftover, if nobody works on it."""
    if kind == "old" and not os.path.lexists(target):
        if is_free(leftover, token, MINUTE_S):
            leftover.rename(target)
            return [f"{target.name}: the earlier results, which a killed run had moved aside, are back"]
        return []
    if not is_free(leftover, token, DAY_S):
        return []
    if leftover.is_dir() and not leftover.is_symlink():
        shutil.rmtree(leftover)
    else:
        leftover.unlink()
    return [f"{target.name}: half results of a killed run were cleared away ({leftover.name})"]


def is_free(leftover: Path, token: str, patience_s: float) -> bool:
    """Return whether the process that made something is gone; of another host's, whether it is old enough."""
    host, _, rest = token.partition("-")
    if rest and host == _host():
        pid, started, _ = rest.split("-")
        return _started(int(pid)) != int(started) or not _runs(int(pid))
    newest = os.lstat(leftover).st_ctime
    with suppress(OSError):
        newest = max([newest, *(os.lstat(path).st_mtime for path in leftover.rglob("*"))])
    return time.time() - newest > patience_s


@cache
def _host() -> str:
    """Return what tells this machine, and this container, from others."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _started(pid: int) -> int:
    """Return when a process started, in ticks since the machine did; 0 where that is not known, or it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _runs(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
