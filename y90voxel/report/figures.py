"""The figures of a dose report as PNG."""

from __future__ import annotations

from collections.abc import Sequence

from y90voxel.case.evaluation import Evaluation
from y90voxel.report.drawing import Area, drawing, drawn_png, new_figure
from y90voxel.report.dvh_plot import dvh_png
from y90voxel.report.overlays import draw_frame, draw_planes, overlay_height_px
from y90voxel.report.registration_figure import registration_png
from y90voxel.report.scene import Focus, Scene, build_scene

__all__ = ["dose_figures", "overlay_pngs"]

WIDTH_PX = 1420.0
MARGIN_PX = 8.0


def dose_figures(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the figures of an evaluation: file name to PNG.

    Parameters
    ----------
    evaluation : Evaluation
        What is shown.
    """
    scene = build_scene(evaluation)
    hottest, centre = overlay_pngs(scene, (scene.hottest, scene.centre))
    figures = {"dose_hottest.png": hottest, "dose_centre.png": centre}
    shown = evaluation.main_histograms()
    if shown:
        roles = {region.name: region.role for region in evaluation.case.regions}
        figures["dvh.png"] = dvh_png(shown, roles, evaluation.bands)
    if evaluation.case.alignment is not None:
        figures["registration.png"] = registration_png(evaluation.case.alignment)
    return figures


def overlay_pngs(scene: Scene, foci: Sequence[Focus]) -> list[bytes]:
    """Return three planes through each focus as PNG; what they have in common is drawn once."""
    height = overlay_height_px(scene, WIDTH_PX - 2 * MARGIN_PX)
    area = Area(MARGIN_PX, MARGIN_PX, WIDTH_PX - 2 * MARGIN_PX, height)
    pictures = []
    with drawing():
        figure = new_figure(WIDTH_PX, round(height + 2 * MARGIN_PX))
        draw_frame(figure, scene, area)
        figure.canvas.draw()
        frame = figure.canvas.copy_from_bbox(figure.bbox)
        for focus in foci:
            figure.canvas.restore_region(frame)
            for artist in draw_planes(figure, scene, focus, area):
                figure.draw_artist(artist)
            pictures.append(drawn_png(figure))
    return pictures
