"""How results show themselves in a notebook: pieces of HTML as text, without any plotting library.

Everything that comes from a study is escaped. Colours are readable on light and on dark notebooks.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.deflate import crc32, zlib_bytes

__all__ = ["NOT_A_DEVICE", "Curve", "block", "closing_notes", "curves_svg", "image_tag", "png", "table"]

NOT_A_DEVICE = "Research software, not a medical device."

# Dark through warm to light, even in lightness: where the dose is high it is bright.
_WARM = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
_WIDTH, _HEIGHT = 460.0, 230.0  # of the small histogram [px]; chosen: two fit a notebook side by side
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 12.0, 8.0, 34.0  # margins that its axes' texts need [px]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a small figure.

    Parameters
    ----------
    name : str
        What it is; shown on hover.
    colour : str
        Any colour of CSS.
    x, y : array_like, (points,)
        In the units of the axes.
    dash : tuple of float
        Lengths of strokes and gaps in line widths; empty for a solid line.
    """

    name: str
    colour: str
    x: ArrayLike
    y: ArrayLike
    dash: tuple[float, ...] = ()


def block(title: str, *parts: str, notes: Iterable[str] = ()) -> str:
    """Return one result: a title, its parts (HTML) one under the other, and notes (plain text)."""
    notes_html = "".join(f"<div style='color:#7a8791;font-size:90%'>{escape(note)}</div>" for note in notes)
    return (
        f"<div class='y90voxel' style='line-height:1.4'><div><strong>{escape(title)}</strong></div>"
        f"{''.join(parts)}{notes_html}</div>"
    )


def closing_notes(codes: Iterable[str], where: str) -> list[str]:
    """Return how many warnings there are, their codes and where they are read, and what this software is not."""
    every = list(codes)
    named = ", ".join(dict.fromkeys(every))
    said = [f"{len(every)} warnings: {named}. Read them: {where}"] if every else []
    return [*said, NOT_A_DEVICE]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], colours: Sequence[str] | None = None) -> str:
    """Return a table of plain texts; the first column is aligned left, with a mark of its row's colour.

    Parameters
    ----------
    header : sequence of str
        Empty for none.
    rows : iterable of sequence of str
        As many cells as the header has.
    colours : sequence of str, optional
        One a row.
    """
    lines = [_row(header, "th", "")] if header else []
    for number, row in enumerate(rows):
        mark = "" if colours is None else f"border-left:4px solid {escape(colours[number])};"
        lines.append(_row(row, "td", mark))
    return f"<table style='border-collapse:collapse;margin:4px 0'>{''.join(lines)}</table>"


def _row(cells: Sequence[str], tag: str, mark: str) -> str:
    """One row of a table."""
    texts = []
    for column, cell in enumerate(cells):
        align = f"text-align:left;{mark}" if column == 0 else "text-align:right;"
        texts.append(f"<{tag} style='{align}padding:1px 10px 1px 6px'>{escape(cell)}</{tag}>")
    return f"<tr>{''.join(texts)}</tr>"


def curves_svg(curves: Sequence[Curve], x_label: str, y_label: str) -> str:
    """Return curves over round axes from zero as SVG."""
    xs, ys = ([np.asarray(getattr(curve, a), float) for curve in curves] for a in ("x", "y"))
    x_end = max((float(x.max()) for x in xs), default=1.0) or 1.0
    y_end = max((float(y.max()) for y in ys), default=1.0) or 1.0
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def places(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        across, up = np.asarray(x, float) / x_end, np.asarray(y, float) / y_end
        return np.stack([_LEFT + width * across, _TOP + height * (1.0 - up)], axis=-1)

    pieces = [
        f"<svg width='{_WIDTH:g}' height='{_HEIGHT:g}' style='font:11px sans-serif' fill='#7a8791' "
        f"xmlns='http://www.w3.org/2000/svg'>"
    ]
    for dose in _ticks(x_end):
        x, y = places(dose, 0.0)
        pieces.append(f"<path d='M{x:.1f} {_TOP:g}V{y:.1f}' stroke='#8884' />")
        pieces.append(f"<text x='{x:.1f}' y='{y + 14:.1f}' text-anchor='middle'>{dose:g}</text>")
    for volume in _ticks(y_end):
        x, y = places(0.0, volume)
        pieces.append(f"<path d='M{x:.1f} {y:.1f}H{_WIDTH - _RIGHT:g}' stroke='#8884' />")
        pieces.append(f"<text x='{x - 6:.1f}' y='{y + 4:.1f}' text-anchor='end'>{volume:g}</text>")
    for curve, x_values, y_values in zip(curves, xs, ys, strict=True):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places(x_values, y_values))
        dash = " ".join(f"{2 * length:g}" for length in curve.dash)
        pieces.append(
            f"<polyline points='{points}' fill='none' stroke='{escape(curve.colour)}' stroke-width='2' "
            f"stroke-dasharray='{dash}'><title>{escape(curve.name)}</title></polyline>"
        )
    pieces.append(
        f"<text x='{_WIDTH - _RIGHT:g}' y='{_HEIGHT - 4:g}' text-anchor='end'>{escape(x_label)}</text>"
    )
    pieces.append(f"<text x='{_LEFT:g}' y='{_HEIGHT - 4:g}'>{escape(y_label)}</text></svg>")
    return "".join(pieces)


def _ticks(end: float) -> list[float]:
    """Round numbers from 0 to the end, three to six of them."""
    power = 10.0 ** np.floor(np.log10(end / 2.0))
    step = next(float(n * power) for n in (1, 2, 5, 10) if end / (n * power) <= 5.5)
    return [float(f"{n * step:.6g}") for n in range(int(end / step + 1e-9) + 1)]


def image_tag(values: ArrayLike, low: float, high: float, size_px: tuple[float, float], *, warm: bool) -> str:
    """Return an image of values between ``low`` (dark) and ``high`` (light) as an HTML element.

    Parameters
    ----------
    values : array_like, (rows, columns)
        Shown as they are, first row on top.
    low, high : float
        Ends of the scale.
    size_px : tuple of float
        Height and width on the page: pixels need not be square.
    warm : bool
        In warm colours instead of grey.
    """
    span = high - low if high > low else 1.0
    level = np.clip((np.asarray(values, float) - low) / span, 0.0, 1.0)
    anchors = np.array(_WARM if warm else ((0, 0, 0), (255, 255, 255)), float)
    at = np.linspace(0.0, 1.0, len(anchors))
    rgb = np.stack([np.interp(level, at, anchors[:, channel]) for channel in range(3)], axis=-1)
    data = base64.b64encode(png(np.rint(rgb).astype(np.uint8))).decode("ascii")
    height, width = size_px
    return (
        f"<img src='data:image/png;base64,{data}' width='{width:.0f}' height='{height:.0f}' "
        "style='margin:2px 4px 2px 0;display:inline-block' alt=''>"
    )


def png(rgb: NDArray[np.uint8], dots_per_inch: float | None = None) -> bytes:
    """Return an RGB image as PNG (ISO/IEC 15948): every row as its difference from the one above, compressed at once.

    Compressed by Intel's ISA-L, which takes an eighth of the time of zlib's fast levels for files as large.

    Parameters
    ----------
    rgb : ndarray of uint8, (rows, columns, 3)
        The picture, first row on top.
    dots_per_inch : float or None
        How large it is meant to be, where that matters.
    """
    rows, columns, _ = rgb.shape
    values = rgb.reshape(rows, 3 * columns)
    lines = np.full((rows, 1 + 3 * columns), 2, np.uint8)  # 2: the filter "up"
    lines[0, 1:] = values[0]
    np.subtract(values[1:], values[:-1], out=lines[1:, 1:])
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0))]
    if dots_per_inch is not None:
        per_metre = round(dots_per_inch / 0.0254)
        chunks.append((b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)))
    chunks += [(b"IDAT", zlib_bytes(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
        for kind, content in chunks
    )
