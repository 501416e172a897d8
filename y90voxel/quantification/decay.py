"""Radioactive decay between instants, over frames and to infinity."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from y90voxel.errors import InputError
from y90voxel.quantification.scaling import scaled
from y90voxel.volumes.volume import ActivityMap, TimeIntegratedActivityMap

__all__ = ["decay_factor", "frame_decay_factor", "integrate_over_time", "seconds_between"]


def decay_factor(elapsed_s: float, half_life_s: float) -> float:
    """Return what is left of an activity after ``elapsed_s``: 2^(-elapsed / half-life).

    Parameters
    ----------
    elapsed_s : float
        Time that passes [s]; negative looks back and gives a factor above one.
    half_life_s : float
        Half-life [s].

    Raises
    ------
    InputError
        If the half-life is not positive.

    Examples
    --------
    >>> round(decay_factor(24 * 3600, 64.1 * 3600), 4)
    0.7714
    """
    if not half_life_s > 0:
        raise InputError(f"a half-life must be positive, got {half_life_s} s.")
    return math.exp2(-elapsed_s / half_life_s)


def frame_decay_factor(duration_s: float, half_life_s: float) -> float:
    """Return activity at frame start over mean activity in the frame: λΔ / (1 − exp(−λΔ)).

    Parameters
    ----------
    duration_s : float
        Frame duration Δ [s]; zero gives one.
    half_life_s : float
        Half-life [s].
    """
    exponent = math.log(2.0) * duration_s / half_life_s
    return 1.0 if exponent == 0.0 else exponent / -math.expm1(-exponent)


def seconds_between(start: datetime, end: datetime, what: str) -> float:
    """Return the seconds from ``start`` to ``end``.

    Raises
    ------
    InputError
        If one instant has a time zone and the other has none: they cannot be compared.
    """
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise InputError(
            f"{what}: {start.isoformat()} and {end.isoformat()} cannot be compared, only one has a time "
            "zone. Give --time-zone (such as Europe/Berlin or +02:00) for the times without one.",
            tag="administration.time_zone",
        )
    if (
        start.tzinfo is not None
    ):  # two times of one zone would be subtracted as if no clock were ever put forward
        start, end = start.astimezone(UTC), end.astimezone(UTC)
    return (end - start).total_seconds()


def integrate_over_time(activity: ActivityMap, half_life_s: float) -> TimeIntegratedActivityMap:
    """Return the decays from administration to infinity, Ã = A₀ T½ / ln 2.

    Microspheres stay where they lodge, so decay is physical only (EANM dosimetry committee guideline,
    Chiesa et al. 2021, EJNMMI Phys 8:77, doi 10.1186/s40658-021-00394-3).

    Parameters
    ----------
    activity : ActivityMap
        Activity at administration [Bq per voxel].
    half_life_s : float
        Physical half-life [s].
    """
    mean_life = half_life_s / math.log(2.0)
    return TimeIntegratedActivityMap(scaled(activity.array, mean_life), activity.grid)
