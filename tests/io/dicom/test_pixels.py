"""Stored values of every kind of pixel data, and the refusal of damaged ones."""

import hashlib

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from y90voxel.errors import DicomError
from y90voxel.io.dicom import pixels
from y90voxel.io.dicom.ct import read_ct
from y90voxel.io.dicom.headers import lenient_reading, read_header, read_whole
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.pixels import native_pixels, stored_values
from y90voxel.io.dicom.sources import list_files

STORED = np.random.default_rng(0).integers(0, 3000, (4, 16, 20)).astype(np.uint16)


def instance_of(path):
    with lenient_reading():
        return read_header(list_files(path)[0])


def saved(tmp_path, dataset):
    return instance_of(factory.save(dataset, tmp_path)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize("implicit", [False, True])
def test_uncompressed_values_come_straight_from_the_file(tmp_path, dtype, implicit):
    values = np.random.default_rng(1).integers(-100, 100, STORED.shape).astype(dtype)
    dataset = factory.nm(values)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else "1.2.840.10008.1.2.1"
    instance = saved(tmp_path, dataset)
    assert instance.pixel_offset is not None
    np.testing.assert_array_equal(stored_values(instance), values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_big_endian_values_are_swapped(tmp_path, dtype):
    values = STORED.astype(dtype)
    dataset = factory.nm(values)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = values.astype(np.dtype(dtype).newbyteorder(">")).tobytes()
    if dtype == np.uint8:
        dataset.PixelData = values.tobytes()
        dataset["PixelData"].VR = "OB"
    path = tmp_path / "big"
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, enforce_file_format=True)
    np.testing.assert_array_equal(stored_values(instance_of(path)), values)


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=["RLE", "J2K", "JPEG-LS"]
)
def test_compressed_values_are_decoded(tmp_path, syntax):
    values = np.tile(STORED, (1, 4, 4))  # JPEG 2000 wants some size
    dataset = factory.nm(values)
    dataset.compress(syntax)
    instance = saved(tmp_path, dataset)
    assert instance.pixel_offset is None
    np.testing.assert_array_equal(stored_values(instance), values)


def test_floating_point_pixels_are_read(tmp_path):
    values = STORED[:1] * 0.37
    dataset = factory.ct(STORED[:1], RescaleIntercept="0", PixelData=None, BitsAllocated=32)[0]
    dataset.FloatPixelData = values.astype("<f4").tobytes()
    factory.change(dataset, BitsStored=None, HighBit=None, PixelRepresentation=None)
    np.testing.assert_allclose(stored_values(saved(tmp_path, dataset)), values, rtol=1e-6)
    (series,) = index_study(tmp_path).series
    np.testing.assert_allclose(read_ct(series)[0].array, values, rtol=1e-6)


def test_deflated_files_are_inflated(tmp_path):
    dataset = factory.nm(STORED)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(stored_values(saved(tmp_path, dataset)), STORED)


@pytest.fixture
def jpeg_lossless(tmp_path):
    """A CT slice in JPEG lossless, which pydicom's plug-ins here cannot decode."""
    import SimpleITK as sitk  # noqa: N813

    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(tmp_path / "plain.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(STORED[:1]))
    packed = pydicom.dcmread(tmp_path / "plain.dcm")
    assert packed.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.70"
    dataset = factory.ct(STORED[:1], RescaleSlope="2.5", RescaleIntercept="-100")[0]
    dataset.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    dataset.PixelData = packed.PixelData
    dataset["PixelData"].VR = "OB"
    return dataset


def test_what_pydicom_cannot_decode_goes_through_simpleitk_without_rescaling(tmp_path, jpeg_lossless):
    instance = saved(tmp_path / "x", jpeg_lossless)
    with pytest.raises(RuntimeError, match="Unable to decompress"):
        _ = read_whole(instance.source).pixel_array
    np.testing.assert_array_equal(stored_values(instance), STORED[:1])


def test_what_nobody_can_decode_is_refused(tmp_path, jpeg_lossless):
    jpeg_lossless.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8nonsense"])
    jpeg_lossless["PixelData"].is_undefined_length = True
    with pytest.raises(DicomError, match=r"cannot be decoded .*SimpleITK") as caught:
        stored_values(saved(tmp_path / "x", jpeg_lossless))
    assert caught.value.tag == "TransferSyntaxUID"


@pytest.mark.parametrize(
    ("stored_bits", "high", "signed"), [(12, 11, 0), (12, 11, 1), (10, 13, 0), (10, 13, 1), (16, 15, 1)]
)
def test_only_the_stored_bits_count(tmp_path, stored_bits, high, signed):
    rng = np.random.default_rng(2)
    low = -(1 << (stored_bits - 1)) if signed else 0
    values = rng.integers(low, low + (1 << stored_bits), STORED.shape)
    noise = rng.integers(0, 1 << 16, STORED.shape) & ~(((1 << stored_bits) - 1) << (high - stored_bits + 1))
    packed = (((values & ((1 << stored_bits) - 1)) << (high - stored_bits + 1)) | noise).astype(np.uint16)
    dataset = factory.nm(packed, BitsStored=stored_bits, HighBit=high, PixelRepresentation=signed)
    dataset.add_new(0x60000102, "US", 15)  # OverlayBitPosition of the first overlay
    np.testing.assert_array_equal(stored_values(saved(tmp_path, dataset)), values)


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_beyond_the_stored_ones_are_refused_where_no_overlay_is(tmp_path, signed):
    values = STORED | np.uint16(1 << 14)
    dataset = factory.nm(values, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    with pytest.raises(DicomError, match="use bits beyond BitsStored 12") as caught:
        stored_values(saved(tmp_path, dataset))
    assert caught.value.tag == "BitsStored"


def test_a_repeated_sign_is_no_stray_bit(tmp_path):
    values = STORED.astype(np.int16) % 2000 - 1000
    dataset = factory.nm(values, BitsStored=12, HighBit=11, PixelRepresentation=1)
    np.testing.assert_array_equal(stored_values(saved(tmp_path, dataset)), values)


def test_more_pixels_than_the_header_says_are_refused(tmp_path):
    dataset = factory.nm(STORED)
    dataset.Rows = dataset.Rows - 1
    with pytest.raises(DicomError, match=r"should hold \d+ bytes .* but has 2560"):
        stored_values(saved(tmp_path, dataset))


def test_compressed_pixels_that_claim_too_much_are_refused_before_they_are_unpacked(tmp_path):
    dataset = factory.ct(STORED[:1])[0]
    dataset.compress(RLELossless)
    dataset.Rows = dataset.Columns = 30000
    with pytest.raises(DicomError, match="No image compresses so well"):
        stored_values(saved(tmp_path, dataset))


@pytest.mark.parametrize(("stored_bits", "high"), [(20, 15), (12, 16), (12, 5)])
def test_bits_that_do_not_fit_are_refused(tmp_path, stored_bits, high):
    dataset = factory.nm(STORED, BitsStored=stored_bits, HighBit=high)
    with pytest.raises(DicomError, match="do not fit BitsAllocated 16"):
        stored_values(saved(tmp_path, dataset))


def test_cut_off_pixels_are_refused(tmp_path):
    path = factory.save(factory.nm(STORED), tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DicomError, match=r"should hold 2560 bytes .* but has 2460"):
        stored_values(instance_of(path))


def test_absurd_sizes_are_refused_before_memory_is_asked_for(tmp_path):
    instance = saved(tmp_path, factory.nm(STORED, Rows=65535, Columns=65535, NumberOfFrames=1000))
    with pytest.raises(DicomError, match="more than any image"):
        stored_values(instance)
    instance = saved(tmp_path, factory.nm(STORED, Rows=65535))
    with pytest.raises(DicomError, match="should hold"):
        stored_values(instance)


@pytest.mark.parametrize("rows", [0, None])
def test_a_size_that_is_not_positive_is_refused(tmp_path, rows):
    with pytest.raises(DicomError, match="Rows is"):
        stored_values(saved(tmp_path, factory.nm(STORED, Rows=rows)))


def test_colour_images_are_refused(tmp_path):
    with pytest.raises(DicomError, match="colour image"):
        stored_values(saved(tmp_path, factory.nm(STORED, SamplesPerPixel=3)))


def test_objects_without_pixels_are_refused(tmp_path):
    with pytest.raises(DicomError, match="has no pixel data"):
        stored_values(saved(tmp_path, factory.nm(STORED, PixelData=None)))


def test_decoded_frames_that_contradict_the_header_are_refused(tmp_path, jpeg_lossless, monkeypatch):
    monkeypatch.setattr(pixels, "_decode_with_simpleitk", lambda *_: STORED[0, :5])
    with pytest.raises(DicomError, match="decodes to 100 pixels, its header says 1 frames of 16 x 20"):
        stored_values(saved(tmp_path / "x", jpeg_lossless))


def test_a_damaged_file_is_refused_when_it_is_read_whole(tmp_path):
    instance = saved(tmp_path, factory.nm(STORED))
    instance.source.path.write_bytes(bytes(128) + b"DICM" + b"\x08\x00\x05\x00ZZ\x04\x00ABCD")
    with lenient_reading(), pytest.raises(DicomError, match="cannot be read"):
        read_whole(instance.source)


def test_native_pixels_know_what_is_missing(tmp_path):
    instance = saved(tmp_path, factory.nm(STORED))
    assert native_pixels(instance, 2560) == STORED.tobytes()
    with pytest.raises(DicomError, match="should hold 2562 bytes"):
        native_pixels(instance, 2562)


def test_the_digest_is_that_of_the_content_that_was_used(tmp_path):
    """A file that changes between reading and provenance is told as it was read."""
    path = factory.save(factory.nm(STORED), tmp_path)[0]
    content = path.read_bytes()
    instance, untouched = instance_of(path), instance_of(path)
    stored_values(instance)
    path.write_bytes(content + b"\0\0")
    assert instance.source.sha256() == hashlib.sha256(content).digest()
    assert untouched.source.sha256() == hashlib.sha256(content + b"\0\0").digest()


def signed_bits(stored, values, modality="CT"):
    """A signed 16-bit image that claims fewer stored bits."""
    make = factory.ct if modality == "CT" else factory.pet
    made = make(np.stack([values, values, values]).astype(np.int16))
    for ds in made:
        ds.BitsStored, ds.HighBit = stored, stored - 1
    return made


@pytest.mark.parametrize(
    ("stored", "values", "modality", "refused"),
    [
        (15, [[100, 20000], [0, 5]], "PT", True),
        (15, [[100, 20000], [0, 5]], "CT", True),
        (15, [[100, 16383], [0, 5]], "PT", False),
        (15, [[100, -20], [0, 5]], "PT", False),  # the bits above the sign are set
        (12, [[100, 3000], [0, 5]], "CT", False),  # -1096, bits above the sign clear, as DICOM has it
        (12, [[100, 3000], [0, -5]], "CT", True),  # both ways in one file
    ],
)
def test_signed_pixels_beyond_their_stored_bits_are_refused(tmp_path, stored, values, modality, refused):
    factory.save(signed_bits(stored, np.array(values), modality), tmp_path)
    (series,) = index_study(tmp_path).series
    if refused:
        with pytest.raises(
            DicomError, match=r"BitsStored or PixelRepresentation is wrong|bits beyond BitsStored"
        ):
            stored_values(series.first)
    else:
        stored_values(series.first)
