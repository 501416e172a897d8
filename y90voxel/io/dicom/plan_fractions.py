"""What an RTDOSE, and the RTPLAN beside it, say of a course of external beams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import RTIonPlanStorage, RTPlanStorage

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import DECODING_ERRORS, items, shown, text, whole_number
from y90voxel.io.dicom.identity import StudyIdentity

__all__ = ["RtDoseFacts", "read_rtdose_facts"]


@dataclass(frozen=True)
class RtDoseFacts:
    """What an RTDOSE says of itself.

    Parameters
    ----------
    identity : StudyIdentity
        Patient and study.
    summation, kind : str
        DoseSummationType and DoseType.
    fractions_planned : int or None
        Of the plan that it refers to, where that lies in the same folder; None where it refers to several, whose fractions
        may follow each other or be given on the same days.
    """

    identity: StudyIdentity
    summation: str
    kind: str
    fractions_planned: int | None


def read_rtdose_facts(path: str | Path) -> RtDoseFacts:
    """Return what an RTDOSE says of itself, with the number of fractions of its plan.

    Raises
    ------
    DicomError
        If the file is not DICOM, or damaged.
    """
    path = Path(path)
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except DECODING_ERRORS as error:
        raise DicomError(f"{path} is not a DICOM file that can be read: {shown(error)}", file=path) from error
    plans = {
        text(item, "ReferencedSOPInstanceUID", path)
        for item in items(dataset, "ReferencedRTPlanSequence", path)
    }
    return RtDoseFacts(
        StudyIdentity.from_dataset(dataset),
        text(dataset, "DoseSummationType", path).upper(),
        text(dataset, "DoseType", path).upper(),
        _planned(path, plans - {""}),
    )


def _planned(path: Path, plans: set[str]) -> int | None:
    """Fractions of the plan with this UID in the folder of the dose; None for none or several."""
    if len(plans) != 1:
        return None
    for other in sorted(path.parent.iterdir()):
        plan = _plan(other)
        if plan is not None and text(plan, "SOPInstanceUID", other) in plans:
            groups = items(plan, "FractionGroupSequence", other)
            numbers = [whole_number(group, "NumberOfFractionsPlanned", other) or 0 for group in groups]
            return sum(numbers) or None
    return None


def _plan(path: Path) -> Dataset | None:
    """A plan, where a file is one."""
    if not path.is_file():
        return None
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except DECODING_ERRORS:  # whatever it is, it is not the plan
        return None
    try:
        kind = text(dataset, "SOPClassUID", path)
    except DicomError:
        return None
    return dataset if kind in (RTPlanStorage, RTIonPlanStorage) else None
