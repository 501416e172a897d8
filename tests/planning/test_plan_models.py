"""Compartment tables and planning models against the worked vectors, energy, and a scan."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.errors import InputError, RegionError
from y90voxel.planning.aims import DoseAim, MetricKind, judge, parse_metric, resolve_aims, table_aims
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses, partition_table, single_compartment_table
from y90voxel.planning.plan_basis import PlanBasis
from y90voxel.planning.plan_model import UNBOUNDED_GBQ, check_split, rule_model
from y90voxel.planning.plan_models import all_models, greatest_vial_gbq
from y90voxel.planning.solved_model import solved_model
from y90voxel.regions.roles import Role

K = {"dose_constant_gy_kg_per_gbq": 49.67}
V4 = Territory("artery", 0.06, (TumourUptake("GTV1", 0.3, 4.0),), 1.2)
LIVER = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=2.0, lung_ct_kg=0.8)


def below(region, value, metric="mean", name=None, **more):
    return DoseAim(name or f"{region} {metric}", region, Sense.BELOW, value, parse_metric(metric), **more)


def at_least(region, value, metric="mean", **more):
    return DoseAim(f"{region} {metric} goal", region, Sense.AT_LEAST, value, parse_metric(metric), **more)


def basis(**changes):
    known = {
        "anatomy": LIVER, "territories": (V4,), "dose_constant_gy_kg_per_gbq": 49.67, "aims": (), "split": (1.0,),
        "greatest_gbq": (20.0,),
    }  # fmt: skip
    return PlanBasis(**(known | changes))


def models(**changes):
    return {model.name: model for model in all_models(basis(**changes))}


# --- tables ---------------------------------------------------------------------------------------------------------


def test_the_partition_table_gives_vector_4():
    doses = partition_table(LIVER, (V4,), pooled=False, **K).doses((2.056,))
    assert doses["GTV1"] == pytest.approx(160.0, rel=1e-3)
    assert doses["perfused non-tumour liver"] == pytest.approx(40.0, rel=1e-3)
    assert doses["non-tumour liver"] == pytest.approx(40.0 * 1.2 / 2.0, rel=1e-3)
    assert (doses["lungs"], doses["lungs_ct"]) == pytest.approx((6.128, 6.128 / 0.8), rel=1e-3)
    # the perfused volume is the mean of its parts
    assert doses["perfused volume"] == pytest.approx((160 * 0.3 + 40 * 1.2) / 1.5, rel=1e-3)


def test_a_single_compartment_gives_everything_that_is_perfused_one_dose():
    doses = single_compartment_table(LIVER, (V4,), **K).doses((2.0,))
    mean = 49.67 * 2.0 * 0.94 / 1.5
    for region in ("GTV1", "all tumours", "perfused volume", "perfused non-tumour liver"):
        assert doses[region] == pytest.approx(mean, rel=1e-12)
    assert doses["non-tumour liver"] == pytest.approx(mean * 0.6, rel=1e-12)


@given(
    st.lists(st.floats(0.2, 12.0), min_size=4, max_size=4),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.booleans(),
)
def test_energy_is_conserved_over_two_arteries(ratios, shunt_1, shunt_2, pooled):
    """Both arteries reach a part of the first tumour; whatever the ratios, the energy of both is in tumours, liver, lungs."""
    territories = (
        Territory(
            "one", shunt_1, (TumourUptake("A", 0.10, ratios[0]), TumourUptake("B", 0.05, ratios[1])), 0.7
        ),
        Territory(
            "two", shunt_2, (TumourUptake("A", 0.08, ratios[2]), TumourUptake("C", 0.02, ratios[3])), 0.4
        ),
    )
    masses = {"A": 0.15, "B": 0.05, "C": 0.02}
    anatomy = Anatomy(masses, perfused_normal_kg=1.0, whole_normal_kg=1.4)
    activities = (1.3, 0.9)
    doses = partition_table(anatomy, territories, pooled=pooled, **K).doses(activities)
    energy = (
        sum(doses[name] * mass for name, mass in masses.items())
        + doses["non-tumour liver"] * 1.4
        + doses["lungs"]
    )
    assert energy == pytest.approx(49.67 * sum(activities), rel=1e-9)
    assert "perfused volume" not in doses  # its mass is not known: the territories overlap


def test_pooling_tumours_keeps_their_mean_and_the_liver():
    territory = Territory("one", 0.1, (TumourUptake("A", 0.1, 2.0), TumourUptake("B", 0.3, 6.0)), 1.0)
    anatomy = Anatomy({"A": 0.1, "B": 0.3}, perfused_normal_kg=1.0)
    pooled, single = (
        partition_table(anatomy, (territory,), pooled=p, **K).doses((1.0,)) for p in (True, False)
    )
    assert pooled["all tumours"] == pytest.approx(single["all tumours"], rel=1e-12)
    assert pooled["A"] == pooled["B"] == pytest.approx(5.0 * pooled["perfused non-tumour liver"], rel=1e-12)
    assert single["B"] == pytest.approx(3.0 * single["A"], rel=1e-12)


def test_names_and_roles_find_regions():
    table = partition_table(LIVER, (V4,), pooled=False, **K)
    assert table.matching("GTV1") == ["GTV1"]
    assert table.matching("non_tumour_liver") == ["non-tumour liver"]
    assert set(table.doses_by_role((1.0,))) == {
        "tumour", "tumours", "perfused", "perfused_non_tumour_liver", "non_tumour_liver", "lungs", "lungs_ct"
    }  # fmt: skip
    with pytest.raises(RegionError, match="no region with a dose has the name or role 'GTV7'"):
        table.matching("GTV7")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TumourUptake("GTV1", -0.3), "mass of GTV1 must not be negative"),
        (lambda: TumourUptake("GTV1", 0.3, 0.0), "ratio of GTV1 must be positive"),
        (lambda: Territory("a", 1.2), "lung shunt fraction of a must lie between 0 and 1"),
        (lambda: Territory("a", 0.1, (), -1.0), "normal liver of a must not be negative"),
        (lambda: Territory("a", 0.1, (TumourUptake("X", 0.1),) * 2), "several tumours of one name .X, X."),
        (lambda: Anatomy({"GTV1": -1.0}), "mass of GTV1 must be positive"),
        (lambda: Anatomy(lung_ct_kg=-1.0), "lungs from CT must not be negative"),
        (lambda: Anatomy(liver_volume_ml=0.0, tumour_volume_ml=0.0), "the liver must be positive, got 0 mL"),
        (
            lambda: Anatomy(perfused_normal_kg=2.0, whole_normal_kg=1.0),
            "perfused normal liver .2 kg. is larger than the whole",
        ),
        (
            lambda: Anatomy(perfused_volume_ml=2e3, liver_volume_ml=1e3),
            "perfused volume .2000 mL. is larger than the liver",
        ),
        (
            lambda: Anatomy(tumour_volume_ml=2e3, liver_volume_ml=1e3),
            "tumours .2000 mL. is larger than the liver",
        ),
        (
            lambda: Anatomy({"A": 0.3, "B": 0.1}, whole_normal_kg=1.0, liver_kg=1.38).check_masses(),
            r"tumours .A, B. weigh 0.4 kg, normal liver 1 kg, together 1.4 kg, but the liver .* only 1.38 kg",
        ),
        (
            lambda: Anatomy({"A": 1.2}, liver_volume_ml=1000.0).check_masses(),
            r"tumours .A. weigh 1.2 kg, but the whole liver of 1000 mL can weigh no more than 1.1 kg",
        ),
        (lambda: LIVER.check_territories(()), "at least one injection"),
        (
            lambda: LIVER.check_territories((Territory("a", 0, (TumourUptake("X", 0.1),), 1.0),)),
            "X, whose whole mass",
        ),
        (
            lambda: LIVER.check_territories((Territory("a", 0, (TumourUptake("GTV1", 0.4),), 1.0),)),
            "part of GTV1 that a",
        ),
        (lambda: LIVER.check_territories((Territory("a", 0, (), 1.5),)), "larger than all that is perfused"),
        (
            lambda: partition_table(LIVER, (Territory("a", 0.1),), pooled=True, **K),
            "normal liver that a reaches is not known",
        ),
        (lambda: RegionDoses("a", Role.TUMOUR, (-1.0,)), "a: dose per activity must not be negative"),
        (lambda: DoseTable((RegionDoses("a", Role.TUMOUR, (1.0,)),) * 2), "needs unique names: a, a"),
        *(
            (lambda shares=shares: check_split(shares, 2), "one positive share for each of 2")
            for shares in ((0.5,), (1.0, 0.0), (1.0, float("inf")), (1.0, float("nan")))
        ),
    ],
)
def test_what_cannot_be_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


@pytest.mark.parametrize(
    "anatomy",
    [
        Anatomy({"A": 0.3, "B": 0.1}, whole_normal_kg=1.0, liver_kg=1.4 / 1.0095),
        Anatomy({"A": 1.1}, liver_volume_ml=1000.0),
        Anatomy({"A": 2.0}, whole_normal_kg=1.0),
        Anatomy({"A": 0.5}, liver_kg=0.4),  # what normal liver weighs is not known
    ],
    ids=["within 1 %", "as dense as can be", "liver unknown", "normal liver unknown"],
)
def test_masses_that_may_be_pass(anatomy):
    anatomy.check_masses()


@pytest.mark.parametrize(
    "anatomy",
    [
        Anatomy({"A": 0.3, "B": 0.1}, whole_normal_kg=1.0, liver_kg=1.4 / 1.0105),
        Anatomy({"A": 1.101}, liver_volume_ml=1000.0),
    ],
    ids=["beyond 1 %", "denser than can be"],
)
def test_masses_just_beyond_are_refused(anatomy):
    with pytest.raises(RegionError, match="masses contradict each other"):
        anatomy.check_masses()


# --- limits and goals -----------------------------------------------------------------------------------------------


def test_metrics_are_read_and_unknown_ones_refused():
    assert parse_metric("D70").kind is MetricKind.DOSE_AT_VOLUME
    assert (parse_metric("v100").at, parse_metric("V100").unit) == (100.0, "%")
    assert parse_metric("geud", {"exponent": -10}).scales
    for text, parameters, said in (
        ("D0", None, "above 0 and up to 100"),
        ("median", None, "unknown metric 'median'"),
        (
            "EUD",
            {"alpha_beta_gy": 10},
            "EUD takes the parameters alpha_beta_gy, alpha_per_gy, repair_half_time_h",
        ),
        ("mean", {"exponent": 1}, "mean takes the parameters none, got exponent"),
        ("BED", {"alpha_beta_gy": -1, "repair_half_time_h": 1}, "alpha_beta_gy must be positive"),
    ):
        with pytest.raises(InputError, match=said):
            parse_metric(text, parameters)


def test_the_table_gives_limits_to_the_regions_of_their_role_only():
    roles = {
        "GTV1": Role.TUMOUR,
        "GTV2": Role.TUMOUR,
        "non-tumour liver": Role.NON_TUMOUR_LIVER,
        "lungs": Role.LUNGS,
    }
    context = ClinicalContext(
        Scenario.UNILOBAR, Disease.HCC, bilirubin_umol_per_l=10.0, previous_lung_doses_gy=(12.0,)
    )
    aims = {aim.name: aim for aim in table_aims("glass", roles, context)}
    assert aims["lungs, all treatments"].previous == 12.0
    assert aims["lungs, one treatment"].previous == 0.0
    assert {aims[f"tumour, HCC ({name})"].region for name in ("GTV1", "GTV2")} == {"GTV1", "GTV2"}
    assert not aims["tumour, HCC (GTV1)"].required
    assert not any("bilirubin above" in name for name in aims)
    assert {aim.region for aim in aims.values()} == set(roles)


def test_a_limit_of_the_user_replaces_the_tables_of_that_name():
    table = partition_table(LIVER, (V4,), pooled=False, **K)
    from_table = [below("lungs", 30.0, name="lungs, one treatment")]
    found = resolve_aims([below("lungs", 20.0, name="lungs, one treatment")], from_table, table)
    assert [aim.value for aim in found] == [20.0]
    with pytest.raises(RegionError, match="GTV9"):
        resolve_aims([at_least("GTV9", 100.0)], [], table)


def test_earlier_doses_count_and_rounding_does_not():
    aim = below("lungs", 50.0, previous=20.0)
    assert (judge(aim, 30.0 * (1 + 1e-12)).status, judge(aim, 30.1).status) == ("met", "not met")
    assert judge(aim, 30.1).missed_by == pytest.approx(0.1)
    assert judge(aim, None, "no lungs").status == "not applicable"
    for wrong in (lambda: below("lungs", 0.0), lambda: below("lungs", 1.0, previous=-1.0)):
        with pytest.raises(InputError, match="must"):
            wrong()


# --- models ---------------------------------------------------------------------------------------------------------


def test_the_binding_limit_decides_the_partition_activity():
    """D_N per GBq is 40 / 2.0557; the perfused limit of 60 Gy is reached before 30 Gy in the lungs (10.06 GBq)."""
    aims = (below("lungs", 30.0), below("perfused non-tumour liver", 60.0))
    found = models(aims=aims)["partition"]
    assert found.activity_gbq == pytest.approx(60.0 / 40.0 * 2.056, rel=1e-3)
    assert found.binding == ("perfused non-tumour liver mean",)
    assert found.as_dict()["doses_gy"]["perfused_non_tumour_liver"] == pytest.approx(60.0, rel=1e-6)
    lungs = next(row for row in found.as_dict()["limits"] if row["region"] == "lungs")
    assert lungs["activity_at_value_bq"] == pytest.approx(30.0 / (49.67 * 0.06) * 1e9, rel=1e-9)


def test_without_limits_or_masses_models_say_why_they_are_not_available():
    found = models(greatest_gbq=(UNBOUNDED_GBQ,))
    assert "no limit applies" in found["partition"].reason
    assert found["multi-tumour-partition"].reason == "there is a single tumour: see partition"
    assert found["multi-artery"].reason == "there is a single injection: see partition"
    assert found["voxel"].reason == "there are no images"
    assert found["given"].reason == "no activity is given"
    assert found["bsa"].reason == "height and weight are not given"
    assert "no dose is given for the perfused volume" in found["mird"].reason
    assert found["partition"].as_dict()["activity_bq"] is None
    empty = models(anatomy=Anatomy(), territories=(Territory("a", 0.12),), height_m=1.7, weight_kg=70.0)
    assert "mass of normal liver" in empty["partition"].reason
    assert empty["mird"].reason == "the mass of the perfused volume is not known"
    assert (
        empty["bsa"].reason == empty["empirical"].reason == "the volumes of liver and tumours are not known"
    )
    assert models(device="glass")["bsa"].reason == "a rule for resin, not for glass"


def test_resin_rules_give_vector_3_and_its_lobar_form():
    anatomy = Anatomy(
        {"GTV1": 0.3}, 1.2, 2.0, liver_volume_ml=1500, perfused_volume_ml=975, tumour_volume_ml=375,
        tumour_volume_in_perfused_ml=0.25 * 975,
    )  # fmt: skip
    territory = Territory("a", 0.12, V4.tumours, 1.2)
    given = {
        "anatomy": anatomy,
        "territories": (territory,),
        "device": "resin",
        "height_m": 1.7,
        "weight_kg": 70.0,
    }
    found = models(**given)
    assert found["bsa"].activity_gbq == pytest.approx(1.488, rel=1e-3)
    assert found["bsa-lobar"].activity_gbq == pytest.approx(0.967, rel=1e-3)
    assert found["empirical"].activity_gbq == pytest.approx(
        0.8 * 2.0
    )  # 25 % involvement, reduced for 12 % shunt
    assert "not recommended" in found["empirical"].flag
    # the doses beside a rule are those of the partition model
    doses = partition_table(anatomy, (territory,), pooled=False, **K).doses((found["bsa"].activity_gbq,))
    assert found["bsa"].table.doses(found["bsa"].activities_gbq) == pytest.approx(doses)
    lobe = models(
        **given | {"anatomy": Anatomy({"GTV1": 0.3}, 1.2, 2.0, liver_volume_ml=1500, tumour_volume_ml=375)}
    )
    assert "treated lobe" in lobe["bsa-lobar"].reason
    stopped = models(**given | {"territories": (Territory("a", 0.21, V4.tumours, 1.2),)})
    assert "exceeds 20 %: no treatment" in stopped["bsa"].reason


def test_a_single_compartment_gives_vector_1_without_its_residual():
    territory = Territory("a", 0.05, (), 1.236)
    found = models(
        anatomy=Anatomy(perfused_normal_kg=1.236), territories=(territory,), perfused_dose_gy=120.0
    )["mird"]
    assert found.activity_gbq == pytest.approx(3.175 * 0.99, rel=1e-3)
    goal = at_least("perfused volume", 140.0, required=False)
    by_goal = models(aims=(goal,))["mird"]
    assert by_goal.activity_gbq == pytest.approx(140.0 * 1.5 / (49.67 * 0.94), rel=1e-9)
    assert "perfused volume mean goal" in by_goal.basis
    ho = models(perfused_dose_gy=60.0, device="ho166")["mird"]
    assert ho.inputs["dose_constant_of_the_label_gy_kg_per_gbq"] == 15.87


def test_patient_3_is_limited_by_the_lungs_at_5_03_gbq():
    arteries = (Territory("hepatic", 0.12), Territory("renal", 0.12))
    limit = below("lungs", 30.0, name="lungs, one treatment")
    found = models(
        anatomy=Anatomy(), territories=arteries, aims=(limit,), given_gbq=(3.3, 1.4), split=(3.3 / 4.7, 1.4 / 4.7),
        greatest_gbq=(20.0, 20.0),
    )["given"]  # fmt: skip
    assert found.as_dict()["doses_gy"]["lungs"] == pytest.approx(28.01, rel=1e-3)
    assert found.greatest_gbq == pytest.approx(5.033, rel=1e-3)
    assert found.binding == ("lungs, one treatment",)


TABLE = DoseTable(
    (
        RegionDoses("GTV1", Role.TUMOUR, (20.0, 25.0)),
        RegionDoses("all tumours", Role.TUMOURS, (20.0, 25.0)),
        RegionDoses("liver", Role.NON_TUMOUR_LIVER, (8.0, 1.0)),
        RegionDoses("lungs", Role.LUNGS, (4.967, 7.947)),
    )
)


@given(st.floats(5, 80), st.floats(5, 40), st.floats(1, 6), st.floats(1, 6))
def test_a_scan_finds_no_better_split(liver_gy, lungs_gy, cap_1, cap_2):
    aims = (below("liver", liver_gy), below("lungs", lungs_gy))
    found = solved_model("voxel", "", TABLE, aims, (cap_1, cap_2))
    doses = TABLE.doses(found.activities_gbq)
    assert doses["liver"] <= liver_gy
    assert doses["lungs"] <= lungs_gy
    assert all(result.status == "met" for result in found.results)
    best = 0.0
    for a, b in itertools.product(np.linspace(0, cap_1, 60), np.linspace(0, cap_2, 60)):
        if 8 * a + b <= liver_gy and 4.967 * a + 7.947 * b <= lungs_gy:
            best = max(best, 20 * a + 25 * b)
    assert doses["GTV1"] >= best * (1 - 1e-6)
    assert found.binding or found.limited_by_supply


def test_metrics_that_do_not_scale_are_reached_by_bisection():
    """V100 as a step at 100 Gy of a dose spread evenly from 0 to twice the mean: V100 = 1 - 100 / (2 mean)."""

    def measure(aim, activities):
        mean = TABLE.doses(activities)[aim.region]
        return 100.0 * max(0.0, 1.0 - 100.0 / (2.0 * mean)) if mean > 0 else 0.0

    aims = (below("lungs", 1000.0), below("liver", 25.0, "V100"))
    found = solved_model("voxel", "", TABLE, aims, (30.0, 0.001), measure=measure)
    # V100 = 25 % at a mean of 66.7 Gy
    assert TABLE.doses(found.activities_gbq)["liver"] == pytest.approx(200.0 / 3.0, rel=1e-6)
    assert found.binding == ("liver V100",)
    assert measure(aims[1], found.activities_gbq) <= 25.0
    without = solved_model("partition", "", TABLE, (*aims, below("liver", 900.0)), (30.0, 0.001))
    assert [r.reason for r in without.results if not r.aim.linear] == ["this model knows mean doses only"]


def test_goals_out_of_reach_say_by_how_much_and_what_blocks_them():
    """The lungs allow 30 / 4.967 = 6.04 GBq along the first artery: 120.8 Gy, 84.2 short of 205."""
    table = TABLE.collapsed((1.0, 0.0))
    found = solved_model("partition", "", table, (below("lungs", 30.0), at_least("GTV1", 205.0)), (20.0,))
    assert (found.available, found.goal_refused, found.activity_gbq) == (False, True, None)
    assert "GTV1 mean goal ≥ 205 Gy takes 10.25 GBq; lungs mean (30 Gy) allow 6.04 GBq" in found.reason
    report = found.as_dict()["infeasibility"]
    assert report["missed_by"]["GTV1 mean goal"] == pytest.approx(205.0 - 20.0 * 30.0 / 4.967, rel=1e-5)
    assert report["blocked_by"] == ["lungs mean"]
    assert report["required"] is True
    # meeting the goal takes 10.25 GBq, 50.9 Gy in the lungs
    assert report["excesses_gy_if_goals_were_met"]["lungs mean"] == pytest.approx(
        10.25 * 4.967 - 30.0, rel=1e-5
    )


def test_limits_that_earlier_treatments_used_up_leave_nothing():
    aims = (below("lungs", 50.0, previous=55.0), below("liver", 40.0))
    found = solved_model("voxel", "", TABLE, aims, (20.0, 20.0))
    assert found.activity_gbq == 0.0
    assert found.infeasibility["missed_by"] == {"lungs mean": pytest.approx(5.0)}


def test_a_rule_model_with_a_fixed_split_reports_what_it_could_be():
    found = rule_model("given", "", (2.0, 2.0), TABLE, (below("liver", 36.0),), basis="as given")
    assert found.greatest_gbq == pytest.approx(36.0 / 4.5)
    assert (found.binding, found.results[0].status) == (("liver mean",), "met")
    free = rule_model("given", "", (2.0, 2.0), TABLE, (), basis="as given")
    assert (free.greatest_gbq, free.binding) == (None, ())
    assert found.as_dict()["limits"][0]["activity_at_value_bq"] == pytest.approx(8e9)


def test_an_objective_without_a_dose_makes_the_model_unavailable():
    found = solved_model("voxel", "", TABLE, (), (1.0, 1.0), objective={"GTV3": 1.0})
    assert "GTV3" in found.reason


def test_a_liver_limit_that_one_artery_does_not_reach_bounds_nothing_for_it():
    """A limit on the left lobe leaves the right artery to the vial: the goals decide both, or there is no activity."""
    table = DoseTable(
        (
            RegionDoses("A", Role.TUMOUR, (20.0, 1e-7)),
            RegionDoses("B", Role.TUMOUR, (0.0, 25.0)),
            RegionDoses("all tumours", Role.TUMOURS, (10.0, 12.0)),
            RegionDoses("left liver", Role.NON_TUMOUR_LIVER, (8.0, 1e-7)),
        )
    )
    aims = (below("left liver", 40.0), at_least("A", 90.0), at_least("B", 50.0))
    found = solved_model("voxel", "", table, aims, (20.0, 20.0))
    assert (found.goal_only, found.goal_bound) == (True, True)
    assert found.activities_gbq == pytest.approx((4.5, 2.0), rel=1e-6)
    beyond = solved_model("voxel", "", table, (aims[0], at_least("A", 120.0), aims[2]), (20.0, 20.0))
    assert (beyond.available, beyond.goal_refused) == (False, True)
    assert beyond.infeasibility["missed_by"] == {
        "A mean goal": pytest.approx(20.0, rel=1e-5)  # 100 Gy at 40 Gy of liver
    }
    alone = solved_model("voxel", "", table.collapsed((0.5, 0.5)), aims[:1], (40.0,))
    assert (alone.goal_only, alone.activity_gbq) == (False, pytest.approx(10.0, rel=1e-6))


def test_the_greatest_vial_is_the_devices():
    assert [greatest_vial_gbq(name) for name in ("glass", "resin", "ho166", None)] == [
        20.0,
        3.0,
        12.0,
        UNBOUNDED_GBQ,
    ]
