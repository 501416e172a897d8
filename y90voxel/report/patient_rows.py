"""The patient record in words, for every report."""

from __future__ import annotations

from y90voxel.clinical.patient import PatientRecord
from y90voxel.report.formatting import MISSING, number

__all__ = ["contradictions", "patient_rows"]

_TITLES = {
    "sex": "sex",
    "height_m": "height [m]", "weight_kg": "weight [kg]", "body_surface_area_m2": "body surface [m²]", "bclc": "BCLC",
    "portal_vein": "portal vein", "hepatic_vein": "hepatic vein", "ecog": "ECOG", "child_pugh_points": "Child-Pugh points",
    "child_pugh_class": "Child-Pugh class", "bilirubin_umol_per_l": "bilirubin [µmol/L]", "albumin_g_per_l": "albumin [g/L]",
    "albi_score": "ALBI score", "albi_grade": "ALBI grade", "afp": "AFP", "treatment_date": "treatment",
    "systemic_therapy_date": "systemic therapy", "days_to_systemic_therapy": "days to systemic therapy",
}  # fmt: skip


def patient_rows(record: PatientRecord | None) -> list[tuple[str, str]]:
    """Return what is known of a patient as names and texts; nothing without a record."""
    facts = {} if record is None else record.as_dict()
    rows = []
    for key, title in _TITLES.items():
        value = facts.get(key)
        if isinstance(value, dict):
            rows.append((title, f"{value['value']:g} {value['unit']}"))
        elif value is not None:
            rows.append((title, number(value) if isinstance(value, float) else str(value)))
    for response in facts.get("responses", ()):
        when = response.get("date") or f"day {response.get('days_after_treatment', MISSING)}"
        rows.append((f"response, {response['criterion']}", f"{response['category']} ({when})"))
    return rows


def contradictions(record: PatientRecord | None) -> list[str]:
    """Return the facts that sources state differently, each with its statements."""
    if record is None:
        return []
    return [
        f"{field}: " + ", ".join(f"{stated.value} ({stated.source})" for stated in statements)
        for field, statements in record.contradictions.items()
    ]
