"""The activity at which any metric that grows with activity reaches a limit or a goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = ["ActivityAtValue", "greatest_activity", "greatest_activity_of_linear_metric", "least_activity"]


def greatest_activity_of_linear_metric(metric_per_gbq: float, limit: float, previous: float = 0.0) -> float:
    """Return the activity at which a metric of degree one reaches its limit [GBq].

    Mean, D_x, maximum and gEUD grow in proportion to activity; V_x, BED, EUD by survival, TCP and NTCP do
    not: use `greatest_activity` for them.

    Parameters
    ----------
    metric_per_gbq : float
        Metric of the dose map of 1 GBq, per GBq.
    limit, previous : float
        Limit and what earlier treatments used of it, in the unit of the metric.

    Raises
    ------
    InputError
        If the metric is zero, or a value negative.
    """
    check_positive(metric_per_gbq, "the metric", "per GBq")
    check_not_negative(limit, "the limit", "(unit of the metric)")
    check_not_negative(previous, "what earlier treatments used", "(unit of the metric)")
    return max(limit - previous, 0.0) / metric_per_gbq


@dataclass(frozen=True)
class ActivityAtValue:
    """An activity found by bisection.

    Parameters
    ----------
    activity_gbq : float
        Net activity [GBq]; the condition holds at it exactly as computed.
    value : float
        The metric there.
    at_bound : bool
        True when the search ended at the end of its interval, so something else limits the activity.
    """

    activity_gbq: float
    value: float
    at_bound: bool

    __repr__ = short_repr


def greatest_activity(
    metric: Callable[[float], float], limit: float, *, upper_gbq: float, tolerance: float = 1e-10
) -> ActivityAtValue:
    """Return the greatest activity up to ``upper_gbq`` whose metric does not exceed ``limit``, by bisection.

    Parameters
    ----------
    metric : callable
        Metric at an activity [GBq]; must not fall with it (V_x, BED, NTCP, ...).
    limit : float
        Greatest value allowed.
    upper_gbq : float
        End of the search [GBq], such as the greatest vial.
    tolerance : float
        Width of the last interval over ``upper_gbq``.

    Raises
    ------
    InputError
        If even no activity exceeds the limit, the metric falls, or the end is not positive.

    Examples
    --------
    >>> found = greatest_activity(lambda a: 10 * a + a**2, 56.0, upper_gbq=20.0)
    >>> round(found.activity_gbq, 6)
    4.0
    """
    check_positive(upper_gbq, "the greatest activity", "GBq")
    first, last = metric(0.0), metric(upper_gbq)
    _check_rising(first, last, upper_gbq)
    if first > limit:
        raise InputError(
            f"the limit {limit:g} is exceeded without any activity: the metric is {first:g} at 0 GBq."
        )
    if last <= limit:
        return ActivityAtValue(upper_gbq, last, True)
    below, _ = _bisect(lambda a: metric(a) <= limit, upper_gbq, tolerance)
    return ActivityAtValue(below, metric(below), False)


def least_activity(
    metric: Callable[[float], float], goal: float, *, upper_gbq: float, tolerance: float = 1e-10
) -> ActivityAtValue:
    """Return the least activity up to ``upper_gbq`` whose metric reaches ``goal``, by bisection.

    Parameters
    ----------
    metric, upper_gbq, tolerance
        As in `greatest_activity`.
    goal : float
        Least value wanted (D70, EUD, TCP, ...).

    Raises
    ------
    InputError
        If the goal is out of reach (the message says by how much), or the metric falls.
    """
    check_positive(upper_gbq, "the greatest activity", "GBq")
    first, last = metric(0.0), metric(upper_gbq)
    _check_rising(first, last, upper_gbq)
    if first >= goal:
        return ActivityAtValue(0.0, first, True)
    if last < goal:
        raise InputError(
            f"the goal {goal:g} is out of reach: {upper_gbq:g} GBq give {last:g}, short by {goal - last:g}."
        )
    _, above = _bisect(lambda a: metric(a) < goal, upper_gbq, tolerance)
    return ActivityAtValue(above, metric(above), False)


def _check_rising(first: float, last: float, upper_gbq: float) -> None:
    """Bisection needs a metric that grows; NaN fails here too."""
    if not last >= first:
        raise InputError(
            f"the metric must not fall with activity: it is {first:g} at 0 GBq and {last:g} at {upper_gbq:g} GBq."
        )


def _bisect(holds: Callable[[float], bool], upper: float, tolerance: float) -> tuple[float, float]:
    """Last activity where ``holds`` and first where it does not, with ``holds`` true at 0 and false at ``upper``."""
    low, high = 0.0, upper
    while high - low > tolerance * upper:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high
