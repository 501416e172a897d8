"""Two folders change places in one step, where the system can: no instant at which neither is there."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

__all__ = ["exchange"]

# From fcntl.h and linux/fs.h: paths from the working folder; exchange both names.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# What is said where the kernel, the C library or the file system knows no exchange.
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM}


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change places; False where that cannot be done in one step.

    Raises
    ------
    OSError
        If it fails for another reason.
    """
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    except (TypeError, OSError):  # Windows: no library without a name
        return False
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(other))
