"""Noise taken out of histograms: the published vectors, and what cannot be corrected."""

import numpy as np
import pytest

from y90voxel.dose.noise_damping import noise_damping
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.region_noise import (
    EXCEEDS,
    Tails,
    corrected_by_halves,
    covariance_of_halves,
    is_tail,
    noise_without_halves,
    shrink_factor,
)
from y90voxel.quantification.noise import ImageNoise
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((20, 20, 25), (4.0, 4.0, 4.0))  # 10⁴ voxels
WHOLE = Mask(np.ones(GRID.shape), GRID)
PERCENTS = (98, 90, 70, 50, 2)


def drawn(true_cv, noise_cv, seed=5, mean=100.0):
    """True doses, and two halves whose mean has the noise given: each has √2 of it."""
    rng = np.random.default_rng(seed)
    true = mean * (1.0 + true_cv * rng.standard_normal(GRID.shape))
    halves = [true + mean * noise_cv * np.sqrt(2) * rng.standard_normal(GRID.shape) for _ in range(2)]
    return true, halves


def histogram(doses):
    return DoseVolumeHistogram.from_dose(DoseMap(doses, GRID), WHOLE)


def corrected(halves):
    return corrected_by_halves(histogram(sum(halves) / 2), *covariance_of_halves(*halves, WHOLE.array))


def test_the_spread_without_noise_comes_out_of_two_halves():
    """True CV 0.2, noise 0.3: found 0.36, corrected 0.2; D98 of the truth 0.59 of the mean, found 0.26 (10⁴ voxels: ± 2 %)."""
    true, halves = drawn(0.2, 0.3)
    found = corrected(halves)
    assert found.found_cv == pytest.approx(0.3602, rel=0.02)
    assert found.without_cv == pytest.approx(0.200, rel=0.04)
    assert found.noise_cv == pytest.approx(0.3, rel=0.02)
    exact = histogram(true)
    raw = histogram(sum(halves) / 2)
    assert raw.dose_at_volume(98) == pytest.approx(26.2, abs=2.0)
    for percent in (98, 95, 90, 70, 50, 2):
        assert found.d_gy[percent] == pytest.approx(exact.dose_at_volume(percent), abs=1.5)
    for dose in (50, 100):
        assert found.v_percent[dose] == pytest.approx(100 * exact.volume_at_dose(dose), abs=1.0)
    assert found.bias_gy["d98_gy"] == pytest.approx(raw.dose_at_volume(98) - found.d_gy[98])
    assert found.tails is Tails.CORRECTED


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
def test_correction_does_not_depend_on_how_much_noise_there_is(noise):
    """10⁴ voxels know the covariance to (0.2² + 2 noise²) / 100: three of that, halved for the root."""
    found = corrected(drawn(0.2, noise)[1])
    allowed = 3.0 * (0.2**2 + 2 * noise**2) / 100.0 / (2 * 0.2)
    assert found.without_cv == pytest.approx(0.2, abs=allowed)
    assert found.found_cv == pytest.approx(np.hypot(0.2, noise), rel=0.03)


def test_where_noise_exceeds_the_spread_nothing_is_corrected():
    """Halves that go against each other: what is common to them is less than nothing."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(GRID.shape)
    found = corrected([100.0 + 20 * noise, 100.0 - 19 * noise])
    assert (found.reason, found.tails, found.d_gy) == (EXCEEDS, Tails.MARKED, None)
    assert found.without_cv == 0.0
    assert found.bias_gy["d98_gy"] < 0.0  # all of the distance from the mean may be noise
    just = corrected([100.0 + 20 * noise, 100.0 + 1e-3 * noise])
    assert just.tails is Tails.CORRECTED


def test_a_mean_image_quieter_than_its_halves_agree_is_left_as_it_is():
    true, halves = drawn(0.2, 0.0)
    smooth = 100.0 + 0.5 * (true - 100.0)
    found = corrected_by_halves(histogram(smooth), *covariance_of_halves(*halves, WHOLE.array))
    assert found.without_cv == found.found_cv
    assert found.bias_gy["d98_gy"] == 0.0


def test_expected_bias_without_halves_is_that_of_a_known_noise():
    true, halves = drawn(0.2, 0.3)
    raw, exact = histogram(sum(halves) / 2), histogram(true)
    found = noise_without_halves(raw, 0.3)
    for percent in (98, 95, 90, 2):
        bias = raw.dose_at_volume(percent) - exact.dose_at_volume(percent)
        assert found.bias_gy[f"d{percent}_gy"] == pytest.approx(bias, abs=1.5)
    assert set(found.bias_gy) == {"d2_gy", "d90_gy", "d95_gy", "d98_gy", "min_gy", "max_gy"}
    assert found.bias_gy["max_gy"] > 0 > found.bias_gy["min_gy"]
    assert (found.tails, found.d_gy) == (Tails.MARKED, None)


@pytest.mark.parametrize(("noise", "reason"), [(0.35, None), (0.37, EXCEEDS)])
def test_noise_as_large_as_the_spread_is_said(noise, reason):
    found = noise_without_halves(histogram(sum(drawn(0.2, 0.3)[1]) / 2), noise)
    assert found.reason == reason
    assert (found.without_cv == 0.0) is (reason is not None)


def test_an_unknown_noise_is_no_zero():
    found = noise_without_halves(histogram(drawn(0.2, 0.3)[0]), None, reason="why")
    assert found.as_dict()["noise_cv"] is None
    assert found.as_dict()["bias_gy"] is None
    assert found.reason == "why"
    flat = noise_without_halves(histogram(np.zeros(GRID.shape)), 0.1)
    assert flat.found_cv == 0.0


@pytest.mark.parametrize(
    ("percent", "tail"), [(2, True), (29.9, True), (30, False), (50, False), (70, False), (70.1, True)]
)
def test_ends_lie_outside_30_to_70(percent, tail):
    assert is_tail(percent) is tail


def test_variances_that_cannot_be_shrink_nothing_or_everything():
    assert shrink_factor(0.0, 1.0) == 1.0
    assert shrink_factor(4.0, 1.0) == 0.5
    assert shrink_factor(4.0, -1.0) == 0.0
    assert shrink_factor(4.0, 9.0) == 1.0


@pytest.mark.parametrize(
    ("spacing", "damping"), [(2.21, 0.257), (3.0, 0.331), (4.0, 0.410), (4.8, 0.465), (6.0, 0.534), (9.28, 0.660)]
)  # fmt: skip
def test_white_noise_is_damped_as_published_s_values_say(spacing, damping):
    """‖S‖₂ / ΣS of the table of Lanconelli et al. 2012, soft tissue, computed apart from this package."""
    kernel = voxel_kernel("Y-90", (spacing,) * 3, "soft_tissue")
    assert noise_damping(kernel) == pytest.approx(damping, rel=0.006)


def test_correlated_noise_is_damped_less_and_as_drawn():
    spacing = (4.0, 4.0, 4.0)
    kernel = voxel_kernel("Y-90", spacing, "soft_tissue")
    white, correlated = noise_damping(kernel), noise_damping(kernel, 8.0)
    assert white < correlated < 1.0
    noise = ImageNoise(1.0, 8.0).draw(np.full((40, 40, 40), 1.0), spacing, np.random.default_rng(1))
    from scipy.signal import fftconvolve

    carried = fftconvolve(noise, kernel.s_values, mode="same")[8:-8, 8:-8, 8:-8]
    assert carried.std() / kernel.s_values.sum() == pytest.approx(correlated, rel=0.05)
