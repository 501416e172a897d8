"""One draw of a plan's masses, volumes and ratios, from stated places of every boundary, by the formulas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_draws import (
    NORMAL,
    PlanDraw,
    PlanSpread,
    _ShiftedBoundaries,
    _shunt,
    scaled_table,
)
from y90voxel.regions.roles import Role

U_MM, FWHM_MM = 4.0, 10.0
GROWN = {"A": 1.2, "B": 0.9}
DENSITY, CAPSULE = 1.1, 0.5


def sigma(relative):
    return math.sqrt(math.log1p(relative**2))


def diameter(kg):
    return (6e6 * kg / 1.05 / math.pi) ** (1 / 3)


def capsule(kg):
    """Factor of the volume within a capsule that was moved by half a standard deviation."""
    return math.exp(3.0 * sigma(U_MM / diameter(kg)) * CAPSULE)


def phi(kg):
    """Share of a blurred ball's edge: erf of its diameter less what the Gaussian takes."""
    r, s = diameter(kg) / 2.0, FWHM_MM / (2.0 * math.sqrt(2.0 * math.log(2.0)))
    lost = 2.0 * s / (r * math.sqrt(2.0 * math.pi)) * (1.0 - math.exp(-2.0 * r * r / s**2))
    return math.erf(2.0 * r / (s * math.sqrt(2.0))) - lost


def moved(together=1.125, fit=0.0, **spread):
    return _ShiftedBoundaries(
        PlanSpread(U_MM, FWHM_MM, **spread), GROWN, together, DENSITY, CAPSULE, 0.0, fit
    )


NOMINAL = Anatomy(
    {"A": 0.3, "B": 0.1}, 0.9, 1.2, 1.25, 0.8, liver_volume_ml=1500.0, perfused_volume_ml=1200.0,
    tumour_volume_ml=380.0, tumour_volume_in_perfused_ml=330.0, perfused_name="lobe",
)  # fmt: skip
REACHED = Territory("left", 0.1, (TumourUptake("A", 0.3, 4.0), TumourUptake("B", 0.05, 0.5)), 0.9)


def test_masses_and_volumes_move_with_their_boundaries_and_density():
    found = moved().anatomy(NOMINAL, (REACHED,), 1.05)
    assert found.tumour_masses_kg == pytest.approx({"A": 0.3 * 1.2 * 1.1, "B": 0.1 * 0.9 * 1.1})
    assert found.whole_normal_kg == pytest.approx((1.6 * capsule(1.6) - 0.36 - 0.09) * 1.1)
    assert found.perfused_normal_kg == pytest.approx((1.25 * capsule(1.25) - 0.36 - 0.045) * 1.1)
    assert found.perfused_kg == pytest.approx(1.25 * capsule(1.25) * 1.1)
    assert found.lung_ct_kg == pytest.approx(0.8 * 1.05)
    assert found.liver_volume_ml == pytest.approx(1500.0 * capsule(1.6))
    assert found.perfused_volume_ml == pytest.approx(1200.0 * capsule(1.25))
    assert found.tumour_volume_ml == pytest.approx(380.0 * 1.125)
    assert found.tumour_volume_in_perfused_ml == pytest.approx(330.0 * 1.125)
    assert found.perfused_name == "lobe"


@pytest.mark.parametrize(
    ("tumours", "normal_kg", "liver_ml", "liver_kg"),
    [
        ({"A": 0.3}, 1.2, 1500.0, 1.5),
        ({}, 1.2, 1500.0, 1.2),
        ({"A": 0.3}, None, 1500.0, 1.575),  # by its volume, not by its tumours alone
        ({}, None, 1500.0, 1.575),
    ],
)
def test_a_volume_of_the_liver_moves_as_a_ball_of_all_of_it(tumours, normal_kg, liver_ml, liver_kg):
    nominal = Anatomy(tumours, whole_normal_kg=normal_kg, perfused_normal_kg=normal_kg,
                      liver_volume_ml=liver_ml, perfused_volume_ml=liver_ml)  # fmt: skip
    reached = Territory("left", 0.1, tuple(TumourUptake(name, kg) for name, kg in tumours.items()))
    found = moved().anatomy(nominal, (reached,), 1.0)
    assert found.liver_volume_ml == pytest.approx(liver_ml * capsule(liver_kg))
    assert found.perfused_volume_ml == pytest.approx(liver_ml * capsule(liver_kg))


@pytest.mark.parametrize(
    ("within_ml", "perfused_ml", "found_ml"),
    [(105.0, 105.0, None), (105.0, 200.0, 105.0 * 1.125), (105.0, None, 105.0 * 1.125), (None, 115.0, None)],
)
def test_a_tumour_grows_no_larger_than_the_part_that_is_treated(within_ml, perfused_ml, found_ml):
    """In a segment that is nearly all tumour."""
    nominal = Anatomy({"A": 0.11}, liver_volume_ml=1500.0, perfused_volume_ml=perfused_ml, tumour_volume_ml=110.0,
                      tumour_volume_in_perfused_ml=within_ml)  # fmt: skip
    found = moved().anatomy(nominal, (REACHED,), 1.0)
    if within_ml is not None and found_ml is None:
        assert found.tumour_volume_in_perfused_ml == found.perfused_volume_ml < 105.0 * 1.125
    else:
        expected = None if found_ml is None else pytest.approx(found_ml)
        assert found.tumour_volume_in_perfused_ml == expected


def test_a_tumour_of_which_an_injection_reaches_nothing_is_left_out_of_its_draws():
    reached = Territory("left", 0.1, (TumourUptake("A", 0.3, 4.0), TumourUptake("B", 0.0, 2.0)), 0.9)
    boundaries = moved()
    drawn = boundaries.anatomy(NOMINAL, (reached,), 1.0)
    found = boundaries.territory(reached, {}, NOMINAL, drawn, np.random.default_rng(1))
    assert [tumour.name for tumour in found.tumours] == ["A"]


def test_tumours_together_grow_by_their_masses_or_as_one_of_their_volume():
    """The fourth number after six of activity, density, lungs, shunt, capsule and fit is the first tumour's boundary."""
    spread = PlanSpread(U_MM, FWHM_MM)
    z = np.random.default_rng(3).standard_normal(8)
    drawn = spread.draw(NOMINAL, (REACHED,), np.random.default_rng(3))
    a, b = (math.exp(3.0 * sigma(U_MM / diameter(kg)) * z[n]) for kg, n in ((0.3, 6), (0.1, 7)))
    assert drawn.anatomy.tumour_volume_ml == pytest.approx(380.0 * (0.3 * a + 0.1 * b) / 0.4)
    alone = Anatomy(whole_normal_kg=1.2, liver_volume_ml=1500.0, tumour_volume_ml=400.0)
    found = spread.draw(alone, (Territory("left", 0.1, (), 1.2),), np.random.default_rng(3))
    one = math.exp(3.0 * sigma(U_MM / diameter(0.42)) * z[6])
    assert found.anatomy.tumour_volume_ml == pytest.approx(400.0 * one)
    none = spread.draw(
        Anatomy(whole_normal_kg=1.2), (Territory("left", 0.1, (), 1.2),), np.random.default_rng(3)
    )
    assert none.anatomy.tumour_volume_ml is None


def test_activity_of_a_territory_is_shared_out_anew():
    """Tumour A takes up four times normal liver, B half of it; counts of both and of normal liver are drawn."""
    rng, z = np.random.default_rng(11), np.random.default_rng(11).standard_normal(3)
    boundaries = moved()
    drawn = boundaries.anatomy(NOMINAL, (REACHED,), 1.0)
    found = boundaries.territory(REACHED, {"A": 0.1, "B": 0.3, NORMAL: 0.2}, NOMINAL, drawn, rng)
    normal = (1.25 * capsule(1.25) - 0.36 - 0.045) * 1.1
    assert found.normal_kg == pytest.approx(normal)
    assert [u.mass_kg for u in found.tumours] == pytest.approx([0.3 * 1.2 * 1.1, 0.05 * 0.9 * 1.1])
    in_a = 4.0 * 0.3 * 1.2 ** ((1.0 + 3.0 * phi(0.3) / 2.0) / 4.0)
    in_b = 0.5 * 0.05 * 0.9 ** ((1.0 - 0.5 * phi(0.1) / 2.0) / 0.5)
    rest = (0.9 + 1.2 + 0.025) * capsule(1.25) ** (phi(1.25) / 2.0) - in_a - in_b
    rest *= math.exp(sigma(0.2) * z[0])
    for uptake, held, relative, deviate in (("A", in_a, 0.1, z[1]), ("B", in_b, 0.3, z[2])):
        (tumour,) = [u for u in found.tumours if u.name == uptake]
        held *= math.exp(sigma(relative) * deviate)
        assert tumour.ratio == pytest.approx(held / tumour.mass_kg / (rest / normal))


@pytest.mark.parametrize(
    ("ratio", "volume", "least"),
    [(4.0, 1.2, False), (1.5, 5.0, True), (1.0, 1.2, True), (0.5, 0.9, False), (0.9, 5.0, True)],
)
def test_what_a_boundary_adds_lies_between_tumour_and_normal_liver(ratio, volume, least):
    """A shell never holds less than normal liver where the tumour holds more, and never more where it holds less."""
    boundaries = _ShiftedBoundaries(
        PlanSpread(U_MM, FWHM_MM, recovery={"A": 5.0}), {"A": volume}, 1.0, 1.0, 0.0, 0.0, 0.0
    )
    found = boundaries._activity_within(TumourUptake("A", 0.3, ratio), NOMINAL)
    plain = ratio * 0.3 * volume ** ((1.0 + (ratio - 1.0) * phi(0.3) / 10.0) / ratio)
    as_normal = 0.3 * volume
    bounded = max(plain, as_normal) if ratio >= 1.0 else min(plain, as_normal)
    assert found == pytest.approx(bounded)
    assert (found == pytest.approx(as_normal)) is least


@pytest.mark.parametrize("fit", [0.0, 0.7, 40.0])
@pytest.mark.parametrize("ratio", [4.0, 0.2])
def test_a_recovery_follows_the_drawn_volume_with_the_uncertainty_of_its_fit(fit, ratio):
    """0.3 kg are 285.7 mL; drawn as 1.2 of it; no recovery is more than all."""
    curve = SimpleNamespace(coefficient=lambda ml: 0.002 * ml, uncertainty=lambda ml: 0.0004 * ml)
    boundaries = moved(fit=fit, recovery={"A": 0.6}, curve=curve)
    recovery = min(0.6 * 1.2 * math.exp(sigma(0.2) * fit), 1.0)
    found = boundaries._ratio(TumourUptake("A", 0.3, ratio), 0.3)
    used = max(ratio, 1.0 - 0.95 * recovery)
    assert found == pytest.approx((used - 1.0 + recovery) / recovery)
    assert boundaries._ratio(TumourUptake("B", 0.1, ratio), 0.1) == ratio
    assert boundaries._ratio(TumourUptake("A", 0.3, None), 0.3) is None


def test_a_curve_is_asked_at_the_volume_of_the_tumour():
    asked = []
    curve = SimpleNamespace(coefficient=lambda ml: asked.append(ml) or 0.8, uncertainty=lambda ml: 0.0)
    moved(recovery={"A": 0.6}, curve=curve)._ratio(TumourUptake("A", 0.3, 4.0), 0.3)
    assert asked == pytest.approx([300.0 / 1.05, 1.2 * 300.0 / 1.05])


def test_a_territory_without_ratios_keeps_none_and_normal_liver_keeps_a_twentieth():
    open_ratio = Territory("left", 0.1, (TumourUptake("A", 0.3),), 0.9)
    found = moved().territory(
        open_ratio, {}, NOMINAL, moved().anatomy(NOMINAL, (open_ratio,), 1.0), np.random.default_rng(1)
    )
    assert [(u.mass_kg, u.ratio) for u in found.tumours] == [(pytest.approx(0.3 * 1.2 * 1.1), None)]
    # A tumour that would fill its capsule: what is left is 5 % of normal liver, and of its activity.
    tight = Territory("left", 0.1, (TumourUptake("A", 1.0, 4.0),), 0.1)
    nominal = Anatomy({"A": 1.0}, perfused_normal_kg=0.1, whole_normal_kg=0.1)
    boundaries = _ShiftedBoundaries(PlanSpread(U_MM, FWHM_MM), {"A": 1.5}, 1.5, DENSITY, 0.0, 0.0, 0.0)
    drawn = boundaries.anatomy(nominal, (tight,), 1.0)
    found = boundaries.territory(tight, {}, nominal, drawn, np.random.default_rng(1))
    assert drawn.whole_normal_kg == found.normal_kg == pytest.approx(0.05 * 0.1 * 1.1)
    held = 4.0 * 1.5 ** ((1.0 + 3.0 * phi(1.0) / 2.0) / 4.0)
    assert found.tumours[0].ratio == pytest.approx(held / (1.5 * 1.1) / (0.05 * 0.1 / found.normal_kg))


def test_regions_that_are_no_compartment_scale_with_what_they_are_made_of():
    """Twice the activity, 1.1 of the density, 1.2 of the liver's volume, and a shunt of 0.2 in place of 0.1."""
    before, after = (Territory("left", shunt, (TumourUptake("A", 0.3, 4.0),), 0.9) for shunt in (0.1, 0.2))
    anatomy = Anatomy({"A": 0.3}, perfused_normal_kg=0.9, whole_normal_kg=1.2)
    rows = (
        ("Liver", Role.LIVER),
        ("rest", Role.UNPERFUSED_LIVER),
        ("gut", Role.OTHER),
        ("A", Role.TUMOUR),
        ("lungs", Role.LUNGS),
    )
    table = DoseTable(tuple(RegionDoses(name, role, (10.0,)) for name, role in rows))
    draw = PlanDraw(anatomy, (after,), (after,), 2.0, 1.1, 1.2)
    found = scaled_table(table, anatomy, (before,), draw, 50.0).doses((1.0,))
    in_map = 2.0 * 0.8 / 0.9
    assert found == pytest.approx({
        "Liver": 10.0 * in_map / (1.1 * 1.2), "rest": 10.0 * in_map / 1.1, "gut": 10.0 * in_map, "A": 10.0 * in_map,
        "lungs": 10.0 * 2.0 * 0.2 / 0.1,
    })  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [(0.01, 0.015), (0.0, 0.0)])
def test_lungs_scale_with_their_shunt_or_with_the_map_where_there_is_none(before, after):
    """1 % of 50 Gy/GBq is half a gray."""
    territories = [Territory("left", shunt, (TumourUptake("A", 0.3, 4.0),), 0.9) for shunt in (before, after)]
    anatomy = Anatomy({"A": 0.3}, perfused_normal_kg=0.9, whole_normal_kg=1.2)
    table = DoseTable((RegionDoses("lungs", Role.LUNGS, (10.0,)),))
    draw = PlanDraw(anatomy, (territories[1],), (territories[1],), 2.0, 1.1, 1.2)
    found = scaled_table(table, anatomy, (territories[0],), draw, 50.0).doses((1.0,))
    assert found["lungs"] == pytest.approx(10.0 * 2.0 * (after / before if before else 1.0))


def test_the_logit_of_a_shunt_moves_by_its_relative_uncertainty():
    assert _shunt(0.1, 0.3) == pytest.approx(1.0 / (1.0 + 9.0 * math.exp(-0.3 / 0.9)))
    assert _shunt(0.5, -0.2) == pytest.approx(1.0 / (1.0 + math.exp(0.4)))
    assert _shunt(0.0, 0.3) == 0.0
