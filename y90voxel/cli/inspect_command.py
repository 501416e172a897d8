"""``y90voxel inspect``: what is in a folder, and what is wrong with it, before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from y90voxel.cli.options import RegionFiles, chosen_settings

if TYPE_CHECKING:
    from y90voxel.errors import Notice
    from y90voxel.io.dicom.describe import SeriesDescription, StudyDescription
    from y90voxel.study.judgement import Judgement

__all__ = ["describe_as_text", "description_as_dict", "inspect"]


def inspect(
    study: Annotated[Path, Argument(help="Folder or .zip with the DICOM study.")],
    role: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=ROLE",
            help="Role to try, of an ROI or of all that fit a pattern ('HCC*=tumour'); may be repeated.",
        ),
    ] = None,
    case: Annotated[Path | None, Option(help="Case file whose roles are tried.")] = None,
    regions: RegionFiles = None,
    as_json: Annotated[bool, Option("--json", help="Print a JSON description, and errors as JSON.")] = False,
) -> None:
    """Show every series of a study, its role, geometry and units, and each problem found.

    What killed runs of this program left in the folder is cleared away, and results that they had moved aside are put back.
    """
    from y90voxel.case.settings import named_values
    from y90voxel.cli.progress import progress
    from y90voxel.io.dicom.describe import describe_study
    from y90voxel.io.dicom.index import index_study
    from y90voxel.io.leftovers import clear_leftovers_below
    from y90voxel.study.judgement import judge_study

    typed = named_values(role or [])
    of_case = {} if case is None else chosen_settings(case, {}).regions.roles
    roles = {**of_case, **typed}
    for line in clear_leftovers_below(study.absolute()):
        typer.echo(line, err=True)
    with progress(quiet=as_json) as report_progress:
        index = index_study(
            study, lambda done, of: report_progress("reading headers", 0.5 * done / max(of, 1))
        )
        description = describe_study(index)
        report_progress("trying what dose would do", 0.5)
        judgement = judge_study(
            index,
            regions=regions or (),
            optional_roles=set(of_case) - set(typed),
            **({"roles": roles} if roles else {}),
        )
        report_progress("done", 1.0)
    if judgement.regions_replaced:
        description = description.without_regions()
    tried = bool(role or case or regions)
    if as_json:
        found = description_as_dict(description, judgement)
        more = {"regions": dict(judgement.regions)} if tried else {}
        found["findings"] += [notice.as_dict() for notice in judgement.role_notices]
        typer.echo(json.dumps(found | more, indent=1))
        return
    typer.echo(describe_as_text(description, judgement))
    for line in _role_lines(judgement, tried=tried):
        typer.echo(line)


def _role_lines(judgement: Judgement, *, tried: bool) -> list[str]:
    """What regions would be with the roles that are tried, or how to try some where a region has none."""
    others = [name for name, role in judgement.regions.items() if role == "other"]
    if tried and judgement.regions:
        return [
            "Regions as dose would take them, nothing is computed:",
            *(f"    {name}: {role}" for name, role in judgement.regions.items()),
            *(_notice_line(notice) for notice in judgement.role_notices),
        ]
    if others and not tried:
        return [
            f"No role: {', '.join(others)}. Try some without computing: --role '{others[0]}=tumour', a pattern, --case FILE or "
            "--regions FILE."
        ]
    return []


def description_as_dict(description: StudyDescription, judgement: Judgement) -> dict[str, Any]:
    """Return a study description for JSON, with the verdict of the main job."""
    refusal = _refused(description, judgement)
    shown = description.as_dict()
    return {
        **shown,
        "usable": judgement.usable,
        "needs": [*judgement.missing, *judgement.clinical],
        "findings": [*shown["findings"], *([] if refusal is None else [refusal.as_dict()])],
    }


def _refused(description: StudyDescription, judgement: Judgement) -> Notice | None:
    """What the main job would refuse the study for, unless a notice says so already."""
    from y90voxel.io.notices import refusal

    error = judgement.refusal
    if error is None:
        return None
    notices = [*description.notices, *(f for series in description.series for f in series.notices)]
    return None if any(error.message == f.message for f in notices) else refusal("dose-refused", error)


def _verdict(judgement: Judgement) -> str:
    """Whether the study can be used, in words."""
    if judgement.refusal is not None or judgement.missing:
        options = f" ({' and '.join(judgement.missing)})" if judgement.missing else ""
        return f"cannot be used without further options or files{options}"
    if judgement.clinical:
        return f"can be used as it is; dose asks for {' and '.join(judgement.clinical)}"
    return "can be used as it is"


def describe_as_text(description: StudyDescription, judgement: Judgement) -> str:
    """Return a study description for people: a paragraph a series, notices marked by their gravity."""
    lines = [f"{description.path}: {description.files} files, {description.ignored} of them not DICOM", ""]
    for series in description.series:
        lines += [*_series_lines(series), ""]
    lines += [_notice_line(notice) for notice in description.notices]
    refusal = _refused(description, judgement)
    lines += [] if refusal is None else [_notice_line(refusal)]
    run = "with these files of regions" if judgement.regions_replaced else "without options"
    lines.append(f"The study {_verdict(judgement)}. * marks the series that a run {run} uses.")
    return "\n".join(lines)


def _series_lines(series: SeriesDescription) -> list[str]:
    """What one series is."""
    record = series.record
    mark = "*" if series.used else " "
    lines = [
        f"{mark} {record.role.value.upper():<9} {record.modality} {record.description!r}, {len(record.instances)} files",
        f"    series {record.uid}",
    ]
    if series.grid is not None:
        lines.append(f"    {series.grid}")
    facts = [
        series.orientation,
        f"patient {series.patient_position}" if series.patient_position else "",
        f"frame of reference {record.frame_of_reference_uid}" if record.frame_of_reference_uid else "",
        f"units {series.units}" if series.units else "",
        f"decay reference {series.decay_reference}" if series.decay_reference else "",
        f"nuclide {series.nuclide}" if series.nuclide else "",
        *(f"{name.replace('_', ' ')} {moment.isoformat(sep=' ')}" for name, moment in series.times.items()),
    ]
    stated = [fact for fact in facts if fact]
    if stated:
        lines.append(f"    {', '.join(stated)}")
    if series.rois:
        lines.append("    regions: " + ", ".join(f"{name} ({role})" for name, role in series.rois.items()))
    if series.references:
        lines.append("    refers to series " + ", ".join(series.references))
    notices = [_notice_line(notice) for notice in series.notices]
    return lines + (notices or ["    ACCEPT"])


def _notice_line(notice: Notice) -> str:
    """One notice: gravity, code, message, and the tag where it was found."""
    value = f" = {notice.value}" if notice.value is not None else ""
    tag = f" [{notice.tag}{value}]" if notice.tag else ""
    return f"    {notice.severity.value.upper():<6} {notice.code}: {notice.message}{tag}"
