"""What the page of a plan says, as plain rows of text; the template only lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.clinical.limits import LIMITS_VERSION
from y90voxel.dose.engines import engine_label
from y90voxel.planning.dose_table import LUNGS
from y90voxel.planning.plan_alarms import first_screen
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_result import Plan
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, limiting_convention
from y90voxel.reference.devices import device as device_record
from y90voxel.reference.devices import device_label
from y90voxel.report.dose_content import (
    DISCLAIMER,
    input_row,
)
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, flatten, number, percent
from y90voxel.report.method_tables import SHUNT_SOURCES
from y90voxel.report.methods_text import citation, plan_methods
from y90voxel.report.patient_rows import contradictions, patient_rows
from y90voxel.report.plan_immune_rows import plan_immune_section
from y90voxel.report.plan_limit_rows import fraction_row, limit_row, missing_liver_limit, planned_organ_rows
from y90voxel.report.plan_microscale_rows import plan_microscale_section
from y90voxel.report.plan_model_rows import planned_model_content
from y90voxel.report.plan_order_rows import order_rows
from y90voxel.report.plan_slider import slider_data
from y90voxel.report.plan_spread_rows import (
    activity_interval,
    dose_uncertainties,
    greatest_interval,
    interval_sentence,
    with_interval,
)
from y90voxel.report.plan_verdict import (
    card,
    judged_sentences,
    judgement,
    model_status,
    prescription_card,
    prescription_sentence,
    short_aim,
    verdict,
    vial_sentences,
)
from y90voxel.report.product_rule_rows import product_rule_content
from y90voxel.report.registration_rows import REGISTERED_CTS, registration_rows
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = ["PLANNED", "plan_content"]

PLANNED = "predicted from a surrogate; every dose below is a forecast"
COLUMNS = (
    ("tumours", "Tumours"),
    ("perfused", "Perfused volume"),
    ("perfused_non_tumour_liver", "Perfused non-tumour liver"),
    ("non_tumour_liver", "Whole non-tumour liver"),
    *((row.plan_row, f"Lungs, {row.mass_text}") for row in LUNG_CONVENTIONS),
)


_OTHER_CONVENTIONS = tuple(row for row in LUNG_CONVENTIONS if not row.limiting)


def plan_content(plan: Plan) -> dict[str, Any]:
    """Return everything that the page of a plan shows besides its figures."""
    facts, provenance = plan.facts, plan.provenance
    first = plan.first
    return {
        "heading": "Treatment plan",
        "label": facts.label,
        "subtitle": " · ".join(part for part in _subtitle(plan) if part),
        "predicted": PLANNED,
        "lung_mass": limiting_convention().mass_text,
        "disclaimer": DISCLAIMER,
        "version": str(provenance.get("version", MISSING)),
        "computed": date_and_time(provenance.get("started")) if facts.dated else MISSING,
        "stop": None if plan.stop is None else str(plan.stop),
        "alarms": [notice.message for notice in first_screen(plan.notices)],
        "headline": _headline(plan),
        "slider": slider_data(plan),
        "cards": _cards(plan),
        "first_title": first.title,
        "first_activity": format_activity(float(first.activity_gbq or 0.0) * BQ_PER_GBQ),
        "columns": [title for _, title in COLUMNS],
        "models": [_model_row(plan, model) for model in plan.models if model.available],
        "intervals": [] if plan.uncertainty is None else plan.uncertainty.statement,
        "not_available": [(model.title, model.reason) for model in plan.models if not model.available],
        "flags": _flags(plan),
        "infeasible": _infeasible(first),
        "limits": [limit_row(result) for result in first.results] + missing_liver_limit(first),
        "fraction_limits": [fraction_row(row) for row in plan.metrics["fraction_limits"]],
        "inapplicable": [(limit.name, reason) for limit, reason in plan.inapplicable]
        + [(f"{aim.name}, {aim.region}", str(aim.approach)) for aim in plan.of_other_models(first)],
        "limits_version": LIMITS_VERSION,
        "product_rule": product_rule_content(plan.product_rule),
        **planned_model_content(plan),
        "organs": planned_organ_rows(plan),
        "registration": _registration(plan),
        "shunts": _shunt_rows(plan),
        "ratios": _ratio_rows(plan),
        "masses": _mass_rows(plan),
        "injections": _injection_rows(plan),
        "orders": order_rows(plan, COLUMNS),
        "device": device_label(facts.device),
        "whole_vials": facts.device is not None and device_record(facts.device).whole_vial,
        "residual": percent(plan.request.residual_fraction),
        "immune": plan_immune_section(plan),
        "microscale": plan_microscale_section(plan),
        "patient": patient_rows(facts.patient),
        "contradictions": contradictions(facts.patient),
        "warnings": [{"code": notice.code, "message": notice.message} for notice in plan.warnings],
        "methods": _methods(plan),
        "methods_text": plan_methods(plan),
        "citation": citation(provenance),
        "inputs": [input_row(item) for item in provenance.get("inputs") or ()],
        "settings": list(flatten(provenance.get("settings") or {})),
    }


def _registration(plan: Plan) -> dict[str, Any] | None:
    """How the CT of the regions was registered, None where it was not."""
    entry = plan.provenance.get("registration")
    alignment = None if plan.maps is None else plan.maps.case.alignment
    if entry is None or alignment is None:
        return None
    return registration_rows(entry, alignment.summary, REGISTERED_CTS)


def _subtitle(plan: Plan) -> tuple[str | None, ...]:
    """Nuclide, device, scenario, disease and engine."""
    engine = None if plan.maps is None else plan.maps.evaluations[0].engine
    return (
        plan.facts.nuclide,
        device_label(plan.facts.device),
        None if plan.context.scenario is None else str(plan.context.scenario.value),
        "disease not stated" if plan.context.disease is None else plan.context.disease.value,
        "masses only, no images" if engine is None else engine_label(engine),
    )


def _headline(plan: Plan) -> list[str]:
    """What the board asks first, in sentences: how much, what decides, what is missed."""
    first = plan.first
    if plan.stop is not None:
        return ["No activity is given by any model, and no vial is offered."]
    if not first.available:
        if first.goal_refused:
            return [f"{first.title.capitalize()} proposes no activity: {first.reason}."]
        return [f"No model can be used: {first.reason}."]
    activity = format_activity(float(first.activity_gbq or 0.0) * BQ_PER_GBQ)
    lines = [*prescription_sentence(first), f"{first.title.capitalize()}: {activity} net, {first.basis}."]
    if first.binding and first.greatest_gbq is not None:
        greatest = format_activity(first.greatest_gbq * BQ_PER_GBQ)
        lines.append(f"Reached first, at {greatest}: {first.binding_text}.")
    if first.limited_by_supply:
        lines.append(
            f"The greatest vial on offer ends it for {', '.join(first.limited_by_supply)}: no limit does."
        )
    lines += vial_sentences(plan)
    lines += interval_sentence(plan)
    lines += judged_sentences(plan)
    return lines


def _cards(plan: Plan) -> list[dict[str, str]]:
    """The numbers that are read first."""
    first = plan.first
    if not first.available:
        return []
    doses = first.table.doses_by_role(first.activities_gbq)
    activity = format_activity(float(first.activity_gbq or 0.0) * BQ_PER_GBQ)
    cards = [card("Net activity", activity, with_interval(first.title, activity_interval(plan, first)))]
    relative = dose_uncertainties(plan, first)
    names = {
        "tumours": "Tumours",
        "perfused_non_tumour_liver": "Perfused non-tumour liver",
        "non_tumour_liver": "Whole non-tumour liver",
    }
    cards += [
        card(title, f"{dose_text(doses[key])} Gy", f"mean by mass{_plus_minus(relative, key)}")
        for key, title in names.items()
        if key in doses
    ]
    if LUNGS in doses:
        cards.append(_lung_card(doses, _plus_minus(relative, LUNGS)))
    cards.append(card("Lung shunt", percent(plan.lung_shunt_fraction), _shunt_source(plan)))
    return [*prescription_card(first), *cards, *verdict(plan)]


def _lung_card(doses: Mapping[str, float], spread: str) -> dict[str, str]:
    """The lung dose that limits refer to, and those by the other conventions."""
    used = limiting_convention()
    others = [
        f"{dose_text(doses[row.plan_row])} Gy with the {row.mass_text}"
        for row in _OTHER_CONVENTIONS
        if row.plan_row in doses
    ]
    note = "; ".join(others) or f"{used.mass_text} of lung"
    return card(f"Lungs, {used.mass_text}", f"{dose_text(doses[LUNGS])} Gy", note + spread)


def _plus_minus(relative: Mapping[str, str], key: str) -> str:
    """The standard uncertainty of a dose after its note."""
    return ", " + f"± {relative[key]}".replace(" ", "\u00a0") if key in relative else ""


def _shunt_source(plan: Plan) -> str:
    """How the shunt that is used was found."""
    used = [method.method for method in plan.shunts if method.used]
    return ", ".join(dict.fromkeys(SHUNT_SOURCES.get(name, name) for name in used)) or MISSING


def _model_row(plan: Plan, model: PlanModel) -> dict[str, Any]:
    """One model: activity, doses, what is missed, and what decides."""
    doses = model.table.doses_by_role(model.activities_gbq)
    if "tumours" not in doses and "tumour" in doses:
        doses["tumours"] = doses["tumour"]
    judged = judgement(plan, model)
    relative = dose_uncertainties(plan, model)
    short = {result.aim.name: short_aim(result.aim) for result in model.results}
    split = " + ".join(f"{a:.3g}" for a in model.activities_gbq) if len(model.activities_gbq) > 1 else ""
    return {
        "title": model.title,
        "basis": model.basis,
        "first": model is plan.first,
        "goal": _goal_activity(model),
        "activity": number(model.activity_gbq),
        "split": split,
        "interval": activity_interval(plan, model),
        "doses": [(dose_text(doses.get(key)), relative.get(key, "")) for key, _ in COLUMNS],
        "exceeded": judged.exceeded,
        "missed": judged.missed,
        "status": model_status(model, judged),
        "goal_only": model.goal_only,
        "greatest": number(model.greatest_gbq),
        "greatest_interval": greatest_interval(plan, model),
        "binding": ", ".join(dict.fromkeys(short.get(name, name) for name in model.binding)) or MISSING,
        "binding_unconfirmed": ", ".join(model.binding_unconfirmed),
        "supply": ", ".join(model.limited_by_supply),
        "flagged": bool(model.flag),
    }


def _goal_activity(model: PlanModel) -> str:
    """Activity that reaches the goal that is prescribed to [GBq]."""
    goal = None if model.prescription is None else model.prescription.decisive
    return MISSING if goal is None else number(goal.activity_gbq)


def _flags(plan: Plan) -> list[tuple[str, str]]:
    """What is to be read with some models: their titles together, and the note."""
    flags: dict[str, list[str]] = {}
    for model in plan.models:
        if model.available and model.flag:
            flags.setdefault(model.flag, []).append(model.title)
    return [("; ".join(titles), flag) for flag, titles in flags.items()]


def _infeasible(model: PlanModel) -> list[str]:
    """Why goals are missed, in sentences."""
    report: Mapping[str, Any] | None = model.infeasibility
    if report is None:
        return []
    lines = [f"{name} is missed by {number(by)}" for name, by in report["missed_by"].items()]
    if report["blocked_by"]:
        lines.append(f"what stands in the way: {', '.join(report['blocked_by'])}")
    excesses = report["excesses_gy_if_goals_were_met"]
    if excesses:
        over = ", ".join(f"{name} by {number(by)} Gy" for name, by in excesses.items())
        lines.append(f"meeting the required goals would exceed {over}")
    return lines


def _shunt_rows(plan: Plan) -> list[dict[str, Any]]:
    """The shunt by each method."""
    return [
        {
            "injection": method.injection,
            "method": method.method
            + (
                ""
                if method.dome_margin_mm is None
                else (
                    f", {method.dome_margin_mm:g} mm dome margin"
                    if method.dome_margin_mm
                    else ", whole lungs"
                )
            ),
            "fraction": percent(method.fraction)
            + (
                "" if method.standard_error is None else f" ± {number(100 * method.standard_error, 2)} points"
            ),
            "note": method.reason or method.caveat,
            "used": method.used,
        }
        for method in plan.shunts
    ]


def _ratio_rows(plan: Plan) -> list[dict[str, str]]:
    """Tumour-to-normal ratios."""
    return [
        {
            "injection": row["injection"],
            "tumour": row["tumour"],
            "mass": number(row["mass_g"]),
            "ratio": number(row["ratio"]),
            "corrected": number(row["ratio_corrected"]),
        }
        for row in plan.metrics["tumour_to_normal"]
    ]


def _mass_rows(plan: Plan) -> list[tuple[str, str]]:
    """Masses and volumes, perfused and whole liver apart."""
    masses, lung = plan.metrics["masses"], plan.metrics["lung"]
    rows = [(f"{name}", masses_g, "g") for name, masses_g in masses["tumours_g"].items()]
    rows += [
        ("perfused non-tumour liver", masses["perfused_non_tumour_liver_g"], "g"),
        ("whole non-tumour liver", masses["non_tumour_liver_g"], "g"),
        ("all that is perfused", masses["perfused_g"], "g"),
        ("lungs from CT", lung["ct_mass_g"], "g"),
        ("liver with tumours", masses["liver_volume_ml"], "mL"),
    ]
    texts = [(name, f"{number(value)} {unit}") for name, value, unit in rows if value is not None]
    reserve = masses["hepatic_reserve"]
    return texts if reserve is None else [*texts, ("hepatic reserve", percent(reserve))]


def _injection_rows(plan: Plan) -> list[dict[str, str]]:
    """Every injection with its share of the first model's activity."""
    activities = plan.first.activities_gbq or (None,) * len(plan.territories)
    return [
        {
            "name": territory.name,
            "activity": number(activity),
            "shunt": percent(territory.lung_shunt_fraction),
        }
        for territory, activity in zip(plan.territories, activities, strict=True)
    ]


def _methods(plan: Plan) -> list[tuple[str, str]]:
    """How the numbers came about."""
    constant = f"{plan.facts.dose_constant_gy_kg_per_gbq:.4g} Gy kg/GBq in all formulas"
    rows = [
        ("Dose constant", f"{constant}; doses with different constants do not compare"),
        (
            "Voxel-based",
            "dose of the normalised map per GBq of each injection; mean doses by linear programme, other metrics by bisection on "
            "the scale of its solution",
        ),
        (
            "Lungs",
            f"limits refer to the dose to {limiting_convention().mass_text}, the convention they were set with; "
            f"the {' and the '.join(row.mass_text for row in _OTHER_CONVENTIONS)} stands beside it",
        ),
        ("Activities", "net, at administration; the residual is added to the order only"),
    ]
    device = plan.metrics["device"]
    if device is not None:
        rows.append(
            ("Device", f"{device['product']}, activity basis: {device['activity_basis']}; {device['source']}")
        )
    return rows
