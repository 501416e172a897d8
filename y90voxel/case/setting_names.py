"""What settings are called outside a case file: options of commands, columns of a manifest, arguments in Python."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from y90voxel.case.setting_types import Group, OneOf, Setting
from y90voxel.case.settings import InjectionSettings, StudySettings, load_settings, merge
from y90voxel.errors import alternatives

__all__ = [
    "NamedSetting",
    "manifest_columns",
    "named_settings",
    "nested",
    "options_of",
    "settings_from_arguments",
]


# Stands in a dotted key for whatever the user names there, such as a region.
ANY = "*"


@dataclass(frozen=True)
class NamedSetting:
    """One name of one setting.

    Parameters
    ----------
    path : tuple of str
        Keys of a case file that lead to it.
    setting : Setting
        Help and names.
    kind : type
        ``bool`` for a switch that takes no value; ``int``, ``float`` or ``str`` of a value as it is typed, ``tuple[str, str]`` of
        two that follow one flag.
    repeated : bool
        Whether it may be given several times.
    default : object
        What holds when it is not given; None for nothing in particular.
    annotation : object
        Type of the field with its metadata.
    field : str
        Name of the field.
    """

    path: tuple[str, ...]
    setting: Setting
    kind: type
    repeated: bool
    default: Any
    annotation: Any
    field: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it may have, where they are few."""
        return tuple(_choices(self.annotation))

    @property
    def name(self) -> str:
        """The option's name as an identifier."""
        return (self.setting.flag or self.field).removeprefix("--").replace("-", "_")

    @property
    def help(self) -> str:
        """The help with the choices and the default."""
        text = self.setting.help.replace("{choices}", alternatives(self.choices) if self.choices else "")
        shown = self.default not in (None, "", 0.0, []) or (self.kind is int and self.default is not None)
        return f"{text}  [default: {self.default}]" if shown and self.setting.sets is None else text

    def value(self, typed: Any) -> Any:
        """Return what a case file would hold for an option as typed; None for one that was not."""
        if self.setting.sets is not None:
            return self.setting.sets if typed else None
        if typed is None or (self.repeated and not typed):
            return None
        return typed if self.setting.parse is None else self.setting.parse(typed)


@cache
def named_settings() -> tuple[NamedSetting, ...]:
    """Return every name of every setting that is not one of a list, in the order of their declaration."""
    return tuple(_walk(StudySettings, ()))


def options_of(command: str) -> tuple[NamedSetting, ...]:
    """Return the settings that are options of a command; one flag may set several fields."""
    return tuple(
        one for one in named_settings() if one.setting.flag is not None and command in one.setting.commands
    )


@cache
def manifest_columns() -> dict[str, str]:
    """Return the dotted key of every column of a manifest that is called like an option of `dose` or like its field.

    They are those of administration, dose and series; other settings go by their dotted keys, for a column such as
    ``bilirubin`` may be a fact that is only carried through.
    """
    columns: dict[str, str] = {}
    for one in named_settings():
        dotted = ".".join(one.path)
        if (
            one.path[0] in ("administration", "dose", "series")
            and one.setting.flag
            and one.setting.sets is None
            and one.setting.bare is None
        ):
            columns.setdefault(one.name, dotted)
            if one.path[0] == "administration":
                columns.setdefault(one.field, dotted)
        if one.setting.column is not None:
            columns.setdefault(one.setting.column, dotted)
    return columns


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a value as a case file nests it; nothing for None.

    Examples
    --------
    >>> nested(("dose", "grid"), 4.0)
    {'dose': {'grid': 4.0}}
    """
    if value is None:
        return {}
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def settings_from_arguments(arguments: Mapping[str, Any]) -> StudySettings:
    """Return the settings that arguments in Python state: by the name of the field, activities as ``…_bq`` [Bq].

    A table of a case file may be given whole, such as ``patient={"height_m": 1.7}``; ``injections`` is a sequence of
    mappings of arguments, one an injection. None is as good as absent.

    Raises
    ------
    TypeError
        If there is no such argument; the message names the nearest.
    InputError
        If a value cannot be used.
    """
    stated = {name: value for name, value in arguments.items() if value is not None}
    injections = [_injection(dict(one)) for one in stated.pop("injections", ())]
    paths = _arguments()
    tables: dict[str, Any] = {"injection": injections} if injections else {}
    for name, value in stated.items():
        if name in paths:
            path, is_activity = paths[name]
            tables = merge(tables, nested(path, _typed(value, is_activity)))
        elif name in StudySettings.model_fields:
            tables = merge(tables, {name: value})
        else:
            raise _unknown(name, {*paths, *StudySettings.model_fields, "injections"})
    return load_settings(None, tables)


def _injection(facts: dict[str, Any]) -> dict[str, Any]:
    """One injection under the keys of a case file."""
    fields = {_argument(one): (one.field, _is_activity(one)) for one in _walk(InjectionSettings, ())}
    unknown = set(facts) - set(fields)
    if unknown:
        raise _unknown(sorted(unknown)[0], set(fields))
    return {
        fields[name][0]: _typed(value, fields[name][1]) for name, value in facts.items() if value is not None
    }


def _unknown(name: str, names: set[str]) -> TypeError:
    """The error for an argument that there is not."""
    near = difflib.get_close_matches(name, names, n=1)
    return TypeError(f"a case takes no argument {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")


@cache
def _arguments() -> dict[str, tuple[tuple[str, ...], bool]]:
    """Path of every argument, and whether it is an activity in Bq."""
    arguments: dict[str, tuple[tuple[str, ...], bool]] = {}
    for one in named_settings():
        own = one.path[0] in ("administration", "dose", "regions", "lung", "output", "accept")
        # of the series only what is stated about them; which they are is chosen while reading
        if (own or (one.path[0] == "series" and one.setting.argument)) and len(one.path) == 2:
            arguments.setdefault(_argument(one), (one.path, _is_activity(one)))
    return arguments


def _argument(one: NamedSetting) -> str:
    """The name of a setting as an argument."""
    return one.setting.argument or one.field.rstrip("_")


def _is_activity(one: NamedSetting) -> bool:
    """Whether the argument is an activity, a number in Bq where a case file has text with a unit."""
    return _argument(one).endswith("_bq")


def _typed(value: Any, is_activity: bool) -> Any:
    """A value of an argument as a case file would hold it."""
    return f"{float(value)!r} Bq" if is_activity else value


def _walk(group: type[Group], path: tuple[str, ...]) -> Iterator[NamedSetting]:
    """The settings of a table and of the tables in it."""
    for name, field in group.model_fields.items():
        here = (*path, field.alias or name)
        inner = _table(field.annotation)
        if inner is not None:
            yield from _walk(inner, here)
            continue
        for setting in (data for data in field.metadata if isinstance(data, Setting)):
            yield _named(here, name, field, setting)


def _named(path: tuple[str, ...], name: str, field: FieldInfo, setting: Setting) -> NamedSetting:
    """One name of a field."""
    annotated: Any = Annotated  # built from values, which a type checker does not follow
    annotation = annotated[(field.annotation, *field.metadata)]
    kinds = set(_kinds(annotation))
    repeated = bool(kinds & {list, dict})
    kind: type = str
    if setting.sets is not None:
        kind = bool
    elif tuple in kinds and not repeated:
        kind = tuple[str, str]
    elif setting.parse is None:
        kind = float if kinds - {list} == {float} else int if kinds - {list} == {int} else str
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    return NamedSetting(path, setting, kind, repeated, None if repeated else default, annotation, name)


def _table(annotation: Any) -> type[Group] | None:
    """The table that a field holds, None for a value or a list."""
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return next((one for one in options if isinstance(one, type) and issubclass(one, Group)), None)


def _kinds(annotation: Any) -> Iterator[type]:
    """The types of a field's value as it is typed, without None; text where a validator reads it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *data = get_args(annotation)
        read = any(isinstance(one, BeforeValidator) for one in data)
        yield from {list if part is list else str for part in _kinds(base)} if read else _kinds(base)
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is Literal:
        yield str
    elif origin is tuple:
        yield tuple
        yield from _kinds(get_args(annotation)[0])
    elif origin is list:
        yield list
        yield from _kinds(get_args(annotation)[0])
    elif origin is dict:
        yield dict
    elif annotation is not type(None):
        yield annotation


def _choices(annotation: Any) -> Iterator[str]:
    """The values that a field may have, where they are few."""
    origin = get_origin(annotation)
    if origin is Literal:
        yield from map(str, get_args(annotation))
    elif origin is Annotated:
        base, *data = get_args(annotation)
        for one in data:
            if isinstance(one, OneOf):
                yield from one.names()
        yield from _choices(base)
    elif origin in (Union, types.UnionType, list):
        for part in get_args(annotation):
            yield from _choices(part)


@cache
def all_keys() -> tuple[str, ...]:
    """Return the dotted names of all settings of a case file; ``*`` stands for what the user names."""
    return tuple(name for name in _keys(StudySettings, "") if "." in name)


def _keys(kind: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted names below a table, by its annotation."""
    if isinstance(kind, type) and issubclass(kind, Group):
        for name, field in kind.model_fields.items():
            yield from _keys(field.annotation, f"{prefix}.{field.alias or name}".lstrip("."))
        return
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _keys(inner[0], prefix)
    elif origin in (Union, types.UnionType):
        named = {key for part in inner if part is not type(None) for key in _keys(part, prefix)}
        yield from sorted(named)
    elif origin is dict:
        for name in _names_of(inner[0]):
            yield from _keys(inner[1], f"{prefix}.{name}")
    else:
        yield prefix


def _names_of(kind: Any) -> list[str]:
    """The keys that a table with keys of a kind has; any for text."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return list(get_args(kind)) if get_origin(kind) is Literal else [ANY]
