"""What planning models mean for the blood: rows for ``plan.json`` and the page; exploratory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from y90voxel.immune.blood_summary import BloodSummary
from y90voxel.immune.immune_report import EXPLORATORY
from y90voxel.immune.lymphocyte_forecast import BOUND, LymphocyteForecast

__all__ = ["COUNT_DAY", "PlanImmune"]

# The day whose range of counts stands beside the doses: that of the first counts of the cohorts [d].
COUNT_DAY = 30.0


@dataclass(frozen=True, eq=False)
class PlanImmune:
    """The block ``immune`` of ``plan.json``.

    Parameters
    ----------
    models : mapping of str to BloodSummary
        Dose to blood by the model's name.
    omitted : mapping of str to str
        Models without one, with the reason.
    half_life_s : float
        Physical half-life [s].
    sex_source : str
        Where the sex is from: stated, image or assumed.
    """

    models: Mapping[str, BloodSummary]
    omitted: Mapping[str, str] = field(default_factory=dict)
    half_life_s: float = 0.0
    sex_source: str = "stated"

    @property
    def statement(self) -> tuple[str, str]:
        """What it is, and what is assumed, a line each."""
        return (
            f"{EXPLORATORY}. Means of each model's own doses; counts: {BOUND}.",
            f"Blood of the reference adult of ICRP 89 (sex {self.sex_source}); organs other than liver, tumours and lungs count "
            "0 Gy; doses of liver and tumours are even within them, so the spread over cells is a lower bound.",
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return mean, range and counts by model."""
        return [
            {"model": name, **blood.as_dict(), "count_day": COUNT_DAY, **self._counts(blood)}
            for name, blood in self.models.items()
        ]

    def _counts(self, blood: BloodSummary) -> dict[str, float]:
        """The range of counts at the day, over the count before."""
        low, high = LymphocyteForecast(blood.mean_gy, self.half_life_s).band([COUNT_DAY])
        return {"count_low": float(low[0]), "count_high": float(high[0])}

    def as_dict(self) -> dict[str, Any]:
        """Return the block for JSON."""
        return {"statement": list(self.statement), "models": self.rows(), "omitted": dict(self.omitted)}
