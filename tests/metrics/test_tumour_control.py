import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from y90voxel.errors import InputError
from y90voxel.metrics.radiobiology import (
    NtcpParameters,
    ntcp_lkb,
    tcp_log_logistic,
    tcp_logit,
    tcp_poisson,
)

GLASS = NtcpParameters(97.0, 0.28, 1.0, "glass", "an endpoint", "an illustration", verified=True)


@given(st.floats(0, 500), st.floats(20, 400), st.floats(0.2, 4))
def test_log_logistic_control_is_the_formula(dose, d50, gamma):
    odds = (dose / d50) ** (4 * gamma)
    expected = odds / (1 + odds)
    assert tcp_log_logistic(dose, d50, gamma) == pytest.approx(expected, abs=1e-12)


@given(st.floats(20, 400), st.floats(0.2, 4))
def test_log_logistic_control_is_half_at_d50_with_slope_gamma(d50, gamma):
    h = 1e-5
    assert tcp_log_logistic(d50, d50, gamma) == 0.5
    slope = (tcp_log_logistic(d50 * (1 + h), d50, gamma) - tcp_log_logistic(d50 * (1 - h), d50, gamma)) / (
        2 * h
    )
    assert slope == pytest.approx(gamma, rel=1e-5)


def test_logit_control():
    assert tcp_logit(0.0, 0.0, 0.01) == 0.5
    assert tcp_logit(100.0, -1.0, 0.02) == pytest.approx(1 / (1 + math.exp(-1)))
    assert tcp_logit(0.0, -800.0, 0.02) == pytest.approx(0.0, abs=1e-300)


def test_poisson_control_of_known_survivors():
    """1e9 cells, α 0.3: at ln(1e9)/0.3 Gy one survives on average and control is 1/e."""
    assert tcp_poisson(math.log(1e9) / 0.3, 1e9, 0.3) == pytest.approx(math.exp(-1), rel=1e-9)
    assert tcp_poisson(0.0, 1e12, 0.3) == 0.0
    assert tcp_poisson(1e4, 1e12, 0.3) == 1.0


@given(st.floats(0, 300), st.floats(20, 150), st.floats(0.05, 0.6))
def test_complications_are_the_normal_distribution(dose, td50, m):
    found = ntcp_lkb(dose, NtcpParameters(td50, m, 1.0, "resin", "x", "y", verified=True), device="resin")
    assert found == pytest.approx(norm.cdf((dose - td50) / (m * td50)), rel=1e-9, abs=1e-15)


def test_slope_and_exponent_of_the_parameters():
    h = 1e-5
    slope = (
        ntcp_lkb(97 * (1 + h), GLASS, device="glass") - ntcp_lkb(97 * (1 - h), GLASS, device="glass")
    ) / (2 * h)
    assert GLASS.gamma50 == pytest.approx(slope, rel=1e-6)
    assert NtcpParameters(
        43, 0.12, 0.97, "external beam", "x", "y", verified=True
    ).geud_exponent == pytest.approx(1.031, rel=1e-3)


def test_parameters_of_another_device_are_refused():
    with pytest.raises(InputError, match="are for glass, the treatment is with resin"):
        ntcp_lkb(50.0, GLASS, device="resin")


def test_parameters_from_memory_are_not_used_without_saying_so():
    record = NtcpParameters(52.0, 0.3, 1.0, "resin", "an endpoint", "from memory", verified=False)
    with pytest.raises(InputError, match="never checked against their source"):
        ntcp_lkb(50.0, record, device=record.device)
    accepted = ntcp_lkb(record.td50_gy, record, device=record.device, accept_unverified=True)
    assert accepted == pytest.approx(0.5)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: tcp_poisson(-1.0, 1e9, 0.3),
        lambda: tcp_poisson(1.0, 0.0, 0.3),
        lambda: tcp_poisson(1.0, 1e9, 0.0),
        lambda: tcp_log_logistic(-1.0, 100, 1),
        lambda: tcp_log_logistic(1.0, 0, 1),
        lambda: tcp_log_logistic(1.0, 100, 0),
        lambda: tcp_logit(-1.0, 0.0, 0.1),
        lambda: tcp_logit(1.0, 0.0, 0.0),
        lambda: ntcp_lkb(-1.0, GLASS, device="glass"),
        lambda: NtcpParameters(0.0, 0.28, 1.0, "glass", "x", "y", verified=True),
        lambda: NtcpParameters(97.0, 0.0, 1.0, "glass", "x", "y", verified=True),
        lambda: NtcpParameters(97.0, 0.28, 0.0, "glass", "x", "y", verified=True),
    ],
)
def test_bad_parameters_are_refused(compute):
    with pytest.raises(InputError):
        compute()
