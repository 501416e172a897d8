"""Values of slices brought to a regular grid, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.io.dicom.regularise import _shift_sideways, _slab_means, regularise, shift_to_even_positions


def stack(heights=(0.0,), shifts=None, shape=(1, 1, 1), spacing=(2.0, 2.0, 4.0), **facts):
    usual = {"tilted": shifts is not None, "uneven": False}
    grid = SimpleNamespace(shape=shape, spacing_mm=spacing)
    return SimpleNamespace(heights_mm=np.array(heights), shifts_mm=shifts, grid=grid, **(usual | facts))


def test_a_pixel_that_lies_between_four_is_shared_by_them():
    """A slice of one pixel of 8, shifted by 1.25 rows and 2.5 columns."""
    shifts = np.array([[2.5, 10.0]])
    found = _shift_sideways(np.array([[[8.0]]]), stack(shifts=shifts, shape=(1, 4, 5)), 0.0)
    expected = np.zeros((1, 4, 5))
    expected[0, 1, 2:4], expected[0, 2, 2:4] = 3.0, 1.0
    assert found == pytest.approx(expected)


def test_what_no_slice_reaches_is_filled_and_edges_are_mixed_with_it():
    found = _shift_sideways(np.array([[[8.0]]]), stack(shifts=np.array([[1.0, 0.0]]), shape=(1, 3, 2)), -4.0)
    assert found[0] == pytest.approx(np.array([[2.0, -4.0], [2.0, -4.0], [-4.0, -4.0]]))


def test_slices_shifted_by_whole_pixels_stay_as_they_are():
    """To the edge of the grid, where the pixel beyond it would begin; a rounding below a whole pixel is one."""
    values = np.arange(12.0).reshape(2, 2, 3)
    shifts = np.array([[0.0, 0.0], [2.0 - 1e-10, 8.0]])
    found = _shift_sideways(values, stack(shifts=shifts, shape=(2, 3, 5)), -1.0)
    expected = np.full((2, 3, 5), -1.0)
    expected[0, 0:2, 0:3], expected[1, 1:3, 2:5] = values
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slices_a_little_off_are_settled_between_their_neighbours(dtype):
    """Off by -0.04, 0, -0.04 and 0.1 mm: the first and the last have no neighbour there."""
    heights = (0.04, 2.0, 4.04, 5.9)
    values = np.array([10.0, 20.0, 40.0, 30.0], dtype)[:, None, None]
    third = 40.0 - 0.04 / 2.04 * 20.0
    settled = np.array([10.0, 20.0, third, 30.0])
    found = shift_to_even_positions(values, stack(heights))
    assert found.ravel() == pytest.approx(settled * 100.0 / (60.0 + third), rel=1e-6)
    assert found.dtype == dtype
    late = shift_to_even_positions(values, stack((0.0, 1.96, 4.0, 6.0)))
    second = 20.0 + 0.04 / 2.04 * 20.0
    assert late.ravel() == pytest.approx(
        np.array([10.0, second, 40.0, 30.0]) * 100.0 / (80.0 + second), rel=1e-6
    )


def test_a_second_slice_that_lies_high_is_settled_by_the_first():
    values = np.array([10.0, 20.0, 40.0])[:, None, None]
    second = 20.0 - 0.04 / 2.04 * 10.0
    found = shift_to_even_positions(values, stack((0.0, 2.04, 4.0)))
    assert found.ravel() == pytest.approx(np.array([10.0, second, 40.0]) * 70.0 / (50.0 + second))


def test_slices_without_a_sum_are_settled_without_a_scale():
    values = np.array([10.0, -30.0, 20.0])[:, None, None]
    found = shift_to_even_positions(values, stack((0.0, 1.96, 4.0)))
    assert found.ravel() == pytest.approx([10.0, -30.0 + 0.04 / 2.04 * 50.0, 20.0])


def test_uneven_stacks_are_not_settled_twice():
    values = np.array([10.0, 20.0, 40.0])[:, None, None]
    assert shift_to_even_positions(values, stack((0.0, 1.9, 4.0), uneven=True)) is values
    assert shift_to_even_positions(values, stack((0.0, 2.0, 4.0))) is values


def test_the_first_and_the_last_slab_hold_half_of_what_lies_beyond():
    """3 + h / 2 from 0 to 8 mm: -1 to 1 mm has 3 for half of it, 3 to 3.5 for the other; 7 to 9 mm likewise."""
    heights = np.array([0.0, 2.1, 3.8, 6.2, 8.0])
    line = np.broadcast_to((3 + 0.5 * heights)[:, None, None], (5, 2, 3))
    means = _slab_means(line, heights, 2.0, 5)
    assert means[:, 1, 2] == pytest.approx([3.125, 4.0, 5.0, 6.0, 6.875])


def test_stacks_are_straightened_and_evened_where_they_need_it():
    values = np.array([2.0, 4.0, 6.0])[:, None, None]
    shifts = np.zeros((3, 2))
    even = stack((0.0, 2.0, 4.0), shape=(3, 1, 1))
    assert regularise(values, even, 0.0) is values
    tilted = stack((0.0, 2.0, 4.0), shifts, (3, 2, 1))
    assert regularise(values, tilted, -1.0)[:, :, 0] == pytest.approx(np.array([[2, -1], [4, -1], [6, -1]]))
    uneven = stack((0.0, 1.0, 4.0), shape=(3, 1, 1), uneven=True)
    assert regularise(np.full((3, 1, 1), 5.0), uneven, 0.0) == pytest.approx(5.0)


def test_activities_below_one_are_settled_alike():
    values = np.array([10.0, 20.0, 40.0, 30.0])[:, None, None]
    off = stack((0.0, 1.96, 4.0, 6.0))
    found = shift_to_even_positions(1e-3 * values, off)
    assert 1e3 * found == pytest.approx(shift_to_even_positions(values, off))
    assert found.sum() == pytest.approx(0.1)
