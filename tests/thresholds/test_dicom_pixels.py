"""How many bytes pixels take, which of their bits count, and when a claim is too large for its file."""

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.ct import _fits_int16
from y90voxel.io.dicom.headers import OVERLAY_BIT_TAG, Instance
from y90voxel.io.dicom.pixels import _native_type, check_pixel_bytes, decoded_values, stored_values
from y90voxel.io.dicom.sources import SourceFile


def instance(path, data=b"", offset=0, little=True, **attributes):
    path.write_bytes(data)
    source = SourceFile(path, path.name, len(data))
    length = None if offset is None else len(data) - offset
    return Instance(source, factory.item(**attributes), offset, length, little)


@pytest.mark.parametrize(
    ("bits", "length", "fits"),
    [
        (16, 59, False),
        (16, 60, True),
        (16, 62, True),  # padding: less than a row or column of three
        (16, 63, False),
        (8, 29, False),
        (8, 30, True),
        (1, 3, False),
        (1, 4, True),
        (None, 3, True),  # it cannot be told
        (0, 3, True),
    ],
)
def test_uncompressed_pixels_take_the_bytes_of_frames_rows_columns_and_bits(tmp_path, bits, length, fits):
    stated = {} if bits is None else {"BitsAllocated": bits}
    made = instance(tmp_path / "x.dcm", bytes(length), NumberOfFrames=2, Rows=3, Columns=5, **stated)
    if fits:
        check_pixel_bytes(made)
    else:
        with pytest.raises(DicomError, match=rf"\(2 frames of 3 x 5\), but has {length}\."):
            check_pixel_bytes(made)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
@pytest.mark.parametrize(("length", "fits"), [(4, False), (5, True), (6, True), (7, False)])
def test_a_line_of_pixels_is_padded_to_an_even_length(tmp_path, shape, length, fits):
    rows, columns = shape
    made = instance(tmp_path / "x.dcm", bytes(length), Rows=rows, Columns=columns, BitsAllocated=8)
    if fits:
        check_pixel_bytes(made)
    else:
        with pytest.raises(DicomError, match=rf"should hold 5 bytes of pixels .* but has {length}\."):
            check_pixel_bytes(made)


def test_compressed_pixels_may_take_any_bytes(tmp_path):
    check_pixel_bytes(instance(tmp_path / "x.dcm", offset=None, Rows=3, Columns=5, BitsAllocated=16))


@pytest.mark.parametrize(
    ("bits", "signed", "little", "kind"),
    [
        (16, 0, True, "<u2"),
        (16, 1, True, "<i2"),
        (16, 1, False, ">i2"),
        (8, 0, True, "<u1"),
        (8, 0, False, None),  # bytes are swapped in pairs there
        (32, 0, False, ">u4"),
        (12, 0, True, None),
        (64, 0, True, None),
        (None, 0, True, None),
    ],
)
def test_whole_bytes_are_read_as_they_stand(tmp_path, bits, signed, little, kind):
    stated = {} if bits is None else {"BitsAllocated": bits}
    found = _native_type(instance(tmp_path / "x", little=little, PixelRepresentation=signed, **stated))
    assert found == (None if kind is None else np.dtype(kind))


def values(tmp_path, pixels, *, modality="CT", overlay=False, **bits):
    """What is read of pixels in one row, and the significant bits that a header states."""
    array = np.asarray(pixels)
    made = instance(
        tmp_path / "x.dcm",
        array.tobytes(),
        Modality=modality,
        Rows=1,
        Columns=array.size,
        BitsAllocated=8 * array.itemsize,
        PixelRepresentation=int(array.dtype.kind == "i"),
        **bits,
    )
    if overlay:
        made.header.add_new(OVERLAY_BIT_TAG, "US", 15)
    return stored_values(made)[0, 0].tolist()


@pytest.mark.parametrize(
    ("pixels", "bits", "found"),
    [
        ([5, 4095], {"BitsStored": 12}, [5, 4095]),  # the highest bit is the eleventh
        ([5, 4095], {"BitsStored": 12, "HighBit": 11}, [5, 4095]),
        ([80, 65520], {"BitsStored": 12, "HighBit": 15}, [5, 4095]),
        ([0, 1], {"BitsStored": 1}, [0, 1]),
        ([0, 2], {"BitsStored": 1}, None),
        ([5, 65535], {}, [5, 65535]),
        ([5, 65535], {"BitsStored": 16}, [5, 65535]),
        ([5, 4096], {"BitsStored": 12}, None),
        ([81, 16], {"BitsStored": 12, "HighBit": 15}, None),
        ([5], {"BitsStored": 17}, None),
        ([5], {"BitsStored": 12, "HighBit": 10}, None),
        ([5], {"BitsStored": 12, "HighBit": 16}, None),
    ],
)
def test_the_stored_bits_below_the_highest_count(tmp_path, pixels, bits, found):
    pixels = np.array(pixels, np.uint16)
    if found is None:
        with pytest.raises(DicomError) as caught:
            values(tmp_path, pixels, **bits)
        assert caught.value.tag == "BitsStored"
    else:
        assert values(tmp_path, pixels, **bits) == found


def test_bits_of_an_overlay_are_no_values(tmp_path):
    pixels = np.array([5, 32768 + 7], np.uint16)
    assert values(tmp_path, pixels, overlay=True, BitsStored=12) == [5, 7]


@pytest.mark.parametrize(
    ("modality", "stored", "pixels", "found"),
    [
        ("CT", 12, [5, 2048], [5, -2048]),  # signs without what computers put above them
        ("CT", 12, [5, -2048], [5, -2048]),
        ("CT", 12, [5, 2047], [5, 2047]),
        ("PT", 12, [5, 2047], [5, 2047]),
        ("PT", 12, [5, 2048], None),  # activity is not below 0 so far
        ("NM", 12, [5, 2048], None),
        ("OT", 12, [5, 2048], None),
        ("PT", 12, [5, -2048], [5, -2048]),
        ("CT", 15, [5, 16384], None),  # one bit too few for a positive value
        ("CT", 14, [5, 8192], [5, -8192]),
        ("CT", 12, [-5, 2048], None),  # both ways in one file
    ],
)
def test_a_set_sign_bit_is_a_sign_where_it_can_be_none_else_refused(
    tmp_path, modality, stored, pixels, found
):
    pixels = np.array(pixels, np.int16)
    if found is None:
        with pytest.raises(DicomError) as caught:
            values(tmp_path, pixels, modality=modality, BitsStored=stored)
        assert caught.value.tag == "BitsStored"
    else:
        assert values(tmp_path, pixels, modality=modality, BitsStored=stored) == found


@pytest.mark.parametrize(
    ("bits", "rows", "said"),
    [
        (8, 8192, "has no pixel data"),  # 64 MiB
        (8, 8193, "No image compresses so well"),
        (16, 4096, "has no pixel data"),
        (16, 4097, "No image compresses so well"),
        (None, 8193, "No image compresses so well"),
        (16, 10, "has no pixel data"),
    ],
)
def test_a_small_file_does_not_claim_more_than_64_mib_of_pixels(tmp_path, bits, rows, said):
    stated = {} if bits is None else {"BitsAllocated": bits}
    small = instance(tmp_path / "x.dcm", b"\x08\x00", offset=None, **stated)
    with pytest.raises(DicomError, match=said):
        decoded_values(small, (1, rows, 8192))


@pytest.mark.parametrize(("size", "said"), [(61_100, "has no pixel data"), (60_900, "compresses so well")])
def test_a_large_image_is_1100_times_its_file_at_most(tmp_path, size, said):
    large = instance(tmp_path / "x.dcm", b"\x08\x00", offset=None, BitsAllocated=8)
    object.__setattr__(large, "source", SourceFile(tmp_path / "x.dcm", "x.dcm", size))
    with pytest.raises(DicomError, match=said):
        decoded_values(large, (1, 8193, 8192))


@pytest.mark.parametrize(
    ("stored", "intercept", "fits"),
    [
        ([0, 32766], 1, True),
        ([0, 32767], 1, False),
        ([-32767, 0], -1, True),
        ([-32768, 0], -1, False),
        ([0, 32767], -1024, True),
        ([0, 32768], -1024, False),  # the stored value alone is too large
        ([0, 32767], -32768, True),
        ([5, 32767], -32769, False),  # the intercept alone is too small
        ([0.0, 5.0], 0, False),
    ],
)
def test_hounsfield_units_are_16_bits_where_every_number_fits(stored, intercept, fits):
    assert _fits_int16(np.array(stored), intercept) == fits
