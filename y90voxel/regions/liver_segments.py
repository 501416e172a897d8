"""The liver as the eight segments that a program draws in its place (TotalSegmentator, task ``liver_segments``)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from y90voxel.errors import Notice
from y90voxel.regions.joining import on_one_lattice
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role, normalised_name, role_of_name
from y90voxel.volumes.volume import Mask

__all__ = ["with_liver_of_segments"]

SEGMENTS = 8  # Couinaud
LIVER_OF_SEGMENTS = "Liver (segments 1-8)"
_SEGMENT = re.compile(r"liver segment ([1-8])(?: [ab])?")


def with_liver_of_segments(drawn: Sequence[DrawnRegion]) -> tuple[list[DrawnRegion], list[Notice]]:
    """Return the regions with a liver made of its segments where all eight are there as masks and no liver is.

    Parameters
    ----------
    drawn : sequence of DrawnRegion
        As read.

    Returns
    -------
    regions : list of DrawnRegion
        The same, with the liver at the end where it was added.
    notices : list of Notice
        What has to be said about it, also where segments are missing.
    """
    parts: dict[int, list[DrawnRegion]] = {}
    for region in drawn:
        match = _SEGMENT.fullmatch(normalised_name(region.name))
        if match and isinstance(region.shape, Mask):
            parts.setdefault(int(match[1]), []).append(region)
    if not parts or any((r.role or role_of_name(r.name)) is Role.LIVER for r in drawn):
        return list(drawn), []
    missing = sorted(set(range(1, SEGMENTS + 1)) - parts.keys())
    if missing:
        message = (
            f"segments of the liver are there, but not {', '.join(map(str, missing))}, and no liver: none is made of them. Add "
            "them, or the liver."
        )
        return list(drawn), [Notice("liver-segments-missing", message)]
    masks = [region.shape for own in parts.values() for region in own if isinstance(region.shape, Mask)]
    if not all(on_one_lattice(masks[0].grid, mask.grid) for mask in masks):
        message = (
            "segments of the liver lie on different grids: no liver is made of them. Add the liver itself."
        )
        return list(drawn), [Notice("liver-segments-apart", message)]
    whole = _joined(masks)
    message = (
        f"no liver is among the regions; the {SEGMENTS} segments together are taken as it ({whole.volume_ml:.1f} mL). Lesions "
        "that the segments leave out are not in it."
    )
    liver = DrawnRegion(LIVER_OF_SEGMENTS, whole, drawn[0].source, automatic=True, role=Role.LIVER)
    return [*drawn, liver], [Notice("liver-of-segments", message)]


def _joined(masks: Sequence[Mask]) -> Mask:
    """Return masks of one lattice together, on the box that holds all."""
    lattice = masks[0].grid
    starts = [np.round(lattice.lps_to_index(mask.grid.origin_mm)).astype(int) for mask in masks]
    stops = [start + mask.grid.shape for start, mask in zip(starts, masks, strict=True)]
    low, high = np.min(starts, axis=0), np.max(stops, axis=0)
    around = lattice.crop(low.tolist(), (high - low).tolist())
    array = np.zeros(around.shape, np.float32)
    for start, mask in zip(starts, masks, strict=True):
        part = array[
            tuple(slice(a - b, a - b + n) for a, b, n in zip(start, low, mask.grid.shape, strict=True))
        ]
        np.minimum(part + mask.array, 1.0, out=part)
    return Mask(array, around)
