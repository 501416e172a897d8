"""Metrics of limits and goals on a histogram of two voxels, and units of the exploratory blocks, by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.immune.lymphocyte_forecast import LymphocyteForecast
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.planning.aims import parse_metric
from y90voxel.planning.plan_blood import PlanImmune
from y90voxel.planning.plan_measure import measure_metric
from y90voxel.planning.plan_spheres import PlanMicroscale, PlannedSpheres

HALF_LIFE_S = 64.0 * 3600.0
DOSES, VOLUMES = np.array([80.0, 20.0]), np.array([1.0, 3.0])


def histogram(masses=None):
    return DoseVolumeHistogram(DOSES, VOLUMES, masses, np.ones(2))


def test_a_mean_is_by_mass_where_masses_are_known():
    mean = parse_metric("mean")
    assert measure_metric(mean, histogram(), HALF_LIFE_S, None) == pytest.approx(35.0)
    assert measure_metric(mean, histogram(np.array([3.0, 3.0])), HALF_LIFE_S, None) == pytest.approx(50.0)


def bed(dose, alpha_beta, repair_h):
    """D (1 + G D / (α/β)) of a decaying source, G = T_rep / (T_rep + T_1/2)."""
    return dose * (1.0 + repair_h / (repair_h + 64.0) * dose / alpha_beta)


SURVIVAL = {"alpha_beta_gy": 10.0, "repair_half_time_h": 1.5}


@pytest.mark.parametrize(
    ("metric", "parameters", "value"),
    [
        ("D10", {}, 80.0),
        ("D90", {}, 20.0),
        ("V50", {}, 25.0),
        ("V0", {}, 100.0),
        ("max", {}, 80.0),
        ("gEUD", {"exponent": 2.0}, math.sqrt(0.25 * 6400.0 + 0.75 * 400.0)),
        ("BED", SURVIVAL, 0.25 * bed(80.0, 10.0, 1.5) + 0.75 * bed(20.0, 10.0, 1.5)),
        ("TCP", {"d50_gy": 35.0, "gamma50": 0.8}, 50.0),
        ("TCP", {"d50_gy": 70.0, "gamma50": 0.8}, 100.0 / (1.0 + 2.0**3.2)),
        ("NTCP", {"td50_gy": 35.0, "m": 0.28, "n": 1.0}, 50.0),
    ],
)
def test_a_metric_is_what_its_name_says_in_its_unit(metric, parameters, value):
    found = measure_metric(parse_metric(metric, parameters), histogram(), HALF_LIFE_S, "glass")
    assert found == pytest.approx(value, rel=1e-6)


def test_a_complication_probability_is_of_a_device():
    metric = parse_metric("NTCP", {"td50_gy": 35.0, "m": 0.28, "n": 1.0})
    with pytest.raises(InputError, match="NTCP needs the device that its parameters were fitted for"):
        measure_metric(metric, histogram(), HALF_LIFE_S, None)


def test_a_uniform_dose_is_its_own_equivalent():
    even = DoseVolumeHistogram(np.array([60.0, 60.0]), VOLUMES, None, np.ones(2))
    metric = parse_metric("EUD", SURVIVAL | {"alpha_per_gy": 0.01})
    assert measure_metric(metric, even, HALF_LIFE_S, None) == pytest.approx(60.0, rel=1e-6)
    uneven = measure_metric(metric, histogram(), HALF_LIFE_S, None)
    survival = sum(
        share * math.exp(-0.01 * bed(dose, 10.0, 1.5)) for share, dose in ((0.25, 80.0), (0.75, 20.0))
    )
    assert bed(uneven, 10.0, 1.5) == pytest.approx(-math.log(survival) / 0.01, rel=1e-6)


@pytest.mark.parametrize(
    ("places", "words"), [("volume", "anywhere in the tissue"), ("lattice", "on an even lattice of tracts")]
)
def test_spheres_of_a_plan_stand_in_percent_and_say_where_they_lie(places, words):
    row = PlannedSpheres("mird", "liver", 50.0, 9e3, 0.125, 0.3, {70: 40.0}, {0.05: 45.0})
    entry = row.as_dict()
    assert (entry["empty_lobules_percent"], entry["d70_gy"], entry["eud_gy"]) == (12.5, 40.0, {"0.05": 45.0})
    sphere = SimpleNamespace(activity_bq=1250.0, source="stated")
    block = PlanMicroscale(sphere, "singles", "single spheres", places, (row,))
    assert words in block.statement[0]
    assert block.as_dict()["regions"] == [entry]


def test_counts_of_blood_cells_are_those_of_the_thirtieth_day():
    blood = SimpleNamespace(mean_gy=0.5, as_dict=lambda: {"mean_gy": 0.5})
    (row,) = PlanImmune({"mird": blood}, half_life_s=HALF_LIFE_S).rows()
    low, high = LymphocyteForecast(0.5, HALF_LIFE_S).band([30.0])
    assert row["count_day"] == 30.0
    assert (row["count_low"], row["count_high"]) == (low[0], high[0])
    assert 0.0 < row["count_low"] < row["count_high"] <= 1.0
