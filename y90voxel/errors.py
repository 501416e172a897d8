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
    Y90Warning(UserWarning)         the result is valid, an assumption was made
    Notice                          the same as a record: it stands in every output

A message says what is wrong, gives the two values with their units, and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    "UnitError",
    "Y90Error",
    "Y90Warning",
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


class Y90Warning(UserWarning):
    """The result is valid, but an assumption was made."""


@dataclass(frozen=True)
class Notice:
    """An accepted assumption or an oddity that stands in every output.

    Parameters
    ----------
    code : str
        Short and stable, such as ``"lungs-truncated"``.
    message : str
        What was found or assumed, with numbers and units, and what it means.
    """

    code: str
    message: str
