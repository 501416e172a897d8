"""Plans of small phantoms: the same doses as the main job, limits met when fed back, and nothing better to be found."""

import itertools
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from phantoms import changed, ellipsoid, liver_case

import y90voxel as yv
from y90voxel.case.verify import verify
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError, RegionError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.radiobiology import bed, eud, geud
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.plan_measure import measure_metric
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration, CalibrationMode
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

ENGINE = LocalDeposition("Y-90")
K = 49.77
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def below(region, value, metric="mean", **parameters):
    return DoseAim(f"{region} {metric}", region, Sense.BELOW, value, parse_metric(metric, parameters))


def at_least(region, value, metric="mean", **parameters):
    return DoseAim(f"{region} {metric} goal", region, Sense.AT_LEAST, value, parse_metric(metric, parameters))


def one_artery(**changes):
    """A right lobe as perfused volume around the tumour, glass, 2 GBq given."""
    facts = {
        "administration": Administration(
            activity_bq=2e9, lung_shunt_fraction=0.05, shunt_source="given", device="glass"
        )
    }
    case = liver_case(**(facts | changes))
    perfused = ellipsoid(case.grid, (10, 0, -25), (40, 40, 35))
    inside = np.minimum(perfused.array, case.regions["Liver"].mask.array)
    region = Region("Perfused volume", Role.PERFUSED, perfused.with_array(inside))
    return replace(case, regions=Regions(case.grid, (*case.regions.drawn, region)))


def two_arteries(**facts):
    """Left and right half of a liver, each with a tumour, each injected by its own artery."""
    grid = Grid.from_spacing((24, 24, 40), (5.0, 5.0, 5.0), (-97.5, -57.5, -57.5))
    halves = {
        "left": ellipsoid(grid, (-38, 0, 0), (36, 40, 40)),
        "right": ellipsoid(grid, (40, 0, 0), (36, 44, 40)),
    }
    tumours = {
        "GTV1": ellipsoid(grid, (-40, 0, 0), (15, 15, 15)),
        "GTV2": ellipsoid(grid, (42, 0, 5), (20, 20, 20)),
    }
    liver = halves["left"].with_array(np.clip(halves["left"].array + halves["right"].array, 0, 1))
    drawn = [Region("Liver", Role.LIVER, liver)]
    drawn += [Region(name, Role.TUMOUR, mask) for name, mask in tumours.items()]
    drawn += [Region(f"perfused {name}", Role.PERFUSED, mask) for name, mask in halves.items()]
    regions = Regions(grid, tuple(drawn))
    injections = []
    for side, tumour, uptake, shunt in (("left", "GTV1", 3.0, 0.04), ("right", "GTV2", 6.0, 0.15)):
        counts = halves[side].array + (uptake - 1.0) * tumours[tumour].array + 0.05 * liver.array
        image = EmissionImage(CountMap(10.0 * counts, grid), "NM", "Tc-99m", predicted=True)
        given = Administration(lung_shunt_fraction=shunt, shunt_source="given", device="glass")
        injections.append(Injection(image, given, territory=f"perfused {side}"))
    base = liver_case(grid=None)
    return replace(base, injections=tuple(injections), regions=regions, label="two arteries", **facts)


@pytest.fixture(scope="module")
def planned():
    request = PlanRequest(ClinicalContext(Scenario.UNILOBAR, Disease.HCC, bilirubin_umol_per_l=12.0))
    return yv.plan(one_artery(), ENGINE, request)


def test_a_plan_says_how_long_it_took():
    clock = time.perf_counter()
    said = yv.plan(one_artery(), ENGINE, PlanRequest(ClinicalContext())).provenance["seconds"]
    assert 0.0 < said <= time.perf_counter() - clock + 0.001


def test_doses_of_the_given_activity_are_those_of_the_main_job(planned):
    evaluation = verify(one_artery(), ENGINE)
    given = planned.model("given")
    doses = given.table.doses(given.activities_gbq)
    for name in ("GTV1", "Liver", "Perfused volume", "non-tumour liver", "perfused non-tumour liver"):
        assert doses[name] == pytest.approx(evaluation.region(name).mass_weighted_mean_gy, rel=1e-6)
    assert doses["lungs"] == pytest.approx(evaluation.lung.mean_mird_1kg_gy, rel=1e-12)
    assert doses["lungs_voxel"] == pytest.approx(evaluation.lung.mass_weighted_mean_voxel_gy, rel=1e-6)


def test_the_solvers_activity_fed_back_meets_its_own_limits(planned):
    activity = planned.model("voxel").activity_gbq
    case = one_artery()
    injection = case.injections[0]
    fed = replace(injection, administration=replace(injection.administration, activity_bq=activity * 1e9))
    found = verify(replace(case, injections=(fed,)), ENGINE)
    dose = found.region("non-tumour liver").mass_weighted_mean_gy
    assert planned.model("voxel").binding == ("whole non-tumour liver, HCC, lobar treatment",)
    assert 75.0 * (1 - 1e-6) < dose <= 75.0
    assert found.lung.mean_mird_1kg_gy <= 30.0


def test_partition_by_the_counts_of_the_map(planned):
    """D_N = K A (1 - L) / (r M_T + M_N), with r from counts per mass."""
    (ratio,) = planned.metrics["tumour_to_normal"]
    case = planned.maps.case
    counts = case.injections[0].emission.volume.array.astype(float)
    tumour = case.regions["GTV1"].mask.array.astype(float)
    normal = case.regions["perfused non-tumour liver"].mask.array.astype(float)
    # tumour and liver have one density, in voxels that they share with others too: it cancels
    per_mass = [np.sum(mask * counts) / np.sum(mask) for mask in (tumour, normal)]
    expected = per_mass[0] / per_mass[1]
    assert ratio["ratio"] == pytest.approx(expected, rel=1e-6)
    masses = planned.metrics["masses"]
    model = planned.model("partition")
    normal = K * model.activity_gbq * 0.95
    normal /= (ratio["ratio"] * masses["tumours_g"]["GTV1"] + masses["perfused_non_tumour_liver_g"]) / 1000.0
    assert model.table.doses(model.activities_gbq)["perfused non-tumour liver"] == pytest.approx(
        normal, rel=1e-3
    )
    evaluation = planned.maps.evaluations[0]
    assert masses["non_tumour_liver_g"] == pytest.approx(
        evaluation.region("non-tumour liver").mass_g, rel=1e-6
    )
    assert masses["perfused_g"] == pytest.approx(evaluation.region("Perfused volume").mass_g, rel=1e-6)


def test_the_metrics_follow_the_contract(planned):
    metrics = planned.metrics
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert (metrics["schema_version"], metrics["kind"], metrics["predicted"]) == (2, "plan", True)
    for model in metrics["models"]:
        assert set(model) >= {
            "name",
            "activity_bq",
            "doses_gy",
            "limits",
            "binding_constraint",
            "inputs",
            "reason",
        }
    names = [model["name"] for model in metrics["models"]]
    assert names == [
        "given", "bsa", "bsa-lobar", "empirical", "mird", "partition", "multi-tumour-partition", "multi-artery", "voxel"
    ]  # fmt: skip
    region = next(r for r in metrics["regions"] if r["name"] == "GTV1")
    assert region["dose_per_gbq_gy"][0] == pytest.approx(
        planned.maps.evaluations[0].region("GTV1").mass_weighted_mean_gy
    )
    assert planned.warnings is planned.notices
    assert metrics["first_model"] == "voxel"


def test_shunts_by_every_method_stand_side_by_side(planned):
    methods = {(m["method"], m["dome_margin_mm"]): m for m in planned.metrics["lung"]["methods"]}
    assert methods[("given", None)]["used"] is True
    assert planned.lung_shunt_fraction == 0.05
    assert methods[("spect", 20.0)]["fraction"] == pytest.approx(
        yv.plan(liver_case(shunt=None, shunt_source="spect"), ENGINE).lung_shunt_fraction, rel=1e-12
    )
    assert methods[("spect", 0.0)]["fraction"] > 0
    assert "needs anterior and posterior views" in methods[("planar", None)]["reason"]
    assert "lung-shunts-differ" not in {notice.code for notice in planned.notices}
    far = yv.plan(liver_case(shunt=0.01), ENGINE)
    assert "lung-shunts-differ" in {notice.code for notice in far.notices}


def test_unknown_facts_leave_every_limit_in_force_and_are_said():
    found = yv.plan(one_artery(), ENGINE)
    assert found.model("voxel").binding == ("whole non-tumour liver, any disease, bilirubin above 1.1 mg/dL",)
    said = {n.code: n.message for n in found.notices}
    assert (
        "the disease (plan.disease), the scenario (plan.scenario), the bilirubin are not known"
        in said["limits-context-unknown"]
    )


def test_bilirubin_of_the_patient_record_decides_the_class():
    for bilirubin, expected in ((10.0, "lobar treatment"), (27.0, "bilirubin above 1.1 mg/dL")):
        found = yv.plan(one_artery(patient=PatientRecord(bilirubin_umol_per_l=bilirubin)), ENGINE)
        assert expected in found.model("voxel").binding[0]


@pytest.mark.parametrize(
    ("aim", "check"),
    [
        (below("non-tumour liver", 40.0, "D50"), lambda d: d.dose_at_volume(50)),
        (below("non-tumour liver", 20.0, "V50"), lambda d: 100 * d.volume_at_dose(50)),
        (below("GTV1", 300.0, "max"), lambda d: d.max_gy),
        (below("non-tumour liver", 50.0, "gEUD", exponent=3.0), lambda d: geud(d.doses_gy, d.volumes_ml, 3.0)),
        (
            below("non-tumour liver", 60.0, "BED", alpha_beta_gy=2.5, repair_half_time_h=2.5),
            lambda d: float(np.average(bed(d.doses_gy, 2.5, 9000.0, 230760.0), weights=d.volumes_ml)),
        ),
        (
            below("GTV1", 150.0, "EUD", alpha_beta_gy=10.0, repair_half_time_h=1.5, alpha_per_gy=0.01),
            lambda d: eud(d.doses_gy, d.volumes_ml, 0.01, 10.0, 5400.0, 230760.0),
        ),
        (below("GTV1", 50.0, "TCP", d50_gy=292.0, gamma50=0.8), lambda d: 50.0 * (d.mean_gy / 292.0) ** 3.2 / 1.0),
    ],
)  # fmt: skip
def test_metrics_that_are_no_mean_dose_are_met_at_their_limit(aim, check):
    # a limit on liver that is never reached: without one nothing is solved for a limit
    wide = below("perfused non-tumour liver", 5000.0)
    request = PlanRequest(aims=(aim, wide), table_limits=False)
    found = yv.plan(one_artery(), ENGINE, request)
    model = found.model("voxel")
    assert model.binding == (aim.name,)
    result = model.results[0]
    assert result.status == "met"
    value = check(found.maps.dvh(aim.region, model.activities_gbq))
    if str(aim.metric) == "TCP":  # log-logistic: 50 % where the mean is D50
        assert found.maps.dvh("GTV1", model.activities_gbq).mean_gy == pytest.approx(292.0, rel=1e-5)
    else:
        assert value == pytest.approx(result.achieved, rel=1e-9)
    above = found.maps.dvh(aim.region, [a * 1.02 for a in model.activities_gbq])
    assert check(above) > aim.value


def test_an_ntcp_needs_a_device_and_takes_its_parameters():
    aim = below("non-tumour liver", 50.0, "NTCP", td50_gy=60.0, m=0.28, n=1.0)
    found = yv.plan(one_artery(), ENGINE, PlanRequest(aims=(aim,), table_limits=False))
    # 50 % where the gEUD with exponent 1, the mean, is TD50
    model = found.model("voxel")
    assert found.maps.dvh("non-tumour liver", model.activities_gbq).mean_gy == pytest.approx(60.0, rel=1e-5)
    without = DoseVolumeHistogram(np.ones(1), np.ones(1), None, np.ones(1))
    with pytest.raises(InputError, match="NTCP needs the device"):
        measure_metric(aim.metric, without, 230760.0, None)


def test_two_arteries_are_split_and_no_scan_finds_better():
    limits = (below("non-tumour liver", 55.0), below("lungs", 5.0))
    request = PlanRequest(aims=limits, table_limits=False, greatest_gbq=(5.0,))
    found = yv.plan(two_arteries(), ENGINE, request)
    model = found.model("voxel")
    table = {row.name: row.gy_per_gbq for row in found.maps.table.rows}
    assert set(model.binding) == {"non-tumour liver mean", "lungs mean"}
    best = max(
        np.dot(table["all tumours"], split)
        for split in itertools.product(np.linspace(0, 5, 101), repeat=2)
        if np.dot(table["non-tumour liver"], split) <= 55.0 and np.dot(table["lungs"], split) <= 5.0
    )
    assert best * (1 - 1e-6) <= model.table.doses(model.activities_gbq)["all tumours"] <= best * 1.02
    # fed back: each artery with its own activity
    case = two_arteries()
    fed = tuple(
        replace(i, administration=replace(i.administration, activity_bq=a * 1e9))
        for i, a in zip(case.injections, model.activities_gbq, strict=True)
    )
    back = verify(replace(case, injections=fed), ENGINE)
    assert back.region("non-tumour liver").mass_weighted_mean_gy <= 55.0 * (1 + 1e-9)
    assert back.lung.mean_mird_1kg_gy == pytest.approx(5.0, rel=1e-6)
    combined = found.maps.dose(model.activities_gbq).array
    assert np.allclose(combined, back.dose.array, rtol=1e-4, atol=1e-3)
    assert "split-equal" in {notice.code for notice in found.notices}
    # artery by artery, the partition model agrees with the map
    by_artery = found.model("multi-artery")
    assert by_artery.activity_gbq == pytest.approx(model.activity_gbq, rel=0.03)


def test_an_artery_that_the_best_split_leaves_empty_is_told():
    """One limit on the liver: the artery with most tumour dose per liver dose takes all, unless a goal needs the other."""
    limit = below("non-tumour liver", 90.0)
    alone = yv.plan(two_arteries(), ENGINE, PlanRequest(aims=(limit,), table_limits=False, order=order()))
    assert alone.first.activities_gbq[0] == 0.0
    (said,) = [n for n in alone.notices if n.code == "injection-without-activity"]
    assert alone.territories[0].name in said.message
    assert [placed.injection for placed in alone.orders] == [alone.territories[1].name]
    goal = DoseAim("GTV1", "GTV1", Sense.AT_LEAST, 205.0)
    both = yv.plan(two_arteries(), ENGINE, PlanRequest(aims=(limit, goal), table_limits=False))
    assert all(activity > 0.1 for activity in both.first.activities_gbq)
    assert "injection-without-activity" not in {n.code for n in both.notices}


def test_a_limit_that_is_not_linear_scales_the_split_of_two_arteries():
    limits = (below("lungs", 30.0), below("non-tumour liver", 30.0, "V60"))
    found = yv.plan(two_arteries(), ENGINE, PlanRequest(aims=limits, table_limits=False))
    model = found.model("voxel")
    assert model.binding == ("non-tumour liver V60",)
    assert 100 * found.maps.dvh("non-tumour liver", model.activities_gbq).volume_at_dose(60.0) <= 30.0


def test_given_splits_and_names():
    found = yv.plan(two_arteries(), ENGINE, PlanRequest(split=(3.0, 1.0)))
    model = found.model("partition")
    assert model.activities_gbq[0] == pytest.approx(3.0 * model.activities_gbq[1])
    assert [t.name for t in found.territories] == ["perfused left", "perfused right"]
    assert [[u.name for u in t.tumours] for t in found.territories] == [["GTV1"], ["GTV2"]]


def test_recovery_corrects_the_ratio_it_is_given_for():
    """(r - (1 - R)) / R with R = 0.7."""
    found = yv.plan(one_artery(), ENGINE, PlanRequest(recovery={"GTV1": 0.7}))
    (ratio,) = found.metrics["tumour_to_normal"]
    assert ratio["ratio_corrected"] == pytest.approx((ratio["ratio"] - 0.3) / 0.7)
    (uptake,) = found.territories[0].tumours
    assert uptake.ratio == pytest.approx(ratio["ratio_corrected"])
    with pytest.raises(InputError, match="GTV5, but the tumours are GTV1"):
        yv.plan(one_artery(), ENGINE, PlanRequest(recovery={"GTV5": 0.7}))


def test_a_recovery_curve_corrects_every_tumour_that_has_no_coefficient_of_its_own():
    """R = 1 - 1 / (1 + (V / b1)^b2) with the volume of each tumour."""
    curve = RecoveryFit(20.0, 0.8, np.zeros((2, 2)))
    found = yv.plan(two_arteries(), ENGINE, PlanRequest(recovery={"GTV2": 0.9}, recovery_curve=curve))
    volumes = {region["name"]: region["volume_ml"] for region in found.metrics["regions"]}
    expected = {"GTV1": 1 - 1 / (1 + (volumes["GTV1"] / 20.0) ** 0.8), "GTV2": 0.9}
    for row in found.metrics["tumour_to_normal"]:
        recovery = expected[row["tumour"]]
        assert row["recovery"] == pytest.approx(recovery)
        assert row["ratio_corrected"] == pytest.approx((row["ratio"] - 1 + recovery) / recovery)
    assert "ratios-corrected" in {notice.code for notice in found.notices}


def test_a_tumour_that_spill_in_alone_explains_keeps_its_ratio_and_it_is_said():
    case = one_artery()
    (injection,) = case.injections
    tumour = case.regions["GTV1"].mask.array
    values = np.asarray(injection.emission.volume.array) * (1.0 - 0.99 * tumour)
    image = replace(injection.emission, volume=injection.emission.volume.with_array(values))
    cold = replace(case, injections=(replace(injection, emission=image),))
    curve = RecoveryFit(60.0, 1.0, np.zeros((2, 2)))
    found = yv.plan(cold, ENGINE, PlanRequest(recovery_curve=curve))
    (row,) = found.metrics["tumour_to_normal"]
    assert (row["recovery"], row["ratio_corrected"]) == (None, None)
    said = {notice.code: notice.message for notice in found.notices}
    assert said["partial-volume-not-corrected"].startswith("GTV1 hold less")


def test_without_a_perfused_volume_the_whole_liver_is_taken_and_said():
    found = yv.plan(liver_case(), ENGINE)
    assert {"no-perfused-volume", "no-device"} <= {notice.code for notice in found.notices}
    assert found.anatomy.perfused_normal_kg == found.anatomy.whole_normal_kg
    assert "no limit applies" in found.model("voxel").reason


def order(**changes):
    known = {
        "injection_time": NOON, "calibration_times": (NOON - timedelta(hours=72), NOON - timedelta(hours=240)),
        "activity_gbq": 3.143,
    }  # fmt: skip
    return OrderRequest(**(known | changes))


def test_vials_carry_the_residual_and_the_decay():
    """3.143 GBq net with 1 % residual are 3.175 in the vial; 72 h after calibration that takes 6.916: a 7 GBq vial."""
    found = yv.plan(one_artery(), ENGINE, PlanRequest(residual_fraction=0.01, order=order()))
    (placed,) = found.metrics["orders"]
    assert placed["vial_activity_at_injection_bq"] == pytest.approx(3.143e9 / 0.99, rel=1e-9)
    vial = next(v for v in placed["vials"] if v["size_bq"] == 7e9 and v["age_h"] == 72.0)
    assert vial["activity_at_injection_bq"] == pytest.approx(7e9 * 2 ** (-72 / 64.1), rel=1e-3)
    assert vial["spheres"] == pytest.approx(2.8e6)
    assert vial["activity_per_sphere_bq"] == pytest.approx(2500 * 2 ** (-72 / 64.1), rel=1e-3)


def test_orders_that_cannot_be_met_are_refused():
    with pytest.raises(InputError, match="no glass vial on offer reaches 30 GBq"):
        yv.plan(one_artery(), ENGINE, PlanRequest(order=order(activity_gbq=30.0)))
    with pytest.raises(InputError, match="has no time zone"):
        order(injection_time=NOON.replace(tzinfo=None))
    with pytest.raises(InputError, match="calibration times on offer"):
        order(calibration_times=())
    with pytest.raises(InputError, match="not both"):
        order(model="voxel")
    with pytest.raises(InputError, match="activity to order must be positive"):
        order(activity_gbq=-1.0)
    with pytest.raises(InputError, match="older than 24 h"):
        yv.plan(one_artery(), ENGINE, PlanRequest(order=order(activity_gbq=None, greatest_age_h=24.0)))
    with pytest.raises(InputError, match="an order needs the device"):
        yv.plan(liver_case(), ENGINE, PlanRequest(order=order()))
    with pytest.raises(InputError, match="no planning model is named 'best'"):
        yv.plan(one_artery(), ENGINE, PlanRequest(order=order(activity_gbq=None, model="best")))


def test_the_solver_stays_within_the_vials_on_offer():
    """20 GBq 400 h earlier are 0.265 GBq at injection: the vial ends it, and that is said, but is no limit."""
    late = order(activity_gbq=None, calibration_times=(NOON - timedelta(hours=400),))
    found = yv.plan(one_artery(), ENGINE, PlanRequest(order=late))
    model = found.model("voxel")
    assert (model.binding, model.limited_by_supply) == ((), ("injection 1",))
    assert found.metrics["models"][-1]["binding_constraint"] is None
    assert "limited-by-supply" in {notice.code for notice in found.notices}
    assert model.activity_gbq == pytest.approx(20.0 * 2 ** (-400 / 64.1), rel=1e-3)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: yv.plan(one_artery(calibration=Calibration(CalibrationMode.ABSOLUTE)), ENGINE), InputError, "a plan normalises"),
        (lambda: PlanRequest(residual_fraction=1.0), InputError, "residual fraction must lie between 0 and 1, below 1"),
        (lambda: PlanRequest(perfused_dose_gy=-1.0), InputError, "dose of the perfused volume must be positive"),
        (lambda: yv.plan(one_artery(), ENGINE, PlanRequest(aims=(at_least("GTV9", 100.0),))), RegionError, "GTV9"),
        (lambda: yv.plan(one_artery(), ENGINE, PlanRequest(greatest_gbq=(1.0, 2.0))), InputError, "one for each of 1"),
        (lambda: yv.plan(one_artery(), ENGINE, PlanRequest(split=(1.0, 2.0))), InputError, "one positive share for each of 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_a_perfused_volume_larger_than_the_liver_is_refused():
    case = one_artery()
    everything = case.regions["Liver"].mask.with_array(np.ones(case.grid.shape))
    drawn = [r if r.name != "Perfused volume" else replace(r, mask=everything) for r in case.regions.drawn]
    with pytest.raises(RegionError, match="is larger than the"):
        yv.plan(replace(case, regions=Regions(case.grid, tuple(drawn))), ENGINE)


def test_a_calibration_that_needs_no_shunt_leaves_a_plan_without_one():
    case = liver_case(shunt=None, shunt_source="none", lungs=False)
    body = Region("Body", Role.BODY, case.regions["Liver"].mask.with_array(np.ones(case.grid.shape)))
    lungs = [
        Region(n, Role.LUNG, ellipsoid(case.grid, (x, 0, 40), (28, 35, 22)))
        for n, x in (("Lung_R", -35), ("Lung_L", 35))
    ]
    with_body = replace(case, regions=Regions(case.grid, (*case.regions.drawn, *lungs, body)))
    over_body = changed(with_body, calibration=Calibration(region="body"))
    with pytest.raises(InputError, match="a plan needs the lung shunt fraction"):
        yv.plan(over_body, ENGINE)
