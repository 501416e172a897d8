"""Errors of the disk, wherever in a chain of errors they stand."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["NO_ROOM", "STORAGE", "storage_error"]

# The disk, or the share of it that a user may have, is full.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What a disk, a share or a file system says that cannot do what it is asked for.
STORAGE = NO_ROOM | {
    errno.EIO, errno.EROFS, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.ESTALE,
    errno.ETIMEDOUT, errno.ENAMETOOLONG, errno.ENODEV, errno.ENXIO, errno.EBUSY, errno.ENOTCONN, errno.ENOTDIR,
}  # fmt: skip


def storage_error(error: BaseException | None, place: Path | None = None) -> OSError | None:
    """Return the error of the disk that stands behind an error: libraries wrap it, and lose its number.

    Parameters
    ----------
    error : BaseException or None
        What was raised.
    place : Path or None
        Any error about a file below this folder counts too.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno is not None:
            named = isinstance(error.filename, str) and place is not None
            below = named and Path(error.filename).is_relative_to(place)  # type: ignore[arg-type]
            if error.errno in STORAGE or below:
                return error
        error = error.__cause__ or error.__context__
    return None
