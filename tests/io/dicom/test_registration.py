"""Registration objects: which way they point, chains, deformations, and what is refused."""

import shutil
import subprocess
from pathlib import Path

import dicom_factory as factory
import numpy as np
import pytest
from registration_factory import applied, deformable, matrices, reg, rigid

from y90voxel.errors import DicomError, GeometryError, RegionError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.registrations import Registrations, _matrix, _vector_grid
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.regions.rasterise import drawn_volume_ml, rasterise

FILE = SourceFile(Path("x.dcm"), "x.dcm", 1)
OTHER, THIRD = "1.2.3.1", "1.2.3.2"
POINTS = np.array([(10.0, -20.0, 30.0), (-50.0, 15.0, 5.0), (0.0, 0.0, 0.0)])
STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)
WIDE = np.array([[0, 0, 5.0, -100], [0, 5.0, 0, -100], [5.0, 0, 0, -100], [0, 0, 0, 1]])
COUNTS = np.ones((40, 40, 40), np.uint16)


def path_of(folder, *objects, source=OTHER, target=factory.FRAME):
    for number, one in enumerate(objects):
        factory.save(one, folder / str(number))
    return Registrations(index_study(folder)).path(source, [target])


def ring(centre, radius, z, count=48):
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    flat = np.column_stack([np.cos(angles), np.sin(angles)]) * radius + np.array(centre[:2])
    return np.column_stack([flat, np.full(count, z)])


def ball(centre, radius, step=3.0):
    heights = np.arange(centre[2] - radius + step / 2, centre[2] + radius, step)
    return [ring(centre, np.sqrt(radius**2 - (z - centre[2]) ** 2), z) for z in heights]


def centroid(mask):
    index = np.argwhere(mask.array > 0)
    weights = mask.array[tuple(index.T)].astype(float)
    return (mask.grid.index_to_lps(index) * weights[:, None]).sum(axis=0) / weights.sum()


def test_a_matrix_takes_points_of_its_items_frame_to_the_frame_of_the_object(tmp_path):
    matrix = rigid()
    path = path_of(tmp_path, reg([(factory.FRAME, matrices(np.eye(4)), ()), (OTHER, matrices(matrix), ())]))
    np.testing.assert_allclose(path.transform.points(POINTS), applied(matrix, POINTS), atol=1e-6)
    assert path.transform.rigid is not None
    assert path.kind.startswith("rigid, turned by 20.94 degrees")


def test_a_registration_is_followed_backwards_where_it_points_away(tmp_path):
    matrix = rigid()
    path = path_of(tmp_path, reg([(factory.FRAME, matrices(matrix), ())], own=OTHER))
    expected = applied(np.linalg.inv(matrix), POINTS)
    np.testing.assert_allclose(path.transform.points(POINTS), expected, atol=1e-6)


def test_registrations_are_chained_through_a_third_frame(tmp_path):
    first, second = rigid(), rigid((0.3, 0.1, -0.2), (-8, 4, 90))
    one = reg([(OTHER, matrices(first), ())], own=THIRD, series="one")
    two = reg([(factory.FRAME, matrices(second), ())], own=THIRD, series="two")
    path = path_of(tmp_path, one, two)
    expected = applied(np.linalg.inv(second), applied(first, POINTS))
    np.testing.assert_allclose(path.transform.points(POINTS), expected, atol=1e-5)
    assert len(path.series) == 2


def test_an_item_may_name_images_instead_of_a_frame(tmp_path):
    matrix = rigid()
    diagnostic = factory.ct(STORED, series="diagnostic", FrameOfReferenceUID=OTHER)
    registered = reg([(None, matrices(matrix), [diagnostic[2].SOPInstanceUID])])
    path = path_of(tmp_path, diagnostic, registered)
    np.testing.assert_allclose(path.transform.points(POINTS), applied(matrix, POINTS), atol=1e-6)


def test_matrices_whose_order_does_not_matter_are_multiplied(tmp_path):
    shifts = [rigid((0, 0, 0), shift) for shift in ((1, 2, 3), (10, 0, -5))]
    path = path_of(tmp_path, reg([(OTHER, matrices(*shifts), ())]))
    np.testing.assert_allclose(path.transform.points((0, 0, 0)), (11, 2, -2), atol=1e-6)


def test_frames_without_a_registration_have_no_path(tmp_path):
    assert path_of(tmp_path, reg([(THIRD, matrices(rigid()), ())])) is None
    assert Registrations(index_study(tmp_path)).path(None, [factory.FRAME]) is None
    assert Registrations(index_study(tmp_path)).path(OTHER, [None]) is None


def test_registrations_of_other_patients_count_for_nothing(tmp_path):
    factory.save(reg([(OTHER, matrices(rigid()), ())], PatientID="F2"), tmp_path)
    index = index_study(tmp_path)
    key = index.series[0].first.patient_key
    assert Registrations(index, key).path(OTHER, [factory.FRAME]) is not None
    assert Registrations(index, "somebody else").path(OTHER, [factory.FRAME]) is None


def without_matrix():
    made = reg([(OTHER, matrices(rigid()), ())])
    del made.RegistrationSequence[0].MatrixRegistrationSequence[0].MatrixSequence[0][(0x3006, 0x00C6)]
    return made


def mirror():
    return np.diag([-1.0, 1, 1, 1])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (reg([(OTHER, matrices(rigid(), rigid((0.5, 0, 0))), ())]), "product depends on their order"),
        (reg([(OTHER, matrices(np.diag([1.1, 1, 1, 1])), ())]), "calls itself RIGID and changes sizes"),
        (reg([(OTHER, matrices(mirror(), kind="AFFINE"), ())]), "mirrors or flattens"),
        (reg([(OTHER, matrices(), ())]), "holds no matrix"),
        (without_matrix(), "holds no matrix"),
        (reg([(factory.FRAME, matrices(rigid()), ())]), "moves its own frame of reference"),
        (reg([(OTHER, matrices(rigid()), ())], own=None), "names no frame of reference of its own"),
    ],
    ids=["order", "not rigid", "mirror", "no item", "no matrix", "own frame", "no frame"],
)
def test_registrations_that_cannot_be_trusted_are_refused(tmp_path, made, message):
    with pytest.raises(DicomError, match=message) as caught:
        path_of(tmp_path, made)
    assert caught.value.file is not None


def translation(*millimetres):
    matrix = np.eye(4)
    matrix[:3, 3] = millimetres
    return matrix


@pytest.mark.parametrize(
    ("moved_mm", "taken"), [(0.9e-4, True), (-0.9e-4, True), (1.5e-4, False), (-1.5e-4, False)]
)
def test_a_registration_leaves_its_own_frame_where_it_is_but_for_rounding(tmp_path, moved_mm, taken):
    own = (factory.FRAME, matrices(translation(0, moved_mm, 0)), ())
    made = reg([own, (OTHER, matrices(rigid()), ())])
    if taken:
        assert path_of(tmp_path, made) is not None
    else:
        with pytest.raises(DicomError, match="moves its own frame of reference within itself"):
            path_of(tmp_path, made)


@pytest.mark.parametrize(("millimetres", "taken"), [(9.0, True), (15.0, False)])
def test_the_order_of_matrices_does_not_matter_but_for_rounding(millimetres, taken):
    sheared = np.eye(4)
    sheared[0, 1] = 1e-5  # then the translation along y moves x by so much of it, or not
    group = [factory.item(FrameOfReferenceTransformationMatrix=[float(v) for v in m.ravel()])
             for m in (sheared, translation(0, millimetres, 0))]  # fmt: skip
    registration = [factory.item(MatrixSequence=group)]
    if taken:
        np.testing.assert_allclose(
            _matrix(registration, FILE).matrix, sheared @ translation(0, millimetres, 0)
        )
    else:
        with pytest.raises(DicomError, match="2 matrices whose product depends on their order"):
            _matrix(registration, FILE)


@pytest.mark.parametrize(
    ("size", "step", "taken"),
    [
        ((3, 2, 1), (1.0, 0.5, 1.0), True),
        ((1, 1, 1), (5.0, 5.0, 5.0), True),
        ((3, 2, 0), (1.0, 1.0, 1.0), False),
        ((3, 2, 1), (1.0, 0.0, 1.0), False),
    ],
)
def test_a_field_of_vectors_may_be_one_slice_and_as_fine_as_its_image(size, step, taken):
    columns, rows, slices = size
    vectors = np.arange(3 * columns * rows * slices, dtype="<f4")
    item = factory.item(
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        GridDimensions=list(size),
        GridResolution=list(step),
        VectorGridData=vectors.tobytes(),
    )
    if taken:
        grid, found = _vector_grid(item, FILE, True)
        assert (grid.shape, grid.spacing_mm) == ((slices, rows, columns), step[::-1])
        np.testing.assert_array_equal(found, vectors.reshape(slices, rows, columns, 3))
    else:
        with pytest.raises(DicomError, match=f"a grid of {columns} x {rows} x {slices} vectors"):
            _vector_grid(item, FILE, True)


def test_two_registrations_of_the_same_frames_must_agree(tmp_path):
    one = reg([(OTHER, matrices(rigid()), ())], series="one")
    two = reg([(OTHER, matrices(rigid(shift=(12, -30, 75))), ())], series="two")
    with pytest.raises(DicomError, match=r"differ by up to 20\.0 mm"):
        path_of(tmp_path / "a", one, two)
    again = reg([(OTHER, matrices(rigid()), ())], series="two")
    assert path_of(tmp_path / "b", one, again) is not None


# --- deformations -------------------------------------------------------------------------------------


def bulge(affine, shape):
    """A smooth deformation: up to 6 mm, different along each axis."""
    points = np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([6 * np.sin(z / 60), 4 * np.cos(x / 50), 5 * np.sin((x + y) / 80)], axis=-1)


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.2, -0.1, 0.4)], ids=["axial", "oblique"])
def test_a_deformation_takes_points_of_its_own_frame_to_the_source_frame(tmp_path, angles):
    affine = factory.oblique_affine((10.0, 8.0, 6.0), (-120, -110, -130), angles)
    offsets = bulge(affine, (30, 32, 40))
    before, after = rigid((0.05, 0, 0), (3, 2, 1)), rigid((0, 0.1, 0), (20, 0, -40))
    made = deformable(OTHER, offsets, affine, before=before, after=after)
    path = path_of(tmp_path, made, source=factory.FRAME, target=OTHER)
    index = np.array([(10, 12, 20), (5, 20, 30)])
    nodes = index @ affine[:3, :3].T + affine[:3, 3]
    expected = applied(after, applied(before, nodes) + offsets[tuple(index.T)])
    np.testing.assert_allclose(path.transform.points(nodes), expected, atol=1e-4)
    back = Registrations(index_study(tmp_path)).path(OTHER, [factory.FRAME])
    np.testing.assert_allclose(back.transform.points(expected), nodes, atol=0.02)
    assert path.kind == "deformable"
    assert np.isnan(path.transform.points((1000.0, 0, 0))).all()
    assert np.isnan(back.transform.points((1000.0, 0, 0))).all()


def test_a_deformation_without_grid_is_its_matrices(tmp_path):
    made = deformable(OTHER, np.zeros((2, 2, 2, 3)), WIDE, after=rigid())
    del made.DeformableRegistrationSequence[0].DeformableRegistrationGridSequence
    path = path_of(tmp_path, made, source=factory.FRAME, target=OTHER)
    np.testing.assert_allclose(path.transform.points(POINTS), applied(rigid(), POINTS), atol=1e-5)


def broken(keyword, value):
    made = deformable(OTHER, np.zeros((3, 4, 5, 3)), WIDE)
    field = made.DeformableRegistrationSequence[0].DeformableRegistrationGridSequence[0]
    factory.change(field, **{keyword: value})
    return made


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("GridDimensions", [0, 4, 3], "a grid of 0 x 4 x 3 vectors"),
        ("GridDimensions", [60000, 60000, 60000], "a grid of 60000"),
        ("GridResolution", [1.0, 0.0, 1.0], "a grid of 5 x 4 x 3 vectors"),
        ("VectorGridData", b"1234", "720 bytes of vectors are announced, 4 are there"),
        ("ImagePositionPatient", None, "ImagePositionPatient: it is missing"),
    ],
)
def test_damaged_deformations_are_refused(tmp_path, keyword, value, message):
    with pytest.raises(DicomError, match=message):
        path_of(tmp_path, broken(keyword, value))


# --- in a study ---------------------------------------------------------------------------------------


def study_with(folder, *objects, **options):
    for number, one in enumerate((factory.nm(COUNTS, WIDE), *objects)):
        factory.save(one, folder / str(number))
    return DicomStudy.open(folder, **options)


CENTRE, RADIUS = np.array((8.0, -12.0, 5.0)), 25.0


def in_other_frame(matrix):
    """Contours of a ball that lies at CENTRE in the emission's frame, drawn in another frame: by the inverse matrix."""
    return ball(applied(np.linalg.inv(matrix), CENTRE), RADIUS)


def test_contours_of_another_frame_are_brought_by_the_registration(tmp_path):
    matrix = rigid()
    drawn = factory.rtstruct({"Liver": in_other_frame(matrix)}, frame=OTHER)
    study = study_with(tmp_path, drawn, reg([(OTHER, matrices(matrix), ())]))
    (region,) = study.regions()
    assert region.shape.frame_of_reference_uid == factory.FRAME
    mask = rasterise(region.shape, study.emission().grid)
    np.testing.assert_allclose(centroid(mask), CENTRE, atol=0.1)
    assert mask.volume_ml == pytest.approx(drawn_volume_ml(region.shape), rel=0.005)
    (notice,) = study.warnings
    assert notice.code == "registration-applied"
    assert "rigid, turned by" in notice.message
    assert [i["role"] for i in study.inputs()] == ["emission", "regions", "registration"]


def test_segments_of_another_frame_are_brought_by_the_registration(tmp_path):
    matrix = rigid()
    affine = factory.oblique_affine((4, 3, 3), (-60, -70, -80), (0.1, 0.2, 0))
    points = np.stack(np.indices((40, 50, 45)), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    occupied = np.linalg.norm(points - applied(np.linalg.inv(matrix), CENTRE), axis=-1) < RADIUS
    drawn = factory.seg({"Liver": occupied}, affine, FrameOfReferenceUID=OTHER)
    study = study_with(
        tmp_path, drawn, reg([(factory.FRAME, matrices(np.linalg.inv(matrix)), ())], own=OTHER)
    )
    (region,) = study.regions()
    np.testing.assert_allclose(centroid(region.shape), CENTRE, atol=0.2)
    assert region.shape.volume_ml == pytest.approx(occupied.sum() * 0.036, rel=1e-6)


def test_contours_are_deformed_and_their_volume_is_that_of_the_deformed_ball(tmp_path):
    offsets = bulge(WIDE, (40, 40, 40))
    drawn = factory.rtstruct({"Liver": ball((10.0, 5.0, -5.0), 30.0)}, frame=OTHER)
    study = study_with(tmp_path, drawn, deformable(OTHER, offsets, WIDE))
    (region,) = study.regions()
    # truth by brute force: a point belongs to the region when the deformation takes it into the ball
    fine = np.stack(np.meshgrid(*[np.arange(-60, 60, 1.5)] * 3, indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(fine, -1, 0)
    moved = fine + np.stack([6 * np.sin(z / 60), 4 * np.cos(x / 50), 5 * np.sin((x + y) / 80)], axis=-1)
    inside = fine[np.linalg.norm(moved - (10.0, 5.0, -5.0), axis=-1) < 30.0]
    assert region.shape.volume_ml == pytest.approx(len(inside) * 1.5**3 / 1000, rel=0.01)
    np.testing.assert_allclose(centroid(region.shape), inside.mean(axis=0), atol=0.2)
    assert "deformable" in study.warnings[0].message


def test_a_region_beyond_the_deformation_field_is_refused(tmp_path):
    drawn = factory.rtstruct({"Liver": ball((95.0, 5.0, -5.0), 30.0)}, frame=OTHER)
    study = study_with(tmp_path, drawn, deformable(OTHER, bulge(WIDE, (40, 40, 40)), WIDE))
    with pytest.raises(RegionError, match="does not reach all of the region 'Liver'"):
        study.regions()


@pytest.mark.parametrize(("amplitude_mm", "folds"), [(5.0, False), (14.0, True)])
def test_a_deformation_that_folds_within_a_region_is_refused(tmp_path, amplitude_mm, folds):
    """An offset of a sin(x / 9.5 mm) folds beyond a = 9.5 mm."""
    drawn = factory.rtstruct({"Liver": ball(CENTRE, 30.0)}, frame=OTHER)
    shape = (40, 40, 40)
    places = np.stack(np.indices(shape), axis=-1) @ WIDE[:3, :3].T + WIDE[:3, 3]
    offsets = np.zeros((*shape, 3))
    offsets[..., 0] = amplitude_mm * np.sin((places[..., 0] - CENTRE[0]) / 9.5)
    study = study_with(tmp_path, drawn, deformable(OTHER, offsets, WIDE))
    if not folds:
        assert len(study.regions()) == 1
        return
    with pytest.raises(GeometryError, match="the deformation folds within the region 'Liver'"):
        study.regions()


def test_a_region_where_the_deformation_is_undefined_is_refused(tmp_path):
    offsets = bulge(WIDE, (40, 40, 40))
    offsets[20:24, 20:24, 20:24] = np.nan  # how DICOM says: not defined here
    drawn = factory.rtstruct({"Liver": ball((0.0, 0.0, -15.0), 20.0)}, frame=OTHER)
    study = study_with(tmp_path, drawn, deformable(OTHER, offsets, WIDE))
    with pytest.raises(RegionError, match="does not reach all of the region 'Liver'"):
        study.regions()


def test_an_affine_registration_changes_the_volume(tmp_path):
    matrix = np.diag([1.1, 1.0, 1.0, 1.0])
    drawn = factory.rtstruct({"Liver": ball((0.0, 0.0, 0.0), 30.0)}, frame=OTHER)
    study = study_with(tmp_path, drawn, reg([(OTHER, matrices(matrix, kind="AFFINE"), ())]))
    before = drawn_volume_ml(DicomStudy.open(tmp_path / "1", needs_emission=False).regions()[0].shape)
    assert study.regions()[0].shape.volume_ml == pytest.approx(1.1 * before, rel=0.01)
    assert "changes sizes" in study.warnings[0].message


def test_a_ct_of_another_frame_is_moved_by_the_registration(tmp_path):
    matrix = rigid((0, 0, 0.5), (40, 0, 0))
    study = study_with(
        tmp_path, factory.ct(STORED, FrameOfReferenceUID=OTHER), reg([(OTHER, matrices(matrix), ())])
    )
    corner = applied(matrix, factory.AXIAL[:3, 3])
    np.testing.assert_allclose(study.ct().grid.index_to_lps((0, 0, 0)), corner, atol=1e-5)
    assert study.ct().grid.frame_of_reference_uid == factory.FRAME
    assert [w.code for w in study.warnings] == ["registration-applied"]


def test_a_ct_of_another_frame_is_deformed(tmp_path):
    values = np.zeros((30, 30, 30), np.int16) + 1024
    affine = np.array([[0, 0, 5.0, -75], [0, 5.0, 0, -75], [5.0, 0, 0, -75], [0, 0, 0, 1]])
    values[15, 15, 15] = 1824  # a marker at (0, 0, 0) of the CT's frame
    offsets = np.broadcast_to(np.array((10.0, -5.0, 15.0)), (40, 40, 40, 3))
    study = study_with(
        tmp_path, factory.ct(values, affine, FrameOfReferenceUID=OTHER), deformable(OTHER, offsets, WIDE)
    )
    image = study.ct()
    hottest = image.grid.index_to_lps(np.unravel_index(image.array.argmax(), image.array.shape))
    np.testing.assert_allclose(hottest, (-10, 5, -15), atol=2.6)
    assert image.array.min() == -1024


def test_a_registered_ct_of_another_study_is_taken(tmp_path):
    diagnostic = factory.ct(STORED, StudyInstanceUID="1.2.9", FrameOfReferenceUID=OTHER)
    nm = factory.uid("nm")
    study = study_with(tmp_path, diagnostic, reg([(OTHER, matrices(rigid()), ())]), emission_series=nm)
    assert study.ct() is not None


def test_regions_drawn_on_a_registered_ct_need_the_registration_too(tmp_path):
    matrix = rigid()
    drawn = factory.rtstruct({"Liver": in_other_frame(matrix)}, frame=OTHER)
    diagnostic = factory.ct(STORED, FrameOfReferenceUID=OTHER)
    study = study_with(tmp_path, drawn, diagnostic, reg([(OTHER, matrices(matrix), ())]))
    mask = rasterise(study.regions()[0].shape, study.emission().grid)
    np.testing.assert_allclose(centroid(mask), CENTRE, atol=0.1)


def test_a_single_plane_is_as_thick_as_a_slice_of_the_ct_it_was_drawn_on(tmp_path):
    drawn = factory.rtstruct({"Spot": [ring((0, 0), 20, 0.0)]}, frame=OTHER)
    diagnostic = factory.ct(STORED, FrameOfReferenceUID=OTHER, series="diagnostic")
    hybrid = factory.ct(COUNTS[:5, :6, :7], WIDE, series="hybrid")
    study = study_with(tmp_path, drawn, diagnostic, hybrid, reg([(OTHER, matrices(rigid()), ())]))
    assert study.regions()[0].shape.plane_step_mm == 4.0


def test_one_region_of_another_frame_is_brought_alone(tmp_path):
    matrix = rigid()
    made = factory.rtstruct({"Liver": ball(CENTRE, RADIUS), "GTV": in_other_frame(matrix)})
    made.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = OTHER
    study = study_with(tmp_path, made, reg([(OTHER, matrices(matrix), ())]))
    places = [centroid(rasterise(r.shape, study.emission().grid)) for r in study.regions()]
    np.testing.assert_allclose(places, [CENTRE, CENTRE], atol=0.1)


def test_regions_of_another_folder_are_brought_by_the_registration_of_the_study(tmp_path):
    from y90voxel.study.read_study import read_study

    matrix = rigid()
    study_with(tmp_path / "study", reg([(OTHER, matrices(matrix), ())]))
    factory.save(factory.rtstruct({"Liver": in_other_frame(matrix)}, frame=OTHER), tmp_path / "drawn")
    study = read_study(tmp_path / "study", regions=tmp_path / "drawn")
    mask = rasterise(study.drawn[0].shape, study.emissions[0].grid)
    np.testing.assert_allclose(centroid(mask), CENTRE, atol=0.1)
    assert [n.code for n in study.notices] == ["registration-applied"]


@pytest.mark.skipif(shutil.which("plastimatch") is None, reason="plastimatch is not installed")
def test_a_registration_written_by_plastimatch_points_the_same_way(tmp_path):
    """An ITK transform takes points of the fixed image to the moving one; its registration object the other way."""
    import SimpleITK as sitk  # noqa: N813

    transform = sitk.VersorRigid3DTransform()
    transform.SetParameters((0.05, -0.1, 0.15, 12.0, -30.0, 55.0))
    sitk.WriteTransform(transform, str(tmp_path / "motion.txt"))
    factory.save(factory.ct(STORED), tmp_path / "fixed")
    factory.save(factory.ct(STORED, series="moving", FrameOfReferenceUID=OTHER), tmp_path / "moving")
    subprocess.run(
        [
            *("plastimatch", "xf-convert", "--input", "motion.txt", "--output", "again.txt"),
            *("--output-dicom", "reg", "--fixed-rcs", "fixed", "--moving-rcs", "moving"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )
    path = Registrations(index_study(tmp_path / "reg")).path(OTHER, [factory.FRAME])
    moving = [transform.TransformPoint(point.tolist()) for point in POINTS]
    np.testing.assert_allclose(path.transform.points(moving), POINTS, atol=1e-3)


def test_a_second_injection_is_read_beside_regions_that_are_aligned(tmp_path, monkeypatch):
    from y90voxel.study.read_study import read_study
    from y90voxel.volumes.image_registration import Alignment
    from y90voxel.volumes.transform import AffineTransform

    def aligned(moving, fixed, focus_points_mm):
        assert len(focus_points_mm) > 100  # the liver is what it attends to
        transform = AffineTransform(rigid())
        return Alignment(transform, moving, fixed, (0.1, 1.0), (0.1, 0.9), 1.0, 0.1, np.zeros((2, 3)))

    monkeypatch.setattr("y90voxel.regions.region_alignment.align_ct", aligned)
    objects = (
        factory.nm(COUNTS, WIDE, series="second"),
        factory.ct(STORED, series="hybrid"),
        factory.ct(STORED, series="diagnostic", FrameOfReferenceUID=OTHER),
        factory.rtstruct({"Liver": in_other_frame(rigid())}, frame=OTHER),
    )
    for number, one in enumerate((factory.nm(COUNTS, WIDE), *objects)):
        factory.save(one, tmp_path / str(number))
    both = [factory.uid("nm"), factory.uid("second")]
    study = read_study(tmp_path, emission_series=both, register=True)
    assert len(study.emissions) == 2
    assert study.alignment is not None
    mask = rasterise(study.drawn[0].shape, study.emissions[0].grid)
    np.testing.assert_allclose(centroid(mask), CENTRE, atol=0.1)
