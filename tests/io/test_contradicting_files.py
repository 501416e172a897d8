"""Files that state one fact twice and not the same, lack what they announce, or announce what nobody can hold."""

from __future__ import annotations

import gzip
import json
import os

import nibabel
import numpy as np
import pytest
from io_grids import GRIDS, ramp

from y90voxel.errors import GeometryError, InputError
from y90voxel.io.images import read_layers, read_values
from y90voxel.io.nifti import read_nifti, write_nifti
from y90voxel.io.other_formats import described_format
from y90voxel.io.segmentations import read_regions_file
from y90voxel.volumes.volume import DoseMap

META = "ObjectType = Image\nNDims = 3\nBinaryData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 10 20 30\n"
SPACING = "ElementSpacing = 2 3 4\n"
PLACE = (
    "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\n"
)


@pytest.fixture
def nifti(tmp_path):
    grid = GRIDS["axial"]
    write_nifti(DoseMap(ramp(grid), grid), tmp_path / "a.nii")
    return tmp_path / "a.nii"


def edited(path, qform=True, **fields):
    """Overwrite header fields; without its qform, pixdim is said by nothing else."""
    raw = bytearray(path.read_bytes())
    header = np.frombuffer(raw, nibabel.nifti1.header_dtype, count=1)
    for name, value in fields.items():
        header[name] = value
    if not qform:
        header["qform_code"] = 0
    path.write_bytes(raw)
    return path


def sizes(nifti, factor):
    return [1, *(factor * size for size in read_nifti(nifti).grid.spacing_mm[::-1]), 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("factor", "refused"),
    [(1.0, False), (1.009, False), (1.011, True), (0.989, True), (2.0, True), (-1.0, False)],
)
def test_voxel_sizes_that_contradict_the_sform_are_refused(nifti, factor, refused):
    edited(nifti, qform=False, pixdim=sizes(nifti, factor))
    if refused:
        with pytest.raises(GeometryError, match=r"states two voxel sizes: pixdim .* mm, sform") as caught:
            read_nifti(nifti)
        assert caught.value.tag == "pixdim"
    else:
        assert read_nifti(nifti).notices == ()


@pytest.mark.parametrize("unset", [0.0, 1.0])
def test_voxel_sizes_left_at_their_default_are_said(nifti, unset):
    edited(nifti, qform=False, pixdim=[1, unset, unset, unset, 0, 0, 0, 0])
    assert [notice.code for notice in read_nifti(nifti).notices] == ["voxel-size-unset"]


@pytest.mark.parametrize("offset", [0.0, 348.0, 351.0, 352.5, np.nan, np.inf, -np.inf, 1e30, 2.0**24 + 2])
def test_a_place_of_voxels_that_is_none_is_refused(nifti, offset):
    with pytest.raises(InputError, match=r"vox_offset is .*; voxels of a .nii begin at byte 352") as caught:
        read_nifti(edited(nifti, vox_offset=offset))
    assert caught.value.tag == "vox_offset"


def test_voxels_may_begin_later(nifti):
    values, raw = read_nifti(nifti).array, nifti.read_bytes()
    nifti.write_bytes(raw[:352] + bytes(16) + raw[352:])
    np.testing.assert_array_equal(read_nifti(edited(nifti, vox_offset=368)).array, values)


def test_an_extension_that_reaches_into_the_voxels_is_refused(nifti):
    raw = nifti.read_bytes()
    extension = np.array([32, 6], "<i4").tobytes() + bytes(24)
    nifti.write_bytes(raw[:348] + b"\1\0\0\0" + extension + raw[352:])
    read_nifti(edited(nifti, vox_offset=384))
    with pytest.raises(
        InputError, match="vox_offset says that voxels begin at byte 368, but a header extension of 32"
    ):
        read_nifti(edited(nifti, vox_offset=368))


def test_bytes_behind_the_voxels_are_said(nifti):
    nifti.write_bytes(nifti.read_bytes() + bytes(8))
    assert [notice.code for notice in read_nifti(nifti).notices] == ["bytes-after-voxels"]


@pytest.mark.parametrize(("bits", "refused"), [(0, False), (32, False), (16, True)])
def test_bits_that_contradict_the_type_are_refused(nifti, bits, refused):
    edited(nifti, bitpix=bits)
    if refused:
        with pytest.raises(InputError, match="datatype 16 has 32 bits a voxel, bitpix says 16"):
            read_nifti(nifti)
    else:
        read_nifti(nifti)


def bomb(path, side):
    """A packed image that is zero everywhere, written without holding it."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((side, side, side))
    header.set_data_dtype(np.float32)
    header.set_sform(np.diag([1.0, 1, 1, 1]), 1)
    header["magic"], header["vox_offset"], header["xyzt_units"] = b"n+1", 352, 2
    block = gzip.compress(bytes(1 << 24), 9)  # members of gzip add up
    with path.open("wb") as file:
        file.write(gzip.compress(header.binaryblock + bytes(4)))
        for _ in range(-(-4 * side**3 // (1 << 24))):
            file.write(block)
    return path


def test_a_packed_image_of_gigabytes_is_refused_before_it_is_unpacked(tmp_path):
    with pytest.raises(InputError, match=r"announces 5.37 GB of voxels"):
        read_nifti(bomb(tmp_path / "a.nii.gz", 1103))
    with pytest.raises(InputError, match=r"announces 1.09 GB of voxels"):
        read_nifti(bomb(tmp_path / "b.nii.gz", 648))
    assert read_nifti(bomb(tmp_path / "c.nii.gz", 96)).array.shape == (1, 96, 96, 96)


def test_what_unpacks_beyond_its_voxels_is_not_read_to_the_end(tmp_path):
    path = bomb(tmp_path / "a.nii.gz", 32)
    with path.open("ab") as file:
        for _ in range(64):  # 1 GB
            file.write(gzip.compress(bytes(1 << 24), 9))
    assert [notice.code for notice in read_nifti(path).notices] == ["bytes-after-voxels"]


def metaimage(folder, header, data="LOCAL", tail=b"", voxels=24, name="a.mhd"):
    text = f"{header}DimSize = 4 3 2\nElementType = MET_FLOAT\nElementDataFile = {data}\n"
    content = np.arange(voxels, dtype="<f4").tobytes() if data == "LOCAL" else tail
    (folder / name).write_bytes(text.encode() + content)
    return folder / name


@pytest.mark.parametrize(
    ("again", "message"),
    [
        ("", None),
        ("ElementSize = 2 3 4\n", None),
        ("ElementSize = 2.018 3 4\n", None),
        ("ElementSize = 2.022 3 4\n", "ElementSpacing = 2 3 4 and ElementSize = 2.022 3 4"),
        ("ElementSize = 1 1 1\n", "ElementSpacing = 2 3 4 and ElementSize = 1 1 1"),
        ("ElementSpacing = 2 3 5\n", "ElementSpacing = 2 3 4 and ElementSpacing = 2 3 5"),
        ("Position = 10.009 20 30\n", None),
        ("Position = 10.011 20 30\n", "Offset = 10 20 30 and Position = 10.011 20 30"),
        ("Origin = 0 0 0\n", "Offset = 10 20 30 and Origin = 0 0 0"),
        ("Rotation = 1 0 0 0 1 0 0 0 1\n", None),
        ("Orientation = 1 0 0 0 -1 0 0 0 1\n", "TransformMatrix = .* and Orientation"),
    ],
)
def test_a_place_that_is_stated_twice_and_differs_is_refused(again, message, tmp_path):
    path = metaimage(tmp_path, META + SPACING + again, name="a.mha")
    if message is None:
        np.testing.assert_allclose(read_values(path)[1].origin_mm, (10, 20, 30))
    else:
        with pytest.raises(GeometryError, match=message):
            read_values(path)


@pytest.mark.parametrize(
    "header",
    [
        META + "ElementSpacing = 1_0 3 4\n",
        META.replace("Offset = 10", "Offset = 1_0") + SPACING,
        META.replace("Offset = 10", "Offset = ١٠") + SPACING,
    ],
)
def test_numbers_of_python_are_no_numbers_of_a_header(header, tmp_path):
    with pytest.raises(InputError, match="is not a number"):
        read_values(metaimage(tmp_path, header, name="a.mha"))
    with pytest.raises(InputError, match="'1_0' is not a number"):
        nrrd(tmp_path / "b.nrrd", PLACE.replace("(10,", "(1_0,"))


def test_a_data_file_must_be_there_a_file_and_long_enough(tmp_path):
    whole = np.arange(24, dtype="<f4").tobytes()
    (tmp_path / "a.raw").write_bytes(whole)
    assert read_values(metaimage(tmp_path, META + SPACING, "a.raw"))[0].sum() == 276
    (tmp_path / "a.raw").write_bytes(whole[:-4])
    with pytest.raises(InputError, match=r"a.raw holds 92 bytes, 4 x 3 x 2 voxels of MET_FLOAT need 96"):
        read_values(metaimage(tmp_path, META + SPACING, "a.raw"))
    for data, message in (
        ("b.raw", "b.raw, is not there"),
        ("/dev/zero", "/dev/zero, is no file, but a folder, pipe or device"),
        ("LIST", r"a list of data files follows \(LIST\), and none does"),
    ):
        with pytest.raises(InputError, match=message):
            read_values(metaimage(tmp_path, META + SPACING, data))
    with pytest.raises(InputError, match="/dev/zero, is no file"):
        read_values(metaimage(tmp_path, META + SPACING, "LIST", b"/dev/zero\n/dev/zero\n"))


def test_numbered_data_files_of_a_metaimage_are_read_in_their_order(tmp_path):
    slices = np.arange(24, dtype="<f4").reshape(2, -1)
    for number, own in ((9, slices[0]), (10, slices[1])):
        (tmp_path / f"a{number:03d}.raw").write_bytes(own.tobytes())
    read = read_values(metaimage(tmp_path, META + SPACING, "a%03d.raw 9 10 1"))[0]
    np.testing.assert_array_equal(read.ravel(), np.arange(24))
    (tmp_path / "a011.raw").write_bytes(slices[1].tobytes())
    read = read_values(metaimage(tmp_path, META + SPACING, "a%03d.raw 9 11 2"))[0]
    np.testing.assert_array_equal(read.ravel(), np.arange(24))
    listed = b"a009.raw\na010.raw\n"
    assert read_values(metaimage(tmp_path, META + SPACING, "LIST", listed))[0].sum() == 276


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a%d.raw 1 2 1", "a1.raw, is not there"),
        ("a%03d.raw 9 11 1", "gives 3 names for 2 slices"),
        ("a%03d.raw 9 10 0", "gives 0 names for 2 slices"),
        ("a%s.raw", r"by a pattern \(a%s.raw\)"),
        ("a%03d%d.raw 9 10 1", "by a pattern"),
    ],
)
def test_a_pattern_must_name_as_many_files_as_slices(tmp_path, data, message):
    for number in (9, 10, 11):
        (tmp_path / f"a{number:03d}.raw").write_bytes(bytes(48))
    with pytest.raises(InputError, match=message):
        read_values(metaimage(tmp_path, META + SPACING, data))


def test_each_of_several_data_files_must_be_long_enough_and_hold_whole_slices(tmp_path):
    (tmp_path / "a1.raw").write_bytes(bytes(40))
    (tmp_path / "a2.raw").write_bytes(bytes(56))
    with pytest.raises(InputError, match=r"a1.raw holds 40 bytes, 4 x 3 x 1 voxels of MET_FLOAT need 48"):
        read_values(metaimage(tmp_path, META + SPACING, "a%d.raw 1 2 1"))
    listed = b"a2.raw\na2.raw\na2.raw\n"
    with pytest.raises(InputError, match="2 slices in 3 data files"):
        read_values(metaimage(tmp_path, META + SPACING, "LIST", listed))


def nrrd(path, header, extra="encoding: raw\n", data=None):
    voxels = np.arange(24, dtype="<f4").tobytes() if data is None else data
    text = f"NRRD0004\ntype: float\ndimension: 3\nsizes: 4 3 2\nendian: little\n{extra}{header}\n"
    path.write_bytes(text.encode() + voxels)
    return read_values(path)


def test_data_of_a_nrrd_must_be_there_a_file_and_long_enough(tmp_path):
    assert nrrd(tmp_path / "a.nrrd", PLACE)[0].sum() == 276
    with pytest.raises(InputError, match=r"a.nrrd holds 92 bytes, 4 x 3 x 2 voxels of float need 96"):
        nrrd(tmp_path / "a.nrrd", PLACE, data=bytes(92))
    detached = "encoding: raw\ndata file: b.raw\n"
    with pytest.raises(InputError, match=r"b.raw, is not there"):
        nrrd(tmp_path / "a.nhdr", PLACE, detached, b"")
    with pytest.raises(InputError, match="/dev/zero, is no file"):
        nrrd(tmp_path / "a.nhdr", PLACE, "encoding: raw\ndata file: /dev/zero\n", b"")
    (tmp_path / "b.raw").write_bytes(bytes(96))
    assert nrrd(tmp_path / "a.nhdr", PLACE, detached, b"")[0].shape == (2, 3, 4)
    with pytest.raises(InputError, match="states 'space origin' twice"):
        nrrd(tmp_path / "a.nrrd", PLACE + "space origin: (0,0,0)\n")


@pytest.mark.parametrize(("stray", "regions"), [(5e-7, 2), (0.0009, 2), (0.0011, None)])
def test_labels_that_scaling_moved_a_little_are_labels(stray, regions, tmp_path):
    grid = GRIDS["axial"]
    labels = np.zeros(grid.shape, np.float64)
    labels[1, 1, 1], labels[2, 2, 2] = 1, 2 + stray
    image = nibabel.Nifti1Image(labels.T, np.diag([-2.0, -2, 2, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text(json.dumps({"1": "Liver", "2": "GTV"}))
    if regions is None:
        with pytest.raises(InputError, match="neither labels"):
            read_regions_file(tmp_path / "a.nii.gz", notices=[])
    else:
        assert [region.name for region in read_regions_file(tmp_path / "a.nii.gz", notices=[])] == [
            "Liver",
            "GTV",
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("[" * 100_000, "nested too deep"), ('{"1_0": "Liver"}', "nothing names the labels 1")],
)
def test_names_beside_a_label_image_that_are_none(text, message, tmp_path):
    grid = GRIDS["axial"]
    labels = np.zeros(grid.shape, np.uint8)
    labels[1, 1, 1], labels[2, 2, 2] = 1, 10
    image = nibabel.Nifti1Image(labels.T, np.diag([-2.0, -2, 2, 1]))
    nibabel.save(image, tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_regions_file(tmp_path / "a.nii.gz", notices=[])


OTHERS = {
    "a.hv": (b"!INTERFILE :=\n", "an Interfile header", "STIR"),
    "a.h33": (b"!interfile :=\n", "an Interfile header", "medcon"),
    "a.v": (b"MATRIX72v" + bytes(503), "an ECAT image", "nibabel"),
    "b.v": (bytes(64), "the data of an Interfile", "STIR"),
    "a.mnc": (b"CDF\1" + bytes(60), "a MINC image", "mnc2nii"),
    "b.mnc": (b"\x89HDF\r\n\x1a\n", "a MINC image", "mnc2nii"),
    "a.mgz": (gzip.compress(bytes(64)), "a FreeSurfer image", "mri_convert"),
    "a.mgh": (bytes(64), "a FreeSurfer image", "mri_convert"),
    "a.hdr": (np.array([348], "<i4").tobytes() + bytes(344), "an Analyze 7.5 header", "nibabel"),
    "b.hdr": (np.array([348], ">i4").tobytes() + bytes(340) + b"ni1\0", "a NIfTI pair", "nibabel"),
    "a.img": (bytes(64), "an Analyze or NIfTI pair", "nibabel"),
    "a.dat": (np.array([540], "<i4").tobytes() + bytes(536), "a NIfTI-2 image", "Nifti1Image"),
    "a.png": (b"\x89PNG\r\n", "a picture", "DICOM"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_formats_that_are_not_read_are_named_with_a_way_to_convert_them(name, tmp_path, run_cli):
    content, what, how = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    sentence = described_format(tmp_path / name)
    assert all(word in sentence for word in (what, how, ".nii.gz", "MetaImage")), sentence
    with pytest.raises(InputError, match="which is not read"):
        read_layers(tmp_path / name)
    done = run_cli("dose", "--emission", tmp_path / name, "-o", tmp_path / "o")
    assert (done.code, sentence in done.err) == (2, True), done.err


def test_a_folder_of_other_formats_says_what_they_are(tmp_path, run_cli):
    (tmp_path / "a.hv").write_bytes(OTHERS["a.hv"][0])
    done = run_cli("dose", tmp_path, "-o", tmp_path / "o")
    assert (done.code, "a.hv is an Interfile header" in done.err) == (2, True), done.err


def test_other_files_are_of_no_known_format(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    assert described_format(tmp_path / "a.txt") is None
    assert described_format(tmp_path / "absent") is None
    assert not os.path.exists(tmp_path / "absent")
