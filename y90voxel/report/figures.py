"""The figures of a dose report as PNG."""

from __future__ import annotations

from collections.abc import Sequence

from y90voxel.report.alignment_figure import alignment_png
from y90voxel.report.dose_report import DoseReport
from y90voxel.report.drawing import Area, drawing, drawn_png, new_figure
from y90voxel.report.dvh_plot import dvh_png
from y90voxel.report.immune_figure import immune_png
from y90voxel.report.microscale_figure import microscale_png
from y90voxel.report.overlays import PAGE_PX, Overlay, draw_frame, draw_planes, overlay_height_px

__all__ = ["dose_figures", "overlay_pngs"]

MARGIN_PX = 8.0  # [px]


def dose_figures(report: DoseReport) -> dict[str, bytes]:
    """Return the figures of a report: file name to PNG."""
    hottest, centre = overlay_pngs(report.overlays)
    figures = {"dose_hottest.png": hottest, "dose_centre.png": centre}
    if report.regions:
        figures["dvh.png"] = dvh_png(report.curves, report.styles, report.tumours)
    if report.immune is not None:
        figures["immune.png"] = immune_png(report.immune)
    if report.microscale is not None:
        figures["microscale.png"] = microscale_png(report.microscale, report.curves)
    if report.registration is not None:
        figures["registration.png"] = alignment_png(report.registration)
    return figures


def overlay_pngs(overlays: Sequence[Overlay]) -> list[bytes]:
    """Return overlays of one scene as PNG; what they have in common is drawn once."""
    height = overlay_height_px(overlays[0], PAGE_PX)
    area = Area(MARGIN_PX, MARGIN_PX, PAGE_PX, height)
    pictures = []
    with drawing():
        figure = new_figure(PAGE_PX + 2 * MARGIN_PX, round(height + 2 * MARGIN_PX))
        draw_frame(figure, overlays[0], area)
        figure.canvas.draw()
        frame = figure.canvas.copy_from_bbox(figure.bbox)
        for overlay in overlays:
            figure.canvas.restore_region(frame)
            for artist in draw_planes(figure, overlay, area):
                figure.draw_artist(artist)
            pictures.append(drawn_png(figure))
    return pictures
