"""Two doses on one grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.errors import InputError, Notice
from y90voxel.regions.regions import Region
from y90voxel.volumes.resample import coverage, resample
from y90voxel.volumes.volume import DoseMap, Volume

__all__ = ["grid_notices", "in_one_frame", "on_delivered_grid", "regions_of_other", "without_negatives"]

# A voxel counts as reached by the other map when at least this much of it is.
WHOLLY = 0.999
# What gives a comparison voxel by voxel where frames of reference differ.
WAY_OUT = (
    "--register rigid or --register deformable, with the CTs of both studies (--predicted-ct, --delivered-ct), gives it, and so "
    "does a registration object between the two frames (--register FILE.dcm); the regions are compared all the same."
)


def in_one_frame(
    predicted: ComparedDose, delivered: ComparedDose, trusted: bool
) -> tuple[ComparedDose | None, list[Notice], str]:
    """Return the predicted side with the coordinates of the delivered one, what that assumes, and how it was done.

    Where the frames of reference differ and are not trusted the side is None, and the text is the reason.
    """
    one = predicted.dose.grid.frame_of_reference_uid
    other = delivered.dose.grid.frame_of_reference_uid
    if one == other and one is not None:
        return predicted, [], "one frame of reference"
    if one is None or other is None:
        which = " and ".join(name for name, uid in (("predicted", one), ("delivered", other)) if uid is None)
        if not _reached(predicted.dose, delivered.dose).any():
            reason = (
                f"the frame of reference of the {which} dose is not known, and the maps do not overlap by their coordinates, so "
                f"there is no comparison voxel by voxel. {WAY_OUT}"
            )
            return None, [], reason
        message = (
            f"the frame of reference of the {which} dose is not known; its coordinates are taken as common."
        )
        return _in_frame(predicted, other), [Notice("frame-unknown", message)], "coordinates taken as common"
    if not trusted:
        reason = (
            f"the predicted dose lies in frame of reference {one}, the delivered one in {other}: their coordinates do not "
            f"compare, so there is no comparison voxel by voxel. {WAY_OUT}"
        )
        return None, [], reason
    message = f"the frames of reference differ ({one}; {other}) and are taken as common, as was asked."
    return (
        _in_frame(predicted, other),
        [Notice("frames-trusted", message)],
        "coordinates taken as common, as asked",
    )


def regions_of_other(side: ComparedDose, other: ComparedDose) -> tuple[Region, ...]:
    """Return the regions of the other side on the grid of this one, as far as it reaches; both in one frame."""
    carried = []
    for region in other.regions:
        mask = region.mask
        if not mask.grid.is_same_as(side.dose.grid):
            mask = resample(mask, side.dose.grid)
        if mask.array.any():
            carried.append(replace(region, mask=mask))
    return tuple(carried)


def on_delivered_grid(predicted: DoseMap, delivered: DoseMap) -> tuple[DoseMap, NDArray[np.bool_]]:
    """Return the predicted dose on the delivered grid, and the voxels that it reaches wholly.

    Averaged where the delivered voxels are as large or larger, so that energy is kept in tissue of even density;
    linear where they are smaller.

    Raises
    ------
    InputError
        If the two maps do not overlap.
    """
    grid = delivered.grid
    if predicted.grid.is_same_as(grid):
        return DoseMap(predicted.array, grid), np.ones(grid.shape, bool)
    covered = _reached(predicted, delivered)
    if not covered.any():
        raise InputError(
            f"the two dose maps do not overlap: the predicted one is {predicted.grid}, the delivered one {grid}. "
            "Check that they belong to one patient and one frame of reference."
        )
    # As a plain intensive quantity: a dose map itself would be read at voxel centres, which aliases fine maps.
    moved = resample(Volume(predicted.array, predicted.grid), grid, fill=0.0)
    return DoseMap(moved.array, grid), covered


def _reached(predicted: DoseMap, delivered: DoseMap) -> NDArray[np.bool_]:
    """The delivered voxels that the predicted map reaches wholly."""
    return np.asarray(coverage(predicted.grid, delivered.grid).array >= WHOLLY)


def grid_notices(predicted: DoseMap, delivered: DoseMap) -> list[Notice]:
    """Say that the prediction was moved to another grid, which changes the doses of small regions by itself."""
    if predicted.grid.is_same_as(delivered.grid):
        return []
    message = (
        f"the predicted dose was computed on {predicted.grid} and is read on the delivered grid, {delivered.grid}: at edges "
        "and in small regions that alone changes it by a few percent. What the calculation itself states is kept beside it "
        "(regions[].predicted)."
    )
    return [Notice("grids-differ", message)]


def without_negatives(*doses: DoseMap) -> tuple[tuple[DoseMap, ...], list[Notice]]:
    """Return the maps with doses below zero set to zero, and say so; they come from counts below zero."""
    lowest = min(float(dose.array.min()) for dose in doses)
    if lowest >= 0:
        return doses, []
    message = (
        f"voxels below 0 Gy (down to {lowest:.4g} Gy, from counts below 0 in an image) are compared as 0."
    )
    clipped = tuple(dose.with_array(np.maximum(dose.array, 0)) for dose in doses)
    return clipped, [Notice("negative-doses", message)]


def _in_frame(side: ComparedDose, uid: str | None) -> ComparedDose:
    """A side whose grids name another frame of reference."""
    grid = replace(side.dose.grid, frame_of_reference_uid=uid)
    regions = tuple(
        replace(region, mask=replace(region.mask, grid=replace(region.mask.grid, frame_of_reference_uid=uid)))
        for region in side.regions
    )
    return replace(side, dose=replace(side.dose, grid=grid), regions=regions)
