"""The figure of dose between microspheres: expected histograms at 0.1 mm beside those of the image's voxels; exploratory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from y90voxel.metrics.dvh_curves import DvhCurve, DvhCurves
from y90voxel.microscale.microscale_report import (
    EXPLORATORY,
    SHOWN_PERCENTS,
    MicroscaleRegion,
    MicroscaleReport,
)
from y90voxel.microscale.sphere_kernel import SCORING_MM
from y90voxel.regions.roles import Role
from y90voxel.report.drawing import (
    INK,
    LONGEST_NAME,
    MUTED,
    RULE,
    Area,
    add_axes,
    add_text,
    drawing,
    new_figure,
    png_bytes,
)
from y90voxel.report.formatting import dose_text, shortened

__all__ = ["microscale_png"]

WIDTH_PX, HEIGHT_PX = 1420.0, 590.0  # of the figure [px]
# Of a panel, and of what stands above and below its axes [px].
PANEL_PX, LEFT_PX, BELOW_PX, ABOVE_PX = 710.0, 72.0, 128.0, 64.0
BEYOND_D2 = 1.2  # where the axis of doses ends, over the greater D2; chosen: the tail is seen to vanish
SPHERES, VOXELS, ALONE = "#a8320a", "#2f6f9f", "#7450c4"
# The whole tumour before single ones, normal liver before all of it.
PANELS: tuple[tuple[Role, ...], ...] = (
    (Role.TUMOURS, Role.TUMOUR),
    (Role.NON_TUMOUR_LIVER, Role.LIVER),
)


def microscale_png(report: MicroscaleReport, curves: DvhCurves) -> bytes:
    """Return expected histograms of tumour and normal liver beside those of the voxels, as PNG."""
    shown = [region for roles in PANELS if (region := _first(report.regions, roles)) is not None]
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        for place, region in enumerate(shown):
            width, height = PANEL_PX - LEFT_PX - 40, HEIGHT_PX - BELOW_PX - ABOVE_PX
            area = Area(place * PANEL_PX + LEFT_PX, BELOW_PX, width, height)
            _draw(figure, region, curves, area)
        return png_bytes(figure)


def _first(regions: Sequence[MicroscaleRegion], roles: Sequence[Role]) -> MicroscaleRegion | None:
    """The first region of the first role that there is."""
    return next((one for role in roles for one in regions if one.role == role), None)


def _draw(figure: Any, region: MicroscaleRegion, curves: DvhCurves, area: Area) -> None:
    """One region: both histograms, its mean, and D98, D70 and D2 between spheres."""
    axes, expected, alone = add_axes(figure, area), region.dvh, region.dvh_alone
    voxels: DvhCurve | None = curves.by_name.get(region.region)
    if voxels is not None:
        axes.plot(
            curves.doses_gy, voxels.volumes_percent, color=VOXELS, linewidth=2, linestyle=(0, (5, 2)),
            label="voxels of the image: blur, noise and uneven uptake",
        )  # fmt: skip
    axes.plot(
        expected.dose_gy, 100.0 * expected.volume_fraction, color=SPHERES, linewidth=2,
        label=f"expected at {SCORING_MM:g} mm: spheres around the dose of every voxel",
    )  # fmt: skip
    axes.plot(
        alone.dose_gy, 100.0 * alone.volume_fraction, color=ALONE, linewidth=1.2,
        label=f"expected at {SCORING_MM:g} mm: spheres alone, spread evenly at the mean",
    )  # fmt: skip
    axes.plot(list(region.d_gy.values()), SHOWN_PERCENTS, "o", color=SPHERES, markersize=5)
    axes.axvline(region.mean_gy, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
    top = BEYOND_D2 * max(region.d_gy[2], region.voxel_d_gy[2]) or 1.0
    axes.set_xlim(0.0, top)
    axes.set_ylim(0.0, 101.0)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("absorbed dose / Gy")
    axes.set_ylabel("volume receiving at least this dose / %")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.13), fontsize=8.5, frameon=False)
    title = area.bottom + area.height + 48
    name = shortened(region.region, LONGEST_NAME)
    add_text(figure, area.left - 52, title, name, va="top", fontsize=11, fontweight="bold")
    note = f"dots: D98, D70, D2; dotted: mean {dose_text(region.mean_gy)} Gy; {EXPLORATORY}"
    add_text(figure, area.left - 52, title - 20, note, va="top", fontsize=8.5, color=MUTED)
