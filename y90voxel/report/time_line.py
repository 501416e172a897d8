"""The time line of a patient: sources that decay, fractions of beams, and marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from y90voxel.report.drawing import Area, add_axes, add_text, drawing, new_figure, png_bytes, tidy
from y90voxel.report.formatting import shortened

__all__ = ["TimeLineRow", "time_line_png"]

# Layout [pixels], chosen to stand above a table of the same rows.
WIDTH_PX, ROW_PX, LABEL_PX = 1420.0, 46.0, 330.0
# A source is drawn until this share of its dose is left: what is left then is seen nowhere.
_LEFT = 0.02
_DAY_S = 86400.0  # a day [s]
_BEAM, _SOURCE, _MARK = "#2a6f97", "#c0562f", "#3d4a5c"


@dataclass(frozen=True)
class TimeLineRow:
    """One row of a time line; a mark where it is neither a source nor a beam.

    Parameters
    ----------
    name : str
        Its label.
    start : datetime
        When it began.
    half_life_s : float or None
        Of a source [s].
    fractions_after_s : tuple of float
        When the fractions of a beam were given, after the beginning [s].
    """

    name: str
    start: datetime
    half_life_s: float | None = None
    fractions_after_s: tuple[float, ...] = ()


def time_line_png(rows: Sequence[TimeLineRow], *, dated: bool = True) -> bytes:
    """Return the time line as PNG.

    Parameters
    ----------
    rows : sequence of TimeLineRow
        In order.
    dated : bool
        False where only days after the beginning are known.
    """
    height = 80.0 + ROW_PX * len(rows)
    first = min(_seconds(row.start) for row in rows)
    with drawing():
        figure = new_figure(WIDTH_PX, height)
        add_text(figure, 10, height - 10, "Time line", va="top", fontsize=11, fontweight="bold")
        axes = add_axes(figure, Area(LABEL_PX, 52, WIDTH_PX - LABEL_PX - 30, height - 52 - 34))
        for number, row in enumerate(rows):
            begin = (_seconds(row.start) - first) / _DAY_S
            ends = (number - 0.3, number + 0.3)
            if row.half_life_s is not None:
                length = row.half_life_s / _DAY_S * math.log2(1.0 / _LEFT)
                axes.barh(number, length, left=begin, height=0.5, color=_SOURCE, alpha=0.35)
                axes.plot([begin, begin], ends, color=_SOURCE, linewidth=3)
            elif row.fractions_after_s:
                axes.vlines(
                    [begin + t / _DAY_S for t in row.fractions_after_s], *ends, color=_BEAM, linewidth=3
                )
            else:
                axes.plot([begin], [number], marker="D", color=_MARK, markersize=7)
        axes.set_yticks(range(len(rows)))
        labels = [f"{row.name}, {row.start:%Y-%m-%d}" if dated else row.name for row in rows]
        axes.set_yticklabels([shortened(label, 38) for label in labels], fontsize=9)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.margins(x=0.03)
        beginning = min(rows, key=lambda row: _seconds(row.start)).start
        tidy(axes, f"days after {beginning:%Y-%m-%d}" if dated else "days after the beginning", "")
        return png_bytes(figure)


def _seconds(instant: datetime) -> float:
    """Seconds since the epoch; without a zone it is taken as UTC."""
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
