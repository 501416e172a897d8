"""``y90voxel dvh``: histograms and metrics of any dose file with any regions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter

from y90voxel.cli.options import AsJson, Out, RegionFiles, Settings, takes_settings

__all__ = ["dvh"]


@takes_settings("dvh")
def dvh(
    dose: Annotated[Path, Argument(help="Dose: RTDOSE, NIfTI, NRRD or MetaImage in Gy.")],
    rois: Annotated[
        list[Path] | None,
        Argument(help="Regions: RTSTRUCT, SEG, label image, mask or .seg.nrrd; several files add up."),
    ] = None,
    *,
    out: Out,
    regions: RegionFiles = None,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Compute dose-volume histograms and metrics of any dose file with any regions."""
    import json

    import typer

    from y90voxel.case.settings import load_settings
    from y90voxel.cli.terminal_tables import format_table
    from y90voxel.study.run_dvh import run_dvh

    files = [*(rois or []), *(regions or [])]
    if not files:
        raise BadParameter(
            "give files of regions after the dose, or each with --regions FILE.", param_hint="ROIS"
        )
    chosen = load_settings(None, settings)
    metrics = run_dvh(
        dose,
        files,
        out,
        roles=chosen.regions.roles,
        trust_frames=chosen.dose.register_ == "trust",
        liver_tumours=chosen.regions.liver_tumours,
        figure=chosen.output.report,
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
