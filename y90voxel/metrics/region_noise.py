"""What noise of the image does to the histogram of a region, and the histogram without it.

Noise adds its variance to that of the doses and leaves their mean. A histogram of the spread that is left keeps its shape:
every dose moves towards the mean by one factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.region_columns import D_PERCENT, V_GY, is_tail

__all__ = [
    "EXCEEDS",
    "RegionNoise",
    "Tails",
    "corrected_by_halves",
    "covariance_of_halves",
    "noise_without_halves",
    "shares_without_noise",
    "shrink_factor",
    "shrunk",
]

EXCEEDS = "noise exceeds spread"


class Tails(StrEnum):
    """What the ends of a histogram are worth."""

    CORRECTED = "corrected"  # by two halves of the image
    MARKED = "marked"


@dataclass(frozen=True)
class RegionNoise:
    """What noise does to the histogram of a region.

    Parameters
    ----------
    tails : Tails
        Whether D_x, V_d, minimum and maximum stand corrected beside those found, or are marked.
    found_cv : float
        Standard deviation of the doses over their mean, as found.
    noise_cv : float or None
        That of noise alone in a voxel; None where it is not known.
    without_cv : float or None
        What is left without noise; 0 where noise is as large as the spread.
    upper_bound : bool
        Whether the noise, and with it the bias, may be less.
    bias_gy : mapping of str to float
        What noise adds to each D_x outside 30 to 70 %, to minimum and maximum, by the key in ``metrics.json`` [Gy];
        empty where it is not known.
    d_gy, v_percent : mapping or None
        D_x [Gy] and V_d [%] without noise, where they are corrected.
    shrink : float or None
        The factor that distances from the mean were shrunk by, where they are corrected.
    reason : str or None
        Why they are not corrected although there are halves, or why the noise is not known.
    """

    tails: Tails
    found_cv: float
    noise_cv: float | None = None
    without_cv: float | None = None
    upper_bound: bool = False
    bias_gy: Mapping[str, float] | None = None
    d_gy: Mapping[int, float] | None = None
    v_percent: Mapping[int, float] | None = None
    shrink: float | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``."""
        corrected = None
        if self.d_gy is not None and self.v_percent is not None:
            corrected = {
                "shrink": self.shrink,
                **{f"d{percent}_gy": dose for percent, dose in self.d_gy.items()},
                "v_percent": {str(dose): share for dose, share in self.v_percent.items()},
            }
        return {
            "tails": self.tails.value,
            "found_cv": self.found_cv,
            "noise_cv": self.noise_cv,
            "without_cv": self.without_cv,
            "upper_bound": self.upper_bound,
            "bias_gy": None if self.bias_gy is None else dict(self.bias_gy),
            "corrected": corrected,
            "reason": self.reason,
        }


def shrink_factor(found_variance: float, true_variance: float) -> float:
    """Return by what distances from the mean shrink when noise is taken out, √(true / found), 0 to 1.

    Parameters
    ----------
    found_variance, true_variance : float
        Of the doses as found and without noise, in one unit.

    Examples
    --------
    >>> round(shrink_factor(0.36**2, 0.2**2), 3)
    0.556
    """
    if not found_variance > 0:
        return 1.0
    return math.sqrt(min(max(true_variance / found_variance, 0.0), 1.0))


def shrunk(doses_gy: Any, mean_gy: float, factor: float) -> Any:
    """Return doses moved towards the mean, mean + factor × (dose − mean) [Gy], shape of ``doses_gy``."""
    return mean_gy + factor * (doses_gy - mean_gy)


def noise_without_halves(
    dvh: DoseVolumeHistogram, noise_cv: float | None, *, upper_bound: bool = False, reason: str | None = None
) -> RegionNoise:
    """Return what noise is expected to have done to a histogram, by its size alone.

    Parameters
    ----------
    dvh : DoseVolumeHistogram
        As found.
    noise_cv : float or None
        Standard deviation of a dose voxel by noise over the mean dose; None where it is not known.
    upper_bound : bool
        Whether it may be less.
    reason : str or None
        Why it is not known.
    """
    cv = _cv(dvh)
    if noise_cv is None:
        return RegionNoise(Tails.MARKED, cv, reason=reason)
    left = max(cv**2 - noise_cv**2, 0.0)
    return RegionNoise(
        Tails.MARKED,
        cv,
        noise_cv,
        math.sqrt(left),
        upper_bound,
        _bias_gy(dvh, shrink_factor(cv**2, left)),
        reason=EXCEEDS if left == 0.0 and cv > 0.0 else None,
    )


def corrected_by_halves(
    dvh: DoseVolumeHistogram, covariance_gy2: float, noise_variance_gy2: float
) -> RegionNoise:
    """Return the histogram of a region without its noise, as two independent halves of the image tell it.

    What is common to both halves is true: their covariance is the variance without noise, whatever the noise looks like.
    Blur is common to both, and stays.

    Parameters
    ----------
    dvh : DoseVolumeHistogram
        Of the whole image.
    covariance_gy2 : float
        Of the doses of both halves over the region [Gy²].
    noise_variance_gy2 : float
        Of their mean by noise, a quarter of the variance of their difference [Gy²].
    """
    cv, mean = _cv(dvh), dvh.mean_gy
    noise = math.sqrt(noise_variance_gy2) / mean
    if covariance_gy2 <= 0.0:
        return RegionNoise(Tails.MARKED, cv, noise, 0.0, bias_gy=_bias_gy(dvh, 0.0), reason=EXCEEDS)
    factor = shrink_factor(dvh.sd_gy**2, covariance_gy2)
    return RegionNoise(
        Tails.CORRECTED,
        cv,
        noise,
        factor * cv,
        bias_gy=_bias_gy(dvh, factor),
        d_gy={x: float(shrunk(dvh.dose_at_volume(x), mean, factor)) for x in D_PERCENT},
        v_percent={d: 100.0 * float(shares_without_noise(dvh, d, factor)) for d in V_GY},
        shrink=factor,
    )


def covariance_of_halves(
    one: NDArray[Any], other: NDArray[Any], weights: NDArray[Any]
) -> tuple[float, float]:
    """Return the covariance of two halves over a region, and the variance of their mean by noise.

    Parameters
    ----------
    one, other : ndarray
        Doses of the halves [Gy].
    weights : ndarray
        Occupancies, of the same shape.

    Returns
    -------
    tuple of float
        cov(A, B), and ¼ var(A − B) [Gy²].
    """
    share = np.asarray(weights, np.float64) / float(np.asarray(weights, np.float64).sum())
    a, b = (np.asarray(half, np.float64) - float((half * share).sum()) for half in (one, other))
    return float((a * b * share).sum()), 0.25 * float(((a - b) ** 2 * share).sum())


def shares_without_noise(dvh: DoseVolumeHistogram, doses_gy: Any, shrink: float) -> NDArray[np.float64]:
    """Return the fraction of the volume that receives at least each dose in the shrunk histogram, shape of ``doses_gy``.

    Parameters
    ----------
    dvh : DoseVolumeHistogram
        As found.
    doses_gy : array_like
        Doses [Gy].
    shrink : float
        Factor of the distances from the mean, above zero.
    """
    mean = dvh.mean_gy
    return dvh.cumulative(mean + (np.asarray(doses_gy, float) - mean) / shrink)


def _cv(dvh: DoseVolumeHistogram) -> float:
    """Standard deviation over mean of a histogram."""
    return dvh.sd_gy / dvh.mean_gy if dvh.mean_gy > 0 else 0.0


def _bias_gy(dvh: DoseVolumeHistogram, factor: float) -> dict[str, float]:
    """What shrinking takes off each number of the ends [Gy]."""
    ends = {f"d{x}_gy": dvh.dose_at_volume(x) for x in D_PERCENT if is_tail(x)}
    ends |= {"min_gy": dvh.min_gy, "max_gy": dvh.max_gy}
    return {key: float(dose - shrunk(dose, dvh.mean_gy, factor)) for key, dose in ends.items()}
