"""Outcomes that a manifest holds: response, survival time and event, by the names that such columns have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from y90voxel.cohort.cohort import StudySummary
from y90voxel.near_names import nearest

__all__ = ["OUTCOME_NAMES", "Outcomes", "is_outcome", "outcome_columns", "outcomes", "unread_columns"]

RESPONSE_NAMES = (
    "response", "best_response", "objective_response", "responder", "mrecist", "recist", "patient_best_response",
)  # fmt: skip
TIME_NAMES = ("survival", "os", "overall_survival", "survival_time", "os_time")
EVENT_NAMES = ("event", "os_event", "survival_event", "death", "died", "dead", "deceased")
UNITS = ("days", "weeks", "months", "years")
_TIMES_WITH_UNIT = tuple(f"{name}_{unit}" for name in TIME_NAMES for unit in UNITS)
_TIMES = (*_TIMES_WITH_UNIT, *TIME_NAMES)
_GROUPS = {"response": RESPONSE_NAMES, "time": _TIMES, "event": EVENT_NAMES}
# Shorter names of columns are a slip away from anything: "age", "sex", "dose" from "os".
SHORTEST_SLIP = 5
OUTCOME_NAMES = (
    "response (CR, PR, SD, PD, or yes and no), survival_days, survival_weeks, survival_months or survival_years, and event "
    "(1 or yes: died)"
)
_RESPONSES = {
    "cr": True, "pr": True, "complete response": True, "partial response": True, "responder": True,
    "sd": False, "pd": False, "stable disease": False, "progressive disease": False, "non-responder": False,
    "nonresponder": False,
}  # fmt: skip
_TRUTHS = {"1": True, "yes": True, "y": True, "true": True, "dead": True, "died": True, "deceased": True}
_TRUTHS |= {"0": False, "no": False, "n": False, "false": False, "alive": False, "censored": False}

# Columns that say whose a study is.
WHOSE = ("patient", "subject")
# Words in the names of columns that look like outcomes, and what such a column would have to be called.
_LOOKS_LIKE = {
    "outcome": "response, or survival_months and event", "respon": "response", "recist": "response",
    "surviv": "survival_months", "follow": "survival_months", "status": "event", "alive": "event",
}  # fmt: skip

Cell = str | float | int | bool | None


@dataclass(frozen=True)
class Outcomes:
    """What a manifest says of outcomes, one entry a study.

    Parameters
    ----------
    response_column, time_column, event_column : str or None
        Where it is from; None where the manifest has none.
    time_unit : str or None
        Unit of the survival times; None when the column does not say it.
    responses : tuple of bool or None
        Whether there was a response; None where unknown.
    times : tuple of float or None
        Survival times.
    events : tuple of bool or None
        Whether the event was seen.
    not_understood : tuple of str
        Values that are none of the known ones, as ``column: value``.
    """

    response_column: str | None
    time_column: str | None
    event_column: str | None
    time_unit: str | None
    responses: tuple[bool | None, ...]
    times: tuple[float | None, ...]
    events: tuple[bool | None, ...]
    not_understood: tuple[str, ...]

    @property
    def has_survival(self) -> bool:
        """Whether times and events are both there."""
        return self.time_column is not None and self.event_column is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        found = (self.response_column, self.time_column, self.event_column)
        return tuple(column for column in found if column is not None)


def outcomes(studies: Sequence[StudySummary]) -> Outcomes:
    """Return the outcomes of a cohort by the names of its manifest's columns.

    Parameters
    ----------
    studies : sequence of StudySummary
        The cohort.
    """
    names = list(dict.fromkeys(name for study in studies for name in study.columns))
    response, time, event = outcome_columns(names)
    unit = next((unit for unit in UNITS if time and _plain(time).endswith(f"_{unit}")), None)
    strange: list[str] = []

    def values(column: str | None, parse: Callable[[Cell], bool | float | None]) -> list[bool | float | None]:
        """Every study's value, None where there is none or it is not understood."""
        column_values: list[bool | float | None] = []
        for study in studies:
            cell = None if column is None else study.columns.get(column)
            value = None if cell is None or str(cell).strip() == "" else parse(cell)
            if (
                value is None
                and cell is not None
                and str(cell).strip().lower() not in ("", "ne", "na", "nan")
            ):
                strange.append(f"{column}: {cell}")
            column_values.append(value)
        return column_values

    responses = [None if v is None else bool(v) for v in values(response, _response)]
    times = [None if v is None else float(v) for v in values(time, _time)]
    events = [None if v is None else bool(v) for v in values(event, _truth)]
    not_understood = tuple(dict.fromkeys(strange))
    return Outcomes(
        response, time, event, unit, tuple(responses), tuple(times), tuple(events), not_understood
    )


def outcome_columns(names: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """Return the columns that response, survival time and event are read from; None for what no column holds.

    Examples
    --------
    >>> outcome_columns(["ward", "mRECIST", "OS months", "died"])
    ('mRECIST', 'OS months', 'died')
    """
    return (
        _column(names, RESPONSE_NAMES),
        _column(names, _TIMES_WITH_UNIT) or _column(names, TIME_NAMES),
        _column(names, EVENT_NAMES),
    )


def unread_columns(names: Sequence[str]) -> dict[str, str | None]:
    """Return the columns that no outcome is read from, and why one that looks like an outcome is not: what to call it.

    Examples
    --------
    >>> unread_columns(["response", "Respons", "ward"])
    {'Respons': "nearly 'response'", 'ward': None}
    """
    used = outcome_columns(names)
    known = {name: heading for heading, group in _GROUPS.items() for name in group}
    reasons: dict[str, str | None] = {}
    for name in names:
        plain = _plain(name)
        if name in used or plain in WHOSE or plain.startswith("patient_"):
            continue
        read = used[list(_GROUPS).index(known[plain])] if plain in known else None
        near = nearest(plain, known)
        like = next((what for word, what in _LOOKS_LIKE.items() if word in plain), None)
        if read is not None:
            reasons[name] = f"{read!r} is read in its place"
        elif near is not None and len(plain) >= SHORTEST_SLIP:
            reasons[name] = f"nearly {near!r}"
        else:
            reasons[name] = None if like is None else f"if it is an outcome, call it {like}"
    return reasons


def is_outcome(name: str, value: Cell) -> bool:
    """Return whether a column holds an outcome by its name, and its value is one that is understood.

    Examples
    --------
    >>> is_outcome("mRECIST", "PR"), is_outcome("response", "John did well"), is_outcome("ward", "3")
    (True, False, False)
    """
    for names, parse in ((RESPONSE_NAMES, _response), (EVENT_NAMES, _truth), (_TIMES, _time)):
        if _plain(name) in names:
            return value is None or str(value).strip() == "" or parse(value) is not None
    return False


def _plain(name: str) -> str:
    """A column's name in lower case with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _column(names: Sequence[str], headings: Sequence[str]) -> str | None:
    """The first column that has one of the known names, in the order of the latter."""
    return next((name for wanted in headings for name in names if _plain(name) == wanted), None)


def _response(cell: Cell) -> bool | None:
    """CR and PR are responses, SD and PD are not (mRECIST and RECIST 1.1: objective response)."""
    response = _RESPONSES.get(str(cell).strip().lower())
    return _truth(cell) if response is None else response


def _truth(cell: Cell) -> bool | None:
    """Yes or no in its usual spellings."""
    text = str(cell).strip().lower()
    return _TRUTHS.get(text.removesuffix(".0"))


def _time(cell: Cell) -> float | None:
    """A time that is not negative."""
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
