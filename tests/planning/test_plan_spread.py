"""What a handful of draws leave of a plan, counted by hand."""

import math

import numpy as np
import pytest

from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan_model import PlanModel
from y90voxel.planning.plan_spread import ModelSpread, PlanUncertainty, _dose_spread, spread_of
from y90voxel.regions.roles import Role


def drawn(activity=1.0, dose=10.0, *, binding=(), available=True):
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (dose,)),))
    if not available:
        return PlanModel("m", "", (), table, reason="refused")
    return PlanModel("m", "", (activity,), table, binding=binding)


def test_a_draw_that_refuses_counts_as_no_activity_and_gives_no_dose():
    draws = [drawn(2.0), drawn(2.0), drawn(2.0), drawn(available=False)]
    found = spread_of(drawn(2.0), draws)
    assert found.refused == 0.25
    assert found.activity_gbq == pytest.approx(tuple(np.percentile([2.0, 2.0, 2.0, 0.0], (2.5, 97.5))))
    assert found.doses["liver"].interval_gy == (20.0, 20.0)
    one = spread_of(drawn(2.0), [drawn(2.0), drawn(available=False)])
    assert (one.refused, one.doses) == (0.5, {})  # a single dose has no spread
    none = spread_of(drawn(2.0), [drawn(available=False)])
    assert (none.refused, none.doses, none.binding, none.activity_gbq) == (1.0, {}, {}, (0.0, 0.0))


def test_the_first_limit_of_a_draw_counts_among_all_draws():
    draws = [
        drawn(binding=("a", "b")),
        drawn(binding=("a",)),
        drawn(binding=("b", "a")),
        drawn(available=False),
    ]
    assert spread_of(drawn(), draws).binding == {"a": 0.5, "b": 0.25}


def test_the_spread_of_a_dose_is_that_of_its_logarithm():
    found = spread_of(drawn(3.0), [drawn(dose=8.0), drawn(dose=12.5)]).doses["liver"]
    variance = 2.0 * (math.log(12.5 / 8.0) / 2.0) ** 2
    assert found.relative == pytest.approx(math.sqrt(math.exp(variance) - 1.0), rel=1e-12)
    assert found.interval_gy == pytest.approx(tuple(np.percentile([24.0, 37.5], (2.5, 97.5))))
    unreached = spread_of(drawn(3.0), [drawn(dose=0.0), drawn(dose=0.0)]).doses["liver"]
    assert (unreached.relative, unreached.interval_gy) == (0.0, (0.0, 0.0))


def test_a_dose_of_nothing_in_some_draws_is_no_certain_dose():
    """Its logarithm has no spread; it was said to be known exactly. Draws of 0 and 30 Gy: 21.2 Gy over 15."""
    found = spread_of(drawn(3.0), [drawn(dose=0.0), drawn(dose=10.0)]).doses["liver"]
    assert found.relative == pytest.approx(math.sqrt(2.0), rel=1e-12)


@pytest.mark.parametrize(("greatest", "in_bq"), [(None, None), ((2.0, 3.0), [2e9, 3e9])])
def test_the_entries_are_in_becquerel_and_per_cent(greatest, in_bq):
    entry = ModelSpread((1.0, 2.0), greatest, {}, {"a": 0.5}, 0.25).as_dict()
    assert entry["activity_interval_bq"] == [1e9, 2e9]
    assert entry["greatest_activity_interval_bq"] == in_bq
    assert PlanUncertainty({}, {}, ()).as_dict()["interval_percent"] == 95.0


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_spread_is_that_of_logarithms_unless_a_draw_has_no_dose(scale):
    """Doses of e⁻¹, 1 and e have a variance of logarithms of 1; with one of none, it is deviation over mean."""
    spread = _dose_spread([scale * math.exp(z) for z in (-1.0, 0.0, 1.0)])
    assert spread.relative == pytest.approx(math.sqrt(math.e - 1.0))
    assert _dose_spread([0.0, scale, 2.0 * scale]).relative == pytest.approx(1.0)
    assert _dose_spread([0.0, 0.0]).relative == 0.0
