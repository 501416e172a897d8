"""Voxels on an outline, counted whole: against the same dose on voxels so fine that it does not matter."""

import numpy as np
import pytest

from y90voxel.metrics.outline_error import outline_error
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import DensityMap, DoseMap, Mask

SHAPE = (16, 16, 16)


def centres(n, spacing):
    axes = (np.arange(n) - (n - 1) / 2) * spacing
    return np.meshgrid(axes, axes, axes, indexing="ij")


def dose_and_ball(dose, radius_mm, spacing_mm=4.0, parts=8):
    """Voxel means of a dose and of a ball, and the mean of the dose in the ball on voxels ``parts`` times finer."""
    n = SHAPE[0] * parts
    z, y, x = centres(n, spacing_mm / parts)
    fine, ball = dose(z, y, x), (z**2 + y**2 + x**2 <= radius_mm**2).astype(float)

    def binned(values):
        return values.reshape(*(k for edge in SHAPE for k in (edge, parts))).mean(axis=(1, 3, 5))

    grid = Grid.from_spacing(SHAPE, (spacing_mm,) * 3)
    return DoseMap(binned(fine), grid), Mask(binned(ball), grid), float((fine * ball).sum() / ball.sum())


def mean(dose, mask):
    return float((dose.array * mask.array).sum() / mask.array.sum())


@pytest.mark.parametrize("radius_mm", [10.0, 14.0, 20.0])
@pytest.mark.parametrize("sigma_mm", [10.0, 16.0])
def test_in_a_smooth_dose_it_is_the_error_of_the_mean(radius_mm, sigma_mm):
    dose, mask, true = dose_and_ball(
        lambda z, y, x: np.exp(-(z**2 + y**2 + x**2) / (2.0 * sigma_mm**2)), radius_mm
    )
    off = mean(dose, mask) / true - 1.0
    assert off < -0.002
    assert outline_error(dose, mask) == pytest.approx(off, rel=0.3)


def test_hot_surroundings_raise_a_mean_and_a_flat_dose_does_not_change():
    dose, mask, true = dose_and_ball(lambda z, y, x: 1.0 + (z**2 + y**2 + x**2) / 400.0, 14.0)
    assert outline_error(dose, mask) == pytest.approx(mean(dose, mask) / true - 1.0, rel=0.3)
    assert outline_error(dose, mask) > 0.005
    flat, mask, _ = dose_and_ball(lambda z, y, x: np.ones_like(z), 14.0)
    assert outline_error(flat, mask) == 0.0


def test_a_straight_slope_through_a_ball_takes_nothing():
    dose, mask, _ = dose_and_ball(lambda z, y, x: 100.0 + z, 14.0)
    assert outline_error(dose, mask) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("density", ["map", "own"])
def test_by_mass_it_is_weighted_with_the_density(density):
    """All of a region is as light as half of it: only its light half counts."""
    dose, mask, _ = dose_and_ball(lambda z, y, x: np.exp(-(z**2 + y**2 + x**2) / 300.0), 14.0)
    values = np.where(np.arange(16)[:, None, None] < 8, 1.0, 1e-9) * np.ones(SHAPE)
    given = DensityMap(values, dose.grid)
    if density == "own":
        given = OwnDensity(dose.grid, mask.box, values[mask.box])
    assert outline_error(dose, mask, given) == pytest.approx(outline_error(dose, mask), rel=1e-6)
    tilted = DoseMap(dose.array * (1.0 + np.arange(16)[:, None, None]), dose.grid)
    assert outline_error(tilted, mask, given) != pytest.approx(outline_error(tilted, mask), rel=1e-2)


def test_a_region_at_the_edge_of_the_grid_and_one_without_dose():
    dose, _, _ = dose_and_ball(lambda z, y, x: 50.0 + x, 14.0)
    edge = np.zeros(SHAPE)
    edge[:, :, :3] = 1.0
    assert outline_error(dose, Mask(edge, dose.grid)) == pytest.approx(0.0, abs=0.02)
    nothing = DoseMap(np.zeros(SHAPE), dose.grid)
    assert outline_error(nothing, Mask(edge, dose.grid)) == 0.0
