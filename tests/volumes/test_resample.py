"""Moving volumes between grids: sums, means and positions are what the quantity demands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import naive_resample as naive

from y90voxel.errors import GeometryError, InputError
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import coverage, interpolate, resample
from y90voxel.volumes.volume import ActivityMap, CountMap, CtImage, DensityMap, DoseMap, Mask


def parallel_grid(shape, spacing, origin, order=(0, 1, 2), signs=(1, 1, 1)):
    """A grid whose array axes run along LPS axes in any order and direction."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (lps, sign) in enumerate(zip(order, signs, strict=True)):
        affine[2 - lps, axis] = sign * spacing[axis]
    affine[:3, 3] = origin
    return Grid(shape, affine)


def rotation(angles):
    """Rotation about x, y, z by the given angles."""
    a, b, c = angles
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rx @ ry @ rz


def covering_grid(source, spacing, directions):
    """A grid of the given spacing and axes whose box holds the source's box."""
    corners = source.corners_mm() @ directions
    low, high = corners.min(axis=0) - 2.0, corners.max(axis=0) + 2.0
    shape = tuple(int(n) for n in np.ceil((high - low) / spacing))
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = directions @ (low + np.array(spacing) / 2)
    return Grid(shape, affine)


def blob(grid, centre_mm, sigma_mm):
    """A Gaussian in LPS, evaluated at the voxel centres."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid.index_to_lps(indices) - centre_mm, axis=-1)
    return np.exp(-0.5 * (distance / sigma_mm) ** 2)


def centroid_mm(volume):
    """Value-weighted mean LPS position."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in volume.grid.shape], indexing="ij"), axis=-1)
    points = volume.grid.index_to_lps(indices).reshape(-1, 3)
    weights = np.asarray(volume.array, float).ravel()
    return (points * weights[:, None]).sum(axis=0) / weights.sum()


SOURCE = parallel_grid((5, 6, 7), (3.0, 2.0, 1.5), (-3.0, 4.0, 10.0))
TARGETS = {
    "coarser": parallel_grid((3, 3, 2), (5.3, 4.1, 6.2), (-4.0, 3.0, 9.0)),
    "finer, flipped": parallel_grid((6, 5, 6), (1.6, 1.6, 1.2), (1.0, 13.0, 20.0), signs=(-1, -1, 1)),
    "axes exchanged": parallel_grid((4, 7, 5), (2.5, 1.7, 3.3), (-2.0, 5.0, 9.0), order=(2, 0, 1)),
    "coarser and finer": parallel_grid((9, 2, 6), (1.2, 7.0, 1.5), (-2.5, 4.0, 11.0)),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64, np.int32])
def test_counts_move_by_box_overlap_as_the_naive_twin(target, dtype):
    values = np.random.default_rng(1).integers(0, 200, SOURCE.shape).astype(dtype)
    moved = resample(CountMap(values, SOURCE), target)
    expected = naive.box_sum(values.astype(float), SOURCE.affine, target.shape, target.affine)
    np.testing.assert_allclose(moved.array, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_masks_move_by_mean_occupancy_as_the_naive_twin(target):
    values = np.random.default_rng(2).random(SOURCE.shape)
    moved = resample(Mask(values, SOURCE), target)
    ratio = SOURCE.voxel_volume_ml / target.voxel_volume_ml
    expected = naive.box_sum(values, SOURCE.affine, target.shape, target.affine) * ratio
    np.testing.assert_allclose(moved.array, expected, atol=1e-9)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_dose_is_interpolated_linearly_as_the_naive_twin(target):
    values = np.random.default_rng(3).random(SOURCE.shape)
    moved = resample(DoseMap(values, SOURCE), target)
    expected = naive.linear(values, SOURCE.affine, target.shape, target.affine, fill=0.0)
    np.testing.assert_allclose(moved.array, expected, atol=1e-9)


def test_ct_on_a_coarser_grid_is_the_box_mean_mixed_with_the_fill():
    values = np.random.default_rng(4).integers(-900, 900, SOURCE.shape).astype(np.int16)
    target = TARGETS["coarser"]
    moved = resample(CtImage(values, SOURCE), target, fill=-1000.0)
    ratio = SOURCE.voxel_volume_ml / target.voxel_volume_ml
    shifted = naive.box_sum(values + 1000.0, SOURCE.affine, target.shape, target.affine) * ratio
    np.testing.assert_allclose(moved.array, shifted - 1000.0, atol=2e-3)


@pytest.mark.parametrize("kind", [Mask, CtImage])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_any_quantity_is_interpolated_linearly_as_the_naive_twin(kind, order):
    values = np.random.default_rng(3).random(SOURCE.shape).astype(np.float32)
    target = parallel_grid((6, 5, 9), (2.2, 3.1, 1.3), (-5.0, 3.3, 9.0), order)
    expected = naive.linear(values, SOURCE.affine, target.shape, target.affine, fill=-3.0)
    assert (expected == -3.0).any()
    np.testing.assert_allclose(interpolate(kind(values, SOURCE), target, -3.0), expected, atol=1e-5)


def test_nothing_is_interpolated_on_a_grid_that_is_not_parallel():
    turned = Grid((2, 2, 2), np.block([[rotation((0.2, 0, 0)), np.zeros((3, 1))], [0, 0, 0, 1]]))
    assert interpolate(DoseMap(np.ones(SOURCE.shape), SOURCE), turned) is None


def test_ct_on_a_finer_grid_is_linear_with_the_fill_outside():
    values = np.random.default_rng(5).integers(-900, 900, SOURCE.shape).astype(np.int16)
    target = TARGETS["finer, flipped"]
    moved = resample(CtImage(values, SOURCE), target, fill=-500.0)
    expected = naive.linear(values.astype(float), SOURCE.affine, target.shape, target.affine, fill=-500.0)
    np.testing.assert_allclose(moved.array, expected, atol=2e-3)


def test_density_on_a_coarser_covering_grid_keeps_its_mass():
    fine = Grid.from_spacing((12, 16, 20), (1.0, 1.0, 1.0))
    density = DensityMap(np.random.default_rng(6).uniform(0.2, 1.9, fine.shape), fine)
    coarse = resample(density, fine.with_spacing((4.0, 4.0, 5.0)))
    mass = density.total * fine.voxel_volume_ml
    assert coarse.total * coarse.grid.voxel_volume_ml == pytest.approx(mass, rel=1e-12)


def test_the_same_grid_gives_the_same_values_without_a_copy():
    image = CtImage(np.arange(SOURCE.size, dtype=np.int16).reshape(SOURCE.shape), SOURCE)
    assert np.shares_memory(resample(image, SOURCE).array, image.array)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.floats(1.0, 6.0)] * 3),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.integers(0, 10**6),
)
def test_activity_on_a_parallel_covering_grid_keeps_its_sum_and_place(spacing, order, signs, seed):
    activity = ActivityMap(blob(SOURCE, SOURCE.index_to_lps((2, 3, 3)), 3.0), SOURCE)
    directions = np.eye(3)[:, order] * signs
    target = covering_grid(SOURCE, np.array(spacing), directions)
    moved = resample(activity, target)
    assert moved.total == pytest.approx(activity.total, rel=1e-12)
    assert np.abs(centroid_mm(moved) - centroid_mm(activity)).max() < 0.05 * max(spacing)


@pytest.mark.parametrize("spacing", [(1.7, 2.1, 1.9), (3.0, 2.0, 1.5), (4.0, 3.5, 4.5)])
@pytest.mark.parametrize("angles", [(0.3, -0.2, 0.5), (0.0, 0.0, 0.05), (1.1, 0.4, -2.0)])
def test_activity_on_an_oblique_covering_grid_keeps_its_sum_and_place(spacing, angles):
    activity = ActivityMap(blob(SOURCE, SOURCE.index_to_lps((2, 3, 3)), 3.0), SOURCE)
    target = covering_grid(SOURCE, np.array(spacing), rotation(angles))
    moved = resample(activity, target)
    assert moved.total == pytest.approx(activity.total, rel=1e-9)
    assert np.abs(centroid_mm(moved) - centroid_mm(activity)).max() < 0.05 * max(spacing)


def test_linear_fields_are_reproduced_exactly_on_oblique_grids():
    source = Grid.from_spacing((20, 20, 20), (2.0, 2.0, 2.0))
    field = np.einsum("zyxk,k->zyx", source.index_to_lps(np.stack(np.indices(source.shape), -1)), (1, 2, 3))
    target = Grid(
        (6, 6, 6), np.block([[rotation((0.2, 0.3, 0.1)) * 2.5, np.full((3, 1), 12.0)], [0, 0, 0, 1]])
    )
    expected = target.index_to_lps(np.stack(np.indices(target.shape), -1)) @ (1, 2, 3)
    for kind in (DoseMap, CtImage):
        moved = resample(kind(field, source), target)
        np.testing.assert_allclose(moved.array, expected, atol=1e-9)


def test_a_mask_on_an_oblique_grid_keeps_its_volume_and_stays_full_inside():
    source = Grid.from_spacing((40, 40, 40), (1.0, 1.0, 1.0))
    ball = Mask((blob(source, source.index_to_lps((20, 19, 21)), 1.0) > np.exp(-0.5 * 12**2)) * 1.0, source)
    target = covering_grid(source, np.array((3.0, 3.0, 3.0)), rotation((0.3, 0.2, -0.4)))
    moved = resample(ball, target)
    assert moved.volume_ml == pytest.approx(ball.volume_ml, rel=2e-3)
    deep = blob(target, source.index_to_lps((20, 19, 21)), 1.0) > np.exp(-0.5 * 8**2)
    assert moved.array[deep].min() == pytest.approx(1.0, abs=1e-6)


def test_an_empty_mask_on_an_oblique_grid_is_empty():
    target = covering_grid(SOURCE, np.array((3.0, 3.0, 3.0)), rotation((0.3, 0.2, -0.4)))
    assert resample(Mask(np.zeros(SOURCE.shape), SOURCE), target).total == 0.0


def test_ct_on_an_oblique_grid_takes_the_fill_outside():
    target = covering_grid(SOURCE, np.array((3.0, 3.0, 3.0)), rotation((0.3, 0.2, -0.4)))
    moved = resample(CtImage(np.full(SOURCE.shape, 40, np.int16), SOURCE), target, fill=-1000.0)
    inside = coverage(SOURCE, target).array
    assert moved.array[0, 0, 0] == -1000.0
    assert moved.array.max() == pytest.approx(40.0, abs=1e-3)
    assert moved.array.mean() == pytest.approx((inside * 1040 - 1000).mean(), abs=10.0)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_coverage_is_the_covered_fraction_of_each_voxel(target):
    ratio = SOURCE.voxel_volume_ml / target.voxel_volume_ml
    expected = naive.box_sum(np.ones(SOURCE.shape), SOURCE.affine, target.shape, target.affine) * ratio
    np.testing.assert_allclose(coverage(SOURCE, target).array, expected, atol=1e-6)


def test_coverage_of_an_oblique_grid_adds_up_to_the_source_box():
    target = covering_grid(SOURCE, np.array((2.0, 2.0, 2.0)), rotation((0.3, 0.2, -0.4)))
    box_ml = SOURCE.size * SOURCE.voxel_volume_ml
    assert coverage(SOURCE, target).volume_ml == pytest.approx(box_ml, rel=5e-3)


def test_dose_uncertainty_follows_the_dose():
    dose = DoseMap(np.full(SOURCE.shape, 2.0), SOURCE, relative_uncertainty=np.full(SOURCE.shape, 0.03))
    moved = resample(dose, TARGETS["finer, flipped"])
    inside = moved.array > 0
    np.testing.assert_allclose(moved.relative_uncertainty[inside], 0.03, rtol=1e-9)
    assert moved.relative_uncertainty[~inside].max() == 0.0


@pytest.mark.parametrize("target", ["parallel", "oblique"])
def test_ct_that_does_not_cover_the_target_needs_a_fill(target):
    grid = TARGETS["coarser"]
    if target == "oblique":
        grid = covering_grid(SOURCE, np.array((3.0, 3.0, 3.0)), rotation((0.3, 0.2, -0.4)))
    with pytest.raises(GeometryError, match=r"covers only .* % of the target grid.*fill="):
        resample(CtImage(np.zeros(SOURCE.shape, np.int16), SOURCE), grid)


@pytest.mark.parametrize("kind", [CountMap, Mask])
def test_a_fill_other_than_zero_is_refused_where_outside_means_nothing(kind):
    with pytest.raises(InputError, match="fill=3 would add to it"):
        resample(kind(np.zeros(SOURCE.shape), SOURCE), TARGETS["coarser"], fill=3.0)


def test_grids_of_different_frames_of_reference_are_refused():
    one, other = Grid((2, 2, 2), np.eye(4), "1.2.3"), Grid((2, 2, 2), np.eye(4), "1.2.4")
    with pytest.raises(GeometryError, match=r"frame of reference 1\.2\.3"):
        resample(CountMap(np.zeros((2, 2, 2)), one), other)
    with pytest.raises(GeometryError, match="do not compare"):
        coverage(one, other)
