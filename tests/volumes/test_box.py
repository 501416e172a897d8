"""The part of an array that holds anything."""

import numpy as np
import pytest

from y90voxel.volumes.box import is_empty, occupied_box, shared_box, widened_box
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

NOWHERE = (slice(0, 0),) * 3


@pytest.mark.parametrize("seed", range(8))
def test_the_box_is_the_smallest_that_leaves_nothing_out(seed):
    random = np.random.default_rng(seed)
    values = np.zeros((7, 9, 11), np.float32)
    values[tuple(random.integers(0, values.shape, (3, 3)).T)] = 0.25
    used = np.argwhere(values)
    expected = tuple(slice(a, b + 1) for a, b in zip(used.min(axis=0), used.max(axis=0), strict=True))
    assert occupied_box(values) == expected
    assert occupied_box(values > 0) == expected


def test_nothing_has_an_empty_box():
    assert occupied_box(np.zeros((2, 3, 4))) == NOWHERE
    empty = Mask(np.zeros((2, 3, 4), np.float32), Grid.from_spacing((2, 3, 4), (1, 1, 1)))
    assert empty.array[empty.box].size == 0
    assert empty.total == 0.0


def test_a_mask_is_added_up_in_its_box():
    array = np.zeros((6, 5, 4), np.float32)
    array[1:3, 2:5, 0] = 0.3
    mask = Mask(array, Grid.from_spacing((6, 5, 4), (1, 1, 1)))
    assert mask.box == (slice(1, 3), slice(2, 5), slice(0, 1))
    assert mask.total == pytest.approx(array.sum(dtype=float), rel=1e-12)


def test_two_boxes_share_what_lies_in_both():
    one, other = (slice(0, 4), slice(2, 5), slice(1, 9)), (slice(3, 6), slice(0, 3), slice(0, 9))
    assert shared_box(one, other) == (slice(3, 4), slice(2, 3), slice(1, 9))
    apart = shared_box((slice(0, 2),) * 3, (slice(5, 7),) * 3)
    assert np.ones((8, 8, 8))[apart].size == 0
    assert is_empty(apart)
    assert is_empty(NOWHERE)
    assert not is_empty(one)


def test_a_margin_is_made_of_whole_voxels_and_ends_at_the_grid():
    grid = Grid.from_spacing((9, 9, 9), (2.0, 2.5, 4.0))
    assert widened_box((slice(4, 5), slice(0, 2), slice(6, 9)), grid, 5.0) == (
        slice(1, 8), slice(0, 4), slice(4, 9),
    )  # fmt: skip


def test_further_voxels_count_along_every_axis():
    grid = Grid.from_spacing((9, 9, 9), (2.0, 2.5, 4.0))
    assert widened_box((slice(4, 5), slice(0, 2), slice(6, 9)), grid, 1.0, voxels=2) == (
        slice(1, 8), slice(0, 5), slice(3, 9),
    )  # fmt: skip


def test_around_nothing_there_is_no_margin():
    grid = Grid.from_spacing((9, 9, 9), (2.0, 2.5, 4.0))
    flat = (slice(4, 6), slice(3, 3), slice(0, 9))
    assert widened_box(NOWHERE, grid, 5.0, voxels=2) == NOWHERE
    assert widened_box(flat, grid, 5.0) == flat
