"""How a predicted dose comes into the frame of the delivered one: by a rigid motion or a deformation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.common_grid import WHOLLY
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.lesion_places import centroid_mm
from y90voxel.comparison.region_pairs import RegionPair
from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Transform
from y90voxel.volumes.volume import DoseMap, Mask
from y90voxel.volumes.warp import all_pulled_back, pulled_back, pushed

__all__ = [
    "Placement",
    "hausdorff_95_mm",
    "liver_changed",
    "moved_rigidly",
    "on_grid",
    "placement_entry",
    "with_moved_masks",
]

# Livers whose volumes differ by more than this were resected, grew or were drawn otherwise: no voxel of one is one of the
# other (issue 21).
LARGEST_VOLUME_CHANGE = 0.15


@dataclass(frozen=True, eq=False)
class Placement:
    """A registration of the predicted frame with the delivered one.

    Parameters
    ----------
    pull : Transform
        From points of the delivered frame to points of the predicted one.
    how : str
        How it was found, in words.
    rigid : AffineTransform or None
        From the predicted frame to the delivered one, where it turns and shifts only.
    base : AffineTransform or None
        The rigid motion that a deformation adds to, from the predicted frame to the delivered one.
    source, target : str or None
        The predicted and the delivered frame of reference that it was found for; None where unknown.
    record : mapping
        What ``compare.json`` says of it.
    notices : tuple of Notice
        What is said of it.
    inputs : tuple of mapping
        CTs or the registration object that it was made from, for provenance.
    """

    pull: Transform
    how: str
    rigid: AffineTransform | None = None
    base: AffineTransform | None = None
    source: str | None = None
    target: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = ()

    def check_frames(self, predicted: Grid, delivered: Grid) -> None:
        """Refuse a registration of other frames of reference.

        Raises
        ------
        GeometryError
            If one of the two frames is another than that of the dose.
        """
        for side, own, dose in (
            ("predicted", self.source, predicted.frame_of_reference_uid),
            ("delivered", self.target, delivered.frame_of_reference_uid),
        ):
            if own is not None and dose is not None and own != dose:
                raise GeometryError(
                    f"the registration is of frame of reference {own} on the {side} side, the {side} dose lies in {dose}. "
                    "Give the CT that belongs to the dose, or a registration of its frame.",
                    tag="FrameOfReferenceUID",
                )


def moved_rigidly(side: ComparedDose, rigid: AffineTransform, frame: str | None) -> ComparedDose:
    """Return a side with its grids carried into another frame by a rigid motion; nothing is resampled."""
    grid = rigid.moved(side.dose.grid, frame)
    regions = tuple(replace(region, mask=replace(region.mask, grid=grid)) for region in side.regions)
    activity = None if side.activity is None else replace(side.activity, grid=grid)
    return replace(side, dose=replace(side.dose, grid=grid), regions=regions, activity=activity)


def on_grid(dose: DoseMap, target: Grid, pull: Transform) -> tuple[DoseMap, NDArray[np.bool_]]:
    """Return the dose of the tissue that lies at each voxel of the delivered grid, and where it is wholly known.

    Raises
    ------
    InputError
        If it is known nowhere.
    """
    values, coverage_share = pulled_back(dose.array, dose.grid, target, pull)
    reached = coverage_share >= WHOLLY
    if not reached.any():
        raise InputError(
            f"the two dose maps do not overlap after registration: the predicted one is {dose.grid}, the delivered one {target}. "
            "Check that they belong to one patient.",
            tag="--register",
        )
    return DoseMap(np.where(reached, values, 0.0), target), reached


def with_moved_masks(pairs: Sequence[RegionPair], target: Grid, pull: Transform) -> list[RegionPair]:
    """Return pairs whose predicted regions lie where the deformation puts them on the delivered grid."""
    if not pairs:
        return []
    grid = pairs[0].predicted.mask.grid
    arrays, coverage_share = all_pulled_back(
        [pair.predicted.mask.array for pair in pairs], grid, target, pull
    )
    return [
        replace(
            pair,
            predicted=replace(
                pair.predicted,
                mask=Mask(np.clip(values * coverage_share, 0.0, 1.0).astype(np.float32), target),
            ),
        )
        for pair, values in zip(pairs, arrays, strict=True)
    ]


def placement_entry(
    placement: Placement, predicted: ComparedDose, delivered: ComparedDose, moved: Sequence[RegionPair]
) -> dict[str, Any]:
    """Return what ``compare.json`` says of a registration: how good it is where livers and tumours lie.

    Parameters
    ----------
    placement : Placement
        The registration.
    predicted, delivered : ComparedDose
        The sides as they were given.
    moved : sequence of RegionPair
        With the predicted regions on the delivered grid.
    """
    livers = [pair for pair in moved if pair.delivered.role is Role.LIVER]
    tumours = [pair for pair in moved if pair.delivered.role is Role.TUMOUR]
    return {
        "how": placement.how,
        **placement.record,
        "liver": None if not livers else _overlap_entry(livers[0]),
        "tumours": [
            {"name": pair.delivered.name, **_tumour_entry(pair, placement)}
            for pair in tumours
            if pair.predicted.mask.array.any()
        ],
        "activity": _activity_entry(predicted, delivered.dose.grid, placement),
    }


def hausdorff_95_mm(one: Mask, other: Mask) -> float:
    """Return the 95th percentile of the distances between the surfaces of two regions on one grid, both ways [mm].

    Raises
    ------
    GridMismatchError
        If they lie on different grids.
    """
    # deferred: 0.2 s
    from scipy.ndimage import binary_erosion, distance_transform_edt

    other.check_on(one.grid, "region")
    surfaces = []
    for mask in (one, other):
        inside = mask.array >= 0.5
        surfaces.append(inside & ~binary_erosion(inside))
    if not all(surface.any() for surface in surfaces):
        return float("inf")
    away = [distance_transform_edt(~surface, sampling=one.grid.spacing_mm) for surface in surfaces]
    return float(np.percentile(np.concatenate([away[1][surfaces[0]], away[0][surfaces[1]]]), 95))


def _overlap_entry(pair: RegionPair) -> dict[str, float]:
    """Dice and distance of surfaces of a region after registration."""
    one, other = pair.delivered.mask, pair.predicted.mask
    shared = float(np.minimum(one.array, other.array).sum(dtype=np.float64))
    return {"dice": 2.0 * shared / (one.total + other.total), "hd95_mm": hausdorff_95_mm(one, other)}


def _tumour_entry(pair: RegionPair, placement: Placement) -> dict[str, float | None]:
    """How far the deformation moves a tumour beyond the rigid motion, and how far its centroids are apart after it."""
    here = centroid_mm(pair.delivered.mask)
    came_from = placement.pull.points(here)
    beyond = (
        None if placement.base is None else float(np.linalg.norm(placement.base.points(came_from) - here))
    )
    apart = float(np.linalg.norm(centroid_mm(pair.predicted.mask) - here))
    return {"displacement_mm": beyond, "centroid_distance_mm": apart}


def _activity_entry(side: ComparedDose, target: Grid, placement: Placement) -> dict[str, float] | None:
    """Activity of the predicted map before and after it was carried along, and what left the view [Bq]."""
    if side.activity is None:
        return None
    carried, lost = pushed(side.activity.array, side.activity.grid, target, placement.pull.inverse())
    before = float(side.activity.array.sum(dtype=np.float64))
    return {"before_bq": before, "carried_bq": float(carried.sum()), "outside_bq": lost}


def liver_changed(pairs: Sequence[RegionPair]) -> str | None:
    """Return why two livers cannot be compared voxel by voxel, None where their volumes agree within 15 %."""
    for pair in pairs:
        if pair.delivered.role is Role.LIVER:
            one, other = pair.predicted.mask.volume_ml, pair.delivered.mask.volume_ml
            if abs(other / one - 1.0) > LARGEST_VOLUME_CHANGE:
                return (
                    f"the liver has {one:.0f} mL in the predicted study and {other:.0f} mL in the delivered one "
                    f"({100 * (other / one - 1):+.0f} %): resected, grown or drawn otherwise, so that voxels of one are not "
                    "voxels of the other. There is no comparison voxel by voxel, with or without registration."
                )
    return None
