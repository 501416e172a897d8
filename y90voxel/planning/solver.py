"""Split of activity over injections by linear programme, and why a set of goals cannot be met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.activity.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError, PhysicsError, RegionError
from y90voxel.planning.limits import Sense

__all__ = [
    "DoseConstraint",
    "Infeasibility",
    "InjectionPlan",
    "effective_lung_shunt_fraction",
    "injection_doses",
    "solve_injections",
]

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


@dataclass(frozen=True)
class InjectionPlan:
    """The best split of activity over injections.

    Parameters
    ----------
    feasible : bool
        Whether all limits and goals can be met together.
    activities_gbq : tuple of float
        Net activity of each injection [GBq]; empty when infeasible.
    doses_gy : dict of str to float
        Mean dose of every region from this treatment [Gy]; empty when infeasible.
    binding : tuple of str
        Constraints and vials that are used up.
    objective_gy : float
        Weighted dose that was maximised [Gy]; 0 when infeasible.
    infeasibility : Infeasibility or None
        The reason when infeasible.
    """

    feasible: bool
    activities_gbq: tuple[float, ...]
    doses_gy: dict[str, float]
    binding: tuple[str, ...]
    objective_gy: float
    infeasibility: Infeasibility | None = None


def injection_doses(
    doses_gy_per_gbq: Mapping[str, Sequence[float]], activities_gbq: Sequence[float]
) -> dict[str, float]:
    """Return the mean dose of every region, Σ_j A_j d_j [Gy].

    Parameters
    ----------
    doses_gy_per_gbq : mapping of str to sequence of float, (injections,)
        Region to its mean dose per GBq of each injection [Gy/GBq]; lungs by K L_j / M.
    activities_gbq : sequence of float, (injections,)
        Net activities, all at their own administration [GBq].

    Raises
    ------
    InputError
        If lengths differ, or a value is negative.

    Examples
    --------
    >>> injection_doses({"tumour": (20, 25), "normal": (8, 1)}, (3.3, 1.4))["tumour"]
    101.0
    """
    _, table = _table(doses_gy_per_gbq, len(activities_gbq))
    for activity in activities_gbq:
        check_not_negative(activity, "the activity of an injection", "GBq")
    return dict(zip(doses_gy_per_gbq, (table @ np.asarray(activities_gbq, float)).tolist(), strict=True))


def effective_lung_shunt_fraction(
    activities_gbq: Sequence[float], lung_shunt_fractions: Sequence[float]
) -> float:
    """Return the shunt fraction of all injections together, Σ A_j L_j / Σ A_j.

    Raises
    ------
    InputError
        If lengths differ, there is no activity, or a fraction lies outside 0 to 1.
    """
    activities, shunts = np.asarray(activities_gbq, float), np.asarray(lung_shunt_fractions, float)
    if activities.shape != shunts.shape or not activities.sum() > 0 or (activities < 0).any():
        raise InputError(
            f"give one shunt per activity, and some activity: {activities_gbq}, {lung_shunt_fractions}."
        )
    if ((shunts < 0) | (shunts > 1)).any():
        raise InputError(f"lung shunt fractions must lie between 0 and 1, got {lung_shunt_fractions}.")
    return float(activities @ shunts / activities.sum())


def solve_injections(
    doses_gy_per_gbq: Mapping[str, Sequence[float]],
    constraints: Sequence[DoseConstraint],
    *,
    objective: Mapping[str, float],
    greatest_activities_gbq: Sequence[float],
) -> InjectionPlan:
    """Return the split that maximises the weighted dose within all limits and goals.

    Maximise Σ w_R D_R over 0 ≤ A_j ≤ greatest, with D_R = Σ_j A_j d_Rj: a linear programme (HiGHS). Infeasible
    goals are a result, not an error: it says which limits block them, and by how much.

    Parameters
    ----------
    doses_gy_per_gbq : mapping of str to sequence of float, (injections,)
        Region to its mean dose per GBq of each injection [Gy/GBq].
    constraints : sequence of DoseConstraint
        Limits and goals.
    objective : mapping of str to float
        Weight of the dose of each region to maximise, such as ``{"tumour": 1.0}``.
    greatest_activities_gbq : sequence of float, (injections,)
        Greatest activity of each injection, such as its greatest vial [GBq].

    Raises
    ------
    RegionError
        If a constraint or weight names a region that has no doses.
    InputError
        If lengths differ, a value is out of range, or the weights leave nothing to maximise.
    PhysicsError
        If the linear programme does not end.

    Examples
    --------
    >>> limit = DoseConstraint("lungs, one treatment", "lungs", Sense.BELOW, 30.0)
    >>> table = {"tumour": (20.0,), "lungs": (6.0,)}
    >>> found = solve_injections(table, [limit], objective={"tumour": 1.0}, greatest_activities_gbq=(20.0,))
    >>> found.activities_gbq, found.binding
    ((5.0,), ('lungs, one treatment',))
    """
    caps = np.asarray(greatest_activities_gbq, float)
    for cap in greatest_activities_gbq:
        check_positive(cap, "the greatest activity of an injection", "GBq")
    rows, table = _table(doses_gy_per_gbq, caps.size)
    _check_regions(rows, constraints, objective)
    weights = sum((w * table[rows[name]] for name, w in objective.items()), np.zeros(caps.size))
    if not (weights > 0).any():
        raise InputError(
            f"the objective {dict(objective)} rewards no injection: no weighted region gets dose."
        )
    problem = _Problem(tuple(constraints), np.array([table[rows[c.region]] for c in constraints]), caps)
    if problem.exhausted():
        return InjectionPlan(False, (), {}, (), 0.0, problem.exhausted())
    activities = problem.best(weights)
    if activities is None:
        return InjectionPlan(False, (), {}, (), 0.0, problem.explain())
    doses = dict(zip(rows, (table @ activities).tolist(), strict=True))
    return InjectionPlan(
        True, tuple(activities.tolist()), doses, problem.binding(activities), float(weights @ activities)
    )


@dataclass(frozen=True, eq=False)
class _Problem:
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
        found = _linprog(-weights, rows, rhs, [(0.0, cap) for cap in self.caps])
        return None if found is None else self._within_limits(found)

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

    def explain(self) -> Infeasibility:
        """Closest split within the limits, and what meeting the goals would take."""
        rows, rhs = self._scaled_rows()
        limits, goals, n = np.flatnonzero(self._is_limit), np.flatnonzero(~self._is_limit), self.caps.size
        # Goals give way: one slack per goal, in units of its dose.
        short = self._elastic(rows, rhs, goals, np.zeros((n, 0)))
        closest = self._within_limits(short[:n])
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
        found = _linprog(cost, upper, np.concatenate((rhs, self.caps)), [(0.0, None)] * (n + k + m))
        # A goal for a region that no injection reaches stays out of reach however much is injected.
        return np.zeros(n + k + m) if found is None else found


def _above_rounding(
    constraints: tuple[DoseConstraint, ...], which: NDArray[np.intp], by_gy: Array
) -> dict[str, float]:
    """Names and doses of the constraints missed by more than the solver's tolerance."""
    return {
        constraints[i].name: float(gy)
        for i, gy in zip(which, by_gy, strict=True)
        if gy > _BINDING * constraints[i].value_gy
    }


def _table(doses_gy_per_gbq: Mapping[str, Sequence[float]], injections: int) -> tuple[dict[str, int], Array]:
    """Row of every region, and the table regions × injections."""
    for name, row in doses_gy_per_gbq.items():
        if len(row) != injections:
            raise InputError(
                f"{name} has {len(row)} doses per activity, but there are {injections} injections."
            )
        for value in row:
            check_not_negative(value, f"{name}: dose per activity", "Gy/GBq")
    rows = {name: index for index, name in enumerate(doses_gy_per_gbq)}
    return rows, np.array([list(row) for row in doses_gy_per_gbq.values()], float).reshape(-1, injections)


def _check_regions(
    rows: Mapping[str, int], constraints: Sequence[DoseConstraint], objective: Mapping[str, float]
) -> None:
    """Refuse goals for regions that are not there."""
    wanted = {c.region: c.name for c in constraints} | dict.fromkeys(objective, "the objective")
    for region, what in wanted.items():
        if region not in rows:
            raise RegionError(
                f"{what} is about {region}, which is not among the regions with doses: {', '.join(rows) or 'none'}."
            )


def _linprog(
    cost: Array, rows: Array, rhs: Array, bounds: Sequence[tuple[float, float | None]]
) -> Array | None:
    """Solution of a linear programme, None when it is infeasible."""
    from scipy.optimize import linprog

    found = linprog(cost, A_ub=rows, b_ub=rhs, bounds=bounds, method="highs")
    if found.status == 2:
        return None
    if found.status != 0:
        raise PhysicsError(f"the linear programme did not end: {found.message}")
    return np.asarray(found.x, dtype=float)
