"""Models whose activity is solved for: the greatest within a liver limit, or the least that reaches a goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import AimResult, DoseAim
from y90voxel.planning.dose_table import TUMOURS, DoseTable
from y90voxel.planning.liver_limits import UNBOUNDED_GBQ, goal_not_reached, has_liver_limit, planning_goals
from y90voxel.planning.plan_model import Measure, PlanModel, judge_all, unavailable
from y90voxel.planning.root_finding import greatest_activity, least_activity
from y90voxel.planning.solver import InjectionPlan, least_activities, solve_injections
from y90voxel.units import BQ_PER_GBQ

__all__ = ["solved_model"]

# Activities are rounded down by this share, so that dose maps in single precision meet the limit they were solved for; where a
# goal is the limit, as far as the goal lets.
_ROUNDED_DOWN = 1.0e-7
# Goals that are reached up to the tolerance of the solver decide the activity.
_REACHED = 1.0e-6
# How the solver names a vial that is used up.
_VIAL = "greatest activity of "
_NOTHING_BOUNDS = (
    "no limit applies to the liver here, and no goal says what is wanted: without either nothing but the vial would bound the "
    "activity. State disease and scenario (--disease, --scenario), for goals of the table are not used without them; "
    "or state a goal (--goal 'perfused mean >= 400') or a limit (--limit 'non-tumour liver mean <= 75')"
)
_NO_VIAL_BOUNDS = (
    "no limit applies to a region that gets dose; give a device, or a limit or a goal that can be reached"
)


@dataclass(frozen=True)
class _Problem:
    """What is to be solved: doses per activity, limits and goals, and what every injection can hold [GBq]."""

    table: DoseTable
    aims: tuple[DoseAim, ...]
    greatest_gbq: tuple[float, ...]
    split: tuple[float, ...] | None
    measure: Measure | None

    @property
    def along(self) -> tuple[DoseTable, list[float]]:
        """Table and greatest activities as the solver takes them: of one total where the split is fixed."""
        if self.split is None:
            return self.table, list(self.greatest_gbq)
        caps = [cap / share for cap, share in zip(self.greatest_gbq, self.split, strict=True) if share > 0]
        return self.table.collapsed(self.split), [min(caps)]

    def activities(self, plan: InjectionPlan) -> tuple[float, ...]:
        """Activities of all injections: the solution, or the closest within all limits; nothing when there is none."""
        solution = plan.activities_gbq
        if not plan.feasible:
            solution = plan.infeasibility.closest_activities_gbq if plan.infeasibility else ()
        solution = solution or (0.0,) * len(self.along[1])
        return solution if self.split is None else tuple(share * solution[0] for share in self.split)

    def linear(self, aims: Sequence[DoseAim]) -> list[DoseAim]:
        """The aims that are mean doses of regions with a dose."""
        return [aim for aim in aims if aim.linear and aim.region in self.table.roles]

    @property
    def limits(self) -> list[DoseAim]:
        """Every limit that binds."""
        return [aim for aim in self.aims if aim.sense is Sense.BELOW]

    def scaled(self, activities: tuple[float, ...]) -> tuple[tuple[float, ...], str]:
        """Activities scaled down until every limit holds that is no mean dose, and the limit that decided."""
        best, decided = 1.0, ""
        if self.measure is None or not any(activities):
            return activities, decided
        for limit in self.limits:
            if limit.linear:
                continue
            metric = self.along_scale(limit, activities)
            if metric(0.0) > limit.value:  # by earlier treatments alone
                return (0.0,) * len(activities), limit.name
            end = greatest_activity(metric, limit.value, upper_gbq=best)
            if not end.at_bound:
                best, decided = end.activity_gbq, limit.name
        return tuple(best * a for a in activities), decided

    def along_scale(self, aim: DoseAim, activities: Sequence[float]) -> Any:
        """A metric as a function of the scale of the activities."""
        measure = self.measure
        assert measure is not None  # asked for metrics of a dose map only
        return lambda scale: measure(aim, [scale * a for a in activities]) + aim.previous

    def rounded_down(self, activities: tuple[float, ...], *, measured: bool) -> tuple[float, ...]:
        """Activities that keep their limits in single precision too, or just reach a goal that lies at a limit.

        ``measured``: a limit that is no mean decided them, and lets them grow by nothing.
        """
        least, doses = 1.0 - _ROUNDED_DOWN, self.table.doses(activities)
        goals = [aim for aim in self.linear(self.aims) if aim.required and aim.sense is Sense.AT_LEAST]
        needed = [(aim.value - aim.previous) / doses[aim.region] for aim in goals if doses[aim.region] > 0]
        wanted = max((scale for scale in needed if scale <= 1.0 + _REACHED), default=least)
        most = min(self.greatest_scale(activities), 1.0) if measured else self.greatest_scale(activities)
        scale = max(least, min(wanted, most))
        return tuple(scale * a for a in activities)

    def full(self, activities: Sequence[float]) -> tuple[str, ...]:
        """Injections that have no more to give: what ends there is no limit."""
        return tuple(
            f"injection {number}"
            for number, (a, cap) in enumerate(zip(activities, self.greatest_gbq, strict=True), 1)
            if a >= cap * (1.0 - _REACHED)
        )

    def greatest_scale(self, activities: Sequence[float]) -> float:
        """Greatest factor that keeps vials and limits on mean doses; 0 when earlier treatments used one up."""
        factors = [cap / a for cap, a in zip(self.greatest_gbq, activities, strict=True) if a > 0]
        doses = self.table.doses(activities)
        factors += [
            max(aim.value - aim.previous, 0.0) / doses[aim.region]
            for aim in self.linear(self.limits)
            if doses[aim.region] > 0
        ]
        return min(factors, default=0.0)


def solved_model(
    name: str,
    title: str,
    table: DoseTable,
    aims: Sequence[DoseAim],
    greatest_gbq: Sequence[float],
    *,
    objective: Mapping[str, float] | None = None,
    split: Sequence[float] | None = None,
    shares: Sequence[float] | None = None,
    flag: str = "",
    inputs: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
) -> PlanModel:
    """Return a model whose activity is the greatest within all limits, in the split that gives tumours most.

    Mean doses are linear in the activities: a linear programme. Metrics that are not (V, BED, EUD, TCP, NTCP, and D
    of several injections) then scale its solution down until they hold, by bisection.

    Without a limit on liver the activity is never solved for a limit: it is the least that reaches the goal (see
    `planning_goals`), the user's or the table's; where a limit or the vial ends before, there is none.

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
    shares : sequence of float or None, (injections,)
        Shares where a goal of the table decides and would leave an injection empty; None takes equal ones.
    measure : callable or None
        Metrics that are no mean dose; None where there is no dose map.
    """
    problem = _Problem(
        table, tuple(aims), tuple(greatest_gbq), None if split is None else tuple(split), measure
    )
    weights = dict(objective or {TUMOURS: 1.0})
    missing = [region for region in objective or {} if region not in table.roles]
    model: PlanModel | str
    if missing:
        model = f"no dose is known for {', '.join(missing)}, which is to be maximised"
    elif has_liver_limit(aims, problem.along[0], measurable=measure is not None):
        model = _within_limits(problem, weights)
    else:
        equal = (1.0 / len(problem.greatest_gbq),) * len(problem.greatest_gbq)
        model = _for_goals(problem, tuple(shares) if shares is not None else equal)
    if isinstance(model, str):
        return unavailable(name, title, model, flag)
    if model.available and any(a >= UNBOUNDED_GBQ * 0.99 for a in model.activities_gbq):
        return unavailable(name, title, _NO_VIAL_BOUNDS, flag)
    return replace(model, name=name, title=title, flag=flag, inputs=inputs or {})


def _within_limits(problem: _Problem, weights: Mapping[str, float]) -> PlanModel | str:
    """The greatest activity within all limits; a reason where none can be given."""
    missing = [region for region in weights if region not in problem.table.roles]
    if missing:
        return f"no dose is known for {', '.join(missing)}, which is to be maximised"
    solved, caps = problem.along
    linear = problem.linear([aim for aim in problem.aims if aim.required])
    constraints = [aim.as_constraint() for aim in linear]
    plan = solve_injections(solved.per_gbq, constraints, objective=weights, greatest_activities_gbq=caps)
    activities, scaled_by = problem.scaled(problem.activities(plan))
    activities = problem.rounded_down(activities, measured=bool(scaled_by))
    used = plan.binding if plan.infeasibility is None else plan.infeasibility.blocking
    binding = (scaled_by,) if scaled_by else tuple(name for name in used if not name.startswith(_VIAL))
    supply = () if scaled_by else problem.full(activities)
    results = judge_all(problem.aims, problem.table, activities, problem.measure)
    free = len(activities) > 1 and problem.split is None
    wording = "greatest activity within the limits"
    return PlanModel(
        "",
        "",
        activities,
        problem.table,
        f"{wording} in the split that gives tumours the greatest dose" if free else wording,
        results,
        sum(activities),
        binding,
        infeasibility=_infeasibility(plan, results, (*binding, *supply), problem.split),
        limit_bound=True,
        limited_by_supply=supply,
        measure=problem.measure,
    )


def _for_goals(problem: _Problem, shares: tuple[float, ...]) -> PlanModel | str:
    """The least activity that reaches the goals within the limits that there are; a reason where there is no goal."""
    goals, stated = planning_goals(problem.aims, problem.table, measurable=problem.measure is not None)
    if not goals:
        return _NOTHING_BOUNDS
    plan = _least(problem, goals)
    if not stated and problem.split is None and not all(a > 0 for a in problem.activities(plan)):
        # A goal of the table is no reason to leave an artery untreated, or to give one all.
        problem = replace(problem, split=shares)
        plan = _least(problem, goals)
    activities = _reached(problem, goals, problem.activities(plan), shares)
    activities, scaled_by = problem.scaled(activities)
    aims = (*problem.aims, *(goal for goal in goals if goal not in problem.aims))
    results = judge_all(aims, problem.table, activities, problem.measure)
    wanted = {goal.name for goal in goals}
    missed = [r for r in results if r.aim.name in wanted and r.status not in ("met", "unconfirmed")]
    if missed:
        ended_by = _what_ends(problem, activities, results, scaled_by)
        return replace(
            unavailable("", "", _why_not_reached(missed, activities, ended_by)),
            infeasibility=_infeasibility(plan, results, [name for name, _ in ended_by], problem.split),
            goal_only=True,
            goal_refused=True,
        )
    what = ", ".join(_wanted(goal) for goal in goals)
    return PlanModel(
        "",
        "",
        activities,
        problem.table,
        f"activity of the goal ({what}), for no liver limit is printed",
        results,
        None,
        _decisive(results, wanted),
        goal_only=True,
        goal_bound=True,
        measure=problem.measure,
    )


def _least(problem: _Problem, goals: Sequence[DoseAim]) -> InjectionPlan:
    """The least activity that meets the goals on mean doses within the limits on mean doses."""
    solved, caps = problem.along
    aims = problem.linear((*problem.limits, *goals))
    constraints = [aim.as_constraint() for aim in aims]
    return least_activities(solved.per_gbq, constraints, greatest_activities_gbq=caps)


def _reached(
    problem: _Problem, goals: Sequence[DoseAim], activities: tuple[float, ...], shares: tuple[float, ...]
) -> tuple[float, ...]:
    """Activities brought to the goals exactly, and raised to those that are no mean dose as far as limits let them."""
    direction = activities if any(activities) else problem.split or shares
    most = problem.greatest_scale(direction)
    scale = 1.0 if any(activities) else 0.0
    doses = problem.table.doses(direction)
    for goal in goals:
        if goal.linear:
            factor = (goal.value - goal.previous) / doses[goal.region] if doses[goal.region] > 0 else 0.0
            # What the tolerance of the solver leaves: never more than that.
            scale = max(scale, factor) if abs(factor - 1.0) <= _REACHED else scale
            continue
        metric = problem.along_scale(goal, direction)
        if most > 0:
            reachable = metric(most) >= goal.value
            scale = max(
                scale, least_activity(metric, goal.value, upper_gbq=most).activity_gbq if reachable else most
            )
    return tuple(min(scale, most) * a for a in direction)


def _decisive(results: Sequence[AimResult], wanted: set[str]) -> tuple[str, ...]:
    """Goals that are reached exactly and so decide the activity."""
    goals = [result for result in results if result.aim.name in wanted]
    return tuple(r.aim.name for r in goals if _at_its_value(r)) or tuple(r.aim.name for r in goals)


def _at_its_value(result: AimResult) -> bool:
    """Whether what was found is the value itself, up to the tolerance of the solver."""
    return (
        result.achieved is not None and abs(result.achieved - result.aim.value) <= _REACHED * result.aim.value
    )


def _what_ends(
    problem: _Problem, activities: Sequence[float], results: Sequence[AimResult], scaled_by: str
) -> list[tuple[str, str]]:
    """Limits and vials that end the activity: names, and what they allow."""
    limits = [
        r.aim for r in results if r.aim.sense is Sense.BELOW and (r.aim.name == scaled_by or _at_its_value(r))
    ]
    ended = [(aim.name, f"{aim.name} ({aim.value:g} {aim.metric.unit})") for aim in limits]
    return ended + [(name, f"the greatest activity of {name}") for name in problem.full(activities)]


def _why_not_reached(
    missed: Sequence[AimResult],
    activities: Sequence[float],
    ended_by: Sequence[tuple[str, str]],
) -> str:
    """Why no activity reaches the goals: what those that are missed take, and what ends before."""
    total = sum(activities)
    takes = []
    for result in missed:
        takes.append(f"{_wanted(result.aim)} {_needs(result, total)}")
    return goal_not_reached(", ".join(takes), [text for _, text in ended_by], total)


def _wanted(goal: DoseAim) -> str:
    """A goal with its value, which the name of a typed one holds already."""
    value = f"{goal.value:g} {goal.metric.unit}"
    return goal.name if value in goal.name else f"{goal.name} ≥ {value}"


def _needs(result: AimResult, total_gbq: float) -> str:
    """The activity that a goal on a mean takes, in the split of the activities; of other metrics what is reached."""
    aim, value = result.aim, result.achieved or 0.0
    if not aim.linear:
        return f"is {value:.4g} {aim.metric.unit} at {total_gbq:.4g} GBq"
    dose = value - aim.previous
    return f"takes {total_gbq * (aim.value - aim.previous) / dose:.4g} GBq" if dose > 0 else "gets nothing"


def _infeasibility(
    plan: InjectionPlan,
    results: Sequence[AimResult],
    blocked_by: Sequence[str],
    split: Sequence[float] | None,
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
        "blocked_by": list(blocked_by),
        "excesses_gy_if_goals_were_met": {} if solver is None else dict(solver.excesses_gy),
        "extra_activity_bq_if_goals_were_met": extra * BQ_PER_GBQ,
        "split": "fixed" if split is not None else "free",
    }
