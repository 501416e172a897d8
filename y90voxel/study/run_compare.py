"""Predicted against delivered: two result folders to a folder with their comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from y90voxel.comparison.compare import compare
from y90voxel.comparison.comparison_result import Normalisation
from y90voxel.comparison.resolution import Resolution
from y90voxel.comparison.target_error import with_target_error
from y90voxel.comparison.voxel_agreement import GammaCriteria
from y90voxel.errors import InputError, Notice
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.landmark_files import read_landmark_pairs
from y90voxel.io.result_tables import write_json
from y90voxel.quantification.plausibility import refuse_unless
from y90voxel.study.registering import Registering, placement_of
from y90voxel.study.resolution_spec import resolution_of_scanners
from y90voxel.study.result_folder import (
    DoseFolder,
    read_dose_folder,
    read_predicted_folder,
    shown_ct,
    with_activity,
)
from y90voxel.study.study import file_record
from y90voxel.version import __version__

__all__ = ["Matching", "run_compare"]

# The refusal that --accept overrides.
PATIENTS = "patients-differ"


@dataclass(frozen=True)
class Matching:
    """What is done to bring two studies together before they are compared.

    Parameters
    ----------
    resolution : Resolution or None
        Resolutions of the two images; the sharper side is blurred.
    register : Registering or None
        How the predicted frame is registered with the delivered one.
    scanners : tuple of Path
        Scanner files that state the resolutions instead.
    """

    resolution: Resolution | None = None
    register: Registering | None = None
    scanners: tuple[Path, ...] = ()


def run_compare(
    predicted: str | Path,
    delivered: str | Path,
    out: str | Path,
    *,
    normalise: Normalisation | str | None = None,
    pairs: Sequence[str] = (),
    gamma: GammaCriteria | None = None,
    plan_model: str | None = None,
    trust_frames: bool = False,
    accept: Sequence[str] = (),
    matching: Matching | None = None,
    report: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Write ``compare.json``, ``compare.html`` and ``figures/`` to ``out``; return the content of the first.

    Parameters
    ----------
    predicted : path-like
        Folder that `dose` or `plan` wrote.
    delivered : path-like
        Folder that `dose` wrote.
    out : path-like
        Folder of the comparison; appears complete or not at all.
    normalise : Normalisation, str or None
        ``activity``, ``mean-liver`` or ``none``; None scales to the delivered activity where both are stated.
    pairs : sequence of str
        Regions that belong together, ``PREDICTED=DELIVERED``.
    gamma : GammaCriteria or None
        None takes the default criteria, and says so.
    plan_model : str or None
        Model of a plan whose activity the prediction is for; None takes the activity given, else the first model.
    trust_frames : bool
        Take coordinates of different frames of reference as common.
    accept : sequence of str
        ``patients-differ`` compares although the PatientIDs differ.
    matching : Matching or None
        What is done to bring the two studies together; None does nothing.
    report : bool
        Write page and figures too.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a folder cannot be used, the PatientIDs differ, resolutions are stated twice, or the doses cannot be compared (see
        `y90voxel.compare`).
    """
    unknown = [code for code in accept if code != PATIENTS]
    if unknown:
        raise InputError(
            f"--accept {unknown[0]!r} is no refusal of compare; it has {PATIENTS}.", tag="--accept"
        )
    check_output_folder(out)  # before the work, not after
    started, clock = datetime.now(UTC), time.perf_counter()
    report_progress = progress or (lambda what, done: None)
    report_progress("reading the predicted dose", 0.0)
    before = read_predicted_folder(predicted, plan_model)
    report_progress("reading the delivered dose", 0.2)
    after = read_dose_folder(delivered)
    same = _patients(before, after, accept)
    sides = (before.side, after.side)
    together = matching or Matching()
    if together.scanners:
        if together.resolution is not None:
            raise InputError(
                "resolution and scanners both state the resolutions of the images: give one of them.",
                tag="--scanner",
            )
        together = replace(together, resolution=resolution_of_scanners(together.scanners, *sides))
    if together.resolution is not None or together.register is not None:
        sides = (with_activity(before.side, predicted), with_activity(after.side, delivered))
    placement, alignment = None, None
    if together.register is not None:
        landmarks = read_landmark_pairs(together.register.landmarks) if together.register.landmarks else []
        placement, alignment = placement_of(
            together.register, *sides, lambda what, done: report_progress(what, 0.3 + 0.3 * done)
        )
        if landmarks:
            placement = with_target_error(placement, landmarks, *(side.dose.grid for side in sides))
            files = (file_record(Path(file), "landmarks") for file in together.register.landmarks)
            placement = replace(placement, inputs=(*placement.inputs, *files))
    report_progress("comparing", 0.6)
    comparison = compare(
        *sides,
        normalise=normalise,
        pairs=pairs,
        gamma=gamma,
        trust_frames=trust_frames,
        resolution=together.resolution,
        placement=placement,
    )
    all_notices = (*before.notices, *after.notices, *same)
    comparison = replace(comparison, notices=tuple(dict.fromkeys((*all_notices, *comparison.notices))))
    document = comparison.as_dict() | {
        "provenance": {
            "version": __version__,
            "predicted": list(before.inputs),
            "delivered": list(after.inputs),
            "scanners": [file_record(file, "scanner") for file in together.scanners],
            "registration": [] if placement is None else [dict(item) for item in placement.inputs],
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
        }
    }
    with output_folder(out, "compare") as folder:
        write_json(document, folder / "compare.json")
        if alignment is not None:
            write_registration(alignment, folder / "registration.dcm")
        if report:
            report_progress("drawing the report", 0.7)
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.comparison_page import write_comparison_report

            ct = None if comparison.voxels is None or alignment is not None else shown_ct(delivered)
            write_comparison_report(comparison, document["provenance"], folder, alignment, ct)
    report_progress("done", 1.0)
    return document


def _patients(before: DoseFolder, after: DoseFolder, accept: Sequence[str]) -> list[Notice]:
    """Refuse doses of different patients; the identities themselves stay in the DICOM files."""
    if not before.patient_id or not after.patient_id or before.patient_id == after.patient_id:
        return []
    message = (
        "the PatientID of the two dose files (dose.dcm) differ: these are two patients, or one with two numbers. Check the "
        "folders before anything else."
    )
    return refuse_unless(accept, PATIENTS, message, tag="PatientID")
