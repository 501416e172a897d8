"""``y90voxel batch``: the main job over a cohort."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from y90voxel.case.settings import merge
from y90voxel.cli.options import AsJson, Settings, takes_settings
from y90voxel.errors import InputError

__all__ = ["batch"]


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
    workers: Annotated[
        int | None, Option(help="Studies at a time.  [default: one a core; with --slurm 8 jobs]")
    ] = None,
    timeout: Annotated[float | None, Option(help="Longest time of a study [s].")] = None,
    memory_gb: Annotated[
        float | None, Option("--memory-gb", help="Most memory that a study may allocate [GiB]; Linux.")
    ] = None,
    retry: Annotated[
        str, Option(help="What to try again though nothing changed: none, failed, refused (and failed), all.")
    ] = "failed",
    scheduler: Annotated[str | None, Option(help="Dask scheduler, such as tcp://node1:8786.")] = None,
    slurm: Annotated[bool, Option("--slurm", help="Start the workers as Slurm jobs.")] = False,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Compute the doses of every study of a cohort; what is done already is not computed again."""
    from y90voxel.batch.run_batch import Resources, run_batch
    from y90voxel.cli.batch_progress import batch_progress

    with batch_progress(quiet=as_json) as listener:
        result = run_batch(
            cohort,
            out,
            case=case,
            options=merge(_settings(set_ or []), settings),
            resources=Resources(workers, timeout, memory_gb, scheduler, slurm),
            retry=retry,
            listener=listener,
        )
    counts = result.as_dict()["counts"]
    if as_json:
        typer.echo(json.dumps(result.as_dict()))
    else:
        typer.echo(
            f"{counts['done']} done, {counts['failed']} failed, {counts['refused']} refused; "
            f"{result.computed} computed now\n{result.out / 'status.json'}"
        )
    if counts["failed"] or counts["refused"]:
        raise typer.Exit(2)


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
