"""Volumes from NIfTI, NRRD and MetaImage files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from io_grids import GRIDS, ramp

from y90voxel.errors import GeometryError, InputError, Notice, UnitError
from y90voxel.io.images import is_image_file, read_ct_file, read_emission_file, read_layers, read_values
from y90voxel.io.nifti import write_nifti
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, DoseMap

ENDINGS = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def save_with_itk(path: Path, array: np.ndarray, grid: Grid, is_vector: bool = False) -> Path:
    """Write an array with SimpleITK; grid (x, y, z) is what a user of SimpleITK would set."""
    image = SimpleITK.GetImageFromArray(array, isVector=is_vector)
    extra = image.GetDimension() - 3
    image.SetOrigin([*grid.origin_mm.tolist(), *[0.0] * extra])
    image.SetSpacing([*grid.spacing_mm[::-1], *[1.0] * extra])
    direction = np.eye(3 + extra)
    direction[:3, :3] = grid.directions[:, ::-1]
    image.SetDirection(direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    return path


def save_nrrd(path: Path, header: str, shape: tuple[int, ...] = (2, 3, 4)) -> Path:
    """Write a NRRD by hand, so that its header can lack or say anything."""
    voxels = np.arange(np.prod(shape), dtype="<f4")
    sizes = " ".join(str(n) for n in shape[::-1])
    text = f"NRRD0004\ntype: float\ndimension: {len(shape)}\nsizes: {sizes}\nencoding: raw\nendian: little\n"
    path.write_bytes((text + header + "\n").encode() + voxels.tobytes())
    return path


def save_mha(path: Path, header: str) -> Path:
    voxels = np.arange(24, dtype="<f4")
    text = f"ObjectType = Image\nNDims = 3\n{header}DimSize = 4 3 2\nElementType = MET_FLOAT\n"
    path.write_bytes((text + "ElementDataFile = LOCAL\n").encode() + voxels.tobytes())
    return path


LPS_NRRD = (
    "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\n"
)
LPS_MHA = "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 10 20 30\nElementSpacing = 2 3 4\n"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", [name for name in GRIDS if name != "one_slice"])
def test_every_format_gives_the_same_values_at_the_same_points(name, ending, tmp_path):
    grid = GRIDS[name]
    path = save_with_itk(tmp_path / f"image{ending}", ramp(grid), grid)
    array, found = read_values(path)
    np.testing.assert_array_equal(array, ramp(grid))
    np.testing.assert_allclose(found.corners_mm(), grid.corners_mm(), atol=2e-3)
    assert found.frame_of_reference_uid is None


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_one_slice_is_a_volume(ending, tmp_path):
    grid = GRIDS["one_slice"]
    array, found = read_values(save_with_itk(tmp_path / f"image{ending}", ramp(grid), grid))
    np.testing.assert_array_equal(array, ramp(grid))
    np.testing.assert_allclose(found.corners_mm(), grid.corners_mm(), atol=1e-6)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha"])
def test_fourth_axis_of_length_one_is_accepted(ending, tmp_path):
    grid = GRIDS["oblique"]
    array, found = read_values(save_with_itk(tmp_path / f"image{ending}", ramp(grid)[None], grid))
    np.testing.assert_array_equal(array, ramp(grid))
    np.testing.assert_allclose(found.corners_mm(), grid.corners_mm(), atol=2e-3)


def test_nrrd_with_a_list_axis_of_length_one_is_accepted(tmp_path):
    header = LPS_NRRD.replace("directions: ", "directions: none ") + "kinds: list domain domain domain\n"
    array, grid = read_values(save_nrrd(tmp_path / "a.nrrd", header, (2, 3, 4, 1)))
    np.testing.assert_array_equal(array, np.arange(24.0).reshape(2, 3, 4))
    assert grid.is_same_as(Grid.from_spacing((2, 3, 4), (4.0, 3.0, 2.0), (10.0, 20.0, 30.0)))


@pytest.mark.parametrize(("ending", "array"), [(".mha", (2, 5, 7, 9)), (".nii", (2, 5, 7, 9))])
def test_several_volumes_are_refused(ending, array, tmp_path):
    path = save_with_itk(tmp_path / f"image{ending}", np.zeros(array, np.float32), GRIDS["axial"])
    with pytest.raises(InputError, match=r"holds 2 volumes or values per voxel"):
        read_values(path)


def test_several_values_per_voxel_are_refused_and_become_layers(tmp_path):
    grid = GRIDS["oblique"]
    colours = np.stack([ramp(grid), 2 * ramp(grid), 3 * ramp(grid)], axis=-1)
    path = save_with_itk(tmp_path / "a.nrrd", colours, grid, is_vector=True)
    with pytest.raises(InputError, match="holds 3 volumes or values per voxel"):
        read_values(path)
    np.testing.assert_array_equal(read_layers(path).array[2], 3 * ramp(grid))


@pytest.mark.parametrize(
    ("space", "sign"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("RAS", (-1, -1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
    ],
)
def test_nrrd_spaces_are_turned_to_lps(space, sign, tmp_path):
    header = LPS_NRRD.replace("left-posterior-superior", space)
    _, grid = read_values(save_nrrd(tmp_path / "a.nrrd", header))
    for index in np.ndindex(2, 3, 4):
        by_hand = np.array([10 + 2 * index[2], 20 + 3 * index[1], 30 + 4 * index[0]]) * sign
        np.testing.assert_allclose(grid.index_to_lps(index), by_hand)


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")
def test_real_maa_spect_lies_where_its_dicom_says():
    image = read_emission_file(SHARED / "maa_spect_real" / "patient_2_SPECT.nrrd")
    assert image.modality == "file"
    assert image.volume.array.dtype == np.float32
    assert image.grid.shape == (160, 128, 128)
    # direction z = -1 is kept as it is; the hottest voxel as found in the DICOM object of the same image
    assert image.grid.affine[2, 0] == -2.5
    hottest = np.unravel_index(np.argmax(image.volume.array), image.grid.shape)
    np.testing.assert_allclose(image.grid.index_to_lps(hottest), (-139.17, -28.72, 1152.8), atol=0.01)


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")
def test_real_ct_is_read_as_simpleitk_reads_it():
    path = SHARED / "ct_labels" / "example_ct.nii.gz"
    ct = read_ct_file(path, notices=[])
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(ct.array, SimpleITK.GetArrayViewFromImage(image))
    last = [n - 1 for n in image.GetSize()]
    np.testing.assert_allclose(
        ct.grid.index_to_lps(last[::-1]), image.TransformIndexToPhysicalPoint(last), atol=1e-3
    )


# emission and CT


@pytest.mark.parametrize(
    ("dtype", "expected"), [(np.int16, np.float32), (np.float32, np.float32), (np.int32, np.float64)]
)
def test_emission_values_keep_their_digits(dtype, expected, tmp_path):
    grid = GRIDS["downwards"]
    values = ramp(grid, dtype) - 2
    image = read_emission_file(save_with_itk(tmp_path / "a.mha", values, grid))
    assert isinstance(image.volume, CountMap)
    assert image.volume.array.dtype == expected
    np.testing.assert_array_equal(image.volume.array, values)


def test_emission_without_counts_is_refused(tmp_path):
    path = save_with_itk(tmp_path / "a.mha", np.zeros((5, 7, 9), np.float32), GRIDS["axial"])
    with pytest.raises(InputError, match="no voxel is above 0"):
        read_emission_file(path)


def test_ct_keeps_its_values(tmp_path):
    grid = GRIDS["feet_first"]
    ct = read_ct_file(save_with_itk(tmp_path / "a.nii.gz", ramp(grid, np.int16) - 1000, grid))
    np.testing.assert_array_equal(ct.array, ramp(grid) - 1000)
    assert ct.unit == "HU"


def test_ct_that_was_never_rescaled_is_refused(tmp_path):
    path = save_with_itk(tmp_path / "a.nii.gz", ramp(GRIDS["axial"], np.int16) + 900, GRIDS["axial"])
    with pytest.raises(InputError, match="values from 900 to 1214 are not Hounsfield units"):
        read_ct_file(path)


def test_a_phantom_of_water_alone_is_used_with_a_notice(tmp_path):
    path = save_with_itk(tmp_path / "a.nii.gz", ramp(GRIDS["axial"], np.int16) * 0, GRIDS["axial"])
    notices = []
    assert read_ct_file(path, notices=notices).array.max() == 0
    assert [notice.code for notice in notices] == ["ct-without-air"]


def test_ct_without_air_is_used_with_a_notice(tmp_path):
    path = save_with_itk(tmp_path / "a.nii.gz", ramp(GRIDS["axial"], np.int16) - 150, GRIDS["axial"])
    notices = []
    assert read_ct_file(path, notices=notices).array.min() == -150
    assert [notice.code for notice in notices] == ["ct-without-air"]
    with pytest.warns(Notice, match="the lowest value is -150 HU"):
        read_ct_file(path)


# refusals


def test_values_that_are_not_finite_are_refused(tmp_path):
    values = ramp(GRIDS["axial"])
    values[0, 0, :2] = np.nan, np.inf
    path = save_with_itk(tmp_path / "a.mha", values, GRIDS["axial"])
    with pytest.raises(InputError, match=r"a\.mha: 2 of 315 voxels are NaN or infinite"):
        read_values(path)


@pytest.mark.parametrize(
    "header",
    [
        LPS_NRRD.replace("left-posterior-superior", "scanner-xyz"),
        LPS_NRRD.replace("space origin: (10,20,30)\n", ""),
        "spacings: 2 3 4\n",
    ],
)
def test_nrrd_without_a_place_is_refused(header, tmp_path):
    with pytest.raises(GeometryError, match=r"a\.nrrd does not say where its voxels lie"):
        read_values(save_nrrd(tmp_path / "a.nrrd", header))


@pytest.mark.parametrize("line", LPS_MHA.splitlines())
def test_metaimage_without_a_place_is_refused(line, tmp_path):
    path = save_mha(tmp_path / "a.mha", LPS_MHA.replace(line + "\n", ""))
    with pytest.raises(GeometryError, match=f"does not say where its voxels lie: no {line.split()[0]}"):
        read_values(path)


def test_sheared_axes_are_refused(tmp_path):
    nrrd = save_nrrd(tmp_path / "a.nrrd", LPS_NRRD.replace("(2,0,0)", "(2,0.5,0)"))
    mha = save_mha(tmp_path / "a.mha", LPS_MHA.replace("1 0 0 0 1 0 0 0 1", "1 0.2 0 0 1 0 0 0 1"))
    for path in (nrrd, mha):
        with pytest.raises(
            GeometryError, match=re.escape(f"{path}: the axes of a grid must be perpendicular")
        ):
            read_values(path)


def test_other_units_are_refused(tmp_path):
    nrrd = save_nrrd(tmp_path / "a.nrrd", LPS_NRRD + 'space units: "cm" "cm" "cm"\n')
    mha = save_mha(tmp_path / "a.mha", LPS_MHA + "DistanceUnits = cm\n")
    for path in (nrrd, mha):
        with pytest.raises(UnitError, match=r"is in .*cm.*; mm is needed"):
            read_values(path)
    read_values(save_nrrd(tmp_path / "b.nrrd", LPS_NRRD + 'space units: "mm" "mm" "mm"\n'))
    read_values(save_mha(tmp_path / "b.mha", LPS_MHA + "DistanceUnits = mm\n"))


def test_unit_that_is_not_stated_is_told(tmp_path):
    grid = GRIDS["axial"]
    write_nifti(DoseMap(ramp(grid), grid), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[123] = 0  # xyzt_units
    (tmp_path / "a.nii").write_bytes(raw)
    with pytest.warns(Notice, match="mm is assumed"):
        read_values(tmp_path / "a.nii")
    notices = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_values(tmp_path / "a.nii", notices=notices)
    assert [notice.code for notice in notices] == ["length-unit-assumed"]


def test_complex_and_flat_images_are_refused(tmp_path):
    waves = SimpleITK.GetImageFromArray(np.zeros((5, 7, 9), np.complex64))
    waves.SetDirection([1, 0, 0, 0, 1, 0, 0, 0, 1])
    SimpleITK.WriteImage(waves, str(tmp_path / "waves.nrrd"))
    with pytest.raises(InputError, match="not a three-dimensional image of real numbers: 3 dimensions"):
        read_values(tmp_path / "waves.nrrd")
    flat = SimpleITK.GetImageFromArray(np.zeros((7, 9), np.float32))
    SimpleITK.WriteImage(flat, str(tmp_path / "flat.mha"))
    with pytest.raises(InputError, match=r"2 dimensions of \(9, 7\) voxels"):
        read_values(tmp_path / "flat.mha")


def test_files_that_are_not_what_they_say_are_refused(tmp_path):
    (tmp_path / "a.nrrd").write_text("not a NRRD file")
    with pytest.raises(InputError, match="is not a NRRD file"):
        read_values(tmp_path / "a.nrrd")
    save_mha(tmp_path / "a.mha", LPS_MHA).write_bytes((tmp_path / "a.mha").read_bytes()[:-8])
    with pytest.raises(InputError, match=r"a\.mha holds 88 bytes, 4 x 3 x 2 voxels of MET_FLOAT need 96"):
        read_values(tmp_path / "a.mha")
    with pytest.raises(InputError, match="there is no file"):
        read_values(tmp_path / "absent.nrrd")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match="none of the endings of an image"):
        read_values(tmp_path / "a.txt")


def test_image_files_are_known_by_their_endings():
    assert all(is_image_file(f"Name{ending.upper()}") for ending in ENDINGS)
    assert not any(is_image_file(name) for name in ("a.dcm", "a.gz", "a", "a.seg.dcm"))
