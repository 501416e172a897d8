"""Everything this package raises or warns, as one tree.

::

    Y90Error
    ├── InputError(ValueError)      what was given cannot be used; the command line exits with 2
    │   ├── DicomError                  missing or contradictory attribute: names file, keyword and value
    │   ├── GeometryError               axes not perpendicular, slices uneven
    │   │   └── GridMismatchError           two volumes that must share a grid do not
    │   ├── UnitError                   a quantity that cannot be parsed or has the wrong unit
    │   ├── RegionError                 a region that is empty, unknown or outside the image
    │   └── OutputError                 results cannot be written: no space, no rights, a broken disk
    └── PhysicsError                the model cannot answer honestly: kernel spacing, energy not conserved
    Notice(UserWarning)         the result is valid, an assumption was made: it stands in every output

A message says what is wrong, gives the two values with their units, and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = [
    "DicomError",
    "GeometryError",
    "GridMismatchError",
    "InputError",
    "Notice",
    "OutputError",
    "PhysicsError",
    "RegionError",
    "Severity",
    "UnitError",
    "Y90Error",
]


class Y90Error(Exception):
    """Root of every error of this package.

    Parameters
    ----------
    message : str
        What is wrong, the values with units, what to do.
    file : path-like or None
        The file that holds the offending value.
    tag : str or None
        The DICOM keyword or settings key of the offending value.
    """

    def __init__(self, message: str, *, file: str | Path | None = None, tag: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = None if file is None else str(file)
        self.tag = tag


class InputError(Y90Error, ValueError):
    """What was given cannot be used."""


class DicomError(InputError):
    """A DICOM attribute is missing, malformed or contradicts another one."""


class GeometryError(InputError):
    """Voxels do not lie on a regular, perpendicular grid."""


class GridMismatchError(GeometryError):
    """Two volumes that must share a grid do not.

    Parameters
    ----------
    name : str
        The volume that lies elsewhere.
    found, expected : object
        The two grids; their ``str`` is printed.
    """

    def __init__(self, name: str, found: object, expected: object) -> None:
        super().__init__(
            f"{name} lies on {found}, but the grid in use is {expected}. "
            f"Resample it first: resample({name}, grid)."
        )
        self.found, self.expected = found, expected


def alternatives(choices: Iterable[str]) -> str:
    """Return choices as a sentence lists them.

    Examples
    --------
    >>> alternatives(["glass", "resin", "ho166"])
    'glass, resin or ho166'
    """
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


class UnitError(InputError):
    """A quantity cannot be parsed or carries the wrong unit."""


class RegionError(InputError):
    """A region is empty, unknown or outside the image."""


class OutputError(InputError):
    """Results cannot be written where they are to go."""


class PhysicsError(Y90Error):
    """The model cannot answer honestly."""


class Severity(StrEnum):
    """How a notice bears on the use of the data."""

    ACCEPT = "accept"  # unusual, handled exactly
    WARN = "warn"  # usable, but an assumption was made or a tag contradicts another
    REFUSE = "refuse"  # cannot be used


@dataclass(unsafe_hash=True)  # not frozen: Python writes into warnings that are raised; nobody else may
class Notice(UserWarning):
    """An accepted assumption or an oddity that stands in every output; a warning where nobody collects notices.

    Parameters
    ----------
    code : str
        Short and stable, such as ``"lungs-truncated"``.
    message : str
        What was found or assumed, with numbers and units, and what it means or what to do.
    severity : Severity
        Whether the data can be used.
    file, tag, value : str or None
        Where it was found: file, DICOM keyword, and the value there.
    """

    code: str
    message: str
    severity: Severity = Severity.WARN
    file: str | None = None
    tag: str | None = None
    value: str | None = None

    def __post_init__(self) -> None:
        super().__init__(self.code, self.message)  # what copies and processes make it of

    def __str__(self) -> str:
        return self.message

    def as_dict(self) -> dict[str, str | None]:
        """Return the notice for JSON."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "tag": self.tag,
            "value": self.value,
        }
