"""Tables of label names of other programs: nnU-Net, MONAI Label, BIDS and ITK-SNAP.

References
----------
nnU-Net v2, documentation/dataset_format.md (``dataset.json``). MONAI Label, datastore of a local study
(``datastore_v2.json``) and the JSON of an inference (``label_names``). BIDS 1.9, Imaging derivatives (``_dseg.tsv``: index,
name). ITK-SNAP, label description file: index, red, green, blue, opacity, visibility, mesh, name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError
from y90voxel.io.plain_numbers import plain_whole
from y90voxel.regions.roles import Role

__all__ = [
    "NamedVolume",
    "RegionNames",
    "from_bids_table",
    "from_itk_snap",
    "from_monai_label",
    "from_nnunet",
    "label_names_of",
]

_ITK_SNAP = re.compile(
    r"\s*([0-9]+)\s+[0-9]+\s+[0-9]+\s+[0-9]+\s+[0-9.]+\s+[01]\s+[01]\s+\"(.*)\"\s*", re.ASCII
)
_BACKGROUND = ("background", "clear label")


@dataclass(frozen=True)
class NamedVolume:
    """Name of one volume of a 4-D image; its role, where the file states one; whether no person drew it."""

    name: str
    role: Role | None = None
    automatic: bool = False


@dataclass(frozen=True)
class RegionNames:
    """What a file beside an image says about its regions.

    Parameters
    ----------
    file : Path or None
        Where the names come from; None when nothing was found.
    labels : mapping of int to str
        Name by voxel value.
    groups : mapping of str to tuple of int
        Voxel values of each region, where regions are made of several or share some (nnU-Net); empty otherwise.
    volumes : tuple of NamedVolume
        Name of each volume of a 4-D image, in order.
    """

    file: Path | None = None
    labels: dict[int, str] = field(default_factory=dict)
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    volumes: tuple[NamedVolume, ...] = ()


def from_nnunet(document: Any, path: Path) -> RegionNames | None:
    """Return the names of a ``dataset.json``: ``{"liver": 1}``, ``{"1": "liver"}``, or ``{"liver": [1, 2]}`` for regions.

    None for another file of that name.

    Raises
    ------
    InputError
        If it has labels that are not understood.
    """
    labels = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(labels, dict):
        return None
    groups: dict[str, tuple[int, ...]] = {}
    names: dict[int, str] = {}
    try:
        for key, value in labels.items():
            if isinstance(value, str):
                names[plain_whole(key)] = value
            elif isinstance(value, list):
                groups[str(key)] = tuple(plain_whole(one) for one in value)
            else:
                names[plain_whole(value)] = str(key)
    except ValueError as error:
        raise InputError(
            f'the "labels" of {path} are not understood ({error}); nnU-Net writes {{"liver": 1, "tumor": 2}}.',
            file=path,
        ) from error
    names = {value: name for value, name in names.items() if value != 0}
    if groups:
        groups |= {name: (value,) for value, name in names.items()}
    groups = {name: values for name, values in groups.items() if name.lower() not in _BACKGROUND}
    return RegionNames(path, labels=names, groups=groups) if names or groups else None


def label_names_of(document: Any) -> dict[int, str] | None:
    """Return what MONAI Label says of an inference: ``label_names`` or ``label_info``, on top or under params or info."""
    if not isinstance(document, dict):
        return None
    for part in (document, document.get("params"), document.get("info")):
        if not isinstance(part, dict):
            continue
        try:
            if isinstance(part.get("label_names"), dict):
                pairs = {plain_whole(value): str(name) for name, value in part["label_names"].items()}
                return {value: name for value, name in pairs.items() if value != 0}
            if isinstance(part.get("label_info"), list):
                pairs = {plain_whole(one["idx"]): str(one["name"]) for one in part["label_info"]}
                return {value: name for value, name in pairs.items() if value != 0}
        except (KeyError, TypeError, ValueError):
            continue
    nested = document.get("info")
    return label_names_of(nested.get("params")) if isinstance(nested, dict) and "params" in nested else None


def from_monai_label(document: Any, path: Path, stem: str) -> RegionNames | None:
    """Return the names of one image in the datastore of MONAI Label; None where it does not list the image."""
    objects = document.get("objects") if isinstance(document, dict) else None
    one = objects.get(stem) if isinstance(objects, dict) else None
    labels = one.get("labels") if isinstance(one, Mapping) else None
    for label in labels.values() if isinstance(labels, Mapping) else ():
        names = label_names_of(label)
        if names:
            return RegionNames(path, labels=names)
    return None


def from_bids_table(path: Path) -> RegionNames:
    """Return the names of a BIDS table: columns index (or mapping) and name; none in a table of something else.

    Raises
    ------
    InputError
        If an index is no whole number.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    if not rows or not {"index", "name"} <= rows[0].keys():
        return RegionNames()
    try:
        names = {plain_whole(row["index"]): (row["name"] or "").strip() for row in rows}
    except ValueError as error:
        raise InputError(f"{path} needs whole numbers in the column index: {error}.", file=path) from error
    return RegionNames(path, labels={value: name for value, name in names.items() if value != 0 and name})


def from_itk_snap(path: Path) -> RegionNames | None:
    """Return the names of an ITK-SNAP label description; None for another table."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    matches = [
        _ITK_SNAP.fullmatch(line) for line in lines if line.strip() and not line.lstrip().startswith("#")
    ]
    names = {int(match[1]): match[2].strip() for match in matches if match is not None}
    if not names or not all(matches):
        return None
    return RegionNames(path, labels={value: name for value, name in names.items() if value != 0 and name})
