"""Which model may be used, with what shunt, and what stands beside it: both sides of every choice."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan_basis import PlanBasis
from y90voxel.planning.plan_models import all_models, combined_shunt

TUMOUR = TumourUptake("GTV1", 0.3, 4.0)


@pytest.mark.parametrize(
    ("activities", "shunts", "shunt"),
    [
        ((0.2, 0.6), (0.05, 0.25), 0.2),  # less than 1 GBq is activity too
        ((0.0, 0.0), (0.05, 0.25), 0.15),
        ((), (0.05, 0.25), 0.15),
        ((0.0, 0.0), (0.05, 0.05), 0.05),
        ((3.0, 1.0), (0.1, 0.1), 0.1),
    ],
)
def test_shunts_count_by_activity_and_alike_where_there_is_none(activities, shunts, shunt):
    reached = [Territory(f"artery {n}", fraction) for n, fraction in enumerate(shunts)]
    assert combined_shunt(activities, reached) == pytest.approx(shunt)


def models(shunt=0.05, height_m=1.7, weight_kg=70.0, device=None, **volumes):
    anatomy = Anatomy({"GTV1": 0.3}, 1.2, 2.0, **volumes)
    basis = PlanBasis(
        anatomy, (Territory("artery", shunt, (TUMOUR,), 1.2),), 50.0, (), (1.0,), (20.0,), device, height_m, weight_kg
    )  # fmt: skip
    return {model.name: model for model in all_models(basis)}


VOLUMES = {
    "liver_volume_ml": 2000.0,
    "tumour_volume_ml": 300.0,
    "perfused_volume_ml": 1500.0,
    "tumour_volume_in_perfused_ml": 250.0,
}
NO_SIZE, NO_LIVER, NO_LOBE = (
    "height and weight are not given",
    "the volumes of liver and tumours are not known",
    "the volumes of the treated lobe and of its tumours are not known",
)


@pytest.mark.parametrize(
    ("unknown", "bsa", "lobar", "empirical"),
    [
        ({}, None, None, None),
        ({"height_m": None}, NO_SIZE, NO_SIZE, None),
        ({"weight_kg": None}, NO_SIZE, NO_SIZE, None),
        ({"liver_volume_ml": None}, NO_LIVER, NO_LIVER, NO_LIVER),
        ({"tumour_volume_ml": None}, NO_LIVER, NO_LIVER, NO_LIVER),
        ({"perfused_volume_ml": None}, None, NO_LOBE, None),
        ({"tumour_volume_in_perfused_ml": None}, None, NO_LOBE, None),
    ],
)
def test_a_rule_needs_all_that_it_is_made_of_and_says_what_is_missing(unknown, bsa, lobar, empirical):
    found = models(**VOLUMES | unknown)
    for name, reason in (("bsa", bsa), ("bsa-lobar", lobar), ("empirical", empirical)):
        assert found[name].reason == (reason or ""), name
    if not unknown:
        area = 0.20247 * 1.7**0.725 * 70.0**0.425
        assert found["bsa"].activity_gbq == pytest.approx(area - 0.2 + 0.15)
        assert found["bsa-lobar"].activity_gbq == pytest.approx((area - 0.2 + 250 / 1500) * 0.75)
        assert found["empirical"].activity_gbq == 2.0
        assert found["bsa"].inputs["body_surface_area_m2"] == pytest.approx(area)


@pytest.mark.parametrize(("shunt", "factor"), [(0.19, 0.6), (0.201, 0.0)])
def test_without_a_device_a_shunt_above_20_percent_ends_the_rules_alone(shunt, factor):
    """The stop of resin is of resin: without a device the rules say themselves that they give nothing."""
    found = models(shunt=shunt, **VOLUMES)
    assert found["partition"].stop is None
    if factor:
        assert found["empirical"].activity_gbq == pytest.approx(2.0 * factor)
    else:
        assert found["empirical"].reason == "the lung shunt of 20.1 % exceeds 20 %: no treatment by this rule"
        assert not found["bsa"].available


@pytest.mark.parametrize(
    ("masses_kg", "normal_kg", "missing", "known"),
    [
        ((0.3,), 1.2, "", {"mird", "partition"}),
        ((0.3,), 0.0, "", {"mird", "partition"}),
        ((0.3, 0.0), 1.2, "", {"mird", "partition", "multi-tumour-partition"}),
        ((), 1.2, "artery reaches no tumour", {"mird"}),
        ((0.0,), 1.2, "artery reaches no tumour", {"mird"}),  # none of it lies within
        ((0.0,), 0.0, "artery reaches no tumour", set()),
        ((0.3,), None, "the mass of normal liver that artery reaches is not known", set()),
    ],
)
def test_partition_needs_a_tumour_that_an_injection_reaches(masses_kg, normal_kg, missing, known):
    tumours = tuple(TumourUptake(f"GTV{n}", kg, 4.0) for n, kg in enumerate(masses_kg))
    territory = Territory("artery", 0.05, tumours, normal_kg)
    assert territory.missing == missing
    limit = DoseAim("perfused limit", "perfused volume", Sense.BELOW, 60.0)
    anatomy = Anatomy(dict.fromkeys((tumour.name for tumour in tumours), 0.3), 1.2, 2.0)
    basis = PlanBasis(anatomy, (territory,), 50.0, (limit,), (1.0,), (20.0,), perfused_dose_gy=50.0)
    assert {model.name for model in all_models(basis) if model.available} == known
