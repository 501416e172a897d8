"""NIfTI reading and writing, judged by nibabel and SimpleITK."""

from __future__ import annotations

import gzip
import json

import io_grids
import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from io_grids import GRIDS, grids, ramp

from y90voxel.errors import GeometryError, GridMismatchError, InputError, UnitError
from y90voxel.io.nifti import (
    packed_nifti,
    read_nifti,
    write_activity_concentration,
    write_nifti,
    write_regions_nifti,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap, Mask

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ras_affine(grid: Grid) -> np.ndarray:
    """Affine of (column, row, slice) in RAS, what nibabel speaks."""
    return LPS_TO_RAS @ grid.affine[:, [2, 1, 0, 3]]


def save_with_nibabel(path, array, affine, sform=1, qform=1, unit="mm", header=None):
    image = nibabel.Nifti1Image(array, None, header)
    image.set_sform(affine if sform else None, sform)
    image.set_qform(affine if qform else None, qform)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)


def edit_header(path, **fields):
    """Overwrite fields of a saved uncompressed file, whatever nibabel thinks of them."""
    raw = bytearray(path.read_bytes())
    header = np.frombuffer(raw, nibabel.nifti1.header_dtype, count=1)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(raw)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("name", GRIDS)
def test_nibabel_reads_the_same_values_at_the_same_points(name, ending, tmp_path):
    grid, path = GRIDS[name], tmp_path / f"dose{ending}"
    write_nifti(DoseMap(ramp(grid), grid), path)
    image = nibabel.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, ramp(grid))
    # float32 holds 1032 mm to 6e-5 mm
    np.testing.assert_allclose(image.affine, ras_affine(grid), atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.get_data_dtype() == np.float32
    assert bytes(image.header["descrip"]).startswith(b"y90voxel: absorbed dose [Gy]")


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "nearly_axial"])
def test_qform_says_the_same_as_sform(name, tmp_path):
    grid = GRIDS[name]
    write_nifti(DoseMap(ramp(grid), grid), tmp_path / "dose.nii")
    image = nibabel.load(tmp_path / "dose.nii")
    assert (image.header["qform_code"], image.header["sform_code"]) == (1, 1)
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=2e-3)
    handedness = np.sign(np.linalg.det(image.affine[:3, :3]))
    assert image.header["pixdim"][0] == handedness


def test_qform_is_left_out_where_its_quaternion_is_too_coarse(tmp_path):
    # 0.02 degrees from a half turn the real part, 1.7e-4, is dropped; over 2 m that moves a corner 0.7 mm
    turned = io_grids.grid(io_grids.Z, io_grids.Y, io_grids.X, io_grids.rotation((0, 0, 1), 0.02))
    long = Grid((900, 2, 900), turned.affine)
    write_nifti(DoseMap(np.zeros(long.shape, np.float32), long), tmp_path / "dose.nii.gz")
    image = nibabel.load(tmp_path / "dose.nii.gz")
    assert (image.header["qform_code"], image.header["sform_code"]) == (0, 1)
    np.testing.assert_allclose(image.affine, ras_affine(long), atol=1e-4)


@pytest.mark.parametrize("name", GRIDS)
def test_simpleitk_reads_the_same_values_at_the_same_points(name, tmp_path):
    grid = GRIDS[name]
    write_nifti(DoseMap(ramp(grid), grid), tmp_path / "dose.nii.gz")
    image = SimpleITK.ReadImage(str(tmp_path / "dose.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), ramp(grid))
    for index in np.ndindex(2, 2, 2):
        corner = np.array(index) * (np.array(grid.shape) - 1)
        point = image.TransformIndexToPhysicalPoint([int(i) for i in corner[::-1]])
        np.testing.assert_allclose(point, grid.index_to_lps(corner), atol=2e-3)


@settings(deadline=None, max_examples=60)
@given(grid=grids())
def test_writing_and_reading_gives_the_same_grid_and_values(grid, tmp_path_factory):
    path = tmp_path_factory.mktemp("nifti") / "dose.nii"
    write_nifti(DoseMap(ramp(grid), grid), path)
    image = read_nifti(path)
    assert image.grid.is_same_as(grid)
    np.testing.assert_array_equal(image.array[0], ramp(grid))
    assert image.notices == ()


@pytest.mark.parametrize("forms", [(1, 0), (0, 1), (1, 1), (2, 4)])
@pytest.mark.parametrize("name", GRIDS)
def test_reading_what_nibabel_wrote(name, forms, tmp_path):
    grid, (sform, qform) = GRIDS[name], forms
    save_with_nibabel(tmp_path / "a.nii.gz", ramp(grid).T, ras_affine(grid), sform, qform)
    image = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(image.array, ramp(grid)[None])
    # nibabel drops the real part of a quaternion near a half turn, as the standard says
    tolerance_mm = 0.02 if (name, sform) == ("nearly_axial", 0) else 1e-3
    np.testing.assert_allclose(image.grid.corners_mm(), grid.corners_mm(), atol=tolerance_mm)


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "one_slice"])
def test_reading_what_simpleitk_wrote(name, tmp_path):
    grid = GRIDS[name]
    image = SimpleITK.GetImageFromArray(ramp(grid))
    image.SetOrigin(grid.origin_mm.tolist())
    image.SetSpacing(grid.spacing_mm[::-1])
    image.SetDirection(grid.directions[:, ::-1].ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii.gz"))
    back = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back.array[0], ramp(grid))
    np.testing.assert_allclose(back.grid.corners_mm(), grid.corners_mm(), atol=2e-3)


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "<i2", ">i2", "<u2", "<i4", ">f4", "<u4", "<f8", ">f8", "<i8", "<u8"]
)
def test_every_real_number_type_is_read(dtype, tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (1.0, 2.0, 3.0))
    values = (ramp(grid) + 1).astype(dtype)
    header = nibabel.Nifti1Header(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(dtype)
    save_with_nibabel(tmp_path / "a.nii", values.T, ras_affine(grid), header=header)
    image = read_nifti(tmp_path / "a.nii")
    assert image.array.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image.array[0], values)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("<i2", np.float32), ("<i4", np.float64), ("<f4", np.float32)]
)
def test_slope_and_intercept_are_applied(dtype, expected, tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (1.0, 2.0, 3.0))
    save_with_nibabel(tmp_path / "a.nii", ramp(grid).astype(dtype).T, ras_affine(grid))
    edit_header(tmp_path / "a.nii", scl_slope=0.25, scl_inter=-3.0)
    image = read_nifti(tmp_path / "a.nii")
    assert image.array.dtype == expected
    np.testing.assert_array_equal(image.array[0], 0.25 * ramp(grid) - 3.0)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_slope_of_zero_or_nan_means_not_scaled(slope, tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (1.0, 2.0, 3.0))
    save_with_nibabel(tmp_path / "a.nii", ramp(grid).T, ras_affine(grid))
    edit_header(tmp_path / "a.nii", scl_slope=slope, scl_inter=7.0)
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii").array[0], ramp(grid))


def test_activity_is_written_as_concentration(tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (4.0, 2.0, 2.5))  # 0.02 mL
    write_activity_concentration(ActivityMap(ramp(grid), grid), tmp_path / "activity.nii.gz")
    image = read_nifti(tmp_path / "activity.nii.gz")
    np.testing.assert_allclose(image.array[0], ramp(grid) / 0.02, rtol=1e-6)
    assert image.description == "y90voxel: activity [Bq/mL]"


def test_extensive_maps_state_their_unit_per_voxel(tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (4.0, 2.0, 2.5))
    write_nifti(ActivityMap(ramp(grid), grid), tmp_path / "activity.nii")
    assert read_nifti(tmp_path / "activity.nii").description == "y90voxel: activity [Bq/voxel]"


def test_equal_data_give_equal_files(tmp_path):
    dose = DoseMap(ramp(GRIDS["oblique"]), GRIDS["oblique"])
    write_nifti(dose, tmp_path / "a.nii.gz")
    write_nifti(dose, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_compression_level_is_the_callers(tmp_path):
    grid = Grid.from_spacing((20, 30, 40), (1.0, 1.0, 1.0))
    dose = DoseMap(np.sin(ramp(grid) / 1000.0), grid)
    write_nifti(dose, tmp_path / "fast.nii.gz")
    write_nifti(dose, tmp_path / "small.nii.gz", compress_level=9)
    assert (tmp_path / "small.nii.gz").stat().st_size < (tmp_path / "fast.nii.gz").stat().st_size
    np.testing.assert_array_equal(
        read_nifti(tmp_path / "small.nii.gz").array, read_nifti(tmp_path / "fast.nii.gz").array
    )


# regions


def region_masks(grid: Grid) -> dict[str, Mask]:
    occupancy = (ramp(grid) % 65) / 64.0
    return {
        "Liver": Mask((ramp(grid) > 20).astype(np.float32), grid),
        "GTV 1 – größer": Mask(occupancy, grid),
    }


def test_regions_keep_their_occupancy_exactly(tmp_path):
    grid = GRIDS["oblique_left_handed"]
    masks = region_masks(grid)
    write_regions_nifti(masks, tmp_path / "regions.nii.gz")
    image = nibabel.load(tmp_path / "regions.nii.gz")
    assert image.shape == (9, 7, 5, 2)
    for number, mask in enumerate(masks.values()):
        np.testing.assert_array_equal(image.get_fdata()[..., number].T, mask.array)
        np.testing.assert_array_equal(read_nifti(tmp_path / "regions.nii.gz").array[number], mask.array)


def test_regions_are_named_in_the_json_beside_them(tmp_path):
    masks = region_masks(GRIDS["axial"])
    roles = {"Liver": "liver"}
    write_regions_nifti(masks, tmp_path / "regions.nii.gz", roles=roles, automatic=["GTV 1 – größer"])
    document = json.loads((tmp_path / "regions.json").read_text(encoding="utf-8"))
    assert (document["schema_version"], document["kind"]) == (1, "regions")
    assert document["image"] == "regions.nii.gz"
    liver, tumour = document["regions"]
    volume_ml = np.count_nonzero(masks["Liver"].array) * 3.0 * 1.5 * 2.25 / 1000.0
    assert liver == {"name": "Liver", "role": "liver", "automatic": False, "volume_ml": round(volume_ml, 6)}
    assert (tumour["name"], tumour["role"], tumour["automatic"]) == ("GTV 1 – größer", None, True)


def test_no_region_is_refused(tmp_path):
    with pytest.raises(InputError, match="no region"):
        write_regions_nifti({}, tmp_path / "regions.nii.gz")


def test_regions_on_two_grids_are_refused(tmp_path):
    masks = {name: Mask(np.ones(GRIDS[name].shape), GRIDS[name]) for name in ("axial", "oblique")}
    with pytest.raises(GridMismatchError, match="oblique"):
        write_regions_nifti(masks, tmp_path / "regions.nii.gz")
    assert list(tmp_path.iterdir()) == []


# refusals


@pytest.fixture
def good(tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (1.0, 2.0, 3.0))
    save_with_nibabel(tmp_path / "a.nii", ramp(grid).T, ras_affine(grid))
    return tmp_path / "a.nii"


def test_file_without_qform_and_sform_is_refused(good):
    edit_header(good, qform_code=0, sform_code=0)
    with pytest.raises(GeometryError, match=r"a\.nii does not say where its voxels lie"):
        read_nifti(good)


def test_sheared_sform_is_refused(good):
    edit_header(good, qform_code=0, srow_x=[-3.0, 0.3, 0.0, 0.0])
    with pytest.raises(GeometryError, match=r"a\.nii: the axes of a grid must be perpendicular"):
        read_nifti(good)


def test_sform_and_qform_that_disagree_are_refused(good):
    edit_header(good, qoffset_x=1.0)
    with pytest.raises(GeometryError, match=r"two geometries that lie up to 1\.00 mm apart"):
        read_nifti(good)


def test_metres_are_refused_and_an_unstated_unit_is_noted(good):
    edit_header(good, xyzt_units=1)
    with pytest.raises(UnitError, match="is in metres"):
        read_nifti(good)
    edit_header(good, xyzt_units=0)
    (notice,) = read_nifti(good).notices
    assert notice.code == "length-unit-assumed"
    assert notice.message == f"{good} does not state its unit of length; mm is assumed."


@pytest.mark.parametrize(
    ("dim", "shown"), [([2, 5, 4, 1, 1, 1, 1, 1], "[5, 4]"), ([5, 5, 4, 1, 1, 3, 1, 1], "[5, 4, 1, 1, 3]")]
)
def test_other_dimensions_are_refused(dim, shown, good):
    edit_header(good, dim=dim)
    with pytest.raises(InputError) as caught:
        read_nifti(good)
    assert f"its dimensions are {shown}" in str(caught.value)


# complex, colour, a longer float than float64, and a code that nobody gave away
@pytest.mark.parametrize("code", [32, 128, 1536, 999])
def test_other_numbers_than_real_ones_up_to_float64_are_refused(code, good):
    edit_header(good, datatype=code)
    with pytest.raises(InputError, match=f"datatype {code} "):
        read_nifti(good)


# nibabel's own reading drops the real part of the quaternion up to a turn of 0.07 degrees
@pytest.mark.parametrize(("degrees", "tolerance_mm"), [(0.05, 0.01), (0.02, 0.02)])
def test_a_small_turn_is_read_from_a_qform_alone(degrees, tolerance_mm, tmp_path):
    turned = io_grids.grid(io_grids.Z, io_grids.Y, io_grids.X, io_grids.rotation((0, 0, 1), degrees))
    write_nifti(DoseMap(ramp(turned), turned), tmp_path / "a.nii")
    edit_header(tmp_path / "a.nii", sform_code=0)
    np.testing.assert_allclose(
        read_nifti(tmp_path / "a.nii").grid.corners_mm(), turned.corners_mm(), atol=tolerance_mm
    )


def test_intercept_that_is_no_number_is_refused(good):
    edit_header(good, scl_slope=2.0, scl_inter=np.inf)
    with pytest.raises(InputError, match=r"slope 2\.0 and intercept inf"):
        read_nifti(good)


def test_cut_files_are_refused(good):
    good.write_bytes(good.read_bytes()[:-4])
    with pytest.raises(InputError, match="240 bytes of voxels are announced, 236 are there"):
        read_nifti(good)


def test_damaged_gzip_is_refused(good, tmp_path):
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(good.read_bytes())[:-20])
    with pytest.raises(InputError, match="damaged gzip"):
        read_nifti(tmp_path / "b.nii.gz")


def test_other_files_are_refused(tmp_path):
    for text in ("not an image", "not an image " * 40):
        (tmp_path / "a.nii").write_text(text)
        with pytest.raises(InputError, match="not a NIfTI-1 image"):
            read_nifti(tmp_path / "a.nii")
    with pytest.raises(InputError, match="cannot read"):
        read_nifti(tmp_path / "absent.nii")


def test_writing_refuses_other_endings_and_too_long_axes(tmp_path):
    grid = GRIDS["axial"]
    with pytest.raises(InputError, match=r"ends in \.nii"):
        write_nifti(DoseMap(ramp(grid), grid), tmp_path / "dose.nrrd")
    long = Grid.from_spacing((1, 1, 40000), (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="40000 × 1 × 1"):
        write_nifti(DoseMap(ramp(long), long), tmp_path / "dose.nii")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_packed_integers_come_back_with_step_and_place(dtype, tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (2.0, 3.0, 4.0), (-7.0, 8.0, 9.0))
    stored = np.arange(60, dtype=dtype).reshape(grid.shape)
    (tmp_path / "a.nii.gz").write_bytes(packed_nifti(stored, grid, 0.25, "dose [Gy]"))
    image = read_nifti(tmp_path / "a.nii.gz")
    assert image.grid.is_same_as(grid)
    assert np.array_equal(image.array[0], stored * 0.25)
    assert "dose [Gy]" in image.description


def test_only_integers_are_packed():
    grid = Grid.from_spacing((1, 1, 1), (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="holds uint8, int16 or uint16, got float32"):
        packed_nifti(np.zeros(grid.shape, np.float32), grid, 1.0, "x")
