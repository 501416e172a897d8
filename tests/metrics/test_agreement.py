import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from y90voxel.errors import InputError
from y90voxel.metrics.agreement import (
    bland_altman,
    concordance,
    dvh_difference,
    isodose_dice,
    mean_difference,
    pearson,
    proportional_bias,
    quality_factor,
    quality_volume_histogram,
    root_mean_square_difference,
    spearman,
)
from y90voxel.metrics.dvh import DoseVolumeHistogram

PLAN = np.array([120, 80, 200, 150, 60, 95.0])
DELIVERED = np.array([110, 85, 170, 155, 50, 90.0])


def pairs(low=1.0):
    return st.integers(3, 30).flatmap(
        lambda n: st.tuples(*[arrays(float, n, elements=st.floats(low, 500), unique=True)] * 2)
    )


def histogram(doses, volumes=None):
    doses = np.asarray(doses, float)
    volumes = np.ones(doses.size) if volumes is None else np.asarray(volumes, float)
    order = np.argsort(-doses)
    return DoseVolumeHistogram(doses[order], volumes[order], None, np.ones(doses.size))


def test_mean_difference_and_ratio():
    found = mean_difference(200.0, 150.0)
    assert (found.difference_gy, found.percent, found.ratio) == (-50.0, -25.0, 0.75)
    with pytest.raises(InputError, match="predicted dose must be positive"):
        mean_difference(0.0, 1.0)


def test_bland_altman_of_ratios():
    found = bland_altman(PLAN, DELIVERED, of_ratios=True)
    logs = np.log(DELIVERED / PLAN)
    assert found.of_ratios
    assert found.bias == pytest.approx(np.exp(logs.mean()))
    assert found.upper == pytest.approx(np.exp(logs.mean() + 1.96 * logs.std(ddof=1)))
    with pytest.raises(InputError, match="positive doses in every pair"):
        bland_altman([1.0, 0.0], [1.0, 1.0], of_ratios=True)


@given(pairs())
def test_correlations_are_those_of_scipy(both):
    x, y = both
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


def test_ties_share_their_mean_rank():
    x, y = [1, 2, 2, 2, 5, 5], [3, 1, 1, 4, 4, 9]
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


@given(pairs())
def test_concordance_is_below_correlation_and_one_for_equal_doses(both):
    x, y = both
    assert abs(concordance(x, y)) <= abs(pearson(x, y)) + 1e-9
    assert concordance(x, x) == pytest.approx(1.0)
    assert concordance(x, y) == pytest.approx(concordance(y, x))


def test_root_mean_square_difference():
    assert root_mean_square_difference([0, 0, 0], [1, 2, 2]) == pytest.approx(np.sqrt(3))


def test_isodose_dice_of_counted_voxels():
    plan = np.array([[[10, 60, 60], [120, 120, 0]]])
    delivered = np.array([[[60, 60, 10], [120, 10, 0]]])
    found = isodose_dice(plan, delivered, (50, 100, 205))
    assert found == {50.0: pytest.approx(4 / 7), 100.0: pytest.approx(2 / 3), 205.0: None}
    weighted = isodose_dice(plan, delivered, (50,), weights=np.array([[[1, 0.5, 1], [1, 0, 1]]]))
    assert weighted[50.0] == pytest.approx(2 * 1.5 / (2.5 + 2.5))


def test_dvh_difference_of_a_shift():
    """Every voxel 10 Gy more: the area is the shift, D_x all differ by it."""
    doses = np.array([20.0, 50.0, 95.0, 130.0, 210.0])
    found = dvh_difference(histogram(doses), histogram(doses + 10))
    assert found.d_gy == {70.0: pytest.approx(10.0), 90.0: pytest.approx(10.0)}
    assert found.v_percent == {50.0: 0.0, 100.0: pytest.approx(20.0), 205.0: 0.0}
    assert found.area_gy == pytest.approx(10.0)
    assert found.overlap == pytest.approx(doses.mean() / (doses.mean() + 10))


@given(pairs(0.0))
def test_area_between_histograms_is_at_least_the_difference_of_means(both):
    x, y = both
    found = dvh_difference(histogram(x), histogram(y))
    assert found.area_gy >= abs(y.mean() - x.mean()) - 1e-9
    # For equal volumes the area is that between the sorted doses (Wasserstein distance of order one).
    assert found.area_gy == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-9, abs=1e-9)


def test_equal_histograms_overlap_wholly():
    found = dvh_difference(histogram([0, 0]), histogram([0, 0]))
    assert (found.area_gy, found.overlap) == (0.0, 1.0)
    with pytest.raises(InputError, match="negative doses"):
        dvh_difference(histogram([1, -1]), histogram([1, 1]))


def test_quality_histogram_is_a_step_at_one_for_equal_doses():
    assert quality_volume_histogram(PLAN, PLAN, [0.5, 1.0, 1.001]).tolist() == [1, 1, 0]
    assert quality_factor(PLAN, PLAN) == 0.0


def test_quality_histogram_counts_volumes_and_leaves_small_doses_out():
    plan, delivered = [100, 100, 4, 0], [50, 110, 400, 7]
    assert quality_volume_histogram(plan, delivered, [[0.5, 0.6], [1.1, 1.2]]).tolist() == [
        [1, 0.5],
        [0.5, 0],
    ]
    assert quality_volume_histogram(plan, delivered, [0.6], weights=[1, 3, 1, 1]).tolist() == [0.75]
    assert quality_factor(plan, delivered, weights=[1, 3, 1, 1]) == pytest.approx((0.5 + 3 * 0.1) / 4)
    assert quality_factor(plan, delivered, least_fraction=0.04) == pytest.approx((0.5 + 0.1 + 99) / 3)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: bland_altman([1, 2], [1, 2, 3]), r"shape \(2,\), delivered ones \(3,\)"),
        (lambda: bland_altman([1], [1]), "at least two pairs"),
        (lambda: concordance([1, np.nan], [1, 2]), "finite"),
        (lambda: concordance([5, 5], [5, 5]), "one and the same number"),
        (lambda: pearson([5, 5], [5, 6]), "constant"),
        (lambda: isodose_dice([1, 2], [1, 2], [0.0]), "isodose level"),
        (lambda: isodose_dice([1, 2], [1, 2], [1.0], weights=[1, -1]), "zero or more"),
        (lambda: isodose_dice([1, 2], [1, 2], [1.0], weights=[1]), "1 weights for 2 doses"),
        (lambda: quality_factor([0, 0], [1, 1]), "no voxel has a predicted dose"),
    ],
)
def test_what_cannot_be_compared_is_refused(compute, message):
    with pytest.raises(InputError, match=message):
        compute()


def test_the_slope_of_differences_is_that_of_a_regression():
    found = proportional_bias(PLAN, DELIVERED)
    fit = stats.linregress(0.5 * (PLAN + DELIVERED), DELIVERED - PLAN)
    half = stats.t.ppf(0.975, PLAN.size - 2) * fit.stderr
    assert (found.slope, found.lower, found.upper) == pytest.approx(
        (fit.slope, fit.slope - half, fit.slope + half), rel=1e-9
    )
    assert not found.is_clear
    noise = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert proportional_bias(PLAN, 1.2 * PLAN + noise).is_clear
    assert proportional_bias(PLAN, 0.8 * PLAN + noise).is_clear
    assert not proportional_bias(PLAN, PLAN + 5.0 * noise).is_clear


@pytest.mark.parametrize(
    ("predicted", "delivered"), [([1.0, 2.0], [2.0, 3.0]), ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])]
)
def test_a_slope_needs_three_pairs_of_different_doses(predicted, delivered):
    with pytest.raises(InputError, match="a slope needs three pairs"):
        proportional_bias(predicted, delivered)
