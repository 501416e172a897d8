"""What every DICOM object that we write has in common: patient, study, series, equipment, references, place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydicom import config
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from y90voxel.errors import Notice
from y90voxel.io.atomic import atomic_file
from y90voxel.io.dicom.encoded import EncodedItem, encoded_item, put_sequence
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.version import __version__
from y90voxel.volumes.grid import Grid

__all__ = ["add_references", "code", "decimal", "frame_of_reference", "new_object", "reference", "save"]

LONG_STRING = 64  # characters of a DICOM LO
DECIMAL_STRING = 16  # and of a DS
MANUFACTURER = "y90voxel"
CHARACTERS = "ISO_IR 192"  # UTF-8


def new_object(
    identity: StudyIdentity,
    sop_class_uid: str,
    modality: str,
    description: str,
    series_number: int,
    created: datetime | None = None,
) -> FileDataset:
    """Return an object with patient, study, series of its own, equipment and SOP common modules.

    Parameters
    ----------
    identity : StudyIdentity
        Patient and study that the object belongs to.
    sop_class_uid, modality : str
        What the object is.
    description : str
        Series description; cut after 64 characters.
    series_number : int
        Number of the new series.
    created : datetime, optional
        When the content was made; now by default.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = CHARACTERS
    # What it is encoded in from the start, so that encoded sequences are written as they stand.
    dataset.set_original_encoding(False, True, convert_encodings(CHARACTERS))
    moment = created or datetime.now()
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    dataset.InstanceCreationDate = dataset.SeriesDate = dataset.ContentDate = date
    dataset.InstanceCreationTime = dataset.SeriesTime = dataset.ContentTime = time
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality = modality
    dataset.SeriesNumber = series_number
    dataset.SeriesDescription = long_string(description)
    dataset.InstanceNumber = 1
    dataset.Manufacturer = dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions = dataset.DeviceSerialNumber = __version__
    _add_identity(dataset, identity)
    return dataset


def long_string(text: str) -> str:
    """Return text that fits a DICOM LO, its end cut where it is too long."""
    return text if len(text) <= LONG_STRING else text[: LONG_STRING - 1] + "…"


def decimal(value: float) -> str:
    """Return a number as a DICOM DS, with as many digits as its 16 characters hold.

    pydicom's own formatter gives 17 characters just below a power of ten (9.999999999999998).
    """
    texts = (f"{float(value):.{digits}g}" for digits in range(17, 0, -1))
    return next(text for text in texts if len(text) <= DECIMAL_STRING)


def frame_of_reference(grid: Grid, identity: StudyIdentity) -> tuple[str, tuple[Notice, ...]]:
    """Return the frame of reference of a grid; one of our own where it has none, and then say so.

    Objects of one study on grids without a frame share the generated one: they lie in the same coordinates.
    The frame of an anonymised study is replaced, it would lead back to the original.
    """
    if grid.frame_of_reference_uid and not identity.anonymised:
        return grid.frame_of_reference_uid, ()
    seed = [identity.study_instance_uid, grid.frame_of_reference_uid or "no frame of reference"]
    uid = str(generate_uid(entropy_srcs=seed))
    if identity.anonymised:
        return uid, ()
    message = (
        "the emission image has no FrameOfReferenceUID; the DICOM outputs got one of their own "
        f"({uid}), so that a viewer will not lay them over the source images by itself."
    )
    return uid, (Notice("frame-of-reference-generated", message),)


def reference(sop_class_uid: str, sop_instance_uid: str) -> EncodedItem:
    """Return a sequence item that refers to an object."""
    return encoded_item(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    """Return a code; SNOMED CT by default."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def add_references(dataset: Dataset, identity: StudyIdentity, references: Sequence[SourceSeries]) -> None:
    """Add the instances an object was made from, and their series; nothing where identity was removed."""
    instances = [reference(*instance) for series in references for instance in series.instances]
    if identity.anonymised or not instances:
        return
    put_sequence(dataset, "SourceInstanceSequence", instances)
    here = [s for s in references if s.study_instance_uid in (None, identity.study_instance_uid)]
    if here:
        put_sequence(dataset, "ReferencedSeriesSequence", [_series_item(series) for series in here])
    elsewhere: dict[str, list[EncodedItem]] = {}
    for series in references:
        if series.study_instance_uid not in (None, identity.study_instance_uid):
            elsewhere.setdefault(str(series.study_instance_uid), []).append(_series_item(series))
    studies = [
        encoded_item(StudyInstanceUID=uid, ReferencedSeriesSequence=items) for uid, items in elsewhere.items()
    ]
    if studies:
        put_sequence(dataset, "StudiesContainingOtherReferencedInstancesSequence", studies)


def save(dataset: FileDataset, path: str | Path) -> None:
    """Write an object to a DICOM file that appears only when it is complete."""
    with atomic_file(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _series_item(series: SourceSeries) -> EncodedItem:
    """Return the item for a referenced series."""
    return encoded_item(
        SeriesInstanceUID=series.series_instance_uid,
        ReferencedInstanceSequence=[reference(*instance) for instance in series.instances],
    )


def _add_identity(dataset: Dataset, identity: StudyIdentity) -> None:
    """Add patient and study; values that break DICOM's rules in the source are carried over as they are."""
    with config.disable_value_validation():
        dataset.PatientName = identity.patient_name
        dataset.PatientID = identity.patient_id
        dataset.PatientBirthDate = _date(identity.patient_birth_date)
        dataset.PatientSex = identity.patient_sex
        dataset.StudyInstanceUID = identity.study_instance_uid
        dataset.StudyID = identity.study_id
        dataset.StudyDate = _date(identity.study_date)
        dataset.StudyTime = _time(identity.study_time)
        dataset.AccessionNumber = identity.accession_number
        dataset.ReferringPhysicianName = identity.referring_physician_name
    if identity.anonymised:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "y90voxel: identity left out"


def _date(text: str) -> str:
    """Return a DA value; old files write 1993.05.21."""
    digits = re.sub(r"\D", "", text)
    return digits if len(digits) == 8 else ""


def _time(text: str) -> str:
    """Return a TM value; old files write 10:20:30."""
    bare = text.replace(":", "")
    return bare if re.fullmatch(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?", bare) else ""
