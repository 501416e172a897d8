"""One planning model: the activity it gives, the doses of that activity, and which limit is reached first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from y90voxel.errors import InputError
from y90voxel.planning.aims import AimResult, DoseAim, judge
from y90voxel.planning.dose_table import TUMOURS, DoseTable
from y90voxel.planning.feasible import ActivityConstraint, feasible_activity
from y90voxel.planning.limits import Sense
from y90voxel.planning.root_finding import greatest_activity
from y90voxel.planning.solver import InjectionPlan, solve_injections
from y90voxel.units import BQ_PER_GBQ

__all__ = ["UNBOUNDED_GBQ", "Measure", "PlanModel", "rule_model", "solved_model", "unavailable"]

# Stands for "no vial limits this": a solution that reaches it is limited by nothing.
UNBOUNDED_GBQ = 1.0e4
# Activities are rounded down by this share, so that dose maps in single precision meet the limit they were solved for.
_ROUNDED_DOWN = 1.0e-7

# Value of a limit's or goal's metric for the activities of all injections [GBq], on the dose map.
Measure = Callable[[DoseAim, Sequence[float]], float]


@dataclass(frozen=True)
class PlanModel:
    """What one model says.

    Parameters
    ----------
    name, title : str
        Key, and name for people.
    activities_gbq : tuple of float
        Net activity of every injection [GBq]; empty when the model is not available.
    table : DoseTable
        Doses per activity by this model.
    basis : str
        What the activity rests on.
    results : tuple of AimResult
        Limits and goals at that activity.
    greatest_gbq : float or None
        Greatest net activity within the limits, divided as this model divides it [GBq].
    binding : tuple of str
        Limits or vials that are reached first; at the greatest activity.
    reason : str
        Why the model is not available; empty when it is.
    flag : str
        What must be read with it; empty for nothing.
    infeasibility : mapping or None
        Which goals are missed by how much, and what blocks them.
    inputs : mapping
        What went in.
    """

    name: str
    title: str
    activities_gbq: tuple[float, ...] = ()
    table: DoseTable = field(default_factory=lambda: DoseTable(()))
    basis: str = ""
    results: tuple[AimResult, ...] = ()
    greatest_gbq: float | None = None
    binding: tuple[str, ...] = ()
    reason: str = ""
    flag: str = ""
    infeasibility: Mapping[str, Any] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def available(self) -> bool:
        """Whether the model gives an activity."""
        return not self.reason

    @property
    def activity_gbq(self) -> float | None:
        """Net activity of all injections [GBq]; None when the model is not available."""
        return sum(self.activities_gbq) if self.available else None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``plan.json``."""
        known = self.available
        activities = self.activities_gbq
        return {
            "name": self.name,
            "title": self.title,
            "available": known,
            "reason": self.reason or None,
            "flag": self.flag or None,
            "basis": self.basis or None,
            "activity_bq": None if self.activity_gbq is None else self.activity_gbq * BQ_PER_GBQ,
            "activities_bq": [activity * BQ_PER_GBQ for activity in activities],
            "doses_gy": self.table.doses_by_role(activities) if known else {},
            "doses_by_region_gy": self.table.doses(activities) if known else {},
            "limits": [self._limit(result) for result in self.results],
            "greatest_activity_bq": None if self.greatest_gbq is None else self.greatest_gbq * BQ_PER_GBQ,
            "binding_constraint": self.binding[0] if self.binding else None,
            "binding_constraints": list(self.binding),
            "infeasibility": None if self.infeasibility is None else dict(self.infeasibility),
            "inputs": dict(self.inputs),
        }

    def _limit(self, result: AimResult) -> dict[str, Any]:
        """One limit or goal with what was found and the activity that reaches it."""
        aim = result.aim
        at_value = self._activity_at(aim)
        return {
            "name": aim.name,
            "region": aim.region,
            "kind": "limit" if aim.sense is Sense.BELOW else "goal",
            "required": aim.required,
            "metric": str(aim.metric),
            "unit": aim.metric.unit,
            "sense": aim.sense.value,
            "value_gy" if aim.metric.unit == "Gy" else "value_percent": result.found,
            "limit_gy" if aim.metric.unit == "Gy" else "limit_percent": aim.value,
            "previous": aim.previous,
            "status": result.status,
            "reason": result.reason or None,
            "missed_by": result.missed_by or None,
            "activity_at_value_bq": None if at_value is None else at_value * BQ_PER_GBQ,
            "source": aim.source,
        }

    def _activity_at(self, aim: DoseAim) -> float | None:
        """Activity at which a mean dose reaches its value, divided as here [GBq]; None when it never does."""
        total = self.activity_gbq
        if not aim.linear or not total or aim.region not in self.table.roles:
            return None
        per_gbq = self.table.doses(self.activities_gbq)[aim.region] / total
        return max(aim.value - aim.previous, 0.0) / per_gbq if per_gbq > 0 else None


def unavailable(name: str, title: str, reason: str, flag: str = "") -> PlanModel:
    """Return the entry of a model that cannot be used, with the reason."""
    return PlanModel(name, title, reason=reason, flag=flag)


def rule_model(
    name: str,
    title: str,
    activities_gbq: Sequence[float],
    table: DoseTable,
    aims: Sequence[DoseAim],
    *,
    basis: str,
    flag: str = "",
    inputs: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
) -> PlanModel:
    """Return a model whose activity comes from a rule, with the greatest activity that its doses allow.

    Parameters
    ----------
    name, title, basis, flag, inputs
        As in `PlanModel`.
    activities_gbq : sequence of float, (injections,)
        Net activities by the rule [GBq].
    table : DoseTable
        Doses per activity that the rule implies.
    aims : sequence of DoseAim
        Limits and goals.
    measure : callable or None
        Metrics that are no mean dose; None where there is no dose map.
    """
    activities = tuple(activities_gbq)
    total = sum(activities)
    split = [a / total for a in activities] if total > 0 else [1.0 / len(activities)] * len(activities)
    constraints = [
        ActivityConstraint(aim.name, dose, aim.value, aim.previous, aim.source)
        for aim in aims
        if aim.sense is Sense.BELOW and aim.linear and aim.region in table.roles
        for dose in [table.collapsed(split).doses((1.0,))[aim.region]]
        if dose > 0
    ]
    feasible = feasible_activity(constraints) if constraints else None
    return PlanModel(
        name,
        title,
        activities,
        table,
        basis,
        _results(aims, table, activities, measure),
        None if feasible is None else feasible.activity_gbq,
        () if feasible is None else (feasible.binding_constraint,),
        flag=flag,
        inputs=inputs or {},
    )


def solved_model(
    name: str,
    title: str,
    table: DoseTable,
    aims: Sequence[DoseAim],
    greatest_gbq: Sequence[float],
    *,
    objective: Mapping[str, float] | None = None,
    split: Sequence[float] | None = None,
    flag: str = "",
    inputs: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
) -> PlanModel:
    """Return a model whose activity is the greatest within all limits, in the split that gives tumours most.

    Mean doses are linear in the activities: a linear programme. Metrics that are not (V, BED, EUD, TCP, NTCP, and D
    of several injections) then scale its solution down until they hold, by bisection.

    Parameters
    ----------
    name, title, flag, inputs
        As in `PlanModel`.
    table : DoseTable
        Doses per activity of every injection.
    aims : sequence of DoseAim
        Limits and goals; required goals bind the solver too.
    greatest_gbq : sequence of float, (injections,)
        Greatest net activity of every injection [GBq].
    objective : mapping of str to float or None
        Weight of the mean dose of each region to maximise; None takes all tumours together.
    split : sequence of float or None, (injections,)
        Shares of the activity, when they are not free.
    measure : callable or None
        Metrics that are no mean dose; None where there is no dose map.
    """
    weights = dict(objective or {TUMOURS: 1.0})
    missing = [region for region in weights if region not in table.roles]
    if missing:
        return unavailable(
            name, title, f"no dose is known for {', '.join(missing)}, which is to be maximised", flag
        )
    solved, caps = (table, list(greatest_gbq)) if split is None else _along(table, greatest_gbq, split)
    linear = [aim for aim in aims if aim.linear and aim.required and aim.region in table.roles]
    plan = solve_injections(
        solved.per_gbq,
        [aim.as_constraint() for aim in linear],
        objective=weights,
        greatest_activities_gbq=caps,
    )
    found = _activities_of(plan, len(caps))
    activities = tuple(share * found[0] for share in split) if split is not None else found
    limits = [aim for aim in aims if aim.sense is Sense.BELOW and not aim.linear]
    activities, scaled_by = _scaled(activities, limits, measure)
    activities = tuple(a * (1.0 - _ROUNDED_DOWN) for a in activities)
    if any(a >= UNBOUNDED_GBQ * 0.99 for a in activities):
        reason = "no limit applies to a region that gets dose; give a device, or a limit in the plan"
        return unavailable(name, title, reason, flag)
    binding = (scaled_by,) if scaled_by else _binding(plan)
    results = _results(aims, table, activities, measure)
    free = (
        "in the split that gives tumours the greatest dose" if len(activities) > 1 and split is None else ""
    )
    return PlanModel(
        name,
        title,
        activities,
        table,
        " ".join(part for part in ("greatest activity within the limits", free) if part),
        results,
        sum(activities),
        binding,
        flag=flag,
        infeasibility=_infeasibility(plan, results, binding, split),
        inputs=inputs or {},
    )


def _along(
    table: DoseTable, greatest_gbq: Sequence[float], split: Sequence[float]
) -> tuple[DoseTable, list[float]]:
    """The table and the greatest activity along a fixed split."""
    caps = [cap / share for cap, share in zip(greatest_gbq, split, strict=True) if share > 0]
    return table.collapsed(split), [min(caps)]


def _activities_of(plan: InjectionPlan, injections: int) -> tuple[float, ...]:
    """The solution, or the closest split within all limits; nothing when earlier treatments alone exceed one."""
    if plan.feasible:
        return plan.activities_gbq
    closest = plan.infeasibility.closest_activities_gbq if plan.infeasibility else ()
    return closest or (0.0,) * injections


def _binding(plan: InjectionPlan) -> tuple[str, ...]:
    """What is used up: limits before vials, goals left out."""
    names = plan.binding if plan.infeasibility is None else plan.infeasibility.blocking
    return tuple(sorted(names, key=lambda name: name.startswith("greatest activity")))


def _scaled(
    activities: tuple[float, ...], limits: Sequence[DoseAim], measure: Measure | None
) -> tuple[tuple[float, ...], str]:
    """Activities scaled down until every limit holds that is no mean dose, and the limit that decided."""
    best, decided = 1.0, ""
    if measure is None or not any(activities):
        return activities, decided
    for limit in limits:

        def metric(scale: float, limit: DoseAim = limit) -> float:
            return measure(limit, [scale * a for a in activities]) + limit.previous

        found = greatest_activity(metric, limit.value, upper_gbq=best)
        if not found.at_bound:
            best, decided = found.activity_gbq, limit.name
    return tuple(best * a for a in activities), decided


def _results(
    aims: Sequence[DoseAim], table: DoseTable, activities: Sequence[float], measure: Measure | None
) -> tuple[AimResult, ...]:
    """Every limit and goal at the activities."""
    doses = table.doses(activities)
    results = []
    for aim in aims:
        if aim.linear:
            known = aim.region in doses
            results.append(
                judge(aim, doses.get(aim.region), "" if known else "this model knows no such region")
            )
        elif measure is None:
            results.append(judge(aim, None, "this model knows mean doses only"))
        else:
            results.append(judge(aim, measure(aim, activities)))
    return tuple(results)


def _infeasibility(
    plan: InjectionPlan, results: Sequence[AimResult], binding: Sequence[str], split: Sequence[float] | None
) -> dict[str, Any] | None:
    """Goals that are missed, by how much, and what blocks them; limits that earlier treatments exceed alone."""
    missed = {r.aim.name: r.missed_by for r in results if r.status == "not met"}
    if not missed and plan.feasible:
        return None
    solver = plan.infeasibility
    extra = 0.0 if solver is None else sum(solver.extra_activities_gbq)
    return {
        "required": any(not r.aim.linear or r.aim.required for r in results if r.status == "not met"),
        "missed_by": missed,
        "blocked_by": list(binding),
        "excesses_gy_if_goals_were_met": {} if solver is None else dict(solver.excesses_gy),
        "extra_activity_bq_if_goals_were_met": extra * BQ_PER_GBQ,
        "split": "fixed" if split is not None else "free",
    }


def check_split(split: Sequence[float], injections: int) -> tuple[float, ...]:
    """Return shares of the activity that sum to one.

    Raises
    ------
    InputError
        If there is not one positive share an injection.
    """
    if len(split) != injections or any(not share > 0 for share in split):
        raise InputError(
            f"the split needs one positive share for each of {injections} injections, got {list(split)}.",
            tag="plan.split",
        )
    total = sum(split)
    return tuple(share / total for share in split)
