"""Lungs and body from a CT by threshold, connected components and smoothing, for studies without contours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import Notice, RegionError
from y90voxel.regions.morphology import (
    boxes,
    close,
    dilate,
    distance_from_mm,
    erode,
    filled_slices,
    labelled,
    within,
    without_threads,
)
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import coverage, resample
from y90voxel.volumes.volume import CtImage, Mask

__all__ = ["AUTOMATIC_NAMES", "Lungs", "automatic_regions", "segment_body", "segment_lungs"]

Bools = NDArray[np.bool_]

# What the automatic regions are called, and what they are for.
AUTOMATIC_NAMES = {
    "Lung_L (automatic)": Role.LUNG,
    "Lung_R (automatic)": Role.LUNG,
    "Body (automatic)": Role.BODY,
}
# Segmentation runs on voxels of at least this edge [mm]: lungs are large, and averaging quietens a noisy CT.
WORKING_MM = 2.5
AIR_HU = -1024.0  # [HU]: the least value of 12-bit CT; padding below it is air
# Half-way between inflated lung (about -800 HU) and soft tissue (about 40 HU): where their surface lies.
LUNG_BELOW_HU = -400.0
# Half-way between air and skin; couch tops and blankets above it are taken away by their thinness.
BODY_ABOVE_HU = -500.0
# [mm]; chosen: couch tops and blankets are thinner than 15 mm, arms and bodies thicker.
COUCH_HALF_THICKNESS_MM = 7.5
# Gas of airways and bowel holds no tissue; inflated lung is above it even in emphysema (-910 to -950 HU counts
# as emphysema: Gevenois et al. 1996, Am J Respir Crit Care Med 154:187, doi:10.1164/ajrccm.154.1.8680679).
GAS_BELOW_HU = -950.0
# A piece that is lung has this median CT number; stool and fat with gas bubbles lie above, gas below.
LUNG_MEDIAN_HU = (-940.0, -550.0)
# Pieces of lung bases at the upper edge of an abdominal CT may be small; away from it only whole lungs count.
SMALLEST_BASE_ML, SMALLEST_LUNG_ML = 20.0, 400.0
# Beside a first lung, a second one down to this share of it counts wherever it lies.
SMALLEST_OTHER_LUNG = 0.15
# [mL], [mm], [mm]; chosen: trachea with main bronchi of adults, wholly or in part on the CT.
AIRWAY_ML, AIRWAY_OFF_MIDLINE_MM, AIRWAY_LENGTH_MM = (3.0, 150.0), 45.0, 20.0
# [mm]; chosen: vessels within lungs that a reader draws as lung are thinner than 10 mm.
VESSEL_HALF_THICKNESS_MM = 5.0
THREAD_HALF_THICKNESS_MM = 2.6  # [mm]; chosen: one working voxel, so that bridges one or two voxels wide go
# Lung counts as cut off by the CT from this area in its first or last slice on.
SMALLEST_CUT_MM2 = 100.0


@dataclass(frozen=True, eq=False)
class Lungs:
    """What a CT shows of the lungs.

    Parameters
    ----------
    left, right : Mask or None
        Each lung, on the working grid of the segmentation; None where it was not found.
    cut_off : bool
        True when lung reaches the edge of the CT, so that a part of it was not seen.
    """

    left: Mask | None
    right: Mask | None
    cut_off: bool

    @property
    def both(self) -> Mask | None:
        """The lungs together, or None when none was found."""
        masks = [mask for mask in (self.left, self.right) if mask is not None]
        if not masks:
            return None
        return masks[0].with_array(np.maximum.reduce([mask.array for mask in masks]))


def automatic_regions(ct: CtImage, *, lungs: bool, body: bool) -> tuple[list[DrawnRegion], list[Notice]]:
    """Return the regions wanted that the CT shows, marked as automatic, and what has to be said.

    Parameters
    ----------
    ct : CtImage
        On any grid.
    lungs, body : bool
        Which regions are missing among the drawn ones.
    """
    if not (lungs or body):
        return [], []
    hu, covered = _working(ct)
    outline = _outline(hu)
    if not outline.array.any():
        return [], [Notice("automatic-regions-none", "no body was found on the CT: no region was added.")]
    regions: list[DrawnRegion] = []
    notices: list[Notice] = []
    if lungs:
        seen = _lungs_inside(hu, covered, outline)
        sides = {"Lung_L (automatic)": seen.left, "Lung_R (automatic)": seen.right}
        regions += [
            DrawnRegion(name, mask, "segmented from CT", automatic=True, from_ct=True, cut_off=seen.cut_off)
            for name, mask in sides.items()
            if mask is not None
        ]
        notices += _lung_notices(seen)
    if body:
        regions.append(
            DrawnRegion("Body (automatic)", outline, "segmented from CT", automatic=True, from_ct=True)
        )
    if regions:
        names = ", ".join(region.name for region in regions)
        message = (
            f"segmented from the CT by threshold, because none was drawn: {names}. Check them in the report; "
            "--no-automatic-regions leaves them out. They do not change the calibration unless it asks for them."
        )
        notices.insert(0, Notice("automatic-regions", message))
    return regions, notices


def _lung_notices(lungs: Lungs) -> list[Notice]:
    """Say what was not found or not seen whole."""
    if lungs.left is None and lungs.right is None:
        return [Notice("automatic-lungs-none", "no lungs were drawn, and none were found on the CT.")]
    notices = []
    if lungs.cut_off:
        message = "the CT cuts off the automatic lungs: lung masses and means refer to the part in view."
        notices.append(Notice("automatic-lungs-truncated", message))
    if lungs.left is None or lungs.right is None:
        side = "left" if lungs.left is None else "right"
        message = f"only one lung was found on the CT, the {side} one was not: lung masses and means lack it."
        notices.append(Notice("automatic-lungs-one-side", message))
    return notices


def segment_body(ct: CtImage) -> Mask:
    """Return the patient's outline, lungs and gas inside included, couch and outside air excluded.

    Threshold; opening, which takes away what is thinner than 15 mm (couch shells, blankets, tubes); the
    largest connected piece, grown back by what the opening took from it; holes of each axial slice filled.
    Arms that lie apart from the trunk are left out.

    Parameters
    ----------
    ct : CtImage
        On any grid.

    Returns
    -------
    Mask
        0 or 1 on axial voxels of at least 2.5 mm; empty if nothing is denser than air.
    """
    return _outline(_working(ct)[0])


def _outline(hu: CtImage) -> Mask:
    """The patient's outline on the working grid."""
    tissue = hu.array > BODY_ABOVE_HU
    coarse = _every_other(hu.grid)  # the couch can be told at half the resolution, four times as fast
    shell = COUCH_HALF_THICKNESS_MM
    labels, count = labelled(erode(tissue[:, ::2, ::2], coarse, shell), coarse)
    if count == 0:
        return Mask(np.zeros(tissue.shape, np.float32), hu.grid)
    near = dilate(labels == 1, coarse, 1.5 * shell + coarse.spacing_mm[1] / 2)
    near = near.repeat(2, axis=1).repeat(2, axis=2)[:, : tissue.shape[1], : tissue.shape[2]]
    return Mask(filled_slices(near & tissue).astype(np.float32), hu.grid)


def segment_lungs(ct: CtImage, body: Mask) -> Lungs:
    """Return the lungs inside a body outline, without trachea, main bronchi and bowel gas.

    Voxels below -400 HU inside the body; the airway (gas near the midline) removed; connected pieces kept
    that have the size and the median CT number of lung, those at the upper edge of the CT from 20 mL on
    (lung bases), others from 400 mL on; parted into left and right; vessels closed over 5 mm. Lung without
    air (effusion, atelectasis, tumour) is not found.

    Parameters
    ----------
    ct : CtImage
        On any grid.
    body : Mask
        From `segment_body`, or any other outline.

    Raises
    ------
    RegionError
        If the outline is empty.
    """
    return _lungs_inside(*_working(ct), body)


def _lungs_inside(hu: CtImage, seen: Bools, body: Mask) -> Lungs:
    """The lungs inside an outline, on the working grid."""
    inside = (resample(body, hu.grid) if not body.grid.is_same_as(hu.grid) else body).array > 0.5
    if not inside.any():
        raise RegionError("the body outline is empty on the CT: no lungs can be looked for in it.")
    values, grid = hu.array, hu.grid
    midline = _x_mm(grid)[np.nonzero(inside.any(axis=(0, 1)))[0]].mean()
    air = inside & (values < LUNG_BELOW_HU)
    air &= ~_airway(inside & (values < GAS_BELOW_HU), grid, float(midline))
    upper = _upper_edge(seen)
    lungs = _lung_pieces(air, values, grid, upper)
    if not lungs.any():
        return Lungs(None, None, False)
    left, right = _sides(lungs, grid, float(midline))
    sides = [
        _smooth(side & within(side, grid, THREAD_HALF_THICKNESS_MM, without_threads), grid) & inside
        for side in (left, right)
    ]
    sides[1] &= ~sides[0]
    ends = (sides[0] | sides[1]) & _edge(seen)
    cut_off = bool(ends.sum() * grid.spacing_mm[1] * grid.spacing_mm[2] > SMALLEST_CUT_MM2)
    masks = [Mask(side.astype(np.float32), grid) if side.any() else None for side in sides]
    return Lungs(masks[0], masks[1], cut_off)


def _working(ct: CtImage) -> tuple[CtImage, Bools]:
    """The CT on axial voxels of at least 2.5 mm, and which of them it covers."""
    indices = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in ct.grid.shape], indexing="ij")).reshape(3, -1).T
    corners = ct.grid.index_to_lps(indices)
    low, extent = corners.min(axis=0), np.ptp(corners, axis=0)
    own = np.abs(ct.grid.affine[:3, :3]).max(axis=1)  # spacing along x, y, z
    spacing = np.maximum(own, WORKING_MM)
    counts = np.maximum(np.floor(extent / spacing + 1e-6), 1).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing)[:, ::-1]  # slices along z, rows along y, columns along x
    affine[:3, 3] = low + (extent - (counts - 1) * spacing) / 2
    shape = (int(counts[2]), int(counts[1]), int(counts[0]))
    grid = Grid(shape, affine, ct.grid.frame_of_reference_uid)
    values = np.maximum(resample(ct, grid, fill=AIR_HU).array, AIR_HU)
    return CtImage(values, grid), coverage(ct.grid, grid).array > 0.5


def _every_other(grid: Grid) -> Grid:
    """The grid of every other row and column."""
    affine = grid.affine.copy()
    affine[:, 1:3] *= 2.0
    return Grid((grid.shape[0], -(-grid.shape[1] // 2), -(-grid.shape[2] // 2)), affine)


def _x_mm(grid: Grid) -> NDArray[np.float64]:
    """Patient x of the columns [mm]; to the patient's left it rises."""
    return np.asarray(grid.affine[0, 3] + grid.affine[0, 2] * np.arange(grid.shape[2]))


def _edge(seen: Bools) -> Bools:
    """The outermost covered voxels at the upper and lower end."""
    above, below = np.zeros_like(seen), np.zeros_like(seen)
    above[:-1], below[1:] = seen[1:], seen[:-1]
    return seen & ~(above & below)


def _upper_edge(seen: Bools) -> Bools:
    """The outermost covered voxels at the head's end."""
    above = np.zeros_like(seen)
    above[:-1] = seen[1:]
    return seen & ~above


def _airway(gas: Bools, grid: Grid, midline_mm: float) -> Bools:
    """Pieces of gas that can be the trachea with the main bronchi: near the midline, long, not large."""
    labels, count = labelled(gas, grid)
    x_mm, airway = _x_mm(grid), np.zeros_like(gas)
    for label, box in boxes(labels, count):
        piece = labels[box] == label
        volume_ml = piece.sum() * grid.voxel_volume_ml
        if not AIRWAY_ML[0] <= volume_ml <= AIRWAY_ML[1]:
            continue
        off_mm = abs(float(np.average(x_mm[box[2]], weights=piece.sum(axis=(0, 1)))) - midline_mm)
        if off_mm < AIRWAY_OFF_MIDLINE_MM and piece.shape[0] * grid.spacing_mm[0] >= AIRWAY_LENGTH_MM:
            airway[box] |= piece
    return within(airway, grid, 1.2 * max(grid.spacing_mm[1:]), dilate)


def _lung_pieces(air: Bools, hu: NDArray[Any], grid: Grid, upper: Bools) -> Bools:
    """Connected pieces that have the size, place and CT number of lung."""
    labels, count = labelled(air, grid)
    lungs, largest = np.zeros_like(air), 0.0
    for label, box in boxes(labels, count):  # largest first
        piece = labels[box] == label
        volume_ml = float(piece.sum()) * grid.voxel_volume_ml
        smallest = SMALLEST_BASE_ML if (piece & upper[box]).any() else SMALLEST_LUNG_ML
        if largest:
            smallest = min(smallest, max(SMALLEST_BASE_ML, SMALLEST_OTHER_LUNG * largest))
        if volume_ml < smallest:
            continue
        if LUNG_MEDIAN_HU[0] <= float(np.median(hu[box][piece])) <= LUNG_MEDIAN_HU[1]:
            lungs[box] |= piece
            largest = max(largest, volume_ml)
    return lungs


def _sides(lungs: Bools, grid: Grid, midline_mm: float) -> tuple[Bools, Bools]:
    """Left and right lung: pieces by their side of the midline, after erosion where they touch."""
    for shrink_mm in (0.0, 3.0, 6.0, 9.0):
        cores = lungs if shrink_mm == 0.0 else within(lungs, grid, shrink_mm, erode)
        labels, count = labelled(cores, grid)
        left, right = np.zeros_like(labels, bool), np.zeros_like(labels, bool)
        x_mm, split = _x_mm(grid), True
        for label, box in boxes(labels, count):
            piece = labels[box] == label
            weights = piece.sum(axis=(0, 1))
            side = float(np.average(x_mm[box[2]], weights=weights)) - midline_mm
            across = min(weights[x_mm[box[2]] > midline_mm].sum(), weights[x_mm[box[2]] <= midline_mm].sum())
            split &= across < 0.2 * weights.sum()
            (left if side > 0 else right)[box] |= piece
        if split:
            break
    else:
        left, right = lungs & (_x_mm(grid) > midline_mm), lungs & (_x_mm(grid) <= midline_mm)
    if not (left.any() and right.any()) or shrink_mm == 0.0:
        return left, right
    nearer_left = distance_from_mm(left, grid) < distance_from_mm(right, grid)
    return lungs & nearer_left, lungs & ~nearer_left


def _smooth(side: Bools, grid: Grid) -> Bools:
    """One lung with its vessels, and without holes in a slice."""
    return within(side, grid, VESSEL_HALF_THICKNESS_MM, lambda *args: filled_slices(close(*args)))
