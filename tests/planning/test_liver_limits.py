"""Whether a limit on liver ends the activity of every injection, and the mass that the dose of the treated part is of."""

import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses, single_compartment_table
from y90voxel.planning.liver_limits import has_liver_limit, planning_goals
from y90voxel.regions.roles import Role


def aim(sense, region, value, metric="mean", **more):
    return DoseAim(f"{region} {value:g}", region, sense, value, parse_metric(metric), **more)


def limit(*of, **more):
    return aim(Sense.BELOW, *of, **more)


def table(*gy_per_gbq, role=Role.NON_TUMOUR_LIVER):
    return DoseTable((RegionDoses("liver", role, gy_per_gbq),))


@pytest.mark.parametrize(
    ("aims", "gy_per_gbq", "bounded"),
    [
        ((limit("liver", 60.0),), (0.0061,), True),  # 61 Gy at the 10 000 GBq that stand for no vial
        ((limit("liver", 60.0),), (0.0059,), False),
        ((limit("liver", 78.125),), (0.0078125,), True),  # just reached
        ((limit("liver", 60.0, previous=20.0),), (0.0041,), True),
        ((limit("liver", 60.0, previous=20.0),), (0.0039,), False),
        ((limit("liver", 60.0, previous=80.0),), (0.0001,), True),
        ((limit("liver", 60.0),), (10.0, 0.0), False),
        (
            (limit("liver", 60.0, previous=80.0),),
            (10.0, 0.0),
            False,
        ),  # used up, but the second does not reach it
        ((limit("liver", 60.0),), (10.0, 5.0), True),
        ((), (10.0,), False),
        ((limit("liver", 60.0, required=False),), (10.0,), False),
        ((aim(Sense.AT_LEAST, "liver", 60.0),), (10.0,), False),
        ((limit("spleen", 60.0),), (10.0,), False),
    ],
)
@pytest.mark.parametrize("measurable", [True, False])
def test_a_limit_bounds_what_an_injection_alone_can_reach(aims, gy_per_gbq, bounded, measurable):
    assert has_liver_limit(aims, table(*gy_per_gbq), measurable=measurable) is bounded


@pytest.mark.parametrize(
    ("measurable", "gy_per_gbq", "bounded"),
    [(True, (0.001,), True), (True, (0.0,), False), (True, (1.0, 0.0), False), (False, (0.001,), False)],
)
def test_a_limit_that_is_no_mean_bounds_an_injection_that_gives_its_region_dose(
    measurable, gy_per_gbq, bounded
):
    aims = (limit("liver", 60.0, "D70"),)
    assert has_liver_limit(aims, table(*gy_per_gbq), measurable=measurable) is bounded


@pytest.mark.parametrize(
    ("role", "bounded"),
    [
        (Role.LIVER, True), (Role.NON_TUMOUR_LIVER, True), (Role.PERFUSED, True),
        (Role.PERFUSED_NON_TUMOUR_LIVER, True), (Role.LUNGS, False), (Role.TUMOUR, False),
    ],
)  # fmt: skip
def test_only_limits_on_liver_keep_liver_alive(role, bounded):
    assert has_liver_limit((limit("liver", 60.0),), table(10.0, role=role), measurable=False) is bounded


def test_without_regions_nothing_is_bounded_and_nothing_wanted():
    assert not has_liver_limit((limit("liver", 60.0),), DoseTable(()), measurable=True)
    assert planning_goals((aim(Sense.AT_LEAST, "liver", 60.0),), DoseTable(()), measurable=True) == (
        (),
        False,
    )


def test_the_least_goal_of_a_lesion_is_a_mean_of_a_tumour():
    rows = (("GTV1", Role.TUMOUR), ("all tumours", Role.TUMOURS), ("liver", Role.NON_TUMOUR_LIVER))
    doses = DoseTable(tuple(RegionDoses(name, role, (100.0,)) for name, role in rows))
    aims = (
        aim(Sense.AT_LEAST, "GTV1", 205.0, required=False),
        aim(Sense.AT_LEAST, "liver", 10.0, required=False),
        aim(Sense.AT_LEAST, "GTV1", 70.0, "D90", required=False),
    )
    (goal,), stated = planning_goals(aims, doses, measurable=True)
    assert (goal.value, goal.region, stated) == (205.0, "all tumours", False)
    assert planning_goals(aims[1:], doses, measurable=True) == ((), False)


@pytest.mark.parametrize(
    ("masses_kg", "perfused_kg", "treated_kg"),
    [
        ((1.5,), None, 1.5),  # what the only injection reaches
        ((1.5,), 2.0, 2.0),  # as stated
        ((1.0, 0.8), None, None),  # they may overlap
        ((1.0, 0.8), 1.6, 1.6),
        ((1.0, 0.8, 0.2), None, None),
    ],
)
def test_the_dose_of_the_treated_part_is_of_its_mass_as_stated_or_of_the_only_injection(
    masses_kg, perfused_kg, treated_kg
):
    reached = tuple(
        Territory(f"artery {n}", 0.0, (TumourUptake("GTV1", 0.1, 4.0),), kg - 0.1)
        for n, kg in enumerate(masses_kg)
    )
    anatomy = Anatomy({"GTV1": 0.3}, perfused_kg=perfused_kg)
    found = single_compartment_table(anatomy, reached, dose_constant_gy_kg_per_gbq=50.0).per_gbq
    expected = None if treated_kg is None else (50.0 / treated_kg,) * len(masses_kg)
    assert found.get("perfused volume") == (None if expected is None else pytest.approx(expected))
