"""``y90voxel compare``: predicted against delivered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from y90voxel.cli.options import AsJson, takes_settings

__all__ = ["compare"]


@dataclass(frozen=True)
class Sides:
    """Options about what belongs together and how the prediction is read."""

    normalise: Annotated[
        str | None,
        Option(
            help="Scale the prediction: activity, mean-liver or none.  [default: activity, where both are stated]"
        ),
    ] = None
    plan_model: Annotated[
        str | None,
        Option(
            help="Model of a plan whose activity is meant.  [default: the activity given, else the first model]"
        ),
    ] = None
    pair: Annotated[
        list[str] | None,
        Option(
            metavar="PREDICTED=DELIVERED",
            help="Regions that belong together, such as 'GTV1=Tumour 1+Tumour 2'; 'GTV1=' leaves one out. Repeatable.",
        ),
    ] = None
    match_resolution: Annotated[
        str | None,
        Option(
            metavar="PREDICTED,DELIVERED",
            help="Blur the sharper side: resolutions in mm FWHM, each a number or a TOML file with fwhm_mm (scanner.toml of "
            "`commission`), such as 12,6; or estimate.  [default: off]",
        ),
    ] = None
    scanner: Annotated[
        list[Path] | None,
        Option(
            help="The same, with the resolution of scanner.toml, for the side whose image has its nuclide; repeatable.",
        ),
    ] = None
    trust_frames: Annotated[
        bool, Option("--trust-frames", help="Take coordinates of other frames of reference as common.")
    ] = False
    accept: Annotated[
        list[str] | None,
        Option(help="Override a refusal by name: patients-differ, where one patient has two PatientIDs."),
    ] = None


@dataclass(frozen=True)
class Registration:
    """Options about frames of reference that differ."""

    register: Annotated[
        str | None,
        Option(
            metavar="HOW",
            help="Register the predicted with the delivered study, for voxels: rigid or deformable (CT to CT, around the liver), "
            "or the file of a DICOM registration object.  [default: off]",
        ),
    ] = None
    predicted_ct: Annotated[
        Path | None,
        Option(help="For --register: study (folder, zip) or image file with the CT of the prediction."),
    ] = None
    delivered_ct: Annotated[Path | None, Option(help="For --register: the same of the delivered study.")] = (
        None
    )
    landmarks: Annotated[
        list[Path] | None,
        Option(
            help="For --register: points marked on both images, for the target error: a CSV of pairs, or two point lists of 3D "
            "Slicer (.fcsv, .mrk.json), the predicted study's first. Of compare alone: --register of dose, plan and "
            "accumulate takes none."
        ),
    ] = None

    def wanted(self) -> Any:
        """What is to be registered, None for nothing."""
        from y90voxel.errors import InputError
        from y90voxel.study.registering import Registering

        if self.register is not None:
            return Registering(
                self.register, self.predicted_ct, self.delivered_ct, tuple(self.landmarks or ())
            )
        unused = self.predicted_ct or self.delivered_ct or next(iter(self.landmarks or ()), None)
        if unused is not None:
            raise InputError(f"{unused} is for --register, which is not given.", tag="--register")
        return None


@dataclass(frozen=True)
class Gamma:
    """Options about gamma."""

    gamma_dose: Annotated[
        str | None, Option(help="Gamma: dose criterion, such as '10%'.  [default: 10%]")
    ] = None
    gamma_distance: Annotated[float | None, Option(help="Gamma: distance criterion [mm].  [default: 5]")] = (
        None
    )
    gamma_local: Annotated[
        bool, Option("--gamma-local", help="Gamma: criterion of each voxel's dose, not of the greatest.")
    ] = False


@takes_settings("compare")
def compare(
    predicted: Annotated[
        Path, Argument(metavar="PLAN_OUT", help="Predicted dose: results of `plan`, or of `dose` from MAA.")
    ],
    delivered: Annotated[Path, Argument(metavar="DELIVERED_OUT", help="Delivered dose: results of `dose`.")],
    *,
    out: Annotated[Path, Option("-o", "--out", help="Folder to write; appears complete or not at all.")],
    sides: Sides,
    registration: Registration,
    gamma: Gamma,
    no_report: Annotated[bool, Option("--no-report", help="No HTML page and no figures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a predicted with a delivered dose: by region always; isodoses and gamma where both lie in one frame."""
    import json

    import typer

    from y90voxel.cli.progress import progress
    from y90voxel.errors import InputError
    from y90voxel.study.resolution_spec import read_resolution
    from y90voxel.study.run_compare import Matching, run_compare

    if sides.match_resolution is not None and sides.scanner:
        raise InputError(
            "--match-resolution and --scanner both state resolutions: give one of them.", tag="--scanner"
        )
    resolution = None if sides.match_resolution is None else read_resolution(sides.match_resolution)
    criteria = _criteria(gamma.gamma_dose, gamma.gamma_distance, gamma.gamma_local)
    with progress(quiet=as_json) as report_progress:
        document = run_compare(
            predicted,
            delivered,
            out,
            normalise=sides.normalise,
            pairs=sides.pair or (),
            gamma=criteria,
            plan_model=sides.plan_model,
            trust_frames=sides.trust_frames,
            accept=sides.accept or (),
            matching=Matching(resolution, registration.wanted(), tuple(sides.scanner or ())),
            report=not no_report,
            progress=report_progress,
        )
    if as_json:
        typer.echo(json.dumps(document))
        return
    _print(document)
    page = out / "compare.html"
    typer.echo(f"\n{page if page.exists() else out}")


def _criteria(dose: str | None, distance_mm: float | None, local: bool) -> Any:
    """The gamma criteria of the options, None when none is given."""
    from y90voxel.comparison.voxel_agreement import GammaCriteria
    from y90voxel.metrics.gamma import GammaNormalisation
    from y90voxel.units import parse_fraction

    if dose is None and distance_mm is None and not local:
        return None
    usual = GammaCriteria()
    return GammaCriteria(
        usual.dose_fraction if dose is None else parse_fraction(dose, "gamma dose criterion"),
        usual.distance_mm if distance_mm is None else distance_mm,
        GammaNormalisation.LOCAL if local else GammaNormalisation.GLOBAL,
        usual.cutoff_fraction,
    )


def _print(document: dict[str, Any]) -> None:
    """Print mean doses by region, the agreement, and the warnings."""
    import typer

    from y90voxel.cli.terminal_tables import format_table, print_warnings

    voxels = document["voxels"]
    passed = (
        {}
        if voxels is None
        else {region["name"]: _gamma(region["agreement"]) for region in voxels["regions"]}
    )
    rows = [
        (
            region["name"],
            f"{region['predicted']['mean_gy']:.4g}",
            f"{region['delivered']['mean_gy']:.4g}",
            f"{region['difference']['mean_gy']:+.4g}",
            _number(region["difference_percent"]["mean_gy"], "+.1f"),
            {None: "–", True: "yes", False: "no"}[region["uncertainty"]["within"]],
            f"{region['difference']['d70_gy']:+.4g}",
            *([] if voxels is None else [_number(passed.get(region["name"]), ".1f")]),
        )
        for region in document["regions"]
    ]
    typer.echo(document["normalisation"]["statement"] + "\n")
    header = ("region", "predicted Gy", "delivered Gy", "difference Gy", "%", "within u", "D70 Gy")
    typer.echo(format_table((*header, *([] if voxels is None else ["gamma %"])), rows))
    agreement = document["agreement"]
    limits = agreement["bland_altman"]
    if limits is not None:
        typer.echo(
            f"\nover {len(agreement['lesions'])} lesions: bias {limits['bias_gy']:+.4g} Gy, limits of agreement "
            f"{limits['lower_gy']:.4g} to {limits['upper_gy']:.4g} Gy, concordance {_number(agreement['concordance'], '.3f')}"
        )
    print_warnings((warning["code"], warning["message"]) for warning in document["warnings"])


def _gamma(agreement: dict[str, Any] | None) -> float | None:
    """Voxels that pass gamma [%], None where none were compared."""
    return ((agreement or {}).get("gamma") or {}).get("pass_percent")


def _number(value: float | None, digits: str) -> str:
    """A number, or a dash for none."""
    return "–" if value is None else format(value, digits)
