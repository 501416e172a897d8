import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import GridMismatchError, InputError, RegionError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask


def histogram(doses, occupancy=None, density=None):
    doses = np.asarray(doses, float).reshape(1, 1, -1)
    grid = Grid.from_spacing(doses.shape, (10, 10, 10))
    occupancy = (
        np.ones(doses.shape) if occupancy is None else np.asarray(occupancy, float).reshape(doses.shape)
    )
    rho = None if density is None else DensityMap(np.asarray(density, float).reshape(doses.shape), grid)
    return DoseVolumeHistogram.from_dose(DoseMap(doses, grid), Mask(occupancy, grid), rho)


def naive_dose_at_volume(doses, volumes, percent):
    """The greatest voxel dose that at least x % of the volume receives, by trying every voxel's dose."""
    needed = percent / 100 * sum(volumes) - 1e-9
    return max(d for d in doses if sum(v for e, v in zip(doses, volumes, strict=True) if e >= d) >= needed)


def test_published_vector_of_a_linear_ramp():
    """Worked vector V12: doses 0, 0.3 ... 300 Gy (1001 equal volumes)."""
    ramp = histogram(np.linspace(0, 300, 1001))
    assert ramp.mean_gy == pytest.approx(150.0, rel=1e-9)
    assert ramp.dose_at_volume(70) == pytest.approx(90.0, rel=1e-3)
    assert ramp.dose_at_volume(90) == pytest.approx(30.0, rel=1e-3)
    assert ramp.volume_at_dose(100) == pytest.approx(0.6663, abs=5e-5)
    assert ramp.volume_at_dose(200) == pytest.approx(0.3337, abs=5e-5)


@given(
    st.lists(st.tuples(st.floats(0, 500), st.floats(0.01, 1)), min_size=1, max_size=40),
    st.floats(0.1, 100),
)
def test_dose_at_volume_equals_the_definition(voxels, percent):
    doses, occupancy = zip(*voxels, strict=True)
    found = histogram(doses, occupancy).dose_at_volume(percent)
    assert found == naive_dose_at_volume(doses, occupancy, percent)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=40), st.floats(1, 100))
def test_dose_at_volume_inverts_volume_at_dose(doses, percent):
    found = histogram(doses)
    assert found.volume_at_dose(found.dose_at_volume(percent)) * 100 >= percent - 1e-6
    curve = found.cumulative(np.linspace(0, 500, 101))
    assert (np.diff(curve) <= 0).all()
    assert curve[0] == pytest.approx(1.0)


def test_means_by_volume_and_by_mass():
    found = histogram([10, 30], occupancy=[1, 0.5], density=[1.0, 0.25])
    assert found.mean_gy == pytest.approx((10 + 15) / 1.5)
    assert found.mass_weighted_mean_gy == pytest.approx((10 * 1 + 30 * 0.125) / 1.125)
    assert (found.volume_ml, found.mass_g) == (pytest.approx(1.5), pytest.approx(1.125))
    assert histogram([1]).mass_weighted_mean_gy is None
    assert histogram([1]).mass_g is None


def test_standard_deviation_is_volume_weighted():
    assert histogram([10, 20, 20]).sd_gy == pytest.approx(np.std([10, 20, 20]))


def test_extremes_leave_out_voxels_less_than_half_occupied():
    found = histogram([100, 50, 20, 1], occupancy=[0.4, 0.5, 1, 0.49])
    assert (found.max_gy, found.min_gy) == (50, 20)
    small = histogram([100, 1], occupancy=[0.4, 0.3])
    assert (small.max_gy, small.min_gy) == (100, 1)


def test_d100_is_the_minimum_and_ties_are_kept():
    assert histogram([5, 5, 9]).dose_at_volume(100) == 5
    assert histogram([5, 5, 9]).volume_at_dose(5) == 1


@pytest.mark.parametrize("percent", [0.0, -1, 100.1, float("nan")])
def test_percent_must_be_a_volume(percent):
    with pytest.raises(InputError, match="D_x needs"):
        histogram([1, 2]).dose_at_volume(percent)


def test_an_empty_region_is_refused():
    with pytest.raises(RegionError, match="empty"):
        histogram([1, 2], occupancy=[0, 0])


def test_grids_must_agree():
    grid, other = Grid.from_spacing((1, 1, 1), (1, 1, 1)), Grid.from_spacing((1, 1, 1), (1, 1, 2))
    dose, one = DoseMap(np.ones((1, 1, 1)), grid), np.ones((1, 1, 1))
    with pytest.raises(GridMismatchError, match="mask"):
        DoseVolumeHistogram.from_dose(dose, Mask(one, other))
    with pytest.raises(GridMismatchError, match="density"):
        DoseVolumeHistogram.from_dose(dose, Mask(one, grid), DensityMap(one, other))
