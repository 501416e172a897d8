"""A wall behind gas: electrons cross the gas as the air that it is, and not as the floor that dose is divided by."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo
from y90voxel.quantification.emission import EmissionImage
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage, Mask

# 20 mm of liver, 40 mm of gas, then wall; 216 mm wide, of which 60 mm of the wall's first 4 mm are judged.
GRID = Grid.from_spacing((50, 36, 36), (2.0, 6.0, 6.0), (-105.0, -105.0, 0.0))
GAS = slice(10, 30)
AIR_HU, TISSUE_HU = -1000.0, 40.0


def slab(start, stop, across=slice(None)):
    array = np.zeros(GRID.shape, np.float32)
    array[start:stop, across, across] = 1.0
    return Mask(array, GRID)


def wall_gy(engine, hu=AIR_HU):
    """Mean dose of the wall by way of `verify`."""
    drawn = (
        Region("Liver", Role.LIVER, slab(0, 10)),
        Region("wall", Role.STOMACH, slab(30, 32, slice(13, 23))),
    )
    image = np.full(GRID.shape, TISSUE_HU)
    image[GAS] = hu
    case = liver_case(shunt=0.0, lungs=False)
    regions = Regions(GRID, drawn)
    emission = EmissionImage(CountMap(100.0 * slab(0, 10).array, GRID), "NM", "Tc-99m", predicted=True)
    injection = replace(case.injections[0], emission=emission, regions=regions)
    case = replace(case, regions=regions, injections=(injection,), ct=CtImage(image, GRID))
    return verify(case, engine).region("wall").mean_gy


# Monte Carlo of this package, 3 million decays; `test_the_wall_behind_gas_gets_what_monte_carlo_gives_it` computes it again [Gy].
MONTE_CARLO_GY = 13.9
# About the floor's 0.05 g/mL: what gas was taken for before.
FLOOR_HU = -950.0


def test_gas_is_crossed_as_gas_and_not_as_the_floor_of_densities():
    """With the floor in their path, electrons of the liver left the wall 3.5 Gy for 13.5."""
    gas = wall_gy(DensitySuperposition("Y-90"))
    assert gas == pytest.approx(MONTE_CARLO_GY, rel=0.05)
    assert wall_gy(DensitySuperposition("Y-90"), hu=FLOOR_HU) < 0.3 * gas


@pytest.mark.slow
def test_the_wall_behind_gas_gets_what_monte_carlo_gives_it():
    exact = wall_gy(MonteCarlo("Y-90", histories=3_000_000))
    assert exact == pytest.approx(MONTE_CARLO_GY, rel=0.02)
    assert wall_gy(DensitySuperposition("Y-90")) == pytest.approx(exact, rel=0.05)
