"""Numbers in the text of files, as their formats write them: Python reads more (``1_0`` as 10, other digits)."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["plain_number", "plain_whole"]

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


def plain_whole(value: Any) -> int:
    """Return a whole number of a text or of a JSON value.

    Raises
    ------
    ValueError
        If it is anything else.

    Examples
    --------
    >>> plain_whole(" 10 ")
    10
    >>> plain_whole("1_0")
    Traceback (most recent call last):
    ValueError: '1_0' is not a whole number
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"{value!r} is not a whole number")


def plain_number(text: str) -> float:
    """Return a decimal number.

    Raises
    ------
    ValueError
        If the text is anything else.

    Examples
    --------
    >>> plain_number("-1.5e1")
    -15.0
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)
