"""What the overlays of one evaluation share: underlay, box, dose scale, points of interest, regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.evaluation import Evaluation
from y90voxel.regions.palette import RegionStyle, region_styles
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import dose_text, shortened
from y90voxel.report.planes import ShownBox
from y90voxel.volumes.box import is_empty, occupied_box
from y90voxel.volumes.grid import Grid, patient_axes
from y90voxel.volumes.volume import CtImage, DoseMap, Mask, Volume

__all__ = ["Focus", "Scene", "box_around", "build_scene"]

HEPATIC = (Role.LIVER, Role.TUMOUR, Role.PERFUSED)
# Drawn in this order, so that tumours lie on top.
OUTLINED = (Role.LUNG, Role.LIVER, Role.PERFUSED, Role.TUMOUR)
_LISTED = {Role.LIVER: 0, Role.TUMOUR: 1, Role.PERFUSED: 2, Role.LUNG: 3}
# The dose is transparent below this fraction of the scale's top.
THRESHOLD = 0.05
# An empty map still has a scale.
SMALLEST = 1e-30
MARGIN_MM = 28.0
SHORTEST_SIDE_MM = 120.0
CT_WINDOW_HU = (-160.0, 240.0)  # level 40, width 400: soft tissue


@dataclass(frozen=True)
class Focus:
    """A voxel that three planes go through.

    Parameters
    ----------
    index : tuple of int, (3,)
        Slice, row, column on the dose grid.
    title : str
        What it is, for people.
    marked : bool
        Whether its position is marked in the pictures.
    """

    index: tuple[int, int, int]
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
    dose, regions = evaluation.dose, evaluation.case.regions
    interest, name = _interest(evaluation)
    inside = None if interest is None else interest.array >= 0.5
    if inside is not None and not inside.any():
        inside = interest.array > 0  # type: ignore[union-attr]
    candidates = dose.array if inside is None else np.where(inside, dose.array, -np.inf)
    hottest = _voxel(int(np.argmax(candidates)), dose.grid)
    top = max(float(dose.array[hottest]), SMALLEST)
    weights = dose.array if interest is None else interest.array
    centre = _centroid(weights)
    styles = region_styles((region.name, region.role) for region in regions)
    ct = evaluation.case.ct
    underlay: Volume = evaluation.activity if ct is None else ct
    window = CT_WINDOW_HU
    if ct is None:
        window = (0.0, max(float(np.percentile(underlay.array, 99.9)), SMALLEST))
    return Scene(
        dose=dose,
        underlay=underlay,
        window=window,
        underlay_name="emission image" if ct is None else "CT",
        box=box_around(dose.grid, dose.array > 0.1 * top if inside is None else inside, hottest),
        top_gy=top,
        threshold_gy=THRESHOLD * top,
        outlined=tuple((region, styles[region.name]) for region in _outlined(evaluation)),
        hottest=Focus(hottest, _hottest_title(evaluation, hottest, name), marked=True),
        centre=Focus(centre, f"Through the centre of the {name or 'dose distribution'}", marked=False),
    )


def _outlined(evaluation: Evaluation) -> list[Region]:
    """The regions that the dosimetry uses, tumours last; all of them where none has a role."""
    drawn = evaluation.case.regions.drawn
    found = [region for role in OUTLINED for region in drawn if region.role is role]
    return found or list(drawn)


def _interest(evaluation: Evaluation) -> tuple[Mask | None, str]:
    """The region whose hottest voxel and centre are shown, and its name: liver first, then what there is."""
    regions = evaluation.case.regions
    hepatic = regions.mask_of(*HEPATIC)
    if hepatic is not None:
        roles = {region.role for region in regions.drawn}
        if Role.LIVER in roles:
            return hepatic, "liver"
        return hepatic, "perfused volume" if Role.PERFUSED in roles else "tumours"
    body = regions.mask_of(Role.BODY)
    return body, "" if body is None else "body"


def _voxel(flat: int, grid: Grid) -> tuple[int, int, int]:
    """Array indices of a flat index."""
    z, y, x = np.unravel_index(flat, grid.shape)
    return int(z), int(y), int(x)


def _centroid(weights: NDArray[Any]) -> tuple[int, int, int]:
    """The voxel at the centre of mass; the middle of the array when there is no weight."""
    total = float(weights.sum(dtype=np.float64))
    if not total > 0:
        return weights.shape[0] // 2, weights.shape[1] // 2, weights.shape[2] // 2
    centre = []
    for axis, length in enumerate(weights.shape):
        profile = weights.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64)
        centre.append(min(max(round(float(profile @ np.arange(length)) / total), 0), length - 1))
    return centre[0], centre[1], centre[2]


def box_around(grid: Grid, shown: NDArray[np.bool_], focus: tuple[int, int, int]) -> ShownBox:
    """Return the box around the voxels shown, with a margin; front-back and head-foot are made equally long."""
    used, low, high = occupied_box(shown), np.array(focus), np.array(focus)
    if not is_empty(used):
        low = np.minimum(low, [part.start for part in used])
        high = np.maximum(high, [part.stop - 1 for part in used])
    spacing = np.array(grid.spacing_mm)
    centre, sides = (low + high) / 2, (high - low + 1) * spacing + 2 * MARGIN_MM
    order, _ = patient_axes(grid)
    sides = np.maximum(sides, SHORTEST_SIDE_MM)
    sides[[order[1], order[2]]] = max(sides[order[1]], sides[order[2]])
    half = sides / spacing / 2
    return ShownBox(tuple((centre - half).tolist()), tuple((centre + half).tolist()))


def _hottest_title(evaluation: Evaluation, index: tuple[int, int, int], name: str) -> str:
    """Say where the hottest voxel lies and how hot it is, and whether the map is hotter elsewhere."""
    dose, regions = evaluation.dose.array, evaluation.case.regions
    found = float(dose[index])
    homes = [r for r in regions.drawn if r.role in HEPATIC and r.mask.array[index] >= 0.5]
    homes.sort(key=lambda region: region.mask.total)
    where = f"hottest voxel of the {name}" if name else "hottest voxel"
    title = f"Through the {where}: {dose_text(found)} Gy"
    if homes and homes[0].role is not Role.LIVER:
        title += f", in {shortened(homes[0].name, 30)}"
    overall = float(dose.max())
    if overall > 1.005 * found:
        title += f"   (the map reaches {dose_text(overall)} Gy outside it)"
    return title
