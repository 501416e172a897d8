"""The table of patients beside that of regions: one row a patient, or one for each variant of the patient's studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from y90voxel.batch.study_outcome import StudyOutcome
from y90voxel.cohort.cohort import DELIVERED, PREDICTED, QUANTITIES, StudySummary
from y90voxel.cohort.patient_doses import PatientDoses, agreed, patient_doses
from y90voxel.io.cohort_tables import column_type, typed, write_table
from y90voxel.regions.roles import Role

__all__ = ["PATIENT_COLUMNS", "write_patients"]

# Name and type of every column of ours; docs/cohort.md says what they mean.
PATIENT_COLUMNS: dict[str, str] = {
    "patient": "string",
    "variant": "string",
    "studies": "string",
    **{
        name: kind
        for side in (DELIVERED, PREDICTED)
        for name, kind in (
            (f"{side}_studies", "int64"),
            (f"{side}_study", "string"),
            *((f"{side}_{quantity.key}", "double") for quantity in QUANTITIES),
        )
    },
    "plan_activity_gbq": "double",
    "predicted_scaled_by": "double",
    "compare_study": "string",
    "compare_tumour_ratio": "double",
    **{
        f"compare_{side}_{name}": "double"
        for name in ("tumour_gy", "non_tumour_liver_gy")
        for side in (PREDICTED, DELIVERED)
    },
}
_COMPARED = {Role.TUMOURS: "tumour_gy", Role.NON_TUMOUR_LIVER: "non_tumour_liver_gy"}


def write_patients(
    summaries: Sequence[StudySummary], outcomes: Sequence[StudyOutcome], folder: str | Path
) -> None:
    """Write ``patients.csv`` and ``patients.parquet``.

    A patient's doses are those of the first study in the order of the cohort that was delivered, and of the first that was
    predicted; how many there are stands beside them. What compares has its own columns, of the first comparison. A study
    whose patient is not known is a patient of its own.

    Parameters
    ----------
    summaries : sequence of StudySummary
        What the page shows of each study.
    outcomes : sequence of StudyOutcome
        The studies, in the same order: their columns of the manifest are carried.
    folder : path-like
        Where.
    """
    carried = {outcome.study_id: outcome.columns for outcome in outcomes}
    names = {
        key: f"manifest_{key}" if key.strip().lower() in PATIENT_COLUMNS else key
        for outcome in outcomes
        for key in outcome.columns
    }
    patients = patient_doses(summaries)
    merged = [
        {names[key]: agreed(carried[s.study_id].get(key) for s in one.studies) for key in names}
        for one in patients
    ]
    kinds = {name: column_type(row[name] for row in merged) for name in names.values()}
    rows = [
        _row(one) | {name: typed(columns[name], kind) for name, kind in kinds.items()}
        for one, columns in zip(patients, merged, strict=True)
    ]
    write_table([rows], PATIENT_COLUMNS | kinds, Path(folder) / "patients")


def _row(one: PatientDoses) -> dict[str, Any]:
    """What is said of one patient."""
    row: dict[str, Any] = {
        "patient": one.whose,
        "variant": one.variant or None,
        "studies": "; ".join(study.label for study in one.studies),
    }
    for side, first, count, values in (
        (
            DELIVERED,
            one.delivered,
            one.delivered_count,
            {} if one.delivered is None else one.delivered.values,
        ),
        (PREDICTED, one.predicted, one.predicted_count, one.predicted_values),
    ):
        row[f"{side}_studies"] = count
        if first is not None:
            row[f"{side}_study"] = first.label
            row |= {f"{side}_{key}": value for key, value in values.items()}
    if one.is_planned and one.predicted is not None:
        row["plan_activity_gbq"] = one.predicted.values.get("activity_gbq")
        row["predicted_scaled_by"] = one.plan_factor
    if one.compared is not None:
        row |= {"compare_study": one.compared.label, "compare_tumour_ratio": one.tumour_ratio}
        for role, name in _COMPARED.items():
            if (pair := one.pair(role)) is not None:
                row |= {
                    f"compare_predicted_{name}": pair.predicted_gy,
                    f"compare_delivered_{name}": pair.delivered_gy,
                }
    return row
