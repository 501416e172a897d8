"""Names for the numbers in a label image, from a JSON or a 3D Slicer colour table beside it.

Understood are, beside ``labels.nii.gz``:

- ``labels.json`` or ``labels.nii.gz.json``: ``{"1": "Liver"}``, ``{"Liver": 1}``, either of them under ``"labels"``,
  or ``{"labels": [{"value": 1, "name": "Liver"}]}``; or the ``"regions"`` list that
  :func:`~y90voxel.io.nifti.write_regions_nifti` writes for a 4-D image (also as ``regions.json``);
- ``labels.ctbl``, ``.txt`` (number, name, red, green, blue, opacity) or ``.csv`` (columns LabelValue, Name), also as
  ``labels_ColorTable.*``, the way 3D Slicer exports them (slicer.readthedocs.io, developer guide, Colors);
- ``labels.label``, ``labels.txt`` or ``labels_labels.txt`` of ITK-SNAP, ``labels.tsv`` of BIDS (``_dseg``);
- once for a collection, in its folder or up to two above: ``dataset.json`` of nnU-Net, ``datastore_v2.json`` of MONAI
  Label, ``dseg.tsv`` of BIDS.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError
from y90voxel.io.json_files import read_json
from y90voxel.io.label_tables import (
    NamedVolume,
    RegionNames,
    from_bids_table,
    from_itk_snap,
    from_monai_label,
    from_nnunet,
    label_names_of,
)
from y90voxel.io.plain_numbers import plain_whole
from y90voxel.regions.roles import Role

__all__ = ["NamedVolume", "RegionNames", "read_region_names"]

TABLE_ENDINGS = (".ctbl", ".txt", ".csv", ".tsv", ".label")


def read_region_names(image: Path, stem: str) -> RegionNames:
    """Return the names beside an image; empty when there are none.

    Parameters
    ----------
    image : Path
        The image.
    stem : str
        Its name without the ending.

    Raises
    ------
    InputError
        If several files name the regions, or one cannot be understood.
    """
    folder = image.parent
    jsons = [folder / f"{stem}.json", folder / f"{image.name}.json", folder / "regions.json"]
    tables = [
        folder / f"{stem}{tail}{end}" for tail in ("", "_ColorTable", "_labels") for end in TABLE_ENDINGS
    ]
    sources = [_from_json(path, image) for path in dict.fromkeys(jsons) if path.is_file()]
    sources += [_from_text(path) for path in tables if path.is_file()]
    sources += [RegionNames()] if any(names.file for names in sources) else [_from_collection(image, stem)]
    sources = [names for names in sources if names.file is not None]
    if len(sources) > 1:
        listed = ", ".join(names.file.name for names in sources if names.file)
        raise InputError(
            f"several files name the regions of {image}: {listed}. Leave one of them there.", file=image
        )
    return sources[0] if sources else RegionNames()


def _from_text(path: Path) -> RegionNames:
    """Return the names in a table, by its ending and content."""
    if path.suffix == ".csv":
        return _from_csv(path)
    if path.suffix == ".tsv":
        return from_bids_table(path)
    return from_itk_snap(path) or _from_table(path)


def _from_collection(image: Path, stem: str) -> RegionNames:
    """Return the names that stand once for a collection of images: nnU-Net, MONAI Label or BIDS, in up to three folders."""
    for folder in (image.parent, image.parent.parent, image.parent.parent.parent):
        for name in ("dataset.json", "datastore_v2.json", "dseg.tsv"):
            path = folder / name
            if not path.is_file() or (name == "dseg.tsv" and not stem.endswith("_dseg")):
                continue
            if name == "dseg.tsv":
                return from_bids_table(path)
            document = _document(path)
            names = (
                from_nnunet(document, path)
                if name == "dataset.json"
                else from_monai_label(document, path, stem)
            )
            if names is not None:
                return names
    return RegionNames()


def _document(path: Path) -> Any:
    """Return the content of a JSON file."""
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the region names in {path}: {error}.", file=path) from error


def _from_json(path: Path, image: Path) -> RegionNames:
    """Return the names in a JSON file; none when it is about something else (a BIDS sidecar, say)."""
    document = _document(path)
    if not isinstance(document, dict):
        return RegionNames()
    if isinstance(document.get("regions"), list):
        # regions.json may belong to a neighbour, unless it says which image it names
        if path.name == "regions.json" and document.get("image", image.name) != image.name:
            return RegionNames()
        return RegionNames(path, volumes=tuple(_named_volume(entry, path) for entry in document["regions"]))
    monai = label_names_of(document)
    labels = monai or _labels(document.get("labels", document))
    if labels is None and "labels" in document:
        raise InputError(
            f'the "labels" in {path} are not understood; write {{"labels": {{"1": "Liver"}}}}.', file=path
        )
    return RegionNames(path, labels=labels) if labels else RegionNames()


def _named_volume(entry: Any, path: Path) -> NamedVolume:
    """Return one entry of a regions list."""
    if not (isinstance(entry, dict) and isinstance(entry.get("name"), str)):
        raise InputError(f'an entry of "regions" in {path} has no "name": {entry!r}.', file=path)
    role = entry.get("role")
    if role is not None and role not in set(Role):
        raise InputError(
            f"the role {role!r} of {entry['name']!r} in {path} is unknown; the roles are {', '.join(Role)}.",
            file=path,
        )
    return NamedVolume(
        entry["name"], None if role is None else Role(role), bool(entry.get("automatic", False))
    )


def _labels(entries: Any) -> dict[int, str] | None:
    """Return {value: name} from any of the accepted forms without the background, None from others."""
    if isinstance(entries, list):
        keys = ("value", "label", "id", "index")
        if not all(isinstance(e, dict) and "name" in e and any(key in e for key in keys) for e in entries):
            return None
        pairs = [(next(e[key] for key in keys if key in e), e["name"]) for e in entries]
    elif isinstance(entries, dict) and all(isinstance(name, str) for name in entries.values()):
        pairs = list(entries.items())
    elif isinstance(entries, dict):
        pairs = [(value, name) for name, value in entries.items()]
    else:
        return None
    try:
        return {plain_whole(value): str(name) for value, name in pairs if plain_whole(value) != 0}
    except (TypeError, ValueError):
        return None


def _from_table(path: Path) -> RegionNames:
    """Return the names in a Slicer colour table: number, name, then four numbers; none in a .txt of prose."""
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if path.suffix != ".ctbl" and not (lines and lines[0].lstrip()[0] in "#0123456789"):
        return RegionNames()
    labels: dict[int, str] = {}
    for line in lines:
        words = line.split()
        if words[0].startswith("#"):
            continue
        colour = next((i for i in range(2, len(words)) if all(map(_is_number, words[i : i + 4]))), None)
        if colour is None or not (words[0].isascii() and words[0].isdigit()):
            raise InputError(
                f"{path} is not a colour table: {line!r} is not 'number name red green blue opacity'.",
                file=path,
            )
        labels[plain_whole(words[0])] = " ".join(words[1:colour])
    return RegionNames(path, labels={value: name for value, name in labels.items() if value != 0})


def _is_number(word: str) -> bool:
    """Return whether a word is a number."""
    return word.replace(".", "", 1).isdigit()


def _from_csv(path: Path) -> RegionNames:
    """Return the names in a Slicer colour table in CSV; none in a table of something else."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "LabelValue" not in rows[0]:
        return RegionNames()
    try:
        numbered = {plain_whole(row["LabelValue"]): row["Name"] for row in rows}
        labels = {value: name for value, name in numbered.items() if value != 0}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} needs whole numbers in LabelValue and a column Name.", file=path) from error
    return RegionNames(path, labels=labels)
