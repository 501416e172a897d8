"""``y90voxel dvh``: histograms and metrics of any dose file with any regions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from y90voxel.cli.options import Out, Roles, TrustFrames, named_values

__all__ = ["dvh"]


def dvh(
    dose: Annotated[Path, Argument(help="Dose: RTDOSE, NIfTI, NRRD or MetaImage in Gy.")],
    rois: Annotated[
        list[Path],
        Argument(help="Regions: RTSTRUCT, SEG, label image, mask or .seg.nrrd; several files add up."),
    ],
    *,
    out: Out,
    role: Roles = None,
    trust_frames: TrustFrames = False,
    no_report: Annotated[bool, Option("--no-report", help="No figure.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print metrics.json, and errors as JSON.")] = False,
) -> None:
    """Compute dose-volume histograms and metrics of any dose file with any regions."""
    import json

    import typer

    from y90voxel.cli.terminal_tables import format_table
    from y90voxel.study.run_dvh import run_dvh

    metrics = run_dvh(
        dose, rois, out, roles=named_values(role or []), trust_frames=trust_frames, figure=not no_report
    )
    if as_json:
        typer.echo(json.dumps(metrics))
        return
    rows = [
        (
            r["name"],
            f"{r['volume_ml']:.1f}",
            f"{r['mean_gy']:.4g}",
            f"{r['d70_gy']:.4g}",
            f"{r['max_gy']:.4g}",
        )
        for r in metrics["regions"]
    ]
    typer.echo(format_table(("region", "mL", "mean Gy", "D70 Gy", "max Gy"), rows))
    typer.echo(f"\n{out}")
