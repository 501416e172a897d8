import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import GridMismatchError, InputError, RegionError
from y90voxel.planning import (
    correct_shunt_for_attenuation,
    ct_lung_mass_kg,
    dual_window_scatter_correction,
    lung_shunt_fraction_from_counts,
    scale_to_whole_lungs,
    triple_window_scatter_correction,
)
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask

GRID = Grid.from_spacing((2, 3, 4), (10, 5, 5))


@given(st.floats(0, 1), st.floats(0.5, 3))
def test_the_attenuated_shunt_is_turned_back(shunt, ratio):
    """Lungs seen ratio times as readily: m = ε L / (ε L + 1 - L)."""
    measured = ratio * shunt / (ratio * shunt + (1 - shunt))
    assert correct_shunt_for_attenuation(measured, ratio) == pytest.approx(shunt, rel=1e-9, abs=1e-12)


def test_treated_tissue_outside_the_liver_counts():
    assert lung_shunt_fraction_from_counts(10, 80, 10) == pytest.approx(0.1)


def test_scatter_is_the_trapezium_under_the_peak():
    """Windows of 28, 6 and 6 keV; 60 and 30 counts beside the peak: 28 (10 + 5) / 2 = 210 of 1000 are scatter."""
    assert triple_window_scatter_correction(1000, 60, 30, 28, 6, 6) == pytest.approx(790.0)
    assert dual_window_scatter_correction(1000, 60, 28, 6) == pytest.approx(1000 - 140.0)
    assert dual_window_scatter_correction(100, 60, 28, 6) == 0.0


def test_lung_mass_is_density_times_volume():
    """12 voxels of 0.25 mL at -700 HU and 12 at -900, one of them half lung, one below air."""
    hu = np.full(GRID.shape, -700.0)
    hu[1] = -900.0
    lungs = np.ones(GRID.shape)
    lungs[0, 0, 0] = 0.5
    hu[1, 2, 3] = -1024.0
    mass = ct_lung_mass_kg(CtImage(hu, GRID), Mask(lungs, GRID))
    # by the curve of all dose calculations: straight from air, 0.00121 at -1000 HU, to fat, 0.93 at -98
    light, dense = (0.00121 + (h + 1000) / 902 * (0.93 - 0.00121) for h in (-900, -700))
    assert mass == pytest.approx((11.5 * dense + 11 * light + 0.00121) * 0.25 / 1000, rel=1e-6)


def test_there_is_one_curve_from_ct_numbers_to_density():
    """At -741 HU the lung mass had 0.259 g/mL, the density map 0.268."""
    ct, lungs = CtImage(np.full(GRID.shape, -741.0), GRID), Mask(np.ones(GRID.shape), GRID)
    of_map = float(DensityCalibration().density(np.array([-741.0]))[0])
    assert of_map == pytest.approx(0.268, abs=5e-4)
    assert 1000 * ct_lung_mass_kg(ct, lungs) / lungs.volume_ml == pytest.approx(of_map, rel=1e-6)


def test_lungs_must_be_there_and_on_the_grid():
    ct = CtImage(np.zeros(GRID.shape), GRID)
    with pytest.raises(RegionError, match="empty"):
        ct_lung_mass_kg(ct, Mask(np.zeros(GRID.shape), GRID))
    other = Grid.from_spacing((2, 3, 4), (10, 5, 6))
    with pytest.raises(GridMismatchError):
        ct_lung_mass_kg(ct, Mask(np.ones(GRID.shape), other))


def test_bad_counts_are_refused():
    with pytest.raises(InputError, match="hold no counts"):
        lung_shunt_fraction_from_counts(0, 0)
    with pytest.raises(InputError, match="counts must not be negative"):
        lung_shunt_fraction_from_counts(-1, 10)
    for values in ((1.2, 1.5), (0.1, 0.0)):
        with pytest.raises(InputError):
            correct_shunt_for_attenuation(*values)
    with pytest.raises(RegionError, match="larger than the whole lungs"):
        scale_to_whole_lungs(1e5, 1.0, 0.9)
    for values in ((-1, 0.7, 0.9), (1, 0.0, 0.9), (1, 0.7, 0.0)):
        with pytest.raises(InputError):
            scale_to_whole_lungs(*values)
    for values in ((-1, 1, 1, 28, 6, 6), (1, 1, 1, 28, 0, 6)):
        with pytest.raises(InputError):
            triple_window_scatter_correction(*values)


def test_counts_of_a_part_are_scaled_by_the_mass_of_the_whole():
    """4e5 counts in 0.7 of 0.95 kg: 4e5 / 0.7 * 0.95 = 542 857; whole lungs keep theirs."""
    assert scale_to_whole_lungs(4e5, 0.70, 0.95) == pytest.approx(542_857.142857)
    assert scale_to_whole_lungs(4e5, 0.95, 0.95) == pytest.approx(4e5)
    assert scale_to_whole_lungs(0.0, 0.2, 0.4) == 0.0


def test_counts_of_lungs_alone_are_all_in_the_lungs():
    assert lung_shunt_fraction_from_counts(1, 0) == 1.0
    assert lung_shunt_fraction_from_counts(0, 1) == 0.0
    assert lung_shunt_fraction_from_counts(0.5, 0, 0.5) == 0.5
