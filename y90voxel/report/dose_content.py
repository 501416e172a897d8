"""What a dose report says, as plain rows of text; the template only lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.case.evaluation import VOXEL_BY_MASS, Evaluation
from y90voxel.case.evaluation import limiting_lung_dose as evaluated_limiting_lung_dose
from y90voxel.case.focal_doses import first_screen
from y90voxel.clinical.limits import LIMITS_VERSION, LimitResult, Sense
from y90voxel.dose.engines import engine_label
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
from y90voxel.reference.devices import device_label, known_devices
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import Role
from y90voxel.report.engine_check_rows import engine_check_note, engine_check_rows
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, flatten, number, percent
from y90voxel.report.immune_section import immune_section
from y90voxel.report.method_tables import (
    SHUNT_SOURCES,
    calibration_note,
    calibration_rows,
    calibration_sentence,
    mass_sentence,
)
from y90voxel.report.methods_text import citation, dose_methods
from y90voxel.report.microscale_section import microscale_section
from y90voxel.report.model_parameters import model_content
from y90voxel.report.noise_table import noise_note, noise_rows
from y90voxel.report.organ_table import organ_dose_rows
from y90voxel.report.patient_rows import contradictions, patient_rows
from y90voxel.report.region_table import (
    every_region_is_automatic,
    region_columns,
    region_rows,
)
from y90voxel.report.registration_rows import REGISTERED_CTS, registration_rows
from y90voxel.report.reporting_rows import reporting_content
from y90voxel.report.territory_rows import artery_rows, reference_activity, territory_rows
from y90voxel.report.uncertainty_table import partial_volume_note, partial_volume_rows, uncertainty_rows
from y90voxel.units import format_activity

__all__ = ["ALL_AUTOMATIC", "DISCLAIMER", "PREDICTED", "dose_content"]

PREDICTED = "predicted from a surrogate; not the delivered dose"
DISCLAIMER = "Research software, not a medical device."
ALL_AUTOMATIC = (
    "No region was drawn by a person: all of them come from an automatic segmentation. Check them first."
)
MARKS = {"met": "✓", "not met": "✕", "unconfirmed": "?", "none printed": "!", "not applicable": "–"}
LUNG_LABELS = {row.key: row.label for row in LUNG_CONVENTIONS}
BY_MASS = "voxel map, mass-weighted"


def dose_content(evaluation: Evaluation) -> dict[str, Any]:
    """Return everything that the page of an evaluation shows besides its figures."""
    case, provenance = evaluation.case, evaluation.provenance
    record = provenance.get("registration")
    engine, device = engine_label(evaluation.engine), device_label(case.device)
    given = [injection.administration.activity_bq for injection in case.injections]
    given_texts = ["from the image" if bq is None else format_activity(bq) for bq in given]
    net, whole = format_activity(evaluation.net_activity_bq), format_activity(evaluation.map_activity_bq)
    columns = region_columns(evaluation)
    inputs = [input_row(item) for item in provenance.get("inputs") or ()]
    return {
        "heading": "Predicted absorbed dose" if case.predicted else "Absorbed dose",
        "label": case.label,
        "subtitle": " · ".join(part for part in (case.nuclide, device, engine) if part),
        "study_instance_uid": case.study_instance_uid,
        "predicted": PREDICTED if case.predicted else None,
        "disclaimer": DISCLAIMER,
        "version": str(provenance.get("version", MISSING)),
        "computed": date_and_time(provenance.get("started")),
        "seconds": number(provenance.get("seconds")),
        "cards": cards(evaluation, net, device),
        "warnings": [{"code": notice.code, "message": notice.message} for notice in evaluation.warnings],
        "device_choices": known_devices(),
        "device": device or None,
        "limits": [limit_row(result) for result in evaluation.limits],
        "limits_version": LIMITS_VERSION,
        "organs": organ_dose_rows(evaluation),
        "immune": immune_section(evaluation.immune),
        "underlay": underlay_sentence(evaluation),
        "region_columns": columns,
        "regions": region_rows(evaluation, columns),
        "registration": None
        if record is None or case.alignment is None
        else registration_rows(record, case.alignment.summary, REGISTERED_CTS),
        "automatic_note": ALL_AUTOMATIC,
        "all_automatic": every_region_is_automatic(evaluation),
        **_model_values(evaluation, net),
        "partial_volume": partial_volume_rows(evaluation),
        "partial_volume_note": partial_volume_note(evaluation),
        "noise": noise_rows(evaluation),
        "noise_note": noise_note(evaluation),
        "microscale": microscale_section(evaluation.microscale),
        "engine_check": engine_check_rows(evaluation.engine_check),
        "engine_check_note": engine_check_note(evaluation.engine_check),
        "uncertainty": uncertainty_rows(evaluation),
        "uncertainty_statement": evaluation.uncertainty.statement if evaluation.uncertainty else (),
        "lung": lung_rows(evaluation),
        "lung_facts": lung_facts(evaluation),
        "lung_methods": lung_method_rows(evaluation),
        "injections": injection_rows(evaluation, given_texts),
        "territories": territory_rows(evaluation.arteries),
        "reference_activity": reference_activity(evaluation.arteries),
        "patient": patient_rows(case.patient),
        "contradictions": contradictions(case.patient),
        "methods": method_rows(evaluation, net, whole),
        "calibrations": calibration_rows(evaluation),
        "calibration_note": calibration_note(evaluation),
        "inputs": inputs,
        "inputs_are_named": any(row["what"] != MISSING for row in inputs),
        "kernel": list(flatten(provenance.get("kernel") or {})),
        "settings": list(flatten(provenance.get("settings") or {})),
        **reporting_content(evaluation),
        "methods_text": dose_methods(evaluation),
        "citation": citation(provenance),
        "alarms": [notice.message for notice in first_screen(evaluation.notices)],
    }


def _model_values(evaluation: Evaluation, net_activity: str) -> dict[str, Any]:
    """BED, EQD2 and EUD of the regions whose role has parameters."""
    given = [metrics for metrics in evaluation.regions if metrics.radiobiology is not None]
    rows = [{"region": metrics.name, **vars(metrics)} for metrics in given]
    named = [(metrics.name, metrics.radiobiology) for metrics in given]
    return model_content(rows, named, nuclide(evaluation.case.nuclide).half_life_s, net_activity)


def cards(evaluation: Evaluation, net_activity: str, device: str) -> list[dict[str, str]]:
    """Return the few numbers that are read first; means are mass-weighted, as limits use them."""
    lung = evaluation.lung
    ratio = number(evaluation.map_activity_bq / evaluation.net_activity_bq)
    source = SHUNT_SOURCES.get(lung.shunt_source, lung.shunt_source)
    tiles = [
        _card("Net activity", net_activity, f"whole map: {ratio} times as much"),
        _card("Lung shunt", percent(lung.shunt_fraction), source),
    ]
    by_role = {
        Role(metrics.role): metrics for metrics in evaluation.regions
    }  # the last one where several share it
    tumours = [metrics for metrics in evaluation.regions if metrics.role == Role.TUMOUR]
    whole = by_role.get(Role.TUMOURS) or by_role.get(Role.TUMOUR)
    if whole is not None:
        title = "Tumour" if len(tumours) < 2 else f"{len(tumours)} tumours together"
        tiles.append(_card(title, _gy(whole.mass_weighted_mean_gy), f"mean; D70 {_gy(whole.d_gy[70])}"))
    for role in (Role.NON_TUMOUR_LIVER, Role.PERFUSED_NON_TUMOUR_LIVER):
        if role in by_role:
            metrics = by_role[role]
            note = f"mean; {number(metrics.volume_ml)} mL"
            tiles.append(_card(metrics.name.capitalize(), _gy(metrics.mass_weighted_mean_gy), note))
    convention, value = limiting_lung_dose(evaluation)
    if value is not None:
        tiles.append(_card("Lungs", _gy(value), f"mean; {convention}"))
    statuses = [result.status for result in evaluation.limits]
    missed, unsure = statuses.count("not met"), statuses.count("unconfirmed")
    judged = missed + statuses.count("met")
    if judged or unsure:
        text = f"{judged - missed} of {judged} met"
        status = "not-met" if missed else ("" if unsure else "met")
        open_rows = (
            f"{unsure} more might apply: not everything is stated" if unsure else "not all of them apply"
        )
        tiles.append(_card("Limits and goals", text, f"{device}; {open_rows}", status))
    return tiles


def _card(label: str, value: str, note: str, status: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "status": status}


def _gy(dose: float | None) -> str:
    """A dose with its unit."""
    return MISSING if dose is None else f"{dose_text(dose)} Gy"


def limit_row(result: LimitResult) -> dict[str, str]:
    """Return one limit: what, where, found, wanted, status in words, source."""
    wanted = "at most" if result.limit.sense is Sense.BELOW else "at least"
    return {
        "name": result.limit.name,
        "region": result.region if result.value_gy is not None else result.region.replace("_", " "),
        "kind": "limit" if result.limit.sense is Sense.BELOW else "goal",
        "found": dose_text(result.value_gy),
        "wanted": f"{wanted} {result.limit.value_gy:g}",
        "status": result.status,
        "mark": MARKS[result.status],
        "css": result.status.replace(" ", "-"),
        "source": result.reason or result.limit.source,
    }


def limiting_lung_dose(evaluation: Evaluation) -> tuple[str, float | None]:
    """Return the words for the convention whose lung dose limits refer to, and that dose [Gy]."""
    convention, value = evaluated_limiting_lung_dose(evaluation.lung, evaluation.case)
    words = {**LUNG_LABELS, VOXEL_BY_MASS: BY_MASS}
    return ("" if convention is None else words[convention]), value


def lung_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the lung dose by every convention, and which one limits use."""
    lung = evaluation.lung
    used, _ = limiting_lung_dose(evaluation)
    mass = (
        "mass of the lungs from CT"
        if lung.ct_mass_g is None
        else f"{number(lung.ct_mass_g)} g of lung from CT"
    )
    rows = (
        *((row.label, lung.mird_gy.get(row.key), row.note.format(mass=mass)) for row in LUNG_CONVENTIONS),
        ("voxel map", lung.mean_voxel_gy, "volume-weighted, the part in view"),
        (BY_MASS, lung.mass_weighted_mean_voxel_gy, "energy over mass, the part in view"),
        (
            "voxel map without the dome",
            lung.mean_voxel_without_dome_gy,
            f"lung closer than {number(lung.dome_margin_mm)} mm to the liver left out",
        ),
    )
    return [
        {"name": name, "dose": dose_text(dose), "note": note, "used": name == used and dose is not None}
        for name, dose, note in rows
    ]


def lung_method_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the lung dose by MIRD and by every engine that was computed, the engine named beside each number."""
    return [
        {
            "name": LUNG_LABELS.get(row.method) or engine_label(row.method),
            "by_mass": dose_text(row.mass_weighted_mean_gy),
            "by_volume": dose_text(row.mean_gy),
            "by_mass_without_dome": dose_text(row.mass_weighted_mean_without_dome_gy),
            "by_volume_without_dome": dose_text(row.mean_without_dome_gy),
            "from_liver": dose_text(row.beta_from_liver_gy),
            "used": row.method == evaluation.engine,
        }
        for row in evaluation.lung.by_method
    ]


def lung_facts(evaluation: Evaluation) -> str:
    """Return shunt, mass and view of the lungs in one sentence."""
    lung = evaluation.lung
    source = SHUNT_SOURCES.get(lung.shunt_source, lung.shunt_source)
    error = "" if lung.shunt_error is None else f" ± {number(100 * lung.shunt_error, 2)} points"
    parts = [f"Lung shunt fraction {percent(lung.shunt_fraction)}{error} ({source})"]
    if lung.ct_mass_g is not None:
        parts.append(f"lung mass from CT {number(lung.ct_mass_g)} g")
    if lung.fraction_in_fov is not None:
        parts.append(f"{percent(lung.fraction_in_fov)} of the lungs in view")
    if not lung.reliable:
        parts.append("doses and masses of the lungs are NOT RELIABLE: CT and contours disagree")
    return "; ".join(parts) + "."


def injection_rows(evaluation: Evaluation, activities: list[str]) -> list[dict[str, str]]:
    """Return what was given, one row per injection."""
    if evaluation.arteries:
        return artery_rows(evaluation)
    rows = []
    for injection, activity in zip(evaluation.case.injections, activities, strict=True):
        given, image = injection.administration, injection.emission
        imaged = " ".join(part for part in (image.imaged_nuclide, image.modality) if part)
        rows.append(
            {
                "activity": activity,
                "time": date_and_time(given.time.isoformat() if given.time else None),
                "shunt": percent(given.lung_shunt_fraction),
                "territory": injection.territory or "liver, tumours and perfused volume",
                "image": f"{imaged}, surrogate" if image.predicted else imaged,
            }
        )
    return rows


def underlay_sentence(evaluation: Evaluation) -> str:
    """Return what lies under the dose in the pictures."""
    if evaluation.case.ct is None:
        return "Dose over the emission image (brightness by the square root), since there is no CT."
    return "Dose over the CT (level 40 HU, width 400 HU)."


def method_rows(evaluation: Evaluation, net_activity: str, map_activity: str) -> list[tuple[str, str]]:
    """Return how the dose came about: name and sentence."""
    case, grid = evaluation.case, evaluation.dose.grid
    shape = " × ".join(str(n) for n in grid.shape)
    spacing = " × ".join(f"{s:.2f}" for s in grid.spacing_mm)
    ratio = number(evaluation.map_activity_bq / evaluation.net_activity_bq)
    rows = [
        ("Calibration", calibration_sentence(evaluation)),
        (
            "Activity in the map",
            f"{map_activity}, {ratio} times the net {net_activity}",
        ),
        ("Engine", engine_sentence(evaluation)),
        ("Mass", mass_sentence(evaluation)),
        ("Energy per activity", f"{number(evaluation.energy_per_activity_j_per_gbq, 4)} J/GBq"),
        (
            "Dose grid",
            f"{shape} voxels (slice, row, column) of {spacing} mm, {number(1000 * grid.voxel_volume_ml)} µL each",
        ),
    ]
    rows += [(f"Density, {part}", source) for part, source in evaluation.density_sources.items()]
    reserve = case.regions.hepatic_reserve
    if reserve is not None:
        rows.append(
            ("Hepatic reserve", f"{percent(reserve)} of the liver volume lies outside the perfused volume")
        )
    return rows


def engine_sentence(evaluation: Evaluation) -> str:
    """Return which engine ran, and why it did."""
    decision = evaluation.engine_decision
    asked = f" (--engine {decision.requested})" if decision.requested != decision.name else ""
    return f"{engine_label(evaluation.engine)}: {decision.reason}{asked}"


def input_row(item: Mapping[str, Any]) -> dict[str, str]:
    """Return one input series or file: what it is, which, how many files, short checksum."""
    other_keys = {"series_instance_uid", "sha256", "files"}
    what = " ".join(
        str(value) for key, value in item.items() if key not in other_keys and value not in (None, "")
    )
    return {
        "what": what or MISSING,
        "uid": str(item.get("series_instance_uid") or MISSING),
        "files": str(item.get("files", MISSING)),
        "sha256": str(item.get("sha256") or MISSING)[:12],
    }
