"""Dose between microspheres of an evaluation: from its regions' means, beside its voxels, with what it assumes."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from evaluation_factory import make_evaluation, with_regions

from y90voxel.case.microscale_evaluation import with_microscale
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.microscale.campbell import cv, spheres_per_ml
from y90voxel.microscale.laplace import dose_functional, eud
from y90voxel.microscale.sphere_kernel import scoring_kernel
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role

EVALUATION = make_evaluation()
LIVER = scoring_kernel("Y-90", "liver")


def settings(**given):
    return {"report": True, **given}


def microscale(evaluation=EVALUATION, **given):
    chosen = load_settings(None, {"microscale": settings(**given)}).microscale
    case = replace(
        evaluation.case, settings=evaluation.case.settings.model_copy(update={"microscale": chosen})
    )
    return with_microscale(replace(evaluation, case=case))


def codes(evaluation):
    return [n.code for n in evaluation.notices if n.code.startswith("microscale")]


@pytest.fixture(scope="module")
def found():
    return microscale(days_since_calibration=4.0)


def test_every_region_of_the_liver_has_a_row_and_no_other(found):
    names = [region.region for region in found.microscale.regions]
    assert names[:3] == ["GTV1", "GTV 2 <script>alert(1)</script>", "all tumours"]
    assert set(names[3:]) == {
        "Perfused volume",
        "perfused non-tumour liver",
        "non-tumour liver",
        "Liver",
    }


def test_numbers_are_those_of_the_formulas_at_the_mean_of_the_map(found):
    per_sphere_bq = 2500.0 * 2.0 ** (-96.0 / 64.1)
    assert found.microscale.sphere.activity_bq == pytest.approx(per_sphere_bq, rel=1e-6)
    for region in found.microscale.regions:
        metrics = found.region(region.region)
        assert region.mean_gy == pytest.approx(metrics.mean_gy, rel=1e-9)
        alone = cv(metrics.mean_gy, per_sphere_bq, LIVER)
        assert region.cv_alone == pytest.approx(alone, rel=1e-3)
        assert region.cv == pytest.approx(np.hypot(alone, metrics.sd_gy / metrics.mean_gy), rel=5e-3)
        assert region.spheres_per_ml == pytest.approx(spheres_per_ml(metrics.mean_gy, per_sphere_bq, LIVER))
        assert region.eud_alone_gy[0.2] == pytest.approx(eud(metrics.mean_gy, 0.2, per_sphere_bq, LIVER))
        assert region.eud_gy[0.2] < region.eud_alone_gy[0.2] < region.mean_gy
        assert region.d_alone_gy[98] < region.d_alone_gy[70] < region.mean_gy < region.d_alone_gy[2]
        assert region.d_gy[98] < region.d_gy[70] < region.d_gy[2]


def test_lobules_are_empty_by_the_dose_of_every_voxel(found):
    for region in found.microscale.regions:
        dvh = found.dvh(region.region)
        spheres = region.spheres_per_ml / region.mean_gy * dvh.doses_gy
        expected = np.average(np.exp(-1.87e-3 * spheres), weights=dvh.volumes_ml)
        assert region.empty_lobules == pytest.approx(expected, rel=0.02, abs=1e-6)


def test_spheres_make_the_voxels_more_uneven(found):
    for region in found.microscale.regions:
        assert region.d_gy[98] < region.voxel_d_gy[98]
        assert region.cv > found.region(region.region).sd_gy / region.mean_gy


def test_the_voxels_of_the_image_stand_beside_it(found):
    for region in found.microscale.regions:
        histogram = found.dvh(region.region)
        assert region.voxel_d_gy == {x: histogram.dose_at_volume(x) for x in (98, 70, 2)}


def test_what_the_voxels_hide_is_said(found):
    assert codes(found) == ["microscale-hidden", "microscale-clusters"]
    (hidden, clusters) = (n.message for n in found.notices if n.code.startswith("microscale"))
    assert "voxels of 5 × 4.4 × 4.4 mm average over" in hidden
    assert "exploratory" in hidden
    assert "single spheres are assumed" in clusters


def test_a_stated_cluster_model_is_used_and_not_said_to_be_assumed(found):
    clustered = microscale(days_since_calibration=4.0, clusters="geometric-20")
    assert codes(clustered) == ["microscale-hidden"]
    for single, many in zip(found.microscale.regions, clustered.microscale.regions, strict=True):
        assert many.cv_alone == pytest.approx(np.sqrt(39.0) * single.cv_alone, rel=1e-6)
        assert many.eud_gy[0.2] < single.eud_gy[0.2]
        assert many.empty_lobules > single.empty_lobules
    assert "clusters of 20 on average" in clustered.microscale.assumptions[1]


def test_portal_tracts_add_their_own_unevenness(found):
    tracts = microscale(days_since_calibration=4.0, places="tracts")
    of_the_lattice = dose_functional(1e-6, LIVER, places="tracts").cv(100.0) ** 2
    for volume, lattice in zip(found.microscale.regions, tracts.microscale.regions, strict=True):
        # Gathering the kernel in classes moves squares by up to 0.03 %, and random variance by that much of itself.
        difference = lattice.cv_alone**2 - volume.cv_alone**2
        assert difference == pytest.approx(of_the_lattice, rel=1e-3, abs=5e-4 * volume.cv_alone**2)
    assert "lattice of tracts" in tracts.microscale.assumptions[1]


def test_the_block_is_json_and_null_unless_asked(found):
    assert EVALUATION.metrics["microscale"] is None
    block = json.loads(json.dumps(found.metrics["microscale"], allow_nan=False))
    assert block["statement"] == "exploratory, no decision may rest on it"
    assert (block["scale_mm"], block["clusters"], block["places"]) == (0.1, "single", "volume")
    first = block["regions"][0]
    assert list(first["eud_gy"]) == ["0.05", "0.1", "0.2", "0.35"]
    assert first["dvh"]["volume_percent"][0] == 100.0
    assert len(first["dvh"]["dose_gy"]) == len(first["dvh"]["volume_percent"]) == 60
    assert first["dvh"]["volume_percent"][-1] < 2.0


def test_a_stated_alpha_of_a_role_has_an_eud_of_its_own():
    lq = {"tumour": {"alpha_beta_gy": 10.0, "repair_half_time_h": 1.5, "alpha_per_gy": 0.017}}
    changed = load_settings(None, {"radiobiology": lq}).radiobiology
    case = replace(
        EVALUATION.case, settings=EVALUATION.case.settings.model_copy(update={"radiobiology": changed})
    )
    regions = microscale(replace(EVALUATION, case=case), activity_per_sphere="500 Bq").microscale.regions
    assert {region.role for region in regions if 0.017 in region.eud_gy} == {"tumour"}


def test_no_dose_gives_zero_and_says_so():
    dark = np.where(EVALUATION.case.regions["GTV1"].mask.array > 0, 0.0, EVALUATION.dose.array)
    found = microscale(
        replace(EVALUATION, dose=replace(EVALUATION.dose, array=dark)), days_since_calibration=0.0
    )
    first = found.microscale.regions[0]
    assert (first.cv, first.cv_alone, first.spheres_per_ml, first.empty_lobules) == (0.0, 0.0, 0.0, 1.0)
    assert set(first.d_gy.values()) | set(first.eud_gy.values()) == {0.0}
    (said,) = (n.message for n in found.notices if n.code == "microscale-no-dose")
    assert said.startswith("no dose and so no spheres in GTV1:")


def test_without_liver_and_tumour_it_is_left_out_and_said():
    bare = make_evaluation(regions=False, device=None)
    found = microscale(bare, activity_per_sphere="500 Bq")
    assert found.microscale is None
    assert codes(found) == ["microscale-omitted"]


def test_a_single_tumour_has_no_second_row_as_all_tumours():
    drawn = tuple(r for r in EVALUATION.case.regions.drawn if r.role is not Role.TUMOUR or r.name == "GTV1")
    kept = with_regions(EVALUATION, Regions(EVALUATION.dose.grid, drawn))
    names = {region.name for region in kept.case.regions}
    kept = replace(kept, regions=tuple(m for m in EVALUATION.regions if m.name in names))
    roles = [region.role for region in microscale(kept, activity_per_sphere="500 Bq").microscale.regions]
    assert roles.count("tumour") == 1
    assert "tumours" not in roles


def test_several_injections_are_said_to_share_one_activity_per_sphere():
    first = EVALUATION.case.injections[0]
    case = replace(EVALUATION.case, injections=(first, replace(first, emission=replace(first.emission))))
    found = microscale(replace(EVALUATION, case=case), activity_per_sphere="500 Bq")
    assert "microscale-staged" in codes(found)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"activity_per_sphere": "0 Bq"}, "above zero"),
        ({"activity_per_sphere": "340"}, "a number and a unit"),
        ({"clusters": "trios"}, "microscale.clusters"),
        ({"places": "veins"}, "microscale.places"),
        ({"days_since_calibration": "soon"}, "microscale.days_since_calibration"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, says):
    with pytest.raises(InputError, match=says):
        load_settings(None, {"microscale": settings(**given)})


def test_a_case_whose_spheres_are_not_known_is_refused_before_anything_is_computed():
    with pytest.raises(InputError, match=r"holds 2.5 kBq at calibration"):
        EVALUATION.case.changed(microscale={"report": True})
    assert EVALUATION.case.changed(microscale={"report": False}).settings.microscale.report is False


def test_it_takes_well_under_half_a_second():
    microscale(days_since_calibration=4.0)
    started = time.process_time()
    microscale(days_since_calibration=4.0, clusters="geometric-5", places="tracts")
    assert time.process_time() - started < 0.5
