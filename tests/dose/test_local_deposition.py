"""Local deposition: energy over mass, voxel by voxel."""

import numpy as np
import pytest

from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import GridMismatchError, InputError
from y90voxel.reference.nuclide import nuclide
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

GRID = Grid.from_spacing((3, 4, 5), (4.0, 2.5, 2.0))  # 0.02 mL


def tia(array):
    return TimeIntegratedActivityMap(array, GRID)


def test_one_gigabecquerel_in_one_kilogram_gives_the_dose_constant():
    record = nuclide("Y-90")
    array = np.full(GRID.shape, 1e9 / record.decay_constant_per_s / GRID.size)
    # 60 voxels of 0.02 mL weigh 1 kg at this density.
    density = DensityMap(np.full(GRID.shape, 1000.0 / (GRID.size * 0.02)), GRID)
    dose = LocalDeposition("Y-90").dose(tia(array), density)
    # 49.77 Gy kg/GBq: ICRP Publication 107 (2008), 0.9331 MeV per decay and 64.1 h.
    np.testing.assert_allclose(dose.array, 49.77, rtol=2e-4)


def test_given_dose_constant_replaces_the_record():
    array = np.random.default_rng(0).random(GRID.shape)
    ours = LocalDeposition("Y-90", dose_constant_gy_kg_per_gbq=49.67).dose(tia(array))
    default = LocalDeposition(nuclide("Y-90")).dose(tia(array))
    ratio = 49.67 / nuclide("Y-90").dose_constant_gy_kg_per_gbq
    np.testing.assert_allclose(ours.array, ratio * default.array, rtol=1e-6)


def test_without_density_the_voxel_is_water_and_density_divides():
    rng = np.random.default_rng(2)
    array, density = rng.random(GRID.shape), rng.uniform(0.2, 2.0, GRID.shape)
    water = LocalDeposition("Ho-166").dose(tia(array))
    scaled = LocalDeposition("Ho-166").dose(tia(array), DensityMap(density, GRID))
    np.testing.assert_allclose(scaled.array, water.array / density, rtol=1e-6)
    # Ho-166: 0.66499 + 0.02840 + 0.00295 MeV of beta, conversion and Auger electrons (ICRP 107).
    joules = (0.66499288 + 0.02839564 + 0.00294977) * 1.602176634e-13
    np.testing.assert_allclose(water.array, array * joules / 0.02e-3, rtol=1e-6)


def test_density_on_another_grid_is_refused():
    other = Grid.from_spacing(GRID.shape, (4.0, 2.5, 2.1))
    with pytest.raises(GridMismatchError, match="density lies on"):
        LocalDeposition("Y-90").dose(tia(np.ones(GRID.shape)), DensityMap(np.ones(GRID.shape), other))


def test_activity_that_is_not_finite_is_refused():
    array = np.ones(GRID.shape)
    array[1, 2, 3] = np.nan
    with pytest.raises(InputError, match="1 of 60 voxels are NaN or infinite"):
        LocalDeposition("Y-90").dose(tia(array))


def test_unknown_nuclide_and_bad_dose_constant_are_refused():
    with pytest.raises(InputError, match="unknown nuclide"):
        LocalDeposition("Xx-12")
    with pytest.raises(InputError, match=r"dose constant must be positive, got -1"):
        LocalDeposition("Y-90", dose_constant_gy_kg_per_gbq=-1.0)
