"""Tumours that overlap, by the numbers of a plan and of a dose calculation, against their union drawn alone."""

import re
from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case

import y90voxel as yv
from y90voxel.case.verify import verify
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import RegionError
from y90voxel.planning.compartments import Anatomy, Territory
from y90voxel.planning.plan import plan_from_masses
from y90voxel.planning.plan_maps import DoseMaps
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.planning.plan_result import PlanFacts
from y90voxel.quantification.administration import Administration
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role

ENGINE = LocalDeposition("Y-90")
REQUEST = PlanRequest(ClinicalContext(Scenario.UNILOBAR, Disease.HCC, bilirubin_umol_per_l=12.0))
CENTRES = {"left": (8, 5, -30), "right": (24, 5, -30)}
RADII = (12, 13, 14)
DRAWN = {
    "overlapping": ("left", "right"),
    "nested": ("both", "left"),
    "twice": ("both", "both"),
    "parts and whole": ("left", "right", "both"),
}


def case_with(*tumours, perfused=False):
    """A liver with a dumbbell of uptake, drawn in one way or another."""
    case = liver_case(
        administration=Administration(
            activity_bq=2e9, lung_shunt_fraction=0.05, shunt_source="given", device="glass"
        )
    )
    shapes = {name: ellipsoid(case.grid, centre, RADII) for name, centre in CENTRES.items()}
    shapes["both"] = shapes["left"].with_array(_either(case.grid))
    injection = case.injections[0]
    liver = case.regions["Liver"].mask
    counts = injection.emission.volume.with_array(10.0 * (liver.array + 4.0 * shapes["both"].array))
    drawn = [r for r in case.regions.drawn if r.role is not Role.TUMOUR]
    drawn += [Region(f"GTV{i}", Role.TUMOUR, shapes[name]) for i, name in enumerate(tumours, 1)]
    if perfused:
        lobe = np.minimum(ellipsoid(case.grid, (12, 0, -25), (30, 40, 35)).array, liver.array)
        drawn.append(Region("Perfused volume", Role.PERFUSED, liver.with_array(lobe)))
    injection = replace(injection, emission=replace(injection.emission, volume=counts))
    return replace(case, injections=(injection,), regions=Regions(case.grid, tuple(drawn)))


def _either(grid, samples=4):
    """Occupancy of both ellipsoids, by the same sub-samples as of each."""
    total = np.zeros(grid.shape)
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    base = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in grid.shape], indexing="ij"), axis=-1)
    for shift in np.array(np.meshgrid(steps, steps, steps)).reshape(3, -1).T:
        points = grid.index_to_lps(base + shift)
        total += np.any([(((points - c) / RADII) ** 2).sum(axis=-1) <= 1 for c in CENTRES.values()], axis=0)
    return total / samples**3


def notices_of(result):
    return {notice.code: notice.message for notice in result.notices}


@pytest.mark.parametrize("perfused", [False, True], ids=["whole liver", "perfused volume"])
@pytest.mark.parametrize("kind", DRAWN)
def test_a_plan_is_that_of_the_union_drawn_alone(kind, perfused):
    several = yv.plan(case_with(*DRAWN[kind], perfused=perfused), ENGINE, REQUEST)
    alone = yv.plan(case_with("both", perfused=perfused), ENGINE, REQUEST)
    for name, like in (
        ("partition", "partition"),
        ("multi-tumour-partition", "partition"),
        ("voxel", "voxel"),
    ):
        model, expected = several.model(name), alone.model(like)
        assert model.activity_gbq == pytest.approx(expected.activity_gbq, rel=0.01)
        ours, theirs = model.table.doses((2.0,)), expected.table.doses((2.0,))
        for region in ("all tumours", "non-tumour liver", "perfused non-tumour liver"):
            if region in theirs:
                assert ours[region] == pytest.approx(theirs[region], rel=0.01)
    ours, theirs = several.anatomy, alone.anatomy
    assert sum(ours.tumour_masses_kg.values()) == pytest.approx(
        sum(theirs.tumour_masses_kg.values()), rel=0.01
    )
    assert ours.tumour_volume_ml == pytest.approx(theirs.tumour_volume_ml, rel=0.01)
    assert ours.whole_normal_kg == pytest.approx(theirs.whole_normal_kg, rel=1e-3)
    assert sum(ours.tumour_masses_kg.values()) + ours.whole_normal_kg == pytest.approx(
        ours.liver_kg, rel=1e-3
    )
    assert "tumours-overlap" in notices_of(several)
    assert "tumours-overlap" not in notices_of(alone)


@pytest.mark.parametrize("kind", DRAWN)
def test_doses_of_the_liver_are_those_beside_the_union_and_of_tumours_as_drawn(kind):
    case = case_with(*DRAWN[kind])
    several, alone = verify(case, ENGINE), verify(case_with("both"), ENGINE)
    for metric in ("mass_g", "volume_ml", "mean_gy", "mass_weighted_mean_gy"):
        ours = getattr(several.region("non-tumour liver"), metric)
        assert ours == pytest.approx(getattr(alone.region("non-tumour liver"), metric), rel=1e-3)
    mask = case.regions["GTV2"].mask.array
    mean = (several.dose.array * mask).sum(dtype=float) / mask.sum(dtype=float)
    assert several.region("GTV2").mean_gy == pytest.approx(mean, rel=1e-4)


def test_the_notice_names_the_tumours_and_the_volume_that_they_share():
    case = case_with("both", "left")
    shared = case.regions["GTV2"].mask.volume_ml
    message = notices_of(verify(case, ENGINE))["tumours-overlap"]
    stated = re.search(r"'GTV1' and 'GTV2' ([\d.]+) mL", message)
    assert float(stated[1]) == pytest.approx(shared, rel=0.01)
    together = re.search(r"Together they are ([\d.]+) mL", message)
    assert float(together[1]) == pytest.approx(case.regions["GTV1"].mask.volume_ml, rel=0.01)


def test_a_plan_of_masses_that_contradict_each_other_is_refused(monkeypatch):
    facts = PlanFacts("x", "Y-90", "glass", 49.67, None, None)
    anatomy = Anatomy({"GTV1": 0.3, "GTV2": 0.3}, 1.0, 1.0, liver_kg=1.3)
    with pytest.raises(RegionError, match=r"together 1\.6 kg, but the liver with its tumours only 1\.3 kg"):
        plan_from_masses(facts, anatomy, [Territory("injection", 0.05, (), 1.0)])
    twice = Anatomy({"GTV1": 0.3}, 1.0, 1.0, liver_kg=1.0)
    monkeypatch.setattr(DoseMaps, "anatomy", lambda self: twice)
    with pytest.raises(RegionError, match="masses contradict each other"):
        yv.plan(case_with("both"), ENGINE, REQUEST)
