"""Intervals of planned activities: closed forms where there are any, what they promise, and what they refuse."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case

import y90voxel as yv
from y90voxel.case.image_noise import noisy_images, statistics
from y90voxel.clinical.limits import Sense
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role

K = 49.67
END = NormalDist().inv_cdf(0.975)
STATED = {"fwhm_mm": 10.0, "contour_voxel_mm": 2.0, "contour_fwhm_mm": 3.0}
# Never reached; without a limit on liver nothing is solved for a limit.
WIDE = ("non-tumour liver", 5000.0)
ALL = {"activity": 0.0, "residual": 0.0, "lung_shunt": 0.0, "density": 0.0, "samples": 500}


def limit(region, value, metric="mean"):
    return DoseAim(f"{region} {metric}", region, Sense.BELOW, value, parse_metric(metric))


def by_masses(*limits, shunt=0.12, device=None, patient=None, **anatomy):
    """A plan without images; nothing but these limits holds."""
    reached = Territory("injection", shunt, (TumourUptake("GTV1", 0.3, 4.0),), 1.2)
    known = Anatomy(tumour_masses_kg={"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.2, **anatomy)
    facts = yv.PlanFacts("patient", "Y-90", device, K, patient=patient)
    return yv.plan_from_masses(facts, known, [reached], PlanRequest(aims=limits, table_limits=False))


def by_images(*limits, **facts):
    given = Administration(lung_shunt_fraction=0.05, shunt_source="given")
    case = liver_case(administration=given, **facts)
    perfused = ellipsoid(case.grid, (10, 0, -25), (40, 40, 35))
    inside = perfused.with_array(np.minimum(perfused.array, case.regions["Liver"].mask.array))
    regions = Regions(case.grid, (*case.regions.drawn, Region("Perfused volume", Role.PERFUSED, inside)))
    request = PlanRequest(aims=limits, table_limits=False)
    return yv.plan(replace(case, regions=regions), LocalDeposition("Y-90"), request)


def spread(plan, name, **given):
    found = yv.with_plan_uncertainty(plan, STATED | ALL | given)
    return next(model for model in found.metrics["models"] if model["name"] == name)


def test_a_lung_limit_has_the_interval_of_the_shunt():
    # A_max = limit M / (K L), and L is logit-normal: the ends are those of L, the other way round.
    plan = by_masses(limit("lungs", 30.0), limit(*WIDE))
    found = spread(plan, "partition", lung_shunt=0.3, samples=1500)
    assert plan.model("partition").activity_gbq == pytest.approx(30.0 / (K * 0.12), rel=1e-6)  # 5.033 GBq
    for end, z in zip(found["activity_interval_bq"], (END, -END), strict=True):
        odds = 0.12 / 0.88 * math.exp(0.3 / 0.88 * z)
        expected = 1e9 * 30.0 / (K * odds / (1 + odds))
        # Standard error of an end: sqrt(p (1 - p) / n) / density, in standard deviations of ln L.
        error = math.sqrt(0.025 * 0.975 / 1500) / NormalDist().pdf(END) * 0.3
        assert math.log(end / expected) == pytest.approx(0.0, abs=3 * error)
    assert found["relative_uncertainty"]["lungs"] == pytest.approx(0.3, rel=0.1)
    assert found["binding_shares"] == {"lungs mean": 1.0}


def test_a_liver_limit_has_the_interval_of_the_activity():
    # A_max = D (r M_T + M_N) / (K (1 - L)) with only the assay uncertain: log-normal.
    plan = by_masses(limit("non-tumour liver", 50.0))
    found = spread(plan, "partition", activity=0.08, residual=0.06, samples=1500, contour_fwhm_mm=0.0,
                   contour_voxel_mm=1e-6)  # fmt: skip
    sigma = math.sqrt(math.log1p(0.1**2))
    planned = 1e9 * 50.0 * (4 * 0.3 + 1.2) / (K * 0.88)
    error = math.sqrt(0.025 * 0.975 / 1500) / NormalDist().pdf(END) * sigma
    for end, z in zip(found["activity_interval_bq"], (-END, END), strict=True):
        assert math.log(end / planned) == pytest.approx(z * sigma, abs=3 * error)
    for region in ("GTV1", "non-tumour liver", "lungs"):
        assert found["relative_uncertainty"][region] == pytest.approx(0.1, rel=4 / math.sqrt(3000))


def test_the_lower_end_keeps_each_limit_in_975_of_1000_draws():
    plan = by_masses(limit("non-tumour liver", 50.0), limit("lungs", 13.0))
    found = spread(plan, "partition", lung_shunt=0.3, activity=0.05, samples=400)
    shares = found["binding_shares"]
    assert set(shares) == {"non-tumour liver mean", "lungs mean"}
    assert sum(shares.values()) == pytest.approx(1.0)
    low = found["activity_interval_bq"][0]
    assert low < found["activity_bq"] < found["activity_interval_bq"][1]
    for region, most in (("non-tumour liver", 50.0), ("lungs", 13.0)):
        assert found["dose_intervals_gy"][region][1] * low / found["activity_bq"] <= most * 1.001


def test_doses_of_maps_spread_as_those_of_compartments():
    # The map holds activity beyond the perfused volume too, so planned activities differ; what is uncertain does not.
    plan = by_images(limit("perfused non-tumour liver", 40.0))
    given = STATED | ALL | {"lung_shunt": 0.3, "density": 0.03, "samples": 200}
    models = yv.with_plan_uncertainty(plan, given).metrics["models"]
    found = {model["name"]: model for model in models}
    ends = {
        name: np.array(found[name]["activity_interval_bq"]) / found[name]["activity_bq"]
        for name in ("voxel", "partition")
    }
    assert ends["voxel"] == pytest.approx(ends["partition"], rel=1e-5)
    for region, relative in found["partition"]["relative_uncertainty"].items():
        assert found["voxel"]["relative_uncertainty"][region] == pytest.approx(relative, rel=1e-5), region


def test_a_limit_on_d50_has_the_relative_interval_of_one_on_the_mean():
    plans = [by_images(limit("GTV1", 60.0, metric), limit(*WIDE)) for metric in ("mean", "D50")]
    ends = []
    for plan in plans:
        found = spread(plan, "voxel", samples=60, activity=0.05)
        ends.append(np.array(found["activity_interval_bq"]) / found["activity_bq"])
    assert ends[1] == pytest.approx(ends[0], rel=1e-5)  # a bisection


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    plan = by_masses(limit("lungs", 30.0), limit(*WIDE))
    given = {"samples": 60, "lung_shunt": 0.3}
    ends = [spread(plan, "partition", seed=seed, **given)["activity_interval_bq"] for seed in (5, 5, 6)]
    assert ends[0] == ends[1] != ends[2]


def test_draws_in_which_a_rule_refuses_count_as_no_activity():
    record = PatientRecord(height_m=1.7, weight_kg=70.0)
    plan = by_masses(limit("non-tumour liver", 50.0), shunt=0.19, device="resin", patient=record,
                     liver_volume_ml=1500.0, tumour_volume_ml=300.0)  # fmt: skip
    found = spread(plan, "bsa", lung_shunt=0.05, samples=400)
    # The rule stops above 20 %: the logit of 0.19 has moved by that much in this share of the draws.
    z = (math.log(0.2 / 0.8) - math.log(0.19 / 0.81)) * 0.81 / 0.05
    share = 1 - NormalDist().cdf(z)
    assert found["refused_share"] == pytest.approx(share, abs=3 * math.sqrt(share * (1 - share) / 400))
    assert found["activity_interval_bq"][0] == 0.0


def test_counts_and_a_recovery_curve_are_part_of_it():
    curve = RecoveryFit(3.0, 0.8, np.diag([0.3**2, 0.0]))
    plan = by_images(limit("perfused non-tumour liver", 40.0))
    few = {"samples": 150}
    plain = spread(plan, "partition", **few)["relative_uncertainty"]["GTV1"]
    noisy = spread(plan, "partition", noise=0.5, noise_fwhm_mm=12.0, **few)["relative_uncertainty"]["GTV1"]
    volume = plan.metrics["regions"][1]["volume_ml"]
    asked = replace(plan.request, recovery={"GTV1": curve.coefficient(volume)}, recovery_curve=curve)
    fitted = replace(plan, request=asked)
    found = spread(fitted, "partition", **few)["relative_uncertainty"]["GTV1"]
    # A tumour with a share f of the activity changes by 1 - f of what its counts and those around it do.
    evaluation = plan.maps.evaluations[0]
    images = noisy_images(evaluation.case, evaluation.activity, 0.5, 12.0)
    counts = [
        statistics(images, lambda seen, name=name: seen[name].mask)
        for name in ("GTV1", "perfused non-tumour liver")
    ]
    tumour, normal_kg = plan.territories[0].tumours[0], plan.territories[0].normal_kg
    share = tumour.ratio * tumour.mass_kg / (tumour.ratio * tumour.mass_kg + normal_kg)
    added = (1 - share) * math.hypot(*counts)
    assert noisy == pytest.approx(math.hypot(plain, added), rel=0.15)  # 150 draws
    # Recovery changes the ratio by (1 - R) / R of what it changes itself, and a larger drawn tumour loses less.
    assert found > plain * (1 + 1 / math.sqrt(150))
    assert "recovery of tumours" in " ".join(yv.with_plan_uncertainty(fitted, ALL).uncertainty.statement)


def test_what_is_assumed_is_said_and_what_is_not_used_is_not():
    found = yv.with_plan_uncertainty(by_images(limit("lungs", 30.0)), {"samples": 50})
    said = {notice.code: notice.message for notice in found.notices}
    assert "a resolution of 10 mm FWHM" in said["uncertainty-assumed"]
    assert "registration" not in said["uncertainty-assumed"]
    assert "densities known to 3 %" in said["plan-uncertainty-assumed"]
    assert "registration_mm" not in found.metrics["uncertainty"]["inputs"]
    assert found.metrics["uncertainty"]["inputs"]["samples"] == 50
    assert "Not in them: how far MAA foretells the treatment" in " ".join(found.uncertainty.statement)
    silent = yv.with_plan_uncertainty(
        by_masses(limit("lungs", 30.0), limit(*WIDE)), STATED | ALL | {"samples": 50}
    )
    assert not [n for n in silent.notices if "uncertainty" in n.code]


def test_a_plan_has_no_intervals_unless_asked():
    metrics = by_masses(limit("lungs", 30.0), limit(*WIDE)).metrics
    assert metrics["uncertainty"] is None
    assert all("activity_interval_bq" not in model for model in metrics["models"])


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "give fwhm_mm, contour_voxel_mm, contour_fwhm_mm in"),
        (STATED | {"samples": 10}, "uncertainty.samples must be at least"),
        (STATED | {"density": 3.0}, "uncertainty.density is a fraction"),
        (STATED | {"lung_shunt": -0.3}, "uncertainty.lung_shunt"),
        (STATED | {"fwhm_mm": 0.0}, "uncertainty.fwhm_mm"),
        (STATED | {"seed": -1}, "uncertainty.seed must not be negative"),
    ],
)
def test_what_cannot_be_is_refused(given, word):
    with pytest.raises(InputError, match=word):
        yv.with_plan_uncertainty(by_masses(limit("lungs", 30.0), limit(*WIDE)), given)
