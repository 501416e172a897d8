"""What has to go from texts, names and settings when a study is to tell nothing of its patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from y90voxel.regions.roles import Role, role_of_name

if TYPE_CHECKING:
    from y90voxel.io.dicom.identity import StudyIdentity
    from y90voxel.regions.region import DrawnRegion
    from y90voxel.workflow.case import Case
    from y90voxel.workflow.evaluation import Evaluation

__all__ = [
    "anonymous_case",
    "anonymous_evaluation",
    "anonymous_names",
    "anonymous_settings",
    "without_identity",
]

# Paths, UIDs, names of image files, dates and times of day.
_TELLING = re.compile(
    r"\S*[/\\]\S*|\b\d+(?:\.\d+){4,}\b|\S+\.(?:dcm|ima|nii|nrrd|gz|zip|mha|mhd)\b"
    r"|\b\d{4}-?\d{2}-?\d{2}(?:[T ]\d{2}:?\d{2}\S*)?"
)
_SHORTEST_TOKEN = 3
_DROPPED_SETTINGS = {
    "series",
    "regions",
    "label",
    "emission_series",
    "territory",
    "time",
    "activity_time",
    "residual_time",
    "patient",
    "order",
}


def without_identity(text: str) -> str:
    """Return a message without paths, file names, UIDs and dates.

    Examples
    --------
    >>> without_identity("DOE_JOHN.nrrd was taken on 2026-03-02T10:30 in 1.2.840.10008.5.1")
    '… was taken on … in …'
    """
    return _TELLING.sub("…", text)


def anonymous_evaluation(evaluation: Evaluation) -> Evaluation:
    """Return a result that tells neither when the patient was treated and scanned nor where the files lay."""
    said = tuple(replace(notice, message=without_identity(notice.message)) for notice in evaluation.notices)
    return replace(evaluation, case=anonymous_case(evaluation.case), notices=said)


def anonymous_case(case: Case) -> Case:
    """Return a case that does not tell when the patient was treated and scanned."""
    injections = tuple(
        replace(
            injection,
            emission=replace(
                injection.emission, acquisition_start=None, series_start=None, administration_time=None
            ),
            administration=replace(injection.administration, time=None),
        )
        for injection in case.injections
    )
    patient = None if case.patient is None else case.patient.anonymous()
    return replace(case, injections=injections, patient=patient)


def anonymous_names(drawn: Iterable[DrawnRegion], identity: StudyIdentity) -> dict[str, str]:
    """Return new names for regions whose own could tell who the patient is.

    Those are names that hold a part of the patient's name or identifier, and names that a mask took from
    its file, unless the name is that of a role.

    Parameters
    ----------
    drawn : iterable of DrawnRegion
        The regions of the study.
    identity : StudyIdentity
        Its patient.
    """
    words = re.split(
        r"[\W_^]+", f"{identity.patient_name} {identity.patient_id} {identity.accession_number}".lower()
    )
    tokens = {word for word in words if len(word) >= _SHORTEST_TOKEN}
    renamed = {}
    for number, region in enumerate(drawn, start=1):
        from_file = region.source.startswith(f"{region.name}.") and role_of_name(region.name) is Role.OTHER
        if from_file or any(token in region.name.lower() for token in tokens):
            renamed[region.name] = f"region {number}"
    return renamed


def anonymous_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without series, names and times."""
    kept: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _DROPPED_SETTINGS:
            continue
        if isinstance(value, Mapping):
            kept[key] = anonymous_settings(value)
        elif isinstance(value, list):
            kept[key] = [anonymous_settings(item) if isinstance(item, Mapping) else item for item in value]
        else:
            kept[key] = value
    return kept
