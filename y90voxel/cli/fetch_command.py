"""``y90voxel fetch``: a study from an archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

__all__ = ["fetch"]


def fetch(
    study_uid: Annotated[str, Argument(help="StudyInstanceUID.")],
    *,
    out: Annotated[Path, Option("-o", "--out", help="Folder to make; appears complete or not at all.")],
    source: Annotated[
        str | None, Option("--from", metavar="AET@HOST:PORT", help="Archive (C-FIND, C-GET).")
    ] = None,
    dicomweb: Annotated[str | None, Option(metavar="URL", help="DICOMweb service instead (WADO-RS).")] = None,
    our_title: Annotated[str, Option("--aet", help="Our application entity title.")] = "Y90VOXEL",
    as_json: Annotated[bool, Option("--json", help="Print JSON, and errors as JSON.")] = False,
) -> None:
    """Fetch a study from an archive into a new folder."""
    from y90voxel.cli.progress import progress
    from y90voxel.study.pacs import fetch as fetch_from

    with progress(quiet=as_json) as report_progress:
        count = fetch_from(
            study_uid, source, out, dicomweb=dicomweb, our_title=our_title, progress=report_progress
        )
    text = json.dumps({"objects": count, "folder": str(out)}) if as_json else f"{count} objects in {out}"
    typer.echo(text)
