"""What a TOML file says, checked against the settings that are declared for it; all faults in one message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from y90voxel.case.setting_types import Group
from y90voxel.errors import InputError

__all__ = ["validated"]

G = TypeVar("G", bound=Group)


def validated(declared: type[G], raw: Mapping[str, Any], file: Path | None) -> G:
    """Return settings of a declared kind from what a file says.

    Parameters
    ----------
    declared : type
        The group of settings.
    raw : mapping
        Tables and keys.
    file : Path or None
        For the message.

    Raises
    ------
    InputError
        If a key or value is not understood; the message names each.
    """
    try:
        return declared.model_validate(raw)
    except ValidationError as error:
        raise InputError(_explain(error), file=file, tag=_key(error.errors()[0]["loc"])) from error


def _key(location: tuple[int | str, ...]) -> str:
    """The dotted key of a setting, without the branches of a union."""
    return ".".join(
        str(part) for part in location if part not in ("float", "str") and not str(part).startswith("literal")
    )


def _explain(error: ValidationError) -> str:
    """One paragraph for all that was wrong with the settings."""
    parts = []
    for detail in error.errors():
        key, kind = _key(detail["loc"]), detail["type"]
        if kind == "extra_forbidden":
            parts.append(f"{key} is not a setting")
        elif kind == "missing":
            parts.append(f"{key} is missing")
        else:
            message = detail["msg"].removeprefix("Value error, ").rstrip(".")
            parts.append(f"{key} = {detail['input']!r}: {message}")
    return "the settings cannot be used: " + "; ".join(dict.fromkeys(parts)) + "."
