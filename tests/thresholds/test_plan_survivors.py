"""Faults in plans and dose files that a sample of mutants went through (docs/mutants.md), each held by a test."""

from datetime import UTC, datetime

import numpy as np
import pydicom
import pytest

from y90voxel.clinical.limits import Sense
from y90voxel.errors import GeometryError
from y90voxel.io.dicom.network import _run_c_store
from y90voxel.io.dicom.rtdose import read_rtdose, write_rtdose
from y90voxel.planning.aims import DoseAim, judge
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.liver_limits import has_liver_limit
from y90voxel.planning.plan import _bounds
from y90voxel.planning.plan_draws import PlanSpread
from y90voxel.planning.plan_model import PlanModel, rule_model
from y90voxel.planning.plan_models import combined_shunt, first_model_of
from y90voxel.planning.plan_orders import _ordered
from y90voxel.planning.plan_request import OrderRequest
from y90voxel.planning.plan_spread import spread_of
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

TABLE = DoseTable(
    (RegionDoses("liver", Role.NON_TUMOUR_LIVER, (20.0,)), RegionDoses("cold", Role.TUMOUR, (0.0,)))
)


def test_a_table_without_rows_has_no_liver_limit():
    assert has_liver_limit((), DoseTable(()), measurable=False) is False


@pytest.mark.parametrize(("activities", "shunt"), [((0.0, 0.0), 0.2), ((1.0, 3.0), 0.25), ((), 0.2)])
def test_the_shunt_of_injections_without_activity_is_their_mean(activities, shunt):
    territories = (Territory("a", 0.10), Territory("b", 0.30))
    assert combined_shunt(activities, territories) == pytest.approx(shunt)


def test_a_limit_on_a_region_without_dose_bounds_no_rule():
    limit = DoseAim("cold", "cold", Sense.BELOW, 10.0)
    found = rule_model("given", "", (1.0,), TABLE, (limit,), basis="as given")
    assert (found.greatest_gbq, found.binding) == (None, ())


def test_the_interval_of_the_greatest_activity_is_that_of_the_draws_that_have_one():
    draws = [
        PlanModel("m", "", (a,), TABLE, greatest_gbq=g) for a, g in ((1.0, 2.0), (1.0, 4.0), (1.0, None))
    ]
    found = spread_of(draws[0], draws)
    assert found.greatest_gbq == pytest.approx(tuple(np.percentile([2.0, 4.0], (2.5, 97.5))))
    assert spread_of(draws[2], draws[2:] * 2).greatest_gbq is None


@pytest.mark.parametrize("stated_kg", [None, 1.5])
def test_the_perfused_mass_of_a_draw_has_the_spread_of_its_own_size(stated_kg):
    """A stated mass decides; without one the sum of its parts does: both give the same draw where they are equal."""
    reached = (Territory("injection", 0.06, (TumourUptake("GTV1", 0.3, 4.0),), 1.2),)
    anatomy = Anatomy(
        {"GTV1": 0.3},
        perfused_normal_kg=1.2,
        whole_normal_kg=1.2,
        perfused_kg=stated_kg,
        perfused_volume_ml=1000.0,
    )
    by_parts = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.2, perfused_volume_ml=1000.0)

    def volume(known):
        draw = PlanSpread(2.0, 10.0).draw(known, reached, np.random.default_rng(1))
        return draw.anatomy.perfused_volume_ml

    assert volume(anatomy) == pytest.approx(volume(by_parts), rel=1e-12)
    assert volume(anatomy) != 1000.0


def test_a_perfused_mass_has_the_density_of_its_draw_as_tumours_have():
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.2, perfused_kg=1.5)
    reached = (Territory("injection", 0.06, (TumourUptake("GTV1", 0.3, 4.0),), 1.2),)
    found = PlanSpread(1e-9, 10.0, density=0.2).draw(anatomy, reached, np.random.default_rng(1)).anatomy
    density = found.tumour_masses_kg["GTV1"] / 0.3
    assert abs(density - 1.0) > 0.01
    assert found.perfused_kg / 1.5 == pytest.approx(density, rel=1e-6)
    assert found.whole_normal_kg / 1.2 == pytest.approx(density, rel=1e-6)


@pytest.mark.parametrize(
    ("sense", "found", "missed"),
    [
        (Sense.BELOW, 12.0, 2.0),
        (Sense.BELOW, 10.0, 0.0),
        (Sense.AT_LEAST, 7.0, 3.0),
        (Sense.AT_LEAST, 10.0, 0.0),
    ],
)
def test_an_aim_is_missed_by_what_lies_between_dose_and_value(sense, found, missed):
    assert judge(DoseAim("aim", "liver", sense, 10.0), found).missed_by == pytest.approx(missed)
    assert judge(DoseAim("aim", "liver", sense, 10.0), None).missed_by == 0.0


def test_a_draw_leaves_normal_liver_a_twentieth_of_itself():
    """Tumours that grow beyond what holds them do not use up the liver."""
    anatomy = Anatomy({"GTV1": 1.0}, perfused_normal_kg=0.1, whole_normal_kg=0.1)
    reached = (Territory("injection", 0.06, (TumourUptake("GTV1", 1.0, 4.0),), 0.1),)
    spread = PlanSpread(20.0, 10.0)
    masses = [
        spread.draw(anatomy, reached, np.random.default_rng(seed)).anatomy.whole_normal_kg
        for seed in range(60)
    ]
    assert min(masses) == pytest.approx(0.05 * 0.1, rel=1e-12)


def test_a_tumour_without_a_ratio_keeps_none_in_a_draw():
    """What partition lacks before a draw it lacks after."""
    anatomy = Anatomy({"GTV1": 0.3, "GTV2": 0.1}, perfused_normal_kg=1.2, whole_normal_kg=1.2)
    uptakes = (TumourUptake("GTV1", 0.3, None), TumourUptake("GTV2", 0.1, 4.0))
    reached = (Territory("injection", 0.06, uptakes, 1.2),)
    (found,) = PlanSpread(4.0, 10.0).draw(anatomy, reached, np.random.default_rng(1)).territories
    assert [uptake.ratio for uptake in found.tumours] == [None, 4.0]


@pytest.mark.parametrize(("by_model", "expected"), [((1.0, 3.0), (2.0, 6.0)), ((0.0, 0.0), (4.0, 4.0))])
def test_a_stated_activity_is_divided_as_the_model_divides_its_own(by_model, expected):
    noon = datetime(2024, 3, 12, 12, tzinfo=UTC)
    order = OrderRequest(noon, (noon,), activity_gbq=8.0)
    assert _ordered(order, PlanModel("m", "", by_model, TABLE), 2) == pytest.approx(expected)
    unstated = OrderRequest(noon, (noon,))
    assert _ordered(unstated, PlanModel("m", "", by_model, TABLE), 2) == by_model


@pytest.mark.parametrize("available", [True, False])
@pytest.mark.parametrize("goal_only", [True, False])
def test_that_no_liver_limit_binds_is_said_of_an_activity_without_one_alone(available, goal_only):
    activities = (1.0,) if available else ()
    model = PlanModel("m", "", activities, TABLE, reason="" if available else "none", goal_only=goal_only)
    assert model.available is available
    assert [notice.code for notice in _bounds(model)] == ["no-liver-limit"] * (available and goal_only)


def _models(*available):
    names = ("mird", "partition", "voxel")
    return [
        PlanModel(name, "", (1.0,) if name in available else (), reason="" if name in available else "none")
        for name in names
    ]


@pytest.mark.parametrize(
    ("available", "asked", "first"),
    [
        (("mird", "partition", "voxel"), None, "voxel"), (("mird", "partition"), None, "partition"),
        (("mird",), None, "mird"), ((), None, "mird"), (("mird", "voxel"), "partition", "partition"),
        (("mird", "voxel"), "mird", "mird"),
    ],
)  # fmt: skip
def test_the_most_detailed_model_comes_first_and_one_that_is_asked_for_before_all(available, asked, first):
    assert first_model_of(_models(*available), asked).name == first


class _Lost:
    is_established = False


def test_a_file_is_not_sent_over_a_connection_that_was_lost(tmp_path):
    """An archive may hang up between two files."""
    assert _run_c_store(_Lost(), tmp_path / "x.dcm") == "the connection was lost before"


class _Peer:
    is_established = True

    def __init__(self, code):
        self.code = code

    def send_c_store(self, _file):
        status = pydicom.Dataset()
        if self.code is not None:
            status.Status = self.code
        return status


@pytest.mark.parametrize(("code", "said"), [(0, ""), (None, "no answer"), (0xA700, "status 0xA700")])
def test_an_answer_to_a_stored_file_is_told(tmp_path, code, said):
    assert _run_c_store(_Peer(code), tmp_path / "x.dcm") == said


@pytest.mark.parametrize(("off", "accepted"), [(0.009, True), (0.011, False)])
def test_frames_of_a_dose_may_lie_one_percent_of_a_step_off_their_line(tmp_path, off, accepted):
    grid = Grid.from_spacing((5, 4, 4), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
    grid = Grid(grid.shape, grid.affine, "1.2.3.4.99")
    dose = DoseMap(np.ones(grid.shape, np.float32), grid)
    path = tmp_path / "dose.dcm"
    write_rtdose(dose, path)
    file = pydicom.dcmread(path)
    offsets = [float(v) for v in file.GridFrameOffsetVector]
    offsets[2] += off * 4.0
    file.GridFrameOffsetVector = offsets
    file.save_as(path)
    if accepted:
        assert read_rtdose(path).grid.spacing_mm[0] == pytest.approx(4.0)
    else:
        with pytest.raises(GeometryError, match="unevenly spaced"):
            read_rtdose(path)
