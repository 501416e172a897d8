import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError, PhysicsError
from y90voxel.quantification.partial_volume import (
    RecoveryFit,
    correct_in_cold_background,
    correct_in_warm_background,
    correct_tumour_to_normal_ratio,
    fit_recovery,
    recovery_coefficient,
    recovery_log_slope,
)

VOLUMES = np.array([0.52, 1.15, 2.57, 5.58, 11.49, 26.52])  # mL, spheres of the NEMA phantom


@given(st.floats(0.5, 10), st.floats(0.3, 2))
def test_the_curve_behind_exact_data_is_found_again(b1, b2):
    data = [recovery_coefficient(v, b1, b2) for v in VOLUMES]
    fit = fit_recovery(VOLUMES, data, 0.05)
    assert (fit.b1_ml, fit.b2) == (pytest.approx(b1, rel=1e-4), pytest.approx(b2, rel=1e-4))


def test_the_covariance_is_the_spread_of_refitted_noise():
    """2000 phantoms with 5 % noise; the standard deviation of R at 5 mL is the uncertainty the fit states."""
    rng = np.random.default_rng(7)
    true = np.array([recovery_coefficient(v, 2.854, 0.8143) for v in VOLUMES])
    stated = fit_recovery(VOLUMES, true, 0.05).uncertainty(5.0)
    found = [
        fit_recovery(VOLUMES, true * (1 + 0.05 * rng.standard_normal(6)), 0.05).coefficient(5.0)
        for _ in range(2000)
    ]
    assert np.std(found) == pytest.approx(stated, rel=0.06)


def test_uncertainty_by_numerical_gradient():
    covariance = np.array([[0.04, -0.006], [-0.006, 0.0025]])
    fit, h = RecoveryFit(2.8, 0.8, covariance), 1e-6
    gradient = [
        (recovery_coefficient(4.0, 2.8 + h, 0.8) - recovery_coefficient(4.0, 2.8 - h, 0.8)) / (2 * h),
        (recovery_coefficient(4.0, 2.8, 0.8 + h) - recovery_coefficient(4.0, 2.8, 0.8 - h)) / (2 * h),
    ]
    assert fit.uncertainty(4.0) == pytest.approx(np.sqrt(gradient @ covariance @ gradient), rel=1e-6)


@given(st.floats(0.1, 1000), st.floats(0.5, 10), st.floats(0.3, 2))
def test_log_slope_is_the_derivative(volume, b1, b2):
    h = 1e-5
    up, down = (np.log(recovery_coefficient(volume * np.exp(s * h), b1, b2)) for s in (1, -1))
    assert recovery_log_slope(volume, b1, b2) == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-9)


def test_recovery_is_half_at_b1_and_whole_for_large_volumes():
    assert recovery_coefficient(2.0, 2.0, 0.7) == 0.5
    assert recovery_coefficient(1e300, 1e-3, 3.0) == 1.0


@given(st.floats(0, 100), st.floats(0, 10), st.floats(0.05, 1))
def test_blur_forth_and_correction_back(true, background, recovery):
    measured = recovery * true + (1 - recovery) * background
    assert correct_in_warm_background(measured, background, recovery) == pytest.approx(
        true, rel=1e-9, abs=1e-9
    )


def test_ratio_and_concentration_are_corrected_alike():
    corrected = correct_in_warm_background(3.2, 0.5, 0.7)
    assert correct_tumour_to_normal_ratio(3.2 / 0.5, 0.7) == pytest.approx(corrected / 0.5)
    assert correct_in_cold_background(3.2, 0.8) == pytest.approx(4.0)


@pytest.mark.parametrize("values", [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, -1.0)])
def test_bad_recovery_curves_are_refused(values):
    with pytest.raises(InputError):
        recovery_coefficient(*values)


@pytest.mark.parametrize(
    ("volumes", "coefficients", "uncertainty", "message"),
    [
        ([1.0], [0.5], 0.05, "two different volumes"),
        ([1.0, 1.0], [0.5, 0.5], 0.05, "two different volumes"),
        ([1.0, 2.0], [0.5], 0.05, "one coefficient per sphere"),
        ([1.0, -2.0], [0.5, 0.6], 0.05, "must be positive"),
        ([1.0, 2.0], [0.5, np.nan], 0.05, "must be positive"),
        ([1.0, 2.0], [0.5, 0.6], 0.0, "relative uncertainty"),
    ],
)
def test_bad_phantoms_are_refused(volumes, coefficients, uncertainty, message):
    with pytest.raises(InputError, match=message):
        fit_recovery(volumes, coefficients, uncertainty)


def test_recovery_that_falls_with_volume_fits_no_curve():
    with pytest.raises(PhysicsError, match="check which sphere is which"):
        fit_recovery([1.0, 10.0], [0.8, 0.3], 0.05)


def test_bad_corrections_are_refused():
    with pytest.raises(InputError, match="colder than its surroundings"):
        correct_in_warm_background(0.1, 1.0, 0.5)
    for values in ((-1.0, 0.0, 0.5), (1.0, -1.0, 0.5), (1.0, 0.0, 0.0)):
        with pytest.raises(InputError):
            correct_in_warm_background(*values)


@pytest.mark.parametrize(
    ("volumes", "coefficients", "uncertainty", "message"),
    [
        ([0.5, 5.6, 50.0, 113.0], [0.242, 0.847, 0.718, 0.207], 0.05, "search for a curve .* does not end"),
        ([0.5, 11.5, 26.5], [0.483, 0.347, 1.243], [0.01, 0.01, 0.05], "does not grow with volume"),
        ([11.5, 50.0], [1.063, 1.138], [0.5, 0.05], "does not grow with volume|tells no curve"),
        ([2.6, 50.0], [0.054, 0.055], 0.5, "does not grow with volume"),
        ([5.6, 113.0], [0.794, 1.015], [0.5, 0.01], "recovery tells no curve .* two spheres or more"),
        ([5.6, 50.0], [0.376, 1.06], [0.5, 0.01], "recovery tells no curve"),
    ],
)
def test_spheres_that_tell_no_curve_are_refused(volumes, coefficients, uncertainty, message):
    with pytest.raises(PhysicsError, match=message):
        fit_recovery(volumes, coefficients, uncertainty)


@pytest.mark.parametrize(("rise", "told"), [(4e-5, True), (3e-5, False)])
def test_steepness_is_known_to_a_thousand_times_itself_at_worst(rise, told):
    """Two spheres around one half: ln R/(1−R) has an error of 0.05/(1−R) in each, and rises by four times the rise of R."""
    assert told == (np.hypot(0.1, 0.1) / (4.0 * rise) < 1000.0)
    if told:
        assert fit_recovery([1.0, 100.0], [0.5, 0.5 + rise], 0.05).b1_ml == pytest.approx(1.0)
        return
    with pytest.raises(PhysicsError, match="recovery tells no curve"):
        fit_recovery([1.0, 100.0], [0.5, 0.5 + rise], 0.05)


def test_half_recovery_at_one_millilitre_has_an_uncertainty_like_any_other():
    """The logarithm of b1 is zero there. In units of b1 the curve is the same at every scale."""
    one, ten = (fit_recovery([scale, 50.0 * scale], [0.5, 0.9], 0.05) for scale in (1.0, 10.0))
    assert one.b1_ml == pytest.approx(1.0)
    assert one.uncertainty(1.0) == pytest.approx(0.05 * 0.5)
    assert one.uncertainty(5.0) == pytest.approx(ten.uncertainty(50.0))


@pytest.mark.parametrize(
    ("volumes", "coefficients", "uncertainty", "said"),
    [
        ([0.0, 1.0, 5.0], [0.2, 0.4, 0.8], 0.05, "must be positive"),
        ([0.5, 1.0, 5.0], [0.0, 0.4, 0.8], 0.05, "must be positive"),
        ([0.5, 1.0, 5.0], [0.2, 0.4, np.inf], 0.05, "must be positive"),
        (
            [0.5, 1.0, 5.0],
            [0.2, 0.4, 0.8],
            [0.05, 0.05],
            "2 uncertainties are given for 3 recovery coefficients",
        ),
        ([0.5, 1.0, 5.0], [0.2, 0.4, 0.8], [0.05], "1 uncertainties are given for 3 recovery coefficients"),
        (
            [0.5, 1.0, 5.0],
            [0.2, 0.4, 0.8],
            [0.05, 0.0, 0.05],
            "the relative uncertainty of recovery must be positive",
        ),
    ],
)
def test_numbers_of_spheres_that_are_none_are_refused(volumes, coefficients, uncertainty, said):
    with pytest.raises(InputError, match=said):
        fit_recovery(volumes, coefficients, uncertainty)


@pytest.mark.parametrize("coefficients", [[0.5, 0.5, 0.5], [0.8, 0.5, 0.3]])
def test_recovery_that_does_not_grow_is_refused(coefficients):
    with pytest.raises(PhysicsError):
        fit_recovery([0.5, 1.0, 5.0], coefficients, 0.05)
