"""Bands of dose-volume histograms: what 95 of 100 histograms lie between at each dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = ["BAND_PERCENT", "LEAST_SAMPLES", "VOLUMES_PERCENT", "DvhBand"]

BAND_PERCENT = 95.0  # [%]: two-sided, as other intervals of the package
# Quantiles at p (n + 1): between them lies another draw in 95 % of cases however few samples there are. Numpy's own, at
# p (n − 1), would hold 92 % with 60 samples.
QUANTILES: Final = "weibull"
LEAST_SAMPLES = 40  # 2.5 % of fewer is not one
# Volumes at which doses are sampled [%]: finer at both ends, where near-minimum and near-maximum are read.
VOLUMES_PERCENT: NDArray[np.float64] = np.concatenate(
    (np.linspace(0.25, 5, 20), np.linspace(6, 94, 89), np.linspace(95, 99.75, 20))
)
VOLUMES_PERCENT.flags.writeable = False


@dataclass(frozen=True, eq=False)
class DvhBand:
    """Median and limits of the dose that each part of a region's volume receives.

    Pointwise: at each volume (and so at each dose) the truth lies between low and high in `BAND_PERCENT` of cases,
    the whole curve less often.

    Parameters
    ----------
    median_gy, low_gy, high_gy : ndarray, (volumes,)
        Of D_x at each of `VOLUMES_PERCENT` [Gy], not rising.
    mean_low_gy, mean_high_gy : float
        Limits of the mean dose [Gy].
    """

    median_gy: NDArray[np.float64]
    low_gy: NDArray[np.float64]
    high_gy: NDArray[np.float64]
    mean_low_gy: float
    mean_high_gy: float

    __repr__ = short_repr

    @classmethod
    def from_samples(cls, doses_gy: ArrayLike, means_gy: ArrayLike) -> DvhBand:
        """Return the band of sampled histograms.

        Parameters
        ----------
        doses_gy : array_like, (samples, volumes)
            D_x of each sample at `VOLUMES_PERCENT` [Gy].
        means_gy : array_like, (samples,)
            Mean dose of each [Gy].

        Raises
        ------
        InputError
            If there are fewer than `LEAST_SAMPLES`.
        """
        doses = np.asarray(doses_gy, float)
        if len(doses) < LEAST_SAMPLES:
            raise InputError(
                f"a band of {BAND_PERCENT:g} % needs {LEAST_SAMPLES} samples or more, got {len(doses)}."
            )
        tail = (100.0 - BAND_PERCENT) / 2.0
        low, median, high = np.percentile(doses, (tail, 50.0, 100.0 - tail), axis=0, method=QUANTILES)
        mean_low, mean_high = np.percentile(
            np.asarray(means_gy, float), (tail, 100.0 - tail), method=QUANTILES
        )
        return cls(
            _falling(median),
            _falling(low),
            _falling(high),
            max(float(mean_low), 0.0),
            max(float(mean_high), 0.0),
        )

    def volumes_at(self, doses_gy: ArrayLike) -> tuple[NDArray[np.float64], ...]:
        """Return median, low and high volume [%] that receives at least each dose [Gy], each of the doses' shape.

        P(V_d < v) = P(D_v < d): limits of the volume at a dose are those of the dose at a volume, read across.
        """
        doses = np.asarray(doses_gy, float)
        return tuple(_volume_at(doses, curve) for curve in (self.median_gy, self.low_gy, self.high_gy))


def _falling(doses_gy: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve that is neither negative nor rises: quantiles of few samples may."""
    return np.asarray(np.minimum.accumulate(np.maximum(doses_gy, 0.0)))


def _volume_at(doses_gy: NDArray[np.float64], falling_gy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Volume [%] at doses on a falling curve over `VOLUMES_PERCENT`; all below its end, none above its start."""
    rising, volumes = falling_gy[::-1], VOLUMES_PERCENT[::-1]
    return np.where(doses_gy <= 0.0, 100.0, np.interp(doses_gy, rising, volumes, left=100.0, right=0.0))
