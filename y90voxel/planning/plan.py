"""Planning: from an MAA case, or from masses alone, to activities by every model, their doses, and what limits them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from y90voxel.case.case import Case
from y90voxel.case.focal_doses import FIRST_SCREEN
from y90voxel.clinical.limits import ClinicalContext, inapplicable_limits, lung_dose_notice
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.engine import Engine
from y90voxel.errors import Notice
from y90voxel.planning.aims import DoseAim, resolve_aims, table_aims
from y90voxel.planning.compartments import Anatomy, Territory
from y90voxel.planning.dose_table import LUNGS, DoseTable, partition_table, single_compartment_table
from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
from y90voxel.planning.plan_alarms import alarms
from y90voxel.planning.plan_basis import PlanBasis
from y90voxel.planning.plan_maps import NO_PERFUSED_VOLUME, DoseMaps, dose_per_gbq
from y90voxel.planning.plan_model import PlanModel, check_split
from y90voxel.planning.plan_models import all_models
from y90voxel.planning.plan_orders import place_orders
from y90voxel.planning.plan_request import PlanRequest, check_given, greatest_activities
from y90voxel.planning.plan_result import Plan, PlanFacts
from y90voxel.planning.plan_shunt import ShuntMethod, shunt_methods
from y90voxel.reference.devices import device as device_record
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ
from y90voxel.version import __version__

__all__ = ["plan", "plan_from_masses"]

# Shunts that differ by more than this share of the used one give a notice.
_SHUNTS_DIFFER = 0.5
# A measured shunt beside one that is stated as none (0) gives a notice above this; chosen: scatter and breathing alone show a
# few per cent of the counts in lungs without a shunt, and activity rules reduce from 10 % on.
_SHOWN_WITHOUT_SHUNT = 0.05


def plan(
    case: Case,
    engine: Engine,
    request: PlanRequest | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Plan:
    """Return activities by every planning model for an MAA case, with their doses and what limits them.

    Parameters
    ----------
    case : Case
        One injection or several, each with its own map; activities are needed only to compare with.
    engine : Engine
        Turns decays into dose on the grid of the case.
    request : PlanRequest or None
        Limits, goals, and what may be ordered.
    progress : callable, optional
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a fact is missing or out of range, or no vial on offer reaches an order.
    RegionError
        If a limit or goal is for an absent region, the perfused volume is larger than the liver, or tumours and
        normal liver do not fit into it.
    """
    asked = request or PlanRequest()
    started, clock = datetime.now(UTC), time.perf_counter()
    report_progress = progress or (lambda what, done: None)
    maps = dose_per_gbq(case, engine, lambda what, done: report_progress(what, 0.9 * done))
    used = tuple((float(e.lung.shunt_fraction or 0.0), e.lung.shunt_source) for e in maps.evaluations)
    report_progress("comparing lung shunts", 0.9)
    shunts = shunt_methods(case, maps.names, used)
    given = [injection.administration.activity_bq for injection in case.injections]
    facts = PlanFacts(
        label=case.label,
        nuclide=case.nuclide,
        device=case.device,
        dose_constant_gy_kg_per_gbq=case.planning_dose_constant,
        given_gbq=None if None in given else tuple(float(a or 0.0) / BQ_PER_GBQ for a in given),
        patient=case.patient,
        hepatic_reserve=case.regions.hepatic_reserve,
        study_instance_uid=case.study_instance_uid,
    )
    # Foci are said anew, with the planned activity.
    notices = [notice for e in maps.evaluations for notice in e.notices if notice.code not in FIRST_SCREEN]
    if case.regions.mask_of(Role.PERFUSED) is None:
        notices.append(NO_PERFUSED_VOLUME)
    notices += _shunt_notices(shunts)
    asked, new_notices = _with_recovery(asked, maps)
    notices += new_notices
    report_progress("solving models", 0.95)
    maps_provenance = maps.evaluations[0].provenance
    provenance = {**maps_provenance, "settings": case.settings_for_provenance, "started": started.isoformat()}
    planned = _finish(
        facts,
        asked,
        maps.anatomy(),
        maps.territories(asked.recovery),
        maps.territories({}),
        shunts,
        maps,
        notices,
        provenance,
    )
    report_progress("planned", 1.0)
    seconds = round(time.perf_counter() - clock, 3)
    return replace(planned, provenance={**provenance, "seconds": seconds})


def plan_from_masses(
    facts: PlanFacts,
    anatomy: Anatomy,
    territories: Sequence[Territory],
    request: PlanRequest | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan that masses, ratios and shunts alone allow; models that need images are not available.

    Parameters
    ----------
    facts : PlanFacts
        What the plan is about.
    anatomy : Anatomy
        Masses and volumes, as far as they are known.
    territories : sequence of Territory, (injections,)
        What every injection reaches.
    request : PlanRequest or None
        Limits, goals, and what may be ordered.
    settings : mapping or None
        The settings as given, for provenance.

    Raises
    ------
    InputError, RegionError
        As `plan`.
    """
    provenance: dict[str, Any] = {
        "version": __version__,
        "inputs": [],
        "kernel": None,
        "settings": dict(settings or {}),
        "started": datetime.now(UTC).isoformat(),
        "seconds": 0.0,
    }
    notice = Notice(
        "no-images",
        "this plan rests on masses, ratios and shunts as given; nothing was measured on images, and no dose map exists.",
    )
    reached = tuple(territories)
    shunts = tuple(
        ShuntMethod(t.name, "given", t.lung_shunt_fraction, None, "as given", used=True) for t in reached
    )
    return _finish(
        facts, request or PlanRequest(), anatomy, reached, reached, shunts, None, [notice], provenance
    )


def _with_recovery(request: PlanRequest, maps: DoseMaps) -> tuple[PlanRequest, list[Notice]]:
    """The request with the coefficient of every tumour that its curve gives one, and what has to be said about it."""
    curve, plain = request.recovery_curve, maps.territories({})
    if curve is None:
        return request, []
    coefficients, cold = dict(request.recovery), []
    for region in maps.case.regions.with_role(Role.TUMOUR):
        if region.name in request.recovery:
            continue
        recovery = curve.coefficient(region.mask.volume_ml)
        ratios = [u.ratio for t in plain for u in t.tumours if u.name == region.name and u.ratio is not None]
        if any(ratio <= 1.0 - recovery for ratio in ratios):
            cold.append(region.name)
        else:
            coefficients[region.name] = recovery
    notices = [
        Notice(
            "ratios-corrected",
            "tumour-to-normal ratios are corrected for partial volume by the recovery of phantom spheres, which must be "
            "measured as the MAA image was: partition models rest on them, dose maps stay as measured.",
        )
    ]
    if cold:
        less = f"{', '.join(cold)} hold less than normal liver spills in: the ratio stays as measured."
        notices.append(Notice("partial-volume-not-corrected", less))
    return replace(request, recovery=coefficients), notices


def _finish(
    facts: PlanFacts,
    request: PlanRequest,
    anatomy: Anatomy,
    territories: tuple[Territory, ...],
    uncorrected: tuple[Territory, ...],
    shunts: tuple[ShuntMethod, ...],
    maps: DoseMaps | None,
    notices: list[Notice],
    provenance: Mapping[str, Any],
) -> Plan:
    """Models, orders and notices from what is known of the patient."""
    patient = facts.patient or PatientRecord()
    context = request.context.completed(patient.bilirubin_umol_per_l, facts.hepatic_reserve)
    anatomy.check_masses()
    anatomy.check_territories(territories)
    table = (
        maps.table if maps is not None else _widest(anatomy, territories, facts.dose_constant_gy_kg_per_gbq)
    )
    split, split_notices = _split(request, facts.given_gbq, len(territories))
    notices += [*split_notices, *_unknown(facts.device, context)]
    greatest = greatest_activities(request, facts.device, len(territories))
    if facts.given_gbq is not None:
        # of any vial: what was given need not be on offer for an order
        of_any = greatest_activities(replace(request, order=None), facts.device, len(territories))
        check_given(facts.given_gbq, of_any, facts.device)
    basis = PlanBasis(
        anatomy,
        territories,
        facts.dose_constant_gy_kg_per_gbq,
        _aims(facts.device, table, context, request),
        split,
        greatest,
        facts.device,
        patient.height_m,
        patient.weight_kg,
        request.perfused_dose_gy,
        facts.given_gbq,
        {name: weight for region, weight in request.objective.items() for name in table.matching(region)},
        None if request.order is None else request.order.model,
        context,
    )
    models = all_models(basis) if maps is None else all_models(basis, maps.table, maps.measure)
    inapplicable = inapplicable_limits(facts.device, table.roles, context) if request.table_limits else []
    planned = Plan(
        facts,
        request,
        context,
        anatomy,
        territories,
        uncorrected,
        shunts,
        models,
        (),
        tuple(inapplicable),
        maps,
        tuple(notices),
        provenance,
        basis,
    )
    names = [territory.name for territory in territories]
    first = planned.first
    lungs = first.table.doses(first.activities_gbq).get(LUNGS) if first.available else None
    warned = None if lungs is None else lung_dose_notice(facts.device, lungs)
    empty = _empty_injections(names, first.activities_gbq)
    orders, vials = place_orders(request, facts.device, names, first)
    warnings = [] if warned is None else [warned]
    bounds = [*_bounds(first), *_own_stops(first, models), *_unused_treatment(request, first)]
    notices = [*empty, *warnings, *bounds, *alarms(planned), *vials]
    return replace(planned, orders=orders).with_notices(*notices)


def _widest(anatomy: Anatomy, territories: Sequence[Territory], constant: float) -> DoseTable:
    """The compartment table that knows most regions."""
    if any(territory.missing for territory in territories):
        return single_compartment_table(anatomy, territories, dose_constant_gy_kg_per_gbq=constant)
    return partition_table(anatomy, territories, pooled=False, dose_constant_gy_kg_per_gbq=constant)


def _aims(
    device: str | None, table: DoseTable, context: ClinicalContext, request: PlanRequest
) -> tuple[DoseAim, ...]:
    """Limits and goals of the table and of the user."""
    from_table = table_aims(device, table.roles, context) if request.table_limits else []
    return resolve_aims(request.aims, from_table, table)


def _split(
    request: PlanRequest, given_gbq: tuple[float, ...] | None, injections: int
) -> tuple[tuple[float, ...], list[Notice]]:
    """How a total activity is divided, and what has to be said about it."""
    if request.split is not None:
        return check_split(request.split, injections), []
    if injections == 1:
        return (1.0,), []
    if given_gbq is not None:
        return check_split(given_gbq, injections), []
    equal = Notice(
        "split-equal",
        f"neither a split nor activities are given: models that do not divide the activity themselves give each of "
        f"{injections} injections an equal share. Give plan.split.",
    )
    return (1.0 / injections,) * injections, [equal]


def _unknown(device: str | None, context: ClinicalContext) -> list[Notice]:
    """Say which facts are missing that would decide which limits apply."""
    if device is None:
        return [
            Notice(
                "no-device",
                "no device is given: no limits of the table hold, and no vial limits the activity.",
            )
        ]
    asked = device_record(device).deciding_facts
    missing = {
        "the disease (plan.disease)": context.disease,
        "the scenario (plan.scenario)": context.scenario,
        "the bilirubin": context.bilirubin_umol_per_l if "bilirubin_umol_per_l" in asked else 0.0,
        "the liver function": context.liver_function if "liver_function" in asked else "",
        "pretreatment (plan.pretreated)": context.pretreated if "pretreated" in asked else "",
        "the hepatic reserve": context.hepatic_reserve,
    }
    unknown = [name for name, value in missing.items() if value is None]
    if not unknown:
        return []
    return [
        Notice(
            "limits-context-unknown",
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not known: every limit that might apply holds, the "
            "strictest decides, and goals of the table are used only when disease and scenario are stated.",
        )
    ]


def _own_stops(first: PlanModel, models: Sequence[PlanModel]) -> list[Notice]:
    """Say which models divide the activity so that it is contraindicated, where the first does not."""
    by_reason: dict[str, list[str]] = {}
    for model in models if first.stop is None else ():
        if model.stop is not None:
            by_reason.setdefault(str(model.stop), []).append(model.title)
    return [
        Notice("contraindicated", f"{', '.join(titles)}: {reason}. No activity is given so divided.")
        for reason, titles in by_reason.items()
    ]


def _unused_treatment(request: PlanRequest, first: PlanModel) -> list[Notice]:
    """Say that what was measured on the day is held against nothing, where the first model gives no activity."""
    if first.available or not request.treatment:
        return []
    text = (
        f"what was measured on the day (plan.treatment) is not used: {first.title} gives no activity to hold it against. Name a "
        "model that does (plan.order.model, such as given), or compute the dose that was given by `dose`."
    )
    return [Notice("treatment-not-used", text)]


def _bounds(first: PlanModel) -> list[Notice]:
    """Say what bounds the first model's activity besides limits: a contraindication, no liver limit, the vials."""
    if first.stop is not None:
        return [
            Notice("contraindicated", f"{first.stop}. No model gives an activity, and no vial is offered.")
        ]
    notices = []
    if first.available and first.goal_only:
        decided = f", and {', '.join(first.binding)} decides" if first.binding and first.limit_bound else ""
        text = f"{first.title}: {NO_LIVER_LIMIT}. Its activity is that of its goal or rule{decided}."
        notices.append(Notice("no-liver-limit", text))
    if first.limited_by_supply:
        notices.append(
            Notice(
                "limited-by-supply",
                f"{', '.join(first.limited_by_supply)}: the greatest vial on offer, or plan.greatest_activity, holds less than "
                "limits and goals would take. That is no limit of the patient.",
            )
        )
    return notices


def _empty_injections(names: Sequence[str], activities_gbq: Sequence[float]) -> list[Notice]:
    """Say when the best split gives an injection nothing: highest doses are not what several arteries are for."""
    empty = [name for name, activity in zip(names, activities_gbq, strict=False) if not activity > 0.0]
    if not empty or len(empty) == len(names):
        return []
    return [
        Notice(
            "injection-without-activity",
            f"the split with the highest tumour dose within the limits gives {', '.join(empty)} nothing, and leaves the "
            "tumours there untreated. State what each tumour needs (--goal, [[plan.goal]]), weights (plan.objective), or the "
            "activities.",
        )
    ]


def _shunt_notices(shunts: Sequence[ShuntMethod]) -> list[Notice]:
    """Say when the used shunt lies far from a measured one."""
    notices = []
    for used in (s for s in shunts if s.used):
        for other in shunts:
            if other.injection != used.injection or other.used:
                continue
            if used.fraction is None or other.fraction is None:
                continue
            tolerated = _SHUNTS_DIFFER * used.fraction if used.fraction else _SHOWN_WITHOUT_SHUNT
            if abs(other.fraction - used.fraction) > tolerated:
                margin = "" if other.dome_margin_mm is None else f", margin {other.dome_margin_mm:g} mm"
                notices.append(
                    Notice(
                        "lung-shunts-differ",
                        f"the lung shunt of {used.injection} is {used.fraction:.3g} ({used.method}), but {other.fraction:.3g} by "
                        f"{other.method}{margin}: {other.caveat}.",
                    )
                )
    return notices
