"""When the dose of a treatment is given, and what that means for its effect: Lea and Catcheside for sums of treatments.

With the dose rates R of all treatments together, mono-exponential repair (μ) and the linear-quadratic model,

    BED = ∫ R dt + 1/(α/β) ∫∫ R(s) R(t) exp(−μ |t − s|) ds dt = Σ Dᵢ + (Σ Gᵢ Dᵢ² + Σᵢ<ⱼ Xᵢⱼ Dᵢ Dⱼ) / (α/β)

(Dale 1985, Br J Radiol 58:515, doi 10.1259/0007-1285-58-690-515; Brenner et al. 1998, Radiat Res 150:83,
doi 10.2307/3579648). Gᵢ is the protraction of a treatment alone, Xᵢⱼ what two add to each other while damage is still
unrepaired: nothing when they lie far apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.metrics.radiobiology import lea_catcheside

__all__ = ["DecayingSource", "ExternalBeam", "TimeCourse", "cross_factor", "protraction_factor"]

# Rates that differ by less than this share are taken as equal: the difference quotient would lose its digits.
_EQUAL_RATES = 1e-6


@dataclass(frozen=True)
class DecayingSource:
    """Dose of a source that stays and decays to the end, such as microspheres.

    Parameters
    ----------
    half_life_s : float
        Half-life of the dose rate [s]: the physical one for microspheres.
    start_s : float
        When it begins [s], from any common instant.

    Raises
    ------
    InputError
        If the half-life is not positive.
    """

    half_life_s: float
    start_s: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self.half_life_s, "the half-life", "s")


@dataclass(frozen=True)
class ExternalBeam:
    """Dose in equal fractions, each short against repair.

    Parameters
    ----------
    fraction_times_s : tuple of float, (fractions,)
        When each is given [s], from the same instant as of other treatments.

    Raises
    ------
    InputError
        If there is no fraction.
    """

    fraction_times_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.fraction_times_s:
            raise InputError("an external beam needs one fraction or more, got none.")


TimeCourse = DecayingSource | ExternalBeam


def protraction_factor(course: TimeCourse, repair_half_time_s: float) -> float:
    """Return G of one treatment alone, no unit: BED = D (1 + G D / (α/β)).

    T_rep / (T_rep + T½) for a source that decays to the end; 1/n for n fractions, each repaired before the next, as in
    the usual BED = n d (1 + d / (α/β)).

    Parameters
    ----------
    course : DecayingSource or ExternalBeam
        When the dose is given.
    repair_half_time_s : float
        Half-time of repair [s].

    Raises
    ------
    InputError
        If the half-time is not positive.

    Examples
    --------
    >>> round(protraction_factor(DecayingSource(64.05 * 3600), 2.5 * 3600), 6)
    0.037566
    >>> protraction_factor(ExternalBeam((0.0,) * 5), 2.5 * 3600)
    0.2
    """
    if isinstance(course, ExternalBeam):
        check_positive(repair_half_time_s, "the repair half-time", "s")
        return 1.0 / len(course.fraction_times_s)
    return lea_catcheside(repair_half_time_s, course.half_life_s)


def cross_factor(one: TimeCourse, other: TimeCourse, repair_half_time_s: float) -> float:
    """Return X of two treatments, no unit: what BED · (α/β) gains by D₁ D₂ because damage of both meets.

    X = 2 ∫∫ r₁(s) r₂(t) exp(−μ |t − s|) ds dt with the dose rates per dose, in closed form.

    Parameters
    ----------
    one, other : DecayingSource or ExternalBeam
        Treatments, in any order.
    repair_half_time_s : float
        Half-time of repair [s].

    Raises
    ------
    InputError
        If the half-time is not positive.

    Examples
    --------
    Two equal treatments 72 h apart; alone they have 2 G = 0.07513:

    >>> half_life, repair = 64.05 * 3600, 2.5 * 3600
    >>> first, second = DecayingSource(half_life), DecayingSource(half_life, 72 * 3600)
    >>> round(2 * protraction_factor(first, repair) + cross_factor(first, second, repair), 4)
    0.111
    """
    check_positive(repair_half_time_s, "the repair half-time", "s")
    repair = math.log(2.0) / repair_half_time_s
    if isinstance(one, ExternalBeam):
        return 2.0 * _mean([_unrepaired(other, at, repair) for at in one.fraction_times_s])
    if isinstance(other, ExternalBeam):
        return 2.0 * _mean([_unrepaired(one, at, repair) for at in other.fraction_times_s])
    first, second = sorted((one, other), key=lambda course: course.start_s)
    return 2.0 * _overlap(first, second, repair)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _unrepaired(course: TimeCourse, at_s: float, repair: float) -> float:
    """∫ r(s) exp(−μ |t − s|) ds: what of a treatment's dose meets a fraction at t, before and after it."""
    if isinstance(course, ExternalBeam):
        return _mean([math.exp(-repair * abs(at_s - time)) for time in course.fraction_times_s])
    decay, since = math.log(2.0) / course.half_life_s, at_s - course.start_s
    if since <= 0:
        return decay / (decay + repair) * math.exp(repair * since)
    return decay * _difference(decay, repair, since) + decay / (decay + repair) * math.exp(-decay * since)


def _overlap(first: DecayingSource, second: DecayingSource, repair: float) -> float:
    """∫∫ r₁(s) r₂(t) exp(−μ |t − s|) ds dt of two decaying sources, the second begun later."""
    one, two = math.log(2.0) / first.half_life_s, math.log(2.0) / second.half_life_s
    gap = second.start_s - first.start_s
    # Of the dose of the first before the second begins, what is not repaired meets all of the second; from then on both
    # decay together, the first with what it has left.
    earlier = one * _difference(one, repair, gap) * two / (two + repair)
    together = one * two / (one + two) * (1.0 / (one + repair) + 1.0 / (two + repair))
    return earlier + math.exp(-one * gap) * together


def _difference(decay: float, repair: float, time: float) -> float:
    """(exp(−λ t) − exp(−μ t)) / (μ − λ), also where the two meet."""
    if abs(repair - decay) <= _EQUAL_RATES * repair:
        return time * math.exp(-0.5 * (decay + repair) * time)
    return (math.exp(-decay * time) - math.exp(-repair * time)) / (repair - decay)
