"""Plans, comparisons and courses of a cohort as rows of its tables and as what its page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import fsum
from pathlib import Path
from typing import Any

from y90voxel.batch.study_units import COMPARE, COURSE, PLAN
from y90voxel.cohort.cohort import PREDICTED, Pair
from y90voxel.io.json_files import read_json
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, LUNGS_VOXEL, limiting_convention
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ

__all__ = ["DOCUMENTS", "PAGES", "JobResult", "read_job"]

# What the lungs by their map are called in tables: as in those of doses.
LUNGS_OF_MAP = "lungs"
# What the results of a job are described in, and their page.
DOCUMENTS = {PLAN: "plan.json", COMPARE: "compare.json", COURSE: "course.json"}
PAGES = {PLAN: "plan.html", COMPARE: "compare.html", COURSE: "course.html"}


@dataclass(frozen=True)
class JobResult:
    """What a folder of results says.

    Parameters
    ----------
    of_study : mapping
        Columns of the table that are those of the study.
    rows : tuple of mapping
        Columns of each region.
    facts : mapping of str to str
        How it was computed.
    values : mapping of str to float
        By key of `y90voxel.cohort.cohort.QUANTITIES`.
    pairs : tuple of Pair
        Regions that were predicted and delivered.
    messages : mapping of str to str
        Warnings by code.
    document : mapping
        What they are described in.
    """

    of_study: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    messages: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


def read_job(job: str, folder: Path) -> JobResult:
    """Return what the results of a job say.

    Parameters
    ----------
    job : str
        Plan, compare or course.
    folder : Path
        Its results.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError, AttributeError
        If they cannot be read.
    """
    document = read_json(folder / DOCUMENTS[job])
    if not isinstance(document, dict) or document.get("kind") != job:
        raise ValueError(f"{DOCUMENTS[job]} is not that of a {job}")
    return replace(_READ[job](document), document=document)


def _plan(document: Mapping[str, Any]) -> JobResult:
    """A plan at the activities of its first model that has some; the doses are what it predicts."""
    models = [model for model in document["models"] if model["available"]]
    first = next((m for m in models if m["name"] == document["first_model"]), models[0] if models else None)
    activities = None if first is None else first["activities_bq"]
    doses = {row["name"]: _dose(row, activities) for row in document["regions"]}
    by_role = {row["role"]: row for row in document["regions"]}
    shunt = document["lung"]["shunt_fraction"]
    of_study = {
        "nuclide": document["nuclide"],
        "predicted": True,
        "engine": document["engine"],
        "engine_requested": document["engine_requested"],
        "energy_per_activity_j_per_gbq": document["energy_per_activity_j_per_gbq"],
        "activity_bq": None if first is None else first["activity_bq"],
        "lung_shunt_fraction": shunt,
        "plan_model": None if first is None else first["name"],
        "plan_binding": None if first is None else first["binding_constraint"],
        **{f"lung_{row.dose_key}": doses.get(row.plan_row) for row in LUNG_CONVENTIONS},
    } | _common(document)
    by_mird = {
        row.plan_row for row in LUNG_CONVENTIONS
    }  # no means of a map: they stand in columns of their own
    rows = tuple(
        {
            "region": LUNGS_OF_MAP if row["name"] == LUNGS_VOXEL else row["name"],
            "role": Role.LUNGS.value if row["name"] == LUNGS_VOXEL else row["role"],
            "volume_ml": row["volume_ml"],
            "mass_g": row["mass_g"],
            "mass_weighted_mean_gy": doses[row["name"]],
        }
        for row in document["regions"]
        if row["name"] not in by_mird
    )
    values = {
        "tumour_gy": _of(by_role, Role.TUMOURS, doses),
        "non_tumour_liver_gy": _of(by_role, Role.NON_TUMOUR_LIVER, doses),
        "lung_gy": doses.get(limiting_convention().plan_row),
        "activity_gbq": None
        if first is None or first["activity_bq"] is None
        else first["activity_bq"] / BQ_PER_GBQ,
        "lung_shunt_percent": None if shunt is None else 100.0 * shunt,
        "tumour_ml": by_role.get(Role.TUMOURS, {}).get("volume_ml"),
        "liver_ml": by_role.get(Role.LIVER, {}).get("volume_ml"),
    }
    facts = {
        "job": PLAN,
        "dose": PREDICTED,
        "nuclide": document["nuclide"],
        "engine": document["engine"],
        "version": document["provenance"]["version"],
    }
    known = {key: float(value) for key, value in values.items() if value is not None}
    return JobResult(of_study, rows, facts, known, (), _messages(document))


def _dose(row: Mapping[str, Any], activities_bq: list[float] | None) -> float | None:
    """Mean dose by mass of a region at the activities of a model [Gy]."""
    if activities_bq is None or any(bq is None for bq in activities_bq):
        return None
    pairs = zip(row["dose_per_gbq_gy"], activities_bq, strict=True)
    return fsum(gy * bq / BQ_PER_GBQ for gy, bq in pairs)


def _of(
    by_role: Mapping[str, Mapping[str, Any]], role: Role, doses: Mapping[str, float | None]
) -> float | None:
    """The dose of the region of a role."""
    return doses[by_role[role]["name"]] if role in by_role else None


def _compare(document: Mapping[str, Any]) -> JobResult:
    """Regions in both calculations; predicted doses as they were scaled."""
    pairs = tuple(
        Pair(row["role"], row["name"], row["predicted"]["mean_gy"], row["delivered"]["mean_gy"])
        for row in document["regions"]
    )
    rows = tuple(
        {
            "region": pair.region,
            "role": pair.role,
            "predicted_mean_gy": pair.predicted_gy,
            "delivered_mean_gy": pair.delivered_gy,
            "difference_mean_gy": pair.delivered_gy - pair.predicted_gy,
        }
        for pair in pairs
    )
    of_study = {"nuclide": document["delivered"]["nuclide"]} | _common(document)
    return JobResult(of_study, rows, {}, {}, pairs, _messages(document))


def _course(document: Mapping[str, Any]) -> JobResult:
    """A course: its numbers stand on its own page."""
    return JobResult({"version": document["provenance"]["version"]})


def _common(document: Mapping[str, Any]) -> dict[str, Any]:
    """Version and codes of warnings."""
    return {
        "warnings": " ".join(_messages(document)),
        "version": document["provenance"]["version"],
    }


def _messages(document: Mapping[str, Any]) -> dict[str, str]:
    """Warnings, each code once."""
    return {str(warning["code"]): str(warning["message"]) for warning in document["warnings"]}


_READ: dict[str, Callable[[Mapping[str, Any]], JobResult]] = {
    PLAN: _plan,
    COMPARE: _compare,
    COURSE: _course,
}
