"""Range ratios against the media they stand for."""

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.reference.radial_kernel import radial_kernel
from y90voxel.reference.stopping import range_ratio


def test_a_density_of_one_is_water():
    assert range_ratio(1.0) == 1.0


@pytest.mark.parametrize(
    ("medium", "density", "tolerance"),
    # Lung's radii are 0.4 to 0.7 % below the CSDA ratio: its density effect is smaller than water's.
    [("liver", 1.05, 0.002), ("liver", 1.06, 0.002), ("lung", 0.26, 0.009), ("bone", 1.92, 0.001)],
)
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_ratio_is_that_of_the_radial_kernels(medium, density, tolerance, fraction):
    water, other = radial_kernel("Y-90"), radial_kernel("Y-90", medium)
    ratio = other.radius_mm(fraction) * other.density_g_per_ml / water.radius_mm(fraction)
    assert float(range_ratio(density)) == pytest.approx(ratio, rel=tolerance)


@pytest.mark.parametrize(
    ("density", "csda_ratio"),
    # Mean CSDA range over the Y-90 spectrum against water, ICRU 37 stopping powers.
    [(0.26, 1.0016), (0.95, 0.9871), (1.05, 1.0099), (1.06, 1.0103)],
)
def test_ratio_of_soft_tissues_is_that_of_csda_ranges(density, csda_ratio):
    assert float(range_ratio(density)) == pytest.approx(csda_ratio, abs=1e-3)


def test_ratio_is_continuous_and_keeps_the_shape():
    density = np.linspace(0.01, 3.0, 2000).reshape(40, 50)
    ratio = range_ratio(density)
    assert ratio.shape == (40, 50)
    assert np.abs(np.diff(ratio.reshape(-1))).max() < 1e-3


@pytest.mark.parametrize("density", [0.0, -1.0, np.nan, np.inf])
def test_impossible_density_is_refused(density):
    with pytest.raises(InputError, match="positive"):
        range_ratio([1.0, density])
