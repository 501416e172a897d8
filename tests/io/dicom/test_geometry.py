"""Where slices lie: any orientation, uneven steps, gaps, gantry tilt."""

import dicom_factory as factory
import numpy as np
import pytest
from dicom_factory import AXIAL, oblique_affine

from y90voxel.errors import DicomError
from y90voxel.io.dicom.ct import read_ct
from y90voxel.io.dicom.geometry import stack_of
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.nm import read_nm
from y90voxel.io.dicom.pet import read_pet
from y90voxel.io.dicom.regularise import _slab_means

STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)
SHAPE, SPACING = (22, 26, 24), (3.1, 2.3, 2.7)


def only_series(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return series


def lps_of(affine, shape):
    """LPS of all voxel centres, (slices, rows, columns, 3)."""
    return np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]


def blob(points, centre, sigma=5.0):
    return np.exp(-0.5 * (np.linalg.norm(points - centre, axis=-1) / sigma) ** 2)


def centroid(volume):
    points = lps_of(volume.grid.affine, volume.grid.shape)
    weights = np.asarray(volume.array, float)
    return (points * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()


def random_geometry(seed):
    """An oblique, flipped, feet-first, anisotropic affine about some place."""
    rng = np.random.default_rng(seed)
    spacing = np.array(SPACING) * rng.uniform(0.8, 1.3, 3)
    signs = rng.choice([-1, 1], 3)
    affine = oblique_affine(spacing, rng.uniform(-300, 300, 3), rng.uniform(-3, 3, 3), signs)
    centre = affine[:3, :3] @ (np.array(SHAPE) / 2 + rng.uniform(-1, 1, 3)) + affine[:3, 3]
    return rng, affine, centre


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", ["nm", "pet", "ct"])
def test_a_blob_lies_where_it_was_put_in_any_geometry(tmp_path, seed, kind):
    rng, affine, centre = random_geometry(seed)
    stored = np.rint(blob(lps_of(affine, SHAPE), centre) * 30000).astype(np.uint16)
    if kind == "nm":
        volume = read_nm(only_series(factory.nm(stored, affine), tmp_path))[0].volume
    else:
        datasets = (
            factory.pet(stored, affine) if kind == "pet" else factory.ct(stored, affine, RescaleIntercept="0")
        )
        rng.shuffle(datasets)
        series = only_series(datasets, tmp_path)
        volume = read_pet(series)[0].volume if kind == "pet" else read_ct(series)[0]
    np.testing.assert_allclose(centroid(volume), centre, atol=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_a_blob_in_uneven_slices_lies_where_it_was_put(tmp_path, seed):
    rng, affine, centre = random_geometry(seed)
    step = np.linalg.norm(affine[:3, 0])
    heights = np.arange(SHAPE[0]) * step + rng.uniform(-0.1, 0.1, SHAPE[0]) * step
    points = (
        lps_of(affine, SHAPE)
        + ((heights / step - np.arange(SHAPE[0]))[:, None] * affine[:3, 0])[:, None, None]
    )
    stored = np.rint(blob(points, centre, sigma=7.0) * 30000).astype(np.uint16)
    series = only_series(factory.pet(stored, affine, heights_mm=heights), tmp_path)
    image, notices = read_pet(series)
    assert [f.code for f in notices] == ["uneven-slices"]
    assert "interpolated to even steps" in notices[0].message
    np.testing.assert_allclose(centroid(image.volume), centre, atol=0.01)


def test_slightly_uneven_slices_of_activity_are_settled_and_reported(tmp_path):
    heights = np.array([0, 4.0, 8.03, 12.0, 16.0])
    line = np.broadcast_to(np.rint(1000 + 100 * heights)[:, None, None], STORED.shape).astype(np.uint16)
    image, notices = read_pet(only_series(factory.pet(line, heights_mm=heights), tmp_path))
    assert [f.code for f in notices] == ["uneven-slices"]
    assert "taken as even steps" in notices[0].message
    values = image.volume.array[:, 0, 0] / image.grid.voxel_volume_ml
    even = image.grid.affine[2, 3] + image.grid.spacing_mm[0] * np.arange(5) - 100
    np.testing.assert_allclose(values[1:-1], (1000 + 100 * even)[1:-1], atol=0.5)
    assert image.volume.total / image.grid.voxel_volume_ml == pytest.approx(line.sum(dtype=float), rel=1e-6)


def test_slightly_uneven_slices_of_ct_keep_their_numbers(tmp_path):
    heights = np.array([0, 4.0, 8.03, 12.0, 16.0])
    image, notices = read_ct(only_series(factory.ct(STORED, heights_mm=heights), tmp_path))
    assert [f.code for f in notices] == ["uneven-slices"]
    np.testing.assert_array_equal(image.array, STORED.astype(int) - 1024)


def test_slab_means_of_a_straight_line_are_exact():
    heights = np.array([0.0, 2.1, 3.8, 6.2, 8.0])
    line = np.broadcast_to((3 + 0.5 * heights)[:, None, None], (5, 2, 3))
    np.testing.assert_allclose(
        _slab_means(line, heights, 2.0, len(heights))[1:-1, 0, 0], 3 + 0.5 * np.array([2.0, 4.0, 6.0])
    )


def test_slab_means_never_overshoot_and_hold_constants():
    rng = np.random.default_rng(3)
    heights = np.arange(9) * 2.0 + rng.uniform(-0.4, 0.4, 9)
    spikes = rng.choice([0.0, 1.0], (9, 4, 5))
    means = _slab_means(spikes, heights, 2.0, len(heights))
    assert means.min() >= 0.0
    assert means.max() <= 1.0 + 1e-6
    np.testing.assert_allclose(
        _slab_means(np.full((9, 2, 2), 7.0), heights, 2.0, len(heights)), 7.0, rtol=1e-6
    )


def test_pixel_spacing_is_row_then_column(tmp_path):
    image, _ = read_ct(only_series(factory.ct(STORED, AXIAL), tmp_path))
    np.testing.assert_allclose(image.grid.affine, AXIAL, atol=1e-9)
    assert image.grid.spacing_mm == pytest.approx((4.0, 3.0, 2.0))


@pytest.mark.parametrize(
    "signs", [(-1, 1, -1), (1, -1, -1), (-1, -1, 1)], ids=["feet first", "prone", "both"]
)
def test_turned_patients_keep_their_coordinates(tmp_path, signs):
    affine = oblique_affine((4, 3, 2), (10, 20, 30), signs=signs)
    image, _ = read_ct(only_series(factory.ct(STORED, affine), tmp_path))
    for index in ((0, 0, 0), (3, 4, 5)):
        lps = affine[:3, :3] @ index + affine[:3, 3]
        found = tuple(np.rint(image.grid.lps_to_index(lps)).astype(int))
        assert image.array[found] == int(STORED[index]) - 1024


def test_classic_geometry_agrees_with_simpleitk(tmp_path):
    import SimpleITK as sitk  # noqa: N813

    affine = oblique_affine((4, 3, 2), (10, 20, 30), (0.3, -0.2, 0.5))
    image, _ = read_ct(only_series(factory.ct(STORED, affine), tmp_path))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    other = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(other), image.array)
    for index in ((0, 0, 0), (4, 2, 6)):
        np.testing.assert_allclose(
            other.TransformIndexToPhysicalPoint(index[::-1]), image.grid.index_to_lps(index), atol=1e-3
        )


def test_enhanced_multiframe_ct_is_read_like_a_classic_one(tmp_path):
    affine = oblique_affine((4, 3, 2), (10, 20, 30), (0.3, -0.2, 0.5))
    image, _ = read_ct(only_series(factory.enhanced_ct(STORED, affine), tmp_path))
    np.testing.assert_allclose(image.grid.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(image.array, STORED.astype(int) - 1000)


def test_enhanced_frames_without_positions_are_refused(tmp_path):
    dataset = factory.enhanced_ct(STORED)
    factory.set_pixels(dataset, STORED[:4])
    with pytest.raises(DicomError, match="holds 4 frames but positions of 5"):
        read_ct(only_series(dataset, tmp_path))


@pytest.mark.parametrize("angle", [0.1, -0.35])
def test_gantry_tilt_is_undone_and_reported(tmp_path, angle):
    affine = oblique_affine((2.0, 2.0, 2.0), (-30, -30, 50))
    shape = (24, 30, 30)
    stacking = np.array([0, np.sin(angle), np.cos(angle)]) * 2.0  # not the normal of the slices
    points = (
        lps_of(affine, shape) + (np.arange(shape[0])[:, None] * (stacking - affine[:3, 0]))[:, None, None]
    )
    centre = points[12, 15, 15] + (0.3, 0.6, -0.4)
    stored = np.rint(blob(points, centre, sigma=6.0) * 3000).astype(np.uint16)
    datasets = factory.ct(stored, affine)
    for index, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = factory.decimal(affine[:3, 3] + stacking * index)
    image, notices = read_ct(only_series(datasets, tmp_path))
    assert [f.code for f in notices] == ["gantry-tilt"]
    assert f"{np.degrees(abs(angle)):.2f} degrees" in notices[0].message
    values = image.array + 1024.0
    np.testing.assert_allclose(centroid(image.with_array(values)), centre, atol=0.02)
    assert image.grid.shape[1] > shape[1]
    assert values.sum() == pytest.approx(stored.sum(), rel=1e-3)


def faulty(fault):
    """A CT series with one fault."""
    datasets = factory.ct(STORED)
    if fault == "gap":
        del datasets[2]
    elif fault == "extra":
        extra = factory.ct(STORED[:1], SOPInstanceUID="1.2.9")[0]
        extra.ImagePositionPatient = ["-20", "-30", "109"]
        datasets.append(extra)
    elif fault == "double":
        twin = factory.ct(STORED[1:2], SOPInstanceUID="1.2.9")[0]
        datasets.append(twin)
    elif fault == "turned":
        datasets[3].ImageOrientationPatient = ["0", "1", "0", "-1", "0", "0"]
    elif fault == "spacing":
        datasets[3].PixelSpacing = ["3", "2.5"]
    elif fault == "zero spacing":
        for dataset in datasets:
            dataset.PixelSpacing = ["3", "0"]
    elif fault == "size":
        factory.set_pixels(datasets[3], STORED[3, :5])
    elif fault == "aside":
        datasets[3].ImagePositionPatient = ["-10", "-30", "112"]
    elif fault == "not unit":
        for dataset in datasets:
            dataset.ImageOrientationPatient = ["1", "0", "0", "0", "0.5", "0"]
    elif fault == "multiframe":
        factory.set_pixels(datasets[3], STORED[3:5])
    else:
        factory.change(datasets[3], **{fault: None})
    return datasets


@pytest.mark.parametrize(
    ("fault", "message", "tag"),
    [
        (
            "gap",
            r"1 slice\(s\) missing between file0001 and file0002: they lie 8\.00 mm apart",
            "ImagePositionPatient",
        ),
        ("extra", "an extra slice between", "ImagePositionPatient"),
        ("double", "different images at one position", "ImagePositionPatient"),
        ("turned", "oriented differently", "ImageOrientationPatient"),
        ("spacing", "different pixel spacing", "PixelSpacing"),
        ("zero spacing", "must be positive", "PixelSpacing"),
        ("size", "different sizes", "Rows"),
        ("aside", r"file0003 lies 10\.00 mm beside the line", "ImagePositionPatient"),
        ("not unit", "not a pair of perpendicular unit vectors", "ImageOrientationPatient"),
        ("multiframe", "holds 2 frames but no position", "NumberOfFrames"),
        ("ImagePositionPatient", "file0003 has no ImagePositionPatient", "ImagePositionPatient"),
        ("ImageOrientationPatient", "has no ImageOrientationPatient", "ImageOrientationPatient"),
        ("PixelSpacing", "has no PixelSpacing", "PixelSpacing"),
        ("Rows", "Rows is None", "Rows"),
    ],
)
def test_series_that_are_not_one_regular_volume_are_refused(tmp_path, fault, message, tag):
    series = only_series(faulty(fault), tmp_path)
    with pytest.raises(DicomError, match=message) as caught:
        read_ct(series)
    assert caught.value.tag == tag
    assert caught.value.file is not None


def test_a_single_slice_takes_its_thickness_and_says_so(tmp_path):
    image, notices = read_ct(only_series(factory.ct(STORED[:1]), tmp_path))
    assert image.grid.spacing_mm[0] == pytest.approx(4.0)
    assert [f.code for f in notices] == ["single-slice"]


def test_a_single_slice_without_thickness_is_refused(tmp_path):
    series = only_series(factory.ct(STORED[:1], SliceThickness=None), tmp_path)
    with pytest.raises(DicomError, match="only slice and has no positive SliceThickness"):
        read_ct(series)


def test_zero_slices_of_even_steps_need_no_interpolation(tmp_path):
    from y90voxel.io.dicom.frames import frames_of

    stack = stack_of(frames_of(only_series(factory.ct(STORED), tmp_path).instances))
    assert (stack.uneven, stack.tilted, stack.notices) == (False, False, ())


@pytest.mark.parametrize("heights", [(0.3, 3.0, 6.2), (-0.2, 3.1, 5.7), (0.0, 3.2, 6.0)])
@pytest.mark.parametrize(("value", "step"), [(5.0, 3.0), (0.25, 3.0)])
def test_equal_slices_stay_what_they_are_to_the_ends_of_an_even_grid(heights, value, step):
    """Before the first slice and after the last one their values go on."""
    values = np.full((3, 2, 2), value, np.float32)
    values[:, 1] *= 2
    found = _slab_means(values, np.array(heights), step, 3)
    np.testing.assert_allclose(found, values, rtol=1e-6)
