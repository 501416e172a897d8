"""Which studies of a cohort stand out, and which outcomes a manifest holds."""

from datetime import UTC, datetime

import numpy as np
import pytest

from y90voxel.cohort.cohort import StudySummary, alike, outliers
from y90voxel.cohort.cohort_outcomes import outcomes, unread_columns
from y90voxel.report.cohort_report import render_cohort_page


def cohort(key, values):
    return [StudySummary(f"s{n}", f"s{n}", "done", values={key: v}) for n, v in enumerate(values)]


def with_columns(*rows):
    return [StudySummary(f"s{n}", f"s{n}", "done", columns=row) for n, row in enumerate(rows)]


def test_an_outlier_is_found_on_the_logarithm_and_ordinary_spread_is_not():
    values = [100.0, 120.0, 90.0, 150.0, 200.0, 80.0, 110.0, 130.0, 2000.0]
    found = outliers(cohort("tumour_gy", values))
    assert [(o.study.study_id, o.quantity.key, o.value, o.median) for o in found] == [
        ("s8", "tumour_gy", 2000.0, 120.0)
    ]
    logs = np.log(values)
    mad = np.median(np.abs(logs - np.median(logs)))
    assert found[0].score == pytest.approx(0.6745 * (logs[8] - np.median(logs)) / mad)


def test_a_zero_among_doses_is_an_outlier_of_the_doses_themselves():
    found = outliers(cohort("tumour_gy", [100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 101.5, 0.0]))
    assert [o.study.study_id for o in found] == ["s7"]
    assert found[0].score < 0


def test_few_studies_have_no_outliers():
    assert outliers(cohort("tumour_gy", [1.0, 1.0, 1.1, 0.9, 1.0, 1.0, 1e6])) == ()


def test_outliers_come_farthest_first():
    values = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 101.5, 98.5, 300.0, 30.0]
    assert [o.study.study_id for o in outliers(cohort("liver_ml", values))] == ["s9", "s8"]


@pytest.mark.parametrize(
    ("cell", "response"),
    [
        ("CR", True), ("pr", True), ("SD", False), ("Progressive disease", False), (1, True), ("0", False),
        (True, True), ("yes", True), (1.0, True), ("NE", None), (None, None), ("", None),
    ],
)  # fmt: skip
def test_responses_are_read_as_people_write_them(cell, response):
    found = outcomes(with_columns({"Best response": cell}))
    assert (found.response_column, found.responses, found.not_understood) == (
        "Best response",
        (response,),
        (),
    )


def test_what_is_not_understood_is_said_and_left_out():
    found = outcomes(with_columns({"response": "maybe", "survival_months": "-3", "event": "perhaps"}))
    assert (found.responses, found.times, found.events) == ((None,), (None,), (None,))
    assert found.not_understood == ("response: maybe", "survival_months: -3", "event: perhaps")


@pytest.mark.parametrize(
    ("time", "event", "unit"),
    [("survival_months", "event", "months"), ("OS days", "died", "days"), ("survival", "os_event", None)],
)
def test_survival_columns_are_found_by_name_with_their_unit(time, event, unit):
    found = outcomes(with_columns({time: "12.5", event: "1"}, {time: 3, event: "alive"}, {}))
    assert (found.has_survival, found.time_unit) == (True, unit)
    assert (found.times, found.events) == ((12.5, 3.0, None), (True, False, None))


def test_a_manifest_without_outcomes_has_none():
    found = outcomes(with_columns({"arm": "A"}))
    assert (found.response_column, found.has_survival) == (None, False)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Respons", "nearly 'response'"),
        ("surviva_months", "nearly 'survival_months'"),
        ("Outcome_3m", "if it is an outcome, call it response, or survival_months and event"),
        ("vital status", "if it is an outcome, call it event"),
        ("centre", None),
        ("age", None),
        ("mos", None),  # a slip from "os" and far too short to be one
        ("patient", "absent"),
        ("death", "absent"),
        ("RECIST", "'best_response' is read in its place"),
    ],
)
def test_columns_that_no_outcome_is_read_from_say_what_they_look_like(name, why):
    found = unread_columns(["best_response", "os_months", "death", name])
    assert found.get(name, "absent") == why


def test_one_distribution_holds_delivered_doses_or_predicted_ones_or_plans():
    """Six treatments, each with its prediction and its plan of 217 Gy: what is prescribed is no outlier, and no median."""

    def summary(name, gy, **facts):
        values = {} if gy is None else {"tumour_gy": gy}
        return StudySummary(name, name, "done", facts=facts, values=values)

    delivered = [summary(f"d{n}", 110.0 + n, dose="delivered", job="dose") for n in range(6)]
    predicted = [summary(f"p{n}", 150.0 + n, dose="predicted", job="dose") for n in range(6)]
    plans = [summary(f"q{n}", 217.0, dose="predicted", job="plan") for n in range(6)]
    compared = [summary("c", None, job="compare")]
    every = [*plans, *compared, *predicted, *delivered]
    assert alike(every) == ("delivered doses", delivered)
    assert alike([*plans, *predicted]) == ("predicted doses", predicted)
    assert alike([*plans, *compared]) == ("plans", plans)
    assert alike(compared) == ("plans", [])
    page = render_cohort_page(every, title="A", version="0", computed=datetime(2026, 1, 1, tzinfo=UTC))
    assert "are of the 6 delivered doses; 12 other results" in page
    assert "other results" not in render_cohort_page(
        delivered, title="A", version="0", computed=datetime(2026, 1, 1, tzinfo=UTC)
    )
