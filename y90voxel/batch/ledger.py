"""The memory of a batch: what was computed from which inputs, with which settings and version, and how it ended.

SQLite with its rollback journal and full synchronisation: a kill or a power cut at any instant leaves the last
committed state. Only the process that holds the lock of the output folder writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError
from y90voxel.version import __version__

__all__ = ["LEDGER", "Entry", "Ledger"]

LEDGER = "ledger.sqlite"
APPLICATION_ID = 0x79393062  # "y90b"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE cohort (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE study (
    key TEXT PRIMARY KEY,
    study_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('planned', 'done', 'failed', 'refused')),
    reason TEXT,
    input_digest TEXT,
    content_sha256 TEXT,
    files INTEGER,
    bytes INTEGER,
    settings_sha256 TEXT,
    settings TEXT,
    version TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    finished TEXT,
    seconds REAL,
    work_seconds REAL,
    peak_memory_bytes INTEGER
);
"""


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of a study.

    Parameters
    ----------
    key, study_id : str
        The study, and its output folder.
    state : str
        ``planned``, ``done``, ``failed`` or ``refused``.
    reason : str or None
        Why it failed or was refused.
    input_digest : str or None
        Of sizes and times of its files, None where they prove nothing.
    content_sha256 : str or None
        Of the contents of its files.
    settings_sha256 : str or None
        Of its settings.
    version : str or None
        Of the program.
    seconds, peak_memory_bytes
        What it took.
    """

    key: str
    study_id: str
    state: str
    reason: str | None = None
    input_digest: str | None = None
    content_sha256: str | None = None
    settings_sha256: str | None = None
    version: str | None = None
    seconds: float | None = None
    peak_memory_bytes: int | None = None


class Ledger:
    """The ledger of one output folder.

    Parameters
    ----------
    folder : Path
        The output folder; a new ledger is made where there is none.
    anonymous : bool
        Whether nothing in it may tell of patients; it must not change between runs.

    Raises
    ------
    InputError
        If the file is no ledger of ours, of a newer version, damaged, or cannot be written, or an earlier run
        was anonymous and this one is not, or the other way round.
    """

    def __init__(self, folder: Path, *, anonymous: bool) -> None:
        self.path = folder / LEDGER
        with self._explained():
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA synchronous = FULL")
            # not WAL: its shared memory does not work on network file systems, where clusters have their outputs
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._open(anonymous)

    def entries(self) -> dict[str, Entry]:
        """Return everything known, by key."""
        columns = ", ".join(Entry.__dataclass_fields__)
        with self._explained():
            rows = self._db.execute(f"SELECT {columns} FROM study").fetchall()
        return {row["key"]: Entry(**dict(row)) for row in rows}

    def plan(self, ids: Mapping[str, str]) -> None:
        """Record studies that are new, all at once."""
        with self._explained(), self._transaction():
            self._db.executemany(
                "INSERT INTO study (key, study_id, state) VALUES (?, ?, 'planned') ON CONFLICT (key) DO NOTHING",
                list(ids.items()),
            )

    def record(self, key: str, state: str, **facts: Any) -> None:
        """Record how a study ended.

        Parameters
        ----------
        key : str
            The study.
        state : str
            ``done``, ``failed`` or ``refused``; ``planned`` before its results are replaced.
        **facts
            Columns of the table; None for what is not known any more.
        """
        known = {
            "reason": None,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            **{name: json.dumps(v) if isinstance(v, Mapping) else v for name, v in facts.items()},
        }
        assignments = ", ".join(f"{name} = :{name}" for name in known)
        with self._explained(), self._transaction():
            self._db.execute(
                f"UPDATE study SET state = :state, attempts = attempts + 1, {assignments} WHERE key = :key",
                {"key": key, "state": state, **known},
            )

    def keep_inputs(self, key: str, input_digest: str | None) -> None:
        """Record new times of files whose contents are unchanged."""
        with self._explained():
            self._db.execute("UPDATE study SET input_digest = ? WHERE key = ?", (input_digest, key))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _open(self, anonymous: bool) -> None:
        """Make the tables of a new file; check those of an old one."""
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not application and not tables:
            with self._transaction():
                for statement in SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO cohort VALUES ('anonymous', ?)", (str(anonymous),))
                self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID or version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path} is no ledger of this version of y90voxel (its schema is {version}, this one's "
                f"{SCHEMA_VERSION}). Choose another output folder.",
                file=self.path,
            )
        (before,) = self._db.execute("SELECT value FROM cohort WHERE name = 'anonymous'").fetchone()
        if before != str(anonymous):
            raise InputError(
                f"{self.path.parent} holds a cohort computed {'without' if before == 'True' else 'with'} identities, this "
                f"run is to be {'without' if anonymous else 'with'} them. Choose another output folder.",
                file=self.path.parent,
                tag="output.anonymise",
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says into an error that tells what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(
                f"the ledger {self.path} cannot be used: {error}. What was recorded before is kept; free space or repair "
                "the disk and run the same command again.",
                file=self.path,
            ) from error
