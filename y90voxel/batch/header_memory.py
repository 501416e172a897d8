"""What headers said, remembered in the ledger: a folder whose files look as they did is not read again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from y90voxel.batch.fingerprint import RACY_NS
from y90voxel.batch.ledger import Ledger
from y90voxel.batch.study_units import printable
from y90voxel.io.dicom.archive_walk import ArchiveFolder
from y90voxel.io.dicom.series_facts import FACTS_VERSION

__all__ = ["LedgerMemory", "remembered_headers"]

HEADERS = "headers"
# How long what was read may be lost when the batch is killed [s]: each time the ledger is written costs milliseconds.
FLUSH_S = 5.0


@contextmanager
def remembered_headers(ledger: Ledger, anonymous: bool) -> Iterator[LedgerMemory | None]:
    """Give the headers that a ledger knows, and write what was read meanwhile, however the block ends.

    None where nothing may tell of patients: what headers say of a study is who it is.
    """
    if anonymous:
        yield None
        return
    memory = LedgerMemory(ledger)
    try:
        yield memory
    finally:
        memory.close()


class LedgerMemory:
    """The ledger as the memory of `list_archive`; `close` writes what is left.

    Parameters
    ----------
    ledger : Ledger
        Of a cohort whose studies may be named: facts of headers are UIDs and times.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known = ledger.facts(HEADERS)
        self._new: dict[str, str] = {}
        self._old: list[str] = []
        self._flushed = time.monotonic()

    def recall(self, folder: ArchiveFolder) -> Mapping[str, Any] | None:
        """Return what is known of a folder as it is now."""
        text = self._known.pop(printable(folder.name), None)
        if text is None:
            return None
        document = json.loads(text)
        if document["of"] != _state(folder):
            self._old.append(printable(folder.name))
            return None
        facts: Mapping[str, Any] = document["facts"]
        return facts

    def keep(self, folder: ArchiveFolder, facts: Mapping[str, Any], moment_ns: int) -> None:
        """Remember what was read of a folder after a time [ns], unless its times prove nothing yet."""
        if folder.newest_ns >= moment_ns - RACY_NS:
            return
        self._new[printable(folder.name)] = json.dumps(
            {"of": _state(folder), "facts": facts}, separators=(",", ":")
        )
        if time.monotonic() > self._flushed + FLUSH_S:
            self._ledger.remember(HEADERS, self._new)
            self._new, self._flushed = {}, time.monotonic()

    def close(self) -> None:
        """Write what is not written yet, and forget folders that changed."""
        old = [name for name in self._old if name not in self._new]
        if self._new or old:
            self._ledger.remember(HEADERS, self._new, old)
        self._new, self._old = {}, []


def _state(folder: ArchiveFolder) -> str:
    """What a folder is recognised by."""
    return f"{FACTS_VERSION} {folder.digest()}"
