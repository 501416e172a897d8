"""What all figures share: matplotlib without pyplot, measured in pixels, one style, PNG bytes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.display import png
from y90voxel.regions.palette import RegionStyle

__all__ = [
    "DPI",
    "INK",
    "LONGEST_NAME",
    "MUTED",
    "RULE",
    "Area",
    "add_axes",
    "add_legend",
    "add_lines",
    "add_picture",
    "add_text",
    "drawing",
    "drawn_png",
    "new_figure",
    "png_bytes",
    "tidy",
]

DPI = 120  # pixels an inch: turns sizes of letters in points into pixels
INK, MUTED, RULE = "#1d2730", "#5c6a75", "#dde3e8"
# Names in figures are short; the tables beside them carry the whole name.
LONGEST_NAME = 30
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a region name with a dollar sign is a name, not a formula
    "axes.edgecolor": "#aab4bc",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "xtick.color": "#5c6a75",
    "ytick.color": "#5c6a75",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


@dataclass(frozen=True)
class Area:
    """A rectangle of a figure, in pixels from its lower left corner.

    Parameters
    ----------
    left, bottom, width, height : float
        Pixels at `DPI`.
    """

    left: float
    bottom: float
    width: float
    height: float


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the package's style, whatever the user's matplotlib settings are."""
    # deferred: matplotlib takes 0.3 s
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        # A name in a script that the font lacks shows as boxes here and in full in the tables.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width_px: float, height_px: float) -> Any:
    """Return an empty white figure of that many pixels."""
    # deferred: matplotlib takes 0.3 s
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Any, area: Area) -> Any:
    """Return axes over an area of the figure."""
    width, height = figure.get_size_inches() * DPI
    return figure.add_axes(
        (area.left / width, area.bottom / height, area.width / width, area.height / height)
    )


def add_text(figure: Any, x_px: float, y_px: float, text: str, **style: Any) -> Any:
    """Write at a pixel position of the figure, and return what is written."""
    width, height = figure.get_size_inches() * DPI
    return figure.text(x_px / width, y_px / height, text, **style)


def add_picture(figure: Any, area: Area, rgb: NDArray[np.uint8]) -> Any:
    """Show an RGB picture of as many pixels as the area has, and return it."""
    # deferred: matplotlib takes 0.3 s
    from y90voxel.report.picture import Picture

    return figure.add_artist(Picture(rgb, (area.left / DPI, area.bottom / DPI)))


def add_lines(figure: Any, area: Area, lines: Sequence[NDArray[Any]], **look: Any) -> Any:
    """Draw lines over a picture, cut at its edge, and return them.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn into.
    area : Area
        Where the picture is shown, one pixel of it in one of the figure.
    lines : sequence of ndarray, (points, 2)
        Column and row; the centre of the first pixel, on the upper left, is (0, 0).
    **look
        As of matplotlib's LineCollection.
    """
    # deferred: matplotlib takes 0.3 s
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

    left, top = area.left + 0.5, area.bottom + area.height - 0.5
    pixels = Affine2D().scale(1 / DPI, -1 / DPI).translate(left / DPI, top / DPI) + figure.dpi_scale_trans
    drawn = figure.add_artist(LineCollection(lines, transform=pixels, **look))
    box = Bbox.from_bounds(area.left / DPI, area.bottom / DPI, area.width / DPI, area.height / DPI)
    drawn.set_clip_box(TransformedBbox(box, figure.dpi_scale_trans))
    return drawn


def add_legend(
    figure: Any, entries: Sequence[tuple[str, RegionStyle]], x_px: float, y_px: float, **placing: Any
) -> None:
    """Add the legend of regions, anchored at a pixel position."""
    # deferred: matplotlib takes 0.3 s
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches() * DPI
    lines = [
        Line2D([], [], color=s.colour, linestyle=(0, s.dash) if s.dash else "-", linewidth=2)
        for _, s in entries
    ]
    legend = figure.legend(
        lines,
        [" "] * len(lines),
        bbox_to_anchor=(x_px / width, y_px / height),
        frameon=False,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=2.2,
        **placing,
    )
    # Set afterwards: matplotlib drops entries whose label begins with an underscore.
    for text, (name, _) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(name)


def tidy(axes: Any, x_label: str, y_label: str) -> None:
    """Put grid lines behind, take the frame away at the top and right, and label the axes."""
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)


def png_bytes(figure: Any) -> bytes:
    """Return the figure as an opaque RGB PNG."""
    figure.canvas.draw()
    return drawn_png(figure)


def drawn_png(figure: Any) -> bytes:
    """Return what was drawn last on the figure as PNG."""
    return png(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy(), DPI)
