"""``y90voxel send``: results to an archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

__all__ = ["send"]


def send(
    out: Annotated[Path, Argument(help="Folder of results, or one DICOM file.")],
    to: Annotated[str | None, Option("--to", metavar="AET@HOST:PORT", help="Archive (C-STORE).")] = None,
    dicomweb: Annotated[str | None, Option(metavar="URL", help="DICOMweb service instead (STOW-RS).")] = None,
    our_title: Annotated[str, Option("--aet", help="Our application entity title.")] = "Y90VOXEL",
    as_json: Annotated[bool, Option("--json", help="Print JSON, and errors as JSON.")] = False,
) -> None:
    """Send the DICOM objects of a result folder to an archive."""
    from y90voxel.cli.progress import progress
    from y90voxel.study.pacs import send as send_results

    with progress(quiet=as_json) as report_progress:
        files = send_results(out, to, dicomweb=dicomweb, our_title=our_title, progress=report_progress)
    where = dicomweb or to
    text = json.dumps({"sent": files, "to": where}) if as_json else f"{len(files)} objects sent to {where}"
    typer.echo(text)
