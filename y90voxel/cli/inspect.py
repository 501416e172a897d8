"""``y90voxel inspect``: what is in a folder, and what is wrong with it, before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

__all__ = ["inspect"]


def inspect(
    study: Annotated[Path, Argument(help="Folder or .zip with the DICOM study.")],
    as_json: Annotated[bool, Option("--json", help="Print a JSON description.")] = False,
) -> None:
    """Show every series of a study, its role, geometry and units, and each problem found."""
    from y90voxel.cli.progress import progress
    from y90voxel.io.dicom.inspection import describe_study

    with progress(quiet=as_json) as tell:
        description = describe_study(study, progress=tell)
    typer.echo(json.dumps(description.as_dict(), indent=2) if as_json else description.as_text())
