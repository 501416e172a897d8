"""Headers read in one walk against pydicom, which reads the same files element by element."""

import io

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import square
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from y90voxel.io.dicom import headers
from y90voxel.io.dicom.headers import read_header
from y90voxel.io.dicom.plain_header import FIRST_BYTES, plain_header
from y90voxel.io.dicom.sources import list_files

STORED = np.random.default_rng(0).integers(0, 3000, (1, 16, 20)).astype(np.uint16)
BLOCK = [square(3, (-14, -22), z) for z in (104.0, 108.0)]
WANTED = headers._WANTED_TAGS


def saved(dataset, folder, syntax=None):
    """The path and the first bytes of a data set in a file."""
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    path = factory.save(dataset, folder)[0]
    content = path.read_bytes()
    return path, content[:FIRST_BYTES], len(content) <= FIRST_BYTES


ASKED = {
    0x00020000,
    0x00080016,
    0x0020000E,
    0x00020002,
    0x00020010,
    0x00080005,
}  # already converted by whoever reads the file


def parts(instance):
    """Everything an instance holds, its elements as pydicom keeps them before they are asked for."""
    header = instance.header
    raw = [
        {tag: tag in ASKED or dataset.get_item(tag, keep_deferred=True) for tag in list(dataset.keys())}
        for dataset in (header, header.file_meta)
    ]
    return (
        raw,
        header.original_encoding,
        (instance.pixel_offset, instance.pixel_bytes, instance.little_endian),
    )


def values(instance):
    """All values, converted."""
    return instance.header.to_json_dict(), instance.header.file_meta.to_json_dict()


def ct():
    return factory.ct(STORED)[0]


def titled():
    dataset = ct()
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 100"]
    dataset.PatientName, dataset.SeriesDescription = "Müller^Ägidius", "größer"
    return dataset


def odd():
    """Empty values, a private element, a sequence within a sequence, and one that is not wanted."""
    dataset = ct()
    dataset.PatientName = dataset.SliceThickness = dataset.SeriesDescription = ""
    dataset.PixelPaddingValue = 63536
    dataset.add_new(0x00091001, "UN", b"private")
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.RadionuclideCodeSequence = [inner]
    dataset.RadiopharmaceuticalInformationSequence = [outer]
    dataset.AnatomicRegionSequence = [inner]
    return dataset


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    "make", [ct, titled, odd, lambda: factory.rtstruct({"Liver": BLOCK}), lambda: factory.pet(STORED)[0]]
)
def test_plain_files_give_what_pydicom_gives(make, syntax, tmp_path, monkeypatch):
    path, first, whole = saved(make(), tmp_path, syntax)
    assert plain_header(first, whole=whole, wanted=WANTED) is not None
    source = list_files(path)[0]
    found = read_header(source)
    monkeypatch.setattr(headers, "_read_plain", lambda source, first: None)
    expected = read_header(source)
    assert parts(found) == parts(expected)
    assert values(found) == values(expected)


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_other_encodings_are_left_to_pydicom(syntax, tmp_path):
    dataset = ct()
    if syntax is RLELossless:
        dataset.compress(RLELossless)
    _, first, whole = saved(dataset, tmp_path, syntax)
    assert plain_header(first, whole=whole, wanted=WANTED) is None


def test_what_is_not_in_sight_or_has_no_length_is_left_to_pydicom(tmp_path):
    open_ended, long, commanded = odd(), ct(), ct()
    open_ended["RadiopharmaceuticalInformationSequence"].is_undefined_length = True
    long.add_new(0x00091001, "OB", bytes(FIRST_BYTES))
    for number, dataset in enumerate((open_ended, long, commanded)):
        (tmp_path / str(number)).mkdir()
        path, first, whole = saved(dataset, tmp_path / str(number))
        if dataset is commanded:  # an element of a command set before the first of the data set
            first = first.replace(
                b"\x08\x00\x08\x00CS", b"\x00\x00\x00\x00UL\x04\x00\0\0\0\0\x08\x00\x08\x00CS", 1
            )
        assert plain_header(first, whole=whole, wanted=WANTED) is None
        assert read_header(list_files(path)[0]).modality == "CT"


@pytest.mark.parametrize("place", range(140, 1400, 7))
def test_a_damaged_header_is_judged_as_by_pydicom(place, tmp_path, monkeypatch):
    """Whatever byte is damaged: the same header, or the same error."""
    path, _, _ = saved(titled(), tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x41
    path.write_bytes(content)

    def outcome():
        source = list_files(path)[0]
        try:
            instance = read_header(source)
            return None if instance is None else (parts(instance), values(instance))
        except Exception as error:
            return type(error), str(error)

    found = outcome()
    monkeypatch.setattr(headers, "_read_plain", lambda source, first: None)
    assert found == outcome()


def test_a_file_without_pixels_must_be_whole(tmp_path):
    _, first, whole = saved(factory.rtstruct({"Liver": BLOCK}), tmp_path)
    assert whole
    assert plain_header(first, whole=False, wanted=WANTED) is None
    assert plain_header(first[:-3], whole=True, wanted=WANTED) is None


def test_an_archive_member_is_read_alike(tmp_path):
    import zipfile

    path, _, _ = saved(titled(), tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a")
    inside, outside = (read_header(list_files(p)[0]) for p in (tmp_path / "a.zip", path))
    assert (parts(inside), values(inside)) == (parts(outside), values(outside))
    assert isinstance(inside.source.open(), io.BytesIO)
