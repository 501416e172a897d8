"""Predicted against delivered: how well two sets of doses agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import InputError
from y90voxel.metrics.dvh import DoseVolumeHistogram

__all__ = [
    "BlandAltman",
    "DvhDifference",
    "MeanDifference",
    "ProportionalBias",
    "bland_altman",
    "concordance",
    "dvh_difference",
    "isodose_dice",
    "mean_difference",
    "pearson",
    "proportional_bias",
    "quality_factor",
    "quality_volume_histogram",
    "root_mean_square_difference",
    "spearman",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeanDifference:
    """Delivered minus predicted.

    Parameters
    ----------
    difference_gy : float
        Delivered minus predicted [Gy].
    percent : float
        The same in percent of the predicted dose.
    ratio : float
        Delivered over predicted.
    """

    difference_gy: float
    percent: float
    ratio: float


def mean_difference(predicted_gy: float, delivered_gy: float) -> MeanDifference:
    """Return how far the delivered mean dose lies from the predicted one.

    Parameters
    ----------
    predicted_gy, delivered_gy : float
        Mean doses [Gy].

    Raises
    ------
    InputError
        If the predicted dose is not positive.
    """
    if not predicted_gy > 0:
        raise InputError(
            f"the predicted dose must be positive for a relative difference, got {predicted_gy:g} Gy."
        )
    ratio = delivered_gy / predicted_gy
    return MeanDifference(delivered_gy - predicted_gy, 100.0 * (ratio - 1.0), ratio)


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement.

    Parameters
    ----------
    bias, sd : float
        Mean and standard deviation (n − 1) of the differences.
    lower, upper : float
        Limits of agreement, bias ∓ 1.96 SD.
    of_ratios : bool
        True when the differences are of logarithms and every number here is a ratio (SD: a factor).
    """

    bias: float
    sd: float
    lower: float
    upper: float
    of_ratios: bool = False


def bland_altman(predicted: ArrayLike, delivered: ArrayLike, *, of_ratios: bool = False) -> BlandAltman:
    """Return bias and limits of agreement of paired doses, delivered minus predicted.

    Parameters
    ----------
    predicted, delivered : array_like, (pairs,)
        Doses [Gy], at least two pairs.
    of_ratios : bool
        Logarithms instead of doses, for a spread that grows with dose; the results are delivered over predicted.

    Raises
    ------
    InputError
        If shapes differ, there are fewer than two pairs, or a ratio of doses that are not positive is asked for.

    References
    ----------
    Bland and Altman 1986, Lancet 327:307, doi 10.1016/S0140-6736(86)90837-8.

    Examples
    --------
    >>> found = bland_altman([120, 80, 200, 150, 60, 95], [110, 85, 170, 155, 50, 90])
    >>> round(found.bias, 2), round(found.lower, 2), round(found.upper, 2)
    (-7.5, -32.87, 17.87)
    """
    x, y = _pairs(predicted, delivered)
    if of_ratios:
        if not ((x > 0).all() and (y > 0).all()):
            raise InputError("ratios of doses need positive doses in every pair.")
        x, y = np.log(x), np.log(y)
    difference = y - x
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    numbers = np.array([bias, sd, bias - 1.96 * sd, bias + 1.96 * sd])
    bias, sd, lower, upper = (np.exp(numbers) if of_ratios else numbers).tolist()
    return BlandAltman(bias, sd, lower, upper, of_ratios)


@dataclass(frozen=True)
class ProportionalBias:
    """How the difference of paired doses changes with the dose.

    Parameters
    ----------
    slope : float
        Of delivered minus predicted over the mean of both, by least squares.
    lower, upper : float
        Its 95 % interval, by Student's t with two degrees of freedom fewer than pairs.
    """

    slope: float
    lower: float
    upper: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.lower > 0.0 or self.upper < 0.0


def proportional_bias(predicted: ArrayLike, delivered: ArrayLike) -> ProportionalBias:
    """Return the regression of delivered minus predicted on the mean of both.

    Parameters
    ----------
    predicted, delivered : array_like, (pairs,)
        Doses [Gy], at least three pairs.

    Raises
    ------
    InputError
        If shapes differ, there are fewer than three pairs, or the means of all pairs are one number.

    References
    ----------
    Bland and Altman 1999, Statistical Methods in Medical Research 8:135, doi 10.1177/096228029900800204, section 3.2.

    Examples
    --------
    >>> found = proportional_bias([120, 80, 200, 150, 60, 95], [110, 85, 170, 155, 50, 90])
    >>> round(found.slope, 3), round(found.lower, 3), round(found.upper, 3), found.is_clear
    (-0.124, -0.457, 0.21, False)
    """
    # deferred: 0.05 s
    from scipy.special import stdtrit

    x, y = _pairs(predicted, delivered)
    middle, change = 0.5 * (x + y), y - x
    aside = middle - middle.mean()
    freedom, spread = middle.size - 2, float(aside @ aside)
    if freedom < 1 or spread == 0.0:
        raise InputError(
            f"a slope needs three pairs of doses or more, of different means; there are {middle.size}."
        )
    slope = float(aside @ change) / spread
    left = change - change.mean() - slope * aside
    half = float(stdtrit(freedom, 0.975) * np.sqrt(left @ left / freedom / spread))
    return ProportionalBias(slope, slope - half, slope + half)


def concordance(predicted: ArrayLike, delivered: ArrayLike) -> float:
    """Return Lin's concordance 2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²), with moments over n.

    Parameters
    ----------
    predicted, delivered : array_like, (pairs,)
        Doses [Gy], at least two pairs.

    Raises
    ------
    InputError
        If shapes differ, there are fewer than two pairs, or both sets are one and the same constant.

    References
    ----------
    Lin 1989, Biometrics 45:255, doi 10.2307/2532051.

    Examples
    --------
    >>> round(concordance([120, 80, 200, 150, 60, 95], [110, 85, 170, 155, 50, 90]), 4)
    0.9504
    """
    x, y = _pairs(predicted, delivered)
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    if spread == 0:
        raise InputError("all doses are one and the same number: concordance is not defined.")
    return float(2.0 * ((x - x.mean()) * (y - y.mean())).mean() / spread)


def pearson(predicted: ArrayLike, delivered: ArrayLike) -> float:
    """Return the linear correlation of paired doses.

    Raises
    ------
    InputError
        If shapes differ, there are fewer than two pairs, or one set is constant.
    """
    x, y = _pairs(predicted, delivered)
    x, y = x - x.mean(), y - y.mean()
    norm = np.sqrt((x @ x) * (y @ y))
    if norm == 0:
        raise InputError("one set of doses is constant: there is no correlation.")
    return float(x @ y / norm)


def spearman(predicted: ArrayLike, delivered: ArrayLike) -> float:
    """Return the rank correlation of paired doses; ties share their mean rank.

    Raises
    ------
    InputError
        If shapes differ, there are fewer than two pairs, or one set is constant.
    """
    x, y = _pairs(predicted, delivered)
    return pearson(_ranks(x), _ranks(y))


def root_mean_square_difference(predicted: ArrayLike, delivered: ArrayLike) -> float:
    """Return √ mean (delivered − predicted)² [Gy].

    Raises
    ------
    InputError
        If shapes differ or there are fewer than two pairs.
    """
    x, y = _pairs(predicted, delivered)
    return float(np.sqrt(((y - x) ** 2).mean()))


def isodose_dice(
    predicted_gy: ArrayLike,
    delivered_gy: ArrayLike,
    levels_gy: Sequence[float],
    weights: ArrayLike | None = None,
) -> dict[float, float | None]:
    """Return the overlap 2 |A ∩ B| / (|A| + |B|) of the volumes that receive at least each dose.

    Parameters
    ----------
    predicted_gy, delivered_gy : array_like
        Voxel doses on one grid [Gy], same shape.
    levels_gy : sequence of float
        Doses such as 50, 100 and 205 [Gy].
    weights : array_like or None
        Occupancy or volume of each voxel; None for equal ones.

    Returns
    -------
    dict of float to float or None
        Dice by dose, 0 to 1; None where neither map reaches the dose.

    Raises
    ------
    InputError
        If shapes differ, a dose level is not positive, or a weight negative.

    References
    ----------
    Dice 1945, Ecology 26:297, doi 10.2307/1932409.
    """
    x, y = _pairs(predicted_gy, delivered_gy)
    volume = _weights(weights, x)
    dice: dict[float, float | None] = {}
    for level in levels_gy:
        if not level > 0:
            raise InputError(f"an isodose level must be positive, got {level:g} Gy.")
        a, b = x >= level, y >= level
        both = float(volume[a].sum() + volume[b].sum())
        dice[float(level)] = 2.0 * float(volume[a & b].sum()) / both if both else None
    return dice


@dataclass(frozen=True)
class DvhDifference:
    """Delivered minus predicted histogram.

    Parameters
    ----------
    d_gy : dict of float to float
        ΔD_x [Gy] by volume in percent.
    v_percent : dict of float to float
        ΔV_d in percent of the volume, by dose in Gy.
    area_gy : float
        Area between the cumulative histograms ∫ |ΔV| dD, volume as a fraction [Gy].
    overlap : float
        ∫ min / ∫ max of the two, 1 for equal histograms.
    """

    d_gy: dict[float, float]
    v_percent: dict[float, float]
    area_gy: float
    overlap: float


def dvh_difference(
    predicted: DoseVolumeHistogram,
    delivered: DoseVolumeHistogram,
    percents: Sequence[float] = (70.0, 90.0),
    levels_gy: Sequence[float] = (50.0, 100.0, 205.0),
) -> DvhDifference:
    """Return how the delivered histogram differs from the predicted one; areas are exact, not binned.

    Parameters
    ----------
    predicted, delivered : DoseVolumeHistogram
        Of one region.
    percents : sequence of float
        Volumes of the ΔD_x [%].
    levels_gy : sequence of float
        Doses of the ΔV_d [Gy].

    Raises
    ------
    InputError
        If a volume lies outside 0 to 100 %, or a histogram holds negative doses.
    """
    both = (predicted.doses_gy, delivered.doses_gy)
    if min(doses[-1] for doses in both) < 0:
        raise InputError("histograms with negative doses have no area to compare; check the dose maps.")
    steps = np.unique(np.concatenate(([0.0], *both)))
    # Between two voxel doses the cumulative histogram is constant, with the value at the upper one.
    v_predicted, v_delivered = predicted.cumulative(steps[1:]), delivered.cumulative(steps[1:])
    widths = np.diff(steps)
    largest = float(widths @ np.maximum(v_predicted, v_delivered))
    return DvhDifference(
        d_gy={float(x): delivered.dose_at_volume(x) - predicted.dose_at_volume(x) for x in percents},
        v_percent={
            float(d): 100.0 * (delivered.volume_at_dose(d) - predicted.volume_at_dose(d)) for d in levels_gy
        },
        area_gy=float(widths @ np.abs(v_delivered - v_predicted)),
        overlap=float(widths @ np.minimum(v_predicted, v_delivered)) / largest if largest else 1.0,
    )


def quality_volume_histogram(
    predicted_gy: ArrayLike,
    delivered_gy: ArrayLike,
    quotients: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    least_fraction: float = 0.05,
) -> Array:
    """Return the volume fraction whose quotient delivered over predicted is at least each value.

    Ideal is a step at 1.

    Parameters
    ----------
    predicted_gy, delivered_gy : array_like
        Voxel (or region) doses on one grid [Gy], same shape.
    quotients : array_like, (n,)
        Values of q.
    weights : array_like or None
        Occupancy or volume; None for equal ones.
    least_fraction : float
        Doses predicted below this fraction of the greatest predicted are left out.

    Returns
    -------
    ndarray, (n,)
        Fractions, 0 to 1.

    Raises
    ------
    InputError
        If shapes differ, a weight is negative, or nothing is left to compare.

    References
    ----------
    Vanderstraeten et al. 2006, Radiother Oncol 79:249, doi 10.1016/j.radonc.2006.03.003.
    """
    q, volume = _quotients(predicted_gy, delivered_gy, weights, least_fraction)
    wanted = np.asarray(quotients, float)
    reached = np.array([volume[q >= value].sum() for value in wanted.ravel()])
    return np.asarray(reached.reshape(wanted.shape) / volume.sum())


def quality_factor(
    predicted_gy: ArrayLike,
    delivered_gy: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    least_fraction: float = 0.05,
) -> float:
    """Return the mean of |q − 1| with q delivered over predicted; 0 is perfect.

    Parameters and errors as in `quality_volume_histogram`.

    Examples
    --------
    >>> round(quality_factor([120, 80, 200, 150, 60, 95], [110, 85, 170, 155, 50, 90]), 5)
    0.09141
    """
    q, volume = _quotients(predicted_gy, delivered_gy, weights, least_fraction)
    return float(volume @ np.abs(q - 1.0) / volume.sum())


def _quotients(
    predicted: ArrayLike, delivered: ArrayLike, weights: ArrayLike | None, least_fraction: float
) -> tuple[Array, Array]:
    """Delivered over predicted where enough was predicted, and the volumes there."""
    x, y = _pairs(predicted, delivered)
    volume = _weights(weights, x)
    chosen = (x > 0) & (x >= least_fraction * x.max()) & (volume > 0)
    if not chosen.any():
        raise InputError("no voxel has a predicted dose to compare with.")
    return y[chosen] / x[chosen], volume[chosen]


def _pairs(predicted: ArrayLike, delivered: ArrayLike) -> tuple[Array, Array]:
    """Both sets as flat arrays, checked."""
    x, y = np.asarray(predicted, float), np.asarray(delivered, float)
    if x.shape != y.shape:
        raise InputError(
            f"predicted doses have shape {x.shape}, delivered ones {y.shape}: they are not paired."
        )
    if x.size < 2:
        raise InputError(f"agreement needs at least two pairs of doses, got {x.size}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("doses must be finite; leave out the pairs without a dose.")
    return x.ravel(), y.ravel()


def _weights(weights: ArrayLike | None, like: Array) -> Array:
    """Flat weights, equal ones for None."""
    if weights is None:
        return np.ones_like(like)
    flat = np.asarray(weights, float).ravel()
    if flat.shape != like.shape or not (flat >= 0).all():
        raise InputError(
            f"give one weight of zero or more per dose: {flat.size} weights for {like.size} doses."
        )
    return flat


def _ranks(values: Array) -> Array:
    """Ranks from one, ties at their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Array = np.cumsum(counts) - 0.5 * (counts - 1)
    return mean_ranks[inverse]
