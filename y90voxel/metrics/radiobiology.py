"""Biologically effective dose and equivalent uniform doses; model values, only with given parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import InputError

__all__ = ["RadiobiologyParameters", "bed", "dose_from_bed", "eqd2", "eud", "geud", "lea_catcheside"]


@dataclass(frozen=True)
class RadiobiologyParameters:
    """Linear-quadratic parameters of one role; none of them has a default.

    Parameters
    ----------
    alpha_beta_gy : float
        α/β [Gy].
    repair_half_time_s : float
        Half-time of sublethal damage repair [s].
    alpha_per_gy : float or None
        α [1/Gy], needed for the EUD only.
    """

    alpha_beta_gy: float
    repair_half_time_s: float
    alpha_per_gy: float | None = None

    def __post_init__(self) -> None:
        given = [
            self.alpha_beta_gy,
            self.repair_half_time_s,
            1.0 if self.alpha_per_gy is None else self.alpha_per_gy,
        ]
        if not all(np.isfinite(v) and v > 0 for v in given):
            raise InputError(
                f"radiobiology parameters must be positive: alpha/beta {self.alpha_beta_gy} Gy, repair half-time "
                f"{self.repair_half_time_s} s, alpha {self.alpha_per_gy} /Gy.",
                tag="radiobiology",
            )


def lea_catcheside(repair_half_time_s: float, effective_half_life_s: float) -> float:
    """Return the dose protraction factor G = T_rep / (T_rep + T_eff), no unit.

    Exponential decay to infinity and mono-exponential repair: the limit of the Lea-Catcheside integral
    (Dale 1985, Br J Radiol 58:515, doi 10.1259/0007-1285-58-690-515).

    Parameters
    ----------
    repair_half_time_s, effective_half_life_s : float
        Half-times [s].
    """
    return repair_half_time_s / (repair_half_time_s + effective_half_life_s)


def bed(
    dose_gy: ArrayLike, alpha_beta_gy: float, repair_half_time_s: float, effective_half_life_s: float
) -> NDArray[np.float64]:
    """Return the biologically effective dose BED = D (1 + G D / (α/β)) [Gy], shape of the dose.

    Parameters
    ----------
    dose_gy : array_like
        Absorbed dose [Gy].
    alpha_beta_gy : float
        α/β [Gy].
    repair_half_time_s, effective_half_life_s : float
        Half-times of repair and of the dose rate [s].

    Examples
    --------
    >>> round(float(bed(120.0, 2.5, 2.5 * 3600, 64.1 * 3600)), 1)
    336.2
    """
    dose = np.asarray(dose_gy, dtype=np.float64)
    return np.asarray(
        dose * (1.0 + lea_catcheside(repair_half_time_s, effective_half_life_s) * dose / alpha_beta_gy)
    )


def dose_from_bed(
    bed_gy: ArrayLike, alpha_beta_gy: float, repair_half_time_s: float, effective_half_life_s: float
) -> NDArray[np.float64]:
    """Return the absorbed dose [Gy] that has the given BED [Gy]: the inverse of `bed`."""
    g = lea_catcheside(repair_half_time_s, effective_half_life_s) / alpha_beta_gy
    return np.asarray((-1.0 + np.sqrt(1.0 + 4.0 * g * np.asarray(bed_gy, dtype=np.float64))) / (2.0 * g))


def eqd2(bed_gy: ArrayLike, alpha_beta_gy: float) -> NDArray[np.float64]:
    """Return the dose in 2 Gy fractions with the same BED, EQD2 = BED / (1 + 2 / (α/β)) [Gy]."""
    return np.asarray(np.asarray(bed_gy, dtype=np.float64) / (1.0 + 2.0 / alpha_beta_gy))


def geud(dose_gy: ArrayLike, weights: ArrayLike, exponent: float) -> float:
    """Return the generalised EUD, (Σ v D^a)^(1/a) [Gy], Niemierko 1999 (Med Phys 26:1100).

    Parameters
    ----------
    dose_gy : array_like, (voxels,)
        Absorbed doses [Gy].
    weights : array_like, (voxels,)
        Volumes or fractions; normalised here.
    exponent : float
        a: negative for tumours, 1 or more for normal tissue; 1 is the mean.

    Raises
    ------
    InputError
        If the exponent is zero or not finite.
    """
    if exponent == 0 or not np.isfinite(exponent):
        raise InputError(f"the gEUD exponent must be finite and not zero, got {exponent}.")
    dose, weight = np.asarray(dose_gy, float), np.asarray(weights, float)
    if exponent < 0 and (dose[weight > 0] <= 0).any():
        return 0.0  # the limit: a part without dose leaves its cells alive
    with np.errstate(divide="ignore"):
        logs = exponent * np.log(dose[weight > 0])
    return float(np.exp(_log_weighted_sum(logs, weight[weight > 0]) / exponent))


def eud(
    dose_gy: ArrayLike,
    weights: ArrayLike,
    alpha_per_gy: float,
    alpha_beta_gy: float,
    repair_half_time_s: float,
    effective_half_life_s: float,
) -> float:
    """Return the uniform dose [Gy] with the same mean cell survival.

    EUBED = −(1/α) ln Σ v exp(−α BED), then the dose with that BED (Jones and Hoban 2000, Phys Med Biol 45:159;
    applied to radionuclides by O'Donoghue 1999, J Nucl Med 40:1337).

    Parameters
    ----------
    dose_gy, weights : array_like, (voxels,)
        Absorbed doses [Gy] and their volumes; the volumes are normalised here.
    alpha_per_gy, alpha_beta_gy : float
        Linear-quadratic parameters [1/Gy], [Gy].
    repair_half_time_s, effective_half_life_s : float
        Half-times [s].
    """
    times = (alpha_beta_gy, repair_half_time_s, effective_half_life_s)
    survival = -alpha_per_gy * bed(dose_gy, *times)
    eubed = -_log_weighted_sum(survival, np.asarray(weights, float)) / alpha_per_gy
    return float(dose_from_bed(max(eubed, 0.0), *times))


def _log_weighted_sum(logs: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Ln Σ w exp(x) with normalised weights, safe from under- and overflow."""
    top = float(logs.max())
    return top + float(np.log(np.sum(weights / weights.sum() * np.exp(logs - top))))
