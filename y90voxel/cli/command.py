"""How commands take their arguments and show their help: what is left over is refused with what to write."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from y90voxel.cli.help_pages import PANEL_ORDER, PLAIN

__all__ = ["StudyCommand"]

REGISTER = "--register"  # the settings that declare what it means alone take long to load
REPEAT = ". An option takes one file: repeat it before each, such as --regions liver.nii.gz --regions tumour.nii.gz."


class StudyCommand(TyperCommand):
    """A command with its options in groups; ``--register`` may stand alone, and who leaves arguments over is told to repeat."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; an error about those left over says what to type where the command reads regions."""
        try:
            return super().parse_args(ctx, self._with_bare_values(args))
        except Exception as error:
            message = str(getattr(error, "message", ""))
            if "extra argument" in message and any(param.name == "regions" for param in self.params):
                error.message = message.rstrip(".") + REPEAT  # type: ignore[attr-defined]
            raise

    def _with_bare_values(self, args: list[str]) -> list[str]:
        """The arguments with the value of each option that stands without one."""
        if REGISTER not in args:
            return args
        from y90voxel.case.setting_names import options_of

        bare = {one.setting.flag: one for one in options_of(self.name or "") if one.setting.bare}
        complete = []
        for number, arg in enumerate(args):
            complete.append(arg)
            if arg in bare and (number + 1 == len(args) or args[number + 1] not in bare[arg].choices):
                complete.append(str(bare[arg].setting.bare))
        return complete

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options under their headings, those without one first.

        Not by the panels of rich: it takes longer to load than the rest of the help, and its frames are not in every
        code page.
        """
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", *PANEL_ORDER)}
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx)
            if row is not None:
                argument = param.param_type_name == "argument"
                title = "Arguments" if argument else getattr(param, "rich_help_panel", None) or PLAIN
                rows.setdefault(title, []).append(row)
        for title, listed in rows.items():
            if listed:
                with formatter.section(title):
                    formatter.write_dl(listed)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example in one line, to be copied."""
        if self.epilog:
            formatter.write(f"\nExample:\n  {self.epilog}\n")
