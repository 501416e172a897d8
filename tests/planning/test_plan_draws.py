"""Draws of a plan's inputs: against closed forms, a twin written from the formulas, and what no draw may break."""

import math
from dataclasses import replace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.metrics.uncertainty_budget import diameter_uncertainty_mm
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses, partition_table
from y90voxel.planning.plan_draws import NORMAL, PlanSpread, _at_most, _compartments, edge_share, scaled_table
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.regions.roles import Role

K = 49.67
DRAWS = 4000


def patient(tumour_kg=0.3, ratio=4.0, normal_kg=1.2, shunt=0.06):
    """The example of clinical.md 2.4, all of the liver perfused."""
    reached = Territory("injection", shunt, (TumourUptake("GTV1", tumour_kg, ratio),), normal_kg)
    anatomy = Anatomy(
        tumour_masses_kg={"GTV1": tumour_kg}, perfused_normal_kg=normal_kg, whole_normal_kg=normal_kg
    )
    return anatomy, (reached,)


def drawn(spread, anatomy, territories, count=DRAWS, seed=0):
    return [
        spread.draw(anatomy, territories, np.random.default_rng([seed, number])) for number in range(count)
    ]


def doses(draw, region):
    table = partition_table(
        draw.anatomy, draw.territories, pooled=False, dose_constant_gy_kg_per_gbq=K * draw.activity
    )
    return table.doses((1.0,) * len(draw.territories))[region]


def relative(values):
    """Of a log-normal quantity."""
    return math.sqrt(math.expm1(np.var(np.log(values))))


def sigma(u):
    return math.sqrt(math.log1p(u**2))


def test_the_volume_of_the_whole_liver_spreads_as_the_cube_of_its_diameter():
    anatomy, territories = patient(tumour_kg=0.3, normal_kg=1.2)
    diameter_mm = 10.0 * (6.0 * 1500.0 / LIVER_DENSITY_G_PER_ML / math.pi) ** (1 / 3)  # of a ball of 1.5 kg
    found = np.log([draw.liver for draw in drawn(PlanSpread(4.0, 10.0), anatomy, territories)])
    assert found.std() == pytest.approx(3.0 * sigma(4.0 / diameter_mm), rel=0.05)
    part = replace(anatomy, whole_normal_kg=None)
    assert {draw.liver for draw in drawn(PlanSpread(4.0, 10.0), part, territories, count=3)} == {1.0}


def test_the_lungs_spread_as_shunt_and_activity_do():
    found = drawn(PlanSpread(2.0, 10.0, activity=0.06, lung_shunt=0.3), *patient())
    lungs = np.log([doses(draw, "lungs") for draw in found])
    # K L A with a log-normal A and a logit-normal L: the quantiles of their product by quadrature over L.
    z = np.linspace(-6, 6, 4001)
    odds = 0.06 / 0.94 * np.exp(0.3 / 0.94 * z)
    log_shunted = np.log(odds / (1 + odds))
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    mean = (weight * log_shunted).sum()
    deviation = math.sqrt((weight * (log_shunted - mean) ** 2).sum() + sigma(0.06) ** 2)
    assert lungs.mean() == pytest.approx(math.log(K) + mean, abs=4 * deviation / math.sqrt(DRAWS))
    assert lungs.std() == pytest.approx(deviation, rel=4 / math.sqrt(2 * DRAWS))
    assert relative(np.exp(lungs)) == pytest.approx(math.hypot(0.3, 0.06), rel=0.06)  # to first order


def test_the_share_of_a_shell_is_that_of_the_eanm_scheme_without_normal_liver_around():
    # clinical.md 7: d 40 mm, FWHM 7 mm, b1 1.5 mL, b2 1: φ 0.8814, R 0.9572, φ/(2R) − dlnR/dlnV − c = −0.5824.
    assert edge_share(1e9, 0.8814, 0.9572) == pytest.approx(0.8814 / (2 * 0.9572), rel=1e-6)
    assert edge_share(1.0, 0.8814, 0.9572) == 1.0
    mass = 1.05e-6 * math.pi * 40.0**3 / 6
    anatomy, territories = patient(mass, ratio=1e3, normal_kg=1e6)
    curve = RecoveryFit(1.5, 1.0, np.zeros((2, 2)))
    spread = PlanSpread(0.01, 7.0, recovery={"GTV1": curve.coefficient(1000 * mass / 1.05)}, curve=curve)
    found = relative([doses(draw, "GTV1") for draw in drawn(spread, anatomy, territories)])
    assert found == pytest.approx(0.5824 * 3 * 0.01 / 40, rel=4 / math.sqrt(2 * DRAWS))


def test_the_worked_example_of_the_eanm_scheme_by_sampling():
    # clinical.md 7: the same sphere drawn on 4 mm voxels, u_Q 5 %, u_R 5 %, counts 3 %: u_D/D = 21.1 %, to first order.
    mass = 1.05e-6 * math.pi * 40.0**3 / 6
    anatomy, territories = patient(mass, ratio=1e3, normal_kg=1e6)
    plain = RecoveryFit(1.5, 1.0, np.zeros((2, 2)))
    volume_ml = 1000 * mass / 1.05
    # A variance of b1 alone that makes u_R/R 5 %.
    per_b1 = plain.coefficient(volume_ml) * 0.05 / _slope_b1(volume_ml)
    curve = RecoveryFit(1.5, 1.0, np.diag([per_b1**2, 0.0]))
    assert curve.uncertainty(volume_ml) / curve.coefficient(volume_ml) == pytest.approx(0.05, rel=1e-4)
    u_d = diameter_uncertainty_mm(4.0, 7.0)
    spread = PlanSpread(
        u_d,
        7.0,
        activity=0.05,
        statistics=[{"GTV1": 0.03}],
        recovery={"GTV1": curve.coefficient(volume_ml)},
        curve=curve,
    )
    found = relative([doses(draw, "GTV1") for draw in drawn(spread, anatomy, territories)])
    assert found == pytest.approx(0.211, rel=4 / math.sqrt(2 * DRAWS))


def _slope_b1(volume_ml, b1=1.5, b2=1.0, step=1e-6):
    """d R / d b1 by differences."""

    def recovery(b):
        return 1 - 1 / (1 + (volume_ml / b) ** b2)

    return abs(recovery(b1 + step) - recovery(b1 - step)) / (2 * step)


def test_draws_agree_with_a_twin_written_from_the_formulas():
    spread = PlanSpread(4.5, 10.0, 0.06, 0.3, 0.03, [{"GTV1": 0.02, NORMAL: 0.01}])
    anatomy, territories = patient()
    found = drawn(spread, anatomy, territories, count=2000)
    here = np.array([[doses(draw, name) for name in ("GTV1", "non-tumour liver", "lungs")] for draw in found])
    there = np.array([_twin(np.random.default_rng([7, n])) for n in range(20000)])
    for column, (ours, twin) in enumerate(zip(here.T, there.T, strict=True)):
        error = np.log(ours).std() * math.sqrt(1 / 2000 + 1 / 20000)
        assert np.log(ours).mean() == pytest.approx(np.log(twin).mean(), abs=4 * error), column
        assert np.log(ours).std() == pytest.approx(np.log(twin).std(), rel=4 * math.sqrt(0.5 / 2000)), column
    # Tumour and normal liver share activity, density and capsule.
    assert np.corrcoef(np.log(here.T))[0, 1] == pytest.approx(np.corrcoef(np.log(there.T))[0, 1], abs=0.05)


def _twin(rng):
    """Doses of tumour, normal liver and lungs [Gy/GBq] of one draw."""
    m_t, m_n, ratio, shunt, u_d, fwhm = 0.3, 1.2, 4.0, 0.06, 4.5, 10.0

    def diameter(kg):
        return (6 * kg / 1.05e-6 / math.pi) ** (1 / 3)

    def phi(d):
        r, s = d / 2, fwhm / (2 * math.sqrt(2 * math.log(2)))
        return math.erf(2 * r / (s * math.sqrt(2))) - 2 * s / (r * math.sqrt(2 * math.pi)) * (
            1 - math.exp(-2 * r * r / s**2)
        )

    z = rng.standard_normal(8)
    v_t = math.exp(3 * sigma(u_d / diameter(m_t)) * z[0])
    v_w = math.exp(3 * sigma(u_d / diameter(m_t + m_n)) * z[1])
    density = math.exp(sigma(0.03) * z[2])
    activity = math.exp(sigma(0.06) * z[3])
    odds = shunt / (1 - shunt) * math.exp(0.3 * z[4] / (1 - shunt))
    shunt = odds / (1 + odds)
    in_tumour = ratio * m_t * v_t ** ((1 + (ratio - 1) * phi(diameter(m_t)) / 2) / ratio)
    in_all = (ratio * m_t + m_n) * v_w ** (phi(diameter(m_t + m_n)) / 2)
    in_normal = (in_all - in_tumour) * math.exp(sigma(0.01) * z[6])
    in_tumour *= math.exp(sigma(0.02) * z[5])
    energy = K * activity * (1 - shunt)
    share = in_tumour / (in_tumour + in_normal)
    kg_t = m_t * v_t * density
    kg_n = ((m_t + m_n) * v_w - m_t * v_t) * density
    return energy * share / kg_t, energy * (1 - share) / kg_n, K * activity * shunt


@pytest.mark.parametrize("tumour_kg", [0.003, 0.3, 1.1])
def test_every_draw_keeps_the_energy(tumour_kg):
    anatomy, territories = patient(tumour_kg)
    spread = PlanSpread(
        4.5, 10.0, 0.06, 0.3, 0.03, [{"GTV1": 0.2, NORMAL: 0.1}], {"GTV1": 0.7}, RecoveryFit(3.0, 0.8, np.eye(2) * 0.04)
    )  # fmt: skip
    for draw in drawn(spread, anatomy, territories, count=300):
        masses = {"GTV1": draw.anatomy.tumour_masses_kg["GTV1"], "lungs": 1.0}
        masses["non-tumour liver"] = draw.anatomy.whole_normal_kg
        energy = sum(doses(draw, name) * kg for name, kg in masses.items())
        assert energy == pytest.approx(K * draw.activity, rel=1e-9)


def test_a_tumour_like_normal_liver_has_its_dose_wherever_its_boundary_is():
    anatomy, territories = patient(ratio=1.0)
    for draw in drawn(PlanSpread(4.5, 1e-3), anatomy, territories, count=50):
        # The tumour holds its concentration; the rest is diluted by what a capsule too far out counts in, and only by that.
        whole = draw.anatomy.tumour_masses_kg["GTV1"] + draw.anatomy.whole_normal_kg
        tumour, rest = doses(draw, "GTV1"), doses(draw, "non-tumour liver")
        assert (tumour > rest) == (whole > 1.5)


def test_no_shunt_stays_none_and_a_great_one_below_one():
    spread = PlanSpread(2.0, 10.0, lung_shunt=1.0)
    assert {d.territories[0].lung_shunt_fraction for d in drawn(spread, *patient(shunt=0.0), count=20)} == {
        0.0
    }
    great = [d.territories[0].lung_shunt_fraction for d in drawn(spread, *patient(shunt=0.9), count=200)]
    assert 0.0 < min(great) < 0.9 < max(great) < 1.0


@pytest.mark.parametrize(
    ("change", "word"),
    [({"diameter_mm": -1.0}, "diameter"), ({"activity": -0.1}, "activity"), ({"density": -0.1}, "density"),
     ({"lung_shunt": -0.1}, "lung_shunt")],
)  # fmt: skip
def test_negative_uncertainties_are_refused(change, word):
    with pytest.raises(InputError, match=word):
        PlanSpread(**({"diameter_mm": 2.0, "emission_fwhm_mm": 10.0} | change))


def test_a_map_scales_region_by_region_as_compartments_do():
    """Density alone: all doses of liver go with 1 / density, those of the lungs stay."""
    anatomy, territories = patient()
    rows = [("GTV1", Role.TUMOUR), ("Liver", Role.LIVER), ("left lobe", Role.PERFUSED), ("lungs", Role.LUNGS),
            ("unperfused liver", Role.UNPERFUSED_LIVER)]  # fmt: skip
    table = DoseTable(tuple(RegionDoses(name, role, (20.0,)) for name, role in rows))
    for draw in drawn(PlanSpread(0.0, 10.0, density=0.1), anatomy, territories, count=5):
        found = scaled_table(table, anatomy, territories, draw, K).doses((1.0,))
        assert found.pop("lungs") == pytest.approx(20.0)
        assert list(found.values()) == pytest.approx([20.0 / draw.density] * 4)
        assert abs(draw.density - 1.0) > 1e-4


@pytest.mark.parametrize(
    ("value", "whole", "found"), [(2.0, 1.0, 1.0), (0.5, 1.0, 0.5), (2.0, None, 2.0), (None, 1.0, None)]
)
def test_a_part_that_was_drawn_larger_than_its_whole_is_as_large(value, whole, found):
    assert _at_most(value, whole) == found


def test_without_the_mass_of_normal_liver_maps_scale_as_one_compartment():
    """What is missing for partition is no reason to stop; the lungs' 1 kg takes a tenth of 50 J."""
    territory = Territory("lobe", 0.1, (TumourUptake("GTV1", 0.3, 4.0),), None)
    found = _compartments(Anatomy({"GTV1": 0.3}, perfused_kg=1.5), (territory,), 50.0)
    assert found["lungs"] == pytest.approx((5.0,))
