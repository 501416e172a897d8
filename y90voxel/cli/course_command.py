"""``y90voxel course``: a patient's sessions in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

__all__ = ["course"]


def course(
    course_file: Annotated[
        Path, Argument(metavar="COURSE.toml", help="The sessions in order: [[session]] tables.")
    ],
    *,
    out: Annotated[
        Path,
        Option(
            "-o", "--out", help="Folder to write; run again on the same one to go on where something changed."
        ),
    ],
    no_report: Annotated[bool, Option("--no-report", help="No HTML pages and no figures.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print course.json, and errors as JSON.")] = False,
) -> None:
    """Run the sessions of one patient in order: plan, dose, compare, accumulate; one page with the time line."""
    import json

    import typer

    from y90voxel.case.course_settings import read_course
    from y90voxel.cli.progress import progress
    from y90voxel.study.run_course import run_course

    settings = read_course(course_file)
    with progress(quiet=as_json) as show:
        document = run_course(settings, out, report=not no_report, progress=show)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        _print(document)
        page = out / "course.html"
        typer.echo(f"\n{page if page.exists() else out}")
    entries = [*document["sessions"], *document["comparisons"], document["accumulate"] or {}]
    if any(entry.get("status") == "failed" for entry in entries):
        raise typer.Exit(2)


def _print(document: dict[str, Any]) -> None:
    """Print what became of every session."""
    import typer

    from y90voxel.cli.terminal_tables import format_table

    rows = []
    extra = document["comparisons"] + ([document["accumulate"]] if document["accumulate"] else [])
    for entry in (*document["sessions"], *extra):
        when = (entry.get("date") or "")[:10] or ("" if entry.get("day") is None else f"day {entry['day']:g}")
        rows.append(
            (when, entry["name"], entry.get("kind", ""), entry["status"] or "–", entry["folder"] or "–")
        )
    typer.echo(format_table(("date", "session", "kind", "status", "folder"), rows))
    for entry in (*document["sessions"], *extra):
        if entry["error"]:
            typer.echo(f"{entry['name']} failed: {entry['error']}", err=True)
