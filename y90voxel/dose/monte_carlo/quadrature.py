"""Integrals over quantities that spread over many decades."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_nodes"]

Array = NDArray[np.float64]


POINTS = 16  # of a Gauss-Legendre panel: exact for polynomials of degree 31


def log_nodes(low: float, high: float, count: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights for an integral over x from low to high, spread evenly in log x.

    Parameters
    ----------
    low, high : float
        Positive limits.
    count : int
        Number of nodes, a multiple of 16: panels of 16 nodes each.

    Examples
    --------
    >>> x, weights = log_nodes(1.0, 100.0, 48)
    >>> round(float(weights @ x**-2.0), 12)
    0.99
    """
    nodes, weights = _panels(count // POINTS)
    length = np.log(high / low)
    x = low * np.exp(length * nodes)
    return x, weights * length * x


@lru_cache(maxsize=8)
def _panels(count: int) -> tuple[Array, Array]:
    """Nodes and weights of equal panels on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    starts = np.arange(count)[:, None]
    return ((starts + 0.5 * (nodes + 1.0)) / count).ravel(), np.tile(0.5 * weights / count, count)
