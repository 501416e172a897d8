"""Images and segmentations as 3D Slicer keeps them: NRRD, and ``.seg.nrrd`` with names, colours and overlapping layers.

Header fields: NRRD 4 and 5 (teem.sourceforge.net/nrrd/format.html); keys of segments: vtkMRMLSegmentationStorageNode of Slicer
5 (``Segment0_Name`` and so on).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.deflate import gzip_bytes
from y90voxel.volumes.grid import Grid

__all__ = ["Segment", "write_nrrd", "write_segments"]

MOST_LABELS = 255  # in a layer: what a byte holds
_TYPES = {"u1": "unsigned char", "i2": "short"}


@dataclass(frozen=True, eq=False)
class Segment:
    """A region as a segment.

    Parameters
    ----------
    name : str
        What it is called.
    colour : str
        Hexadecimal RGB.
    inside : ndarray of bool, (slices, rows, columns)
        Its voxels.
    """

    name: str
    colour: str
    inside: NDArray[np.bool_]


def write_nrrd(values: NDArray[Any], grid: Grid, path: Path) -> None:
    """Write an image, int16 or uint8, compressed.

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        Voxels.
    grid : Grid
        Where they lie.
    path : Path
        Ends in ``.nrrd``.
    """
    _write(values, grid, path, ())


def write_segments(segments: Sequence[Segment], grid: Grid, path: Path) -> None:
    """Write regions that may overlap: those that do go to different layers.

    Parameters
    ----------
    segments : sequence of Segment
        At least one.
    grid : Grid
        Where they lie.
    path : Path
        Ends in ``.seg.nrrd``.
    """
    layers: list[NDArray[np.uint8]] = []
    lines = [
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
    ]
    for number, segment in enumerate(segments):
        free = (
            n for n, own in enumerate(layers) if own.max() < MOST_LABELS and not own[segment.inside].any()
        )
        layer = next(free, len(layers))
        if layer == len(layers):
            layers.append(np.zeros(grid.shape, np.uint8))
        label = int(layers[layer].max()) + 1
        layers[layer][segment.inside] = label
        red, green, blue = (int(segment.colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        lines += [
            f"Segment{number}_ID:=Segment_{number + 1}",
            f"Segment{number}_Name:={_plain(segment.name)}",
            f"Segment{number}_Color:={red:.4g} {green:.4g} {blue:.4g}",
            f"Segment{number}_LabelValue:={label}",
            f"Segment{number}_Layer:={layer}",
            f"Segment{number}_Extent:={_extent(segment.inside)}",
        ]
    _write(np.stack(layers, axis=-1) if len(layers) > 1 else layers[0], grid, path, lines)


def _write(values: NDArray[Any], grid: Grid, path: Path, keys: Sequence[str]) -> None:
    """One file: header, keys, packed voxels; a last axis beyond three holds layers and varies fastest."""
    layers = values.shape[3:]
    vectors = [_vector(grid.affine[:3, axis]) for axis in (2, 1, 0)]
    header = [
        "NRRD0004",
        f"type: {_TYPES[values.dtype.str[1:]]}",
        f"dimension: {values.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, (*layers, *values.shape[2::-1])))}",
        f"space directions: {' '.join([*(['none'] * len(layers)), *vectors])}",
        f"kinds: {' '.join([*(['list'] * len(layers)), 'domain', 'domain', 'domain'])}",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.affine[:3, 3])}",
        *keys,
    ]
    content = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    path.write_bytes(("\n".join(header) + "\n\n").encode("utf-8") + gzip_bytes(content))


def _vector(values: NDArray[Any]) -> str:
    """A point or direction [mm]."""
    return f"({','.join(f'{value:.10g}' for value in values)})"


def _extent(inside: NDArray[np.bool_]) -> str:
    """First and last column, row and slice of a segment; an empty one ends before it begins."""
    ends = []
    for axis in (2, 1, 0):
        places = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        ends += [int(places[0]), int(places[-1])] if places.size else [0, -1]
    return " ".join(map(str, ends))


def _plain(name: str) -> str:
    """A name on one line: a value of the header ends with its line."""
    return " ".join(name.split()) or "region"
