"""Masses and volumes of dose maps: with a perfused volume drawn, and where the whole liver stands for it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from phantoms import ellipsoid, liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.planning.plan_maps import DoseMaps, _ratio
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role


def anatomy_of(case):
    return DoseMaps(case, (verify(case, LocalDeposition("Y-90")),)).anatomy()


def test_without_a_perfused_volume_masses_are_of_the_liver_and_its_volume_is_not_told():
    case = liver_case()
    found = anatomy_of(case)
    liver_ml = case.regions.mask_of(Role.LIVER, Role.TUMOUR).volume_ml
    assert found.perfused_volume_ml is None
    assert found.liver_volume_ml == pytest.approx(liver_ml)
    assert found.perfused_kg == pytest.approx(1.05e-3 * liver_ml, rel=1e-6)
    assert found.perfused_normal_kg == pytest.approx(found.whole_normal_kg)
    assert found.tumour_volume_in_perfused_ml == pytest.approx(found.tumour_volume_ml, rel=1e-6)
    assert found.perfused_name == "perfused volume"


def test_a_perfused_volume_has_its_own_volume_masses_and_name():
    case = liver_case()
    half = ellipsoid(case.grid, (15, 0, -25), (30, 35, 30))
    regions = Regions(case.grid, (*case.regions.drawn, Region("right lobe", Role.PERFUSED, half)))
    found = anatomy_of(replace(case, regions=regions))
    assert found.perfused_volume_ml == pytest.approx(half.volume_ml)
    assert found.perfused_kg == pytest.approx(1.05e-3 * half.volume_ml, rel=1e-6)
    assert found.perfused_normal_kg < found.whole_normal_kg
    assert found.perfused_name == "right lobe"


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        (("left", "right"), ("left", "right")),
        (("left", "left"), ("injection 1", "injection 2")),
        (("left", None), ("injection 1", "injection 2")),
        ((None,), ("injection 1",)),
        (("left",), ("left",)),
    ],
)
def test_injections_are_called_by_their_territories_where_these_tell_them_apart(stated, names):
    case = SimpleNamespace(injections=[SimpleNamespace(territory=name) for name in stated])
    assert DoseMaps(case, ()).names == names


@pytest.mark.parametrize(
    ("mass_g", "whole", "kg"), [(800.0, True, 0.8), (800.0, False, None), (None, True, None)]
)
def test_lungs_have_their_mass_from_a_ct_that_shows_them_whole(mass_g, whole, kg):
    evaluation = SimpleNamespace(lung=SimpleNamespace(ct_mass_g=mass_g))
    assert DoseMaps(SimpleNamespace(both_lungs_in_view=whole), (evaluation,)).lung_ct_kg == kg


@pytest.mark.parametrize(
    ("tumour_bq", "normal_bq", "normal_kg", "recovery", "ratio"),
    [
        (4.0, 2.0, 1.0, None, 4.0),
        (4.0, 2.0, 1.0, 0.75, 5.0),
        (0.4, 0.2, 0.125, None, 0.5),
        (0.0, 2.0, 1.0, None, None),
        (4.0, 0.0, 1.0, None, None),
        (4.0, 2.0, 0.0, None, None),
        (-1.0, 2.0, 1.0, 0.75, None),
    ],
)
def test_a_ratio_needs_activity_in_tumour_and_normal_liver(tumour_bq, normal_bq, normal_kg, recovery, ratio):
    assert _ratio(tumour_bq, 0.5, normal_bq, normal_kg, recovery) == ratio
