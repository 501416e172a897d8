"""Outlier scores and bands against values worked by hand."""

import numpy as np
import pytest

from y90voxel.metrics.robust import bands, modified_z_scores


def test_scores_by_hand():
    """Median 5, deviations 3 1 1 0 0 2 25, their median 1."""
    expected = 0.6745 * np.array([-3, -1, -1, 0, 0, 2, 25])
    np.testing.assert_allclose(modified_z_scores([2, 4, 4, 5, 5, 7, 30]), expected)


def test_scores_where_most_values_are_equal_use_the_mean_deviation():
    """Median 1, mean absolute deviation (9 + 0 × 4) / 5 = 1.8."""
    scores = modified_z_scores([1, 1, 1, 1, 10])
    np.testing.assert_allclose(scores, [0, 0, 0, 0, 9 / (1.253314 * 1.8)])


def test_equal_values_score_zero_and_missing_ones_nothing():
    np.testing.assert_array_equal(modified_z_scores([3.0, np.nan, 3.0]), [0.0, np.nan, 0.0])
    assert np.isnan(modified_z_scores([np.nan])).all()


def test_rounding_makes_no_outlier():
    values = np.full(20, 459.4767)
    values[3] = np.nextafter(values[3], 500)
    np.testing.assert_array_equal(modified_z_scores(values), np.zeros(20))


def test_normal_values_score_like_z_scores():
    """For a normal distribution the modified z-score estimates z (Iglewicz and Hoaglin 1993)."""
    x = np.random.default_rng(0).normal(7.0, 2.0, 200_000)
    np.testing.assert_allclose(modified_z_scores(x), (x - 7.0) / 2.0, atol=0.05)


def test_one_wild_value_moves_no_other_score():
    base = np.random.default_rng(1).normal(size=41)
    wild = np.append(base, 1e9)
    assert np.abs(modified_z_scores(wild)[:-1] - modified_z_scores(base)).max() < 0.15


def test_bands_of_parallel_lines():
    curves = np.arange(101.0)[:, None] + np.array([0.0, 10.0, 20.0])
    found = bands(curves, (5.0, 50.0, 95.0))
    np.testing.assert_allclose(found, [[5, 15, 25], [50, 60, 70], [95, 105, 115]])


@pytest.mark.parametrize("count", [1, 2])
def test_bands_of_few_curves_lie_between_them(count):
    found = bands(np.ones((count, 4)), (5.0, 95.0))
    np.testing.assert_array_equal(found, np.ones((2, 4)))
