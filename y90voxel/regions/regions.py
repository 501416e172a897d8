"""Named regions on the dose grid, and the regions that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import RegionError
from y90voxel.regions.regions_view import regions_html
from y90voxel.regions.roles import LUNG_LOBES, Role, lobe_of_name, side_of_name
from y90voxel.short_repr import short_repr
from y90voxel.volumes.box import shared_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

__all__ = ["DERIVED_NAMES", "Region", "Regions", "subtract", "union", "unique_names"]

# Names that derived regions have; a region drawn under one of them gets a number.
DERIVED_NAMES = ("all tumours", "non-tumour liver", "perfused non-tumour liver", "unperfused liver", "lungs")

# What the occupancies of two neighbours may exceed a voxel by, from rasterising each by itself.
_RASTER_TOLERANCE = 0.02
# Occupancies whose slopes multiply to less than this have no surface that faces anywhere.
FLAT = 1e-6
# Tumours that share this fraction of the smaller one overlap; less is the thickness of a pencil.
LEAST_SHARED = 0.01


@dataclass(frozen=True, eq=False)
class Region:
    """One region on the dose grid.

    Parameters
    ----------
    name : str
        As drawn, or the standard name of a derived region.
    role : Role
        What it means to the dosimetry.
    mask : Mask
        Fractional occupancy on the dose grid.
    automatic : bool
        True when no person drew it or its parts.
    fraction_in_image : float
        Drawn volume that lies inside the image, 0 to 1.
    truncated : bool
        True when part of it lies outside the image or it is drawn up to the image's edge.
    from_ct : bool
        True when it was segmented from the CT here, because none was drawn.
    cut_off : bool
        True when the image that it was drawn on ends within it; its shape is then not all of it.
    """

    name: str
    role: Role
    mask: Mask
    automatic: bool = False
    fraction_in_image: float = 1.0
    truncated: bool = False
    from_ct: bool = False
    cut_off: bool = False

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class Regions:
    """All regions of a case, on one grid, with the derived ones.

    Parameters
    ----------
    grid : Grid
        The dose grid.
    drawn : tuple of Region
        The regions as drawn, in the order of the file; names are unique.
    tumours_together : Mask or None
        The union of the tumours, from their shapes; None takes it from their occupancies (`union`).

    Raises
    ------
    GridMismatchError
        If a mask lies on another grid.
    RegionError
        If two regions share a name, or two regions claim to be the liver or the body.
    """

    grid: Grid
    drawn: tuple[Region, ...] = ()
    tumours_together: Mask | None = None

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        """Show the regions in a notebook."""
        return regions_html(self.drawn, self.derived)

    def __post_init__(self) -> None:
        object.__setattr__(self, "drawn", tuple(self.drawn))
        if self.tumours_together is not None:
            self.tumours_together.check_on(self.grid, "the union of the tumours")
        names = [*DERIVED_NAMES, *(region.name for region in self.drawn)]
        for region in self.drawn:
            region.mask.check_on(self.grid, f"region {region.name!r}")
            if names.count(region.name) > 1:
                raise RegionError(f"two regions are named {region.name!r}; rename one of them.")
        for role in (Role.LIVER, Role.BODY):
            several = [r.name for r in self.drawn if r.role is role]
            if len(several) > 1:
                raise RegionError(
                    f"{len(several)} regions look like the {role.value}: {', '.join(several)}. "
                    f"Say which is meant, such as --role '{several[0]}={role.value}' --role '{several[1]}=other'.",
                    tag="regions.roles",
                )

    def __iter__(self) -> Iterator[Region]:
        return iter((*self.drawn, *self.derived))

    def __getitem__(self, name: str) -> Region:
        """Return the region of that name.

        Raises
        ------
        RegionError
            If no region has it; the message lists the names.
        """
        for region in self:
            if region.name == name:
                return region
        raise RegionError(
            f"no region is named {name!r}. The regions are: {', '.join(r.name for r in self) or 'none'}."
        )

    def with_role(self, role: Role) -> tuple[Region, ...]:
        """Return the regions, drawn or derived, that have a role."""
        return tuple(region for region in self if region.role is role)

    def mask_of(self, *roles: Role) -> Mask | None:
        """Return the union of all drawn regions with these roles, or None when there is none."""
        wanted = tuple(dict.fromkeys(roles))
        if wanted not in self._unions:
            if len(wanted) == 1:
                masks = [r.mask for r in self.drawn if r.role is wanted[0]]
                self._unions[wanted] = union(masks, same_kind=True) if masks else None
            else:
                each = [mask for mask in map(self.mask_of, wanted) if mask is not None]
                self._unions[wanted] = union(each) if each else None
        return self._unions[wanted]

    def without_tumours(self, whole: Mask | None) -> Mask | None:
        """Return a region less the union of the tumours; None without it."""
        tumours = [region.mask for region in self.drawn if region.role is Role.TUMOUR]
        return subtract(whole, *tumours, together=self.mask_of(Role.TUMOUR))

    def tumour_parts(self, within: Mask | None = None) -> dict[str, Mask]:
        """Return the tumours by name as parts that exclude each other and add up to their union.

        What several tumours share is shared out among them in proportion to how much of the voxel each fills, so
        that masses and activities of the parts add up to those of the union. Tumours that share nothing are whole.

        Parameters
        ----------
        within : Mask or None
            Only what lies in that region.
        """
        tumours = [region for region in self.drawn if region.role is Role.TUMOUR]
        whole = self.mask_of(Role.TUMOUR)
        if whole is None:
            return {}
        occupied = whole.array if within is None else np.minimum(whole.array, within.array)
        filled = np.zeros(self.grid.shape)
        for region in tumours:
            filled[region.mask.box] += region.mask.array[region.mask.box]
        parts = {}
        for region in tumours:
            box, part = region.mask.box, np.zeros(self.grid.shape, occupied.dtype)
            own, total, here = region.mask.array[box], filled[box], occupied[box]
            shared = here * own / np.where(total > own, total, 1.0)
            part[box] = np.where(total > own, shared, np.where(own > 0, here, 0.0))
            parts[region.name] = whole.with_array(part)
        return parts

    def shared_by_tumours(self) -> dict[tuple[str, str], float]:
        """Return the volume that two tumours share, by their names, of those that overlap [mL]."""
        tumours = [region for region in self.drawn if region.role is Role.TUMOUR]
        shared = {}
        for one, other in combinations(tumours, 2):
            less = min(one.mask.volume_ml, other.mask.volume_ml)
            together = union([one.mask, other.mask], same_kind=True)
            volume = one.mask.volume_ml + other.mask.volume_ml - together.volume_ml
            if volume > LEAST_SHARED * less:
                shared[one.name, other.name] = volume
        return shared

    @cached_property
    def _unions(self) -> dict[tuple[Role, ...], Mask | None]:
        """The unions made so far, by their roles."""
        return {} if self.tumours_together is None else {(Role.TUMOUR,): self.tumours_together}

    @cached_property
    def derived(self) -> tuple[Region, ...]:
        """The regions that follow from the drawn ones, present when their parts are."""
        liver, tumours = self.mask_of(Role.LIVER), self.mask_of(Role.TUMOUR)
        perfused, lungs = self.mask_of(Role.PERFUSED), self.mask_of(Role.LUNG)
        derived: list[Region] = []

        def add(name: str, role: Role, mask: Mask | None, *parts: Role) -> None:
            if mask is not None and mask.array.any():
                members = [r for r in self.drawn if r.role in parts]
                automatic = any(r.automatic for r in members)
                fraction = min((r.fraction_in_image for r in members), default=1.0)
                truncated = any(r.truncated for r in members)
                from_ct, cut_off = any(r.from_ct for r in members), any(r.cut_off for r in members)
                derived.append(Region(name, role, mask, automatic, fraction, truncated, from_ct, cut_off))

        add("all tumours", Role.TUMOURS, tumours, Role.TUMOUR)
        normal = self.without_tumours(liver)
        add("non-tumour liver", Role.NON_TUMOUR_LIVER, normal, Role.LIVER, Role.TUMOUR)
        if perfused is not None:
            both = (Role.PERFUSED, Role.TUMOUR)
            normal = self.without_tumours(perfused)
            add("perfused non-tumour liver", Role.PERFUSED_NON_TUMOUR_LIVER, normal, *both)
            add(
                "unperfused liver",
                Role.UNPERFUSED_LIVER,
                subtract(liver, perfused),
                Role.LIVER,
                Role.PERFUSED,
            )
        add("lungs", Role.LUNGS, lungs, Role.LUNG)
        return tuple(derived)

    @property
    def both_lungs_in_view(self) -> bool:
        """Whether both lungs are known, drawn or segmented from CT, and lie wholly inside the image."""
        lungs = [region for region in self.drawn if region.role is Role.LUNG]
        sides = {side_of_name(region.name) for region in lungs}
        lobes = [lobe_of_name(region.name) for region in lungs]
        both = None in sides or sides == {"left", "right"}
        if None not in lobes:
            both = set(lobes) >= LUNG_LOBES
        return both and not any(region.truncated for region in lungs)

    @property
    def both_lungs_drawn_in_view(self) -> bool:
        """Whether both lungs lie wholly inside the image and were drawn.

        Only then do they decide unasked how counts become activity: a wrong contour of ours must not scale a
        whole dose map.
        """
        return self.both_lungs_in_view and not any(r.from_ct for r in self.drawn if r.role is Role.LUNG)

    @property
    def hepatic_reserve(self) -> float | None:
        """Untreated fraction of the liver volume, or None without liver or perfused volume."""
        liver, rest = self.mask_of(Role.LIVER), self.with_role(Role.UNPERFUSED_LIVER)
        if liver is None or self.mask_of(Role.PERFUSED) is None:
            return None
        return (rest[0].mask.total if rest else 0.0) / liver.total


def union(masks: Sequence[Mask], *, same_kind: bool = False) -> Mask:
    """Return the occupancy of several regions together.

    Neighbours share voxels only along their surface, and their parts of a voxel add up to one at most.
    Regions that together overfill a voxel overlap (one is drawn inside the other): a boundary voxel is then
    as full as the fuller of them, or, between regions of one kind whose surfaces cross there, fuller by the angle.

    Parameters
    ----------
    masks : sequence of Mask
        At least one, all on one grid.
    same_kind : bool
        Whether they are regions of one kind: two may be the same drawn twice, or overlap in part. On coarse voxels
        neither copy of a small lesion fills one, so that sharing a quarter of the smaller one counts as overlap too.
    """
    total = masks[0]
    for mask in masks[1:]:
        mask.check_on(masks[0].grid, "region")
        joined = np.array(total.array, dtype=np.result_type(total.array, mask.array, np.float32))
        part, added = joined[mask.box], mask.array[mask.box]
        if _overfill(total, mask) or (same_kind and _repeat(total, mask)):
            np.maximum(part, added, out=part)
            if same_kind:
                _add_where_surfaces_cross(part, total, mask)
        else:
            np.minimum(part + added, 1.0, out=part)
        total = total.with_array(joined)
    return total


def _overfill(one: Mask, other: Mask) -> bool:
    """Whether two regions fill some voxel more than once, as neighbours cannot."""
    both = shared_box(one.box, other.box)
    return float((one.array[both] + other.array[both]).max(initial=0.0)) > 1.0 + _RASTER_TOLERANCE


def _repeat(one: Mask, other: Mask) -> bool:
    """Whether two regions share so much that they must be of one thing."""
    both = shared_box(one.box, other.box)
    shared = np.minimum(one.array[both], other.array[both]).sum(dtype=np.float64)
    return float(shared) > 0.25 * min(one.total, other.total)


def _add_where_surfaces_cross(joined: NDArray[np.floating], one: Mask, other: Mask) -> None:
    """Fill up voxels that two overlapping regions fill in part, by the angle between their surfaces.

    Surfaces that face the same way share as much as they can, those across each other at random, those that face
    each other as little as they can; between these, linear in the cosine. ``joined`` is the box of ``other``, as full
    as the fuller of both.
    """
    both = shared_box(one.box, other.box)
    partly = (one.array[both] > 0) & (one.array[both] < 1) & (other.array[both] > 0) & (other.array[both] < 1)
    where = np.argwhere(partly) + [part.start for part in both]
    if not len(where):
        return
    at = tuple(where.T)
    a, b = (mask.array[at].astype(np.float64) for mask in (one, other))
    n, m = _slope(one.array, where), _slope(other.array, where)
    steep = np.linalg.norm(n, axis=1) * np.linalg.norm(m, axis=1)
    cosine = np.where(steep > FLAT, (n * m).sum(axis=1) / np.maximum(steep, FLAT), 1.0)
    most, least = np.minimum(a, b), np.maximum(a + b - 1.0, 0.0)
    shared = a * b + np.abs(cosine) * (np.where(cosine > 0, most, least) - a * b)
    joined[tuple((where - [part.start for part in other.box]).T)] = a + b - shared


def _slope(occupancy: NDArray[np.floating], where: NDArray[np.int64]) -> NDArray[np.float64]:
    """Differences between the neighbours of voxels along every axis."""
    slope = np.zeros(where.shape)
    for axis, length in enumerate(occupancy.shape):
        above, below = where.copy(), where.copy()
        above[:, axis] = np.minimum(where[:, axis] + 1, length - 1)
        below[:, axis] = np.maximum(where[:, axis] - 1, 0)
        slope[:, axis] = occupancy[tuple(above.T)] - occupancy[tuple(below.T)]
    return slope


def subtract(whole: Mask | None, *parts: Mask | None, together: Mask | None = None) -> Mask | None:
    """Return the occupancy of ``whole`` without ``parts``; None without whole. What parts share goes once.

    A part that overfills voxels together with the whole is drawn inside it and taken away. One that does not
    is its neighbour (labels that exclude each other): then the whole already lacks it.

    Parameters
    ----------
    whole : Mask or None
        What something is taken from.
    *parts : Mask or None
        What is taken away.
    together : Mask or None
        The union of the parts where it is known better than from their occupancies.
    """
    if whole is None:
        return None
    taken = [part.check_on(whole.grid, "region") for part in parts if part is not None]
    if not taken:
        return whole
    gone = union(taken, same_kind=True) if together is None else together.check_on(whole.grid, "region")
    inside = np.zeros(whole.grid.shape, bool)
    for part in taken:
        if _overfill(whole, part):
            inside[part.box] |= part.array[part.box] > 0
    rest = np.array(whole.array, dtype=np.result_type(whole.array, gone.array, np.float32))
    both = shared_box(whole.box, gone.box)
    left, lost = rest[both], gone.array[both]
    np.copyto(left, np.where(inside[both], np.maximum(left - lost, 0.0), np.minimum(left, 1.0 - lost)))
    return whole.with_array(rest)


def unique_names(names: Iterable[str]) -> list[str]:
    """Return names made unique by a number in brackets, in order.

    Examples
    --------
    >>> unique_names(["GTV", "GTV", "Liver"])
    ['GTV', 'GTV (2)', 'Liver']
    """
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
