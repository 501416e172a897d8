"""Which settings a job has no use for, one condition at a time."""

from dataclasses import replace

import pytest

from y90voxel.case import carried_settings as module
from y90voxel.case.carried_settings import Job, carried_notices, carried_settings
from y90voxel.case.settings import StudySettings, load_settings
from y90voxel.clinical.limits import Disease, LiverFunction, Scenario
from y90voxel.clinical.limits_table import TABLE

TIME, OTHER = "2026-03-02T10:30", "2026-03-02T08:00"
RELATIVE = {"administration": {"time": TIME, "activity": "2 GBq"}, "dose": {"calibration": "relative"}}


def carried(job, *tables):
    given = {}
    for table in tables:
        for name, values in table.items():
            given[name] = (
                [*given.get(name, []), *values] if isinstance(values, list) else given.get(name, {}) | values
            )
    return {name for name, _ in carried_settings(load_settings(None, given), job)}


@pytest.mark.parametrize("job", Job)
def test_nothing_is_carried_that_is_not_given(job):
    assert carried_settings(StudySettings(), job) == []
    assert carried_notices(StudySettings(), job) == []


@pytest.mark.parametrize(
    ("more", "used"),
    [
        ({}, False),
        ({"administration": {"activity_time": OTHER}}, True),
        ({"administration": {"residual_time": OTHER}}, True),
        ({"output": {"sr": True}}, True),
        ({"injection": [{"activity": "1 GBq"}]}, True),
        ({"dose": {"calibration": "absolute"}}, True),
        ({"dose": {"calibration": "factor"}}, True),
    ],
)
def test_a_dose_needs_the_time_of_administration_where_an_activity_is_dated(more, used):
    assert ("administration.time" not in carried(Job.DOSE, RELATIVE, more)) is used


ORDER = {"order": {"injection_time": TIME, "calibration_times": [OTHER]}}


@pytest.mark.parametrize("job", [Job.PLAN, Job.PLAN_FROM_MASSES])
@pytest.mark.parametrize(
    ("more", "used"),
    [
        ({}, False),
        ({"administration": {"activity_time": OTHER}}, True),
        ({"administration": {"residual_time": OTHER}}, True),
        ({"series": {"acquisition_time": OTHER}}, True),
        ({"plan": ORDER}, True),
        ({"plan": {"treatment": [{"time": TIME}]}}, True),
    ],
)
def test_a_plan_needs_the_time_of_administration_where_another_time_meets_it(job, more, used):
    assert ("administration.time" not in carried(job, RELATIVE, more)) is used


@pytest.mark.parametrize(
    ("draws", "seed", "used"), [(True, 5, True), (True, 6, False), (False, 5, False), (False, 6, False)]
)
def test_a_seed_of_a_plan_from_masses_is_that_of_its_draws(draws, seed, used):
    found = carried(
        Job.PLAN_FROM_MASSES,
        {"output": {"uncertainty": draws}, "uncertainty": {"seed": 5}, "monte_carlo": {"seed": seed}},
    )
    assert ("monte_carlo.seed" not in found) is used


@pytest.mark.parametrize("device", [None, "glass"])
def test_facts_of_limits_need_a_device(device):
    found = carried(Job.DOSE, {"plan": {"disease": "HCC"}, "administration": {"device": device}})
    assert ("plan.disease" in found) is (device is None)


ROW = replace(
    next(row for row in TABLE if row.device == "resin"),
    diseases=(Disease.HCC,), scenarios=(Scenario.BILOBAR,), function=LiverFunction.POOR, or_pretreated=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "stated", "used"),
    [
        (ROW, {"disease": "HCC", "scenario": "bilobar"}, True),
        (ROW, {"disease": "HCC"}, True),
        (ROW, {"scenario": "bilobar"}, True),
        (ROW, {}, True),
        (ROW, {"disease": "ICC", "scenario": "bilobar"}, False),
        (ROW, {"disease": "ICC"}, False),
        (ROW, {"disease": "HCC", "scenario": "lobectomy"}, False),
        (ROW, {"scenario": "lobectomy"}, False),
        (replace(ROW, diseases=()), {"disease": "ICC", "scenario": "bilobar"}, True),
        (replace(ROW, scenarios=()), {"disease": "HCC", "scenario": "lobectomy"}, True),
        (replace(ROW, device="glass"), {"disease": "HCC", "scenario": "bilobar"}, False),
        (replace(ROW, function=None, or_pretreated=False), {"disease": "HCC", "scenario": "bilobar"}, False),
    ],
)
def test_liver_function_and_earlier_treatments_need_a_limit_that_asks_for_them(
    row, stated, used, monkeypatch
):
    monkeypatch.setattr(module, "TABLE", (row,))
    plan = {"function": "poor", "pretreated": True, **stated}
    found = carried(Job.DOSE, {"plan": plan, "administration": {"device": "resin"}})
    assert {"plan.function" not in found, "plan.pretreated" not in found} == {used}


def test_settings_of_one_need_stand_together():
    given = {"plan": {"disease": "HCC", "scenario": "bilobar", "intent": "palliative"}}
    (notice,) = carried_notices(load_settings(None, given), Job.DOSE)
    assert (
        "plan.scenario, plan.disease (used only where administration.device is given); plan.intent"
        in notice.message
    )
