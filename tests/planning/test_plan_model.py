"""One planning model: what its entry in plan.json says of limits, goals and the activity, and how it ends at limits."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_model import (
    PlanModel,
    judge_all,
    rule_model,
    stopped,
    unavailable,
    within_limits,
)
from y90voxel.planning.stop_rules import Stop
from y90voxel.regions.roles import Role

TABLE = DoseTable(
    (
        RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 30.0)),
        RegionDoses("GTV1", Role.TUMOUR, (100.0, 0.0)),
        RegionDoses("spleen", Role.OTHER, (0.0, 0.0)),
    )
)


def aim(sense, region, value, metric="mean", **more):
    return DoseAim(f"{region} {metric}", region, sense, value, parse_metric(metric), **more)


def limit(*of, **more):
    return aim(Sense.BELOW, *of, **more)


def goal(*of, **more):
    return aim(Sense.AT_LEAST, *of, **more)


def given(*aims, activities=(1.0, 1.0), measure=None):
    return rule_model("given", "as given", activities, TABLE, aims, basis="as given", measure=measure)


def test_limits_and_goals_stand_with_their_unit_and_the_activity_that_reaches_them():
    aims = (
        limit("liver", 60.0, previous=10.0),
        goal("GTV1", 90.0, "V100", required=False),
        limit("spleen", 5.0),
        limit("kidney", 5.0),
    )
    model = given(*aims, measure=lambda aim, activities: 80.0)
    liver, volume, spleen, kidney = model.as_dict()["limits"]
    assert (liver["kind"], liver["required"], liver["unit"], liver["status"]) == ("limit", True, "Gy", "met")
    assert (liver["value_gy"], liver["limit_gy"], liver["previous"]) == pytest.approx((50.0, 60.0, 10.0))
    assert liver["activity_at_value_bq"] == pytest.approx(2.5e9)  # 20 Gy/GBq in this split, 50 Gy are left
    assert "value_percent" not in liver
    assert (volume["kind"], volume["required"], volume["metric"]) == ("goal", False, "V100")
    assert (volume["value_percent"], volume["limit_percent"]) == pytest.approx((80.0, 90.0))
    assert "value_gy" not in volume
    assert (volume["status"], volume["missed_by"]) == ("not met", pytest.approx(10.0))
    assert volume["activity_at_value_bq"] is spleen["activity_at_value_bq"] is None
    assert (kidney["status"], kidney["value_gy"]) == ("not applicable", None)
    assert kidney["reason"] == "this model knows no such region"
    used_up = given(limit("liver", 60.0, previous=70.0)).as_dict()["limits"][0]
    assert used_up["activity_at_value_bq"] == 0.0


def test_a_model_of_mean_doses_knows_no_other_metric():
    found = judge_all((limit("liver", 5.0, "D70"),), TABLE, (1.0, 1.0), None)
    assert [(one.status, one.reason) for one in found] == [
        ("not applicable", "this model knows mean doses only")
    ]


@pytest.mark.parametrize(("region", "asked"), [("liver", True), ("spleen", False)])
def test_what_binds_first_is_marked_with_the_facts_that_it_depends_on(region, asked):
    facts = {region: ("bilirubin", "disease")}
    aims = tuple(limit(name, 60.0, unconfirmed=facts.get(name, ())) for name in ("liver", "spleen"))
    model = given(*aims)
    assert model.binding == ("liver mean",)
    assert model.binding_unconfirmed == (("bilirubin", "disease") if asked else ())
    words = " (unconfirmed: bilirubin, disease not stated)" if asked else ""
    assert model.binding_text == f"liver mean{words}"
    assert model.as_dict()["binding_unconfirmed"] == list(model.binding_unconfirmed)


@pytest.mark.parametrize("available", [True, False])
@pytest.mark.parametrize("goal_only", [True, False])
def test_that_there_is_no_liver_limit_is_a_row_of_an_activity_without_one(goal_only, available):
    model = PlanModel(
        "a", "A", (1.0, 1.0), TABLE, goal_only=goal_only, reason="" if available else "nothing known"
    )
    rows = model.as_dict()["limits"]
    assert len(rows) == (goal_only and available)
    if rows:
        assert (rows[0]["value_gy"], rows[0]["limit_gy"]) == (40.0, None)
        assert (rows[0]["kind"], rows[0]["status"]) == ("limit", "none printed")


def test_a_model_that_cannot_be_used_or_is_contraindicated_gives_no_activity():
    plain = unavailable("mird", "MIRD", "no mass is known", "one mean").as_dict()
    assert (plain["available"], plain["reason"], plain["flag"]) == (False, "no mass is known", "one mean")
    assert (plain["activity_bq"], plain["activities_bq"], plain["doses_gy"]) == (None, [], {})
    assert plain["stop"] is plain["binding_constraint"] is plain["prescription"] is plain["basis"] is None
    found = stopped(given(limit("liver", 60.0)), Stop("ascites", "a label"))
    assert (found.name, found.title, found.available) == ("given", "as given", False)
    assert found.as_dict()["stop"] == found.reason == "ascites (a label)"
    there = given(limit("liver", 60.0)).as_dict()
    assert (there["stop"], there["reason"], there["infeasibility"]) == (None, None, None)
    assert there["activity_bq"] == pytest.approx(2e9)


@pytest.mark.parametrize(
    ("aims", "greatest", "binding", "goal_only"),
    [
        ((), None, (), True),
        ((limit("liver", 60.0),), 3.0, ("liver mean",), False),
        ((limit("liver", 60.0), limit("GTV1", 100.0)), 2.0, ("GTV1 mean",), False),
        ((limit("liver", 60.0, previous=80.0),), 0.0, ("liver mean",), False),
        ((limit("spleen", 60.0), limit("kidney", 1.0), goal("liver", 1.0)), None, (), True),
        ((limit("liver", 60.0, "D70"),), None, (), True),
    ],
)
def test_an_activity_as_given_stands_beside_the_greatest_within_the_limits(
    aims, greatest, binding, goal_only
):
    model = given(*aims)
    assert model.greatest_gbq == (None if greatest is None else pytest.approx(greatest))
    assert (model.binding, model.goal_only) == (binding, goal_only)
    assert model.activities_gbq == (1.0, 1.0)


@pytest.mark.parametrize(("activities", "per_gbq"), [((1.0, 3.0), 25.0), ((0.0, 0.0), 20.0)])
def test_the_greatest_activity_is_divided_as_the_one_that_is_given_or_equally(activities, per_gbq):
    assert given(limit("liver", 60.0), activities=activities).greatest_gbq == pytest.approx(60.0 / per_gbq)


def test_small_activities_and_doses_count_as_great_ones_do():
    """0.05 and 0.15 GBq give the liver 0.14 Gy, 0.7 Gy/GBq: just its limit."""
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (0.4, 0.8)),))
    found = rule_model("given", "as given", (0.05, 0.15), table, (limit("liver", 0.14),), basis="as given")
    entry = found.as_dict()
    assert entry["activities_bq"] == pytest.approx([5e7, 1.5e8])
    assert entry["doses_gy"]["non_tumour_liver"] == pytest.approx(0.14)
    assert entry["greatest_activity_bq"] == pytest.approx(2e8)
    assert entry["limits"][0]["activity_at_value_bq"] == pytest.approx(2e8)
    assert entry["binding_constraint"] == "liver mean"
    alone = rule_model("given", "as given", (0.05, 0.15), table, (), basis="as given").as_dict()
    assert (alone["greatest_activity_bq"], alone["binding_constraints"]) == (None, [])


@pytest.mark.parametrize(
    ("liver_gy", "total"), [(None, 2.0), (60.0, 2.0), (40.0, 2.0), (20.0, 1.0), (10.0, 0.5)]
)
def test_an_activity_beyond_the_limits_ends_at_them(liver_gy, total):
    """2 GBq give the liver 40 Gy."""
    plain = given() if liver_gy is None else given(limit("liver", liver_gy))
    found = within_limits(plain)
    assert found.activity_gbq == pytest.approx(total, rel=2e-7)
    assert found.limit_bound is (total < 2.0)
    assert (found is plain) is (total == 2.0)
    if total < 2.0:
        assert found.activity_gbq < total
        assert found.basis == "as given, as far as limits allow"
        assert [result.status for result in found.results] == ["met"]
    nothing = given(limit("liver", 20.0), activities=(0.0, 0.0))
    assert within_limits(nothing) is nothing


def test_a_limit_on_liver_that_is_no_mean_counts_where_it_can_be_measured():
    assert given(limit("liver", 60.0, "D70"), measure=lambda aim, activities: 30.0).goal_only is False
