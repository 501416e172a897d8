import numpy as np
import pytest
from phantoms import ellipsoid
from scipy.ndimage import gaussian_filter

from y90voxel.errors import InputError
from y90voxel.quantification.deconvolution import richardson_lucy
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

GRID = Grid.from_spacing((33, 35, 37), (3.0, 3.2, 2.8), (-51.8, -54.4, -48.0))
FWHM = 9.0
SIGMAS = [FWHM / 2.354820045 / s for s in GRID.spacing_mm]


def blurred(radius, background=0.0):
    sphere = ellipsoid(GRID, (0, 0, 0), (radius,) * 3, 6).array
    return sphere, gaussian_filter(sphere + background * (1 - sphere), SIGMAS, mode="constant", truncate=6)


def recovery(image, sphere):
    return float((image * sphere).sum() / sphere.sum())


@pytest.mark.parametrize("radius", [10.0, 20.0])
def test_a_blurred_sphere_gets_back_most_of_what_it_lost(radius):
    """The true mean is one. Recovery grows with every iteration and never passes it; 80 leave half of the loss or less."""
    sphere, seen = blurred(radius)
    before = recovery(seen, sphere)
    found = [recovery(richardson_lucy(CountMap(seen, GRID), FWHM, n).array, sphere) for n in (1, 5, 20, 80)]
    assert before < found[0] < found[1] < found[2] < found[3] < 1.0
    assert 1 - found[3] < 0.5 * (1 - before)


def test_counts_are_kept_and_none_is_negative():
    _, seen = blurred(12.0)
    noisy = np.random.default_rng(0).poisson(50 * seen).astype(float)
    noisy[0, 0, 0] = -3.0
    found = richardson_lucy(CountMap(noisy, GRID), FWHM, 10)
    assert found.array.min() >= 0
    assert found.total == pytest.approx(np.maximum(noisy, 0).sum(), rel=1e-3)


def test_a_uniform_image_stays_as_it_is():
    found = richardson_lucy(CountMap(np.full(GRID.shape, 7.0), GRID), FWHM, 5)
    # The edge of the image, beyond which nothing is assumed, is the only thing to sharpen.
    np.testing.assert_allclose(found.array[8:-8, 8:-8, 8:-8], 7.0, rtol=0.02)


def test_the_first_iteration_is_the_formula():
    _, seen = blurred(8.0, 0.2)
    norm = gaussian_filter(np.ones(GRID.shape), SIGMAS, mode="constant")
    again = gaussian_filter(seen, SIGMAS, mode="constant")
    expected = seen * gaussian_filter(seen / again, SIGMAS, mode="constant") / norm
    np.testing.assert_allclose(richardson_lucy(CountMap(seen, GRID), FWHM, 1).array, expected, rtol=1e-6)


@pytest.mark.parametrize(("fwhm", "iterations"), [(0.0, 5), (-1.0, 5), (9.0, 0)])
def test_deconvolutions_that_cannot_be_are_refused(fwhm, iterations):
    with pytest.raises(InputError):
        richardson_lucy(CountMap(np.ones(GRID.shape), GRID), fwhm, iterations)
