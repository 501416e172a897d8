"""``y90voxel accumulate``: several treatments together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from y90voxel.cli.options import takes_settings

__all__ = ["accumulate"]


@dataclass(frozen=True)
class Frames:
    """Options about frames of reference that differ."""

    registration: Annotated[
        list[Path] | None, Option(help="DICOM registration that joins frames of reference; may be repeated.")
    ] = None
    register: Annotated[
        str | None,
        Option(
            metavar="HOW",
            help="Register treatments of other frames with the reference, CT to CT around the liver: rigid or deformable.  "
            "[default: off]",
        ),
    ] = None
    ct: Annotated[
        list[str] | None,
        Option(
            metavar="FILE=STUDY",
            help="For --register: study (folder, zip) or image file with the CT of a treatment; of the reference too.",
        ),
    ] = None
    carry: Annotated[
        str | None,
        Option(
            metavar="RULE",
            help="Doses through a registration: point (treatments weeks apart) or energy (over mass: breathing, positioning).  "
            "[default: point]",
        ),
    ] = None
    trust_frames: Annotated[
        bool, Option("--trust-frames", help="Take coordinates of other frames of reference as common.")
    ] = False


@takes_settings("accumulate")
def accumulate(
    treatments: Annotated[
        list[Path],
        Argument(
            metavar="A B …",
            help="Two doses or more: result folders of `dose`, RTDOSE of a planning system, NIfTI in Gy.",
        ),
    ],
    *,
    out: Annotated[Path, Option("-o", "--out", help="Folder to write; appears complete or not at all.")],
    case: Annotated[
        Path | None,
        Option(help="TOML file: a [[treatment]] for each, limit, registration, reference, carry."),
    ] = None,
    fractions: Annotated[
        list[str] | None, Option(metavar="FILE=N", help="Fractions of an external beam.")
    ] = None,
    date: Annotated[list[str] | None, Option(metavar="FILE=DATE", help="When a treatment began.")] = None,
    nuclide: Annotated[
        list[str] | None,
        Option(metavar="FILE=NAME", help="Nuclide of a radioembolization whose dose is a file."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        Option(
            metavar="TEXT", help="Cumulative limit, such as 'non-tumour liver bed <= 70'; mean, bed or eqd2."
        ),
    ] = None,
    regions: Annotated[
        list[Path] | None, Option(help="Regions for the dose that has none (reference).")
    ] = None,
    frames: Frames,
    no_report: Annotated[bool, Option("--no-report", help="No HTML page and no figures.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print accumulate.json, and errors as JSON.")] = False,
) -> None:
    """Add the doses of several treatments: absorbed and biologically effective dose, limits, what is left."""
    import json

    import typer

    from y90voxel.case.accumulation_settings import read_accumulation_settings
    from y90voxel.cli.progress import progress
    from y90voxel.study.run_accumulate import run_accumulate

    options = {
        "fractions": fractions,
        "date": date,
        "nuclide": nuclide,
        "limit": limit,
        "registration": frames.registration,
        "register": frames.register,
        "ct": frames.ct,
        "carry": frames.carry,
    }
    settings = read_accumulation_settings(case, options)
    with progress(quiet=as_json) as show:
        document = run_accumulate(
            treatments,
            out,
            settings,
            regions=regions or (),
            trust_frames=frames.trust_frames,
            report=not no_report,
            progress=show,
        )
    if as_json:
        typer.echo(json.dumps(document))
        return
    _print(document)
    page = out / "accumulate.html"
    typer.echo(f"\n{page if page.exists() else out}")


def _print(document: dict[str, Any]) -> None:
    """Print doses by region, limits with what is left, and warnings."""
    import typer

    from y90voxel.cli.terminal_tables import format_table, print_warnings

    names = [treatment["name"] for treatment in document["treatments"]]
    rows = []
    for region in document["regions"]:
        alone = [_number(region["mean_gy_by_treatment"][name]) for name in names]
        effects = [
            f"{e['bed_mean_gy']:.4g} / {e['eqd2_mean_gy']:.4g} ({e['parameters']})"
            for e in region["effective"]
        ]
        rows.append((region["name"], *alone, _number(region["mean_gy"]), ", ".join(effects) or "–"))
    header = ("region", *(f"{name} Gy" for name in names), "sum Gy", "BED / EQD2 Gy (parameters)")
    typer.echo(format_table(header, rows))
    typer.echo()
    for limit in document["limits"]:
        parameters = f", {limit['parameters']}" if limit["parameters"] else ""
        typer.echo(
            f"limit {limit['region']} {limit['quantity']}{parameters}: {_number(limit['value_gy'])} of {limit['limit_gy']:g} Gy, "
            f"{limit['status']}, left {_number(limit['left_gy'])} Gy"
        )
    print_warnings((warning["code"], warning["message"]) for warning in document["warnings"])


def _number(value: float | None) -> str:
    """A number, or a dash for none."""
    return "–" if value is None else f"{value:.4g}"
