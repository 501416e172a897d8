"""The figure of blood, lymphocytes and time to immunotherapy: counts over a year, dose rates at the cycles; exploratory."""

from __future__ import annotations

from typing import Any

import numpy as np

from y90voxel.immune.drug_cycles import dose_rate_gy_per_h, share_of_dose_left
from y90voxel.immune.immune_report import EXPLORATORY, ImmuneReport
from y90voxel.immune.lymphocyte_cohorts import TARE_COHORTS
from y90voxel.immune.lymphocytes import FAST_RECOVERY_PER_DAY, SLOW_RECOVERY_PER_DAY
from y90voxel.report.drawing import INK, MUTED, RULE, Area, add_axes, add_text, drawing, new_figure, png_bytes
from y90voxel.report.formatting import dose_text, number

__all__ = ["immune_png"]

# The page's width, and what axes and the legend below them need.
WIDTH_PX, HEIGHT_PX = 1420.0, 580.0
# Height of the axes above what stands below them: their labels and the legend.
PLOT_PX, BELOW_PX = 350.0, 150.0
LEFT_PX, RIGHT_PX = 640.0, 560.0  # widths of the two
YEAR_DAYS = np.concatenate([np.linspace(0.0, 30.0, 61), np.linspace(32.0, 365.0, 112)])
# Days that rates are drawn over where no cycle comes later, and how far beyond the last one.
RATE_DAYS, BEYOND_DAYS = 28.0, 5.0
BAND, CURVE, OTHER = "#c9dcea", "#2f6f9f", "#7450c4"
COHORT_LOOK = (("o", "#a8320a"), ("s", "#7a5200"))
RATES = {"tumour": "#a8320a", "non-tumour liver": "#0b6e4f", "blood": "#2f6f9f"}


def immune_png(report: ImmuneReport) -> bytes:
    """Return counts over a year beside published cohorts, and dose rates at the cycles, as PNG."""
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        _draw_counts(figure, report, Area(72, BELOW_PX, LEFT_PX - 60, PLOT_PX))
        _draw_rates(figure, report, Area(LEFT_PX + 140, BELOW_PX, RIGHT_PX, PLOT_PX))
        return png_bytes(figure)


def _plain(axes: Any) -> None:
    """Grid behind, no frame above and to the right."""
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend_below(axes: Any, columns: int) -> None:
    """A legend below the axes, where it hides nothing."""
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.15),
        ncols=columns,
        fontsize=8,
        frameon=False,
        labelspacing=0.4,
    )


def _title(figure: Any, area: Area, text: str) -> None:
    """A bold title above axes, and what the figure may not be used for."""
    top = area.bottom + area.height + 68
    add_text(figure, area.left - 52, top, text, va="top", fontsize=11, fontweight="bold")
    add_text(figure, area.left - 52, top - 19, EXPLORATORY, va="top", fontsize=8.5, color=MUTED)


def _draw_counts(figure: Any, report: ImmuneReport, area: Area) -> None:
    """Counts over the count before treatment: range, curves of the blood dose and of a cohort's, points."""
    forecast, axes = report.lymphocytes, add_axes(figure, area)
    _title(figure, area, "Lymphocytes over a year, of the count before")
    low, high = forecast.band(YEAR_DAYS)
    axes.fill_between(
        YEAR_DAYS, 100 * low, 100 * high, color=BAND, linewidth=0, label="range over α and recovery"
    )
    dose = dose_text(forecast.dose_gy)
    looks: tuple[tuple[float, Any, str], ...] = (
        (FAST_RECOVERY_PER_DAY, "-", "fast"),
        (SLOW_RECOVERY_PER_DAY, (0, (5, 2)), "slow"),
    )
    for rate, dash, words in looks:
        curve = 100 * forecast.curve(YEAR_DAYS, rate)
        label = f"blood dose {dose} Gy (upper bound), {words} recovery"
        axes.plot(YEAR_DAYS, curve, color=CURVE, linewidth=2, linestyle=dash, label=label)
    pools = forecast.two_pools(YEAR_DAYS)
    if pools is not None:
        label = f"two pools, {number(100 * (forecast.slow_share or 0.0), 2)} % slow"
        axes.plot(YEAR_DAYS, 100 * pools, color=OTHER, linewidth=2, label=label)
    for cohort, (marker, colour) in zip(TARE_COHORTS, COHORT_LOOK, strict=True):
        dose_of_cohort = cohort.effective_dose_gy
        curve = 100 * forecast.curve(YEAR_DAYS, SLOW_RECOVERY_PER_DAY, dose_of_cohort)
        axes.plot(YEAR_DAYS, curve, color=colour, linewidth=1, linestyle=":")
        label = f"{cohort.name} (dotted: {dose_text(dose_of_cohort)} Gy)"
        axes.plot(
            cohort.days,
            100 * np.array(cohort.ratios),
            marker,
            color=colour,
            markersize=6,
            linestyle="",
            label=label,
        )
    followed = forecast.followed
    if followed:
        days, ratios = [row["day"] for row in followed], [100 * row["ratio"] for row in followed]
        axes.plot(days, ratios, "D", color=INK, markersize=6, linestyle="", label="measured in this patient")
    axes.set_xlim(0, 370)
    axes.set_ylim(0, 100 if not followed else max(104.0, 1.06 * max(ratios)))
    axes.set_xlabel("days after the injection")
    axes.set_ylabel("lymphocytes / % of the count before")
    _plain(axes)
    _legend_below(axes, 2)


def _draw_rates(figure: Any, report: ImmuneReport, area: Area) -> None:
    """Dose rates of tumour, non-tumour liver and blood over days, with the cycles and the share of the dose left."""
    axes = add_axes(figure, area)
    _title(figure, area, "Dose rate and dose still to come at cycles of the drug")
    last = max([RATE_DAYS, *(day + BEYOND_DAYS for day in report.cycle_days)])
    first = min([0.0, *(day - 1.0 for day in report.cycle_days)])
    days = np.linspace(0.0, last, 200)
    for name, dose in report.doses_gy.items():
        if dose > 0:
            rate = 1000 * dose_rate_gy_per_h(dose, days, report.half_life_s)
            axes.plot(days, rate, color=RATES.get(name, INK), linewidth=2, label=name)
    axes.set_yscale("log")
    axes.minorticks_off()  # they take a fifth of the time to draw
    axes.yaxis.set_major_formatter(lambda value, place: number(value, 1))  # the style draws no formulas
    axes.set_xlim(first, last)
    for day in report.cycle_days:
        left = 100.0 if day < 0 else 100 * float(share_of_dose_left(day, report.half_life_s)[0])
        axes.axvline(day, color=INK, linewidth=1, linestyle=(0, (2, 2)))
        axes.text(
            day,
            1.005,
            f"{number(left, 2)} %",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
        )
    axes.set_xlabel(
        "days after the injection"
        + ("; broken lines: cycles, with the dose left" if report.cycle_days else "")
    )
    axes.set_ylabel("dose rate / mGy/h")
    _plain(axes)
    _legend_below(axes, 3)
