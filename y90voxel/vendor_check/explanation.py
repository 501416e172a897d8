"""Which of our variants, moved and scaled, is their map: what each cause accounts for, and what is left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.vendor_check.check_inputs import OwnCalculation
from y90voxel.vendor_check.geometry_search import (
    Lying,
    Sampling,
    fit_at,
    found_lying,
    looked_at,
    mirrored,
    sampled,
)
from y90voxel.vendor_check.map_fit import Fit, Floats, clearly_better, compared, rounding_step
from y90voxel.vendor_check.model_variants import model_doses, own_model
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

__all__ = ["Explanation", "Hypothesis", "explain"]

# Residual up to which no other place is looked for: what kernels of two codes differ by at most.
LOOK_ELSEWHERE = 5e-4
# Of the sum of squares: a shift must take off at least the rest; chosen: engines mimic small shifts at edges.
SHIFT_LEAVES = 0.7
LEAST_SHIFT = 0.02  # [voxels of ours]; chosen: a fit of noise-free maps is good to 0.001
SAME_SPACING = 1e-3  # relative: spacings are written with six digits
# Voxels up to which every model is computed on their grid too; above it that takes minutes.
MOST_VOXELS = 4_000_000
# What rounding leaves is its step over the root of twelve, between these factors (a map has voxels on its steps too).
ROUNDING_FROM, ROUNDING_TO = 0.4, 1.5
# Noise is read off the quarter of the voxels above a fifth of the maximum where our models differ least.
QUIET_FROM_DOSE, QUIET_SHARE, LEAST_PAIRS = 0.2, 0.25, 30
MEDIAN_TO_SD = 1.4826  # of the absolute value of a Gaussian


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A variant of ours, where it lies, and how well it fits.

    Parameters
    ----------
    model : str
        Of `MODELS`, or `OWN`.
    lying : Lying
        How it is moved.
    fit : Fit
        Against their map.
    """

    model: str
    lying: Lying
    fit: Fit


@dataclass(frozen=True, eq=False)
class Explanation:
    """What their map is in terms of ours.

    Parameters
    ----------
    chosen : Hypothesis
        The simplest variant that nothing fits clearly better than.
    as_well : tuple of str
        Other models that fit as well there.
    models : tuple of Hypothesis
        Every model at that place, best first.
    difference : float or None
        Root mean square difference of their map and ours as they are, over theirs; None where they do not meet.
    without : mapping of str to float
        Residual of the best fit without a cause, by its name: ``factor``, ``model``, ``shift``, ``mirror``, ``grid``, ``cut``.
    step_gy : float or None
        What their values are multiples of, where that is all that is left.
    noise : float or None
        Noise of their map that is left, over theirs; None where it cannot be told.
    explained : DoseMap
        The chosen variant, moved and scaled, at the looked-at voxels of their grid [Gy].
    theirs : DoseMap
        Their map, mirrored, at the same voxels [Gy].
    """

    chosen: Hypothesis
    as_well: tuple[str, ...]
    models: tuple[Hypothesis, ...]
    difference: float | None
    without: Mapping[str, float]
    step_gy: float | None
    noise: float | None
    explained: DoseMap
    theirs: DoseMap

    @property
    def residual(self) -> float:
        """What is left, over their map."""
        return self.chosen.fit.residual


def explain(own: OwnCalculation, theirs: DoseMap) -> Explanation | None:
    """Return what their map is in terms of ours; None where the two never meet.

    Parameters
    ----------
    own : OwnCalculation
        Our side.
    theirs : DoseMap
        Their map [Gy].
    """
    doses = model_doses(own)
    first = own_model(own.engine)
    part = looked_at(theirs, doses[first])
    plain = _fits(part, doses, Lying())
    best = min(plain, key=lambda one: one.fit.residual) if plain else None
    lying = Lying()
    if best is None or best.fit.residual > LOOK_ELSEWHERE:
        lying = _elsewhere(theirs, doses, best, first)
    part = looked_at(theirs, doses[first], lying.mirror)
    made: dict[Lying, Mapping[str, DoseMap]] = {lying: doses}
    tried = _fits(part, doses, lying)
    for where in () if _same_spacing(theirs.grid, own.dose.grid) else _samplings(lying, theirs.grid):
        if min((one.fit.residual for one in tried), default=1.0) <= LOOK_ELSEWHERE:
            break
        made[where] = doses
        if where.sampling.on_their_grid:
            smooth = where.sampling is Sampling.THEIR_GRID_SMOOTH
            made[where] = model_doses(own, theirs.grid, interpolated=smooth)
        tried += _fits(part, made[where], where)
    if not tried:
        return None
    chosen = _simplest(tried, first)
    there = made[chosen.lying]
    at_place = sorted((o for o in tried if o.lying == chosen.lying), key=lambda one: one.fit.residual)
    least = at_place[0].fit
    as_well = [
        one.model
        for one in at_place
        if one.model != chosen.model and not clearly_better(least.residual, one.fit.residual, least.count)
    ]
    explained = _applied(chosen, there[chosen.model], part.grid)
    return Explanation(
        chosen=chosen,
        as_well=tuple(as_well),
        models=tuple(at_place),
        difference=_difference(part, doses[first], lying.mirror),
        without=_without(theirs, doses, made, chosen, first),
        step_gy=_rounding(part, explained, chosen.fit),
        noise=_noise(part, explained, (sampled(there[o.model], part.grid, o.lying)[0] * o.fit.factor for o in at_place)),
        explained=explained,
        theirs=part,
    )  # fmt: skip


def _fits(part: DoseMap, doses: Mapping[str, DoseMap], lying: Lying) -> list[Hypothesis]:
    """Every model at one place; ``part`` is mirrored already."""
    here = replace(lying, mirror=())
    fits = ((name, fit_at(part, dose, here)) for name, dose in doses.items())
    return [Hypothesis(name, lying, fit) for name, fit in fits if fit is not None and fit.factor > 0]


def _elsewhere(theirs: DoseMap, doses: Mapping[str, DoseMap], best: Hypothesis | None, first: str) -> Lying:
    """Where ours lies on theirs, found with the nearest model and then with the best one there; no move if it gains little."""
    model = first if best is None else best.model
    lying, fit = found_lying(theirs, doses[model])
    if fit is None:
        return Lying()
    there = _fits(looked_at(theirs, doses[first], lying.mirror), doses, lying)
    better = min(there, key=lambda one: one.fit.residual) if there else None
    if better is not None and better.model != model:
        again, again_fit = found_lying(theirs, doses[better.model])
        if again_fit is not None and again_fit.residual <= better.fit.residual:
            lying, fit = again, again_fit
    if best is None:
        return lying
    gained = fit.residual**2 < SHIFT_LEAVES * best.fit.residual**2
    moved = bool(lying.mirror) or lying.length_mm > LEAST_SHIFT * min(doses[first].grid.spacing_mm)
    return (
        lying if gained and moved and clearly_better(fit.residual, best.fit.residual, fit.count) else Lying()
    )


def _samplings(lying: Lying, grid: Grid) -> list[Lying]:
    """Other ways to come to their voxels, where these are of another size."""
    mean = replace(lying, sampling=Sampling.MEAN)
    small = lying == Lying() and grid.size <= MOST_VOXELS
    computed = (Sampling.THEIR_GRID, Sampling.THEIR_GRID_SMOOTH)
    return [mean, *(Lying(sampling=one) for one in computed if small)]


def _same_spacing(one: Grid, other: Grid) -> bool:
    """Whether two grids have voxels of one size, in whatever order of axes."""
    pairs = zip(sorted(one.spacing_mm), sorted(other.spacing_mm), strict=True)
    return all(abs(a - b) <= SAME_SPACING * b for a, b in pairs)


def _simplest(tried: Sequence[Hypothesis], first: str) -> Hypothesis:
    """The first in order of simplicity that nothing fits clearly better than: our own model before others."""
    best = min(tried, key=lambda one: one.fit.residual).fit
    order = sorted(tried, key=lambda one: one.model != first)  # stable: models and places in their order
    return next(o for o in order if not clearly_better(best.residual, o.fit.residual, best.count))


def _applied(one: Hypothesis, dose: DoseMap, grid: Grid) -> DoseMap:
    """A variant, moved, scaled and cut off, at voxels of a grid [Gy]."""
    values = sampled(dose, grid, one.lying)[0] * one.fit.factor
    return DoseMap(values if one.fit.cut_gy is None else np.minimum(values, one.fit.cut_gy), grid)


def _difference(part: DoseMap, ours: DoseMap, mirror: Sequence[int]) -> float | None:
    """Root mean square of theirs less ours as they are, over that of theirs."""
    as_is = mirrored(part, mirror)  # back again, about the part: near enough for one number
    values, inside = sampled(ours, part.grid, Lying())
    chosen = inside & compared(as_is.array, values)
    return _relative(as_is.array, values, chosen) if as_is.array[chosen].any() else None


def _relative(theirs: Floats, ours: Floats, chosen: NDArray[np.bool_]) -> float:
    """Root mean square difference over root mean square of theirs."""
    t, m = theirs[chosen].astype(np.float64), ours[chosen].astype(np.float64)
    return math.sqrt(float(((t - m) ** 2).sum()) / float((t**2).sum()))


def _without(
    theirs: DoseMap,
    doses: Mapping[str, DoseMap],
    made: Mapping[Lying, Mapping[str, DoseMap]],
    chosen: Hypothesis,
    first: str,
) -> dict[str, float]:
    """The residual without each cause that the chosen variant has, the others kept and the factor fitted anew."""
    lying, model, fit = chosen.lying, chosen.model, chosen.fit
    part = looked_at(theirs, doses[first], lying.mirror)
    values, inside = sampled(made[lying][model], part.grid, lying)
    chosen_voxels = inside & compared(part.array, values)
    cut = np.inf if fit.cut_gy is None else fit.cut_gy
    left = {"factor": _relative(part.array, np.minimum(values, cut), chosen_voxels)}
    if fit.cut_gy is not None:
        left["cut"] = _relative(part.array, values * fit.factor, chosen_voxels)
    others: dict[str, tuple[DoseMap | None, Lying]] = {}
    if model != first:
        others["model"] = (made[lying].get(first), lying)
    if lying.length_mm > 0:
        others["shift"] = (made[lying][model], replace(lying, shift_mm=(0.0, 0.0, 0.0)))
    if lying.mirror:
        others["mirror"] = (made[lying][model], replace(lying, mirror=()))
    if lying.sampling is not Sampling.LINEAR:
        others["grid"] = (doses[model], replace(lying, sampling=Sampling.LINEAR))
    for name, (dose, there) in others.items():
        where = looked_at(theirs, doses[first], there.mirror)
        other = None if dose is None else fit_at(where, dose, replace(there, mirror=()))
        if other is not None:
            left[name] = other.residual
    return left


def _rounding(part: DoseMap, explained: DoseMap, fit: Fit) -> float | None:
    """The step of their values, where rounding to it is what is left."""
    step = rounding_step(part.array)
    if step is None:
        return None
    chosen = compared(part.array, explained.array)
    left = float(np.sqrt(((part.array[chosen] - explained.array[chosen]) ** 2).mean()))
    expected = step / math.sqrt(12.0)
    return step if ROUNDING_FROM * expected < left < ROUNDING_TO * expected else None


def _noise(part: DoseMap, explained: DoseMap, variants: Iterable[Floats]) -> float | None:
    """Noise of the difference over root mean square dose, from neighbours where our models differ least."""
    t, m = part.array.astype(np.float64), explained.array.astype(np.float64)
    hot = m >= QUIET_FROM_DOSE * m.max()
    if not hot.any():
        return None
    total, squares, count = np.zeros(m.shape), np.zeros(m.shape), 0
    for variant in variants:  # one at a time: maps of a CT's grid do not fit beside each other
        total += variant
        squares += np.square(variant, dtype=np.float64)
        count += 1
    mean = total / max(count, 1)
    spread = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0.0)) / np.maximum(m, 1e-12)
    quiet = hot & (spread <= np.quantile(spread[hot], QUIET_SHARE))
    relative = np.divide(t - m, m, out=np.zeros_like(m), where=m > 0)
    steps = [np.diff(relative, axis=a)[_both(quiet, a)] for a in range(3)]
    values = np.abs(np.concatenate(steps)) / math.sqrt(2.0)
    if values.size < LEAST_PAIRS:
        return None
    return float(MEDIAN_TO_SD * np.median(values) * math.sqrt((m**2).mean() / (t**2).mean()))


def _both(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Pairs of neighbours along an axis that are both in a mask."""
    low = np.take(mask, range(mask.shape[axis] - 1), axis=axis)
    return np.asarray(low & np.take(mask, range(1, mask.shape[axis]), axis=axis))
