"""The weighing of a region on the CT against the same in numpy, slice by slice."""

import numpy as np
import pytest

from y90voxel.dose._tissue_loops import weigh
from y90voxel.reference.tissue import DensityCalibration

WHOLE, BORDER = np.float32(0.999), np.float32(0.75)


def region(seed=3):
    """Occupancies of a blob with a rim, cut at the edge of the array; its first slice has no inner voxel."""
    z, y, x = np.indices((7, 20, 24))
    occupancy = np.clip(4.0 - np.hypot(np.hypot(y - 9, x - 20), 3 * (z - 4)) / 2, 0, 1).astype(np.float32)
    hu = np.random.default_rng(seed).integers(-900, 200, occupancy.shape).astype(np.int16)
    return occupancy, hu


def in_numpy(occupancy, density, uniform):
    """Mass in each voxel, with the edge of a uniform region as dense as its inside."""
    density = density.copy()
    inner = occupancy > WHOLE
    for axis in (1, 2):
        for step in (-1, 1):
            beside = np.roll(occupancy, step, axis) > 0
            np.moveaxis(beside, axis, 0)[0 if step == 1 else -1] = True  # nothing is known beyond the array
            inner &= beside
    if uniform and inner.any():
        for own, values in zip(inner, density, strict=True):
            values[~own] = values[own].mean() if own.any() else density[inner].mean()
    return occupancy * density


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("by_table", [False, True])
def test_a_region_weighs_what_numpy_says(uniform, by_table):
    occupancy, hu = region()
    calibration = DensityCalibration()
    density = calibration.density(hu)
    mass = occupancy.copy()
    image, table = (hu, calibration.table()) if by_table else (density, None)
    filled, weight, within, dense = weigh(mass, image, table, WHOLE, BORDER, uniform)
    assert mass == pytest.approx(in_numpy(occupancy, density, uniform), rel=1e-6)
    assert filled == pytest.approx(occupancy.sum(dtype=float))
    assert weight == pytest.approx(mass.sum(dtype=float))
    assert within == (occupancy > WHOLE).sum() > dense == ((occupancy > WHOLE) & (density > BORDER)).sum() > 0


def test_a_region_without_inner_voxels_keeps_the_densities_of_its_own():
    occupancy, hu = region()
    thin, density = 0.9 * occupancy, DensityCalibration().density(hu)
    mass = thin.copy()
    _, _, within, _ = weigh(mass, density, None, WHOLE, BORDER, True)
    assert within == 0
    assert mass == pytest.approx(thin * density, rel=1e-6)


@pytest.mark.parametrize(("occupied", "within"), [(0.9991, 1), (0.9989, 0)])
def test_a_voxel_is_inside_from_the_named_occupancy_on(occupied, within):
    one = np.full((1, 1, 1), occupied, np.float32)
    assert weigh(one, np.ones_like(one), None, WHOLE, BORDER, False)[2] == within


def test_where_nothing_is_occupied_nothing_weighs():
    none = np.zeros((2, 3, 4), np.float32)
    assert weigh(none, np.ones_like(none), None, WHOLE, BORDER, True) == (0.0, 0.0, 0, 0)
    assert not none.any()
