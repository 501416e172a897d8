"""Gamma index: agreement of two dose maps in dose and distance at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_fraction, check_positive
from y90voxel.errors import InputError

__all__ = ["GammaNormalisation", "GammaResult", "gamma_index"]


class GammaNormalisation(StrEnum):
    """What the dose criterion is a fraction of: the greatest reference dose, or the reference dose at the voxel."""

    GLOBAL = "global"
    LOCAL = "local"


@dataclass(frozen=True, eq=False)
class GammaResult:
    """Gamma of every voxel that was compared, and how many pass.

    Parameters
    ----------
    gamma : ndarray, (slice, row, column)
        Gamma, at most the greatest one searched for; NaN where nothing was compared.
    pass_fraction : float
        Share of the compared voxels with gamma up to 1.
    compared : int
        Number of compared voxels.
    """

    gamma: NDArray[np.float64]
    pass_fraction: float
    compared: int


def gamma_index(
    reference_gy: ArrayLike,
    evaluated_gy: ArrayLike,
    spacing_mm: tuple[float, float, float],
    *,
    dose_fraction: float,
    distance_mm: float,
    normalisation: GammaNormalisation,
    cutoff_fraction: float,
    mask: ArrayLike | None = None,
    greatest_gamma: float = 2.0,
    steps_per_distance: int = 10,
) -> GammaResult:
    """Return γ = min √((Δr / DTA)² + (ΔD / δ)²) over all positions in the evaluated map, per reference voxel.

    There are no agreed criteria for radioembolization, so all are required; report them with the result. Blurred maps
    make gamma lenient, and a distance below one voxel of the image means nothing.

    Parameters
    ----------
    reference_gy, evaluated_gy : array_like, (slice, row, column)
        Doses on one grid [Gy]; the evaluated one is interpolated.
    spacing_mm : tuple of float, (3,)
        Voxel spacing [mm].
    dose_fraction : float
        δ as a fraction of the dose that ``normalisation`` names, such as 0.10.
    distance_mm : float
        Distance to agreement DTA [mm].
    normalisation : GammaNormalisation
        Global or local.
    cutoff_fraction : float
        Voxels with a reference dose below this fraction of the greatest are left out.
    mask : array_like or None, (slice, row, column)
        Region to compare, where at least half occupied; None for the whole map.
    greatest_gamma : float
        The search ends here: larger gammas are given as this.
    steps_per_distance : int
        Positions per distance criterion along each axis. The nearest position misses the best one by half a step, which
        costs gradient × step / 2 over δ where doses are steep: gamma is never too small, and converges from above.

    Raises
    ------
    InputError
        If shapes differ, a criterion is out of range, doses are not finite, or no voxel is left to compare.

    References
    ----------
    Low et al. 1998, Med Phys 25:656, doi 10.1118/1.598248.
    """
    # deferred: whoever compares no dose needs no compiled code
    from y90voxel.metrics._gamma_loops import search

    reference = np.ascontiguousarray(reference_gy, dtype=np.float64)
    evaluated = np.ascontiguousarray(evaluated_gy, dtype=np.float64)
    _check(reference, evaluated, spacing_mm, dose_fraction, distance_mm, greatest_gamma)
    check_positive(steps_per_distance, "the number of steps per distance", "")
    check_fraction(cutoff_fraction, "the dose cut-off")
    chosen = _chosen(reference, mask, cutoff_fraction)
    voxels = np.argwhere(chosen)
    local = normalisation is GammaNormalisation.LOCAL
    base = reference[chosen] if local else np.full(len(voxels), reference.max())
    bases, fractions, distances = _offsets(spacing_mm, distance_mm, greatest_gamma, steps_per_distance)
    gamma_values = np.empty(len(voxels))
    cap = greatest_gamma**2
    search(voxels, reference, evaluated, dose_fraction * base, bases, fractions, distances, cap, gamma_values)
    gamma = np.full(reference.shape, np.nan)
    gamma[chosen] = gamma_values
    return GammaResult(gamma, float((gamma_values <= 1.0).mean()), len(voxels))


def _check(
    reference: NDArray[np.float64],
    evaluated: NDArray[np.float64],
    spacing_mm: tuple[float, float, float],
    dose_fraction: float,
    distance_mm: float,
    greatest_gamma: float,
) -> None:
    """Refuse maps and criteria that cannot be compared."""
    if reference.shape != evaluated.shape or reference.ndim != 3:
        raise InputError(
            f"gamma needs two maps on one grid, got shapes {reference.shape} and {evaluated.shape}."
        )
    if not (np.isfinite(reference).all() and np.isfinite(evaluated).all()):
        raise InputError("gamma needs finite doses in both maps.")
    for spacing in spacing_mm:
        check_positive(spacing, "the voxel spacing", "mm")
    check_positive(dose_fraction, "the dose criterion", "")
    check_positive(distance_mm, "the distance criterion", "mm")
    if not greatest_gamma > 1:
        raise InputError(f"the greatest gamma must be above 1, got {greatest_gamma:g}.")


def _chosen(
    reference: NDArray[np.float64], mask: ArrayLike | None, cutoff_fraction: float
) -> NDArray[np.bool_]:
    """Voxels to compare."""
    chosen = (reference >= cutoff_fraction * reference.max()) & (reference > 0)
    if mask is not None:
        inside = np.asarray(mask)
        if inside.shape != reference.shape:
            raise InputError(f"the mask has shape {inside.shape}, the doses {reference.shape}.")
        chosen &= inside >= 0.5
    if not chosen.any():
        raise InputError("no voxel with a reference dose above the cut-off is left to compare.")
    return np.asarray(chosen)


def _offsets(
    spacing_mm: tuple[float, float, float], distance_mm: float, greatest_gamma: float, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Offsets to search, nearest first: whole voxels, fractions, squared distance over the criterion."""
    axes = []
    for spacing in spacing_mm:
        parts = math.ceil(spacing / (distance_mm / steps) - 1e-9)
        reach = math.floor(greatest_gamma * distance_mm / spacing * parts)
        axes.append((np.arange(-reach, reach + 1), parts, spacing / parts))
    moves = np.stack(np.meshgrid(*(axis[0] for axis in axes), indexing="ij"), axis=-1).reshape(-1, 3)
    per_voxel = np.array([axis[1] for axis in axes])
    distances = ((moves * np.array([axis[2] for axis in axes]) / distance_mm) ** 2).sum(axis=1)
    order = np.argsort(distances, kind="stable")
    order = order[distances[order] < greatest_gamma**2]
    whole = np.floor_divide(moves, per_voxel)
    return whole[order], ((moves - whole * per_voxel) / per_voxel)[order], distances[order]
