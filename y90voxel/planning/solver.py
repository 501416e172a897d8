"""Split of activity over injections by linear programme, and why a set of goals cannot be met."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError, RegionError
from y90voxel.planning.split_problem import Array, DoseConstraint, Infeasibility, SplitProblem
from y90voxel.short_repr import short_repr

__all__ = [
    "DoseConstraint",
    "Infeasibility",
    "InjectionPlan",
    "effective_lung_shunt_fraction",
    "injection_doses",
    "least_activities",
    "solve_injections",
]


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

    __repr__ = short_repr


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
    if not ((shunts >= 0) & (shunts <= 1)).all():  # NaN fails here too
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
    >>> from y90voxel.clinical.limits import Sense
    >>> limit = DoseConstraint("lungs, one treatment", "lungs", Sense.BELOW, 30.0)
    >>> table = {"tumour": (20.0,), "lungs": (6.0,)}
    >>> found = solve_injections(table, [limit], objective={"tumour": 1.0}, greatest_activities_gbq=(20.0,))
    >>> found.activities_gbq, found.binding
    ((5.0,), ('lungs, one treatment',))
    """
    rows, table, problem = _problem(doses_gy_per_gbq, constraints, objective, greatest_activities_gbq)
    caps = problem.caps
    if not all(math.isfinite(weight) for weight in objective.values()):
        raise InputError(f"the weights of the objective must be finite, got {dict(objective)}.")
    weights = sum((w * table[rows[name]] for name, w in objective.items()), np.zeros(caps.size))
    if not (weights > 0).any():
        raise InputError(
            f"the objective {dict(objective)} rewards no injection: no weighted region gets dose."
        )
    if problem.exhausted():
        return InjectionPlan(False, (), {}, (), 0.0, problem.exhausted())
    activities = problem.best(weights)
    if activities is None:
        return InjectionPlan(False, (), {}, (), 0.0, problem.explain())
    doses = dict(zip(rows, (table @ activities).tolist(), strict=True))
    return InjectionPlan(
        True, tuple(activities.tolist()), doses, problem.binding(activities), float(weights @ activities)
    )


def least_activities(
    doses_gy_per_gbq: Mapping[str, Sequence[float]],
    constraints: Sequence[DoseConstraint],
    *,
    greatest_activities_gbq: Sequence[float],
) -> InjectionPlan:
    """Return the split of the least total activity that meets all goals within all limits.

    Goals that cannot be met within the limits are met as far as they can, with the least activity that does so.

    Parameters
    ----------
    doses_gy_per_gbq, constraints, greatest_activities_gbq
        As in `solve_injections`.

    Raises
    ------
    RegionError, InputError, PhysicsError
        As `solve_injections`.

    Examples
    --------
    >>> from y90voxel.clinical.limits import Sense
    >>> goal = DoseConstraint("perfused volume", "perfused", Sense.AT_LEAST, 400.0)
    >>> found = least_activities({"perfused": (375.0,)}, [goal], greatest_activities_gbq=(20.0,))
    >>> round(found.activities_gbq[0], 4), found.binding
    (1.0667, ('perfused volume',))
    """
    rows, table, problem = _problem(doses_gy_per_gbq, constraints, {}, greatest_activities_gbq)
    if problem.exhausted():
        return InjectionPlan(False, (), {}, (), 0.0, problem.exhausted())
    activities = problem.best(-np.ones(problem.caps.size))
    if activities is None:
        return InjectionPlan(False, (), {}, (), 0.0, problem.explain(least=True))
    doses = dict(zip(rows, (table @ activities).tolist(), strict=True))
    return InjectionPlan(True, tuple(activities.tolist()), doses, problem.binding(activities), 0.0)


def _problem(
    doses_gy_per_gbq: Mapping[str, Sequence[float]],
    constraints: Sequence[DoseConstraint],
    objective: Mapping[str, float],
    greatest_activities_gbq: Sequence[float],
) -> tuple[dict[str, int], Array, SplitProblem]:
    """Row of every region, the table regions × injections, and the linear programme."""
    caps = np.asarray(greatest_activities_gbq, float)
    for cap in greatest_activities_gbq:
        check_positive(cap, "the greatest activity of an injection", "GBq")
    rows, table = _table(doses_gy_per_gbq, caps.size)
    _check_regions(rows, constraints, objective)
    per_gbq = np.array([table[rows[c.region]] for c in constraints])
    return rows, table, SplitProblem(tuple(constraints), per_gbq, caps)


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
