"""Tumour and perfused volume as what an emission image shows above a share of its maximum in the liver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.regions.placement import place_regions
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = ["isocontour", "isocontour_name", "isocontours"]

# Sub-samples of a voxel along each axis; the image between voxels is a cubic spline, for its blur makes it smooth.
PARTS = 4


def isocontour(image: CountMap | ActivityMap, liver: Mask, fraction: float, role: str) -> DrawnRegion:
    """Return the part of the liver where the image is at least ``fraction`` of its maximum there, as a drawn region.

    The threshold decides the volume: blur, background and noise move the maximum and the edge. Nobody drew the region; it
    says so.

    Parameters
    ----------
    image : CountMap or ActivityMap
        The emission image.
    liver : Mask
        On any grid; the region stays inside it.
    fraction : float
        Share of the maximum, above 0 and below 1.
    role : str
        ``tumour`` or ``perfused``, for the name.

    Raises
    ------
    InputError
        If the fraction is not between 0 and 1.
    RegionError
        If nothing in the liver is above zero.
    """
    if not 0.0 < fraction < 1.0:
        raise InputError(
            f"an isocontour lies between 0 and 100 % of the maximum, got {100 * fraction:g} %. Give tumour=40%.",
            tag=f"regions.isocontour.{role}",
        )
    inside = resample(liver, image.grid).array
    core = np.where(inside >= 0.5, image.array, 0.0)
    highest = float(core.max())
    if not highest > 0.0:
        raise RegionError("the emission image holds nothing in the liver: there is no isocontour.")
    above = _share_above(np.asarray(image.array, np.float64), fraction * highest)
    name = isocontour_name(role, fraction)
    mask = Mask((np.minimum(above, inside)).astype(np.float32), image.grid)
    return DrawnRegion(name, mask, source="isocontour of the emission image", automatic=True, role=Role(role))


def isocontour_name(role: str, fraction: float) -> str:
    """Return what the isocontour of a role is called.

    Examples
    --------
    >>> isocontour_name("tumour", 0.4)
    'tumour (40 % isocontour)'
    """
    return f"{role} ({100 * fraction:g} % isocontour)"


def _share_above(values: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Share of each voxel in which the interpolated value reaches a level."""
    # deferred: 0.2 s
    from scipy.ndimage import map_coordinates, maximum_filter, minimum_filter, spline_filter

    share = (values >= level).astype(np.float64)
    # Only where a neighbour lies on the other side can the level pass through the voxel.
    mixed = np.argwhere((maximum_filter(values, 3) >= level) & (minimum_filter(values, 3) < level))
    if not len(mixed):
        return share
    steps = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    reached, spline = np.zeros(len(mixed)), spline_filter(values, 3, mode="nearest")
    for shift in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        reached += (
            map_coordinates(spline, (mixed + shift).T, order=3, mode="nearest", prefilter=False) >= level
        )
    share[tuple(mixed.T)] = reached / PARTS**3
    return share


def isocontours(
    drawn: Sequence[DrawnRegion],
    roles: Mapping[str, str],
    images: Sequence[CountMap | ActivityMap],
    wanted: Mapping[str, float],
) -> tuple[list[DrawnRegion], list[Notice]]:
    """Return a region for each role that is asked for, and what has to be said about it.

    Parameters
    ----------
    drawn : sequence of DrawnRegion
        All other regions.
    roles : mapping of str to str
        Roles by name that win over the name's own.
    images : sequence of CountMap or ActivityMap
        The emission images; one is needed.
    wanted : mapping of str to float
        Share of the maximum in the liver by role: ``tumour``, ``perfused``.

    Raises
    ------
    InputError
        If there are several images, the role is another one, or a share is not between 0 and 1.
    RegionError
        If a region of the role is drawn, or there is no liver.
    """
    if not wanted:
        return [], []
    if len(images) != 1:
        raise InputError(
            f"an isocontour needs one emission image, but {len(images)} are chosen: draw tumour and perfused volumes.",
            tag="regions.isocontour",
        )
    placed, _ = place_regions(drawn, images[0].grid, roles)
    liver = placed.mask_of(Role.LIVER)
    if liver is None:
        raise RegionError(
            "an isocontour is looked for inside the liver, but no liver is among the regions. Name it with "
            "--role 'NAME=liver'.",
            tag="regions.isocontour",
        )
    contoured, notices = [], []
    for role, fraction in wanted.items():
        if role not in (Role.TUMOUR, Role.PERFUSED):
            raise InputError(
                f"an isocontour stands for tumour or perfused, not for {role!r}.", tag="regions.isocontour"
            )
        same_role = placed.with_role(Role(role))
        if same_role:
            raise RegionError(
                f"{role} regions are drawn ({', '.join(r.name for r in same_role)}): an isocontour is for studies without. "
                "Leave --isocontour out, or give them another role.",
                tag="regions.isocontour",
            )
        region = isocontour(images[0], liver, fraction, role)
        contoured.append(region)
        assert isinstance(region.shape, Mask)
        notices.append(
            Notice(
                "isocontour",
                f"{region.name!r} was drawn by nobody: it is the {region.shape.volume_ml:.1f} mL of the liver where the image "
                f"reaches {100 * fraction:g} % of its maximum there. Volume and dose depend on that number.",
            )
        )
    return contoured, notices
