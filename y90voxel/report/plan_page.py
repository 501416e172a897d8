"""The page of a plan: one HTML file that needs nothing else, and its figures beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from y90voxel.planning.plan_result import Plan
from y90voxel.report.dose_page import embedded, render_page, write_pages
from y90voxel.report.plan_content import plan_content
from y90voxel.report.plan_figures import plan_figures
from y90voxel.report.treatment_page import render_treatment_page

__all__ = ["render_plan_page", "write_plan_page"]


def write_plan_page(plan: Plan, folder: str | Path, *, page: bool = True, pdf: bool = False) -> list[Path]:
    """Write ``plan.html``, ``treatment.html`` and ``figures/*.png``, or both as PDF, and return the paths.

    Parameters
    ----------
    plan : Plan
        What is reported.
    folder : path-like
        Exists; files in it are replaced.
    page, pdf : bool
        Which of the two are written.
    """
    figures = plan_figures(plan)
    pages = {"plan": render_plan_page(plan, figures), "treatment": render_treatment_page(plan)}
    return write_pages(pages, figures, folder, page=page, pdf=pdf)


def render_plan_page(plan: Plan, figures: Mapping[str, bytes]) -> str:
    """Return the page of a plan with its figures inside.

    Parameters
    ----------
    plan : Plan
        What is reported.
    figures : mapping of str to bytes
        File name to PNG, as `plan_figures` returns them.
    """
    return render_page("plan.html.j2", plan_content(plan) | {"figures": embedded(figures)})
