"""A liver that was drawn without its tumours, as programs do whose segments exclude each other: joined, or asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import Notice, RegionError
from y90voxel.regions.regions import Region, Regions, union
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Mask

__all__ = ["LiverTumours", "contact_shares", "with_whole_liver"]

LiverTumours = Literal["ask", "join", "apart"]
Bools = NDArray[np.bool_]

# A tumour whose certain overlap with the liver is below this fraction of it was left out of the liver.
LARGEST_OVERLAP = 0.1
# It belongs to the liver from this fraction of its surface within one voxel of liver on (issue: half); below the other
# it lies elsewhere (a lymph node, another organ) and is only said to lie outside.
BELONGS_FROM, TOUCHES_FROM = 0.5, 0.1
# For messages alone: density of liver and tumour by default [g/mL].
LIVER_DENSITY = 1.05


def with_whole_liver(regions: Regions, mode: LiverTumours = "ask") -> tuple[Regions, list[Notice]]:
    """Return the regions with tumours that the liver leaves out joined to it, and what has to be said.

    Tumour in a hole of the liver, or with at least half of its surface within one voxel of liver, belongs to it. No hull
    is drawn around anything: a concave liver stays concave.

    Parameters
    ----------
    regions : Regions
        As drawn, on the dose grid.
    mode : {'ask', 'join', 'apart'}
        What is done about tumours that touch the liver with less of their surface: refused, joined, or left apart (then
        the others are too).

    Raises
    ------
    RegionError
        If it is not clear whether a tumour belongs to the liver and ``mode`` is ``ask``.
    """
    livers = [region for region in regions.drawn if region.role is Role.LIVER]
    if len(livers) != 1 or mode == "apart":
        return regions, []
    (liver,) = livers
    left_out = [r for r in regions.drawn if r.role is Role.TUMOUR and _left_out(liver.mask, r.mask)]
    if not left_out:
        return regions, []
    tumours = union([region.mask for region in left_out], same_kind=True)
    pieces, count = _pieces(tumours.array)
    shares = contact_shares(pieces, count, liver.mask)
    least = BELONGS_FROM if mode == "ask" else TOUCHES_FROM
    belongs = np.concatenate([[False], shares >= least])
    unclear = np.concatenate([[False], (shares >= TOUCHES_FROM) & (shares < BELONGS_FROM)])
    if mode == "ask" and unclear.any():
        raise _unclear(liver, left_out, pieces, unclear, shares)
    if not belongs.any():
        return regions, []
    part = np.where(_grown(belongs[pieces]), tumours.array, 0.0)
    whole = liver.mask.with_array(np.minimum(liver.mask.array + part, 1.0).astype(liver.mask.array.dtype))
    drawn = tuple(replace(r, mask=whole) if r is liver else r for r in regions.drawn)
    joined = Regions(regions.grid, drawn, regions.tumours_together)
    return joined, [_joined_notice(liver.name, left_out, regions, joined)]


def contact_shares(pieces: NDArray[Any], count: int, liver: Mask) -> NDArray[np.float64]:
    """Return the share of the surface of each piece that lies within one voxel of liver, 1 for a piece in a hole of it.

    Parameters
    ----------
    pieces : ndarray of int, (slices, rows, columns)
        Voxels of each piece, numbered from 1; 0 elsewhere.
    count : int
        How many there are.
    liver : Mask
        Occupancy of the liver on the same grid.
    """
    # deferred: 0.2 s
    from scipy import ndimage

    solid = liver.array >= 0.5
    filled = ndimage.binary_fill_holes(solid)
    near = ndimage.binary_dilation(solid)
    spacing = np.array(liver.grid.spacing_mm)
    surface, touching = np.zeros(count + 1), np.zeros(count + 1)
    for axis in range(3):
        face = float(spacing.prod() / spacing[axis])
        for step in (-1, 1):
            beside = _shifted(pieces, axis, step)
            outer = (pieces > 0) & (beside != pieces)
            reached = outer & _shifted(near, axis, step)
            surface += face * np.bincount(pieces[outer], minlength=count + 1)
            touching += face * np.bincount(pieces[reached], minlength=count + 1)
    voxels = np.bincount(pieces.ravel(), minlength=count + 1)
    inside = np.bincount(pieces[filled & ~solid], minlength=count + 1)
    outside = np.bincount(pieces[~filled], minlength=count + 1)
    share = touching / np.maximum(surface, 1e-12)
    in_hole = (outside == 0) & (inside > 0) & (voxels > 0)
    return np.asarray(np.where(in_hole, 1.0, share)[1:])


def _left_out(liver: Mask, tumour: Mask) -> bool:
    """Whether a tumour shares less with the liver than drawing inaccurately does."""
    box = tumour.box
    certain = np.maximum(liver.array[box] + tumour.array[box] - 1.0, 0.0).sum(dtype=np.float64)
    return bool(certain < LARGEST_OVERLAP * tumour.total)


def _pieces(occupancy: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return connected pieces of what is at least half full, or all that is there where nothing is."""
    # deferred: 0.2 s
    from scipy import ndimage

    solid = occupancy >= min(0.5, float(occupancy.max()))
    labels, count = ndimage.label(solid)
    return labels, int(count)


def _shifted(array: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """Return what lies one voxel further along an axis; nothing beyond the grid."""
    moved = np.roll(array, -step, axis=axis)
    edge = [slice(None)] * 3
    edge[axis] = slice(-1, None) if step > 0 else slice(0, 1)
    moved[tuple(edge)] = 0
    return moved


def _grown(mask: Bools) -> Bools:
    """Return voxels with their neighbours, which hold the rest of a surface."""
    # deferred: 0.2 s
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(mask, structure=np.ones((3, 3, 3), bool)))


def _names_of(regions: Sequence[Region], voxels: Bools) -> str:
    """Return the names of the regions that fill any of the voxels."""
    return ", ".join(repr(r.name) for r in regions if (r.mask.array[voxels] > 0).any())


def _unclear(
    liver: Region,
    tumours: Sequence[Region],
    pieces: NDArray[Any],
    unclear: Bools,
    shares: NDArray[np.float64],
) -> RegionError:
    """Return the question whether tumours belong to the liver."""
    names = _names_of(tumours, unclear[pieces])
    share = float(shares[unclear[1:]].max())
    return RegionError(
        f"the liver region {liver.name!r} leaves out {names}, which touches it with {100 * share:.0f} % of its surface (half "
        "and more would belong to it): liver mass and hepatic reserve depend on it. Draw the liver with its tumours, or say "
        "--liver-tumours join (they are part of the liver) or --liver-tumours apart (they are not).",
        tag="regions.liver_tumours",
    )


def _joined_notice(liver: str, tumours: Sequence[Region], before: Regions, after: Regions) -> Notice:
    """Say what joined the liver, with mass and reserve before and after."""
    one, other = before[liver].mask, after[liver].mask
    names = _names_of(tumours, other.array > one.array)
    message = (
        f"the liver region {liver!r} was drawn without {names}, which lie(s) in a hole of it or along it: they were joined. "
        f"Liver {one.volume_ml:.1f} mL as drawn, {other.volume_ml:.1f} mL with them ({one.volume_ml * LIVER_DENSITY:.0f} and "
        f"{other.volume_ml * LIVER_DENSITY:.0f} g at {LIVER_DENSITY:g} g/mL)"
    )
    reserves = (before.hepatic_reserve, after.hepatic_reserve)
    if None not in reserves:
        message += f"; hepatic reserve {100 * (reserves[0] or 0):.1f} % and {100 * (reserves[1] or 0):.1f} %"
    return Notice("liver-without-tumour", f"{message}. --liver-tumours apart leaves them apart.")
