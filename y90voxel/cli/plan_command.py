"""``y90voxel plan``: activities by every planning model, their doses, and what limits them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Option

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
    from y90voxel.planning.plan_result import Plan

__all__ = ["plan"]


def plan(
    study: Annotated[
        Path | None, Argument(help="Folder or .zip with the MAA study; none for masses in the case file.")
    ] = None,
    *,
    out: Annotated[
        Path | None,
        Option(
            "-o",
            "--out",
            help="Folder to write; appears complete or not at all. May be left out with --json.",
        ),
    ] = None,
    case: CaseFile = None,
    emission: Annotated[Path | None, Option(help="MAA image (NIfTI, NRRD, MetaImage, DICOM).")] = None,
    ct: Ct = None,
    regions: RegionFiles = None,
    nuclide: Nuclide = None,
    device: Annotated[str | None, Option(help="glass, resin or ho166: limits, vials, spheres.")] = None,
    scenario: Annotated[
        str | None, Option(help="segmentectomy, lobectomy, unilobar or bilobar: which limits apply.")
    ] = None,
    disease: Annotated[str | None, Option(help="HCC, ICC or mCRC.  [default: HCC]")] = None,
    liver_function: Annotated[str | None, Option(help="good, or poor (also: pretreated).")] = None,
    bilirubin: Annotated[float | None, Option(help="Total bilirubin [umol/L].")] = None,
    height: Annotated[float | None, Option(help="Height [m], for the BSA rules.")] = None,
    weight: Annotated[float | None, Option(help="Weight [kg], for the BSA rules.")] = None,
    lung_shunt: LungShunt = None,
    previous_lung_dose: Annotated[
        list[float] | None, Option(help="Lung dose of an earlier treatment [Gy]; may be repeated.")
    ] = None,
    activity: Annotated[
        str | None, Option(help="Net activity to judge beside the models, such as '2.4 GBq'.")
    ] = None,
    perfused_dose: Annotated[
        float | None, Option(help="Dose of the perfused volume for the single compartment [Gy].")
    ] = None,
    goal: Annotated[
        list[str] | None,
        Option(metavar="'REGION METRIC >= VALUE'", help="Such as 'GTV1 D70 >= 150'; may be repeated."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        Option(
            metavar="'REGION METRIC <= VALUE'", help="Such as 'non-tumour liver mean <= 60'; may be repeated."
        ),
    ] = None,
    no_table_limits: Annotated[
        bool, Option("--no-table-limits", help="Only the limits given here, not the device's table.")
    ] = False,
    residual_fraction: Annotated[
        str | None, Option(help="Share of the vial left in vial and lines.  [default: 0]")
    ] = None,
    injection_time: Annotated[
        str | None, Option(help="When spheres are needed, ISO 8601 with its zone (or --time-zone).")
    ] = None,
    calibration_time: Annotated[
        list[str] | None, Option(help="A calibration on offer, ISO 8601; may be repeated.")
    ] = None,
    time_zone: TimeZone = None,
    order_model: Annotated[str | None, Option(help="Model whose activity is ordered.")] = None,
    calibration_region: CalibrationRegion = None,
    dose_constant: DoseConstant = None,
    engine: Engine = None,
    liver_density: LiverDensity = None,
    grid: GridChoice = None,
    role: Roles = None,
    register: Register = False,
    trust_frames: TrustFrames = False,
    emission_series: EmissionSeries = None,
    ct_series: CtSeries = None,
    regions_series: RegionSeries = None,
    uncertainty: Annotated[
        bool, Option("--uncertainty", help="95 % intervals of activities, uncertainties of doses.")
    ] = False,
    anonymise: Anonymise = False,
    no_report: Annotated[bool, Option("--no-report", help="No HTML page and no figures.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print plan.json, and errors as JSON.")] = False,
) -> None:
    """Plan a treatment from an MAA study: lung shunt, dose per GBq, activities by every model, limits, vials."""
    from y90voxel.case.plan_settings import aim_from_text
    from y90voxel.case.settings import load_settings
    from y90voxel.cli.progress import progress
    from y90voxel.study.run_plan import run_plan

    if out is None and not as_json:
        raise BadParameter("give the folder to write, or --json to print the plan only.", param_hint="-o")
    options = {
        "administration": {
            "nuclide": nuclide,
            "activity": activity,
            "lung_shunt_fraction": lung_shunt,
            "time_zone": time_zone,
            "device": device,
        },
        "patient": {"bilirubin_umol_per_l": bilirubin, "height_m": height, "weight_kg": weight},
        "plan": {
            "scenario": scenario,
            "disease": disease,
            "liver_function": liver_function,
            "previous_lung_doses_gy": previous_lung_dose or None,
            "perfused_dose_gy": perfused_dose,
            "goal": [aim_from_text(text, ">=") for text in goal or ()] or None,
            "limit": [aim_from_text(text, "<=") for text in limit or ()] or None,
            "table_limits": False if no_table_limits else None,
            "residual_fraction": residual_fraction,
            "order": {
                "injection_time": injection_time,
                "calibration_times": calibration_time or None,
                "model": order_model,
            },
        },
        "dose": {
            "calibration_region": calibration_region,
            "dose_constant_gy_kg_per_gbq": dose_constant,
            "engine": engine,
            "liver_density": liver_density,
            "grid": grid,
            "register": frames_choice(register, trust_frames),
        },
        "regions": {"roles": named_values(role or [])},
        "series": {"emission": emission_series, "ct": ct_series, "regions": regions_series},
        "output": {
            "report": False if no_report else None,
            "uncertainty": uncertainty or None,
            "anonymise": anonymise or None,
        },
    }
    settings = load_settings(case, options)
    files = {"emission": emission, "ct": ct, "regions": regions or None}
    with progress(quiet=as_json) as tell:
        found = run_plan(study, out, settings, files=files, progress=tell)
    _print(found, out, as_json)


def _print(found: Plan, out: Path | None, as_json: bool) -> None:
    """Print the models beside each other, the warnings, and where the outputs are."""
    import json

    import typer

    from y90voxel.cli.plan_tables import print_orders
    from y90voxel.cli.terminal_tables import format_table
    from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
    from y90voxel.units import format_activity

    if as_json or out is None:
        typer.echo(json.dumps(found.metrics))
        return
    if found.stop is not None:
        typer.echo(f"STOP: {found.stop}")
    columns = ("tumours", "perfused_non_tumour_liver", "non_tumour_liver", "lungs", "lungs_ct")
    rows = []
    for model in found.metrics["models"]:
        if not model["available"]:
            continue
        unsure = model["binding_unconfirmed"]
        marks = (
            " *" if model["goal_only"] else "",
            f" (unconfirmed: {', '.join(unsure)} not stated)" if unsure else "",
        )
        doses = [model["doses_gy"].get(key) for key in columns]
        rows.append(
            (
                model["title"] + marks[0],
                format_activity(model["activity_bq"]),
                *("–" if dose is None else f"{dose:.4g}" for dose in doses),
                (model["binding_constraint"] or "–") + marks[1],
            )
        )
    header = (
        "model",
        "activity",
        "tumours Gy",
        "perf. NTL Gy",
        "whole NTL Gy",
        "lungs 1 kg",
        "lungs CT",
        "binding",
    )
    typer.echo(
        f"{found.facts.label}: plan, {found.facts.nuclide}, lung shunt {found.lung_shunt_fraction:.3g}\n"
    )
    typer.echo(format_table(header, rows))
    if any(model["goal_only"] and model["available"] for model in found.metrics["models"]):
        typer.echo(f"* {NO_LIVER_LIMIT}")
    for model in found.metrics["models"]:
        if not model["available"]:
            typer.echo(f"not available: {model['title']}: {model['reason']}")
    print_orders(found)
    for notice in found.notices:
        typer.echo(f"warning [{notice.code}]: {notice.message}", err=True)
    page = out / "plan.html"
    typer.echo(f"\n{page if page.exists() else out}")
