"""Compiled loops of the density-aware superposition against plain twins."""

import naive_superposition as naive
import numpy as np
import pytest

from y90voxel.dose.density._ray_source_loops import (
    block_deviation,
    dilate_maximum,
    fill_medium,
    pick_sources,
    weigh_sources,
)
from y90voxel.dose.density._superposition_loops import add_correction, fade_dense_voxels, trace_rays

SHAPE, SPACING = (5, 7, 9), (2.0, 1.5, 1.0)
REACH = 6.0


def within(depth):
    """An energy that is straight between the table's entries, so that both twins read the same."""
    return np.interp(depth, np.arange(13) / 2, 1 - np.exp(-np.arange(13) / 3))


def table():
    values = within(np.arange(13) / 2)
    slope = np.append(np.diff(values), 0.0)
    return np.stack([values - slope * np.arange(13), slope], axis=1)


@pytest.mark.parametrize("seed", range(6))
def test_traced_ray_matches_naive(seed):
    rng = np.random.default_rng(seed)
    medium = rng.uniform(0.2, 2.0, (*SHAPE, 2)).astype(np.float32)
    reference = np.array([[1.0, 1.0], [0.3, 3.0]], np.float32)
    which = seed % 2
    source = tuple(int(rng.integers(1, n - 1)) for n in SHAPE)
    # The source voxel is the reference itself: the branch where both media are still the same.
    medium[source] = reference[which]
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    place = rng.random((1, 3)).astype(np.float32)
    crossing = (np.array(SPACING) / direction).astype(np.float32)[None]
    sums, touched = np.zeros(np.prod(SHAPE), np.int64), np.array([SHAPE[0], -1])
    trace_rays(
        0, 1, np.array([np.ravel_multi_index(source, SHAPE)]), np.array([1e12]), np.array([1]), np.array([which]),
        reference, SHAPE, medium.reshape(-1, 2), crossing, place, table(), 2.0, REACH, sums, touched,
    )  # fmt: skip
    expected = naive.ray_change(
        medium[..., 0].astype(float), medium[..., 1].astype(float), SPACING,
        (np.array(source) + place[0]) * SPACING, direction, within, reference[which].astype(float), REACH,
    )  # fmt: skip
    np.testing.assert_allclose(sums.reshape(SHAPE) / 1e12, expected, atol=2e-6)
    slices = np.flatnonzero(sums.reshape(SHAPE).any(axis=(1, 2)))
    assert touched[0] <= slices[0]
    assert touched[1] >= slices[-1]
    assert touched[0] >= 0
    assert touched[1] < SHAPE[0]


def test_rays_of_a_source_share_its_weight():
    medium = np.ones((*SHAPE, 2), np.float32)
    medium[2, 3, 4, 0] = 0.5
    args = (np.array([[1.0, 1.0]], np.float32), SHAPE, medium.reshape(-1, 2))
    crossing = np.array([[3.0, -4.0, 5.0], [-2.5, 3.0, 9.0], [4.0, 4.0, -4.0]], np.float32)
    place = np.array([[0.3, 0.6, 0.2], [0.7, 0.1, 0.9]], np.float32)
    home = np.array([np.ravel_multi_index((2, 3, 4), SHAPE)])
    doses = []
    for count in (1, 6):  # six rays run through all pairs of direction and start
        sums = np.zeros(np.prod(SHAPE), np.int64)
        trace_rays(
            0, 1, home, np.array([1e12]), np.array([count]), np.array([0]), *args, crossing, place, table(), 2.0,
            REACH, sums, np.array([9, -1]),
        )  # fmt: skip
        doses.append(sums)
    expected = np.mean(
        [
            naive.ray_change(
                medium[..., 0].astype(float), medium[..., 1].astype(float), SPACING,
                (np.array((2, 3, 4)) + p) * SPACING, np.array(SPACING) / c, within, (1.0, 1.0), REACH,
            )
            for c in crossing  # unit directions are not needed: lengths come from the twin's own borders
            for p in place
        ],
        axis=0,
    )  # fmt: skip
    assert not np.array_equal(*doses)
    np.testing.assert_allclose(doses[1].reshape(SHAPE) / 1e12, expected, atol=2e-6)


def test_medium_is_density_over_range_ratio_and_inverse_density():
    density = np.random.default_rng(3).uniform(0.05, 3.0, SHAPE).astype(np.float32)
    ratio = 1.0 + 0.1 * np.sin(np.arange(21))
    medium = np.zeros((*SHAPE, 2), np.float32)
    fill_medium(density, ratio, 10.0, 0, 3, medium, 0.05)
    fill_medium(density, ratio, 10.0, 3, 5, medium, 0.05)
    expected = density / np.interp(density, np.arange(21) / 10, ratio)
    np.testing.assert_allclose(medium[..., 0], expected, rtol=1e-6)
    np.testing.assert_allclose(medium[..., 1], 1 / density, rtol=1e-6)


def test_block_deviation_matches_naive():
    medium = np.random.default_rng(4).uniform(0.2, 2.0, (*SHAPE, 2)).astype(np.float32)
    out = np.full((3, 3, 3), 9.0, np.float32)
    block_deviation(medium, 0.7, (2, 3, 4), 0, 1, out)
    block_deviation(medium, 0.7, (2, 3, 4), 1, 3, out)
    np.testing.assert_allclose(out, naive.block_deviation(medium[..., 0], 0.7, (2, 3, 4)), rtol=1e-6)


def test_dilation_matches_naive():
    values = np.random.default_rng(5).random((4, 6, 5)).astype(np.float32)
    out = np.empty_like(values)
    dilate_maximum(values, 2, out)
    np.testing.assert_array_equal(out, naive.dilated(values, (0, 2, 0)))


def test_keep_similar_and_add_correction_match_numpy():
    rng = np.random.default_rng(6)
    medium = rng.uniform(0.2, 2.0, (*SHAPE, 2)).astype(np.float32)
    dose = rng.random(SHAPE).astype(np.float32)
    out = dose.copy()
    fade_dense_voxels(medium, 0.8, 1, 4, out)
    expected = dose * np.vectorize(naive.kept)(medium[..., 0], 0.8)
    expected[[0, 4]] = dose[[0, 4]]
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)  # single precision without compilation
    sums = rng.integers(-1000, 1000, SHAPE)
    for non_negative in (False, True):
        out = dose.copy()
        add_correction(sums, 1e-3, non_negative, 0, SHAPE[0], out)
        expected = dose + 1e-3 * sums
        np.testing.assert_allclose(out, np.maximum(expected, 0) if non_negative else expected, atol=1e-6)


def sources(rays, fewest=2, most=50, block=4):
    """Picked sources of a small random case, with their importance."""
    rng = np.random.default_rng(7)
    shape = (6, 8, 10)
    activity = rng.random(shape).astype(np.float32) * (rng.random(shape) < 0.7)
    medium = rng.uniform(0.2, 1.2, (*shape, 2)).astype(np.float32)
    spread = (rng.random((6, 4, 10)).astype(np.float32), rng.random((3, 8, 5)).astype(np.float32))
    sizes = np.array([[1, 2, 1], [2, 1, 2]])
    shared = (activity, medium, 0.6, spread, sizes)
    lung = medium[..., 0] < 0.6
    fine = [
        np.kron(s, np.ones(n))[: shape[0], : shape[1], : shape[2]] for s, n in zip(spread, sizes, strict=True)
    ]
    importance = activity * medium[..., 0] * np.where(lung, fine[1], fine[0])
    sums = np.zeros((6, 2))
    weigh_sources(*shared, 0, 6, sums)
    np.testing.assert_allclose(
        sums, np.stack([importance.sum((1, 2)), (importance**2).sum((1, 2))], 1), rtol=1e-5
    )
    columns = [np.zeros(activity.size, kind) for kind in (np.int64, float, np.int64, np.int64)]
    at = 0
    for slab in range(2):
        number = pick_sources(
            *shared, rays, fewest, most, block, slab, 0, *(np.zeros(0, c.dtype) for c in columns)
        )
        assert number == pick_sources(*shared, rays, fewest, most, block, slab, at, *columns)
        at += number
    return activity, importance, lung, [c[:at] for c in columns]


def test_every_source_is_picked_once_when_there_are_rays_enough():
    activity, importance, lung, (voxels, weights, counts, references) = sources(1e6)
    used = np.flatnonzero(importance > 2e-6)
    assert sorted(voxels.tolist()) == used.tolist()
    np.testing.assert_allclose(weights, activity.reshape(-1)[voxels], rtol=1e-6)
    np.testing.assert_array_equal(references, lung.reshape(-1)[voxels])
    assert set(counts.tolist()) == {50}


def test_rays_are_shared_by_importance():
    _, importance, _, (voxels, _, counts, _) = sources(30.0)
    wanted = 30.0 * importance.reshape(-1)[voxels]
    certain = wanted >= 2
    np.testing.assert_array_equal(counts[certain], np.ceil(wanted[certain].astype(np.float32) - 1e-6))
    assert set(counts[~certain].tolist()) == {2}


def test_sources_left_out_by_chance_are_stood_for():
    # What the picked ones may change, weighted by whom they stand for, is that of all, within 3 standard deviations.
    activity, importance, _, (voxels, weights, _, _) = sources(4.0)
    assert len(voxels) < 0.8 * np.count_nonzero(importance)
    chance = np.minimum(4.0 * importance[importance > 0] / 2, 1.0)
    sigma = np.sqrt((importance[importance > 0] ** 2 * (1 / chance - 1)).sum())
    stood_for = (weights / activity.reshape(-1)[voxels] * importance.reshape(-1)[voxels]).sum()
    assert abs(stood_for - importance.sum()) < 3 * sigma
    assert sigma < 0.1 * importance.sum()
    expected = activity.reshape(-1)[voxels] / np.minimum(2.0 * importance.reshape(-1)[voxels], 1.0)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
