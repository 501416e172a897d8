"""The figures of a check: both doses, their difference and what is left of it, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.palette import RegionStyle, region_styles
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.report.comparison_figures import (
    difference_picture,
    diverging_colours,
    dose_picture,
    draw_scale,
)
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
from y90voxel.report.formatting import shortened
from y90voxel.report.overlays import colours, draw_outlines
from y90voxel.vendor_check.check_dose import VendorCheck
from y90voxel.vendor_check.geometry_search import Lying, sampled
from y90voxel.volumes.planes import DisplayPlane, View, display_plane, sample, shown_box
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import Volume

__all__ = ["check_figures"]

# Of a pair of pictures, its gaps, the colour bar with its numbers, and the titles [px]; chosen: two pairs fill the page, one a
# telephone, where letters still read.
WIDTH_PX, GAP_PX, BAR_PX, TITLE_PX = 700.0, 8.0, 84.0, 34.0
DVH_HEIGHT_PX = 400.0  # [px]
SHOWN_FROM = 0.05  # of the greatest dose; chosen: the picture holds what is dosed
OUTLINED = (Role.LUNG, Role.LIVER, Role.PERFUSED, Role.TUMOUR)
PLOTTED = (Role.TUMOUR, Role.NON_TUMOUR_LIVER, Role.LUNGS)
DVH_POINTS = 400  # of a curve; chosen: more than its width has pixels at half fineness
TAIL_PERCENT = 0.5  # [%]: the axis ends at D0.5, beyond it single voxels decide
LEAST_REACH = 0.002  # of the greatest dose: a difference of rounding stays white


def check_figures(check: VendorCheck) -> dict[str, bytes]:
    """Return the figures of a check: file name to PNG.

    Parameters
    ----------
    check : VendorCheck
        What was found.
    """
    plane = _plane(check)
    styles = region_styles((region.name, region.role) for region in check.own.regions)
    outlines = [
        (sample(region.mask, plane), styles[region.name])
        for role in OUTLINED
        for region in check.own.regions
        if region.role is role
    ]
    ours, theirs = check.own.dose, check.vendor.dose
    top = max(float(ours.array.max()), float(theirs.array.max()))
    as_is = sample(Volume(theirs.array, theirs.grid), plane) - sample(Volume(ours.array, ours.grid), plane)
    part, explained = check.explanation.theirs, check.explanation.explained
    left = sample(Volume(part.array - explained.array, part.grid), plane)
    reach = max(float(np.abs(as_is).max()), LEAST_REACH * top)
    figures = {
        "doses.png": _pair(
            (dose_picture(sample(ours, plane), top), dose_picture(sample(theirs, plane), top)),
            ("ours", "theirs"),
            (colours(), (0.0, top), "dose / Gy"),
            outlines,
        ),
        "differences.png": _pair(
            (difference_picture(as_is, reach), difference_picture(left, reach)),
            ("theirs − ours", "theirs − explained"),
            (diverging_colours(), (-reach, reach), "difference / Gy"),
            outlines,
        ),
    }
    plotted = [region for region in check.own.regions if region.role in PLOTTED and region.mask.total > 0]
    if plotted:
        figures["dvh.png"] = _histograms(check, plotted, styles)
    return figures


def _plane(check: VendorCheck) -> DisplayPlane:
    """The axial plane through our hottest voxel, around everything that either map doses."""
    grid, ours = check.own.dose.grid, check.own.dose.array
    near, _ = sampled(check.vendor.dose, grid, Lying())
    shown = (ours >= SHOWN_FROM * ours.max()) | (near >= SHOWN_FROM * check.vendor.dose.array.max())
    k, j, i = (int(n) for n in np.unravel_index(int(np.argmax(ours)), ours.shape))
    box = shown_box(grid, shown, (k, j, i))
    width = display_plane(grid, View.AXIAL, (k, j, i), box, 1.0).size_mm[1]
    return display_plane(grid, View.AXIAL, (k, j, i), box, width / ((WIDTH_PX - BAR_PX - 3 * GAP_PX) / 2))


def _pair(
    pictures: tuple[NDArray[np.float32], NDArray[np.float32]],
    titles: tuple[str, str],
    scale: tuple[NDArray[np.float32], tuple[float, float], str],
    outlines: list[tuple[NDArray[np.float32], RegionStyle]],
) -> bytes:
    """Two pictures side by side with one colour bar."""
    rows, columns = pictures[0].shape[:2]
    with drawing():
        figure = new_figure(WIDTH_PX, rows + TITLE_PX + GAP_PX)
        left = GAP_PX
        for picture, title in zip(pictures, titles, strict=True):
            area = Area(left, GAP_PX, columns, rows)
            add_picture(figure, area, np.rint(255.0 * picture).astype(np.uint8))
            draw_outlines(figure, area, outlines)
            add_text(
                figure, left + columns / 2, GAP_PX + rows + 8, title, ha="center", va="bottom", fontsize=10.5
            )
            left += columns + GAP_PX
        draw_scale(figure, Area(left, GAP_PX, 14, rows), *scale)
        return png_bytes(figure)


def _histograms(check: VendorCheck, plotted: list[Region], styles: dict[str, RegionStyle]) -> bytes:
    """Cumulative histograms of both doses in our regions."""
    ours = [DoseVolumeHistogram.from_dose(check.own.dose, region.mask) for region in plotted]
    grid = check.vendor.dose.grid
    masks = [resample(region.mask, grid) for region in plotted]
    theirs = [
        DoseVolumeHistogram.from_dose(check.vendor.dose, mask) if mask.total > 0 else None for mask in masks
    ]
    known = [h for h in (*ours, *theirs) if h is not None]
    highest = max(h.dose_at_volume(TAIL_PERCENT) for h in known) or 1.0
    doses = np.linspace(0.0, 1.04 * highest, DVH_POINTS)
    with drawing():
        figure = new_figure(WIDTH_PX, DVH_HEIGHT_PX)
        plot = Area(66, 56, WIDTH_PX - 66 - 200, DVH_HEIGHT_PX - 56 - 20)
        axes: Any = add_axes(figure, plot)
        for region, one, other in zip(plotted, ours, theirs, strict=True):
            colour = styles[region.name].colour
            axes.plot(doses, 100.0 * one.cumulative(doses), color=colour, linewidth=1.8)
            if other is not None:
                axes.plot(
                    doses, 100.0 * other.cumulative(doses), color=colour, linewidth=1.6, linestyle=(0, (4.0, 2.0))
                )  # fmt: skip
        axes.set_xlim(0.0, doses[-1])
        axes.set_ylim(0.0, 101.0)
        tidy(axes, "absorbed dose / Gy", "volume with at least this dose / %")
        kinds = [("ours", RegionStyle(MUTED)), ("theirs", RegionStyle(MUTED, (4.0, 2.0)))]
        entries = [(shortened(r.name, LONGEST_NAME), RegionStyle(styles[r.name].colour)) for r in plotted]
        place = {"loc": "upper left", "ncols": 1, "labelspacing": 0.75}
        add_legend(
            figure, [*kinds, *entries], plot.left + plot.width + 16, plot.bottom + plot.height, **place
        )
        return png_bytes(figure)
