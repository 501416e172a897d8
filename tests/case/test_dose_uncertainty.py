import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantoms import changed, liver_case
from scipy.ndimage import gaussian_filter

from y90voxel.case import dvh_sampling
from y90voxel.case.dose_uncertainty import with_uncertainty
from y90voxel.case.image_noise import NoisyImage
from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.metrics.dvh_bands import VOLUMES_PERCENT
from y90voxel.metrics.uncertainty_budget import (
    Surroundings,
    dose_uncertainty,
    edge_intensity,
    volume_uncertainty,
)
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.noise import ImageNoise
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.report.uncertainty_table import uncertainty_rows
from y90voxel.volumes.volume import ActivityMap, CountMap, DoseMap

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "accuracy_uncertainty.py"
CERTAIN = {
    "fwhm_mm": 10.0, "contour_voxel_mm": 1e-6, "contour_fwhm_mm": 0.0, "activity": 0.0, "residual": 0.0,
    "lung_shunt": 0.0, "calibration": 0.0, "registration_mm": 0.0,
}  # fmt: skip
WHOLE = {**CERTAIN, "contour_voxel_mm": 2.0, "contour_fwhm_mm": 5.0, "activity": 0.05, "residual": 0.03,
         "lung_shunt": 0.3, "registration_mm": 2.0, "samples": 60}  # fmt: skip


def quantitative(case):
    """The same image stated in Bq: no counts, no noise known."""
    emission = case.injections[0].emission
    volume = ActivityMap(emission.volume.array * 1e4, emission.grid)
    image = EmissionImage(volume, "file", "Y-90", decay_reference=DecayReference.NONE)
    injection = replace(case.injections[0], emission=image)
    return changed(case, injections=(injection,), calibration=Calibration(CalibrationMode.ABSOLUTE))


@pytest.fixture(scope="module")
def evaluation():
    return verify(liver_case(), LocalDeposition("Y-90"))


@pytest.fixture(scope="module")
def quiet():
    """An evaluation without noise."""
    return verify(quantitative(liver_case()), LocalDeposition("Y-90"))


def curves(found, name="GTV1"):
    band = found.uncertainty.bands[name]
    return np.array([band.low_gy, band.median_gy, band.high_gy])


def test_where_all_is_certain_the_band_is_the_histogram(quiet):
    found = with_uncertainty(quiet, {**CERTAIN, "samples": 40})
    for name in ("Liver", "GTV1", "non-tumour liver", "lungs"):
        exact = quiet.dvh(name).doses_at_volumes(VOLUMES_PERCENT)
        for curve in curves(found, name):
            np.testing.assert_allclose(curve, exact, rtol=1e-6)
        assert found.region(name).relative_uncertainty == pytest.approx(0.0, abs=1e-6)


def test_a_calibration_alone_scales_the_histogram_log_normally(quiet):
    """Limits exp(±1.96 σ) with σ² = ln(1 + u²); 600 samples know the 2.5 % quantile to 0.11 σ."""
    found = with_uncertainty(quiet, {**CERTAIN, "calibration": 0.2, "samples": 600})
    sigma = np.sqrt(np.log(1.04))
    exact = quiet.dvh("GTV1").doses_at_volumes(VOLUMES_PERCENT)
    low, median, high = curves(found)
    for curve, z in ((low, -1.96), (median, 0.0), (high, 1.96)):
        np.testing.assert_allclose(curve, exact * np.exp(z * sigma), rtol=0.03)
    assert found.region("GTV1").relative_uncertainty == pytest.approx(0.2, rel=1e-6)


def test_the_budget_is_the_formulas_with_its_parts(evaluation):
    curve = RecoveryFit(1.5, 1.0, np.diag([0.01, 0.004]))
    whole = with_uncertainty(evaluation, {**WHOLE, "recovery": curve, "samples": 40})
    found, found_liver = whole.region("GTV1"), whole.region("Liver")
    volume = found.volume_ml
    values, mask = (
        evaluation.case.injections[0].emission.volume.array,
        evaluation.case.regions["GTV1"].mask.array,
    )
    noise, counts = np.sqrt((values * mask**2).sum()), (values * mask).sum()
    budget = found.uncertainty.budget
    assert budget.statistics == pytest.approx(noise / counts)
    scaling = found_liver.uncertainty.budget.statistics
    # Half the spread over calibration regions is a part of it, and what the liver's contour does to its counts.
    spread = evaluation.calibration_spread.scaling
    liver_mm = (6000 * found_liver.volume_ml / np.pi) ** (1 / 3)
    contour = 0.5 * edge_intensity(liver_mm, 10.0) * volume_uncertainty(liver_mm, 2.0, 5.0)
    parts = np.array([0.05, 0.03, 0.3 * 0.05 / 0.95, scaling, spread])
    assert budget.activity == pytest.approx(np.sqrt((parts**2).sum() + contour**2))
    # The liver's own mean is held by its activity: its contour changes its mass alone.
    assert found_liver.uncertainty.budget.activity == pytest.approx(np.sqrt((parts**2).sum()))
    assert found_liver.uncertainty.budget.volume_factor == -1.0
    # In warm liver only what stands above it is blurred.
    background = whole.region("non-tumour liver").mean_gy / found.mean_gy
    fit = curve.uncertainty(volume) / curve.coefficient(volume)
    assert budget.recovery_fit == pytest.approx((1 - background) * fit)
    expected = dose_uncertainty(
        (6000 * volume / np.pi) ** (1 / 3), 2.0, 5.0, recovery_b1_ml=1.5, recovery_b2=1.0, activity=budget.activity,
        recovery_fit=fit, statistics=budget.statistics, emission_fwhm_mm=10.0, surroundings=Surroundings(background),
    )  # fmt: skip
    assert found.relative_uncertainty == pytest.approx(expected.relative)
    low, high = found.as_dict()["uncertainty"]["mean_k2_gy"]
    assert low * high == pytest.approx(found.mean_gy**2)


def test_an_image_of_its_own_units_is_not_held_by_a_contour(quiet):
    found = with_uncertainty(quiet, {**WHOLE, "calibration": 0.05, "samples": 40})
    assert found.region("Liver").uncertainty.budget.volume_factor > -1.0
    assert found.region("GTV1").uncertainty.budget.activity == pytest.approx(0.05)


def test_the_worked_example_of_the_scheme_comes_out_of_an_image():
    """d 40 mm, a 4 mm, FWHM 7 mm, b1 1.5 mL, b2 1; 5 % calibration and recovery, 3 % counts: 21.1 %."""
    case = quantitative(liver_case(tumour_to_normal=5.0))
    evaluation = verify(case, LocalDeposition("Y-90"))
    tumour = evaluation.region("GTV1")
    sphere = replace(tumour, volume_ml=np.pi * 40**3 / 6000)
    evaluation = replace(evaluation, regions=(sphere,))
    volume = sphere.volume_ml
    r = 1 - 1 / (1 + volume / 1.5)
    # The covariance that gives 5 % of R at this volume: of b1 alone.
    sigma_b1 = 0.05 * r / (r * (1 - r) / 1.5)
    curve = RecoveryFit(1.5, 1.0, np.diag([sigma_b1**2, 0.0]))
    noise = 0.03 * _mean_over_noise(case)
    given = {"fwhm_mm": 7.0, "contour_voxel_mm": 4.0, "contour_fwhm_mm": 7.0, "calibration": 0.05, "registration_mm": 0.0,
             "recovery": curve, "noise": noise, "samples": 40}  # fmt: skip
    found = with_uncertainty(evaluation, given).regions[0]
    assert found.uncertainty.budget.statistics == pytest.approx(0.03, rel=1e-6)
    assert found.relative_uncertainty == pytest.approx(0.211, rel=0.01)


def _mean_over_noise(case):
    """What relative noise a voxel of liver needs for 100 % noise of the tumour's sum."""
    values, regions = case.injections[0].emission.volume.array, case.regions
    liver, tumour = regions["Liver"].mask.array, regions["GTV1"].mask.array
    mean = (values * liver).sum() / liver.sum()
    return (values * tumour).sum() / np.sqrt((values * mean * tumour**2).sum())


def test_the_same_seed_gives_the_same_bands_and_another_gives_others(evaluation):
    one, same, other = (
        with_uncertainty(evaluation, {**WHOLE, "samples": 40, "seed": seed}) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(curves(one), curves(same))
    assert not np.array_equal(curves(one), curves(other))


def test_a_shift_is_told_as_what_it_may_have_taken_from_a_hot_region(quiet):
    """The found mean of a tumour that counts fill sharply can only have lost by a shift: the truth lies above it."""
    found = with_uncertainty(quiet, {**CERTAIN, "registration_mm": 3.0, "samples": 100}).region("GTV1")
    low, high = found.as_dict()["uncertainty"]["mean_sampled_95_gy"]
    assert low > 0.999 * found.mean_gy
    assert high > 1.1 * found.mean_gy


def test_noise_broadens_and_the_band_takes_that_off():
    """A uniform liver of Poisson counts: without noise every voxel has the mean dose, and the median says so."""
    case = liver_case(tumour_to_normal=1.0, lungs=False)
    grid = case.grid
    flat = 20.0 * case.regions["Liver"].mask.array
    noisy = np.random.default_rng(5).poisson(flat).astype(float)
    image = EmissionImage(CountMap(noisy, grid), "NM", "Y-90")
    case = replace(case, injections=(replace(case.injections[0], emission=image),))
    evaluation = verify(case, LocalDeposition("Y-90"))
    found = with_uncertainty(evaluation, {**CERTAIN, "samples": 60})
    tumour = evaluation.region("GTV1")
    spread = lambda curve: curve[VOLUMES_PERCENT == 10][0] - curve[VOLUMES_PERCENT == 90][0]  # noqa: E731
    exact = evaluation.dvh("GTV1").doses_at_volumes(VOLUMES_PERCENT)
    assert spread(exact) > 0.45 * tumour.mean_gy  # 2 × 1.28 / √20
    # Two noises together are √2 as broad as one: 1.41 − 1 is taken off what was found.
    assert spread(curves(found)[1]) == pytest.approx((2 - np.sqrt(2)) * spread(exact), rel=0.1)


def test_a_liver_drawn_larger_takes_dose_from_the_whole_map():
    """With relative calibration the activity is spread over the counts inside the contour."""
    case = liver_case(outside_counts=5.0, lungs=False)
    evaluation = verify(case, LocalDeposition("Y-90"))
    fixed = changed(case, calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW))
    steady = verify(fixed, LocalDeposition("Y-90"))
    given = {**CERTAIN, "contour_voxel_mm": 6.0, "noise": 1e-3, "samples": 200}
    widths = []
    for one in (evaluation, steady):  # without what the choice of the region leaves open
        found = with_uncertainty(replace(one, calibration_spread=None), given)
        band = found.uncertainty.bands["GTV1"]
        middle = band.median_gy[VOLUMES_PERCENT == 10][0]
        widths.append(
            (band.high_gy[VOLUMES_PERCENT == 10][0] - band.low_gy[VOLUMES_PERCENT == 10][0]) / middle
        )
    assert widths[0] > 3 * widths[1]


def test_what_is_assumed_is_said(evaluation, quiet):
    found = with_uncertainty(evaluation, {"samples": 40})
    said = {notice.code: notice.message for notice in found.notices}
    assert "a resolution of 10 mm FWHM" in said["uncertainty-assumed"]
    assert "activity known to 5 %" in said["uncertainty-assumed"]
    assert "registration_mm" in said["uncertainty-assumed"]
    assert "recovery counts as one" in said["uncertainty-no-recovery"]
    assert found.metrics["uncertainty"]["inputs"]["assumed"]
    said = {notice.code for notice in with_uncertainty(quiet, {**WHOLE, "samples": 40}).notices}
    assert "uncertainty-no-statistics" in said
    assert "uncertainty-assumed" not in said


def test_the_statement_says_what_the_bands_hold(evaluation, quiet):
    text = " ".join(
        with_uncertainty(evaluation, {**WHOLE, "samples": 40, "noise_fwhm_mm": 8.0}).uncertainty.statement
    )
    for part in (
        "40 samples (seed 0)",
        "activity 6.7 %",
        "shift of 2 mm",
        "taken as counts correlated over 8 mm",
        "One dose map",
    ):
        assert part in text
    text = " ".join(with_uncertainty(quiet, {**WHOLE, "samples": 40}).uncertainty.statement)
    assert "no noise, for that of the image is not known" in text
    text = " ".join(
        with_uncertainty(evaluation, {**WHOLE, "samples": 40, "noise": 0.2}).uncertainty.statement
    )
    assert "20 % a voxel of liver" in text


def test_a_fine_dose_grid_is_sampled_on_a_coarser_one_to_the_same_bands(quiet, monkeypatch):
    given = {**WHOLE, "calibration": 0.1, "samples": 200}
    image = quiet.case.injections[0].emission
    seen = ActivityMap(gaussian_filter(image.volume.array, 10 / 2.3548 / 4), image.grid)
    injection = replace(quiet.case.injections[0], emission=replace(image, volume=seen))
    quiet = verify(replace(quiet.case, injections=(injection,)), LocalDeposition("Y-90"))
    fine = with_uncertainty(quiet, given)
    monkeypatch.setattr(dvh_sampling, "MOST_VOXELS", 25_000)
    coarse = with_uncertainty(quiet, given)
    for name in (
        "Liver",
        "non-tumour liver",
        "lungs",
    ):  # large beside voxels of 5 mm; a lesion of 28 mm differs by 6 %
        one, other = (
            found.region(name).as_dict()["uncertainty"]["mean_sampled_95_gy"] for found in (coarse, fine)
        )
        np.testing.assert_allclose(one, other, rtol=0.03)
    assert not np.array_equal(curves(coarse), curves(fine))
    # Cubes, 25 000 of them in the box: the message names their edge and that of the dose.
    said = {notice.code: notice.message for notice in coarse.notices}["uncertainty-coarse-grid"]
    edge = float(
        re.search(r"voxels of ([\d.]+) × \1 × \1 mm, coarser than the 4.00 × 4.00 × 4.00 mm", said)[1]
    )
    assert edge > 4.0
    assert "more than 25000 of its voxels" in said
    assert "uncertainty-coarse-grid" not in {notice.code for notice in fine.notices}


def test_perfused_volume_and_liver_share_the_capsule(quiet):
    regions = quiet.case.regions
    perfused = replace(regions["Liver"], name="perfused", role=Role.PERFUSED)
    case = replace(quiet.case, regions=Regions(regions.grid, (*regions.drawn, perfused)))
    scene = dvh_sampling._Scene.of(replace(quiet, case=case), _inputs(case))
    offsets = [1.0, 2.0, 3.0, 4.0, 5.0]
    scene._share_capsule(offsets)
    assert offsets == [1.0, 2.0, 3.0, 4.0, 1.0]


def _inputs(case):
    from y90voxel.case.uncertainty_inputs import complete_inputs

    return complete_inputs(case, WHOLE)[0]


def test_the_statistics_of_a_simulation_join_the_budget(evaluation):
    simulated = tuple(replace(m, relative_uncertainty=0.2) for m in evaluation.regions)
    found = with_uncertainty(replace(evaluation, regions=simulated), {**WHOLE, "samples": 40}).region("GTV1")
    assert found.relative_uncertainty == pytest.approx(np.hypot(found.uncertainty.budget.relative, 0.2))
    assert found.uncertainty.simulation == 0.2


def test_several_injections_each_bring_their_noise():
    case = liver_case()
    grid = case.grid
    second = EmissionImage(
        CountMap(case.injections[0].emission.volume.array * 4.0, grid), "NM", "Tc-99m", predicted=True
    )
    both = replace(case, injections=(case.injections[0], replace(case.injections[0], emission=second)))
    budgets = [
        with_uncertainty(verify(c, LocalDeposition("Y-90")), {**CERTAIN, "samples": 40})
        .region("GTV1")
        .uncertainty.budget
        for c in (case, both)
    ]
    # Half of the activity each, the second with four times the counts: √(1 + 1/4) / 2 of the noise.
    assert budgets[1].statistics == pytest.approx(np.sqrt(1.25) / 2 * budgets[0].statistics, rel=1e-6)


def test_an_evaluation_without_regions_has_no_bands(evaluation):
    bare = replace(quantitative(liver_case()), regions=Regions(evaluation.case.grid))
    found = with_uncertainty(verify(bare, LocalDeposition("Y-90")), {**WHOLE, "samples": 40})
    assert found.uncertainty.bands == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fwhm_mm": 0.0}, "uncertainty.fwhm_mm must be positive"),
        ({"contour_voxel_mm": -1.0}, "uncertainty.contour_voxel_mm must be positive"),
        ({"contour_fwhm_mm": -1.0}, "uncertainty.contour_fwhm_mm must not be negative"),
        ({"registration_mm": -1.0}, "uncertainty.registration_mm must not be negative"),
        ({"noise_fwhm_mm": -1.0}, "uncertainty.noise_fwhm_mm must not be negative"),
        ({"activity": -0.1}, "uncertainty.activity must not be negative"),
        ({"lung_shunt": 30.0}, "is a fraction"),
        ({"noise": 0.0}, "uncertainty.noise must be positive"),
        ({"samples": 10}, "uncertainty.samples must be at least 40"),
        ({"seed": -1}, "uncertainty.seed must not be negative"),
    ],
)
def test_inputs_that_cannot_be_are_refused(evaluation, given, message):
    with pytest.raises(InputError, match=message):
        with_uncertainty(evaluation, given)


def test_noise_relative_to_a_liver_needs_a_liver(quiet):
    tumour_only = Regions(
        quiet.case.grid, tuple(r for r in quiet.case.regions.drawn if r.role is Role.TUMOUR)
    )
    case = replace(quiet.case, regions=tumour_only)
    with pytest.raises(InputError, match="no liver is among"):
        with_uncertainty(verify(case, LocalDeposition("Y-90")), {**WHOLE, "noise": 0.1})


def test_local_deposition_and_convolution_carry_noise_each_in_its_way(evaluation):
    """Noise of single voxels averages over the reach of betas: the convolution's is smaller."""
    scene = dvh_sampling._Scene.of(evaluation, _inputs(evaluation.case))
    image = evaluation.case.injections[0].emission.volume
    noisy = NoisyImage(
        ActivityMap(image.array, image.grid), ImageNoise(1.0), evaluation.activity.total / image.total,
        evaluation.case.regions,
    )  # fmt: skip
    maps = [
        dvh_sampling._NoiseToDose.of(replace(evaluation, engine=engine), scene, [noisy]).draw(
            np.random.default_rng(0)
        )
        for engine in ("local", "convolution")
    ]
    assert maps[1].std() < 0.7 * maps[0].std()
    # One and the same noise, spread: energy stays.
    energies = [float((m * scene.density.array).sum(dtype=float)) for m in maps]
    assert energies[1] == pytest.approx(energies[0], rel=0.05, abs=0.05 * float(np.abs(maps[0]).sum()) * 0.01)
    assert isinstance(scene.dose, DoseMap)


def noisy(case, cv, seed=3):
    """The quantitative image with white noise."""
    image = case.injections[0].emission
    normal = float(np.median(image.volume.array[case.regions["Liver"].mask.array > 0.999]))
    drawn = ImageNoise(cv**2 * normal).draw(
        image.volume.array, image.grid.spacing_mm, np.random.default_rng(seed)
    )
    emission = replace(image, volume=image.volume.with_array(image.volume.array + drawn))
    return replace(case, injections=(replace(case.injections[0], emission=emission),))


def test_the_noise_of_an_image_of_bq_is_estimated_and_never_zero(quiet):
    """In place, white: the counts of a region of n full voxels are known to CV / √n."""
    one = verify(noisy(quiet.case, 0.3), LocalDeposition("Y-90"))
    found = with_uncertainty(one, {**WHOLE, "fwhm_mm": 6.0, "samples": 40})
    liver = found.region("Liver")
    entry = liver.as_dict()["uncertainty"]
    values = one.case.injections[0].emission.volume.array
    normal = float(np.median(values[one.case.regions["Liver"].mask.array > 0.999]))
    mask = one.case.regions["Liver"].mask.array
    expected = 0.3 * np.sqrt(normal * float((values * mask**2).sum())) / float((values * mask).sum())
    assert entry["statistics"] == pytest.approx(expected, rel=0.1)
    said = {notice.code: notice.message for notice in found.notices}
    assert "upper bound" in said["noise-estimated"]
    assert "uncertainty-no-statistics" not in said
    assert found.metrics["uncertainty"]["inputs"]["noise_source"] == ["estimated"]
    assert "an upper bound" in " ".join(found.uncertainty.statement)


def test_a_noise_that_is_not_known_is_not_zero(quiet):
    found = with_uncertainty(quiet, {**WHOLE, "samples": 40})
    assert found.region("Liver").as_dict()["uncertainty"]["statistics"] is None
    assert found.metrics["uncertainty"]["inputs"]["noise_source"] is None
    assert uncertainty_rows(found)[0]["statistics"] == "not known"
    simulated = tuple(replace(m, relative_uncertainty=0.02) for m in quiet.regions)
    found = with_uncertainty(replace(quiet, regions=simulated), {**WHOLE, "samples": 40})
    assert uncertainty_rows(found)[0]["statistics"] == "not known, simulation 2.0 %"


@pytest.mark.slow
def test_intervals_hold_the_truth_in_92_to_98_of_100_with_recovery_on_and_off(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(BENCHMARK.with_name("accuracy_intervals.py")),
            "--json",
            str(tmp_path / "coverage.json"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_bands_cover_the_blurred_truth_in_90_to_99_of_100_realisations(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--json", str(tmp_path / "coverage.json")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_command_writes_bands_and_budget(run_cli, tmp_path):
    from y90voxel.reference.shipped import shipped_folder

    sample = shipped_folder("sample_data")
    case = tmp_path / "case.toml"
    text = (sample / "case.toml").read_text(encoding="utf-8")
    case.write_text(text + '\n[uncertainty]\nsamples = 40\nactivity = "4 %"\n[output]\nuncertainty = true\n')
    done = run_cli("dose", sample / "study", "--case", case, "--engine", "local", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    with (tmp_path / "out" / "dvh_bands.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    tumour = [row for row in rows if row["region"] == "GTV1"]
    assert len(tumour) == 512
    for row in tumour:
        assert float(row["low_percent"]) <= float(row["median_percent"]) <= float(row["high_percent"])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Uncertainty of mean doses" in page
    assert "from 40 samples (seed 0)" in page
