"""The figures of a sum of treatments as PNG: time line, maps of the sum, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from y90voxel.accumulation.accumulate import Accumulation
from y90voxel.accumulation.time_courses import DecayingSource
from y90voxel.accumulation.treatment import Treatment
from y90voxel.regions.palette import RegionStyle, region_styles
from y90voxel.regions.roles import Role
from y90voxel.report.comparison_figures import dose_picture, draw_scale
from y90voxel.report.drawing import (
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
from y90voxel.report.formatting import dose_text, shortened
from y90voxel.report.overlays import colours, draw_outlines
from y90voxel.report.time_line import TimeLineRow, time_line_png
from y90voxel.volumes.planes import View, display_plane, sample, shown_box
from y90voxel.volumes.volume import DoseMap

__all__ = ["accumulation_figures", "accumulation_styles"]

# Layout of the figures [pixels], chosen to look like those of a comparison.
WIDTH_PX, GAP_PX, BAR_PX, TITLE_PX = 1420.0, 10.0, 96.0, 62.0
# No plane is drawn taller [pixels], so that two stand in a page.
TALLEST_PX = 420.0
OUTLINED = (Role.LIVER, Role.PERFUSED, Role.TUMOUR)
PLOTTED = (Role.TUMOUR, Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER, Role.LUNGS)
DVH_POINTS = 400  # of a curve: one every two or three pixels
# The histogram ends where this share of a volume gets more [%].
TAIL_PERCENT = 0.5


def accumulation_figures(accumulation: Accumulation) -> dict[str, bytes]:
    """Return the figures of a sum: file name to PNG."""
    figures = {
        "time_line.png": time_line_png([_on_time_line(treatment) for treatment in accumulation.treatments])
    }
    if accumulation.physical is not None and accumulation.eqd2 is not None:
        figures["maps.png"] = _maps_png(accumulation, accumulation.physical, accumulation.eqd2)
        figures["dvh.png"] = _dvh_png(accumulation)
    return figures


def accumulation_styles(accumulation: Accumulation) -> dict[str, RegionStyle]:
    """Return the style of each region by name, as figures and table use it."""
    return region_styles((region.name, region.role) for region in accumulation.regions)


def _on_time_line(treatment: Treatment) -> TimeLineRow:
    """A treatment as it stands on the time line."""
    course = treatment.course
    if isinstance(course, DecayingSource):
        return TimeLineRow(treatment.name, treatment.start, half_life_s=course.half_life_s)
    times = tuple(time - course.fraction_times_s[0] for time in course.fraction_times_s)
    return TimeLineRow(treatment.name, treatment.start, fractions_after_s=times)


def _maps_png(accumulation: Accumulation, physical: DoseMap, equivalent: DoseMap) -> bytes:
    """Sum of the absorbed doses and 2 Gy-equivalent dose, axial and coronal through the hottest voxel."""
    base = next(t for t in accumulation.treatments if t.name == accumulation.reference)
    regions = [region for region in base.regions if region.role in OUTLINED] or list(base.regions)
    grid = physical.grid
    inside = np.any([region.mask.array >= 0.5 for region in regions], axis=0)
    focus = physical.greatest_at(inside)
    box = shown_box(grid, inside, focus)
    column = (WIDTH_PX - 2 * BAR_PX - 4 * GAP_PX) / 2
    sizes = [display_plane(grid, view, focus, box, 1.0).size_mm for view in (View.AXIAL, View.CORONAL)]
    pixel_mm = max(max(size[1] for size in sizes) / column, max(size[0] for size in sizes) / TALLEST_PX)
    planes = [display_plane(grid, view, focus, box, pixel_mm) for view in (View.AXIAL, View.CORONAL)]
    heights, columns = [plane.grid.shape[1] for plane in planes], max(plane.grid.shape[2] for plane in planes)
    tops = [max(float(dose.array[inside].max()), 1e-6) for dose in (physical, equivalent)]
    styles = accumulation_styles(accumulation)
    with drawing():
        height = TITLE_PX + sum(heights) + GAP_PX * len(planes) + 34
        width = 2 * (columns + BAR_PX) + 4 * GAP_PX
        figure = new_figure(width, height)
        for place, (dose, top, title) in enumerate(
            zip(
                (physical, equivalent),
                tops,
                ("sum of absorbed doses", "EQD2, α/β 2.5 Gy everywhere"),
                strict=True,
            )
        ):
            left, bottom = 8.0 + place * (columns + BAR_PX + GAP_PX), height - TITLE_PX
            add_text(
                figure,
                left + columns / 2,
                height - TITLE_PX + 6,
                title,
                ha="center",
                va="bottom",
                fontsize=10,
            )
            for plane, rows in zip(planes, heights, strict=True):
                bottom -= rows
                area = Area(left, bottom, plane.grid.shape[2], rows)
                add_picture(
                    figure, area, np.rint(255.0 * dose_picture(sample(dose, plane), top)).astype(np.uint8)
                )
                draw_outlines(figure, area, [(sample(r.mask, plane), styles[r.name]) for r in regions])
                bottom -= GAP_PX
            tall = sum(heights) + GAP_PX * (len(heights) - 1)
            draw_scale(
                figure, Area(left + columns + 8, bottom + GAP_PX, 18, tall), colours(), (0.0, top), "Gy"
            )
        title = f"Through the voxel of the greatest sum, {dose_text(float(physical.array[focus]))} Gy"
        add_text(figure, 8, height - 8, title, va="top", fontsize=11, fontweight="bold")
        entries = [(shortened(region.name, LONGEST_NAME), styles[region.name]) for region in regions]
        add_legend(
            figure,
            entries,
            8,
            22,
            loc="upper left",
            ncols=min(len(entries), 6),
            columnspacing=1.8,
            fontsize=9,
        )
        return png_bytes(figure)


def _dvh_png(accumulation: Accumulation) -> bytes:
    """Histograms of the absorbed dose, and dashed of the 2 Gy-equivalent dose with every set of parameters."""
    height, legend = 520.0, 300.0
    styles = accumulation_styles(accumulation)
    plotted = [region for region in accumulation.regions if region.role in PLOTTED] or list(
        accumulation.regions
    )
    curves: list[tuple[str, Any, RegionStyle]] = []
    for region in plotted:
        colour, name = styles[region.name].colour, shortened(region.name, 22)
        curves.append((name, region.histogram, RegionStyle(colour)))
        for effect, dash in zip(region.effects, ((5.0, 2.0), (1.5, 1.5)), strict=False):
            curves.append(
                (f"{name}, EQD2 {effect.parameters.name}", effect.histogram, RegionStyle(colour, dash))
            )
    ends = [histogram.dose_at_volume(TAIL_PERCENT) for _, histogram, _ in curves if histogram is not None]
    doses = np.linspace(0.0, 1.04 * (max(ends) or 1.0), DVH_POINTS)
    with drawing():
        figure = new_figure(WIDTH_PX, height)
        add_text(figure, 10, height - 10, "Dose-volume histograms", va="top", fontsize=11, fontweight="bold")
        plot = Area(72, 56, WIDTH_PX - legend - 100, height - 56 - 46)
        axes = add_axes(figure, plot)
        for _, histogram, style in curves:
            if histogram is not None:
                line = (0, style.dash) if style.dash else "-"
                axes.plot(
                    doses,
                    100.0 * histogram.cumulative(doses),
                    color=style.colour,
                    linewidth=1.8,
                    linestyle=line,
                )
        axes.set_xlim(0.0, doses[-1])
        axes.set_ylim(0.0, 101.0)
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        tidy(axes, "dose / Gy: absorbed (solid), EQD2 (broken)", "volume receiving at least this dose / %")
        entries = [(name, style) for name, _, style in curves]
        place = {"loc": "upper left", "ncols": 1, "labelspacing": 0.6, "fontsize": 9}
        add_legend(figure, entries, plot.left + plot.width + 26, plot.bottom + plot.height, **place)
        return png_bytes(figure)
