"""Images of nibabel and SimpleITK: a voxel of known place lies there on every side, whatever way the axes run."""

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from io_grids import GRIDS, grids

import y90voxel as yv
from y90voxel.errors import GeometryError, InputError, UnitError
from y90voxel.volumes.grid import Grid

RAS = np.array([-1.0, -1.0, 1.0])  # of a point in LPS
WRITERS = {
    "nii.gz": lambda volume, path: nibabel.save(yv.to_nibabel(volume), path),
    "nii": lambda volume, path: SimpleITK.WriteImage(yv.to_simpleitk(volume), str(path)),
    "nrrd": lambda volume, path: SimpleITK.WriteImage(yv.to_simpleitk(volume), str(path)),
    "mha": lambda volume, path: SimpleITK.WriteImage(yv.to_simpleitk(volume), str(path)),
}


def blob(grid, index, kind=yv.DoseMap):
    array = np.zeros(grid.shape, np.float32)
    array[tuple(index)] = 1.0
    return kind(array, grid)


def voxels(draw, grid):
    return [draw(st.integers(0, n - 1)) for n in grid.shape]


@given(grids(), st.data())
def test_a_blob_lies_where_nibabel_says(grid, data):
    index = voxels(data.draw, grid)
    image = yv.to_nibabel(blob(grid, index))
    (found,) = np.argwhere(np.asarray(image.dataobj) == 1.0)
    place = nibabel.affines.apply_affine(image.affine, found)
    np.testing.assert_allclose(place, RAS * grid.index_to_lps(index), atol=1e-9)
    again = yv.from_nibabel(image, yv.DoseMap)
    assert again.grid.is_same_as(grid)
    assert list(again.greatest_at()) == index


@given(grids(), st.data())
def test_a_blob_lies_where_simpleitk_says(grid, data):
    index = voxels(data.draw, grid)
    image = yv.to_simpleitk(blob(grid, index))
    assert image[tuple(index[::-1])] == 1.0
    place = image.TransformIndexToPhysicalPoint(index[::-1])
    np.testing.assert_allclose(place, grid.index_to_lps(index), atol=1e-9)
    again = yv.from_simpleitk(image, yv.DoseMap)
    assert again.grid.is_same_as(grid)
    assert list(again.greatest_at()) == index


@given(grids(), st.data())
def test_an_image_made_by_nibabel_keeps_its_points(grid, data):
    """Made from an affine of its own, not from ours: a point in RAS has the same value on both sides."""
    turned = data.draw(st.permutations([0, 1, 2]))
    affine = np.eye(4)
    affine[:3, :3] = np.diag(RAS) @ grid.affine[:3, :3][:, turned]
    affine[:3, 3] = RAS * grid.origin_mm
    values = np.random.default_rng(0).normal(size=[grid.shape[axis] for axis in turned]).astype(np.float32)
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    volume = yv.from_nibabel(image, yv.CountMap)
    index = [data.draw(st.integers(0, n - 1)) for n in values.shape]
    point = RAS * nibabel.affines.apply_affine(affine, index)
    assert volume.array[tuple(np.rint(volume.grid.lps_to_index(point)).astype(int))] == values[tuple(index)]


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("ending", WRITERS)
def test_files_of_both_libraries_are_read_at_the_same_place(tmp_path, name, ending):
    grid = GRIDS[name]
    index = [n // 3 for n in grid.shape]
    WRITERS[ending](blob(grid, index, yv.Mask), tmp_path / f"a.{ending}")
    read = yv.read_image(tmp_path / f"a.{ending}", yv.Mask)
    place = read.grid.index_to_lps(read.greatest_at())
    np.testing.assert_allclose(place, grid.index_to_lps(index), atol=1e-3)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", ">i2", "u2", "i4", "i8", "f2", ">f4", "f8", "g"])
@pytest.mark.parametrize(
    ("there", "back"), [(yv.to_nibabel, yv.from_nibabel), (yv.to_simpleitk, yv.from_simpleitk)]
)
def test_values_of_every_type_come_back(dtype, there, back):
    grid = GRIDS["oblique"]
    values = (np.arange(grid.size).reshape(grid.shape) % 2).astype(dtype)
    again = back(there(yv.CountMap(values, grid)), yv.CountMap)
    assert again.array.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(again.array, values.astype(np.float64))


def test_a_frame_of_reference_goes_through_simpleitk():
    grid = Grid.from_spacing((2, 3, 4), (1, 1, 1), frame_of_reference_uid="1.2.3")
    volume = blob(grid, (0, 0, 0))
    assert yv.from_simpleitk(yv.to_simpleitk(volume), yv.DoseMap).grid.frame_of_reference_uid == "1.2.3"
    assert (
        yv.from_simpleitk(
            yv.to_simpleitk(blob(GRIDS["axial"], (0, 0, 0))), yv.DoseMap
        ).grid.frame_of_reference_uid
        is None
    )


def plain(shape=(4, 3, 2), dtype=np.float32, header=None):
    image = nibabel.Nifti1Image(np.zeros(shape, dtype), np.diag([2.0, 2.0, 5.0, 1.0]), header)
    image.header.set_xyzt_units("mm")
    return image


def test_slope_and_further_axes_of_length_one_are_taken(tmp_path):
    image = plain((4, 3, 2, 1), np.int16)
    image.dataobj[1, 1, 1] = 7
    image.header.set_slope_inter(0.5, 1.0)
    nibabel.save(image, tmp_path / "a.nii")
    read = yv.from_nibabel(nibabel.load(tmp_path / "a.nii"), yv.CountMap)
    assert read.array.max() == 7 * 0.5 + 1.0
    assert read.greatest_at() == (1, 1, 1)


def test_an_assumed_unit_of_length_is_said():
    image = nibabel.Nifti1Image(np.zeros((4, 3, 2)), np.eye(4))
    notices = []
    yv.from_nibabel(image, yv.CountMap, notices=notices)
    assert [notice.code for notice in notices] == ["length-unit-assumed"]
    with pytest.warns(yv.errors.Notice, match="mm is assumed"):
        yv.from_nibabel(image, yv.CountMap)


def test_another_unit_of_length_is_refused():
    image = plain()
    image.header.set_xyzt_units("micron")
    with pytest.raises(UnitError, match="micrometres"):
        yv.from_nibabel(image, yv.CountMap)


def test_geometry_that_nibabel_made_up_is_refused(tmp_path):
    image = plain()
    image.header["sform_code"] = image.header["qform_code"] = 0
    with pytest.raises(GeometryError, match="does not say where its voxels lie"):
        yv.from_nibabel(image, yv.CountMap)
    with pytest.raises(GeometryError, match="no affine"):
        yv.from_nibabel(nibabel.Nifti1Image(np.zeros((4, 3, 2)), None), yv.CountMap)
    analyze = nibabel.AnalyzeImage(np.zeros((4, 3, 2), np.int16), np.eye(4))
    with pytest.raises(GeometryError, match="left from right"):
        yv.from_nibabel(analyze, yv.CountMap)


def test_two_geometries_are_refused_and_a_changed_affine_counts():
    image = plain()
    image.header.set_qform(np.diag([2.0, 2.0, 6.0, 1.0]), 1)
    with pytest.raises(GeometryError, match="two geometries"):
        yv.from_nibabel(image, yv.CountMap)
    moved = plain()
    moved.affine[:3, 3] = 100.0  # what nibabel would write
    assert yv.from_nibabel(moved, yv.CountMap).grid.origin_mm.tolist() == [-100.0, -100.0, 100.0]


def test_a_qform_alone_keeps_the_digits_that_nibabel_drops(tmp_path):
    """nibabel takes the real part of the quaternion for 0 up to 3.6e-7: 0.2 mm at the end of half a metre."""
    grid = GRIDS["nearly_axial"]
    image = yv.to_nibabel(blob(grid, (0, 0, 0)))
    image.header["sform_code"] = 0
    nibabel.save(nibabel.Nifti1Image(image.dataobj, None, image.header), tmp_path / "a.nii")
    loaded = nibabel.load(tmp_path / "a.nii")
    by_file = yv.read_image(tmp_path / "a.nii", yv.DoseMap)
    assert yv.from_nibabel(loaded, yv.DoseMap).grid.is_same_as(by_file.grid)


@pytest.mark.parametrize(
    ("image", "match"),
    [
        ("a.nii", "a nibabel image is needed, got str"),
        (plain((4, 3)), r"shape \(4, 3\)"),
        (plain((4, 3, 2, 2)), r"shape \(4, 3, 2, 2\)"),
        (plain(dtype=np.complex64), "one real number a voxel is needed, got complex64"),
    ],
    ids=["text", "flat", "several", "complex"],
)
def test_what_is_no_volume_of_nibabel_is_refused(image, match):
    with pytest.raises(InputError, match=match):
        yv.from_nibabel(image, yv.CountMap)


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.zeros((2, 3, 4)), "a SimpleITK image is needed, got ndarray"),
        (SimpleITK.Image([4, 3], SimpleITK.sitkFloat32), "2 dimensions"),
        (SimpleITK.Image([4, 3, 2, 2], SimpleITK.sitkFloat32), "4 dimensions"),
        (SimpleITK.Image([4, 3, 2], SimpleITK.sitkVectorFloat32, 3), "3 values a voxel"),
        (SimpleITK.Image([4, 3, 2], SimpleITK.sitkComplexFloat32), "got complex64"),
    ],
    ids=["array", "flat", "several", "vectors", "complex"],
)
def test_what_is_no_volume_of_simpleitk_is_refused(image, match):
    with pytest.raises(InputError, match=match):
        yv.from_simpleitk(image, yv.CountMap)


def test_values_must_be_possible_for_their_kind(tmp_path):
    image = plain()
    with pytest.raises(InputError, match="densities must be positive"):
        yv.from_nibabel(image, yv.DensityMap)
    for kind in (
        np.ndarray,
        "DoseMap",
        yv.DoseMap(np.zeros((1, 1, 1)), Grid.from_spacing((1, 1, 1), (1, 1, 1))),
    ):
        with pytest.raises(InputError, match="say what the values are"):
            yv.from_nibabel(image, kind)
    broken = SimpleITK.GetImageFromArray(np.full((2, 3, 4), np.nan))
    with pytest.raises(InputError, match="NaN or infinite"):
        yv.from_simpleitk(broken, yv.CountMap)


def test_slanted_axes_are_refused():
    slanted = np.diag([2.0, 2.0, 5.0, 1.0])
    slanted[0, 1] = 0.5
    image = nibabel.Nifti1Image(np.zeros((4, 3, 2)), slanted)
    image.header.set_qform(None, 0)
    with pytest.raises(GeometryError, match="perpendicular"):
        yv.from_nibabel(image, yv.CountMap)


def test_a_ct_file_is_checked_as_the_option_checks_it(tmp_path):
    grid = GRIDS["axial"]
    stored = yv.CountMap(np.linspace(0, 2000, grid.size, dtype=np.float32).reshape(grid.shape), grid)
    SimpleITK.WriteImage(yv.to_simpleitk(stored), str(tmp_path / "a.nrrd"))
    with pytest.raises(InputError, match="not Hounsfield units"):
        yv.read_image(tmp_path / "a.nrrd", yv.CtImage)
    assert isinstance(yv.read_image(tmp_path / "a.nrrd", yv.CountMap), yv.CountMap)


def test_regions_are_read_onto_a_grid_and_written_for_others(tmp_path):
    grid = Grid.from_spacing((12, 14, 16), (3.0, 2.0, 2.0), (-20.0, 5.0, 40.0))
    ball = np.zeros(grid.shape, np.float32)
    ball[3:9, 4:10, 5:12] = 1.0
    masks = {"Liver": yv.Mask(ball, grid), "Hot": yv.Mask(np.roll(ball, 1, 2) * ball, grid)}
    assert {n.code for n in yv.write_seg(masks, tmp_path / "seg.dcm")} == {"frame-of-reference-generated"}
    yv.write_rtstruct(masks, tmp_path / "rs.dcm")
    nibabel.save(yv.to_nibabel(masks["Liver"]), tmp_path / "Liver.nii.gz")
    for name, tolerance in (("seg.dcm", 1e-6), ("rs.dcm", 0.1), ("Liver.nii.gz", 1e-6)):
        notices = []
        regions = yv.read_regions(tmp_path / name, grid, roles={"Liver": "liver"}, notices=notices)
        liver = regions["Liver"]
        assert liver.role is yv.Role.LIVER
        assert liver.mask.volume_ml == pytest.approx(masks["Liver"].volume_ml, rel=tolerance)
        assert liver.mask.centre_at() == masks["Liver"].centre_at()
    few = grid.crop((0, 0, 0), (5, 14, 16))
    with pytest.warns(yv.errors.Notice, match="Liver"):
        cut = yv.read_regions(tmp_path / "Liver.nii.gz", few)
    assert cut["Liver"].truncated
    assert cut["Liver"].fraction_in_image == pytest.approx(2 / 6)
