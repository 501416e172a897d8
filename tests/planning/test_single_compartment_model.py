"""The single compartment among the models of a plan: what it is given, what ends it, and what is said beside it."""

import pytest

from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_basis import PlanBasis
from y90voxel.planning.plan_models import all_models
from y90voxel.regions.roles import Role

ANATOMY = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.6)
REACHED = Territory("lobe", 0.1, (TumourUptake("GTV1", 0.3, 4.0),), 1.2)
HALVES = tuple(Territory(f"artery {n}", 0.1, (TumourUptake("GTV1", 0.15, 4.0),), 0.6) for n in (1, 2))
K = 50.0  # 0.9 of it over 1.5 kg: 30 Gy/GBq


def mird(*aims, territories=(REACHED,), **more):
    injections = len(territories)
    basis = PlanBasis(
        ANATOMY, territories, K, aims, (1.0 / injections,) * injections, (20.0,) * injections, **more
    )
    return {model.name: model for model in all_models(basis)}["mird"]


def goal(value, metric="mean", **more):
    region = more.pop("region", "perfused volume")
    return DoseAim(f"goal {value:g}", region, Sense.AT_LEAST, value, parse_metric(metric), **more)


def limit(region, value):
    return DoseAim(f"{region} limit", region, Sense.BELOW, value)


LIVER = limit("perfused non-tumour liver", 120.0)


def test_a_dose_that_is_given_is_given_whatever_limits_say():
    found = mird(LIVER, goal(90.0), perfused_dose_gy=150.0)
    assert (found.activity_gbq, found.goal_bound, found.limit_bound) == (pytest.approx(5.0), True, False)
    assert found.basis == "150 Gy mean of the perfused volume (as given)"
    assert found.greatest_gbq == pytest.approx(4.0)


@pytest.mark.parametrize(("wanted", "gbq", "limited"), [(90.0, 3.0, False), (150.0, 4.0, True)])
def test_the_dose_of_a_goal_is_given_as_far_as_limits_on_liver_allow(wanted, gbq, limited):
    found = mird(LIVER, goal(wanted))
    assert found.activity_gbq == pytest.approx(gbq, rel=1e-6)
    assert (found.limit_bound, found.goal_bound) == (limited, not limited)
    assert found.basis.endswith("as far as limits allow") is limited


@pytest.mark.parametrize("of_goal", [True, False])
@pytest.mark.parametrize(
    ("lungs_gy", "refused"), [(30.0, False), (25.0, False), (25.0 * (1.0 - 1e-7), True), (20.0, True)]
)
def test_without_a_limit_on_liver_the_lungs_let_the_whole_dose_be_given_or_none(of_goal, lungs_gy, refused):
    """150 Gy take 5 GBq, which give the lungs 25 Gy."""
    lungs = limit("lungs", lungs_gy)
    found = mird(lungs, goal(150.0)) if of_goal else mird(lungs, perfused_dose_gy=150.0)
    assert (found.available, found.goal_refused) == (not refused, refused)
    if refused:
        assert f"takes 5 GBq; lungs limit allow {lungs_gy / 5.0:.4g} GBq" in found.reason
        return
    assert found.activity_gbq == pytest.approx(5.0)
    assert (found.greatest_gbq, found.goal_only) == (None, True)
    assert found.binding == (("goal 150",) if of_goal else ("dose of the perfused volume",))


@pytest.mark.parametrize(
    ("aims", "wanted"),
    [
        ((goal(90.0), goal(60.0)), "60 Gy"),  # the least of those that are asked for
        ((goal(90.0), goal(60.0, required=False)), "90 Gy"),  # the user's before the table's
        ((goal(90.0, required=False, unconfirmed=("disease",)), goal(120.0, required=False)), "120 Gy"),
        ((goal(90.0, unconfirmed=("disease",)),), "90 Gy"),
        ((goal(90.0, "D70"),), None),
        ((goal(90.0, region="GTV1"),), None),
        ((limit("perfused volume", 90.0),), None),
    ],
)
def test_the_goal_of_the_perfused_volume_is_what_is_wanted(aims, wanted):
    found = mird(*aims)
    if wanted is None:
        assert "no dose is given for the perfused volume" in found.reason
    else:
        assert found.basis.startswith(f"{wanted} mean")


@pytest.mark.parametrize(
    ("territories", "mass", "total"), [((REACHED,), 1.5, 5.0), (HALVES, [0.75, 0.75], 5.0)]
)
def test_what_went_in_is_said_of_one_injection_or_each(territories, mass, total):
    found = mird(territories=territories, perfused_dose_gy=150.0)
    assert found.inputs["perfused_mass_kg"] == mass
    assert found.inputs["lung_shunt_fraction"] == pytest.approx(0.1)
    assert found.activity_gbq == pytest.approx(total)
    assert "activity_by_the_label_gbq" not in found.inputs
    unknown = mird(territories=(Territory("lobe", 0.1),), perfused_dose_gy=150.0)
    assert unknown.reason == "the mass of the perfused volume is not known"


def test_the_activity_by_the_label_stands_beside_that_of_the_physics():
    found = mird(perfused_dose_gy=150.0, device="ho166")
    assert found.inputs["activity_by_the_label_gbq"] == pytest.approx(5.0 * 50.0 / 15.87)


@pytest.mark.parametrize(
    ("device", "scenario", "disease", "said"),
    [
        (
            "resin",
            Scenario.LOBECTOMY,
            Disease.HCC,
            "single compartment not recommended for a lobectomy with resin",
        ),
        (
            "resin",
            Scenario.SEGMENTECTOMY,
            Disease.HCC,
            "one mean for all that is perfused: not the dose of the tumour",
        ),
        (
            "resin",
            Scenario.UNILOBAR,
            Disease.HCC,
            "one mean for all that is perfused: not the dose of the tumour; EANM",
        ),
        ("resin", None, Disease.HCC, "one mean for all"),
        ("resin", Scenario.LOBECTOMY, None, "one mean for all"),
        (None, Scenario.LOBECTOMY, Disease.HCC, "one mean for all"),
        ("ho166", Scenario.LOBECTOMY, Disease.HCC, "one mean for all"),  # 60 Gy are printed
    ],
)
@pytest.mark.parametrize("dose", [150.0, None])
def test_what_the_guideline_advises_against_is_said_with_and_without_an_activity(
    device, scenario, disease, said, dose
):
    found = mird(perfused_dose_gy=dose, device=device, context=ClinicalContext(scenario, disease))
    assert found.flag.startswith(said)
    assert ("prints nothing for one compartment" in found.flag) is said.endswith("EANM")
    if dose is None:
        advised_against = said.startswith("single")
        assert found.reason.startswith(said if advised_against else "no dose is given")


def voxel(rows, **more):
    basis = PlanBasis(ANATOMY, (REACHED,), K, (LIVER, goal(90.0)), (1.0,), (20.0,), **more)
    found = {model.name: model for model in all_models(basis, None if rows is None else DoseTable(rows))}
    return found["voxel"]


LIVER_ROW = RegionDoses("perfused non-tumour liver", Role.PERFUSED_NON_TUMOUR_LIVER, (30.0,))
TUMOUR_ROW = RegionDoses("all tumours", Role.TUMOURS, (60.0,))


def test_dose_maps_need_a_tumour_or_another_region_to_maximise():
    assert voxel(None).reason == "there are no images"
    assert voxel((LIVER_ROW,)).reason.startswith("no tumour is among the regions")
    assert voxel((LIVER_ROW, TUMOUR_ROW)).activity_gbq == pytest.approx(4.0, rel=1e-6)
    other = voxel((LIVER_ROW,), objective={"perfused non-tumour liver": 1.0})
    assert other.activity_gbq == pytest.approx(4.0, rel=1e-6)


def test_several_tumours_or_arteries_can_be_told_apart_and_single_ones_not():
    two = Anatomy({"GTV1": 0.3, "GTV2": 0.1}, perfused_normal_kg=1.2, whole_normal_kg=1.6)
    both = Territory("lobe", 0.1, (TumourUptake("GTV1", 0.3, 4.0), TumourUptake("GTV2", 0.1, 3.0)), 1.2)
    for anatomy, territories, apart in (
        (ANATOMY, (REACHED,), set()),
        (two, (both,), {"multi-tumour-partition"}),
        (ANATOMY, HALVES, {"multi-artery"}),
    ):
        injections = len(territories)
        basis = PlanBasis(
            anatomy, territories, K, (LIVER,), (1.0 / injections,) * injections, (20.0,) * injections
        )
        found = {model.name for model in all_models(basis) if model.available}
        assert found == {"partition", *apart}
