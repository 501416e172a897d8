"""The density map of a run: CT where it can be trusted, roles where it cannot or is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.ct_agreement import disagreements
from y90voxel.dose.ct_checks import check_ct_numbers, contrast_agent
from y90voxel.dose.ct_density import averaged_density
from y90voxel.dose.ct_tissue import CtTissue, TissueOnCt
from y90voxel.dose.own_densities import OwnChoices, own_by_ct, own_densities
from y90voxel.errors import InputError, Notice
from y90voxel.reference.tissue import (
    DENSITY_FLOOR_G_PER_ML,
    LIVER_DENSITY_G_PER_ML,
    LUNG_DENSITY_G_PER_ML,
    SOFT_TISSUE_DENSITY_G_PER_ML,
    DensityCalibration,
)
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.resample import coverage
from y90voxel.volumes.volume import CtImage, DensityMap, Mask

__all__ = ["DensityModel", "TissueMap", "build_density_map", "build_tissue_map"]

# A region counts as covered by the CT from this share on: contours reach half a slice beyond the last CT slice.
SEEN_BY_CT = 0.99
# Two neighbours that fill this much of a voxel fill it: their outlines are drawn by hand.
FILLED = 0.95
# Voxels that the liver fills but for rounding of its outline.
INTERIOR = 0.999
# Dry air at body temperature would be 0.00114; this is the first point of the CT calibration.
AIR_G_PER_ML = 0.00121


@dataclass(frozen=True)
class DensityModel:
    """Where densities come from.

    Parameters
    ----------
    liver_g_per_ml : float or None
        Density of liver and tumour; None takes the CT's (contrast agent and breathing corrupt it).
    lung_g_per_ml : float
        Lung without CT.
    soft_tissue_g_per_ml : float
        Everything else without CT.
    floor_g_per_ml : float
        Smallest density of a voxel: dose is energy per mass, and air has next to none.
    calibration : DensityCalibration
        CT numbers to density.

    Raises
    ------
    InputError
        If a density is not positive.
    """

    liver_g_per_ml: float | None = LIVER_DENSITY_G_PER_ML
    lung_g_per_ml: float = LUNG_DENSITY_G_PER_ML
    soft_tissue_g_per_ml: float = SOFT_TISSUE_DENSITY_G_PER_ML
    floor_g_per_ml: float = DENSITY_FLOOR_G_PER_ML
    calibration: DensityCalibration = field(default_factory=DensityCalibration)

    def __post_init__(self) -> None:
        for name in ("liver_g_per_ml", "lung_g_per_ml", "soft_tissue_g_per_ml", "floor_g_per_ml"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} must be positive, got {value} g/mL.", tag="dose.liver_density")

    def own_choices(self, has_ct: bool) -> OwnChoices:
        """Return what the own densities of regions are made from."""
        return OwnChoices(
            self.liver_g_per_ml, self.lung_g_per_ml, self.soft_tissue_g_per_ml, self.floor_g_per_ml, has_ct
        )


@dataclass(frozen=True, eq=False)
class TissueMap:
    """The densities of a run.

    Parameters
    ----------
    density : DensityMap
        Mean density of each voxel [g/mL], with the floor: what dose is energy over mass of.
    path : DensityMap
        The same without the floor, what electrons cross [g/mL]: a bowel full of gas does not stop them.
    own : mapping of str to OwnDensity
        Density of each region's own tissue by name; a region that is not among them has that of its voxels.
    sources : mapping of str to str
        A sentence for each part saying where its densities come from.
    notices : tuple of Notice
        What has to be said.
    lungs_agree : bool
        Whether CT and contours show the lungs and the liver at one place.
    """

    density: DensityMap
    path: DensityMap
    own: Mapping[str, OwnDensity]
    sources: Mapping[str, str]
    notices: tuple[Notice, ...]
    lungs_agree: bool = True


def build_density_map(
    grid: Grid, regions: Regions, ct: CtImage | None, model: DensityModel
) -> tuple[DensityMap, dict[str, str], list[Notice]]:
    """Return densities on the dose grid, a sentence for each part saying where they come from, and notices.

    As `build_tissue_map`, for regions whose shapes are not known.

    Raises
    ------
    InputError
        If the liver's density is to come from a CT that does not exist or does not cover it, or the CT is not in HU.
    """
    made = build_tissue_map(grid, regions, ct, model)
    return made.density, dict(made.sources), list(made.notices)


def build_tissue_map(
    grid: Grid, regions: Regions, ct: CtImage | None, model: DensityModel, shown: CtTissue | None = None
) -> TissueMap:
    """Return the densities of a run.

    Parameters
    ----------
    grid : Grid
        The dose grid.
    regions : Regions
        Roles on the same grid.
    ct : CtImage or None
        On its own grid; box-averaged as density, so that mass is kept. Where a body region says that it is not
        the patient (air, couch), the density is the floor.
    model : DensityModel
        The choices.
    shown : CtTissue or None
        What the CT shows of the regions; None where their shapes are not known.

    Raises
    ------
    InputError
        If the liver's density is to come from a CT that does not exist, does not cover it or shows contrast medium
        there, or the CT is not in HU.
    """
    liver = regions.mask_of(Role.LIVER, Role.TUMOUR) or _nothing(grid)
    lung = regions.mask_of(Role.LUNG) or _nothing(grid)
    sources: dict[str, str] = {}
    notices: list[Notice] = []
    seen: NDArray[np.bool_] | None = None
    if ct is None:
        density = np.empty(grid.shape, np.result_type(np.float32, liver.array, lung.array))
        _set_by_role(density, np.ones(grid.shape, bool), liver, lung, model)
        sources["lung"] = f"by role, {model.lung_g_per_ml:g} g/mL (no CT)"
        sources["elsewhere"] = f"by role, {model.soft_tissue_g_per_ml:g} g/mL (no CT)"
    else:
        covered = coverage(ct.grid, grid)
        seen = covered.array > 0.5
        density = averaged_density(ct, grid, model.calibration, covered, model.soft_tissue_g_per_ml)
        _set_by_role(density, ~seen, liver, lung, model)
        sources["lung"] = sources["elsewhere"] = f"CT ({model.calibration.name})"
        notices += check_ct_numbers(ct) + _coverage_notices(seen, regions)
        by_ct = liver.with_array(liver.array * seen)
        notices += contrast_agent(ct, DensityMap(_positive(density), grid), by_ct, model.liver_g_per_ml)
        outside = _outside_body(regions, (liver.array == 0) & (lung.array == 0)) & seen
        density[outside] = model.floor_g_per_ml
        sources["outside the body"] = _outside_source(regions, model)
    if model.liver_g_per_ml is not None and liver.total > 0:
        _set_liver(density, liver, seen, model, None if shown is None else shown.liver)
        sources["liver"] = f"set to {model.liver_g_per_ml:g} g/mL"
    elif liver.total > 0:
        notices.append(_liver_from_ct(ct, liver, seen))
        sources["liver"] = sources["elsewhere"]
    sources["floor"] = f"{model.floor_g_per_ml:g} g/mL"
    agreement = disagreements(shown, regions)
    if shown is not None and model.liver_g_per_ml is not None:
        _set_between(density, liver, regions, model, shown)
    floored = DensityMap(np.maximum(density, model.floor_g_per_ml), grid)
    # Engines divide by no less than the usual floor; with another one, they are given what it makes of the map.
    usual = model.floor_g_per_ml == DENSITY_FLOOR_G_PER_ML
    path = DensityMap(_positive(density), grid) if usual else floored
    own = own_densities(regions, floored, model.own_choices(ct is not None), shown)
    return TissueMap(floored, path, own, sources, (*notices, *agreement), lungs_agree=not agreement)


def _positive(density: NDArray[np.floating]) -> NDArray[np.floating]:
    """Densities that electrons can cross, in place: nothing is lighter than air."""
    return np.asarray(np.maximum(density, AIR_G_PER_ML, out=density))


def _nothing(grid: Grid) -> Mask:
    """The occupancy of a region that does not exist."""
    return Mask(np.zeros(grid.shape), grid)


def _set_by_role(
    density: NDArray[np.floating], where: NDArray[np.bool_], liver: Mask, lung: Mask, model: DensityModel
) -> None:
    """Give voxels that no CT shows, in place, the density of what fills them; where liver and lung overlap it is liver."""
    np.copyto(density, model.soft_tissue_g_per_ml, where=where)
    box = lung.box
    share = np.minimum(lung.array[box], 1.0 - liver.array[box])
    mixed = share * model.lung_g_per_ml + (1.0 - share) * model.soft_tissue_g_per_ml
    np.copyto(density[box], mixed, where=where[box])


def _set_liver(
    density: NDArray[np.floating],
    liver: Mask,
    seen: NDArray[np.bool_] | None,
    model: DensityModel,
    shown: TissueOnCt | None,
) -> None:
    """Give the liver its density wherever it is drawn, in place; the rest of a boundary voxel keeps the CT's.

    Where the CT shows lung or air in the contour (another breathing position, a CT that ends there), the liver has its
    density all the same.
    """
    wanted = model.liver_g_per_ml
    assert wanted is not None  # else there is nothing to set
    box = liver.box
    part, share = density[box], liver.array[box]
    interior = share > INTERIOR
    if seen is None:
        part[...] = part * (1.0 - share) + wanted * share
    elif shown is not None and shown.box == box:
        volume_ml = liver.grid.voxel_volume_ml
        share_on_ct = np.minimum(shown.volume_ml / volume_ml, 1.0)
        rest = np.maximum(part - shown.mass_g / volume_ml, model.floor_g_per_ml * (1.0 - share_on_ct))
        by_ct = rest + wanted * share_on_ct
        part[...] = np.where(seen[box], by_ct, part * (1.0 - share) + wanted * share)
    else:
        mean_density = float(part[interior].mean()) if interior.any() else wanted
        # A mean density holds the liver's share at the CT's own liver density; where it cannot, the CT shows no liver there.
        shows_liver = part - share * mean_density >= (1.0 - share) * model.floor_g_per_ml
        part += share * np.where(shows_liver, wanted - mean_density, wanted - part)
    part[interior] = wanted


def _set_between(
    density: NDArray[np.floating], liver: Mask, regions: Regions, model: DensityModel, shown: CtTissue
) -> None:
    """Make voxels that liver and lung fill together, in place, of both by occupancy, each at its own density."""
    assert model.liver_g_per_ml is not None  # else there is nothing to set
    for lung in regions.drawn:
        tissue = shown.regions.get(lung.name) if lung.role is Role.LUNG else None
        if tissue is None or tissue.box != lung.mask.box:
            continue
        box = lung.mask.box
        own = own_by_ct(lung, tissue, model.lung_g_per_ml, model.floor_g_per_ml)
        part, share = density[box], liver.array[box]
        filled = lung.mask.array[box]
        both = (share > 0) & (share <= INTERIOR) & (share + filled > FILLED)
        filled_voxels = both | ((filled > INTERIOR) & (share == 0))
        part[filled_voxels] = (share * model.liver_g_per_ml + (1.0 - share) * own)[filled_voxels]


def _outside_body(regions: Regions, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels free of liver and lung that hold nothing of the body, in the axial layers that it is drawn on."""
    body = regions.mask_of(Role.BODY)
    if body is None:
        return np.zeros(regions.grid.shape, bool)
    axis = int(np.abs(regions.grid.affine[2, :3]).argmax())  # the one along the patient
    others = tuple(a for a in range(3) if a != axis)
    drawn = np.asarray(body.array.any(axis=others, keepdims=True))
    return np.asarray(drawn & (body.array == 0) & free)


def _outside_source(regions: Regions, model: DensityModel) -> str:
    """Where the density of air and couch comes from."""
    bodies = [region for region in regions.drawn if region.role is Role.BODY]
    if not bodies:
        return "CT, couch included (no body region)"
    return f"set to the floor, {model.floor_g_per_ml:g} g/mL, by {bodies[0].name!r}"


def _liver_from_ct(ct: CtImage | None, liver: Mask, seen: NDArray[np.bool_] | None) -> Notice:
    """Accept the CT's liver density, or refuse when the CT does not show the liver."""
    if ct is None:
        raise InputError(
            "the liver density is to come from the CT, but the study has none. Give --liver-density 1.05.",
            tag="dose.liver_density",
        )
    share = 0.0 if seen is None else _share_seen(liver, seen)
    if share < SEEN_BY_CT:
        raise InputError(
            f"the liver density is to come from the CT, but it covers only {100 * share:.1f} % of liver and tumour. "
            "Give --liver-density 1.05, or a CT that shows all of the liver.",
            tag="dose.liver_density",
        )
    return Notice(
        "liver-density-ct",
        "liver and tumour densities come from the CT: contrast agent and breathing corrupt them.",
    )


def _share_seen(mask: Mask, seen: NDArray[np.bool_]) -> float:
    """The share of a region that lies where the CT sees."""
    return float((mask.array[mask.box] * seen[mask.box]).sum(dtype=np.float64) / mask.total)


def _coverage_notices(seen: NDArray[np.bool_], regions: Regions) -> list[Notice]:
    """Say which regions reach beyond the CT."""
    outside = [
        f"{region.name} ({100 * (1 - share):.1f} %)"
        for region in regions.drawn
        if (share := _share_seen(region.mask, seen)) < SEEN_BY_CT
    ]
    if not outside:
        return []
    return [
        Notice(
            "ct-coverage",
            f"the CT does not cover all of: {', '.join(outside)}. Densities by role are used beyond it.",
        )
    ]
