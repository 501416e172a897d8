"""Blurred spheres against the analytic table of the project's notes, by FWHM and diameter [mm]."""

import numpy as np
import pytest
from recovery_table import CENTRE, DIAMETERS, EIGHT_TO_ONE, NO_BACKGROUND

from y90voxel.errors import InputError
from y90voxel.phantoms.blurred_shapes import (
    blurred_slab,
    blurred_sphere,
    sphere_recovery,
    sphere_volume_ml,
)


@pytest.mark.parametrize("fwhm", NO_BACKGROUND)
def test_the_mean_of_a_blurred_sphere_is_that_of_the_table(fwhm):
    found = [sphere_recovery(d, fwhm) for d in DIAMETERS]
    np.testing.assert_allclose(found, NO_BACKGROUND[fwhm], atol=5.1e-5)


@pytest.mark.parametrize("fwhm", EIGHT_TO_ONE)
def test_the_mean_in_a_background_is_that_of_the_table(fwhm):
    found = [sphere_recovery(d, fwhm, 8.0) for d in DIAMETERS]
    np.testing.assert_allclose(found, EIGHT_TO_ONE[fwhm], atol=5.1e-5)


@pytest.mark.parametrize("fwhm", CENTRE)
def test_the_centre_of_a_blurred_sphere_is_that_of_the_table(fwhm):
    found = [blurred_sphere(0.0, 0.5 * d, fwhm) for d in DIAMETERS]
    np.testing.assert_allclose(found, CENTRE[fwhm], atol=1e-4)


@pytest.mark.parametrize(("diameter", "fwhm"), [(10, 15), (17, 7), (37, 4)])
def test_the_profile_of_a_sphere_has_its_mean_and_its_activity(diameter, fwhm):
    r = (np.arange(60000) + 0.5) * 1e-3
    profile, shells = blurred_sphere(r, 0.5 * diameter, fwhm), 4e-3 * np.pi * r**2
    inside = r < 0.5 * diameter
    assert (profile * shells)[inside].sum() / shells[inside].sum() == pytest.approx(
        sphere_recovery(diameter, fwhm), rel=1e-4
    )
    assert 1e-3 * (profile * shells).sum() == pytest.approx(sphere_volume_ml(diameter), rel=1e-4)


def test_a_slab_has_half_at_its_faces_and_keeps_its_width():
    x = np.linspace(-60, 60, 12001)
    slab = blurred_slab(x, -20.0, 10.0, 8.0)
    assert 0.01 * slab.sum() == pytest.approx(30.0, rel=1e-6)
    assert slab[np.searchsorted(x, 10.0)] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "what"), [((0, 5), "diameter"), ((10, 0), "width"), ((10, 5, 0.0), "ratio")]
)
def test_sizes_that_are_none_are_refused(arguments, what):
    with pytest.raises(InputError, match=what):
        sphere_recovery(*arguments)


@pytest.mark.parametrize(("radius", "fwhm", "what"), [(0, 5, "radius"), (5, -1, "width")])
def test_a_sphere_of_no_size_is_refused(radius, fwhm, what):
    with pytest.raises(InputError, match=what):
        blurred_sphere(1.0, radius, fwhm)
