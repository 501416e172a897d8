"""The tables of a ledger, and how those of earlier versions become them."""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "SCHEMA", "SCHEMA_VERSION", "STEPS"]

APPLICATION_ID = 0x79393062  # "y90b"
SCHEMA_VERSION = 2  # goes up when a table changes
_STUDY = """CREATE TABLE study (
    key TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    study_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('planned', 'done', 'failed', 'refused', 'skipped', 'stale')),
    reason TEXT,
    cause TEXT,
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
    peak_memory_bytes INTEGER,
    result TEXT,
    marks TEXT
)"""
_MEMORY = "CREATE TABLE memory (name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, key))"
SCHEMA = f"CREATE TABLE cohort (name TEXT PRIMARY KEY, value TEXT NOT NULL);\n{_STUDY};\n{_MEMORY}"
_SAME = (
    "key, study_id, state, reason, input_digest, content_sha256, files, bytes, settings_sha256, settings, version, attempts, "
    "finished, seconds, work_seconds, peak_memory_bytes"
)
# From schema 1 (before results had checksums) to 2, and so on.
STEPS = {
    1: f"""ALTER TABLE study RENAME TO study_1;
{_STUDY};
INSERT INTO study ({_SAME}, identity, result) SELECT {_SAME}, key, CASE state WHEN 'done' THEN json_object(
    'content_sha256', content_sha256, 'settings_sha256', settings_sha256, 'version', version, 'outputs', NULL) END FROM study_1;
DROP TABLE study_1;
{_MEMORY}"""
}
