"""Cumulative histograms read at common doses, as figures draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_bands import DvhBand
from y90voxel.metrics.region_noise import shares_without_noise, shrunk

__all__ = ["DvhCurve", "DvhCurves", "drawn_curves", "whole_curves"]

Floats = NDArray[np.float64]

# The drawn part ends where every region has less than this much of its volume left [%].
TAIL_PERCENT = 0.5
MARKED_PERCENT = 70.0  # [%]: D70 is marked, as the tables print it


@dataclass(frozen=True, eq=False)
class DvhCurve:
    """The histogram of one region.

    Parameters
    ----------
    volumes_percent : ndarray
        Volume that receives at least each dose, without noise where two halves of the image tell it [%].
    limits_percent : tuple of ndarray or None
        Low and high end of the band of the histogram as found at each dose, where it has one [%].
    d70_gy : float
        Dose that 70 % of the volume receives, by ``volumes_percent`` [Gy].
    found_percent : ndarray or None
        The histogram as found, noise included; None where ``volumes_percent`` is that [%].
    """

    volumes_percent: Floats
    limits_percent: tuple[Floats, Floats] | None
    d70_gy: float
    found_percent: Floats | None = None


@dataclass(frozen=True, eq=False)
class DvhCurves:
    """Histograms of several regions at the same doses.

    Parameters
    ----------
    doses_gy : ndarray
        From zero on in equal steps [Gy].
    by_name : mapping of str to DvhCurve
        By region name, in the order of the legend.
    drawn_gy : float
        Where figures end the axis of doses [Gy].
    """

    doses_gy: Floats
    by_name: Mapping[str, DvhCurve]
    drawn_gy: float

    @property
    def corrected(self) -> bool:
        """Whether any of them is without noise, and stands beside what was found."""
        return any(curve.found_percent is not None for curve in self.by_name.values())


def drawn_curves(
    histograms: Mapping[str, DoseVolumeHistogram],
    bands: Mapping[str, DvhBand] | None = None,
    points: int = 400,
    shrink: Mapping[str, float] | None = None,
) -> DvhCurves:
    """Return histograms up to where figures end: nearly nothing of any region receives more.

    Parameters
    ----------
    histograms : mapping of str to DoseVolumeHistogram
        As found, by region name.
    bands : mapping of str to DvhBand, optional
        Of some regions.
    points : int
        Doses at which they are read.
    shrink : mapping of str to float, optional
        By what distances from the mean shrink without noise; regions that are not named stay as found.
    """
    end = _drawn_gy(histograms, bands or {})
    return _curves(histograms, bands or {}, shrink or {}, np.linspace(0.0, end, points), end)


def whole_curves(
    histograms: Mapping[str, DoseVolumeHistogram],
    bands: Mapping[str, DvhBand],
    points: int,
    shrink: Mapping[str, float] | None = None,
) -> DvhCurves:
    """Return histograms up to the greatest dose of any region and band; see `drawn_curves`."""
    doses = np.linspace(0.0, max([_top_gy(histograms), *_reached_gy(histograms, bands)]), points)
    return _curves(histograms, bands, shrink or {}, doses, _drawn_gy(histograms, bands))


def _curves(
    histograms: Mapping[str, DoseVolumeHistogram],
    bands: Mapping[str, DvhBand],
    shrink: Mapping[str, float],
    doses: Floats,
    drawn_gy: float,
) -> DvhCurves:
    """The histograms at given doses."""
    by_name = {}
    for name, histogram in histograms.items():
        limits = None
        if name in bands:
            _, low, high = bands[name].volumes_at(doses)
            limits = (low, high)
        percents, d70 = 100.0 * histogram.cumulative(doses), histogram.dose_at_volume(MARKED_PERCENT)
        by_name[name] = DvhCurve(percents, limits, d70)
        if name in shrink:
            quiet = 100.0 * shares_without_noise(histogram, doses, shrink[name])
            d70 = float(shrunk(d70, histogram.mean_gy, shrink[name]))
            by_name[name] = DvhCurve(quiet, limits, d70, percents)
    return DvhCurves(doses, by_name, drawn_gy)


def _drawn_gy(histograms: Mapping[str, DoseVolumeHistogram], bands: Mapping[str, DvhBand]) -> float:
    """Where the axis of doses ends."""
    tails = [h.dose_at_volume(TAIL_PERCENT) for h in histograms.values()]
    return 1.04 * (max([*tails, *_reached_gy(histograms, bands)]) or _top_gy(histograms))


def _top_gy(histograms: Mapping[str, DoseVolumeHistogram]) -> float:
    """The greatest dose of any region; 1 Gy where there is none."""
    return max((float(h.doses_gy[0]) for h in histograms.values()), default=0.0) or 1.0


def _reached_gy(histograms: Mapping[str, DoseVolumeHistogram], bands: Mapping[str, DvhBand]) -> list[float]:
    """The greatest dose of the band of each region that has one; 0 ahead of them."""
    return [0.0, *(float(bands[name].high_gy[0]) for name in histograms if name in bands)]
