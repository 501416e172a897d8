"""What the overlays of one evaluation share: underlay, box, dose scale, points of interest, regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.evaluation import Evaluation
from y90voxel.regions.palette import RegionStyle, region_styles
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import dose_text, shortened
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.planes import ShownBox, shown_box
from y90voxel.volumes.volume import CtImage, DoseMap, Index, Volume

__all__ = ["Focus", "Scene", "build_scene"]

HEPATIC = (Role.LIVER, Role.TUMOUR, Role.PERFUSED)
# Drawn in this order, so that tumours lie on top.
OUTLINED = (Role.LUNG, Role.LIVER, Role.PERFUSED, Role.TUMOUR)
_LISTED = {Role.LIVER: 0, Role.TUMOUR: 1, Role.PERFUSED: 2, Role.LUNG: 3}
# The dose is transparent below this fraction of the scale's top.
THRESHOLD = 0.05
# An empty map still has a scale.
SMALLEST = 1e-30
CT_WINDOW_HU = (-160.0, 240.0)  # level 40, width 400: soft tissue


@dataclass(frozen=True, eq=False)
class Focus:
    """A voxel that three planes go through.

    Parameters
    ----------
    index : tuple of int, (3,)
        Slice, row, column on the dose grid.
    point_mm : ndarray, (3,)
        Its centre in LPS [mm].
    title : str
        What it is, for people.
    marked : bool
        Whether its position is marked in the pictures.
    """

    index: Index
    point_mm: NDArray[np.float64]
    title: str
    marked: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that the overlays of an evaluation have in common.

    Parameters
    ----------
    dose : DoseMap
        Absorbed dose [Gy].
    underlay : Volume
        CT, or the activity where there is no CT.
    window : tuple of float
        Values of the underlay shown black and white.
    underlay_name : str
        What the underlay is, for people.
    box : ShownBox
        What is shown, on the dose grid.
    top_gy, threshold_gy : float
        Top of the colour scale, and the dose below which the overlay is transparent [Gy].
    styles : mapping of str to RegionStyle
        Of every region, by name.
    outlined : tuple of (Region, RegionStyle)
        Regions whose outlines are drawn.
    hottest, centre : Focus
        Points of interest.
    """

    dose: DoseMap
    underlay: Volume
    window: tuple[float, float]
    underlay_name: str
    box: ShownBox
    top_gy: float
    threshold_gy: float
    styles: Mapping[str, RegionStyle]
    outlined: tuple[tuple[Region, RegionStyle], ...]
    hottest: Focus
    centre: Focus

    @property
    def grid(self) -> Grid:
        """The dose grid."""
        return self.dose.grid

    @property
    def legend(self) -> list[tuple[Region, RegionStyle]]:
        """The outlined regions as a legend lists them: in the order of importance."""
        return sorted(self.outlined, key=lambda entry: _LISTED.get(entry[0].role, len(_LISTED)))

    def grey(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return values of the underlay as brightness, 0 to 1; an emission image by its square root."""
        low, high = self.window
        scaled = np.clip((values - low) / (high - low), 0.0, 1.0)
        return np.asarray(scaled if isinstance(self.underlay, CtImage) else np.sqrt(scaled), np.float32)


def build_scene(evaluation: Evaluation) -> Scene:
    """Return what the overlays of an evaluation share."""
    dose, regions, ct = evaluation.dose, evaluation.case.regions, evaluation.case.ct
    roles, name = _interest(regions)
    outlined = _outlined(regions)
    styles = region_styles((region.name, region.role) for region in regions)
    interest = regions.mask_of(*roles)
    inside = None if interest is None else interest.core
    hottest = dose.greatest_at(inside)
    top = max(float(dose.array[hottest]), SMALLEST)
    centre = dose.centre_at() if interest is None else interest.centre_at()
    hottest_mm, centre_mm = dose.grid.index_to_lps(hottest), dose.grid.index_to_lps(centre)
    box = shown_box(dose.grid, dose.array > 0.1 * top if inside is None else inside, hottest)
    underlay: Volume = evaluation.activity if ct is None else ct
    window = CT_WINDOW_HU
    if ct is None:
        window = (0.0, max(float(np.percentile(underlay.array, 99.9)), SMALLEST))
    return Scene(
        dose=dose,
        underlay=underlay,
        window=window,
        underlay_name="emission image" if ct is None else "CT",
        box=box,
        top_gy=top,
        threshold_gy=THRESHOLD * top,
        styles=styles,
        outlined=tuple((region, styles[region.name]) for region in outlined),
        hottest=Focus(hottest, hottest_mm, _hottest_title(dose.array, regions, hottest, name), marked=True),
        centre=Focus(
            centre, centre_mm, f"Through the centre of the {name or 'dose distribution'}", marked=False
        ),
    )


def _outlined(regions: Regions) -> list[Region]:
    """The regions that the dosimetry uses, tumours last; all of them where none has a role."""
    ordered = [region for role in OUTLINED for region in regions.drawn if region.role is role]
    return ordered or list(regions.drawn)


def _interest(regions: Regions) -> tuple[tuple[Role, ...], str]:
    """What is looked at, the roles of its regions and its name: liver first, then what there is."""
    drawn = {region.role for region in regions.drawn}
    for role, name in ((Role.LIVER, "liver"), (Role.PERFUSED, "perfused volume"), (Role.TUMOUR, "tumours")):
        if role in drawn:
            return HEPATIC, name
    return ((Role.BODY,), "body") if Role.BODY in drawn else ((), "")


def _hottest_title(dose: NDArray[Any], regions: Regions, index: Index, name: str) -> str:
    """Say where the hottest voxel lies and how hot it is, and whether the map is hotter elsewhere."""
    hottest = float(dose[index])
    homes = [r for r in regions.drawn if r.role in HEPATIC and r.mask.array[index] >= 0.5]
    homes.sort(key=lambda region: region.mask.total)
    where = f"hottest voxel of the {name}" if name else "hottest voxel"
    title = f"Through the {where}: {dose_text(hottest)} Gy"
    if homes and homes[0].role is not Role.LIVER:
        title += f", in {shortened(homes[0].name, 30)}"
    overall = float(dose.max())
    if overall > 1.005 * hottest:
        title += f"   (the map reaches {dose_text(overall)} Gy outside it)"
    return title
