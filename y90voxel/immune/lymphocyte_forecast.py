"""Counts of lymphocytes that a blood dose would mean over a year, their range, and what was measured beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_positive
from y90voxel.immune.lymphocyte_cohorts import MONTH_DAYS, TARE_COHORTS
from y90voxel.immune.lymphocytes import (
    ALPHA_PER_GY,
    ALPHA_RANGE_PER_GY,
    FAST_RECOVERY_PER_DAY,
    SLOW_RECOVERY_PER_DAY,
    lymphocyte_band,
    lymphocyte_counts,
    lymphocyte_nadir,
    two_pool_counts,
)

__all__ = ["BOUND", "TOLD_DAYS", "LymphocyteForecast", "MeasuredCount"]

Array = NDArray[np.float64]
BOUND = "upper bound of the fall by blood dose: as if lymphocytes never left the blood"
# Days that tables tell: two early ones, and those of the cohorts.
TOLD_DAYS = (7, 14, *MONTH_DAYS)


@dataclass(frozen=True)
class MeasuredCount:
    """One count of a patient.

    Parameters
    ----------
    day : float
        Days after the injection; zero or less is before.
    giga_per_l : float
        Lymphocytes [10⁹/L].

    Raises
    ------
    InputError
        If the count is not positive.
    """

    day: float
    giga_per_l: float

    def __post_init__(self) -> None:
        check_positive(self.giga_per_l, "a lymphocyte count", "10⁹/L", tag="immune.count")


@dataclass(frozen=True)
class LymphocyteForecast:
    """Counts over the count before for a dose to lymphocytes.

    Parameters
    ----------
    dose_gy : float
        Dose to the lymphocytes: that of the blood, an upper bound [Gy].
    half_life_s : float
        Physical half-life [s].
    alpha_per_gy : float
        Sensitivity of the middle curves [1/Gy].
    slow_share : float or None
        Share of the count that recovers slowly, where it is given.
    measured : tuple of MeasuredCount
        Counts of the patient, in any order.
    pools_gy : mapping or None
        Dose weighted by numbers of lymphocytes, with and without the thymus [Gy], with its label: UNVERIFIED. None unless asked.
    """

    dose_gy: float
    half_life_s: float
    alpha_per_gy: float = ALPHA_PER_GY
    slow_share: float | None = None
    measured: tuple[MeasuredCount, ...] = ()
    pools_gy: Mapping[str, float | str] | None = field(default=None)

    def curve(self, days: ArrayLike, recovery_per_day: float, dose_gy: float | None = None) -> Array:
        """Return counts over the count before at days that rise, (k,)."""
        dose = self.dose_gy if dose_gy is None else dose_gy
        return lymphocyte_counts(dose, days, self.half_life_s, self.alpha_per_gy, recovery_per_day)

    def band(self, days: ArrayLike) -> tuple[Array, Array]:
        """Return the lowest and highest counts over the ranges of the literature, (k,) and (k,)."""
        low, high = ALPHA_RANGE_PER_GY
        alphas = (min(low, self.alpha_per_gy), max(high, self.alpha_per_gy))
        return lymphocyte_band(self.dose_gy, days, self.half_life_s, alphas)

    def two_pools(self, days: ArrayLike) -> Array | None:
        """Return the counts of two pools where their shares are given, (k,)."""
        if self.slow_share is None:
            return None
        return two_pool_counts(self.dose_gy, days, self.half_life_s, self.slow_share, self.alpha_per_gy)

    @property
    def before(self) -> float | None:
        """The last count before the injection [10⁹/L]; None where there is none."""
        earlier = [one for one in self.measured if one.day <= 0]
        return max(earlier, key=lambda one: one.day).giga_per_l if earlier else None

    @property
    def followed(self) -> list[dict[str, Any]]:
        """Counts after the injection over that before, each with the range predicted; empty without a count before."""
        later = sorted((one for one in self.measured if one.day > 0), key=lambda one: one.day)
        if self.before is None or not later:
            return []
        days = sorted({one.day for one in later})
        low, high = (dict(zip(days, ends.tolist(), strict=True)) for ends in self.band(days))
        return [
            {
                "day": one.day,
                "giga_per_l": one.giga_per_l,
                "ratio": one.giga_per_l / self.before,
                "low": low[one.day],
                "high": high[one.day],
            }
            for one in later
        ]

    def rows(self, days: Sequence[float] = TOLD_DAYS) -> list[dict[str, Any]]:
        """Return the counts of days as rows: fast and slow recovery, two pools where given, lowest and highest."""
        fast, slow = self.curve(days, FAST_RECOVERY_PER_DAY), self.curve(days, SLOW_RECOVERY_PER_DAY)
        (low, high), pools = self.band(days), self.two_pools(days)
        return [
            {
                "day": float(day),
                "fast": float(fast[n]),
                "slow": float(slow[n]),
                "two_pools": None if pools is None else float(pools[n]),
                "low": float(low[n]),
                "high": float(high[n]),
            }
            for n, day in enumerate(days)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        ratio, day = lymphocyte_nadir(self.dose_gy, self.half_life_s, self.alpha_per_gy)
        return {
            "dose_gy": self.dose_gy,
            "meaning": BOUND,
            "alpha_per_gy": self.alpha_per_gy,
            "alpha_range_per_gy": list(ALPHA_RANGE_PER_GY),
            "recovery_range_per_day": [SLOW_RECOVERY_PER_DAY, FAST_RECOVERY_PER_DAY],
            "slow_share": self.slow_share,
            "rows": self.rows(),
            "nadir_fast": {"ratio": ratio, "day": day},
            "count_before_giga_per_l": self.before,
            "measured": self.followed,
            "pool_weighted": None if self.pools_gy is None else dict(self.pools_gy),
            "cohorts": [
                {
                    "name": cohort.name,
                    "source": cohort.source,
                    "effective_dose_gy": cohort.effective_dose_gy,
                    "days": list(cohort.days),
                    "ratios": list(cohort.ratios),
                }
                for cohort in TARE_COHORTS
            ],
        }
