"""How commands take their arguments: what is left over is refused with what to write."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["StudyCommand"]

REGISTER = "--register"  # the settings that declare what it means alone take long to load
REPEAT = ". An option takes one file: repeat it before each, such as --regions liver.nii.gz --regions tumour.nii.gz."


class StudyCommand(TyperCommand):
    """A command whose ``--register`` may stand alone, and that says, where arguments are left over, to repeat ``--regions``."""

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
