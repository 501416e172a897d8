"""The exact engine: against plain Monte Carlo of the same physics, against its own convolution, and against itself."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from y90voxel.dose.convolution.convolve import convolve
from y90voxel.dose.exact import difference_run, reference_media
from y90voxel.dose.exact import reference_kernel as reference_module
from y90voxel.dose.exact.difference_run import SETTINGS, prepare
from y90voxel.dose.exact.exact import Exact
from y90voxel.dose.exact.reference_kernel import reference_kernel
from y90voxel.dose.monte_carlo.monte_carlo import MonteCarlo
from y90voxel.errors import GridMismatchError, InputError, Notice, PhysicsError
from y90voxel.reference.nuclide import nuclide
from y90voxel.units import JOULE_PER_MEV
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DensityMap, Mask, TimeIntegratedActivityMap

SHAPE = (18, 15, 16)


def grid(spacing=(4.0, 4.0, 4.0), shape=SHAPE):
    return Grid.from_spacing(shape, spacing)


def phantom(spacing=(4.0, 4.0, 4.0)):
    """A liver under a lung with some activity, soft tissue of noisy density around, bone on one side."""
    where = grid(spacing)
    z, y, x = np.indices(SHAPE)
    rng = np.random.default_rng(1)
    liver = ((z - 6) / 6) ** 2 + ((y - 7) / 5.5) ** 2 + ((x - 7) / 5.5) ** 2 < 1
    density = np.where(
        z > 10, 0.26 * (1 + 0.2 * rng.normal(size=SHAPE)), 1.04 * (1 + 0.03 * rng.normal(size=SHAPE))
    )
    density[:, :, 13:] = 1.5
    density[liver] = 1.05
    decays = 1e9 * liver * rng.gamma(8.0, 1 / 8, SHAPE) + 3e7 * ((z > 11) & (z < 16))
    regions = {
        "liver": liver, "lung": density < 0.6, "bone": density == 1.5,
        "soft": (density > 0.8) & (density < 1.4) & ~liver,
    }  # fmt: skip
    masks = {name: Mask(region.astype(float), where) for name, region in regions.items()}
    return TimeIntegratedActivityMap(decays, where), DensityMap(density.astype(np.float32), where), masks


def mean_doses(dose, density, masks):
    return {
        name: float(np.average(dose.array, weights=mask.array * density.array))
        for name, mask in masks.items()
    }


def sigma_gy(result):
    return np.hypot(result.statistical_gy, result.kernel_gy).astype(float)


def compare(found, plain, density, masks, sigmas=4.0):
    """Regions within the uncertainty of both, and voxels with dose as far apart as both say."""
    here, there = (mean_doses(r.dose, density, masks) for r in (found, plain))
    for name in masks:
        tolerance = sigmas * np.hypot(found.region_uncertainty[name], plain.region_uncertainty[name])
        assert here[name] == pytest.approx(there[name], rel=tolerance), (name, here[name] / there[name] - 1)
    dose = plain.dose.array.astype(float)
    own = dose * plain.dose.relative_uncertainty
    chosen = dose > 0.02 * dose.max()
    apart = (found.dose.array - dose)[chosen] / np.hypot(own, sigma_gy(found))[chosen]
    assert np.mean(apart**2) == pytest.approx(1.0, abs=0.15)  # 2000 voxels that share histories, 50 batches
    assert (np.abs(apart) < 3.0).mean() > 0.98
    return apart


# --- the truth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Y-90", "Ho-166"])
def test_it_is_plain_monte_carlo(name):
    source, density, masks = phantom()
    found = Exact(name, 150_000, seed=3).simulate(source, density, masks)
    plain = MonteCarlo(name, 600_000, seed=4).simulate(source, density, masks)
    compare(found, plain, density, masks)
    # and better known where the medium is the liver's, from a quarter of the histories
    liver = masks["liver"].array > 0
    own = plain.dose.array * plain.dose.relative_uncertainty
    assert np.mean(own[liver] ** 2) > 10 * np.mean(sigma_gy(found)[liver] ** 2)


def test_it_is_plain_monte_carlo_in_oblong_voxels():
    source, density, masks = phantom((5.0, 3.0, 2.5))
    found = Exact("Y-90", 150_000, seed=3).simulate(source, density, masks)
    plain = MonteCarlo("Y-90", 500_000, seed=4).simulate(source, density, masks)
    compare(found, plain, density, masks)


def test_negative_decays_are_taken_off():
    source, density, masks = phantom()
    array = np.array(source.array)
    array[4:8, 5:9, 5:9] *= -0.3
    source = TimeIntegratedActivityMap(array, source.grid)
    found = Exact("Y-90", 100_000, seed=3).simulate(source, density, masks)
    plain = MonteCarlo("Y-90", 400_000, seed=4).simulate(source, density, masks)
    compare(found, plain, density, masks)
    assert float(found.dose.array.min()) < 0


def test_it_stays_right_with_a_wrong_uniform_medium(monkeypatch):
    source, density, masks = phantom()
    usual = Exact("Y-90", 150_000, seed=3).simulate(source, density, masks)
    original = reference_media._weighted_median
    monkeypatch.setattr(reference_media, "_weighted_median", lambda *a: 1.1 * original(*a))
    found = Exact("Y-90", 150_000, seed=3).simulate(source, density, masks)
    plain = MonteCarlo("Y-90", 600_000, seed=4).simulate(source, density, masks)
    compare(found, plain, density, masks)
    liver = masks["liver"].array > 0
    assert np.mean(sigma_gy(found)[liver] ** 2) > 3 * np.mean(sigma_gy(usual)[liver] ** 2)


@pytest.fixture
def prepared_once(monkeypatch):
    """What every run of one case computes alike, once: kernels, and their test against the transport."""
    monkeypatch.setattr(difference_run, "reference_kernel", cache(reference_kernel))
    monkeypatch.setattr(difference_run, "check_expectation", lambda *arguments: None)


@pytest.mark.slow
def test_two_hundred_short_runs_average_to_a_long_plain_one(prepared_once):
    source, density, masks = phantom()
    runs = [Exact("Y-90", 10_000, seed=1000 + i).simulate(source, density, masks) for i in range(200)]
    plain = MonteCarlo("Y-90", 12_000_000, seed=4).simulate(source, density, masks)
    doses = np.array([r.dose.array for r in runs], float)
    mean, sigma = doses.mean(axis=0), doses.std(axis=0, ddof=1) / np.sqrt(len(runs))
    kernel = runs[0].kernel_gy  # the same in every run
    dose = plain.dose.array.astype(float)
    own = dose * plain.dose.relative_uncertainty
    some = dose > 1e-3 * dose.max()
    apart = ((mean - dose) / np.sqrt(own**2 + sigma**2 + kernel**2))[some]
    assert (np.abs(apart) < 3.0).mean() >= 0.99
    assert np.mean(apart**2) == pytest.approx(1.0, abs=0.1)
    there = mean_doses(plain.dose, density, masks)
    here = [mean_doses(r.dose, density, masks) for r in runs]
    for name in masks:
        values = np.array([one[name] for one in here])
        spread = values.std(ddof=1) / np.sqrt(values.size)
        tolerance = 3 * np.hypot(spread, plain.region_uncertainty[name] * there[name])
        assert values.mean() == pytest.approx(there[name], abs=tolerance), name


@pytest.mark.slow
def test_the_stated_uncertainty_is_honest_over_fifty_runs(prepared_once):
    source, density, masks = phantom()
    runs = [Exact("Y-90", 50_000, seed=500 + i).simulate(source, density, masks) for i in range(50)]
    doses = np.array([r.dose.array for r in runs], float)
    stated = np.mean([np.square(r.statistical_gy, dtype=float) for r in runs], axis=0)
    some = doses.mean(axis=0) > 0.01 * doses.mean(axis=0).max()
    ratio = doses.var(axis=0, ddof=1)[some] / stated[some]
    assert 0.9 <= ratio.mean() <= 1.1
    for name in masks:
        values = np.array([mean_doses(r.dose, density, {name: masks[name]})[name] for r in runs])
        said = np.sqrt(np.mean([r.region_uncertainty[name] ** 2 for r in runs]))
        assert values.std(ddof=1) / values.mean() == pytest.approx(said, rel=0.3), name


# --- the expectation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 1.05])
def test_in_one_medium_it_is_the_convolution_with_its_own_kernel(value):
    source, _, _ = phantom()
    density = None if value is None else DensityMap(np.full(SHAPE, value, np.float32), source.grid)
    job = prepare(nuclide("Y-90"), source, density, 1000, 0, 1, {})
    assert job.groups == ()  # no electron is simulated
    kernel = reference_kernel(
        nuclide("Y-90"), "water" if value is None else "soft tissue", value or 1.0, (4.0, 4.0, 4.0), SETTINGS
    )
    convolved = convolve(source.array, kernel.energy_mev, method="direct")
    np.testing.assert_allclose(job.expectation.energy_mev, convolved, atol=1e-4 * convolved.max())
    dose = Exact("Y-90", 100_000, seed=1).dose(source, density).array
    electrons = convolved * JOULE_PER_MEV / (0.064e-3 * (value or 1.0))
    photons = (dose - electrons)[source.array > 5e8] / electrons[source.array > 5e8]
    # bremsstrahlung: 0.2 to 0.5 % inside a ball of 50 mm
    assert 0.0005 < photons.mean() < 0.005


def test_a_kernel_off_by_two_per_cent_is_refused(monkeypatch):
    source, density, _ = phantom()

    def with_kernel(change):
        def wrong(*arguments):
            kernel = reference_kernel(*arguments)
            return replace(kernel, energy_mev=change(kernel.energy_mev))

        monkeypatch.setattr(difference_run, "reference_kernel", wrong)
        return prepare(nuclide("Y-90"), source, density, 1000, 0, 1, {})

    def moved(energy, part):
        """Some of the energy of the source voxel moved to its neighbours, the sum kept."""
        energy = energy.copy()
        centre = tuple(n // 2 for n in energy.shape)
        taken = part * energy[centre]
        near = tuple(slice(c - 1, c + 2) for c in centre)
        energy[near] += taken / 26
        energy[centre] -= taken * 27 / 26
        return energy

    for change in (lambda e: 1.02 * e, lambda e: 0.98 * e, lambda e: moved(e, 0.04)):
        with pytest.raises(PhysicsError, match="contradict each other"):
            with_kernel(change)
    with_kernel(lambda e: 1.001 * e)

    def of_another_density(record, medium, density, *rest):
        return reference_kernel(record, medium, density / 1.05, *rest)

    monkeypatch.setattr(difference_run, "reference_kernel", of_another_density)
    with pytest.raises(PhysicsError, match="contradict each other"):
        prepare(nuclide("Y-90"), source, density, 1000, 0, 1, {})


def test_another_spectrum_than_the_shipped_runs_is_simulated(monkeypatch):
    monkeypatch.setattr(reference_module, "HISTORIES", 40_000)
    record = nuclide("P-32")
    shells = reference_kernel(record, "water", 1.0, (4.0, 4.0, 4.0), SETTINGS)
    assert shells.energy_mev.sum() == pytest.approx(record.mean_electron_energy_mev, rel=0.01)


def test_shipped_kernels_hold_the_electrons_energy_and_say_how_well():
    for name in ("Y-90", "Ho-166"):
        kernel = reference_kernel(nuclide(name), "soft tissue", 1.05, (4.4, 4.4, 4.4), SETTINGS)
        record = nuclide(name)
        # 0.4 % of the energy of Y-90's electrons is radiated
        assert kernel.energy_mev.sum() == pytest.approx(record.mean_electron_energy_mev, rel=0.008)
        centre = tuple(n // 2 for n in kernel.energy_mev.shape)
        spread = kernel.replicas_mev[(slice(None), *centre)].std(ddof=1) / np.sqrt(8)
        assert spread < 1e-3 * kernel.energy_mev[centre]
        assert kernel.histories >= 1_000_000


# --- running ---------------------------------------------------------------------------------------------------


def test_same_seed_gives_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(3)
    where = grid(shape=(9, 8, 10))
    source = TimeIntegratedActivityMap(rng.random(where.shape) * (rng.random(where.shape) < 0.5), where)
    values = np.where(rng.random(where.shape) < 0.7, 1.05, rng.uniform(0.05, 1.9, where.shape))
    density = DensityMap(values.astype(np.float32), where)
    masks = {"all": Mask(np.ones(where.shape), where)}
    runs = [Exact("Ho-166", 20_000, seed=9, threads=n).simulate(source, density, masks) for n in (1, 2, 4)]
    for other in runs[1:]:
        np.testing.assert_array_equal(other.dose.array, runs[0].dose.array)
        np.testing.assert_array_equal(other.dose.relative_uncertainty, runs[0].dose.relative_uncertainty)
        assert other.region_uncertainty == runs[0].region_uncertainty
    again = Exact("Ho-166", 20_000, seed=10, threads=1).dose(source, density).array
    assert (again != runs[0].dose.array).any()


def test_a_target_is_reached_or_warned_with_what_it_takes():
    source, density, masks = phantom()
    reached = Exact("Y-90", target_uncertainty=0.01, target_mask=masks["lung"], seed=1, histories=10**9)
    with pytest.raises(InputError, match=r"target_uncertainty must lie between 0\.0001 and 0\.5"):
        replace(reached, target_uncertainty=0.00009)
    easy = replace(reached, target_uncertainty=0.5, histories=None).simulate(source, density)
    assert easy.uncertainty <= 0.5
    assert "exact-uncertainty" not in {notice.code for notice in easy.notices}
    hard = replace(reached, target_uncertainty=0.0001, histories=30_000).simulate(source, density)
    (notice,) = [notice for notice in hard.notices if notice.code == "exact-uncertainty"]
    assert "the target of 0.01 % needs about" in str(notice)
    timed = replace(reached, target_uncertainty=0.0001, histories=None, time_limit_s=0.1)
    with pytest.warns(Notice, match="the exact engine stopped at"):
        timed.dose(source, density)


def test_what_cannot_be_run_is_refused():
    source, density, masks = phantom()
    for bad in ({"histories": 4999}, {"seed": -1}, {"time_limit_s": 0.05}, {"target_uncertainty": 0.6}):
        with pytest.raises(InputError, match=f"{next(iter(bad))} must lie between"):
            Exact("Y-90", **bad)
    Exact("Y-90", histories=5000, time_limit_s=0.1, target_uncertainty=0.5)
    empty = Mask(np.zeros(SHAPE), source.grid)
    with pytest.raises(InputError, match="no voxel of target_mask"):
        Exact("Y-90", 5000, target_mask=empty).simulate(source, density)
    with pytest.raises(InputError, match="no activity at all"):
        Exact("Y-90", 5000).simulate(TimeIntegratedActivityMap(np.zeros(SHAPE), source.grid), density)
    other = grid((3.0, 4.0, 4.0))
    with pytest.raises(GridMismatchError):
        Exact("Y-90", 5000).simulate(source, DensityMap(density.array, other), masks)


@pytest.mark.parametrize(("value", "said"), [(2.99, False), (3.01, True)])
def test_metal_is_noticed(value, said):
    source, density, _ = phantom()
    values = np.array(density.array)
    values[2, 2, 14] = value
    result = Exact("Y-90", 5000).simulate(source, DensityMap(values, source.grid))
    assert ("exact-metal" in {notice.code for notice in result.notices}) is said


def test_both_parts_of_the_uncertainty_and_the_models_error_are_said():
    source, density, _ = phantom()
    engine = Exact("Y-90", 20_000, seed=1)
    result = engine.simulate(source, density)
    (notice,) = [notice for notice in result.notices if notice.code == "exact-parts"]
    assert "of statistics" in str(notice)
    assert "of its own kernel (lung: β" in str(notice)
    assert "; soft tissue: β" in str(notice)
    assert "PENELOPE" in str(engine.caveats(False)[0])
    certain = result.dose.relative_uncertainty < 1
    both = sigma_gy(result)[certain] / np.abs(result.dose.array[certain])
    np.testing.assert_allclose(both, result.dose.relative_uncertainty[certain], rtol=1e-4)
