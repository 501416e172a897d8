"""A picture on a figure, pixel by pixel: matplotlib's own images cost more to resample than to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist, allow_rasterization
from numpy.typing import NDArray

__all__ = ["Picture"]


class Picture(Artist):
    """An RGB image whose pixels are those of the figure.

    Parameters
    ----------
    rgb : ndarray of uint8, (rows, columns, 3)
        First row on top.
    corner_in : tuple of float
        Where its lower left corner lies on the figure [inches].
    """

    def __init__(self, rgb: NDArray[np.uint8], corner_in: tuple[float, float]) -> None:
        super().__init__()
        self.set_zorder(0)
        self._corner_in = corner_in
        self._rgba = np.full((*rgb.shape[:2], 4), 255, np.uint8)
        self._rgba[..., :3] = rgb[::-1]  # renderers begin at the bottom

    @allow_rasterization
    def draw(self, renderer: Any) -> None:
        """Hand the picture to the renderer."""
        x, y = self.figure.dpi_scale_trans.transform(self._corner_in)
        gc = renderer.new_gc()
        renderer.draw_image(gc, x, y, self._rgba)
        gc.restore()
        self.stale = False
