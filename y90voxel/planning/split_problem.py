"""The linear programme of a split: limits, goals and greatest activities, solved or explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.clinical.limits import Sense
from y90voxel.errors import PhysicsError
from y90voxel.short_repr import short_repr

__all__ = ["Array", "DoseConstraint", "Infeasibility", "SplitProblem"]

# A constraint this close to its value, relative to it, counts as binding; the solver itself works to 1e-7.
_BINDING = 1e-6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DoseConstraint:
    """A limit or a goal for the mean dose of one region (or any metric of degree one).

    Parameters
    ----------
    name : str
        What it is, for people.
    region : str
        Key of the doses it applies to, and no other.
    sense : Sense
        BELOW for a limit, AT_LEAST for a goal.
    value_gy : float
        Dose, earlier treatments included [Gy].
    previous_gy : float
        Dose of earlier treatments [Gy].

    Raises
    ------
    InputError
        If the value is not positive, or the earlier dose negative.
    """

    name: str
    region: str
    sense: Sense
    value_gy: float
    previous_gy: float = 0.0

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_positive(self.value_gy, f"{self.name}: the dose", "Gy")
        check_not_negative(self.previous_gy, f"{self.name}: the earlier dose", "Gy")

    @property
    def remaining_gy(self) -> float:
        """Dose that this treatment may or must add [Gy]."""
        return self.value_gy - self.previous_gy


@dataclass(frozen=True)
class Infeasibility:
    """Why no split meets every limit and goal.

    Parameters
    ----------
    shortfalls_gy : dict of str to float
        Goals that the closest split within all limits misses, and by how much [Gy].
    blocking : tuple of str
        Limits and vials that this split has used up: they make the goals infeasible.
    excesses_gy : dict of str to float
        By how much limits would be exceeded if all goals were met, with the least relative excess [Gy].
    extra_activities_gbq : tuple of float
        Activity beyond the greatest of each injection that this would take [GBq].
    closest_activities_gbq : tuple of float
        The closest split within all limits [GBq]; empty when earlier treatments alone exceed a limit.
    """

    shortfalls_gy: dict[str, float]
    blocking: tuple[str, ...]
    excesses_gy: dict[str, float]
    extra_activities_gbq: tuple[float, ...]
    closest_activities_gbq: tuple[float, ...]

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class SplitProblem:
    """Constraints, their dose per activity (constraints × injections), and greatest activities."""

    constraints: tuple[DoseConstraint, ...]
    per_gbq: Array
    caps: Array

    @property
    def _is_limit(self) -> NDArray[np.bool_]:
        return np.array([c.sense is Sense.BELOW for c in self.constraints], dtype=bool)

    @property
    def _remaining(self) -> Array:
        return np.array([c.remaining_gy for c in self.constraints], dtype=float)

    def _scaled_rows(self) -> tuple[Array, Array]:
        """Inequalities rows · A ≤ rhs, each divided by its dose so that the solver's tolerance is relative."""
        if not self.constraints:
            return np.zeros((0, self.caps.size)), np.zeros(0)
        scale = np.array([c.value_gy for c in self.constraints]) * np.where(self._is_limit, 1.0, -1.0)
        return self.per_gbq / scale[:, None], self._remaining / scale

    def exhausted(self) -> Infeasibility | None:
        """Limits that earlier treatments exceed on their own."""
        over = {
            c.name: -c.remaining_gy for c in self.constraints if c.sense is Sense.BELOW and c.remaining_gy < 0
        }
        return Infeasibility({}, tuple(over), over, (0.0,) * self.caps.size, ()) if over else None

    def best(self, weights: Array) -> Array | None:
        """Activities that maximise the weights, None when infeasible."""
        rows, rhs = self._scaled_rows()
        activities = _linprog(-weights, rows, rhs, [(0.0, cap) for cap in self.caps])
        return None if activities is None else self._within_limits(activities)

    def _within_limits(self, activities: Array) -> Array:
        """Take off what the solver's tolerance leaves above a limit; every limit is homogeneous in activity."""
        factor = 1.0
        for constraint, row in zip(self.constraints, self.per_gbq, strict=True):
            dose = float(row @ activities)
            if constraint.sense is Sense.BELOW and dose > constraint.remaining_gy:
                factor = min(factor, constraint.remaining_gy / dose)
        return np.minimum(np.maximum(activities, 0.0), self.caps) * factor

    def binding(self, activities: Array) -> tuple[str, ...]:
        """Names of constraints and vials that are used up."""
        slack = np.abs(self.per_gbq @ activities - self._remaining) if self.constraints else np.zeros(0)
        names = [c.name for c, s in zip(self.constraints, slack, strict=True) if s <= _BINDING * c.value_gy]
        full = np.flatnonzero(self.caps - activities <= _BINDING * self.caps)
        return (*names, *(f"greatest activity of injection {j + 1}" for j in full))

    def explain(self, *, least: bool = False) -> Infeasibility:
        """Closest split within the limits, of least activity if asked, and what meeting the goals would take."""
        rows, rhs = self._scaled_rows()
        limits, goals, n = np.flatnonzero(self._is_limit), np.flatnonzero(~self._is_limit), self.caps.size
        # Goals give way: one slack per goal, in units of its dose.
        short = self._elastic(rows, rhs, goals, np.zeros((n, 0)))
        closest = self._within_limits(short[:n])
        closest = self._no_more_than_needed(closest) if least else closest
        missing = self._remaining[goals] - self.per_gbq[goals] @ closest
        # Limits and vials give way instead: one slack per limit and per vial.
        over = self._elastic(rows, rhs, limits, -np.eye(n) * self.caps)
        excess = self.per_gbq[limits] @ over[:n] - self._remaining[limits]
        return Infeasibility(
            shortfalls_gy=_above_rounding(self.constraints, goals, missing),
            blocking=tuple(name for name in self.binding(closest) if name not in self._goal_names()),
            excesses_gy=_above_rounding(self.constraints, limits, excess),
            extra_activities_gbq=tuple(np.maximum(over[:n] - self.caps, 0.0).tolist()),
            closest_activities_gbq=tuple(closest.tolist()),
        )

    def _no_more_than_needed(self, activities: Array) -> Array:
        """The least activity that comes as close to every goal: one that nothing reaches must not fill the vials."""
        doses, constraints, rows = self.per_gbq @ activities, [], []
        for constraint, row, dose in zip(self.constraints, self.per_gbq, doses, strict=True):
            if constraint.sense is Sense.BELOW:
                constraints.append(constraint)
            elif dose > 0 and constraint.remaining_gy > 0:
                left = constraint.remaining_gy
                # What is reached stays so when activities are rounded down.
                met = float(dose) >= left * (1.0 - _BINDING)
                reached = left * (1.0 + 0.5 * _BINDING) if met else float(dose) * (1.0 - 0.1 * _BINDING)
                constraints.append(replace(constraint, value_gy=constraint.previous_gy + reached))
            else:
                continue
            rows.append(row)
        solution = SplitProblem(tuple(constraints), np.array(rows), self.caps).best(-np.ones(self.caps.size))
        return activities if solution is None else solution

    def _goal_names(self) -> set[str]:
        return {c.name for c in self.constraints if c.sense is not Sense.BELOW}

    def _elastic(self, rows: Array, rhs: Array, soft: NDArray[np.intp], cap_slack: Array) -> Array:
        """Least sum of relative slacks; ``soft`` rows may be missed, and vials exceeded where they have a slack."""
        n, k, m = self.caps.size, soft.size, cap_slack.shape[1]
        give = np.zeros((rows.shape[0], k))
        give[soft, np.arange(k)] = -1.0
        upper = np.block(
            [[rows, give, np.zeros((rows.shape[0], m))], [np.eye(n), np.zeros((n, k)), cap_slack]]
        )
        cost = np.concatenate((np.zeros(n), np.ones(k + m)))
        slacks = _linprog(cost, upper, np.concatenate((rhs, self.caps)), [(0.0, None)] * (n + k + m))
        # A goal for a region that no injection reaches stays out of reach however much is injected.
        return np.zeros(n + k + m) if slacks is None else slacks


def _above_rounding(
    constraints: tuple[DoseConstraint, ...], which: NDArray[np.intp], by_gy: Array
) -> dict[str, float]:
    """Names and doses of the constraints missed by more than the solver's tolerance."""
    return {
        constraints[i].name: float(gy)
        for i, gy in zip(which, by_gy, strict=True)
        if gy > _BINDING * constraints[i].value_gy
    }


def _linprog(
    cost: Array, rows: Array, rhs: Array, bounds: Sequence[tuple[float, float | None]]
) -> Array | None:
    """Solution of a linear programme, None when it is infeasible."""
    # deferred: 0.3 s
    from scipy.optimize import linprog

    solution = linprog(cost, A_ub=rows, b_ub=rhs, bounds=bounds, method="highs")
    if solution.status == 2:
        return None
    if solution.status != 0:
        raise PhysicsError(f"the linear programme did not end: {solution.message}")
    return np.asarray(solution.x, dtype=float)
