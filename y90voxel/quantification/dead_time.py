"""Counts that a gamma camera lost to dead time, given back by one factor on the whole image.

Holmium-166 and the bremsstrahlung of yttrium-90 bring more photons than a camera takes: at 0.7 GBq of Ho-166 in view a
fifth is lost. Absolute and factor calibration need the factor; relative calibration does not, for it cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError

__all__ = ["DeadTime", "DeadTimeCurve", "true_count_rate"]


def true_count_rate(observed_cps: float, time_constant_s: float) -> float:
    """Return the rate n that a paralysable camera shows as m = n exp(−n τ), on the branch where more shows more.

    n = −W(−m τ) / τ with the principal branch of Lambert's W.

    Parameters
    ----------
    observed_cps : float
        Observed rate m of all counts that keep the camera busy, not only those of the energy window [1/s].
    time_constant_s : float
        Dead time τ [s].

    Raises
    ------
    InputError
        If a number is not positive, or no true rate shows as much: m τ above 1/e.

    References
    ----------
    Knoll, Radiation Detection and Measurement, 4th edition 2010, section 4.VII; Corless et al. 1996, Adv Comput Math
    5:329, doi 10.1007/BF02124750 (W).

    Examples
    --------
    >>> round(true_count_rate(81873.0753, 2e-6), 1)  # 100 000 cps, of which exp(−0.2) are seen
    100000.0
    """
    # deferred: 0.2 s
    from scipy.special import lambertw

    check_positive(observed_cps, "the observed count rate", "1/s", tag="dead_time.observed_rate_cps")
    check_positive(time_constant_s, "the dead time", "s", tag="dead_time.time_constant_us")
    busy = observed_cps * time_constant_s
    if busy > math.exp(-1.0):
        raise InputError(
            f"a paralysable camera with a dead time of {1e6 * time_constant_s:g} µs shows at most "
            f"{math.exp(-1.0) / time_constant_s:.4g} counts per second, but {observed_cps:.4g} were observed. Check the time "
            "constant and that the rate is that of one detector head.",
            tag="dead_time.time_constant_us",
        )
    return float(-lambertw(-busy).real / time_constant_s)


@dataclass(frozen=True)
class DeadTimeCurve:
    """A measured curve: observed and true count rates of a camera.

    Parameters
    ----------
    observed_cps, true_cps : sequence of float, (points,)
        Rates [1/s], both rising.
    name : str
        Where it comes from.

    Raises
    ------
    InputError
        If there are fewer than two points, a rate is negative, one does not rise, more is seen than was there, or nothing where
        something was.
    """

    observed_cps: Sequence[float]
    true_cps: Sequence[float]
    name: str = "a measured curve"

    def __post_init__(self) -> None:
        observed, true = np.asarray(self.observed_cps, float), np.asarray(self.true_cps, float)
        if observed.shape != true.shape or observed.ndim != 1 or observed.size < 2:
            raise InputError(
                f"{self.name}: a dead-time curve needs two points or more, each with observed and true rate; got "
                f"{observed.size} and {true.size}."
            )
        finite = np.isfinite(observed).all() and np.isfinite(true).all()
        if not (finite and observed[0] >= 0 and (np.diff(observed) > 0).all() and (np.diff(true) > 0).all()):
            raise InputError(
                f"{self.name}: observed and true rates of a dead-time curve must rise from zero or more. Leave out what lies "
                "beyond the greatest observed rate."
            )
        if observed[0] == 0.0 < true[0]:
            raise InputError(
                f"{self.name}: the first point has no observed rate for a true one of {true[0]:g} 1/s, so that the least rate "
                "would stand for as much. Leave this point out."
            )
        if (true < observed).any():
            raise InputError(
                f"{self.name}: a true rate lies below the observed one; dead time only loses counts. Are the columns "
                "exchanged?"
            )

    def true_rate(self, observed_cps: float) -> float:
        """Return the true rate at an observed one, interpolated linearly [1/s].

        Below the first point the share that is lost is in proportion to the rate, m (1 + m tau) to first order in a camera's
        dead time tau (see :func:`true_count_rate`).

        Raises
        ------
        InputError
            If the rate is not positive, or lies above the curve.
        """
        check_positive(observed_cps, "the observed count rate", "1/s", tag="dead_time.observed_rate_cps")
        if observed_cps > self.observed_cps[-1]:
            raise InputError(
                f"{self.name} ends at {self.observed_cps[-1]:.4g} observed counts per second, but the image has "
                f"{observed_cps:.4g}. Measure further, or give a time constant.",
                tag="dead_time.curve",
            )
        first_observed, first_true = self.observed_cps[0], self.true_cps[0]
        if observed_cps < first_observed:
            # Below the first point what is lost vanishes with the rate, as the rate times tau to first order.
            return observed_cps * (1.0 + (first_true / first_observed - 1.0) * observed_cps / first_observed)
        return float(np.interp(observed_cps, self.observed_cps, self.true_cps))


@dataclass(frozen=True)
class DeadTime:
    """How a camera loses counts.

    Parameters
    ----------
    time_constant_s : float or None
        Of a paralysable camera [s].
    curve : DeadTimeCurve or None
        Measured, instead of it.
    observed_cps : float or None
        Observed count rate [1/s]; None takes the counts of the image over its duration.

    Raises
    ------
    InputError
        If neither or both of time constant and curve are given, or a number is not positive.
    """

    time_constant_s: float | None = None
    curve: DeadTimeCurve | None = None
    observed_cps: float | None = None

    def __post_init__(self) -> None:
        if (self.time_constant_s is None) == (self.curve is None):
            raise InputError(
                "dead time needs either a time constant (dead_time.time_constant_us) or a measured curve "
                "(dead_time.curve).",
                tag="dead_time",
            )
        if self.time_constant_s is not None:
            check_not_negative(self.time_constant_s, "the dead time", "s", tag="dead_time.time_constant_us")
        if self.observed_cps is not None:
            check_positive(
                self.observed_cps, "the observed count rate", "1/s", tag="dead_time.observed_rate_cps"
            )

    def factor(self, observed_cps: float) -> float:
        """Return true over observed counts at an observed rate [1/s]."""
        if self.curve is not None:
            return self.curve.true_rate(observed_cps) / observed_cps
        if not self.time_constant_s:
            return 1.0
        return true_count_rate(observed_cps, self.time_constant_s) / observed_cps
