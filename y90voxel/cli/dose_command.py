"""``y90voxel dose``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from y90voxel.cli.options import (
    Anonymise,
    CalibrationRegion,
    CaseFile,
    Ct,
    CtSeries,
    DoseConstant,
    EmissionSeries,
    Engine,
    GridChoice,
    LiverDensity,
    LungShunt,
    Nuclide,
    Out,
    RegionFiles,
    RegionSeries,
    Register,
    Roles,
    TimeZone,
    TrustFrames,
    frames_choice,
    named_values,
)

if TYPE_CHECKING:
    from y90voxel.study.run_dose import StudyFiles

__all__ = ["dose"]


def dose(
    study: Annotated[Path | None, Argument(help="Folder or .zip with the DICOM study.")] = None,
    *,
    out: Out,
    case: CaseFile = None,
    emission: Annotated[Path | None, Option(help="Emission image (NIfTI, NRRD, MetaImage, DICOM).")] = None,
    ct: Ct = None,
    regions: RegionFiles = None,
    nuclide: Nuclide = None,
    activity: Annotated[str | None, Option(help="Vial activity, such as '2.4 GBq'.")] = None,
    activity_time: Annotated[
        str | None, Option(help="When the vial held it, ISO 8601.  [default: at administration]")
    ] = None,
    residual: Annotated[str | None, Option(help="Left in vial and lines, such as '60 MBq'.")] = None,
    residual_time: Annotated[str | None, Option(help="When the residual was measured, ISO 8601.")] = None,
    lung_shunt: LungShunt = None,
    time: Annotated[str | None, Option(help="Administration time, ISO 8601.")] = None,
    time_zone: TimeZone = None,
    device: Annotated[str | None, Option(help="glass, resin or ho166: which limits are reported.")] = None,
    calibration: Annotated[str | None, Option(help="relative, absolute (Bq/mL) or factor.")] = None,
    calibration_region: CalibrationRegion = None,
    calibration_factor: Annotated[float | None, Option(help="Camera factor [cps per MBq].")] = None,
    acquisition_duration: Annotated[
        float | None, Option(help="Acquisition duration [s], for 'factor'.")
    ] = None,
    dose_constant: DoseConstant = None,
    engine: Engine = None,
    liver_density: LiverDensity = None,
    histories: Annotated[int | None, Option(help="Monte Carlo: decays to simulate at most.")] = None,
    target_uncertainty: Annotated[
        str | None, Option(help="Monte Carlo: stop at this uncertainty of the tumours' voxels, such as '1%'.")
    ] = None,
    seed: Annotated[
        int | None,
        Option(help="Monte Carlo and sampled uncertainties: same seed, same result.  [default: 0]"),
    ] = None,
    time_limit: Annotated[float | None, Option(help="Monte Carlo: stop after this time [s].")] = None,
    grid: GridChoice = None,
    role: Roles = None,
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
    register: Register = False,
    trust_frames: TrustFrames = False,
    emission_series: EmissionSeries = None,
    ct_series: CtSeries = None,
    regions_series: RegionSeries = None,
    uncertainty: Annotated[
        bool, Option("--uncertainty", help="Uncertainty of region means, and bands of the histograms.")
    ] = False,
    anonymise: Anonymise = False,
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
            "register": frames_choice(register, trust_frames),
        },
        "regions": {
            "roles": named_values(role or []),
            "automatic": False if no_automatic_regions else None,
            "isocontour": named_values(isocontour or [], "--isocontour", "tumour=40%"),
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
    run(study, out, case, options, {"emission": emission, "ct": ct, "regions": regions or None}, as_json)


def run(
    study: Path | None,
    out: Path,
    case: Path | None,
    options: dict[str, Any],
    files: StudyFiles,
    as_json: bool,
) -> None:
    """Run the main job with the settings of a case file and options, and print what was found."""
    from y90voxel.case.settings import load_settings
    from y90voxel.cli.progress import progress
    from y90voxel.cli.terminal_tables import print_evaluation
    from y90voxel.study.run_dose import run_study

    settings = load_settings(case, options)
    with progress(quiet=as_json) as tell:
        evaluation = run_study(study, out, settings, files=files, progress=tell)
    print_evaluation(evaluation, out, as_json)
