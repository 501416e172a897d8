"""What the CT shows within contours, measured on its own voxels and handed to those of the dose grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose import _tissue_loops as loops
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.placement import occupancy_of
from y90voxel.regions.rasterise import fractions_enclosed
from y90voxel.regions.region import Contours
from y90voxel.regions.regions import Region, Regions, union
from y90voxel.regions.roles import ORGANS, Role
from y90voxel.short_repr import short_repr
from y90voxel.volumes.box import Box, is_empty
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import CountMap, CtImage, Mask

__all__ = ["CtTissue", "TissueOnCt", "measure_tissue"]

# Between lung (below 0.6 g/mL, vessels apart) and soft tissue (fat 0.93): what is lighter in a liver is none, and what
# is heavier in a lung is no lung.
SOFT_ABOVE_G_PER_ML = 0.75
# Contours reach half a slice beyond their last plane; slices are up to 10 mm thick.
HALF_SLAB_MM = 8.0
# Voxels of the CT wholly inside a contour.
WHOLE = 0.999


@dataclass(frozen=True, eq=False)
class TissueOnCt:
    """A region as its contour cuts it out of the CT.

    Parameters
    ----------
    box : Box
        The part of the dose grid that it reaches.
    volume_ml, mass_g : ndarray, (shape of the box)
        Its volume [mL] and mass by CT [g] in each voxel of the dose grid.
    ct_mass_g, ct_volume_ml : float
        Mass and volume of the whole of it on the CT, inside the dose grid or not [g, mL].
    light_ml, dense_ml : float
        Volume wholly inside the contour that is lighter, and denser, than the border between lung and soft tissue [mL].
    """

    box: Box
    volume_ml: NDArray[np.floating]
    mass_g: NDArray[np.floating]
    ct_mass_g: float
    ct_volume_ml: float
    light_ml: float
    dense_ml: float

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class CtTissue:
    """Regions as the CT shows them, where their shapes are known.

    Parameters
    ----------
    liver : TissueOnCt or None
        Liver and tumours together.
    regions : mapping of str to TissueOnCt
        Other regions by name.
    """

    liver: TissueOnCt | None = None
    regions: Mapping[str, TissueOnCt] = field(default_factory=dict)

    __repr__ = short_repr


def measure_tissue(
    shapes: Mapping[str, Contours | Mask], regions: Regions, ct: CtImage, calibration: DensityCalibration
) -> CtTissue:
    """Return what the CT shows of liver with tumours, of lungs, and of regions without a role.

    Parameters
    ----------
    shapes : mapping of str to Contours or Mask
        As drawn, by the names of ``regions``.
    regions : Regions
        The same on the dose grid.
    ct : CtImage
        On its own grid.
    calibration : DensityCalibration
        CT numbers to density.
    """
    solid = [region for region in regions.drawn if region.role in (Role.LIVER, Role.TUMOUR)]
    others = [region for region in regions.drawn if region.role in (Role.LUNG, *ORGANS, Role.OTHER)]

    def occupied(of: Sequence[Region], grid: Grid) -> NDArray[np.float32]:
        return _occupied([shapes[one.name] for one in of], grid)

    def beside_liver(one: Region, grid: Grid) -> NDArray[np.float32]:
        own = occupied([one], grid)
        if one.from_ct and solid:
            np.minimum(own, 1.0 - occupied(solid, grid), out=own)
        return own

    def measured(
        reach: Mask, of: Sequence[Region], place: Callable[[Grid], NDArray[np.float32]]
    ) -> TissueOnCt | None:
        box = _box_on(ct.grid, [shapes[one.name] for one in of])
        uniform = all(one.role is Role.LUNG for one in of)
        return _measured(reach, box, place, ct, calibration, uniform)

    reach = regions.mask_of(Role.LIVER, Role.TUMOUR)
    liver = None if reach is None else measured(reach, solid, lambda grid: occupied(solid, grid))
    by_name = {one.name: measured(one.mask, [one], partial(beside_liver, one)) for one in others}
    return CtTissue(liver, {name: tissue for name, tissue in by_name.items() if tissue is not None})


def _occupied(shapes: Sequence[Contours | Mask], grid: Grid) -> NDArray[np.float32]:
    """The occupancy of several shapes together, in an array of its own; each after the first is placed in a box of its own."""
    together = _occupancy(shapes[0], grid)
    for shape in shapes[1:]:
        box = _box_on(grid, [shape])
        if is_empty(box):
            continue
        here = grid.crop([part.start for part in box], [part.stop - part.start for part in box])
        before, added = together[box], _occupancy(shape, here)
        together[box] = union([Mask(before, here), Mask(added, here)]).array if before.any() else added
    return together


def _occupancy(shape: Contours | Mask, grid: Grid) -> NDArray[np.float32]:
    """The occupancy of a shape, in an array of its own."""
    if isinstance(shape, Contours) and shape.polygons:
        return np.asarray(fractions_enclosed([shape], grid), np.float32)
    return np.array(occupancy_of(shape, grid).array, np.float32)


def _measured(
    mask: Mask,
    box: Box,
    place: Callable[[Grid], NDArray[np.float32]],
    ct: CtImage,
    calibration: DensityCalibration,
    uniform: bool,
) -> TissueOnCt | None:
    """A region in a box of the CT; None where the CT shows nothing of it.

    Voxels of the CT at the edge of the region are blurred into its neighbours: of one that is much alike throughout
    (``uniform``) they get the mean of its inner voxels in their slice. Inner voxels are wholly inside, and so is something of
    each neighbour in the slice: in a mask without fractions, those at the surface may be anything from a hair to all of a voxel.
    """
    if is_empty(box) or is_empty(mask.box):
        return None
    seen = ct.grid.crop([part.start for part in box], [part.stop - part.start for part in box])
    here = mask.grid.crop([part.start for part in mask.box], [part.stop - part.start for part in mask.box])
    occupancy, voxel_ml = place(seen), np.float32(seen.voxel_volume_ml)
    volume_ml = resample(CountMap(occupancy, seen), here).array * voxel_ml  # a copy, before it is overwritten
    image = ct.array[box]
    table = calibration.table() if image.dtype == np.int16 else None
    densities = image if table is not None else calibration.density(image)
    limits = np.float32(WHOLE), np.float32(SOFT_ABOVE_G_PER_ML)
    filled, weight, within, dense = loops.weigh(occupancy, densities, table, *limits, uniform)
    if not filled:
        return None
    return TissueOnCt(
        box=mask.box,
        volume_ml=volume_ml,
        mass_g=resample(CountMap(occupancy, seen), here).array * voxel_ml,
        ct_mass_g=weight * seen.voxel_volume_ml,
        ct_volume_ml=filled * seen.voxel_volume_ml,
        light_ml=(within - dense) * seen.voxel_volume_ml,
        dense_ml=dense * seen.voxel_volume_ml,
    )


def _box_on(grid: Grid, shapes: Sequence[Contours | Mask]) -> Box:
    """The voxels of a grid that hold shapes as they were drawn."""
    points = np.concatenate([_outermost(shape) for shape in shapes])
    if not len(points):
        return slice(0, 0), slice(0, 0), slice(0, 0)
    voxels = grid.lps_to_index(points)
    first = np.clip(np.floor(voxels.min(axis=0)).astype(int) - 1, 0, grid.shape)
    last = np.clip(np.ceil(voxels.max(axis=0)).astype(int) + 2, 0, grid.shape)
    parts = [slice(int(a), int(b)) for a, b in zip(first, last, strict=True)]
    return parts[0], parts[1], parts[2]


def _outermost(shape: Contours | Mask) -> NDArray[np.float64]:
    """Points in LPS that hold a shape between them, (points, 3) [mm]."""
    if isinstance(shape, Contours):
        if not shape.polygons:
            return np.empty((0, 3))
        points = np.concatenate(shape.polygons)
        slab = HALF_SLAB_MM if shape.plane_step_mm is None else 0.75 * shape.plane_step_mm
        low, high = points.min(axis=0) - slab, points.max(axis=0) + slab
        unit = np.array(np.meshgrid((0, 1), (0, 1), (0, 1), indexing="ij")).reshape(3, -1).T
        return np.asarray(low + unit * (high - low))
    box = shape.box
    if is_empty(box):
        return np.empty((0, 3))
    return shape.grid.crop([p.start for p in box], [p.stop - p.start for p in box]).corners_mm()
