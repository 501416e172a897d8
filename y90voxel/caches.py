"""Where numba and matplotlib keep what they make once: a folder of our own where theirs cannot be written.

In a container there may be no home folder, the package may be read-only and the user has no name. numba then refuses to
load a function at all ("no locator available"), and matplotlib looks for fonts anew each time.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["can_keep", "prepare_caches"]

_PACKAGE = Path(__file__).resolve().parent
# Set to this, numba compiles without keeping anything.
NOWHERE = "Y90VOXEL_NO_CACHE"


def prepare_caches(warn: bool = False) -> None:
    """Point numba and matplotlib to a folder that can be written, where their own cannot; worker processes inherit it.

    Parameters
    ----------
    warn : bool
        Say so on stderr.
    """
    lost = [
        name
        for name, works in (("NUMBA_CACHE_DIR", _numba_can), ("MPLCONFIGDIR", _drawing_can))
        if not works()
    ]
    if not lost or os.environ.get(NOWHERE):
        return
    place = _own_folder()
    if place is None:
        os.environ[NOWHERE] = "1"
        problem = "no folder for caches can be written: compiling without one, every run takes longer"
    else:
        for name in lost:
            os.environ[name] = str(place / name.lower())
        problem = (
            f"caches of compiled functions and fonts go to {place}, for their usual place cannot be written"
        )
    if warn:
        sys.stderr.write(f"y90voxel: {problem}. Set {' and '.join(lost)} to a folder that stays.\n")


def can_keep() -> bool:
    """Return whether compiled functions can be kept."""
    return not os.environ.get(NOWHERE)


def _numba_can() -> bool:
    """Whether numba can keep what it compiles: where it is told to, beside the package, or in the user's folder."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    if folder:
        return _writable(Path(folder))
    if _writable(_PACKAGE / "volumes" / "__pycache__"):
        return True
    return _writable(_user_folder("XDG_CACHE_HOME", ".cache"))


def _drawing_can() -> bool:
    """Whether matplotlib can keep its list of fonts."""
    folder = os.environ.get("MPLCONFIGDIR")
    return _writable(Path(folder)) if folder else _writable(_user_folder("XDG_CONFIG_HOME", ".config"))


def _user_folder(variable: str, name: str) -> Path | None:
    """A folder of the user's home; None where there is no home."""
    if os.environ.get(variable):
        return Path(os.environ[variable])
    with suppress(RuntimeError):
        return Path.home() / name
    return None


def _writable(folder: Path | None) -> bool:
    """Whether files can be made in a folder, or the folder itself in the nearest that is there."""
    while folder is not None and not folder.exists():
        if folder.parent == folder:
            return False
        folder = folder.parent
    return folder is not None and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _own_folder() -> Path | None:
    """A folder of this user alone below the temporary one; None where that cannot be."""
    with suppress(OSError):
        place = Path(tempfile.gettempdir()) / f"y90voxel-{os.getuid()}"
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
        status = place.lstat()
        # what somebody else prepared there could be code
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
            return place if os.access(place, os.W_OK | os.X_OK) else None
        return Path(tempfile.mkdtemp(prefix="y90voxel-"))
    return None
