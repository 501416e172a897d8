"""``y90voxel inspect``: what is in a folder, and what is wrong with it, before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

if TYPE_CHECKING:
    from y90voxel.io.dicom.describe import SeriesDescription, StudyDescription
    from y90voxel.io.dicom.findings import Finding

__all__ = ["describe_as_text", "inspect"]


def inspect(
    study: Annotated[Path, Argument(help="Folder or .zip with the DICOM study.")],
    as_json: Annotated[bool, Option("--json", help="Print a JSON description, and errors as JSON.")] = False,
) -> None:
    """Show every series of a study, its role, geometry and units, and each problem found."""
    from y90voxel.cli.progress import progress
    from y90voxel.io.dicom.describe import describe_study

    with progress(quiet=as_json) as tell:
        description = describe_study(study, lambda done, of: tell("reading headers", done / max(of, 1)))
    typer.echo(json.dumps(description.as_dict(), indent=1) if as_json else describe_as_text(description))


def describe_as_text(description: StudyDescription) -> str:
    """Return a study description for people: a paragraph a series, findings marked by their gravity."""
    lines = [f"{description.path}: {description.files} files, {description.ignored} of them not DICOM", ""]
    for series in description.series:
        lines += [*_series_lines(series), ""]
    lines += [_finding_line(finding) for finding in description.findings]
    verdict = (
        "can be used as it is" if description.usable else "cannot be used without further options or files"
    )
    lines.append(f"The study {verdict}. * marks the series that a run without options uses.")
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
    told = [_finding_line(finding) for finding in series.findings]
    return lines + (told or ["    ACCEPT"])


def _finding_line(finding: Finding) -> str:
    """One finding: gravity, code, message, and the tag where it was found."""
    value = f" = {finding.value}" if finding.value is not None else ""
    tag = f" [{finding.tag}{value}]" if finding.tag else ""
    return f"    {finding.severity.value.upper():<6} {finding.code}: {finding.message}{tag}"
