"""Encoded items against pydicom, which writes the same elements one by one."""

import struct
import warnings

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from y90voxel.io.dicom.encoded import encoded_item, put_sequence
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.new_object import new_object, save


def written(dataset):
    """The bytes of a data set as pydicom writes them."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a value is too long for its representation
        write_dataset(stream, dataset)
    return stream.getvalue()


def dataset_of(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


@given(
    uid=st.lists(st.integers(1, 10**6), max_size=8).map(lambda parts: ".".join(map(str, parts))),
    label=st.text("ABC_ 9", max_size=16).map(str.strip),
    points=st.lists(st.floats(-1e4, 1e4), min_size=0, max_size=40),
    numbers=st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=2),
)
def test_elements_of_every_kind_are_those_of_pydicom(uid, label, points, numbers):
    texts = [f"{value:.3f}" for value in points]
    inner = {"ReferencedSOPInstanceUID": uid, "ContourGeometricType": label}
    expected = dataset_of(
        DimensionIndexValues=numbers,
        ContourSequence=[dataset_of(**inner, ContourData=texts), dataset_of(**inner)],
        PrescriptionOverviewSequence=[],
    )
    found = encoded_item(
        PrescriptionOverviewSequence=[],  # in another order than that of the tags
        ContourSequence=[encoded_item(ContourData="\\".join(texts), **inner), encoded_item(**inner)],
        DimensionIndexValues=struct.pack("<2I", *numbers),
    )
    assert found == written(expected)


@pytest.mark.parametrize("length", [65532, 65533, 65534, 65535, 65536, 65537])
def test_a_value_too_long_for_its_representation_is_written_as_pydicom_writes_it(length):
    text = "\\".join(["1.5"] * (length // 4)) + "\\" + "7" * (length % 4)
    assert len(text) == length
    expected = dataset_of()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected.add(pydicom.DataElement(0x30060050, "DS", text, already_converted=True))
    assert encoded_item(ContourData=text) == written(expected)


def test_an_object_holds_the_sequence_in_the_file_and_in_memory(tmp_path):
    dataset = new_object(
        StudyIdentity("Müller^Anna"), "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", "größer", 1
    )
    put_sequence(dataset, "SourceInstanceSequence", [encoded_item(ReferencedSOPInstanceUID="1.2.3")] * 2)
    save(dataset, tmp_path / "a.dcm")
    for found in (pydicom.dcmread(tmp_path / "a.dcm"), dataset):
        assert [item.ReferencedSOPInstanceUID for item in found.SourceInstanceSequence] == ["1.2.3", "1.2.3"]
        assert (found.PatientName, found.SeriesDescription) == ("Müller^Anna", "größer")


def test_characters_that_no_such_value_has_do_not_stop_the_writer():
    """A damaged UID of a source is carried over as far as its characters go."""
    assert encoded_item(ReferencedSOPInstanceUID="1.2.☠").endswith(b"1.2.?\0")
