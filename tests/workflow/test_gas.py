"""Gas beside a hot liver, and the wall behind it: electrons cross gas as the air that it is, not as the floor of densities."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo
from y90voxel.quantification.emission import EmissionImage
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study.engine_choice import build_engine
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


BOWEL_GRID = Grid.from_spacing((40, 40, 60), (3.0, 3.0, 3.0), (-60.0, -60.0, -60.0))
# As above: a ball of gas that the liver's surface cuts, mean by volume and by mass [Gy].
BOWEL_GY, BOWEL_BY_MASS_GY = 7.36, 23.7


def bowel(name, histories=None):
    """Metrics of gas that lies on a liver without a wall between them, by an engine."""
    liver, ball = (
        ellipsoid(BOWEL_GRID, *place) for place in (((-20, 0, 0), (38, 50, 50)), ((32, 0, 0), (20,) * 3))
    )
    gas = Mask(np.clip(ball.array - liver.array, 0.0, 1.0), BOWEL_GRID)
    regions = Regions(BOWEL_GRID, (Region("Liver", Role.LIVER, liver), Region("Bowel", Role.BOWEL, gas)))
    case = liver_case(shunt=0.0, lungs=False)
    emission = EmissionImage(CountMap(100.0 * liver.array, BOWEL_GRID), "NM", "Tc-99m", predicted=True)
    injection = replace(case.injections[0], emission=emission, regions=regions)
    hu = TISSUE_HU + (AIR_HU - TISSUE_HU) * gas.array
    case = replace(case, regions=regions, injections=(injection,), ct=CtImage(hu, BOWEL_GRID))
    engine = build_engine(name, case) if histories is None else MonteCarlo("Y-90", histories=histories)
    return verify(case, engine).region("Bowel")


def test_gas_filled_bowel_on_a_hot_liver_gets_what_monte_carlo_gives_it_and_not_four_times_as_much():
    found = bowel("auto")
    assert found.mean_gy == pytest.approx(BOWEL_GY, rel=0.05)
    assert found.mass_weighted_mean_gy == pytest.approx(BOWEL_BY_MASS_GY, rel=0.03)
    assert bowel("convolution").mean_gy > 4.0 * BOWEL_GY


@pytest.mark.slow
def test_the_doses_of_bowel_are_those_of_monte_carlo():
    found = bowel("monte-carlo", 3_000_000)
    assert found.mean_gy == pytest.approx(BOWEL_GY, rel=0.03)
    assert found.mass_weighted_mean_gy == pytest.approx(BOWEL_BY_MASS_GY, rel=0.02)
