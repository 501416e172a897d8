"""One study of a cohort as a unit of work: where it lies and what is said about it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Cell", "Unit", "study_ids"]

Cell = str | float | int | bool | None
# Names that the cohort's own files have in the output folder.
RESERVED = {"logs", "figures", "cohort", "status", "ledger"}


@dataclass(frozen=True)
class Unit:
    """One study of a cohort.

    Parameters
    ----------
    key : str
        Stable between runs and unique: where the study lies in the cohort, and its StudyInstanceUID where that is known.
    name : str
        The study for people: its path below the cohort.
    path : Path or None
        DICOM folder or zip.
    only : tuple of str or None
        Names of the files below ``path`` that make the study; None takes all.
    files : mapping of str to Path or tuple of Path
        ``emission``, ``ct``, ``regions``: image files that complete or replace the study's; regions may be several.
    settings : mapping
        Nested as in a case file; not yet checked.
    columns : mapping
        Columns of the manifest that are carried through.
    problem : str or None
        Why the study cannot be computed, when that is known before it starts.
    """

    key: str
    name: str
    path: Path | None
    only: tuple[str, ...] | None = None
    files: Mapping[str, Path | tuple[Path, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Cell] = field(default_factory=dict)
    problem: str | None = None

    @property
    def all_files(self) -> list[Path]:
        """Every one of ``files``."""
        return [
            path for paths in self.files.values() for path in ([paths] if isinstance(paths, Path) else paths)
        ]

    def named_files(self, *, resolved: bool) -> dict[str, str | list[str]]:
        """Return ``files`` for JSON: a name, or a list of several."""

        def name(path: Path) -> str:
            return str(path.resolve() if resolved else path)

        return {
            role: name(paths) if isinstance(paths, Path) else [name(path) for path in paths]
            for role, paths in self.files.items()
        }


def study_ids(units: list[Unit], known: Mapping[str, str], *, anonymous: bool) -> dict[str, str]:
    """Return the name of each unit's output folder, by key: of its path, or telling nothing.

    Parameters
    ----------
    units : list of Unit
        The cohort.
    known : mapping of str to str
        Identifiers by key from earlier runs; they are kept.
    anonymous : bool
        Take digests instead of paths.
    """
    ids = {unit.key: known[unit.key] for unit in units if unit.key in known}
    slugs = {unit.key: slug(unit.name).casefold() for unit in units}
    shared = {name for name, count in Counter(slugs.values()).items() if count > 1}
    taken = {name.casefold() for name in known.values()} | RESERVED | shared
    for unit in units:
        if unit.key in ids:
            continue
        digest = hashlib.sha256(unit.key.encode()).hexdigest()
        name = f"study-{digest[:12]}" if anonymous else slug(unit.name)
        if name.casefold() in taken:
            name = f"{name}-{digest[:8]}"
        taken.add(name.casefold())
        ids[unit.key] = name
    return ids


def slug(name: str) -> str:
    """Return a name that every file system takes.

    Examples
    --------
    >>> slug("Patient 07/MAA (2)")
    'Patient-07-MAA-2'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-.")[:80].strip("-.") or "study"


def canonical(document: Any) -> str:
    """Return JSON in one spelling, for digests."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, default=str)
