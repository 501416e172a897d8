import numpy as np
import pytest
from phantoms import ellipsoid
from scipy.ndimage import map_coordinates

from y90voxel.errors import RegionError
from y90voxel.regions import _boundary_loops as loops
from y90voxel.regions.boundary import MovableRegion
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

GRID = Grid.from_spacing((30, 34, 38), (4.4, 4.0, 3.6), (-65, -66, -68))
CENTRE = (1.3, 0.7, -2.0)  # LPS


def sphere(radius, centre=CENTRE):
    return ellipsoid(GRID, centre, (radius,) * 3, 6)


def movable(radius):
    return MovableRegion.of(Region("a", Role.TUMOUR, sphere(radius)), 15.0)


def test_the_loop_is_linear_interpolation_of_the_distance():
    rng = np.random.default_rng(1)
    distance = rng.normal(0, 5, (5, 7, 9)).astype(np.float32)
    shift, out = np.array([0.6, -1.3, 2.2]), np.empty(distance.shape, np.float32)
    loops.perturb(distance, shift, 0.3, 4.0, out)
    where = np.indices(distance.shape) - shift[:, None, None, None]
    expected = np.clip(map_coordinates(distance, where, order=1, mode="nearest") / 4.0 + 0.8, 0, 1)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_nothing_moves_when_nothing_is_asked_to():
    np.testing.assert_allclose(movable(15.0).moved().mask.array, sphere(15.0).array, atol=1e-3)


# On voxels of 4 mm, an error of 2 % of the volume of the smallest is 0.1 mm of its radius.
@pytest.mark.parametrize(("radius", "tolerance"), [(15.0, 0.03), (25.0, 0.015), (40.0, 0.01)])
@pytest.mark.parametrize("offset", [-3.0, -1.0, 1.0, 3.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (2.5, -3.1, 1.7)])
def test_a_sphere_becomes_the_sphere_that_it_should(radius, tolerance, offset, shift):
    found = movable(radius).moved(shift, offset).mask
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * (radius + offset) ** 3 / 1000, rel=tolerance)
    there = GRID.index_to_lps(np.argwhere(np.ones(GRID.shape)))
    centre = (there * found.array.reshape(-1, 1)).sum(axis=0) / found.array.sum()
    np.testing.assert_allclose(centre, np.array(CENTRE) + shift[::-1], atol=0.1)
    expected = sphere(radius + offset, tuple(np.array(CENTRE) + shift[::-1])).array
    # Voxel by voxel within a tenth of the shell that one voxel makes.
    shell = 4 * np.pi * (radius + offset) ** 2 * 4.0 / (GRID.voxel_volume_ml * 1000)
    assert np.abs(found.array - expected).sum() < 0.1 * shell


def test_a_region_cut_by_the_image_has_no_surface_there():
    mask = np.zeros(GRID.shape)
    mask[:12] = 1.0
    found = MovableRegion.of(Region("a", Role.LIVER, Mask(mask, GRID)), 10.0).moved((0, 0, 0), 4.4)
    expected = np.zeros(GRID.shape)
    expected[:13] = 1.0
    # The face across a voxel of 4.0 mm width on average but 4.4 mm along the slices.
    np.testing.assert_allclose(found.mask.array, expected, atol=0.12)


def test_a_region_that_fills_the_image_stays():
    whole = Region("a", Role.BODY, Mask(np.ones(GRID.shape), GRID))
    assert MovableRegion.of(whole, 5.0).moved((3.0, 0, 0), -2.0).mask.array.min() == 1.0


def test_rounding_inside_a_region_is_no_surface():
    """An occupancy of 0.9999 deep inside, as resampling leaves it, must not open a hole when the region shrinks."""
    mask = sphere(25.0)
    rounded = Mask(mask.array * (1 - 1e-4), GRID)
    found = MovableRegion.of(Region("a", Role.TUMOUR, rounded), 15.0).moved((0, 0, 0), -3.0).mask
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 22**3 / 1000, rel=0.015)


def test_role_and_name_stay():
    found = movable(15.0).moved((1.0, 0, 0), 1.0)
    assert (found.name, found.role) == ("a", Role.TUMOUR)


def test_an_empty_region_has_no_surface_to_move():
    with pytest.raises(RegionError, match="'a' is empty on its grid"):
        MovableRegion.of(Region("a", Role.TUMOUR, Mask(np.zeros(GRID.shape), GRID)), 5.0)
