"""``y90voxel plan``: activities by every planning model, their doses, and what limits them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Option

from y90voxel.cli.options import (
    AsJson,
    CaseFile,
    Ct,
    Emission,
    RegionFiles,
    Settings,
    chosen_settings,
    roles_of_case,
    takes_settings,
)

if TYPE_CHECKING:
    from y90voxel.planning.plan_result import Plan

__all__ = ["plan"]


@takes_settings("plan")
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
    emission: Emission = None,
    ct: Ct = None,
    regions: RegionFiles = None,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Plan a treatment from an MAA study: lung shunt, dose per GBq, activities by every model, limits, vials."""
    from y90voxel.cli.progress import progress
    from y90voxel.study.run_plan import run_plan

    if out is None and not as_json:
        raise BadParameter("give the folder to write, or --json to print the plan only.", param_hint="-o")
    chosen = chosen_settings(case, settings)
    files = {"emission": emission, "ct": ct, "regions": regions or None}
    with progress(quiet=as_json) as report_progress:
        result = run_plan(
            study,
            out,
            chosen,
            files=files,
            optional_roles=roles_of_case(case, settings),
            progress=report_progress,
        )
    _print(result, out, as_json)


def _print(planned: Plan, out: Path | None, as_json: bool) -> None:
    """Print the models beside each other, the warnings, and where the outputs are."""
    import json

    import typer

    from y90voxel.cli.plan_tables import limits_text, print_first_screen, print_orders
    from y90voxel.cli.terminal_tables import format_table, print_warnings
    from y90voxel.clinical.organ_doses import NO_LIMIT
    from y90voxel.planning.liver_limits import NO_LIVER_LIMIT
    from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS
    from y90voxel.report.plan_verdict import prescription_sentence
    from y90voxel.report.product_rule_rows import product_rule_line
    from y90voxel.units import format_activity

    if as_json or out is None:
        typer.echo(json.dumps(planned.metrics))
        return
    print_first_screen(planned)
    lungs = (row.plan_row for row in LUNG_CONVENTIONS)
    columns = ("tumours", "perfused_non_tumour_liver", "non_tumour_liver", *lungs)
    rows = []
    for model in planned.metrics["models"]:
        if not model["available"]:
            continue
        unsure, goal = model["binding_unconfirmed"], (model["prescription"] or {}).get("goal")
        marks = (
            " *" if model["goal_only"] else "",
            f" (unconfirmed: {', '.join(unsure)} not stated)" if unsure else "",
        )
        doses = [model["doses_gy"].get(key) for key in columns]
        rows.append(
            (
                model["title"] + marks[0],
                "–" if goal is None else format_activity(goal["activity_bq"]),
                format_activity(model["activity_bq"]),
                *("–" if dose is None else f"{dose:.4g}" for dose in doses),
                limits_text(planned.model(model["name"])),
                (model["binding_constraint"] or "–") + marks[1],
            )
        )
    header = (
        "model",
        "goal at",
        "activity",
        "tumours Gy",
        "perf. NTL Gy",
        "whole NTL Gy",
        *(f"lungs {row.short_text}" for row in LUNG_CONVENTIONS),
        "limits",
        "binding",
    )
    typer.echo(
        f"{planned.facts.label}: plan, {planned.facts.nuclide}, lung shunt {planned.lung_shunt_fraction:.3g}\n"
    )
    typer.echo(format_table(header, rows))
    for line in prescription_sentence(planned.first):
        typer.echo(f"{planned.first.title}: {line}")
    if any(model["goal_only"] and model["available"] for model in planned.metrics["models"]):
        typer.echo(f"* {NO_LIVER_LIMIT}")
    for model in planned.metrics["models"]:
        if not model["available"]:
            typer.echo(f"not available: {model['title']}: {model['reason']}")
    for name, (role, dose) in planned.organ_doses(planned.first).items():
        typer.echo(
            f"{role.value} ({name}): {dose:.4g} Gy at the activity of {planned.first.title}, {NO_LIMIT}"
        )
    if planned.product_rule is not None:
        typer.echo(product_rule_line(planned.product_rule))
    print_orders(planned)
    print_warnings((notice.code, notice.message) for notice in planned.notices)
    page = out / "plan.html"
    typer.echo(f"\n{page if page.exists() else out}")
