"""Drawn regions brought to another frame of reference by registering the CT that they were drawn on: rigidly, or deformed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.regions.moving import as_mask, carried
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.volumes.deformable_registration import WORK_MM, DeformableAlignment, deform_ct
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import Alignment, align_ct
from y90voxel.volumes.transform import AffineTransform, Chain, sampled
from y90voxel.volumes.volume import CtImage, Mask

__all__ = ["DEFORMABLE", "RIGID", "RegionAlignment", "align_regions"]

RIGID, DEFORMABLE = "rigid", "deformable"
HALF = 0.5  # occupancy: a boundary voxel belongs to the region that fills at least half of it


@dataclass(frozen=True, eq=False)
class RegionAlignment:
    """A registration of the CT that regions were drawn on with another one.

    Parameters
    ----------
    alignment : Alignment or DeformableAlignment
        Of the CTs.
    notices : tuple of Notice
        What is said of it.
    """

    alignment: Alignment | DeformableAlignment
    notices: tuple[Notice, ...]

    def carried(
        self, region: DrawnRegion, frame_of_reference_uid: str | None
    ) -> tuple[DrawnRegion, list[Notice]]:
        """Return a region in the frame of the other CT, and what is said of it.

        A deformation is known around the liver only: a region that reaches beyond goes along with the rigid motion as a whole.

        Parameters
        ----------
        region : DrawnRegion
            As drawn.
        frame_of_reference_uid : str or None
            The frame of the other CT.
        """
        if isinstance(self.alignment, Alignment):
            return carried(region, Chain([self.alignment.transform]), frame_of_reference_uid), []
        try:
            push = Chain([self.alignment.pull.inverse()])
            return carried(region, push, frame_of_reference_uid), []
        except RegionError:
            rigid = Chain([self.alignment.rigid.transform])
            message = f"{region.name!r} reaches beyond the deformation, known around the liver only: it was moved rigidly."
            return carried(region, rigid, frame_of_reference_uid), [Notice("region-moved-rigidly", message)]


def align_regions(
    how: str,
    moving: CtImage,
    fixed: CtImage,
    drawn: Sequence[DrawnRegion],
    progress: Callable[[str, float], None] | None = None,
) -> RegionAlignment:
    """Return how the CT that regions were drawn on is registered with another one, around the liver among them.

    Parameters
    ----------
    how : {'rigid', 'deformable'}
        How they are registered.
    moving : CtImage
        The CT that the regions were drawn on.
    fixed : CtImage
        The other one.
    drawn : sequence of DrawnRegion
        The regions; where none is called liver, all of them are attended to.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If it is no way to register, or there is no region to deform around.
    GeometryError
        If the registration is not plausible, or folds.
    """
    if how not in (RIGID, DEFORMABLE):
        raise InputError(
            f"{how!r} is no way to register CTs; there is {RIGID} or {DEFORMABLE}.", tag="dose.register"
        )
    report_progress = progress or (lambda what, done: None)
    livers = [region for region in drawn if role_of_name(region.name) is Role.LIVER] or list(drawn)
    report_progress("aligning the CTs rigidly", 0.0)
    rigid = align_ct(moving, fixed, focus_points_mm=_points(livers))
    alignment: Alignment | DeformableAlignment = rigid
    if how == DEFORMABLE:
        focus = _focus(livers, rigid)
        alignment = deform_ct(
            rigid, focus, (), lambda what, done: report_progress(what, 0.3 + 0.7 * done), drawn_on_moving=True
        )
    return RegionAlignment(alignment, (_said(alignment), *alignment.notices))


def _points(regions: Sequence[DrawnRegion]) -> NDArray[np.float64] | None:
    """Points of regions in their own frame [mm]."""
    parts = []
    for region in regions:
        shape = region.shape
        if isinstance(shape, Mask):
            parts.append(shape.grid.index_to_lps(np.argwhere(shape.array > HALF)))
        else:
            parts += list(shape.polygons)
    return np.concatenate(parts) if parts else None


def _focus(regions: Sequence[DrawnRegion], rigid: Alignment) -> Mask:
    """Regions as one mask where the rigid motion puts them."""
    points = _points(regions)
    if points is None or not len(points):
        raise InputError(
            "there is no region to deform the CT around: draw the liver, or use rigid registration.",
            tag="dose.register",
        )
    low = points.min(axis=0) - WORK_MM
    size = np.ceil((points.max(axis=0) + WORK_MM - low) / WORK_MM).astype(int) + 1
    grid = Grid.from_spacing(size[::-1].tolist(), (WORK_MM,) * 3, low.tolist())
    whole = np.zeros(grid.shape, np.float32)
    for region in regions:
        mask = as_mask(region.shape)
        np.maximum(whole, sampled(mask.array, mask.grid, grid, AffineTransform(np.eye(4)), 0.0), out=whole)
    return Mask(whole, rigid.transform.moved(grid, rigid.fixed.grid.frame_of_reference_uid))


def _said(alignment: Alignment | DeformableAlignment) -> Notice:
    """What is said of regions that a registration of CTs brought to another frame."""
    deformed = isinstance(alignment, DeformableAlignment)
    rigid = alignment.rigid if isinstance(alignment, DeformableAlignment) else alignment
    done = "deformed onto each other" if deformed else "aligned rigidly"
    return Notice(
        "registered-ct-to-ct",
        f"regions were drawn on a CT in frame of reference {rigid.moving.grid.frame_of_reference_uid}, the emission image lies "
        f"in {rigid.fixed.grid.frame_of_reference_uid}: the CTs were {done}, as asked. {alignment.summary} Check the figure "
        "before the doses.",
    )
