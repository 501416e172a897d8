"""What draws of a plan's inputs leave of it: intervals of activities and doses, and how often each limit binds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.planning.plan_model import PlanModel
from y90voxel.short_repr import short_repr
from y90voxel.units import BQ_PER_GBQ

__all__ = ["INTERVAL_PERCENT", "DoseSpread", "ModelSpread", "PlanUncertainty", "spread_of"]

INTERVAL_PERCENT = 95.0  # [%]: two-sided, as other intervals of the package
_ENDS = (50.0 - 0.5 * INTERVAL_PERCENT, 50.0 + 0.5 * INTERVAL_PERCENT)

Interval = tuple[float, float]


@dataclass(frozen=True)
class DoseSpread:
    """Mean dose of a region at the planned activity.

    Parameters
    ----------
    relative : float
        Relative standard uncertainty (k = 1), √(exp(var ln D) − 1); standard deviation over mean where a draw has no dose.
    interval_gy : tuple of float, (2,)
        95 % interval [Gy].
    """

    relative: float
    interval_gy: Interval


@dataclass(frozen=True)
class ModelSpread:
    """One model over all draws.

    Parameters
    ----------
    activity_gbq : tuple of float, (2,)
        95 % interval of the activity by the model [GBq].
    greatest_gbq : tuple of float, (2,), or None
        95 % interval of the greatest activity within the limits [GBq]; None where nothing limits it.
    doses : mapping of str to DoseSpread
        Every region at the planned activity.
    binding : mapping of str to float
        Share of the draws in which each limit or vial is reached first.
    refused : float
        Share of the draws in which the model gives no activity; they count as none.
    """

    activity_gbq: Interval
    greatest_gbq: Interval | None
    doses: Mapping[str, DoseSpread]
    binding: Mapping[str, float]
    refused: float

    def as_dict(self) -> dict[str, Any]:
        """Return the keys that a model's entry of ``plan.json`` gains."""
        return {
            "activity_interval_bq": _in_bq(self.activity_gbq),
            "greatest_activity_interval_bq": None if self.greatest_gbq is None else _in_bq(self.greatest_gbq),
            "relative_uncertainty": {name: spread.relative for name, spread in self.doses.items()},
            "dose_intervals_gy": {name: list(spread.interval_gy) for name, spread in self.doses.items()},
            "binding_shares": dict(self.binding),
            "refused_share": self.refused,
        }


@dataclass(frozen=True)
class PlanUncertainty:
    """How well a plan is known.

    Parameters
    ----------
    inputs : mapping
        Standard uncertainties of what went in, for JSON.
    models : mapping of str to ModelSpread
        Available models by name.
    statement : tuple of str
        What is in the intervals and what is not, a sentence each.
    """

    inputs: Mapping[str, Any]
    models: Mapping[str, ModelSpread]
    statement: tuple[str, ...]

    __repr__ = short_repr

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``plan.json``."""
        return {
            "interval_percent": INTERVAL_PERCENT,
            "inputs": dict(self.inputs),
            "statement": list(self.statement),
        }


def spread_of(planned: PlanModel, draws: Sequence[PlanModel]) -> ModelSpread:
    """Return how a model and the doses of its planned activity spread over draws of its inputs.

    Parameters
    ----------
    planned : PlanModel
        As found; available.
    draws : sequence of PlanModel
        The same model from every draw.
    """
    usable = [model for model in draws if model.available]
    doses = [model.table.doses(planned.activities_gbq) for model in usable]
    greatest = [model.greatest_gbq for model in usable if model.greatest_gbq is not None]
    binding = Counter(model.binding[0] for model in usable if model.binding)
    return ModelSpread(
        _interval([model.activity_gbq or 0.0 for model in draws]),
        _interval(greatest) if greatest else None,
        {row.name: _dose_spread([drawn[row.name] for drawn in doses]) for row in planned.table.rows}
        if len(doses) > 1  # one draw has no spread
        else {},
        {name: count / len(draws) for name, count in binding.most_common()},
        1.0 - len(usable) / len(draws),
    )


def _dose_spread(doses_gy: Sequence[float]) -> DoseSpread:
    """Spread of one region's dose."""
    doses = np.asarray(doses_gy)
    if not (doses > 0).all():
        mean = float(doses.mean())
        return DoseSpread(float(doses.std(ddof=1)) / mean if mean else 0.0, _interval(doses))
    return DoseSpread(math.sqrt(math.expm1(float(np.var(np.log(doses), ddof=1)))), _interval(doses))


def _interval(values: Sequence[float] | np.ndarray) -> Interval:
    """The middle of the draws."""
    low, high = np.percentile(np.asarray(values, float), _ENDS)
    return float(low), float(high)


def _in_bq(interval_gbq: Interval) -> list[float]:
    return [end * BQ_PER_GBQ for end in interval_gbq]
