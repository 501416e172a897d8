"""The results of a cohort: tables and a page from the folders that its studies left behind."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from y90voxel.batch.cohort_immune import immune_columns
from y90voxel.batch.cohort_microscale import microscale_columns
from y90voxel.batch.cohort_patient import patient_columns
from y90voxel.batch.cohort_roles import CohortRoles
from y90voxel.batch.cohort_writing import cohort_page
from y90voxel.batch.job_results import PAGES, JobResult, read_job
from y90voxel.batch.patient_table import write_patients
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus
from y90voxel.batch.study_units import DOSE
from y90voxel.cohort.cohort import DELIVERED, DVH_DOSES_GY, DVH_ROLES, PREDICTED, StudySummary
from y90voxel.errors import InputError
from y90voxel.io.atomic import atomic_file
from y90voxel.io.cohort_tables import carried_names, column_type, typed, write_cohort_tables
from y90voxel.io.json_files import read_json
from y90voxel.metrics.region_columns import cohort_values
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, limiting_convention
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ
from y90voxel.version import __version__

__all__ = ["write_cohort"]

Progress = Callable[[str, float], None]
# What a study's results become when their files cannot be read any more.
UNREADABLE = "unreadable"


def write_cohort(
    out: str | Path,
    studies: Sequence[StudyOutcome],
    *,
    title: str = "Cohort",
    progress: Progress | None = None,
) -> tuple[StudySummary, ...]:
    """Write the tables ``cohort`` and ``patients`` (CSV, Parquet) and ``cohort.html`` to ``out``.

    Each appears complete or not at all.

    The files of one study are read at a time, so that memory hardly grows with the number of studies.

    Parameters
    ----------
    out : path-like
        Output folder of the cohort, which exists; folders of results are relative to it.
    studies : sequence of StudyOutcome
        Every study, however it ended, in the order of the tables.
    title : str
        Heading of the page.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Returns
    -------
    tuple of StudySummary
        What the page shows of each study.

    Raises
    ------
    InputError
        If two studies have one identifier, or a file cannot be written.
    """
    folder, report_progress = Path(out), progress or (lambda what, done: None)
    names = [study.study_id for study in studies]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"two studies of the cohort have one identifier: {', '.join(twice[:5])}.")
    renamed = carried_names(key for study in studies for key in study.columns)
    kinds = {name: column_type(study.columns.get(key) for study in studies) for key, name in renamed.items()}
    summaries: list[StudySummary] = []
    examples: dict[str, str] = {}
    roles = CohortRoles()

    def rows() -> Iterator[list[dict[str, Any]]]:
        """The rows of each study; what the page needs of it is kept aside."""
        for done, study in enumerate(studies):
            report_progress("reading results", 0.8 * done / len(studies))
            carried = {name: typed(study.columns.get(key), kinds[name]) for key, name in renamed.items()}
            study_rows, summary, messages = _one(study, folder, roles)
            for code, message in messages.items():
                examples.setdefault(code, message)
            summaries.append(summary)
            yield [row | carried for row in study_rows]

    write_cohort_tables(rows(), {name: kinds[name] for name in renamed.values()}, folder)
    write_patients(summaries, studies, folder)
    report_progress("drawing the page", 0.8)
    summaries = roles.said_once(summaries, examples)
    page = cohort_page(
        summaries, title=title, version=__version__, computed=datetime.now(UTC), examples=examples
    )
    with atomic_file(folder / "cohort.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    report_progress("done", 1.0)
    return tuple(summaries)


def _one(
    study: StudyOutcome, out: Path, roles: CohortRoles
) -> tuple[list[dict[str, Any]], StudySummary, dict[str, str]]:
    """Rows, summary and warnings of a study; results that cannot be read become the reason why it has none."""
    if study.status is not StudyStatus.DONE or study.folder is None:
        return _rows(study, {}, study.reason), _summary(study, {}, {}, study.reason, out), {}
    folder = out / study.folder
    try:
        if study.job != DOSE:
            result = read_job(study.job, folder)
            roles.add(study.study_id, result.messages, result.document)
            return _of_job(study, result, out)
        metrics = read_json(folder / "metrics.json")
        if not isinstance(metrics, dict) or metrics.get("kind") != "dose":
            raise ValueError("metrics.json is not that of a dose calculation")
        messages = {str(warning["code"]): str(warning["message"]) for warning in metrics["warnings"]}
        histograms = _histograms(folder / "dvh.csv")
        roles.add(study.study_id, messages, metrics)
        return _rows(study, metrics, None), _summary(study, metrics, histograms, None, out), messages
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"the results in {study.folder.as_posix()} cannot be read: {error}"
        return _rows(study, {}, problem), _summary(study, {}, {}, problem, out), {}


def _of_job(
    study: StudyOutcome, result: JobResult, out: Path
) -> tuple[list[dict[str, Any]], StudySummary, dict[str, str]]:
    """Rows, summary and warnings of what is no dose."""
    (of_study,) = _rows(study, {}, None)
    of_study |= result.of_study
    summary = replace(
        _summary(study, {}, {}, None, out),
        link=_link(study, out),
        facts={**result.facts, **({"variant": study.variant} if study.variant and result.facts else {})},
        values=result.values,
        warnings=tuple(result.messages),
        pairs=result.pairs,
    )
    rows = [of_study | dict(row) for row in result.rows] or [of_study]
    return rows, summary, dict(result.messages)


def _histograms(path: Path) -> dict[Role, NDArray[np.float32]]:
    """Cumulative histograms [%] at `DVH_DOSES_GY` of the roles that a cohort shows."""
    wanted: dict[str, tuple[list[float], list[float]]] = {role.value: ([], []) for role in DVH_ROLES}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["role"] in wanted:
                doses, volumes = wanted[row["role"]]
                doses.append(float(row["dose_gy"]))
                volumes.append(float(row["volume_percent"]))
    return {
        Role(role): np.interp(DVH_DOSES_GY, doses, volumes, right=0.0).astype(np.float32)
        for role, (doses, volumes) in wanted.items()
        if doses
    }


def _rows(study: StudyOutcome, metrics: Mapping[str, Any], problem: str | None) -> list[dict[str, Any]]:
    """The rows of one study: one a region, or a single one where there is none."""
    of_study = {
        "study_id": study.study_id,
        "label": study.label,
        "patient": study.patient or None,
        "study": study.study or study.study_id,
        "variant": study.variant or None,
        "job": study.job,
        "status": UNREADABLE if problem and study.status is StudyStatus.DONE else study.status.value,
        "reason": problem,
        "folder": None if study.folder is None else study.folder.as_posix(),
        "seconds": study.seconds,
        "peak_memory_bytes": study.peak_memory_bytes,
    }
    if not metrics:
        return [of_study]
    lung, calibration = metrics.get("lung", {}), metrics.get("calibration", {})
    of_study |= {key: metrics.get(key) for key in _PLAIN} | patient_columns(metrics.get("patient"))
    of_study |= immune_columns(metrics.get("immune"))
    of_study |= {
        "calibration_mode": calibration.get("mode"),
        "calibration_region": calibration.get("region"),
        "lung_shunt_fraction": lung.get("shunt_fraction"),
        "lung_shunt_source": lung.get("shunt_source"),
        **{f"lung_{row.dose_key}": lung.get(row.dose_key) for row in LUNG_CONVENTIONS},
        "limits_not_met": "; ".join(_missed(metrics)),
        "warnings": " ".join(_codes(metrics)),
        "version": metrics.get("provenance", {}).get("version"),
    }
    regions, spheres = metrics.get("regions", []), metrics.get("microscale")
    rows = [
        of_study | cohort_values(region) | microscale_columns(spheres, region.get("name", ""))
        for region in regions
    ]
    return rows or [of_study]


_PLAIN = (
    "nuclide", "predicted", "engine", "engine_requested", "energy_per_activity_j_per_gbq", "activity_bq",
    "map_activity_bq", "map_over_net", "hepatic_reserve",
)  # fmt: skip


def _summary(
    study: StudyOutcome,
    metrics: Mapping[str, Any],
    histograms: Mapping[Role, NDArray[np.float32]],
    problem: str | None,
    out: Path,
) -> StudySummary:
    """What the page shows of a study."""
    status = UNREADABLE if problem and study.status is StudyStatus.DONE else study.status.value
    return StudySummary(
        study_id=study.study_id,
        label=study.label,
        status=status,
        reason=problem,
        link=_link(study, out) if metrics else None,
        columns={**study.columns, **patient_columns(metrics.get("patient"))},
        facts=_facts(metrics, study.variant) if metrics else {},
        values=_values(metrics) if metrics else {},
        warnings=tuple(_codes(metrics)),
        missed=tuple(_missed(metrics, bounds=True)),
        histograms=histograms,
        seconds=study.seconds,
        peak_memory_bytes=study.peak_memory_bytes,
        study=study.study,
        variant=study.variant,
        patient=study.patient,
    )


def _facts(metrics: Mapping[str, Any], variant: str) -> dict[str, str]:
    """How a study was computed: what should be alike over a cohort."""
    calibration = metrics.get("calibration", {})
    facts = {
        "dose": PREDICTED if metrics.get("predicted") else DELIVERED,
        "nuclide": metrics.get("nuclide"),
        "engine": metrics.get("engine"),
        "calibration": " over ".join(filter(None, (calibration.get("mode"), calibration.get("region")))),
        "version": metrics.get("provenance", {}).get("version"),
        "variant": variant,
    }
    return {key: str(value) for key, value in facts.items() if value}


def _values(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a study that are looked at over the cohort; what is unknown is absent."""
    by_role = {region.get("role"): region for region in metrics.get("regions", [])}
    tumours, liver = by_role.get(Role.TUMOURS, {}), by_role.get(Role.LIVER, {})
    normal, lungs, lung = (
        by_role.get(Role.NON_TUMOUR_LIVER, {}),
        by_role.get(Role.LUNGS, {}),
        metrics.get("lung", {}),
    )
    mird, shunt = lung.get(limiting_convention().dose_key), lung.get("shunt_fraction")
    activity = metrics.get("activity_bq")
    values = {
        "tumour_gy": tumours.get("mass_weighted_mean_gy"),
        "tumour_d70_gy": tumours.get("d70_gy"),
        "non_tumour_liver_gy": normal.get("mass_weighted_mean_gy"),
        "lung_gy": mird if mird is not None else lungs.get("mass_weighted_mean_gy"),
        "activity_gbq": None if activity is None else activity / BQ_PER_GBQ,
        "lung_shunt_percent": None if shunt is None else 100.0 * shunt,
        "tumour_ml": tumours.get("volume_ml"),
        "liver_ml": liver.get("volume_ml"),
        "map_over_net": metrics.get("map_over_net"),
    }
    return {key: float(value) for key, value in values.items() if value is not None}


def _codes(metrics: Mapping[str, Any]) -> list[str]:
    """Codes of the warnings of a study, each once."""
    return list(dict.fromkeys(str(warning["code"]) for warning in metrics.get("warnings", ())))


def _missed(metrics: Mapping[str, Any], *, bounds: bool = False) -> list[str]:
    """Limits and goals that are not met, each once, with bounds also which way and on what condition."""
    missed = [limit for limit in metrics.get("limits", ()) if limit.get("status") == "not met"]
    return list(dict.fromkeys(_bound(limit) if bounds else str(limit["name"]) for limit in missed))


def _bound(limit: Mapping[str, Any]) -> str:
    """A limit or goal with its bound: whether a dose was too high or too low is not in its name."""
    text, value = str(limit["name"]), limit.get("limit_gy")
    if value is not None and limit.get("sense"):
        text += f": {limit['sense']} {value:g} Gy"
    return f"{text} ({limit['reason']})" if limit.get("reason") else text


def _link(study: StudyOutcome, out: Path) -> str | None:
    """Address of a study's report, or of its folder, relative to the page."""
    if study.folder is None:
        return None
    report = out / study.folder / PAGES.get(study.job, "report.html")
    target = report if report.is_file() else out / study.folder
    try:
        relative = target.resolve().relative_to(out.resolve()).as_posix()
    except ValueError:  # results elsewhere
        return target.resolve().as_uri()
    return quote(relative)
