"""Maps times a number in the precision they came in: single from the image to the dose, with sums in double."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["scaled", "sum_within"]


def scaled(values: NDArray[Any], factor: float) -> NDArray[np.floating[Any]]:
    """Return values times a factor, float32 where they are float32 and float64 else, each product rounded once.

    The factor stays in double precision: rounded, it would shift a whole map by up to 6e-8. No map in double precision
    is made.

    Parameters
    ----------
    values : ndarray
        A map in any real type.
    factor : float
        What it is multiplied by.

    Examples
    --------
    >>> scaled(np.ones(2, np.float32), 0.5).dtype, scaled(np.ones(2, np.int16), 0.5)
    (dtype('float32'), array([0.5, 0.5]))
    """
    out: NDArray[np.floating[Any]] = np.empty(
        values.shape, np.float32 if values.dtype == np.float32 else np.float64
    )
    np.multiply(values, np.float64(factor), out=out, casting="same_kind")
    return out


def sum_within(values: NDArray[Any], occupancy: NDArray[Any]) -> float:
    """Return the sum of values times occupancies, in double precision slice by slice.

    Parameters
    ----------
    values, occupancy : ndarray, (slices, rows, columns)
        Of one shape.
    """
    return float(
        sum(
            (one.astype(np.float64) * share).sum()
            for one, share in zip(values, occupancy, strict=True)
            if share.any()
        )
    )
