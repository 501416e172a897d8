"""Doses carried by known deformations: exact where they must be, energy kept where that is asked for."""

import numpy as np
import pytest

from y90voxel.errors import GridMismatchError, InputError
from y90voxel.volumes.carried import energy_over_mass, pulled_back
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Deformation
from y90voxel.volumes.volume import DensityMap, DoseMap

GRID = Grid.from_spacing((40, 36, 34), (3.0, 3.0, 3.0), (-50.0, -52.0, -58.0))
AFFINE = AffineTransform(
    [[1.06, 0.04, 0.0, 2.0], [-0.03, 0.94, 0.05, -3.0], [0.0, -0.04, 1.02, 1.5], [0, 0, 0, 1]]
)


def linear_dose(grid):
    """A dose that linear interpolation knows exactly."""
    centres = grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))
    return DoseMap(100.0 + centres @ np.array([0.3, -0.2, 0.5]), grid)


def sinusoidal(grid, amplitude_mm=4.0, wavelength_mm=90.0):
    """u = a sin(k x) along each axis."""
    centres = grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))
    offsets = amplitude_mm * np.sin(2 * np.pi / wavelength_mm * centres)
    unmoved = AffineTransform(np.eye(4))
    return Deformation(unmoved, unmoved, grid, offsets)


@pytest.mark.parametrize("pull", [AFFINE, sinusoidal(GRID)], ids=["affine", "sinusoidal"])
def test_the_material_point_keeps_its_dose(pull):
    dose = linear_dose(GRID)
    moved, reached = pulled_back(dose, GRID, pull)
    centres = GRID.index_to_lps(np.stack(np.indices(GRID.shape), axis=-1))
    wanted = 100.0 + pull.points(centres) @ np.array([0.3, -0.2, 0.5])
    assert reached.mean() > 0.6
    assert np.abs(moved.array - wanted)[reached].max() < 1e-3  # single precision of the sampling
    assert not moved.array[~reached].any()


def blob(grid, middle=(1.0, -2.0, 0.0), half_axes=(24.0, 20.0, 18.0)):
    centres = grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))
    inside = (((centres - middle) / half_axes) ** 2).sum(axis=-1)
    return 80.0 * np.exp(-(inside**2))


@pytest.mark.parametrize("push", [AFFINE, sinusoidal(GRID)], ids=["affine", "sinusoidal"])
@pytest.mark.parametrize("spacing_mm", [3.0, 4.4])
def test_energy_over_mass_keeps_energy_and_mass(push, spacing_mm):
    dose = DoseMap(blob(GRID), GRID)
    density = DensityMap(np.where(blob(GRID) > 10, 1.05, 0.3), GRID)
    target = Grid.from_spacing((36, 36, 36), (spacing_mm,) * 3, (-80.0 if spacing_mm > 4 else -58.0,) * 3)
    moved, mass = energy_over_mass(dose, target, push, density)
    energy = float((dose.array * density.array).sum()) * GRID.voxel_volume_ml
    assert float((moved.array * mass).sum()) == pytest.approx(energy, rel=1e-3)
    assert moved.array.max() <= dose.array.max() * (1 + 1e-12)


def test_a_uniform_dose_stays_uniform_under_both_rules():
    dose = DoseMap(np.full(GRID.shape, 42.0), GRID)
    moved, mass = energy_over_mass(dose, GRID, sinusoidal(GRID))
    assert moved.array[mass > 0] == pytest.approx(42.0, rel=1e-12)
    moved, reached = pulled_back(dose, GRID, sinusoidal(GRID))
    assert moved.array[reached] == pytest.approx(42.0, rel=1e-6)


def test_what_cannot_be_carried():
    dose = DoseMap(np.ones(GRID.shape), GRID)
    away = AffineTransform([[1, 0, 0, 5000], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="nothing of the dose"):
        energy_over_mass(dose, GRID, away)
    other = Grid.from_spacing((4, 4, 4), (3, 3, 3))
    with pytest.raises(GridMismatchError):
        energy_over_mass(dose, GRID, away, DensityMap(np.ones(other.shape), other))
