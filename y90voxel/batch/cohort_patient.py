"""The patient record of a study as columns of a cohort's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["patient_columns"]

_FACTS = (
    "bclc", "portal_vein", "hepatic_vein", "ecog", "child_pugh_points", "child_pugh_class", "bilirubin_umol_per_l",
    "albumin_g_per_l", "albi_score", "albi_grade",
)  # fmt: skip
# One criterion at a time: categories of different ones do not compare. LI-RADS has other categories.
_CRITERIA = ("mRECIST", "RECIST 1.1", "iRECIST")
_BEST_FIRST = ("CR", "PR", "SD", "PD")


def patient_columns(patient: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns ``patient_…`` of a record of ``metrics.json``; empty without one.

    The best response is that of one criterion: mRECIST where there is one, else RECIST 1.1, else iRECIST.

    Parameters
    ----------
    patient : mapping or None
        As `PatientRecord.as_dict` gives it.
    """
    if not patient:
        return {}
    afp = patient.get("afp") or {}
    columns = {f"patient_{fact}": patient.get(fact) for fact in _FACTS}
    columns |= {"patient_afp": afp.get("value"), "patient_afp_unit": afp.get("unit")}
    for criterion in _CRITERIA:
        judged = [r for r in patient.get("responses") or () if r["criterion"] == criterion]
        if judged:
            best = min(judged, key=lambda r: _BEST_FIRST.index(r["category"]))
            columns |= {
                "patient_best_response": best["category"],
                "patient_response_criterion": criterion,
                "patient_response_days": best.get("days_after_treatment"),
            }
            break
    return {key: value for key, value in columns.items() if value is not None}
