"""Every worked number of the clinical sheet, one row each in golden/clinical_vectors.csv."""

import csv
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from y90voxel import planning as pl
from y90voxel import radiobiology as rb
from y90voxel.metrics import agreement
from y90voxel.metrics import uncertainty_budget as uncertainty
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.quantification.calibration import calibrate_relative
from y90voxel.quantification.decay import decay_factor
from y90voxel.quantification.partial_volume import (
    correct_in_warm_background,
    correct_tumour_to_normal_ratio,
    fit_recovery,
    recovery_coefficient,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, DoseMap, Mask

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "clinical_vectors.csv"
with GOLDEN.open(encoding="utf-8") as rows:
    ROWS = list(csv.DictReader(rows))

HOUR = 3600.0
T_Y90, T_HO = 64.1 * HOUR, 26.8 * HOUR
K = {"dose_constant_gy_kg_per_gbq": 49.67}
LIVER, TUMOUR = (2.5, 2.5 * HOUR, T_Y90), (10.0, 1.5 * HOUR, T_Y90)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def decayed(activity, hours):
    return pl.decay(activity, NOON, NOON + timedelta(hours=hours), T_Y90)


def glass_single_compartment():
    mass = 1.2 * 1.03
    activity = pl.mird_activity(120, mass, 0.05, 0.01, **K)
    return {
        "V1 perfused mass": mass,
        "V1 vial activity at injection": activity,
        "V1 vial activity 72 h before": decayed(activity, -72),
        "V1 lung dose": pl.mean_lung_dose(activity, 0.05, residual_fraction=0.01, **K),
    }


def resin():
    area = pl.bsa(1.70, 70)
    return {
        "V3 BSA": area,
        "V3 BSA activity": pl.bsa_activity(area, 375, 1500),
        "V3 BSA activity reduced": pl.bsa_activity(area, 375, 1500, 0.12),
        "BSA lobar activity": pl.bsa_activity_lobar(area, 0.25 * 975, 975, 1500),
        "BSA lobar activity reduced": pl.bsa_activity_lobar(area, 0.25 * 975, 975, 1500, 0.12),
        "empirical activity": pl.empirical_activity(0.30, 0.12).activity_gbq,
        "patient 1 BSA from 20 % reduction": 1.059 / pl.RESIN_SHUNT_REDUCTION.factor(0.15),
        "patient 1 BSA from 40 % reduction": 1.059 / pl.RESIN_SHUNT_REDUCTION.factor(0.1501),
    }


def partition():
    activity = pl.partition_activity(0.3, 1.2, 4, 0.06, normal_dose_gy=40, **K)
    doses = pl.partition_doses(activity, 0.3, 1.2, 4, 0.06, **K)
    return {
        "V4 activity": activity,
        "V4 tumour dose": doses.tumour_gy,
        "V4 tumour fraction": doses.tumour_activity_fraction,
        "V4 lung dose": doses.lung_gy,
        "whole normal liver dose": pl.whole_normal_liver_dose(88, 0.9, 1.5),
    }


def lungs():
    shunt = pl.lung_shunt_fraction_planar(12000, 14000, 150000, 110000)
    scaled = pl.scale_to_whole_lungs(4.0e5, 0.70, 0.95)
    return {
        "V5 planar shunt": shunt,
        "V5 anterior shunt": pl.lung_shunt_fraction_from_counts(12000, 150000),
        "V5 shunt corrected for attenuation": pl.correct_shunt_for_attenuation(shunt, 1.5),
        "attenuation example": pl.correct_shunt_for_attenuation(0.12, 1.5),
        "dome example": pl.lung_shunt_fraction_from_counts(scaled, 9.5e6),
        "cumulative lung dose": pl.mean_lung_dose(2.0, 0.08, **K) + pl.mean_lung_dose(1.5, 0.08, **K),
    }


def decay_and_spheres():
    glass, resin = pl.device("glass"), pl.device("resin")
    resin_sphere = pl.activity_per_sphere_bq(3.0, resin.spheres(3.0))
    mean_life_h = T_Y90 / math.log(2) / HOUR
    hot = 205 / 48.22
    return {
        "V6 decay over 24 h": decayed(1.0, 24),
        "V6 mean life": mean_life_h,
        "V6 decays per GBq": 1e9 * mean_life_h * HOUR,
        "V6 glass sphere after 168 h": decayed(2500.0, 168),
        "V6 resin sphere 72 h early": decayed(3e9 / 44e6, -72),
        "resin sphere 24 h after": decayed(resin_sphere, 24),
        "glass spheres per 3 GBq": glass.spheres(3.0),
        "resin Bq per sphere at calibration": resin_sphere,
        "glass hours to 1500 Bq": 64.1 * math.log2(2500 / 1500),
        "residual by survey": pl.residual_fraction_by_survey(42, 0.9, 0.1),
        "glass spheres per mL at 205 Gy": pl.spheres_per_ml(hot, 2500.0),
        "glass spheres per 4 mm voxel": pl.spheres_per_ml(hot, 2500.0) * 0.064,
        "Poisson spread in a 4 mm voxel": 1 / math.sqrt(pl.spheres_per_ml(hot, 2500.0) * 0.064),
        "glass spheres per mL after 7 days": pl.spheres_per_ml(hot, decayed(2500.0, 168)),
        "resin spheres per mL at 120 Gy": pl.spheres_per_ml(120 / 48.22, resin_sphere),
    }


def three_patients():
    energy = [pl.available_energy_j(a, s, **K) for a, s in ((1.059, 0.15), (1.225, 0.02), (3.3 + 1.4, 0.12))]
    mass = [pl.sphere_volume_ml(d) / 1000 for d in (116, 100, 170)]
    lung = pl.lung_constraint(0.12, **K)
    needed = pl.mird_activity(205, 0.8 * mass[2], 0.12, **K)
    return {
        "V2 shunted activity": 4.7 * 0.12,
        "V2 lung dose": pl.mean_lung_dose(4.7, 0.12, **K),
        "V2 greatest activity for 30 Gy": pl.feasible_activity([lung]).activity_gbq,
        "patient 1 lung dose": pl.mean_lung_dose(1.059, 0.15, **K),
        "patient 2 lung dose": pl.mean_lung_dose(1.225, 0.02, **K),
        "patient 3 lung mass for 30 Gy": pl.mean_lung_dose(4.7, 0.12, **K) / 30.0,
        **{f"patient {i + 1} sphere": 1000 * mass[i] for i in range(3)},
        **{f"patient {i + 1} energy": energy[i] for i in range(3)},
        **{f"patient {i + 1} energy check": energy[i] / mass[i] for i in range(3)},
        "patient 2 fraction in tumour": 45.0 * mass[1] / energy[1],
        "patient 3 energy check of perfused part": energy[2] / (0.8 * mass[2]),
        "patient 3 hepatic MAA scale": 3300 / 159,
        "patient 3 renal MAA scale": 1400 / 75,
        "patient 3 activity for 205 Gy": needed,
        "patient 3 lung dose for 205 Gy": pl.mean_lung_dose(needed, 0.12, **K),
        "patient 3 bilirubin": pl.bilirubin_mg_per_dl(27),
        "V9 ALBI patient 1": pl.albi_score(10, 50),
        "V9 ALBI patient 2": pl.albi_score(12, 40),
        "V9 ALBI patient 3": pl.albi_score(27, 39),
        "legacy shunt rule as lung dose": pl.legacy_shunt_rule(4.7, 0.12, **K).equivalent_lung_dose_gy,
    }


def two_injections():
    table = {"tumour": (20, 25), "normal": (8, 1), "lungs": (49.67 * 0.10, 49.67 * 0.16)}
    doses = pl.injection_doses(table, (3.3, 1.4))
    scale = pl.greatest_activity_of_linear_metric(doses["lungs"], 30.0)
    return {
        "V10 tumour dose": doses["tumour"],
        "V10 normal dose": doses["normal"],
        "V10 lung dose": doses["lungs"],
        "V10 scale to 30 Gy": scale,
        "V10 tumour dose scaled": scale * doses["tumour"],
    }


def images():
    concentration = 180 * decay_factor(-20 * HOUR, T_Y90) * 32.0 / 31.86
    grid = Grid.from_spacing((1, 1, 2), (4, 4, 4))
    counts = CountMap(np.array([[[120.0, 4.0e7 - 120.0]]]), grid)
    voxel = calibrate_relative(counts, Mask(np.ones(grid.shape), grid), 2.0e9 * 0.95).array[0, 0, 0]
    return {
        "V11 concentration": concentration,
        "V11 dose": pl.concentration_dose(concentration / 1000, 1.03, **K),
        "relative calibration voxel": voxel,
        "relative calibration concentration": voxel / 1e6 / 0.064,
        "relative calibration dose": pl.concentration_dose(voxel / 1e6 / 0.064, 1.03, **K),
        "activity at injection": decayed(1.2, -24),
        "energy of the time integral": pl.available_energy_j(decayed(1.2, -24), **K),
        "dose per concentration": pl.concentration_dose(1.0, 1.03, **K),
        "concentration for 205 Gy": 205 / pl.concentration_dose(1.0, 1.03, **K),
    }


def constants():
    found = {f"constant at {e:.4f} MeV": pl.dose_constant(e, T_Y90) for e in (0.9267, 0.9312, 0.9330, 0.9367)}
    ho = {"dose_constant_gy_kg_per_gbq": pl.device("ho166").clinical_dose_constant_gy_kg_per_gbq}
    return found | {
        "Ho-166 activity": pl.ho166_activity(1.5, **ho),
        "Ho-166 activity per mass": pl.ho166_activity(1.0, **ho),
    }


def radiobiology():
    doses, volumes, cells = (50, 100, 200, 400), (0.1, 0.3, 0.4, 0.2), (0.01, *TUMOUR)
    lkb = rb.NtcpParameters(97, 0.28, 1.0, "glass", "illustration", "illustration", verified=True)
    return {
        "V7 liver BED": rb.bed(75, *LIVER),
        "V7 liver EQD2": rb.eqd2(rb.bed(75, *LIVER), 2.5),
        "V7 tumour BED": rb.bed(205, *TUMOUR),
        "V7 tumour EQD2": rb.eqd2(rb.bed(205, *TUMOUR), 10),
        "V8 mean": rb.geud(doses, volumes, 1),
        "V8 gEUD": rb.geud(doses, volumes, -10),
        "V8 EUBED": rb.eubed(doses, volumes, *cells),
        "V8 EUD": rb.eud(doses, volumes, *cells),
        "protraction of the liver": rb.lea_catcheside(*LIVER[1:]),
        "protraction of the tumour": rb.lea_catcheside(*TUMOUR[1:]),
        "liver BED of 120 Gy": rb.bed(120, *LIVER),
        "liver EQD2 of 120 Gy": rb.eqd2(rb.bed(120, *LIVER), 2.5),
        "Ho-166 liver BED of 60 Gy": rb.bed(60, 2.5, 2.5 * HOUR, T_HO),
        "Y-90 liver BED of 60 Gy": rb.bed(60, *LIVER),
        "log-logistic control": rb.tcp_log_logistic(205, 292, 0.8),
        "LKB complications": rb.ntcp_lkb(75, lkb, device="glass"),
    }


def histograms_and_agreement():
    ramp = np.linspace(0, 300, 1001).reshape(1, 1, -1)
    grid = Grid.from_spacing(ramp.shape, (1, 1, 1))
    dvh = DoseVolumeHistogram.from_dose(DoseMap(ramp, grid), Mask(np.ones(ramp.shape), grid))
    plan, delivered = (120, 80, 200, 150, 60, 95), (110, 85, 170, 155, 50, 90)
    found = agreement.bland_altman(plan, delivered)
    return {
        "V12 mean": dvh.mean_gy,
        "V12 D70": dvh.dose_at_volume(70),
        "V12 D90": dvh.dose_at_volume(90),
        "V12 V100": dvh.volume_at_dose(100),
        "V12 V200": dvh.volume_at_dose(200),
        "V12 bias": found.bias,
        "V12 SD": found.sd,
        "V12 lower limit": found.lower,
        "V12 upper limit": found.upper,
        "V12 concordance": agreement.concordance(plan, delivered),
        "V12 quality factor": agreement.quality_factor(plan, delivered),
    }


def quantification():
    fit = fit_recovery([0.52, 26.52], [0.20, 0.86], 0.05)
    budget = uncertainty.dose_uncertainty(
        40, 4, 7, recovery_b1_ml=1.5, recovery_b2=1.0, activity=0.05, recovery_fit=0.05, statistics=0.03
    )
    return {
        "recovery b1": fit.b1_ml,
        "recovery b2": fit.b2,
        "warm background": correct_in_warm_background(3.2, 0.5, 0.7),
        "corrected ratio": correct_tumour_to_normal_ratio(6.4, 0.7),
        "uncertainty of hepatic activity": uncertainty.activity_uncertainty(0.05, 0.03, 0.12, 0.30),
        "uncertainty of diameter": uncertainty.diameter_uncertainty_mm(4, 7),
        "uncertainty of volume": budget.volume,
        "edge intensity": uncertainty.edge_intensity(40, 7),
        "recovery of the example": recovery_coefficient(pl.sphere_volume_ml(40), 1.5, 1.0),
        "volume factor": budget.volume_factor,
        "uncertainty of dose": budget.relative,
    }


COMPUTED = {}
for part in (
    glass_single_compartment, resin, partition, lungs, decay_and_spheres, three_patients, two_injections, images,
    constants, radiobiology, histograms_and_agreement, quantification,
):  # fmt: skip
    COMPUTED |= part()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["quantity"])
def test_worked_number_of_the_clinical_sheet(row):
    expected, tolerance = float(row["value"]), float(row["relative_tolerance"])
    assert float(COMPUTED[row["quantity"]]) == pytest.approx(expected, rel=tolerance)


def test_every_computed_number_has_a_golden_row():
    assert set(COMPUTED) == {row["quantity"] for row in ROWS}
    assert len(ROWS) == len({row["quantity"] for row in ROWS})


def test_patients_have_the_published_albi_grades_and_bilirubin_class():
    assert [pl.albi_grade(pl.albi_score(*v)) for v in ((10, 50), (12, 40), (27, 39))] == [1, 1, 2]
    assert pl.ClinicalContext(bilirubin_umol_per_l=27).bilirubin_class == "raised"


def test_combined_uncertainty_of_the_worked_example_within_one_percent():
    assert COMPUTED["uncertainty of dose"] == pytest.approx(0.211, rel=0.01)
