import numpy as np
import pytest

from y90voxel.errors import GeometryError, GridMismatchError, InputError
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, CtImage, DensityMap, DoseMap, Mask

GRID = Grid.from_spacing((2, 3, 4), (5, 2, 1))


def test_array_is_a_read_only_view_and_the_callers_stays_writable():
    array = np.ones(GRID.shape)
    volume = CountMap(array, GRID)
    assert np.shares_memory(volume.array, array)
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 2
    array[0, 0, 0] = 3
    assert volume.total == 26


def test_shape_must_fit_the_grid():
    with pytest.raises(GeometryError, match=r"\(2, 3, 5\) does not fit"):
        CtImage(np.zeros((2, 3, 5)), GRID)


def test_total_is_summed_in_double_precision():
    grid = Grid.from_spacing((100, 100, 100), (1, 1, 1))
    assert CountMap(np.full(grid.shape, 0.1, np.float32), grid).total == pytest.approx(1e5, rel=1e-6)


def test_values_that_are_not_finite_are_refused_where_data_enter():
    array = np.ones(GRID.shape)
    array[0, 0, :2] = np.nan, np.inf
    with pytest.raises(InputError, match="2 of 24 voxels"):
        CountMap(array, GRID).check_finite()


def test_another_grid_is_refused_with_both_named():
    with pytest.raises(GridMismatchError, match=r"liver lies on 2 × 3 × 4 .* resample\(liver, grid\)"):
        Mask(np.zeros(GRID.shape), GRID).check_on(Grid.from_spacing((2, 3, 4), (5, 2, 2)), "liver")


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_density_that_is_not_positive_is_refused(value):
    array = np.ones(GRID.shape)
    array[1, 1, 1] = value
    with pytest.raises(InputError, match="positive and finite"):
        DensityMap(array, GRID)


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan])
def test_an_occupancy_outside_zero_to_one_is_refused(value):
    array = np.zeros(GRID.shape)
    array[1, 1, 1] = value
    with pytest.raises(InputError, match="0 to 1"):
        Mask(array, GRID)


def test_mask_volume_counts_fractions():
    array = np.zeros(GRID.shape)
    array[0, 0, :2] = 1.0, 0.25
    assert Mask(array, GRID).volume_ml == pytest.approx(1.25 * 0.010)


def test_types_carry_quantity_unit_and_rule():
    assert (ActivityMap.unit, ActivityMap.extensive) == ("Bq", True)
    assert (DoseMap.unit, DoseMap.extensive) == ("Gy", False)
    kept = DoseMap(np.ones(GRID.shape), GRID, relative_uncertainty=np.ones(GRID.shape)).with_array(
        np.zeros(GRID.shape)
    )
    assert kept.relative_uncertainty is not None


def test_the_greatest_value_is_found_where_it_counts():
    grid = Grid.from_spacing((2, 3, 4), (1.0, 1.0, 1.0))
    array = np.arange(24.0).reshape(grid.shape) - 100.0
    dose = DoseMap(array, grid)
    inside = np.zeros(grid.shape, bool)
    inside[0, 1, 2] = inside[0, 2, 0] = True
    assert dose.greatest_at() == (1, 2, 3)
    assert dose.greatest_at(inside) == (0, 2, 0)


def test_the_centre_is_that_of_mass_and_the_middle_of_nothing():
    grid = Grid.from_spacing((3, 5, 7), (1.0, 1.0, 1.0))
    array = np.zeros(grid.shape)
    assert Mask(array, grid).centre_at() == (1, 2, 3)
    array[2, 0, 1] = array[2, 4, 5] = 1.0
    assert Mask(array, grid).centre_at() == (2, 2, 3)
    array[0, 4, 6] = 1.0
    assert Mask(array, grid).centre_at() == (1, 3, 4)


def test_the_core_of_a_mask_is_half_filled_or_all_there_is():
    grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    assert Mask(np.array([[[0.0, 0.3, 0.5, 1.0]]]), grid).core.tolist() == [[[False, False, True, True]]]
    assert Mask(np.array([[[0.0, 0.3, 0.2, 0.0]]]), grid).core.tolist() == [[[False, True, True, False]]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_dose_that_is_no_number_is_refused(bad):
    """V(1 Gy) was 1 and D98 NaN, without a word."""
    dose = np.ones((2, 3, 4), np.float32)
    dose[1, 2, 3] = bad
    grid = Grid.from_spacing(dose.shape, (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="1 of 24 voxels are NaN or infinite"):
        DoseMap(dose, grid)
    with pytest.raises(InputError, match="positive and finite"):
        DensityMap(dose, grid)
    holding, beside = (slice(1, 2), slice(2, 3), slice(0, 4)), (slice(0, 1), slice(0, 3), slice(0, 4))
    with pytest.raises(InputError, match="1 of 24 voxels are NaN or infinite"):
        DoseMap(dose, grid, zero_outside=holding)
    zeros = DoseMap(np.zeros_like(dose), grid, zero_outside=(slice(0, 0),) * 3)
    assert zeros.with_array(np.where(np.isfinite(dose), dose, 0.0)).total == 23.0
    with pytest.raises(InputError, match="1 of 24"):  # what was known of one array is not of another
        DoseMap(np.zeros_like(dose), grid, zero_outside=beside).with_array(dose)
