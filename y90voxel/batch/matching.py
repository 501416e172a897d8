"""Which study of the cohort is which of an earlier run: by its place first, by what it is where it was moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from y90voxel.batch.ledger import Entry
from y90voxel.batch.study_units import Unit

__all__ = ["match_units"]


def match_units(units: Sequence[Unit], entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return the keys that studies had in earlier runs, by the keys that they have now.

    A study that lies where it lay is the same, whatever copies of it were added; else it is one that lies nowhere any
    more and has its identity: it was moved.

    Parameters
    ----------
    units : sequence of Unit
        The cohort.
    entries : mapping of str to Entry
        What earlier runs know, by key.
    """
    earlier_keys = {unit.key: unit.key for unit in units if unit.key in entries}
    free: dict[str, list[str]] = {}
    for key in sorted(set(entries) - earlier_keys.keys()):
        free.setdefault(entries[key].identity, []).append(key)
    for unit in sorted(units, key=lambda one: one.key):
        if unit.key not in earlier_keys and free.get(unit.identity):
            earlier_keys[unit.key] = free[unit.identity].pop(0)
    return earlier_keys
