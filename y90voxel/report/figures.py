"""The figures of a dose report as PNG."""

from __future__ import annotations

from y90voxel.report.drawing import Area, drawing, new_figure, png_bytes
from y90voxel.report.dvh_plot import dvh_png
from y90voxel.report.overlays import draw_overlay, overlay_height_px
from y90voxel.report.registration_figure import registration_png
from y90voxel.report.scene import Focus, Scene, build_scene
from y90voxel.workflow.evaluation import Evaluation

__all__ = ["dose_figures", "overlay_png"]

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
    figures = {
        "dose_hottest.png": overlay_png(scene, scene.hottest),
        "dose_centre.png": overlay_png(scene, scene.centre),
    }
    shown = evaluation.main_histograms()
    if shown:
        roles = {region.name: region.role for region in evaluation.case.regions}
        figures["dvh.png"] = dvh_png(shown, roles, evaluation.bands)
    if evaluation.case.alignment is not None:
        figures["registration.png"] = registration_png(evaluation.case.alignment)
    return figures


def overlay_png(scene: Scene, focus: Focus) -> bytes:
    """Return three planes through a focus as PNG."""
    height = overlay_height_px(scene, WIDTH_PX - 2 * MARGIN_PX)
    with drawing():
        figure = new_figure(WIDTH_PX, round(height + 2 * MARGIN_PX))
        draw_overlay(figure, scene, focus, Area(MARGIN_PX, MARGIN_PX, WIDTH_PX - 2 * MARGIN_PX, height))
        return png_bytes(figure)
