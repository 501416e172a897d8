"""A dose-volume histogram in a notebook: its numbers with a small figure, and its conversion to pandas."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.display import Curve, block, curves_svg, table
from y90voxel.optional import optional_module

__all__ = ["dvh_curve", "dvh_frame", "dvh_html"]

CURVE_POINTS = 160  # chosen: one every 2.6 px of the small figure
COLOUR = "#1261a8"
# D_x, x in percent of the volume: the ends, the median and the two that clinics report.
SHOWN_PERCENT = (98, 90, 70, 50, 2)


class ViewedHistogram(Protocol):
    """What a view needs of a histogram; see `y90voxel.metrics.dvh.DoseVolumeHistogram` for each attribute."""

    @property
    def doses_gy(self) -> NDArray[np.float64]:
        """Voxel doses, greatest first [Gy]."""

    @property
    def volume_ml(self) -> float:
        """Volume of the region [mL]."""

    @property
    def mean_gy(self) -> float:
        """Volume-weighted mean dose [Gy]."""

    @property
    def mass_weighted_mean_gy(self) -> float | None:
        """Energy over mass [Gy], None without density."""

    def dose_at_volume(self, percent: float) -> float:
        """Greatest dose [Gy] that so much of the volume receives."""

    def cumulative(self, doses_gy: ArrayLike) -> NDArray[np.float64]:
        """Fraction of the volume that receives at least each dose."""


def dvh_frame(histogram: ViewedHistogram, points: int) -> Any:
    """Return a cumulative histogram as a ``pandas.DataFrame``: ``dose_gy``, ``volume_ml``, ``volume_percent``.

    Parameters
    ----------
    histogram : ViewedHistogram
        Of any region.
    points : int
        Dose steps from zero to the maximum; the volume at each is exact.

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    pandas = optional_module("pandas", "notebook")
    doses = np.linspace(0.0, max(float(histogram.doses_gy[0]), 0.0), points)
    share = histogram.cumulative(doses)
    return pandas.DataFrame(
        {"dose_gy": doses, "volume_ml": share * histogram.volume_ml, "volume_percent": 100.0 * share}
    )


def dvh_curve(
    histogram: ViewedHistogram, name: str, colour: str, end_gy: float, dash: tuple[float, ...] = ()
) -> Curve:
    """Return the line of a histogram up to a dose, for a small figure."""
    doses = np.linspace(0.0, end_gy, CURVE_POINTS)
    return Curve(name, colour, doses, 100.0 * histogram.cumulative(doses), dash)


def dvh_html(histogram: ViewedHistogram) -> str:
    """Return what a notebook shows of a histogram."""
    doses = [(f"D{percent}", histogram.dose_at_volume(percent)) for percent in SHOWN_PERCENT]
    by_mass = histogram.mass_weighted_mean_gy
    values = [("mean", histogram.mean_gy), *([] if by_mass is None else [("mean by mass", by_mass)]), *doses]
    header = ("mL", *(name for name, _ in values))
    row = (f"{histogram.volume_ml:.1f}", *(f"{gy:.4g}" for _, gy in values))
    curve = dvh_curve(histogram, "", COLOUR, float(histogram.doses_gy[0]))
    figure = curves_svg([curve], "absorbed dose / Gy", "volume / %")
    return block("Dose-volume histogram", table(header, [row]), figure, notes=("doses in Gy",))
