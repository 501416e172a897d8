"""Cumulative dose-volume histograms, one line per region."""

from __future__ import annotations

from collections.abc import Container, Mapping
from math import ceil
from pathlib import Path
from typing import Any

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_bands import BAND_PERCENT
from y90voxel.metrics.dvh_curves import MARKED_PERCENT, DvhCurves, drawn_curves
from y90voxel.regions.palette import RegionStyle, region_styles
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.report.drawing import (
    LONGEST_NAME,
    MUTED,
    RULE,
    Area,
    add_axes,
    add_legend,
    add_text,
    drawing,
    new_figure,
    png_bytes,
)
from y90voxel.report.formatting import shortened

__all__ = ["draw_dvh", "dvh_png", "tumours_among", "write_dvh_figure"]

WIDTH_PX, HEIGHT_PX, LEGEND_PX = 1420.0, 560.0, 290.0  # of the figure and its legend [px]
BAND_ALPHA = 0.16  # opacity; chosen: lines stay readable under bands that overlap
# Of the line as found behind one without noise [pt, opacity]; chosen: it stays behind.
FOUND_WIDTH, FOUND_ALPHA = 0.9, 0.75


def draw_dvh(
    figure: Any, curves: DvhCurves, styles: Mapping[str, RegionStyle], marked: Container[str], area: Area
) -> None:
    """Draw cumulative histograms with the legend beside them; a dot marks the D70 of tumours.

    What was found stands as a thin line behind a histogram without noise.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn into.
    curves : DvhCurves
        What is drawn, bands behind the lines.
    styles : mapping of str to RegionStyle
        By region name.
    marked : container of str
        Names whose D70 gets a dot.
    area : Area
        Where.
    """
    doses, by_name = curves.doses_gy, curves.by_name
    top = area.bottom + area.height
    add_text(figure, area.left, top - 8, "Dose-volume histograms", va="top", fontsize=11, fontweight="bold")
    plot = Area(area.left + 62, area.bottom + 54, area.width - LEGEND_PX - 84, area.height - 54 - 44)
    axes = add_axes(figure, plot)
    for name, curve in by_name.items():
        style = styles[name]
        if curve.limits_percent is not None:
            axes.fill_between(doses, *curve.limits_percent, color=style.colour, alpha=BAND_ALPHA, linewidth=0)
        dash: Any = (0, style.dash) if style.dash else "-"
        if curve.found_percent is not None:
            axes.plot(
                doses, curve.found_percent, color=style.colour, linewidth=FOUND_WIDTH, alpha=FOUND_ALPHA
            )
        axes.plot(doses, curve.volumes_percent, color=style.colour, linewidth=2, linestyle=dash)
        if name in marked:
            axes.plot(curve.d70_gy, MARKED_PERCENT, "o", color=style.colour, markersize=5)
    axes.set_xlim(0.0, doses[-1])
    axes.set_ylim(0.0, 101.0)
    axes.set_yticks(range(0, 101, 10))
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("absorbed dose / Gy")
    axes.set_ylabel("volume receiving at least this dose / %")
    entries = [(shortened(name, LONGEST_NAME), styles[name]) for name in by_name]
    right = plot.left + plot.width + 26
    if entries:
        columns = ceil(len(entries) / 18)
        add_legend(
            figure,
            entries,
            right,
            plot.bottom + plot.height,
            loc="upper left",
            ncols=columns,
            labelspacing=0.75,
        )
    notes = ["dots: D70 of tumours"] if any(name in marked for name in by_name) else []
    if any(curve.limits_percent is not None for curve in by_name.values()):
        notes.append(f"bands of tumours and normal liver: {BAND_PERCENT:g} %")
    if curves.corrected:
        notes.append("thin: as found, noise included")
    add_text(figure, right, plot.bottom, "\n".join(notes), fontsize=8.5, color=MUTED, va="bottom")


def write_dvh_figure(
    histograms: Mapping[str, DoseVolumeHistogram], path: str | Path, roles: Mapping[str, Role] | None = None
) -> Path:
    """Write the histograms of any regions as a PNG and return its path.

    Parameters
    ----------
    histograms : mapping of str to DoseVolumeHistogram
        By region name.
    path : path-like
        Written.
    roles : mapping of str to Role, optional
        Roles by name, for the colours; by the name itself where none is given.
    """
    given = roles or {}
    roles = {name: given.get(name) or role_of_name(name) for name in histograms}
    path = Path(path)
    path.write_bytes(dvh_png(drawn_curves(histograms), region_styles(roles.items()), tumours_among(roles)))
    return path


def dvh_png(curves: DvhCurves, styles: Mapping[str, RegionStyle], marked: Container[str]) -> bytes:
    """Return the histograms as PNG, as for `draw_dvh`."""
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        draw_dvh(figure, curves, styles, marked, Area(10, 8, WIDTH_PX - 20, HEIGHT_PX - 16))
        return png_bytes(figure)


def tumours_among(roles: Mapping[str, Role]) -> frozenset[str]:
    """Return the names of single tumours."""
    return frozenset(name for name, role in roles.items() if role is Role.TUMOUR)
