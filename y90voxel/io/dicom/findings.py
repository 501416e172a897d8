"""What was noticed about a file or series: accepted, warned about, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from y90voxel.errors import Y90Error

__all__ = ["Finding", "Severity", "accept", "refusal", "warn"]


class Severity(StrEnum):
    """How a finding bears on the use of the data."""

    ACCEPT = "accept"  # unusual, handled exactly
    WARN = "warn"  # usable, but an assumption was made or a tag contradicts another
    REFUSE = "refuse"  # cannot be used


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed, for ``inspect`` and for the warnings of a run.

    Parameters
    ----------
    severity : Severity
        Whether the data can be used.
    code : str
        Short stable name, such as ``"uneven-slices"``.
    message : str
        What was found, with values and units, and what was or should be done.
    file, tag, value : str or None
        Where it was found: file, DICOM keyword, and the value there.
    """

    severity: Severity
    code: str
    message: str
    file: str | None = None
    tag: str | None = None
    value: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return the finding for JSON."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "tag": self.tag,
            "value": self.value,
        }


def accept(code: str, message: str, *, file: object = None, tag: str | None = None) -> Finding:
    """Return a note about something unusual that is handled exactly."""
    return Finding(Severity.ACCEPT, code, message, None if file is None else str(file), tag)


def warn(
    code: str, message: str, *, file: object = None, tag: str | None = None, value: object = None
) -> Finding:
    """Return a warning: the data are used, an assumption was made."""
    return Finding(
        Severity.WARN,
        code,
        message,
        None if file is None else str(file),
        tag,
        None if value is None else str(value),
    )


def refusal(code: str, error: Y90Error, value: str | None = None) -> Finding:
    """Return the finding that tells of an error, with the value that was found at its tag."""
    file = None if error.file is None else Path(error.file).name
    return Finding(Severity.REFUSE, code, error.message, file, error.tag, value)
