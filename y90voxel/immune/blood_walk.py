"""Sampled blood cells, where a formula gives only mean and spread: the distribution of dose over cells."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError
from y90voxel.immune.circulation import Circulation

__all__ = ["walk_blood_cells"]

Array = NDArray[np.float64]


def walk_blood_cells(
    body: Circulation,
    doses_gy: Mapping[str, float],
    half_life_s: float,
    duration_s: float,
    *,
    cells: int = 10_000,
    shape: float = 1.0,
    seed: int = 0,
) -> Array:
    """Return the doses of sampled blood cells, (cells,) [Gy].

    A semi-Markov walk: residence times are Weibull distributed with the mean transit times, the next compartment is drawn in
    proportion to the flows, and the walk begins at a random moment of a circulation that has gone on for ever. A cell moves about
    every 7 s: for the full decay of yttrium-90 use `circulating_blood_dose`, which is much faster.

    Parameters
    ----------
    body : Circulation
        Compartments and flows.
    doses_gy : mapping of str to float
        Dose of the blood in a compartment after full decay [Gy]; 0 where none is given.
    half_life_s : float
        Physical half-life [s].
    duration_s : float
        How long cells are followed [s].
    cells : int
        How many.
    shape : float
        Shape of the Weibull distribution; 1 is exponential.
    seed : int
        Same seed, same cells.

    Raises
    ------
    InputError
        If a compartment is unknown, a dose negative, or another number not positive.
    """
    check_positive(half_life_s, "the half-life", "s")
    check_positive(duration_s, "the duration", "s")
    check_positive(shape, "the shape of the residence times", "")
    if cells < 1:
        raise InputError(f"at least one cell is needed, got {cells}.")
    rng, decay, doses = (
        np.random.default_rng(seed),
        math.log(2.0) / half_life_s,
        body.doses_by_compartment(doses_gy),
    )
    scales = body.transit_times_s / math.gamma(1.0 + 1.0 / shape)
    size = len(doses)
    # Cumulative transition probabilities, row i raised by i and so ascending throughout: one search serves all cells.
    cumulative = (np.cumsum(body.transition_probabilities, axis=1) + np.arange(size)[:, None]).ravel()
    cumulative[size - 1 :: size] = np.arange(1, size + 1)
    at = rng.choice(size, cells, p=body.fractions)
    # A visit under way is length-biased: a random moment falls into it in proportion to its length.
    visit_s = scales[at] * rng.gamma(1.0 + 1.0 / shape, size=cells) ** (1.0 / shape)
    leave, enter = rng.random(cells) * visit_s, np.zeros(cells)
    result, walking = np.zeros(cells), np.arange(cells)
    while len(walking):
        until = np.minimum(leave, duration_s)
        result[walking] += doses[at] * (np.exp(-decay * enter) - np.exp(-decay * until))
        on = leave < duration_s
        walking, enter, at = walking[on], leave[on], at[on]
        at = np.searchsorted(cumulative, at + rng.random(len(at)), side="right") % size
        leave = enter + scales[at] * rng.weibull(shape, len(at))
    return result
