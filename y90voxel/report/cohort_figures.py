"""Figures of a cohort as PNG: population histograms, survival by dose group, dose-response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.cohort.cohort import DVH_DOSES_GY, DVH_ROLES, StudySummary, count_studies
from y90voxel.cohort.pooled_agreement import PooledAgreement
from y90voxel.metrics.dose_outcome import DoseResponse, SurvivalCurve, SurvivalGroups
from y90voxel.metrics.robust import bands
from y90voxel.regions.palette import region_styles
from y90voxel.regions.roles import Role
from y90voxel.report.drawing import (
    INK,
    MUTED,
    Area,
    add_axes,
    add_text,
    drawing,
    new_figure,
    png_bytes,
    tidy,
)
from y90voxel.report.formatting import number

__all__ = [
    "dose_response_png",
    "pooled_agreement_png",
    "population_dvh_png",
    "survival_png",
    "until_last_seen",
]

WIDTH_PX, HEIGHT_PX = 1420.0, 400.0  # of a figure over the whole page [px]
HALF_PX = 700.0  # of one beside another [px]
TITLES = {
    Role.TUMOURS: "Tumours",
    Role.NON_TUMOUR_LIVER: "Non-tumour liver",
    Role.LUNGS: "Lungs",
}
# [%]: the middle half and nine tenths of the studies around the median.
PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)
# The dose axis ends where the upper band has less than this much of the volume left [%].
TAIL_PERCENT = 1.0
MOST_PANELS = 3  # beside each other; chosen: as the histograms
GROUPS = ("#7450c4", "#10a872", "#d0479b", "#5c6a75")


def pooled_agreement_png(found: Sequence[PooledAgreement]) -> bytes | None:
    """Return delivered minus predicted over their mean, a panel a region and a dot a patient, or None without any."""
    shown = [one for one in found if one.bland_altman is not None][:MOST_PANELS]
    if not shown:
        return None
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        for place, one in enumerate(shown):
            left = 10 + place * WIDTH_PX / MOST_PANELS
            title = f"{one.title}, {len(one.pairs)} patients"
            add_text(figure, left, HEIGHT_PX - 10, title, va="top", fontsize=11, fontweight="bold")
            area = Area(left + 62, 54, WIDTH_PX / MOST_PANELS - 96, HEIGHT_PX - 54 - 44)
            _draw_agreement(add_axes(figure, area), one, place == 0)
        return png_bytes(figure)


def _draw_agreement(axes: Any, one: PooledAgreement, named: bool) -> None:
    """Dots, bias and limits of agreement."""
    means = [0.5 * (pair.predicted_gy + pair.delivered_gy) for pair in one.pairs]
    changes = [pair.delivered_gy - pair.predicted_gy for pair in one.pairs]
    axes.plot(means, changes, "o", color=GROUPS[0], markersize=5, alpha=0.8)
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    limits = one.bland_altman
    assert limits is not None  # of those that are shown
    for value, name, style in (
        (limits.bias, "bias", "-"),
        (limits.lower, "− 1.96 SD", "--"),
        (limits.upper, "+ 1.96 SD", "--"),
    ):
        axes.axhline(value, color=INK, linewidth=1.2, linestyle=style)
        axes.annotate(
            f"{name} {number(value)}", (1.0, value), xycoords=("axes fraction", "data"), ha="right",
            va="bottom", fontsize=8, color=MUTED, xytext=(-2, 1), textcoords="offset points",
        )  # fmt: skip
    axes.margins(x=0.1, y=0.18)
    tidy(axes, "mean of predicted and delivered / Gy", "delivered − predicted / Gy" if named else "")


def population_dvh_png(studies: Sequence[StudySummary]) -> bytes | None:
    """Return median histograms with bands of half and of nine tenths of the studies, or None without any."""
    by_role = {role: [s.histograms[role] for s in studies if role in s.histograms] for role in DVH_ROLES}
    shown = [(role, curves) for role, curves in by_role.items() if curves]
    if not shown:
        return None
    styles = region_styles((role.value, role) for role in DVH_ROLES)
    with drawing():
        figure = new_figure(WIDTH_PX, HEIGHT_PX)
        for place, (role, curves) in enumerate(shown):
            left = 10 + place * WIDTH_PX / 3
            title = f"{TITLES[role]}, {count_studies(s for s in studies if role in s.histograms)} studies"
            add_text(figure, left, HEIGHT_PX - 10, title, va="top", fontsize=11, fontweight="bold")
            axes = add_axes(figure, Area(left + 58, 54, WIDTH_PX / 3 - 92, HEIGHT_PX - 54 - 44))
            _draw_bands(axes, np.array(curves), styles[role.value].colour)
            tidy(axes, "absorbed dose / Gy", "volume receiving at least this dose / %" if place == 0 else "")
        return png_bytes(figure)


def _draw_bands(axes: Any, curves: NDArray[np.float32], colour: str) -> None:
    """Median and bands; the axis ends with the upper band."""
    low, lower, median, upper, high = bands(curves, PERCENTILES)
    axes.fill_between(DVH_DOSES_GY, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.fill_between(DVH_DOSES_GY, lower, upper, color=colour, alpha=0.28, linewidth=0)
    axes.plot(DVH_DOSES_GY, median, color=colour, linewidth=2.2)
    used = np.flatnonzero(high >= TAIL_PERCENT)
    axes.set_xlim(0.0, DVH_DOSES_GY[min(int(used[-1]) + 2, len(DVH_DOSES_GY) - 1)] if used.size else 1.0)
    axes.set_ylim(0.0, 101.0)


def survival_png(groups: SurvivalGroups, unit: str | None) -> bytes:
    """Return Kaplan-Meier curves with their intervals and ticks where subjects were censored."""
    with drawing():
        figure = new_figure(HALF_PX, HEIGHT_PX)
        add_text(
            figure, 10, HEIGHT_PX - 10, "Survival by tumour dose", va="top", fontsize=11, fontweight="bold"
        )
        axes = add_axes(figure, Area(68, 54, HALF_PX - 92, HEIGHT_PX - 54 - 44))
        for curve, colour in zip(groups.curves, GROUPS, strict=False):
            label = f"{curve.name}, n = {curve.count}"
            times, survival, lower, upper = until_last_seen(curve)
            axes.step(times, 100 * survival, where="post", color=colour, linewidth=2, label=label)
            axes.fill_between(
                times, 100 * lower, 100 * upper, step="post", color=colour, alpha=0.13, linewidth=0
            )
            place = np.searchsorted(curve.times, curve.censored, side="right") - 1
            axes.plot(curve.censored, 100 * curve.survival[place], "|", color=colour, markersize=7)
        axes.text(
            0.03, 0.04, f"log-rank p = {number(groups.p_value, 2)}", transform=axes.transAxes, color=MUTED
        )
        axes.set_ylim(0.0, 101.0)
        axes.set_xlim(left=0.0)
        axes.legend(frameon=False, loc="upper right", fontsize=8.5)
        tidy(axes, f"time / {unit}" if unit else "time", "survival / %")
        return png_bytes(figure)


def until_last_seen(curve: SurvivalCurve) -> tuple[NDArray[np.float64], ...]:
    """Return times, survival and its interval, carried on from the last event to the end of follow-up."""
    last = max(curve.times[-1], curve.censored.max(initial=0.0))
    values = (curve.survival, curve.lower, curve.upper)
    return np.append(curve.times, last), *(np.append(value, value[-1]) for value in values)


def dose_response_png(
    model: DoseResponse, doses_gy: NDArray[np.float64], responses: NDArray[np.bool_]
) -> bytes:
    """Return the fitted probability with its interval, and the subjects at 0 and 1."""
    with drawing():
        figure = new_figure(HALF_PX, HEIGHT_PX)
        add_text(
            figure,
            10,
            HEIGHT_PX - 10,
            "Response against tumour dose",
            va="top",
            fontsize=11,
            fontweight="bold",
        )
        axes = add_axes(figure, Area(68, 54, HALF_PX - 92, HEIGHT_PX - 54 - 44))
        x = np.linspace(0.0, 1.05 * float(doses_gy.max()), 200)
        middle, low, high = model.probability(x)
        axes.fill_between(x, 100 * low, 100 * high, color=GROUPS[1], alpha=0.18, linewidth=0)
        axes.plot(x, 100 * middle, color=GROUPS[1], linewidth=2)
        axes.plot(doses_gy[responses], np.full(int(responses.sum()), 101.5), "|", color=INK, markersize=8)
        axes.plot(doses_gy[~responses], np.full(int((~responses).sum()), -1.5), "|", color=INK, markersize=8)
        axes.set_ylim(-4.0, 104.0)
        axes.set_xlim(0.0, x[-1])
        tidy(axes, "tumour mean dose / Gy", "probability of response / %")
        return png_bytes(figure)
