"""``y90voxel dose``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

__all__ = ["dose"]


def dose(
    study: Annotated[Path | None, Argument(help="Folder or .zip with the DICOM study.")] = None,
    *,
    out: Annotated[Path, Option("-o", "--out", help="Folder to write; appears complete or not at all.")],
    case: Annotated[Path | None, Option(help="TOML case file; an option beats the file.")] = None,
    emission: Annotated[Path | None, Option(help="Emission image (NIfTI, NRRD, MetaImage, DICOM).")] = None,
    ct: Annotated[Path | None, Option(help="CT image, completes or replaces the study's.")] = None,
    regions: Annotated[Path | None, Option(help="Regions (.seg.nrrd, label image, RTSTRUCT, SEG).")] = None,
    nuclide: Annotated[str | None, Option(help="Therapy nuclide: Y-90 or Ho-166.  [default: Y-90]")] = None,
    activity: Annotated[str | None, Option(help="Vial activity, such as '2.4 GBq'.")] = None,
    activity_time: Annotated[
        str | None, Option(help="When the vial held it, ISO 8601.  [default: at administration]")
    ] = None,
    residual: Annotated[str | None, Option(help="Left in vial and lines, such as '60 MBq'.")] = None,
    residual_time: Annotated[str | None, Option(help="When the residual was measured, ISO 8601.")] = None,
    lung_shunt: Annotated[
        str | None, Option(help="Fraction such as 0.06, or 'spect' or 'planar' to measure it.")
    ] = None,
    time: Annotated[str | None, Option(help="Administration time, ISO 8601.")] = None,
    time_zone: Annotated[
        str | None, Option(help="Zone of times without one, such as Europe/Berlin or +02:00.")
    ] = None,
    device: Annotated[str | None, Option(help="glass, resin or ho166: which limits are reported.")] = None,
    calibration: Annotated[str | None, Option(help="relative, absolute (Bq/mL) or factor.")] = None,
    calibration_region: Annotated[
        str | None, Option(help="liver, liver+lungs, body or fov.  [default: liver]")
    ] = None,
    calibration_factor: Annotated[float | None, Option(help="Camera factor [cps per MBq].")] = None,
    acquisition_duration: Annotated[
        float | None, Option(help="Acquisition duration [s], for 'factor'.")
    ] = None,
    dose_constant: Annotated[
        float | None, Option(help="Dose constant [Gy kg/GBq] of formulas and local deposition.")
    ] = None,
    engine: Annotated[
        str | None, Option(help="local, convolution, density or monte-carlo.  [default: convolution]")
    ] = None,
    liver_density: Annotated[
        str | None, Option(help="g/mL of liver and tumour, or 'ct'.  [default: 1.05]")
    ] = None,
    histories: Annotated[int | None, Option(help="Monte Carlo: decays to simulate at most.")] = None,
    target_uncertainty: Annotated[
        str | None, Option(help="Monte Carlo: stop at this uncertainty of the tumours' voxels, such as '1%'.")
    ] = None,
    seed: Annotated[
        int | None,
        Option(help="Monte Carlo and sampled uncertainties: same seed, same result.  [default: 0]"),
    ] = None,
    time_limit: Annotated[float | None, Option(help="Monte Carlo: stop after this time [s].")] = None,
    grid: Annotated[
        str | None, Option(help="emission, ct, or a voxel size in mm.  [default: emission]")
    ] = None,
    role: Annotated[
        list[str] | None, Option(metavar="NAME=ROLE", help="Role of an ROI; may be repeated.")
    ] = None,
    isocontour: Annotated[
        list[str] | None,
        Option(
            metavar="ROLE=PERCENT",
            help="Tumour or perfused volume by threshold of the image, such as tumour=40%; may be repeated.",
        ),
    ] = None,
    no_automatic_regions: Annotated[
        bool, Option("--no-automatic-regions", help="No lungs and body from the CT where none are drawn.")
    ] = False,
    register: Annotated[
        bool, Option("--register", help="Align the CT of regions of another frame of reference, CT to CT.")
    ] = False,
    trust_frames: Annotated[
        bool, Option("--trust-frames", help="Take coordinates of other frames of reference as common.")
    ] = False,
    emission_series: Annotated[
        str | None, Option(help="SeriesInstanceUID (prefix) of the emission image.")
    ] = None,
    ct_series: Annotated[str | None, Option(help="SeriesInstanceUID (prefix) of the CT.")] = None,
    regions_series: Annotated[str | None, Option(help="SeriesInstanceUID (prefix) of the regions.")] = None,
    uncertainty: Annotated[
        bool, Option("--uncertainty", help="Uncertainty of region means, and bands of the histograms.")
    ] = False,
    anonymise: Annotated[bool, Option("--anonymise", help="No patient identity in any output.")] = False,
    no_report: Annotated[bool, Option("--no-report", help="No HTML report and no figures.")] = False,
    pdf: Annotated[bool, Option("--pdf", help="A PDF report too.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print metrics.json, and errors as JSON.")] = False,
) -> None:
    """Compute absorbed dose, DVHs, metrics and a report of one treatment."""
    options = {
        "administration": {
            "nuclide": nuclide,
            "activity": activity,
            "activity_time": activity_time,
            "residual": residual,
            "residual_time": residual_time,
            "lung_shunt_fraction": lung_shunt,
            "time": time,
            "time_zone": time_zone,
            "device": device,
        },
        "dose": {
            "calibration": calibration,
            "calibration_region": calibration_region,
            "calibration_factor": calibration_factor,
            "acquisition_duration_s": acquisition_duration,
            "dose_constant_gy_kg_per_gbq": dose_constant,
            "engine": engine,
            "liver_density": liver_density,
            "grid": grid,
            "register": _frames(register, trust_frames),
        },
        "regions": {
            "roles": _roles(role or []),
            "automatic": False if no_automatic_regions else None,
            "isocontour": _roles(isocontour or [], "--isocontour", "tumour=40%"),
        },
        "monte_carlo": {
            "histories": histories,
            "target_uncertainty": target_uncertainty,
            "seed": seed,
            "time_limit_s": time_limit,
        },
        "uncertainty": {"seed": seed},
        "series": {"emission": emission_series, "ct": ct_series, "regions": regions_series},
        "output": {
            "report": False if no_report else None,
            "pdf": pdf or None,
            "anonymise": anonymise or None,
            "uncertainty": uncertainty or None,
        },
    }
    run(study, out, case, options, {"emission": emission, "ct": ct, "regions": regions}, as_json)


def run(
    study: Path | None,
    out: Path,
    case: Path | None,
    options: dict[str, Any],
    files: dict[str, Path | None],
    as_json: bool,
) -> None:
    """Run the main job with the settings of a case file and options, and print what was found."""
    from y90voxel.cli.progress import progress
    from y90voxel.cli.tables import print_evaluation
    from y90voxel.jobs.run import run_study
    from y90voxel.jobs.settings import load_settings

    settings = load_settings(case, options)
    with progress(quiet=as_json) as tell:
        evaluation = run_study(study, out, settings, files=files, progress=tell)
    print_evaluation(evaluation, out, as_json)


def _frames(register: bool, trust: bool) -> str | None:
    """What is done about other frames of reference; the two ways exclude each other."""
    from y90voxel.errors import InputError

    if register and trust:
        raise InputError(
            "--register aligns images of different frames of reference, --trust-frames takes their coordinates as common: "
            "give one of them.",
            tag="dose.register",
        )
    return "align" if register else "trust" if trust else None


def _roles(pairs: list[str], option: str = "--role", example: str = "'Segment 8=tumour'") -> dict[str, str]:
    """Split NAME=VALUE; the name may hold an equals sign, the value does not."""
    from y90voxel.errors import InputError

    roles = {}
    for pair in pairs:
        name, sign, role = pair.rpartition("=")
        if not sign or not name.strip():
            kind = "ROLE=PERCENT" if option == "--isocontour" else "NAME=ROLE"
            raise InputError(f"{option} {pair!r} is not {kind}, such as {option} {example}.", tag=option)
        roles[name.strip()] = role.strip()
    return roles
