"""``y90voxel commission``: what a phantom says of a camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from y90voxel.cli.options import AsJson, Out

__all__ = ["commission"]


def commission(
    phantom: Annotated[
        Path,
        Argument(
            help="Folder with the DICOM images of a NEMA IEC or cylinder phantom, one series an acquisition."
        ),
    ],
    *,
    out: Out,
    filling: Annotated[
        Path | None, Option(help="Filling record.  [default: filling.toml in the folder]")
    ] = None,
    emission: Annotated[
        list[Path] | None,
        Option(
            help="PET image file with side-car (JSON) in place of the folder's DICOM, one an acquisition; may be repeated."
        ),
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        Option(metavar="OUT", help="Folder of an earlier commissioning, for the trend; may be repeated."),
    ] = None,
    no_report: Annotated[bool, Option("--no-report", help="No HTML page and no figures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Commission a camera from a phantom: calibration, recovery, resolution, noise, dead time, scanner.toml."""
    import json

    import typer

    from y90voxel.cli.progress import progress
    from y90voxel.study.run_commission import run_commission

    with progress(quiet=as_json) as report_progress:
        document = run_commission(
            phantom,
            out,
            filling=filling,
            images=emission or (),
            earlier=earlier or (),
            report=not no_report,
            progress=report_progress,
        )
    if as_json:
        typer.echo(json.dumps(document))
        return
    _print(document)
    page = out / "commission.html"
    typer.echo(f"\n{page if page.exists() else out}")


def _print(document: dict[str, Any]) -> None:
    """Print calibration, recovery, limits and warnings."""
    import typer

    from y90voxel.cli.terminal_tables import format_table, print_warnings

    calibration = document["calibration"]
    typer.echo(
        f"calibration {calibration['value']:.5g} {calibration['unit']}, ± {100 * calibration['relative_uncertainty']:.2g} %"
    )
    rows = [
        (
            f"{row['diameter_mm']:g}",
            f"{row['recovery']:.3f}",
            f"{row['recovery_uncertainty']:.3f}",
            f"{row['recovery_50_percent']:.3f}",
            f"{row['recovery_1_ml']:.3f}",
            "placed" if row["placed_from_layout"] else "found",
        )
        for row in document["acquisitions"][0]["spheres"]
    ]
    if rows:
        typer.echo(format_table(("mm", "recovery", "±", "50 %", "1 mL", ""), rows))
    for limit in document["limits"]:
        typer.echo(
            f"{'passed' if limit['passed'] else 'FAILED'}: {limit['name']} {limit['value']:.4g}, limit {limit['limit']:.4g}"
        )
    print_warnings((warning["code"], warning["message"]) for warning in document["warnings"])
