"""The own density of every region: what its mass and its mean by mass are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.ct_tissue import CtTissue, TissueOnCt
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.box import Box
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap

__all__ = ["HEPATIC", "OwnChoices", "own_by_ct", "own_densities"]

# Regions made of liver or tumour.
HEPATIC = frozenset(
    (
        Role.LIVER, Role.TUMOUR, Role.TUMOURS, Role.PERFUSED, Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER,
        Role.UNPERFUSED_LIVER,
    )
)  # fmt: skip
# A voxel of which the CT's raster holds less than this gets the region's mean: a quotient of two roundings says nothing.
LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class OwnChoices:
    """Densities by role [g/mL], and whether there is a CT; see `y90voxel.dose.density_map.DensityModel`."""

    liver_g_per_ml: float | None
    lung_g_per_ml: float
    soft_tissue_g_per_ml: float
    floor_g_per_ml: float
    has_ct: bool


def own_densities(
    regions: Regions, density: DensityMap, choices: OwnChoices, shown: CtTissue | None
) -> dict[str, OwnDensity]:
    """Return the density of each region's own tissue by name; without those that have that of their voxels.

    Parameters
    ----------
    regions : Regions
        On the dose grid.
    density : DensityMap
        Mean density of each voxel [g/mL].
    choices : OwnChoices
        Densities by role.
    shown : CtTissue or None
        What the CT shows of the regions, where their shapes are known.
    """
    densities: dict[str, OwnDensity] = {}
    for region in regions.drawn:
        values = _own(region, density, choices, shown)
        if values is not None:
            densities[region.name] = OwnDensity(regions.grid, region.mask.box, values)
    for region in regions.derived:
        if region.role is Role.LUNGS:
            values = _of_parts([r for r in regions.drawn if r.role is Role.LUNG], region, densities)
        else:
            values = choices.liver_g_per_ml if region.role in HEPATIC else None
        if values is not None:
            densities[region.name] = OwnDensity(regions.grid, region.mask.box, values)
    return densities


def _own(
    region: Region, density: DensityMap, choices: OwnChoices, shown: CtTissue | None
) -> NDArray[np.floating] | float | None:
    """The own density of a drawn region in its box [g/mL]; None for that of its voxels."""
    if region.role in HEPATIC:
        return choices.liver_g_per_ml
    lung = region.role is Role.LUNG
    by_role = choices.lung_g_per_ml if lung else choices.soft_tissue_g_per_ml
    if not choices.has_ct:
        return by_role if lung else None
    tissue = None if shown is None else shown.regions.get(region.name)
    if tissue is not None and tissue.box == region.mask.box:
        return own_by_ct(region, tissue, by_role, choices.floor_g_per_ml)
    if lung:
        return _unmixed(region, density, choices.soft_tissue_g_per_ml, choices)
    return _unmixed(region, density, choices.floor_g_per_ml, choices) if region.role is Role.BODY else None


def own_by_ct(region: Region, tissue: TissueOnCt, by_role: float, floor: float) -> NDArray[np.floating]:
    """Return mass over volume that the CT shows of a region in each voxel of its box [g/mL].

    Parameters
    ----------
    region : Region
        On the dose grid.
    tissue : TissueOnCt
        What the CT shows of it.
    by_role, floor : float
        Density where the CT does not reach, and the smallest [g/mL].
    """
    voxel_ml = region.mask.grid.voxel_volume_ml
    has_tissue = tissue.volume_ml > LEAST_SHARE * voxel_ml
    mean = tissue.ct_mass_g / tissue.ct_volume_ml if tissue.ct_volume_ml > 0 else by_role
    beyond = region.mask.array[region.mask.box] > 0.5  # the CT does not reach that far
    values = np.where(beyond, by_role, mean)
    np.divide(tissue.mass_g, tissue.volume_ml, out=values, where=has_tissue)
    return np.maximum(values, floor)


def _unmixed(
    region: Region, density: DensityMap, neighbour_g_per_ml: float, choices: OwnChoices
) -> NDArray[np.floating]:
    """Return the density of a region's own tissue in its box [g/mL], from mean densities alone.

    The rest of a voxel counts as a neighbour of one density; no share is lighter than the floor or denser than soft tissue,
    unless the voxel itself is.

    Parameters
    ----------
    region : Region
        With its occupancies.
    density : DensityMap
        Mean density of each voxel [g/mL].
    neighbour_g_per_ml : float
        Density of what is around it [g/mL].
    choices : OwnChoices
        Densities by role.
    """
    share = region.mask.array[region.mask.box].astype(np.float64)
    mean = density.array[region.mask.box].astype(np.float64)
    part = np.maximum(share, LEAST_SHARE)
    own = np.clip(
        (mean - (1.0 - part) * neighbour_g_per_ml) / part,
        choices.floor_g_per_ml,
        choices.soft_tissue_g_per_ml,
    )
    return np.asarray(np.where(share >= 1.0, mean, own))


def _of_parts(
    parts: list[Region], whole: Region, densities: dict[str, OwnDensity]
) -> NDArray[np.floating] | None:
    """The own density of lungs from those of its parts, in the box of the whole [g/mL]."""
    box: Box = whole.mask.box
    shape = tuple(part.stop - part.start for part in box)
    mass, share = np.zeros(shape), np.zeros(shape)
    for part in parts:
        if part.name not in densities:
            return None
        inner = part.mask.box
        here = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, box, strict=True))
        occupied = part.mask.array[inner].astype(np.float64)
        mass[here] += occupied * densities[part.name].within(inner)
        share[here] += occupied
    return np.divide(mass, share, out=np.full(shape, 1.0), where=share > 0)
