"""Regions, clusters and notices of the dose between microspheres, each with and without what decides it."""

from types import SimpleNamespace

import pytest

from y90voxel.case import microscale_evaluation as module
from y90voxel.case.microscale_evaluation import (
    _alphas,
    _notices,
    _shown,
    clusters_notice,
    stated_clusters,
    with_microscale,
)
from y90voxel.case.microscale_settings import MicroscaleSettings
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid


def region(name, role):
    return SimpleNamespace(name=name, role=role)


LIVER, LUNGS, ALL = (
    region("Liver", Role.LIVER),
    region("lungs", Role.LUNGS),
    region("all tumours", Role.TUMOURS),
)
TUMOURS = [region(f"GTV{n}", Role.TUMOUR) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("tumours", "names"),
    [
        (0, ["all tumours", "Liver"]), (1, ["GTV1", "Liver"]), (2, ["GTV1", "GTV2", "all tumours", "Liver"]),
        (3, ["GTV1", "GTV2", "GTV3", "all tumours", "Liver"]),
    ],
)  # fmt: skip
def test_a_single_tumour_is_not_shown_once_more(tumours, names):
    """Tumours first, the liver last, and no lung."""
    found = _shown(SimpleNamespace(regions=[LUNGS, LIVER, ALL, *TUMOURS[:tumours]]))
    assert [one.name for one in found] == (names if tumours else ["Liver"])


@pytest.mark.parametrize(("given", "name", "said"), [(None, "single", 1), ("single", "single", 0)])
def test_single_spheres_are_assumed_and_said_where_nobody_states_clusters(given, name, said):
    settings = MicroscaleSettings(report=True, clusters=given)
    assert stated_clusters(settings).name == name
    assert [notice.code for notice in clusters_notice(settings)] == ["microscale-clusters"] * said


def test_stated_clusters_are_taken():
    settings = MicroscaleSettings(report=True, clusters="pairs")
    assert stated_clusters(settings).name == "pairs"


@pytest.mark.parametrize(
    ("stated", "own"),
    [(None, ()), (SimpleNamespace(alpha_per_gy=None), ()), (SimpleNamespace(alpha_per_gy=0.123), (0.123,))],
)
def test_sensitivities_are_the_examples_and_what_was_stated(stated, own):
    examples = set(_alphas(SimpleNamespace(case=SimpleNamespace(radiobiology={})), Role.TUMOUR))
    radiobiology = {} if stated is None else {Role.TUMOUR: stated}
    evaluation = SimpleNamespace(case=SimpleNamespace(radiobiology=radiobiology))
    assert _alphas(evaluation, Role.TUMOUR) == tuple(sorted(examples | set(own)))
    assert _alphas(evaluation, Role.LIVER) == tuple(sorted(examples))
    assert 0.123 not in examples


def said(injections=1, arteries=(), means=(10.0,), clusters="single"):
    grid = Grid.from_spacing((2, 2, 2), (10.0, 5.0, 4.0))  # 0.2 mL
    settings = SimpleNamespace(microscale=MicroscaleSettings(report=True, clusters=clusters))
    case = SimpleNamespace(injections=(None,) * injections, settings=settings)
    regions = [
        SimpleNamespace(region=f"R{n}", spheres_per_ml=1000.0 * (n + 1), mean_gy=gy)
        for n, gy in enumerate(means)
    ]
    report = SimpleNamespace(
        voxel_mm=grid.spacing_mm, regions=regions, sphere=SimpleNamespace(activity_bq=2500.0)
    )
    evaluation = SimpleNamespace(case=case, dose=SimpleNamespace(grid=grid), arteries=arteries)
    return {notice.code: notice.message for notice in _notices(evaluation, report)}


def test_what_the_image_hides_is_told_in_spheres_a_voxel():
    found = said(means=(10.0, 20.0))
    assert list(found) == ["microscale-hidden"]
    assert "voxels of 10 × 5 × 4 mm" in found["microscale-hidden"]
    assert "up to 400 spheres in one" in found["microscale-hidden"]


@pytest.mark.parametrize(
    ("injections", "arteries", "staged"), [(1, (), False), (2, (), True), (1, ("one",), True), (3, (), True)]
)
def test_several_injections_are_told(injections, arteries, staged):
    assert ("microscale-staged" in said(injections, arteries)) is staged


def test_regions_without_dose_are_named():
    found = said(means=(0.0, 1.0, 0.5))
    assert "no spheres in R0:" in found["microscale-no-dose"]
    assert "microscale-no-dose" not in said(means=(1.0, 0.5))


def test_without_liver_and_tumours_it_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "scoring_kernel", lambda *of: None)
    case = SimpleNamespace(settings=SimpleNamespace(microscale=None), sphere_activity=None, nuclide="Y-90")
    result = SimpleNamespace(case=case, regions=[LUNGS], with_notices=lambda *notices: notices)
    assert [notice.code for notice in with_microscale(result)] == ["microscale-omitted"]
