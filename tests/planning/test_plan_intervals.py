"""The uncertainty of a plan by the functions that make it: drawn activities one by one, scaled maps, and what is said."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError
from y90voxel.planning.aims import DoseAim, parse_metric
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.plan import plan_from_masses
from y90voxel.planning.plan_draws import PlanDraw
from y90voxel.planning.plan_request import PlanRequest
from y90voxel.planning.plan_result import PlanFacts
from y90voxel.planning.plan_uncertainty import _inputs, _spread, _statement, _voxel, with_plan_uncertainty
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid

K = 49.77
STATED = {"fwhm_mm": 10.0, "contour_voxel_mm": 1e-6, "contour_fwhm_mm": 0.0}
CERTAIN = {"lung_shunt": 0.0, "density": 0.0, "residual": 0.0}
REACHED = (Territory("artery", 0.1, (TumourUptake("GTV1", 0.3, 4.0),), 1.2),)
ANATOMY = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.2)
LIMIT = DoseAim("liver", "non-tumour liver", Sense.BELOW, 50.0)
GRID = Grid.from_spacing((14, 12, 14), (12.0, 12.0, 12.0), (-78.0, -70.0, -78.0))


def test_a_plan_of_every_draw_has_its_own_activity():
    """Only the activity is uncertain: the first number of each draw, and the dose constant goes with it."""
    request = PlanRequest(aims=(LIMIT,), table_limits=False)
    planned = plan_from_masses(PlanFacts("p", "Y-90", None, K), ANATOMY, REACHED, request)
    seen = []
    given = STATED | CERTAIN | {"activity": 0.2, "samples": 40, "seed": 3}
    found = with_plan_uncertainty(planned, given, lambda what, done: seen.append(done))
    z = np.array([np.random.default_rng([3, number]).standard_normal() for number in range(40)])
    drawn = planned.model("partition").activity_gbq / np.exp(math.sqrt(math.log1p(0.2**2)) * z)
    interval = found.uncertainty.models["partition"].activity_gbq
    assert interval == pytest.approx(np.percentile(drawn, [2.5, 97.5]), rel=1e-4)
    assert seen == pytest.approx([number / 40 for number in range(40)])
    assert set(found.uncertainty.models) == {"partition"}
    assert not {"registration_mm", "calibration", "decay"} & set(found.uncertainty.inputs)


@pytest.mark.parametrize("missing", [(), ("fwhm_mm",), ("contour_fwhm_mm", "contour_voxel_mm")])
def test_without_images_what_masses_were_drawn_with_is_stated(missing):
    plan = SimpleNamespace(maps=None, request=PlanRequest())
    stated = {name: value for name, value in STATED.items() if name not in missing}
    if missing:
        with pytest.raises(InputError, match=f"give {', '.join(sorted(missing, reverse=True))} in"):
            _inputs(plan, stated)
        return
    inputs, notices = _inputs(plan, stated)
    assert (inputs.samples, inputs.density) == (1000, 0.03)
    assert [notice.code for notice in notices] == ["plan-uncertainty-assumed"]
    assert _inputs(plan, stated | {"density": 0.05})[1] == []
    assert _inputs(plan, stated | {"density": 0.0, "seed": None})[0].density == 0.0


@pytest.mark.parametrize("recovery", [{}, {"GTV1": 0.8}])
def test_with_images_what_is_not_stated_is_assumed_and_said(recovery):
    plan = SimpleNamespace(
        maps=SimpleNamespace(case=liver_case(GRID)), request=PlanRequest(recovery=recovery)
    )
    inputs, notices = _inputs(plan, {"fwhm_mm": 12.0})
    codes = [notice.code for notice in notices]
    assert {"uncertainty-assumed", "plan-uncertainty-assumed"} <= set(codes)
    assert ("uncertainty-no-recovery" in codes) is not recovery
    assert (inputs.fwhm_mm, inputs.registration_mm, inputs.calibration) == (12.0, 0.0, 0.0)


def inputs_of(**given):
    return _inputs(SimpleNamespace(maps=None, request=PlanRequest()), STATED | given)[0]


def test_assay_and_residual_add_in_squares():
    plan = SimpleNamespace(maps=None, request=PlanRequest(recovery={"GTV1": 0.8}))
    found = _spread(plan, inputs_of(activity=0.03, residual=0.04, lung_shunt=0.2, density=0.01))
    assert (found.activity, found.lung_shunt, found.density) == pytest.approx((0.05, 0.2, 0.01))
    assert (found.statistics, found.recovery, found.curve) == ([], {"GTV1": 0.8}, None)


COUNTS, RECOVERY = "counts of tumours and normal liver", "recovery of tumours"


@pytest.mark.parametrize(
    ("statistics", "recovery", "curve", "inside", "outside"),
    [
        ([], {}, None, (), ()),
        ([{"GTV1": 0.0}], {}, None, (), ()),
        ([{"GTV1": 0.0}, {"GTV1": 0.02}], {}, None, (COUNTS,), ()),
        ([], {"GTV1": 0.8}, None, (), ("the recovery coefficients as given",)),
        ([], {"GTV1": 0.8}, "curve", (RECOVERY,), ()),
        ([], {}, "curve", (), ()),
    ],
)
@pytest.mark.parametrize("maps", [None, "maps"])
def test_what_is_in_the_intervals_and_what_is_not_is_said(statistics, recovery, curve, inside, outside, maps):
    spread = SimpleNamespace(
        activity=0.058, diameter_mm=2.34, statistics=statistics, recovery=recovery, curve=curve
    )
    held, included, left_out = _statement(
        SimpleNamespace(maps=maps), inputs_of(lung_shunt=0.3, seed=7), spread
    )
    assert held == "Intervals hold 95 % of 1000 draws (seed 7), each planned anew."
    for text in ("activity 5.8 %", "lung shunt 30 % of it", "2.3 mm of diameter", "density 3 %", *inside):
        assert text in included
    for text in {COUNTS, RECOVERY} - set(inside):
        assert text not in included
    assert ("the recovery coefficients as given" in left_out) is bool(outside)
    assert ("the ratios themselves" in left_out) is (maps is None)


def test_metrics_of_a_draw_are_those_of_the_map_at_scaled_activities():
    """Twice the activity in truth: every region gets twice its dose, and what an artery does not reach stays so."""
    table = DoseTable(
        (RegionDoses("GTV1", Role.TUMOUR, (0.5, 80.0)), RegionDoses("gut", Role.OTHER, (0.25, 0.0)))
    )
    asked = []

    def measure(aim, activities):
        asked.append((aim.region, list(activities)))
        return 12.0

    maps = SimpleNamespace(table=table, measure=measure)
    plan = SimpleNamespace(
        basis=SimpleNamespace(dose_constant_gy_kg_per_gbq=K), anatomy=ANATOMY, uncorrected=REACHED * 2
    )
    drawn = PlanDraw(ANATOMY, REACHED * 2, REACHED * 2, 2.0, 1.0, 1.0)
    scaled, metric = _voxel(plan, maps, drawn)
    assert scaled.per_gbq["GTV1"] == pytest.approx((1.0, 160.0))
    for region, activities in (("GTV1", [6.0, 2.0]), ("gut", [6.0, 1.0])):
        aim = DoseAim("limit", region, Sense.BELOW, 50.0, parse_metric("max"))
        assert metric(aim, (3.0, 1.0)) == 12.0
        assert asked[-1] == (region, pytest.approx(activities))
