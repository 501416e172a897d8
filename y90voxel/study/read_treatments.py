"""The doses of treatments that are added up: our result folders, doses of planning systems, NIfTI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.accumulation.time_courses import DecayingSource, ExternalBeam
from y90voxel.accumulation.treatment import Treatment
from y90voxel.case.accumulation_settings import TreatmentFacts
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.plan_fractions import RtDoseFacts, read_rtdose_facts
from y90voxel.io.doses import read_dose
from y90voxel.io.images import is_image_file
from y90voxel.io.json_files import read_json
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.reference.nuclide import nuclide as nuclide_record
from y90voxel.study.result_folder import read_dose_folder
from y90voxel.study.study import file_record

__all__ = ["ReadTreatment", "check_one_patient", "read_treatment"]

# No schedule gives less than this in the voxel of the greatest dose: then the file holds the dose of one fraction.
_LEAST_GY_PER_FRACTION = 1.0
_FRIDAY = 4  # as datetime counts weekdays


@dataclass(frozen=True, eq=False)
class ReadTreatment:
    """A treatment as it was read.

    Parameters
    ----------
    treatment : Treatment
        Dose, time course and regions.
    identity : StudyIdentity or None
        Whose dose it is; None where the file does not say.
    inputs : tuple of mapping
        Files with checksums, for provenance.
    notices : tuple of Notice
        What was accepted or assumed.
    """

    treatment: Treatment
    identity: StudyIdentity | None
    inputs: tuple[Mapping[str, Any], ...]
    notices: tuple[Notice, ...]


def read_treatment(path: str | Path, facts: TreatmentFacts, *, days_alone: bool = False) -> ReadTreatment:
    """Return one treatment.

    Parameters
    ----------
    path : path-like
        Folder that `dose` wrote, RTDOSE, or a NIfTI, NRRD or MetaImage dose [Gy].
    facts : TreatmentFacts
        What the file does not say.
    days_alone : bool
        Whether dates only count days, from no date in particular: they are held against nothing.

    Raises
    ------
    InputError
        If it cannot be read, is no dose of a whole treatment, or its date, nuclide or number of fractions is neither
        in the file nor given.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path, facts, days_alone=days_alone)
    if (path.parent / "metrics.json").is_file():
        raise InputError(
            f"{path.name} lies in a result folder of y90voxel, which knows its nuclide and its lungs: give the folder "
            f"{path.parent} instead of the file.",
            file=path,
        )
    notices: list[Notice] = []
    dose = read_dose(path, notices=notices)
    rtdose = None if is_image_file(path) else read_rtdose_facts(path)
    if facts.nuclide is not None and (facts.fractions is not None or facts.fraction_dates):
        raise InputError(
            f"{path.name}: a nuclide ({facts.nuclide}) and fractions are given; a treatment is one or the other.",
            file=path,
        )
    if facts.predicted and facts.nuclide is None:
        raise InputError(
            f"{path.name} is said to be a prediction (predicted = true), which is for radioembolizations: give its nuclide, or "
            "leave predicted out for an external beam.",
            file=path,
            tag="predicted",
        )
    name, start = facts.name or path.stem.removesuffix(".nii"), _start(path, facts, None)
    inputs = (file_record(path, "dose"),)
    identity = None if rtdose is None else rtdose.identity
    if facts.nuclide is not None:
        course: DecayingSource | ExternalBeam = DecayingSource(
            nuclide_record(facts.nuclide).half_life_s, _seconds(start)
        )
    else:
        number = _fractions(path, facts, rtdose)
        _check_whole(path, float(dose.array.max()), number, rtdose)
        dates, date_notices = _fraction_dates(facts, start, number)
        notices += date_notices
        course = ExternalBeam(tuple(_seconds(day) for day in dates))
    treatment = Treatment(name, dose, start, course, nuclide=facts.nuclide, predicted=facts.predicted)
    return ReadTreatment(treatment, identity, inputs, tuple(notices))


def _folder(path: Path, facts: TreatmentFacts, *, days_alone: bool) -> ReadTreatment:
    """What `dose` wrote."""
    if facts.fractions is not None or facts.fraction_dates or facts.nuclide is not None:
        raise InputError(
            f"{path.name} is a result folder, which says its nuclide itself: fractions or a nuclide cannot be given.",
            file=path,
        )
    folder = read_dose_folder(path)
    document = read_json(path / "metrics.json")
    side = folder.side
    if side.is_prediction and not facts.predicted:
        raise InputError(
            f"{path.name} is a prediction from a surrogate, not a dose that was given: beside the delivered dose it would count "
            "one treatment twice. Give the dose of the treatment; where that was never imaged, say so in the case file "
            "(predicted = true under its [[treatment]]).",
            file=path,
            tag="predicted",
        )
    if facts.predicted and not side.is_prediction:
        raise InputError(
            f"{path.name} is said to be a prediction (predicted = true), but its results say that it is the dose of the "
            "treatment: leave predicted out, or give the folder of the surrogate.",
            file=path,
            tag="predicted",
        )
    settings = document["provenance"].get("settings", {}).get("administration", {})
    start = _start(path, facts, settings.get("time") or settings.get("activity_time"))
    other_day = [] if days_alone else _other_day(path, start, settings.get("time"))
    record = nuclide_record(str(side.nuclide))
    treatment = Treatment(
        facts.name or path.name,
        side.dose,
        start,
        DecayingSource(record.half_life_s, _seconds(start)),
        side.regions,
        side.nuclide,
        stated_means_gy={
            name: metrics.mass_weighted_mean_gy
            for name, metrics in side.stated.items()
            if metrics.mass_weighted_mean_gy is not None
        },
        lung_mean_gy=document["lung"].get(limiting_convention().dose_key),
        predicted=bool(side.is_prediction),
    )
    identity = read_rtdose_facts(path / "dose.dcm").identity if (path / "dose.dcm").is_file() else None
    return ReadTreatment(treatment, identity, folder.inputs, (*folder.notices, *other_day))


def _other_day(path: Path, start: datetime, stated: str | None) -> list[Notice]:
    """Say that a treatment is taken for one of another day than its results state for the administration."""
    if stated is None or datetime.fromisoformat(stated).date() == start.date():
        return []
    message = (
        f"{path.name}: {start:%Y-%m-%d} is given and used as its date; its results say that it was administered at {stated}. "
        "Treatments act together by their times: make sure which is right."
    )
    return [Notice("treatment-date-differs", message)]


def _start(path: Path, facts: TreatmentFacts, stated: str | None) -> datetime:
    """When a treatment began."""
    if facts.date is not None:
        return facts.date
    if facts.fraction_dates:
        return min(facts.fraction_dates, key=_seconds)
    if stated is not None:
        return datetime.fromisoformat(stated)
    raise InputError(
        f"the date of {path.name} is not known, and treatments act together by their times: give it, such as --date "
        f"'{path.name}=2026-03-02'.",
        file=path,
        tag="date",
    )


def _seconds(instant: datetime) -> float:
    """Seconds since the epoch; without a zone it is taken as UTC."""
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _fractions(path: Path, facts: TreatmentFacts, rtdose: RtDoseFacts | None) -> int:
    """Number of fractions, as given or planned."""
    planned = None if rtdose is None else rtdose.fractions_planned
    given = facts.fractions or (len(facts.fraction_dates) or None)
    if given is None and planned is None:
        raise InputError(
            f"the number of fractions of {path.name} is not known: give it, such as --fractions '{path.name}=5', or the "
            f"nuclide of a radioembolization (--nuclide '{path.name}=Y-90').",
            file=path,
            tag="fractions",
        )
    if given is not None and planned is not None and given != planned:
        raise InputError(
            f"{path.name}: {given} fractions are given, and the plan beside it has {planned}: mend one of them.",
            file=path,
            tag="fractions",
        )
    return int(given or planned or 0)


def _check_whole(path: Path, greatest_gy: float, fractions: int, rtdose: RtDoseFacts | None) -> None:
    """Refuse the dose of one fraction or beam in the place of the whole."""
    summation = "" if rtdose is None else rtdose.summation
    if summation in ("FRACTION", "FRACTION_SESSION", "BEAM", "BEAM_SESSION", "CONTROL_POINT", "BRACHY"):
        raise InputError(
            f"{path.name} holds the dose of a part of a treatment (DoseSummationType {summation}): export the dose of the "
            "whole plan (PLAN).",
            file=path,
            tag="DoseSummationType",
        )
    if rtdose is not None and rtdose.kind == "EFFECTIVE":
        raise InputError(
            f"{path.name} holds an effective dose (DoseType EFFECTIVE): give the absorbed dose (PHYSICAL), which is weighted "
            "here.",
            file=path,
            tag="DoseType",
        )
    if greatest_gy < _LEAST_GY_PER_FRACTION * fractions:
        raise InputError(
            f"{path.name}: the greatest dose is {greatest_gy:.3g} Gy, {greatest_gy / fractions:.3g} Gy for each of {fractions} "
            "fractions: this looks like the dose of one fraction, not of all. Give the dose of the whole treatment and its "
            "number of fractions.",
            file=path,
            tag="fractions",
        )


def _fraction_dates(
    facts: TreatmentFacts, start: datetime, number: int
) -> tuple[tuple[datetime, ...], list[Notice]]:
    """When fractions were given: as stated, else on weekdays from the first one on."""
    if facts.fraction_dates:
        days = tuple(sorted(facts.fraction_dates, key=_seconds))
        if len(days) != number:
            raise InputError(
                f"{facts.path}: {len(days)} dates of fractions for {number} fractions: give one for each.",
                tag="fraction_dates",
            )
        if _seconds(days[0]) < _seconds(start):
            raise InputError(
                f"{facts.path}: the first fraction ({days[0].isoformat()}) lies before the beginning ({start.isoformat()}).",
                tag="fraction_dates",
            )
        return days, []
    listed = [start]
    while len(listed) < number:
        day = listed[-1] + timedelta(days=1)
        while day.weekday() > _FRIDAY:
            day += timedelta(days=1)
        listed.append(day)
    if number == 1:
        return tuple(listed), []
    message = (
        f"the fractions of {Path(facts.path).name} are taken as given on {number} consecutive weekdays "
        f"from {start:%Y-%m-%d} on."
    )
    return tuple(listed), [Notice("fraction-dates-assumed", message)]


def check_one_patient(read: Sequence[ReadTreatment]) -> list[Notice]:
    """Refuse treatments of several patients, and one that is given twice; say where it is not known whose they are.

    Raises
    ------
    InputError
        If identities differ, or two inputs are the same dose or of the same study and day.
    """
    named = [one for one in read if one.identity is not None and one.identity.patient_key]
    for one in named[1:]:
        assert one.identity is not None  # asked for above
        assert named[0].identity is not None
        named[0].identity.check_patient(one.identity, named[0].treatment.name, one.treatment.name)
    for number, one in enumerate(read):
        for other in read[:number]:
            if _same(one, other):
                raise InputError(
                    f"{other.treatment.name} and {one.treatment.name} are the same dose: a treatment counts once.",
                )
            if _one_session(one, other):
                raise InputError(
                    f"{other.treatment.name} and {one.treatment.name} are of one study and one day "
                    f"({one.treatment.start:%Y-%m-%d}), such as of two engines: a treatment counts once. Several injections of "
                    "one day belong into one case file ([[injection]]).",
                )
    if len(named) == len(read):
        return []
    unknown = ", ".join(one.treatment.name for one in read if one not in named)
    return [
        Notice(
            "patient-unknown", f"{unknown}: whose dose it is is not in the file; taken as the same patient's."
        )
    ]


def _one_session(one: ReadTreatment, other: ReadTreatment) -> bool:
    """Whether two radioembolizations are of the same study and began on the same day."""
    if (
        one.identity is None
        or other.identity is None
        or None in (one.treatment.nuclide, other.treatment.nuclide)
    ):
        return False
    same_study = one.identity.study_instance_uid == other.identity.study_instance_uid
    return same_study and one.treatment.start.date() == other.treatment.start.date()


def _same(one: ReadTreatment, other: ReadTreatment) -> bool:
    """Whether two inputs hold one dose: the same voxels, whatever the file."""
    a, b = one.treatment.dose, other.treatment.dose
    return a.grid.shape == b.grid.shape and bool(np.allclose(a.array, b.array, rtol=1e-6, atol=1e-9))
