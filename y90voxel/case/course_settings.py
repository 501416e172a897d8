"""The file of a patient's course: its sessions in order."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from y90voxel.case.accumulation_settings import Day, Fractions
from y90voxel.case.setting_types import Group, Setting
from y90voxel.errors import InputError

__all__ = ["CourseSettings", "SessionSettings", "SumSettings", "as_plain", "folder_name", "read_course"]

# What a session is, and the key without which it is nothing.
_NEEDS = {"plan": ("study", "case"), "dose": ("study", "case"), "external beam": ("dose",), "event": ()}
_FILES = ("study", "case", "dose")
# Days after the beginning, either way: a century, and well within what a date can hold.
FURTHEST_DAY = 36_525


class SessionSettings(Group):
    """One session of a course."""

    name: Annotated[str, Setting("What it is called; unique.")]
    kind: Annotated[
        Literal["plan", "dose", "external beam", "event"],
        Setting(
            "plan, dose, external beam (a dose of a planning system), or event (a mark on the time line)."
        ),
    ]
    date: Annotated[Day | None, Setting("When it was.")] = None
    day: Annotated[float | None, Setting("Days after the beginning, where dates are not known.")] = None
    study: Annotated[str | None, Setting("DICOM folder or zip of plan or dose.")] = None
    case: Annotated[str | None, Setting("Case file of plan or dose.")] = None
    dose: Annotated[str | None, Setting("RTDOSE or NIfTI dose of an external beam, the whole treatment.")] = (
        None
    )
    fractions: Annotated[Fractions | None, Setting("Number of fractions of an external beam.")] = None
    fraction_dates: Annotated[list[Day], Setting("When each fraction was given.")] = Field(
        default_factory=list
    )
    predicted_by: Annotated[
        str | None, Setting("Session that predicts this dose; else the last plan before it.")
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a session without what makes it one, and what its kind does not use."""
        needed = _NEEDS[self.kind]
        if needed and all(getattr(self, key) is None for key in needed):
            raise ValueError(f"{self.kind} {self.name!r} needs {' or '.join(needed)}")
        idle = [key for key in _FILES if key not in needed and getattr(self, key) is not None]
        if self.kind != "external beam" and (self.fractions is not None or self.fraction_dates):
            idle.append("fractions")
        if self.kind != "dose" and self.predicted_by is not None:
            idle.append("predicted_by")
        if idle:
            raise ValueError(f"{self.kind} {self.name!r} does not use {', '.join(idle)}")
        if (self.date is None) == (self.day is None):
            raise ValueError(f"{self.name!r} needs a date, or a day after the beginning, and not both")
        if self.day is not None and abs(self.day) > FURTHEST_DAY:
            raise ValueError(
                f"{self.name!r} lies {self.day:g} days from the beginning, more than a century: mend day"
            )
        nameless = [key for key in _FILES if (named := getattr(self, key)) is not None and not named.strip()]
        if nameless:
            raise ValueError(
                f"{nameless[0]} of {self.name!r} is empty: name a file or folder, or leave it out"
            )
        dates = len(self.fraction_dates)
        if self.fractions is not None and dates not in (0, self.fractions):
            raise ValueError(
                f"{self.name!r} has {self.fractions} fractions, but {dates} fraction_dates: mend one of them"
            )
        return self


class SumSettings(Group):
    """How the treatments are added up."""

    limit: Annotated[list[str], Setting("Cumulative limits, as of accumulate.")] = Field(default_factory=list)
    registration: Annotated[list[str], Setting("DICOM registrations.")] = Field(default_factory=list)
    reference: Annotated[str | None, Setting("Session whose grid and regions are used.")] = None


def _check_predictors(sessions: Sequence[SessionSettings]) -> None:
    """Refuse a prediction by what is no plan or dose, before hours of computing."""
    mapped = [one.name for one in sessions if one.kind in ("plan", "dose")]
    for one in sessions:
        others = [name for name in mapped if name != one.name]
        if one.predicted_by is not None and one.predicted_by not in others:
            raise ValueError(
                f"{one.name!r} is predicted by {one.predicted_by!r}, which is no other plan or dose of the course"
                f"{': it has ' + ', '.join(map(repr, others)) if others else ''}"
            )


class CourseSettings(Group):
    """A patient's course."""

    title: Annotated[str, Setting("Heading of the page.")] = "Course"
    session: list[SessionSettings] = Field(default_factory=list)
    accumulate: SumSettings = Field(default_factory=SumSettings)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse no session, names that repeat, dates beside days and sessions out of order."""
        if not self.session:
            raise ValueError("a course needs a [[session]]")
        names = [one.name for one in self.session]
        folders = [folder_name(name) for name in names]
        twice = next(
            (name for name, folder in zip(names, folders, strict=True) if folders.count(folder) > 1), None
        )
        if twice is not None:
            raise ValueError(f"two sessions are named {twice!r}, or nearly: give each a name of its own")
        if len({one.date is None for one in self.session}) > 1:
            raise ValueError("some sessions have a date and some a day: give one or the other")
        _check_predictors(self.session)
        given = [one.name for one in self.session if one.kind in ("dose", "external beam")]
        if self.accumulate.reference not in (None, *given):
            raise ValueError(
                f"accumulate.reference is {self.accumulate.reference!r}, which is no dose or external beam of the course"
                f"{': it has ' + ', '.join(map(repr, given)) if given else ''}"
            )
        for before, after in zip(self.session, self.session[1:], strict=False):
            if _order(after) < _order(before):
                raise ValueError(
                    f"{after.name!r} ({_when(after)}) is listed after {before.name!r} ({_when(before)}) and lies before it: put "
                    "sessions in the order of their dates, or mend the date"
                )
        return self

    def start(self, session: SessionSettings) -> datetime | None:
        """Return when a session was, days counted from 2000-01-01 where only they are known; None for neither."""
        if session.date is not None:
            return session.date
        return None if session.day is None else _BEGINNING + timedelta(days=session.day)


# Days without a date count from here: only their differences are used and shown.
_BEGINNING = datetime(2000, 1, 1, 12)


def folder_name(name: str) -> str:
    """Return the name of a session's folder.

    Examples
    --------
    >>> folder_name("TARE, right lobe (2026)")
    'tare-right-lobe-2026'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "session"


def read_course(path: str | Path) -> CourseSettings:
    """Return the sessions of a course; files that it names lie beside it.

    Raises
    ------
    InputError
        If the file cannot be read, or a key or value is not understood; the message names it.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the course {path} cannot be read: {error}.", file=path) from error
    beside = Path(path).parent
    sessions = raw.get("session")
    for session in sessions if isinstance(sessions, list) else ():
        for key in _FILES:
            if isinstance(session, dict) and isinstance(named := session.get(key), str) and named.strip():
                session[key] = str(beside / session[key])
    total = raw.get("accumulate")
    if isinstance(total, dict) and isinstance(total.get("registration"), list):
        total["registration"] = [str(beside / str(file)) for file in total["registration"]]
    try:
        return CourseSettings.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"the course {path} cannot be used: {_explain(error)}.", file=path) from error


def _explain(error: ValidationError) -> str:
    """What is wrong, in words."""
    parts = []
    for detail in error.errors():
        key = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "is not a setting"
        parts.append(f"{key} {message}".strip())
    return "; ".join(parts)


def _order(session: SessionSettings) -> float:
    """What sessions are put in order by [days]."""
    if session.day is not None:
        return session.day
    assert session.date is not None  # one of both is given
    naive = session.date.replace(tzinfo=None)
    return (naive - _BEGINNING) / timedelta(days=1)


def _when(session: SessionSettings) -> str:
    """Date or day, for messages."""
    return f"day {session.day:g}" if session.date is None else f"{session.date:%Y-%m-%d}"


def as_plain(settings: Group) -> dict[str, Any]:
    """Return settings for JSON, without what was not given."""
    return settings.model_dump(mode="json", exclude_defaults=True)
