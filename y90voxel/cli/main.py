"""The program ``y90voxel``: commands are listed here and loaded when they are called; errors become exit codes."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from y90voxel.cli.command import StudyCommand
from y90voxel.cli.command_log import LogFile, Verbose, command_log, start_log, with_log_options
from y90voxel.cli.console import prepare_console
from y90voxel.cli.help_pages import EXAMPLES, sections
from y90voxel.errors import Y90Error
from y90voxel.io.storage_errors import storage_error
from y90voxel.startup import prepare_process
from y90voxel.version import __version__

__all__ = ["COMMANDS", "app", "main"]

# What the help lists; the module of a command, ``<name>_command``, is loaded when the command is called.
COMMANDS = {
    "demo": "Run the main job on the bundled synthetic study.",
    "inspect": "Show every series of a study, its role, geometry and units, and each problem found.",
    "dose": "Compute absorbed dose, DVHs, metrics and a report of one treatment.",
    "plan": "Plan a treatment from an MAA study: lung shunt, dose per GBq, activities by every model, limits, vials.",
    "compare": "Compare a predicted with a delivered dose: by region always; isodoses and gamma where both lie in one frame.",
    "accumulate": "Add the doses of several treatments: absorbed and biologically effective dose, limits, what is left.",
    "course": "Run the sessions of one patient in order: plan, dose, compare, accumulate; one page with the time line.",
    "batch": "Compute the doses of every study of a cohort; what is done already is not computed again.",
    "check": "Check a dose of another program against our own: regions, gamma, and what explains the difference.",
    "segment": "Segment the CT of a study with TotalSegmentator where it is installed; its licence and weights are yours.",
    "dvh": "Compute dose-volume histograms and metrics of any dose file with any regions.",
    "commission": "Commission a camera from a phantom: calibration, recovery, resolution, noise, dead time, scanner.toml.",
    "twin": "Write the digital twin of a phantom as DICOM, with its filling record and known truth.",
    "kernel": "Write voxel S values [Gy/(Bq s)] of a uniform medium for any voxel size, or a radial kernel.",
    "warm-up": "Compile what calculations need, so that the first study does not wait for it; about two minutes, once.",
    "schema": "Print the JSON Schema of the case file, or of a kind of result.",
    "send": "Send the DICOM objects of a result folder to an archive.",
    "fetch": "Fetch a study from an archive into a new folder.",
}


LONGEST_NAME = max(map(len, COMMANDS))  # [characters], so that the groups are one table
# ``-h`` asks for help too; wider lines than these are hard to read [characters].
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class CommandGroup(TyperGroup):
    """The commands of the program; the settings that become options take longer to load than all the rest of the help."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # their names, for "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with its options; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        function = getattr(import_module(f"y90voxel.cli.{module}_command"), module)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        make = single.command(cmd_name, cls=StudyCommand, epilog=EXAMPLES.get(cmd_name))
        make(with_log_options(function))
        return typer.main.get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, by groups, without loading them."""
        for title, names in sections(COMMANDS):
            with formatter.section(title):
                formatter.write_dl([(name.ljust(LONGEST_NAME), COMMANDS[name]) for name in names])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant; where a file or folder stands in its place, say what to write."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            if args and os.path.exists(args[0]):
                error.message = (  # type: ignore[attr-defined]
                    f"{args[0]} is a file or folder; a command comes first, such as: y90voxel dose {args[0]} -o OUT, or "
                    f"y90voxel inspect {args[0]}."
                )
            raise


app = typer.Typer(
    cls=CommandGroup,
    name="y90voxel",
    help="Voxel dosimetry for radioembolization of liver tumours. Research software, not a medical device.",
    no_args_is_help=True,
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    verbose: Verbose = False,
    log_file: LogFile = None,
) -> None:
    """Voxel dosimetry for radioembolization of liver tumours. Research software, not a medical device."""
    start_log(verbose, log_file)


def main() -> None:
    """Run the command line: exit 0 when done, 2 when the input cannot be used, 1 for a bug."""
    prepare_console()
    prepare_process()
    try:
        with command_log():
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
    except OSError as error:
        if (cause := storage_error(error)) is None:
            raise
        where = f" ({cause.filename})" if cause.filename and "--anonymise" not in sys.argv else ""
        typer.echo(
            f"y90voxel: the disk does not take or give what is needed: {cause.strerror}{where}. Nothing half-written was "
            "left; free space or repair the disk and run again.",
            err=True,
        )
        sys.exit(2)
