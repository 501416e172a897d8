"""The figures of a comparison as PNG: maps side by side, histograms, agreement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.comparison.comparison_result import Comparison
from y90voxel.comparison.region_comparison import RegionComparison
from y90voxel.comparison.voxel_agreement import QUOTIENTS
from y90voxel.comparison.voxel_comparison import VoxelComparison
from y90voxel.regions.palette import RegionStyle, region_styles
from y90voxel.regions.roles import Role
from y90voxel.report.drawing import (
    INK,
    LONGEST_NAME,
    MUTED,
    Area,
    add_axes,
    add_legend,
    add_picture,
    add_text,
    drawing,
    new_figure,
    png_bytes,
    tidy,
)
from y90voxel.report.formatting import dose_text, number, shortened
from y90voxel.report.overlays import colours, draw_outlines
from y90voxel.report.scene import CT_WINDOW_HU, SMALLEST, THRESHOLD
from y90voxel.report.shown_doses import shown_doses
from y90voxel.volumes.planes import View, display_plane, sample, shown_box
from y90voxel.volumes.volume import CtImage

__all__ = [
    "OUTLINED",
    "comparison_figures",
    "comparison_styles",
    "difference_picture",
    "diverging_colours",
    "dose_picture",
    "draw_scale",
]

# Of the figure, its gaps, a colour bar with its numbers, and the title [px].
WIDTH_PX, GAP_PX, BAR_PX, TITLE_PX = 1420.0, 10.0, 92.0, 62.0
TALLEST_PX = 420.0  # of one picture [px]; chosen: two rows fit a screen
OUTLINED = (Role.LUNG, Role.LIVER, Role.PERFUSED, Role.TUMOUR)
# Regions whose histograms and quotients are drawn: each tissue once.
PLOTTED = (
    Role.TUMOUR,
    Role.NON_TUMOUR_LIVER,
    Role.PERFUSED_NON_TUMOUR_LIVER,
    Role.LUNGS,
)
# Doses over CT: opacity at the threshold and from four times it on, so that the CT still shows.
OVER_CT = (0.30, 0.75)
AIR_HU = -1000.0  # [HU], by definition of the scale
DVH_POINTS = 400  # of a curve; chosen: more than its width has pixels at half fineness
TAIL_PERCENT = 0.5  # [%]: the axis ends at D0.5, beyond it single voxels decide


def comparison_figures(comparison: Comparison, ct: CtImage | None = None) -> dict[str, bytes]:
    """Return the figures of a comparison: file name to PNG.

    Parameters
    ----------
    comparison : Comparison
        What is drawn.
    ct : CtImage or None
        CT of the delivered study, under the maps.
    """
    figures = {}
    if comparison.voxels is not None:
        figures["maps.png"] = _maps_png(comparison, comparison.voxels, ct)
    plotted = _plotted(comparison)
    if plotted:
        figures["dvh.png"] = _dvh_png(comparison, plotted)
    panels = _agreement_panels(comparison, plotted)
    if panels:
        figures["agreement.png"] = _agreement_png(panels)
    return figures


def comparison_styles(comparison: Comparison) -> dict[str, RegionStyle]:
    """Return the style of each compared region by name, as figures and table use it."""
    return region_styles((region.name, region.role) for region in comparison.regions)


def _plotted(comparison: Comparison) -> list[RegionComparison]:
    """The regions whose curves are drawn; all of them where none has a role that is usually drawn."""
    return [region for region in comparison.regions if region.role in PLOTTED] or list(comparison.regions)


# maps


def _maps_png(comparison: Comparison, voxels: VoxelComparison, ct: CtImage | None) -> bytes:
    """Predicted, delivered and difference in an axial and a coronal plane through the hottest delivered voxel."""
    grid, shown = voxels.delivered_dose.grid, shown_doses(voxels)
    focus, top, reach = shown.hottest, shown.top_gy, shown.reach_gy
    box = shown_box(grid, shown.inside, focus)
    across = display_plane(grid, View.AXIAL, focus, box, 1.0).size_mm[1]
    column = (WIDTH_PX - 2 * BAR_PX - 4 * GAP_PX) / 3
    tallest = max(
        display_plane(grid, view, focus, box, 1.0).size_mm[0] for view in (View.AXIAL, View.CORONAL)
    )
    pixel_mm = max(across / column, tallest / TALLEST_PX)
    planes = [display_plane(grid, view, focus, box, pixel_mm) for view in (View.AXIAL, View.CORONAL)]
    heights = [plane.grid.shape[1] for plane in planes]
    styles = comparison_styles(comparison)
    regions = [region for role in OUTLINED for region in voxels.regions if region.role is role]
    outlined = regions or voxels.regions
    with drawing():
        height = TITLE_PX + sum(heights) + GAP_PX * len(planes) + 34
        figure = new_figure(WIDTH_PX, height)
        title = (
            f"Through the hottest delivered voxel, {dose_text(float(voxels.delivered_dose.array[focus]))} Gy"
        )
        add_text(figure, 8, height - 8, title, va="top", fontsize=11, fontweight="bold")
        bottom = height - TITLE_PX
        for plane, rows in zip(planes, heights, strict=True):
            bottom -= rows
            left = 8.0
            outlines = [(sample(region.mask, plane), styles[region.name]) for region in outlined]
            grey = None if ct is None else _grey(sample(ct, plane, AIR_HU))
            for picture in (
                dose_picture(sample(voxels.predicted_dose, plane), top, grey),
                dose_picture(sample(voxels.delivered_dose, plane), top, grey),
                difference_picture(sample(shown.difference, plane), reach, grey),
            ):
                _panel(figure, Area(left, bottom, plane.grid.shape[2], rows), picture, outlines)
                left += plane.grid.shape[2] + GAP_PX
            bottom -= GAP_PX
        columns = planes[0].grid.shape[2]
        factor = "" if comparison.factor == 1.0 else f", × {number(comparison.factor, 4)}"
        for place, text in enumerate((f"predicted{factor}", "delivered", "delivered − predicted")):
            x = 8 + place * (columns + GAP_PX) + columns / 2
            add_text(figure, x, height - TITLE_PX + 6, text, ha="center", va="bottom", fontsize=10)
        left = 8 + 3 * (columns + GAP_PX)
        low, tall = bottom + GAP_PX, sum(heights) + GAP_PX * (len(heights) - 1)
        draw_scale(figure, Area(left, low, 18, tall), colours(), (0.0, top), "dose / Gy")
        draw_scale(
            figure,
            Area(left + BAR_PX, low, 18, tall),
            diverging_colours(),
            (-reach, reach),
            "difference / Gy",
        )
        add_legend(
            figure,
            [(shortened(region.name, LONGEST_NAME), styles[region.name]) for region in outlined],
            8,
            22,
            loc="upper left",
            ncols=min(max(len(outlined), 1), 6),
            columnspacing=1.8,
            fontsize=9,
        )
        return png_bytes(figure)


def dose_picture(
    dose: NDArray[np.float32], top_gy: float, grey: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return a dose in colour on black or over a grey image, (rows, columns, 3).

    Parameters
    ----------
    dose : ndarray, (rows, columns)
        [Gy].
    top_gy : float
        Top of the scale [Gy].
    grey : ndarray, (rows, columns), or None
        Anatomy below it, 0 to 1.
    """
    level = np.clip(dose / top_gy, 0.0, 1.0)
    colour = colours()[(level * 255).astype(np.uint8)]
    if grey is not None:
        return _over(grey, colour, level)
    return np.asarray(colour * np.clip(level / THRESHOLD, 0.0, 1.0)[..., None], np.float32)


def difference_picture(
    difference: NDArray[np.float32], reach_gy: float, grey: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return a difference in colour, white at zero or clear there over a grey image, (rows, columns, 3).

    Parameters
    ----------
    difference : ndarray, (rows, columns)
        [Gy].
    reach_gy : float
        Either end of the scale [Gy].
    grey : ndarray, (rows, columns), or None
        Anatomy below it, 0 to 1.
    """
    level = np.clip(0.5 + 0.5 * difference / reach_gy, 0.0, 1.0)
    colour = diverging_colours()[np.rint(level * 255).astype(np.uint8)]
    return np.asarray(colour if grey is None else _over(grey, colour, np.abs(2.0 * level - 1.0)), np.float32)


def _over(
    grey: NDArray[np.float32], colour: NDArray[np.float32], level: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Colours over a grey image: clear below the threshold, as opaque as they get from four times it on."""
    least, most = OVER_CT
    rise = np.clip((level - THRESHOLD) / (3 * THRESHOLD), 0.0, 1.0)
    opacity = np.where(level >= THRESHOLD, least + (most - least) * rise, 0.0)[..., None]
    return np.asarray(grey[..., None] + opacity * (colour - grey[..., None]), np.float32)


def _grey(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """CT numbers as brightness, 0 to 1."""
    low, high = CT_WINDOW_HU
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0), np.float32)


def diverging_colours() -> NDArray[np.float32]:
    """Return the colour scale of differences, (256, 3): blue below zero, white, red above."""
    # deferred: matplotlib takes 0.3 s
    import matplotlib

    return np.asarray(matplotlib.colormaps["RdBu_r"](np.linspace(0.0, 1.0, 256))[:, :3], np.float32)


def _panel(
    figure: Any,
    area: Area,
    picture: NDArray[np.float32],
    outlines: list[tuple[NDArray[np.float32], RegionStyle]],
) -> None:
    """One picture with outlines."""
    add_picture(figure, area, np.rint(255.0 * picture).astype(np.uint8))
    draw_outlines(figure, area, outlines)


def draw_scale(
    figure: Any, area: Area, scale: NDArray[np.float32], ends: tuple[float, float], label: str
) -> None:
    """A colour bar."""
    axes = add_axes(figure, area)
    axes.imshow(scale[:, None, :], origin="lower", aspect="auto", extent=(0, 1, *ends))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(label, fontsize=9, labelpad=2)
    axes.tick_params(axis="y", length=3, color=INK, labelcolor=INK)


# histograms


def _dvh_png(comparison: Comparison, plotted: list[RegionComparison]) -> bytes:
    """Cumulative histograms of both doses."""
    height, legend = 520.0, 270.0
    styles = comparison_styles(comparison)
    both = [h for region in plotted for h in (region.predicted.dvh, region.delivered.dvh)]
    highest = max(h.dose_at_volume(TAIL_PERCENT) for h in both) or 1.0
    doses = np.linspace(0.0, 1.04 * highest, DVH_POINTS)
    with drawing():
        figure = new_figure(WIDTH_PX, height)
        add_text(figure, 10, height - 10, "Dose-volume histograms", va="top", fontsize=11, fontweight="bold")
        plot = Area(72, 56, WIDTH_PX - legend - 100, height - 56 - 46)
        axes = add_axes(figure, plot)
        for region in plotted:
            colour = styles[region.name].colour
            axes.plot(doses, 100.0 * region.delivered.dvh.cumulative(doses), color=colour, linewidth=2)
            axes.plot(
                doses, 100.0 * region.predicted.dvh.cumulative(doses), color=colour, linewidth=1.6,
                linestyle=(0, (4.0, 2.0)),
            )  # fmt: skip
        axes.set_xlim(0.0, doses[-1])
        axes.set_ylim(0.0, 101.0)
        tidy(axes, "absorbed dose / Gy", "volume receiving at least this dose / %")
        right = plot.left + plot.width + 26
        entries = [
            (shortened(region.name, LONGEST_NAME), RegionStyle(styles[region.name].colour))
            for region in plotted
        ]
        kinds = [("delivered", RegionStyle(MUTED)), ("predicted", RegionStyle(MUTED, (4.0, 2.0)))]
        place = {"loc": "upper left", "ncols": 1, "labelspacing": 0.75}
        add_legend(figure, [*kinds, *entries], right, plot.bottom + plot.height, **place)
        return png_bytes(figure)


# agreement


Panel = tuple[str, Callable[[Any], None]]


def _agreement_panels(comparison: Comparison, plotted: list[RegionComparison]) -> list[Panel]:
    """What can be drawn of the agreement: title and a function that draws on axes."""
    panels: list[Panel] = []
    if comparison.agreement.bland_altman is not None:
        panels.append(("Mean doses of lesions", lambda axes: _draw_bland_altman(axes, comparison)))
    voxels = comparison.voxels
    if voxels is not None:
        names = {region.name for region in plotted}
        panels.append(("Voxels", lambda axes: _draw_voxels(axes, voxels)))
        panels.append(("Quotients by volume", lambda axes: _draw_quotients(axes, comparison, voxels, names)))
    return panels


def _agreement_png(panels: list[Panel]) -> bytes:
    """Bland-Altman over lesions, voxel by voxel, and quotients by volume."""
    height, wide = 470.0, 380.0
    with drawing():
        figure = new_figure(WIDTH_PX, height)
        for place, (title, draw) in enumerate(panels):
            left = 10 + place * (WIDTH_PX / 3)
            add_text(figure, left, height - 10, title, va="top", fontsize=11, fontweight="bold")
            draw(add_axes(figure, Area(left + 62, 56, wide - 10, height - 56 - 46)))
        return png_bytes(figure)


def _draw_bland_altman(axes: Any, comparison: Comparison) -> None:
    """Difference over mean, with bias and limits of agreement."""
    styles = comparison_styles(comparison)
    counted = [comparison.region(name) for name in comparison.agreement.lesions]
    for region in counted:
        mean = 0.5 * (region.predicted.metrics.mean_gy + region.delivered.metrics.mean_gy)
        change = region.difference["mean_gy"]
        axes.plot(mean, change, "o", color=styles[region.name].colour, markersize=7)
        axes.annotate(
            shortened(region.name, 18), (mean, change), xytext=(7, 5), textcoords="offset points", fontsize=8
        )
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    limits = comparison.agreement.bland_altman
    if limits is not None:
        axes.axhline(limits.bias, color=INK, linewidth=1.4)
        for value in (limits.lower, limits.upper):
            axes.axhline(value, color=INK, linewidth=1.1, linestyle=(0, (4, 3)))
        for value, name in ((limits.bias, "bias"), (limits.lower, "− 1.96 SD"), (limits.upper, "+ 1.96 SD")):
            axes.annotate(
                f"{name} {number(value)}", (1.0, value), xycoords=("axes fraction", "data"), ha="right",
                va="bottom", fontsize=8, color=MUTED, xytext=(-2, 1), textcoords="offset points",
            )  # fmt: skip
    axes.margins(x=0.18, y=0.16)
    tidy(axes, "mean of predicted and delivered / Gy", "delivered − predicted / Gy")


def _draw_voxels(axes: Any, voxels: VoxelComparison) -> None:
    """Delivered over predicted dose, voxel by voxel, in the compared volume."""
    chosen = voxels.volume.array >= 0.5
    x, y = voxels.predicted_dose.array[chosen], voxels.delivered_dose.array[chosen]
    top = max(float(x.max(initial=0.0)), float(y.max(initial=0.0)), SMALLEST)
    axes.hexbin(x, y, gridsize=55, extent=(0, top, 0, top), bins="log", mincnt=1, cmap="Blues", linewidths=0)
    axes.plot((0, top), (0, top), color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    if voxels.voxels is not None:
        text = f"r {number(voxels.voxels.pearson)}, concordance {number(voxels.voxels.concordance)}"
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=8.5, color=MUTED)
    tidy(axes, "predicted / Gy", "delivered / Gy")


def _draw_quotients(axes: Any, comparison: Comparison, voxels: VoxelComparison, names: set[str]) -> None:
    """Volume whose delivered over predicted dose is at least q."""
    styles = comparison_styles(comparison)
    axes.plot((0, 1, 1, 2), (100, 100, 0, 0), color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    for region in voxels.regions:
        curve = None if region.voxels is None else region.voxels.quality_volume_histogram
        if curve is not None and region.name in names:
            axes.plot(QUOTIENTS, 100.0 * curve, color=styles[region.name].colour, linewidth=2)
    axes.set_xlim(0.0, 2.0)
    axes.set_ylim(0.0, 101.0)
    tidy(axes, "delivered over predicted", "volume with at least this quotient / %")
