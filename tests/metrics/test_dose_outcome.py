"""Survival and dose-response against published examples."""

import re
import sys

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.metrics.dose_outcome import logistic_dose_response, survival_by_group
from y90voxel.optional import install_command

pytest.importorskip("statsmodels")

# Weeks in remission of acute leukaemia: Freireich et al. 1963, Blood 21:699; 6-mercaptopurine and placebo.
MERCAPTOPURINE = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [1] * 9 + [0] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
# Flights before the Challenger accident: joint temperature in °F, and whether an O-ring was distressed.
# Dalal, Fowlkes and Hoadley 1989, J Am Stat Assoc 84:945, table 1.
TEMPERATURE = [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58]
DISTRESS = [0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]


@pytest.fixture(scope="module")
def remission():
    times, events = MERCAPTOPURINE + PLACEBO, RELAPSED + [1] * 21
    return survival_by_group(times, events, ["6-MP"] * 21 + ["placebo"] * 21)


def test_log_rank_of_the_remission_trial(remission):
    """χ² 16.79 (Kleinbaum and Klein, Survival Analysis, chapter 2)."""
    assert remission.chi_square == pytest.approx(16.79, abs=0.005)
    assert remission.p_value == pytest.approx(4.17e-5, rel=0.005)


def test_kaplan_meier_of_the_remission_trial(remission):
    """Estimates of the 6-MP group, as printed in every textbook: 18/21, then by the numbers at risk."""
    treated, placebo = remission.curves
    at = dict(zip(treated.times.tolist(), treated.survival.tolist(), strict=True))
    for week, estimate in (
        (6, 0.8571),
        (7, 0.8067),
        (10, 0.7529),
        (13, 0.6902),
        (16, 0.6275),
        (22, 0.5378),
        (23, 0.4482),
    ):
        assert at[week] == pytest.approx(estimate, abs=5e-5)
    assert (treated.count, treated.events, treated.median) == (21, 9, 23.0)
    assert (placebo.count, placebo.events, placebo.median) == (21, 21, 8.0)
    assert treated.censored.tolist() == [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def test_intervals_hold_the_estimate_and_never_leave_0_to_1(remission):
    for curve in remission.curves:
        assert ((curve.lower <= curve.survival) & (curve.survival <= curve.upper)).all()
        assert (curve.lower >= 0).all()
        assert (curve.upper <= 1).all()


def test_estimates_and_intervals_are_those_of_lifelines(remission):
    lifelines = pytest.importorskip("lifelines")
    treated = remission.curves[0]
    theirs = lifelines.KaplanMeierFitter().fit(MERCAPTOPURINE, RELAPSED)
    np.testing.assert_allclose(theirs.survival_function_at_times(treated.times), treated.survival, rtol=1e-12)
    interval = theirs.confidence_interval_.loc[treated.times].to_numpy()
    np.testing.assert_allclose(interval, np.column_stack([treated.lower, treated.upper]), atol=1e-8)


def test_a_median_that_is_not_reached_is_none():
    groups = survival_by_group([1, 2, 3, 4], [1, 0, 0, 0], ["a", "a", "b", "b"])
    assert [curve.median for curve in groups.curves] == [1.0, None]


def test_logistic_model_of_the_challenger_flights():
    """Maximum likelihood 15.0429 (SE 7.3786) and −0.2322 (SE 0.1082), p 0.032."""
    model = logistic_dose_response(TEMPERATURE, DISTRESS)
    assert (model.count, model.responders) == (23, 7)
    assert model.intercept == pytest.approx(15.0429, abs=5e-5)
    assert model.slope_per_gy == pytest.approx(-0.2322, abs=5e-5)
    assert np.sqrt(model.covariance[0][0]) == pytest.approx(7.3786, abs=5e-4)
    assert np.sqrt(model.covariance[1][1]) == pytest.approx(0.1082, abs=5e-5)
    assert model.p_value == pytest.approx(0.0320, abs=5e-5)
    low, high = model.slope_interval_per_gy
    assert (low, high) == pytest.approx((-0.2322 - 1.96 * 0.1082, -0.2322 + 1.96 * 0.1082), abs=2e-4)
    assert model.d50_gy is None


def test_probability_is_one_half_at_d50_and_its_interval_holds_it():
    model = logistic_dose_response([-t for t in TEMPERATURE], DISTRESS)
    assert model.d50_gy == pytest.approx(-15.0429 / 0.23216, rel=1e-4)
    middle, low, high = model.probability([model.d50_gy, -31.0])
    assert middle[0] == pytest.approx(0.5)
    # The launch at 31 °F: 0.9996 by this model.
    assert middle[1] == pytest.approx(0.9996, abs=5e-5)
    assert ((low < middle) & (middle < high)).all()


@pytest.mark.parametrize("at", [-80.0, -67.0, -53.0])
def test_the_interval_of_the_probability_is_that_of_a_shifted_intercept(at):
    """With doses counted from x₀ the intercept is the logit at x₀, and its standard error that of the logit."""
    doses = np.array([-t for t in TEMPERATURE], float)
    shifted = logistic_dose_response(doses - at, DISTRESS)
    spread = 1.959964 * np.sqrt(shifted.covariance[0][0])
    truth = [1 / (1 + np.exp(-(shifted.intercept + s))) for s in (0.0, -spread, spread)]
    found = [float(v[0]) for v in logistic_dose_response(doses, DISTRESS).probability([at])]
    assert found == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize(
    ("times", "events", "groups", "message"),
    [
        ([1, 2], [1, 1, 0], ["a", "b"], "one time, event and group a subject"),
        ([1, -2], [1, 1], ["a", "b"], "known and not negative"),
        ([1, np.nan], [1, 1], ["a", "b"], "known and not negative"),
        ([1, 2], [1, 1], ["a", "a"], "there is only a"),
        ([1, 2], [0, 0], ["a", "b"], "no event was seen"),
    ],
)
def test_survival_that_cannot_be_compared_is_refused(times, events, groups, message):
    with pytest.raises(InputError, match=message):
        survival_by_group(times, events, groups)


@pytest.mark.parametrize(
    ("doses", "responses", "message"),
    [
        ([1, 2], [1], "one dose and one response"),
        ([1, np.nan], [1, 0], "doses must be known"),
        ([1, 2], [1, 1], "the same response"),
        ([2, 2, 2], [1, 0, 1], "the same dose"),
        ([1, 2, 3, 4], [0, 0, 1, 1], "separates responders"),
        ([1, 2, 3, 4], [1, 1, 0, 0], "separates responders"),
        ([1, 2, 2, 4], [0, 0, 1, 1], "separates responders"),
    ],
)
def test_dose_response_that_does_not_exist_is_refused(doses, responses, message):
    with pytest.raises(InputError, match=message):
        logistic_dose_response(doses, responses)


@pytest.mark.parametrize(
    ("library", "call"),
    [
        ("statsmodels.duration.survfunc", lambda: survival_by_group([1, 2], [1, 1], ["a", "b"])),
        ("statsmodels.discrete.discrete_model", lambda: logistic_dose_response([1, 2, 3], [0, 1, 0])),
    ],
)
def test_without_the_extra_the_error_says_what_to_install(monkeypatch, library, call):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=f"needs statsmodels.*{re.escape(install_command('cohort'))}"):
        call()
