"""Voxel-by-voxel agreement of two dose maps on one grid: correlation, isodoses, gamma and quotients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_fraction, check_positive
from y90voxel.errors import InputError
from y90voxel.metrics.agreement import (
    concordance,
    isodose_dice,
    pearson,
    quality_factor,
    quality_volume_histogram,
    root_mean_square_difference,
    spearman,
)
from y90voxel.metrics.gamma import GammaNormalisation, gamma_index
from y90voxel.short_repr import short_repr
from y90voxel.volumes.volume import DoseMap, Mask

__all__ = ["GammaCriteria", "VoxelAgreement", "agree", "defined", "gamma_map"]

ISODOSES_GY = (50.0, 100.0, 205.0)  # [Gy]: the doses V_d is printed for, `metrics.region_columns.V_GY`
QUOTIENTS = np.linspace(0.0, 2.0, 81)
HALF = 0.5  # occupancy: a boundary voxel belongs to the region that fills at least half of it


@dataclass(frozen=True)
class GammaCriteria:
    """When two doses count as equal. There are no agreed criteria for radioembolization.

    Parameters
    ----------
    dose_fraction : float
        Dose criterion as a fraction of the reference dose.
    distance_mm : float
        Distance criterion [mm]; at least one voxel of the coarser image.
    normalisation : GammaNormalisation
        Whether the reference dose is the greatest predicted one (global) or the voxel's own (local).
    cutoff_fraction : float
        Voxels predicted below this fraction of the greatest predicted dose are left out.

    Raises
    ------
    InputError
        If a criterion is not positive, or the cut-off is not a fraction.
    """

    dose_fraction: float = 0.10
    distance_mm: float = 5.0
    normalisation: GammaNormalisation = GammaNormalisation.GLOBAL
    cutoff_fraction: float = 0.05

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_positive(self.dose_fraction, "the dose criterion of gamma", "")
        check_positive(self.distance_mm, "the distance criterion of gamma", "mm")
        check_fraction(self.cutoff_fraction, "the dose cut-off of gamma")

    def as_dict(self) -> dict[str, Any]:
        """Return the criteria for JSON."""
        return {
            "dose_percent": 100.0 * self.dose_fraction,
            "distance_mm": self.distance_mm,
            "normalisation": self.normalisation.value,
            "cutoff_percent": 100.0 * self.cutoff_fraction,
            "reference": "predicted",
        }

    def __str__(self) -> str:
        return f"{100 * self.dose_fraction:g} % / {self.distance_mm:g} mm {self.normalisation.value}"


@dataclass(frozen=True, eq=False)
class VoxelAgreement:
    """How two dose maps agree over the voxels of a region that are at least half occupied.

    Parameters
    ----------
    count : int
        Number of voxels.
    pearson, spearman, concordance : float or None
        Correlations and Lin's concordance; None where a map is constant.
    rmse_gy : float
        Root mean square difference [Gy].
    isodose_dice : dict of float to float or None
        Dice of the volumes that receive at least each dose; None where neither map reaches it.
    gamma_pass_fraction, gamma_mean : float or None
        Share of the voxels with gamma up to 1, and mean gamma; None where no voxel was compared.
    gamma_count : int
        Number of voxels that gamma was compared in.
    quality_factor : float or None
        Mean of |delivered / predicted − 1|.
    quality_volume_histogram : ndarray or None, (n,)
        Volume fraction whose quotient is at least each of `QUOTIENTS` (Vanderstraeten et al. 2006); ideal is a
        step at 1.
    """

    count: int
    pearson: float | None
    spearman: float | None
    concordance: float | None
    rmse_gy: float
    isodose_dice: dict[float, float | None]
    gamma_pass_fraction: float | None
    gamma_mean: float | None
    gamma_count: int
    quality_factor: float | None
    quality_volume_histogram: NDArray[np.float64] | None

    __repr__ = short_repr

    def as_dict(self) -> dict[str, Any]:
        """Return the agreement for JSON."""
        passed, curve = self.gamma_pass_fraction, self.quality_volume_histogram
        return {
            "count": self.count,
            "pearson": self.pearson,
            "spearman": self.spearman,
            "concordance": self.concordance,
            "rmse_gy": self.rmse_gy,
            "isodose_dice": {f"{dose:g}": value for dose, value in self.isodose_dice.items()},
            "gamma": {
                "pass_percent": None if passed is None else 100.0 * passed,
                "mean": self.gamma_mean,
                "count": self.gamma_count,
            },
            "quality_factor": self.quality_factor,
            "quality_volume_histogram": None
            if curve is None
            else {
                "quotient": [round(q, 3) for q in QUOTIENTS.tolist()],
                "volume_percent": [round(100.0 * v, 4) for v in curve.tolist()],
            },
        }


def gamma_map(
    predicted: DoseMap, delivered: DoseMap, inside: NDArray[np.bool_], criteria: GammaCriteria
) -> NDArray[np.float64] | None:
    """Return gamma of the delivered against the predicted dose, NaN outside ``inside`` and below the cut-off.

    The greatest predicted dose is that inside, so that noise elsewhere sets no criterion. None where nothing was
    predicted inside.
    """
    reference = np.where(inside, predicted.array, 0.0)
    if not reference.max() > 0:
        return None
    return gamma_index(
        reference,
        delivered.array,
        predicted.grid.spacing_mm,
        dose_fraction=criteria.dose_fraction,
        distance_mm=criteria.distance_mm,
        normalisation=criteria.normalisation,
        cutoff_fraction=criteria.cutoff_fraction,
    ).gamma


def agree(
    predicted: DoseMap,
    delivered: DoseMap,
    mask: Mask,
    gamma: NDArray[np.float64] | None,
    levels_gy: Sequence[float] = ISODOSES_GY,
) -> VoxelAgreement | None:
    """Return the agreement of two doses in a region, or None with fewer than two voxels.

    Parameters
    ----------
    predicted, delivered : DoseMap
        On one grid [Gy].
    mask : Mask
        The region; voxels at least half occupied count.
    gamma : ndarray or None
        As `gamma_map` returns it.
    levels_gy : sequence of float
        Isodoses [Gy].
    """
    chosen = mask.array >= HALF
    count = int(np.count_nonzero(chosen))
    if count < 2:
        return None
    x, y = predicted.array[chosen].astype(np.float64), delivered.array[chosen].astype(np.float64)
    gamma_values = np.array([]) if gamma is None else gamma[chosen]
    gamma_values = gamma_values[np.isfinite(gamma_values)]
    curve: NDArray[np.float64] | None = None
    if x.max() > 0:
        curve = quality_volume_histogram(x, y, QUOTIENTS)
    return VoxelAgreement(
        count=count,
        pearson=defined(pearson, x, y),
        spearman=defined(spearman, x, y),
        concordance=defined(concordance, x, y),
        rmse_gy=root_mean_square_difference(x, y),
        isodose_dice=isodose_dice(x, y, levels_gy),
        gamma_pass_fraction=float((gamma_values <= 1.0).mean()) if gamma_values.size else None,
        gamma_mean=float(gamma_values.mean()) if gamma_values.size else None,
        gamma_count=int(gamma_values.size),
        quality_factor=quality_factor(x, y) if curve is not None else None,
        quality_volume_histogram=curve,
    )


def defined(statistic: Callable[[ArrayLike, ArrayLike], float], x: ArrayLike, y: ArrayLike) -> float | None:
    """Return a statistic of paired doses, or None where there are too few or constant doses leave it undefined."""
    try:
        return statistic(x, y)
    except InputError:
        return None
