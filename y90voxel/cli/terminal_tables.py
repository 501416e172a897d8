"""What commands print on stdout: short tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from y90voxel.cli.command_log import LOGGER
from y90voxel.clinical.organ_doses import NO_LIMIT
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.units import format_activity

if TYPE_CHECKING:
    from y90voxel.case.checked_engine import EngineCheck
    from y90voxel.case.evaluation import Evaluation

__all__ = ["format_table", "print_evaluation", "print_warnings"]


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table; the first column is aligned left, the others right."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def print_warnings(warnings: Iterable[tuple[str, str]]) -> None:
    """Print warnings, code and message, on stderr, and log them."""
    for code, message in warnings:
        typer.echo(f"warning [{code}]: {message}", err=True)
        LOGGER.warning("[%s] %s", code, message, extra={"printed": True})


def print_evaluation(evaluation: Evaluation, out: Path, as_json: bool) -> None:
    """Print the doses of a run, its warnings and where the outputs are."""
    from y90voxel.case.focal_doses import first_screen
    from y90voxel.report.noise_table import noise_summary

    if as_json:
        typer.echo(json.dumps(evaluation.metrics))
        return
    rows = [
        (
            m.name
            if m.role not in ("lung", "lungs") or evaluation.lung.reliable
            else f"{m.name} (not reliable)",
            f"{m.volume_ml:.1f}",
            f"{m.mean_gy:.4g}",
            f"{m.mass_weighted_mean_gy or m.mean_gy:.4g}",
            f"{m.d_gy[70]:.4g}",
            f"{m.max_gy:.4g}",
        )
        for m in evaluation.regions
    ]
    for notice in first_screen(evaluation.notices):
        typer.echo(f"! {notice.message}")
    kind = "predicted absorbed dose" if evaluation.case.predicted else "absorbed dose"
    typer.echo(
        f"{evaluation.case.label}: {kind}, {evaluation.case.nuclide} {format_activity(evaluation.net_activity_bq)}, "
        f"engine {evaluation.engine} ({evaluation.engine_decision.reason})\n"
    )
    typer.echo(format_table(("region", "mL", "mean Gy", "by mass", "D70 Gy", "max Gy*"), rows))
    if evaluation.regions:
        typer.echo(noise_summary(evaluation))
    if evaluation.engine_check is not None:
        typer.echo(_engine_check(evaluation.engine_check))
    lung = evaluation.lung
    if lung.limiting_mird_gy is not None:
        mass = limiting_convention().mass_text
        typer.echo(
            f"\nlungs by MIRD, {mass}: {lung.limiting_mird_gy:.3g} Gy (shunt {lung.shunt_fraction:.3g})"
        )
    for result in evaluation.limits:
        if result.status != "not applicable":
            typer.echo(
                f"{result.status:>11}: {result.limit.name} ({result.region}): {result.value_gy:.4g} Gy, "
                f"{result.limit.sense.value} {result.limit.value_gy:g} Gy"
                + (f", {result.reason}" if result.reason else "")
            )
    for name, (role, dose) in evaluation.organs.items():
        typer.echo(f"{'none printed':>11}: {role.value} ({name}): {dose:.4g} Gy, {NO_LIMIT}")
    print_warnings((notice.code, notice.message) for notice in evaluation.notices)
    pages = [page for page in (out / "viewer.html", out / "report.html") if page.exists()]
    typer.echo("\n" + "\n".join(f"{page.stem}: {page}" for page in pages) if pages else f"\n{out}")


def _engine_check(check: EngineCheck) -> str:
    """What the exact engine would change, by region."""
    from y90voxel.report.engine_check_rows import engine_check_rows

    rows = [(row["region"], row["before"], row["after"], row["change"]) for row in engine_check_rows(check)]
    table = format_table(("region", "by mass Gy", f"{check.engine} Gy", "change"), rows)
    return f"\nwhat engine {check.engine} would change ({check.histories:,} histories, 1 σ)\n{table}"
