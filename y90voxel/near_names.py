"""Names that are nearly others: slips of the pen."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["LONG_NAME", "edit_distance", "nearest", "slips"]

# Names of so many characters or more may differ by two letters from another and still be taken for it; shorter by one.
LONG_NAME = 8


def edit_distance(one: str, other: str) -> int:
    """Return how many letters have to be added, left out, changed or swapped with their neighbour.

    Examples
    --------
    >>> edit_distance("residaul", "residual"), edit_distance("devices", "device"), edit_distance("age", "grid")
    (1, 1, 4)
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, its in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def slips(name: str) -> int:
    """Return in how many letters another name may differ from a name and still be taken for it."""
    return 2 if len(name) >= LONG_NAME else 1


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that another is a slip away from, whatever its case; None where it is none, or the very name.

    Examples
    --------
    >>> nearest("respons", ["response", "event"]), nearest("Whole Livr", ["whole liver"]), nearest("GTV 1", ["HCC 1"])
    ('response', 'whole liver', None)
    """
    folded = name.strip().lower()
    found = [
        (distance, other)
        for other in names
        if 0 < (distance := edit_distance(folded, other.strip().lower())) <= slips(other)
    ]
    return min(found)[1] if found else None
