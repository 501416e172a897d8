import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from y90voxel.errors import InputError
from y90voxel.metrics.uncertainty_budget import (
    Surroundings,
    activity_uncertainty,
    diameter_uncertainty_mm,
    dose_interval_gy,
    dose_uncertainty,
    edge_intensity,
    volume_uncertainty,
)
from y90voxel.quantification.recovery_curve import blurred_sphere_recovery

EXAMPLE = {
    "recovery_b1_ml": 1.5,
    "recovery_b2": 1.0,
    "activity": 0.05,
    "recovery_fit": 0.05,
    "statistics": 0.03,
}


def test_edge_intensity_is_twice_the_blurred_intensity_at_the_edge():
    """A 20 mm sphere on 0.5 mm voxels, blurred with 7 mm FWHM: read off at radius 10 mm along the axes."""
    axis = np.arange(-40, 41) * 0.5
    r = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    sphere = np.clip((10.0 - r) / 0.5 + 0.5, 0, 1)  # boundary voxels by their occupancy, to first order
    blurred = gaussian_filter(sphere, 7 / 2.3548 / 0.5, truncate=6)
    at_edge = np.mean([blurred[40, 40, 60], blurred[40, 60, 40], blurred[60, 40, 40]])
    assert edge_intensity(20.0, 7.0) == pytest.approx(2 * at_edge, rel=5e-3)


def test_a_sharp_image_has_half_the_intensity_at_the_edge():
    assert edge_intensity(100.0, 0.1) == pytest.approx(1.0, abs=1e-3)


def test_large_regions_have_small_volume_uncertainty():
    assert volume_uncertainty(150, 4, 7) == pytest.approx(0.3382 * 40 / 150, rel=1e-3)
    assert diameter_uncertainty_mm(4.0, 0.0) == pytest.approx(4 / math.sqrt(6))


def test_the_parts_add_in_quadrature():
    budget = dose_uncertainty(40, 4, 7, **EXAMPLE, decay=0.01)
    squares = 0.05**2 + 0.05**2 + 0.03**2 + 0.01**2 + (budget.volume_factor * budget.volume) ** 2
    assert budget.relative == pytest.approx(math.sqrt(squares))
    assert (budget.activity, budget.recovery_fit, budget.statistics, budget.decay) == (0.05, 0.05, 0.03, 0.01)


def test_without_mass_dependence_the_volume_acts_through_counts_and_recovery_only():
    with_mass, without = (dose_uncertainty(40, 4, 7, **EXAMPLE, mass_exponent=c) for c in (1.0, 0.0))
    assert without.volume_factor == pytest.approx(with_mass.volume_factor + 1.0)


def test_without_a_recovery_curve_recovery_is_one_and_certain():
    found = dose_uncertainty(40, 4, 7, activity=0.05, statistics=0.03)
    assert found.volume_factor == pytest.approx(edge_intensity(40, 7) / 2 - 1)
    assert found.recovery_fit == 0.0
    wide = dose_uncertainty(40, 4, 7, activity=0.05, statistics=0.03, recovery_b1_ml=1e-9, recovery_b2=1.0)
    assert found.relative == pytest.approx(wide.relative, rel=1e-6)


def test_a_contour_of_another_image_has_its_own_resolution():
    found = dose_uncertainty(40, 2, 3, emission_fwhm_mm=10.0, activity=0.05, statistics=0.03)
    assert found.volume == pytest.approx(volume_uncertainty(40, 2, 3))
    assert found.volume_factor == pytest.approx(edge_intensity(40, 10.0) / 2 - 1)


def test_scaling_joins_the_activity():
    assert activity_uncertainty(0.03, 0.0, 0.0, 0.30, 0.04) == pytest.approx(0.05)


def test_dose_interval_is_asymmetric_and_becomes_the_normal_one():
    low, high = dose_interval_gy(100.0, 0.5)
    sigma = math.sqrt(math.log(1.25))
    assert (low, high) == (
        pytest.approx(100 * math.exp(-2 * sigma)),
        pytest.approx(100 * math.exp(2 * sigma)),
    )
    assert high - 100 > 100 - low
    assert dose_interval_gy(100.0, 0.001) == (pytest.approx(99.8, abs=1e-3), pytest.approx(100.2, abs=1e-3))
    assert dose_interval_gy(100.0, 0.0, k=1.0) == (100.0, 100.0)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: diameter_uncertainty_mm(0.0, 7),
        lambda: diameter_uncertainty_mm(4, -1.0),
        lambda: volume_uncertainty(0.0, 4, 7),
        lambda: edge_intensity(0.0, 7),
        lambda: edge_intensity(40, 0.0),
        lambda: activity_uncertainty(-0.1, 0.0, 0.1, 0.1),
        lambda: activity_uncertainty(0.1, 0.0, 1.0, 0.1),
        lambda: dose_uncertainty(40, 4, 7, **{**EXAMPLE, "activity": -0.1}),
        lambda: dose_uncertainty(40, 4, 7, **{**EXAMPLE, "recovery_b1_ml": 0.0}),
        lambda: dose_uncertainty(40, 4, 7, activity=0.1, statistics=0.1, recovery_b1_ml=1.5),
        lambda: dose_interval_gy(-1.0, 0.1),
        lambda: dose_interval_gy(1.0, -0.1),
        lambda: dose_interval_gy(1.0, 0.1, k=0.0),
    ],
)
def test_bad_inputs_are_refused(compute):
    with pytest.raises(InputError):
        compute()


def test_a_warm_background_takes_its_share_off_volume_and_recovery():
    """T = B + (m − B)/R, edge B + (T − B) φ/2: by hand, the slope of a tumour drawn 1 % too large."""
    cold = dose_uncertainty(
        40, 4, 7, recovery_b1_ml=1.5, recovery_b2=1.0, activity=0.0, recovery_fit=0.05, statistics=0.0
    )
    warm = dose_uncertainty(
        40,
        4,
        7,
        recovery_b1_ml=1.5,
        recovery_b2=1.0,
        activity=0.0,
        recovery_fit=0.05,
        statistics=0.0,
        surroundings=Surroundings(0.25),
    )
    assert warm.volume_factor == pytest.approx(0.75 * cold.volume_factor)
    assert warm.recovery_fit == pytest.approx(0.75 * 0.05)
    volume, step, true, around = math.pi * 40**3 / 6000, 1e-4, 4.0, 1.0
    recovery = volume / (volume + 1.5)
    edge = around + (true - around) * edge_intensity(40, 7) / 2
    counts = (around + (true - around) * recovery) * volume + edge * step * volume
    larger = volume * (1 + step)
    found = around + (counts / larger - around) / (larger / (larger + 1.5))
    assert (found / true - 1) / step == pytest.approx(warm.volume_factor, rel=1e-3)


def test_counts_that_stand_for_the_activity_leave_the_mass_alone():
    found = dose_uncertainty(
        100, 2, 3, activity=0.05, statistics=0.01, surroundings=Surroundings(is_calibrated_over=True)
    )
    assert found.volume_factor == -1.0
    assert found.relative == pytest.approx(math.hypot(math.hypot(0.05, 0.01), found.volume))


@pytest.mark.parametrize(("background", "allowed"), [(0.0, True), (1.0, True), (1.01, False), (-0.01, False)])
def test_a_background_is_a_share(background, allowed):
    if allowed:
        assert (
            dose_uncertainty(
                40, 4, 7, activity=0.1, statistics=0.0, surroundings=Surroundings(background)
            ).relative
            >= 0.1
        )
    else:
        with pytest.raises(InputError, match="the background over the region"):
            dose_uncertainty(40, 4, 7, activity=0.1, statistics=0.0, surroundings=Surroundings(background))


@pytest.mark.parametrize(
    ("fwhm", "row"),
    [
        (4, (0.6090, 0.6944, 0.7640, 0.8167, 0.8555, 0.8904)),
        (7, (0.3721, 0.4908, 0.5985, 0.6844, 0.7497, 0.8093)),
        (10, (0.2153, 0.3285, 0.4518, 0.5609, 0.6481, 0.7301)),
        (15, (0.0914, 0.1633, 0.2671, 0.3842, 0.4930, 0.6042)),
    ],
)
def test_recovery_of_a_blurred_sphere(fwhm, row):
    """Computed apart from this package, spheres of 10, 13, 17, 22, 28 and 37 mm."""
    found = [blurred_sphere_recovery(d, fwhm) for d in (10, 13, 17, 22, 28, 37)]
    assert found == pytest.approx(row, abs=1e-4)
    assert blurred_sphere_recovery(1000, 0.1) == pytest.approx(1.0, abs=1e-3)


def test_a_blurred_mean_loses_at_the_edge_what_its_own_recovery_leaves():
    plain = dose_uncertainty(28, 2, 5, activity=0.05, statistics=0.0, emission_fwhm_mm=10)
    blurred = dose_uncertainty(
        28,
        2,
        5,
        activity=0.05,
        statistics=0.0,
        emission_fwhm_mm=10,
        surroundings=Surroundings(is_blurred=True),
    )
    assert plain.volume_factor == pytest.approx(edge_intensity(28, 10) / 2 - 1)
    assert blurred.volume_factor == pytest.approx(edge_intensity(28, 10) / (2 * 0.6481) - 1, abs=1e-3)
