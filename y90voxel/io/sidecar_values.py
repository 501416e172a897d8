"""Values of the JSON beside an image: texts, numbers and times, or an error that names the key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError

__all__ = ["SidecarValues"]


@dataclass(frozen=True)
class SidecarValues:
    """The content of a side-car.

    Parameters
    ----------
    path : Path
        The file.
    document : mapping of str to object
        What it holds.
    """

    path: Path
    document: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Return a text, empty where there is none."""
        value = self.document.get(key)
        return value.strip() if isinstance(value, str) else ""

    def number(self, key: str, least: float = -math.inf) -> float | None:
        """Return a number; None where there is none."""
        value = self.document.get(key)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or value < least
        ):
            raise InputError(
                f"{key} of {self.path} is {value!r}, which is no such number. Correct it.",
                file=self.path,
                tag=key,
            )
        return float(value)

    def numbers(self, key: str) -> list[float]:
        """Return the numbers of a list, or the one that stands in its place."""
        value = self.document.get(key)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if any(isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in values):
            raise InputError(
                f"{key} of {self.path} is {value!r}, which are no numbers. Correct it.",
                file=self.path,
                tag=key,
            )
        return [float(v) for v in values]

    def moment(self, key: str, text: str) -> datetime:
        """Return a date or a date and time as written."""
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise self._no_time(key, text) from error

    def clock(self, key: str, text: str) -> time:
        """Return a time of day as written; it has no zone of its own."""
        try:
            read = time.fromisoformat(text)
        except ValueError as error:
            raise self._no_time(key, text) from error
        if read.tzinfo is not None:
            raise self._no_time(key, text)
        return read

    def _no_time(self, key: str, text: str) -> InputError:
        """Return the error for a time that is none."""
        return InputError(
            f"{key} of {self.path} is {text!r}, which is no {'date' if 'Date' in key else 'time of day'}; write it like "
            f"{'2026-03-02' if 'Date' in key else '10:30:00'}.",
            file=self.path,
            tag=key,
        )
