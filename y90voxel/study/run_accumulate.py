"""Doses of several treatments to a folder with their sum."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from y90voxel.accumulation.accumulate import Accumulation, accumulate, reference_of
from y90voxel.accumulation.cumulative_limits import parse_limit
from y90voxel.accumulation.treatment import LIVER_SETS
from y90voxel.case.accumulation_settings import AccumulationSettings, facts_of
from y90voxel.errors import InputError, Notice
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.nifti import write_nifti
from y90voxel.io.result_tables import write_dvh_csv, write_json
from y90voxel.regions.placement import place_regions
from y90voxel.study.joined_treatments import Joined, join_frames
from y90voxel.study.read_study import read_region_files, trusted_regions
from y90voxel.study.read_treatments import ReadTreatment, check_one_patient, read_treatment
from y90voxel.version import __version__

__all__ = ["run_accumulate"]

Progress = Callable[[str, float], None]


def run_accumulate(
    paths: Sequence[str | Path],
    out: str | Path,
    settings: AccumulationSettings | None = None,
    *,
    regions: Sequence[str | Path] = (),
    trust_frames: bool = False,
    days_alone: bool = False,
    report: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write ``accumulate.json``, ``accumulate.html``, ``bed.dcm``, ``eqd2.nii.gz`` and ``dvh.csv``; return the first.

    Parameters
    ----------
    paths : sequence of path-like
        Two or more: folders that `dose` wrote, RTDOSE of planning systems, NIfTI doses.
    out : path-like
        Folder of the sum; appears complete or not at all.
    settings : AccumulationSettings or None
        Dates, fractions, nuclides, CTs, limits, registrations, reference.
    regions : sequence of path-like
        Regions for a reference that has none, such as an RTSTRUCT.
    trust_frames : bool
        Take the coordinates of different frames of reference as common.
    days_alone : bool
        Whether dates only count days; see `read_treatment`.
    report : bool
        Write page and figures too.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If an input cannot be used or a fact is missing (see `read_treatment`), treatments are of several patients, or
        one is given twice.
    """
    check_output_folder(out)
    started, clock = datetime.now(UTC), time.perf_counter()
    report_progress = progress or (lambda what, done: None)
    asked = settings or AccumulationSettings()
    files = [Path(path) for path in paths]
    read: list[ReadTreatment] = []
    said = facts_of(files, asked)
    for path, facts in zip(files, said, strict=True):
        report_progress(f"reading {path.name}", 0.2 * len(read) / len(files))
        read.append(read_treatment(path, facts, days_alone=days_alone))
    notices = [*(notice for one in read for notice in one.notices), *check_one_patient(read)]
    if regions:
        notices += _give_regions(read, asked.reference, regions, trust_frames)
    base = reference_of([one.treatment for one in read], asked.reference).name
    joined = join_frames(
        [one.treatment for one in read],
        base,
        asked,
        cts={
            one.treatment.name: facts.ct
            for one, facts in zip(read, said, strict=True)
            if facts.ct is not None
        },
        trust_frames=trust_frames,
        progress=lambda what, done: report_progress(what, 0.2),
    )
    limits = [parse_limit(text) for text in asked.limit]
    accumulation = accumulate(
        joined.treatments,
        base,
        limits,
        frames_joined=joined.whole,
        carry=asked.carry,
        progress=report_progress,
    )
    accumulation = replace(
        accumulation, notices=tuple(dict.fromkeys((*notices, *joined.notices, *accumulation.notices)))
    )
    identity = next(one.identity for one in read if one.treatment.name == base)
    document = accumulation.as_dict() | {
        "registrations": [dict(one.entry) for one in joined.registered],
        "provenance": {
            "version": __version__,
            "inputs": _inputs(read, joined),
            "settings": asked.model_dump(mode="json", exclude_defaults=True),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
        },
    }
    with output_folder(out, "accumulate") as folder:
        _write(accumulation, identity, document, folder)
        for one in joined.registered:
            write_registration(one.alignment, folder / str(one.entry["file"]), identity=identity)
        if report:
            report_progress("drawing the report", 0.9)
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.accumulation_page import write_accumulation_report

            pages = [(one.entry, one.alignment) for one in joined.registered]
            write_accumulation_report(accumulation, document["provenance"], folder, pages)
    report_progress("done", 1.0)
    return document


def _inputs(read: Sequence[ReadTreatment], joined: Joined) -> list[dict[str, Any]]:
    """Doses that were read, and CTs, each once."""
    items = [dict(item) for one in read for item in one.inputs]
    for registered in joined.registered:
        items += [dict(item) for item in registered.inputs if dict(item) not in items]
    return items


def _give_regions(
    read: list[ReadTreatment], reference: str | None, files: Sequence[str | Path], trust_frames: bool
) -> list[Notice]:
    """Place regions of files on the grid of the reference, or of the only treatment without any."""
    without = [number for number, one in enumerate(read) if not one.treatment.regions]
    wanted = [n for n in without if reference in (None, read[n].treatment.name)]
    if len(wanted) != 1:
        raise InputError(
            "regions (--regions) are for the reference: name the treatment without regions that they belong to (reference = NAME "
            "in the case file).",
            tag="--regions",
        )
    one = read[wanted[0]]
    notices: list[Notice] = []
    grid = one.treatment.dose.grid
    drawn, whose = read_region_files([Path(file) for file in files], notices)
    if whose is not None and one.identity is not None:
        one.identity.check_patient(whose, one.treatment.name, "the regions")
    if trust_frames:
        drawn, new_notices = trusted_regions(drawn, grid.frame_of_reference_uid)
        notices += new_notices
    placed, new_notices = place_regions(drawn, grid, None, must_be_whole=(), liver_tumours="ask")
    read[wanted[0]] = replace(one, treatment=replace(one.treatment, regions=tuple(placed)))
    return [*notices, *new_notices]


def _write(
    accumulation: Accumulation, identity: StudyIdentity | None, document: dict[str, Any], folder: Path
) -> None:
    """The files of a sum."""
    write_json(document, folder / "accumulate.json")
    rows = [
        (f"{region.name}, {what}", region.role.value, histogram)
        for region in accumulation.regions
        for what, histogram in (
            ("absorbed dose", region.histogram),
            *((f"EQD2, {effect.parameters.name}", effect.histogram) for effect in region.effects),
        )
        if histogram is not None
    ]
    write_dvh_csv(rows, folder / "dvh.csv")
    if accumulation.bed is None or accumulation.eqd2 is None or accumulation.physical is None:
        return
    parameters = LIVER_SETS[0]
    write_rtdose(
        accumulation.bed,
        folder / "bed.dcm",
        identity=identity,
        comment=f"BED, a/b {parameters.alpha_beta_gy:g} Gy, repair {parameters.repair_half_time_s / 3600:g} h, "
        f"{len(accumulation.treatments)} treatments",
        effective=True,
    )
    write_nifti(accumulation.eqd2, folder / "eqd2.nii.gz")
    write_nifti(accumulation.physical, folder / "dose.nii.gz")
