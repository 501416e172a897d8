"""The paragraph that a report offers for the Methods of a paper: by which version, engine, kernel and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from y90voxel.case.evaluation import Evaluation
from y90voxel.clinical.limits import LIMITS_VERSION
from y90voxel.dose.engines import engine_label
from y90voxel.planning.plan_result import Plan
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.reference.devices import device_label
from y90voxel.report.formatting import flatten, number, percent
from y90voxel.report.method_tables import SHUNT_SOURCES, calibration_sentence
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = ["citation", "dose_methods", "plan_methods"]

CHECKSUM_DIGITS = 12  # of a SHA-256, as in the tables of inputs; chosen: enough to find the file again


def dose_methods(evaluation: Evaluation) -> list[str]:
    """Return the sentences of a dose calculation for the Methods of a paper.

    Parameters
    ----------
    evaluation : Evaluation
        With the provenance that ``dose`` gives it; what is not known there is said to be so, not left out.
    """
    case = evaluation.case
    what = "Predicted absorbed doses" if case.predicted else "Absorbed doses"
    sentences = [
        f"{what} of {case.nuclide}{_device(case.device)} were computed with {_software(evaluation.provenance)}.",
        *_images(evaluation),
        _activity(evaluation),
        *_dose(evaluation),
        "Means are by mass, D_x and V_d by volume from every voxel, partly filled ones counted by their share; regions keep "
        "their share of each voxel.",
        *_lungs(evaluation),
        *_more(evaluation),
    ]
    if evaluation.limits:
        sentences.append(f"Limits and goals: table {LIMITS_VERSION}.")
    return sentences


def plan_methods(plan: Plan) -> list[str]:
    """Return the sentences of a plan for the Methods of a paper.

    Parameters
    ----------
    plan : Plan
        With the provenance that ``plan`` gives it.
    """
    facts, first = plan.facts, plan.first
    sentences = [
        f"Activities of {facts.nuclide}{_device(facts.device)} were planned with {_software(plan.provenance)}."
    ]
    if plan.maps is None:
        sentences.append("Masses and uptakes were stated; there were no images.")
    else:
        sentences += [*_images(plan.maps.evaluations[0]), *_dose(plan.maps.evaluations[0])]
    available = ", ".join(model.title for model in plan.models if model.available)
    if first.available:
        activity = format_activity(float(first.activity_gbq or 0.0) * BQ_PER_GBQ)
        sentences.append(
            f"Models: {available}; the first gives {activity} net ({first.title}: {first.basis})."
        )
    shunts = dict.fromkeys(
        f"{percent(row.fraction)} ({SHUNT_SOURCES.get(row.method, row.method)})"
        for row in plan.shunts
        if row.used
    )
    if shunts:
        sentences.append(f"Lung shunt: {', '.join(shunts)}.")
    sentences.append(
        f"Formulas used {number(facts.dose_constant_gy_kg_per_gbq, 4)} Gy kg/GBq; lung limits refer to "
        f"{limiting_convention().mass_text}; limits and goals: table {LIMITS_VERSION}."
    )
    return sentences


def citation(provenance: Mapping[str, Any]) -> str:
    """Return how the software is cited, as in ``CITATION.cff``."""
    version = provenance.get("version") or "version unknown"
    return f"The y90voxel developers. y90voxel: voxel dosimetry for radioembolization of liver tumours, {version} (MIT)."


def _software(provenance: Mapping[str, Any]) -> str:
    """Name and version."""
    return f"y90voxel {provenance.get('version') or 'of unknown version'} (research software)"


def _device(device: str | None) -> str:
    """The microspheres."""
    return "" if device is None else f", {device_label(device)},"


def _images(evaluation: Evaluation) -> list[str]:
    """What was imaged, on which voxels doses were computed, and how regions came onto them."""
    case, grid = evaluation.case, evaluation.dose.grid
    images = {
        " ".join(filter(None, (one.emission.imaged_nuclide, one.emission.modality)))
        for one in case.injections
    } - {""}
    spacing = " × ".join(f"{s:.2f}" for s in grid.spacing_mm)
    taken = f"Activity was taken from {' and '.join(sorted(images)) or 'an emission image'}"
    taken += " as a surrogate" if case.predicted else ""
    text = f"{taken}; doses were computed on voxels of {spacing} mm."
    return (
        [text] if case.alignment is None else [text, f"Registration: {case.alignment.summary.rstrip('.')}."]
    )


def _activity(evaluation: Evaluation) -> str:
    """Net activity, shunt and calibration."""
    lung = evaluation.lung
    shunt = f"lung shunt {percent(lung.shunt_fraction)} ({SHUNT_SOURCES.get(lung.shunt_source, lung.shunt_source)})"
    text = f"Net activity {format_activity(evaluation.net_activity_bq)}, {shunt}; calibration {calibration_sentence(evaluation)}"
    spread = evaluation.calibration_spread
    if evaluation.case.calibration.mode is CalibrationMode.RELATIVE and spread is not None:
        text += f" (other regions of calibration would change all doses by up to {percent(spread.spread, 2)})"
    return f"{text}."


def _dose(evaluation: Evaluation) -> list[str]:
    """Engine with its reason, kernel with its checksum, energy, densities."""
    kernel = evaluation.provenance.get("kernel") or {}
    words = {"name": "kernel", "file": "file", "sha256": "SHA-256"}
    given = {word: str(kernel[key]) for key, word in words.items() if kernel.get(key) is not None}
    if "SHA-256" in given:
        given["SHA-256"] = f"{given['SHA-256'][:CHECKSUM_DIGITS]}…"
    settings = evaluation.provenance.get("settings") or {}
    given |= dict(
        flatten(settings.get(evaluation.engine.replace("-", "_")) or {})
    )  # seed, histories, cut-offs
    stated = "; ".join(f"{word} {value}" for word, value in given.items())
    densities = "; ".join(f"{part}: {source}" for part, source in evaluation.density_sources.items())
    text = f"Dose engine: {engine_label(evaluation.engine)}{f' ({stated})' if stated else ''}, "
    text += f"{number(evaluation.energy_per_activity_j_per_gbq, 4)} J/GBq."
    return [text, f"Densities: {densities}."] if densities else [text]


def _lungs(evaluation: Evaluation) -> list[str]:
    """Which lung dose limits refer to."""
    used = limiting_convention()
    known = evaluation.lung.mird_gy.get(used.key) is not None
    return [f"Lung doses that limits refer to are by MIRD with {used.mass_text} of lung."] if known else []


def _more(evaluation: Evaluation) -> list[str]:
    """Corrections and uncertainty, where they were asked for."""
    sentences = []
    if evaluation.partial_volume is not None:
        sentences.append("Partial-volume correction: corrected numbers stand beside the uncorrected.")
    if evaluation.uncertainty is not None:
        given = evaluation.uncertainty.inputs
        bands = (
            f", bands of histograms from {given['samples']} samples, seed {given['seed']}"
            if "samples" in given
            else ""
        )
        sentences.append(f"Uncertainties of means by the EANM scheme (Gear et al. 2018){bands}.")
    return sentences
