"""Statistics of a cohort that a few odd studies do not move: outliers and bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FEWEST_FOR_OUTLIERS", "OUTLIER_SCORE", "bands", "modified_z_scores"]

OUTLIER_SCORE = 3.5  # Iglewicz and Hoaglin 1993, How to detect and handle outliers
# With fewer values a median absolute deviation says too little.
FEWEST_FOR_OUTLIERS = 8
# 0.6745 is the third quartile of the normal distribution, 1.2533 its standard deviation over its mean absolute one.
QUARTILE = 0.6745
MEAN_DEVIATION = 1.253314  # √(π/2)
# Values that differ by less than this fraction differ by rounding.
ROUNDING = 1e-9


def modified_z_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Return M = 0.6745 (x − median) / MAD of each value, MAD the median absolute deviation from the median.

    Where more than half of the values are equal (MAD 0), the mean absolute deviation times 1.2533 stands in for
    MAD / 0.6745; where all are equal every score is 0. Scores beyond 3.5 are taken as outliers.

    Parameters
    ----------
    values : array_like, (n,)
        NaN is left out and scores NaN.

    References
    ----------
    Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, ASQC Quality Press, section 3.3.

    Examples
    --------
    >>> modified_z_scores([2.0, 4.0, 4.0, 5.0, 5.0, 7.0, 30.0]).round(3).tolist()
    [-2.023, -0.674, -0.674, 0.0, 0.0, 1.349, 16.862]
    """
    x = np.asarray(values, dtype=np.float64)
    scores = np.full(x.shape, np.nan)
    finite = np.isfinite(x)
    if not finite.any():
        return scores
    median = float(np.median(x[finite]))
    away = x[finite] - median
    away[np.abs(away) <= ROUNDING * abs(median)] = 0.0
    deviation = float(np.median(np.abs(away))) / QUARTILE
    if deviation == 0:
        deviation = MEAN_DEVIATION * float(np.abs(away).mean())
    scores[finite] = away / deviation if deviation > 0 else 0.0
    return scores


def bands(curves: ArrayLike, percentiles: tuple[float, ...]) -> NDArray[np.float64]:
    """Return percentiles over studies at each point of a curve, (percentiles, points).

    Parameters
    ----------
    curves : array_like, (studies, points)
        One curve a study, on common points.
    percentiles : tuple of float
        Such as 5, 25, 50, 75, 95.
    """
    return np.asarray(np.percentile(np.asarray(curves, dtype=np.float64), percentiles, axis=0))
