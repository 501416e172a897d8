import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import GeometryError
from y90voxel.volumes.grid import Grid


def rotation(angles):
    """A rotation about three axes, written out."""
    a, b, c = angles
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rx @ ry @ rz


@st.composite
def grids(draw):
    """Oblique, anisotropic and mirrored grids."""
    spacing = np.array([draw(st.floats(0.5, 10)) for _ in range(3)])
    angles = [draw(st.floats(-3, 3)) for _ in range(3)]
    signs = [draw(st.sampled_from([-1, 1])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) * spacing * signs
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    shape = tuple(draw(st.integers(1, 40)) for _ in range(3))
    return Grid(shape, affine), spacing


@given(grids(), st.tuples(*[st.floats(-20, 60)] * 3))
def test_index_and_position_invert_each_other(made, index):
    grid, spacing = made
    assert np.allclose(grid.lps_to_index(grid.index_to_lps(index)), index, atol=1e-8)
    assert grid.spacing_mm == pytest.approx(tuple(spacing))


@given(grids(), st.floats(0.5, 12))
def test_other_spacing_keeps_the_centre_and_covers_the_box(made, wanted):
    grid, _ = made
    other = grid.with_spacing(wanted)
    assert other.spacing_mm == pytest.approx((wanted,) * 3)
    assert np.allclose(other.corners_mm().mean(axis=0), grid.corners_mm().mean(axis=0), atol=1e-6)
    inside = other.lps_to_index(grid.corners_mm())
    assert (inside > -0.501).all()
    assert (inside < np.array(other.shape) - 0.499).all()


def test_from_spacing_runs_to_left_posterior_superior():
    grid = Grid.from_spacing((2, 3, 4), (5.0, 2.0, 1.0), (10.0, 20.0, 30.0), "1.2.3")
    assert np.array_equal(grid.index_to_lps((1, 0, 0)), (10, 20, 35))
    assert np.array_equal(grid.index_to_lps((0, 1, 0)), (10, 22, 30))
    assert np.array_equal(grid.index_to_lps((0, 0, 1)), (11, 20, 30))
    assert grid.voxel_volume_ml == pytest.approx(0.01)
    assert grid.size == 24
    assert grid.as_dict()["frame_of_reference_uid"] == "1.2.3"


def test_crop_keeps_positions():
    grid = Grid.from_spacing((8, 8, 8), (3, 2, 1), (1, 2, 3))
    part = grid.crop((2, 3, 4), (2, 2, 2))
    assert np.array_equal(part.index_to_lps((1, 1, 1)), grid.index_to_lps((3, 4, 5)))


def test_same_and_aligned():
    grid = Grid.from_spacing((4, 4, 4), (3, 2, 1))
    moved = Grid.from_spacing((4, 4, 4), (3, 2, 1), (0.01, 0, 0))
    turned = Grid((4, 4, 4), np.array(grid.affine)[:, [2, 1, 0, 3]])
    oblique = np.eye(4)
    oblique[:3, :3] = rotation((0.1, 0, 0))
    assert grid.is_same_as(Grid.from_spacing((4, 4, 4), (3, 2, 1), (0, 0, 5e-4)))
    assert not grid.is_same_as(moved)
    assert not grid.is_same_as(Grid.from_spacing((4, 4, 5), (3, 2, 1)))
    assert grid.is_aligned_with(turned)
    assert not grid.is_aligned_with(Grid((4, 4, 4), oblique))


@pytest.mark.parametrize("shape", [(0, 1, 1), (2, 2), (1, 2, -3)])
def test_bad_shapes_are_refused(shape):
    with pytest.raises(GeometryError, match="three positive lengths"):
        Grid(shape, np.eye(4))


def sheared():
    affine = np.eye(4)
    affine[0, 1] = 0.3
    return affine


def flat():
    affine = np.eye(4)
    affine[2, 2] = 0
    return affine


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), "4 x 4"),
        (np.full((4, 4), np.nan), "finite"),
        (np.ones((4, 4)), "last row"),
        (flat(), "spacing must be positive"),
        (sheared(), "perpendicular"),
    ],
)
def test_bad_affines_are_refused(affine, message):
    with pytest.raises(GeometryError, match=message):
        Grid((2, 2, 2), affine)


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan])
def test_bad_spacing_is_refused(spacing):
    with pytest.raises(GeometryError, match="spacing"):
        Grid.from_spacing((2, 2, 2), (1, 1, 1)).with_spacing(spacing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((3, 4), (1.0, 1.0, 1.0)), "shape of a grid is three numbers"),
        (((3, 4, 5, 6), (1.0, 1.0, 1.0)), "shape of a grid is three numbers"),
        (((3, 4, 5), (1.0, 1.0)), "spacing of a grid is three numbers"),
        (((3, 4, 5), 2.0), "spacing of a grid is three numbers"),
        (((3, 4, 5), (1.0, 1.0, 1.0), (0.0, 0.0)), "origin of a grid is three numbers"),
        (((3, 4.5, 5), (1.0, 1.0, 1.0)), "three positive whole numbers"),
        (((3, -4, 5), (1.0, 1.0, 1.0)), "three positive whole numbers"),
        (((3, 4, 5), (1.0, -1.0, 1.0)), "spacing of a grid must be positive, got"),
        (((3, 4, 5), (1.0, 0.0, 1.0)), "spacing of a grid must be positive, got"),
        (((3, 4, 5), (1.0, float("nan"), 1.0)), "spacing of a grid must be positive, got"),
    ],
)
def test_wrong_lengths_are_refused_by_name(arguments, message):
    with pytest.raises(GeometryError, match=message):
        Grid.from_spacing(*arguments)
