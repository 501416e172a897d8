"""A plan of images of some hundred voxels, made in milliseconds: what of case and request it uses, and what plan.json says."""

from dataclasses import replace

import pytest
from phantoms import ellipsoid, liver_case

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario, Sense
from y90voxel.clinical.patient import PatientRecord
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.quantification.administration import Administration
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid

ENGINE = LocalDeposition("Y-90")
GRID = Grid.from_spacing((14, 12, 14), (12.0, 12.0, 12.0), (-78.0, -70.0, -78.0))
LIMIT = DoseAim("liver", "non-tumour liver", Sense.BELOW, 40.0)


def coarse(perfused=True, device=None, activities=(2e9,), **facts):
    case = liver_case(GRID, **facts)
    (injection,) = case.injections
    injections = tuple(
        replace(
            injection,
            emission=replace(injection.emission),  # an image of its own
            administration=Administration(
                activity_bq=activity, lung_shunt_fraction=0.05, shunt_source="given", device=device
            ),
        )
        for activity in activities
    )
    lobe = Region("lobe", Role.PERFUSED, case.regions["Liver"].mask)
    drawn = (*case.regions.drawn, lobe) if perfused else case.regions.drawn
    return replace(case, injections=injections, regions=Regions(GRID, drawn))


@pytest.fixture(scope="module")
def planned():
    request = PlanRequest(
        ClinicalContext(Scenario.UNILOBAR, Disease.HCC),
        aims=(LIMIT,),
        recovery={"GTV1": 0.8},
        residual_fraction=0.02,
    )
    patient = PatientRecord(height_m=1.7, weight_kg=70.0, bilirubin_umol_per_l=12.0)
    return yv.plan(coarse(device="resin", patient=patient), ENGINE, request)


def test_a_request_is_used_and_none_is_one_of_defaults():
    asked = yv.plan(coarse(), ENGINE, PlanRequest(aims=(LIMIT,), table_limits=False))
    per_gbq = asked.maps.table.per_gbq["non-tumour liver"][0]
    assert asked.model("voxel").activity_gbq == pytest.approx(40.0 / per_gbq, rel=1e-6)
    plain = yv.plan(coarse(), ENGINE)
    assert plain.request == PlanRequest()
    assert plain.first.name == "given"


def test_progress_is_told_in_rising_parts_up_to_the_end():
    seen = []
    yv.plan(coarse(), ENGINE, progress=lambda what, done: seen.append((what, done)))
    parts = [done for _, done in seen]
    assert parts == sorted(parts)
    assert ("evaluated", 0.9) in seen  # dose maps take nine tenths
    assert seen[-1] == ("planned", 1.0)


@pytest.mark.parametrize(
    ("activities", "given"), [((2e9,), (2.0,)), ((None,), None), ((2e9, 0.5e9), (2.0, 0.5)), ((2e9, None), None)]
)  # fmt: skip
def test_activities_are_given_where_those_of_all_injections_are(activities, given):
    found = yv.plan(coarse(activities=activities), ENGINE)
    assert found.facts.given_gbq == given
    assert found.model("given").available is (given is not None)
    shunts = [method.fraction for method in found.shunts if method.used]
    assert shunts == [0.05] * len(activities)


@pytest.mark.parametrize("perfused", [True, False])
def test_what_was_said_of_the_maps_is_said_of_the_plan(perfused):
    found = yv.plan(coarse(perfused=perfused), ENGINE)
    of_maps = {notice.code for notice in found.maps.evaluations[0].notices}
    assert of_maps
    codes = {notice.code for notice in found.notices}
    assert of_maps <= codes
    assert ("no-perfused-volume" in codes) is not perfused
    assert 0.0 <= found.provenance["seconds"] < 60.0


def test_the_shunt_by_spect_stands_with_and_without_a_margin_at_the_dome():
    found = yv.plan(coarse(), ENGINE)
    regions = found.maps.case.regions
    counts = found.maps.case.injections[0].emission.volume.array
    lungs, liver = (float((regions.mask_of(role).array * counts).sum()) for role in (Role.LUNG, Role.LIVER))
    spect = {m.dome_margin_mm: m.fraction for m in found.shunts if m.method == "spect"}
    assert spect[0.0] == pytest.approx(lungs / (lungs + liver), rel=1e-3)
    assert spect[20.0] > 1.01 * spect[0.0]
    (planar,) = [m for m in found.shunts if m.method == "planar"]
    assert planar.reason.startswith("the planar lung shunt needs anterior and posterior views")


def test_foci_of_the_maps_are_said_anew_with_the_planned_activity():
    """A focus at the lower edge of the body: the dose map tells its Gy per GBq, the plan that of its activity."""
    case = coarse()
    (injection,) = case.injections
    focus = ellipsoid(GRID, (50, 50, 66), (14, 14, 14)).array
    counts = injection.emission.volume.array + 200.0 * focus
    image = replace(injection.emission, volume=injection.emission.volume.with_array(counts))
    found = yv.plan(replace(case, injections=(replace(injection, emission=image),)), ENGINE)
    (evaluation,) = found.maps.evaluations
    assert "focal-uptake" in {notice.code for notice in evaluation.notices}
    (told,) = [notice.message for notice in found.notices if notice.code == "focal-uptake"]
    assert "at the 2 GBq of the first model" in told
    (row,) = found.metrics["focal_uptake"]
    assert row["gy_per_gbq"] == pytest.approx(evaluation.foci[0].mean_gy)


def test_the_entry_of_a_plan_says_its_numbers_in_the_units_of_their_names(planned):
    metrics = planned.metrics
    anatomy = planned.anatomy
    liver_ml = planned.maps.case.regions["Liver"].mask.volume_ml
    assert metrics["masses"]["tumours_g"] == pytest.approx(
        {"GTV1": 1000.0 * anatomy.tumour_masses_kg["GTV1"]}
    )
    assert metrics["masses"]["perfused_g"] == pytest.approx(1.05 * liver_ml, rel=1e-6)
    assert metrics["masses"]["liver_volume_ml"] == pytest.approx(liver_ml)
    assert metrics["lung"]["shunt_fraction"] == 0.05
    assert metrics["lung"]["mass_1kg_g"] == 1000.0
    assert metrics["lung"]["ct_mass_g"] is None
    assert metrics["lung"]["fraction_in_fov"] == pytest.approx(1.0)
    (injection,) = metrics["injections"]
    assert injection["given_activity_bq"] == 2e9
    assert injection["normal_mass_g"] == pytest.approx(
        1.05 * liver_ml - metrics["masses"]["tumours_g"]["GTV1"]
    )
    (ratio,) = metrics["tumour_to_normal"]
    assert ratio["mass_g"] == metrics["masses"]["tumours_g"]["GTV1"]
    assert ratio["ratio_corrected"] == pytest.approx((ratio["ratio"] - 0.2) / 0.8)
    assert ratio["recovery"] == 0.8
    assert metrics["device"]["name"] == "resin"
    assert metrics["patient"]["bilirubin_umol_per_l"] == 12.0
    assert metrics["context"]["bilirubin_umol_per_l"] == 12.0
    assert metrics["context"]["previous_lung_doses_gy"] is None
    assert (metrics["engine"], metrics["engine_requested"]) == ("local", "local")
    assert metrics["energy_per_activity_j_per_gbq"] == pytest.approx(49.77, abs=0.01)
    assert metrics["residual_fraction"] == 0.02


def test_regions_stand_with_volume_and_mass_where_the_dose_map_has_them(planned):
    rows = {row["name"]: row for row in planned.metrics["regions"]}
    (evaluation,) = planned.maps.evaluations
    for name in ("Liver", "GTV1", "lobe"):
        assert rows[name]["volume_ml"] == evaluation.region(name).volume_ml
        assert rows[name]["mass_g"] == evaluation.region(name).mass_g
        assert rows[name]["dose_per_gbq_gy"] == [evaluation.region(name).mass_weighted_mean_gy]
    for name in ("lungs", "lungs_voxel"):  # means with a mass that is none of the map
        assert (rows[name]["volume_ml"], rows[name]["mass_g"]) == (None, None)


def test_doses_of_the_map_stand_beside_every_model_that_gives_an_activity(planned):
    per_gbq = planned.maps.table.per_gbq["GTV1"][0]
    for row in planned.metrics["models"]:
        doses = row["voxel_doses_gy"]
        if row["available"]:
            assert doses["tumour"] == pytest.approx(per_gbq * row["activity_bq"] / 1e9)
        else:
            assert doses == {}
    assert {row["available"] for row in planned.metrics["models"]} == {True, False}
