"""Named numbers of a case, one case just inside and one just outside of each (docs/mutants.md)."""

from datetime import date, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import dvh_sampling, grid_error
from y90voxel.case.accumulation_settings import _day
from y90voxel.case.dvh_sampling import _NoiseToDose, _sampling_grid, _Scene, sample_bands
from y90voxel.case.grid_error import grid_errors
from y90voxel.case.halves import _of_region, _shift_mm
from y90voxel.case.lung_methods import _Spill
from y90voxel.case.uncertainty_inputs import UncertaintyInputs
from y90voxel.case.verify import _check_energy
from y90voxel.errors import PhysicsError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import (
    DensityMap,
    DoseMap,
    Mask,
    TimeIntegratedActivityMap,
)


def row(voxels, mm=1.0):
    """A grid of one row of voxels."""
    return Grid.from_spacing((1, 1, voxels), (mm, mm, mm))


def mask_of(grid, *voxels):
    array = np.zeros(grid.shape)
    array[0, 0, list(voxels)] = 1.0
    return Mask(array, grid)


def test_a_day_without_a_time_is_noon():
    expected = datetime(2026, 3, 2, 12)
    assert [_day(value) for value in ("2026-03-02", date(2026, 3, 2))] == [expected] * 2
    timed = datetime(2026, 3, 2, 10, 30)
    assert [_day(value) for value in ("2026-03-02T10:30", timed)] == [timed] * 2


@pytest.mark.parametrize(("slices", "coarser"), [(59, False), (61, True)])
def test_bands_are_sampled_in_coarser_voxels_from_600_000_on(slices, coarser):
    grid = Grid.from_spacing((slices, 100, 100), (2.0, 2.0, 2.0))
    whole = SimpleNamespace(mask=SimpleNamespace(box=tuple(slice(0, n) for n in grid.shape)))
    found = _sampling_grid(grid, [whole], 0.0)
    assert (found.spacing_mm[0] > 2.0) is coarser
    assert found.size == pytest.approx(min(600_000, grid.size), rel=0.03)


@pytest.mark.parametrize(("samples", "maps"), [(40, 40), (47, 47), (60, 48)])
def test_noise_is_drawn_once_a_sample_and_at_most_48_times(samples, maps, monkeypatch):
    grid = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
    used = []
    scene = SimpleNamespace(
        dose=SimpleNamespace(grid=grid),
        unmoved=tuple,
        draw=lambda rng, calibration, noise: used.append(int(noise)) or (),
    )
    numbers = iter(range(1000))
    monkeypatch.setattr(_Scene, "of", lambda evaluation, inputs: scene)
    monkeypatch.setattr(
        _NoiseToDose, "of", lambda *of: SimpleNamespace(draw=lambda rng: np.float32(next(numbers)))
    )
    evaluation = SimpleNamespace(case=SimpleNamespace(grid=grid))
    assert sample_bands(evaluation, SimpleNamespace(samples=samples, seed=1), 0.1, ["image"]) == ({}, [])
    assert used == [number % maps for number in range(samples)]


def test_a_sample_tells_doses_to_a_4096th_of_their_range():
    """The upper of two doses spreads over one bin, and D25 is its middle."""
    grid = row(2)
    scene = SimpleNamespace(dose=DoseMap(np.array([[[0.0, 100.0]]]), grid))
    region = Region("GTV1", Role.TUMOUR, mask_of(grid, 0, 1))
    at_25 = list(dvh_sampling.VOLUMES_PERCENT).index(25)
    found = _Scene.sample(scene, region, None)
    assert 100.0 + 1e-3 - found[at_25] == pytest.approx(0.5 * (100.0 + 2e-3) / 4096, rel=0.02)


@pytest.mark.parametrize(("chance", "taken"), [(3.4, 3.4), (3.6, 3.5), (-9.0, -3.5)])
def test_draws_beyond_3_5_standard_deviations_are_taken_as_that(chance, taken):
    shifts = []
    scene = SimpleNamespace(
        movable=(),
        offsets=(),
        registration_mm=2.0,
        _share_capsule=lambda offsets: None,
        _moved=lambda shift_mm, offsets: shifts.append(shift_mm) or (),
        _recalibrated=lambda regions: 1.0,
    )
    rng = SimpleNamespace(standard_normal=lambda number: np.full(number, chance))
    assert list(_Scene.draw(scene, rng, 0.1, None)) == []
    assert shifts[1] == pytest.approx(np.full(3, 2.0 * taken))


@pytest.mark.parametrize(("mm", "voxels"), [(1.0, 12), (1.25, 10), (4.0, 3), (4.4, 3)])
def test_noise_is_drawn_as_far_as_12_mm_around(mm, voxels):
    grid = Grid.from_spacing((2, 3, 4), (mm, mm, mm))
    shapes = []

    def dose(decays):
        shapes.append(decays.grid.shape)
        return DoseMap(np.ones(decays.grid.shape), decays.grid)

    convolution = SimpleNamespace(
        kernel=SimpleNamespace(density_g_per_ml=1.05), density_floor_g_per_ml=0.1, dose=dose
    )
    scene = SimpleNamespace(
        dose=SimpleNamespace(grid=grid), density=DensityMap(np.full(grid.shape, 1.05), grid)
    )
    found = _NoiseToDose(scene, [], 230_000.0, None, convolution).draw(None)
    assert shapes == [tuple(n + 2 * voxels for n in grid.shape)]
    assert found == pytest.approx(np.ones(grid.shape))


@pytest.mark.parametrize(("engine", "share"), [("convolution", 0.5), ("density", 0.5), ("local", 1.0)])
def test_electrons_leave_half_of_the_bound_of_mixing_and_doses_in_place_all(engine, share, monkeypatch):
    grid = row(4)
    lungs = Region("lungs", Role.LUNGS, mask_of(grid, 0, 1))
    case = SimpleNamespace(injections=(None, None), regions=[lungs])
    tissue = SimpleNamespace(density=None, own={"lungs": None})
    monkeypatch.setattr(grid_error, "outline_error", lambda *of: 0.01)
    monkeypatch.setattr(grid_error, "mixed_density_error", lambda *of: 0.08)
    found = grid_errors(case, None, None, tissue, engine)["lungs"]
    assert found.by_mixing == pytest.approx(0.08 * share)


@pytest.mark.parametrize(("places", "corrected"), [(9.8, False), (10.2, True)])
def test_a_histogram_of_ten_independent_places_is_corrected_by_halves(places, corrected):
    """100 voxels of 1 mL that halves agree in but for a little noise."""
    grid = Grid.from_spacing((4, 5, 5), (10.0, 10.0, 10.0))
    rng = np.random.default_rng(1)
    dose, noise = rng.uniform(50.0, 100.0, grid.shape), rng.normal(0.0, 0.5, grid.shape)
    region = Region("GTV1", Role.TUMOUR, Mask(np.ones(grid.shape), grid))
    dvh = DoseVolumeHistogram.from_dose(DoseMap(dose, grid), region.mask)
    halves = (DoseMap(dose + noise, grid), DoseMap(dose - noise, grid))
    found = _of_region(SimpleNamespace(dvh=lambda name: dvh), region, *halves, 100.0 / places)
    assert (found.d_gy is not None) is corrected
    assert ((found.reason or "").startswith("9.8 independent places")) is not corrected


@pytest.mark.parametrize(("voxel", "seen"), [(29, True), (31, False)])
def test_counts_as_far_as_twice_the_resolution_around_the_liver_tell_its_breathing(voxel, seen):
    """Liver up to voxel 9; of 10 mm FWHM, voxel 29 of 1 mm lies 20 mm away."""
    grid = row(40)
    regions = Regions(grid, (Region("Liver", Role.LIVER, mask_of(grid, *range(10))),))
    injection = SimpleNamespace(regions=regions, emission=SimpleNamespace(grid=grid))
    case = SimpleNamespace(injections=(injection,), regions=regions, emission_fwhm_mm=10.0)
    a = np.zeros(grid.shape)
    a[0, 0, :10] = 1.0
    b = a.copy()
    b[0, 0, voxel] = 1.0
    assert bool(np.abs(_shift_mm(case, a, b)).max() > 0.1) is seen


@pytest.mark.parametrize(("voxel", "near"), [(19, True), (20, True), (22, False)])
def test_activity_further_than_20_mm_from_the_lung_spills_none_into_it(voxel, near):
    """Lung in voxel 0 of 1 mm, liver from 5 on."""
    grid = row(60)
    decays = np.zeros(grid.shape)
    decays[0, 0, voxel] = 1e9
    density = DensityMap(np.ones(grid.shape), grid)
    liver, lungs = mask_of(grid, *range(5, 60)), mask_of(grid, 0)
    found = _Spill.of(TimeIntegratedActivityMap(decays, grid), density, density, liver, lungs)
    assert (found.tia.total > 0.0) is near


@pytest.mark.parametrize(("held", "refused"), [(1.018, False), (1.022, True)])
def test_a_dose_may_hold_2_percent_more_energy_than_was_emitted(held, refused):
    grid = row(10, mm=10.0)
    dose, density = DoseMap(np.full(grid.shape, held * 100.0), grid), DensityMap(np.ones(grid.shape), grid)
    arguments = (dose, density, 1e9, 1.0)  # 1 J in 10 g
    if refused:
        with pytest.raises(PhysicsError, match=r"more than 1\.02 times"):
            _check_energy(*arguments)
    else:
        _check_energy(*arguments)


def test_300_samples_are_drawn_unless_stated():
    sizes = {"fwhm_mm": 10.0, "contour_voxel_mm": 2.0, "contour_fwhm_mm": 5.0}
    assert UncertaintyInputs(**sizes).samples == 300
