"""A second set of worked numbers: other inputs than the clinical sheet's, each beside its arithmetic written out."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import y90voxel as yv
from y90voxel import planning as pl
from y90voxel import radiobiology as rb
from y90voxel.metrics import agreement
from y90voxel.metrics import uncertainty_budget as uncertainty
from y90voxel.quantification.calibration import decay_to_administration
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.partial_volume import fit_recovery

HOUR = 3600.0
K = 49.67
CONSTANT = {"dose_constant_gy_kg_per_gbq": K}
Y90_H, F18_H = 64.1, 1.8295


def close(expected, tolerance=1e-6):
    return pytest.approx(expected, rel=tolerance)


def test_single_compartment_with_shunt_and_residual():
    given = {"mass_kg": 0.82, "lung_shunt_fraction": 0.08, "residual_fraction": 0.02}
    assert pl.mird_activity(150, **given, **CONSTANT) == close(150 * 0.82 / (K * 0.92 * 0.98))
    assert pl.mird_dose(2.75, **given, **CONSTANT) == close(K * 2.75 * 0.92 * 0.98 / 0.82)
    lungs = pl.mean_lung_dose(2.75, 0.08, 0.87, residual_fraction=0.02, **CONSTANT)
    assert lungs == close(K * 2.75 * 0.08 * 0.98 / 0.87)


@pytest.mark.parametrize(
    ("shunt", "kept"),
    [(0.0999, 1), (0.10, 1), (0.1001, 0.8), (0.15, 0.8), (0.1501, 0.6), (0.20, 0.6), (0.2001, 0)],
)
def test_resin_rules_at_the_bounds_of_the_shunt_classes(shunt, kept):
    bsa = 0.20247 * 1.82**0.725 * 95**0.425
    assert pl.bsa(1.82, 95) == close(bsa)
    assert pl.bsa_activity(bsa, 480, 1920, shunt) == close((bsa - 0.2 + 480 / 1920) * kept)
    lobar = (bsa - 0.2 + 300 / 1100) * 1100 / 1920 * kept
    assert pl.bsa_activity_lobar(bsa, 300, 1100, 1920, shunt) == close(lobar)
    for involvement, activity in ((0.25, 2.0), (0.2501, 2.5), (0.5, 2.5), (0.5001, 3.0)):
        assert pl.empirical_activity(involvement, shunt).activity_gbq == close(activity * kept)


def test_partition_forth_and_back_and_with_three_tumours():
    normal = K * 3.1 * 0.89 / (5.5 * 0.42 + 0.93)
    found = pl.partition_doses(3.1, 0.42, 0.93, 5.5, 0.11, 0.9, **CONSTANT)
    assert (found.normal_gy, found.tumour_gy) == (close(normal), close(5.5 * normal))
    assert found.lung_gy == close(K * 3.1 * 0.11 / 0.9)
    inverse = pl.partition_activity(0.42, 0.93, 5.5, 0.11, tumour_dose_gy=5.5 * normal, **CONSTANT)
    assert inverse == close(3.1)
    assert pl.whole_normal_liver_dose(normal, 0.93, 1.6) == close(normal * 0.93 / 1.6)
    shared = 3 * 0.2 + 8 * 0.05 + 5 * 0.1 + 0.8
    many = pl.multi_tumour_partition_doses(2.0, [0.2, 0.05, 0.1], [3, 8, 5], 0.8, 0.05, **CONSTANT)
    assert many.tumours_gy == close([r * K * 2.0 * 0.95 / shared for r in (3, 8, 5)])


def test_what_earlier_treatments_leave_of_the_lungs_binds():
    one = pl.lung_constraint(0.09, **CONSTANT)
    all_of_them = pl.lung_constraint(0.09, limit_gy=50, previous_gy=28, name="all", **CONSTANT)
    found = pl.feasible_activity([one, all_of_them, pl.ActivityConstraint("liver", 17.0, 90.0)])
    assert (found.activity_gbq, found.binding_constraint) == (close(22 / (K * 0.09)), "all")


def test_planar_shunt_net_of_background_with_attenuation_ratio():
    lungs = math.sqrt((9000 - 1500) * (10500 - 1700))
    liver = math.sqrt((98000 - 2500) * (81000 - 2300))
    found = pl.lung_shunt_fraction_planar(7500, 8800, 95500, 78700)
    assert found == close(lungs / (lungs + liver))
    assert pl.correct_shunt_for_attenuation(found, 1.8) == close(lungs / (lungs + 1.8 * liver))


def test_a_vial_from_noon_in_new_york_to_nine_in_berlin():
    """Sunday 12:00 at −05:00 to Thursday 09:00 at +01:00 are 87 h."""
    calibrated = datetime(2026, 11, 22, 12, tzinfo=ZoneInfo("America/New_York"))
    injected = datetime(2026, 11, 26, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    (vial,) = pl.choose_vials(2.6, injected, [calibrated], pl.device("glass"))
    left = 2 ** (-87 / Y90_H)
    assert (vial.size_gbq, vial.spheres) == (7.0, close(2.8e6))
    assert vial.activity_at_injection_gbq == close(7 * left)
    assert vial.activity_per_sphere_bq == close(2500 * left)
    before = pl.residual_fraction_by_survey(38, 1.2, 0.15, elapsed_s=2 * HOUR, half_life_s=Y90_H * HOUR)
    assert before == close(1.05 * 2 ** (2 / Y90_H) / 37.85)


def test_liver_function_from_american_units_and_at_the_bounds_of_the_classes():
    score = 0.66 * math.log10(2.1 * 17.1) - 0.085 * 31
    assert pl.albi_score(pl.bilirubin_umol_per_l(2.1), pl.albumin_g_per_l(3.1)) == close(score)
    assert [pl.albi_grade(s) for s in (-2.60, -2.59, -1.39, -1.38)] == [1, 2, 2, 3]
    assert pl.child_pugh_points(34, 35, 2.3, "mild", 0) == 2 + 2 + 2 + 2 + 1
    assert [pl.child_pugh_class(points) for points in (6, 7, 9, 10)] == ["A", "B", "B", "C"]


def bed(dose_gy, alpha_beta_gy, repair_h, half_life_h):
    return dose_gy * (1 + repair_h / (repair_h + half_life_h) * dose_gy / alpha_beta_gy)


def test_radiobiology_where_naive_sums_of_exponentials_are_zero():
    tissue = (10.0, 1.5 * HOUR, Y90_H * HOUR)
    assert rb.bed(310, *tissue) == close(bed(310, 10, 1.5, Y90_H))
    assert rb.bed(55, 2.5, 2.5 * HOUR, 26.8 * HOUR) == close(bed(55, 2.5, 2.5, 26.8))
    least = bed(4000, 10, 1.5, Y90_H)  # exp(−2 · least) is zero in double precision
    assert rb.eubed([4000, 5000], [1, 1], 2.0, *tissue) == close(least + math.log(2) / 2)
    assert rb.geud([100, 2000], [0.5, 0.5], -200) == close(100 * 2 ** (1 / 200))
    assert rb.geud([100, 2000], [0.5, 0.5], 300) == close(2000 * 2 ** (-1 / 300))
    assert rb.tcp_poisson(180, 1e7, 0.1) == close(math.exp(-1e7 * math.exp(-18)))
    assert (rb.tcp_poisson(1e5, 1e9, 0.3), rb.tcp_poisson(0, 1e9, 0.3)) == (1.0, 0.0)
    assert (rb.tcp_logit(1e6, -3, 0.015), rb.tcp_logit(0, -1000, 0.015)) == (1.0, 0.0)
    assert rb.tcp_log_logistic(260, 292, 1.1) == close(1 / (1 + (292 / 260) ** 4.4))
    told = rb.NtcpParameters(52, 0.28, 1, "resin", "any", "here", verified=True)
    assert rb.ntcp_lkb(40, told, device="resin") == close(0.5 * math.erfc(12 / (0.28 * 52) / math.sqrt(2)))


def in_frame(half_life_h):
    """Activity at the start of a frame of half an hour over its mean."""
    x = math.log(2) * 0.5 / half_life_h
    return x / (1 - math.exp(-x))


@pytest.mark.parametrize(
    ("reference", "header_h", "branching", "expected"),
    [
        (DecayReference.START, Y90_H, None, 2 ** (17.25 / Y90_H)),
        (DecayReference.ADMIN, Y90_H, None, 1.0),
        (DecayReference.NONE, Y90_H, None, 2 ** (17.25 / Y90_H) * in_frame(Y90_H)),
        (DecayReference.START, F18_H, 0.967, 2 ** (17.25 / Y90_H) * in_frame(Y90_H) / in_frame(F18_H)),
        (
            DecayReference.ADMIN, F18_H, 0.967,
            2 ** (17.25 / Y90_H - 17.25 / F18_H) * in_frame(Y90_H) / in_frame(F18_H),
        ),
    ],
)  # fmt: skip
def test_pet_by_each_decay_reference_and_with_a_header_of_fluorine(reference, header_h, branching, expected):
    injected = datetime(2026, 5, 4, 9, 30)
    acquired = injected + timedelta(hours=17.25)
    values = yv.ActivityMap(np.ones((1, 1, 1)), yv.Grid.from_spacing((1, 1, 1), (4, 4, 4)))
    image = EmissionImage(
        values, "PT", decay_reference=reference, acquisition_start=acquired, series_start=acquired,
        administration_time=injected, frame_duration_s=1800, header_half_life_s=header_h * HOUR,
        header_positron_fraction=branching,
    )  # fmt: skip
    found = decay_to_administration(image, injected, Y90_H * HOUR, 31.86e-6)
    assert found.factor == close(expected * (1 if branching is None else branching / 31.86e-6))


def test_recovery_warm_background_and_uncertainty():
    volumes = np.array([0.52, 1.15, 2.57, 5.58, 11.49, 26.52])
    fit = fit_recovery(volumes, 1 - 1 / (1 + (volumes / 1.7) ** 0.9), 0.05)
    assert (fit.b1_ml, fit.b2) == (close(1.7), close(0.9))
    assert pl.correct_in_warm_background(5.1, 1.3, 0.62) == close((5.1 - 0.38 * 1.3) / 0.62)
    edges = math.sqrt(4.8**2 / 6 + 8**2 / (4 * math.log(2)))
    x = 15 / (8 / 2.355)
    seen = math.erf(2 * x / math.sqrt(2)) - 2 / (x * math.sqrt(2 * math.pi)) * (1 - math.exp(-2 * x * x))
    recovery = 1 - 1 / (1 + 4 / 3 * math.pi * 1.5**3 / 1.5)
    bracket = seen / (2 * recovery) - (1 - recovery) - 1
    found = uncertainty.dose_uncertainty(
        30, 4.8, 8, recovery_b1_ml=1.5, recovery_b2=1, activity=0.06, recovery_fit=0.04, statistics=0.02
    )
    expected = math.hypot(0.06, 0.04, 0.02, bracket * 3 * edges / 30)
    assert found.relative == close(expected, 1e-3)  # FWHM over 2.355 here


def test_agreement_of_five_regions():
    plan, found = np.array([33, 250, 140, 90, 410.0]), np.array([40, 220, 155, 70, 380.0])
    limits = agreement.bland_altman(plan, found)  # differences 7, −30, 15, −20, −30
    sd = math.sqrt((18.6**2 + 18.4**2 + 26.6**2 + 8.4**2 + 18.4**2) / 4)
    assert (limits.bias, limits.sd) == (close(-11.6), close(sd))
    assert (limits.lower, limits.upper) == (close(-11.6 - 1.96 * sd), close(-11.6 + 1.96 * sd))
    together = np.mean((plan - plan.mean()) * (found - found.mean()))
    assert agreement.concordance(plan, found) == close(2 * together / (plan.var() + found.var() + 11.6**2))
    assert agreement.quality_factor(plan, found) == close(
        (7 / 33 + 30 / 250 + 15 / 140 + 20 / 90 + 30 / 410) / 5
    )
    assert agreement.isodose_dice(plan, found, [75, 400]) == {75: close(2 * 3 / (4 + 3)), 400: 0.0}
