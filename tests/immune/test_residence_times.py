"""Laplace transforms of residence times against quadrature, and their limits."""

import math

import numpy as np
import pytest

from y90voxel.immune.residence_times import exponential_transform, weibull2_transform


@pytest.mark.parametrize("rate", [1e-6, 0.01, 0.3, 2.0, 30.0, 36.0, 1e3])
def test_transforms_agree_with_quadrature(rate):
    """By the quantile function: E[exp(−sT)] = ∫₀¹ exp(−s T(u)) du; y passes 20 between rates 30 and 36."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    e = np.exp(
        nodes * 20 - 16
    )  # ∫ over the unit exponential E, T = τ E or b √E, on a log grid from e^-36 to e^4
    density = weights * 20 * e * np.exp(-e)
    scale = 2 / math.sqrt(math.pi)
    assert exponential_transform(rate, 1.0) == pytest.approx(density @ np.exp(-rate * e), rel=1e-6)
    assert weibull2_transform(rate, 1.0) == pytest.approx(
        density @ np.exp(-rate * scale * np.sqrt(e)), rel=2e-6
    )
