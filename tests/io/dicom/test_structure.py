"""Files that are cut short or whose elements overrun each other are refused, whatever pydicom makes of them."""

import io
import struct
import zlib

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import square
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from y90voxel.errors import DicomError
from y90voxel.io.dicom import headers, structure
from y90voxel.io.dicom.headers import lenient_reading, read_header
from y90voxel.io.dicom.sources import list_files

STORED = np.random.default_rng(0).integers(0, 3000, (4, 16, 20)).astype(np.uint16)
BLOCK = [square(3, (-14, -22), z) for z in (104.0, 108.0)]


def read(path):
    with lenient_reading():
        return read_header(list_files(path)[0])


def written(folder, content):
    path = folder / "file"
    path.write_bytes(content)
    return path


def structures(**options):
    buffer = io.BytesIO()
    factory.rtstruct({"Liver": BLOCK, "GTV": BLOCK}).save_as(buffer, enforce_file_format=True, **options)
    return buffer.getvalue()


def element(group, number, vr, value):
    """One explicit little-endian element."""
    head = struct.pack("<HH", group, number) + vr
    long = vr in (b"SQ", b"UN", b"OB")
    return head + (struct.pack("<HI", 0, len(value)) if long else struct.pack("<H", len(value))) + value


@pytest.mark.parametrize(
    "syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("undefined", [False, True])
def test_whole_files_of_every_encoding_pass(tmp_path, syntax, undefined):
    dataset = factory.rtstruct({"Liver": BLOCK})
    for sequence in ("StructureSetROISequence", "ROIContourSequence"):
        dataset[sequence].is_undefined_length = undefined
    dataset.add_new(0x00091001, "UN", b"private")
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    path = factory.save(dataset, tmp_path)[0]
    assert read(path).modality == "RTSTRUCT"


def test_padding_after_the_last_element_passes(tmp_path):
    assert read(written(tmp_path, structures() + bytes(100))).modality == "RTSTRUCT"


@pytest.mark.parametrize("lost", [1, 20, 400])
@pytest.mark.parametrize("marked", [True, False])
def test_a_structure_set_that_was_cut_short_is_refused(tmp_path, lost, marked):
    content = structures()
    begin = 0 if marked else structure.data_set_start(content)
    with pytest.raises(DicomError, match=r"cut short|elements|cannot be read"):
        read(written(tmp_path, content[begin:-lost]))


def test_a_length_that_overruns_its_item_is_refused(tmp_path):
    content = structures()
    place = content.index(b"ROIName") if b"ROIName" in content else content.index(b"\x06\x30\x26\x00LO")
    damaged = content[: place + 6] + struct.pack("<H", 60) + content[place + 8 :]
    with pytest.raises(DicomError, match="is damaged or cut short"):
        read(written(tmp_path, damaged))


def test_an_element_that_occurs_twice_is_refused(tmp_path):
    content = structures()
    twice = element(0x3006, 0x0002, b"SH", b"A ") * 2
    place = content.index(b"\x06\x30\x10\x00SQ")
    with pytest.raises(DicomError, match=r"element \(3006,0002\) occurs twice"):
        read(written(tmp_path, content[:place] + twice + content[place:]))


def test_an_unknown_value_representation_is_refused(tmp_path):
    content = structures().replace(b"\x06\x30\x26\x00LO", b"\x06\x30\x26\x00LX", 1)
    with pytest.raises(DicomError, match=r"\(3006,0026\) has no known value representation"):
        read(written(tmp_path, content))


def nested(depth):
    """A private sequence so deep within itself."""
    value = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
        value = element(0x0008, 0x1140, b"SQ", item)
    return value


@pytest.mark.parametrize("depth", [100, 3000])
def test_sequences_that_nest_too_deep_are_refused(tmp_path, depth):
    content = structures()
    place = content.index(b"\x10\x00\x10\x00PN")
    with pytest.raises(DicomError, match=r"nest deeper than 64 levels|cannot be read"):
        read(written(tmp_path, content[:place] + nested(depth) + content[place:]))


def test_too_many_elements_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(structure, "MOST_ELEMENTS", 20)
    with pytest.raises(DicomError, match="more than 20 elements"):
        read(written(tmp_path, structures()))


def test_a_damaged_mark_is_no_reason_to_pass_over_a_file(tmp_path):
    content = structures()
    for damaged in (
        content[:128] + b"DIC\0" + content[132:],
        content[:100] + bytes(40) + content[140:],
        content[20:],
        bytes(4) + content,
    ):
        with pytest.raises(DicomError, match="no DICM at byte 128"):
            read(written(tmp_path, damaged))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (struct.pack("<HHI", 0xFFFE, 0xE000, 40) + b"12345678", "an item is longer than its sequence"),
        (struct.pack("<HHI", 0x0008, 0x0060, 0), "stands where it cannot"),
        (struct.pack("<HHI", 0xFFFE, 0xE000, 6) + b"\x08\x00\x60\x00CS", "an element is cut off"),
    ],
)
def test_items_that_do_not_fit_are_refused(items, message):
    data = element(0x0008, 0x1140, b"SQ", items)
    with pytest.raises(DicomError, match=message):
        structure.check_structure(data, source(data), implicit=False, little=True)


def test_a_value_without_length_that_is_no_sequence_is_refused():
    data = struct.pack("<HH", 0x0008, 0x0070) + b"UT" + struct.pack("<HI", 0, 0xFFFFFFFF) + b"abcdefgh"
    with pytest.raises(DicomError, match=r"\(0008,0070\) has no length"):
        structure.check_structure(data, source(data), implicit=False, little=True)


def test_fragments_of_an_icon_pass():
    fragments = struct.pack("<HHI", 0xFFFE, 0xE000, 4) + b"abcd" + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    pixels = struct.pack("<HH", 0x7FE0, 0x0010) + b"OB" + struct.pack("<HI", 0, 0xFFFFFFFF) + fragments
    data = element(0x0088, 0x0200, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(pixels)) + pixels)
    structure.check_structure(data, source(data), implicit=False, little=True)


def source(data):
    from y90voxel.io.dicom.sources import SourceFile

    return SourceFile(None, "file", len(data))


def deflated(content, body):
    """The meta header of a file, then a deflated body."""
    dataset = factory.rtstruct({"Liver": BLOCK})
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    head = buffer.getvalue()[: structure.data_set_start(buffer.getvalue())]
    return head + body


@pytest.mark.parametrize("limit", ["LARGEST_INFLATED_BYTES", "LARGE_BYTES"])
def test_a_deflated_bomb_is_refused(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(structure, limit, 1 << 20)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = packer.compress(bytes(50 << 20)) + packer.flush()
    with pytest.raises(DicomError, match=r"unpacks to \d+ bytes and more") as caught:
        read(written(tmp_path, deflated(structures(), body)))
    assert caught.value.tag == "TransferSyntaxUID"


GIB, MIB = 2**30, 2**20


@pytest.mark.parametrize(
    ("inflated", "packed", "taken"),
    [
        (GIB, 6 * MIB, True),  # 171 times its packed size
        (GIB + 1, 6 * MIB, False),
        (64 * MIB, 1, True),
        (64 * MIB + 1, 1, False),
        (200 * MIB, MIB, True),
        (200 * MIB + 1, MIB, False),
        (1000, 1000, True),
    ],
)
def test_a_deflated_data_set_has_1_gib_at_most_and_from_64_mib_on_200_times_its_packed_size(
    inflated, packed, taken
):
    if taken:
        structure._check_inflated(inflated, packed, source(b""))
    else:
        with pytest.raises(DicomError, match=f"unpacks to {inflated} bytes and more, from {packed}"):
            structure._check_inflated(inflated, packed, source(b""))


@pytest.mark.parametrize(("body", "message"), [(b"\xff" * 40, "is damaged"), (b"\x03", "has no end")])
def test_a_damaged_deflated_file_is_refused(tmp_path, body, message):
    with pytest.raises(DicomError, match=f"deflated data set of file {message}"):
        read(written(tmp_path, deflated(structures(), body)))


def test_a_file_larger_than_any_image_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "LARGEST_FILE_BYTES", 1000)
    with pytest.raises(DicomError, match=r"file has \d+ bytes, more than any image"):
        read(written(tmp_path, structures()))


def test_an_element_beyond_the_end_of_the_file_is_refused(tmp_path):
    beyond = element(0x300E, 0x00FF, b"UN", b"")[:-4] + struct.pack("<I", 1 << 30)
    with pytest.raises(DicomError, match="an element ends 1073741824 bytes beyond the end of the file"):
        read(written(tmp_path, structures() + beyond))


def test_sequences_within_unknown_values_are_followed():
    inner = struct.pack("<HHI", 0x0008, 0x0100, 4) + b"CODE"
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    value = item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    data = struct.pack("<HH", 0x0009, 0x1001) + b"UN" + struct.pack("<HI", 0, 0xFFFFFFFF) + value
    structure.check_structure(data, source(data), implicit=False, little=True)


@pytest.mark.parametrize("version", [b"\0\1", b"\0\1\2\3"])
def test_a_data_set_begins_behind_a_meta_header_with_long_and_short_elements(version):
    meta = (
        element(0x0002, 0x0001, b"OB", version)  # 12 bytes and its value
        + element(0x0002, 0x0002, b"UI", b"1.2.3\0")  # 8 bytes and 6
    )
    data = element(0x0008, 0x0060, b"CS", b"CT")
    assert structure.data_set_start(meta + data) == 26 + len(version)
    assert structure.data_set_start(bytes(128) + b"DICM" + meta + data) == 158 + len(version)
    assert structure.data_set_start(data) == 0
    assert structure.data_set_start(meta[:10]) == 10  # cut within a length


def check(data, *, implicit=False):
    structure.check_structure(data, source(data), implicit=implicit, little=True)


@pytest.mark.parametrize(("most", "taken"), [(3, True), (2, False)])
def test_elements_are_counted(monkeypatch, most, taken):
    monkeypatch.setattr(structure, "MOST_ELEMENTS", most)
    data = b"".join(element(0x0010, number, b"LO", b"A ") for number in (0x10, 0x20, 0x30))
    if taken:
        check(data)
    else:
        with pytest.raises(DicomError, match="more than 2 elements"):
            check(data)


@pytest.mark.parametrize(("within", "taken"), [(b"", True), (element(0x0010, 0x0020, b"LO", b"A "), False)])
def test_64_levels_are_followed(within, taken):
    """31 sequences and their items in the data set: 63 levels; the sequence in the last is 64, what its item holds 65."""
    last = element(0x0008, 0x1140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(within)) + within)
    data = last
    for _ in range(31):
        data = element(0x0008, 0x1140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data)
    if taken:
        check(data)
    else:
        with pytest.raises(DicomError, match="nest deeper than 64 levels"):
            check(data)


CUT = struct.pack("<HH", 0x7FE0, 0x0010) + b"OW" + struct.pack("<HI", 0, 1000)


def test_what_follows_the_pixels_of_the_image_is_not_looked_at():
    check(element(0x0008, 0x0060, b"CS", b"CT") + CUT)


def test_pixels_of_an_icon_end_nothing():
    icon = element(0x0088, 0x0200, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(CUT)) + CUT)
    with pytest.raises(DicomError, match="beyond what holds it"):
        check(icon)


END_OF_ITEM, END_OF_SEQUENCE = (struct.pack("<HHI", 0xFFFE, number, 0) for number in (0xE00D, 0xE0DD))


@pytest.mark.parametrize(
    ("length", "within", "end", "taken"),
    [
        (0xFFFFFFFF, b"", END_OF_ITEM, True),
        (0xFFFFFFFF, b"", END_OF_SEQUENCE, False),
        (8, END_OF_ITEM, b"", False),  # an item with a length has no delimiter
        (0, b"", b"", True),
    ],
)
def test_a_delimiter_ends_what_has_no_length_and_nothing_else(length, within, end, taken):
    data = element(0x0008, 0x1140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, length) + within + end)
    if taken:
        check(data)
    else:
        with pytest.raises(DicomError, match="stands where it cannot"):
            check(data)


FRAGMENTS = struct.pack("<HHI", 0xFFFE, 0xE000, 4) + b"abcd" + END_OF_SEQUENCE


@pytest.mark.parametrize(("tag", "vr"), [((0x0009, 0x1001), b"OB"), ((0x7FE0, 0x0010), b"UN")])
def test_fragments_are_those_of_bytes_or_of_pixels(tag, vr):
    value = struct.pack("<HH", *tag) + vr + struct.pack("<HI", 0, 0xFFFFFFFF) + FRAGMENTS
    check(element(0x0088, 0x0200, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value))
