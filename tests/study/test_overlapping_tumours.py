"""The sample study with a union drawn beside its two tumours: as without it."""

from dataclasses import replace

import pytest

from y90voxel.case.settings import load_settings
from y90voxel.planning.plan import plan
from y90voxel.reference.shipped import shipped_folder
from y90voxel.regions.region import Contours
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.run_dose import make_case, read_chosen
from y90voxel.study.run_plan import request_of

SAMPLE = shipped_folder("sample_data")


@pytest.fixture(scope="module")
def planned():
    """Plans of the sample study by how its tumours are drawn."""
    settings = load_settings(SAMPLE / "case.toml", {"plan": {"scenario": "lobectomy", "disease": "HCC"}})
    study = read_chosen(SAMPLE / "study", settings, {}, lambda what, done: None)
    one, other = (region for region in study.drawn if region.name in ("GTV1", "GTV2"))
    both = Contours((*one.shape.polygons, *other.shape.polygons), one.shape.frame_of_reference_uid)
    whole = replace(one, name="GTV", shape=both)
    ways = {
        "apart": (one, other),
        "alone": (whole,),
        "parts and whole": (one, other, whole),
        "twice": (one, other, replace(one, name="GTV3")),
        "nested": (whole, other),
    }
    rest = [region for region in study.drawn if region not in (one, other)]
    plans = {}
    for way, tumours in ways.items():
        case = make_case(replace(study, drawn=(*rest, *tumours)), settings, measure_shunt=True)
        plans[way] = plan(case, build_engine("convolution", case), request_of(settings))
    return plans


@pytest.mark.parametrize("way", ["apart", "parts and whole", "twice", "nested"])
def test_activities_are_those_of_the_union_alone(planned, way):
    """Earlier: 28, 21 and 6 % more by partition than of the union alone."""
    found, alone = planned[way], planned["alone"]
    expected = alone.model("partition").activity_gbq
    assert expected == pytest.approx(2.315, rel=2e-3)  # the liver weighs 1.05 g in each of its 1,627.4 mL
    for name in ("partition", "multi-tumour-partition"):
        assert found.model(name).activity_gbq == pytest.approx(expected, rel=1e-4)
    assert found.model("voxel").activity_gbq == pytest.approx(alone.model("voxel").activity_gbq, rel=1e-4)
    assert found.model("mird").activity_gbq == pytest.approx(alone.model("mird").activity_gbq, rel=1e-4)


@pytest.mark.parametrize("way", ["apart", "parts and whole", "twice", "nested"])
def test_normal_liver_is_liver_less_the_union(planned, way):
    """Earlier: 21.09, 21.24 and 21.48 Gy per GBq instead of 21.63."""
    ours, alone = (planned[key].maps.evaluations[0].region("non-tumour liver") for key in (way, "alone"))
    for metric in ("volume_ml", "mass_g", "mean_gy", "mass_weighted_mean_gy"):
        assert getattr(ours, metric) == pytest.approx(getattr(alone, metric), rel=1e-5)
    anatomy = planned[way].anatomy
    assert sum(anatomy.tumour_masses_kg.values()) + anatomy.whole_normal_kg == pytest.approx(
        anatomy.liver_kg, rel=1e-5
    )


def test_the_overlap_is_named_with_its_volume(planned):
    said = {way: [n.message for n in p.notices if n.code == "tumours-overlap"] for way, p in planned.items()}
    assert said["apart"] == said["alone"] == []
    (message,) = said["parts and whole"]
    assert "'GTV1' and 'GTV' 95.06 mL; 'GTV2' and 'GTV' 29.18 mL" in message
    assert "Together they are 124.25 mL, not 248.49 mL" in message
