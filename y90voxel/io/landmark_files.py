"""Landmarks that somebody marked on two images: tables of pairs, point lists of 3D Slicer (``.fcsv``, ``.mrk.json``)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.io.json_files import read_json
from y90voxel.io.plain_numbers import plain_number

__all__ = ["LandmarkPair", "read_landmark_pairs"]

Point = NDArray[np.float64]
T = TypeVar("T")

TAG = "--landmarks"
# What point lists call the two ways to count axes, with the signs that bring x and y to LPS.
SYSTEMS = {"LPS": 1.0, "1": 1.0, "RAS": -1.0, "0": -1.0}
# Axes of a table of pairs: their letters say which way each goes, so that no table can be read the wrong way round.
AXES = ({"l": 1.0, "r": -1.0}, {"p": 1.0, "a": -1.0}, {"s": 1.0, "i": -1.0})
SIDES = ("predicted", "delivered")
FORM = (
    "a CSV with the columns name, predicted_l, predicted_p, predicted_s, delivered_l, delivered_p, delivered_s [mm; _r, _a, _i "
    "where an axis goes the other way], or two point lists of 3D Slicer (.fcsv, .mrk.json), that of the predicted study first"
)


@dataclass(frozen=True, eq=False)
class LandmarkPair:
    """One point of the anatomy on both images.

    Parameters
    ----------
    name : str
        What it is called.
    predicted, delivered : ndarray, (3,)
        Where it lies, in LPS of the frame of each image [mm].
    """

    name: str
    predicted: Point
    delivered: Point


def read_landmark_pairs(paths: Sequence[str | Path]) -> list[LandmarkPair]:
    """Return landmarks of two images.

    Parameters
    ----------
    paths : sequence of path-like
        One table of pairs, or two point lists whose points belong together by their labels.

    Raises
    ------
    InputError
        If a file cannot be read, does not say how its axes go, or a point lacks its partner.
    """
    files = [Path(path) for path in paths]
    lists = [file for file in files if file.suffix.lower() in (".fcsv", ".json")]
    if len(files) == 1 and not lists:
        return _table(files[0])
    if len(files) != 2 or len(lists) != 2:
        raise InputError(
            f"{TAG} {', '.join(file.name for file in files)} is not understood; give {FORM}.", tag=TAG
        )
    one, other = (_point_list(file) for file in files)
    alone = sorted(set(one) ^ set(other))
    if alone:
        raise InputError(
            f"landmarks {', '.join(alone)} are in one of {files[0].name} and {files[1].name} only: points belong together by "
            "their labels. Name them alike in both.",
            file=files[1],
            tag=TAG,
        )
    return [LandmarkPair(name, one[name], other[name]) for name in one]


def _point_list(path: Path) -> dict[str, Point]:
    """The points of a list of 3D Slicer by their labels, in LPS."""
    rows = _markups(path) if path.suffix.lower() == ".json" else _fcsv(path)
    points: dict[str, Point] = {}
    for name, point in rows:
        if name in points or not name:
            raise InputError(
                f"{path.name} holds {'two points ' + repr(name) if name else 'a point without a label'}: points belong "
                "together by their labels.",
                file=path,
                tag=TAG,
            )
        points[name] = point
    return _some(points, path)


def _fcsv(path: Path) -> list[tuple[str, Point]]:
    """The points of a ``.fcsv``: its comments say how axes go and what columns mean."""
    system, columns, rows = None, ["id", "x", "y", "z"], []
    for line in _text(path).splitlines():
        key, sign, value = line.removeprefix("#").partition("=")
        if line.startswith("#") and sign:
            if key.strip() == "CoordinateSystem":
                system = value.strip()
            elif key.strip() == "columns":
                columns = [name.strip() for name in value.split(",")]
        elif line.strip() and not line.startswith("#"):
            rows.append(dict(zip(columns, next(csv.reader([line])), strict=False)))
    mirror = _sign(system, path)
    return [
        (
            str(row.get("label") or "").strip(),
            _point([row.get(axis, "") for axis in "xyz"], (mirror, mirror, 1.0), path),
        )
        for row in rows
    ]


def _markups(path: Path) -> list[tuple[str, Point]]:
    """The points of a markups file."""
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read as JSON: {error}.", file=path, tag=TAG) from error
    lists = document.get("markups") if isinstance(document, Mapping) else None
    if not isinstance(lists, list) or len(lists) != 1 or not isinstance(lists[0], Mapping):
        raise InputError(
            f"{path.name} does not hold one list of markups (3D Slicer, .mrk.json): save one point list in it.",
            file=path,
            tag=TAG,
        )
    mirror = _sign(lists[0].get("coordinateSystem"), path)
    if lists[0].get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM", "millimeter"]):
        raise InputError(
            f"{path.name} counts in {lists[0]['coordinateUnits']}, not in mm.",
            file=path,
            tag="coordinateUnits",
        )
    found: list[tuple[str, Point]] = []
    for point in lists[0].get("controlPoints") or ():
        stated: Any = point if isinstance(point, Mapping) else {}
        position = stated.get("position")
        numbers = [str(value) for value in position] if isinstance(position, list) else []
        found.append((str(stated.get("label") or "").strip(), _point(numbers, (mirror, mirror, 1.0), path)))
    return found


def _table(path: Path) -> list[LandmarkPair]:
    """The pairs of a table."""
    reader = csv.DictReader(io.StringIO(_text(path)))
    header = [str(name).strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    columns = [_columns(side, header) for side in SIDES]
    if "name" not in header or None in columns:
        raise InputError(
            f"{path.name} has the columns {', '.join(header) or 'none'}; needed is {FORM}.",
            file=path,
            tag=TAG,
        )
    pairs: dict[str, LandmarkPair] = {}
    for row in reader:
        name = str(row["name"] or "").strip()
        if name in pairs or not name:
            raise InputError(
                f"{path.name} holds {name!r} twice, or a point without a name.", file=path, tag=TAG
            )
        sides = [
            _point([row[column] for column, _ in side], [sign for _, sign in side], path)
            for side in columns
            if side is not None
        ]
        pairs[name] = LandmarkPair(name, *sides)
    return list(_some(pairs, path).values())


def _columns(side: str, header: Sequence[str]) -> list[tuple[str, float]] | None:
    """The columns of one side with the signs that bring them to LPS; None where one is missing or there twice."""
    found = []
    for letters in AXES:
        there = [
            (f"{side}_{letter}", sign) for letter, sign in letters.items() if f"{side}_{letter}" in header
        ]
        if len(there) != 1:
            return None
        found += there
    return found


def _sign(system: object, path: Path) -> float:
    """The sign that brings x and y of a stated system to LPS."""
    if str(system) not in SYSTEMS:
        raise InputError(
            f"{path.name} does not say whether its coordinates are LPS or RAS (CoordinateSystem is "
            f"{'missing' if system is None else repr(system)}): the wrong guess would mirror every point. Save it again with 3D "
            "Slicer 5, or state the system.",
            file=path,
            tag="CoordinateSystem",
        )
    return SYSTEMS[str(system)]


def _point(values: Sequence[Any], signs: Sequence[float], path: Path) -> Point:
    """Three numbers as a point in LPS."""
    try:
        numbers = [plain_number(str(value)) for value in values]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise InputError(
            f"{path.name}: {', '.join(map(str, values)) or 'a point without a position'} is no point of three numbers [mm].",
            file=path,
            tag=TAG,
        )
    return np.asarray(np.array(numbers) * np.array(signs), np.float64)


def _text(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the landmarks {path} cannot be read: {error}.", file=path, tag=TAG) from error


def _some(points: dict[str, T], path: Path) -> dict[str, T]:
    """Refuse a file without a point."""
    if not points:
        raise InputError(f"{path.name} holds no landmark; give {FORM}.", file=path, tag=TAG)
    return points
