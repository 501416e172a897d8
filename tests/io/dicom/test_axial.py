"""The order in which voxels are listed in DICOM objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_grids import GRIDS, grids, ramp

from y90voxel.io.dicom.axial import AxialOrder
from y90voxel.volumes.grid import Grid


@settings(deadline=None, max_examples=100)
@given(grid=grids())
def test_the_same_voxels_are_listed_at_the_same_points(grid):
    order = AxialOrder.of(grid)
    array = order.view(ramp(grid))
    assert array.shape == order.shape
    points = Grid(order.shape, order.affine).index_to_lps(np.argwhere(np.ones(order.shape)))
    index = grid.lps_to_index(points)
    np.testing.assert_allclose(index, np.rint(index), atol=1e-6)
    i, j, k = np.rint(index).astype(int).T
    np.testing.assert_array_equal(ramp(grid)[i, j, k], array.ravel())
    assert len(np.unique(array)) == grid.size


@settings(deadline=None, max_examples=100)
@given(grid=grids(), seed=st.integers(0, 2**32 - 1))
def test_a_box_holds_the_same_voxels_in_the_view(grid, seed):
    order, array = AxialOrder.of(grid), ramp(grid)
    ends = np.sort(np.random.default_rng(seed).integers(0, np.array(grid.shape) + 1, (2, 3)), axis=0)
    box = tuple(slice(int(a), int(b)) for a, b in ends.T)
    np.testing.assert_array_equal(np.unique(order.view(array)[order.box(box)]), np.unique(array[box]))


@settings(deadline=None, max_examples=100)
@given(grid=grids())
def test_frames_are_stacked_along_the_normal_and_nearest_to_axial(grid):
    axes = AxialOrder.of(grid).affine[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    np.testing.assert_allclose(np.cross(axes[:, 2], axes[:, 1]), axes[:, 0], atol=1e-9)
    # two cubes are at most 62.8 degrees apart: Mackenzie, Biometrika 45, 229 (1958)
    assert axes[2, 0] + axes[1, 1] + axes[0, 2] >= 1.0 + 2.0 * np.cos(np.radians(62.81))


@pytest.mark.parametrize(
    "name", ["axial", "downwards", "feet_first", "prone", "sagittal", "coronal", "third_turn"]
)
def test_grids_along_the_body_become_axial(name):
    order = AxialOrder.of(GRIDS[name])
    assert [float(x) for x in order.orientation] == pytest.approx([1, 0, 0, 0, 1, 0], abs=1e-9)
    corners = GRIDS[name].index_to_lps(np.argwhere(np.ones(GRIDS[name].shape)))
    assert [float(x) for x in order.position(0)] == pytest.approx(corners.min(axis=0).tolist(), abs=1e-9)
    last = [float(x) for x in order.position(order.shape[0] - 1)]
    assert last[2] == pytest.approx(corners[:, 2].max(), abs=1e-9)


def test_spacings_follow_their_axes():
    order = AxialOrder.of(GRIDS["sagittal"])  # slices run to the left, rows to the feet, columns to posterior
    assert order.spacing_mm == pytest.approx((1.5, 2.25, 3.0))
    assert ([float(x) for x in order.pixel_spacing], float(order.slice_spacing)) == ([2.25, 3.0], 1.5)
