"""``y90voxel batch``: the main job over a cohort."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from y90voxel.case.settings import merge
from y90voxel.cli.options import AsJson, Settings, takes_settings
from y90voxel.errors import InputError

if TYPE_CHECKING:
    from y90voxel.batch.batch_result import BatchResult

__all__ = ["batch"]


@dataclass(frozen=True)
class Computing:
    """Options about what computes the studies."""

    workers: Annotated[
        int | None, Option(help="Studies at a time.  [default: one a core; with --slurm 8 jobs]")
    ] = None
    timeout: Annotated[float | None, Option(help="Longest time of a study [s].")] = None
    memory_gb: Annotated[
        float | None, Option("--memory-gb", help="Most memory that a study may allocate [GiB]; Linux.")
    ] = None
    scheduler: Annotated[str | None, Option(help="Dask scheduler, such as tcp://node1:8786.")] = None
    slurm: Annotated[bool, Option("--slurm", help="Start the workers as Slurm jobs.")] = False


@dataclass(frozen=True)
class Dealing:
    """Options about what is tried again, verified, accepted and carried through."""

    retry: Annotated[
        str,
        Option(
            help="What to try again though nothing changed: none, failed, refused (and failed), all, or a kind that the "
            "summary names, such as no-emission."
        ),
    ] = "failed"
    verify: Annotated[
        bool, Option("--verify", help="Read every result and compare checksums; else sizes and times.")
    ] = False
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Show what would be computed, from which series, and what refused; compute nothing.",
        ),
    ] = False
    accept: Annotated[
        list[str] | None,
        Option(
            help="Outcome that is meant: failed, refused, skipped or stale then do not exit with 2; may be repeated."
        ),
    ] = None
    keep_column: Annotated[
        list[str] | None,
        Option(
            "--keep-column",
            help="With --anonymise: carry this column of the manifest through; may be repeated.",
        ),
    ] = None
    job: Annotated[
        str,
        Option(
            help="What to do with each study: dose, plan (of surrogates), compare (a patient's prediction with the treatment), "
            "course (course.toml), or all that it allows."
        ),
    ] = "dose"
    key_file: Annotated[
        Path | None,
        Option("--key-file", help="With --anonymise: secret that labels are made with.  [default: OUT.key]"),
    ] = None


@takes_settings("batch")
def batch(
    cohort: Annotated[
        Path,
        Argument(help="Folder of studies in any layout, or a manifest (.csv, .parquet), one study a row."),
    ],
    *,
    out: Annotated[Path, Option("-o", "--out", help="Folder to write; run again on the same one to go on.")],
    case: Annotated[
        Path | None, Option(help="TOML case file for all studies; a study's own case file or row beats it.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        Option(
            "--set", metavar="KEY=VALUE", help="Any key of the case file, for all studies; beats everything."
        ),
    ] = None,
    computing: Computing,
    dealing: Dealing,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Compute the doses of every study of a cohort; what is done already is not computed again."""
    from y90voxel.batch.handling import Handling, Resources
    from y90voxel.batch.run_batch import run_batch
    from y90voxel.cli.batch_progress import batch_progress

    accepted = _accepted(dealing.accept or [])
    handling = Handling(
        dealing.retry, dealing.verify, dealing.dry_run, tuple(dealing.keep_column or ()), dealing.key_file
    )
    with batch_progress(quiet=as_json) as listener:
        result = run_batch(
            cohort,
            out,
            case=case,
            options=merge(_settings(set_ or []), settings),
            resources=Resources(
                computing.workers,
                computing.timeout,
                computing.memory_gb,
                computing.scheduler,
                computing.slurm,
            ),
            handling=handling,
            listener=listener,
            job=dealing.job,
        )
    _print(result, as_json, dealing.dry_run)
    if result.needs_attention(accepted):
        raise typer.Exit(2)


def _accepted(kinds: list[str]) -> list[str]:
    """The outcomes that are meant.

    Raises
    ------
    InputError
        If one is none of those that need attention.
    """
    from y90voxel.batch.handling import ACCEPTED

    wrong = [kind for kind in kinds if kind not in ACCEPTED]
    if wrong:
        raise InputError(f"--accept {wrong[0]!r} is none of {', '.join(ACCEPTED)}.", tag="--accept")
    return kinds


def _print(result: BatchResult, as_json: bool, dry_run: bool) -> None:
    """Print how the cohort ended: counts, then which studies need attention, why, and what to do."""
    from y90voxel.batch.reasons import summary_lines

    if as_json:
        typer.echo(json.dumps(result.as_dict()))
        return
    counts = result.as_dict()["counts"]
    more = "".join(f", {counts[name]} {name}" for name in ("skipped", "stale") if counts[name])
    typer.echo(
        f"{counts['done']} done, {counts['failed']} failed, {counts['refused']} refused{more}; "
        f"{result.computed} {'would be computed' if dry_run else 'computed now'}"
    )
    for line in (*(result.remarks if dry_run else ()), *summary_lines(result.outcomes)):
        typer.echo(line)
    if not dry_run:
        for name in ("status.json", "patients.csv", "cohort.html"):
            typer.echo(result.out / name)


def _settings(pairs: list[str]) -> dict[str, Any]:
    """Settings given as KEY=VALUE, nested as in a case file."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise InputError(
                f"--set {pair!r} is not KEY=VALUE, such as --set dose.engine=local.", tag="--set"
            )
        nested: Any = value.strip()
        for part in reversed(key.strip().split(".")):
            nested = {part: nested}
        settings = merge(settings, nested)
    return settings
