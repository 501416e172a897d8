import numpy as np
import pytest

from y90voxel.dose.ct_density import averaged_density
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import coverage
from y90voxel.volumes.volume import CtImage

CALIBRATION = DensityCalibration()


def ct(shape=(40, 12, 10), spacing=(1.0, 1.5, 2.0)):
    hu = np.random.default_rng(3).integers(-1000, 1500, shape).astype(np.int16)
    return CtImage(hu, Grid.from_spacing(shape, spacing))


def averaged(image, grid, fill):
    return averaged_density(image, grid, CALIBRATION, coverage(image.grid, grid), fill)


def naive_average(image, grid, fill, samples=20):
    """Mean over a voxel of the density at many points in it, nearest CT voxel."""
    out = np.zeros(grid.shape)
    density = np.interp(image.array, CALIBRATION.hu, CALIBRATION.g_per_ml)
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    for index in np.ndindex(grid.shape):
        points = np.stack(np.meshgrid(*[i + steps for i in index], indexing="ij"), -1).reshape(-1, 3)
        where = np.rint(image.grid.lps_to_index(grid.index_to_lps(points))).astype(int)
        seen = ((where >= 0) & (where < image.array.shape)).all(axis=1)
        out[index] = (density[tuple(where[seen].T)].sum() + fill * (~seen).sum()) / len(points)
    return out


@pytest.mark.parametrize("origin", [(0.0, 0.0, 0.0), (-3.3, 1.1, -4.0)])
def test_density_is_averaged_over_the_voxel_and_filled_beyond_the_ct(origin):
    image, grid = ct(), Grid.from_spacing((9, 4, 4), (5.0, 5.0, 5.0), origin)
    expected = naive_average(image, grid, 1.04)
    assert averaged(image, grid, 1.04) == pytest.approx(expected, abs=0.02)


def test_mass_is_kept():
    image = ct()
    grid = Grid.from_spacing((12, 8, 8), (4.0, 4.0, 4.0), (-2.0, -4.0, -4.0))
    density = averaged(image, grid, 0.0)
    mass = CALIBRATION.density(image.array).sum(dtype=float) * image.grid.voxel_volume_ml
    assert density.sum(dtype=float) * grid.voxel_volume_ml == pytest.approx(mass, rel=1e-5)


def test_a_finer_grid_is_interpolated():
    image = ct((6, 5, 4))
    density = averaged(image, image.grid.with_spacing(0.5), 1.0)
    assert density.shape == (12, 15, 16)
    assert density.flags.writeable


@pytest.mark.parametrize("turn", [0.0, 5e-4], ids=["parallel", "turned a little"])
def test_integers_are_averaged_as_other_numbers_are(turn):
    image = ct()
    affine = np.array(image.grid.affine)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine[:3, :3] = rotation @ affine[:3, :3]
    turned = Grid(image.grid.shape, affine)
    grid = Grid.from_spacing((9, 4, 4), (5.0, 5.0, 5.0), (-3.3, 1.1, -4.0))
    integers, floats = (CtImage(image.array.astype(dtype), turned) for dtype in (np.int16, np.float32))
    np.testing.assert_allclose(averaged(integers, grid, 1.04), averaged(floats, grid, 1.04), rtol=1e-6)
