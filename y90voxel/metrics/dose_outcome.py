"""Dose against outcome, exploratory: Kaplan-Meier by group with log-rank, and logistic dose-response.

The statistics are those of statsmodels (the extra ``cohort``), for survival too: lifelines estimates the same
and would cost a cohort of thousands another hundred megabytes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.errors import InputError
from y90voxel.optional import install_command

__all__ = ["DoseResponse", "SurvivalCurve", "SurvivalGroups", "logistic_dose_response", "survival_by_group"]

NORMAL_QUANTILE = 1.959964  # 97.5 % of the normal distribution, for two-sided 95 % intervals


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Kaplan-Meier estimate of one group.

    Parameters
    ----------
    name : str
        The group.
    count, events : int
        Subjects, and events among them.
    times : ndarray, (n,)
        Times at which the estimate steps, from 0; in the unit of the input.
    survival, lower, upper : ndarray, (n,)
        Estimate from each time on, with its 95 % interval (log-log transformed).
    censored : ndarray, (m,)
        Times of censoring.
    median : float or None
        Median survival; None when it is not reached.
    """

    name: str
    count: int
    events: int
    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    censored: NDArray[np.float64]
    median: float | None


@dataclass(frozen=True)
class SurvivalGroups:
    """Curves of all groups with the log-rank test between them.

    Parameters
    ----------
    curves : tuple of SurvivalCurve
        In the order of the names.
    chi_square, p_value : float
        Log-rank test.
    """

    curves: tuple[SurvivalCurve, ...]
    chi_square: float
    p_value: float


@dataclass(frozen=True)
class DoseResponse:
    """Logistic model: logit P = intercept + slope × dose.

    Parameters
    ----------
    count, responders : int
        Subjects, and responders among them.
    intercept, slope_per_gy : float
        Coefficients.
    covariance : tuple of tuple of float
        Of intercept and slope.
    slope_interval_per_gy : (float, float)
        95 % Wald interval of the slope.
    p_value : float
        Wald test of the slope.
    """

    count: int
    responders: int
    intercept: float
    slope_per_gy: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    slope_interval_per_gy: tuple[float, float]
    p_value: float

    @property
    def d50_gy(self) -> float | None:
        """Dose with a probability of one half [Gy]; None where the slope is not positive."""
        return -self.intercept / self.slope_per_gy if self.slope_per_gy > 0 else None

    def probability(
        self, doses_gy: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the probability of response at doses [Gy], with its pointwise 95 % interval (Wald, on the logit)."""
        x = np.asarray(doses_gy, dtype=np.float64)
        logit = self.intercept + self.slope_per_gy * x
        (a, b), (_, c) = self.covariance
        spread = NORMAL_QUANTILE * np.sqrt(np.maximum(a + 2 * b * x + c * x * x, 0.0))
        middle, low, high = (
            1.0 / (1.0 + np.exp(-value)) for value in (logit, logit - spread, logit + spread)
        )
        return middle, low, high


def survival_by_group(times: ArrayLike, events: ArrayLike, groups: ArrayLike) -> SurvivalGroups:
    """Return Kaplan-Meier curves by group and the log-rank test between the groups.

    Parameters
    ----------
    times : array_like, (n,)
        Time to event or to the end of observation, in any unit; not negative.
    events : array_like of bool, (n,)
        Whether the event was seen.
    groups : array_like of str, (n,)
        Name of each subject's group, at least two different ones.

    Raises
    ------
    InputError
        If statsmodels is not installed, lengths differ, a time is negative or missing, there is one group only, or no
        event at all.

    References
    ----------
    Kaplan and Meier 1958, J Am Stat Assoc 53:457; Mantel 1966, Cancer Chemother Rep 50:163; Kalbfleisch and Prentice
    2002, The Statistical Analysis of Failure Time Data, section 1.4 (log-log interval).
    """
    library = _library("statsmodels.duration.survfunc")
    t, e, g = (
        np.asarray(times, dtype=np.float64),
        np.asarray(events, dtype=bool),
        np.asarray(groups, dtype=str),
    )
    if not t.shape == e.shape == g.shape or t.ndim != 1:
        raise InputError(
            f"survival needs one time, event and group a subject, got {t.shape}, {e.shape}, {g.shape}."
        )
    if not (np.isfinite(t).all() and (t >= 0).all()):
        raise InputError("survival times must be known and not negative.")
    names = list(dict.fromkeys(g.tolist()))
    if len(names) < 2:
        raise InputError(f"comparing survival needs two groups, there is only {', '.join(names) or 'none'}.")
    if not e.any():
        raise InputError("no event was seen in any group: there is nothing to compare.")
    chi_square, p_value = library.survdiff(t, e.astype(int), g)
    curves = tuple(_curve(library, name, t[g == name], e[g == name]) for name in names)
    return SurvivalGroups(curves, float(chi_square), float(p_value))


def logistic_dose_response(doses_gy: ArrayLike, responses: ArrayLike) -> DoseResponse:
    """Return the maximum-likelihood logistic model of response against dose.

    Parameters
    ----------
    doses_gy : array_like, (n,)
        Doses [Gy].
    responses : array_like of bool, (n,)
        Whether there was a response.

    Raises
    ------
    InputError
        If statsmodels is not installed, lengths differ, a dose is missing or all are equal, all responses are the
        same, or the doses separate the responders wholly, so that no finite estimate exists.

    References
    ----------
    Albert and Anderson 1984, Biometrika 71:1, doi 10.1093/biomet/71.1.1 (separation).
    """
    models = _library("statsmodels.discrete.discrete_model")
    x, y = np.asarray(doses_gy, dtype=np.float64), np.asarray(responses, dtype=bool)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(
            f"a dose-response needs one dose and one response a subject, got {x.shape}, {y.shape}."
        )
    if not np.isfinite(x).all():
        raise InputError("doses must be known; leave out the subjects without one.")
    if y.all() or not y.any():
        raise InputError("every subject has the same response: there is no dose-response.")
    if np.ptp(x) == 0:
        raise InputError("every subject has the same dose: there is no dose-response.")
    if x[y].min() >= x[~y].max() or x[y].max() <= x[~y].min():
        raise InputError("one dose separates responders from the others wholly: no finite estimate exists.")
    # Centred and scaled for the solver, and taken back: doses in hundreds of Gy make it ill-conditioned.
    centre, scale = float(x.mean()), float(x.std())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = models.Logit(y.astype(float), np.column_stack([np.ones(x.size), (x - centre) / scale])).fit(
            disp=0, maxiter=200
        )
    back = np.array([[1.0, -centre / scale], [0.0, 1.0 / scale]])
    intercept, slope = (back @ fit.params).tolist()
    covariance = back @ fit.cov_params() @ back.T
    spread = NORMAL_QUANTILE * float(np.sqrt(covariance[1, 1]))
    return DoseResponse(
        count=int(x.size),
        responders=int(y.sum()),
        intercept=intercept,
        slope_per_gy=slope,
        covariance=(
            (float(covariance[0, 0]), float(covariance[0, 1])),
            (float(covariance[1, 0]), float(covariance[1, 1])),
        ),
        slope_interval_per_gy=(slope - spread, slope + spread),
        p_value=float(fit.pvalues[1]),
    )


def _library(name: str) -> Any:
    """A library of the extra ``cohort``."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"dose against outcome needs {name.partition('.')[0]}: {install_command('cohort')}."
        ) from error


def _curve(library: Any, name: str, times: NDArray[np.float64], events: NDArray[np.bool_]) -> SurvivalCurve:
    """Kaplan-Meier estimate of one group; the interval is Greenwood's on the log-log scale."""
    fit = library.SurvfuncRight(times, events.astype(int))
    survival, error = np.asarray(fit.surv_prob, np.float64), np.asarray(fit.surv_prob_se, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.exp(NORMAL_QUANTILE * error / (survival * np.log(survival)))
        lower, upper = survival ** (1.0 / spread), survival**spread
    finite = np.isfinite(spread)  # not where the estimate is 0
    reached = np.flatnonzero(survival <= 0.5 + 1e-12)
    return SurvivalCurve(
        name=name,
        count=int(times.size),
        events=int(events.sum()),
        times=np.concatenate(([0.0], fit.surv_times)),
        survival=np.concatenate(([1.0], survival)),
        lower=np.concatenate(([1.0], np.where(finite, lower, survival))),
        upper=np.concatenate(([1.0], np.where(finite, upper, survival))),
        censored=np.sort(times[~events]),
        median=float(fit.surv_times[reached[0]]) if reached.size else None,
    )
