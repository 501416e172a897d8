"""Distributions over a cohort as strips of dots in SVG: every dot is a study and leads to its report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from y90voxel.cohort.cohort import Outlier, Quantity, StudySummary
from y90voxel.report.formatting import number, shortened

__all__ = ["Dot", "Strip", "strips"]

WIDTH, LEFT, RIGHT = 1130.0, 210.0, 24.0  # of the drawing, of its names and the right margin [px]
RADIUS, STEP = 3.4, 6.4  # of a dot, and from one layer of dots to the next [px]
# Height of a strip [px]; chosen: one layer of dots with axis and title, and five times its dots.
SHORTEST, TALLEST = 62.0, 150.0
AXIS = 26.0  # height of axis and numbers [px]
# The axis is logarithmic where the greatest value is this many times the smallest.
LOGARITHMIC = 12.0
LABELLED = 6  # studies named in a strip; chosen: more names overlap


@dataclass(frozen=True)
class Dot:
    """One study on a strip, in pixels; ``label`` is written beside the farthest outliers."""

    x: float
    y: float
    title: str
    link: str | None
    outlier: bool
    label: str = ""
    anchor: str = "start"


@dataclass(frozen=True)
class Strip:
    """One quantity over the cohort.

    Parameters
    ----------
    title, note : str
        What it is; how many studies, median and quartiles.
    height, axis_y : float
        Of the strip and of its axis [pixels].
    ticks : tuple of (float, str)
        Position and text.
    box : tuple of float
        Positions of first quartile, median and third quartile.
    dots : tuple of Dot
        One a study.
    """

    title: str
    note: str
    height: float
    axis_y: float
    ticks: tuple[tuple[float, str], ...]
    box: tuple[float, float, float]
    dots: tuple[Dot, ...]


def strips(
    studies: Sequence[StudySummary], quantities: Sequence[Quantity], outliers: Sequence[Outlier]
) -> list[Strip]:
    """Return a strip for every quantity that a study has."""
    made = []
    for quantity in quantities:
        having = [study for study in studies if quantity.key in study.values]
        if having:
            odd = {o.study.study_id: abs(o.score) for o in outliers if o.quantity is quantity}
            made.append(_strip(quantity, having, odd))
    return made


def _strip(quantity: Quantity, studies: Sequence[StudySummary], odd: dict[str, float]) -> Strip:
    """Dots stacked where they would overlap, outliers labelled."""
    values = np.array([study.values[quantity.key] for study in studies])
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high / low > LOGARITHMIC
    ticks, ends = _decades(low, high) if logarithmic else _even(low, high)
    scale = np.log if logarithmic else np.asarray
    start, length = float(scale(ends[0])), float(scale(ends[1]) - scale(ends[0]))
    places = LEFT + (WIDTH - LEFT - RIGHT) * (np.asarray(scale(values), float) - start) / length
    layers = _layers(places)
    height = min(max(SHORTEST, (max(layers) + 1) * STEP + AXIS + 18), TALLEST)
    axis_y = height - AXIS
    squeeze = min(STEP, (axis_y - 14) / (max(layers) + 1))
    labelled = set(sorted(odd, key=lambda name: -odd[name])[:LABELLED])
    dots = []
    for study, value, x, layer in zip(studies, values.tolist(), places.tolist(), layers, strict=True):
        name = study.study_id
        dots.append(
            Dot(
                round(x, 1),
                round(axis_y - 8 - layer * squeeze, 1),
                f"{study.label}: {number(value)} {quantity.unit}".strip(),
                study.link,
                name in odd,
                shortened(study.label, 22) if name in labelled else "",
                "end" if x > 0.75 * WIDTH else "start",
            )
        )
    quartiles = np.percentile(values, (25, 50, 75))
    box = LEFT + (WIDTH - LEFT - RIGHT) * (np.asarray(scale(quartiles), float) - start) / length
    unit = f" {quantity.unit}" if quantity.unit else ""
    note = f"median {number(float(quartiles[1]))}{unit} ({number(float(quartiles[0]))} to {number(float(quartiles[2]))})"
    # Outliers last, so that they lie on top.
    dots.sort(key=lambda dot: dot.outlier)
    marks = tuple(
        (
            round(LEFT + (WIDTH - LEFT - RIGHT) * (float(scale(t)) - start) / length, 1),
            f"{t:g}",
        )
        for t in ticks
    )
    q1, q2, q3 = (round(float(x), 1) for x in box)
    return Strip(quantity.title, note, height, axis_y, marks, (q1, q2, q3), tuple(dots))


def _layers(places: np.ndarray) -> list[int]:
    """How high each dot is stacked so that no two overlap."""
    order = np.argsort(places, kind="stable")
    layers = [0] * len(places)
    ends: list[float] = []
    for index in order.tolist():
        x = float(places[index])
        layer = next((n for n, end in enumerate(ends) if x - end >= 2 * RADIUS), len(ends))
        if layer == len(ends):
            ends.append(x)
        ends[layer] = x
        layers[index] = layer
    return layers


def _even(low: float, high: float) -> tuple[list[float], tuple[float, float]]:
    """Ticks at even steps of 1, 2 or 5, and the ends of the axis, with zero where it is near."""
    low = 0.0 if 0 < low < 0.4 * high else low
    span = max(high - low, 1e-3 * abs(high)) or 1.0
    rough = span / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.floor(low / step + 1e-9) * step
    count = math.ceil((high - first) / step - 1e-9) or 1
    ticks = [float(f"{first + step * n:.12g}") for n in range(count + 1)]
    return ticks, (ticks[0], ticks[-1])


def _decades(low: float, high: float) -> tuple[list[float], tuple[float, float]]:
    """Ticks at 1, 2 and 5 of every decade, and the ends of the axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**p for p in powers for m in (1, 2, 5)]
    first = max(t for t in ticks if t <= low * (1 + 1e-9))
    last = min((t for t in ticks if t >= high * (1 - 1e-9)), default=ticks[-1])
    chosen = [t for t in ticks if first <= t <= last]
    if len(chosen) > 12:
        chosen = [t for t in chosen if math.log10(t) % 1 < 1e-9 or t in (first, last)]
    return chosen, (first, last)
