"""Noise read off uniform liver: what was put in comes out, and never less than was put in."""

import math

import numpy as np
import pytest
from phantoms import ellipsoid
from scipy.ndimage import distance_transform_edt, gaussian_filter

from y90voxel.quantification import noise_estimate
from y90voxel.quantification.noise import ImageNoise, correlation_volume_ml
from y90voxel.quantification.noise_estimate import _uniform_liver, correlation_fwhm_mm, estimate_noise
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, Mask

GRID = Grid.from_spacing((44, 48, 50), (4.0, 4.0, 4.0), (-98.0, -94.0, -86.0))
LIVER, TUMOUR = ((0, 0, 0), (85, 75, 70)), ((30, 10, 0), (14, 14, 14))
FWHM = 8.0
ACTIVITY = 4e5  # Bq a voxel of normal liver


def regions(*more, radii=LIVER[1]):
    liver = Region("Liver", Role.LIVER, ellipsoid(GRID, LIVER[0], radii))
    return Regions(GRID, (liver, Region("GTV1", Role.TUMOUR, ellipsoid(GRID, *TUMOUR)), *more))


def image(cv, fwhm, factor=1.0, seed=0):
    """A uniform liver with a hot tumour, and noise whose variance grows with the value."""
    found = regions()
    true = ACTIVITY * (found["Liver"].mask.array + 4.0 * found["GTV1"].mask.array) * factor
    if cv == 0.0:
        return ActivityMap(true, GRID)
    noise = ImageNoise(cv**2 * ACTIVITY, fwhm)
    drawn = noise.draw(true, GRID.spacing_mm, np.random.default_rng(seed))
    return ActivityMap(true + drawn, GRID)


@pytest.mark.parametrize("cv", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("fwhm", [0.0, 6.0, 8.0])
def test_noise_that_was_put_in_comes_out(cv, fwhm):
    """About 7000 voxels of liver: with 8 mm some 260 independent places, so that a deviation is known to 4 %."""
    found = estimate_noise(image(cv, fwhm), regions(), FWHM)
    assert found.cv == pytest.approx(cv, rel=0.12)
    assert found.mean == pytest.approx(ACTIVITY, rel=0.06)
    assert found.fwhm_mm == pytest.approx(fwhm, rel=0.12, abs=0.01)
    assert found.noise.variance_per_value == pytest.approx(found.cv**2 * found.mean)


def test_the_uncertainty_of_a_mean_is_that_of_independent_places():
    """CV × √(correlation volume / volume), the same as the sum of the noise itself over a region of many voxels."""
    found = estimate_noise(image(0.3, FWHM), regions(), FWHM)
    mask = ellipsoid(GRID, (-20, 0, 0), (36, 36, 36))
    flat = np.full(GRID.shape, found.mean)
    exact = found.noise.uncertainty_of_sum(flat, mask.array, GRID.spacing_mm) / (found.mean * mask.total)
    assert found.relative_uncertainty(mask.volume_ml) == pytest.approx(exact, rel=0.15)
    assert found.relative_uncertainty(1e-3) == found.cv  # no region knows its mean worse than a voxel


def test_what_truly_differs_counts_as_noise_and_makes_it_an_upper_bound():
    slope = 1.0 + 0.4 * np.linspace(-1, 1, GRID.shape[0])[:, None, None]
    plain, sloped = (estimate_noise(image(0.2, FWHM, factor), regions(), FWHM) for factor in (1.0, slope))
    assert sloped.cv > 1.05 * plain.cv
    assert sloped.fwhm_mm <= FWHM  # the image resolves no more


@pytest.mark.parametrize(("uptake", "kept"), [(0.0, False), (0.3, False), (0.8, True)])
def test_a_lobe_that_took_up_little_is_no_uniform_liver(uptake, kept):
    """Without a perfused volume: half of the liver at the uptake given, the mean of both is (1 + uptake) / 2."""
    lobe = np.where(np.arange(GRID.shape[2]) < 25, uptake, 1.0)[None, None, :]
    whole = estimate_noise(image(0.2, 0.0), regions(), FWHM)
    found = estimate_noise(image(0.2, 0.0, lobe), regions(), FWHM)
    assert (found.volume_ml > 0.9 * whole.volume_ml) is kept
    if not kept:  # of both lobes together: 1.0 and 0.6
        assert found.cv < 0.35


def test_the_perfused_volume_is_taken_where_it_is_drawn():
    perfused = Region("Perfused", Role.PERFUSED, ellipsoid(GRID, (-30, 0, 0), (40, 40, 40)))
    found = estimate_noise(image(0.2, 0.0), regions(perfused), FWHM)
    assert found.volume_ml < perfused.mask.volume_ml


def test_an_image_without_noise_has_an_unknown_one():
    assert estimate_noise(image(0.0, 0.0), regions(), FWHM) is None
    assert estimate_noise(image(5e-4, 0.0), regions(), FWHM) is not None


def test_a_liver_of_few_places_says_nothing(monkeypatch):
    found = estimate_noise(image(0.3, FWHM), regions(), FWHM)
    places = found.volume_ml / correlation_volume_ml(found.fwhm_mm)
    monkeypatch.setattr(noise_estimate, "LEAST_PLACES", 0.99 * places)
    assert estimate_noise(image(0.3, FWHM), regions(), FWHM) is not None
    monkeypatch.setattr(noise_estimate, "LEAST_PLACES", 1.01 * places)
    assert estimate_noise(image(0.3, FWHM), regions(), FWHM) is None


@pytest.mark.parametrize(("places", "known"), [(9.7, False), (10.3, True)])
def test_ten_places_are_enough(places, known):
    """The correlation length is stated so that the uniform liver holds so many of (4πσ²)^1.5."""
    plain = image(0.3, 0.0)
    volume_ml = estimate_noise(plain, regions(), FWHM, 0.0).volume_ml
    sigma_mm = math.sqrt((1000.0 * volume_ml / places) ** (2 / 3) / (4.0 * math.pi))
    assert (estimate_noise(plain, regions(), FWHM, 2.354820 * sigma_mm) is not None) is known


def test_without_liver_or_with_an_empty_one_it_is_not_known():
    tumour = Region("GTV1", Role.TUMOUR, ellipsoid(GRID, *TUMOUR))
    assert estimate_noise(image(0.3, 0.0), Regions(GRID, (tumour,)), FWHM) is None
    assert estimate_noise(image(0.3, 0.0), regions(radii=(13, 13, 13)), FWHM) is None
    assert estimate_noise(image(0.3, 0.0, -1.0), regions(), FWHM) is None  # mean below zero


def test_a_correlation_of_one_has_the_greatest_length():
    inside = np.ones((6, 6, 6), bool)
    ramp = np.broadcast_to(np.array([-1.0, 1.0] * 3)[:, None, None], inside.shape)
    assert correlation_fwhm_mm(ramp, inside, (4.0, 4.0, 4.0), 9.0) == 9.0
    assert correlation_fwhm_mm(0.0 * ramp, inside, (4.0, 4.0, 4.0), 9.0) == 0.0


@pytest.mark.parametrize(("rows", "seen"), [(11, False), (13, True)])
def test_a_correlation_of_a_third_is_seen_from_37_pairs_on(rows, seen):
    """+ + − − along slices, and neighbours of opposite sign across: 2/√33 is more than a third, 2/√39 is less."""
    sign = np.where(np.arange(rows) % 2 == 0, 1.0, -1.0)
    residuals = np.array([1.0, 1.0, -1.0, -1.0])[:, None, None] * sign[:, None]
    found = correlation_fwhm_mm(residuals, np.ones(residuals.shape, bool), (4.0, 5.0, 6.0))
    # exp(−d²/4σ²) = 1/3
    assert found == pytest.approx(
        2.354820 * 4.0 / (2.0 * math.sqrt(math.log(3.0))) if seen else 0.0, rel=1e-5
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e5, 0.1, 1.0 / 3.0])
def test_liver_of_one_value_is_all_uniform(value):
    """The mean of equal values may be rounded to more than each of them."""
    inside = _uniform_liver(ActivityMap(np.full(GRID.shape, value), GRID), regions(), 12.0)
    assert inside is not None
    assert inside.sum() > 3000


def test_lobes_are_told_apart_on_an_image_smoothed_over_three_resolutions():
    """Of a lobe of 0.3 the part beside the other one is kept, as far as that shines into it."""
    _, y, x = np.indices(GRID.shape)
    lobe = np.where(x + 0.37 * y < 34.0, 0.3, 1.0)
    whole, kept = (
        _uniform_liver(ActivityMap(1e5 * part, GRID), regions(), 12.0) for part in (np.ones(GRID.shape), lobe)
    )

    def expected(width):
        smooth = gaussian_filter(lobe, width * 12.0 / 2.354820 / 4.0)[whole]
        return smooth > 0.5 * smooth[smooth >= smooth.mean()].mean()

    assert np.array_equal(kept[whole], expected(3.0))
    assert not np.array_equal(expected(3.0), expected(2.7))
    assert not np.array_equal(expected(3.0), expected(3.3))


def test_tumours_are_no_surface_of_the_liver():
    """Its surface is 20 mm away at a resolution of 20 mm, tumours are 15 mm away at any."""
    inside = _uniform_liver(ActivityMap(np.ones(GRID.shape), GRID), regions(), 20.0)
    tumour, liver = (regions()[name].mask.array for name in ("GTV1", "Liver"))
    outside = np.maximum(tumour, liver) < 0.5
    near, deep = (distance_transform_edt(~part, sampling=GRID.spacing_mm) for part in (tumour > 0.5, outside))
    assert 15.0 < near[inside].min() < 17.0
    assert 19.0 < deep[inside].min() < 22.0


@pytest.mark.parametrize(("scale", "read"), [(1e6, True), (1e-3, True), (0.0, False), (-1.0, False)])
def test_noise_is_read_whatever_the_scale_and_not_of_nothing(monkeypatch, scale, read):
    grid = Grid.from_spacing((12, 12, 12), (4.0, 4.0, 4.0))
    values = scale * (1.0 + 0.3 * np.random.default_rng(4).standard_normal(grid.shape))
    monkeypatch.setattr(noise_estimate, "_uniform_liver", lambda *_: np.ones(grid.shape, bool))
    found = estimate_noise(ActivityMap(values, grid), Regions(grid, ()), 4.0, 4.0)
    assert (found is not None) is read
    if read:
        assert (found.cv, found.mean) == (pytest.approx(0.3, rel=0.05), pytest.approx(scale, rel=0.05))
        assert found.volume_ml == pytest.approx(12**3 * 0.064)


@pytest.mark.parametrize(("voxels", "there"), [(1, False), (5, True)])
def test_a_liver_that_is_all_surface_has_no_uniform_part(voxels, there):
    """Within 8 mm, two voxels, of its surface lies all of a liver of one voxel, not all of one of five."""
    grid = Grid.from_spacing((11, 11, 11), (4.0, 4.0, 4.0))
    array = np.zeros(grid.shape)
    first = (11 - voxels) // 2
    array[(slice(first, first + voxels),) * 3] = 1.0
    liver = Regions(grid, (Region("Liver", Role.LIVER, Mask(array, grid)),))
    found = _uniform_liver(ActivityMap(100.0 * array, grid), liver, FWHM)
    assert (found is not None and bool(found.any())) is there
