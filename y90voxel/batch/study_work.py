"""What a worker does with one study: look at its files, run the main job, say how it ended."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

# the heavy modules are imported here, once, by the supervisor
import y90voxel.io.dicom.dicom_study
import y90voxel.report.dose_page  # noqa: F401
from y90voxel.batch.ending import ended, explain
from y90voxel.batch.fingerprint import fingerprint, input_files
from y90voxel.batch.identity_tokens import identity_tokens
from y90voxel.batch.job_work import do_job
from y90voxel.batch.study_units import DOSE, Unit
from y90voxel.errors import InputError
from y90voxel.io.dicom.headers import read_header
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.sources import list_files
from y90voxel.study.anonymous_text import identity_words, without_identity
from y90voxel.version import __version__

__all__ = ["compute_study"]


def compute_study(request: Mapping[str, Any]) -> dict[str, Any]:
    """Compute the study of a request into its staging folder.

    Parameters
    ----------
    request : mapping
        ``version``, ``job``, ``path``, ``only``, ``files``, ``settings``, ``staging``, ``earlier``, ``memory_bytes``;
        ``optional_roles`` that may fit no region.

    Returns
    -------
    dict
        ``status``, ``reason``, ``input_digest``, ``content_sha256``, and of a done study ``work_seconds`` [s], the time
        of the main job alone.
    """
    if request["version"] != __version__:
        return ended(
            "failed",
            f"this worker has y90voxel {__version__}, the batch {request['version']}. Install the same on all.",
        )
    staging = Path(request["staging"])
    if not staging.parent.is_dir():
        return ended(
            "failed", f"this worker does not see {staging.parent}. The output folder must be shared."
        )
    anonymous = request["settings"].get("output", {}).get("anonymise", False)
    log = _silenced() if anonymous else 1
    looked: dict[str, Any] = {}
    try:
        looked = _look(request)
        if anonymous:
            looked["identity"] = _identity(request)
        started = time.perf_counter()
        warnings = do_job(request, _files(request))
        spent = time.perf_counter() - started
        outcome = ended("done", None, warnings=warnings, work_seconds=spent)
    except Exception as error:
        outcome = (
            explain(error, request, partial(without_identity, words=_names(request)), log)
            if anonymous
            else explain(error, request)
        )
    return {**looked, **outcome}


def _silenced() -> int:
    """Let nothing that libraries print reach the log, warnings quote headers; return the log for our own words."""
    log, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    faulthandler.enable(log)
    return log


def _names(request: Mapping[str, Any]) -> set[str]:
    """Return the parts of the patient's name and identifiers, from the first header that can be read."""
    with suppress(InputError, OSError):
        for source in [] if request["path"] is None else list_files(request["path"], request["only"]):
            with suppress(InputError):
                if (instance := read_header(source)) is not None:
                    return identity_words(StudyIdentity.from_dataset(instance.header))
    return set()


def _identity(request: Mapping[str, Any]) -> list[str]:
    """Return what the patient is recognised by in columns of a manifest, from every header of the study."""
    tokens: set[str] = set()
    for source in [] if request["path"] is None else list_files(request["path"], request["only"]):
        with suppress(InputError):
            if (instance := read_header(source)) is not None:
                who = StudyIdentity.from_dataset(instance.header)
                tokens.update(identity_tokens(who.patient_name, who.patient_id, who.patient_birth_date))
    return sorted(tokens)


def _look(request: Mapping[str, Any]) -> dict[str, Any]:
    """Look at the files of the study and read them."""
    path = request["path"]
    unit = Unit("", "", None if path is None else Path(path), request["only"], _files(request))
    return fingerprint(input_files(replace(unit, job=request.get("job", DOSE))))


def _files(request: Mapping[str, Any]) -> dict[str, Path | tuple[Path, ...]]:
    """The image files of a request: one a role, or several."""
    return {
        role: Path(named) if isinstance(named, str) else tuple(Path(name) for name in named)
        for role, named in request["files"].items()
    }
