"""Vendor-like doses whose difference from ours is known: what each is said to be, and how large."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import changed, ellipsoid, liver_case

from y90voxel.case.engine_request import engine_request
from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.engines import engine_row
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.quantification.decay import integrate_over_time
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.vendor_check.check_dose import check_vendor_dose
from y90voxel.vendor_check.check_inputs import OwnCalculation, VendorDose
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import ActivityMap, DensityMap, DoseMap, Mask, Volume

HALF_LIFE_H = nuclide("Y-90").half_life_s / 3600


GRID = Grid.from_spacing((32, 29, 32), (5.0, 5.0, 5.0), (-77.5, -70.0, -77.5))


def computed(case, engine="convolution"):
    return verify(case, engine_row(engine).make(engine_request(case)))


def treatment(**shunt):
    """A liver with a tumour, lungs and a body, with some counts everywhere: every calibration region differs."""
    case = liver_case(GRID, outside_counts=0.05, **({"shunt": 0.02} | shunt))
    body = Region("Body", Role.BODY, ellipsoid(case.grid, (0, 0, 0), (76, 68, 78)))
    return replace(case, regions=Regions(case.grid, (*case.regions.drawn, body)))


@pytest.fixture(scope="module")
def case():
    return treatment()


@pytest.fixture(scope="module")
def ours(case):
    return computed(case)


@pytest.fixture(scope="module")
def own(ours):
    return OwnCalculation.of(ours)


def tia(evaluation):
    return integrate_over_time(evaluation.activity, HALF_LIFE_H * 3600)


def times(dose, factor):
    return DoseMap(np.asarray(dose.array) * factor, dose.grid)


def moved(dose, shift_mm):
    affine = np.array(dose.grid.affine)
    affine[:3, 3] += shift_mm
    return DoseMap(dose.array, Grid(dose.grid.shape, affine))


def checked(own, dose, regions=()):
    return check_vendor_dose(own, VendorDose(dose, regions))


def labels(check):
    return {one.name for one in check.cause("factor").candidates}


def test_our_own_dose_needs_no_explanation(own, ours):
    check = checked(own, ours.dose)
    assert check.causes == ()
    assert check.verdict == "Their map is ours by a liver kernel scaled by density, exactly."
    assert [one.as_they_are for one in check.gamma] == [1.0, 1.0]


def test_local_deposition_is_told(own, ours):
    check = checked(own, LocalDeposition("Y-90").dose(tia(ours), ours.density))
    assert check.single_cause == "model"
    assert check.cause("model").size["model"] == "local"
    assert check.explanation.chosen.fit.factor == pytest.approx(1.0, abs=1e-3)
    assert check.explanation.residual < 1e-4


@pytest.mark.parametrize(("scaled", "name"), [(True, "water-kernel"), (False, "water-kernel-unscaled")])
def test_a_water_kernel_is_told_with_and_without_density(own, ours, scaled, name):
    kernel = voxel_kernel("Y-90", ours.dose.grid.spacing_mm)
    dose = KernelConvolution(kernel).dose(tia(ours), ours.density if scaled else None)
    check = checked(own, dose)
    assert check.cause("model").size["model"].removesuffix("-without-photons") == name
    assert check.single_cause == "model"


def test_local_deposition_of_one_density_is_told(own, ours):
    density = DensityMap(np.full(ours.dose.grid.shape, 1.03), ours.dose.grid)
    check = checked(own, LocalDeposition("Y-90").dose(tia(ours), density))
    assert [cause.name for cause in check.causes] == ["model", "factor"]
    assert check.cause("model").size["model"] == "local-water"
    assert check.cause("factor").size["factor"] == pytest.approx(1 / 1.03, rel=5e-3)
    assert "density:1.03" in labels(check)


@pytest.mark.parametrize("region", ["liver+lungs", "body", "fov"])
def test_calibration_over_another_region_is_a_factor_with_every_cause_of_that_size(case, own, ours, region):
    other = treatment(shunt=None, shunt_source="none") if region == "liver+lungs" else case
    other = changed(other, calibration=Calibration(CalibrationMode.RELATIVE, CalibrationRegion(region)))
    truth = computed(other).map_activity_bq / ours.map_activity_bq
    check = checked(own, times(ours.dose, truth))
    assert check.single_cause == "factor"
    assert check.cause("factor").size["factor"] == pytest.approx(truth, rel=5e-3)
    assert {f"calibration:{region}", "decay", "constant"} <= labels(check)


def test_every_candidate_within_a_per_cent_is_listed_and_none_beyond(own):
    factor = own.calibration_factors["body"]
    check = checked(own, times(own.dose, factor))
    within = {name for name, value in own.calibration_factors.items() if abs(value / factor - 1) <= 0.01}
    beyond = {name for name, value in own.calibration_factors.items() if abs(value / factor - 1) > 0.0101}
    assert {f"calibration:{name}" for name in within} <= labels(check)
    assert not {f"calibration:{name}" for name in beyond} & labels(check)
    for one in check.cause("factor").candidates:
        assert one.factor == pytest.approx(factor, rel=0.0101)


def test_a_constant_is_named_with_the_decay_time_it_could_be(own):
    check = checked(own, times(own.dose, 1.06))
    assert check.single_cause == "factor"
    assert check.cause("factor").size["factor"] == pytest.approx(1.06, rel=5e-3)
    assert check.gamma[1].as_they_are < 0.9
    assert check.gamma[1].explained == 1.0
    assert labels(check) == {"density:1", "decay", "constant"}  # 1.05 over 1 g/mL lies 0.9 % from it


@pytest.mark.parametrize("hours", [24.0, -6.0])
def test_decay_to_another_instant_is_a_candidate_with_its_hours(own, hours):
    check = checked(own, times(own.dose, 2 ** (-hours / HALF_LIFE_H)))
    assert check.single_cause == "factor"
    (decay,) = (one for one in check.cause("factor").candidates if one.name == "decay")
    assert float(decay.label.split()[4]) == pytest.approx(abs(hours), rel=0.02)
    assert ("later" if hours > 0 else "earlier") in decay.label


def test_decay_from_administration_to_the_image_is_named_where_its_length_is_known(own):
    own = replace(own, hours_to_image=20.0)
    assert "decay-left-out" in labels(checked(own, times(own.dose, 2 ** (-20 / HALF_LIFE_H))))
    assert "decay-twice" in labels(checked(own, times(own.dose, 2 ** (20 / HALF_LIFE_H))))
    assert "decay-left-out" not in labels(checked(own, times(own.dose, 2 ** (-22 / HALF_LIFE_H))))


def test_shunt_left_in_is_a_candidate(own):
    own = replace(own, lung_shunt_fraction=0.12)
    assert "shunt-left-in" in labels(checked(own, times(own.dose, 1 / 0.88)))
    assert "shunt-twice" in labels(checked(own, times(own.dose, 0.88)))


@pytest.mark.parametrize("shift", [(2.5, 0.0, 0.0), (2.5, 2.5, 2.5), (0.7, -1.3, 0.4)])
def test_a_shift_of_the_grid_is_found(own, shift):
    check = checked(own, moved(own.dose, shift))
    assert check.single_cause == "shift"
    np.testing.assert_allclose(check.cause("shift").size["shift_mm"], shift, atol=0.01)
    assert check.cause("shift").size["length_mm"] == pytest.approx(np.linalg.norm(shift), rel=0.02)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_reversed_axis_is_found(own, axis):
    check = checked(own, DoseMap(np.flip(own.dose.array, axis), own.dose.grid))
    assert check.single_cause == "mirror"
    assert check.cause("mirror").size["axes"] == [("slices", "rows", "columns")[axis]]


def test_regions_one_voxel_larger_are_told_with_volume_and_margin(case, own):
    from scipy.ndimage import binary_dilation

    grown = []
    for region in case.regions.drawn:
        array = region.mask.array >= 0.5
        ball = ellipsoid(
            Grid.from_spacing((3, 3, 3), (5, 5, 5), (-5, -5, -5)), (0, 0, 0), (5.1, 5.1, 5.1), samples=1
        )
        array = binary_dilation(array, ball.array > 0) if region.role is Role.TUMOUR else array
        grown.append(replace(region, mask=Mask(array.astype(np.float32), case.grid)))
    check = checked(own, own.dose, tuple(Regions(case.grid, tuple(grown))))
    assert check.single_cause == "regions"
    tumour = check.cause("regions").size["regions"]["GTV1"]
    truth = grown[1].mask.volume_ml / case.regions["GTV1"].mask.volume_ml
    assert tumour["volume_ratio"] == pytest.approx(truth, rel=0.02)
    assert tumour["margin_mm"] == pytest.approx(5.0, rel=0.02)
    assert tumour["mean_ratio"] < 1.0
    assert "Liver" not in check.cause("regions").size["regions"]


def test_a_maximum_that_was_cut_off_is_found(own):
    cut = 0.6 * float(own.dose.array.max())
    check = checked(own, DoseMap(np.minimum(own.dose.array, cut), own.dose.grid))
    assert check.single_cause == "cut"
    assert check.cause("cut").size["cut_gy"] == pytest.approx(cut, rel=0.02)


@pytest.mark.parametrize("levels", [65535, 1000])
def test_rounding_is_told_by_its_step(own, levels):
    step = float(own.dose.array.max()) / levels
    check = checked(own, DoseMap(np.rint(own.dose.array / step) * step, own.dose.grid))
    assert check.single_cause == "rounding"
    assert check.cause("rounding").size["step_gy"] == pytest.approx(step, rel=0.02)
    assert check.cause("rounding").size["levels"] == levels


@pytest.mark.parametrize("spacing", [2.5, 10.0])
@pytest.mark.parametrize("read", ["centres", "means"])
def test_another_grid_is_told(own, spacing, read):
    grid = own.dose.grid.with_spacing(spacing)
    if read == "centres":
        dose = resample(own.dose, grid)
    else:
        dose = DoseMap(resample(Volume(own.dose.array, own.dose.grid), grid, fill=0.0).array, grid)
    check = checked(own, dose)
    assert check.single_cause == "grid"
    assert check.cause("grid").size["spacing_ratio"] == pytest.approx(spacing / 5.0, rel=0.02)


def test_a_dose_that_was_computed_on_a_finer_grid_is_told(case, own):
    grid = case.grid.with_spacing(2.5)
    activity = resample(own.activity, grid)
    density = DensityMap(resample(Volume(own.density.array, case.grid), grid, fill=1.0).array, grid)
    dose = LocalDeposition("Y-90").dose(integrate_over_time(activity, HALF_LIFE_H * 3600), density)
    check = checked(own, dose)
    assert [cause.name for cause in check.causes] == ["model", "grid"]
    assert check.cause("grid").size["sampling"] == "their-grid"
    assert check.explanation.residual < 1e-3


def test_another_engine_is_named_where_its_difference_exceeds_noise(own, ours):
    local = LocalDeposition("Y-90").dose(tia(ours), ours.density)
    between = DoseMap(0.5 * (own.dose.array + local.array), own.dose.grid)
    check = checked(own, between)
    assert check.single_cause == "other-engine"
    assert check.verdict.startswith("No variant of ours is their map: the nearest, ours by ")


def test_noise_alone_is_no_other_engine(own):
    noise = np.random.default_rng(3).normal(1.0, 0.03, own.dose.grid.shape)
    check = checked(own, DoseMap(own.dose.array * noise, own.dose.grid))
    assert check.causes == ()
    assert check.explanation.noise == pytest.approx(0.03, rel=0.25)  # of some hundred pairs of voxels
    assert "within its noise of 3" in check.verdict
    assert "convolution-without-photons" in check.explanation.as_well


def test_a_simulation_is_no_other_engine_than_the_one_that_agrees_with_it(case):
    density = OwnCalculation.of(computed(case, "density"))
    engine = engine_row("monte-carlo").make(engine_request(case, histories=200_000, seed=1))
    check = checked(density, verify(case, engine).dose)
    assert check.causes == ()
    assert check.explanation.residual > 0.05


def test_causes_come_apart_when_they_meet(own, ours):
    local = LocalDeposition("Y-90").dose(tia(ours), ours.density)
    cut = 0.7 * float(local.array.max())
    dose = moved(DoseMap(np.minimum(1.063 * local.array, cut), local.grid), (0.0, 2.5, 0.0))
    check = checked(own, dose)
    assert [cause.name for cause in check.causes] == ["model", "factor", "shift", "cut"]
    assert check.cause("factor").size["factor"] == pytest.approx(1.063, rel=5e-3)
    assert check.cause("shift").size["length_mm"] == pytest.approx(2.5, rel=0.02)
    assert check.cause("cut").size["cut_gy"] == pytest.approx(cut, rel=0.02)
    assert "ours by local deposition times 1.063" in check.verdict


def test_a_dose_from_activity_that_was_interpolated_onto_a_finer_grid_is_told(case, own):
    grid = case.grid.with_spacing(2.5)
    concentration = resample(DoseMap(own.activity.array, case.grid), grid).array / case.grid.voxel_volume_ml
    activity = ActivityMap(concentration * grid.voxel_volume_ml, grid)
    density = DensityMap(resample(Volume(own.density.array, case.grid), grid, fill=1.0).array, grid)
    dose = LocalDeposition("Y-90").dose(integrate_over_time(activity, HALF_LIFE_H * 3600), density)
    check = checked(own, dose)
    assert [cause.name for cause in check.causes] == ["model", "grid"]
    assert check.cause("grid").size["sampling"] == "their-grid-interpolated"


def test_a_field_of_half_the_size_is_told(own):
    nz, ny, nx = own.dose.grid.shape
    grid = own.dose.grid.crop((0, 0, 0), (nz, ny, nx // 2))
    check = checked(own, DoseMap(own.dose.array[:, :, : nx // 2], grid))
    assert check.single_cause == "field"
    outside = float((own.dose.array * own.density.array)[:, :, nx // 2 :].sum())
    share = outside / float((own.dose.array * own.density.array).sum())
    assert check.cause("field").size["energy_outside_percent"] == pytest.approx(100 * share, rel=0.02)


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_axes_that_run_the_other_way_with_their_coordinates_change_nothing(own, axes):
    """As in a file whose frames descend, or of a prone patient."""
    affine = np.array(own.dose.grid.affine)
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (own.dose.grid.shape[axis] - 1)
        affine[:3, axis] *= -1
    grid = Grid(own.dose.grid.shape, affine)
    assert checked(own, DoseMap(np.flip(own.dose.array, axes), grid)).causes == ()


def test_liver_is_a_candidate_where_ours_is_calibrated_over_the_body(case, ours):
    there = changed(case, calibration=Calibration(CalibrationMode.RELATIVE, CalibrationRegion.BODY))
    check = checked(OwnCalculation.of(computed(there)), ours.dose)
    assert check.single_cause == "factor"
    assert "calibration:liver" in labels(check)
    assert "calibration:body" not in labels(check)
