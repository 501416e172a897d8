"""What the columns of a manifest mean: settings, files, or facts that are carried through; never a setting misspelt."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from y90voxel.batch.study_units import Cell, Unit
from y90voxel.case.setting_names import ANY, all_keys, manifest_columns, options_of
from y90voxel.case.settings import StudySettings
from y90voxel.cohort.cohort_outcomes import OUTCOME_NAMES, outcome_columns, unread_columns
from y90voxel.errors import InputError
from y90voxel.io.images import is_image_file
from y90voxel.near_names import edit_distance, slips

__all__ = [
    "CASE",
    "COURSE_COLUMN",
    "FILES",
    "PAIR",
    "PATIENTS",
    "PREDICTED_BY",
    "SETTINGS",
    "STUDY",
    "STUDY_COLUMNS",
    "VARIANT",
    "dotted_only",
    "outcome_remarks",
    "read_columns",
]

STUDY = "study"
CASE = "case"
FILES = ("emission", "ct", "regions")
VARIANT = "variant"
COURSE_COLUMN = "course"
PREDICTED_BY = "predicted_by"
PAIR = "pair"
# Columns that say which study a row is, from which files, in which variant: neither settings nor carried through.
STUDY_COLUMNS = (STUDY, CASE, VARIANT, COURSE_COLUMN, PREDICTED_BY, PAIR, *FILES)
# Columns that say whose a study is, in any case; they are carried through as well.
PATIENTS = ("patient", "patient_id", "subject")
# Columns under the names of the options of `dose`; any other key of a case file goes by its dotted name.
SETTINGS = manifest_columns()
# What is nearly a name of so few characters may be anything.
SHORTEST_NAME = 2
# Facts of patients that lie as near to a setting as a slip of the pen and are none.
USUAL = frozenset({"cause", "remission", "admission", "pain"})
_UNIT = re.compile(r"[\W_]*(?:[kmg]?bq|[mu]?ci|percent|pct|%)\W*")


def read_columns(manifest: Path, rows: Sequence[Mapping[str, Cell]]) -> dict[str, str | None]:
    """Return what each column means: one of ``STUDY_COLUMNS``, the dotted name of a setting, or None: carried through.

    Case does not matter but in what a user names: ``Regions.Roles.Segment 1`` is the role of ``Segment 1``.

    Parameters
    ----------
    manifest : Path
        The table, for messages.
    rows : sequence of mapping
        Its rows, at least one; all have the same columns.

    Raises
    ------
    InputError
        If a column is nearly named like a setting or file, names a setting with its unit, is a key that its table of the
        case file does not have, or two columns mean the same.
    """
    meanings = {name: _meaning(name) for name in rows[0]}
    carried = [name for name, meaning in meanings.items() if meaning is None]
    wrong = [reason for name in carried if (reason := _why_not_carried(name, set(meanings.values())))]
    wrong += [
        f"{name!r} names files and is nearly 'ct'"
        for name in carried
        if edit_distance(name.strip().lower(), "ct") == 1
        and _names_a_file(manifest, [row[name] for row in rows])
    ]
    if wrong:
        raise InputError(
            f"the manifest {manifest} has columns that would be ignored: {'; '.join(wrong)}. Name each like the setting that "
            "is meant, or unlike any to carry it through. Nothing was computed.",
            file=manifest,
        )
    _check_once(manifest, meanings)
    return meanings


def _check_once(manifest: Path, meanings: dict[str, str | None]) -> None:
    """Raise if two columns say the same: which of them holds could not be told."""
    first: dict[str, str] = {}
    for name, meaning in meanings.items():
        if meaning is not None and meaning in first:
            raise InputError(
                f"the columns {first[meaning]!r} and {name!r} of the manifest {manifest} both mean {meaning}: which of them "
                "holds is not clear. Keep one.",
                file=manifest,
                tag=meaning,
            )
        if meaning is not None:
            first[meaning] = name


def _names_a_file(manifest: Path, cells: Sequence[Cell]) -> bool:
    """Whether cells hold the names of files: too many facts of patients have short names that are nearly ``ct``."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
    return any(is_image_file(text) or os.path.exists(manifest.parent / text) for text in texts)


def _meaning(name: str) -> str | None:
    """What a column means by its name, None where it is no setting."""
    folded = name.strip().lower()
    if folded in STUDY_COLUMNS:
        return folded
    if folded in SETTINGS:
        return SETTINGS[folded]
    parts = name.strip().split(".")
    for key in all_keys():
        pattern = key.split(".")
        if ANY not in pattern:
            if folded == key.lower():
                return key
            continue
        head, tail = pattern[: pattern.index(ANY)], pattern[pattern.index(ANY) + 1 :]
        middle = parts[len(head) : len(parts) - len(tail)]
        ends = [part.lower() for part in parts[: len(head)] + parts[len(parts) - len(tail) :]]
        if middle and all(part.strip() for part in middle) and ends == [p.lower() for p in (*head, *tail)]:
            return ".".join((*head, *middle, *tail))
    return None


def _why_not_carried(name: str, meant: set[str | None]) -> str | None:
    """Why a column that is no setting must not be carried through either, None where it may."""
    folded = name.strip().lower()
    if folded in USUAL:
        return None
    if folded in dotted_only():
        return f"{name!r} is an option of dose, the column of which is {dotted_only()[folded]!r}"
    table = folded.partition(".")[0]
    near = _nearest(folded)
    if near is not None:
        return f"{name!r} is nearly {near!r}"
    if table != folded and table in StudySettings.model_fields:
        return f"{name!r} is no setting of the table {table}"
    for short in ("activity", "residual", "lung_shunt"):
        with_unit = folded.startswith(short) and _UNIT.fullmatch(folded[len(short) :])
        if with_unit and SETTINGS[short] not in meant:
            return f"{name!r} is {short!r} with a unit, which belongs into the cells"
    return None


def _nearest(folded: str) -> str | None:
    """The setting or file that a name is a slip away from, None where it is none."""
    best: tuple[int, str] | None = None
    for key in (*(place for place in STUDY_COLUMNS if len(place) > SHORTEST_NAME), *SETTINGS, *all_keys()):
        open_end = key.partition(ANY)[0].lower()
        if open_end == key.lower():
            if abs(len(folded) - len(key)) > slips(key):
                continue
            distance = edit_distance(folded, key.lower())
        elif "." in folded:
            # whatever stands behind the fixed beginning is the user's own
            ends = range(len(open_end) - 1, len(open_end) + 2)
            distance = min(edit_distance(folded[:end], open_end) for end in ends)
        else:
            continue
        if distance <= slips(open_end) and (best is None or distance < best[0]):
            best = distance, key.replace(ANY, "NAME")
    return None if best is None else best[1]


@lru_cache(maxsize=1)
def dotted_only() -> dict[str, str]:
    """Return the options of `dose` that are columns under their dotted names only; facts such as a scanner are carried."""
    options = {
        one.name: ".".join(one.path)
        for one in options_of("dose")
        if len(one.path) > 1 and one.path[0] not in ("patient", "plan")
    }
    return {
        name: next(key for key in all_keys() if key.startswith(dotted)).replace(ANY, "NAME")
        for name, dotted in options.items()
        if name not in SETTINGS
    }


def outcome_remarks(units: Sequence[Unit], *, anonymous: bool) -> list[str]:
    """Return what is said of the outcomes that a manifest has, and of columns that look like one and are not read.

    Parameters
    ----------
    units : sequence of Unit
        The cohort.
    anonymous : bool
        Name none but columns that are a slip away from an outcome: the others may be named after anybody.
    """
    names = list(dict.fromkeys(name for unit in units for name in unit.columns))
    used = dict(zip(("response", "time", "event"), outcome_columns(names), strict=True))
    read = [f"{what} from {column!r}" for what, column in used.items() if column is not None]
    unread = unread_columns(names)
    slips_of = [
        f"{name!r} ({why})"
        for name, why in unread.items()
        if why is not None and (not anonymous or why.startswith("nearly"))
    ]
    others = [] if anonymous else [repr(name) for name, why in unread.items() if why is None]
    if not (read or slips_of):
        return []
    remarks = [f"outcomes of the manifest: {', '.join(read) or 'none'}"]
    if slips_of:
        remarks.append(
            f"columns that look like outcomes and are NOT read as one: {', '.join(slips_of)}. Read are {OUTCOME_NAMES}"
        )
    if others:
        remarks.append(f"carried to the tables, no outcome and no setting: {', '.join(others)}")
    return remarks
