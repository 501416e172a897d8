"""Named numbers of planning, one case just inside and one just outside of each (docs/mutants.md)."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.clinical.limits import ClinicalContext, Scenario, Sense
from y90voxel.errors import InputError
from y90voxel.immune.lymphocyte_forecast import LymphocyteForecast
from y90voxel.planning.aims import AimResult, DoseAim
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.liver_limits import has_liver_limit
from y90voxel.planning.plan import _shunt_notices
from y90voxel.planning.plan_alarms import _doses, _ratios, _reserve, _share
from y90voxel.planning.plan_blood import PlanImmune
from y90voxel.planning.plan_draws import PlanSpread, _ShiftedBoundaries
from y90voxel.planning.plan_request import check_given
from y90voxel.planning.plan_shunt import ShuntMethod
from y90voxel.planning.plan_uncertainty import _inputs
from y90voxel.planning.solved_model import _at_its_value, _Problem, solved_model
from y90voxel.planning.split_problem import DoseConstraint, SplitProblem
from y90voxel.regions.roles import Role


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize(("limit_gy", "bounds"), [(9.5, True), (10.5, False)])
def test_a_limit_that_10000_gbq_do_not_reach_bounds_nothing(limit_gy, bounds):
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (1e-3,)),))
    limit = DoseAim("limit", "liver", Sense.BELOW, limit_gy)
    assert has_liver_limit((limit,), table, measurable=False) is bounds


@pytest.mark.parametrize(
    ("measured", "said"), [(0.148, False), (0.152, True), (0.052, False), (0.048, True), (None, False)]
)
def test_shunts_are_told_to_differ_from_half_of_the_one_in_use(measured, said):
    used = ShuntMethod("a", "planar", 0.10, None, "as given", used=True)
    other = ShuntMethod("a", "spect", measured, 10.0, "scatter")
    assert codes(_shunt_notices((used, other))) == ["lung-shunts-differ"] * said


@pytest.mark.parametrize(("gy", "said"), [(990.0, False), (1010.0, True)])
@pytest.mark.parametrize("role", [Role.PERFUSED, Role.PERFUSED_NON_TUMOUR_LIVER])
def test_a_perfused_dose_above_1000_gy_is_an_alarm(role, gy, said):
    first = SimpleNamespace(table=DoseTable((RegionDoses("part", role, (gy / 2.0,)),)), activities_gbq=(2.0,))
    assert codes(_doses(None, first)) == ["perfused-dose-extreme"] * said


@pytest.mark.parametrize(("ratio", "said"), [(29.5, False), (30.5, True), (None, False)])
def test_a_tumour_that_takes_up_30_times_what_liver_does_is_an_alarm(ratio, said):
    territory = Territory("a", 0.05, (TumourUptake("GTV1", 0.1, ratio),), 1.0)
    assert codes(_ratios(SimpleNamespace(territories=(territory,)))) == ["ratio-extreme"] * said


@pytest.mark.parametrize(("share", "said"), [(0.295, False), (0.305, True)])
@pytest.mark.parametrize("by_reserve", [True, False])
def test_a_segmentectomy_of_more_than_30_percent_of_the_liver_is_an_alarm(by_reserve, share, said):
    """Of 2 kg with a tumour of 0.1 kg, or by the reserve that is stated."""
    anatomy = Anatomy({"GTV1": 0.1}, perfused_normal_kg=2.0 * share - 0.1, whole_normal_kg=1.9)
    for scenario in (Scenario.SEGMENTECTOMY, Scenario.UNILOBAR, None):
        context = ClinicalContext(scenario, hepatic_reserve=1.0 - share if by_reserve else None)
        found = _share(SimpleNamespace(anatomy=anatomy, context=context))
        assert codes(found) == ["perfused-share-large"] * (said and scenario is Scenario.SEGMENTECTOMY)


@pytest.mark.parametrize(
    ("share", "said"), [(0.30, False), (0.30 * (1.0 + 0.95e-9), False), (0.30 * (1.0 + 1.05e-9), True)]
)
def test_a_reserve_of_70_percent_leaves_30_percent_and_no_more(share, said):
    context = ClinicalContext(Scenario.SEGMENTECTOMY, hepatic_reserve=1.0 - share)
    assert codes(_share(SimpleNamespace(anatomy=Anatomy(), context=context))) == (
        ["perfused-share-large"] * said
    )


@pytest.mark.parametrize(("reserve", "said"), [(0.295, True), (0.305, False), (0.30, False), (None, False)])
def test_a_reserve_below_30_percent_is_an_alarm(reserve, said):
    plan = SimpleNamespace(context=ClinicalContext(hepatic_reserve=reserve))
    assert codes(_reserve(plan)) == ["hepatic-reserve-low"] * said


def test_counts_of_a_plan_are_those_of_day_30():
    blood = SimpleNamespace(mean_gy=0.4, as_dict=dict)
    (row,) = PlanImmune({"mird": blood}, half_life_s=230_000.0).rows()
    low, high = LymphocyteForecast(0.4, 230_000.0).band([30.0])
    assert (row["count_day"], row["count_low"], row["count_high"]) == (30.0, low[0], high[0])
    assert [low[0], high[0]] != pytest.approx(
        [float(end[0]) for end in LymphocyteForecast(0.4, 230_000.0).band([27.0])], rel=1e-4
    )


@pytest.mark.parametrize("ratio", [0.2, 0.6])
def test_a_draw_keeps_a_twentieth_of_a_tumour_whose_ratio_nothing_is_left_of(ratio):
    """A corrected ratio is [r − (1 − R)] / R: at least 0.05, however far below the background it lies."""
    drawn = _ShiftedBoundaries(
        PlanSpread(1.0, 8.0, recovery={"GTV1": 0.5}), {"GTV1": 1.0}, 1.0, 1.0, 0.0, 0.0, 0.0
    )
    found = drawn._ratio(TumourUptake("GTV1", 0.1, ratio), 0.1)
    assert found == pytest.approx(max((ratio - 0.5) / 0.5, 0.05))


@pytest.mark.parametrize(("over", "refused"), [(1.095, False), (1.105, True)])
def test_an_activity_may_exceed_the_nominal_one_of_a_vial_by_10_percent(over, refused):
    if refused:
        with pytest.raises(InputError, match="beyond any resin vial on offer"):
            check_given((1.0, 3.0 * over), (3.0, 3.0), "resin")
    else:
        check_given((1.0, 3.0 * over), (3.0, 3.0), "resin")


def test_a_plan_is_drawn_1000_times_with_densities_known_to_3_percent_unless_stated():
    plan = SimpleNamespace(maps=None, request=SimpleNamespace(recovery_curve=None))
    given = {"fwhm_mm": 12.0, "contour_voxel_mm": 2.0, "contour_fwhm_mm": 4.0}
    found, notices = _inputs(plan, given)
    assert (found.samples, found.density) == (1000, 0.03)
    assert codes(notices) == ["plan-uncertainty-assumed"]
    stated, notices = _inputs(plan, {**given, "samples": 40, "density": 0.01})
    assert (stated.samples, stated.density, notices) == (40, 0.01, [])


def test_activities_are_rounded_down_by_a_ten_millionth():
    """So that dose maps in single precision keep the limit that they were solved for."""
    table = DoseTable(
        (RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0,)), RegionDoses("T", Role.TUMOUR, (30.0,)))
    )
    limit = DoseAim("limit", "liver", Sense.BELOW, 50.0)
    model = solved_model("a", "a", table, (limit,), (100.0,), objective={"T": 1.0})
    assert 1.0 - model.activities_gbq[0] / 5.0 == pytest.approx(1e-7, rel=0.05)


@pytest.mark.parametrize(
    ("off", "reached"), [(0.95e-6, True), (1.05e-6, False), (-0.95e-6, True), (-1.05e-6, False)]
)
def test_a_value_is_reached_within_a_millionth(off, reached):
    aim = DoseAim("goal", "T", Sense.AT_LEAST, 200.0)
    assert _at_its_value(AimResult(aim, 200.0 * (1.0 + off), "met")) is reached
    assert _at_its_value(AimResult(aim, None, "not applicable")) is False


@pytest.mark.parametrize(("below", "full"), [(0.95e-6, True), (1.05e-6, False)])
def test_a_vial_is_full_within_a_millionth(below, full):
    problem = _Problem(DoseTable(()), (), (4.0, 3.0), None, None)
    assert problem.full((4.0 * (1.0 - below), 1.0)) == (("injection 1",) if full else ())


LIMIT = DoseConstraint("limit", "liver", Sense.BELOW, 50.0, previous_gy=10.0)


@pytest.mark.parametrize(("off", "binds"), [(0.95e-6, True), (1.05e-6, False)])
def test_limits_and_vials_bind_within_a_millionth_of_their_value(off, binds):
    problem = SplitProblem((LIMIT,), np.array([[10.0]]), np.array([6.0]))
    for side in (1.0, -1.0):  # 40 Gy of 50 are left
        assert problem.binding(np.array([4.0 + side * off * 5.0])) == (("limit",) if binds else ())
    assert problem.binding(np.array([6.0 * (1.0 - off)])) == (
        ("greatest activity of injection 1",) if binds else ()
    )


@pytest.mark.parametrize(("above", "missed"), [(0.95e-6, False), (1.05e-6, True)])
def test_a_goal_is_missed_by_more_than_a_millionth(above, missed):
    """2 Gy/GBq and a vial of 5 GBq reach 10 Gy."""
    goal = DoseConstraint("goal", "T", Sense.AT_LEAST, 10.0 / (1.0 - above))
    found = SplitProblem((goal,), np.array([[2.0]]), np.array([5.0])).explain()
    assert list(found.shortfalls_gy) == ["goal"] * missed
