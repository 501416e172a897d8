"""The photon tail against direct summation over the radial kernel."""

import numpy as np
import pytest
from scipy.signal import convolve

from y90voxel.dose import photon_tail as module
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.errors import GridMismatchError, InputError, PhysicsError
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.radial_kernel import radial_kernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

J_PER_MEV = 1.602176634e-13


def activity(shape, spacing_mm, points):
    array = np.zeros(shape)
    for index, decays in points.items():
        array[index] = decays
    return TimeIntegratedActivityMap(array, Grid.from_spacing(shape, spacing_mm))


def direct_dose_gy(tia, targets, name="Y-90", medium="water"):
    """Sum over active voxels of the point dose of the radial kernel beyond the electrons' reach."""
    kernel = radial_kernel(name, medium)
    low, high = kernel.edges_mm[:-1], kernel.edges_mm[1:]
    beyond = low >= kernel.electron_reach_mm - 1e-9
    middle = 0.5 * (low + high)[beyond]
    mass_kg = (4 / 3 * np.pi * (high**3 - low**3) * 1e-6 * kernel.density_g_per_ml)[beyond]
    energy_j = kernel.fraction[beyond] * nuclide(name).mean_electron_energy_mev * J_PER_MEV
    sources = np.argwhere(tia.array > 0)
    doses = []
    for target in targets:
        r = np.linalg.norm((sources - target) * tia.grid.spacing_mm, axis=1)
        # r² D(r) is smooth where D(r) is not; shells average over 1 to 20 mm.
        point = np.interp(r, middle, energy_j / mass_kg * middle**2) / r**2
        doses.append(float((tia.array[tuple(sources.T)] * point).sum()))
    return np.array(doses)


@pytest.mark.parametrize("spacing_mm", [(4.8, 4.8, 4.8), (3.0, 2.0, 2.5)], ids=str)
@pytest.mark.parametrize(("name", "medium"), [("Y-90", "water"), ("Ho-166", "water"), ("Y-90", "lung")])
def test_an_extended_source_gives_the_directly_summed_dose_centimetres_away(name, medium, spacing_mm):
    shape = tuple(int(260 / s) for s in spacing_mm)
    middle = np.array(shape) // 2
    axes = [(np.arange(n) - m) * s for n, m, s in zip(shape, middle, spacing_mm, strict=True)]
    r2 = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    tia = TimeIntegratedActivityMap(np.where(r2 < 15.0**2, 1e6, 0.0), Grid.from_spacing(shape, spacing_mm))
    targets = [middle + np.round(np.array(d) / spacing_mm).astype(int)
               for d in ((60, 0, 0), (0, -60, 0), (0, 0, 80), (45, 45, 0), (-60, 60, 60), (0, 110, 30))]  # fmt: skip
    found = np.array([PhotonTail(name, medium).dose(tia).array[tuple(t)] for t in targets])
    # 5 % is what the runs know the tail to; shells and nodes take a part of that.
    assert found == pytest.approx(direct_dose_gy(tia, targets, name, medium), rel=0.05)


@pytest.mark.parametrize(("low", "high"), [(28, 36), (46, 60), (80, 106)])
def test_a_point_source_is_blurred_by_the_nodes_only_as_documented(low, high):
    # 32 mm²/r² too high for a 1/r² dose, from the node distance of 8 mm; averaged over directions.
    shape, place = (61, 61, 61), (30, 31, 29)
    tia = activity(shape, (5.0, 5.0, 5.0), {place: 1e9})
    dose = PhotonTail("Y-90").dose(tia).array
    r = np.linalg.norm((np.indices(shape).reshape(3, -1).T - place) * 5.0, axis=1).reshape(shape)
    ring = (r >= low) & (r < high)
    direct = direct_dose_gy(tia, np.argwhere(ring)).mean()
    excess = 32.0 * (1 / r[ring] ** 4).mean() / (1 / r[ring] ** 2).mean()
    assert dose[ring].mean() / direct - 1 == pytest.approx(excess, abs=0.015)


@pytest.mark.parametrize("name", ["Y-90", "Ho-166"])
def test_tail_and_voxel_kernel_hold_what_the_radial_kernel_holds(name):
    kernel = radial_kernel(name)
    n, spacing = 85, 6.0  # 510 mm: everything within 200 mm of the centre
    tia = activity((n, n, n), (spacing,) * 3, {(n // 2,) * 3: 1.0})
    deposited = PhotonTail(name).dose(tia).array.sum(dtype=float) * spacing**3 * 1e-6
    emitted = nuclide(name).mean_electron_energy_mev * J_PER_MEV
    expected = float(kernel.cumulative(200.0) - kernel.cumulative(kernel.electron_reach_mm))
    assert deposited / emitted == pytest.approx(expected, rel=2e-3)


def test_dose_is_linear_in_activity_and_zero_without_any():
    grid = Grid.from_spacing((9, 12, 15), (4.0, 5.0, 6.0))
    array = np.random.default_rng(5).random(grid.shape)
    one = PhotonTail("Y-90").dose(TimeIntegratedActivityMap(array, grid)).array
    two = PhotonTail("Y-90").dose(TimeIntegratedActivityMap(2e9 * array, grid)).array
    none = PhotonTail("Y-90").dose(TimeIntegratedActivityMap(0 * array, grid)).array
    assert two == pytest.approx(2e9 * one, rel=1e-4)
    assert (none == 0).all()
    assert one.min() > 0


def test_a_mirrored_source_gives_the_mirrored_dose():
    grid = Grid.from_spacing((20, 25, 30), (4.0, 4.5, 5.0))
    array = np.zeros(grid.shape)
    array[3, 5, 7] = 1e9
    dose = PhotonTail("Y-90").dose(TimeIntegratedActivityMap(array, grid)).array
    mirrored = PhotonTail("Y-90").dose(TimeIntegratedActivityMap(array[::-1, ::-1, ::-1], grid)).array
    assert mirrored[::-1, ::-1, ::-1] == pytest.approx(dose, rel=1e-3, abs=1e-6 * float(dose.max()))


def test_a_single_voxel_and_a_voxel_wider_than_the_nodes_work():
    alone = activity((1, 1, 1), (4.0, 4.0, 4.0), {(0, 0, 0): 1e9})
    assert PhotonTail("Y-90").dose(alone).array.shape == (1, 1, 1)
    thick = activity((9, 21, 21), (12.0, 5.0, 5.0), {(4, 10, 10): 1e9})
    found = PhotonTail("Y-90").dose(thick).array[8, 10, 10]
    assert found == pytest.approx(direct_dose_gy(thick, [np.array((8, 10, 10))])[0], rel=0.15)


def test_a_denser_medium_absorbs_nearer():
    tia = activity((41, 41, 41), (5.0, 5.0, 5.0), {(20, 20, 20): 1e9})
    light = PhotonTail("Y-90", density_g_per_ml=1.0).dose(tia).array
    dense = PhotonTail("Y-90", density_g_per_ml=1.1).dose(tia).array
    kernel, other = (radial_kernel("Y-90").scaled_to_density(d) for d in (1.0, 1.1))
    place = (20, 20, 36)  # 80 mm
    shares = [
        np.gradient(k.cumulative(np.array([72.0, 80.0, 88.0])))[1] / k.density_g_per_ml
        for k in (kernel, other)
    ]
    assert dense[place] / light[place] == pytest.approx(shares[1] / shares[0], rel=0.02)


def test_the_dose_of_an_activity_does_not_depend_on_density():
    tia = activity((9, 9, 9), (5.0, 5.0, 5.0), {(4, 4, 4): 1e9})
    density = DensityMap(np.full((9, 9, 9), 0.26), tia.grid)
    assert np.array_equal(PhotonTail("Y-90").dose(tia, density).array, PhotonTail("Y-90").dose(tia).array)


def test_a_density_on_another_grid_is_refused():
    tia = activity((9, 9, 9), (5.0, 5.0, 5.0), {(4, 4, 4): 1e9})
    elsewhere = DensityMap(np.ones((9, 9, 9)), Grid.from_spacing((9, 9, 9), (4.0, 4.0, 4.0)))
    with pytest.raises(GridMismatchError, match="density"):
        PhotonTail("Y-90").dose(tia, elsewhere)


def test_an_impossible_tail_is_refused_when_it_is_made():
    with pytest.raises(PhysicsError, match="no radial kernel of Lu-177"):
        PhotonTail("Lu-177")
    with pytest.raises(InputError, match="unknown medium"):
        PhotonTail("Y-90", "wood")
    with pytest.raises(InputError, match="density must be positive"):
        PhotonTail("Y-90", density_g_per_ml=-1.0)


@pytest.mark.parametrize("shape", [(9, 4, 7), (2, 12, 3)], ids=str)
def test_nodes_are_convolved_with_all_eight_octants(shape):
    random = np.random.default_rng(2)
    nodes, octant = random.random(shape, np.float32), random.random((5, 3, 6))
    whole = octant[np.ix_(*(np.abs(np.arange(1 - n, n)) for n in octant.shape))]
    expected = convolve(nodes.astype(float), whole, method="direct")
    inner = expected[tuple(slice(k - 1, k - 1 + n) for k, n in zip(octant.shape, shape, strict=True))]
    assert module._convolve(nodes, octant) == pytest.approx(inner, rel=1e-5)
