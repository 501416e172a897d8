"""How commands take their arguments: what is left over is refused with what to write."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["StudyCommand"]

REPEAT = ". An option takes one file: repeat it before each, such as --regions liver.nii.gz --regions tumour.nii.gz."


class StudyCommand(TyperCommand):
    """A command that says, where arguments are left over, that ``--regions`` is to be repeated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; an error about those left over says what to type where the command reads regions."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            message = str(getattr(error, "message", ""))
            if "extra argument" in message and any(param.name == "regions" for param in self.params):
                error.message = message.rstrip(".") + REPEAT  # type: ignore[attr-defined]
            raise
