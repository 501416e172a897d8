"""The figures of a commissioning: where the spheres were found, recovery by size, calibration over rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from y90voxel.phantoms.acquisition import AcquisitionMeasure
from y90voxel.phantoms.blurred_shapes import sphere_volume_ml
from y90voxel.phantoms.commissioning import Commissioning, usable
from y90voxel.phantoms.phantom_measures import voxel_recovery
from y90voxel.quantification.recovery_curve import GaussianRecovery
from y90voxel.report.drawing import INK, MUTED, Area, add_axes, add_text, drawing, new_figure, png_bytes, tidy

__all__ = ["commission_figures"]

# Size of figures [pixels], chosen for the width of the page.
WIDTH_PX, HEIGHT_PX = 1160.0, 430.0
ACCENT, WARM, COOL = "#0b62a4", "#c4541b", "#2b8a5a"


def commission_figures(result: Commissioning, trend: list[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the figures: file name to PNG.

    Parameters
    ----------
    result : Commissioning
        What was measured.
    trend : list of mapping
        Earlier commissionings, see ``commission.json``.
    """
    figures = {"phantom.png": _phantom(result)}
    if len(result.acquisitions) > 1:
        figures["linearity.png"] = _linearity(result)
    if trend:
        figures["trend.png"] = _trend(result, trend)
    return figures


def _phantom(result: Commissioning) -> bytes:
    """The slice through the spheres beside recovery by diameter."""
    first = result.first
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        _slice(figure, first, Area(20, 30, 470, HEIGHT_PX - 70))
        add_text(figure, 20, HEIGHT_PX - 10, _title(first), va="top", fontsize=10.5, fontweight="bold")
        if first.spheres:
            axes = add_axes(figure, Area(590, 60, WIDTH_PX - 620, HEIGHT_PX - 110))
            _recovery(axes, result)
            add_text(
                figure, 560, HEIGHT_PX - 10, "Recovery (mean, background corrected)", va="top", fontsize=10.5,
                fontweight="bold",
            )  # fmt: skip
        return png_bytes(figure)


def _title(first: AcquisitionMeasure) -> str:
    return "Spheres (orange), background (green)" if first.spheres else "The uniform part (green)"


def _slice(figure: Any, first: AcquisitionMeasure, area: Area) -> None:
    """The slice that holds most of the spheres, or the middle one."""
    image, grid = first.image.values, first.image.grid
    phantom = first.found
    at = grid.lps_to_index(phantom.pose.centre_mm) if phantom is not None else (np.array(grid.shape) - 1) / 2
    k = int(np.clip(round(float(at[0])), 0, grid.shape[0] - 1))
    axes = add_axes(figure, area)
    _, row, column = grid.spacing_mm
    extent = (-0.5 * column, (grid.shape[2] - 0.5) * column, (grid.shape[1] - 0.5) * row, -0.5 * row)
    top = float(np.percentile(image, 99.9)) if phantom is None else float(image[k].max())
    axes.imshow(image[k], cmap="gray_r", vmin=0.0, vmax=top or 1.0, extent=extent, interpolation="nearest")
    if first.background is not None and first.background.region[k].any():
        shown = first.background.region[k].astype(float)
        axes.contour(
            np.arange(grid.shape[2]) * column, np.arange(grid.shape[1]) * row, shown, [0.5], colors=COOL,
            linewidths=1.0,
        )  # fmt: skip
    angles = np.linspace(0.0, 2.0 * math.pi, 80)
    for one in first.spheres:
        centre = grid.lps_to_index(one.sphere.centre_mm) * np.array(grid.spacing_mm)
        radius = 0.5 * one.sphere.diameter_mm
        off = abs(centre[0] - k * grid.spacing_mm[0])
        ring = math.sqrt(max(radius**2 - off**2, 0.0)) or 0.3 * radius
        style = (0, (3, 2)) if one.sphere.placed else "-"
        axes.plot(
            centre[2] + ring * np.cos(angles), centre[1] + ring * np.sin(angles), color=WARM, lw=1.2, ls=style
        )
        axes.text(
            centre[2], centre[1] - radius - 3, f"{one.sphere.diameter_mm:g}", color=WARM, fontsize=8, ha="center",
            va="bottom",
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def _recovery(axes: Any, result: Commissioning) -> None:
    """Recovery of each sphere with both fits."""
    spheres = result.first.spheres
    sizes = [one.sphere.diameter_mm for one in spheres]
    x = np.linspace(0.8 * min(sizes), 1.1 * max(sizes), 100)
    for one in spheres:
        axes.errorbar(
            one.sphere.diameter_mm, one.recovery, yerr=2.0 * one.uncertainty, color=INK, capsize=3, marker="o",
            markersize=5, mfc="white" if one.sphere.placed else INK,
        )  # fmt: skip
    axes.plot(sizes, [one.half_recovery for one in spheres], "^", color=MUTED, ms=5, label="50 % region")
    axes.plot(sizes, [one.fixed_recovery for one in spheres], "s", color=MUTED, ms=4, label="1 mL")
    fit, gaussian = result.recovery_fit, result.gaussian
    if fit is not None:
        values = np.array([fit.coefficient(sphere_volume_ml(d)) for d in x])
        spread = np.array([fit.uncertainty(sphere_volume_ml(d)) for d in x])
        label = f"taken: b1 {fit.b1_ml:.2f} mL, b2 {fit.b2:.2f}"
        if isinstance(fit, GaussianRecovery):
            label = f"taken: Gaussian, {fit.fwhm_mm:.1f} mm in all"
        axes.plot(x, values, color=ACCENT, lw=1.8, label=label)
        axes.fill_between(x, values - 2 * spread, values + 2 * spread, color=ACCENT, alpha=0.15, lw=0)
    if gaussian is not None:
        grid = result.first.image.grid
        good = usable(spheres)
        seen = [
            gaussian.scale * voxel_recovery(grid, s.sphere.centre_mm, s.sphere.diameter_mm, gaussian.fwhm_mm)
            for s in good
        ]
        label = f"Gaussian, {gaussian.fwhm_mm:.1f} mm"
        axes.plot([s.sphere.diameter_mm for s in good], seen, color=WARM, lw=1.4, ls=(0, (4, 2)), label=label)
    axes.set_ylim(0.0, max(1.5, 1.4 * max(one.fixed_recovery for one in spheres)))  # with room for the legend
    axes.axhline(1.0, color=MUTED, lw=0.8)
    tidy(axes, "Inner diameter, mm", "Recovery")
    axes.plot([], [], "o-", color=INK, ms=5, lw=1, label="mean of volume ± 2 u")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)


def _linearity(result: Commissioning) -> bytes:
    """Calibration of every acquisition over its rate or activity, with the fit."""
    factors = [one.calibration for one in result.acquisitions]
    errors = [2 * one.calibration * one.calibration_error for one in result.acquisitions]
    rates = [one.image.rate_cps for one in result.acquisitions]
    with drawing():
        figure = new_figure(WIDTH_PX, 320.0)
        axes = add_axes(figure, Area(90, 56, WIDTH_PX - 130, 220))
        if result.dead_time is not None:
            x = np.array([rate or 0.0 for rate in rates]) / 1000.0
            true = np.linspace(0.0, 1.2 * max(x) * result.dead_time.sensitivity / min(factors), 200)
            lost = np.exp(-1e3 * true * result.dead_time.time_constant_s)
            axes.plot(true * lost, result.dead_time.sensitivity * lost, color=ACCENT, lw=1.6)
            label = "Observed rate, thousand counts per second"
        else:
            x = np.array([one.image.activity_bq for one in result.acquisitions]) / 1e6
            axes.axhline(result.calibration, color=ACCENT, lw=1.6)
            label = "Activity in the phantom, MBq"
        axes.errorbar(x, factors, yerr=errors, fmt="o", color=INK, capsize=3, ms=5)
        low, high = min(*factors, result.calibration), max(*factors, result.calibration)
        axes.set_ylim(low - 0.15 * (high - low) - 0.01 * high, high + 0.15 * (high - low) + 0.01 * high)
        axes.set_xlim(0.0, 1.1 * float(max(x)))
        tidy(axes, label, "cps per MBq" if result.counts else "Shown over true Bq/mL")
        add_text(figure, 20, 310, "Calibration over the decay", va="top", fontsize=10.5, fontweight="bold")
        return png_bytes(figure)


def _trend(result: Commissioning, trend: list[Mapping[str, Any]]) -> bytes:
    """Calibration and recovery over commissionings, each over that of today."""
    today = {f"{one.sphere.diameter_mm:g}": one.recovery for one in result.first.spheres}
    runs = sorted(trend, key=lambda one: str(one["start"]))
    labels = [str(run["start"])[:10] for run in runs] + [f"{result.first.image.start:%Y-%m-%d}"]
    with drawing():
        figure = new_figure(WIDTH_PX, 320.0)
        axes = add_axes(figure, Area(90, 56, WIDTH_PX - 280, 220))
        x = np.arange(len(labels))
        axes.plot(
            x,
            [100 * (run["calibration"] / result.calibration - 1) for run in runs] + [0],
            "o-",
            color=INK,
            lw=1.6,
            label="calibration",
        )
        colours = (ACCENT, COOL, WARM, MUTED, "#7a4fa3", "#b0892d")
        for colour, (size, now) in zip(colours, reversed(today.items()), strict=False):
            then = [
                100 * (run["recovery"][size] / now - 1) if size in run["recovery"] else math.nan
                for run in runs
            ]
            axes.plot(x, [*then, 0], "s--", color=colour, ms=4, lw=1, label=f"recovery {size} mm")
        axes.axhline(0.0, color=MUTED, lw=0.8)
        axes.set_xticks(x, labels)
        tidy(axes, "", "Difference from today, %")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
        add_text(
            figure,
            20,
            310,
            "Calibration and recovery since earlier runs",
            va="top",
            fontsize=10.5,
            fontweight="bold",
        )
        return png_bytes(figure)
