"""One study of a cohort as a unit of work: where it lies and what is said about it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from y90voxel.io.leftovers import cut_by_bytes

__all__ = [
    "COMPARE",
    "COURSE",
    "DIGEST",
    "DOSE",
    "JOBS",
    "PLAN",
    "Cell",
    "Unit",
    "canonical",
    "digest_of",
    "job_key",
    "job_of",
    "patient_name",
    "printable",
    "study_ids",
]

# Before a patient that is known by a digest of headers and not by a name.
DIGEST = "digest:"
Cell = str | float | int | bool | None
# What is done with a study.
DOSE, PLAN, COMPARE, COURSE = "dose", "plan", "compare", "course"
JOBS = (DOSE, PLAN, COMPARE, COURSE)
_JOB = "|job="  # in a key, before any job but the first
# Names that the cohort's own files have in the output folder.
RESERVED = {"logs", "figures", "cohort", "status", "ledger"}
# Names of results get a digest, of their logs an ending, of what is moved aside a token: 255 bytes are the most.
LONGEST_ID_BYTES = 120


@dataclass(frozen=True)
class Unit:
    """One study of a cohort.

    Parameters
    ----------
    key : str
        Stable between runs and unique: what the study is, and where it lies in the cohort.
    name : str
        Display name: its path below the cohort.
    path : Path or None
        DICOM folder or zip.
    only : tuple of str or None
        Names of the files below ``path`` that make the study; None takes all.
    files : mapping of str to Path or tuple of Path
        ``emission``, ``ct``, ``regions``: image files that complete or replace the study's; regions may be several.
    settings : mapping
        Nested as in a case file; not yet checked.
    columns : mapping
        Columns of the manifest that are carried through.
    problem : str or None
        Why the study cannot be computed, when that is known before it starts.
    what : str
        What the study is wherever it lies: StudyInstanceUID, frame of reference and patient; empty where only its place
        tells.
    passed_over : bool
        Whether the problem is that nobody would compute it: it is passed over, not refused.
    patient : str
        What is alike in all studies of one patient; empty where it is not known.
    variant : str
        Tells rows of one study apart: a reader, an engine.
    study : str
        What is alike in all variants and jobs of a study; empty for its key.
    job : str
        What is done with it: one of `JOBS`.
    row_roles : tuple of str
        Regions whose role the study's row of the manifest gives: they have to be there.
    predicted_by : str
        The ``study`` whose image predicts the dose of this one; empty where the patient has only one.
    pairs : tuple of str
        Regions of the prediction and of this study that are one, ``PREDICTED=DELIVERED``, where it is compared.
    """

    key: str
    name: str
    path: Path | None
    only: tuple[str, ...] | None = None
    files: Mapping[str, Path | tuple[Path, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Cell] = field(default_factory=dict)
    problem: str | None = None
    what: str = ""
    passed_over: bool = False
    patient: str = ""
    variant: str = ""
    study: str = ""
    job: str = DOSE
    predicted_by: str = ""
    row_roles: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()

    @property
    def whole_name(self) -> str:
        """Name, variant and job: what no other unit is called."""
        return " ".join(filter(None, (self.name, self.variant, "" if self.job == DOSE else self.job)))

    @property
    def identity(self) -> str:
        """What the study is wherever it lies; its place where nothing else is known."""
        return self.what or self.key

    @property
    def all_files(self) -> list[Path]:
        """Every one of ``files``."""
        return [
            path for paths in self.files.values() for path in ([paths] if isinstance(paths, Path) else paths)
        ]

    def named_files(self, *, resolved: bool) -> dict[str, str | list[str]]:
        """Return ``files`` for JSON: a name, or a list of several."""

        def name(path: Path) -> str:
            return str(path.resolve() if resolved else path)

        return {
            role: name(paths) if isinstance(paths, Path) else [name(path) for path in paths]
            for role, paths in self.files.items()
        }


def study_ids(
    units: list[Unit], ids_by_key: Mapping[str, str], *, anonymous: bool, secret: bytes | None = None
) -> dict[str, str]:
    """Return the name of each unit's output folder, by key: of its path, or telling nothing.

    An identifier that a study has once it keeps, whatever is added to the cohort.

    Parameters
    ----------
    units : list of Unit
        The cohort.
    ids_by_key : mapping of str to str
        Identifiers by key from earlier runs; they are kept.
    anonymous : bool
        Take digests instead of paths.
    secret : bytes or None
        Makes digests that nobody can guess without it.
    """
    ids = {unit.key: ids_by_key[unit.key] for unit in units if unit.key in ids_by_key}
    slugs = {unit.key: slug(unit.whole_name).casefold() for unit in units}
    shared = {name for name, count in Counter(slugs.values()).items() if count > 1}
    taken = {name.casefold() for name in ids_by_key.values()} | RESERVED | shared
    for unit in units:
        if unit.key in ids:
            continue
        digest = digest_of(unit.key, secret)
        name = f"study-{digest[:12]}" if anonymous else slug(unit.whole_name)
        if name.casefold() in taken:
            name = f"{name}-{digest[:8]}"
        taken.add(name.casefold())
        ids[unit.key] = name
    return ids


def job_key(key: str, job: str) -> str:
    """Return the key of a study under a job; under that of doses it is the study's own.

    Examples
    --------
    >>> job_key("p1", "dose"), job_key("p1", "plan"), job_of("p1"), job_of("p1|job=plan")
    ('p1', 'p1|job=plan', 'dose', 'plan')
    """
    return key if job == DOSE else f"{key}{_JOB}{job}"


def job_of(key: str) -> str:
    """Return the job that a key is of."""
    job = key.rpartition(_JOB)[2]
    return job if job in JOBS and _JOB in key else DOSE


def patient_name(patient: str, secret: bytes | None) -> str:
    """Return what a patient is called in tables: as the manifest says, else a digest; with a secret always a keyed digest.

    Examples
    --------
    >>> patient_name("P 07", None), patient_name("digest:0123456789abcdef", None), patient_name("", None)
    ('P 07', 'patient-0123456789ab', '')
    """
    if not patient or (secret is None and not patient.startswith(DIGEST)):
        return patient
    digest = patient.removeprefix(DIGEST) if secret is None else digest_of(patient, secret)
    return f"patient-{digest[:12]}"


def slug(name: str) -> str:
    """Return a name that every file system takes.

    Examples
    --------
    >>> slug("Patient 07/MAA (2)")
    'Patient-07-MAA-2'
    """
    words = re.sub(r"[^\w.]+", "-", name).strip("-.")
    return cut_by_bytes(words[:80], LONGEST_ID_BYTES).strip("-.") or "study"


def printable(name: str) -> str:
    r"""Return a name that may not be UTF-8 with its odd bytes escaped, so that tables and logs can hold it.

    Examples
    --------
    >>> printable("Müller"), printable(os.fsdecode(b"M\xfcller"))
    ('Müller', 'M\\xfcller')
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def digest_of(text: str, secret: bytes | None) -> str:
    """Return the SHA-256 of a text; with a secret, one that cannot be found by trying texts."""
    raw = text.encode("utf-8", "surrogateescape")
    return hashlib.sha256(raw).hexdigest() if secret is None else hmac.new(secret, raw, "sha256").hexdigest()


def canonical(document: Any) -> str:
    """Return JSON in one spelling, for digests."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, default=str)
