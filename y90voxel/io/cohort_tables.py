"""The tables of a cohort, one row a region: CSV and Parquet, written study by study."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from y90voxel.io.atomic import atomic_file
from y90voxel.io.result_tables import plain_cell
from y90voxel.metrics.region_columns import cohort_types
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS

__all__ = ["COLUMNS", "carried_names", "column_type", "typed", "write_cohort_tables", "write_table"]

Cell = str | float | int | bool | None

# Name and type of every column of ours; docs/cohort.md says what they mean.
COLUMNS: dict[str, str] = {
    "study_id": "string",
    "label": "string",
    "patient": "string",
    "study": "string",
    "variant": "string",
    "job": "string",
    "status": "string",
    "reason": "string",
    "folder": "string",
    "seconds": "double",
    "peak_memory_bytes": "int64",
    "nuclide": "string",
    "predicted": "bool",
    "engine": "string",
    "engine_requested": "string",
    "energy_per_activity_j_per_gbq": "double",
    "activity_bq": "double",
    "map_activity_bq": "double",
    "map_over_net": "double",
    "calibration_mode": "string",
    "calibration_region": "string",
    "lung_shunt_fraction": "double",
    "lung_shunt_source": "string",
    **{f"lung_{row.dose_key}": "double" for row in LUNG_CONVENTIONS},
    "hepatic_reserve": "double",
    "limits_not_met": "string",
    "warnings": "string",
    "version": "string",
    "plan_model": "string",
    "plan_binding": "string",
    "predicted_mean_gy": "double",
    "delivered_mean_gy": "double",
    "difference_mean_gy": "double",
    "patient_bclc": "string",
    "patient_portal_vein": "string",
    "patient_hepatic_vein": "string",
    "patient_ecog": "int64",
    "patient_child_pugh_points": "int64",
    "patient_child_pugh_class": "string",
    "patient_bilirubin_umol_per_l": "double",
    "patient_albumin_g_per_l": "double",
    "patient_albi_score": "double",
    "patient_albi_grade": "int64",
    "patient_afp": "double",
    "patient_afp_unit": "string",
    "patient_best_response": "string",
    "patient_response_criterion": "string",
    "patient_response_days": "int64",
    "immune_blood_mean_gy": "double",
    "immune_blood_sd_gy": "double",
    "immune_blood_low_gy": "double",
    "immune_blood_high_gy": "double",
    "immune_count_day": "double",
    "immune_count_ratio": "double",
    "immune_count_low": "double",
    "immune_count_high": "double",
    "microscale_activity_per_sphere_bq": "double",
    "microscale_clusters": "string",
    "microscale_places": "string",
    "microscale_spheres_per_ml": "double",
    "microscale_empty_lobules_percent": "double",
    "microscale_cv_alone": "double",
    "microscale_d98_gy": "double",
    "microscale_d70_gy": "double",
    "microscale_d2_gy": "double",
    **cohort_types(),
}
ROWS_AT_ONCE = 1000  # chosen: few row groups of Parquet, and little held in memory
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d*)")
_NUMBER = re.compile(r"[-+]?((0|[1-9]\d*)(\.\d+)?|\.\d+)([eE][-+]?\d+)?")


def carried_names(columns: Iterable[str]) -> dict[str, str]:
    """Return the name in the tables of each column of a manifest: its own, or ``manifest_`` before one of ours.

    Examples
    --------
    >>> carried_names(["response", "activity_bq"])
    {'response': 'response', 'activity_bq': 'manifest_activity_bq'}
    """
    return {name: f"manifest_{name}" if name in COLUMNS else name for name in dict.fromkeys(columns)}


def column_type(values: Iterable[Cell]) -> str:
    """Return the type that holds every value of a manifest's column: int64, double, bool or string.

    Text that is a number throughout becomes one, for a CSV manifest holds only text; identifiers with leading zeros
    stay text.

    Examples
    --------
    >>> [column_type(v) for v in (["1", "2", None], ["1", 2.5], [True, None], ["007", "8"], ["CR", 1], [None])]
    ['int64', 'double', 'bool', 'string', 'string', 'string']
    """
    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {"int64", "double"}:
        return "double"
    return kinds.pop() if len(kinds) == 1 else "string"


def typed(value: Cell, kind: str) -> Cell:
    """Return a value of a manifest in the type of its column."""
    if value is None:
        return None
    if kind == "bool":
        return bool(value)
    if kind == "string":
        return str(value)
    return int(value) if kind == "int64" else float(value)


def _kind(value: Cell) -> str:
    """The narrowest type that holds a value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        if _WHOLE.fullmatch(value) and len(value) < 16:
            return "int64"
        return "double" if _NUMBER.fullmatch(value) else "string"
    return "int64" if isinstance(value, int) else "double"


def write_cohort_tables(
    rows: Iterable[Sequence[Mapping[str, Any]]], carried: Mapping[str, str], folder: str | Path
) -> None:
    """Write ``cohort.csv`` and ``cohort.parquet``; each appears complete or not at all.

    Parameters
    ----------
    rows : iterable of sequences of mappings
        The rows of one study at a time; absent values are empty.
    carried : mapping of str to str
        Type of each further column, by its name in the tables: string, double, int64 or bool.
    folder : path-like
        Where.
    """
    write_table(rows, COLUMNS | dict(carried), Path(folder) / "cohort")


def write_table(rows: Iterable[Sequence[Mapping[str, Any]]], types: Mapping[str, str], stem: Path) -> None:
    """Write a table as CSV and as Parquet; each appears complete or not at all.

    Parameters
    ----------
    rows : iterable of sequences of mappings
        Some rows at a time; absent values are empty.
    types : mapping of str to str
        Type of each column: string, double, int64 or bool.
    stem : Path
        The files without their endings.
    """
    # deferred: 0.05 s
    import pyarrow
    from pyarrow import parquet

    made = {
        "string": pyarrow.string(),
        "double": pyarrow.float64(),
        "int64": pyarrow.int64(),
        "bool": pyarrow.bool_(),
    }
    schema = pyarrow.schema([(name, made[kind]) for name, kind in types.items()])
    with ExitStack() as stack:
        csv_path = stack.enter_context(atomic_file(stem.with_suffix(".csv")))
        parquet_path = stack.enter_context(atomic_file(stem.with_suffix(".parquet")))
        stream = stack.enter_context(csv_path.open("w", newline="", encoding="utf-8"))
        writer = csv.DictWriter(stream, list(types), extrasaction="raise")
        writer.writeheader()
        with parquet.ParquetWriter(parquet_path, schema) as table:
            waiting: list[Mapping[str, Any]] = []
            for study in rows:
                writer.writerows({key: plain_cell(value) for key, value in row.items()} for row in study)
                waiting += study
                if len(waiting) >= ROWS_AT_ONCE:
                    table.write_table(pyarrow.Table.from_pylist(waiting, schema))
                    waiting = []
            table.write_table(pyarrow.Table.from_pylist(waiting, schema))
