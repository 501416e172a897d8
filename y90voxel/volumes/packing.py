"""Small images for a page: in integers, cropped to what they hold, each with its own geometry."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from y90voxel.units import BQ_PER_MBQ
from y90voxel.volumes.box import Box, is_empty, occupied_box
from y90voxel.volumes.grid import Grid, patient_axes
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, CtImage, DoseMap, Mask, Volume

__all__ = ["PackedVolume", "pack_activity", "pack_ct", "pack_dose", "pack_mask", "patient_grid"]

# Two HU are far below the noise of any CT, and keep the page a third smaller than one HU would.
CT_STEP_HU = 2.0
AIR_HU = -1000.0  # [HU], by definition of the scale
# Below this is air or lung; a patient's skin lies above.
BODY_HU = -400.0
# The CT is searched for the body at every so many voxels.
BODY_STRIDE = 8
# At most so many voxels of anatomy are kept: about 4 MB of page.
MOST_VOXELS = 4_000_000
OCCUPANCY_STEPS = 255  # of a byte
# An emission image without CT is shown where it exceeds this share of its maximum, and so far around.
BACKGROUND, MARGIN_MM = 0.01, 30.0

Corner = NDArray[np.int64]
V = TypeVar("V", bound=Volume)


@dataclass(frozen=True, eq=False)
class PackedVolume:
    """An image in integers: value = step × stored.

    Parameters
    ----------
    stored : ndarray of int, (slices, rows, columns)
        uint8, int16 or uint16.
    grid : Grid
        Where the voxels lie.
    step : float
        Value of one count, in ``unit``.
    quantity, unit : str
        What it is.
    """

    stored: NDArray[Any]
    grid: Grid
    step: float
    quantity: str
    unit: str


def pack_ct(ct: CtImage, seen: Grid) -> PackedVolume:
    """Return the CT around the body where the dose grid sees it, along the patient's axes.

    Slices of the result are axial whatever the CT's orientation. Voxels keep the CT's size unless there would be
    too many; then the mean over larger ones is taken.

    Parameters
    ----------
    ct : CtImage
        CT numbers [HU].
    seen : Grid
        The dose grid.
    """
    body = ct.array[::BODY_STRIDE, ::BODY_STRIDE, ::BODY_STRIDE] > BODY_HU
    low, high = _corners(occupied_box(body), body.shape)
    from_seen, to_seen = _index_box(ct.grid, seen)
    first = np.maximum(from_seen, BODY_STRIDE * (low - 1))
    last = np.minimum(to_seen, BODY_STRIDE * (high + 1))
    part = _cropped(ct, first, last)
    grid = patient_grid(part.grid, MOST_VOXELS)
    # Along parallel axes only what the grid covers is read, and no copy is made of the part.
    moved = resample(ct if grid.is_aligned_with(ct.grid) else part, grid, fill=AIR_HU)
    return PackedVolume(
        _steps(moved.array, CT_STEP_HU, -1024.0, 3071.0, np.int16), grid, CT_STEP_HU, "CT", "HU"
    )


def pack_activity(activity: ActivityMap) -> PackedVolume:
    """Return the activity concentration where there is any, along the patient's axes, for studies without CT."""
    mbq_per_ml = activity.array / (BQ_PER_MBQ * activity.grid.voxel_volume_ml)
    seen = mbq_per_ml > BACKGROUND * mbq_per_ml.max()
    low, high = _corners(occupied_box(seen), seen.shape)
    margin = np.ceil(MARGIN_MM / np.array(activity.grid.spacing_mm)).astype(np.int64)
    part = _cropped(Volume(mbq_per_ml, activity.grid), low - margin, high + margin)
    moved = resample(part, patient_grid(part.grid, MOST_VOXELS), fill=0.0)
    return _sixteen_bits(moved.array, moved.grid, "activity", "MBq/mL")


def pack_dose(dose: DoseMap, *, whole: bool = False) -> PackedVolume:
    """Return the dose [Gy] on its own grid, cropped to where it is not nothing.

    Parameters
    ----------
    dose : DoseMap
        What is packed.
    whole : bool
        Keep the whole grid, so that two doses on it lie voxel on voxel.
    """
    packed = _sixteen_bits(dose.array, dose.grid, "dose", "Gy")
    if whole:
        return packed
    low, high = _corners(occupied_box(packed.stored), packed.stored.shape)
    part = _cropped(Volume(packed.stored, packed.grid), low - 1, high + 1)
    return PackedVolume(part.array, part.grid, packed.step, packed.quantity, packed.unit)


def pack_mask(mask: Mask) -> PackedVolume:
    """Return the occupancy of a region in 255 steps, cropped to it."""
    low, high = _corners(mask.box, mask.array.shape)
    part = _cropped(mask, low - 1, high + 1)
    stored = np.rint(part.array * OCCUPANCY_STEPS).astype(np.uint8)
    return PackedVolume(stored, part.grid, 1.0 / OCCUPANCY_STEPS, "occupancy", "")


def patient_grid(grid: Grid, most_voxels: int) -> Grid:
    """Return a grid along the patient's axes over the box of another, as fine as that one allows.

    Where the other's axes are parallel to the patient's the voxels are the same, unless there are more than
    ``most_voxels``: then the finest spacing grows until there are not.
    """
    corners = grid.corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    order, _ = patient_axes(grid)
    own = np.array([grid.spacing_mm[axis] for axis in order])
    at_least = float(own.min())
    shape = _shape(high - low, own)
    while int(np.prod(shape)) > most_voxels:
        at_least *= 1.04
        shape = _shape(high - low, np.maximum(own, at_least))
    spacing = (high - low) / shape
    return Grid.from_spacing(shape[::-1], spacing[::-1], low + spacing / 2, grid.frame_of_reference_uid)


def _shape(extent_mm: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> list[int]:
    """How many voxels of about that spacing fill the extent along x, y, z."""
    return [max(1, ceil(e / s - 0.01)) for e, s in zip(extent_mm, spacing_mm, strict=True)]


def _sixteen_bits(values: NDArray[Any], grid: Grid, quantity: str, unit: str) -> PackedVolume:
    """Values from 0 to the greatest in 65535 steps; what is below 0 is the rounding of a transform."""
    step = float(np.float32(max(float(values.max()), 1e-30) / 65535.0))  # NIfTI keeps it in single precision
    return PackedVolume(_steps(values, step, 0.0, 65535.0 * step, np.uint16), grid, step, quantity, unit)


def _steps(
    values: NDArray[Any], step: float, low: float, high: float, stored: type[np.integer[Any]]
) -> NDArray[Any]:
    """Values between two limits as whole numbers of steps; slice by slice, since nothing else of their size is needed."""
    out = np.empty(values.shape, stored)
    for out_plane, plane in zip(out, values, strict=True):
        out_plane[...] = np.rint(np.clip(plane, low, high) / step)
    return out


def _corners(box: Box, shape: tuple[int, ...]) -> tuple[Corner, Corner]:
    """First and last index of a box; those of the whole array where it is empty."""
    if is_empty(box):
        return np.zeros(3, np.int64), np.array(shape, np.int64) - 1
    return np.array([part.start for part in box]), np.array([part.stop - 1 for part in box])


def _index_box(grid: Grid, seen: Grid) -> tuple[Corner, Corner]:
    """First and last index of a grid that another grid's box reaches."""
    reached = grid.lps_to_index(seen.corners_mm())
    low = np.floor(reached.min(axis=0) + 0.5 + 1e-6).astype(np.int64)
    return low, np.ceil(reached.max(axis=0) - 0.5 - 1e-6).astype(np.int64)


def _cropped(volume: V, low: Corner, high: Corner) -> V:
    """A volume between two indices, both included, as far as it reaches; all of it where the box misses it."""
    first, last = np.maximum(low, 0), np.minimum(high, np.array(volume.array.shape) - 1)
    if (first > last).any():
        first, last = np.zeros(3, np.int64), np.array(volume.array.shape) - 1
    array = volume.array[tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))]
    return type(volume)(array, volume.grid.crop(first.tolist(), array.shape))
