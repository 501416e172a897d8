"""The report of a dose calculation: one HTML page that needs nothing else, and its figures beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from y90voxel.report.dose_report import DoseReport
from y90voxel.report.figures import dose_figures

__all__ = ["render_dose_page", "render_page", "write_pages", "write_report"]


def write_report(
    report: DoseReport, folder: str | Path, *, viewer: str | None = None, page: bool = True, pdf: bool = False
) -> list[Path]:
    """Write ``report.html`` and ``figures/*.png``, or the same as ``report.pdf``, and return their paths.

    Parameters
    ----------
    report : DoseReport
        What is shown.
    folder : path-like
        Exists; files in it are replaced.
    viewer : str or None
        Name of the interactive page beside the report, which then links to it.
    page, pdf : bool
        Which of the two are written.
    """
    figures = dose_figures(report)
    pages = {"report": render_dose_page(report.text, figures, viewer)}
    return write_pages(pages, figures, folder, page=page, pdf=pdf)


def write_pages(
    pages: Mapping[str, str], figures: Mapping[str, bytes], folder: str | Path, *, page: bool, pdf: bool
) -> list[Path]:
    """Write pages as HTML with their figures beside them, as PDF, or both, and return the paths.

    Parameters
    ----------
    pages : mapping of str to str
        Name without ending to HTML.
    figures : mapping of str to bytes
        File name to PNG.
    folder : path-like
        Exists; files in it are replaced.
    page, pdf : bool
        Whether the HTML, and whether the PDF is written.
    """
    folder, paths = Path(folder), []
    if page:
        (folder / "figures").mkdir(exist_ok=True)
        for name, text in pages.items():
            paths.append(folder / f"{name}.html")
            paths[-1].write_text(text, encoding="utf-8")
        for name, png in figures.items():
            paths.append(folder / "figures" / name)
            paths[-1].write_bytes(png)
    if pdf:
        # deferred: 0.4 s, and few ask for it
        from y90voxel.report.page_pdf import write_pdf

        paths += [write_pdf(text, folder / f"{name}.pdf") for name, text in pages.items()]
    return paths


def render_dose_page(text: Mapping[str, Any], figures: Mapping[str, bytes], viewer: str | None = None) -> str:
    """Return the page of an evaluation with its figures inside.

    Parameters
    ----------
    text : mapping
        What `dose_content` returns.
    figures : mapping of str to bytes
        File name to PNG, as `dose_figures` returns them.
    viewer : str or None
        Name of the interactive page beside it.
    """
    columns = text["region_columns"]
    groups = [
        (group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)
    ]
    more = {"figures": embedded(figures), "region_groups": groups, "viewer": viewer}
    return render_page("dose.html.j2", {**text, **more})


def render_page(template: str, content: Mapping[str, Any]) -> str:
    """Return a template of the package filled with content; every text is escaped."""
    # deferred: 0.03 s, and a batch may write no page
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("y90voxel.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)


def embedded(figures: Mapping[str, bytes]) -> dict[str, str]:
    """Return figures as data addresses, by name without extension."""
    return {
        Path(name).stem: "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        for name, png in figures.items()
    }
