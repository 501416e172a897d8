"""Whether regions that were paired by name can be the same anatomy: places of lesions, left and right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.region_pairs import IN_A_BATCH, RegionPair
from y90voxel.errors import InputError, Notice
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role, side_of_name
from y90voxel.volumes.volume import Mask

__all__ = ["centroid_mm", "check_places"]

Point = NDArray[np.float64]

# Lesions of one name whose centroids, from the centroid of the liver, lie further apart are asked for [mm]: breathing and
# positioning move a liver with its lesions, contours of one lesion differ by less (issue 21).
FARTHEST_MM = 20.0
# Lungs, kidneys, or liver and lungs that lie nearer to each other across the body say nothing of left and right [mm].
CLEARLY_ASIDE_MM = 20.0


def centroid_mm(mask: Mask) -> Point:
    """Return the centroid of a region in its own frame (LPS) [mm]."""
    box = mask.box
    part = np.asarray(mask.array[box], np.float64)
    total = part.sum()
    index = [
        float(
            (part.sum(axis=tuple(other for other in range(3) if other != axis)) * np.arange(length)).sum()
            / total
        )
        + box[axis].start
        for axis, length in enumerate(part.shape)
    ]
    return np.asarray(mask.grid.index_to_lps(np.array(index)), np.float64)


def check_places(
    pairs: Sequence[RegionPair], predicted: Sequence[Region], delivered: Sequence[Region], one_frame: bool
) -> list[Notice]:
    """Return what is said of lesions that were split, merged or could not be checked.

    Parameters
    ----------
    pairs : sequence of RegionPair
        What is to be compared.
    predicted, delivered : sequence of Region
        All regions of the two sides.
    one_frame : bool
        Whether coordinates of the two sides compare, for lesions without a liver around them.

    Raises
    ------
    InputError
        If left and right are swapped between the two, or lesions that were not paired by the user lie more than 20 mm
        apart relative to the liver.
    """
    _check_sides(predicted, delivered)
    shift = _shift(predicted, delivered, one_frame)
    lesions = [pair for pair in pairs if pair.delivered.role is Role.TUMOUR]
    if shift is None:
        asked = [pair.delivered.name for pair in lesions if pair.matched_by != "user"]
        if not asked:
            return []
        message = (
            f"{', '.join(asked)}: paired by name or role alone. Whether they lie at the same place cannot be checked, because "
            "not both doses have a liver and their coordinates do not compare."
        )
        return [Notice("lesion-places-unchecked", message)]
    _ask_about_distant(lesions, shift)
    return _split_or_merged(lesions, predicted, delivered, shift)


def _shift(predicted: Sequence[Region], delivered: Sequence[Region], one_frame: bool) -> Point | None:
    """What brings points of the predicted side onto the delivered one: liver onto liver; None where unknown [mm]."""
    livers = [[r for r in side if r.role is Role.LIVER] for side in (predicted, delivered)]
    if all(livers):
        one, other = (centroid_mm(first[0].mask) for first in livers)
        return other - one
    return np.zeros(3) if one_frame else None


def _ask_about_distant(lesions: Sequence[RegionPair], shift: Point) -> None:
    """Refuse pairs of lesions that lie too far apart, unless the user made them."""
    far = []
    for pair in lesions:
        one, other = centroid_mm(pair.predicted.mask) + shift, centroid_mm(pair.delivered.mask)
        apart = float(np.linalg.norm(other - one))
        if apart > FARTHEST_MM and pair.matched_by != "user":
            far.append((pair, apart))
    if not far:
        return
    distances = "; ".join(
        f"{pair.predicted.name!r} (predicted) and {pair.delivered.name!r} (delivered) lie {apart:.0f} mm apart"
        for pair, apart in far
    )
    pair = far[0][0]
    same, not_same = f"{pair.predicted.name}={pair.delivered.name}", f"{pair.predicted.name}="
    raise InputError(
        f"are these the same lesions? Relative to the liver, {distances}; more than {FARTHEST_MM:g} mm is not taken for one "
        f"lesion by its name. Say which belong together: --pair '{same}' where they are the same, --pair '{not_same}' (or "
        f"another lesion after the sign) where not; {IN_A_BATCH}.",
        tag="--pair",
    )


def _split_or_merged(
    lesions: Sequence[RegionPair], predicted: Sequence[Region], delivered: Sequence[Region], shift: Point
) -> list[Notice]:
    """Name lesions without a counterpart that lie within a lesion of the other side, or are one under another name."""
    paired = [p for pair in lesions for p in (pair.predicted_parts or (pair.predicted,))]
    paired += [p for pair in lesions for p in (pair.delivered_parts or (pair.delivered,))]

    def alone(regions: Sequence[Region]) -> list[Region]:
        return [r for r in regions if r.role is Role.TUMOUR and not any(r is piece for piece in paired)]

    notices = []
    for one in alone(predicted):
        around = _around(one, delivered, shift)
        if len(around) == 1 and any(around[0] is other for other in alone(delivered)):
            (other,) = around
            back = _around(other, predicted, -shift)
            if len(back) == 1 and back[0] is one:
                paired += [one, other]
                message = (
                    f"{one.name!r} (predicted) and {other.name!r} (delivered) lie at one place of the liver under two names "
                    f"and were not compared; where they are one lesion: --pair '{one.name}={other.name}' "
                    f"({IN_A_BATCH})."
                )
                notices.append(Notice("lesion-renamed", message))
    for side, own, others, move in (
        ("delivered", delivered, predicted, -shift),
        ("predicted", predicted, delivered, shift),
    ):
        other_side = "predicted" if side == "delivered" else "delivered"
        for lesion in alone(own):
            for other in _around(lesion, others, move):
                message = (
                    f"{lesion.name!r} ({side}) has no counterpart and lies within {other.name!r} ({other_side}): the lesion was "
                    "split or merged between the two. Join its parts with a plus sign to compare it as a whole, such as --pair "
                    f"{_joined(lesion, other, side, lesions)} ({IN_A_BATCH})."
                )
                notices.append(Notice("lesion-split-or-merged", message))
    return notices


def _around(lesion: Region, others: Sequence[Region], move: Point) -> list[Region]:
    """Tumours that hold the centroid of a lesion."""
    point = centroid_mm(lesion.mask) + move
    return [other for other in others if other.role is Role.TUMOUR and _holds(other.mask, point)]


def _joined(lesion: Region, around: Region, side: str, lesions: Sequence[RegionPair]) -> str:
    """The pair that a user could mean."""
    if side == "delivered":
        with_it = [pair.delivered.name for pair in lesions if pair.predicted is around]
        return f"'{around.name}={'+'.join([*with_it, lesion.name])}'"
    with_it = [pair.predicted.name for pair in lesions if pair.delivered is around]
    return f"'{'+'.join([*with_it, lesion.name])}={around.name}'"


def _holds(mask: Mask, point_mm: Point) -> bool:
    """Whether a point lies in a region."""
    index = np.rint(mask.grid.lps_to_index(point_mm)).astype(int)
    if (index < 0).any() or (index >= mask.grid.shape).any():
        return False
    return bool(mask.array[tuple(index)] >= 0.5)


def _check_sides(predicted: Sequence[Region], delivered: Sequence[Region]) -> None:
    """Refuse a pair of studies of which one has left and right swapped."""
    for what, where in (
        ("the left lung lies to the {} of the right one", _across(Role.LUNG)),
        ("the left kidney lies to the {} of the right one", _across(Role.KIDNEY)),
        ("the liver lies to the {} of the middle of the lungs", _liver_beside_lungs),
    ):
        one, other = where(predicted), where(delivered)
        if one is None or other is None or one * other > 0:
            continue
        sides = [what.format("left" if value > 0 else "right") for value in (one, other)]
        raise InputError(
            f"left and right are swapped between the two: in the predicted dose {sides[0]} ({abs(one):.0f} mm), in the delivered "
            f"one {sides[1]} ({abs(other):.0f} mm). Check orientation and region names of both.",
            tag="ImageOrientationPatient",
        )


def _across(role: Role) -> Any:
    """A function that says how far the left of two organs lies to the patient's left of the right one."""

    def measured(regions: Sequence[Region]) -> float | None:
        sides = {side_of_name(region.name): region for region in regions if region.role is role}
        if "left" not in sides or "right" not in sides:
            return None
        return _clear(centroid_mm(sides["left"].mask)[0] - centroid_mm(sides["right"].mask)[0])

    return measured


def _liver_beside_lungs(regions: Sequence[Region]) -> float | None:
    """How far the liver lies to the patient's left of the middle between both lungs."""
    livers = [region for region in regions if region.role is Role.LIVER]
    lungs = {side_of_name(r.name): centroid_mm(r.mask) for r in regions if r.role is Role.LUNG}
    if not livers or "left" not in lungs or "right" not in lungs:
        return None
    middle = 0.5 * (lungs["left"][0] + lungs["right"][0])
    return _clear(centroid_mm(livers[0].mask)[0] - middle)


def _clear(aside_mm: float) -> float | None:
    """A distance across the body, None where it is too small to tell the sides apart."""
    return float(aside_mm) if abs(aside_mm) >= CLEARLY_ASIDE_MM else None
