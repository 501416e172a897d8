"""Cumulative dose-volume histograms, one line per region."""

from __future__ import annotations

from collections.abc import Container, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_bands import BAND_PERCENT, DvhBand
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

WIDTH_PX, HEIGHT_PX, LEGEND_PX = 1420.0, 560.0, 290.0
POINTS = 400
# The dose axis ends where every region has less than this much of its volume left [%].
TAIL_PERCENT = 0.5
MARKED_PERCENT = 70.0
BAND_ALPHA = 0.16


def draw_dvh(
    figure: Any,
    histograms: Mapping[str, DoseVolumeHistogram],
    styles: Mapping[str, RegionStyle],
    marked: Container[str],
    area: Area,
    bands: Mapping[str, DvhBand] | None = None,
) -> None:
    """Draw cumulative histograms with the legend beside them; a dot marks the D70 of tumours.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn into.
    histograms : mapping of str to DoseVolumeHistogram
        By region name, in the order of the legend.
    styles : mapping of str to RegionStyle
        By region name.
    marked : container of str
        Names whose D70 gets a dot.
    area : Area
        Where.
    bands : mapping of str to DvhBand, optional
        Drawn behind the lines, by region name.
    """
    known = bands or {}
    top = area.bottom + area.height
    add_text(figure, area.left, top - 8, "Dose-volume histograms", va="top", fontsize=11, fontweight="bold")
    plot = Area(area.left + 62, area.bottom + 54, area.width - LEGEND_PX - 84, area.height - 54 - 44)
    axes = add_axes(figure, plot)
    highest = max((h.dose_at_volume(TAIL_PERCENT) for h in histograms.values()), default=1.0) or 1.0
    highest = max([highest, *(float(known[name].high_gy[0]) for name in histograms if name in known)])
    doses = np.linspace(0.0, 1.04 * highest, POINTS)
    for name, histogram in histograms.items():
        style = styles[name]
        if name in known:
            _, low, high = known[name].volumes_at(doses)
            axes.fill_between(doses, low, high, color=style.colour, alpha=BAND_ALPHA, linewidth=0)
        dash: Any = (0, style.dash) if style.dash else "-"
        axes.plot(doses, 100.0 * histogram.cumulative(doses), color=style.colour, linewidth=2, linestyle=dash)
        if name in marked:
            d70 = histogram.dose_at_volume(MARKED_PERCENT)
            axes.plot(d70, MARKED_PERCENT, "o", color=style.colour, markersize=5)
    axes.set_xlim(0.0, doses[-1])
    axes.set_ylim(0.0, 101.0)
    axes.set_yticks(range(0, 101, 10))
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("absorbed dose / Gy")
    axes.set_ylabel("volume receiving at least this dose / %")
    entries = [(shortened(name, LONGEST_NAME), styles[name]) for name in histograms]
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
    notes = ["dots: D70 of tumours"] if any(name in marked for name in histograms) else []
    if any(name in known for name in histograms):
        notes.append(f"bands: {BAND_PERCENT:g} % at each dose")
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
    known = {name: given.get(name) or role_of_name(name) for name in histograms}
    path = Path(path)
    path.write_bytes(dvh_png(histograms, known))
    return path


def dvh_png(
    histograms: Mapping[str, DoseVolumeHistogram],
    roles: Mapping[str, Role],
    bands: Mapping[str, DvhBand] | None = None,
) -> bytes:
    """Return the histograms as PNG; ``roles`` may name more regions, so that their colours are kept."""
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        area = Area(10, 8, WIDTH_PX - 20, HEIGHT_PX - 16)
        draw_dvh(figure, histograms, region_styles(roles.items()), tumours_among(roles), area, bands)
        return png_bytes(figure)


def tumours_among(roles: Mapping[str, Role]) -> frozenset[str]:
    """Return the names of single tumours."""
    return frozenset(name for name, role in roles.items() if role is Role.TUMOUR)
