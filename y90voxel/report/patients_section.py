"""Each patient of a cohort as a row of its page: doses predicted and delivered beside the outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from y90voxel.cohort.cohort import StudySummary
from y90voxel.cohort.cohort_outcomes import outcomes
from y90voxel.cohort.patient_doses import PatientDoses, agreed, patient_doses
from y90voxel.regions.roles import Role
from y90voxel.report.formatting import MISSING, number

__all__ = ["patients_section"]

# Dose of a study, its heading, and the region that a comparison has it of; the comparison's lungs are the mean of the map.
_DOSES = (
    ("tumour_gy", "Tumour", Role.TUMOURS),
    ("non_tumour_liver_gy", "Non-tumour liver", Role.NON_TUMOUR_LIVER),
    ("lung_gy", "Lungs", None),
)
# Patients that a sentence names one by one.
MOST_NAMED = 20
# Marks of predicted doses that are no dose of a surrogate's image at the activity stated.
_SCALED, _PLANNED = "*", "†"


def patients_section(studies: Sequence[StudySummary]) -> dict[str, Any] | None:
    """Return headings and rows of the table of patients; None where nothing has a dose.

    Parameters
    ----------
    studies : sequence of StudySummary
        The cohort.
    """
    patients = [one for one in patient_doses(studies) if one.delivered or one.predicted or one.compared]
    if not patients:
        return None
    columns = outcomes(studies).columns
    rows = [_row(one, columns) for one in patients]
    marks = {cell["mark"] for row in rows for cell in row["cells"]}
    both = [one for one in patients if one.delivered and one.predicted and not one.compared]
    return {
        "not_compared": _listed(one.whose for one in both),
        "not_predicted": _listed(one.whose for one in patients if one.delivered and not one.predicted),
        "not_delivered": _listed(one.whose for one in patients if one.predicted and not one.delivered),
        "headings": [f"{title}, {side}, Gy" for _, title, _ in _DOSES for side in ("predicted", "delivered")],
        "outcomes": list(columns),
        "compared": any(row["ratio"]["text"] != MISSING for row in rows),
        "rows": rows,
        "scaled": _SCALED in marks,
        "planned": _PLANNED in marks,
    }


def _listed(names: Iterable[str]) -> str:
    """Patients for a sentence, not more than a line holds."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(found[:MOST_NAMED]) + more


def _row(one: PatientDoses, columns: Sequence[str]) -> dict[str, Any]:
    """One patient."""
    cells = []
    for key, _, role in _DOSES:
        cells.append(_predicted(one, key, role))
        cells.append(_cell(None if one.delivered is None else one.delivered.values.get(key)))
    pair = one.pair(Role.TUMOURS)
    ratio = None if pair is None or pair.predicted_gy <= 0 else pair.delivered_gy / pair.predicted_gy
    shown = next((s for s in (one.delivered, one.predicted, one.compared) if s is not None), None)
    values = [agreed(study.columns.get(name) for study in one.studies) for name in columns]
    return {
        "label": " ".join(filter(None, (one.whose, one.variant))),
        "link": None if shown is None else shown.link,
        "cells": cells,
        "ratio": _cell(ratio),
        "outcomes": [MISSING if value is None else str(value) for value in values],
    }


def _predicted(one: PatientDoses, key: str, role: Role | None) -> dict[str, Any]:
    """A dose that was predicted: of the surrogate's image; of a plan as it was compared, else at the plan's own activity."""
    stated = None if one.predicted is None else one.predicted.values.get(key)
    if not one.is_planned:
        return _cell(stated)
    pair = None if role is None else one.pair(role)
    return _cell(stated, _PLANNED) if pair is None else _cell(pair.predicted_gy, _SCALED)


def _cell(value: float | None, mark: str = "") -> dict[str, Any]:
    """A number as it is shown and sorted."""
    known = value is not None
    return {"text": number(value), "sort": value if known else "", "mark": mark if known else ""}
