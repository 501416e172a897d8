"""The program ``y90voxel``: commands are registered here, errors become exit codes here."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from y90voxel.cli.batch_command import batch
from y90voxel.cli.command import StudyCommand
from y90voxel.cli.compare_command import compare
from y90voxel.cli.demo_command import demo
from y90voxel.cli.dose_command import dose
from y90voxel.cli.dvh_command import dvh
from y90voxel.cli.fetch_command import fetch
from y90voxel.cli.inspect_command import inspect
from y90voxel.cli.kernel_command import kernel
from y90voxel.cli.plan_command import plan
from y90voxel.cli.send_command import send
from y90voxel.errors import Y90Error
from y90voxel.startup import prepare_process
from y90voxel.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="y90voxel",
    help="Voxel dosimetry for radioembolization of liver tumours. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo, inspect, dose, plan, compare, batch, dvh, kernel, send, fetch):
    app.command(cls=StudyCommand)(command)


def _print_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Voxel dosimetry for radioembolization of liver tumours. Research software, not a medical device."""


def main() -> None:
    """Run the command line: exit 0 when done, 2 when the input cannot be used, 1 for a bug."""
    prepare_process()
    try:
        app()
    except Y90Error as error:
        if "--json" in sys.argv:
            details = {
                "type": type(error).__name__, "message": error.message, "file": error.file, "tag": error.tag,
            }  # fmt: skip
            typer.echo(json.dumps({"error": details}), err=True)
        else:
            where = ", ".join(part for part in (error.file, error.tag) if part and part not in error.message)
            typer.echo(f"y90voxel: {error.message}{f' [{where}]' if where else ''}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
