"""Masses and volumes of dose maps: with a perfused volume drawn, and where the whole liver stands for it."""

from dataclasses import replace

import pytest
from phantoms import ellipsoid, liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.planning.plan_maps import DoseMaps
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
