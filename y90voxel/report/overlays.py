"""Dose over anatomy in three planes through one point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

from y90voxel.regions.palette import RegionStyle
from y90voxel.report.drawing import (
    INK,
    LONGEST_NAME,
    MUTED,
    Area,
    add_axes,
    add_legend,
    add_lines,
    add_picture,
    add_text,
)
from y90voxel.report.formatting import number, shortened
from y90voxel.report.scene import Focus, Scene
from y90voxel.volumes.planes import DisplayPlane, View, display_plane, fitting_pixel_mm, sample
from y90voxel.volumes.volume import CtImage

__all__ = [
    "PAGE_PX",
    "Overlay",
    "Panel",
    "colours",
    "composite",
    "draw_frame",
    "draw_outlines",
    "draw_planes",
    "overlay_height_px",
    "sampled_overlays",
]

# Between panels; colour bar with its numbers, title, caption, a row of the legend [px].
GAP_PX, BAR_PX, TITLE_PX, CAPTION_PX, LEGEND_ROW_PX = 8.0, 116.0, 34.0, 26.0, 24.0
LEGEND_COLUMN_PX = 225.0  # [px]; chosen: usual names of regions fit
TALLEST_PANEL_PX = 560.0  # [px]; chosen: a panel with its texts fits a screen
PAGE_PX = 1404.0  # width of an overlay in reports
LIGHT = "#f4f6f7"
AIR_HU = -1000.0  # [HU], by definition of the scale


@dataclass(frozen=True, eq=False)
class Panel:
    """What one plane shows, sampled at its pixels.

    Parameters
    ----------
    plane : DisplayPlane
        Where it lies.
    underlay, dose : ndarray, (rows, columns)
        In the units of the scene.
    occupancies : list of ndarray, (rows, columns)
        Of the scene's outlined regions.
    mark : tuple of float
        Row and column of the point that the plane goes through.
    """

    plane: DisplayPlane
    underlay: NDArray[np.float32]
    dose: NDArray[np.float32]
    occupancies: list[NDArray[np.float32]]
    mark: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Overlay:
    """Three planes through one point, sampled for a figure of one width; drawing asks nothing more.

    Parameters
    ----------
    scene : Scene
        What all overlays of the evaluation share.
    focus : Focus
        What the planes go through.
    panels : list of Panel
        Axial, coronal, sagittal.
    """

    scene: Scene
    focus: Focus
    panels: list[Panel]

    @property
    def tallest_px(self) -> int:
        """Rows of the tallest panel."""
        return max(len(panel.dose) for panel in self.panels)


def sampled_overlays(scene: Scene, foci: Iterable[Focus], width_px: float) -> list[Overlay]:
    """Return the planes through each focus, for figures of that width.

    Parameters
    ----------
    scene : Scene
        What is shown.
    foci : iterable of Focus
        One overlay is made of each.
    width_px : float
        Three panels and the colour bar fill it.
    """
    outside = AIR_HU if isinstance(scene.underlay, CtImage) else 0.0
    panels_px = width_px - BAR_PX - 2 * GAP_PX - 2
    pixel_mm = fitting_pixel_mm(scene.grid, scene.box, panels_px, TALLEST_PANEL_PX)
    overlays = []
    for focus in foci:
        planes = [display_plane(scene.grid, view, focus.index, scene.box, pixel_mm) for view in View]
        panels = [
            Panel(
                plane,
                sample(scene.underlay, plane, outside),
                sample(scene.dose, plane),
                [sample(region.mask, plane) for region, _ in scene.outlined],
                plane.pixel_of(focus.point_mm),
            )
            for plane in planes
        ]
        overlays.append(Overlay(scene, focus, panels))
    return overlays


def overlay_height_px(overlay: Overlay, width_px: float) -> float:
    """Return how tall an overlay of that width is [pixels]."""
    legend = LEGEND_ROW_PX * ceil(len(overlay.scene.outlined) / _legend_columns(width_px))
    return overlay.tallest_px + TITLE_PX + CAPTION_PX + legend + 4


def draw_frame(figure: Any, overlay: Overlay, area: Area) -> None:
    """Draw what all overlays of a scene have in common, the colour bar and the legend.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn into.
    overlay : Overlay
        Sampled for the width of the area.
    area : Area
        Where; its height should be `overlay_height_px`.
    """
    scene, tallest = overlay.scene, overlay.tallest_px
    bottom = area.bottom + area.height - TITLE_PX - tallest
    left = area.left + sum(panel.dose.shape[1] + GAP_PX for panel in overlay.panels)
    _draw_scale(figure, scene, Area(left + 10, bottom, 20, tallest))
    entries = [(shortened(region.name, LONGEST_NAME), style) for region, style in scene.legend]
    if entries:
        legend = {
            "loc": "upper left",
            "ncols": min(len(entries), _legend_columns(area.width)),
            "columnspacing": 1.8,
        }
        add_legend(figure, entries, area.left, bottom - CAPTION_PX - 4, fontsize=9, **legend)


def draw_planes(figure: Any, overlay: Overlay, area: Area) -> list[Any]:
    """Draw title and planes of an overlay into its frame, and return what was drawn, the lowest first."""
    top, left = area.bottom + area.height, area.left
    title = {"va": "top", "fontsize": 11, "fontweight": "bold"}
    drawn = [add_text(figure, left, top - 8, overlay.focus.title, **title)]
    bottom = top - TITLE_PX - overlay.tallest_px
    for panel in overlay.panels:
        plane, (rows, columns) = panel.plane, panel.dose.shape
        drawn += _draw_panel(figure, Area(left, top - TITLE_PX - rows, columns, rows), overlay, panel)
        text = f"{plane.view.value.capitalize()}   {plane.position}{'   oblique' if plane.oblique else ''}"
        caption = {"va": "top", "ha": "center", "fontsize": 9, "color": MUTED}
        drawn.append(add_text(figure, left + columns / 2, bottom - 6, text, **caption))
        left += columns + GAP_PX
    return drawn


def _legend_columns(width_px: float) -> int:
    """Entries of the legend that fit beside each other."""
    return max(1, int(width_px / LEGEND_COLUMN_PX))


def colours() -> NDArray[np.float32]:
    """Return the colour scale of the dose, (256, 3): warm and perceptually even, without its black end."""
    # deferred: matplotlib takes 0.3 s
    import matplotlib

    return np.asarray(matplotlib.colormaps["inferno"](np.linspace(0.18, 1.0, 256))[:, :3], np.float32)


def composite(scene: Scene, panel: Panel) -> NDArray[np.uint8]:
    """Return anatomy with the dose over it as RGB, (rows, columns, 3).

    The overlay is transparent below the threshold and turns opaque to 75 % at four times the threshold.
    """
    dose, grey = panel.dose, scene.grey(panel.underlay)[..., None]
    level = np.clip(dose / scene.top_gy * 255.0, 0, 255).astype(np.uint8)
    rise = np.clip((dose - scene.threshold_gy) / (3 * scene.threshold_gy), 0.0, 1.0)
    opacity = np.where(dose >= scene.threshold_gy, 0.30 + 0.45 * rise, 0.0)[..., None].astype(np.float32)
    blended = grey + opacity * (colours()[level] - grey)
    return np.asarray(blended * 255.0 + 0.5, np.uint8)


def _draw_panel(figure: Any, area: Area, overlay: Overlay, panel: Panel) -> list[Any]:
    """One panel: picture, outlines, letters, scale bar, mark."""
    plane, (rows, columns) = panel.plane, panel.dose.shape
    drawn = [add_picture(figure, area, composite(overlay.scene, panel))]
    styles = [style for _, style in overlay.scene.outlined]
    drawn += draw_outlines(figure, area, zip(panel.occupancies, styles, strict=True))
    bar = 50.0 / plane.grid.spacing_mm[1]
    lines, looks = [[(14.0, rows - 12.0), (14.0 + bar, rows - 12.0)]], [(LIGHT, 2.0)]
    if overlay.focus.marked:
        row, column = panel.mark
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            lines.append([(column + 6 * dx, row + 6 * dy), (column + 15 * dx, row + 15 * dy)])
            looks.append(("white", 1.3))
    colour, width = zip(*looks, strict=True)
    drawn.append(add_lines(figure, area, [*np.array(lines)], colors=colour, linewidths=width))
    left, right, top, bottom = plane.letters
    halo = {"color": LIGHT, "fontsize": 10, "fontweight": "bold", "ha": "center", "va": "center"}
    small = {"color": LIGHT, "fontsize": 8, "ha": "center", "va": "bottom"}
    for text, x, y, style in (
        (left, 13, rows / 2, halo),
        (right, columns - 13, rows / 2, halo),
        (top, columns / 2, 13, halo),
        (bottom, columns / 2, rows - 13, halo),
        ("5 cm", 14 + bar / 2, rows - 17, small),
    ):
        written = add_text(figure, area.left + 0.5 + x, area.bottom + rows - 0.5 - y, text, **style)
        drawn.append(written)
    return drawn


def draw_outlines(
    figure: Any, area: Area, occupancies: Iterable[tuple[NDArray[np.float32], RegionStyle]]
) -> list[Any]:
    """Draw outlines where a region fills half a voxel, each on a dark line so that it shows on any colour."""
    lines: list[NDArray[np.float64]] = []
    looks: list[tuple[str, Any]] = []
    for occupancy, style in occupancies:
        if occupancy.max() < 0.5 or occupancy.min() >= 0.5:
            continue
        polygons: list[NDArray[np.float64]] = contour_generator(z=occupancy).lines(0.5)  # type: ignore[assignment]
        lines += polygons
        looks += [(style.colour, (0, style.dash) if style.dash else "-")] * len(polygons)
    if not lines:
        return []
    colour, dashes = map(list, zip(*looks, strict=True))
    return [
        add_lines(figure, area, lines, colors="#0b1116", linewidths=2.8, alpha=0.75),
        add_lines(figure, area, lines, colors=colour, linewidths=1.5, linestyles=dashes),
    ]


def _draw_scale(figure: Any, scene: Scene, area: Area) -> None:
    """The colour bar; empty below the threshold."""
    axes = add_axes(figure, area)
    bar = np.ones((256, 1, 4), np.float32)
    bar[:, 0, :3] = colours()
    bar[: round(256 * scene.threshold_gy / scene.top_gy), 0, 3] = 0.0
    axes.imshow(bar, origin="lower", aspect="auto", extent=(0, 1, 0, scene.top_gy), interpolation="nearest")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel("absorbed dose / Gy", fontsize=9)
    axes.tick_params(axis="y", length=3, color=INK, labelcolor=INK)
    note = f"clear below\n{number(scene.threshold_gy, 2)} Gy"
    add_text(
        figure, area.left - 4, area.bottom - 6, note, va="top", fontsize=8, color=MUTED, linespacing=1.15
    )
