"""Biologically effective dose and equivalent uniform doses; model values, only with given parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.metrics.tumour_control import (
    NtcpParameters,
    ntcp_lkb,
    tcp_log_logistic,
    tcp_logit,
    tcp_poisson,
)
from y90voxel.short_repr import short_repr

__all__ = [
    "NtcpParameters",
    "RadiobiologyParameters",
    "bed",
    "dose_from_bed",
    "eqd2",
    "eubed",
    "eud",
    "geud",
    "lea_catcheside",
    "ntcp_lkb",
    "tcp_log_logistic",
    "tcp_logit",
    "tcp_poisson",
]


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
    source : str
        Where the numbers come from, in the words of whoever chose them; empty where that was not said.

    Raises
    ------
    InputError
        If a number is not finite and positive.
    """

    alpha_beta_gy: float
    repair_half_time_s: float
    alpha_per_gy: float | None = None
    source: str = ""

    __repr__ = short_repr

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


def lea_catcheside(
    repair_half_time_s: float, effective_half_life_s: float, duration_s: float = math.inf
) -> float:
    """Return the dose protraction factor G = 2/D² ∫ R(t) ∫ R(s) exp(−μ (t − s)) ds dt, no unit.

    For a dose rate R that falls exponentially (λ) and mono-exponential repair (μ). To infinity, as for permanent
    implants, G = λ / (λ + μ) = T_rep / (T_rep + T_eff); over a finite time the full integral.

    Parameters
    ----------
    repair_half_time_s, effective_half_life_s : float
        Half-times of repair and of the dose rate [s].
    duration_s : float
        Time over which the dose is given [s]; infinite for microspheres.

    Raises
    ------
    InputError
        If a time is not positive.

    References
    ----------
    Dale 1985, Br J Radiol 58:515, doi 10.1259/0007-1285-58-690-515; Brenner et al. 1998, Radiat Res 150:83,
    doi 10.2307/3579648.

    Examples
    --------
    >>> round(lea_catcheside(2.5 * 3600, 64.1 * 3600), 5)
    0.03754
    """
    check_positive(repair_half_time_s, "the repair half-time", "s")
    check_positive(effective_half_life_s, "the effective half-life", "s")
    if not duration_s > 0:
        raise InputError(f"the duration of the irradiation must be positive, got {duration_s:g} s.")
    if math.isinf(duration_s):
        return repair_half_time_s / (repair_half_time_s + effective_half_life_s)
    decay, repair = (math.log(2.0) * duration_s / t for t in (effective_half_life_s, repair_half_time_s))
    # With f(x) = (1 − e⁻ˣ)/x, λ and μ per duration: G = 2 [f(2λ) − f(λ+μ)] / (f(λ)² (μ − λ)), a difference quotient
    # of f at λ+μ and 2λ; where they meet, its derivative.
    far, near = decay + repair, 2.0 * decay
    step = far - near
    if abs(step) > 1e-4 * near:
        slope = (_mean_of_decay(far) - _mean_of_decay(near)) / step
    else:
        x = 0.5 * (far + near)
        slope = (math.exp(-x) - _mean_of_decay(x)) / x
    return -2.0 * slope / _mean_of_decay(decay) ** 2


def _mean_of_decay(x: float) -> float:
    """(1 − exp(−x)) / x, safe for small x."""
    return -math.expm1(-x) / x


def bed(
    dose_gy: ArrayLike,
    alpha_beta_gy: float,
    repair_half_time_s: float,
    effective_half_life_s: float,
    duration_s: float = math.inf,
) -> NDArray[np.float64]:
    """Return the biologically effective dose BED = D (1 + G D / (α/β)) [Gy], shape of the dose.

    Voxel by voxel: the BED of a mean dose is less than the mean BED. Above some 100 Gy the linear-quadratic model
    is far outside its validity: a model value.

    Parameters
    ----------
    dose_gy : array_like
        Absorbed dose [Gy].
    alpha_beta_gy : float
        α/β [Gy].
    repair_half_time_s, effective_half_life_s : float
        Half-times of repair and of the dose rate [s].
    duration_s : float
        Time over which the dose is given [s].

    Raises
    ------
    InputError
        If α/β or a time is not positive.

    Examples
    --------
    >>> round(float(bed(120.0, 2.5, 2.5 * 3600, 64.1 * 3600)), 1)
    336.2
    """
    check_positive(alpha_beta_gy, "alpha/beta", "Gy")
    dose = np.asarray(dose_gy, dtype=np.float64)
    protraction = lea_catcheside(repair_half_time_s, effective_half_life_s, duration_s)
    return np.asarray(dose * (1.0 + protraction * dose / alpha_beta_gy))


def dose_from_bed(
    bed_gy: ArrayLike, alpha_beta_gy: float, repair_half_time_s: float, effective_half_life_s: float
) -> NDArray[np.float64]:
    """Return the absorbed dose [Gy] that has the given BED [Gy]: the inverse of `bed`."""
    check_positive(alpha_beta_gy, "alpha/beta", "Gy")
    g = lea_catcheside(repair_half_time_s, effective_half_life_s) / alpha_beta_gy
    return np.asarray((-1.0 + np.sqrt(1.0 + 4.0 * g * np.asarray(bed_gy, dtype=np.float64))) / (2.0 * g))


def eqd2(bed_gy: ArrayLike, alpha_beta_gy: float) -> NDArray[np.float64]:
    """Return the dose in 2 Gy fractions with the same BED, EQD2 = BED / (1 + 2 / (α/β)) [Gy]."""
    check_positive(alpha_beta_gy, "alpha/beta", "Gy")
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


def eubed(
    dose_gy: ArrayLike,
    weights: ArrayLike,
    alpha_per_gy: float,
    alpha_beta_gy: float,
    repair_half_time_s: float,
    effective_half_life_s: float,
) -> float:
    """Return the equivalent uniform BED, −(1/α) ln Σ v exp(−α BED) [Gy]; parameters as in `eud`.

    Examples
    --------
    >>> times = (1.5 * 3600, 64.1 * 3600)
    >>> round(eubed([50, 100, 200, 400], [0.1, 0.3, 0.4, 0.2], 0.01, 10.0, *times), 1)
    179.1
    """
    check_positive(alpha_per_gy, "alpha", "/Gy")
    survival = -alpha_per_gy * bed(dose_gy, alpha_beta_gy, repair_half_time_s, effective_half_life_s)
    bed_gy = -_log_weighted_sum(survival, np.asarray(weights, float)) / alpha_per_gy
    return max(bed_gy, 0.0)


def eud(
    dose_gy: ArrayLike,
    weights: ArrayLike,
    alpha_per_gy: float,
    alpha_beta_gy: float,
    repair_half_time_s: float,
    effective_half_life_s: float,
) -> float:
    """Return the uniform dose [Gy] with the same mean cell survival: the dose whose BED is the `eubed`.

    Parameters
    ----------
    dose_gy, weights : array_like, (voxels,)
        Absorbed doses [Gy] and their volumes; the volumes are normalised here.
    alpha_per_gy, alpha_beta_gy : float
        Linear-quadratic parameters [1/Gy], [Gy].
    repair_half_time_s, effective_half_life_s : float
        Half-times [s].

    Raises
    ------
    InputError
        If a parameter is not positive.

    References
    ----------
    Jones and Hoban 2000, Phys Med Biol 45:159; applied to radionuclides by O'Donoghue 1999, J Nucl Med 40:1337.
    """
    times = (alpha_beta_gy, repair_half_time_s, effective_half_life_s)
    return float(dose_from_bed(eubed(dose_gy, weights, alpha_per_gy, *times), *times))


def _log_weighted_sum(logs: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Ln Σ w exp(x) with normalised weights, safe from under- and overflow."""
    top = float(logs.max())
    if math.isinf(top):
        return top  # no dose anywhere
    return top + float(np.log(np.sum(weights / weights.sum() * np.exp(logs - top))))
