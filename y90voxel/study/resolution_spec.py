"""Resolutions as a user states them: numbers, commissioning files, or to be estimated."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from y90voxel.comparison.resolution import OPTION, Resolution
from y90voxel.errors import InputError

__all__ = ["read_resolution"]

ESTIMATE = "estimate"
KEY = "fwhm_mm"
FORM = (
    f"'PREDICTED,DELIVERED' in mm FWHM, such as 12,6, each a number or a TOML file with {KEY}; or {ESTIMATE}"
)


def read_resolution(text: str) -> Resolution:
    """Return the resolutions that an option states.

    Parameters
    ----------
    text : str
        ``estimate``, or two of a number [mm] and the path of a TOML file (a commissioning or case file) that holds ``fwhm_mm`` in
        any table, joined by a comma.

    Raises
    ------
    InputError
        If it is neither, a file cannot be read, or a file holds no ``fwhm_mm`` or several that differ.
    """
    if text.strip() == ESTIMATE:
        return Resolution()
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InputError(f"{text!r} is no pair of resolutions. Give {FORM}.", tag=OPTION)
    widths = [_width(part) for part in parts]
    files = [Path(part).name for part, (_, from_file) in zip(parts, widths, strict=True) if from_file]
    source = f"from {' and '.join(dict.fromkeys(files))}" if files else "given"
    return Resolution(widths[0][0], widths[1][0], source)


def _width(part: str) -> tuple[float, bool]:
    """A resolution [mm], and whether it comes from a file."""
    try:
        return float(part), False
    except ValueError:
        pass
    path = Path(part)
    if not path.is_file():
        raise InputError(f"{part!r} is neither a number nor a file. Give {FORM}.", file=path, tag=OPTION)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}.", file=path, tag=OPTION) from error
    widths = {float(value) for value in _values(document) if isinstance(value, int | float)}
    if len(widths) != 1:
        what = f"several {KEY}: {', '.join(f'{v:g}' for v in sorted(widths))} mm" if widths else f"no {KEY}"
        raise InputError(
            f"{path} holds {what}. Give the resolution itself in mm FWHM.", file=path, tag=OPTION
        )
    return widths.pop(), True


def _values(table: Mapping[str, Any]) -> Iterator[Any]:
    """Every value of the key, in whatever table it stands."""
    for key, value in table.items():
        if key == KEY:
            yield value
        elif isinstance(value, Mapping):
            yield from _values(value)
