"""Probabilities of tumour control and of complications; model values, only with parameters chosen by the caller.

Published parameters belong to a product and a dose basis: 70 Gy of resin, 120 Gy of glass and 40 Gy of external
beam are about equally toxic to the liver (Walrand et al. 2014, J Nucl Med 55:135). Curves fitted on post-therapy
PET do not hold for doses planned on MAA. No set is shipped: of none could the numbers be read in their source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = [
    "NtcpParameters",
    "ntcp_lkb",
    "tcp_log_logistic",
    "tcp_logit",
    "tcp_poisson",
]


def tcp_poisson(eubed_gy: float, clonogens: float, alpha_per_gy: float) -> float:
    """Return the probability that no clonogen survives, exp(−N₀ exp(−α EUBED)).

    Parameters
    ----------
    eubed_gy : float
        Equivalent uniform biologically effective dose [Gy], see `eubed`.
    clonogens : float
        N₀, clonogenic cells in the tumour.
    alpha_per_gy : float
        α [1/Gy].

    Raises
    ------
    InputError
        If clonogens or α are not positive, or the dose negative.

    References
    ----------
    Webb and Nahum 1993, Phys Med Biol 38:653, doi 10.1088/0031-9155/38/6/001.

    Examples
    --------
    >>> round(tcp_poisson(0.0, 1.0, 0.3), 4)
    0.3679
    """
    check_not_negative(eubed_gy, "the EUBED", "Gy")
    check_positive(clonogens, "the number of clonogens", "")
    check_positive(alpha_per_gy, "alpha", "/Gy")
    return math.exp(-math.exp(math.log(clonogens) - alpha_per_gy * eubed_gy))


def tcp_log_logistic(dose_gy: float, d50_gy: float, gamma50: float) -> float:
    """Return the control probability 1 / (1 + (D50 / D)^(4 γ50)).

    Parameters
    ----------
    dose_gy : float
        Mean dose, gEUD or EUD, whichever the parameters were fitted to [Gy].
    d50_gy : float
        Dose of 50 % control [Gy].
    gamma50 : float
        Normalised slope there, D dTCP/dD.

    Raises
    ------
    InputError
        If a parameter is not positive or the dose negative.

    References
    ----------
    Gay and Niemierko 2007, Phys Med 23:115, doi 10.1016/j.ejmp.2007.07.001. Glass, post-therapy PET: 50 % at 292 Gy mean
    dose (Dewaraja et al. 2020, J Nucl Med 61:104); its slope was not seen.

    Examples
    --------
    >>> round(tcp_log_logistic(205.0, 292.0, 0.8), 4)
    0.2438
    """
    check_not_negative(dose_gy, "the dose", "Gy")
    check_positive(d50_gy, "D50", "Gy")
    check_positive(gamma50, "gamma50", "")
    if dose_gy == 0.0:
        return 0.0
    return _logistic(4.0 * gamma50 * (math.log(dose_gy) - math.log(d50_gy)))


def tcp_logit(dose_gy: float, intercept: float, slope_per_gy: float) -> float:
    """Return the control probability 1 / (1 + exp(−(b₀ + b₁ D))).

    Parameters
    ----------
    dose_gy : float
        Dose the regression was fitted to [Gy].
    intercept, slope_per_gy : float
        b₀ and b₁ [1/Gy].

    Raises
    ------
    InputError
        If the dose is negative or the slope not positive.
    """
    check_not_negative(dose_gy, "the dose", "Gy")
    check_positive(slope_per_gy, "the slope", "/Gy")
    return _logistic(intercept + slope_per_gy * dose_gy)


@dataclass(frozen=True)
class NtcpParameters:
    """Parameters of the Lyman-Kutcher-Burman model for one device, endpoint and dose basis.

    Parameters
    ----------
    td50_gy : float
        Uniform dose of 50 % complications [Gy].
    m : float
        Slope; γ50 = 1 / (m √(2π)).
    n : float
        Volume parameter; the gEUD exponent is 1 / n.
    device : str
        Device that they were fitted for, or ``"external beam"``.
    endpoint : str
        Complication.
    source : str
        Where they come from.
    verified : bool
        False when the numbers were not seen in their source: never to be used without saying so.

    Raises
    ------
    InputError
        If a number is not positive.
    """

    td50_gy: float
    m: float
    n: float
    device: str
    endpoint: str
    source: str
    verified: bool

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_positive(self.td50_gy, "TD50", "Gy")
        check_positive(self.m, "m", "")
        check_positive(self.n, "n", "")

    @property
    def geud_exponent(self) -> float:
        """Exponent of the gEUD that the model takes."""
        return 1.0 / self.n

    @property
    def gamma50(self) -> float:
        """Normalised slope at TD50."""
        return 1.0 / (self.m * math.sqrt(2.0 * math.pi))


def ntcp_lkb(
    geud_gy: float, parameters: NtcpParameters, *, device: str, accept_unverified: bool = False
) -> float:
    """Return the complication probability Φ((gEUD − TD50) / (m TD50)).

    Parameters
    ----------
    geud_gy : float
        gEUD with the exponent 1 / n of the parameters [Gy], see `geud`.
    parameters : NtcpParameters
        Of the same device.
    device : str
        Device of the treatment.
    accept_unverified : bool
        Must be said for parameters whose numbers were never checked against their source.

    Raises
    ------
    InputError
        If the parameters are for another device, are unverified and not accepted, or the dose is negative.

    References
    ----------
    Lyman 1985, Radiat Res 104:S13; Kutcher and Burman 1989, Int J Radiat Oncol Biol Phys 16:1623,
    doi 10.1016/0360-3016(89)90972-3.
    """
    check_not_negative(geud_gy, "the gEUD", "Gy")
    if parameters.device != device:
        raise InputError(
            f"these complication parameters are for {parameters.device}, the treatment is with {device}: doses of "
            "different products are not equally toxic. Choose parameters of the same device."
        )
    if not (parameters.verified or accept_unverified):
        raise InputError(
            f"the complication parameters ({parameters.source}) were never checked against their source. Pass "
            "accept_unverified=True to use them all the same, and say so beside the result."
        )
    deviate = (geud_gy - parameters.td50_gy) / (parameters.m * parameters.td50_gy)
    return 0.5 * math.erfc(-deviate / math.sqrt(2.0))


def _logistic(x: float) -> float:
    """1 / (1 + e⁻ˣ) without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
