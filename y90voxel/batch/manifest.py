"""A cohort as a table: one study a row, with its activity, shunt and whatever else a case file can say."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from y90voxel.batch.columns import (
    CASE,
    COURSE_COLUMN,
    FILES,
    PAIR,
    PATIENTS,
    PREDICTED_BY,
    STUDY,
    STUDY_COLUMNS,
    VARIANT,
    read_columns,
)
from y90voxel.batch.european import with_decimal_points_and_iso_dates
from y90voxel.batch.study_units import Cell, Unit, printable
from y90voxel.case.settings import merge, read_case_file
from y90voxel.errors import InputError

__all__ = ["is_manifest", "read_manifest"]

# Names of folders that a study is called by that does not lie below its manifest: patient and session, as folders mostly are.
SHOWN_PARTS = 2
# Between several files in one cell of the column ``regions``, and several pairs in one of ``pair``.
SEPARATOR = "|"


def is_manifest(path: Path) -> bool:
    """Return whether a file is a manifest, by its ending."""
    return path.suffix.lower() in (".csv", ".tsv", ".parquet")


def read_manifest(path: str | Path) -> list[Unit]:
    """Return the studies of a manifest; a row that cannot be used says why in its ``problem``.

    Parameters
    ----------
    path : path-like
        CSV (comma, semicolon or tab, UTF-8) or Parquet with a column ``study``: folder or zip, relative to the
        manifest. Columns named like options of `dose` or like keys of a case file (``dose.engine``) are
        settings, ``emission``, ``ct`` and ``regions`` are files (several regions with ``|`` between them), ``case`` is
        a case file, ``course`` the file of a course, ``predicted_by`` the ``study`` of another row that predicts the dose
        of this one, ``pair`` its regions under other names (``A=B``, ``|`` between several),
        ``variant`` tells rows of one study apart; upper and lower case do not matter. All others are carried
        through, ``patient`` (or ``patient_id``, ``subject``) too, which says whose the study is.

    Raises
    ------
    InputError
        If the file cannot be read, has no rows, no column ``study`` or a column twice, or a column is named nearly like
        a setting.
    """
    path = Path(path)
    rows = list(_parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path))
    if not rows:
        raise InputError(f"the manifest {path} has no rows.", file=path)
    names = list(rows[0][1])
    meanings = read_columns(path, [row for _, row in rows])
    if not {STUDY, "emission", COURSE_COLUMN} & set(meanings.values()):
        raise InputError(
            f"the manifest {path} has no column 'study' (found {', '.join(map(repr, names))}): each row needs the "
            "folder or .zip of its study.",
            file=path,
            tag=STUDY,
        )
    paths_and_names = (*STUDY_COLUMNS, "output.label")
    numeric = [name for name, meaning in meanings.items() if meaning not in paths_and_names]
    rows = with_decimal_points_and_iso_dates(rows, numeric)
    units = _without_duplicates([(number, _unit(path, number, row, meanings)) for number, row in rows])
    return _told_apart(units, path.parent.resolve())


def _unit(manifest: Path, number: int, row: Mapping[str, Cell], meanings: Mapping[str, str | None]) -> Unit:
    """The study of one row."""
    base = manifest.parent
    stated = dict.fromkeys(STUDY_COLUMNS, "") | {
        meaning: _text(row[name]) for name, meaning in meanings.items() if meaning in STUDY_COLUMNS
    }
    files = {
        role: _paths(base, stated[role], several=role == "regions")
        for role in (*FILES, COURSE_COLUMN)
        if stated[role]
    }
    study = base / stated[STUDY] if stated[STUDY] else None
    places = (study, files.get("emission"), files.get(COURSE_COLUMN))
    where = next((place for place in places if isinstance(place, Path)), None)
    settings: dict[str, Any] = {}
    columns: dict[str, Cell] = {}
    for name, value in row.items():
        meaning = meanings[name]
        if meaning is None:
            columns[name] = value
        elif meaning not in STUDY_COLUMNS:
            settings = merge(settings, _nested(meaning, value))
    row_roles = tuple(settings.get("regions", {}).get("roles", {}))
    problem = None
    if where is None:
        problem = f"row {number} of {manifest.name} names no study: column 'study' is empty."
    elif missing := [
        str(p)
        for p in (study, *Unit("", "", None, None, files).all_files)
        if p is not None and not p.exists()
    ]:
        problem = f"row {number} of {manifest.name}: there is no file or folder {missing[0]}."
    elif stated[CASE]:
        try:
            settings = merge(read_case_file(base / stated[CASE]), settings)
        except InputError as error:
            problem = f"row {number} of {manifest.name}: {error.message}"
    if where is None:
        return Unit(
            f"row {number}", f"row {number}", None, settings=settings, columns=columns, problem=problem
        )
    # rows may share a folder when each chooses its own emission image
    series = settings.get("series", {}).get("emission")
    place = printable(where.resolve().as_posix()) + (f"|{series}" if series else "")
    variant = printable(stated[VARIANT])
    key = place + (f"|variant={variant}" if variant else "")
    return Unit(
        key, _name(where, base), study, None, files, settings, columns, problem,
        patient=_patient(columns), variant=variant, study=place, predicted_by=_predictor(base, stated[PREDICTED_BY]),
        row_roles=row_roles, pairs=tuple(filter(None, map(str.strip, stated[PAIR].split(SEPARATOR)))),
    )  # fmt: skip


def _predictor(base: Path, text: str) -> str:
    """The place of the study that predicts this one."""
    return printable((base / text).resolve().as_posix()) if text else ""


def _patient(columns: Mapping[str, Cell]) -> str:
    """Whose the study is, by a column of the manifest; empty where none says it."""
    texts = {name.strip().lower(): _text(value) for name, value in columns.items()}
    return next((texts[name] for name in PATIENTS if texts.get(name)), "")


def _paths(base: Path, text: str, *, several: bool) -> Path | tuple[Path, ...]:
    """The file that a cell names, or the files."""
    names = [name.strip() for name in text.split(SEPARATOR)] if several else [text]
    paths = tuple(base / name for name in names if name)
    return paths[0] if len(paths) == 1 else paths


def _told_apart(units: list[Unit], base: Path) -> list[Unit]:
    """Studies that lie elsewhere with as many names of their folders as tell them from others; variants of one share a name."""
    places = {unit.key: where for unit in units if (where := _place(unit)) is not None}
    longest = max((len(place.parts) for place in places.values()), default=0)
    for count in range(SHOWN_PARTS + 1, longest + 1):
        by_name: dict[str, set[Path]] = {}
        for unit in units:
            by_name.setdefault(unit.name, set()).add(places.get(unit.key, base))
        alike = {name for name, those in by_name.items() if len(those) > 1}
        if not alike:
            break
        units = [
            replace(unit, name=_name(places[unit.key], base, count))
            if unit.name in alike and unit.key in places
            else unit
            for unit in units
        ]
    return units


def _place(unit: Unit) -> Path | None:
    """Where a study lies."""
    places = (unit.path, unit.files.get("emission"), unit.files.get(COURSE_COLUMN))
    return next((place.resolve() for place in places if isinstance(place, Path)), None)


def _name(where: Path, base: Path, parts: int = SHOWN_PARTS) -> str:
    """Display name of the study: its path below the manifest, elsewhere its last names, without the ending of a file."""
    place, base = where.resolve(), base.resolve()
    text = (
        place.relative_to(base).as_posix()
        if place.is_relative_to(base)
        else "/".join(place.parts[1:][-parts:])
    )
    return printable(text if where.is_dir() else text.removesuffix("".join(place.suffixes)))


def _without_duplicates(numbered: list[tuple[int, Unit]]) -> list[Unit]:
    """Refuse a study that several rows name: none of them says which is right."""
    rows: dict[str, list[tuple[int, Unit]]] = {}
    for number, unit in numbered:
        rows.setdefault(unit.key, []).append((number, unit))
    units_once = []
    for same in rows.values():
        unit = same[0][1]
        if len(same) > 1:
            listed = ", ".join(str(number) for number, _ in same)
            problem = (
                f"rows {listed} of the manifest name the same study ({unit.name}): none of them was computed. "
                "Keep one, or tell them apart by a column 'variant' (reader A, reader B); several injections of one study go "
                "into its case file."
            )
            unit = replace(unit, settings={}, columns={}, problem=problem)
        units_once.append(unit)
    return units_once


def _nested(dotted: str, value: Cell) -> dict[str, Any]:
    """A setting as the case file nests it; an empty cell says nothing."""
    if value is None or value == "":
        return {}
    head, _, rest = dotted.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _text(value: Cell) -> str:
    """A path of the manifest."""
    return "" if value is None else str(value).strip()


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Cell]]]:
    """Rows of a CSV with their numbers, the header being 1; empty cells are None, empty lines are nothing."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(",;\t", key=header.count)
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the manifest {path} cannot be read: {error}. Save it as CSV in UTF-8.", file=path
        ) from error
    if not rows:
        return
    names = [name.strip() for name in rows[0]]
    _check_names(path, names)
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            raise InputError(
                f"row {number} of the manifest {path} has {len(row)} cells, its header {len(names)}. Quote cells that "
                "hold the separator.",
                file=path,
            )
        yield number, {name: cell.strip() or None for name, cell in zip(names, row, strict=True)}


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Cell]]]:
    """Rows of a Parquet table, the first being 1."""
    # deferred: 0.05 s
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"the manifest {path} cannot be read: {error}.", file=path) from error
    _check_names(path, table.column_names)
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Cell:
    """A value of a Parquet table as JSON holds it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str | bool | int | float) else str(value)


def _check_names(path: Path, names: list[str]) -> None:
    """Raise if a column has no name, or its name occurs twice."""
    for name, count in Counter(names).items():
        if count > 1 or not name:
            what = f"the column {name!r} {count} times" if name else "a column without a name"
            raise InputError(
                f"the manifest {path} has {what}. Give each column a name of its own.", file=path
            )
