import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.metrics._band_loops import fill_histogram
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT, DvhBand


def test_the_loop_is_a_weighted_histogram():
    rng = np.random.default_rng(0)
    dose, weight = rng.normal(50, 20, 5000).astype(np.float32), rng.random(5000).astype(np.float32)
    weight[::7] = 0.0
    found, per_gy = np.zeros(80), 80 / 200.0
    fill_histogram(dose, weight, -50.0, per_gy, found)
    expected, _ = np.histogram(dose, bins=80, range=(-50.0, 150.0), weights=weight)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_doses_beyond_the_bins_go_to_the_outermost():
    found = np.zeros(4)
    fill_histogram(np.array([-9.0, 9.0]), np.ones(2), 0.0, 1.0, found)
    assert found.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_the_band_of_a_scaled_histogram_holds_the_quantiles_of_the_scale():
    """A normal factor of 10 %: the limits are 1 ± 1.96 × 0.1 at every volume."""
    rng = np.random.default_rng(1)
    scale = rng.normal(1.0, 0.1, 40_000)
    curve = np.linspace(120.0, 20.0, VOLUMES_PERCENT.size)
    band = DvhBand.from_samples(np.outer(scale, curve), scale * 70.0)
    np.testing.assert_allclose(band.low_gy, 0.804 * curve, rtol=0.005)
    np.testing.assert_allclose(band.median_gy, curve, rtol=0.005)
    np.testing.assert_allclose(band.high_gy, 1.196 * curve, rtol=0.005)
    assert (band.mean_low_gy, band.mean_high_gy) == (
        pytest.approx(0.804 * 70, rel=0.005),
        pytest.approx(1.196 * 70, rel=0.005),
    )


def test_volumes_are_read_across_the_same_curves():
    samples = np.linspace(0.8, 1.2, 101)
    curve = 100.0 - VOLUMES_PERCENT  # D_x = 100 − x Gy
    band = DvhBand.from_samples(np.outer(samples, curve), samples)
    median, low, high = band.volumes_at([0.0, 30.0, 60.0, 500.0])
    np.testing.assert_allclose(median, [100.0, 70.0, 40.0, 0.0], atol=1e-9)
    # The 2.5 % quantile of 101 samples is the 2.55th: 0.8 and 1.55 steps of 0.004.
    np.testing.assert_allclose(low[1:3], [100 - 30 / 0.8062, 100 - 60 / 0.8062], atol=1e-9)
    np.testing.assert_allclose(high[1:3], [100 - 30 / 1.1938, 100 - 60 / 1.1938], atol=1e-9)


@pytest.mark.parametrize("samples", [40, 60, 300])
def test_a_band_holds_another_draw_in_95_of_100_however_few_samples_it_has(samples):
    """Numpy's own quantiles hold 90 % with 40 and 92 % with 60; 4000 trials know the share to 0.4 %."""
    rng = np.random.default_rng(samples)
    held = 0
    for _ in range(4000):
        drawn = rng.standard_normal(samples) + 10.0
        band = DvhBand.from_samples(np.repeat(drawn[:, None], 2, axis=1), drawn)
        held += band.mean_low_gy <= rng.standard_normal() + 10.0 <= band.mean_high_gy
    assert held / 4000 == pytest.approx(0.95, abs=0.013)


def test_bands_never_rise_and_never_fall_below_zero():
    rng = np.random.default_rng(2)
    band = DvhBand.from_samples(rng.normal(0.0, 3.0, (60, VOLUMES_PERCENT.size)), rng.normal(0, 3, 60))
    for curve in (band.low_gy, band.median_gy, band.high_gy):
        assert (np.diff(curve) <= 0).all()
        assert curve.min() >= 0
    assert band.mean_low_gy == 0.0


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match="needs 40 samples"):
        DvhBand.from_samples(np.zeros((39, VOLUMES_PERCENT.size)), np.zeros(39))
