"""Dose to circulating blood from a decaying source: mean, exact variance, their growth, and how much blood has passed.

A cell moves between compartments by the Markov chain of the circulation, and gets D_i λ exp(−λt) a second while it is in
compartment i, D_i being the dose of the blood that stayed there until all has decayed. Nothing is sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.immune.circulation import Circulation
from y90voxel.immune.reference_blood import BLOOD_DENSITY_G_PER_ML
from y90voxel.immune.residence_times import residence_law
from y90voxel.short_repr import short_repr

__all__ = [
    "BloodDose",
    "blood_dose_growth",
    "blood_dose_quantiles",
    "blood_dose_window",
    "circulating_blood_dose",
    "fraction_of_blood_seen",
    "free_activity_dose",
    "mean_blood_dose",
    "renewal_cv",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BloodDose:
    """Mean and spread over cells.

    Parameters
    ----------
    mean_gy, sd_gy : float
        Mean and standard deviation over the cells that circulate throughout [Gy].
    """

    mean_gy: float
    sd_gy: float

    __repr__ = short_repr

    @property
    def cv(self) -> float:
        """Coefficient of variation; 0 where the mean is 0."""
        return self.sd_gy / self.mean_gy if self.mean_gy > 0 else 0.0


def mean_blood_dose(body: Circulation, doses_gy: Mapping[str, float]) -> float:
    """Return the mean dose to blood after full decay, Σ f_i D_i [Gy]; exact for any law of residence times.

    Parameters
    ----------
    body : Circulation
        Blood fractions f_i.
    doses_gy : mapping of str to float
        Dose of the blood in a compartment, D_i [Gy]; 0 where none is given.

    Raises
    ------
    InputError
        If a compartment is unknown or a dose negative.

    Examples
    --------
    >>> from y90voxel.immune.circulation import reference_circulation
    >>> round(mean_blood_dose(reference_circulation("male"), {"liver": 24.84, "lung": 7.89}), 4)
    3.3125
    """
    return float(body.fractions @ body.doses_by_compartment(doses_gy))


def circulating_blood_dose(
    body: Circulation, doses_gy: Mapping[str, float], half_life_s: float, residence: str = "exponential"
) -> BloodDose:
    """Return mean and standard deviation of the dose to blood cells after full decay, both exact.

    Var D = λ (π∘w)ᵀ L(λ) w − (πᵀw)², L_ij(λ) = ∫ exp(−λt) P(in j at t | in i at 0) dt, π the blood fractions, w the doses. For
    exponential residence L = (λI − Q)⁻¹ with the generator Q; for another law, with transforms φ_i of the residence times, ρ_i =
    (1 − φ_i)/(λτ_i) of what is left of one at a random moment, and transition probabilities P:
    L = diag((1 − ρ)/λ) + diag(ρ) P (I − diag(φ) P)⁻¹ diag((1 − φ)/λ).

    Parameters
    ----------
    body : Circulation
        Compartments and flows, n of them.
    doses_gy : mapping of str to float
        Dose of the blood in a compartment after full decay [Gy]; 0 where none is given.
    half_life_s : float
        Physical half-life [s].
    residence : str
        Law of the residence times: exponential or weibull-2.

    Raises
    ------
    InputError
        If a compartment or law is unknown, a dose negative, or the half-life not positive.

    Notes
    -----
    A cell that never leaves the circulation; lymphocytes do. Every visit sees the mean dose of its compartment.

    Examples
    --------
    >>> from y90voxel.immune.circulation import reference_circulation
    >>> round(circulating_blood_dose(reference_circulation("male"), {"liver": 1.0}, 64.05 * 3600).cv, 4)
    0.0215
    """
    check_positive(half_life_s, "the half-life", "s")
    decay, doses, shares = math.log(2.0) / half_life_s, body.doses_by_compartment(doses_gy), body.fractions
    size = len(shares)
    if residence == "exponential":
        met = np.linalg.solve(decay * np.eye(size) - body.generator, doses)
    else:
        transform, times = residence_law(residence), body.transit_times_s
        stay = np.array([transform(decay, float(time)) for time in times])
        left = (1.0 - stay) / (decay * times)
        entered = np.linalg.solve(
            np.eye(size) - stay[:, None] * body.transition_probabilities, (1.0 - stay) / decay * doses
        )
        met = (1.0 - left) / decay * doses + left * (body.transition_probabilities @ entered)
    mean = float(shares @ doses)
    variance = decay * float((shares * doses) @ met) - mean**2
    return BloodDose(mean, math.sqrt(max(variance, 0.0)))


def blood_dose_growth(
    body: Circulation, doses_gy: Mapping[str, float], half_life_s: float, times_s: ArrayLike
) -> tuple[Array, Array]:
    """Return mean and standard deviation of the dose that blood cells have by given times, (k,) and (k,) [Gy].

    E[D²(T)] = 2 λ² ∫₀ᵀ exp(−2λs) ∫₀^{T−s} exp(−λu) (π∘w)ᵀ exp(Qu) w du ds, by one matrix exponential a time.

    Parameters
    ----------
    body : Circulation
        Compartments and flows; residence times are exponential.
    doses_gy : mapping of str to float
        Dose of the blood in a compartment after full decay [Gy].
    half_life_s : float
        Physical half-life [s]; infinite is refused, see `blood_dose_window`.
    times_s : array_like, (k,)
        Times since the injection [s].

    Raises
    ------
    InputError
        If a compartment is unknown, a dose or time negative, or the half-life not positive.
    """
    check_positive(half_life_s, "the half-life", "s")
    decay = math.log(2.0) / half_life_s
    times, doses = _times(times_s), body.doses_by_compartment(doses_gy)
    mean = float(body.fractions @ doses)
    squares = np.array([_second_moment(body, doses, decay, time) for time in times]) * decay**2
    means = -mean * np.expm1(-decay * times)
    return means, np.sqrt(np.maximum(squares - means**2, 0.0))


def blood_dose_window(body: Circulation, doses_gy: Mapping[str, float], duration_s: float) -> BloodDose:
    """Return mean and standard deviation of the dose from a constant rate over a window, exact.

    Var = (2/T²) ∫₀ᵀ (T − u) (π∘w)ᵀ exp(Qu) w du − (πᵀw)².

    Parameters
    ----------
    body : Circulation
        Compartments and flows; residence times are exponential.
    doses_gy : mapping of str to float
        Dose within the window of blood that stays in the compartment [Gy].
    duration_s : float
        Length T of the window [s].

    Raises
    ------
    InputError
        If a compartment is unknown, a dose negative, or the window not positive.
    """
    check_positive(duration_s, "the window", "s")
    doses = body.doses_by_compartment(doses_gy)
    mean = float(body.fractions @ doses)
    square = _second_moment(body, doses, 0.0, duration_s) / duration_s**2
    return BloodDose(mean, math.sqrt(max(square - mean**2, 0.0)))


def _second_moment(body: Circulation, doses: Array, decay: float, time: float) -> float:
    """2 ∫₀ᵀ exp(−2λs) ∫₀^{T−s} exp(−λu) (π∘w)ᵀ exp(Qu) w du ds, as the last entry of a linear system at T."""
    # deferred: 0.1 s
    from scipy.linalg import expm

    size = len(doses)
    system = np.zeros((size + 2, size + 2))
    system[:size, :size] = body.generator - decay * np.eye(size)  # y' = (Q − λ) y, y(0) = w
    system[size, :size] = body.fractions * doses  # G' = (π∘w)·y
    system[size + 1, size], system[size + 1, size + 1] = 1.0, -2.0 * decay  # H' = G − 2λ H
    start = np.concatenate([doses, [0.0, 0.0]])
    return 2.0 * float(expm(system * time)[size + 1] @ start)


def fraction_of_blood_seen(body: Circulation, names: Sequence[str], times_s: ArrayLike) -> Array:
    """Return the share of the blood that has been in any of some compartments by given times, (k,).

    1 − π_oᵀ exp(Q_oo t) 1 over the other compartments o; residence times are exponential.

    Parameters
    ----------
    body : Circulation
        Compartments and flows.
    names : sequence of str
        Compartments, such as ``["liver"]``.
    times_s : array_like, (k,)
        Times [s].

    Raises
    ------
    InputError
        If a compartment is unknown or a time negative.

    Examples
    --------
    >>> from y90voxel.immune.circulation import reference_circulation
    >>> [round(float(seen), 4) for seen in fraction_of_blood_seen(reference_circulation("male"), ["liver"], [1.0, 60.0])]
    [0.1052, 0.3742]
    """
    # deferred: 0.1 s
    from scipy.linalg import expm

    met = {body.index(name) for name in names}
    rest = [i for i in range(len(body.names)) if i not in met]
    outside, shares = body.generator[np.ix_(rest, rest)], body.fractions[rest]
    return np.array([1.0 - shares @ expm(outside * time).sum(1) for time in _times(times_s)])


def blood_dose_quantiles(dose: BloodDose, percent: ArrayLike) -> Array:
    """Return the doses that given percents of the cells stay below, (k,) [Gy], by a gamma distribution of that mean and spread.

    After full decay a cell has passed the liver more than a thousand times and its dose is all but normal; a gamma distribution
    stays above zero. For windows of minutes, where many cells have none, sample with `walk_blood_cells`.

    Parameters
    ----------
    dose : BloodDose
        Mean and standard deviation.
    percent : array_like, (k,)
        Percent of the cells, 0 to 100.

    Raises
    ------
    InputError
        If a percent lies outside 0 to 100.
    """
    # deferred: 0.1 s
    from scipy.special import gammaincinv

    shares = np.atleast_1d(np.asarray(percent, float)) / 100.0
    for share in shares:
        check_fraction(float(share), "the share of the cells")
    if not dose.sd_gy > 0:
        return np.full(len(shares), dose.mean_gy)
    shape = 1.0 / dose.cv**2
    return np.asarray(gammaincinv(shape, shares) / shape * dose.mean_gy, dtype=np.float64)


def renewal_cv(
    body: Circulation, name: str, half_life_s: float, residence_cv2: float = 1.0, elsewhere_cv2: float = 1.0
) -> float:
    """Return the closed approximation of the coefficient of variation where one compartment alone has dose.

    CV² = (1 − f)² (c₁ + c₂) T_visit λ / 2, visits and times elsewhere being an alternating renewal process.

    Parameters
    ----------
    body : Circulation
        Compartments and flows.
    name : str
        The compartment.
    half_life_s : float
        Physical half-life [s].
    residence_cv2, elsewhere_cv2 : float
        Squared coefficients of variation of a visit and of the time until the next, c₁ and c₂; 1 where exponential, 0.2732 for
        Weibull of shape 2.

    Raises
    ------
    InputError
        If the compartment is unknown, the half-life not positive, or a coefficient negative.
    """
    check_positive(half_life_s, "the half-life", "s")
    for value in (residence_cv2, elsewhere_cv2):
        check_not_negative(value, "a squared coefficient of variation", "")
    at = body.index(name)
    share, visit = body.fractions[at], body.total_volume_l / body.flows_l_per_s[at].sum()
    squared = (1 - share) ** 2 * (residence_cv2 + elsewhere_cv2) * visit * math.log(2.0) / half_life_s / 2.0
    return math.sqrt(squared)


def free_activity_dose(
    activity_bq: float, fraction: float, energy_per_activity_j_per_bq: float, blood_volume_l: float
) -> float:
    """Return the dose to blood if a fraction of the activity circulated in it until all had decayed [Gy]; an upper bound.

    D = a A Ẽ / (V ρ): no activity is taken up by bone or excreted, and no energy leaves the blood.

    Parameters
    ----------
    activity_bq : float
        Activity A [Bq].
    fraction : float
        Its free share a.
    energy_per_activity_j_per_bq : float
        Energy of complete decay per activity Ẽ [J/Bq].
    blood_volume_l : float
        Blood volume V [L], of 1.06 kg/L.

    Raises
    ------
    InputError
        If activity or energy are negative, the fraction lies outside 0 to 1, or the volume is not positive.

    Examples
    --------
    >>> round(free_activity_dose(1e9, 0.005, 49.77e-9, 5.3), 3)
    0.044
    """
    check_not_negative(activity_bq, "the activity", "Bq")
    check_not_negative(energy_per_activity_j_per_bq, "the energy per activity", "J/Bq")
    check_fraction(fraction, "the free share of the activity", tag="immune.free_activity")
    check_positive(blood_volume_l, "the blood volume", "L")
    return fraction * activity_bq * energy_per_activity_j_per_bq / (blood_volume_l * BLOOD_DENSITY_G_PER_ML)


def _times(times_s: ArrayLike) -> Array:
    """Times as an array, refused where negative."""
    times = np.atleast_1d(np.asarray(times_s, float))
    if not (np.isfinite(times).all() and times.min() >= 0):
        raise InputError(f"times must not be negative, got {times.min():g} s.")
    return times
