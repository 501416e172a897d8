"""The report as PDF: text pages that flow, then one page of figures, A4 upright."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages

from y90voxel.report.dose_content import ALL_AUTOMATIC
from y90voxel.report.dose_report import DoseReport
from y90voxel.report.drawing import INK, MUTED, Area, add_text, drawing, new_figure
from y90voxel.report.dvh_plot import draw_dvh
from y90voxel.report.formatting import shortened
from y90voxel.report.overlays import PAPER_PX, draw_overlay, overlay_height_px

__all__ = ["write_pdf"]

PAGE_HEIGHT_PX, MARGIN_PX = 1403.0, 56.0
PAGE_WIDTH_PX = PAPER_PX + 2 * MARGIN_PX
DVH_HEIGHT_PX = 400.0
LINE_PX = 17.0
# Characters of the 8.5 point text that fit between the margins.
LINE_CHARACTERS = 122
# Headings of the table of regions whose cells the PDF has room for.
REGION_CELLS = ("mL", "MBq", "mean by mass", "SD", "D90", "D70", "D50", "V100")
STATUS_COLOURS = {"met": "#0b6e4f", "not met": "#a8320a", "unconfirmed": "#7a5200", "not applicable": MUTED}


def write_pdf(report: DoseReport, path: str | Path) -> Path:
    """Write a report as PDF and return its path.

    Parameters
    ----------
    report : DoseReport
        What is shown.
    path : path-like
        Written.
    """
    path = Path(path)
    with (
        drawing(),
        PdfPages(path, metadata={"Title": report.text["heading"], "Creator": "y90voxel"}) as pages,
    ):
        for page in (*_text_pages(report.text), _figure_page(report)):
            pages.savefig(page)
    return path


class _Flow:
    """Text set line by line from top to bottom, on as many pages as it takes."""

    def __init__(self, running_title: str) -> None:
        self.pages: list[Any] = []
        self._title = running_title
        self._y = 0.0
        self._new_page()

    def _new_page(self) -> None:
        self.pages.append(_page(self._title, len(self.pages) + 1))
        self._y = PAGE_HEIGHT_PX - MARGIN_PX - 10

    def need(self, lines: int) -> None:
        """Begin a new page unless so many lines fit."""
        if self._y - lines * LINE_PX < MARGIN_PX:
            self._new_page()

    def line(self, text: str, x_px: float = 0.0, *, advance: float = LINE_PX, **style: Any) -> None:
        """Set one line and move on."""
        style = {"fontsize": 8.5, "va": "top"} | style
        add_text(self.pages[-1], MARGIN_PX + x_px, self._y, text, **style)
        self._y -= advance

    def heading(self, text: str, rows: int = 3) -> None:
        """Set a heading and keep it with the lines that follow."""
        self.need(rows + 2)
        self._y -= 10
        self.line(text, fontsize=11, fontweight="bold", advance=24)

    def paragraph(self, text: str, **style: Any) -> None:
        """Set text in as many lines as it needs."""
        for piece in textwrap.wrap(text, LINE_CHARACTERS) or [""]:
            self.need(1)
            self.line(piece, **style)

    def row(
        self, cells: Sequence[str], stops_px: Sequence[float], colours: Sequence[str] = (), **style: Any
    ) -> None:
        """Set one row of a table; a negative stop is the right edge of its cell."""
        self.need(1)
        for position, (cell, stop) in enumerate(zip(cells, stops_px, strict=True)):
            colour = colours[position] if colours else style.get("color", INK)
            align = "right" if stop < 0 else "left"
            self.line(cell, abs(stop), advance=0, ha=align, **(style | {"color": colour}))
        self._y -= LINE_PX


def _page(title: str, page_number: int) -> Any:
    """An empty page with its foot."""
    figure = new_figure(PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    foot = {"fontsize": 7.5, "color": MUTED, "va": "bottom"}
    add_text(figure, MARGIN_PX, MARGIN_PX - 30, title, **foot)
    add_text(figure, PAGE_WIDTH_PX - MARGIN_PX, MARGIN_PX - 30, str(page_number), ha="right", **foot)
    return figure


def _running_title(content: Mapping[str, Any]) -> str:
    """What stands at the foot of every page."""
    predicted = "PREDICTED · " if content["predicted"] else ""
    label = shortened(content["label"], 50)
    return (
        f"{predicted}{label} · {content['disclaimer']} y90voxel {content['version']}, {content['computed']}"
    )


def _text_pages(content: Mapping[str, Any]) -> list[Any]:
    """Title, key numbers, warnings, limits, regions, lungs, methods and provenance."""
    flow = _Flow(_running_title(content))
    flow.line(
        f"{content['heading']}   {shortened(content['label'], 40)}",
        fontsize=16,
        fontweight="bold",
        advance=32,
    )
    flow.line(content["subtitle"], fontsize=10, color=MUTED, advance=24)
    if content["predicted"]:
        flow.line(
            f"PREDICTED   {content['predicted']}", fontsize=11, fontweight="bold", color="#5b2a86", advance=24
        )
    flow.line(content["disclaimer"], color=MUTED)
    for alarm in content["alarms"]:
        flow.paragraph(f"! {alarm}", color="#a8320a")
    flow.heading("Key numbers")
    for card in content["cards"]:
        flow.row((card["label"], card["value"], card["note"]), (0, 230, 360))
    flow.heading("Warnings" if content["warnings"] else "No warnings")
    for warning in content["warnings"]:
        flow.paragraph(f"{warning['code']}: {warning['message']}", color="#7a5200")
    _limits(flow, content)
    _organs(flow, content)
    _regions(flow, content)
    _territories(flow, content)
    flow.heading("Lungs", 6)
    flow.paragraph(content["lung_facts"])
    for row in content["lung"]:
        note = f"{row['note']}{'; limits use this one' if row['used'] else ''}"
        flow.row(
            (row["name"], f"{row['dose']} Gy", note),
            (0, -300, 320),
            fontweight="bold" if row["used"] else "normal",
        )
    _lung_methods(flow, content)
    flow.heading("How this was computed")
    for name, text in content["methods"]:
        flow.paragraph(f"{name}: {text}")
    _calibrations(flow, content)
    _completeness(flow, content)
    flow.heading("Provenance")
    for item in content["inputs"]:
        what = item["what"] if content["inputs_are_named"] else "input"
        flow.paragraph(f"{what}: series {item['uid']}, files: {item['files']}, SHA-256 {item['sha256']}…")
    for name, text in content["kernel"]:
        flow.paragraph(f"kernel {name.replace('_', ' ')}: {text}")
    flow.paragraph(
        "settings: " + "; ".join(f"{key} = {value}" for key, value in content["settings"]), color=MUTED
    )
    return flow.pages


def _territories(flow: _Flow, content: Mapping[str, Any]) -> None:
    """Several injections that one scan follows, and what each of them reached."""
    if not content["territories"]:
        return
    flow.heading("Several arteries, one scan", len(content["territories"]) + 3)
    flow.paragraph(content["reference_activity"])
    stops = (0, 90, -310, -420, -490, 510, -730, -800)
    flow.row(
        ("injection", "territory", "stated GBq", "image GBq", "ratio", "region in it", "mL", "mean Gy"),
        stops,
        color=MUTED,
    )
    for row in content["territories"]:
        keys = ("injection", "territory", "stated", "image", "ratio", "region", "volume", "mean")
        flow.row([shortened(row[key], 28) for key in keys], stops)


def _calibrations(flow: _Flow, content: Mapping[str, Any]) -> None:
    """Every calibration region, and what it would make of the doses."""
    if not content["calibrations"]:
        return
    stops = (0, -450, -550, -650, -760, 775)
    flow.need(len(content["calibrations"]) + 3)
    heads = ("calibration over the counts in", "all doses ×", "map over net", "tumour Gy", "liver Gy", "")
    flow.row(heads, stops, color=MUTED)
    for row in content["calibrations"]:
        last = "used" if row["used"] else ""
        cells = (shortened(row["region"], 56), row["factor"], row["map"], row["tumour"], row["normal"], last)
        flow.row(cells, stops, fontweight="bold" if row["used"] else "normal")
    flow.paragraph(content["calibration_note"], color=MUTED, fontsize=7.5)


def _lung_methods(flow: _Flow, content: Mapping[str, Any]) -> None:
    """The lung dose by every method that was computed, in columns."""
    if not content["lung_methods"]:
        return
    keys = ("by_mass", "by_volume", "by_mass_without_dome", "by_volume_without_dome", "from_liver")
    stops = (0, -300, -390, -540, -710, -850)
    heads = (
        "mean lung dose in Gy",
        "by mass",
        "by volume",
        "by mass, no dome",
        "by volume, no dome",
        "betas from liver",
    )
    flow.need(len(content["lung_methods"]) + 1)
    flow.row(heads, stops, color=MUTED)
    for row in content["lung_methods"]:
        flow.row((row["name"], *(row[key] for key in keys)), stops)


def _limits(flow: _Flow, content: Mapping[str, Any]) -> None:
    """Limits with status in words, and their sources once each."""
    flow.heading(f"Limits and goals{', ' + content['device'] if content['device'] else ''}")
    if not content["limits"]:
        flow.paragraph("No device is given, so no limits are reported.")
        return
    sources = list(dict.fromkeys(row["source"] for row in content["limits"]))
    stops = (0, 100, -680, -800, 815)
    flow.row(("status", "what, in which region", "Gy", "limit or goal", "source"), stops, color=MUTED)
    for row in content["limits"]:
        what = shortened(f"{row['name']}: {row['region']}", 74)
        cells = (row["status"], what, row["found"], row["wanted"], f"[{sources.index(row['source']) + 1}]")
        flow.row(cells, stops, (STATUS_COLOURS[row["status"]], INK, INK, INK, MUTED))
    for position, source in enumerate(sources, 1):
        flow.paragraph(f"[{position}] {source}", color=MUTED, fontsize=7.5)


def _organs(flow: _Flow, content: Mapping[str, Any]) -> None:
    """Organs outside liver and lungs, whose dose decides nothing."""
    if content["organs"]:
        flow.heading("Other organs")
        doses = (
            f"{row['name']} ({row['organ']}) {row['mean']} Gy, {row['limit']}" for row in content["organs"]
        )
        flow.paragraph("; ".join(doses) + ".")


def _completeness(flow: _Flow, content: Mapping[str, Any]) -> None:
    """Which items of standard reports are missing; the HTML page has all of them with what was found."""
    flow.heading("Completeness of this report")
    flow.paragraph(f"{content['reporting_summary']}.")
    for group in content["reporting"]:
        missing = [row["item"] for row in group["rows"] if row["status"] == "missing"]
        flow.paragraph(
            f"{group['source']}: {'missing: ' + '; '.join(missing) if missing else 'nothing is missing'}."
        )


def _regions(flow: _Flow, content: Mapping[str, Any]) -> None:
    """The numbers of each region that are read most; the HTML page has all of them."""
    if not content["regions"]:
        return
    flow.heading("Regions")
    stops = (0, -300, -385, -470, -555, -640, -725, -800, -875)
    heads = ("doses in Gy; mean by mass", "mL", "MBq", "mean", "SD", "D90", "D70", "D50", "V100 / %")
    flow.row(heads, stops, color=MUTED)
    headings = [column.heading for column in content["region_columns"]]
    for row in content["regions"]:
        cells = dict(zip(headings, row["cells"], strict=True))
        texts = [shortened(row["name"], 32), *(cells[heading] for heading in REGION_CELLS)]
        flow.row(texts, stops, _row_colours(row))
    for row in content["model_rows"]:
        values = f"mean BED {row['bed']}, mean EQD2 {row['eqd2']}, EUD {row['eud']}"
        flow.paragraph(f"{row['name']}, model values in Gy: {values}.", fontsize=7.5)
    for note in content["model_notes"]:
        flow.paragraph(note, color=MUTED, fontsize=7.5)
    if content["all_automatic"]:
        flow.paragraph(ALL_AUTOMATIC, color="#7a5200")
    _noise(flow, content)


def _noise(flow: _Flow, content: Mapping[str, Any]) -> None:
    """Spread, noise and the ends of histograms."""
    if content["noise"]:
        flow.heading("Noise and the ends of histograms *")
        stops = (0, -290, -370, -450, -590, -730, -875)
        keys = ("name", "found", "noise", "without", "d98", "d90", "d2")
        flow.row(
            ("SD over mean; doses in Gy", "found", "noise", "without", "D98", "D90", "D2"), stops, color=MUTED
        )
        for row in content["noise"]:
            flow.row([shortened(row[key], 32) for key in keys], stops)
    flow.paragraph(content["noise_note"], color=MUTED, fontsize=7.5)


def _row_colours(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The colours of a row: the region's own for its name."""
    return (row["colour"], *(INK,) * 8)


def _figure_page(report: DoseReport) -> Any:
    """Both overlays and the histograms on one page."""
    figure = new_figure(PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    foot = {"fontsize": 7.5, "color": MUTED, "va": "bottom"}
    add_text(figure, MARGIN_PX, MARGIN_PX - 30, _running_title(report.text), **foot)
    top = PAGE_HEIGHT_PX - MARGIN_PX
    for overlay in report.overlays[PAPER_PX]:
        height = overlay_height_px(overlay, PAPER_PX)
        draw_overlay(figure, overlay, Area(MARGIN_PX, top - height, PAPER_PX, height))
        top -= height + 24
    if report.regions:
        area = Area(MARGIN_PX, top - DVH_HEIGHT_PX, PAPER_PX, DVH_HEIGHT_PX)
        draw_dvh(figure, report.curves, report.styles, report.tumours, area)
    return figure
