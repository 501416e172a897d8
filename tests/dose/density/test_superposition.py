"""The density-aware engine against kernels, analytic plane layers, PENELOPE and EGSnrc."""

import csv
import itertools
from functools import cache
from pathlib import Path

import naive_superposition as naive
import numpy as np
import pytest

from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.errors import GridMismatchError, InputError, PhysicsError
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.radial_kernel import radial_kernel
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, TimeIntegratedActivityMap

GOLDEN = Path(__file__).parents[2] / "golden" / "planar_interfaces.csv"
ENERGY_J = nuclide("Y-90").mean_electron_energy_mev * JOULE_PER_MEV


def tia(array, spacing=(4.0, 4.0, 4.0)):
    array = np.asarray(array)
    return TimeIntegratedActivityMap(array, Grid.from_spacing(array.shape, spacing))


def on(case, density):
    return DensityMap(np.broadcast_to(np.asarray(density, float), case.grid.shape).copy(), case.grid)


def spot(shape, at, spacing=(4.0, 4.0, 4.0), decays=1e9):
    array = np.zeros(shape)
    array[at] = decays
    return tia(array, spacing)


def energy_j(dose, density):
    return float((dose.array.astype(float) * density.array).sum()) * dose.grid.voxel_volume_ml / 1000.0


# --- uniform media ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [(2.4, 2.4, 2.4), (5.0, 3.0, 2.0)])
@pytest.mark.parametrize("given", [None, 1.0])
def test_in_water_it_is_the_convolution(spacing, given):
    rng = np.random.default_rng(1)
    case = tia(rng.random((14, 16, 18)) * (rng.random((14, 16, 18)) < 0.3), spacing)
    expected = KernelConvolution(voxel_kernel("Y-90", spacing)).dose(case).array
    expected = expected + PhotonTail("Y-90").dose(case).array
    found = DensitySuperposition("Y-90").dose(case, None if given is None else on(case, given)).array
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5 * expected.max())


@pytest.mark.parametrize(
    ("medium", "density", "tolerance"),
    # Radii of the shipped kernels over scaled water radii: liver 0.999 to 1.0004, lung 0.993 to 0.997 (R50, R90).
    [("liver", 1.05, 0.003), ("liver", 1.06, 0.003), ("lung", 0.26, 0.012), ("lung", 0.30, 0.012)],
)
def test_in_another_uniform_medium_it_is_that_kernel(medium, density, tolerance):
    shape = (25, 25, 25) if medium == "lung" else (13, 13, 13)
    case = spot(shape, tuple(n // 2 for n in shape))
    kernel = voxel_kernel("Y-90", 4.0, medium, density_g_per_ml=density)
    expected = KernelConvolution(kernel).dose(case).array
    found = DensitySuperposition("Y-90", photon_tail=False).dose(case, on(case, density)).array
    # Per voxel, of what holds 99 % of the energy, and of the energy within each of ten spheres.
    z, y, x = np.indices(shape) - shape[0] // 2
    radius = np.sqrt(z**2 + y**2 + x**2)
    for edge in range(1, shape[0] // 2):
        inside = radius <= edge
        assert found[inside].sum() == pytest.approx(expected[inside].sum(), rel=tolerance), edge
    assert found[radius == 0] == pytest.approx(expected[radius == 0], rel=tolerance)


def test_in_a_uniform_medium_source_and_target_can_be_exchanged():
    shape, a, b = (11, 12, 13), (3, 4, 5), (6, 6, 6)
    for density in (1.05, 0.26):
        one, other = (
            DensitySuperposition("Y-90").dose(c, on(c, density)).array
            for c in (spot(shape, a), spot(shape, b))
        )
        assert one[b] == pytest.approx(other[a], rel=1e-4)


def test_ho_166_in_water_is_its_convolution():
    case = spot((11, 11, 11), (5, 5, 5), (3.0, 3.0, 3.0))
    expected = KernelConvolution(voxel_kernel("Ho-166", 3.0)).dose(case).array
    found = DensitySuperposition("Ho-166", photon_tail=False).dose(case, on(case, 1.0)).array
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5 * expected.max())


# --- plane layers ----------------------------------------------------------------------------------------------


@cache
def planar(active, low_density, high_density, below_mm, above_mm, photons=True):
    """Dose against position across plane layers, one decay per cm³ in the active one: 1 mm layers, 224 mm wide."""
    spacing = (1.0, 8.0, 8.0)
    side = np.arange(-below_mm, above_mm) + 0.5 > 0
    shape = (side.size, 28, 28)
    source = side if active == "high" else ~side
    decays = np.broadcast_to(source[:, None, None] * (np.prod(spacing) / 1000.0), shape).astype(np.float32)
    density = np.broadcast_to(np.where(side, high_density, low_density)[:, None, None], shape)
    case = TimeIntegratedActivityMap(decays.copy(), Grid.from_spacing(shape, spacing))
    engine = DensitySuperposition("Y-90", photon_tail=photons)
    dose = engine.dose(case, DensityMap(density.astype(np.float32), case.grid)).array
    return dose[:, 8:20, 8:20].astype(float).mean(axis=(1, 2))


def layer(profile, below_mm, low, high):
    return profile[int(below_mm + low) : int(below_mm + high)].mean()


@pytest.mark.parametrize("active", ["low", "high"])
@pytest.mark.parametrize(("low", "high"), [(1.05, 0.26), (1.0, 0.5), (1.05, 1.5)])
def test_between_plane_layers_dose_depends_on_mass_depth_only(active, low, high):
    # The response to a plane source from the radial kernel of water, integrated over both layers: no voxels, no rays.
    profile = planar(active, low, high, 30, 60, photons=False)
    ratio = {1.05: 1.010, 0.26: 1.001, 1.0: 1.0, 0.5: 1.001, 1.5: 1.010 + 0.021 * (0.4 / 0.82)}
    radial = radial_kernel("Y-90")
    layers = [edge for edge in (-10, -5, -2, 0, 2, 5, 10, 20) if edge * high < 12.0 or active == "high"]
    expected = naive.plane_dose(
        layers, radial.edges_mm, radial.electron_fraction, (0, 60) if active == "high" else (-30, 0),
        lambda x: (high, ratio[high]) if np.mean(x) > 0 else (low, ratio[low]),
    )  # fmt: skip
    # decay energies per (g/mL mm³) per (decay/mm³): one decay per cm³, g/mL mm³ = 1e-6 kg, mm³ = 1e-3 cm³
    expected *= ENERGY_J * 1e-3 / 1e-6
    largest = expected.max()
    for (a, b), value in zip(itertools.pairwise(layers), expected, strict=True):
        found = layer(profile, 30, a, b)
        # Photons near the source, which the plane integral leaves out, are 0.05 % of the active side.
        assert found == pytest.approx(value, rel=0.012, abs=1.2e-3 * largest), (a, b)


def golden(case, active):
    with GOLDEN.open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [
            (float(r["from_mm"]), float(r["to_mm"]), float(r["dose_gy_cm3"]), float(r["sigma_gy_cm3"]))
            for r in rows
            if (r["case"], r["active"]) == (case, active)
        ]


def check_layers(case, active, tolerances, profile, below_mm):
    rows = {(a, b): (dose, sigma) for a, b, dose, sigma in golden(case, active)}
    for (a, b), tolerance in tolerances.items():
        dose, sigma = rows[a, b]
        assert abs(layer(profile, below_mm, a, b) - dose) < tolerance * dose + 2 * sigma, (a, b)


def test_liver_beside_lung_against_penelope():
    # What is asked for: 3 % in each of these layers of lung and 1 % in the liver.
    tolerances = {
        (0, 2): 0.03,
        (2, 5): 0.03,
        (5, 10): 0.03,
        (10, 20): 0.03,
        (-5, 0): 0.01,
        (-10, -5): 0.01,
        (-20, -10): 0.01,
    }
    check_layers("liver-lung penelope", "liver", tolerances, planar("low", 1.05, 0.26, 50, 70), 50)


def test_lung_beside_liver_against_penelope():
    # What is asked for: 3 % in the lung and 1 % in the first 5 mm of liver.
    tolerances = {(0, 2): 0.03, (2, 5): 0.03, (5, 10): 0.03, (10, 20): 0.03, (20, 30): 0.03, (-5, 0): 0.01}
    check_layers("liver-lung penelope", "lung", tolerances, planar("high", 1.05, 0.26, 50, 70), 50)


@pytest.mark.parametrize("active", ["liver", "lung"])
def test_liver_beside_lung_against_egsnrc(active):
    # Its ranges are about 2 % short (no Mott scattering), hence 4 %.
    side, above = ("low", 70) if active == "liver" else ("high", 100)
    layers = [(-5, 0), (0, 2), (2, 5), (5, 10), (10, 20)]
    check_layers(
        "liver-lung egsnrc", active, dict.fromkeys(layers, 0.04), planar(side, 1.06, 0.26, 30, above), 30
    )


@pytest.mark.parametrize("active", ["tissue", "bone"])
def test_tissue_beside_bone_is_right_to_some_per_cent_of_the_active_side(active):
    # Straight lines know neither the stronger scattering nor the backscatter of bone: the largest error is
    # 2.5 % of the dose inside the active medium, and layers beyond the first millimetre are up to 11 % off.
    side, below, above = ("low", 40, 20) if active == "tissue" else ("high", 30, 30)
    profile = planar(side, 1.0, 1.92, below, above)
    inside = layer(profile, below, -20, -12) if active == "tissue" else layer(profile, below, 12, 18)
    for a, b, dose, sigma in golden("tissue-bone penelope", active):
        assert abs(layer(profile, below, a, b) - dose) < 0.025 * inside + 2 * sigma, (a, b)


# --- any densities ---------------------------------------------------------------------------------------------


def blocks(shape, seed, low=0.25, high=1.6):
    """Random densities on 2 × 2 × 2 voxels: steps everywhere."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(low, high, [-(-n // 2) for n in shape])
    return np.kron(coarse, np.ones((2, 2, 2)))[: shape[0], : shape[1], : shape[2]]


@pytest.mark.parametrize("seed", [0, 1])
def test_one_voxel_among_density_steps_matches_random_sampling(seed):
    shape, at, spacing = (13, 12, 11), (6, 6, 5), (3.0, 4.0, 5.0)
    case = spot(shape, at, spacing)
    density = on(case, blocks(shape, seed))
    found = DensitySuperposition("Y-90", photon_tail=False).dose(case, density).array
    radial = radial_kernel("Y-90")
    ratio = np.interp(
        density.array, [0.8, 0.95, 1.0, 1.04, 1.1, 1.92], [1.001, 0.987, 1.0, 1.01, 1.01, 1.031]
    )
    batches = np.array([
        naive.energy_by_sampling(
            density.array / ratio, spacing, at, lambda d: radial.cumulative(d, "electrons"), radial.electron_reach_mm,
            6000, 100 * seed + batch,
        )
        for batch in range(10)
    ])  # fmt: skip
    per_energy = 1e9 * ENERGY_J / (density.array * case.grid.voxel_volume_ml / 1000.0)
    expected, sigma = (
        batches.mean(axis=0) * per_energy,
        batches.std(axis=0, ddof=1) / np.sqrt(10) * per_energy,
    )
    assert found[at] == pytest.approx(expected[at], rel=0.005)
    near = expected > 0.02 * expected[at]
    # Photons near the source add 0.05 %; 1 % is left to the noise of the engine itself.
    distance = (found[near] - expected[near]) / np.hypot(sigma[near], 0.01 * expected[near])
    assert np.sqrt((distance**2).mean()) < 1.3
    assert abs(found[near].sum() / expected[near].sum() - 1) < 0.003


@pytest.mark.parametrize("at", [(20, 20, 14), (20, 20, 15), (20, 20, 20)])
def test_energy_is_kept_beside_a_density_step(at):
    # 0.2 % is asked for; what arrives is the electrons' energy and that of photons within their reach.
    shape = (41, 41, 41)
    case = spot(shape, at, (3.0, 3.0, 3.0))
    density = np.full(shape, 1.05)
    density[:, :, 15:22] = 0.26
    density = on(case, density)
    radial = radial_kernel("Y-90")
    held = radial.cumulative(radial.electron_reach_mm)
    dose = DensitySuperposition("Y-90", photon_tail=False).dose(case, density)
    assert energy_j(dose, density) == pytest.approx(1e9 * ENERGY_J * held, rel=2e-3)


def test_energy_is_kept_among_random_densities():
    shape = (36, 36, 36)
    activity = np.zeros(shape)
    activity[12:24, 12:24, 12:24] = np.random.default_rng(3).gamma(2.0, 1e6, (12, 12, 12))
    case = tia(activity)
    density = on(case, blocks(shape, 4, 0.3, 1.3))
    radial = radial_kernel("Y-90")
    expected = case.total * ENERGY_J * radial.cumulative(radial.electron_reach_mm)
    dose = DensitySuperposition("Y-90", photon_tail=False).dose(case, density)
    assert energy_j(dose, density) == pytest.approx(expected, rel=2e-3)


def dome(shape=(24, 20, 22), seed=5):
    """A lung over a liver, both active, with noise in activity and lung density."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    lung = z > 12 + 3 * np.cos(y / 5.0) * np.cos(x / 6.0)
    activity = np.where(lung, 0.05, 1.0) * rng.gamma(4.0, 1e6, shape)
    density = np.where(lung, np.clip(rng.normal(0.28, 0.08, shape), 0.08, 0.6), 1.05)
    case = tia(activity)
    return case, on(case, density)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_any_number_of_threads_gives_the_same_bits(threads):
    case, density = dome()
    one = DensitySuperposition("Y-90", threads=1).dose(case, density).array
    many = DensitySuperposition("Y-90", threads=threads).dose(case, density).array
    np.testing.assert_array_equal(one, many)


def test_dose_is_in_proportion_to_activity():
    case, density = dome()
    one = DensitySuperposition("Y-90").dose(case, density).array
    more = DensitySuperposition("Y-90").dose(case.with_array(3e3 * case.array), density).array
    np.testing.assert_allclose(more, 3e3 * one, rtol=1e-5, atol=1e-6 * more.max())


def test_more_effort_leaves_less_noise():
    case, density = dome()
    reference = DensitySuperposition("Y-90", effort=8.0).dose(case, density).array
    rough, fine = (
        np.abs(DensitySuperposition("Y-90", effort=e).dose(case, density).array - reference).mean()
        for e in (0.01, 0.5)
    )
    assert fine < rough / 4
    assert fine < 0.01 * reference.mean()


def test_noise_stays_where_electrons_meet_another_density():
    # 11 mm and more of liver away from the lung, the dose is that of liver alone, to the last bit of the convolution.
    case, density = dome()
    found = DensitySuperposition("Y-90").dose(case, density).array[:5]
    alone = DensitySuperposition("Y-90").dose(case, on(case, 1.05)).array[:5]
    np.testing.assert_allclose(found, alone, rtol=2e-4)


def test_mirrored_phantom_gives_mirrored_dose_within_noise():
    case, density = dome()
    found = DensitySuperposition("Y-90", effort=4.0).dose(case, density).array
    flipped = DensitySuperposition("Y-90", effort=4.0).dose(
        case.with_array(case.array[:, ::-1]), density.with_array(density.array[:, ::-1])
    ).array[:, ::-1]  # fmt: skip
    np.testing.assert_allclose(flipped, found, rtol=0.08, atol=2e-3 * found.max())
    assert np.abs(flipped / found - 1).mean() < 0.01


def test_dose_is_not_negative_and_noise_of_the_activity_may_be():
    case, density = dome()
    assert DensitySuperposition("Y-90").dose(case, density).array.min() >= 0
    noisy = case.with_array(case.array - 0.5 * case.array.mean())
    dose = DensitySuperposition("Y-90").dose(noisy, density).array
    assert dose.min() < 0
    assert (
        dose.astype(float).sum() < DensitySuperposition("Y-90").dose(case, density).array.astype(float).sum()
    )


# --- what is given -----------------------------------------------------------------------------------------------


def test_no_activity_gives_no_dose():
    case = tia(np.zeros((3, 4, 5)))
    dose = DensitySuperposition("Y-90").dose(case, on(case, 0.26))
    assert dose.grid is case.grid
    np.testing.assert_array_equal(dose.array, 0.0)


def test_integer_activity_in_any_memory_order_is_understood():
    case = spot((7, 8, 9), (3, 4, 4))
    density = on(case, np.where(np.arange(9) > 4, 0.26, 1.05))
    expected = DensitySuperposition("Y-90").dose(case, density).array
    other = case.with_array(np.asfortranarray(case.array.astype(">i4")))
    swapped = density.with_array(np.asfortranarray(density.array.astype(">f8")))
    np.testing.assert_array_equal(DensitySuperposition("Y-90").dose(other, swapped).array, expected)


def test_density_on_another_grid_is_refused():
    case = spot((5, 6, 7), (2, 3, 3))
    grid = Grid.from_spacing((5, 6, 7), (4.0, 4.0, 4.0), (0.0, 0.0, 1.0))
    with pytest.raises(GridMismatchError, match="density"):
        DensitySuperposition("Y-90").dose(case, DensityMap(np.ones(grid.shape), grid))


def test_activity_that_is_not_finite_is_refused():
    array = np.zeros((5, 6, 7))
    array[1, 2, 3] = np.nan
    with pytest.raises(InputError, match="NaN"):
        DensitySuperposition("Y-90").dose(tia(array))


@pytest.mark.parametrize("effort", [0.0, -1.0, np.inf, np.nan])
def test_effort_must_be_positive(effort):
    with pytest.raises(InputError, match="effort"):
        DensitySuperposition("Y-90", effort=effort)


def test_impossible_settings_are_refused_at_once():
    with pytest.raises(InputError):
        DensitySuperposition("Xx-1")
    with pytest.raises(InputError):
        DensitySuperposition("Y-90", source="nobody")
    with pytest.raises(InputError):
        DensitySuperposition("Y-90", threads=0)
    with pytest.raises(PhysicsError):
        DensitySuperposition("Lu-177")


def test_provenance_names_the_radial_kernel():
    engine = DensitySuperposition("Y-90", effort=2.0, source="egsnrc")
    assert engine.name == "density"
    assert engine.provenance["name"] == "Y-90 in water, egsnrc"
    assert engine.provenance["sha256"] == radial_kernel("Y-90", "water", "egsnrc").sha256
    assert engine.provenance["effort"] == 2.0
