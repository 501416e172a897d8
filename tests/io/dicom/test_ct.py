"""CT: Hounsfield units exactly, padding, types."""

from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest
from pydicom.sequence import Sequence

from y90voxel.errors import DicomError
from y90voxel.io.dicom.ct import _padding_value, read_ct
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.sources import SourceFile

STORED = np.random.default_rng(0).integers(0, 4000, (5, 6, 7))


def read(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return read_ct(series)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32])
def test_whole_hounsfield_units_stay_whole(tmp_path, dtype):
    image, notices = read(factory.ct(STORED.astype(dtype)), tmp_path)
    assert image.array.dtype == np.int16
    np.testing.assert_array_equal(image.array, STORED - 1024)
    assert notices == ()


def test_fractional_slopes_give_floats(tmp_path):
    image, _ = read(
        factory.ct(STORED.astype(np.uint16), RescaleSlope="0.5", RescaleIntercept="-100.5"), tmp_path
    )
    np.testing.assert_allclose(image.array, STORED * 0.5 - 100.5, rtol=1e-6)


def test_values_beyond_16_bits_give_floats_instead_of_wrapping(tmp_path):
    stored = STORED.astype(np.uint16)
    stored[2, 3, 4] = 60000
    image, _ = read(factory.ct(stored), tmp_path)
    assert image.array.dtype == np.float32
    np.testing.assert_array_equal(image.array, stored - 1024.0)


def test_slopes_may_differ_from_slice_to_slice(tmp_path):
    datasets = factory.ct(STORED.astype(np.uint16))
    datasets[3].RescaleSlope, datasets[3].RescaleIntercept = "2", "-1000"
    image, _ = read(datasets, tmp_path)
    np.testing.assert_array_equal(image.array[3], 2.0 * STORED[3] - 1000)
    np.testing.assert_array_equal(image.array[2], STORED[2] - 1024)


@pytest.mark.parametrize("limit", [None, -2500])
def test_padding_outside_the_field_of_view_becomes_air(tmp_path, limit):
    stored = STORED.astype(np.int16)
    stored[:, 0] = -2000
    stored[:, 1] = -2000 if limit is None else -2300
    image, notices = read(factory.ct(stored, PixelPaddingValue=-2000, PixelPaddingRangeLimit=limit), tmp_path)
    assert (image.array[:, :2] == -1024).all()
    np.testing.assert_array_equal(image.array[:, 2:], STORED[:, 2:] - 1024)
    assert [f.code for f in notices] == ["padding"]


def padded(dtype, padding):
    stored = STORED.astype(dtype)
    stored[:, 0] = padding
    return stored


def test_padding_of_an_enhanced_ct_is_found_with_the_rescaling_of_its_frames(tmp_path):
    image, notices = read(
        factory.enhanced_ct(padded(np.int16, -1500), PixelPaddingValue=-1500), tmp_path
    )  # -2500 HU
    assert (image.array[:, 0] == -1024).all()
    np.testing.assert_array_equal(image.array[:, 1:], STORED[:, 1:] - 1000)
    assert [f.code for f in notices] == ["padding"]
    assert notices[0].message.startswith(f"{5 * 7} voxels")


def test_padding_is_found_with_the_rescaling_of_each_slice(tmp_path):
    datasets = factory.ct(padded(np.int16, -2000), PixelPaddingValue=-2000)
    datasets[3].RescaleSlope, datasets[3].RescaleIntercept = "2", "-1000"
    image, _ = read(datasets, tmp_path)
    assert (image.array[:, 0] == -1024).all()
    np.testing.assert_array_equal(image.array[3, 1:], 2.0 * STORED[3, 1:] - 1000)


def test_padding_that_only_some_slices_state_is_air_in_those(tmp_path):
    datasets = factory.ct(padded(np.int16, -2000), PixelPaddingValue=-2000)
    factory.change(datasets[2], PixelPaddingValue=None)
    image, notices = read(datasets, tmp_path)
    np.testing.assert_array_equal(image.array[:, 0, 0], [-1024, -1024, -3024, -1024, -1024])
    assert notices[0].message.startswith(f"{4 * 7} voxels")


@pytest.mark.parametrize(("stored", "stated"), [(-2000, 63536), (-32768, 32768), (-1, 65535)])
def test_a_padding_value_stated_without_a_sign_is_that_of_signed_pixels(tmp_path, stored, stated):
    datasets = factory.ct(padded(np.int16, stored), RescaleIntercept="-1200")
    for dataset in datasets:
        dataset.add_new("PixelPaddingValue", "US", stated)
    image, _ = read(datasets, tmp_path)
    assert (image.array[:, 0] == -1024).all()
    np.testing.assert_array_equal(image.array[:, 1:], STORED[:, 1:] - 1200)


def test_a_padding_value_within_tissue_range_changes_nothing(tmp_path):
    image, notices = read(factory.ct(STORED.astype(np.uint16), PixelPaddingValue=0), tmp_path)
    np.testing.assert_array_equal(image.array, STORED - 1024)
    assert notices == ()


def test_a_ct_in_a_grid_too_oblique_to_be_one_is_refused(tmp_path, monkeypatch):
    from y90voxel.errors import GeometryError
    from y90voxel.io.dicom import ct

    def broken(*_, **__):
        raise GeometryError("axes meet at 45 degrees")

    monkeypatch.setattr(ct, "stack_of", broken)
    with pytest.raises(DicomError, match="45 degrees") as caught:
        read(factory.ct(STORED.astype(np.uint16)), tmp_path)
    assert caught.value.file == "file0000"


def test_a_mapping_to_hounsfield_units_that_differs_from_the_rescaling_is_refused(tmp_path):
    def mapped(slope):
        item = factory.item(
            RealWorldValueSlope=slope,
            RealWorldValueIntercept=-1024.0,
            MeasurementUnitsCodeSequence=Sequence([factory.code("[hnsf'U]", "UCUM")]),
        )
        return factory.ct(STORED.astype(np.uint16), RealWorldValueMappingSequence=Sequence([item]))

    with pytest.raises(DicomError, match="in two ways"):
        read(mapped(2.0), tmp_path / "two")
    read(mapped(1.0), tmp_path / "one")


@pytest.mark.parametrize(
    ("stated", "signed", "value"),
    [
        (20_000, 1, 20_000),
        (32_767, 1, 32_767),
        (32_768, 1, -32_768),  # written without the sign that the pixels have
        (63_536, 1, -2_000),
        (63_536, 0, 63_536),
        (None, 1, None),
    ],
)
def test_a_padding_value_that_no_signed_pixel_holds_is_negative(stated, signed, value):
    header = factory.item(BitsAllocated=16, PixelRepresentation=signed)
    if stated is not None:
        header.add_new("PixelPaddingValue", "US", stated)
    assert (
        _padding_value(Instance(SourceFile(Path("x.dcm"), "x.dcm", 1), header), "PixelPaddingValue") == value
    )
