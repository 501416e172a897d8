"""Doses of treatments carried by known deformations: material points exactly, energy over mass with its energy."""

import numpy as np
import pytest

from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Deformation
from y90voxel.volumes.warp import energy_over_mass, pulled_back

GRID = Grid.from_spacing((40, 36, 34), (3.0, 3.0, 3.0), (-50.0, -52.0, -58.0))
AFFINE = AffineTransform(
    [[1.06, 0.04, 0.0, 2.0], [-0.03, 0.94, 0.05, -3.0], [0.0, -0.04, 1.02, 1.5], [0, 0, 0, 1]]
)


def centres(grid):
    return grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))


def sinusoidal(grid, amplitude_mm=4.0, wavelength_mm=90.0):
    """u = a sin(k x) along each axis."""
    offsets = amplitude_mm * np.sin(2 * np.pi / wavelength_mm * centres(grid))
    unmoved = AffineTransform(np.eye(4))
    return Deformation(unmoved, unmoved, grid, offsets)


@pytest.mark.parametrize("pull", [AFFINE, sinusoidal(GRID)], ids=["affine", "sinusoidal"])
def test_the_material_point_keeps_its_dose(pull):
    """A dose that rises evenly is known between its voxels too, so that carrying it is exact but at the image's edge."""
    slope = np.array([0.3, -0.2, 0.5])
    moved, known = pulled_back(100.0 + centres(GRID) @ slope, GRID, GRID, pull)
    wanted = 100.0 + pull.points(centres(GRID)) @ slope
    inner = np.zeros(GRID.shape, bool)
    inner[6:-6, 6:-6, 6:-6] = True
    assert (known[inner] > 0.999).all()
    assert np.abs(moved - wanted)[inner].max() < 0.02  # of 100 Gy


def blob(grid, middle=(1.0, -2.0, 0.0), half_axes=(24.0, 20.0, 18.0)):
    inside = (((centres(grid) - middle) / half_axes) ** 2).sum(axis=-1)
    return 80.0 * np.exp(-(inside**2))


@pytest.mark.parametrize("push", [AFFINE, sinusoidal(GRID)], ids=["affine", "sinusoidal"])
@pytest.mark.parametrize("spacing_mm", [3.0, 4.4])
def test_energy_over_mass_keeps_energy(push, spacing_mm):
    dose = blob(GRID)
    mass_g = np.where(dose > 10, 1.05, 0.3) * GRID.voxel_volume_ml
    target = Grid.from_spacing((40, 40, 40), (spacing_mm,) * 3, (-90.0 if spacing_mm > 4 else -62.0,) * 3)
    moved, arrived = energy_over_mass(dose, mass_g, GRID, target, push)
    assert float((moved * arrived).sum()) == pytest.approx(float((dose * mass_g).sum()), rel=1e-3)
    assert moved.max() <= dose.max() * (1 + 1e-9)
