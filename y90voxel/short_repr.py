"""A dataclass in one short line: what it holds, not all of it. A study's contours alone would be a million characters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any

__all__ = ["LONGEST_REPR", "short_repr", "shortened"]

# Characters of a whole object, and of one value in it; chosen: five lines of a terminal, and half of one.
LONGEST_REPR, LONGEST_VALUE = 450, 60
# Values that a sequence is spelled out for; chosen: the three numbers of a place, and one more.
MOST_SPELLED_OUT = 4
PLAIN = (str, int, float, complex, bool, type(None))


def short_repr(shown: Any) -> str:
    """Return a dataclass as ``Name(field=value, ...)`` of at most 450 characters; for ``__repr__ = short_repr`` in its body.

    Arrays are shown as type and shape, collections as how many of what, other objects by their name. Fields that are None,
    empty or declared with ``repr=False`` are left out.

    Parameters
    ----------
    shown : dataclass
        Whatever it holds.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Scan:
    ...     name: str
    ...     planes: list
    ...     __repr__ = short_repr
    >>> Scan("CT", list("abcdefg"))
    Scan(name='CT', planes=7 × str)
    """
    parts = []
    for field in (one for one in fields(shown) if one.repr):
        value = getattr(shown, field.name, None)
        if not (value is None or (isinstance(value, Collection) and not _is_array(value) and not value)):
            parts.append(f"{field.name}={shortened(_value(value), LONGEST_VALUE)}")
    return shortened(f"{type(shown).__name__}({', '.join(parts)}") + ")"


def _value(value: Any) -> str:
    """What stands for a value."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if _is_array(value):
        return f"{value.dtype} {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return (
            f"{{{', '.join(map(str, value))}}}" if all(isinstance(k, str) for k in value) else _count(value)
        )
    if isinstance(value, Collection):
        spelled_out = len(value) <= MOST_SPELLED_OUT and all(isinstance(one, PLAIN) for one in value)
        names = [name for one in value if isinstance(name := getattr(one, "name", None), str)]
        if len(names) == len(value):
            return f"({', '.join(names)})"
        return f"({', '.join(map(repr, value))})" if spelled_out else _count(value)
    if is_dataclass(value) and "__str__" in vars(type(value)):
        return f"<{value}>"
    name = getattr(value, "name", getattr(value, "label", None))
    return type(value).__name__ + (f" {name!r}" if isinstance(name, str) else "")


def _count(values: Collection[Any]) -> str:
    """How many of what."""
    kinds = {type(value).__name__ for value in values}
    return f"{len(values)} × {kinds.pop() if len(kinds) == 1 else 'values'}"


def _is_array(value: Any) -> bool:
    """Whether it is an array of numpy, or like one."""
    return hasattr(value, "dtype") and hasattr(value, "shape")


def shortened(text: str, longest: int = LONGEST_REPR) -> str:
    """Return a text, or its beginning with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
