import json
from dataclasses import replace

import numpy as np
import pytest
from phantoms import changed, liver_case
from scipy.spatial import cKDTree

from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import PhysicsError, RegionError
from y90voxel.metrics.radiobiology import RadiobiologyParameters, bed
from y90voxel.reference.nuclide import nuclide
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role

K_Y90 = 49.77


def convolution(case):
    return KernelConvolution(voxel_kernel("Y-90", case.grid.spacing_mm, "liver", density_g_per_ml=1.05))


@pytest.fixture(scope="module")
def evaluation():
    case = liver_case(activity_bq=2e9, shunt=0.05)
    return verify(case, convolution(case))


def test_liver_mean_dose_is_mird_less_what_crosses_the_surface(evaluation):
    """MIRD is K A (1 - L) / M; of a convex body of uniform activity the share S <r> / (4 V) leaves, to first order in
    the mean deposition radius <r> (2.67 mm of water, PENELOPE): mean chord theorem, Cauchy. The tumour in the middle
    holds 12 % of the activity and loses none of it."""
    a, b, c = 55.0, 45.0, 40.0
    surface = 4 * np.pi * (((a * b) ** 1.6 + (a * c) ** 1.6 + (b * c) ** 1.6) / 3) ** (1 / 1.6)  # Thomsen
    escaping = (1 - 0.12) * surface * (2.67 / 1.05) / (4 * 4 / 3 * np.pi * a * b * c)
    liver = evaluation.region("Liver")
    mird = K_Y90 * 2.0 * 0.95 / (liver.mass_g / 1000)
    assert liver.mass_weighted_mean_gy / mird == pytest.approx(1 - escaping, abs=0.008)


def test_local_deposition_gives_the_mird_dose_exactly():
    case = liver_case(activity_bq=2e9, shunt=0.05)
    found = verify(case, LocalDeposition("Y-90"))
    energy_j = np.vdot(found.dose.array, found.density.array) * case.grid.voxel_volume_ml / 1000
    expected = nuclide("Y-90").energy_per_activity_j_per_bq * found.map_activity_bq
    assert energy_j == pytest.approx(expected, rel=1e-6)
    assert found.engine == "local"


def test_energy_is_conserved_apart_from_what_leaves(evaluation):
    """The kernel keeps all but the photons that leave the image (0.4 %) and the betas at its edge."""
    energy_j = (
        np.vdot(evaluation.dose.array, evaluation.density.array) * evaluation.dose.grid.voxel_volume_ml / 1000
    )
    emitted = nuclide("Y-90").energy_per_activity_j_per_bq * evaluation.map_activity_bq
    assert 0.99 * emitted < energy_j < 1.002 * emitted


def test_liver_dose_is_the_mass_weighted_mean_of_its_parts(evaluation):
    parts = [evaluation.region(name) for name in ("GTV1", "non-tumour liver")]
    mean = sum(p.mass_weighted_mean_gy * p.mass_g for p in parts) / sum(p.mass_g for p in parts)
    assert evaluation.region("Liver").mass_weighted_mean_gy == pytest.approx(mean, rel=1e-9)


def test_lung_block_by_every_convention(evaluation):
    lung = evaluation.lung
    assert lung.mean_mird_1kg_gy == pytest.approx(K_Y90 * 2.0 * 0.05, rel=1e-3)
    assert (lung.shunt_fraction, lung.shunt_source, lung.fraction_in_fov) == (0.05, "given", 1.0)
    assert lung.ct_mass_g is None
    assert lung.mean_mird_ct_gy is None
    assert lung.mean_voxel_gy == pytest.approx(evaluation.region("lungs").mean_gy)
    regions, dose = evaluation.case.regions, evaluation.dose.array
    liver = regions.mask_of(Role.LIVER, Role.TUMOUR).array >= 0.5
    voxels = np.argwhere(regions["lungs"].mask.array > 0)
    grid = evaluation.case.grid
    distance, _ = cKDTree(grid.index_to_lps(np.argwhere(liver))).query(grid.index_to_lps(voxels))
    far = tuple(voxels[distance > 20.0].T)
    expected = np.average(dose[far], weights=regions["lungs"].mask.array[far])
    assert lung.mean_voxel_without_dome_gy == pytest.approx(expected, rel=1e-6)


def test_the_dose_constant_overrides_planning_formulas_only():
    case = liver_case(dose_constant_gy_kg_per_gbq=49.67)
    found = verify(case, convolution(case))
    assert found.lung.mean_mird_1kg_gy == pytest.approx(49.67 * 2.0 * 0.05, rel=1e-9)
    assert found.energy_per_activity_j_per_gbq == pytest.approx(K_Y90, rel=1e-3)


def test_limits_use_the_mird_lung_dose_and_name_their_source():
    administration = replace(liver_case().injections[0].administration, device="glass")
    case = liver_case(administration=administration)
    limits = verify(case, convolution(case)).metrics["limits"]
    lung = next(held for held in limits if held["region"] == "lungs")
    assert lung["value_gy"] == pytest.approx(K_Y90 * 2.0 * 0.05, rel=1e-3)
    assert (lung["status"], lung["limit_gy"]) == ("met", 30.0)
    assert all(held["source"] for held in limits)


def test_bed_and_eud_only_with_parameters(evaluation):
    assert evaluation.region("GTV1").bed_mean_gy is None
    parameters = RadiobiologyParameters(10.0, 1.5 * 3600, 0.05, "a paper")
    case = liver_case(radiobiology={Role.TUMOUR: parameters})
    found = verify(case, convolution(case))
    tumour, liver = found.region("GTV1"), found.region("Liver")
    dvh = found.dvh("GTV1")
    expected = np.average(bed(dvh.doses_gy, 10.0, 1.5 * 3600, 230760.0), weights=dvh.volumes_ml)
    assert tumour.bed_mean_gy == pytest.approx(expected, rel=1e-9)
    assert tumour.eqd2_mean_gy == pytest.approx(expected / 1.2, rel=1e-9)
    assert dvh.doses_gy[-1] < tumour.eud_gy < tumour.mean_gy
    assert (liver.bed_mean_gy, liver.radiobiology) == (None, None)
    assert tumour.as_dict()["radiobiology"] == {
        "alpha_beta_gy": 10.0,
        "repair_half_time_s": 5400.0,
        "alpha_per_gy": 0.05,
        "source": "a paper",
    }


def test_parameters_of_a_role_without_a_region_are_listed():
    parameters = RadiobiologyParameters(2.5, 2.5 * 3600)
    case = liver_case(radiobiology={Role.TUMOUR: parameters, Role.KIDNEY: parameters})
    (notice,) = [n for n in verify(case, convolution(case)).notices if n.code == "radiobiology-unused"]
    assert "radiobiology.kidney (" in notice.message
    assert "radiobiology.tumour" not in notice.message


def test_metrics_follow_the_schema(evaluation):
    metrics = evaluation.metrics
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert (metrics["schema_version"], metrics["kind"], metrics["predicted"]) == (2, "dose", True)
    region = next(r for r in metrics["regions"] if r["name"] == "GTV1")
    assert set(region) >= {
        "d2_gy",
        "d50_gy",
        "d70_gy",
        "d90_gy",
        "d95_gy",
        "d98_gy",
        "v_percent",
        "mass_g",
        "activity_bq",
    }
    assert set(region["v_percent"]) == {"50", "100", "205"}
    assert [r["role"] for r in metrics["regions"]][-3:] == ["tumours", "non_tumour_liver", "lungs"]
    assert metrics["provenance"]["kernel"]["sha256"]


def test_convolution_in_lung_is_said(evaluation):
    assert "convolution-in-lung" in {notice.code for notice in evaluation.warnings}
    case = liver_case(lungs=False)
    assert "convolution-in-lung" not in {n.code for n in verify(case, convolution(case)).warnings}


def test_the_photon_tail_reaches_beyond_the_kernel():
    case = liver_case(lungs=False, outside_counts=0.0)
    with_tail = verify(case, convolution(case)).dose.array
    corner = with_tail[0, 0, 0]
    assert 0 < corner < 1e-3 * with_tail.max()


def test_without_liver_it_is_said():
    case = liver_case()
    only_tumour = Regions(case.grid, tuple(r for r in case.regions.drawn if r.role is Role.TUMOUR))
    calibration = replace(case.calibration, region="fov")
    found = verify(changed(case, regions=only_tumour, calibration=calibration), LocalDeposition("Y-90"))
    assert "no-liver" in {notice.code for notice in found.warnings}
    with pytest.raises(RegionError, match="no region is named 'non-tumour liver'"):
        found.region("non-tumour liver")


def test_a_tumour_beyond_the_liver_is_said():
    case = liver_case()
    liver, tumour, *lungs = case.regions.drawn
    moved = replace(tumour, mask=tumour.mask.with_array(np.roll(tumour.mask.array, 12, axis=2)))
    found = verify(replace(case, regions=Regions(case.grid, (liver, moved, *lungs))), LocalDeposition("Y-90"))
    assert "tumour-outside-liver" in {notice.code for notice in found.warnings}


def test_a_kernel_of_another_nuclide_is_refused():
    case = liver_case()
    with pytest.raises(PhysicsError, match="kernel is for Ho-166, but the case is Y-90"):
        verify(case, KernelConvolution(voxel_kernel("Ho-166", case.grid.spacing_mm)))


def test_more_energy_than_was_emitted_is_refused():
    case = liver_case()
    kernel = voxel_kernel("Y-90", case.grid.spacing_mm)
    with pytest.raises(PhysicsError, match=r"more than 1\.02 times"):
        verify(case, KernelConvolution(replace(kernel, s_values=kernel.s_values * 1.1)))


def test_dose_is_linear_in_activity(evaluation):
    case = liver_case(activity_bq=4e9, shunt=0.05)
    doubled = verify(case, convolution(case))
    assert np.allclose(doubled.dose.array, 2 * evaluation.dose.array, rtol=1e-5, atol=1e-6)


def test_progress_is_told_from_start_to_end():
    told = []
    verify(liver_case(), LocalDeposition("Y-90"), lambda what, done: told.append(done))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_limits_need_a_liver_when_a_device_is_chosen():
    case = liver_case()
    only_tumour = Regions(case.grid, tuple(r for r in case.regions.drawn if r.role is Role.TUMOUR))
    administration = replace(case.injections[0].administration, device="glass")
    asked = liver_case(administration=administration, calibration=replace(case.calibration, region="fov"))
    with pytest.raises(RegionError, match="limits of glass ask for the non-tumour liver"):
        verify(replace(asked, regions=only_tumour), LocalDeposition("Y-90"))
    parameters = {Role.NON_TUMOUR_LIVER: RadiobiologyParameters(2.5, 9000.0)}
    with pytest.raises(RegionError, match=r"radiobiology\.non_tumour_liver"):
        verify(changed(case, regions=only_tumour, radiobiology=parameters), LocalDeposition("Y-90"))


def test_histograms_are_set_once_and_carried_on(evaluation):
    assert list(evaluation.histograms) == [region.name for region in evaluation.case.regions]
    assert evaluation.dvh("Liver") is evaluation.histograms["Liver"]
    carried = replace(evaluation, notices=()).with_notices(*evaluation.notices)
    assert carried.dvh("Liver") is evaluation.dvh("Liver")


def test_a_missing_histogram_is_computed_and_nothing_is_written(evaluation):
    bare = replace(evaluation, histograms=None)
    np.testing.assert_array_equal(bare.dvh("Liver").doses_gy, evaluation.dvh("Liver").doses_gy)
    assert bare.histograms is None


def test_histograms_of_another_dose_are_not_taken(evaluation):
    double = replace(evaluation, dose=evaluation.dose.with_array(2.0 * evaluation.dose.array))
    assert double.dvh("Liver").mean_gy == pytest.approx(2.0 * evaluation.dvh("Liver").mean_gy, rel=1e-6)


def test_histograms_of_other_masks_are_not_taken(evaluation):
    regions = evaluation.case.regions
    half = tuple(replace(r, mask=r.mask.with_array(0.5 * r.mask.array)) for r in regions.drawn)
    smaller = replace(evaluation, case=replace(evaluation.case, regions=replace(regions, drawn=half)))
    assert smaller.dvh("Liver").volume_ml == pytest.approx(0.5 * evaluation.dvh("Liver").volume_ml, rel=1e-6)
