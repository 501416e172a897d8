"""How a study ended, as its worker says it: done, refused for its input, failed for anything else."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from y90voxel.errors import InputError, OutputError, Y90Error
from y90voxel.io.storage_errors import NO_ROOM

__all__ = ["NO_SPACE", "ended", "explain"]

# The code of an ending that is no fault of the study: its batch stops.
NO_SPACE = "no-space"


def explain(
    error: Exception,
    request: Mapping[str, Any],
    hide: Callable[[str], str] = str,
    log: int = 1,
) -> dict[str, Any]:
    """Return how a study ended that raised: refused for its input, failed for anything else.

    Parameters
    ----------
    error : Exception
        What it raised.
    request : mapping
        With ``memory_bytes``.
    hide : callable
        Takes away from a text what must not be shown.
    log : int
        File descriptor that gets the traceback of a failure.
    """
    trace = traceback.format_exc()
    if (full := _no_space(error)) is not None:
        return ended("failed", f"no space left where results go ({full.strerror}).", code=NO_SPACE)
    if isinstance(error, InputError) and not isinstance(error, OutputError):
        where = ", ".join(part for part in (error.file, error.tag) if part and part not in error.message)
        message = f"{error.message}{f' [{where}]' if where else ''}"
        return ended("refused", hide(message), error=type(error).__name__)
    os.write(log, hide(trace).encode())
    extra: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, MemoryError):
        bound = request["memory_bytes"]
        allowed = f"the {bound / 1024**3:g} GiB of --memory-gb" if bound else "the memory there is"
        return ended("failed", f"it needed more than {allowed}.", **extra)
    message = error.message if isinstance(error, Y90Error) else f"{type(error).__name__}: {error}"
    return ended("failed", hide(message), **extra)


def _no_space(error: BaseException | None) -> OSError | None:
    """Return the error of a full disk, or of a full quota, that stands behind an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return error
        error = error.__cause__ or error.__context__
    return None


def ended(status: str, reason: str | None, **extra: Any) -> dict[str, Any]:
    """How a study ended."""
    return {"status": status, "reason": reason, **extra}
