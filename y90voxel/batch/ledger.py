"""The memory of a batch: what was computed from which inputs, with which settings and version, and how it ended.

SQLite with its rollback journal and full synchronisation: a kill or a power cut at any instant leaves the last
committed state. Only the process that holds the lock of the output folder writes. A ledger that is damaged, locked by
somebody else or lost is rebuilt from what the results know of themselves; the old one is kept aside.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from y90voxel.batch.ledger_schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, STEPS
from y90voxel.errors import InputError, OutputError
from y90voxel.version import __version__

__all__ = ["LEDGER", "MADE_OF", "Entry", "Ledger"]

LEDGER = "ledger.sqlite"
# What SQLite says of a file that cannot be repaired by waiting: damaged, no database, locked by somebody else.
BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# What it says on a share without locks.
WITHOUT_LOCKS = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS}
# What results are made of: contents, settings, settings without those of the report, and the program.
MADE_OF = ("content_sha256", "settings_sha256", "dose_sha256", "version")
_JSON = ("result", "settings", "marks")
_WAIT_S = 3.0  # for another process that writes [s]; chosen: a transaction takes milliseconds


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of a study.

    Parameters
    ----------
    key, identity, study_id : str
        The study with its place, without it, and its output folder.
    state : str
        ``planned``, ``done``, ``failed``, ``refused``, ``skipped`` or ``stale``.
    reason : str or None
        Why it is not done.
    cause : str or None
        Why results are stale: ``failed``, ``refused`` or ``missing``.
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
    result : dict or None
        Of the results that lie there: the contents, settings and version they were computed from, and their files.
    marks : list of str or None
        Keyed hashes of what says who the patient is; None where that was not looked at.
    """

    key: str
    identity: str
    study_id: str
    state: str
    reason: str | None = None
    cause: str | None = None
    input_digest: str | None = None
    content_sha256: str | None = None
    settings_sha256: str | None = None
    version: str | None = None
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    result: dict[str, Any] | None = None
    marks: list[str] | None = None


class Ledger:
    """The ledger of one output folder.

    Parameters
    ----------
    folder : Path
        The output folder; a new ledger is made where there is none.
    anonymous : bool
        Whether nothing in it may tell of patients; it must not change between runs.
    without_locks : bool
        Whether the file system has no locks; that of the folder then stands for them.
    records : iterable
        What results know of themselves, for a ledger that is new or has to be rebuilt.

    Raises
    ------
    InputError
        If the file is no ledger of ours, of a newer version, or cannot be written, or an earlier run
        was anonymous and this one is not, or the other way round.
    """

    def __init__(
        self,
        folder: Path,
        *,
        anonymous: bool,
        without_locks: bool = False,
        records: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]] = (),
    ) -> None:
        self.path = folder / LEDGER
        self.remarks: list[str] = []
        with self._explained():
            try:
                self._connect(without_locks, anonymous)
            except sqlite3.Error as error:
                code = _code(error)
                if code in BROKEN:
                    self._set_aside(error)
                elif code not in WITHOUT_LOCKS or without_locks:
                    raise
                self._connect(without_locks or code in WITHOUT_LOCKS, anonymous)
            if self._is_new:
                self._rebuild(records, anonymous)

    def entries(self) -> dict[str, Entry]:
        """Return everything known, by key."""
        columns = ", ".join(Entry.__dataclass_fields__)
        with self._explained():
            rows = self._db.execute(f"SELECT {columns} FROM study").fetchall()
        return {row["key"]: Entry(**_decoded(dict(row))) for row in rows}

    def entry(self, key: str) -> Entry:
        """Return what is known of one study."""
        columns = ", ".join(Entry.__dataclass_fields__)
        with self._explained():
            row = self._db.execute(f"SELECT {columns} FROM study WHERE key = ?", (key,)).fetchone()
        return Entry(**_decoded(dict(row)))

    def plan(self, new: Iterable[tuple[str, str, str]], moved: Mapping[str, str]) -> None:
        """Record studies that are new and those that lie in another place, all at once.

        Parameters
        ----------
        new : iterable of tuple
            Key, identity and output folder.
        moved : mapping of str to str
            New keys by old ones.
        """
        with self._explained(), self._transaction():
            self._db.executemany("UPDATE study SET key = ? WHERE key = ?", [(n, o) for o, n in moved.items()])
            self._db.executemany(
                "INSERT INTO study (key, identity, study_id, state) VALUES (?, ?, ?, 'planned') ON CONFLICT (key) DO "
                "NOTHING",
                list(new),
            )

    def record(self, key: str, state: str, **facts: Any) -> None:
        """Record how a study ended.

        Parameters
        ----------
        key : str
            The study.
        state : str
            How.
        **facts
            Columns of the table; None for what is not known any more.
        """
        columns = {
            "reason": None,
            "cause": None,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            **{name: json.dumps(v) if isinstance(v, Mapping | list) else v for name, v in facts.items()},
        }
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        with self._explained(), self._transaction():
            self._db.execute(
                f"UPDATE study SET state = :state, attempts = attempts + 1, {assignments} WHERE key = :key",
                {"key": key, "state": state, **columns},
            )

    def settle(self, settled: Iterable[tuple[str, str, str | None, str | None]]) -> None:
        """Change states, and nothing of what is known of inputs and results: key, state, reason, cause."""
        rows = [(state, reason, cause, key) for key, state, reason, cause in settled]
        if rows:
            with self._explained(), self._transaction():
                self._db.executemany("UPDATE study SET state = ?, reason = ?, cause = ? WHERE key = ?", rows)

    def keep_inputs(self, key: str, input_digest: str | None) -> None:
        """Record new times of files whose contents are unchanged."""
        with self._explained():
            self._db.execute("UPDATE study SET input_digest = ? WHERE key = ?", (input_digest, key))

    def value(self, name: str) -> str | None:
        """Return a fact about the cohort; None when there is none."""
        with self._explained():
            row = self._db.execute("SELECT value FROM cohort WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def set_value(self, name: str, value: str) -> None:
        """Record a fact about the cohort."""
        with self._explained(), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO cohort VALUES (?, ?)", (name, value))

    def facts(self, name: str) -> dict[str, str]:
        """Return what was remembered under a name."""
        with self._explained():
            rows = self._db.execute("SELECT key, value FROM memory WHERE name = ?", (name,)).fetchall()
        return {row["key"]: row["value"] for row in rows}

    def remember(self, name: str, facts: Mapping[str, str], forget: Iterable[str] = ()) -> None:
        """Remember values by key under a name, and forget keys."""
        with self._explained(), self._transaction():
            self._db.executemany(
                "DELETE FROM memory WHERE name = ? AND key = ?", [(name, key) for key in forget]
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO memory VALUES (?, ?, ?)",
                [(name, key, value) for key, value in facts.items()],
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _connect(self, without_locks: bool, anonymous: bool) -> None:
        """Open the file, make its tables or check them."""
        address = f"file:{quote(os.fsencode(self.path))}{'?nolock=1' if without_locks else ''}"
        self._db = sqlite3.connect(address, isolation_level=None, uri=True, timeout=_WAIT_S)
        try:
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA synchronous = FULL")
            # not WAL: its shared memory does not work on network file systems, where clusters have their outputs
            self._db.execute("PRAGMA journal_mode = DELETE")
            if self._db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("database disk image is malformed")
            self._open(anonymous)
        except BaseException:
            self._db.close()
            raise

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Keep a ledger that cannot be used under another name."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = self.path.with_name(f"ledger.damaged-{stamp}.sqlite")
        try:
            os.replace(self.path, aside)
            for ending in ("-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.replace(f"{self.path}{ending}", f"{aside}{ending}")
        except OSError as problem:
            raise OutputError(
                f"the ledger {self.path} cannot be used ({error}) and cannot be set aside ({problem.strerror}). What was "
                "computed is kept; free it and run the same command again.",
                file=self.path,
            ) from problem
        self.remarks.append(f"the ledger could not be used ({error}); it is kept as {aside.name}")

    def _rebuild(
        self, records: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], anonymous: bool
    ) -> None:
        """Take up results that know of themselves."""
        count = 0
        with self._transaction():
            for facts, outputs in records:
                self._check_anonymous(str(bool(facts.get("anonymous"))), anonymous)
                if facts.get("key_check"):
                    self._db.execute(
                        "INSERT OR REPLACE INTO cohort VALUES ('key_check', ?)", (facts["key_check"],)
                    )
                row = {name: facts.get(name) for name in _REBUILT}
                result = {name: facts.get(name) for name in MADE_OF}
                row["result"] = {**result, "outputs": outputs}
                row = {name: json.dumps(v) if isinstance(v, Mapping | list) else v for name, v in row.items()}
                columns, places = ", ".join(row), ", ".join(f":{name}" for name in row)
                done = self._db.execute(
                    f"INSERT INTO study ({columns}, state) VALUES ({places}, 'done') ON CONFLICT DO NOTHING",
                    row,
                )
                count += done.rowcount
        if count:
            self.remarks.append(f"the ledger was rebuilt from the records of {count} results")

    def _open(self, anonymous: bool) -> None:
        """Make the tables of a new file; check those of an old one, and bring them up to date."""
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        self._is_new = not application and not tables
        if self._is_new:
            self._make(anonymous)
            return
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID or not 0 < version <= SCHEMA_VERSION:
            raise InputError(
                f"{self.path} is no ledger of this version of y90voxel (its schema is {version}, this one's "
                f"{SCHEMA_VERSION}). Choose another output folder.",
                file=self.path,
            )
        (before,) = self._db.execute("SELECT value FROM cohort WHERE name = 'anonymous'").fetchone()
        self._check_anonymous(before, anonymous)
        for step in range(version, SCHEMA_VERSION):
            with self._transaction():
                for statement in STEPS[step].split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {step + 1}")

    def _make(self, anonymous: bool) -> None:
        """Make the tables."""
        with self._transaction():
            for statement in SCHEMA.split(";\n"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO cohort VALUES ('anonymous', ?)", (str(anonymous),))
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check_anonymous(self, before: str, anonymous: bool) -> None:
        """Raise if earlier results and this run do not agree about identities."""
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
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says into an error that tells what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(
                f"the ledger {self.path} cannot be used: {error}. What was computed is kept; free space or repair the disk and "
                "run the same command again: a damaged ledger is rebuilt from the results.",
                file=self.path,
            ) from error


_REBUILT = (
    "key", "identity", "study_id", "input_digest", "content_sha256", "files", "bytes", "settings_sha256", "settings",
    "version", "finished", "seconds", "work_seconds", "peak_memory_bytes", "marks",
)  # fmt: skip


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its JSON read."""
    return {name: json.loads(v) if name in _JSON and v is not None else v for name, v in row.items()}


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code of an error."""
    if "malformed" in str(error):
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
