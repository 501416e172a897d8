"""Each patient of a cohort as a row of its page: doses predicted and delivered beside the outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from y90voxel.cohort.cohort import StudySummary
from y90voxel.cohort.cohort_outcomes import outcomes
from y90voxel.cohort.patient_doses import PatientDoses, agreed, patient_doses
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.report.formatting import MISSING, number

__all__ = ["patients_section"]

# Dose of a study and its heading; that of the lungs says how it was formed.
_LUNGS = "lung_gy"
_DOSES = {"tumour_gy": "Tumour", "non_tumour_liver_gy": "Non-tumour liver", _LUNGS: "Lungs"}
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
        "headings": [
            f"{_lungs_heading(patients) if key == _LUNGS else title}, {side}, Gy"
            for key, title in _DOSES.items()
            for side in ("predicted", "delivered")
        ],
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
    mark = "" if not one.is_planned else _PLANNED if one.plan_factor is None else _SCALED
    for key in _DOSES:
        cells.append(_cell(one.predicted_values.get(key), mark))
        cells.append(_cell(None if one.delivered is None else one.delivered.values.get(key)))
    shown = next((s for s in (one.delivered, one.predicted, one.compared) if s is not None), None)
    values = [agreed(study.columns.get(name) for study in one.studies) for name in columns]
    return {
        "label": " ".join(filter(None, (one.whose, one.variant))),
        "link": None if shown is None else shown.link,
        "cells": cells,
        "ratio": _cell(one.tumour_ratio),
        "outcomes": [MISSING if value is None else str(value) for value in values],
    }


def _lungs_heading(patients: Sequence[PatientDoses]) -> str:
    """What the lung doses of the table are: by MIRD where a shunt is known, else means of the map."""
    sides = (side for one in patients for side in (one.predicted, one.delivered) if side is not None)
    by_mird = {"lung_shunt_percent" in side.values for side in sides if _LUNGS in side.values}
    mird, of_map = f"by MIRD with {limiting_convention().mass_text}", "mean of the map by mass"
    words = {frozenset({True}): mird, frozenset({False}): of_map}.get(frozenset(by_mird))
    return f"Lungs {words or f'{mird}, without a shunt {of_map}'}"


def _cell(value: float | None, mark: str = "") -> dict[str, Any]:
    """A number as it is shown and sorted."""
    known = value is not None
    return {"text": number(value), "sort": value if known else "", "mark": mark if known else ""}
