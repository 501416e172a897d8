"""``y90voxel segment``: regions from the user's own TotalSegmentator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

__all__ = ["segment"]


def segment(
    study: Annotated[
        Path, Argument(help="DICOM folder or .zip with a CT, or a CT as NIfTI, NRRD or MetaImage.")
    ],
    *,
    out: Annotated[Path, Option("-o", "--out", help="File of regions to write (.nii.gz), for --regions.")],
    task: Annotated[str, Option(help="Task of TotalSegmentator, such as liver_segments.")] = "total",
    organ: Annotated[
        list[str] | None,
        Option(
            help="Class of the task; may be repeated.  [default: liver, lungs, stomach, duodenum, gallbladder]"
        ),
    ] = None,
    fast: Annotated[
        bool, Option("--fast", help="Its coarse model, for a machine without a graphics card.")
    ] = False,
) -> None:
    """Segment the CT of a study with TotalSegmentator where it is installed; its licence and weights are yours."""
    import typer

    from y90voxel.cli.progress import progress
    from y90voxel.study.run_segment import run_segment

    with progress() as report_progress:
        drawn, notices = run_segment(study, out, task=task, organs=organ, fast=fast, progress=report_progress)
    for name, mask in drawn.items():
        typer.echo(f"{name}: {mask.volume_ml:.1f} mL")
    for notice in notices:
        typer.echo(f"warning [{notice.code}]: {notice.message}", err=True)
    typer.echo(f"\n{out}")
