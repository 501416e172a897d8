"""Decimal commas and European dates in a manifest, read where a whole column leaves no doubt."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from y90voxel.batch.study_units import Cell

__all__ = ["with_decimal_points_and_iso_dates"]

_COMMA = re.compile(r"([+-]?\d+),(\d+)(\s*[^\d,.]*)")
_NUMBER = re.compile(r"[+-]?\d+(\s*[^\d,.]*)")
_DATE = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{4})(?:[ T](\d{1,2}:\d{2}(?::\d{2})?))?")
MONTHS, THOUSANDS = 12, 3  # a second number above the months is a day; digits of a group of thousands


def with_decimal_points_and_iso_dates(
    rows: Sequence[tuple[int, dict[str, Cell]]], columns: Collection[str]
) -> list[tuple[int, dict[str, Cell]]]:
    """Return rows in which numbers have points and dates are ISO 8601, in columns that can be read in one way only.

    A column with ``1,234`` and nothing that tells decimals from thousands stays as it is, and so does one with
    ``03/04/2026``; points between the parts of a date are European.

    Parameters
    ----------
    rows : sequence of tuple
        Numbers and cells of rows.
    columns : collection of str
        Where numbers and dates may stand.
    """
    rewritten = [(number, dict(row)) for number, row in rows]
    for name in columns:
        texts = [row[name] for _, row in rewritten if isinstance(row[name], str) and str(row[name]).strip()]
        readable = _commas([str(text).strip() for text in texts]) or _dates(
            [str(text).strip() for text in texts]
        )
        if readable:
            for _, row in rewritten:
                if isinstance(row[name], str):
                    row[name] = readable.get(str(row[name]).strip(), row[name])
    return rewritten


def _commas(texts: Sequence[str]) -> dict[str, Cell]:
    """Numbers with points by those with commas; empty where a comma may stand for thousands or some cell is none."""
    with_comma = {text: match for text in texts if (match := _COMMA.fullmatch(text))}
    if not with_comma or any(text not in with_comma and not _NUMBER.fullmatch(text) for text in texts):
        return {}
    # a comma before three digits may part thousands, but not behind a zero
    if all(len(m[2]) == THOUSANDS and m[1].lstrip("+-") != "0" for m in with_comma.values()):
        return {}
    return {text: f"{m[1]}.{m[2]}{m[3]}" for text, m in with_comma.items()}


def _dates(texts: Sequence[str]) -> dict[str, Cell]:
    """ISO dates by European ones; empty where days and months cannot be told apart or some cell is none."""
    matches = {text: match for text in texts if (match := _DATE.fullmatch(text))}
    if not matches or len(matches) < len(set(texts)):
        return {}
    if any(m[2] == "/" for m in matches.values()) and not any(int(m[1]) > MONTHS for m in matches.values()):
        return {}
    if any(int(m[3]) > MONTHS for m in matches.values()):
        return {}
    return {
        text: f"{m[4]}-{int(m[3]):02d}-{int(m[1]):02d}{f'T{m[5]:0>5}' if m[5] else ''}"
        for text, m in matches.items()
    }
