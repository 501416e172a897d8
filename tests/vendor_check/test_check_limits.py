"""The numbers that a check decides by, each from both sides, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case

from y90voxel.case.engine_request import engine_request
from y90voxel.case.verify import verify
from y90voxel.dose.engines import engine_row
from y90voxel.errors import InputError, UnitError
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.vendor_check.check_dose import check_vendor_dose
from y90voxel.vendor_check.check_inputs import OwnCalculation, VendorDose
from y90voxel.vendor_check.factor_candidates import factor_candidates
from y90voxel.vendor_check.geometry_search import Lying, fit_at, found_lying
from y90voxel.vendor_check.map_fit import clearly_better, fit_factor, rounding_step
from y90voxel.vendor_check.model_variants import OWN, model_doses, own_model
from y90voxel.vendor_check.region_check import DoseOfRegion, RegionCheck, margin_mm
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((22, 22, 22), (6.0, 6.0, 6.0), (-63.0, -63.0, -63.0))


@pytest.fixture(scope="module")
def own():
    """A liver with a tumour on large voxels, by local deposition."""
    small = liver_case(GRID, lungs=False, shunt=0.05)
    return OwnCalculation.of(verify(small, engine_row("local").make(engine_request(small))))


def checked(own, array, grid=None, **more):
    return check_vendor_dose(own, VendorDose(DoseMap(np.asarray(array), grid or own.dose.grid), **more))


@pytest.mark.parametrize(("factor", "named"), [(1.004, False), (1.006, True), (0.996, False), (0.994, True)])
def test_a_factor_is_named_from_half_a_per_cent_on(own, factor, named):
    assert (checked(own, factor * own.dose.array).cause("factor") is not None) is named


@pytest.mark.parametrize(
    ("off", "listed"), [(0.0095, True), (0.0105, False), (-0.0095, True), (-0.0105, False)]
)
def test_candidates_are_listed_within_a_per_cent(own, off, listed):
    own = replace(own, calibration_factors={"body": 1.2})
    names = [one.name for one in factor_candidates(own, 1.2 / (1 + off), "local")]
    assert ("calibration:body" in names) is listed


@pytest.mark.parametrize(("hours", "listed"), [(95.0, True), (97.0, False), (-95.0, True), (-97.0, False)])
def test_decay_is_a_candidate_up_to_four_days(own, hours, listed):
    factor = 2 ** (-hours * 3600 / own.half_life_s)
    assert ("decay" in [one.name for one in factor_candidates(own, factor, "local")]) is listed


def test_a_constant_is_always_a_candidate_and_last(own):
    assert factor_candidates(own, 5.0, "local")[-1].name == "constant"


def test_dose_constants_are_candidates_for_the_nuclide_that_they_are_of(own):
    assert "dose-constant:49.38" in [one.name for one in factor_candidates(own, 0.992, "local")]
    other = replace(own, nuclide="Ho-166")
    assert not [o for o in factor_candidates(other, 0.992, "local") if o.name.startswith("dose-constant")]


def test_a_dose_per_gbq_and_calibration_over_their_liver_are_candidates(own):
    assert "per-gbq" in [one.name for one in factor_candidates(own, 0.5, "local")]  # 2 GBq
    liver = ellipsoid(own.dose.grid, (0, 0, -25), (40, 33, 29))
    inside = float((own.activity.array * liver.array).sum())
    factor = 2e9 * 0.95 / inside
    theirs = [Region("Liver", Role.LIVER, liver)]
    assert "calibration:their-liver" in [one.name for one in factor_candidates(own, factor, "local", theirs)]
    assert "calibration:their-liver" not in [one.name for one in factor_candidates(own, factor, "local")]


def test_densities_are_those_of_the_model(own):
    """Dose over the local density has ours to replace, dose over water has water."""
    assert "density:1" in [one.name for one in factor_candidates(own, 1.05, "local")]
    assert "density:1.05" in [one.name for one in factor_candidates(own, 1 / 1.05, "local-water")]
    assert "density:1" in [one.name for one in factor_candidates(own, 1.05, "liver-kernel-unscaled")]


def test_our_own_monte_carlo_is_a_variant_of_its_own(own):
    other = replace(own, engine="monte-carlo")
    assert own_model("monte-carlo") == OWN
    assert next(iter(model_doses(other))) == OWN
    verdict = checked(other, other.dose.array).verdict
    assert verdict == "Their map is ours by our engine monte-carlo, exactly; as well by local deposition."


def test_a_nuclide_without_a_kernel_has_local_models_alone(own):
    assert set(model_doses(replace(own, nuclide="Lu-177"))) == {"local", "local-water"}


@pytest.mark.parametrize(("extra", "named"), [(0.0035, False), (0.008, True)])
def test_another_engine_is_named_from_half_a_per_cent_on(own, extra, named):
    k = np.indices(own.dose.grid.shape)
    pattern = 1.0 + extra * np.sqrt(2.0) * np.sin(k[0] / 3.0) * np.sign(
        np.sin(k[1] / 3.0)
    )  # smooth: no noise
    check = checked(own, own.dose.array * pattern)
    assert (check.explanation.residual > 0.005) is named
    assert (check.cause("other-engine") is not None) is named


@pytest.mark.parametrize(("voxels", "cut"), [(1, False), (2, True)])
def test_two_voxels_at_the_maximum_make_a_plateau(voxels, cut):
    rng = np.random.default_rng(0)
    ours = rng.uniform(1.0, 50.0, (10, 10, 10))
    ours.flat[:voxels] = [500.0, 700.0][:voxels]
    fit = fit_factor(np.minimum(ours, 100.0), ours)
    assert (fit.cut_gy is not None) is cut
    assert fit.cut_gy in (None, 100.0)


@pytest.mark.parametrize(("above", "cut"), [(1.004, False), (1.02, True)])
def test_a_plateau_that_cuts_nothing_off_is_none(above, cut):
    ours = np.random.default_rng(0).uniform(1.0, 90.0, (10, 10, 10))
    ours.flat[:200] = 100.0 * above
    assert (fit_factor(np.minimum(ours, 100.0), ours).cut_gy is not None) is cut


def test_evidence_grows_with_voxels():
    assert not clearly_better(0.010, 0.011, 500)
    assert clearly_better(0.010, 0.011, 5000)
    assert not clearly_better(1e-7, 1e-6, 10**6)  # both are rounding
    assert not clearly_better(0.011, 0.010, 5000)


def test_steps_are_found_in_single_precision_and_only_where_there_are_any():
    rng = np.random.default_rng(2)
    values = rng.uniform(0.0, 300.0, 4000)
    for step in (0.01, 300.0 / 65535):
        stored = (np.rint(values / step) * step).astype(np.float32)
        assert rounding_step(stored) == pytest.approx(step, rel=1e-4)
    assert rounding_step(values) is None
    assert rounding_step(np.arange(15.0)) is None
    assert rounding_step(np.arange(16.0)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("theirs_ml", "rim_ml", "other"),
    [
        (101.9, 10.0, False),
        (102.1, 10.0, True),
        (97.9, 10.0, True),
        (104.9, 50.0, False),
        (105.1, 50.0, True),
    ],
)
def test_regions_are_others_beyond_two_per_cent_and_a_tenth_of_a_layer(theirs_ml, rim_ml, other):
    dose = DoseOfRegion(1.0, 1.0)
    check = RegionCheck(
        "GTV1", Role.TUMOUR, 100.0, dose, dose, dose, their_volume_ml=theirs_ml, rim_ml=rim_ml
    )
    assert check.other_region is other


def test_margins_are_layers_or_parts_of_them():
    grid = Grid.from_spacing((9, 9, 9), (2.0, 2.0, 2.0))
    one, cross = np.zeros(grid.shape), np.zeros(grid.shape)
    one[4, 4, 4] = 1.0
    cross[3:6, 4, 4] = cross[4, 3:6, 4] = cross[4, 4, 3:6] = 1.0
    part = one.copy()
    part[3:6, 4, 4] = 1.0  # two of six neighbours
    assert margin_mm(Mask(one, grid), Mask(cross, grid)) == pytest.approx(2.0)
    assert margin_mm(Mask(one, grid), Mask(part, grid)) == pytest.approx(2.0 / 3.0)
    assert margin_mm(Mask(cross, grid), Mask(one, grid)) == pytest.approx(-2.0)
    assert margin_mm(Mask(one, grid), Mask(one, grid)) == 0.0


@pytest.mark.parametrize(("planes", "said"), [(0, False), (6, True)])
def test_a_grid_that_leaves_energy_out_is_said(own, planes, said):
    nz, ny, nx = own.dose.grid.shape
    grid = own.dose.grid.crop((planes, 0, 0), (nz - planes, ny, nx))
    check = checked(own, own.dose.array[planes:], grid)
    assert ("their-grid-small" in {notice.code for notice in check.notices}) is said
    assert (check.energy_outside > 0.01) is said
    liver = next(region for region in check.regions if region.name == "Liver")
    assert (liver.theirs is None) is said
    assert check.explanation.residual < 1e-6


def test_a_mirror_must_leave_half_of_what_the_best_shift_leaves(own):
    lying, _ = found_lying(DoseMap(own.dose.array[:, :, ::-1], own.dose.grid), own.dose)
    assert lying.mirror == (2,)
    lying, fit = found_lying(own.dose, own.dose)
    assert (lying, fit.residual) == (Lying(), 0.0)


def test_maps_that_do_not_meet_have_no_fit(own):
    far = own.dose.grid.crop((500, 500, 500), own.dose.grid.shape)
    assert fit_at(DoseMap(own.dose.array, far), own.dose, Lying()) is None


def test_a_map_that_lies_elsewhere_is_brought_back_by_its_shift(own):
    affine = np.array(own.dose.grid.affine)
    affine[:3, 3] += (0.0, 0.0, 400.0)
    check = checked(own, own.dose.array, Grid(own.dose.grid.shape, affine))
    assert check.single_cause == "shift"
    assert check.cause("shift").size["length_mm"] == pytest.approx(400.0, abs=0.01)


@pytest.mark.parametrize(("highest", "refused"), [(0.9e-3, True), (1.1e-3, False)])
def test_a_dose_below_a_milligray_is_no_dose(own, highest, refused):
    dose = DoseMap(np.asarray(own.dose.array) * (highest / own.dose.array.max()), own.dose.grid)
    if refused:
        with pytest.raises(UnitError, match=r"at most 0\.0009 Gy"):
            VendorDose(dose)
    else:
        VendorDose(dose)


def test_a_dose_below_zero_is_refused(own):
    with pytest.raises(InputError, match=r"down to -1 Gy"):
        VendorDose(DoseMap(own.dose.array - 1.0, own.dose.grid))


def test_our_own_dose_must_hold_something(own):
    nothing = replace(own, dose=DoseMap(np.zeros(own.dose.grid.shape), own.dose.grid))
    with pytest.raises(InputError, match="our own dose is 0"):
        checked(nothing, own.dose.array)


@pytest.mark.parametrize(("degrees", "said"), [(0.0, False), (3.0, True)])
def test_a_grid_that_is_turned_is_said(own, degrees, said):
    turn, angle = np.eye(4), np.deg2rad(degrees)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    check = checked(own, own.dose.array, Grid(own.dose.grid.shape, turn @ own.dose.grid.affine))
    assert ("grids-turned" in {notice.code for notice in check.notices}) is said
    assert (check.explanation.residual > 0.01) is said


@pytest.mark.parametrize(("spread", "refused"), [(0.52, False), (0.64, True)])
def test_maps_are_unlike_from_half_of_theirs_left_on(own, spread, refused):
    signs = np.random.default_rng(4).choice((-1.0, 1.0), own.dose.grid.shape)
    theirs = own.dose.array * (1.0 + spread * signs)
    if refused:
        with pytest.raises(InputError, match="little in common"):
            checked(own, theirs)
    else:
        assert 0.4 < checked(own, theirs).explanation.residual < 0.5


@pytest.mark.parametrize(("pattern", "noise", "named"), [(0.02, 0.012, True), (0.01, 0.02, False)])
def test_another_engine_is_named_where_it_is_more_than_noise(own, pattern, noise, named):
    k = np.indices(own.dose.grid.shape)
    smooth = pattern * np.sqrt(2.0) * np.sin(k[0] / 3.0) * np.sign(np.sin(k[1] / 3.0))
    random = np.random.default_rng(5).normal(0.0, noise, own.dose.grid.shape)
    assert (checked(own, own.dose.array * (1.0 + smooth + random)).cause("other-engine") is not None) is named


@pytest.mark.parametrize(("shift_mm", "named"), [(0.06, False), (0.3, True)])
def test_a_shift_is_named_from_two_hundredths_of_a_voxel_on(own, shift_mm, named):
    affine = np.array(own.dose.grid.affine)
    affine[0, 3] += shift_mm
    check = checked(own, own.dose.array, Grid(own.dose.grid.shape, affine))
    assert (check.cause("shift") is not None) is named
    assert check.single_cause in (None, "shift")


def test_rounding_is_a_cause_only_where_it_is_all_that_is_left(own):
    step = float(own.dose.array.max()) / 65535
    noise = np.random.default_rng(6).normal(1.0, 0.01, own.dose.grid.shape)
    check = checked(own, np.rint(own.dose.array * noise / step) * step)
    assert rounding_step(check.vendor.dose.array) == pytest.approx(step, rel=1e-3)
    assert check.causes == ()


@pytest.mark.parametrize(("most", "there"), [(44**3, True), (44**3 - 1, False)])
def test_models_are_computed_on_their_grid_up_to_a_size(own, monkeypatch, most, there):
    monkeypatch.setattr("y90voxel.vendor_check.explanation.MOST_VOXELS", most)
    grid = own.dose.grid.with_spacing(3.0)
    assert grid.size == 44**3
    boxes = np.asarray(own.dose.array).repeat(2, 0).repeat(2, 1).repeat(2, 2)  # local, of activity by share
    check = checked(own, boxes, grid)
    assert (check.cause("grid").size["sampling"] == "their-grid") is there
