"""Drawn regions onto the dose grid, with what was lost at the edge of the image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from y90voxel.errors import Notice, RegionError
from y90voxel.regions.declared_types import looks_like_tumour
from y90voxel.regions.joining import union_of_shapes
from y90voxel.regions.rasterise import drawn_volume_ml, rasterise
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.regions.regions import DERIVED_NAMES, Region, Regions, union, unique_names
from y90voxel.regions.roles import LUNG_LOBES, Role, assign_roles, lobe_of_name, overridden_names
from y90voxel.regions.whole_liver import LiverTumours, with_whole_liver
from y90voxel.volumes.box import is_empty, occupied_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Mask

__all__ = [
    "occupancy_of",
    "place_regions",
    "place_shape",
    "placed_names",
    "urgent_first",
    "without_answered_types",
]

# A drawn volume may shrink by this fraction on the grid before it counts as cut off: the raster is exact to 0.1 %.
LOST_VOLUME_TOLERANCE = 0.005
MISSED_TUMOUR = "looks-like-tumour"
# Code of the notice that a region is a tumour by its type alone.
BY_TYPE = "tumours-by-type"


def place_regions(
    drawn: Sequence[DrawnRegion],
    grid: Grid,
    roles: Mapping[str, str] | None = None,
    *,
    must_be_whole: Collection[Role] = (Role.LIVER, Role.TUMOUR),
    drawn_on: Grid | None = None,
    liver_tumours: LiverTumours = "apart",
) -> tuple[Regions, list[Notice]]:
    """Return the regions as occupancies on ``grid``, and what has to be said about them.

    Parameters
    ----------
    drawn : sequence of DrawnRegion
        Contours or masks, on any geometry.
    grid : Grid
        The dose grid.
    roles : mapping of str to str, optional
        Roles by ROI name that win over the name's own.
    must_be_whole : collection of Role
        Roles that are refused when the image cuts them off or misses them; others are a notice.
    drawn_on : Grid or None
        The image that the regions were drawn on: lungs drawn up to its first or last slice were cut there.
    liver_tumours : {'ask', 'join', 'apart'}
        What is done about tumours that the liver leaves out (`y90voxel.regions.whole_liver.with_whole_liver`).

    Raises
    ------
    RegionError
        If a region that must be whole is not wholly inside the image, or it is asked whether a tumour belongs to the liver.
    InputError
        If an override names an unknown region or role.
    """
    names = placed_names(drawn)
    assigned = assign_roles(names, roles, [region.role for region in drawn])
    placed: list[Region] = []
    tumours: list[tuple[Contours | Mask, Mask]] = []
    notices: list[Notice] = []
    for name, region in zip(names, drawn, strict=True):
        role = assigned[name]
        if role is Role.IGNORE:
            continue
        mask, volume_ml = place_shape(region.shape, grid)
        fraction = min(mask.volume_ml / volume_ml, 1.0) if volume_ml > 0 else 0.0
        if not mask.array.any():
            notices += _missed(name, role, role in must_be_whole)
            continue
        fraction = 1.0 if fraction > 1.0 - LOST_VOLUME_TOLERANCE else fraction
        edges = _touched_edges(mask)
        cut_off = region.cut_off
        if role is Role.LUNG and drawn_on is not None and _drawn_to_the_end(region.shape, drawn_on):
            edges, cut_off = edges or "the end of the CT it was drawn on", True
        notices += _check_whole(name, role, fraction, edges, role in must_be_whole)
        truncated = fraction < 1.0 or bool(edges) or cut_off
        made = (region.automatic, fraction, truncated, region.from_ct, cut_off)
        placed.append(Region(name, role, mask, *made))
        if role is Role.TUMOUR:
            tumours.append((region.shape, mask))
    placed = _lungs_beside_liver(placed)
    answered = overridden_names(names, roles)
    notices = [*_role_notices(placed, answered), *notices]
    shapes, masks = [shape for shape, _ in tumours], [mask for _, mask in tumours]
    together = union_of_shapes(shapes, masks, grid) if tumours else None
    regions, joined = with_whole_liver(Regions(grid, tuple(placed), together), liver_tumours)
    return regions, [*notices, *joined]


def _role_notices(placed: Sequence[Region], answered: Collection[str]) -> list[Notice]:
    """Say which regions have no role, first of all those whose names look like tumours."""
    others = [region.name for region in placed if region.role is Role.OTHER]
    missed = [name for name in others if name not in answered and looks_like_tumour(name)]
    notices = []
    if missed:
        message = (
            f"{', '.join(map(repr, missed))}: the name looks like a tumour, but is not recognised as one. It counts as normal "
            f"liver where it lies in the liver. If it is a tumour, give --role '{missed[0]}=tumour'; if not, "
            f"--role '{missed[0]}=other'."
        )
        notices.append(Notice(MISSED_TUMOUR, message))
    if others:
        message = (
            f"no role was recognised for: {', '.join(others)}. They are reported and used for nothing else; "
            "give --role NAME=ROLE where one matters."
        )
        notices.append(Notice("other-regions", message))
    lobes = {lobe_of_name(region.name) for region in placed if region.role is Role.LUNG}
    missing = LUNG_LOBES - lobes
    if lobes and None not in lobes and missing:
        message = (
            f"{len(lobes)} of five lobes of the lungs are there; missing: {', '.join(sorted(' '.join(one) for one in missing))}. "
            "Lung masses and means lack them."
        )
        notices.append(Notice("lung-lobes-missing", message))
    return notices


def urgent_first(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """Return notices with those first that may mean a tumour counted as normal liver."""
    return tuple(sorted(notices, key=lambda notice: notice.code != MISSED_TUMOUR))


def placed_names(drawn: Sequence[DrawnRegion]) -> list[str]:
    """Return what regions are called once they are placed: each name once, none of a derived region."""
    return unique_names(f"{r.name} (drawn)" if r.name in DERIVED_NAMES else r.name for r in drawn)


def without_answered_types(
    notices: Iterable[Notice], drawn: Sequence[DrawnRegion], roles: Mapping[str, str] | None
) -> tuple[Notice, ...]:
    """Return notices without those that regions are tumours by their type where a role was given to these.

    Parameters
    ----------
    notices : iterable of Notice
        What was said when the regions were read.
    drawn : sequence of DrawnRegion
        The regions.
    roles : mapping of str to str, optional
        Role by name or pattern: who gives one has said what the region is.
    """
    names = placed_names(drawn)
    answered = overridden_names(names, roles)
    by_type = [name for name, region in zip(names, drawn, strict=True) if region.role is Role.TUMOUR]
    left = [name for name in by_type if name not in answered]
    if left == by_type:
        return tuple(notices)
    kept = [notice for notice in notices if notice.code != BY_TYPE]
    if left:
        message = (
            f"{', '.join(map(repr, left))}: no role was recognised by name, and their files say by type that these are tumours: "
            "they count as tumours where --role NAME=ROLE says nothing else."
        )
        kept.append(Notice(BY_TYPE, message))
    return tuple(kept)


def _lungs_beside_liver(placed: list[Region]) -> list[Region]:
    """The regions with lungs that were segmented from the CT giving way to liver and tumours, which were drawn."""
    solid = [r.mask for r in placed if r.role in (Role.LIVER, Role.TUMOUR)]
    segmented = [r for r in placed if r.from_ct and r.role is Role.LUNG]
    if not (solid and segmented):
        return placed
    free = 1.0 - union(solid).array
    return [
        replace(r, mask=r.mask.with_array(np.minimum(r.mask.array, free))) if r in segmented else r
        for r in placed
    ]


def place_shape(shape: Contours | Mask, grid: Grid) -> tuple[Mask, float]:
    """Return the occupancy of a shape on a grid, and its volume as drawn [mL]."""
    mask = occupancy_of(shape, grid)
    if isinstance(shape, Mask):
        return mask, shape.volume_ml
    return mask, drawn_volume_ml(shape) if shape.polygons else 0.0


def occupancy_of(shape: Contours | Mask, grid: Grid) -> Mask:
    """Return the occupancy of a shape on a grid."""
    if isinstance(shape, Mask):
        return shape if shape.grid.is_same_as(grid) else resample(shape, grid)
    return rasterise(shape, grid) if shape.polygons else Mask(np.zeros(grid.shape, np.float32), grid)


def _missed(name: str, role: Role, refused: bool) -> list[Notice]:
    """A region that lies wholly outside the image."""
    if refused:
        raise RegionError(
            f"the {role.value} region {name!r} lies wholly outside the emission image, or is empty. "
            "Check that image and regions belong to one study and frame of reference, or leave it out "
            f"(--role '{name}=ignore')."
        )
    return [
        Notice(
            "region-outside",
            f"the region {name!r} ({role.value}) lies outside the image or is empty; it is left out.",
        )
    ]


def _check_whole(name: str, role: Role, fraction: float, edges: str, refused: bool) -> list[Notice]:
    """Refuse a region that must be whole and is not; say it of other regions with a role."""
    if fraction == 1.0 and not edges:
        return []
    where = (
        f"{100 * fraction:.1f} % of its drawn volume lies inside the image"
        if fraction < 1.0
        else "it is drawn up to the edge of the image"
    )
    if refused:
        raise RegionError(
            f"the {role.value} region {name!r} is not wholly inside the emission image: {where}"
            f"{f' ({edges})' if edges else ''}. Its activity and dose would be wrong. Use an image that covers it, "
            f"or give the region another role (--role '{name}=other')."
        )
    if role is Role.LUNG:
        return [
            Notice(
                "lungs-truncated",
                f"the lung region {name!r} is truncated: {where}. Lung means from the map refer to the part in view.",
            )
        ]
    if role is not Role.BODY and (fraction < 1.0 or role in (Role.LIVER, Role.TUMOUR, Role.PERFUSED)):
        return [Notice("region-truncated", f"the {role.value} region {name!r} is truncated: {where}.")]
    return []


def _drawn_to_the_end(shape: Contours | Mask, image: Grid) -> bool:
    """Whether a region reaches the first or last slice of the image that it was drawn on."""
    if isinstance(shape, Contours):
        points = np.concatenate(shape.polygons) if shape.polygons else np.empty((0, 3))
    else:
        box = occupied_box(shape.array > 0.5)
        if is_empty(box):
            return False
        points = shape.grid.index_to_lps([[part.start for part in box], [part.stop - 1 for part in box]])
    if not len(points):
        return False
    slices = image.lps_to_index(points)[:, 0]
    return bool(slices.min() < 0.75 or slices.max() > image.shape[0] - 1.75)


def _touched_edges(mask: Mask) -> str:
    """Name the faces of the image that a region reaches with mostly full voxels, empty when none."""
    faces = []
    for axis, name in enumerate(("slice", "row", "column")):
        for index, end in ((0, "first"), (-1, "last")):
            if np.take(mask.array, index, axis=axis).max() > 0.5:
                faces.append(f"{end} {name}")
    return ", ".join(faces)
