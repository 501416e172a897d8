"""The picture of a registration of two CTs: checkerboards before and after it, in three planes through the liver."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.report.drawing import INK, Area, add_axes, add_text, drawing, new_figure, png_bytes
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import OUTSIDE_HU, Alignment
from y90voxel.volumes.transform import AffineTransform, Transform, sampled

__all__ = ["alignment_png"]

WIDTH_PX, GAP_PX, LABEL_PX = 1420.0, 10.0, 26.0  # drawing
FINENESS_MM, FIELD_MM = 1.5, 24.0  # a voxel of the picture, a field of the board
WINDOW_HU = (-160.0, 240.0)  # abdomen
MARGIN_MM = 40.0  # shown around the region of interest


def alignment_png(alignment: Alignment | DeformableAlignment) -> bytes:
    """Return the figure of a registration as PNG.

    Parameters
    ----------
    alignment : Alignment or DeformableAlignment
        The CTs and the way between them.
    """
    rigid = alignment.rigid if isinstance(alignment, DeformableAlignment) else alignment
    back = rigid.transform.inverse()
    ways: list[tuple[str, Transform]] = [
        ("before: shifted only, the middles of the livers on each other", _boxes(rigid))
    ]
    ways.append(("aligned rigidly", back))
    if isinstance(alignment, DeformableAlignment):
        ways.append(("deformed", alignment.pull))
    grid = _grid(rigid)
    unmoved = AffineTransform(np.eye(4))
    fixed = [sampled(rigid.fixed.array, rigid.fixed.grid, one, unmoved, OUTSIDE_HU) for one in _planes(grid)]
    rows = []
    for title, way in ways:
        moving = [
            sampled(rigid.moving.array, rigid.moving.grid, one, way, OUTSIDE_HU) for one in _planes(grid)
        ]
        rows.append((title, [_board(*pair) for pair in zip(fixed, moving, strict=True)]))
    with drawing():
        return _drawn(rows)


def _grid(rigid: Alignment) -> Grid:
    """What is shown: the focus of the moving CT where it lies on the fixed one, with a margin."""
    corners = np.array(np.meshgrid(*rigid.focus_mm.T, indexing="ij")).reshape(3, -1).T
    placed = rigid.transform.points(corners)
    low, high = placed.min(axis=0) - MARGIN_MM, placed.max(axis=0) + MARGIN_MM
    size = np.ceil((high - low) / FINENESS_MM).astype(int)
    return Grid.from_spacing(size[::-1].tolist(), (FINENESS_MM,) * 3, low.tolist())


def _planes(grid: Grid) -> list[Grid]:
    """The middle plane of a grid across each of its axes, one voxel thick."""
    planes = []
    for axis in range(3):
        start, shape = [0, 0, 0], list(grid.shape)
        start[axis], shape[axis] = shape[axis] // 2, 1
        planes.append(grid.crop(start, shape))
    return planes


def _boxes(rigid: Alignment) -> AffineTransform:
    """The shift that puts the middle of the focus where the alignment puts it: nothing turned, nothing refined."""
    middle = rigid.focus_mm.mean(axis=0)
    matrix = np.eye(4)
    matrix[:3, 3] = middle - rigid.transform.points(middle)
    return AffineTransform(matrix)


def _board(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
    """Fields of two planes by turns, 0 (black) to 1."""
    size = round(FIELD_MM / FINENESS_MM)
    fields = sum(np.ix_(*[np.arange(length) // size for length in one.shape]))
    low, high = WINDOW_HU
    mixed = np.where(np.asarray(fields) % 2 == 0, one, other)
    return np.asarray(np.clip((mixed - low) / (high - low), 0, 1), np.float32)


def _drawn(rows: list[tuple[str, list[NDArray[np.float32]]]]) -> bytes:
    """The boards in rows of three planes."""
    (_, height, width), (slices, _, _), _ = (board.shape for board in rows[0][1])
    widths, heights = (width, width, height), (height, slices, slices)
    scale = (WIDTH_PX - 2 * GAP_PX) / sum(widths)
    tallest = max(heights) * scale
    figure_height = len(rows) * (tallest + LABEL_PX + GAP_PX)
    figure = new_figure(WIDTH_PX, round(figure_height))
    top = figure_height
    for title, boards in rows:
        top -= LABEL_PX
        add_text(figure, 0, top + 6, title, color=INK, fontsize=11, fontweight="bold")
        left = 0.0
        for axis in range(3):
            picture = boards[axis].squeeze(axis)
            picture = picture if axis == 0 else picture[::-1]  # head up
            size = (widths[axis] * scale, heights[axis] * scale)
            axes = add_axes(figure, Area(left, top - size[1], *size))
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="bilinear", aspect="auto")
            axes.set_axis_off()
            left += size[0] + GAP_PX
        top -= tallest + GAP_PX
    return png_bytes(figure)
