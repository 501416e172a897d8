"""Each step of a sampled histogram alone, by hand: what is drawn, how far it may lie, and how it comes off the dose."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import dvh_sampling
from y90voxel.case.dvh_sampling import (
    _calibration_roles,
    _coarser,
    _diameter_mm,
    _held_bq,
    _NoiseToDose,
    _quantiles,
    _sampling_grid,
    _Scene,
    sample_bands,
)
from y90voxel.case.image_noise import NoisyImage
from y90voxel.case.uncertainty_inputs import UncertaintyInputs
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.noise import ImageNoise
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap, Mask

CUBE = Grid.from_spacing((12, 12, 12), (5.0, 5.0, 5.0))


def block(name, role, low, high, grid=CUBE):
    array = np.zeros(grid.shape)
    array[low:high, low:high, low:high] = 1.0
    return Region(name, role, Mask(array, grid))


def evaluation_of(*drawn, grid=CUBE, **values):
    ones = np.ones(grid.shape)
    calibration = SimpleNamespace(mode=CalibrationMode.ABSOLUTE, region=CalibrationRegion.LIVER)
    case = SimpleNamespace(regions=Regions(grid, drawn), grid=grid, calibration=calibration, nuclide="Y-90")
    plain = {
        "dose": DoseMap(10.0 * ones, grid),
        "activity": ActivityMap(ones, grid),
        "density": DensityMap(ones, grid),
    }
    return SimpleNamespace(**{"case": case, **plain, **values})


def inputs_of(**values):
    return UncertaintyInputs(
        **{"fwhm_mm": 10.0, "contour_voxel_mm": 3.0, "contour_fwhm_mm": 6.0, "samples": 40} | values
    )


def test_a_body_alone_has_no_bands():
    said = []
    body = evaluation_of(block("Body", Role.BODY, 2, 8))
    assert sample_bands(body, inputs_of(), 0.1, [], lambda what, done: said.append((what, done))) == ({}, [])
    assert sample_bands(evaluation_of(), inputs_of(), 0.1, []) == ({}, [])
    assert said == [("preparing regions", 0.0)]


def test_a_sample_moves_the_exact_histogram_by_what_it_differs_from_its_own_start(monkeypatch):
    """The exact histogram is 10 Gy with a mean of 20; samples start at 5 and are drawn at 7."""
    region = SimpleNamespace(name="GTV1")
    size = VOLUMES_PERCENT.size + 1
    scene = SimpleNamespace(
        dose=SimpleNamespace(grid=CUBE),
        unmoved=lambda: (region,),
        sample=lambda one, noise: np.full(size, 5.0),
        draw=lambda rng, calibration, noise: [("GTV1", np.full(size, 7.0))],
    )
    monkeypatch.setattr(_Scene, "of", lambda evaluation, inputs: scene)
    dvh = SimpleNamespace(doses_at_volumes=lambda volumes: np.full(volumes.size, 10.0), mean_gy=20.0)
    evaluation = SimpleNamespace(case=SimpleNamespace(grid=CUBE), dvh=lambda name: dvh)
    bands, notices = sample_bands(evaluation, inputs_of(), 0.1, [])
    band = bands["GTV1"]
    assert band.low_gy == pytest.approx(np.full(VOLUMES_PERCENT.size, 12.0))
    assert (band.mean_low_gy, band.mean_high_gy, notices) == (22.0, 22.0, [])


def test_coarser_voxels_are_told_with_both_sizes():
    coarse = Grid.from_spacing((4, 4, 4), (6.0, 7.0, 8.0))
    assert _coarser(CUBE, CUBE) == []
    (notice,) = _coarser(coarse, CUBE)
    assert "voxels of 6.00 × 7.00 × 8.00 mm, coarser than the 5.00 × 5.00 × 5.00 mm" in notice.message


def test_boundaries_and_reach_follow_the_size_of_the_regions(monkeypatch):
    """Cubes of 4 and 2 voxels of 5 mm: 8 and 1 mL. 3 mm and 6 mm FWHM place a diameter to √(9/6 + 36/(4 ln 2)) = 3.81 mm.

    The reach is 3.5 spreads of a boundary, 3.5 of the shift, and 1 mm.
    """
    reaches = []
    grid_of = dvh_sampling._sampling_grid
    monkeypatch.setattr(
        dvh_sampling, "_sampling_grid", lambda grid, drawn, mm: reaches.append(mm) or grid_of(grid, drawn, mm)
    )
    large, small = block("Liver", Role.LIVER, 2, 6), block("GTV1", Role.TUMOUR, 3, 5)
    evaluation = evaluation_of(block("Body", Role.BODY, 0, 12), large, small)
    scene = _Scene.of(evaluation, inputs_of(registration_mm=2.0))
    u_mm = math.sqrt(9.0 / 6.0 + 36.0 / (4.0 * math.log(2.0)))
    radii = [(3.0 * volume / (4.0 * math.pi)) ** (1 / 3) for volume in (8000.0, 1000.0)]
    spreads = [math.sqrt(math.log(1.0 + (u_mm / (2.0 * r)) ** 2)) for r in radii]
    assert np.array(scene.offsets) == pytest.approx(np.transpose([radii, spreads]))
    furthest = max(r * (math.exp(3.5 * s) - 1.0) for r, s in zip(radii, spreads, strict=True))
    assert reaches == [pytest.approx(furthest + 7.0 + 1.0)]
    assert [region.name for region in scene.regions.drawn] == ["Liver", "GTV1"]
    assert (scene.registration_mm, scene.calibrated, scene.held_bq) == (2.0, (), 0.0)


class Chance:
    """Normal deviates that are known: 0.1 more each."""

    def __init__(self, first=0.1):
        self.first, self.asked = first, []

    def standard_normal(self, number):
        self.asked.append(number)
        return self.first + 0.1 * np.arange(number)


def drawn_scene(**values):
    """Two regions of radius 10 and 20 mm; a sample is 5 Gy as it is, 8 Gy moved with noise."""
    there, nowhere = (SimpleNamespace(mask=SimpleNamespace(array=np.array([n]))) for n in (1.0, 0.0))
    calls = SimpleNamespace(shifts=[], offsets=[])
    moved = values.pop("moved", {"GTV1": there})

    def move(shift_mm, offsets):
        calls.shifts.append(shift_mm)
        calls.offsets.append(list(offsets))
        names = {"GTV1": there, "Liver": there} if len(calls.shifts) == 1 else moved
        return [SimpleNamespace(name=name, mask=one.mask) for name, one in names.items()]

    scene = SimpleNamespace(
        movable=(None, None), offsets=((10.0, 0.2), (20.0, 0.1)), registration_mm=2.0, _moved=move,
        _share_capsule=lambda offsets: None, _recalibrated=lambda regions: 1.5 if len(regions) == 2 else 0.5,
        sample=lambda region, noise: 5.0 if noise is None else 8.0,
    )  # fmt: skip
    return scene, calls, nowhere


def test_a_draw_scales_pushes_and_shifts_and_takes_off_what_shift_and_noise_did():
    """Deviates 0.1, 0.2, … 0.6: calibration, three axes, two boundaries."""
    scene, calls, _ = drawn_scene()
    rng = Chance()
    found = list(_Scene.draw(scene, rng, 0.3, np.zeros(1)))
    assert rng.asked == [6]
    factor = math.exp(0.1 * math.sqrt(math.log(1.09)))
    assert found == [("GTV1", pytest.approx(factor * (2.0 * 1.5 * 5.0 - 0.5 * 8.0)))]
    assert calls.shifts[0] == pytest.approx(np.zeros(3))
    assert calls.shifts[1] == pytest.approx(np.array([0.4, 0.6, 0.8]))
    pushed = [10.0 * (math.exp(0.2 * 0.5) - 1.0), 20.0 * (math.exp(0.1 * 0.6) - 1.0)]
    assert calls.offsets == [pytest.approx(pushed), pytest.approx(pushed)]


def test_where_nothing_is_shifted_both_draws_lie_where_the_regions_do():
    scene, calls, _ = drawn_scene()
    scene.registration_mm = 0.0
    list(_Scene.draw(scene, Chance(), 0.3, np.zeros(1)))
    assert [shift.tolist() for shift in calls.shifts] == [[0.0] * 3] * 2


def test_a_region_that_a_draw_empties_gives_no_sample():
    scene, _, nowhere = drawn_scene()
    scene, _, nowhere = drawn_scene(moved={"GTV1": nowhere})
    assert list(_Scene.draw(scene, Chance(), 0.3, np.zeros(1))) == []
    scene, _, _ = drawn_scene(moved={})
    assert list(_Scene.draw(scene, Chance(), 0.3, np.zeros(1))) == []


def test_unmoved_regions_are_pushed_by_nothing():
    calls = []
    scene = SimpleNamespace(movable=(1, 2, 3), _moved=lambda shift, offsets: calls.append((shift, offsets)))
    _Scene.unmoved(scene)
    ((shift, offsets),) = calls
    assert (shift.tolist(), offsets) == ([0.0] * 3, [0.0] * 3)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ((Role.TUMOUR, Role.LIVER, Role.PERFUSED), [1.0, 2.0, 2.0]),
        ((Role.TUMOUR, Role.OTHER, Role.PERFUSED), [1.0, 2.0, 3.0]),
    ],
)
def test_perfused_volume_and_liver_have_one_boundary(roles, expected):
    movable = [SimpleNamespace(region=SimpleNamespace(role=role)) for role in roles]
    offsets = [1.0, 2.0, 3.0]
    _Scene._share_capsule(SimpleNamespace(movable=movable), offsets)
    assert offsets == expected


@pytest.mark.parametrize(
    ("calibrated", "held_bq", "activity", "factor"),
    [
        ((Role.LIVER,), 60.0, 2.0, 60.0 / 54.0), ((Role.LIVER,), 27.0, 0.01, 27.0 / 0.27),
        ((), 60.0, 2.0, 1.0), ((Role.LIVER,), 0.0, 2.0, 1.0), ((Role.LIVER,), 1.0, 2.0, 1.0 / 54.0),
        ((Role.LIVER,), 60.0, 0.0, 1.0),
    ],
)  # fmt: skip
def test_a_calibration_over_other_regions_multiplies_by_what_they_hold(calibrated, held_bq, activity, factor):
    """Liver of 27 voxels."""
    scene = SimpleNamespace(
        calibrated=calibrated, held_bq=held_bq, activity=ActivityMap(np.full(CUBE.shape, activity), CUBE)
    )
    regions = Regions(CUBE, (block("Liver", Role.LIVER, 2, 5),))
    assert _Scene._recalibrated(scene, regions) == pytest.approx(factor)


def test_activity_is_held_by_the_regions_of_the_roles_by_their_share_of_voxels():
    half = Region("Liver", Role.LIVER, Mask(0.5 * block("Liver", Role.LIVER, 2, 5).mask.array, CUBE))
    activity = ActivityMap(np.full(CUBE.shape, 3.0), CUBE)
    regions = Regions(CUBE, (half,))
    assert _held_bq(activity, regions, (Role.LIVER, Role.TUMOUR)) == pytest.approx(27 * 0.5 * 3.0)
    assert _held_bq(activity, regions, (Role.TUMOUR,)) == 0.0
    assert _held_bq(activity, regions, ()) == 0.0


def test_noise_is_added_to_the_dose_of_a_region_and_the_mean_weighs_its_voxels():
    """Two voxels of 10 and 30 Gy, the second half filled; noise of −4 and +8 Gy."""
    grid = Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0))
    scene = SimpleNamespace(dose=DoseMap(np.array([[[10.0, 30.0, 90.0]]]), grid))
    region = Region("GTV1", Role.TUMOUR, Mask(np.array([[[1.0, 0.5, 0.0]]]), grid))
    plain = _Scene.sample(scene, region, None)
    noisy = _Scene.sample(scene, region, np.array([[[-4.0, 8.0, 0.0]]], np.float32))
    assert plain[-1] == pytest.approx((10.0 + 15.0) / 1.5)
    assert noisy[-1] == pytest.approx((6.0 + 19.0) / 1.5)
    assert plain[[0, -2]] == pytest.approx([30.0, 10.0], abs=0.02)
    assert noisy[[0, -2]] == pytest.approx([38.0, 6.0], abs=0.02)


def test_an_even_dose_is_told_to_a_thousandth_of_a_gray():
    """The axis goes 1 mGy beyond both ends, so that a region of one dose has a width."""
    scene = SimpleNamespace(dose=DoseMap(np.full(CUBE.shape, 50.0), CUBE))
    found = _Scene.sample(scene, block("GTV1", Role.TUMOUR, 2, 4), None)
    assert found == pytest.approx(np.full(found.size, 50.0), abs=1.1e-3)
    assert found[-1] == 50.0


def test_quantiles_of_a_histogram_of_four_bins():
    """Bins of 2 Gy from 10 Gy on hold 1, 0, 2 and 1: a quarter of the volume has 16 Gy or more, three quarters 14 or 12."""
    found = _quantiles(np.array([1.0, 0.0, 2.0, 1.0]), 10.0, 0.5)
    at = [found[list(VOLUMES_PERCENT).index(percent)] for percent in (10, 50, 60, 90)]
    assert at == pytest.approx([17.2, 15.0, 14.6, 10.8])


def test_the_diameter_of_a_sphere_of_524_ml_is_100_mm():
    assert _diameter_mm(4.0 / 3.0 * math.pi * 5.0**3) == pytest.approx(100.0)


def test_the_sampled_part_is_what_all_regions_reach_with_a_voxel_more():
    """Voxels 3 to 5 and 6 to 8; 7 mm are two voxels of 5 mm, and one more."""
    regions = [block("GTV1", Role.TUMOUR, 3, 5), block("GTV2", Role.TUMOUR, 6, 8)]
    found = _sampling_grid(CUBE, regions, 7.0)
    assert found.shape == (11, 11, 11)
    assert found.is_same_as(CUBE.crop((0, 0, 0), (11, 11, 11)))
    near = _sampling_grid(CUBE, regions, 4.9)
    assert near.is_same_as(CUBE.crop((1, 1, 1), (9, 9, 9)))


@pytest.mark.parametrize(("least", "spacing"), [(1728, 5.0), (1727, 5.001), (216, 10.0)])
def test_coarser_voxels_hold_the_same_volume_as_many_as_allowed(least, spacing, monkeypatch):
    """1728 voxels of 5 mm are taken as they are where as many are allowed; 216 of 10 mm fill the same box."""
    monkeypatch.setattr(dvh_sampling, "MOST_VOXELS", least)
    found = _sampling_grid(CUBE, [block("GTV1", Role.TUMOUR, 1, 11)], 0.0)
    assert found.spacing_mm == pytest.approx((spacing,) * 3, rel=1e-4)


@pytest.mark.parametrize(("least", "kept"), [(1000, True), (999, False)])
def test_as_many_voxels_as_allowed_stay_as_they_are_however_flat(least, kept, monkeypatch):
    """1000 voxels of 8 by 1 by 1 mm: a cube of their volume would be coarser in two directions."""
    monkeypatch.setattr(dvh_sampling, "MOST_VOXELS", least)
    grid = Grid.from_spacing((10, 10, 10), (8.0, 1.0, 1.0))
    found = _sampling_grid(grid, [block("GTV1", Role.TUMOUR, 1, 9, grid)], 0.0)
    assert (found.spacing_mm == pytest.approx((8.0, 1.0, 1.0))) is kept


@pytest.mark.parametrize(
    ("mode", "region", "roles"),
    [
        ("relative", "liver", (Role.LIVER, Role.TUMOUR, Role.PERFUSED)),
        ("relative", "liver+lungs", (Role.LIVER, Role.TUMOUR, Role.PERFUSED, Role.LUNG)),
        ("relative", "fov", ()), ("relative", "body", ()), ("absolute", "liver", ()), ("factor", "liver+lungs", ()),
    ],
)  # fmt: skip
def test_contours_decide_a_relative_calibration_over_liver_or_lungs(mode, region, roles):
    calibration = SimpleNamespace(mode=CalibrationMode(mode), region=CalibrationRegion(region))
    evaluation = SimpleNamespace(case=SimpleNamespace(calibration=calibration))
    assert _calibration_roles(evaluation) == roles


def noise_image(grid, value, variance):
    values = ActivityMap(np.full(grid.shape, value), grid)
    return NoisyImage(values, ImageNoise(variance), 3.0, Regions(grid))


class Ones:
    """A source of chance that always draws 1."""

    def standard_normal(self, shape, dtype=float):
        return np.ones(shape, dtype)


@pytest.mark.parametrize("is_local", [True, False])
def test_noise_of_all_images_becomes_dose_by_decays_and_density(is_local):
    """σ = √(16 · 4) = 8 and √(9 · 1) = 3, times 3 Bq a value: 33 Bq in each voxel, decayed wholly."""
    grid = Grid.from_spacing((4, 4, 4), (6.0, 6.0, 6.0))
    wide = Grid.from_spacing((20, 20, 20), (6.0, 6.0, 6.0), (-48.0, -48.0, -48.0))
    images = [noise_image(wide, 16.0, 4.0), noise_image(wide, 9.0, 1.0)]
    seen = []

    def dose(decays, density=None):
        seen.append(decays)
        return DoseMap(decays.array / (1.0 if density is None else density.array), decays.grid)

    kernel = SimpleNamespace(
        kernel=SimpleNamespace(density_g_per_ml=1.05), density_floor_g_per_ml=0.1, dose=dose
    )
    density = np.full(grid.shape, 2.1)
    density[0, 0, 0] = 0.01
    scene = SimpleNamespace(dose=SimpleNamespace(grid=grid), density=DensityMap(density, grid))
    local = SimpleNamespace(dose=dose) if is_local else None
    found = _NoiseToDose(scene, images, 1000.0, local, kernel).draw(Ones())
    decays = 33.0 * 1000.0 / math.log(2.0)
    assert seen[0].grid.shape == ((4, 4, 4) if is_local else (8, 8, 8))
    expected = decays / 2.1 if is_local else decays * 1.05 / 2.1
    assert found[1:] == pytest.approx(np.full((3, 4, 4), expected), rel=1e-5)
    assert found[0, 0, 0] == pytest.approx(decays / 0.01 if is_local else decays * 1.05 / 0.1, rel=1e-5)


@pytest.mark.parametrize(
    ("engine", "in_place"), [("local", True), ("convolution", False), ("density", False)]
)
def test_noise_goes_the_way_of_the_engine(engine, in_place, monkeypatch):
    monkeypatch.setattr(dvh_sampling, "engine_request", lambda case, **asked: asked)
    row = SimpleNamespace(name="local", in_place=True, make=lambda request: ("made", request["spacing_mm"]))
    other = SimpleNamespace(name="convolution", in_place=False, make=lambda request: "wrong")
    monkeypatch.setattr(dvh_sampling, "engine_rows", lambda: (other, row))
    evaluation = evaluation_of(engine=engine)
    scene = SimpleNamespace(dose=SimpleNamespace(grid=CUBE))
    found = _NoiseToDose.of(evaluation, scene, [])
    assert found.local == (("made", (5.0, 5.0, 5.0)) if in_place else None)
    assert isinstance(found.convolution, KernelConvolution)
    assert found.half_life_s == pytest.approx(64.05 * 3600.0, rel=1e-3)
