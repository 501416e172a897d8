"""RTSTRUCT of regions, read back by our reader, by the shoelace formula and by dicompyler-core; conformance by dciodvfy."""

import dicom_factory as factory
import numpy as np
import pydicom
import pydicom.dicomio
import pytest
from dicom_checks import dciodvfy_errors, needs_dciodvfy

from y90voxel.errors import GridMismatchError, InputError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.rtstruct_writer import _area, _joined, _outlines, write_rtstruct
from y90voxel.regions.rasterise import drawn_volume_ml, rasterise
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

SHAPE = (24, 30, 28)
LAYS = {
    "axial": ((0, 0, 0), (1, 1, 1)),
    "feet first": ((0, 0, 0), (-1, 1, -1)),
    "oblique": ((0.3, -0.2, 0.5), (1, 1, 1)),
    "oblique and flipped": ((-0.4, 0.3, 2.0), (-1, 1, 1)),
}
IDENTITY = StudyIdentity(
    patient_name="Doe^Jane", patient_id="J1", study_instance_uid="1.2.3.10", study_date="20260302"
)
IMAGE = SourceSeries("1.2.3.11", (("1.2.840.10008.5.1.4.1.1.20", "1.2.3.12"),))


def grid_of(lay):
    angles, signs = LAYS[lay]
    return Grid(SHAPE, factory.oblique_affine((4.0, 3.5, 3.0), (20, -30, 400), angles, signs), factory.FRAME)


def ball(grid, radius, hole=0.0, samples=4):
    """Occupancy of a ball in the middle of a grid, with a concentric hole, by brute force."""
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    centre = grid.index_to_lps((np.array(SHAPE) - 1) / 2 + (0.3, -0.2, 0.4))
    total = np.zeros(SHAPE)
    for offset in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        points = grid.index_to_lps(np.stack(np.indices(SHAPE), axis=-1) + offset)
        distance = np.linalg.norm(points - centre, axis=-1)
        total += (distance < radius) & (distance >= hole)
    return Mask((total / samples**3).astype(np.float32), grid), centre


def shoelace_mm2(points):
    """Area of a polygon in space: half the sum of cross products."""
    from_first = points - points[0]
    return np.linalg.norm(np.cross(from_first, np.roll(from_first, -1, axis=0)).sum(axis=0)) / 2


def shoelace_ml(path, number, thickness_mm):
    """Volume of a structure from the stored numbers alone: areas by cross products, times the distance of planes."""
    dataset = pydicom.dcmread(path)
    (group,) = [g for g in dataset.ROIContourSequence if g.ReferencedROINumber == number]
    total = 0.0
    for contour in group.ContourSequence:
        points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
        assert len(points) == contour.NumberOfContourPoints
        total += shoelace_mm2(points)
    return total * thickness_mm / 1000


@pytest.mark.parametrize("lay", LAYS)
def test_volumes_and_places_come_back(tmp_path, lay):
    """Within 1.5 % of a 58 mL ball and 2 % of a hollow one, on voxels of 4 x 3.5 x 3 mm; the centroid within 0.1 mm.

    Straight lines between points on a curve, and slices that stand for what lies around them, cut off about so much.
    """
    grid = grid_of(lay)
    whole, centre = ball(grid, 24.0)
    hollow, _ = ball(grid, 24.0, hole=12.0)
    path = tmp_path / "rs.dcm"
    assert write_rtstruct({"whole": whole, "hollow": hollow}, path, identity=IDENTITY) == ()
    regions = DicomStudy.open(path, needs_emission=False).regions()
    assert [r.name for r in regions] == ["whole", "hollow"]
    thickness = pydicom_step(regions[0].shape.polygons)
    for number, (region, mask, tolerance) in enumerate(
        zip(regions, (whole, hollow), (0.015, 0.02), strict=True), start=1
    ):
        assert drawn_volume_ml(region.shape) == pytest.approx(mask.volume_ml, rel=tolerance)
        assert shoelace_ml(path, number, thickness) == pytest.approx(mask.volume_ml, rel=tolerance)
        back = rasterise(region.shape, grid)
        points = grid.index_to_lps(np.stack(np.indices(SHAPE), axis=-1))
        np.testing.assert_allclose(
            np.tensordot(back.array.astype(float), points, 3) / back.total, centre, atol=0.1
        )
    middle = rasterise(regions[1].shape, grid).array
    assert middle[tuple(np.rint(grid.lps_to_index(centre)).astype(int))] == 0.0


def pydicom_step(polygons):
    """Distance between neighbouring planes."""
    normal = np.cross(polygons[0][1] - polygons[0][0], polygons[0][len(polygons[0]) // 2] - polygons[0][0])
    heights = np.unique(np.round([p[0] @ normal / np.linalg.norm(normal) for p in polygons], 2))
    return float(np.median(np.diff(heights)))


def test_dicompyler_reads_the_same_structures(tmp_path, monkeypatch):
    monkeypatch.setattr(
        pydicom.dicomio, "read_file", pydicom.dcmread, raising=False
    )  # its name until pydicom 3
    from dicompylercore.dicomparser import DicomParser

    mask, centre = ball(grid_of("axial"), 24.0)
    write_rtstruct({"Liver": mask}, tmp_path / "rs.dcm")
    parser = DicomParser(str(tmp_path / "rs.dcm"))
    (structure,) = parser.GetStructures().values()
    assert structure["name"] == "Liver"
    planes = parser.GetStructureCoordinates(1)
    outlines = [np.array(contour["data"], float) for plane in planes.values() for contour in plane]
    volume = sum(map(shoelace_mm2, outlines)) * parser.CalculatePlaneThickness(planes) / 1000
    assert volume == pytest.approx(mask.volume_ml, rel=0.015)
    points = np.concatenate(outlines)
    np.testing.assert_allclose((points.min(axis=0) + points.max(axis=0)) / 2, centre, atol=2.0)


def test_a_region_up_to_the_edge_is_closed_there(tmp_path):
    grid = grid_of("axial")
    array = np.zeros(SHAPE, np.float32)
    array[5:15, :10, 20:] = 1
    write_rtstruct({"edge": Mask(array, grid)}, tmp_path / "rs.dcm")
    (region,) = DicomStudy.open(tmp_path / "rs.dcm", needs_emission=False).regions()
    assert drawn_volume_ml(region.shape) == pytest.approx(Mask(array, grid).volume_ml, rel=0.01)


def test_patient_study_frame_references_and_roles(tmp_path):
    mask, _ = ball(grid_of("axial"), 20.0)
    path = tmp_path / "rs.dcm"
    write_rtstruct(
        {"GTV 1": mask, "Body": mask, "lungs": mask},
        path,
        roles={"GTV 1": "tumour", "Body": "body", "lungs": "lungs"},
        automatic=["Body"],
        identity=IDENTITY,
        references=[IMAGE],
    )
    dataset = pydicom.dcmread(path)
    assert (dataset.PatientID, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == (
        "J1",
        "1.2.3.10",
        factory.FRAME,
    )
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    assert (frame.FrameOfReferenceUID, study.ReferencedSOPInstanceUID) == (factory.FRAME, "1.2.3.10")
    assert (series.SeriesInstanceUID, series.ContourImageSequence[0].ReferencedSOPInstanceUID) == (
        "1.2.3.11",
        "1.2.3.12",
    )
    assert [s.ROIGenerationAlgorithm for s in dataset.StructureSetROISequence] == [
        "MANUAL",
        "AUTOMATIC",
        "MANUAL",
    ]
    assert [o.RTROIInterpretedType for o in dataset.RTROIObservationsSequence] == ["GTV", "EXTERNAL", "ORGAN"]


def test_an_anonymous_structure_set_leads_back_to_nobody(tmp_path):
    mask, _ = ball(grid_of("axial"), 20.0)
    write_rtstruct({"Liver": mask}, tmp_path / "rs.dcm", identity=IDENTITY.anonymous(), references=[IMAGE])
    text = str(pydicom.dcmread(tmp_path / "rs.dcm"))
    assert not any(word in text for word in ("Doe", "J1", "1.2.3.1", factory.FRAME + "\n"))


def test_regions_too_small_for_a_contour_are_told(tmp_path):
    grid = grid_of("axial")
    mask, _ = ball(grid, 20.0)
    thin = mask.with_array(mask.array * np.float32(0.3))
    (notice,) = write_rtstruct({"thin": thin, "Liver": mask}, tmp_path / "rs.dcm")
    assert (notice.code, "thin" in notice.message) == ("structures-empty", True)
    dataset = pydicom.dcmread(tmp_path / "rs.dcm")
    assert "ContourSequence" not in dataset.ROIContourSequence[0]


def test_no_region_and_different_grids_are_refused(tmp_path):
    with pytest.raises(InputError, match="no region to write"):
        write_rtstruct({}, tmp_path / "rs.dcm")
    one, other = ball(grid_of("axial"), 20.0)[0], ball(grid_of("oblique"), 20.0)[0]
    with pytest.raises(GridMismatchError):
        write_rtstruct({"a": one, "b": other}, tmp_path / "rs.dcm")


@needs_dciodvfy
@pytest.mark.parametrize(
    "identity", [IDENTITY, IDENTITY.anonymous(), None], ids=["named", "anonymous", "nobody"]
)
def test_dciodvfy_finds_no_error(tmp_path, identity):
    mask, _ = ball(grid_of("oblique"), 20.0)
    thin = mask.with_array(mask.array * np.float32(0.3))
    write_rtstruct({"GTV": mask, "thin": thin}, tmp_path / "rs.dcm", identity=identity, references=[IMAGE])
    assert dciodvfy_errors(tmp_path / "rs.dcm", "RTStructureSet") == []


def test_contours_do_not_depend_on_how_many_frames_are_contoured_in_one_go(tmp_path, monkeypatch):
    """Frame by frame against all at once, for a hollow ball and a region up to all edges."""
    grid = grid_of("oblique and flipped")
    hollow, _ = ball(grid, 24.0, hole=12.0)
    full = Mask(np.ones(SHAPE, np.float32), grid)
    found = []
    for at_once in (1, 3 * SHAPE[1] * SHAPE[2], 10**9):
        monkeypatch.setattr("y90voxel.io.dicom.rtstruct_writer.VOXELS_AT_ONCE", at_once)
        write_rtstruct({"hollow": hollow, "full": full}, tmp_path / "rs.dcm")
        groups = pydicom.dcmread(tmp_path / "rs.dcm").ROIContourSequence
        found.append([[list(c.ContourData) for c in group.ContourSequence] for group in groups])
    assert found[0] == found[1] == found[2]
    assert [len(contours) for contours in found[0]][1] == SHAPE[0]


def test_regions_have_the_colours_of_okabe_and_ito_in_turn(tmp_path):
    """A palette that is told apart by most who see colours otherwise (jfly.uni-koeln.de/color)."""
    palette = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00")
    mask, _ = ball(grid_of("axial"), 12.0, samples=1)
    write_rtstruct({f"region {n}": mask for n in range(7)}, tmp_path / "rs.dcm")
    groups = pydicom.dcmread(tmp_path / "rs.dcm").ROIContourSequence
    found = ["".join(f"{int(part):02X}" for part in group.ROIDisplayColor) for group in groups]
    assert found == [*palette, palette[0]]


def test_the_outline_of_a_voxel_has_its_four_points_once():
    occupancy = np.zeros((2, 5, 6))
    occupancy[1, 2, 3] = 1.0
    ((frame, outline),) = _outlines(occupancy, (10, 20, 30))
    assert frame == 11
    assert sorted(map(tuple, outline)) == [(32.5, 22.0), (33.0, 21.5), (33.0, 22.5), (33.5, 22.0)]


def test_the_outline_of_a_ring_goes_once_around_its_hole():
    occupancy = np.zeros((1, 5, 5))
    occupancy[0, 1:4, 1:4] = 1.0
    occupancy[0, 2, 2] = 0.0
    ((_, outline),) = _outlines(occupancy, (0, 0, 0))
    # 3 x 3 with a margin of half a voxel and its corners cut (4 + 4 x 1 + 4 / 8), less a diamond of half a voxel
    assert shoelace_mm2(np.column_stack([outline, np.zeros(len(outline))])) == pytest.approx(8.5 - 0.5)
    assert len(outline) == 12 + 4 + 2  # both, and the way back: the first point of each again


def test_a_hole_is_joined_where_it_is_closest():
    outline = np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)])
    hole = np.array([(8.0, 8.0), (8.0, 9.0), (9.0, 9.0), (9.0, 8.0)])
    there, back = [(9.0, 9.0), (9.0, 8.0), (8.0, 8.0), (8.0, 9.0), (9.0, 9.0)], [(10.0, 10.0), (0.0, 10.0)]
    assert list(map(tuple, _joined(outline, hole))) == [*map(tuple, outline[:3]), *there, *back]


def test_a_plane_that_is_half_full_has_its_outline_through_its_outer_voxels():
    """Half of a slice, as a region has it that ends in the middle of one; the SEG holds it too."""
    occupancy = np.zeros((3, 6, 7), np.float32)
    occupancy[0, 1:5, 1:6], occupancy[1, 1:4, 2:6], occupancy[2, 1:4, 2:6] = 1.0, 0.5, 0.499
    (_, full), (frame, half) = _outlines(occupancy, (0, 0, 0))
    assert (frame, set(map(tuple, half.round(6)))) == (
        1,
        {(x, y) for x in range(2, 6) for y in range(1, 4)} - {(3, 2), (4, 2)},
    )
    assert _area(half) == pytest.approx(3 * 2)
    assert _area(full) == pytest.approx(5 * 4 - 0.5)  # to half a voxel outside, the corners cut


@pytest.mark.parametrize("occupied", [[(2, 2)], [(2, 2), (2, 3)]])
def test_half_full_voxels_that_enclose_no_area_have_no_outline(tmp_path, occupied):
    occupancy = np.zeros((1, 6, 7), np.float32)
    for row, column in occupied:
        occupancy[0, row, column] = 0.5
    assert list(_outlines(occupancy, (0, 0, 0))) == []
    mask = Mask(occupancy, Grid.from_spacing((1, 6, 7), (4, 4, 4)))
    _, told = write_rtstruct({"spot": mask}, tmp_path / "rs.dcm")
    assert (told.code, "half occupancy encloses an area of spot" in told.message) == (
        "structures-empty",
        True,
    )


@pytest.mark.parametrize(("peak", "outlined"), [(0.5003, False), (0.501, True)])
def test_an_outline_encloses_a_millionth_of_a_voxel_at_least(peak, outlined):
    """The diamond of a voxel reaches 1 - 1/2p to each side: 6e-4 and 2e-3, of 7e-7 and 8e-6 in all."""
    occupancy = np.zeros((1, 5, 5))
    occupancy[0, 2, 2] = peak
    assert bool(list(_outlines(occupancy, (0, 0, 0)))) == outlined
