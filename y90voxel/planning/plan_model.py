"""One planning model: the activity it gives, the doses of that activity, and which limit is reached first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.planning.aims import AimResult, DoseAim, judge
from y90voxel.planning.dose_table import DoseTable
from y90voxel.planning.feasible import ActivityConstraint, feasible_activity
from y90voxel.planning.liver_limits import NO_LIVER_LIMIT, UNBOUNDED_GBQ, has_liver_limit
from y90voxel.planning.prescription import Prescription, Reach, prescribe
from y90voxel.planning.stop_rules import Stop
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.units import BQ_PER_GBQ

__all__ = [
    "UNBOUNDED_GBQ",
    "Measure",
    "PlanModel",
    "check_split",
    "judge_all",
    "rule_model",
    "stopped",
    "unavailable",
    "within_limits",
]

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
        Greatest net activity within the limits, divided as this model divides it [GBq]; None too where a goal decides
        because no liver limit does.
    binding : tuple of str
        Limits that are reached first, at the greatest activity; the goal where a goal decides.
    reason : str
        Why the model is not available; empty when it is.
    flag : str
        What must be read with it; empty for nothing.
    infeasibility : mapping or None
        Which goals are missed by how much, and what blocks them.
    inputs : mapping
        What went in.
    goal_only : bool
        Whether no limit on liver bounds the activity: it is that of a goal or a rule, and never solved for a limit.
    goal_bound : bool
        Whether a wanted dose decided the activity, and it gives that dose.
    limit_bound : bool
        Whether a limit decided the activity: more would exceed it.
    limited_by_supply : tuple of str
        Injections whose greatest vial or stock holds less than limits or goal would take.
    goal_refused : bool
        Whether it gives no activity because a goal is forbidden by a limit, and no limit on liver stands in for it.
    stop : Stop or None
        What forbids any activity.
    measure : callable or None
        Metrics that are no mean dose; None where there is no dose map.
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
    goal_only: bool = False
    goal_bound: bool = False
    limit_bound: bool = False
    limited_by_supply: tuple[str, ...] = ()
    goal_refused: bool = False
    stop: Stop | None = None
    measure: Measure | None = field(default=None, compare=False, repr=False)

    __repr__ = short_repr

    @property
    def available(self) -> bool:
        """Whether the model gives an activity."""
        return not self.reason

    @property
    def activity_gbq(self) -> float | None:
        """Net activity of all injections [GBq]; None when the model is not available."""
        return sum(self.activities_gbq) if self.available else None

    @property
    def binding_unconfirmed(self) -> tuple[str, ...]:
        """Facts that are not stated and that what is reached first depends on."""
        facts = [fact for r in self.results if r.aim.name in self.binding for fact in r.aim.unconfirmed]
        return tuple(dict.fromkeys(facts))

    @property
    def binding_text(self) -> str:
        """What is reached first for people, marked where it is not confirmed to apply; empty for nothing."""
        facts = self.binding_unconfirmed
        return ", ".join(self.binding) + (f" (unconfirmed: {', '.join(facts)} not stated)" if facts else "")

    @property
    def prescription(self) -> Prescription | None:
        """Activities of every goal and limit in the split of this model; None without an activity."""
        total = self.activity_gbq
        if not total:
            return None
        split = [a / total for a in self.activities_gbq]
        return prescribe([r.aim for r in self.results], self.table, split, self._measured_ends(total))

    def _measured_ends(self, total_gbq: float) -> list[Reach]:
        """Where limits that are no mean dose end this split: in proportion to the dose, or where one ended the activity."""
        ends = []
        for result in self.results:
            aim, achieved = result.aim, result.achieved
            if aim.linear or aim.sense is not Sense.BELOW or achieved is None:
                continue
            given = achieved - aim.previous
            if aim.metric.scales and given > 0:
                scale = max(aim.value - aim.previous, 0.0) / given
            elif aim.name in self.binding:
                scale = 1.0
            else:
                continue
            ends.append(Reach(aim.name, scale * total_gbq, bool(aim.unconfirmed)))
        return ends

    def results_at(self, activities_gbq: Sequence[float]) -> tuple[AimResult, ...]:
        """Return every limit and goal of this model at other activities [GBq]."""
        return judge_all([r.aim for r in self.results], self.table, activities_gbq, self.measure)

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``plan.json``."""
        available = self.available
        activities = self.activities_gbq
        return {
            "name": self.name,
            "title": self.title,
            "available": available,
            "reason": self.reason or None,
            "flag": self.flag or None,
            "basis": self.basis or None,
            "activity_bq": None if self.activity_gbq is None else self.activity_gbq * BQ_PER_GBQ,
            "activities_bq": [activity * BQ_PER_GBQ for activity in activities],
            "doses_gy": self.table.doses_by_role(activities) if available else {},
            "doses_by_region_gy": self.table.doses(activities) if available else {},
            "limits": [self._limit(result) for result in self.results] + self._missing_liver_limit(),
            "greatest_activity_bq": None if self.greatest_gbq is None else self.greatest_gbq * BQ_PER_GBQ,
            "binding_constraint": self.binding[0] if self.binding else None,
            "binding_constraints": list(self.binding),
            "binding_unconfirmed": list(self.binding_unconfirmed),
            "prescription": None if self.prescription is None else self.prescription.as_dict(),
            "goal_only": self.goal_only,
            "limited_by_supply": list(self.limited_by_supply),
            "stop": None if self.stop is None else str(self.stop),
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
            "value_gy" if aim.metric.unit == "Gy" else "value_percent": result.achieved,
            "limit_gy" if aim.metric.unit == "Gy" else "limit_percent": aim.value,
            "previous": aim.previous,
            "status": result.status,
            "reason": result.reason or None,
            "missed_by": result.missed_by or None,
            "activity_at_value_bq": None if at_value is None else at_value * BQ_PER_GBQ,
            "source": aim.source,
        }

    def _missing_liver_limit(self) -> list[dict[str, Any]]:
        """The row of the liver limit that there is not, with the dose of whole normal liver where it is known."""
        if not self.goal_only or not self.available:
            return []
        doses = self.table.doses_by_role(self.activities_gbq)
        return [
            {
                "name": "liver",
                "region": Role.NON_TUMOUR_LIVER.value,
                "kind": "limit",
                "required": False,
                "metric": "mean",
                "unit": "Gy",
                "sense": Sense.BELOW.value,
                "value_gy": doses.get(Role.NON_TUMOUR_LIVER.value),
                "limit_gy": None,
                "previous": 0.0,
                "status": "none printed",
                "reason": NO_LIVER_LIMIT,
                "missed_by": None,
                "activity_at_value_bq": None,
                "source": None,
            }
        ]

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


def stopped(model: PlanModel, stop: Stop) -> PlanModel:
    """Return the entry of a model that gives no activity because the treatment is contraindicated."""
    return PlanModel(model.name, model.title, reason=str(stop), flag=model.flag, stop=stop)


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
    goal_bound: bool = False,
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
    goal_bound : bool
        Whether the rule is a wanted dose.
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
        judge_all(aims, table, activities, measure),
        None if feasible is None else feasible.activity_gbq,
        () if feasible is None else (feasible.binding_constraint,),
        flag=flag,
        inputs=inputs or {},
        goal_only=not has_liver_limit(aims, table.collapsed(split), measurable=measure is not None),
        goal_bound=goal_bound,
        measure=measure,
    )


def within_limits(model: PlanModel) -> PlanModel:
    """Return a model at the activity of its rule, or at the greatest within its limits where that is less."""
    total, greatest = model.activity_gbq, model.greatest_gbq
    if not total or greatest is None or total <= greatest:
        return model
    activities = tuple(a * greatest / total * (1.0 - 1e-7) for a in model.activities_gbq)
    return replace(
        model,
        activities_gbq=activities,
        basis=f"{model.basis}, as far as limits allow",
        results=model.results_at(activities),
        goal_bound=False,
        limit_bound=True,
    )


def judge_all(
    aims: Sequence[DoseAim], table: DoseTable, activities: Sequence[float], measure: Measure | None
) -> tuple[AimResult, ...]:
    """Return every limit and goal at the activities of all injections [GBq]."""
    doses = table.doses(activities)
    results = []
    for aim in aims:
        if aim.linear:
            has_dose = aim.region in doses
            results.append(
                judge(aim, doses.get(aim.region), "" if has_dose else "this model knows no such region")
            )
        elif measure is None:
            results.append(judge(aim, None, "this model knows mean doses only"))
        else:
            results.append(judge(aim, measure(aim, activities)))
    return tuple(results)


def check_split(split: Sequence[float], injections: int) -> tuple[float, ...]:
    """Return shares of the activity that sum to one.

    Raises
    ------
    InputError
        If there is not one positive share an injection.
    """
    if len(split) != injections or any(not 0.0 < share < math.inf for share in split):
        raise InputError(
            f"the split needs one positive share for each of {injections} injections, got {list(split)}.",
            tag="plan.split",
        )
    total = sum(split)
    return tuple(share / total for share in split)
