"""Rows of a plan's tables: whose mass the perfused volume has, and what aims on several regions are called."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, resolve_aims
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses, partition_table
from y90voxel.regions.roles import Role

REACHED = Territory("lobe", 0.1, (TumourUptake("GTV1", 0.3, 4.0),), 1.2)
HALVES = tuple(Territory(f"artery {n}", 0.1, (TumourUptake("GTV1", 0.15, 4.0),), 0.6) for n in (1, 2))


@pytest.mark.parametrize(
    ("territories", "stated_kg", "mass_kg"),
    [((REACHED,), None, 1.5), ((REACHED,), 1.8, 1.8), (HALVES, 1.8, 1.8), (HALVES, None, None)],
)
def test_the_perfused_volume_has_the_mass_that_is_stated_or_that_of_what_one_injection_reaches(
    territories, stated_kg, mass_kg
):
    """50 J/GBq less the shunt in it; territories may overlap, so that their sum is no mass."""
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.6, perfused_kg=stated_kg)
    table = partition_table(anatomy, territories, pooled=False, dose_constant_gy_kg_per_gbq=50.0)
    rows = [row for row in table.rows if row.role is Role.PERFUSED]
    if mass_kg is None:
        assert rows == []
    else:
        assert rows[0].gy_per_gbq == pytest.approx((45.0 / mass_kg,) * len(territories))


LESIONS = DoseTable(tuple(RegionDoses(name, Role.TUMOUR, (100.0,)) for name in ("GTV1", "GTV2")))


@pytest.mark.parametrize(
    ("region", "names"), [("GTV1", ["mine"]), ("tumour", ["mine (GTV1)", "mine (GTV2)"])]
)
def test_an_aim_on_a_role_is_one_for_each_region_of_it(region, names):
    aim = DoseAim("mine", region, Sense.AT_LEAST, 200.0)
    table_aims = (
        DoseAim("mine", "GTV1", Sense.AT_LEAST, 100.0),
        DoseAim("other", "GTV1", Sense.BELOW, 500.0),
    )
    found = resolve_aims((aim,), table_aims, LESIONS)
    assert [one.name for one in found] == ["other", *names]
    assert [one.value for one in found[1:]] == [200.0] * len(names)
