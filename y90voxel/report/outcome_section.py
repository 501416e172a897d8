"""Dose against outcome on the page of a cohort: what is read, groups of response, survival, a model. Exploratory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from y90voxel.cohort.cohort import StudySummary
from y90voxel.cohort.cohort_outcomes import Outcomes, outcomes, unread_columns
from y90voxel.errors import InputError
from y90voxel.metrics.dose_outcome import (
    DoseResponse,
    SurvivalGroups,
    logistic_dose_response,
    survival_by_group,
)
from y90voxel.report.cohort_figures import dose_response_png, survival_png
from y90voxel.report.formatting import MISSING, number

__all__ = ["outcome_section"]

# With fewer subjects, or fewer of either outcome, a model says nothing.
FEWEST_SUBJECTS, FEWEST_OF_EACH = 10, 3
# Responses that say that nothing was evaluated.
NOT_EVALUATED = ("NE", "NOT EVALUABLE", "NOT EVALUATED")
# Columns that are named one by one as read from nothing.
MOST_COLUMNS = 12


def outcome_section(studies: Sequence[StudySummary], figures: dict[str, bytes]) -> dict[str, Any]:
    """Return sentences and groups of response and survival, one study a patient; their figures are added.

    Parameters
    ----------
    studies : sequence of StudySummary
        One a patient.
    figures : dict
        Gets the figures by name.
    """
    outcome = outcomes(studies)
    sentences: list[str] = []
    if outcome.has_survival:
        sentences += _survival(studies, outcome, figures)
    elif outcome.columns and (outcome.time_column or outcome.event_column):
        there, lacking = ("a time", "event") if outcome.time_column else ("an event", "time of survival")
        sentences.append(
            f"Survival: the manifest has {there} and no column of the {lacking}; both are needed."
        )
    if outcome.response_column is not None:
        sentences += _response(studies, outcome, figures)
    if outcome.not_understood:
        values = "; ".join(outcome.not_understood[:8])
        sentences.append(
            f"Left out, because not understood: {values}{' …' if len(outcome.not_understood) > 8 else ''}."
        )
    return {
        "read": _read(outcome),
        "unread": _unread(studies),
        "groups": [] if outcome.response_column is None else _groups(studies, outcome.response_column),
        "column": outcome.response_column,
        "sentences": sentences,
    }


def _read(outcome: Outcomes) -> str:
    """Which columns hold the outcomes."""
    what = (
        ("response", outcome.response_column),
        ("time", outcome.time_column),
        ("event", outcome.event_column),
    )
    return ", ".join(f"{name} from {column!r}" for name, column in what if column is not None)


def _unread(studies: Sequence[StudySummary]) -> str:
    """Columns of the manifest that are carried and read from nothing, those that look like outcomes first."""
    names = list(dict.fromkeys(name for study in studies for name in study.columns))
    found = sorted(unread_columns(names).items(), key=lambda one: one[1] is None)
    listed = [f"{name!r}{f' ({why})' if why else ''}" for name, why in found[:MOST_COLUMNS]]
    return ", ".join(listed) + (" …" if len(found) > MOST_COLUMNS else "")


def _groups(studies: Sequence[StudySummary], column: str) -> list[dict[str, Any]]:
    """Tumour dose of the patients of each response as it is written, the highest median first, what was not evaluated last."""
    doses: dict[str, list[float]] = {}
    for study in studies:
        cell = study.columns.get(column)
        if "tumour_gy" in study.values and cell is not None and str(cell).strip():
            doses.setdefault(str(cell).strip(), []).append(study.values["tumour_gy"])
    ordered = sorted(
        doses.items(), key=lambda one: (one[0].upper() in NOT_EVALUATED, -float(np.median(one[1])))
    )
    return [
        {
            "response": response,
            "patients": len(found),
            "median": number(float(np.median(found))),
            "range": f"{number(min(found))} to {number(max(found))}" if len(found) > 1 else MISSING,
        }
        for response, found in ordered
    ]


def _survival(studies: Sequence[StudySummary], outcome: Outcomes, figures: dict[str, bytes]) -> list[str]:
    """Kaplan-Meier by tumour dose below and above the cohort's median, with the log-rank test."""
    rows = [
        (study.values["tumour_gy"], time, event)
        for study, time, event in zip(studies, outcome.times, outcome.events, strict=True)
        if time is not None and event is not None and "tumour_gy" in study.values
    ]
    if len(rows) < FEWEST_SUBJECTS:
        return [
            f"Survival: {len(rows)} patients have tumour dose, time and event; {FEWEST_SUBJECTS} are needed."
        ]
    doses = np.array([dose for dose, _, _ in rows])
    cut = float(np.median(doses))
    names = (f"below {number(cut)} Gy", f"{number(cut)} Gy or more")
    try:
        groups = survival_by_group(
            [time for _, time, _ in rows], [event for _, _, event in rows],
            [names[int(dose >= cut)] for dose in doses],
        )  # fmt: skip
    except InputError as error:
        return [f"Survival: {error.message}"]
    ordered = SurvivalGroups(
        tuple(sorted(groups.curves, key=lambda c: names.index(c.name))), groups.chi_square, groups.p_value
    )
    figures["survival.png"] = survival_png(ordered, outcome.time_unit)
    unit = outcome.time_unit or "(unit not stated)"
    parts = [
        f"{curve.name}: {curve.count} patients, {curve.events} events, median "
        + ("not reached" if curve.median is None else f"{number(curve.median)} {unit}")
        for curve in ordered.curves
    ]
    return [
        f"Survival by mean tumour dose, cut at the cohort's own median ({outcome.time_column}, {outcome.event_column}). "
        f"{'; '.join(parts)}. Log-rank χ² {number(groups.chi_square)}, p = {number(groups.p_value, 2)}. Shaded: 95 % intervals; "
        "ticks: censored."
    ]


def _response(studies: Sequence[StudySummary], outcome: Outcomes, figures: dict[str, bytes]) -> list[str]:
    """Logistic model of response against mean tumour dose."""
    rows = [
        (study.values["tumour_gy"], response)
        for study, response in zip(studies, outcome.responses, strict=True)
        if response is not None and "tumour_gy" in study.values
    ]
    positive = sum(response for _, response in rows)
    if len(rows) < FEWEST_SUBJECTS or min(positive, len(rows) - positive) < FEWEST_OF_EACH:
        return [
            f"Response: {len(rows)} patients have tumour dose and response, {positive} of them responded; a model needs "
            f"{FEWEST_SUBJECTS} patients with at least {FEWEST_OF_EACH} of either."
        ]
    doses = np.array([dose for dose, _ in rows])
    responded = np.array([response for _, response in rows])
    try:
        model = logistic_dose_response(doses, responded)
    except InputError as error:
        return [f"Response: {error.message}"]
    figures["response.png"] = dose_response_png(model, doses, responded)
    return [_response_sentence(model, outcome.response_column)]


def _response_sentence(model: DoseResponse, column: str | None) -> str:
    """The logistic model in words."""
    odds, low, high = (float(np.exp(100.0 * s)) for s in (model.slope_per_gy, *model.slope_interval_per_gy))
    d50 = model.d50_gy
    at = "" if d50 is None or d50 <= 0 else f" Half respond at {number(d50)} Gy."
    return (
        f"Response by mean tumour dose ({column}): {model.responders} of {model.count} responded. Logistic model: odds ratio "
        f"{number(odds)} per 100 Gy (95 % interval {number(low)} to {number(high)}), p = {number(model.p_value, 2)}.{at} "
        "Shaded: 95 % interval; ticks: the patients."
    )
