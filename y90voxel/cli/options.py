"""Options of commands: those that are settings come from the declaration of the settings, the few others stand here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from typer import Option

from y90voxel.case.setting_names import NamedSetting, nested, options_of
from y90voxel.case.settings import merge
from y90voxel.cli.help_pages import panel_of
from y90voxel.errors import InputError

if TYPE_CHECKING:
    from y90voxel.case.settings import StudySettings

__all__ = [
    "AsJson",
    "CaseFile",
    "Ct",
    "Emission",
    "Out",
    "RegionFiles",
    "Settings",
    "chosen_settings",
    "roles_of_case",
    "takes_settings",
]

# The settings that were typed, nested as in a case file.
Settings = dict[str, Any]

Out = Annotated[Path, Option("-o", "--out", help="Folder to write; appears complete or not at all.")]
CaseFile = Annotated[Path | None, Option(help="TOML case file; an option beats the file.")]
Emission = Annotated[Path | None, Option(help="Emission image (NIfTI, NRRD, MetaImage, DICOM).")]
Ct = Annotated[Path | None, Option(help="CT image, completes or replaces the study's.")]
RegionFiles = Annotated[
    list[Path] | None,
    Option(
        "--regions",
        metavar="FILE",
        help="Regions (.seg.nrrd, label image, mask, RTSTRUCT, SEG) in place of the study's own; may be repeated, files add up.",
    ),
]
AsJson = Annotated[bool, Option("--json", help="Print the results, and errors, as JSON.")]


def chosen_settings(case: Path | None, settings: Settings) -> StudySettings:
    """Return the settings of a case file with options laid over them; errors name nobody where that is asked for.

    Raises
    ------
    InputError
        If the file cannot be read, or a setting is not understood.
    """
    from y90voxel.case.settings import load_settings
    from y90voxel.study.anonymous_text import anonymous_errors

    words = () if case is None else (str(case), case.name, case.stem)
    with anonymous_errors(bool(settings.get("output", {}).get("anonymise")), words):
        return load_settings(case, settings)


def roles_of_case(case: Path | None, settings: Settings) -> list[str]:
    """Return names and patterns of roles that stand in a case file and were not typed: they may fit no region of a study.

    Parameters
    ----------
    case : Path or None
        The case file, which `chosen_settings` has read before.
    settings : mapping
        What was typed.
    """
    from y90voxel.case.settings import read_case_file

    typed = settings.get("regions", {}).get("roles", {})
    raw = {} if case is None else read_case_file(case)
    return [text for text in raw.get("regions", {}).get("roles", {}) if text not in typed]


def takes_settings(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command the options of all settings that are declared for it.

    The function gets what was typed as its argument ``settings``, if it has one, nested as in a case file. One whose type is a
    dataclass stands for the options that the annotations of its fields declare.

    Parameters
    ----------
    command : str
        Name of the command, as in `Setting.commands`.
    """
    declared = options_of(command)
    by_name: dict[str, NamedSetting] = {}
    for one in declared:
        by_name.setdefault(one.name, one)  # the first of those that share a flag has the help

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [p for name, p in inspect.signature(function).parameters.items() if name != "settings"]
        options = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_default(one), annotation=_annotation(one)
            )
            for name, one in by_name.items()
        ]
        groups = {p.name: hints[p.name] for p in own if is_dataclass(hints[p.name])}
        files = [p for p in own if p.name != "as_json" and p.name not in groups]
        parameters = [p.replace(annotation=hints[p.name]) for p in files]
        parameters += [option for group in groups.values() for option in _group_options(group)]
        parameters += [*options, *(p.replace(annotation=hints[p.name]) for p in own if p.name == "as_json")]

        def call(**typed: Any) -> None:
            values = {name: typed.pop(name) for name in by_name}
            given = {
                name: group(**{field.name: typed.pop(field.name) for field in fields(group)})
                for name, group in groups.items()
            }
            more = {"settings": _tables(declared, values)} if "settings" in hints else {}
            function(**typed, **given, **more)

        call.__name__, call.__doc__ = function.__name__, function.__doc__
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        return call

    return decorate


def _group_options(group: type) -> list[inspect.Parameter]:
    """The options that the fields of a dataclass declare."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]


def _default(one: NamedSetting) -> Any:
    """What an option holds when it is not typed."""
    return False if one.kind is bool else None


def _annotation(one: NamedSetting) -> Any:
    """Type and option of one setting."""
    flag, panel = one.setting.flag or "", panel_of(one.path)
    option = Option(
        flag, help=one.help, metavar=one.setting.metavar, show_default=False, rich_help_panel=panel
    )
    if one.kind is bool:
        return Annotated[bool, option]
    return Annotated[(list[one.kind] if one.repeated else one.kind) | None, option]  # type: ignore[name-defined]


def _tables(declared: tuple[NamedSetting, ...], typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, nested as in a case file.

    Raises
    ------
    InputError
        If two options set one setting to different values.
    """
    tables: dict[str, Any] = {}
    set_by: dict[tuple[str, ...], NamedSetting] = {}
    for one in declared:
        value = one.value(typed[one.name])
        if value is None:
            continue
        other = set_by.setdefault(one.path, one)
        if other is not one:
            raise InputError(
                f"{other.setting.flag} and {one.setting.flag} exclude each other: give one of them.",
                tag=".".join(one.path),
            )
        tables = merge(tables, nested(one.path, value))
    return tables
