"""What a case makes of its quantification, one number at a time: assumed inputs, recovery, noise and grids."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import changed, liver_case

from y90voxel.case.dose_uncertainty import _background, _calibration_uncertainty, _contour_of_calibration
from y90voxel.case.grid_error import GridError, activity_shifts, grid_errors, moved_by_grid
from y90voxel.case.image_noise import NoisyImage
from y90voxel.case.noise_marks import _noise_cv
from y90voxel.case.recovery_correction import _Background, _corrected, _removed_calibration
from y90voxel.case.uncertainty_inputs import UncertaintyInputs, complete_inputs
from y90voxel.errors import InputError
from y90voxel.metrics.outline_error import mixed_density_error, outline_error
from y90voxel.metrics.uncertainty_budget import edge_intensity, volume_uncertainty
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.quantification.noise import ImageNoise
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.own_density import OwnDensity
from y90voxel.volumes.volume import ActivityMap, CountMap, CtImage, DensityMap, DoseMap, Mask

SMALL = Grid.from_spacing((20, 18, 20), (8.0, 6.0, 4.0), (-40, -54, -80))
CURVE = RecoveryFit(2.0, 1.0, np.zeros((2, 2)))


@pytest.fixture(scope="module")
def case():
    return liver_case(SMALL, lungs=False)


def codes(notices):
    return [notice.code for notice in notices]


def test_inputs_are_assumed_by_image_and_calibration(case):
    found, notices = complete_inputs(case, {"noise": 0.2})
    assert codes(notices) == ["uncertainty-assumed", "uncertainty-no-recovery"]
    voxel = (8.0 * 6.0 * 4.0) ** (1 / 3)
    assert (found.fwhm_mm, found.contour_fwhm_mm) == (10.0, 10.0)
    assert found.contour_voxel_mm == pytest.approx(voxel)
    assert found.registration_mm == pytest.approx(0.5 * voxel, abs=1e-3)
    assert "activity known to 5 %" in notices[0].message
    assert "the emission image" in notices[0].message
    assert "calibration known" not in notices[0].message
    absolute = changed(case, calibration=Calibration(CalibrationMode.FACTOR, factor_cps_per_mbq=1.0))
    said = complete_inputs(absolute, {"noise": 0.2, "recovery": CURVE})[1]
    assert codes(said) == ["uncertainty-assumed"]
    assert "the calibration known to 5 %" in said[0].message
    assert "activity known" not in said[0].message


def test_regions_are_drawn_on_the_ct_where_there_is_one(case):
    fine = Grid.from_spacing((40, 54, 80), (4.0, 2.0, 1.0), (-40, -54, -80))
    found, notices = complete_inputs(replace(case, ct=CtImage(np.zeros(fine.shape), fine)), {"noise": 0.2})
    assert (found.contour_voxel_mm, found.contour_fwhm_mm) == (pytest.approx(2.0), 4.0)
    assert "regions drawn on voxels of the CT" in notices[0].message


def test_a_resolution_is_that_of_the_kind_of_image(case):
    (injection,) = case.injections
    for modality, fwhm in (("PT", 6.0), ("NM", 10.0), ("file", 10.0)):
        image = replace(injection, emission=replace(injection.emission, modality=modality))
        assert complete_inputs(replace(case, injections=(image,)), {"noise": 0.2})[0].fwhm_mm == fwhm
    assert complete_inputs(case, {"noise": 0.2, "fwhm_mm": 7.0})[0].fwhm_mm == 7.0


@pytest.mark.parametrize(
    ("name", "value"), [("activity", 1.0), ("samples", 40), ("seed", 0), ("noise", None)]
)
def test_inputs_at_their_ends_are_taken(name, value):
    known = {"fwhm_mm": 10.0, "contour_voxel_mm": 1.0, "contour_fwhm_mm": 0.0}
    assert getattr(UncertaintyInputs(**known, **{name: value}), name) == value
    beyond = {"activity": 1.01, "samples": 39, "seed": -1, "noise": 0.0}[name]
    with pytest.raises(InputError, match=f"uncertainty.{name}"):
        UncertaintyInputs(**known, **{name: beyond})


def test_inputs_write_the_curve_that_they_have():
    known = UncertaintyInputs(10.0, 1.0, 0.0)
    assert known.as_dict()["recovery"] is None
    curve = {"form": "two parameters", "b1_ml": 2.0, "b2": 1.0}
    assert replace(known, recovery=CURVE).as_dict()["recovery"] == curve


def graded():
    """A tumour in a dose that falls from row to row, and lungs that share half-filled voxels with what is denser."""
    grid = Grid.from_spacing((4, 8, 10), (4.0, 4.0, 4.0))
    tumour, lungs = np.zeros(grid.shape), np.zeros(grid.shape)
    tumour[:, :3, :4], tumour[:, 3, :4] = 1.0, 0.5
    lungs[:, :3, 6:], lungs[:, 3, 6:] = 1.0, 0.5
    drawn = [Region("GTV1", Role.TUMOUR, Mask(tumour, grid)), Region("Bone", Role.OTHER, Mask(tumour, grid))]
    lung = Region("lungs", Role.LUNGS, Mask(lungs, grid))
    density = DensityMap(1.05 - 0.79 * lungs, grid)
    own = OwnDensity(grid, lung.mask.box, 0.26)
    tissue = SimpleNamespace(density=density, own={"lungs": own})
    dose = DoseMap(np.linspace(100.0, 30.0, 8)[None, :, None] * np.ones(grid.shape), grid)
    return grid, (*drawn, lung), tissue, dose


@pytest.mark.parametrize(("engine", "in_place"), [("local", True), ("convolution", False)])
def test_errors_of_a_grid_are_of_outlines_and_of_mixed_lungs(engine, in_place):
    _, regions, tissue, dose = graded()
    case = SimpleNamespace(injections=(SimpleNamespace(regions=None),), regions=regions)
    found = grid_errors(case, dose, dose, tissue, engine)
    assert set(found) == {"GTV1", "lungs"}
    assert found["GTV1"].by_activity == found["GTV1"].by_mixing == 0.0
    outline = outline_error(dose, regions[0].mask, tissue.density)
    bound = mixed_density_error(dose, regions[2].mask, tissue.density, tissue.own["lungs"])
    assert abs(outline) > 1e-3
    assert abs(bound) > 1e-3
    assert found["GTV1"].by_outline == pytest.approx(0.0 if in_place else outline)
    assert found["lungs"].by_mixing == pytest.approx(bound if in_place else 0.5 * bound)
    tissue.own.clear()
    assert grid_errors(case, dose, dose, tissue, engine)["lungs"].by_mixing == 0.0


@pytest.mark.parametrize(("images", "drawn", "told"), [(1, True, True), (1, False, False), (2, True, False)])
def test_activity_that_moved_is_known_of_one_image_with_its_regions(images, drawn, told):
    grid, regions, tissue, dose = graded()
    tumour = Regions(grid, regions[:1])
    own = Grid.from_spacing(grid.shape, (4.0, 4.0, 4.0), (1.0, 0.0, 0.0))
    half = Regions(own, (Region("GTV1", Role.TUMOUR, Mask(0.5 * regions[0].mask.array, own)),))
    emission = SimpleNamespace(volume=CountMap(np.ones(grid.shape), own))
    image = SimpleNamespace(emission=emission, regions=half if drawn else None)
    case = SimpleNamespace(injections=(image,) * images, regions=tumour)
    activity = ActivityMap(np.ones(grid.shape), grid)
    found = grid_errors(case, activity, dose, tissue, "local")["GTV1"]
    assert found.by_activity == pytest.approx(1.0 if told else 0.0)


def test_errors_of_a_grid_multiply():
    error = GridError(0.10, -0.20, 0.50)
    assert error.total == pytest.approx(1.1 * 0.8 - 1.0)
    assert error.by_volume == pytest.approx(1.1 * 0.8 * 1.5 - 1.0)


def test_a_grid_moves_the_share_of_an_image_that_a_region_holds():
    fine = Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0))
    coarse = Grid.from_spacing((2, 2, 2), (2.0, 2.0, 2.0), (0.5, 0.5, 0.5))

    def regions(grid, share):
        return Regions(grid, (Region("GTV1", Role.TUMOUR, Mask(np.full(grid.shape, share), grid)),))

    image, moved = (
        CountMap(np.ones(fine.shape), fine),
        CountMap(np.full(coarse.shape, 56.0), coarse),
    )  # in another unit
    assert activity_shifts(image, regions(fine, 0.5), image, regions(fine, 0.4)) == {}
    assert activity_shifts(image, regions(fine, 0.5), moved, regions(coarse, 0.4)) == {
        "GTV1": pytest.approx(-0.2)
    }
    assert activity_shifts(image, regions(fine, 0.0), moved, regions(coarse, 0.4)) == {}
    assert activity_shifts(image, regions(fine, 0.5), moved, Regions(coarse, ())) == {}
    for share, told in ((0.4955, False), (0.4945, True), (0.5045, False), (0.5055, True)):
        assert bool(moved_by_grid(image, regions(fine, 0.5), regions(coarse, share))) is told


@pytest.mark.parametrize(
    ("region", "factors", "undone"),
    [
        ("liver", {"liver": 1.0, "liver+margin": 0.8, "fov": 0.7}, 0.8), ("liver", {"liver": 1.0, "fov": 0.7}, 0.7),
        ("liver", {"liver": 1.0}, 1.0), ("fov", {"liver": 1.2, "liver+margin": 0.8, "fov": 1.0}, 1.0),
    ],
)  # fmt: skip
def test_only_a_calibration_over_the_liver_is_undone(region, factors, undone):
    spread = SimpleNamespace(region=region, factors=factors)
    assert _removed_calibration(SimpleNamespace(calibration_spread=spread)) == undone
    assert _removed_calibration(SimpleNamespace(calibration_spread=None)) == 1.0


def test_means_and_ratios_are_corrected_on_their_own_background():
    """R = 2 / (2 + 2); measured 60 Gy on 20, after four fifths 48 on 16; 3 MBq/mL on 1."""
    tumour = SimpleNamespace(volume_ml=2.0, activity_bq=6e6, mean_gy=60.0)
    found = _corrected(tumour, _Background("liver", 20.0, 1e6), CURVE, 0.8)
    assert (found.recovery, found.mean_corrected_gy) == (0.5, pytest.approx((48.0 - 0.5 * 16.0) / 0.5))
    assert (found.tumour_to_normal_ratio, found.tumour_to_normal_ratio_corrected) == (3.0, pytest.approx(5.0))
    bare = _corrected(tumour, _Background("liver", 20.0, 0.0), CURVE, 1.0)
    assert (bare.tumour_to_normal_ratio, bare.tumour_to_normal_ratio_corrected) == (None, None)


def noisy(value, variance, factor, *, drawn=True, grid=SMALL):
    mask = Mask(np.ones(grid.shape), grid)
    regions = Regions(grid, (Region("GTV1", Role.TUMOUR, mask),) if drawn else ())
    return NoisyImage(ActivityMap(np.full(grid.shape, value), grid), ImageNoise(variance), factor, regions)


def test_noise_of_several_images_adds_up_by_activity():
    one, other = noisy(100.0, 1.0, 2.0), noisy(50.0, 4.0, 6.0)
    assert _noise_cv([one], [1.0], "GTV1") == pytest.approx(0.1)
    assert _noise_cv([one], [0.5], "GTV1") == pytest.approx(0.05)
    expected = math.hypot(2.0 * 10.0, 0.5 * 6.0 * math.sqrt(200.0)) / (200.0 + 300.0)
    assert _noise_cv([one, other], [1.0, 0.5], "GTV1") == pytest.approx(expected)
    coarse = noisy(
        50.0, 4.0, 6.0, grid=Grid.from_spacing((2, 2, 2), (8.0, 6.0, 8.0))
    )  # voxels twice as large
    expected = math.hypot(2.0 * 10.0, 0.5 * 6.0 * math.sqrt(200.0)) / (200.0 + 150.0)
    assert _noise_cv([one, coarse], [1.0, 1.0], "GTV1") == pytest.approx(expected)
    unseen = noisy(50.0, 4.0, 6.0, drawn=False)
    assert _noise_cv([one, unseen], [1.0, 1.0], "GTV1") == pytest.approx(0.1)
    assert _noise_cv([unseen], [1.0], "GTV1") is None
    assert _noise_cv([noisy(0.0, 1.0, 1.0)], [1.0], "GTV1") is None


def evaluated(
    region="liver", mode=CalibrationMode.RELATIVE, share=None, scaling=0.04, shunt=0.2, volume_ml=None
):
    calibration = SimpleNamespace(mode=mode, region=CalibrationRegion(region))
    spread = None if scaling is None else SimpleNamespace(lung_share=share, scaling=scaling)
    regions = [] if volume_ml is None else [SimpleNamespace(role=Role.LIVER, volume_ml=volume_ml)]
    return SimpleNamespace(
        case=SimpleNamespace(calibration=calibration), calibration_spread=spread, regions=regions,
        lung=SimpleNamespace(shunt_fraction=shunt),
    )  # fmt: skip


INPUTS = UncertaintyInputs(10.0, 4.0, 8.0, activity=0.05, residual=0.03, lung_shunt=0.3, calibration=0.07)


@pytest.mark.parametrize(
    ("facts", "shunt"),
    [
        ({}, 0.2), ({"region": "liver+lungs"}, 0.0), ({"region": "fov"}, 0.0), ({"region": "fov", "share": 0.25}, 0.15),
        ({"region": "body", "share": 1.0}, 0.0), ({"region": "liver", "share": 0.25}, 0.2),
        ({"region": "fov", "scaling": None}, 0.0), ({"shunt": None}, 0.0),
    ],
)  # fmt: skip
def test_a_calibration_is_as_unsure_as_the_shunt_that_it_does_not_see(facts, shunt):
    scaling = facts.get("scaling", 0.04) or 0.0
    parts = (0.05, 0.03, 0.3 * shunt / (1.0 - shunt), scaling)
    assert _calibration_uncertainty(evaluated(**facts), INPUTS, []) == pytest.approx(math.hypot(*parts))


def test_other_calibrations_are_as_unsure_as_stated():
    assert _calibration_uncertainty(evaluated(mode=CalibrationMode.ABSOLUTE), INPUTS, []) == 0.07


def test_only_a_calibration_over_the_liver_hangs_on_its_contour():
    diameter = (6000.0 * 1500.0 / math.pi) ** (1 / 3)
    expected = 0.5 * edge_intensity(diameter, 10.0) * volume_uncertainty(diameter, 4.0, 8.0)
    assert _contour_of_calibration(evaluated(volume_ml=1500.0), INPUTS) == pytest.approx(expected)
    for facts in ({"region": "fov"}, {"mode": CalibrationMode.ABSOLUTE}):
        assert _contour_of_calibration(evaluated(volume_ml=1500.0, **facts), INPUTS) == 0.0
    assert _contour_of_calibration(evaluated(), INPUTS) == 0.0


def test_a_tumour_stands_on_the_liver_that_was_perfused():
    def region(role, mean_gy, corrected=None):
        partial = None if corrected is False else SimpleNamespace(mean_corrected_gy=corrected)
        return SimpleNamespace(role=role, mean_gy=mean_gy, partial_volume=partial)

    normal, perfused = region(Role.NON_TUMOUR_LIVER, 20.0), region(Role.PERFUSED_NON_TUMOUR_LIVER, 40.0)

    def around(one, *others):
        return _background(SimpleNamespace(regions=[*others]), one)

    tumour = region(Role.TUMOUR, 100.0)
    assert around(tumour, normal, perfused) == pytest.approx(0.4)
    assert around(tumour, normal) == pytest.approx(0.2)
    assert around(region(Role.TUMOURS, 100.0, False), normal) == pytest.approx(0.2)
    assert around(region(Role.TUMOUR, 100.0, 160.0), normal) == pytest.approx(0.125)
    assert around(region(Role.TUMOUR, 10.0), normal) == 1.0
    assert around(region(Role.TUMOUR, 0.0), normal) == 0.0
    assert around(tumour) == 0.0
    assert around(normal, normal) == 0.0
