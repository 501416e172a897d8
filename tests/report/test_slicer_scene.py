"""The scene for 3D Slicer: elements and attributes are those that Slicer's nodes read, and what it names is there."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK
from evaluation_factory import make_evaluation
from study_factory import write_study

from y90voxel.io.nifti import write_nifti
from y90voxel.io.nrrd_writer import Segment, write_segments
from y90voxel.io.segmentations import read_regions_file
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.report.scene import THRESHOLD, build_scene
from y90voxel.report.slicer_scene import COLOURS, CT_SPACING_MM, SCENE_FILE, write_slicer_scene
from y90voxel.report.viewer import isodose_levels
from y90voxel.volumes.grid import Grid

NODE = {"id", "name"}
# Element, the class whose ReadXMLAttributes reads it (Slicer 5, Libs/MRML/Core), and attributes it reads. References by
# attribute: storageNodeRef and displayNodeRef (vtkMRMLStorableNode, vtkMRMLDisplayableNode), colorNodeRef (vtkMRMLDisplayNode).
SCHEMA = {
    "VolumeArchetypeStorage": ("vtkMRMLVolumeArchetypeStorageNode", {"fileName"}),
    "VolumeDisplay": (
        "vtkMRMLScalarVolumeDisplayNode",
        {"colorNodeRef", "window", "level", "autoWindowLevel", "interpolate"},
    ),
    "Volume": ("vtkMRMLScalarVolumeNode", {"storageNodeRef", "displayNodeRef"}),
    "ColorTableStorage": ("vtkMRMLColorTableStorageNode", {"fileName"}),
    "ColorTable": ("vtkMRMLColorTableNode", {"storageNodeRef", "type", "numcolors"}),
    "SegmentationStorage": ("vtkMRMLSegmentationStorageNode", {"fileName"}),
    "SegmentationDisplay": (
        "vtkMRMLSegmentationDisplayNode",
        {"visibility", "Visibility2DFill", "Visibility2DOutline"},
    ),
    "Segmentation": ("vtkMRMLSegmentationNode", {"storageNodeRef", "displayNodeRef"}),
    "SliceComposite": (
        "vtkMRMLSliceCompositeNode",
        {"singletonTag", "layoutName", "backgroundVolumeID", "foregroundVolumeID", "foregroundOpacity", "linkedControl"},
    ),
}  # fmt: skip
OF_SLICER = {"vtkMRMLColorTableNodeGrey"}  # there in every scene


def written(folder, evaluation, **options):
    """The scene of an evaluation, and its nodes by element."""
    write_nifti(evaluation.dose, folder / "dose.nii.gz")
    write_slicer_scene(evaluation, folder, **options)
    root = ElementTree.parse(folder / SCENE_FILE).getroot()
    assert (root.tag, root.attrib["version"]) == ("MRML", "Slicer4.4.0")
    return root, {tag: root.findall(tag) for tag in SCHEMA}


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


@pytest.fixture(scope="module")
def scene(tmp_path_factory, evaluation):
    folder = tmp_path_factory.mktemp("scene")
    return folder, *written(folder, evaluation)


def check(folder, root):
    """Hold every element against the schema, every reference against the scene, every file against the folder."""
    ids = [node.attrib["id"] for node in root]
    assert len(set(ids)) == len(ids)
    for node in root:
        kind, attributes = SCHEMA[node.tag]
        assert node.attrib["id"].startswith(kind)
        assert set(node.attrib) <= NODE | attributes, node.tag
        for name, value in node.attrib.items():
            if name.endswith(("NodeRef", "VolumeID")):
                assert value in OF_SLICER | set(ids), (node.tag, name)
            if name == "fileName":
                assert (folder / value).is_file(), value
                assert not value.startswith("/")


def test_elements_references_and_files_are_those_that_slicer_reads(scene):
    folder, root, nodes = scene
    check(folder, root)
    assert {tag: len(found) for tag, found in nodes.items()} == {
        "VolumeArchetypeStorage": 2, "VolumeDisplay": 2, "Volume": 2, "ColorTableStorage": 1, "ColorTable": 1,
        "SegmentationStorage": 2, "SegmentationDisplay": 2, "Segmentation": 2, "SliceComposite": 3,
    }  # fmt: skip
    assert [node.attrib["name"] for node in nodes["Volume"]] == ["CT", "Dose (Gy)"]
    assert [node.attrib["name"] for node in nodes["Segmentation"]] == ["Regions", "Isodoses"]


def test_the_planes_show_the_dose_over_the_ct(scene):
    _, _, nodes = scene
    ct, dose = (node.attrib["id"] for node in nodes["Volume"])
    for plane in nodes["SliceComposite"]:
        assert (plane.attrib["backgroundVolumeID"], plane.attrib["foregroundVolumeID"]) == (ct, dose)
        assert 0.0 < float(plane.attrib["foregroundOpacity"]) < 1.0


def test_colours_are_named_by_the_dose_that_the_window_gives_them(scene, evaluation):
    folder, _, nodes = scene
    top = build_scene(evaluation).top_gy
    display = nodes["VolumeDisplay"][1].attrib
    assert float(display["window"]) == pytest.approx(top, rel=1e-5)
    assert float(display["level"]) == pytest.approx(0.5 * top, rel=1e-5)
    lines = [
        line.split() for line in (folder / "scene" / "dose.ctbl").read_text().splitlines() if line[0] != "#"
    ]
    assert [int(line[0]) for line in lines] == list(range(COLOURS))
    names = [float(line[1].removesuffix("_Gy")) for line in lines]
    assert names == pytest.approx(np.linspace(0, top, COLOURS), rel=1e-3)
    colours = np.array([[int(word) for word in line[2:]] for line in lines])
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert (colours[:, 3] > 0).tolist() == [number >= COLOURS * THRESHOLD for number in range(COLOURS)]
    assert (np.diff(colours[:, :3].sum(axis=1)) > -3).all()  # from dark to light


def test_the_ct_lies_where_it_was_and_covers_the_dose(scene, evaluation):
    folder, _, _ = scene
    image = SimpleITK.ReadImage(str(folder / "scene" / "ct.nrrd"))
    assert all(0.5 * CT_SPACING_MM < spacing < 2.0 * CT_SPACING_MM for spacing in image.GetSpacing())
    ct = evaluation.case.ct
    values = SimpleITK.GetArrayFromImage(image)
    rng = np.random.default_rng(4)
    for _ in range(20):
        place = [int(rng.integers(size)) for size in image.GetSize()]
        point = np.array(image.TransformIndexToPhysicalPoint(place))
        index = np.rint(np.linalg.solve(ct.grid.affine[:3, :3], point - ct.grid.affine[:3, 3])).astype(int)
        assert values[tuple(place[::-1])] == pytest.approx(ct.array[tuple(index)], abs=0.5)
    corners = [
        image.TransformIndexToPhysicalPoint(place) for place in ((0, 0, 0), [n - 1 for n in image.GetSize()])
    ]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    inside_ct = np.clip(
        evaluation.dose.grid.corners_mm(), *[f(ct.grid.corners_mm(), axis=0) for f in (np.min, np.max)]
    )
    assert (low <= inside_ct.min(axis=0) + 2 * CT_SPACING_MM).all()
    assert (high >= inside_ct.max(axis=0) - 2 * CT_SPACING_MM).all()


def test_regions_and_isodoses_come_back_as_they_are(scene, evaluation):
    folder, _, _ = scene
    regions = {
        region.name: region for region in read_regions_file(folder / "scene" / "regions.seg.nrrd", notices=[])
    }
    expected = {region.name: region for region in evaluation.case.regions.drawn}
    assert set(regions) == set(expected)
    for name, region in expected.items():
        volume = (region.mask.array >= 0.5).sum() * region.mask.grid.voxel_volume_ml
        assert regions[name].shape.volume_ml == pytest.approx(volume, rel=1e-6), name
    levels = isodose_levels(build_scene(evaluation).top_gy)
    isodoses = {r.name: r for r in read_regions_file(folder / "scene" / "isodoses.seg.nrrd", notices=[])}
    assert set(isodoses) == {f"{level:g} Gy" for level in levels}
    for level in levels:
        volume = (evaluation.dose.array >= level).sum() * evaluation.dose.grid.voxel_volume_ml
        assert isodoses[f"{level:g} Gy"].shape.volume_ml == pytest.approx(volume, rel=1e-6)


def test_segments_lie_where_they_were_drawn_on_oblique_grids(tmp_path):
    turned = np.eye(4)
    turned[:3, :3] = np.array([[0, -1.2, 3.2], [0, 1.6, 2.4], [5, 0, 0]])
    turned[:3, 3] = (-10, 20, 30)
    grid = Grid((4, 6, 8), turned)
    one, other = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    one[1:3, 2:4, 3:7], other[2:4, 3:6, 5:8] = True, True
    write_segments(
        [Segment("a\nb", "#ff0000", one), Segment("β", "#00ff80", other)], grid, tmp_path / "x.seg.nrrd"
    )
    found = read_regions_file(tmp_path / "x.seg.nrrd", notices=[])
    assert [region.name for region in found] == ["a b", "β"]
    for region, inside in zip(found, (one, other), strict=True):
        mask = region.shape
        points = mask.grid.index_to_lps(np.argwhere(mask.array > 0.5).astype(float))
        expected = grid.index_to_lps(np.argwhere(inside).astype(float))
        assert sorted(map(tuple, np.round(points, 6))) == sorted(map(tuple, np.round(expected, 6)))


def test_what_overlaps_lies_in_layers_and_what_does_not_shares_one(tmp_path):
    grid = Grid.from_spacing((3, 3, 3), (1, 1, 1))
    cells = [np.zeros(grid.shape, bool) for _ in range(3)]
    cells[0][0], cells[1][1], cells[2][:2] = True, True, True
    write_segments(
        [Segment(str(n), "#102030", cell) for n, cell in enumerate(cells)], grid, tmp_path / "x.seg.nrrd"
    )
    image = SimpleITK.ReadImage(str(tmp_path / "x.seg.nrrd"))
    assert image.GetNumberOfComponentsPerPixel() == 2
    layers = [image.GetMetaData(f"Segment{n}_Layer") for n in range(3)]
    labels = [image.GetMetaData(f"Segment{n}_LabelValue") for n in range(3)]
    assert (layers, labels) == (["0", "0", "1"], ["1", "2", "1"])
    assert image.GetMetaData("Segment2_Extent") == "0 2 0 2 0 1"


def test_without_ct_and_regions_the_dose_stands_alone(tmp_path):
    root, nodes = written(tmp_path, make_evaluation(ct=False, regions=False))
    check(tmp_path, root)
    (volume,) = nodes["Volume"]
    assert [node.attrib["name"] for node in nodes["Segmentation"]] == ["Isodoses"]
    assert {node.attrib["backgroundVolumeID"] for node in nodes["SliceComposite"]} == {volume.attrib["id"]}
    assert not (tmp_path / "scene" / "ct.nrrd").exists()


def test_what_is_anonymous_has_no_ct(tmp_path, evaluation):
    root, nodes = written(tmp_path, evaluation, with_ct=False)
    check(tmp_path, root)
    assert [node.attrib["name"] for node in nodes["Volume"]] == ["Dose (Gy)"]
    assert not (tmp_path / "scene" / "ct.nrrd").exists()


def test_the_dose_of_the_scene_is_that_of_the_results(scene, evaluation):
    folder, _, nodes = scene
    name = nodes["VolumeArchetypeStorage"][1].attrib["fileName"]
    assert np.asarray(nibabel.load(folder / name).dataobj).max() == pytest.approx(
        evaluation.dose.array.max(), rel=1e-5
    )


def test_names_of_regions_cannot_break_the_file(tmp_path, evaluation):
    drawn = evaluation.case.regions.drawn
    assert any("<script>" in region.name for region in drawn)
    root, _ = written(tmp_path, replace(evaluation, case=replace(evaluation.case, label='"><x/>')))
    check(tmp_path, root)


@pytest.mark.parametrize(("option", "with_ct"), [([], True), (["--anonymise"], False)])
def test_every_folder_of_doses_with_a_report_has_a_scene(run_cli, tmp_path, option, with_ct):
    study = write_study(tmp_path / "study")
    given = ["--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local"]
    out = tmp_path / "out"
    for _ in range(2):  # a second run replaces the first: what it wrote is known as its own
        done = run_cli("dose", study, "-o", out, *given, *option)
        assert done.code == 0, done.err
        (out / ".y90voxel.json").unlink()
    check(out, ElementTree.parse(out / SCENE_FILE).getroot())
    assert (out / "scene" / "ct.nrrd").exists() is with_ct
    without = run_cli("dose", study, "-o", tmp_path / "plain", *given, "--no-report")
    assert without.code == 0
    assert not (tmp_path / "plain" / SCENE_FILE).exists()


def test_a_plan_has_a_scene_with_the_dose_of_its_first_model(run_cli, tmp_path):
    study = write_study(tmp_path / "study")
    given = ["--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local"]
    out = tmp_path / "out"
    for _ in range(2):
        done = run_cli("plan", study, "-o", out, *given)
        assert done.code == 0, done.err
        (out / ".y90voxel.json").unlink()
    check(out, ElementTree.parse(out / SCENE_FILE).getroot())
    per_gbq, planned = (
        np.asarray(nibabel.load(out / name).dataobj).max()
        for name in ("dose_per_gbq.nii.gz", "scene/planned_dose.nii.gz")
    )
    assert planned == pytest.approx(2.0 * per_gbq, rel=1e-5)


def test_regions_without_a_voxel_are_left_out(tmp_path, evaluation):
    regions = evaluation.case.regions
    liver = next(region for region in regions.drawn if region.name == "Liver")
    thin = replace(liver, name="thin", role=Role.OTHER, mask=liver.mask.with_array(0.4 * liver.mask.array))
    case = replace(evaluation.case, regions=Regions(regions.grid, (liver, thin)))
    written(tmp_path, replace(evaluation, case=case))
    found = read_regions_file(tmp_path / "scene" / "regions.seg.nrrd", notices=[])
    assert [region.name for region in found] == ["Liver"]


@pytest.mark.parametrize(("count", "layers"), [(255, 1), (256, 2)])
def test_a_layer_holds_as_many_segments_as_a_byte(tmp_path, count, layers):
    grid = Grid.from_spacing((1, 16, 17), (1, 1, 1))
    cells = np.eye(272, dtype=bool).reshape(272, 1, 16, 17)
    write_segments(
        [Segment(str(n), "#102030", cell) for n, cell in enumerate(cells[:count])],
        grid,
        tmp_path / "x.seg.nrrd",
    )
    image = SimpleITK.ReadImage(str(tmp_path / "x.seg.nrrd"))
    assert image.GetNumberOfComponentsPerPixel() == layers
    assert SimpleITK.GetArrayFromImage(image).max() == 255
