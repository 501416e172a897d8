"""What the voxels of a dose grid do to the mean doses of small regions: averaging over their outlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from y90voxel.case.case import Case
from y90voxel.dose.density_map import TissueMap
from y90voxel.dose.engines import engine_rows
from y90voxel.errors import Notice
from y90voxel.metrics.outline_error import mixed_density_error, outline_error
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap, Volume

__all__ = [
    "GREATEST_ERROR",
    "GridError",
    "activity_shifts",
    "grid_error_notices",
    "grid_errors",
    "moved_by_grid",
]

# Share of a mean dose that averaging over outlines may take or add unsaid (issue 16: liver and tumours 1 %, lungs 3 %).
_LIVER, _LUNGS = 0.01, 0.03
GREATEST_ERROR: Mapping[Role, float] = {
    Role.TUMOUR: _LIVER,
    Role.LIVER: _LIVER,
    Role.NON_TUMOUR_LIVER: _LIVER,
    Role.LUNGS: _LUNGS,
}
# Of the bound of `mixed_density_error`, electrons leave so much: 0.43 of it was found on voxels of 4.4 and 5 mm, 0.27 on 3 mm
# (sample study, density engine, against 1.5 mm; docs/decisions/0019-dose-grid.md).
FOUND_OF_MIXING = 0.5


@dataclass(frozen=True)
class GridError:
    """By how much of itself the mean dose of a region is off, at most.

    Parameters
    ----------
    by_activity : float
        The activity that crossed its outline where the image came onto the dose grid: the whole change of local deposition, more
        than that of electrons that leave their voxel.
    by_outline : float
        Its voxels on the outline, counted whole; see `outline_error`.
    by_mixing : float
        Of lungs, the one dose that they share with what lies beside them in a voxel, in the mean by volume; see
        `mixed_density_error`.
    """

    by_activity: float
    by_outline: float
    by_mixing: float = 0.0

    @property
    def total(self) -> float:
        """Of the mean by mass: the activity and the outline together."""
        return (1.0 + self.by_activity) * (1.0 + self.by_outline) - 1.0

    @property
    def by_volume(self) -> float:
        """Of the mean by volume: all three."""
        return (1.0 + self.total) * (1.0 + self.by_mixing) - 1.0


def activity_shifts(image: Volume, drawn: Regions, moved: Volume, regions: Regions) -> dict[str, float]:
    """Return by how much of itself the activity of regions changed on its way from an image to another grid.

    Coarser voxels average over outlines. For local deposition the mean dose changes by exactly as much; electrons that leave
    their voxel make it less.

    Parameters
    ----------
    image : Volume
        Counts or activity per voxel.
    drawn : Regions
        On its grid.
    moved : Volume
        The same on another grid, in any unit.
    regions : Regions
        On that grid.

    Returns
    -------
    dict of str to float
        Change of the activity of liver, tumours and lungs by name, as a share; empty where both share a grid.
    """
    if image.grid.is_same_as(moved.grid):
        return {}
    before, after = _shares(image, drawn), _shares(moved, regions)
    return {name: after[name] / share - 1.0 for name, share in before.items() if share > 0 and name in after}


def moved_by_grid(image: Volume, drawn: Regions, regions: Regions) -> dict[str, float]:
    """Return whose activity a grid changes by more than `GREATEST_ERROR`, by name, as a share.

    Parameters
    ----------
    image : Volume
        Counts or activity per voxel.
    drawn, regions : Regions
        On its grid, and on the grid that is asked for.
    """
    shifts = activity_shifts(image, drawn, resample(image, regions.grid), regions)
    return {name: shift for name, shift in shifts.items() if abs(shift) > GREATEST_ERROR[regions[name].role]}


def grid_errors(
    case: Case, activity: Volume, dose: DoseMap, tissue: TissueMap, engine: str
) -> dict[str, GridError]:
    """Return what the dose grid does to the mean doses of liver, tumours and lungs, by name.

    Parameters
    ----------
    case : Case
        With the regions on the grid of each image; where several images add up, the change of activity is not known and counts 0.
    activity : Volume
        Activity on the dose grid [Bq per voxel].
    dose : DoseMap
        Absorbed dose [Gy].
    tissue : TissueMap
        Densities, for means by mass.
    engine : str
        Name of the engine; one that leaves energy in its voxel has no dose between voxels.
    """
    shifts: dict[str, float] = {}
    if len(case.injections) == 1 and case.injections[0].regions is not None:
        (injection,) = case.injections
        assert injection.regions is not None  # asked above
        shifts = activity_shifts(injection.emission.volume, injection.regions, activity, case.regions)
    in_place = any(row.name == engine and row.in_place for row in engine_rows())
    errors = {}
    for region in case.regions:
        if region.role in GREATEST_ERROR:
            own = tissue.own.get(region.name, tissue.density)
            by_outline = 0.0 if in_place else outline_error(dose, region.mask, own)
            by_mixing = 0.0
            if region.role is Role.LUNGS and region.name in tissue.own:
                bound = mixed_density_error(dose, region.mask, tissue.density, tissue.own[region.name])
                by_mixing = bound if in_place else FOUND_OF_MIXING * bound
            errors[region.name] = GridError(shifts.get(region.name, 0.0), by_outline, by_mixing)
    return errors


def grid_error_notices(case: Case, errors: Mapping[str, GridError]) -> list[Notice]:
    """Return what has to be said of means that the dose grid may change by more than `GREATEST_ERROR`.

    Parameters
    ----------
    case : Case
        The case.
    errors : mapping of str to GridError
        Of `grid_errors`.
    """
    listed = [
        f"{name} {100 * error.total:+.1f} %"
        for name, error in errors.items()
        if abs(error.total) > GREATEST_ERROR[case.regions[name].role]
    ]
    listed += [
        f"{name} by volume {100 * error.by_volume:+.1f} %"
        for name, error in errors.items()
        if abs(error.by_volume) > GREATEST_ERROR[case.regions[name].role] and error.by_mixing
    ]
    if not listed:
        return []
    image_mm, grid_mm = (min(g.spacing_mm) for g in (case.injections[0].emission.volume.grid, case.grid))
    finer_mm = 0.5 * min(image_mm, grid_mm)
    finer = "Half the image's voxels" if grid_mm >= image_mm else "Half of these"
    edges = " × ".join(f"{mm:.3g}" for mm in case.grid.spacing_mm)
    text = (
        f"voxels of {edges} mm average over outlines: against finer ones, mean doses are off by up to {', '.join(listed)}. "
        f"{finer} have a third of it (--grid {finer_mm:.3g})."
    )
    return [Notice("grid-error", text)]


def _shares(volume: Volume, regions: Regions) -> dict[str, float]:
    """The share of a map that lies in each region that is held to an accuracy."""
    total = float(volume.array.sum(dtype=np.float64))
    return {
        region.name: float(
            (region.mask.array[region.mask.box] * volume.array[region.mask.box]).sum(dtype=np.float64)
        )
        / total
        for region in regions
        if region.role in GREATEST_ERROR and total > 0
    }
