"""Dose over anatomy in three planes through one point."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.regions.palette import RegionStyle
from y90voxel.regions.regions import Region
from y90voxel.report.drawing import INK, LONGEST_NAME, MUTED, Area, add_axes, add_legend, add_text
from y90voxel.report.formatting import number, shortened
from y90voxel.report.planes import DisplayPlane, View, display_plane, sample
from y90voxel.report.scene import Focus, Scene

__all__ = ["colours", "draw_outlines", "draw_overlay", "overlay_height_px"]

GAP_PX, BAR_PX, TITLE_PX, CAPTION_PX, LEGEND_ROW_PX = 8.0, 116.0, 34.0, 26.0, 24.0
LEGEND_COLUMN_PX = 225.0
TALLEST_PANEL_PX = 560.0
LIGHT = "#f4f6f7"


def overlay_height_px(scene: Scene, width_px: float) -> float:
    """Return how tall an overlay of that width is [pixels]."""
    heights = [plane.size_mm[0] for plane in _planes(scene, scene.centre, _pixel_mm(scene, width_px))]
    return max(heights) / _pixel_mm(scene, width_px) + TITLE_PX + CAPTION_PX + _legend_px(scene, width_px) + 4


def draw_overlay(figure: Any, scene: Scene, focus: Focus, area: Area) -> None:
    """Draw three planes through ``focus`` with dose, outlines, colour bar and legend.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn into.
    scene : Scene
        What all overlays of the evaluation share.
    focus : Focus
        The voxel that the planes go through.
    area : Area
        Where; its height should be `overlay_height_px`.
    """
    pixel_mm = _pixel_mm(scene, area.width)
    top = area.bottom + area.height
    add_text(figure, area.left, top - 8, focus.title, va="top", fontsize=11, fontweight="bold")
    left = area.left
    planes = _planes(scene, focus, pixel_mm)
    tallest = max(plane.grid.shape[1] for plane in planes)
    bottom = top - TITLE_PX - tallest
    for plane in planes:
        _, rows, columns = plane.grid.shape
        axes = add_axes(figure, Area(left, top - TITLE_PX - rows, columns, rows))
        _draw_plane(axes, scene, plane, focus)
        caption = f"{plane.view.value.capitalize()}   {plane.position}{'   oblique' if plane.oblique else ''}"
        add_text(
            figure, left + columns / 2, bottom - 6, caption, va="top", ha="center", fontsize=9, color=MUTED
        )
        left += columns + GAP_PX
    _draw_scale(figure, scene, Area(left + 10, bottom, 20, tallest))
    entries = [(shortened(region.name, LONGEST_NAME), style) for region, style in scene.legend]
    if entries:
        legend = {
            "loc": "upper left",
            "ncols": min(len(entries), _legend_columns(area.width)),
            "columnspacing": 1.8,
        }
        add_legend(figure, entries, area.left, bottom - CAPTION_PX - 4, fontsize=9, **legend)


def _pixel_mm(scene: Scene, width_px: float) -> float:
    """Size of a pixel that lets three panels and the colour bar fill the width [mm]."""
    planes = _planes(scene, scene.centre, 1.0)
    across = sum(plane.size_mm[1] for plane in planes)
    tall = max(plane.size_mm[0] for plane in planes)
    return max(across / (width_px - BAR_PX - 2 * GAP_PX - 2), tall / TALLEST_PANEL_PX)


def _planes(scene: Scene, focus: Focus, pixel_mm: float) -> list[DisplayPlane]:
    """The three planes through a focus."""
    return [display_plane(scene.grid, view, focus.index, scene.box, pixel_mm) for view in View]


def _legend_columns(width_px: float) -> int:
    """Entries of the legend that fit beside each other."""
    return max(1, int(width_px / LEGEND_COLUMN_PX))


def _legend_px(scene: Scene, width_px: float) -> float:
    """Height of the legend [pixels]."""
    return LEGEND_ROW_PX * ceil(len(scene.outlined) / _legend_columns(width_px))


def colours() -> NDArray[np.float32]:
    """Return the colour scale of the dose, (256, 3): warm and perceptually even, without its black end."""
    import matplotlib

    return np.asarray(matplotlib.colormaps["inferno"](np.linspace(0.18, 1.0, 256))[:, :3], np.float32)


def composite(scene: Scene, plane: DisplayPlane) -> NDArray[np.uint8]:
    """Return anatomy with the dose over it as RGB, (rows, columns, 3).

    The overlay is transparent below the threshold and turns opaque to 75 % at four times the threshold.
    """
    outside = -1000.0 if scene.underlay_name == "CT" else 0.0
    grey = scene.grey(sample(scene.underlay, plane, outside))[..., None]
    dose = sample(scene.dose, plane)
    level = np.clip(dose / scene.top_gy * 255.0, 0, 255).astype(np.uint8)
    rise = np.clip((dose - scene.threshold_gy) / (3 * scene.threshold_gy), 0.0, 1.0)
    opacity = np.where(dose >= scene.threshold_gy, 0.30 + 0.45 * rise, 0.0)[..., None].astype(np.float32)
    blended = grey + opacity * (colours()[level] - grey)
    return np.asarray(blended * 255.0 + 0.5, np.uint8)


def _draw_plane(axes: Any, scene: Scene, plane: DisplayPlane, focus: Focus) -> None:
    """One panel: picture, outlines, letters, scale bar, mark."""
    axes.set_axis_off()
    axes.imshow(composite(scene, plane), interpolation="nearest", aspect="auto")
    draw_outlines(axes, scene.outlined, plane)
    _, rows, columns = plane.grid.shape
    left, right, top, bottom = plane.letters
    halo = {"color": LIGHT, "fontsize": 10, "fontweight": "bold", "ha": "center", "va": "center"}
    for letter, x, y in (
        (left, 13, rows / 2),
        (right, columns - 13, rows / 2),
        (top, columns / 2, 13),
        (bottom, columns / 2, rows - 13),
    ):
        axes.text(x, y, letter, **halo)
    bar = 50.0 / plane.grid.spacing_mm[1]
    axes.plot([14, 14 + bar], [rows - 12, rows - 12], color=LIGHT, linewidth=2, solid_capstyle="butt")
    axes.text(14 + bar / 2, rows - 17, "5 cm", color=LIGHT, fontsize=8, ha="center", va="bottom")
    if focus.marked:
        row, column = plane.pixel_of(scene.grid.index_to_lps(focus.index))
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            axes.plot(
                [column + 6 * dx, column + 15 * dx],
                [row + 6 * dy, row + 15 * dy],
                color="white",
                linewidth=1.3,
            )
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)


def draw_outlines(axes: Any, outlined: Iterable[tuple[Region, RegionStyle]], plane: DisplayPlane) -> None:
    """Draw outlines where a region fills half a voxel, each on a dark line so that it shows on any colour."""
    from contourpy import contour_generator
    from matplotlib.collections import LineCollection

    lines: list[NDArray[np.float64]] = []
    looks: list[tuple[str, Any]] = []
    for region, style in outlined:
        occupancy = sample(region.mask, plane)
        if occupancy.max() < 0.5 or occupancy.min() >= 0.5:
            continue
        found: list[NDArray[np.float64]] = contour_generator(z=occupancy).lines(0.5)  # type: ignore[assignment]
        lines += found
        looks += [(style.colour, (0, style.dash) if style.dash else "-")] * len(found)
    if not lines:
        return
    axes.add_collection(LineCollection(lines, colors="#0b1116", linewidths=2.8, alpha=0.75), autolim=False)
    dashes = [dash for _, dash in looks]
    colour = [c for c, _ in looks]
    axes.add_collection(
        LineCollection(lines, colors=colour, linewidths=1.5, linestyles=dashes), autolim=False
    )


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
