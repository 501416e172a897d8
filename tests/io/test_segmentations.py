"""Regions from segmentation files that are not DICOM."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from io_grids import GRIDS, ramp

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.io.segmentations import read_regions_file
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
GRID = GRIDS["oblique_left_handed"]
COLOURS = """# Color table file Segmentation_ColorTable.ctbl
# 4 values
0 Background 0 0 0 0
1 Liver 216 101 79 255
2 GTV_1 241 214 145 255
3 Lung left 111 184 210 255
"""


def labels() -> np.ndarray:
    """Labels 1, 2 and 3 in blocks of different size and place."""
    array = np.zeros(GRID.shape, np.uint8)
    array[0:3, 1:6, 2:8] = 1
    array[1:2, 2:4, 3:5] = 2
    array[4:5, 0:7, 0:1] = 3
    return array


def save(path: Path, array: np.ndarray, grid: Grid = GRID, fields: dict[str, str] | None = None) -> Path:
    """Write (slices, rows, columns) or, as a NRRD vector image, (layers, slices, rows, columns)."""
    vector = array.ndim == 4
    image = SimpleITK.GetImageFromArray(np.moveaxis(array, 0, -1) if vector else array, isVector=vector)
    image.SetOrigin(grid.origin_mm.tolist())
    image.SetSpacing(grid.spacing_mm[::-1])
    image.SetDirection(grid.directions[:, ::-1].ravel().tolist())
    for key, value in (fields or {}).items():
        image.SetMetaData(key, value)
    SimpleITK.WriteImage(image, str(path), useCompression=True)
    return path


def full(region: DrawnRegion, grid: Grid = GRID) -> np.ndarray:
    """Occupancy of a region on the whole grid, placed by its LPS coordinates."""
    mask = region.shape
    assert isinstance(mask, Mask)
    start = grid.lps_to_index(mask.grid.origin_mm)
    np.testing.assert_allclose(start, np.rint(start), atol=1e-3)
    np.testing.assert_allclose(mask.grid.affine[:3, :3], grid.affine[:3, :3], atol=1e-4)
    array = np.zeros(grid.shape)
    array[tuple(slice(int(s), int(s) + n) for s, n in zip(np.rint(start), mask.grid.shape, strict=True))] = (
        mask.array
    )
    return array


def segment(number: int, name: str, layer: int, label: int, **more: str) -> dict[str, str]:
    """Header fields of a Slicer segment."""
    fields = {"ID": f"Segment_{number}", "Name": name, "Layer": str(layer), "LabelValue": str(label), **more}
    return {f"Segment{number}_{key}": value for key, value in fields.items()}


# 3D Slicer


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")
def test_real_slicer_segmentation_has_its_volumes():
    regions = read_regions_file(SHARED / "maa_spect_real" / "patient_2_Segmentation.seg.nrrd")
    volume_ml = {region.name: region.shape.volume_ml for region in regions}
    # volumes as 3D Slicer reports them (data/README.md)
    assert volume_ml["liver"] == pytest.approx(1726, rel=0.001)
    assert volume_ml["perfused volume"] == pytest.approx(1082, rel=0.001)
    assert list(volume_ml) == [
        "gallbladder", "liver", "Tumor 1", "Tumor 2", "perfused volume", "whole liver normal", "perfused normal",
    ]  # fmt: skip
    # header extent of the liver: columns 79-290, rows 162-346, slices 46-105 of the file's grid
    liver = regions[1].shape.grid
    assert liver.shape == (60, 185, 212)
    np.testing.assert_allclose(
        liver.origin_mm,
        (-249.51159668 + 79 * 0.976562, -249.51159668 + 162 * 0.976562, 932.80004883 + 46 * 2.5),
    )


def test_slicer_layers_overlap_and_labels_are_per_layer(tmp_path):
    other = np.zeros(GRID.shape, np.uint8)
    other[0:5, 3:5, 0:9] = 1
    fields = segment(0, "Liver", 0, 1) | segment(1, "GTV 1", 0, 2) | segment(2, "Perfused", 1, 1)
    path = save(tmp_path / "a.seg.nrrd", np.stack([labels(), other]), fields=fields)
    liver, tumour, perfused = read_regions_file(path)
    assert [region.name for region in (liver, tumour, perfused)] == ["Liver", "GTV 1", "Perfused"]
    np.testing.assert_array_equal(full(liver), labels() == 1)
    np.testing.assert_array_equal(full(tumour), labels() == 2)
    np.testing.assert_array_equal(full(perfused), other)
    assert (liver.source, liver.automatic) == ("a.seg.nrrd", False)


def test_slicer_extent_offset_does_not_move_the_segment(tmp_path):
    fields = segment(0, "Liver", 0, 1, Extent="2 7 1 5 0 2")
    fields["Segmentation_ReferenceImageExtentOffset"] = "35 86 -1"
    (liver,) = read_regions_file(save(tmp_path / "a.seg.nrrd", labels(), fields=fields))
    np.testing.assert_array_equal(full(liver), labels() == 1)


def test_slicer_file_of_before_4_11_has_a_layer_a_segment(tmp_path):
    layers = np.stack([labels() == 2, labels() == 1]).astype(np.uint8)
    fields = {"Segment0_Name": "Tumour", "Segment1_ID": "Liver"}
    tumour, liver = read_regions_file(save(tmp_path / "a.seg.nrrd", layers, fields=fields))
    assert (tumour.name, liver.name) == ("Tumour", "Liver")
    np.testing.assert_array_equal(full(tumour), layers[0])
    np.testing.assert_array_equal(full(liver), layers[1])


def test_slicer_segments_without_voxels_stay_as_empty_regions(tmp_path):
    fields = segment(0, "Nothing", 0, 7) | segment(1, "Liver", 0, 1)
    nothing, liver = read_regions_file(save(tmp_path / "a.seg.nrrd", labels(), fields=fields))
    assert nothing.shape.volume_ml == 0.0
    assert liver.shape.volume_ml == pytest.approx(np.count_nonzero(labels() == 1) * GRID.voxel_volume_ml)


def test_slicer_file_with_an_empty_layer(tmp_path):
    layers = np.stack([np.zeros_like(labels()), labels()])
    fields = segment(0, "Nothing", 0, 1) | segment(1, "Liver", 1, 1)
    nothing, liver = read_regions_file(save(tmp_path / "a.seg.nrrd", layers, fields=fields))
    assert nothing.shape.volume_ml == 0.0
    np.testing.assert_array_equal(full(liver), labels() == 1)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (segment(0, "Liver", 1, 1), "segment 'Liver' lies in layer 1, but the file has 1"),
        (segment(0, "Liver", 0, 1) | {"Segment0_LabelValue": "one"}, "LabelValue of a segment is 'one'"),
        (
            segment(0, "Liver", 0, 1) | {"Segmentation_MasterRepresentation": "Fractional labelmap"},
            "holds a Fractional labelmap; save it from Slicer as binary labelmap",
        ),
    ],
)
def test_slicer_files_that_make_no_sense_are_refused(fields, error, tmp_path):
    path = save(tmp_path / "a.seg.nrrd", labels(), fields=fields)
    with pytest.raises(InputError, match=error):
        read_regions_file(path)


def test_empty_slicer_segmentation_is_refused(tmp_path):
    one = Grid.from_spacing((1, 1, 1), (1.0, 1.0, 1.0))
    path = save(tmp_path / "a.seg.nrrd", np.zeros((1, 1, 1), np.uint8), one, segment(0, "Liver", 0, 1))
    with pytest.raises(RegionError, match="empty Slicer segmentation"):
        read_regions_file(path)


# label images


def check_labels(regions: list[DrawnRegion], names: list[str]) -> None:
    assert [region.name for region in regions] == names
    for label, region in enumerate(regions, start=1):
        np.testing.assert_array_equal(full(region), labels() == label)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_label_image_takes_its_names_from_a_json(ending, dtype, tmp_path):
    path = save(tmp_path / f"labels{ending}", labels().astype(dtype))
    (tmp_path / "labels.json").write_text('{"1": "Liver", "2": "GTV", "3": "Lung_L", "9": "Spleen"}')
    check_labels(read_regions_file(path), ["Liver", "GTV", "Lung_L"])


@pytest.mark.parametrize(
    "document",
    [
        {"labels": {"1": "Liver", "2": "GTV größer", "3": "Lung_L"}},
        {"labels": {"background": 0, "Liver": 1, "GTV größer": 2, "Lung_L": 3}},
        {"Liver": 1, "GTV größer": 2, "Lung_L": 3},
        {
            "labels": [
                {"value": 1, "name": "Liver"},
                {"label": 2, "name": "GTV größer"},
                {"id": 3, "name": "Lung_L"},
            ]
        },
    ],
)
@pytest.mark.parametrize("name", ["labels.json", "labels.nii.gz.json"])
def test_json_may_name_the_labels_either_way_round(document, name, tmp_path):
    path = save(tmp_path / "labels.nii.gz", labels())
    (tmp_path / name).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    check_labels(read_regions_file(path), ["Liver", "GTV größer", "Lung_L"])


@pytest.mark.parametrize(
    "name", ["labels.ctbl", "labels.txt", "labels_ColorTable.ctbl", "labels_ColorTable.txt"]
)
def test_label_image_takes_its_names_from_a_slicer_colour_table(name, tmp_path):
    path = save(tmp_path / "labels.nrrd", labels())
    (tmp_path / name).write_text(COLOURS)
    check_labels(read_regions_file(path), ["Liver", "GTV_1", "Lung left"])


def test_label_image_takes_its_names_from_a_slicer_csv(tmp_path):
    path = save(tmp_path / "labels.nrrd", labels())
    (tmp_path / "labels.csv").write_text(
        "LabelValue,Name,Color_R\n0,none,0\n1,Liver,1\n2,GTV,2\n3,Lung_L,3\n"
    )
    check_labels(read_regions_file(path), ["Liver", "GTV", "Lung_L"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared data absent")
def test_real_label_image_with_many_organs(tmp_path):
    path = tmp_path / "seg.nii.gz"
    path.write_bytes((SHARED / "ct_labels" / "example_seg.nii.gz").read_bytes())
    (tmp_path / "seg.json").write_text(
        json.dumps({str(n): f"organ {n}" for n in range(1, 118)} | {"5": "Liver"})
    )
    regions = {region.name: region.shape for region in read_regions_file(path, notices=[])}
    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    assert len(regions) == len(np.unique(values)) - 1
    voxel_ml = regions["Liver"].grid.voxel_volume_ml
    assert regions["Liver"].volume_ml == pytest.approx(np.count_nonzero(values == 5) * voxel_ml)


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.integers(0, 4), min_size=24, max_size=24))
def test_regions_of_a_label_image_are_disjoint_and_complete(values, tmp_path_factory):
    array = np.array(values, np.uint8).reshape(2, 3, 4)
    grid = Grid(array.shape, GRID.affine)
    folder = tmp_path_factory.mktemp("labels")
    (folder / "a.json").write_text('{"1": "A", "2": "B", "3": "C", "4": "D"}')
    path = save(folder / "a.mha", array, grid)
    if not array.any():
        with pytest.raises(RegionError):
            read_regions_file(path)
        return
    sums = {region.name: full(region, grid) for region in read_regions_file(path)}
    assert set(sums) == {"ABCD"[label - 1] for label in np.unique(array) if label}
    np.testing.assert_array_equal(sum(sums.values()), array > 0)


def test_labels_without_names_are_refused_with_what_to_do(tmp_path):
    path = save(tmp_path / "labels.nii.gz", labels())
    with pytest.raises(
        InputError, match=r"labels 1, 2, 3 \(there is no file with names beside it\)"
    ) as caught:
        read_regions_file(path)
    assert 'Write labels.json beside it, such as {"1": "Liver"}' in str(caught.value)
    (tmp_path / "labels.json").write_text('{"1": "Liver"}')
    with pytest.raises(InputError, match=r"labels 2, 3 \(.*labels\.json does not\)"):
        read_regions_file(path)
    many = np.arange(GRID.size, dtype=np.int16).reshape(GRID.shape) % 8
    with pytest.raises(InputError, match="labels 1, 2, 3, 4, 5 and 2 more"):
        read_regions_file(save(tmp_path / "many.nii.gz", many))


def test_two_files_with_names_are_refused(tmp_path):
    path = save(tmp_path / "labels.nii.gz", labels())
    (tmp_path / "labels.json").write_text('{"1": "Liver", "2": "GTV", "3": "Lung_L"}')
    (tmp_path / "labels.ctbl").write_text(COLOURS)
    with pytest.raises(InputError, match=r"several files name the regions .*labels\.json, labels\.ctbl"):
        read_regions_file(path)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.json", "no json", "cannot read the region names"),
        ("a.json", '{"labels": {"Liver": [1, 2]}}', r'"labels" in .*a\.json are not understood'),
        ("a.json", '{"labels": [{"title": "Liver"}]}', "are not understood"),
        ("a.json", '{"labels": "Liver"}', "are not understood"),
        ("a.json", '{"regions": [{"title": "Liver"}]}', 'has no "name"'),
        ("a.ctbl", "some notes about this image", "is not a colour table"),
        ("a.txt", "# Color procedural file\n0.5 0 0 0\n", "is not a colour table"),
        ("a.csv", "LabelValue,Title\n1,Liver\n", "needs whole numbers in LabelValue and a column Name"),
        ("a.csv", "LabelValue,Name\none,Liver\n", "needs whole numbers in LabelValue"),
    ],
)
def test_name_files_that_are_not_understood_are_refused(name, text, error, tmp_path):
    path = save(tmp_path / "a.nii.gz", labels())
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=error):
        read_regions_file(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("liver.json", '{"Modality": "CT", "Rows": 512, "ImageType": ["ORIGINAL"]}'),
        ("liver.json", "[1, 2]"),
        ("liver.txt", "Notes about this image."),
        ("liver.csv", "volume,dose\n1,2\n"),
        ("liver.csv", ""),
    ],
)
def test_neighbours_about_something_else_are_left_alone(name, text, tmp_path):
    path = save(tmp_path / "liver.nii.gz", (labels() == 1).astype(np.uint8))
    (tmp_path / name).write_text(text)
    assert [region.name for region in read_regions_file(path)] == ["liver"]


# masks and occupancies


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_single_mask_is_named_like_its_file(value, ending, tmp_path):
    path = save(tmp_path / f"GTV 1{ending}", value * (labels() == 2).astype(np.uint8))
    (region,) = read_regions_file(path)
    assert region.name == "GTV 1"
    np.testing.assert_array_equal(full(region), labels() == 2)


def test_fractional_mask_keeps_its_occupancy(tmp_path):
    occupancy = ((ramp(GRID) % 5) / 4.0).astype(np.float32)
    (region,) = read_regions_file(save(tmp_path / "Liver.nii.gz", occupancy))
    assert region.name == "Liver"
    np.testing.assert_array_equal(region.shape.array, occupancy)


def test_our_own_regions_read_back(tmp_path):
    masks = {
        "Liver": Mask((labels() > 0).astype(np.float32), GRID),
        "GTV 1": Mask(((ramp(GRID) % 9) / 8.0).astype(np.float32), GRID),
    }
    path = tmp_path / "regions.nii.gz"
    write_regions_nifti(masks, path, roles={"Liver": "liver"}, automatic=["Liver"])
    liver, tumour = read_regions_file(path)
    assert (liver.name, liver.automatic, liver.role) == ("Liver", True, Role.LIVER)
    assert (tumour.name, tumour.automatic, tumour.role) == ("GTV 1", False, None)
    for region, mask in ((liver, masks["Liver"]), (tumour, masks["GTV 1"])):
        assert region.shape.grid.is_same_as(GRID)
        np.testing.assert_array_equal(region.shape.array, mask.array)


def test_derived_regions_of_our_own_are_left_to_be_derived_again(tmp_path):
    occupancy = (labels() > 0).astype(np.float32)
    masks = {name: Mask(occupancy, GRID) for name in ("Lesion", "Liver", "all tumours")}
    roles = {"Lesion": "tumour", "Liver": "liver", "all tumours": "tumours"}
    write_regions_nifti(masks, tmp_path / "regions.nii.gz", roles=roles)
    drawn = read_regions_file(tmp_path / "regions.nii.gz")
    assert [(region.name, region.role) for region in drawn] == [
        ("Lesion", Role.TUMOUR),
        ("Liver", Role.LIVER),
    ]


def test_unknown_role_beside_an_image_is_refused(tmp_path):
    path = tmp_path / "regions.nii.gz"
    write_regions_nifti(
        {"Liver": Mask((labels() > 0).astype(np.float32), GRID)}, path, roles={"Liver": "spleen"}
    )
    with pytest.raises(
        InputError, match=r"the role 'spleen' of 'Liver' .* is unknown; the roles are liver, tumour"
    ):
        read_regions_file(path)


def test_one_region_of_our_own_reads_back(tmp_path):
    masks = {"Liver": Mask((labels() > 0).astype(np.float32), GRID)}
    write_regions_nifti(masks, tmp_path / "regions.nii.gz")
    assert [region.name for region in read_regions_file(tmp_path / "regions.nii.gz")] == ["Liver"]


def test_regions_json_of_a_neighbour_is_left_alone(tmp_path):
    masks = {
        "A": Mask(np.ones(GRID.shape, np.float32), GRID),
        "B": Mask(np.ones(GRID.shape, np.float32), GRID),
    }
    write_regions_nifti(masks, tmp_path / "regions.nii.gz")
    path = save(tmp_path / "liver.nii.gz", (labels() == 1).astype(np.uint8))
    assert [region.name for region in read_regions_file(path)] == ["liver"]


def test_several_volumes_without_matching_names_are_refused(tmp_path):
    layers = np.stack([labels(), labels()])
    path = save(tmp_path / "a.nrrd", layers)
    with pytest.raises(InputError, match=r"holds 2 volumes, but there is no regions\.json"):
        read_regions_file(path)
    (tmp_path / "regions.json").write_text('{"regions": [{"name": "Liver"}]}')
    with pytest.raises(InputError, match=r"holds 2 volumes, but .*regions\.json names 1"):
        read_regions_file(path)


# refusals


def test_images_that_are_no_regions_are_refused(tmp_path):
    with pytest.raises(RegionError, match="is 0 everywhere"):
        read_regions_file(save(tmp_path / "a.mha", np.zeros(GRID.shape, np.uint8)))
    with pytest.raises(InputError, match="no negative and no undefined values"):
        read_regions_file(save(tmp_path / "a.mha", labels().astype(np.int16) - 1))
    with pytest.raises(InputError, match="no negative and no undefined values"):
        read_regions_file(save(tmp_path / "a.mha", np.where(labels() == 1, np.nan, 0.0)))
    with pytest.raises(InputError, match=r"values from 0 to 7\.5 are neither labels"):
        read_regions_file(save(tmp_path / "a.mha", 2.5 * labels()))
    with pytest.raises(InputError, match="values up to 70000 are not labels"):
        read_regions_file(save(tmp_path / "a.mha", 70000 * (labels() == 1).astype(np.int32)))


def test_assumed_unit_is_told(tmp_path):
    write_nifti(DoseMap((labels() == 1).astype(np.float32), GRID), tmp_path / "liver.nii")
    raw = bytearray((tmp_path / "liver.nii").read_bytes())
    raw[123] = 0  # xyzt_units
    (tmp_path / "liver.nii").write_bytes(raw)
    with pytest.warns(Notice, match="mm is assumed"):
        read_regions_file(tmp_path / "liver.nii")
    notices = []
    read_regions_file(tmp_path / "liver.nii", notices=notices)
    assert [notice.code for notice in notices] == ["length-unit-assumed"]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("SCT^108369006^Neoplasm", "S8", Role.TUMOUR),
        ("SRT^M-8FFFF^Neoplasm", "S8", Role.TUMOUR),
        ("SCT^108369006^Neoplasm", "Liver", None),
        ("SCT^10200004^Liver", "S8", None),
        ("", "S8", None),
        (None, "S8", None),
    ],
)
def test_the_terminology_of_a_slicer_segment_counts_like_the_code_of_a_dicom_one(
    tmp_path, kind, name, expected
):
    fields = {"Segment0_Name": name, "Segment0_LabelValue": "1", "Segment0_Layer": "0"}
    if kind is not None:
        fields["Segment0_Tags"] = f"TerminologyEntry:List~SCT^49755003^Abnormal~{kind}~^^~List~^^~^^|Other:1|"
    notices = []
    (region,) = read_regions_file(
        save(tmp_path / "s.seg.nrrd", (labels() == 1).astype(np.uint8), fields=fields), notices=notices
    )
    assert (region.name, region.role) == (name, expected)
    assert ("tumours-by-type" in [notice.code for notice in notices]) is (expected is not None)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
@pytest.mark.parametrize("name", ["tumour", "Liver"])
def test_a_single_label_is_named_like_its_file(tmp_path, name, ending):
    path = tmp_path / f"{name}{ending}"
    array = (labels() == 1).astype(np.uint8)
    if ending.startswith(".nii"):
        write_nifti(Mask(array.astype(np.float32), GRID), path)
    else:
        save(path, array)
    assert [region.name for region in read_regions_file(path, notices=[])] == [name]


def test_a_file_that_has_no_name_but_its_ending_keeps_it(tmp_path):
    path = save(tmp_path / ".seg.nrrd", (labels() == 1).astype(np.uint8))
    assert [region.name for region in read_regions_file(path, notices=[])] == [".seg"]
