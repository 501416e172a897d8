"""What is said of each treatment that is added up: a TOML file, or options that name the files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from y90voxel.case.setting_types import Group, Setting
from y90voxel.errors import InputError

__all__ = [
    "AccumulationSettings",
    "Day",
    "Fractions",
    "TreatmentFacts",
    "facts_of",
    "read_accumulation_settings",
]

NOON = time(12)


def _day(value: Any) -> Any:
    """Accept a date or a time, or text that is one; a date alone is noon of that day."""
    text = str(value).strip()
    try:
        return datetime.combine(date.fromisoformat(text), NOON)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("not a date; write it like 2026-03-02 or 2026-03-02T10:30") from error


def _fractions(value: int) -> int:
    """Refuse no fraction at all."""
    if value < 1:
        raise ValueError(f"{value} must be 1 or more")
    return value


Day = Annotated[datetime, BeforeValidator(_day)]
Fractions = Annotated[int, AfterValidator(_fractions)]


class TreatmentFacts(Group):
    """What a file does not say of its treatment."""

    path: Annotated[
        str, Setting("Result folder, RTDOSE or NIfTI dose; as given to the command, or its file name.")
    ]
    name: Annotated[str | None, Setting("What it is called in outputs.")] = None
    date: Annotated[Day | None, Setting("When it began.")] = None
    nuclide: Annotated[str | None, Setting("Of a radioembolization whose dose is a file.")] = None
    predicted: Annotated[
        bool, Setting("Whether a prediction from a surrogate stands for a treatment that was never imaged.")
    ] = False
    ct: Annotated[str | None, Setting("Study or image file with its CT, for registering.")] = None
    fractions: Annotated[Fractions | None, Setting("Number of fractions of an external beam.")] = None
    fraction_dates: Annotated[
        list[Day], Setting("When each fraction was given, instead of weekdays from the date on.")
    ] = Field(default_factory=list)


class AccumulationSettings(Group):
    """The case file of `accumulate`."""

    treatment: list[TreatmentFacts] = Field(default_factory=list)
    limit: Annotated[list[str], Setting("Cumulative limits, such as 'non-tumour liver bed <= 70'.")] = Field(
        default_factory=list
    )
    registration: Annotated[list[str], Setting("DICOM registrations, files or folders.")] = Field(
        default_factory=list
    )
    reference: Annotated[str | None, Setting("Treatment whose grid and regions are used.")] = None
    register_: Annotated[
        Literal["rigid", "deformable"] | None,
        Field(alias="register"),
        Setting(
            "How treatments of other frames of reference are registered with the reference, CT to CT: {choices}."
        ),
    ] = None
    carry: Annotated[
        Literal["point", "energy"],
        Setting(
            "Doses through a registration: of the material point (weeks apart), or energy over mass (breathing)."
        ),
    ] = "point"


def read_accumulation_settings(path: str | Path | None, options: Mapping[str, Any]) -> AccumulationSettings:
    """Return what a TOML file and options say; an option beats the file, and both add to lists.

    Parameters
    ----------
    path : path-like or None
        The file; relative paths in it lie beside it.
    options : mapping
        ``fractions``, ``date``, ``nuclide`` and ``ct``: lists of ``FILE=VALUE``; ``limit``, ``registration``, ``register``,
        ``carry``.

    Raises
    ------
    InputError
        If the file cannot be read, or a key, option or value is not understood.
    """
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"the case file {path} cannot be read: {error}.", file=path) from error
        _check_lists(raw, path)
        beside = Path(path).parent
        raw["registration"] = [str(beside / str(file)) for file in raw.get("registration", [])]
    by_path = _by_path(raw.pop("treatment", []), path)
    for one in by_path.values():
        if path is not None and one.get("ct") is not None:
            one["ct"] = str(Path(path).parent / str(one["ct"]))
    typed: dict[tuple[str, str], str] = {}
    for key in ("fractions", "date", "nuclide", "ct"):
        for text in options.get(key) or ():
            name, sign, value = str(text).rpartition("=")
            if not sign or not name or not value.strip():
                raise InputError(
                    f"--{key} {text!r} is not FILE=VALUE, such as --{key} sbrt.dcm=…", tag=f"--{key}"
                )
            if typed.setdefault((key, name), value) != value:
                raise InputError(
                    f"--{key} is given twice for {name}: {typed[key, name]} and {value}. Give one of them.",
                    tag=f"--{key}",
                )
            by_path.setdefault(name, {"path": name})[key] = value
    raw["treatment"] = list(by_path.values())
    for key in ("register", "carry"):
        if options.get(key) is not None:
            raw[key] = options[key]
    for key in ("limit", "registration"):
        raw[key] = [*raw.get(key, []), *(str(value) for value in options.get(key) or ())]
    try:
        return AccumulationSettings.model_validate(raw)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        message = (
            "is not a setting"
            if detail["type"] == "extra_forbidden"
            else f"= {detail['input']!r}: {detail['msg']}"
        )
        raise InputError(
            f"the settings of accumulate cannot be used: {key} {message}.", file=path, tag=key
        ) from error


def _check_lists(raw: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a single table or value where there may be several: it would be passed over, or taken apart."""
    shapes = {
        "treatment": (dict, "a table each, [[treatment]]"),
        "limit": (str, "texts"),
        "registration": (str, "paths"),
    }
    for key, (kind, shape) in shapes.items():
        value = raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
            raise InputError(
                f"the case file {path}: {key} is a list of {shape}, got {value!r}.", file=path, tag=key
            )


def _by_path(treatments: Sequence[Mapping[str, Any]], path: str | Path | None) -> dict[str, dict[str, Any]]:
    """What a case file says of each treatment, by its path; one that is described twice is refused."""
    by_path: dict[str, dict[str, Any]] = {}
    for one in treatments:
        name = str(one.get("path"))
        if name in by_path:
            raise InputError(
                f"the case file {path} describes the treatment {name!r} twice: put what is said of it into one [[treatment]].",
                file=path,
                tag="treatment.path",
            )
        by_path[name] = dict(one)
    return by_path


def facts_of(paths: Sequence[Path], settings: AccumulationSettings) -> list[TreatmentFacts]:
    """Return what is said of each path, all of it together; something said of none of them is refused.

    Raises
    ------
    InputError
        If a name fits none or several of the paths.
    """
    facts = {path: TreatmentFacts(path=str(path)) for path in paths}
    for one in settings.treatment:
        fitting = [
            path for path in paths if one.path in (str(path), path.name, path.stem, str(path.resolve()))
        ]
        if len(fitting) != 1:
            listed = ", ".join(path.name for path in paths)
            what = "fits several" if fitting else "is none"
            raise InputError(f"{one.path!r} {what} of the treatments given: {listed}.", tag="treatment.path")
        (path,) = fitting
        # an option may name the file that the case file describes: what both say adds up, and the option, which is last, decides
        facts[path] = facts[path].model_copy(update=one.model_dump(exclude_unset=True))
    return list(facts.values())
