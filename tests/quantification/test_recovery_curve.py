"""Recovery over the volume: one Gaussian where it fits the spheres, else the two-parameter curve with what it misses."""

import math

import numpy as np
import pytest

from y90voxel.quantification.partial_volume import RecoveryFit, fit_recovery, recovery_coefficient
from y90voxel.quantification.recovery_curve import (
    LEAST_PROBABILITY,
    GaussianRecovery,
    blurred_sphere_recovery,
    recovery_of_spheres,
)

DIAMETERS = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)
VOLUMES = [math.pi * d**3 / 6000.0 for d in DIAMETERS]


def blurred(fwhm_mm, scale=1.0):
    return np.array([scale * blurred_sphere_recovery(d, fwhm_mm) for d in DIAMETERS])


@pytest.mark.parametrize(("diameter_mm", "fwhm_mm"), [(10.0, 8.0), (37.0, 10.0), (22.0, 16.0)])
def test_the_recovery_of_a_sphere_is_the_mean_of_its_blurred_profile(diameter_mm, fwhm_mm):
    """The profile of a sphere of radius R behind a Gaussian, by error functions, averaged over the sphere."""
    radius, sigma = diameter_mm / 2, fwhm_mm / 2.354820
    r = (np.arange(4000) + 0.5) * radius / 4000
    near, far = (radius - r) / (math.sqrt(2.0) * sigma), (radius + r) / (math.sqrt(2.0) * sigma)
    steps = 0.5 * np.array([math.erf(a) + math.erf(b) for a, b in zip(near, far, strict=True)])
    profile = steps - sigma / (math.sqrt(2 * math.pi) * r) * (np.exp(-(near**2)) - np.exp(-(far**2)))
    expected = (3.0 * r**2 * profile).sum() * (radius / 4000) / radius**3
    assert blurred_sphere_recovery(diameter_mm, fwhm_mm) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("fwhm_mm", "scale"), [(5.0, 1.0), (8.0, 0.97), (15.0, 1.04)])
def test_spheres_in_a_gaussian_are_recovered_between_them_too(fwhm_mm, scale):
    fit = recovery_of_spheres(VOLUMES, blurred(fwhm_mm, scale), 0.02)
    assert fit.form == "gaussian"
    assert (fit.fwhm_mm, fit.scale) == (pytest.approx(fwhm_mm, rel=1e-4), pytest.approx(scale, rel=1e-4))
    for d in (11.5, 15.0, 20.0, 32.0):
        expected = min(scale * blurred_sphere_recovery(d, fwhm_mm), 1.0)
        assert fit.coefficient(math.pi * d**3 / 6000.0) == pytest.approx(expected, rel=1e-4)
    curve = fit_recovery(VOLUMES, blurred(fwhm_mm, scale), 0.02)
    assert (fit.b1_ml, fit.b2) == (curve.b1_ml, curve.b2)


def test_spheres_on_the_two_parameter_curve_stay_on_it():
    data = [recovery_coefficient(v, 2.854, 0.8143) for v in VOLUMES]
    fit, plain = recovery_of_spheres(VOLUMES, data, 0.02), fit_recovery(VOLUMES, data, 0.02)
    assert fit.form == "two parameters"
    assert fit.covariance == pytest.approx(plain.covariance)
    assert fit.touching(5.0) == (fit.b1_ml, fit.b2)


def test_what_no_curve_follows_is_known_to_what_the_curve_misses():
    """Spheres that alternate by 8 % around a Gaussian, stated to 1 %."""
    data = blurred(8.0) * (1.0 + 0.08 * np.array([1, -1, 1, -1, 1, -1]))
    fit, plain = recovery_of_spheres(VOLUMES, data, 0.01), fit_recovery(VOLUMES, data, 0.01)
    assert fit.form == "two parameters"
    missed = (
        sum(((data[k] - plain.coefficient(v)) / (0.01 * data[k])) ** 2 for k, v in enumerate(VOLUMES)) / 4
    )
    assert missed > 20
    assert fit.uncertainty(5.0) == pytest.approx(math.sqrt(missed) * plain.uncertainty(5.0), rel=1e-9)


@pytest.mark.parametrize(("probability", "form"), [(0.06, "gaussian"), (0.04, "two parameters")])
def test_a_gaussian_that_fits_with_less_than_5_per_cent_is_not_taken(probability, form):
    """Deviations of the 22 and 28 mm spheres in opposite directions, as large as their χ² has that probability."""
    from scipy.optimize import brentq
    from scipy.special import gammaincc

    assert LEAST_PROBABILITY == 0.05
    shape = np.array([0, 0, 0, 1.0, -1.0, 0.5])
    start = blurred(8.0)

    def of(size):
        data = start * (1.0 + size * shape)
        gaussian = _gaussian(data)
        chi2 = sum(
            ((data[k] - gaussian.coefficient(v)) / (0.02 * data[k])) ** 2 for k, v in enumerate(VOLUMES)
        )
        return gammaincc(2.0, 0.5 * chi2), data

    size = brentq(lambda s: of(s)[0] - probability, 0.0, 0.3)
    assert recovery_of_spheres(VOLUMES, of(size)[1], 0.02).form == form


def _gaussian(data):
    """The Gaussian through spheres, by a brute search."""
    best = None
    for fwhm in np.linspace(6.0, 10.0, 161):
        model = blurred(fwhm)
        weights = 1.0 / (0.02 * data) ** 2
        scale = (weights * model * data).sum() / (weights * model**2).sum()
        misfit = (weights * (data - scale * model) ** 2).sum()
        if best is None or misfit < best[0]:
            best = misfit, fwhm, scale
    return GaussianRecovery(1.0, 1.0, np.zeros((2, 2)), best[1], best[2])


def test_two_spheres_leave_nothing_to_judge_by():
    assert recovery_of_spheres(VOLUMES[:2], blurred(8.0)[:2], 0.02).form == "two parameters"
    assert recovery_of_spheres(VOLUMES[:3], blurred(8.0)[:3], 0.02).form == "gaussian"


def test_the_uncertainty_is_the_spread_of_refitted_noise():
    """300 phantoms with 5 % noise; fits that take the curve instead are left out."""
    rng = np.random.default_rng(7)
    stated = recovery_of_spheres(VOLUMES, blurred(8.0), 0.05)
    assert isinstance(stated, GaussianRecovery)
    found = [
        recovery_of_spheres(VOLUMES, blurred(8.0) * (1 + 0.05 * rng.standard_normal(6)), 0.05)
        for _ in range(300)
    ]
    spread = np.std([fit.coefficient(5.0) for fit in found if fit.form == "gaussian"])
    assert spread == pytest.approx(stated.uncertainty(5.0), rel=0.15)


@pytest.mark.parametrize("volume_ml", [0.6, 3.0, 11.5, 26.0, 5000.0])
def test_the_touching_curve_has_the_same_recovery_and_slope(volume_ml):
    fit = GaussianRecovery(2.8, 0.8, np.eye(2), 8.0, 1.0, np.zeros((2, 2)))
    touching, h = RecoveryFit(*fit.touching(volume_ml), np.zeros((2, 2))), 1e-3
    assert touching.coefficient(volume_ml) == pytest.approx(fit.coefficient(volume_ml), rel=2e-6)
    slopes = [
        math.log(c.coefficient(volume_ml * math.exp(h)) / c.coefficient(volume_ml * math.exp(-h)))
        for c in (fit, touching)
    ]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-3, abs=1e-7)


def test_recovery_is_one_at_most():
    fit = GaussianRecovery(2.8, 0.8, np.eye(2), 4.0, 1.08, np.zeros((2, 2)))
    assert fit.coefficient(5000.0) == 1.0
    b1_ml, b2 = fit.touching(5000.0)
    assert b1_ml > 0
    assert b2 > 0


@pytest.mark.parametrize(
    ("volumes", "coefficients", "uncertainty"),
    [
        ([2.6, 5.6, 11.5], [0.141, 0.532, 0.795], [0.01, 0.05, 0.05]),
        ([0.5, 1.2, 26.5], [0.02, 0.15, 0.9], 0.05),
    ],
)
def test_spheres_steeper_than_any_gaussian_take_the_curve(volumes, coefficients, uncertainty):
    """Recovery in a Gaussian rises with the volume at most; the search for its width has no end where spheres rise faster."""
    fit = recovery_of_spheres(volumes, coefficients, uncertainty)
    plain = fit_recovery(volumes, coefficients, uncertainty)
    assert (fit.form, fit.b1_ml, fit.b2) == ("two parameters", plain.b1_ml, plain.b2)
