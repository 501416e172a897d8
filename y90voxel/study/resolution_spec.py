"""Resolutions as a user states them: numbers, commissioning files, or to be estimated."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.resolution import OPTION, Resolution
from y90voxel.errors import InputError
from y90voxel.io.scanner_file import read_scanner

__all__ = ["read_resolution", "resolution_of_scanners"]

ESTIMATE = "estimate"
KEY = "fwhm_mm"
FORM = (
    f"'PREDICTED,DELIVERED' in mm FWHM, such as 12,6, each a number or a TOML file with {KEY}; one scanner.toml for both; "
    f"or {ESTIMATE}"
)


@dataclass(frozen=True)
class _Width:
    """A resolution [mm], and the file and nuclide that it is of."""

    fwhm_mm: float
    file: Path | None = None
    nuclide: str | None = None
    one_gaussian: bool = True


def read_resolution(text: str) -> Resolution:
    """Return the resolutions that an option states.

    Parameters
    ----------
    text : str
        ``estimate``, or two of a number [mm] and the path of a TOML file (``scanner.toml`` of a commissioning, or one that holds
        ``fwhm_mm`` in any table), joined by a comma; one ``scanner.toml`` stands for both.

    Raises
    ------
    InputError
        If it is neither, a file cannot be read, or a file holds no ``fwhm_mm`` or several that differ.
    """
    if text.strip() == ESTIMATE:
        return Resolution()
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and Path(parts[0]).is_file():
        parts *= 2
    if len(parts) != 2 or not all(parts):
        raise InputError(f"{text!r} is no pair of resolutions. Give {FORM}.", tag=OPTION)
    return _resolution([_width(part) for part in parts])


def resolution_of_scanners(
    files: Sequence[str | Path], predicted: ComparedDose, delivered: ComparedDose
) -> Resolution:
    """Return the resolutions of scanner files, each for the side whose image has its nuclide.

    Parameters
    ----------
    files : sequence of path-like
        One ``scanner.toml`` for both sides, or two in any order; where either fits either, the first is of the prediction.
    predicted, delivered : ComparedDose
        The two sides.

    Raises
    ------
    InputError
        If there are more than two, one is no scanner file or states no resolution, or is of another nuclide than the image.
    """
    if len(files) > 2:
        raise InputError(
            f"{len(files)} scanner files are given, and there are two sides: give one or two.",
            tag="--scanner",
        )
    widths = [_scanner_width(Path(file)) for file in files] * (3 - len(files))
    given = _resolution(widths)
    for resolution in (given, _resolution(widths[::-1])):
        try:
            resolution.check_nuclides(predicted, delivered)
        except InputError:
            continue
        return resolution
    given.check_nuclides(predicted, delivered)
    return given


def _resolution(widths: Sequence[_Width]) -> Resolution:
    """The resolutions of both sides."""
    one, other = widths
    files = [width.file.name for width in widths if width.file is not None]
    source = f"from {' and '.join(dict.fromkeys(files))}" if files else "given"
    fits = one.one_gaussian and other.one_gaussian
    return Resolution(one.fwhm_mm, other.fwhm_mm, source, (one.nuclide, other.nuclide), fits)


def _scanner_width(path: Path) -> _Width:
    """The resolution of a commissioning."""
    scanner = read_scanner(path)
    if scanner.fwhm_mm is None:
        raise InputError(
            f"{path} states no resolution: the phantom had no spheres that it could be fitted to. Give the resolution itself, by "
            f"{OPTION}.",
            file=path,
            tag="--scanner",
        )
    return _Width(scanner.fwhm_mm, path, scanner.nuclide, scanner.one_gaussian_fits)


def _width(part: str) -> _Width:
    """The resolution of a number or a file."""
    try:
        return _Width(float(part))
    except ValueError:
        pass
    path = Path(part)
    if not path.is_file():
        raise InputError(f"{part!r} is neither a number nor a file. Give {FORM}.", file=path, tag=OPTION)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}.", file=path, tag=OPTION) from error
    if document.get("kind") == "scanner":
        return _scanner_width(path)
    widths = {float(value) for value in _values(document) if type(value) in (int, float)}  # true is no width
    if len(widths) != 1:
        what = f"several {KEY}: {', '.join(f'{v:g}' for v in sorted(widths))} mm" if widths else f"no {KEY}"
        raise InputError(
            f"{path} holds {what}. Give the resolution itself in mm FWHM.", file=path, tag=OPTION
        )
    return _Width(widths.pop(), path)


def _values(table: Mapping[str, Any]) -> Iterator[Any]:
    """Every value of the key, in whatever table it stands."""
    for key, value in table.items():
        if key == KEY:
            yield value
        elif isinstance(value, Mapping):
            yield from _values(value)
