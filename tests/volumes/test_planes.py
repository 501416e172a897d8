"""Planes for display: a point of the patient lies where a radiologist expects it, whatever the array's axes."""

import itertools

import numpy as np
import pytest

from y90voxel.errors import GeometryError
from y90voxel.volumes.grid import Grid, patient_axes
from y90voxel.volumes.planes import ShownBox, View, display_plane, sample
from y90voxel.volumes.volume import CtImage, DoseMap

SPACING_XYZ = np.array([2.0, 3.0, 5.0])
SIZE_XYZ = (12, 9, 7)
ORIGIN_XYZ = np.array([-20.0, 40.0, -300.0])
# A voxel at the patient's right, front and head end, as an index from the right, the front and the feet.
HOT_XYZ = (2, 1, 5)

AXES = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def grid_with_axes(order, signs, turn=None):
    """The same box of the patient, stored with array axis a along patient axis order[a] in sense signs[a]."""
    affine = np.eye(4)
    origin = ORIGIN_XYZ.copy()
    affine[:3, :3] = 0.0
    for axis, (patient, sign) in enumerate(zip(order, signs, strict=True)):
        affine[patient, axis] = sign * SPACING_XYZ[patient]
        if sign < 0:
            origin[patient] += (SIZE_XYZ[patient] - 1) * SPACING_XYZ[patient]
    affine[:3, 3] = origin
    if turn is not None:
        affine = turn @ affine
    return Grid(tuple(SIZE_XYZ[p] for p in order), affine)


def index_of(order, signs, xyz):
    return tuple(
        xyz[p] if sign > 0 else SIZE_XYZ[p] - 1 - xyz[p] for p, sign in zip(order, signs, strict=True)
    )


def whole(grid):
    return ShownBox((-0.5, -0.5, -0.5), tuple(n - 0.5 for n in grid.shape))


def rotation(degrees_about_z, degrees_about_x):
    """A turn of the patient coordinates about two axes."""
    a, b = np.radians([degrees_about_z, degrees_about_x])
    z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turn = np.eye(4)
    turn[:3, :3] = z @ x
    return turn


def turned(grid, turn, about_mm):
    """The grid turned about a point of the patient."""
    about = np.eye(4)
    about[:3, 3] = about_mm
    return Grid(grid.shape, about @ turn @ np.linalg.inv(about) @ grid.affine)


@pytest.mark.parametrize(("order", "signs"), AXES)
def test_right_anterior_superior_voxel_appears_on_the_radiological_side(order, signs):
    grid = grid_with_axes(order, signs)
    index = index_of(order, signs, HOT_XYZ)
    dose = np.zeros(grid.shape)
    dose[index] = 7.0
    pictures = {}
    for view in View:
        plane = display_plane(grid, view, index, whole(grid), pixel_mm=1.0)
        picture = sample(DoseMap(dose, grid), plane)
        pixels = np.indices(picture.shape).reshape(2, -1) + 0.5
        pictures[view] = pixels @ picture.ravel() / picture.sum() / picture.shape
    # fractions of the picture from the top and from the left, by hand: 2.5 of 12 from the right, 1.5 of 9 from the
    # front, 1.5 of 7 from the head
    from_right, from_front, from_head = 2.5 / 12, 1.5 / 9, 1.5 / 7
    assert pictures[View.AXIAL] == pytest.approx([from_front, from_right], abs=0.005)
    assert pictures[View.CORONAL] == pytest.approx([from_head, from_right], abs=0.005)
    assert pictures[View.SAGITTAL] == pytest.approx([from_head, from_front], abs=0.005)


@pytest.mark.parametrize(("order", "signs"), AXES[::5])
def test_pictures_do_not_depend_on_how_the_array_is_stored(order, signs):
    values = np.random.default_rng(3).random(SIZE_XYZ)  # indexed by x, y, z of the patient
    reference = grid_with_axes((2, 1, 0), (1, 1, 1))
    expected = DoseMap(values.transpose(2, 1, 0), reference)
    grid = grid_with_axes(order, signs)
    stored = values.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    for view in View:
        first = display_plane(reference, view, index_of((2, 1, 0), (1, 1, 1), HOT_XYZ), whole(reference), 0.7)
        second = display_plane(grid, view, index_of(order, signs, HOT_XYZ), whole(grid), 0.7)
        assert second.letters == first.letters
        assert second.position == first.position
        np.testing.assert_allclose(sample(DoseMap(stored, grid), second), sample(expected, first), atol=1e-6)


def test_letters_name_the_sides_of_the_patient():
    grid = grid_with_axes((2, 1, 0), (-1, 1, -1))
    letters = {v: display_plane(grid, v, (1, 1, 1), whole(grid), 1.0).letters for v in View}
    assert letters == {
        View.AXIAL: ("R", "L", "A", "P"),
        View.CORONAL: ("R", "L", "S", "I"),
        View.SAGITTAL: ("A", "P", "S", "I"),
    }


def test_pixels_are_square_and_the_picture_has_the_size_of_the_box():
    grid = grid_with_axes((2, 1, 0), (1, 1, 1))
    plane = display_plane(grid, View.CORONAL, (3, 4, 6), whole(grid), pixel_mm=0.5)
    assert plane.grid.spacing_mm[1:] == pytest.approx((0.5, 0.5))
    assert plane.size_mm == pytest.approx((7 * 5.0, 12 * 2.0))  # height feet to head, width right to left


def test_position_is_the_coordinate_across_the_plane():
    grid = grid_with_axes((2, 1, 0), (1, -1, 1))
    index = index_of((2, 1, 0), (1, -1, 1), HOT_XYZ)
    texts = [display_plane(grid, view, index, whole(grid), 1.0).position for view in View]
    assert texts == ["z = −275.0 mm", "y = 43.0 mm", "x = −16.0 mm"]


@pytest.mark.parametrize("turn", [None, rotation(17.0, 9.0)], ids=["same axes", "turned CT"])
@pytest.mark.parametrize("view", list(View))
def test_sampling_is_exact_for_a_linear_field_on_another_grid(view, turn):
    slope, offset = np.array([0.3, -0.7, 0.11]), 55.0
    dose_grid = grid_with_axes((2, 1, 0), (1, 1, 1))
    ct_grid = Grid.from_spacing((64, 90, 80), (1.7, 1.1, 1.3), (-60.0, 0.0, -340.0))
    if turn is not None:
        ct_grid = turned(ct_grid, turn, about_mm=dose_grid.index_to_lps((3, 4, 5.5)))
    points = ct_grid.index_to_lps(
        np.stack(np.meshgrid(*map(np.arange, ct_grid.shape), indexing="ij"), axis=-1)
    )
    ct = CtImage(points @ slope + offset, ct_grid)
    plane = display_plane(dose_grid, view, (3, 4, 6), whole(dose_grid), pixel_mm=0.9)
    _, rows, columns = plane.grid.shape
    raster = np.stack(np.meshgrid([0], np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)[0]
    expected = plane.grid.index_to_lps(raster) @ slope + offset
    np.testing.assert_allclose(sample(ct, plane, outside=-1000.0), expected, atol=2e-3)


@pytest.mark.parametrize("turn", [None, rotation(20.0, 12.0)], ids=["parallel", "oblique"])
def test_outside_the_image_has_the_value_given(turn):
    grid = grid_with_axes((2, 1, 0), (1, 1, 1))
    image = grid if turn is None else turned(grid, turn, about_mm=grid.index_to_lps((3, 4, 5.5)))
    box = ShownBox((-30.0, -30.0, -30.0), (40.0, 40.0, 40.0))
    picture = sample(
        CtImage(np.full(image.shape, 40.0), image),
        display_plane(grid, View.AXIAL, (3, 4, 5), box, 2.0),
        -1000.0,
    )
    assert set(np.unique(picture)) == {-1000.0, 40.0}
    assert picture[0, 0] == -1000.0


def test_border_voxels_reach_to_their_edge():
    grid = Grid.from_spacing((1, 2, 2), (1.0, 1.0, 1.0))
    dose = DoseMap(np.array([[[1.0, 3.0], [1.0, 3.0]]]), grid)
    plane = display_plane(
        grid, View.AXIAL, (0, 0, 0), ShownBox((0, -1.5, -1.5), (0, 2.5, 2.5)), pixel_mm=0.25
    )
    row = sample(dose, plane, outside=-1.0)[8]
    # pixel centres from −1.375 on in steps of 0.25 mm; the image reaches from −0.5 to 1.5
    assert row.tolist() == [-1.0] * 4 + [1.0, 1.0, 1.25, 1.75, 2.25, 2.75, 3.0, 3.0] + [-1.0] * 4


def test_oblique_grid_is_shown_along_its_axes_and_says_so():
    order, signs = (2, 1, 0), (1, 1, 1)
    grid = grid_with_axes(order, signs, rotation(20.0, 10.0))
    assert patient_axes(grid) == ((2, 1, 0), (1, 1, 1))
    index = index_of(order, signs, HOT_XYZ)
    dose = np.zeros(grid.shape)
    dose[index] = 7.0
    plane = display_plane(grid, View.AXIAL, index, whole(grid), 1.0)
    assert plane.oblique
    assert plane.letters == ("R", "L", "A", "P")
    assert not display_plane(grid_with_axes(order, signs), View.AXIAL, index, whole(grid), 1.0).oblique
    row, column = plane.pixel_of(grid.index_to_lps(index))
    assert sample(DoseMap(dose, grid), plane)[round(row), round(column)] > 5.0


def test_two_axes_nearest_to_one_direction_still_get_different_patient_axes():
    grid = grid_with_axes((2, 1, 0), (1, 1, 1), rotation(44.0, 44.0))
    order, _ = patient_axes(grid)
    assert sorted(order) == [0, 1, 2]


def test_volume_of_another_frame_of_reference_is_refused():
    plane_grid = Grid.from_spacing((2, 2, 2), (1, 1, 1), frame_of_reference_uid="1.2.3")
    other = Grid.from_spacing((2, 2, 2), (1, 1, 1), frame_of_reference_uid="1.2.4")
    plane = display_plane(plane_grid, View.AXIAL, (0, 0, 0), whole(plane_grid), 1.0)
    with pytest.raises(GeometryError, match=r"frame of reference 1\.2\.4, the plane in 1\.2\.3"):
        sample(CtImage(np.zeros((2, 2, 2)), other), plane)
