"""What is taken for DICOM, and how much of a file is read for its header."""

import io
import struct
import zipfile
from pathlib import Path

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset

from y90voxel.errors import DicomError
from y90voxel.io.dicom import sources
from y90voxel.io.dicom.headers import (
    Instance,
    _damaged_start,
    _looks_like_a_dataset,
    _with_pixel_place,
    read_header,
)
from y90voxel.io.dicom.sources import SourceFile, list_files

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)

REST = bytes(12)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("group", "element", "taken"),
    [
        (0x0002, 0x0000, True), (0x0008, 0x0005, True), (0x0008, 0x0070, True), (0x0008, 0x0071, False),
        (0x0009, 0x0005, False), (0x0010, 0x0010, False), (0x0000, 0x0002, False),
    ],
)  # fmt: skip
def test_a_data_set_begins_with_group_2_or_8_in_either_order_of_bytes(order, group, element, taken):
    start = struct.pack(f"{order}HH", group, element)
    assert _looks_like_a_dataset(start + REST) is taken
    assert _looks_like_a_dataset(start + REST[:-1]) is False  # less than an element


def ct_bytes():
    (slice_,) = factory.ct(np.zeros((1, 4, 6), np.int16))
    buffer = io.BytesIO()
    slice_.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_the_transfer_syntax_is_that_of_the_meta_header():
    with_meta = Instance(FILE, factory.ct(np.zeros((1, 4, 6), np.int16))[0])
    assert with_meta.transfer_syntax == "1.2.840.10008.1.2.1"
    assert Instance(FILE, factory.item(Modality="CT")).transfer_syntax == ""


@pytest.mark.parametrize(
    ("size", "taken"),
    [((2**15, 2**7, 2**9), True), ((2**15, 2**7, 2**9 + 1), False), ((2**15, 2**9 + 1, 2**7), False)],
)
def test_voxels_are_counted_in_frames_rows_and_columns(size, taken):
    frames, rows, columns = size
    instance = Instance(FILE, factory.item(NumberOfFrames=frames, Rows=rows, Columns=columns))
    if taken:
        assert instance.matrix_size() == size
    else:
        with pytest.raises(DicomError, match="more than any image of a patient"):
            instance.matrix_size()


def test_what_lies_in_an_archive_does_not_make_it_dicom(tmp_path):
    path = tmp_path / "study"
    path.write_bytes(b"PK\x03\x04" + bytes(30) + ct_bytes())
    assert read_header(SourceFile(path, "study", path.stat().st_size)) is None


def test_a_file_of_5_gib_that_is_not_dicom_is_passed_over(tmp_path):
    path = tmp_path / "list mode"
    path.write_bytes(b"events of a list mode file" * 20)
    assert read_header(SourceFile(path, "list mode", 5 * 2**30)) is None


RESCALE = b"\x28\x00\x52\x10DS"  # RescaleIntercept, behind what all other elements but its slope and type are


@pytest.mark.parametrize(
    ("bytes_of_header", "times"),
    [
        (len(ct_bytes()), 0),  # the pixels begin in the part that was unpacked
        (ct_bytes().index(RESCALE), 1),  # cut between two elements: what was read looks whole
        (ct_bytes().index(RESCALE) + 10, 1),  # cut within one
    ],
)
def test_a_header_that_goes_on_behind_the_part_that_was_unpacked_is_read_again(
    tmp_path, monkeypatch, bytes_of_header, times
):
    content = ct_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.dcm", content + bytes(16))
    monkeypatch.setattr(sources, "HEADER_BYTES", bytes_of_header)
    opened = []
    whole = SourceFile.open
    monkeypatch.setattr(SourceFile, "open", lambda file: opened.append(file) or whole(file))
    (file,) = list_files(tmp_path / "a.zip")
    instance = read_header(file)
    assert len(opened) == times
    assert instance.header.RescaleIntercept == -1024
    assert (instance.pixel_offset, instance.pixel_bytes) == (len(content) - 48, 48)


@pytest.mark.parametrize(("lost", "damaged"), [(b"", False), (b"\0", True), (bytes(40), True)])
def test_a_meta_header_that_does_not_stand_at_the_beginning_is_damaged(lost, damaged):
    assert _damaged_start(lost + b"\x02\x00\x00\x00UL\x04\x00" + bytes(4)) is damaged


def test_bytes_that_begin_like_a_data_set_and_are_none_are_passed_over(tmp_path):
    path = tmp_path / "counts.raw"
    path.write_bytes(struct.pack("<HHI", 0x0008, 0x0001, 1 << 20) + b"\x7f" * 24)
    assert read_header(SourceFile(path, "counts.raw", 32)) is None


def read_marked(path, dataset, media_class):
    """The header of an object that is written as it is, with preamble and meta header."""
    dataset.preamble = bytes(128)
    dataset.file_meta.MediaStorageSOPClassUID = media_class
    pydicom.dcmwrite(path, dataset, enforce_file_format=False)
    assert path.read_bytes()[128:132] == b"DICM"
    return read_header(SourceFile(path, "a.dcm", path.stat().st_size))


@pytest.mark.parametrize("missing", ["SOPClassUID", "SeriesInstanceUID"])
def test_a_file_that_does_not_say_what_it_is_or_of_which_series_is_refused(tmp_path, missing):
    (slice_,) = factory.ct(np.zeros((1, 4, 6), np.int16), **{missing: None})
    with pytest.raises(DicomError, match="no SOPClassUID or SeriesInstanceUID"):
        read_marked(tmp_path / "a.dcm", slice_, factory.CT_CLASS)


def test_the_directory_of_a_medium_is_no_image(tmp_path):
    (slice_,) = factory.ct(np.zeros((1, 4, 6), np.int16), SOPClassUID=None, SeriesInstanceUID=None)
    assert read_marked(tmp_path / "DICOMDIR", slice_, "1.2.840.10008.1.3.10") is None


EXPLICIT, IMPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{end}" for end in (".1", "", ".2", ".1.99"))
HEAD = b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", 640)  # tag, representation, reserved, length


@pytest.mark.parametrize(
    ("syntax", "implicit", "little", "element", "place"),
    [
        (EXPLICIT, False, True, HEAD, (1012, 640)),
        (EXPLICIT, False, True, HEAD.replace(b"OW", b"OB"), (1012, 640)),
        (None, False, True, HEAD, (1012, 640)),  # without a meta header
        (IMPLICIT, True, True, b"\xe0\x7f\x10\x00" + struct.pack("<I", 640) + b"abcd", (1008, 640)),
        (BIG, False, False, b"\x7f\xe0\x00\x10OW\0\0" + struct.pack(">I", 640), (1012, 640)),
        (BIG, False, False, HEAD, (None, None)),
        (EXPLICIT, False, True, HEAD.replace(b"OW", b"UN"), (None, None)),
        (EXPLICIT, False, True, HEAD[:11], (None, None)),
        (EXPLICIT, False, True, HEAD[:8] + b"\xff\xff\xff\xff", (None, None)),  # fragments
        (EXPLICIT, False, True, b"\x08\0\x60\0CS\x02\0CT\0\0", (None, None)),  # another element
        (DEFLATED, False, True, HEAD, (None, None)),
        ("1.2.840.10008.1.2.4.70", False, True, HEAD, (None, None)),
    ],
)
def test_uncompressed_pixels_begin_behind_the_head_of_their_element(syntax, implicit, little, element, place):
    header = factory.item(Modality="CT")
    header.set_original_encoding(implicit, little)
    if syntax is not None:
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = syntax
    instance = _with_pixel_place(FILE, header, 1000, element)
    assert (instance.pixel_offset, instance.pixel_bytes) == place
    if place != (None, None):
        assert instance.little_endian is little


def test_a_text_about_dicom_is_none(tmp_path):
    path = tmp_path / "readme.txt"
    path.write_text("The files of this folder come without preamble and without the letters DICM. " * 5)
    assert read_header(SourceFile(path, "readme.txt", path.stat().st_size)) is None


@pytest.mark.parametrize(
    ("start", "damaged"), [(b"DICM", False), (bytes(120) + b"DICM", True), (b"DIC" + bytes(9), False)]
)
def test_a_mark_among_bytes_that_are_no_text_is_out_of_place(start, damaged):
    assert _damaged_start(start + b"abc") is damaged
