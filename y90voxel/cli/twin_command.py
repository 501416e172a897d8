"""``y90voxel twin``: the digital twin of a phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument

from y90voxel.cli.options import AsJson, Out

__all__ = ["twin"]


def twin(
    description: Annotated[
        Path | None,
        Argument(
            metavar="TWIN.toml", help="Filling, camera and place.  [default: NEMA IEC, Y-90 8:1, PET of 6 mm]"
        ),
    ] = None,
    *,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Write the digital twin of a phantom as DICOM, with its filling record and known truth."""
    import json

    import typer

    from y90voxel.cli.progress import progress
    from y90voxel.study.run_twin import run_twin

    with progress(quiet=as_json) as report_progress:
        truth = run_twin(description, out, report_progress)
    typer.echo(
        json.dumps(truth) if as_json else f"{out}: commission it with y90voxel commission {out} -o OUT"
    )
