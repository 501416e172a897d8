"""Our map times a factor against theirs: least squares, what is left, and where their map was cut off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fit", "Floats", "clearly_better", "fit_factor", "rounding_step"]

Floats = NDArray[np.floating[Any]]

# Voxels where either map reaches this part of its greatest dose are compared; chosen: below it, edges of fields and of
# reconstructions decide.
COMPARED_FROM = 0.01
# Relative; chosen: single precision rounds at 6e-8, sums of kernels by FFT at 1e-5 of the maximum.
SAME = 2e-5
# Neighbours are not independent: that many voxels count as one. Chosen: half a voxel's neighbours (3 of 6), threefold.
VOXELS_AS_ONE = 10
# Twice the logarithm of a ratio of likelihoods; chosen: five standard errors, so that of hundreds of fits none is by chance.
LEAST_EVIDENCE = 25.0
# Voxels at the greatest dose that make a plateau; one alone is a maximum.
LEAST_PLATEAU = 2
# A plateau cuts something off when what should be there is greater by this; chosen: no engine is known better.
LEAST_CUT = 0.005
# Distinct values that a step is looked for in, and multiples that the smallest gap may be of it.
LEAST_VALUES, MOST_STEPS = 16, 8
# Of a step; chosen: decimal strings of 16 characters keep 2^16 levels to 1e-10, single precision to 0.004.
STEP_TOLERANCE = 0.02
MOST_LEVELS = 2**24  # single precision holds no more


@dataclass(frozen=True, eq=False)
class Fit:
    """How well a map times a factor is another one.

    Parameters
    ----------
    factor : float
        Theirs over ours, by least squares.
    error : float
        Its standard error by what is left.
    residual : float
        Root mean square of what is left over root mean square of their dose.
    correlation : float
        Pearson's, over the compared voxels.
    count : int
        Compared voxels.
    cut_gy : float or None
        Their greatest dose, where it is a plateau that cuts ours off.
    """

    factor: float
    error: float
    residual: float
    correlation: float
    count: int
    cut_gy: float | None = None


def fit_factor(theirs: Floats, ours: Floats, inside: NDArray[np.bool_] | None = None) -> Fit | None:
    """Return the factor of least squares from ours to theirs; None where there is nothing to compare.

    Where their greatest dose is a plateau, its voxels are left out of the factor and hold what it cuts off; that is kept
    if it explains clearly more.

    Parameters
    ----------
    theirs, ours : ndarray
        Doses on one grid [Gy].
    inside : ndarray of bool or None
        Voxels that both maps reach.
    """
    chosen = compared(theirs, ours) if inside is None else compared(theirs, ours) & inside
    t, m = theirs[chosen].astype(np.float64), ours[chosen].astype(np.float64)
    plain = _fit(t, m, t.size)
    if plain is None:
        return None
    top = float(t.max())
    flat = t >= top * (1.0 - SAME)
    if np.count_nonzero(flat) < LEAST_PLATEAU or flat.mean() > 0.5:
        return plain
    below = _fit(t[~flat], m[~flat], t.size)
    if below is None or float((below.factor * m[flat]).mean()) < top * (1.0 + LEAST_CUT):
        return plain
    left = float(np.sqrt(((t - np.minimum(below.factor * m, top)) ** 2).sum() / (t**2).sum()))
    if not clearly_better(left, plain.residual, t.size):
        return plain
    return Fit(below.factor, below.error, left, below.correlation, t.size, top)


def compared(theirs: Floats, ours: Floats) -> NDArray[np.bool_]:
    """Return the voxels where either map reaches one per cent of its greatest dose."""
    return np.asarray((theirs >= COMPARED_FROM * theirs.max()) | (ours >= COMPARED_FROM * ours.max()))


def _fit(t: Floats, m: Floats, count: int) -> Fit | None:
    """The plain fit of values."""
    square, energy = float((m**2).sum()), float((t**2).sum())
    if t.size < 2 or square == 0.0 or energy == 0.0:
        return None
    factor = float((t * m).sum()) / square
    left = float(((t - factor * m) ** 2).sum())
    spread = float(t.std() * m.std())
    correlation = float(((t - t.mean()) * (m - m.mean())).mean()) / spread if spread > 0 else 0.0
    return Fit(
        factor, math.sqrt(left / square / max(t.size / VOXELS_AS_ONE, 1.0)), math.sqrt(left / energy), correlation, count
    )  # fmt: skip


def clearly_better(residual: float, other: float, count: int) -> bool:
    """Return whether a residual is smaller than another by more than chance, taken as Gaussian.

    Parameters
    ----------
    residual, other : float
        Relative, as of `Fit`.
    count : int
        Voxels.
    """
    ratio = (other**2 + SAME**2) / (residual**2 + SAME**2)
    return other > SAME and ratio > 1.0 and count / VOXELS_AS_ONE * math.log(ratio) > LEAST_EVIDENCE


def rounding_step(dose: Floats) -> float | None:
    """Return the step that all values are multiples of [Gy]; None where there is none that stands out."""
    values = np.unique(dose)
    if values.size < LEAST_VALUES:
        return None
    step = float(np.diff(values).min())
    for parts in range(1, MOST_STEPS + 1):
        refined = _refined(values, step / parts)
        levels = values / refined
        if levels[-1] < MOST_LEVELS and np.abs(levels - np.rint(levels)).max() < STEP_TOLERANCE:
            return refined
    return None


def _refined(values: Floats, step: float) -> float:
    """A step by least squares, from small multiples to large ones: that of single precision is rough at first."""
    reach = LEAST_VALUES * step
    while True:
        part = values[(values > 0) & (values <= reach)]
        counts = np.rint(part / step)
        if counts.any():
            step = float((part * counts).sum() / (counts**2).sum())
        if reach >= values[-1]:
            return step
        reach *= 4.0
