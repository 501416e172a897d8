import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.noise import ImageNoise, correlation_volume_ml

SPACING = (4.0, 3.0, 5.0)


def test_white_noise_has_the_variance_of_counts():
    values = np.full((40, 41, 42), 25.0)
    drawn = ImageNoise(1.0).draw(values, SPACING, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(5.0, rel=0.01)
    assert drawn.mean() == pytest.approx(0.0, abs=0.06)


def test_correlated_noise_keeps_its_variance_and_falls_off_as_a_gaussian_does():
    """White noise through a Gaussian of σ is correlated by exp(−d²/4σ²)."""
    values = np.full((60, 61, 62), 100.0)
    drawn = ImageNoise(0.5, 12.0).draw(values, SPACING, np.random.default_rng(1))
    inner = drawn[8:-8, 8:-8, 8:-8]
    assert inner.std() == pytest.approx(np.sqrt(50.0), rel=0.03)
    sigma = 12.0 / 2.3548
    for axis, step in enumerate(SPACING):
        moved = np.roll(drawn, 1, axis)[8:-8, 8:-8, 8:-8]
        assert np.mean(inner * moved) / inner.var() == pytest.approx(
            np.exp(-(step**2) / (4 * sigma**2)), abs=0.03
        )


def test_negative_and_empty_voxels_have_no_noise():
    drawn = ImageNoise(1.0).draw(np.array([[[-3.0, 0.0, 9.0]]]), SPACING, np.random.default_rng(2))
    assert drawn[0, 0, :2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("fwhm", [0.0, 10.0])
def test_the_uncertainty_of_a_sum_is_the_spread_of_sums(fwhm):
    rng = np.random.default_rng(3)
    values = rng.uniform(5, 60, (14, 15, 16))
    weights = np.zeros(values.shape)
    weights[4:10, 5:11, 4:12] = rng.uniform(0, 1, (6, 6, 8))
    noise = ImageNoise(2.0, fwhm)
    sums = [float((noise.draw(values, SPACING, rng) * weights).sum()) for _ in range(3000)]
    # 3000 draws know a standard deviation to 1.3 %.
    assert noise.uncertainty_of_sum(values, weights, SPACING) == pytest.approx(np.std(sums), rel=0.04)


@pytest.mark.parametrize("values", [(0.0, 0.0), (-1.0, 0.0), (1.0, -2.0)])
def test_noise_that_cannot_be_is_refused(values):
    with pytest.raises(InputError):
        ImageNoise(*values)


@pytest.mark.parametrize(("fwhm", "step"), [(12.0, 1.0), (0.4, 3.0), (30.0, 3.0)])
def test_a_filter_keeps_the_variance_of_white_noise_at_any_width(fwhm, step):
    """The variance that a filter leaves is the sum of its squares; the other axes are too coarse to be filtered."""
    impulse = np.zeros((1, 1, 151))
    impulse[0, 0, 75] = 1.0
    kernel = ImageNoise(1.0, fwhm).correlated(impulse, (1e3, 1e3, step))
    assert (kernel**2).sum() == pytest.approx(1.0, rel=1e-9)


def test_the_volume_of_a_correlation_is_its_integral():
    """∫ exp(−d²/4σ²) dV on a fine grid, σ = FWHM / 2.354820."""
    d2 = sum(axis**2 for axis in np.meshgrid(*[np.arange(-40.0, 41.0, 2.0)] * 3))
    expected = np.exp(-d2 / (4.0 * (12.0 / 2.354820) ** 2)).sum() * 2.0**3 / 1000.0
    assert correlation_volume_ml(12.0) == pytest.approx(expected, rel=1e-4)
