"""The picture of an alignment: both CTs in one, before and after, in three planes through the liver."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.report.drawing import INK, MUTED, Area, add_axes, add_text, drawing, new_figure, png_bytes

__all__ = ["FINENESS_MM", "MARGIN_MM", "registration_png"]

Views = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

WIDTH_PX, GAP_PX, LABEL_PX = 1420.0, 10.0, 26.0  # of the figure, between pictures, and of their labels [px]
FINENESS_MM = 1.5  # of a pixel [mm]; chosen: shows a shift of a voxel of SPECT or PET several times over
WINDOW_HU = (-160.0, 240.0)  # [HU]: the usual window of the abdomen, centre 40 and width 400
# Shown around the region of interest [mm].
MARGIN_MM = 40.0
# Planes as (axis of the array that is cut, title).
PLANES = ((0, "axial"), (1, "coronal"), (2, "sagittal"))


def registration_png(views: Views) -> bytes:
    """Return the figure of an alignment as PNG: the fixed CT green, the moving one magenta, their agreement grey.

    Parameters
    ----------
    views : tuple of ndarray
        The fixed CT, the moving one as it was and as aligned, of `Alignment.views`.
    """
    fixed, before, after = views
    rows = [("before: coordinates as they are", before), ("after registration", after)]
    with drawing():
        return _drawn([(title, _fused(fixed, moving)) for title, moving in rows])


def _fused(fixed: NDArray[Any], moving: NDArray[Any]) -> NDArray[np.uint8]:
    """Return both images as one coloured one, (slices, rows, columns, 3)."""
    low, high = WINDOW_HU
    green, magenta = (np.clip((image - low) / (high - low), 0, 1) for image in (fixed, moving))
    return np.asarray(255 * np.stack([magenta, green, magenta], axis=-1), np.uint8)


def _drawn(rows: list[tuple[str, NDArray[np.uint8]]]) -> bytes:
    """Return the pictures in two rows of three planes."""
    slices, height, width, _ = rows[0][1].shape
    widths, heights = (width, width, height), (height, slices, slices)
    # A row of planes with one scale; its height is that of the tallest plane.
    scale = (WIDTH_PX - 2 * GAP_PX) / sum(widths)
    tallest = max(heights) * scale
    figure_height = len(rows) * (tallest + LABEL_PX + GAP_PX) + LABEL_PX
    figure = new_figure(WIDTH_PX, round(figure_height))
    top = figure_height
    for title, volume in rows:
        top -= LABEL_PX
        add_text(figure, 0, top + 6, title, color=INK, fontsize=11, fontweight="bold")
        left = 0.0
        for axis, _ in PLANES:
            picture = np.take(volume, volume.shape[axis] // 2, axis=axis)
            picture = picture if axis == 0 else picture[::-1]  # head up
            size = (widths[axis] * scale, heights[axis] * scale)
            axes = add_axes(figure, Area(left, top - tallest + (tallest - size[1]) / 2, *size))
            axes.imshow(picture, interpolation="bilinear", aspect="auto")
            axes.set_axis_off()
            left += size[0] + GAP_PX
        top -= tallest + GAP_PX
    add_text(
        figure,
        0,
        8,
        "axial, coronal and sagittal planes through the middle of the region of interest; "
        "green: CT of the emission study, magenta: CT of the regions, grey: both",
        color=MUTED,
        fontsize=9,
    )
    return png_bytes(figure)
