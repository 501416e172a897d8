"""Regions from files that are not DICOM: Slicer ``.seg.nrrd``, label images, masks, 4-D occupancies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.io.images import ImageLayers, image_stem, read_layers
from y90voxel.io.label_tables import RegionNames
from y90voxel.io.notices import add_notice
from y90voxel.io.plain_numbers import plain_whole
from y90voxel.io.region_names import read_region_names
from y90voxel.regions.declared_types import declared_role, is_tumour_code
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import DERIVED_ROLES, Role
from y90voxel.volumes.box import is_empty, occupied_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

__all__ = ["read_regions_file", "region_name_of_file"]

SEGMENT_KEY = re.compile(r"Segment(\d+)_(\w+)")
LARGEST_LABEL = 65535  # of 16 bits, the widest type that label images are written with
LABEL_TOLERANCE = 1e-3  # what scaling or float32 may move a label by: 2.0000005 is label 2
OCCUPANCY_TOLERANCE = 1e-6  # what a scaled integer may stray beyond 1


def read_regions_file(path: str | Path, *, notices: list[Notice] | None = None) -> list[DrawnRegion]:
    """Return the regions of an image file, each as occupancy on the part of the file's grid that it fills.

    What the file is shows in its content:

    - a 3D Slicer segmentation (``.seg.nrrd``) by its segment fields; names, layers and overlaps are kept;
    - a 4-D image by the ``regions.json`` beside it: one occupancy volume a region;
    - a label image by the names beside it (:mod:`y90voxel.io.region_names`), or in the header of a NIfTI file;
    - an image with a single label, or with fractions from 0 to 1: one region, named like the file without its ending
      (``Liver.nii.gz``, ``Liver.seg.nrrd``: Liver).

    Parameters
    ----------
    path : path-like
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``.
    notices : list of Notice, optional
        Receives what was assumed; warned when it is not given.

    Raises
    ------
    InputError
        If the file cannot be read as :func:`~y90voxel.io.images.read_layers` says, or a label has no name.
    RegionError
        If the file holds no region at all.
    """
    source = Path(path)
    image = read_layers(source)
    for notice in image.notices:
        add_notice(notices, notice.code, notice.message)
    if any(SEGMENT_KEY.match(key) for key in image.fields):
        drawn = list(_slicer_segments(image, source))
        _note_declared(drawn, source, notices)
        return drawn
    stem = image_stem(source)
    names = read_region_names(source, stem)
    if names.file is None and image.labels:
        names = RegionNames(source, labels=dict(image.labels))
    if names.volumes or len(image.array) > 1:
        return _named_volumes(image, names, source)
    values = image.array[0]
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError(
            f"{source}: a mask or label image holds no negative and no undefined values.", file=source
        )
    if not values.any():
        raise RegionError(f"{source} is 0 everywhere: there is no region in it.", file=source)
    if np.issubdtype(values.dtype, np.floating):
        whole = np.rint(values)
        if np.abs(values - whole).max() <= LABEL_TOLERANCE:
            return _labelled(whole, image.grid, names, source)
        return [DrawnRegion(region_name_of_file(source), _occupancy(values, image.grid, source), source.name)]
    return _labelled(values, image.grid, names, source)


def region_name_of_file(path: Path) -> str:
    """Return what a region is called that only the name of its file names."""
    stem = image_stem(path)
    return stem[:-4] if stem.lower().endswith(".seg") and len(stem) > 4 else stem


# 3D Slicer


def _slicer_segments(image: ImageLayers, path: Path) -> Iterator[DrawnRegion]:
    """Yield the segments of a ``.seg.nrrd``.

    The geometry is that of the NRRD header; the reference extent offset only says where it lay within the
    image it was drawn on. Files before Slicer 4.11 have one layer a segment and neither layer nor label keys.
    """
    kind = image.fields.get("Segmentation_SourceRepresentation") or image.fields.get(
        "Segmentation_MasterRepresentation", "Binary labelmap"
    )
    if kind.lower() != "binary labelmap":
        raise InputError(f"{path} holds a {kind}; save it from Slicer as binary labelmap.", file=path)
    if image.grid.size == 1:
        raise RegionError(f"{path} is an empty Slicer segmentation: there is no region in it.", file=path)
    segments: dict[int, dict[str, str]] = {}
    for key, value in image.fields.items():
        if match := SEGMENT_KEY.match(key):
            segments.setdefault(int(match[1]), {})[match[2]] = value
    several = len(image.array) > 1
    boxes: dict[int, list[Any]] = {}
    for number, segment in sorted(segments.items()):
        layer = _integer(segment, "Layer", number if several else 0, path)
        label = _integer(segment, "LabelValue", 1, path)
        name = segment.get("Name") or segment.get("ID") or f"Segment_{number}"
        if not 0 <= layer < len(image.array):
            raise InputError(
                f"{path}: segment {name!r} lies in layer {layer}, but the file has {len(image.array)}.",
                file=path,
            )
        if layer not in boxes:
            boxes[layer] = _boxes(image.array[layer], path)
        mask = _cropped(image.array[layer], label, boxes[layer], image.grid)
        role = declared_role(name, tumour=_is_tagged_tumour(segment.get("Tags", "")))
        yield DrawnRegion(name, mask, path.name, role=role)


def _is_tagged_tumour(tags: str) -> bool:
    """Whether the terminology entry of a segment has a tumour as its type: ``...~category~type~...``, each scheme^code^name."""
    entry = re.search(r"TerminologyEntry:([^|]*)", tags)
    kind = [] if entry is None else entry[1].split("~")[2:3]
    scheme, _, rest = (kind or [""])[0].partition("^")
    return is_tumour_code(scheme, rest.partition("^")[0])


def _note_declared(drawn: list[DrawnRegion], path: Path, notices: list[Notice] | None) -> None:
    """Say which segments are tumours by their terminology alone."""
    names = [repr(region.name) for region in drawn if region.role is Role.TUMOUR]
    if names:
        message = (
            f"{', '.join(names)}: no role was recognised by name, and the terminology in {path.name} says that these are "
            "tumours: they count as tumours where --role NAME=ROLE says nothing else."
        )
        add_notice(notices, "tumours-by-type", message)


def _integer(segment: Mapping[str, str], key: str, default: int, path: Path) -> int:
    """Return a whole number among the fields of a segment."""
    text = segment.get(key, str(default))
    try:
        return plain_whole(text)
    except ValueError as error:
        raise InputError(f"{path}: {key} of a segment is {text!r}, not a whole number.", file=path) from error


# label images, masks, occupancies


def _labelled(values: NDArray[Any], grid: Grid, names: RegionNames, path: Path) -> list[DrawnRegion]:
    """Return one region a label; a single label needs no name but the file's."""
    boxes = _boxes(values, path)
    present = [label for label, box in enumerate(boxes, start=1) if box is not None]
    if names.groups:
        return _grouped(values, grid, names, present, path)
    missing = [label for label in present if label not in names.labels]
    if missing and len(present) > 1:
        where = f"{names.file} does not" if names.file else "there is no file with names beside it"
        raise InputError(
            f"{path}: nothing names the labels {_listed(missing)} ({where}). Write {image_stem(path)}.json beside it, "
            f'such as {{"{missing[0]}": "Liver"}}, or put the colour table of 3D Slicer there as {image_stem(path)}.ctbl.',
            file=path,
        )
    return [
        DrawnRegion(
            names.labels.get(label, region_name_of_file(path)),
            _cropped(values, label, boxes, grid),
            path.name,
        )
        for label in present
    ]


def _grouped(
    values: NDArray[Any], grid: Grid, names: RegionNames, present: list[int], path: Path
) -> list[DrawnRegion]:
    """Return regions that are made of several labels, or share some."""
    named = {value for own in names.groups.values() for value in own}
    missing = [label for label in present if label not in named]
    if missing:
        raise InputError(f"{path}: {names.file} names no region of the labels {_listed(missing)}.", file=path)
    regions = []
    for name, own in names.groups.items():
        inside = np.isin(values, own)
        if inside.any():
            box = occupied_box(inside)
            crop = grid.crop([side.start for side in box], inside[box].shape)
            regions.append(DrawnRegion(name, Mask(inside[box].astype(np.float32), crop), path.name))
    return regions


def _named_volumes(image: ImageLayers, names: RegionNames, path: Path) -> list[DrawnRegion]:
    """Return one region a volume of a 4-D image; derived ones are left out, since they follow from the others."""
    if len(names.volumes) != len(image.array):
        names_text = (
            f"{names.file} names {len(names.volumes)}" if names.volumes else "there is no regions.json"
        )
        raise InputError(
            f"{path} holds {len(image.array)} volumes, but {names_text}. Write regions.json beside it: "
            '{"regions": [{"name": "Liver"}, ...]}, one entry a volume.',
            file=path,
        )
    return [
        DrawnRegion(
            volume.name,
            _occupancy(layer, image.grid, path),
            path.name,
            volume.automatic,
            volume.role,
        )
        for volume, layer in zip(names.volumes, image.array, strict=True)
        if volume.role not in DERIVED_ROLES
    ]


def _occupancy(values: NDArray[Any], grid: Grid, path: Path) -> Mask:
    """Return fractions from 0 to 1 as a mask on the whole grid."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0 + OCCUPANCY_TOLERANCE):
        raise InputError(
            f"{path}: values from {low:g} to {high:g} are neither labels (whole numbers) nor occupancies (0 to 1).",
            file=path,
        )
    return Mask(np.minimum(values, 1.0).astype(np.float32), grid)


def _boxes(values: NDArray[Any], path: Path) -> list[Any]:
    """Return the bounding box of each label from 1 on, None where it is absent."""
    # deferred: 0.2 s
    from scipy.ndimage import find_objects

    highest = int(values.max())
    if highest > LARGEST_LABEL:
        raise InputError(
            f"{path}: values up to {highest} are not labels (at most {LARGEST_LABEL}).", file=path
        )
    filled = occupied_box(values)
    if is_empty(filled):
        return []
    return [
        None
        if box is None
        else tuple(slice(s.start + f.start, s.stop + f.start) for s, f in zip(box, filled, strict=True))
        for box in find_objects(values[filled].astype(np.int32))
    ]


def _cropped(values: NDArray[Any], label: int, boxes: list[Any], grid: Grid) -> Mask:
    """Return a label as a mask on its bounding box; one empty voxel when it is absent."""
    box = boxes[label - 1] if 0 < label <= len(boxes) else None
    if box is None:
        return Mask(np.zeros((1, 1, 1), np.float32), grid.crop((0, 0, 0), (1, 1, 1)))
    part = values[box]
    return Mask((part == label).astype(np.float32), grid.crop([side.start for side in box], part.shape))


def _listed(labels: list[int]) -> str:
    """Return up to five labels as text."""
    shown = ", ".join(str(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
