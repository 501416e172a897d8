"""Notices of files and series: accepted, warned about, or refused; into the caller's list, or as a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

from y90voxel.errors import Notice, Severity, Y90Error

__all__ = ["accept", "add_notice", "refusal", "warn"]


def add_notice(notices: list[Notice] | None, code: str, message: str) -> None:
    """Append a notice to ``notices``, or warn where the caller did not bring a list."""
    notice = Notice(code, message)
    if notices is None:
        warnings.warn(notice, stacklevel=3)
    else:
        notices.append(notice)


def accept(code: str, message: str, *, file: object = None, tag: str | None = None) -> Notice:
    """Return a note about something unusual that is handled exactly."""
    return Notice(code, message, Severity.ACCEPT, None if file is None else str(file), tag)


def warn(
    code: str, message: str, *, file: object = None, tag: str | None = None, value: object = None
) -> Notice:
    """Return a warning: the data are used, an assumption was made."""
    return Notice(
        code,
        message,
        Severity.WARN,
        None if file is None else str(file),
        tag,
        None if value is None else str(value),
    )


def refusal(code: str, error: Y90Error, value: str | None = None) -> Notice:
    """Return the notice of an error, with the value that was found at its tag."""
    file = None if error.file is None else Path(error.file).name
    return Notice(code, error.message, Severity.REFUSE, file, error.tag, value)
