"""How folders with results of this program are recognised: by what they hold, not by the presence of a file.

Every folder of results has a mark, ``.y90voxel.json``: the command that wrote it, the names of its files, and their sizes
and checksums. Where it was lost in copying, a document with ``schema_version`` and ``kind`` tells the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "MANIFEST",
    "MARKERS",
    "STALE_NOTE",
    "checksum",
    "files_in",
    "holds_results",
    "own_files",
    "read_mark",
    "write_mark",
]

MANIFEST = ".y90voxel.json"
# Says to whoever opens results of a batch that they are not those of the study as it is now.
STALE_NOTE = "STALE.txt"
# A result folder without a mark is recognised by one of these, holding both "schema_version" and "kind".
MARKERS = ("metrics.json", "plan.json", "compare.json", "status.json")
# What results are called, for folders whose mark was lost.
OUR_NAMES = re.compile(
    r"(dose|report|plan|treatment|viewer)\.(dcm|html|pdf)|(dose|dose_uncertainty|activity|regions|dose_per_gbq(_injection_\d+)?)\.nii\.gz|regions\.(seg\.dcm|rtstruct\.dcm|json)"
    r"|scene\.mrml|scene/(ct\.nrrd|planned_dose\.nii\.gz|dose\.ctbl|(regions|isodoses)\.seg\.nrrd)|(bed|registration)\.dcm|bed\.nii\.gz|report\.pdf\.dcm|dose(_injection_\d+)?\.sr\.dcm"
    r"|(dvh|metrics|cohort|patients)\.(csv|json|parquet|html)|(plan|compare|status)\.(json|html)|figures/[a-z_]+\.png"
)
# Left behind by file browsers or said by us; neither results nor anybody's work.
ASIDE = {".DS_Store", "Thumbs.db", "desktop.ini", MANIFEST, STALE_NOTE}


def holds_results(folder: Path) -> bool:
    """Return whether a folder holds results of this program.

    A study that was fetched is none, though older versions left a list of its files there.
    """
    mark = read_mark(folder)
    return bool(mark.get("command")) or bool(set(MARKERS) & _listed(mark)) or _has_document(folder)


def own_files(folder: Path) -> set[str]:
    """Return the names of the files in a folder that this program wrote as results; none of a folder without results."""
    if not holds_results(folder):
        return set()
    return _listed(read_mark(folder)) or {name for name in files_in(folder) if OUR_NAMES.fullmatch(name)}


def files_in(folder: Path) -> set[str]:
    """Return everything in a folder, at any depth, that is not left behind by file browsers."""
    entries = (entry for entry in folder.rglob("*") if entry.name not in ASIDE)
    return {entry.relative_to(folder).as_posix() for entry in entries if not entry.is_dir()}


def read_mark(folder: Path) -> dict[str, Any]:
    """Return the mark of a folder; empty when there is none, or it cannot be read."""
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write_mark(folder: Path, command: str, names: Iterable[str] | None = None, **more: Any) -> dict[str, Any]:
    """Mark a folder as results: the command, names, sizes and checksums of its files, and what else is to be known.

    Parameters
    ----------
    folder : Path
        The folder, finished.
    command : str
        What wrote it.
    names : iterable of str or None
        Its files; None takes all there are.
    **more
        Further entries; JSON. ``checksums`` that were taken before are not taken again.
    """
    files = sorted(files_in(folder) if names is None else names)
    mark: dict[str, Any] = {"command": command, "files": files}
    if "checksums" not in more:
        mark["checksums"] = {
            name: [(folder / name).stat().st_size, checksum(folder / name)] for name in files
        }
    mark |= more
    # in one go, so that a kill leaves the old mark or the new one
    temporary = folder / f"{MANIFEST}.new"
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(mark, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, folder / MANIFEST)
    return mark


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _listed(mark: dict[str, Any]) -> set[str]:
    """The names of the files that a mark lists."""
    names = mark.get("files")
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _has_document(folder: Path) -> bool:
    """Return whether a document in the folder is one of our results."""
    for name in MARKERS:
        try:
            document = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and {"schema_version", "kind"} <= document.keys():
            return True
    return False
