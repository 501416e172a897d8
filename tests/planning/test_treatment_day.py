"""What was assayed, left behind and given on the day, with decay to the injection."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from y90voxel.errors import InputError
from y90voxel.planning.dose_table import DoseTable, RegionDoses
from y90voxel.planning.treatment_day import (
    Delivery,
    SurveyReadings,
    TreatmentDay,
    deliver,
    doses_delivered,
)
from y90voxel.regions.roles import Role

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TIMES = {"assay_time": NOON - DAY, "injection_time": NOON}
HALF_LIFE_S = DAY.total_seconds()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"assay_gbq": 0.0, **TIMES}, "the assayed activity must be positive"),
        ({"assay_gbq": 4.0, "assay_time": NOON}, "needs its time and that of the injection"),
        ({"assay_gbq": 4.0, "injection_time": NOON}, "needs its time and that of the injection"),
        ({"residual_gbq": -0.1}, "the residual must not be negative"),
        ({"residual_gbq": 0.1, "readings": SurveyReadings(9.0, 1.0)}, "the residual is given twice: 0.1 GBq"),
    ],
)
def test_what_cannot_have_been_measured_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        TreatmentDay(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"assay_time": NOON},
        {"injection_time": NOON},
        TIMES,
        {"residual_gbq": 0.0},
        {"readings": SurveyReadings(9, 1)},
    ],
)
def test_nothing_was_given_before_the_vial_is_assayed(given):
    assert deliver(TreatmentDay(**given), 1.5, HALF_LIFE_S) is None


@pytest.mark.parametrize(
    ("given", "residual_gbq"),
    [
        ({}, None),
        ({"residual_gbq": 0.0}, 0.0),
        ({"residual_gbq": 0.25}, 0.25),  # at the injection
        ({"residual_gbq": 0.25, "residual_time": NOON + DAY}, 0.5),
        ({"readings": SurveyReadings(11.0, 2.0, 1.0)}, 0.2),
        ({"readings": SurveyReadings(11.0, 2.0, 1.0, hours_apart=24.0)}, 0.4),
        ({"residual_gbq": 2.0}, 2.0),  # all of it
    ],
)
def test_what_was_given_is_the_vial_less_its_residual_both_at_the_injection(given, residual_gbq):
    """4 GBq the day before are 2 GBq."""
    found = deliver(TreatmentDay(assay_gbq=4.0, **TIMES, **given), 1.5, HALF_LIFE_S)
    assert found.vial_gbq == pytest.approx(2.0)
    content = found.as_dict()
    assert content["vial_activity_at_injection_bq"] == pytest.approx(2e9)
    assert content["intended_activity_bq"] == pytest.approx(1.5e9)
    if residual_gbq is None:
        assert (found.residual_gbq, found.net_gbq, found.deviation, found.within_tolerance) == (None,) * 4
        assert content["residual_at_injection_bq"] is content["net_activity_bq"] is None
        assert content["deviation_percent"] is content["within_delivery_tolerance"] is None
        return
    net = 2.0 - residual_gbq
    assert (found.residual_gbq, found.net_gbq) == pytest.approx((residual_gbq, net))
    assert found.deviation == pytest.approx(net / 1.5 - 1.0)
    assert found.within_tolerance is (residual_gbq in (0.4, 0.5))
    assert content["net_activity_bq"] == pytest.approx(net * 1e9)
    assert content["residual_at_injection_bq"] == pytest.approx(residual_gbq * 1e9)
    assert content["deviation_percent"] == pytest.approx(100.0 * (net / 1.5 - 1.0))


def test_more_than_the_vial_held_does_not_stay_behind():
    with pytest.raises(InputError, match=r"the residual of 2\.02 GBq exceeds the vial of 2 GBq"):
        deliver(TreatmentDay(assay_gbq=4.0, residual_gbq=2.02, **TIMES), 1.5, HALF_LIFE_S)


@pytest.mark.parametrize(
    ("nets", "available", "dose_gy"),
    [
        ((1.0, 2.0), True, 50.0),
        ((1.0, 2.0), False, None),
        ((1.0, None), True, None),
        ((None, None), True, None),
        ((), True, None),
    ],
)
def test_doses_follow_when_all_that_was_given_is_known(nets, available, dose_gy):
    table = DoseTable((RegionDoses("liver", Role.NON_TUMOUR_LIVER, (10.0, 20.0)),))
    deliveries = [None if net is None else Delivery(1.0, 3.0, 3.0 - net, net) for net in nets]
    found = doses_delivered(SimpleNamespace(available=available, table=table), deliveries)
    assert list(found.values()) == ([] if dose_gy is None else pytest.approx([dose_gy]))
