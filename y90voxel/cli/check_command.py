"""``y90voxel check``: an independent second opinion on a dose of another program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from y90voxel.cli.options import (
    AsJson,
    CaseFile,
    Ct,
    Emission,
    Out,
    RegionFiles,
    Settings,
    chosen_settings,
    roles_of_case,
    takes_settings,
)

__all__ = ["check"]


@dataclass(frozen=True)
class Vendor:
    """Options about the other program's files."""

    vendor_regions: Annotated[
        list[Path] | None,
        Option(metavar="FILE", help="Its regions (RTSTRUCT, SEG, masks); may be repeated.  [default: none]"),
    ] = None
    override: Annotated[
        list[str] | None,
        Option(
            metavar="CODE",
            help="Refusal to override: patients-differ (one patient with two numbers), maps-unlike.",
        ),
    ] = None


@takes_settings("dose")
def check(
    vendor: Annotated[
        Path, Argument(metavar="VENDOR.dcm", help="Dose of another program: RTDOSE, or a volume in Gy.")
    ],
    source: Annotated[
        Path,
        Argument(
            metavar="STUDY_OR_OUT",
            help="Study that it was computed from, or the folder that `dose` wrote of it.",
        ),
    ],
    *,
    out: Out,
    files: Vendor,
    case: CaseFile = None,
    emission: Emission = None,
    ct: Ct = None,
    regions: RegionFiles = None,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Check a dose of another program against our own: regions, gamma, and what explains the difference."""
    import json

    import typer

    from y90voxel.cli.progress import progress
    from y90voxel.study.run_check import VendorFiles, run_check

    chosen = chosen_settings(case, settings)
    with progress(quiet=as_json) as report_progress:
        document = run_check(
            VendorFiles(vendor, files.vendor_regions or ()),
            source,
            out,
            chosen,
            files={"emission": emission, "ct": ct, "regions": regions or None},
            override=files.override or (),
            optional_roles=roles_of_case(case, settings),
            report=chosen.output.report,
            progress=report_progress,
        )
    if as_json:
        typer.echo(json.dumps(document))
        return
    _print(document)
    page = out / "check.html"
    typer.echo(f"\n{page if page.exists() else out}")


def _print(document: dict[str, Any]) -> None:
    """Print the verdict, regions, causes and warnings."""
    import typer

    from y90voxel.cli.terminal_tables import format_table

    rows = [
        (
            region["name"],
            f"{region['volume_ml']:.1f}",
            _number(region["volume_ratio"], ".3f"),
            *(
                _number((region[side] or {}).get("mean_gy"), ".4g")
                for side in ("ours", "theirs", "explained")
            ),
            _number(region["difference_percent"], "+.1f"),
        )
        for region in document["regions"]
    ]
    header = ("region", "mL", "their volume", "our mean Gy", "their mean Gy", "explained Gy", "difference %")
    typer.echo(format_table(header, rows))
    for gamma in document["gamma"]:
        typer.echo(
            f"gamma {gamma['distance_mm']:g} mm / {gamma['dose_percent']:g} %: "
            f"{_number(gamma['pass_percent'], '.1f')} % pass, {_number(gamma['pass_percent_explained'], '.1f')} % as explained"
        )
    for cause in document["causes"]:
        typer.echo(f"cause: {cause['label']}")
        for candidate in cause["candidates"]:
            typer.echo(f"  may be {candidate['label']} ({candidate['factor']:.4g})")
    typer.echo(f"\n{document['verdict']}\n{document['disclaimer']}")
    for warning in document["warnings"]:
        typer.echo(f"warning [{warning['code']}]: {warning['message']}", err=True)


def _number(value: float | None, digits: str) -> str:
    """A number, or a dash for none."""
    return "–" if value is None else format(value, digits)
