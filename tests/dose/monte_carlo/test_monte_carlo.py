"""The Monte Carlo engine: against PENELOPE, against the convolution, and against itself."""

import csv
import time
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo
from y90voxel.dose.photon_tail import PhotonTail
from y90voxel.errors import GridMismatchError, InputError, Notice, PhysicsError
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, Mask, TimeIntegratedActivityMap

GOLDEN = Path(__file__).parents[2] / "golden" / "planar_interfaces.csv"


def tia(array, spacing=(4.0, 4.0, 4.0)):
    array = np.asarray(array, dtype=float)
    return TimeIntegratedActivityMap(array, Grid.from_spacing(array.shape, spacing))


def on(case, density):
    return DensityMap(np.broadcast_to(np.asarray(density, float), case.grid.shape).copy(), case.grid)


def box(shape, first, last, value=1e9):
    array = np.zeros(shape)
    array[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] = value
    return array


def spread(case, density, repeats, histories, **settings):
    """Dose of several seeds, (repeats, ...)."""
    return np.array([
        MonteCarlo("Y-90", histories, seed=100 + i, **settings).dose(case, density).array for i in range(repeats)
    ])  # fmt: skip


# --- plane interfaces ------------------------------------------------------------------------------------------

PLANES = {
    # case: densities, planes of 1 mm on either side, first and last active plane by the active side
    "liver-lung penelope": ((1.05, 0.26), (50, 70), {"liver": (0, 50), "lung": (50, 120)}),
    "tissue-bone penelope": ((1.0, 1.92), (40, 30), {"tissue": (0, 40), "bone": (40, 70)}),
}


@cache
def plane(case, active):
    """Dose per decay/cm³ and its relative uncertainty by layer, from 1 mm planes a metre wide."""
    densities, counts, sides = PLANES[case]
    shape = (sum(counts), 1, 1)
    first, last = sides[active]
    source = tia(box(shape, (first, 0, 0), (last, 1, 1), 1e9), (1.0, 2000.0, 2000.0))
    density = on(source, np.repeat(densities, counts)[:, None, None])
    layers = {
        key: Mask(box(shape, (key[0] + counts[0], 0, 0), (key[1] + counts[0], 1, 1), 1.0), source.grid)
        for key in {(int(r["from_mm"]), int(r["to_mm"])) for r in rows(case, active)}
    }
    named = {str(key): mask for key, mask in layers.items()}
    result = MonteCarlo("Y-90", 600_000, seed=7).simulate(source, density, named)
    per_cm3 = 1e9 / source.grid.voxel_volume_ml
    return {
        key: (float(result.dose.array[mask.array > 0].mean()) / per_cm3, result.region_uncertainty[str(key)])
        for key, mask in layers.items()
    }


def rows(case, active):
    with open(GOLDEN, encoding="utf-8") as lines:
        found = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return [row for row in found if row["case"] == case and row["active"] == active]


@pytest.mark.parametrize(
    ("case", "active"), [(case, active) for case in PLANES for active in PLANES[case][2]]
)
def test_dose_beside_a_plane_interface_is_that_of_penelope(case, active):
    for row in rows(case, active):
        found, uncertainty = plane(case, active)[int(row["from_mm"]), int(row["to_mm"])]
        expected, sigma = float(row["dose_gy_cm3"]), float(row["sigma_gy_cm3"])
        # The electrons that reach a layer cross all planes of it: the sigma of their average, taken as
        # independent in the table, is up to the root of their number too small.
        planes = int(row["to_mm"]) - int(row["from_mm"])
        tolerance = 0.015 + 2 * np.hypot(uncertainty, np.sqrt(min(planes, 4)) * sigma / expected)
        assert found == pytest.approx(expected, rel=tolerance), (row["from_mm"], found / expected - 1)


def test_in_one_material_dose_depends_on_mass_depth_only():
    # 0.6 and 0.3 g/mL are both lung: the layers above a source of 0.6 once thin and dense, once thick and thin.
    source = tia(box((90, 1, 1), (0, 0, 0), (30, 1, 1)), (1.0, 2000.0, 2000.0))
    found = []
    for above, planes in ((0.6, 1), (0.3, 2)):
        density = on(source, np.repeat((0.6, above), (30, 60))[:, None, None])
        layers = {
            str(d): Mask(
                box((90, 1, 1), (30 + d * planes, 0, 0), (30 + (d + 3) * planes, 1, 1), 1.0), source.grid
            )
            for d in (0, 3, 6, 9, 12)
        }
        result = MonteCarlo("Y-90", 300_000, seed=planes).simulate(source, density, layers)
        means = [float(result.dose.array[mask.array > 0].mean()) for mask in layers.values()]
        found.append((np.array(means), np.array(list(result.region_uncertainty.values()))))
    (thin, sigma_thin), (thick, sigma_thick) = found
    assert (np.abs(thick / thin - 1) < 3 * np.hypot(sigma_thin, sigma_thick)).all(), thick / thin - 1


# --- uniform water ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (5.0, 3.0, 2.4)])
@pytest.mark.parametrize("name", ["Y-90", "Ho-166"])
def test_in_water_it_is_the_convolution(name, spacing):
    shape = (18, 20, 22)
    array = box(shape, (5, 6, 7), (12, 13, 15)) + box(shape, (7, 7, 8), (9, 9, 10), 5e9)
    case = tia(array, spacing)
    regions = {
        "source": Mask((array == 1e9).astype(float), case.grid),
        "tumour": Mask((array > 1e9).astype(float), case.grid),
        "rim": Mask(box(shape, (4, 5, 6), (13, 14, 16), 1.0) * (array == 0), case.grid),
    }
    result = MonteCarlo(name, 400_000, seed=1).simulate(case, None, regions)
    convolved = KernelConvolution(voxel_kernel(name, spacing)).dose(case).array
    convolved = convolved + PhotonTail(name).dose(case).array
    for region, mask in regions.items():
        found, expected = (float(d[mask.array > 0].mean()) for d in (result.dose.array, convolved))
        tolerance = 0.005 + 3 * result.region_uncertainty[region]
        assert found == pytest.approx(expected, rel=tolerance), (region, found / expected - 1)


def test_no_density_is_water():
    case = tia(box((6, 7, 8), (2, 2, 2), (4, 5, 6)))
    engine = MonteCarlo("Y-90", 1000, seed=5)
    np.testing.assert_array_equal(engine.dose(case).array, engine.dose(case, on(case, 1.0)).array)


def test_reciprocity_in_a_uniform_medium():
    shape = (9, 9, 15)
    first, second = box(shape, (2, 2, 3), (7, 7, 5)), box(shape, (3, 3, 6), (5, 5, 7))
    there = MonteCarlo("Y-90", 300_000, seed=1).simulate(
        tia(first), None, {"r": Mask(second / 1e9, tia(first).grid)}
    )
    back = MonteCarlo("Y-90", 300_000, seed=2).simulate(
        tia(second), None, {"r": Mask(first / 1e9, tia(first).grid)}
    )
    a = float((there.dose.array * second).sum())
    b = float((back.dose.array * first).sum())
    assert a == pytest.approx(
        b, rel=3 * np.hypot(there.region_uncertainty["r"], back.region_uncertainty["r"])
    )


# --- energy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [None, 0.26, 1.92])
@pytest.mark.parametrize("name", ["Y-90", "Ho-166"])
def test_what_is_emitted_is_deposited_or_escapes(name, density):
    case = tia(box((8, 9, 10), (2, 2, 2), (5, 6, 7)))
    result = MonteCarlo(name, 20_000, seed=2).simulate(case, None if density is None else on(case, density))
    assert result.in_grid_mev + result.around_mev + result.escaped_mev == pytest.approx(
        result.emitted_mev, rel=1e-9
    )
    record = nuclide(name)
    expected = record.mean_electron_energy_mev + record.x_ray_mev + record.gamma_mev
    assert result.emitted_mev == pytest.approx(expected, rel=0.02)


def test_a_large_water_phantom_holds_the_electron_energy():
    case = tia(box((60, 60, 60), (29, 29, 29), (31, 31, 31)), (5.0, 5.0, 5.0))
    result = MonteCarlo("Y-90", 200_000, seed=1).simulate(case)
    held = float(result.dose.array.sum(dtype=float)) * case.grid.voxel_volume_ml * 1e-3
    emitted = case.total * nuclide("Y-90").mean_electron_energy_mev * JOULE_PER_MEV
    # PENELOPE: 1.29 of 933 keV leave 150 to 200 mm of water as photons.
    assert held / emitted == pytest.approx(1 - 0.0015, abs=0.002)


# --- variance reduction and steps ------------------------------------------------------------------------------


def test_range_rejection_and_step_lengths_do_not_change_the_dose(monkeypatch):
    shape = (12, 12, 12)
    case = tia(box(shape, (3, 3, 3), (7, 8, 9)))
    density = on(case, np.where(np.arange(12) < 7, 1.05, 0.26)[:, None, None])
    masks = {
        "source": Mask(case.array / 1e9, case.grid),
        "lung": Mask(box(shape, (7, 3, 3), (9, 8, 9), 1.0), case.grid),
        "liver": Mask(box(shape, (3, 8, 3), (7, 10, 9), 1.0), case.grid),
    }

    def run(seed, **settings):
        result = MonteCarlo("Y-90", 200_000, seed=seed, **settings).simulate(case, density, masks)
        means = {k: float(np.average(result.dose.array, weights=m.array)) for k, m in masks.items()}
        return means, result.region_uncertainty

    usual = run(1)
    fine = run(2, scattering_per_step=0.06, loss_per_step=0.04, electron_cutoff_mev=0.03)
    original = MonteCarlo._settings

    def without(self):
        return replace(original(self), range_rejection_mev=0.0)

    monkeypatch.setattr(MonteCarlo, "_settings", without)
    followed = run(3)
    for other in (fine, followed):
        for region in masks:
            tolerance = 0.004 + 3 * np.hypot(usual[1][region], other[1][region])
            assert usual[0][region] == pytest.approx(other[0][region], rel=tolerance), region


# --- statistics ------------------------------------------------------------------------------------------------


def test_stated_uncertainty_is_the_spread_of_repeated_runs():
    case = tia(box((7, 7, 7), (2, 2, 2), (5, 5, 5)))
    doses = spread(case, None, 16, 4000, threads=1)
    stated = MonteCarlo("Y-90", 4000, seed=1).dose(case).relative_uncertainty
    inside = case.array > 0
    spread_found = doses.std(axis=0, ddof=1)[inside] / doses.mean(axis=0)[inside]
    # 27 voxels × 15 degrees of freedom: 4 % of noise on the root mean square, and 3 % on the stated one.
    assert np.sqrt(np.mean(spread_found**2)) == pytest.approx(np.sqrt(np.mean(stated[inside] ** 2)), rel=0.15)


def test_uncertainty_falls_with_the_root_of_the_histories():
    case = tia(box((8, 9, 10), (2, 2, 2), (6, 7, 8)))
    few, many = (MonteCarlo("Y-90", n, seed=1).dose(case).relative_uncertainty for n in (20_000, 320_000))
    inside = case.array > 0
    ratio = np.sqrt(np.mean(few[inside] ** 2) / np.mean(many[inside] ** 2))
    assert ratio == pytest.approx(4.0, rel=0.06)


def test_same_seed_gives_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(3)
    case = tia(rng.random((6, 7, 8)) * (rng.random((6, 7, 8)) < 0.5))
    density = on(case, rng.uniform(0.05, 1.9, (6, 7, 8)))
    runs = [MonteCarlo("Ho-166", 5000, seed=9, threads=n).dose(case, density) for n in (1, 2, 4)]
    for other in runs[1:]:
        np.testing.assert_array_equal(other.array, runs[0].array)
        np.testing.assert_array_equal(other.relative_uncertainty, runs[0].relative_uncertainty)


def test_same_bits_with_a_target_too():
    case = tia(box((4, 5, 6), (1, 1, 1), (3, 4, 5)))
    runs = [MonteCarlo("Y-90", seed=9, threads=n, target_uncertainty=0.05).dose(case) for n in (1, 3)]
    np.testing.assert_array_equal(runs[0].array, runs[1].array)


def test_another_seed_gives_other_noise():
    case = tia(box((4, 5, 6), (1, 1, 1), (3, 4, 5)))
    a, b = (MonteCarlo("Y-90", 1000, seed=s).dose(case).array for s in (0, 1))
    assert (a != b).mean() > 0.9


# --- linearity, symmetry, sign ---------------------------------------------------------------------------------


def test_dose_is_linear_in_activity():
    array = box((5, 6, 7), (1, 1, 1), (4, 5, 6))
    one, three = (MonteCarlo("Y-90", 1000, seed=1).dose(tia(a)).array for a in (array, 3 * array))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-5)


def test_flipping_an_axis_with_its_affine_leaves_the_dose_in_place():
    rng = np.random.default_rng(1)
    array = rng.random((5, 6, 7))
    grid = Grid.from_spacing(array.shape, (4.0, 3.0, 5.0))
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    flip[2, 3] = 6
    flipped = Grid(grid.shape, grid.affine @ flip)
    engine = MonteCarlo("Y-90", 200_000, seed=1)
    a = engine.dose(TimeIntegratedActivityMap(array, grid))
    b = engine.dose(TimeIntegratedActivityMap(array[:, :, ::-1], flipped))
    sigma = np.hypot(a.relative_uncertainty, b.relative_uncertainty[:, :, ::-1]) * a.array
    assert np.mean(((b.array[:, :, ::-1] - a.array) / sigma) ** 2) == pytest.approx(1.0, abs=0.35)


def test_negative_decays_are_taken_off():
    positive = box((7, 7, 7), (1, 1, 1), (4, 6, 6))
    negative = box((7, 7, 7), (4, 1, 1), (6, 6, 6), 2e8)
    engine = MonteCarlo("Y-90", 100_000, seed=1)
    both = engine.simulate(tia(positive - negative), None)
    apart = engine.dose(tia(positive)).array - engine.dose(tia(negative)).array
    core = np.s_[2:5, 2:5, 2:5]
    np.testing.assert_allclose(both.dose.array[core], apart[core], atol=0.08 * apart.max())
    assert float(both.dose.array.sum()) == pytest.approx(float(apart.sum()), rel=0.01)
    assert both.dose.array[5, 3, 3] < 0


# --- running ---------------------------------------------------------------------------------------------------


def test_a_target_in_a_region_is_reached():
    case = tia(box((6, 7, 8), (1, 1, 1), (5, 6, 7)))
    mask = Mask(box((6, 7, 8), (2, 2, 2), (4, 4, 4), 1.0), case.grid)
    engine = MonteCarlo("Y-90", target_uncertainty=0.02, target_mask=mask, seed=2)
    result = engine.simulate(case)
    assert result.uncertainty <= 0.02
    inside = result.dose.relative_uncertainty[mask.array > 0]
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(result.uncertainty, rel=1e-5)
    assert result.notices == ()
    # It does not run on much longer than it must.
    assert result.uncertainty > 0.01


def test_a_target_out_of_reach_is_warned_with_what_it_takes():
    case = tia(box((6, 7, 8), (1, 1, 1), (5, 6, 7)))
    engine = MonteCarlo("Y-90", target_uncertainty=0.0005, time_limit_s=0.3, seed=2)
    with pytest.warns(Notice, match=r"the target of 0.05 % needs about .* histories"):
        engine.dose(case)


def test_histories_end_a_run_before_its_target():
    case = tia(box((6, 7, 8), (1, 1, 1), (5, 6, 7)))
    result = MonteCarlo("Y-90", 3000, target_uncertainty=0.001, seed=2).simulate(case)
    assert 3000 <= result.histories < 3100
    assert [notice.code for notice in result.notices] == ["monte-carlo-uncertainty"]


def test_a_time_limit_is_kept():
    case = tia(box((6, 7, 8), (1, 1, 1), (5, 6, 7)))
    MonteCarlo("Y-90", 1000).dose(case)  # loads the loops
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MonteCarlo("Y-90", time_limit_s=0.5, threads=1).dose(case)
    assert 0.5 <= time.perf_counter() - started < 5.0


def test_progress_rises_to_the_end():
    case = tia(box((4, 5, 6), (1, 1, 1), (3, 4, 5)))
    said = []
    MonteCarlo("Y-90", 1000, progress=lambda *a: said.append(a)).dose(case)
    assert said[-1] == ("1,000 histories, 0 s left", 1.0)
    assert [f for _, f in said] == sorted(f for _, f in said)


def test_voxels_without_a_hit_are_wholly_uncertain():
    case = tia(box((4, 5, 40), (1, 1, 1), (3, 4, 3)), (4.0, 4.0, 8.0))
    dose = MonteCarlo("Y-90", 200, seed=1).dose(case)
    assert (dose.array[:, :, -1] == 0).any()
    assert (dose.relative_uncertainty[dose.array == 0] == 1).all()


# --- refusals --------------------------------------------------------------------------------------------------


def test_no_activity_is_refused():
    with pytest.raises(InputError, match="no activity at all"):
        MonteCarlo("Y-90", 1000).dose(tia(np.zeros((3, 3, 3))))


def test_activity_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="NaN or infinite"):
        MonteCarlo("Y-90", 1000).dose(tia(np.full((3, 3, 3), np.nan)))


@pytest.mark.parametrize("what", ["density", "target_mask"])
def test_maps_on_another_grid_are_refused(what):
    case, other = tia(np.ones((3, 3, 3))), Grid.from_spacing((3, 3, 3), (4.0, 4.0, 5.0))
    density = DensityMap(np.ones((3, 3, 3)), other if what == "density" else case.grid)
    mask = Mask(np.ones((3, 3, 3)), other) if what == "target_mask" else None
    with pytest.raises(GridMismatchError, match=what):
        MonteCarlo("Y-90", 1000, target_mask=mask).dose(case, density)


def test_a_target_without_voxels_is_refused():
    case = tia(np.ones((3, 3, 3)))
    mask = Mask(np.full((3, 3, 3), 0.4), case.grid)
    with pytest.raises(InputError, match="no voxel of target_mask"):
        MonteCarlo("Y-90", target_uncertainty=0.1, target_mask=mask).dose(case)


def test_a_nuclide_without_betas_is_refused():
    with pytest.raises(PhysicsError, match="no beta spectrum"):
        MonteCarlo("Tc-99m", 1000).dose(tia(np.ones((3, 3, 3))))


@pytest.mark.parametrize(
    "settings",
    [
        {"histories": 0}, {"histories": -5}, {"seed": -1}, {"target_uncertainty": 0.0}, {"target_uncertainty": 2.0},
        {"time_limit_s": 0.0}, {"electron_cutoff_mev": 0.001}, {"photon_cutoff_mev": 0.5}, {"threads": 0},
        {"scattering_per_step": 5.0}, {"loss_per_step": float("nan")}, {"nuclide": "Xx-1"},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(InputError):
        MonteCarlo(**{"nuclide": "Y-90", "histories": 1000, **settings})
