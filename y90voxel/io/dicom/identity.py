"""Whose data a DICOM object belongs to, and which images it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import raw
from y90voxel.short_repr import short_repr

__all__ = ["SourceSeries", "StudyIdentity"]


LONGEST_TEXT = 200  # three groups of a name of 64 characters each, and what separates them


def _new_uid() -> str:
    """Return a fresh UID as a plain string."""
    return str(generate_uid())


@dataclass(frozen=True)
class StudyIdentity:
    """Patient and study of a DICOM object, as DICOM strings; the default is a study of nobody.

    Parameters
    ----------
    patient_name, patient_id, patient_birth_date, patient_sex : str
        Patient module; empty when unknown.
    study_instance_uid : str
        The study that new objects join; a fresh one by default (images without a DICOM source).
    study_id, study_date, study_time, accession_number, referring_physician_name : str
        General study module; empty when unknown.
    anonymised : bool
        True when identity was removed: writers then keep no reference to the source either.
    """

    patient_name: str = ""
    patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_instance_uid: str = field(default_factory=_new_uid)
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    anonymised: bool = False

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> StudyIdentity:
        """Return the identity that a DICOM header holds; absent attributes stay empty.

        Raises
        ------
        DicomError
            If one of the attributes is damaged; its value is not shown.
        """

        def text(keyword: str) -> str:
            value = raw(dataset, keyword)
            return "" if value is None else str(value)[:LONGEST_TEXT]

        return cls(
            patient_name=text("PatientName"),
            patient_id=text("PatientID"),
            patient_birth_date=text("PatientBirthDate"),
            patient_sex=text("PatientSex"),
            study_instance_uid=text("StudyInstanceUID") or _new_uid(),
            study_id=text("StudyID"),
            study_date=text("StudyDate"),
            study_time=text("StudyTime"),
            accession_number=text("AccessionNumber"),
            referring_physician_name=text("ReferringPhysicianName"),
        )

    @property
    def patient_key(self) -> str:
        """What tells patients apart: the ID, else the name; empty when neither is known."""
        return self.patient_id.strip() or self.patient_name.strip()

    def check_patient(self, other: StudyIdentity, own: str, others: str) -> None:
        """Refuse two objects of different patients, whose names and identifiers are not shown.

        Parameters
        ----------
        other : StudyIdentity
            Of the other object; nothing is compared where either names no patient.
        own, others : str
            What the objects are, for the message.

        Raises
        ------
        DicomError
            If the patients differ.
        """
        if self.patient_key and other.patient_key and self.patient_key != other.patient_key:
            raise DicomError(
                f"{own} and {others} are of two patients (PatientID differs): they are never mixed. Give files of one "
                "patient; if an identifier was changed on export, export both again in the same way.",
                tag="PatientID",
            )

    def anonymous(self) -> StudyIdentity:
        """Return an identity without the patient, in a fresh study; sex stays, it identifies nobody."""
        return replace(StudyIdentity(), patient_sex=self.patient_sex, anonymised=True)


@dataclass(frozen=True)
class SourceSeries:
    """A series that an object was made from.

    Parameters
    ----------
    series_instance_uid : str
        The series.
    instances : tuple of (str, str)
        SOP class UID and SOP instance UID of each of its objects.
    study_instance_uid : str or None
        The study of the series, where it is not the study of the new object.
    """

    series_instance_uid: str
    instances: tuple[tuple[str, str], ...]
    study_instance_uid: str | None = None

    __repr__ = short_repr

    @classmethod
    def from_datasets(cls, datasets: Iterable[Dataset]) -> tuple[SourceSeries, ...]:
        """Return the series that a collection of DICOM headers belongs to, in order of appearance."""
        by_series: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for dataset in datasets:
            key = (str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))
            by_series.setdefault(key, []).append((str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)))
        return tuple(cls(series, tuple(instances), study) for (study, series), instances in by_series.items())
