"""The interval that is prescribed from: where goals are reached, where limits bind, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.dose_table import DoseTable
from y90voxel.planning.liver_limits import planning_goals
from y90voxel.units import BQ_PER_GBQ

__all__ = ["Prescription", "Reach", "prescribe"]


@dataclass(frozen=True)
class Reach:
    """The activity at which a mean dose comes to the value of a goal or a limit.

    Parameters
    ----------
    name : str
        The goal or limit.
    activity_gbq : float
        Net activity of all injections, divided as the model divides it [GBq].
    unconfirmed : bool
        Whether it depends on something that is not stated.
    """

    name: str
    activity_gbq: float
    unconfirmed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``plan.json``."""
        return {
            "name": self.name,
            "activity_bq": self.activity_gbq * BQ_PER_GBQ,
            "unconfirmed": self.unconfirmed,
        }


@dataclass(frozen=True)
class Prescription:
    """Activities of every goal on a mean dose and every limit of which it is known, by one model.

    Parameters
    ----------
    goals, limits : tuple of Reach
        In rising activity.
    decisive : Reach or None
        The goal that is prescribed to: the user's, else the table's for the perfused volume, else for the mean of all
        tumours; None where disease or scenario are not stated and the user states none.
    """

    goals: tuple[Reach, ...]
    limits: tuple[Reach, ...]
    decisive: Reach | None

    @property
    def end(self) -> Reach | None:
        """The limit that is reached first."""
        return self.limits[0] if self.limits else None

    @property
    def feasible(self) -> bool | None:
        """Whether the goal is reached within the limits; None without a goal."""
        if self.decisive is None:
            return None
        return self.end is None or self.decisive.activity_gbq <= self.end.activity_gbq * (1.0 + 1e-6)

    @property
    def shortfall(self) -> float:
        """By which share of the goal's dose the limits stay below it; 0 where they do not."""
        if self.feasible is not False or self.decisive is None or self.end is None:
            return 0.0
        return 1.0 - self.end.activity_gbq / self.decisive.activity_gbq

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``plan.json``."""
        return {
            "goal": None if self.decisive is None else self.decisive.as_dict(),
            "limit": None if self.end is None else self.end.as_dict(),
            "feasible": self.feasible,
            "goal_missed_by_percent": 100.0 * self.shortfall,
            "goals": [reach.as_dict() for reach in self.goals],
            "limits": [reach.as_dict() for reach in self.limits],
        }


def prescribe(
    aims: Sequence[DoseAim], table: DoseTable, split: Sequence[float], measured: Sequence[Reach] = ()
) -> Prescription:
    """Return where goals and limits on mean doses lie along a split, with limits that are no mean where they are known.

    Parameters
    ----------
    aims : sequence of DoseAim
        Limits and goals of the model.
    table : DoseTable
        Its doses per activity.
    split : sequence of float, (injections,)
        Shares of the activity; their sum is one.
    measured : sequence of Reach
        Where limits that are no mean dose lie, such as D50 of a dose map.
    """
    doses = table.doses(split)

    def reach(aim: DoseAim) -> Reach | None:
        per_gbq = doses.get(aim.region, 0.0)
        if not aim.linear or not per_gbq > 0:
            return None
        return Reach(aim.name, max(aim.value - aim.previous, 0.0) / per_gbq, bool(aim.unconfirmed))

    def rising(chosen: Sequence[DoseAim]) -> tuple[Reach, ...]:
        points = [point for point in map(reach, chosen) if point is not None]
        return tuple(sorted(points, key=lambda one: one.activity_gbq))

    wanted, _ = planning_goals(aims, table, measurable=False)
    decisive, limits = rising(wanted), rising([aim for aim in aims if aim.sense is Sense.BELOW])
    return Prescription(
        rising([aim for aim in aims if aim.sense is Sense.AT_LEAST]),
        tuple(sorted((*limits, *measured), key=lambda one: one.activity_gbq)),
        decisive[-1] if decisive else None,
    )
