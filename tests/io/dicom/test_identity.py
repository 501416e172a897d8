"""Identity of DICOM objects."""

import pytest
from pydicom.dataset import Dataset

from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity


def header(series: str, instance: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = "Müller^Anna", "42"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", series
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", instance
    return dataset


def test_identity_takes_what_the_header_has_and_leaves_the_rest_empty():
    identity = StudyIdentity.from_dataset(header("1.2.3.4", "1.2.3.4.5"))
    assert (identity.patient_name, identity.patient_id) == ("Müller^Anna", "42")
    assert identity.study_instance_uid == "1.2.3"
    assert (identity.study_date, identity.accession_number) == ("", "")


def test_header_without_a_study_gets_a_fresh_one():
    assert StudyIdentity.from_dataset(Dataset()).study_instance_uid.startswith("1.2.826.")


def test_anonymous_identity_keeps_nothing_that_identifies():
    identity = StudyIdentity(
        "Müller^Anna", "42", "19500101", "F", "1.2.3", "S1", "20240101", "0900", "A9", "Dr^X"
    )
    anonymous = identity.anonymous()
    kept = {name: value for name, value in vars(anonymous).items() if value and name != "study_instance_uid"}
    assert kept == {"patient_sex": "F", "anonymised": True}
    assert anonymous.study_instance_uid != "1.2.3"


def test_headers_are_grouped_into_series():
    headers = [header("1.2.3.4", "1"), header("1.2.3.5", "2"), header("1.2.3.4", "3")]
    first, second = SourceSeries.from_datasets(headers)
    assert [uid for _, uid in first.instances] == ["1", "3"]
    assert second == SourceSeries("1.2.3.5", (("1.2.840.10008.5.1.4.1.1.2", "2"),), "1.2.3")


@pytest.mark.parametrize(
    ("identifier", "name", "key"),
    [
        ("42", "Müller^Anna", "42"),
        ("", "Müller^Anna", "Müller^Anna"),
        (" ", " X ", "X"),
        ("42", "", "42"),
        ("", " ", ""),
    ],
)
def test_patients_are_told_apart_by_their_number_else_by_their_name(identifier, name, key):
    assert StudyIdentity(patient_id=identifier, patient_name=name).patient_key == key
