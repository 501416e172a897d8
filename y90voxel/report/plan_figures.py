"""The figures of a plan: which activities limits and goals leave open, the dose at the first model's, its histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.clinical.limits import Sense
from y90voxel.metrics.dvh_curves import drawn_curves
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.report.alignment_figure import alignment_png
from y90voxel.report.drawing import INK, MUTED, RULE, Area, add_axes, add_text, drawing, new_figure, png_bytes
from y90voxel.report.dvh_plot import dvh_png, tumours_among
from y90voxel.report.figures import overlay_pngs
from y90voxel.report.formatting import number, shortened
from y90voxel.report.overlays import PAGE_PX, sampled_overlays
from y90voxel.report.scene import build_scene
from y90voxel.units import BQ_PER_GBQ

__all__ = ["Window", "plan_figures", "planned_evaluation", "windows"]

# Of the figure, a row, the names beside it, and what lies above and below the rows [px].
WIDTH_PX, ROW_PX, NAMES_PX, TOP_PX, BOTTOM_PX = 1420.0, 27.0, 500.0, 100.0, 58.0
ALLOWED, REACHED, BINDING = "#8fb8d6", "#8ccbb0", "#a8320a"
LONGEST_ROW = 50  # letters; chosen: what fits the names' width
# Beyond this multiple of the greatest activity of a model, the axis ends.
AXIS_BEYOND = 1.6


@dataclass(frozen=True)
class Window:
    """The activities that one limit or goal allows.

    Parameters
    ----------
    name : str
        The limit or goal, for people.
    at_gbq : float
        Activity that reaches its value [GBq].
    limit : bool
        True when activities up to it are allowed, False when activities from it on reach the goal.
    binding : bool
        Whether it decides the activity of the model.
    """

    name: str
    at_gbq: float
    limit: bool
    binding: bool


def windows(model: PlanModel) -> list[Window]:
    """Return what limits and goals of a model leave open: limits first, the strictest on top."""
    windows = []
    for result, row in zip(model.results, model.as_dict()["limits"][: len(model.results)], strict=True):
        at_bq = row["activity_at_value_bq"]
        if at_bq is None:
            continue
        below = result.aim.sense is Sense.BELOW
        value = f"{'≤' if below else '≥'} {result.aim.value:g} {result.aim.metric.unit}"
        title = result.aim.name.replace(", HCC", "")  # the disease of most plans, named above
        name = f"{shortened(title, LONGEST_ROW)}  {value}"
        windows.append(Window(name, at_bq / BQ_PER_GBQ, below, result.aim.name in model.binding))
    return sorted(
        windows, key=lambda window: (not window.limit, window.at_gbq if window.limit else -window.at_gbq)
    )


def planned_evaluation(plan: Plan) -> Evaluation | None:
    """Return the dose of the first model's activity as an evaluation to be drawn; None without images or activity."""
    maps, activities = plan.maps, plan.first.activities_gbq
    if maps is None or not sum(activities) > 0:
        return None
    return replace(
        maps.evaluations[0],
        case=maps.case,
        dose=maps.dose(activities),
        activity=maps.activity(activities),
        histograms=None,  # those of 1 GBq are not those of the plan
    )


def plan_figures(plan: Plan) -> dict[str, bytes]:
    """Return the figures of a plan: file name to PNG.

    Parameters
    ----------
    plan : Plan
        What is shown.
    """
    figures = {}
    open_windows = windows(plan.first) if plan.first.available else []
    if open_windows:
        figures["window.png"] = _window_png(
            open_windows, [model for model in plan.models if model.available], plan.first
        )
    evaluation = planned_evaluation(plan)
    if evaluation is None:
        return figures
    scene = build_scene(evaluation)
    (figures["dose_centre.png"],) = overlay_pngs(sampled_overlays(scene, [scene.centre], PAGE_PX))
    shown = evaluation.main_histograms()
    if shown:
        tumours = tumours_among({region.name: region.role for region in evaluation.case.regions})
        figures["dvh.png"] = dvh_png(drawn_curves(shown), scene.styles, tumours)
    if evaluation.case.alignment is not None:
        figures["registration.png"] = alignment_png(evaluation.case.alignment)
    return figures


def _window_png(rows: Sequence[Window], models: Sequence[PlanModel], first: PlanModel) -> bytes:
    """One bar a limit or goal over the activities that it allows, and a line for the activity of each model."""
    totals = sorted({(model.activity_gbq or 0.0, model.title) for model in models if model.activity_gbq})
    end = AXIS_BEYOND * max([activity for activity, _ in totals] or [row.at_gbq for row in rows])
    height = TOP_PX + BOTTOM_PX + ROW_PX * len(rows)
    with drawing():
        figure = new_figure(WIDTH_PX, height)
        add_text(
            figure, 10, height - 10, "Activities that limits allow and goals ask for", va="top", fontsize=11,
            fontweight="bold",
        )  # fmt: skip
        axes = add_axes(figure, Area(NAMES_PX, BOTTOM_PX, WIDTH_PX - NAMES_PX - 30, ROW_PX * len(rows)))
        for place, row in enumerate(rows):
            _bar(axes, row, place, end)
        _lines(axes, totals, first.activity_gbq or 0.0, end)
        axes.set_xlim(0.0, end)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_color(BINDING if row.binding else INK)
            label.set_fontweight("bold" if row.binding else "normal")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.set_xlabel("net activity of all injections / GBq")
        add_text(
            figure,
            10,
            12,
            "blue: within the limit   green: goal reached   red: what decides",
            color=MUTED,
            fontsize=8.5,
        )
        return png_bytes(figure)


def _bar(axes: Any, row: Window, place: int, end: float) -> None:
    """The allowed activities of one row, with the activity at its end."""
    start, stop = (0.0, min(row.at_gbq, end)) if row.limit else (min(row.at_gbq, end), end)
    colour = BINDING if row.binding else (ALLOWED if row.limit else REACHED)
    axes.barh(place, stop - start, left=start, height=0.56, color=colour, alpha=0.85, linewidth=0)
    if row.at_gbq > end:
        beyond = f"up to {number(row.at_gbq)} GBq" if row.limit else f"from {number(row.at_gbq)} GBq"
        axes.text(
            end * 0.995,
            place,
            beyond,
            ha="right",
            va="center",
            fontsize=8,
            color=INK if row.limit else MUTED,
        )
        return
    inside = row.limit and row.at_gbq > 0.12 * end
    at = row.at_gbq + (-0.006 if inside or not row.limit else 0.006) * end
    axes.text(
        at, place, number(row.at_gbq), ha="right" if inside or not row.limit else "left", va="center", fontsize=8,
        color="white" if row.binding and inside else INK,
    )  # fmt: skip


def _lines(axes: Any, totals: Sequence[tuple[float, str]], first_gbq: float, end: float) -> None:
    """A line for every model, models of nearly the same activity named together."""
    groups: list[list[tuple[float, str]]] = []
    for activity, title in totals:
        if groups and activity - groups[-1][0][0] < 0.02 * end:
            groups[-1].append((activity, title))
        else:
            groups.append([(activity, title)])
    for place, group in enumerate(groups):
        chosen = any(abs(activity - first_gbq) < 1e-9 for activity, _ in group)
        for activity, _ in group:
            axes.axvline(activity, color=INK, linewidth=1.6 if activity == first_gbq else 0.9, zorder=3)
        text = ", ".join(dict.fromkeys(title for _, title in group))
        middle = sum(activity for activity, _ in group) / len(group)
        axes.annotate(
            f"{shortened(text, 64)} {number(middle)}",
            (middle, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 5 + 15 * (place % 3)),
            textcoords="offset points", ha="center" if 0.15 < middle / end < 0.8 else ("left" if middle < end / 2 else "right"),
            va="bottom", fontsize=8.5, fontweight="bold" if chosen else "normal", color=INK,
        )  # fmt: skip
